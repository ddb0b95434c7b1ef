//! The order of training.

use super::*;
use crate::tasks::Target;
use std::collections::BTreeSet;

/// One group per length; row `r` of group `g` holds `100 g + r` as input and as label.
fn groups(lengths: &[i64]) -> Vec<Group> {
    let numbers = |g: usize, rows: i64| (0..rows).map(|r| 100 * g as i64 + r).collect::<Vec<i64>>();
    let group = |(g, &rows): (usize, &i64)| {
        let values = Tensor::from_slice(&numbers(g, rows));
        Group {
            inputs: vec![("x".into(), values.to_kind(tch::Kind::Float).view([-1, 1]))],
            tasks: vec![g],
            targets: vec![Target { weights: Some(&values + 0.5), values }],
        }
    };
    lengths.iter().enumerate().map(group).collect()
}

fn settings(combine: Combine) -> LoaderSettings {
    LoaderSettings { batch_size: 4, shuffle: true, drop_last: false, combine, accumulate: 1, batches: 1, prefetch: 1 }
}

fn preparation() -> Preparation {
    Preparation::new(tch::Kind::Float)
}

fn loader(lengths: &[i64], settings: LoaderSettings, seed: u64) -> Loader {
    Loader::new(groups(lengths), settings, preparation(), seed).unwrap()
}

/// The rows of a batch, group by group; inputs, labels and weights must tell the same.
fn rows(batch: &Batch) -> Vec<Vec<i64>> {
    batch.iter().map(|slice| rows_of(slice)).collect()
}

fn rows_of(group: &Group) -> Vec<i64> {
    let labels = Vec::<i64>::try_from(&group.targets[0].values).unwrap();
    let inputs = Vec::<f64>::try_from(group.inputs[0].1.to_kind(tch::Kind::Double).view([-1])).unwrap();
    let weights = Vec::<f64>::try_from(group.targets[0].weights.as_ref().unwrap().to_kind(tch::Kind::Double));
    assert_eq!(inputs, labels.iter().map(|&label| label as f64).collect::<Vec<_>>());
    assert_eq!(weights.unwrap(), labels.iter().map(|&label| label as f64 + 0.5).collect::<Vec<_>>());
    labels
}

fn epoch(loader: &mut Loader, epoch: i64) -> Vec<Vec<Vec<i64>>> {
    (0..loader.steps_per_epoch()).map(|step| rows(&loader.batch(epoch, step))).collect()
}

/// Per step, the number of rows that each present group gives.
fn sizes(lengths: &[i64], settings: LoaderSettings) -> Vec<Vec<usize>> {
    let steps = epoch(&mut loader(lengths, settings, 1), 0);
    steps.iter().map(|step| step.iter().map(Vec::len).collect()).collect()
}

#[test]
fn every_row_comes_once_per_epoch_in_an_order_of_epoch_and_seed() {
    let mut one = loader(&[103], settings(Combine::default()), 1);
    let orders: Vec<Vec<i64>> = (0..3).map(|e| epoch(&mut one, e).concat().concat()).collect();
    for order in &orders {
        assert_eq!(order.len(), 103);
        assert_eq!(order.iter().copied().collect::<BTreeSet<_>>(), (0..103).collect());
    }
    assert_eq!(orders.iter().collect::<BTreeSet<_>>().len(), 3);
    assert_eq!(epoch(&mut loader(&[103], settings(Combine::default()), 1), 2).concat().concat(), orders[2]);
    assert_ne!(epoch(&mut loader(&[103], settings(Combine::default()), 2), 2).concat().concat(), orders[2]);
}

#[test]
fn the_order_is_the_same_on_every_machine_and_in_every_version() {
    let order = Vec::<i64>::try_from(permutation(8, 0, (0, 0), 0)).unwrap();
    assert_eq!(order, [6, 5, 3, 7, 0, 2, 4, 1]);
}

#[test]
fn wide_rows_come_in_the_order_of_narrow_ones() {
    let wide = |group: Group| {
        let labels = group.targets[0].values.to_kind(tch::Kind::Float).view([-1, 1]);
        Group { inputs: vec![("x".into(), labels.expand([-1, WIDE as i64 / 4], false).contiguous())], ..group }
    };
    let groups = groups(&[23]).into_iter().map(wide).collect();
    let mut wide = Loader::new(groups, settings(Combine::default()), preparation(), 5).unwrap();
    let mut narrow = loader(&[23], settings(Combine::default()), 5);
    for (e, step) in [(0, 0), (0, 5), (1, 2), (0, 3)] {
        let (batch, expected) = (wide.batch(e, step), rows(&narrow.batch(e, step)).concat());
        let input = Vec::<f64>::try_from(batch[0].inputs[0].1.to_kind(tch::Kind::Double).select(1, 77)).unwrap();
        assert_eq!(input, expected.iter().map(|&row| row as f64).collect::<Vec<_>>());
        assert_eq!(Vec::<i64>::try_from(&batch[0].targets[0].values).unwrap(), expected);
    }
    assert!(matches!(wide.passes[0], Some((_, Ordered::Index(_)))));
}

#[test]
fn without_shuffling_the_order_is_that_of_the_source() {
    let plain = LoaderSettings { shuffle: false, ..settings(Combine::default()) };
    let mut it = loader(&[10], plain, 1);
    assert_eq!(epoch(&mut it, 3).concat().concat(), (0..10).collect::<Vec<_>>());
    let (whole, step) = (it.groups()[0].inputs[0].1.data_ptr(), it.batch(0, 0)[0].inputs[0].1.data_ptr());
    assert_eq!(whole, step, "a step is a view");
}

#[test]
fn a_step_read_alone_is_the_step_read_in_its_turn() {
    for combine in [Combine::MaxSizeCycle, Combine::MinSize, Combine::MaxSize, Combine::Sequential] {
        let mut in_turn = loader(&[5, 21], settings(combine), 7);
        let epochs: Vec<_> = (0..3).map(|e| epoch(&mut in_turn, e)).collect();
        let mut astray = loader(&[5, 21], settings(combine), 7);
        for (e, step) in [(2, 1), (0, 0), (2, 0), (1, 1), (1, 0), (0, 1), (2, 1)] {
            assert_eq!(rows(&astray.batch(e, step)), epochs[e as usize][step as usize], "{combine:?}");
        }
    }
}

#[test]
fn batches_one_by_one_are_those_of_the_steps_and_tell_their_places() {
    for combine in [Combine::MaxSizeCycle, Combine::MinSize, Combine::MaxSize, Combine::Sequential] {
        for shuffle in [true, false] {
            let settings = LoaderSettings { shuffle, ..settings(combine) };
            let mut in_turn = loader(&[5, 21], settings, 7);
            let expected = (0..3).flat_map(|e| epoch(&mut in_turn, e)).collect::<Vec<_>>();
            let mut alone = loader(&[5, 21], settings, 7);
            for (batch, expected) in alone.batches().zip(expected) {
                let places = |(group, places, _): &(usize, Tensor, Slice)| {
                    let places = Vec::<i64>::try_from(places).unwrap();
                    places.iter().map(|place| 100 * *group as i64 + place).collect::<Vec<_>>()
                };
                assert_eq!(batch.iter().map(places).collect::<Vec<_>>(), expected, "{combine:?} {shuffle}");
                assert_eq!(batch.iter().map(|(_, _, rows)| rows_of(rows)).collect::<Vec<_>>(), expected);
            }
        }
    }
}

#[test]
fn a_cycling_group_starts_anew_in_a_new_order_and_never_mixes_passes() {
    let mut it = loader(&[6, 22], settings(Combine::MaxSizeCycle), 3);
    assert_eq!(it.steps_per_epoch(), 6);
    let short: Vec<Vec<i64>> = epoch(&mut it, 0).into_iter().map(|mut step| step.remove(0)).collect();
    let passes: Vec<Vec<i64>> = short.chunks(2).map(|pass| pass.concat()).collect();
    for pass in &passes {
        assert_eq!(pass.iter().copied().collect::<BTreeSet<_>>(), (0..6).collect());
    }
    assert_eq!(passes.iter().collect::<BTreeSet<_>>().len(), 3);
}

#[test]
fn each_rule_of_combination_counts_its_steps() {
    let of = |combine| sizes(&[6, 9], settings(combine));
    assert_eq!(of(Combine::MaxSizeCycle), [vec![4, 4], vec![2, 4], vec![4, 1]]);
    assert_eq!(of(Combine::MaxSize), [vec![4, 4], vec![2, 4], vec![1]]);
    assert_eq!(of(Combine::MinSize), [vec![4, 4], vec![2, 4]]);
    assert_eq!(of(Combine::Sequential), [[4], [2], [4], [4], [1]]);
    let second: Vec<usize> =
        (0..5).map(|s| loader(&[6, 9], settings(Combine::Sequential), 1).batch(0, s)[0].tasks[0]).collect();
    assert_eq!(second, [0, 0, 1, 1, 1]);
}

#[test]
fn drop_last_leaves_only_full_batches() {
    let full = |combine| LoaderSettings { drop_last: true, ..settings(combine) };
    assert_eq!(sizes(&[6, 9], full(Combine::MaxSizeCycle)), [[4, 4], [4, 4]]);
    assert_eq!(sizes(&[6, 9], full(Combine::Sequential)), [[4], [4], [4]]);
    let mut it = loader(&[9], full(Combine::default()), 1);
    let dropped: BTreeSet<i64> = (0..20)
        .map(|e| {
            let kept = epoch(&mut it, e).concat().concat();
            (0..9).find(|row| !kept.contains(row)).expect("one of nine rows is left out")
        })
        .collect();
    assert!(dropped.len() > 3, "another row is left out every epoch");
}

#[test]
fn an_epoch_without_a_step_is_refused() {
    let full = LoaderSettings { drop_last: true, ..settings(Combine::default()) };
    let error = Loader::new(groups(&[9, 3]), full, preparation(), 1).unwrap_err();
    assert_eq!(error.path, "train.drop_last");
    assert!(error.what.contains("3 training rows are less than one batch of 4"), "{error}");
    assert_eq!(Loader::new(groups(&[0]), settings(Combine::default()), preparation(), 1).unwrap_err().path, "data");
    let none = LoaderSettings { batch_size: 0, ..full };
    assert_eq!(Loader::new(groups(&[9]), none, preparation(), 1).unwrap_err().path, "train.batch_size");
}

#[test]
fn chunks_are_the_split_in_order() {
    let groups = groups(&[5, 0, 3]);
    let pieces: Vec<Vec<i64>> = chunks(&groups, 2, &preparation()).map(|group| rows_of(&group)).collect();
    assert_eq!(pieces, [vec![0, 1], vec![2, 3], vec![4], vec![200, 201], vec![202]]);
    assert_eq!(chunks(&groups, 100, &preparation()).count(), 2);
}

/// Images of 20 x 20 pixels that tell their row, with classes of pixels; one group per length.
fn images(lengths: &[i64]) -> Vec<Group> {
    let group = |(g, &rows): (usize, &i64)| {
        let pixels = Tensor::arange(rows * 400, (tch::Kind::Int64, tch::Device::Cpu));
        Group {
            inputs: vec![("x".into(), (&pixels * 7).remainder(256).to_kind(tch::Kind::Uint8).view([rows, 1, 20, 20]))],
            tasks: vec![g],
            targets: vec![Target {
                values: pixels.remainder(13).to_kind(tch::Kind::Int8).view([rows, 20, 20]),
                weights: None,
            }],
        }
    };
    lengths.iter().enumerate().map(group).collect()
}

/// Everything that a step reads, as text.
fn told(step: &[Vec<Batch>]) -> String {
    let group = |slice: &Slice| {
        let sum = |tensor: &Tensor| {
            crate::tensor_file::bytes(tensor)
                .iter()
                .fold(7u64, |sum, &byte| sum.wrapping_mul(31).wrapping_add(u64::from(byte)))
        };
        let target = &slice.targets[0];
        let weights = target.weights.as_ref().map(sum);
        format!("{:?}", (&slice.tasks, slice.inputs[0].1.kind(), sum(&slice.inputs[0].1), sum(&target.values), weights))
    };
    step.iter().flatten().map(|batch| batch.iter().map(group).collect::<String>() + "\n").collect()
}

#[test]
fn steps_made_ahead_are_those_made_here_whatever_is_asked() {
    let augmentation: Augmentation = serde_yaml::from_str("{crop: 2, flip: true, scale: [1, 1.5]}").unwrap();
    let asked = [(0, 0), (0, 1), (0, 1), (0, 2), (2, 0), (0, 0), (0, 1), (0, 3), (1, 0), (1, 0), (1, 1), (1, 2)];
    for combine in [Combine::MaxSizeCycle, Combine::MinSize, Combine::MaxSize, Combine::Sequential] {
        for (accumulate, batches) in [(1, 1), (2, 1), (1, 2)] {
            for (shuffle, augmentation) in [(true, None), (false, None), (true, Some(&augmentation))] {
                let it = |prefetch| {
                    let settings =
                        LoaderSettings { batch_size: 3, shuffle, accumulate, batches, prefetch, ..settings(combine) };
                    let loader = Loader::new(images(&[25, 26]), settings, preparation(), 4).unwrap();
                    loader.with_augmentation(augmentation.cloned())
                };
                let (mut here, mut ahead, mut far) = (it(0), it(1), it(3));
                let last = here.steps_per_epoch() - 1;
                let places = asked.into_iter().chain([(3, last - 1), (3, last), (4, 0), (4, 1)]);
                for (epoch, step) in places.map(|(epoch, step)| (epoch, step.min(last))) {
                    let expected = told(&here.step(epoch, step));
                    assert_eq!(told(&ahead.step(epoch, step)), expected, "{combine:?} {epoch} {step}");
                    assert_eq!(told(&far.step(epoch, step)), expected, "{combine:?} {epoch} {step}, three ahead");
                }
                assert!(ahead.prefetch.is_some() && here.prefetch.is_none());
            }
        }
    }
}

#[test]
fn narrow_rows_need_nothing_made_ahead() {
    let mut it = loader(&[23], settings(Combine::default()), 5);
    it.step(0, 0);
    assert!(it.prefetch.is_none());
}

#[test]
fn augmentation_changes_a_row_anew_every_epoch_and_not_with_the_batch_size() {
    let augmentation: Augmentation = serde_yaml::from_str("{crop: 4, flip: true}").unwrap();
    let epoch = |batch_size, epoch| {
        let settings = LoaderSettings { batch_size, ..settings(Combine::default()) };
        let loader = Loader::new(images(&[12]), settings, preparation(), 4).unwrap();
        let mut loader = loader.with_augmentation(Some(augmentation.clone()));
        let steps =
            (0..loader.steps_per_epoch()).map(|step| loader.step(epoch, step)[0][0][0].inputs[0].1.shallow_clone());
        Tensor::cat(&steps.collect::<Vec<_>>(), 0)
    };
    assert_eq!(epoch(3, 1), epoch(4, 1));
    let sums = |epoch: Tensor| {
        let mut sums =
            Vec::<f64>::try_from(epoch.sum_dim_intlist([1i64, 2, 3].as_slice(), false, tch::Kind::Double)).unwrap();
        sums.sort_by(f64::total_cmp);
        sums
    };
    assert_ne!(sums(epoch(3, 0)), sums(epoch(3, 1)), "other crops");
}
