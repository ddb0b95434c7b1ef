//! The order of training: which rows a step reads, as a pure function of seed, epoch and step.

use super::{Batch, Group, Slice};
use crate::error::BadSetting;
use crate::random::generator;
use rand::seq::SliceRandom;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::rc::Rc;
use tch::Tensor;

/// How groups of unequal length make an epoch. The names are those of Lightning's `CombinedLoader`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Combine {
    /// An epoch lasts as long as the longest group; shorter ones start anew, newly shuffled.
    #[default]
    MaxSizeCycle,
    /// An epoch ends with the shortest group.
    MinSize,
    /// An epoch lasts as long as the longest group; shorter ones are absent after their end.
    MaxSize,
    /// One group after another, each with steps of its own.
    Sequential,
}

/// How rows become batches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoaderSettings {
    /// Rows per batch and group, above zero.
    pub batch_size: i64,
    /// A new order every epoch; else the order of the source.
    pub shuffle: bool,
    /// Leave out a group's last batch where it is not full.
    pub drop_last: bool,
    /// What an epoch is where groups differ in length.
    pub combine: Combine,
    /// Batches that make one update together, above zero.
    pub accumulate: i64,
    /// Independent batches (each of `accumulate`) that a step reads.
    pub batches: i64,
}

/// A pass over a group in its order.
#[derive(Debug)]
enum Ordered {
    /// All rows, gathered: a step only makes views.
    Rows(Rc<Group>),
    /// Where each row lies `[rows]` int64: rows so wide that a step's own copy costs less than all at once would.
    Index(Tensor),
}

/// An (epoch, pass), and its order.
type Pass = ((i64, i64), Ordered);

/// From so many bytes a row on, a step gathers its own: they stay in the cache, and the rows are held but once.
const WIDE: usize = 512;

/// Gives the batch of any step of any epoch.
///
/// With `b_g` batches in group `g`, a step of a cycling epoch reads batch `step mod b_g` of pass `step div b_g`; a batch
/// never mixes two passes. A pass of narrow rows is gathered once, so that a step only makes views.
#[derive(Debug)]
pub struct Loader {
    groups: Vec<Rc<Group>>,
    /// Rows per group.
    rows: Vec<i64>,
    settings: LoaderSettings,
    seed: u64,
    /// Per group: the pass that is read now; none where the order is that of the source.
    passes: Vec<Option<Pass>>,
    steps: i64,
}

impl Loader {
    /// Serves `groups`, which are on the device already.
    ///
    /// # Errors
    /// A group gives no batch at all: it has no rows, or `drop_last` drops its only one.
    pub fn new(groups: Vec<Group>, settings: LoaderSettings, seed: u64) -> Result<Self, BadSetting> {
        let LoaderSettings { batch_size, drop_last, .. } = settings;
        if batch_size < 1 {
            let what = format!("invalid value: {batch_size}, expected a whole number of 1 or more");
            return Err(BadSetting::new("train.batch_size", what));
        }
        if let Some(group) = groups.iter().find(|group| batches(group.rows(), settings) == 0) {
            let rows = group.rows();
            return Err(if drop_last && rows > 0 {
                let what =
                    format!("{rows} training rows are less than one batch of {batch_size}, so an epoch has no step");
                BadSetting::new("train.drop_last", what).remedy("lower train.batch_size or set train.drop_last: false")
            } else {
                BadSetting::new("data", format!("tasks {:?} have no training rows", group.tasks))
            });
        }
        let rows: Vec<i64> = groups.iter().map(Group::rows).collect();
        let counts = rows.iter().map(|rows| batches(*rows, settings));
        let steps = match settings.combine {
            Combine::MaxSizeCycle | Combine::MaxSize => counts.max(),
            Combine::MinSize => counts.min(),
            Combine::Sequential => Some(counts.sum()),
        };
        let groups: Vec<Rc<Group>> = groups.into_iter().map(Rc::new).collect();
        let passes = groups.iter().map(|_| None).collect();
        let loader = Self { groups, rows, settings, seed, passes, steps: steps.unwrap_or(0) };
        if loader.steps_per_epoch() == 0 {
            let LoaderSettings { accumulate, batches, .. } = settings;
            let what = format!(
                "an epoch of {} batches is too short for a step, which reads {batches} times {accumulate} of them",
                loader.steps
            );
            let remedy = "lower train.batch_size or train.accumulate, or use a method that reads one batch";
            return Err(BadSetting::new("train", what).remedy(remedy));
        }
        Ok(loader)
    }

    /// All rows, in the order of the source.
    pub fn groups(&self) -> &[Rc<Group>] {
        &self.groups
    }

    /// The number of steps in an epoch. With one batch a step, the last may read fewer portions than `accumulate`.
    pub fn steps_per_epoch(&self) -> i64 {
        let LoaderSettings { accumulate, batches, .. } = self.settings;
        if batches == 1 { (self.steps + accumulate - 1) / accumulate } else { self.steps / (accumulate * batches) }
    }

    /// What step `step` of epoch `epoch` reads, both from 0: independent batches, each in portions that make one together.
    /// The same for the same seed, whatever was read before.
    ///
    /// # Panics
    /// The step is not in the epoch.
    pub fn step(&mut self, epoch: i64, step: i64) -> Vec<Vec<Batch>> {
        let LoaderSettings { accumulate, batches, .. } = self.settings;
        let first = step * accumulate * batches;
        (0..batches)
            .map(|batch| {
                let first = first + batch * accumulate;
                (first..(first + accumulate).min(self.steps)).map(|at| self.batch(epoch, at)).collect()
            })
            .collect()
    }

    /// The portion `step` of epoch `epoch`, both from 0.
    fn batch(&mut self, epoch: i64, step: i64) -> Batch {
        assert!((0..self.steps).contains(&step), "portion {step} of an epoch of {}", self.steps);
        let mut before = 0;
        let mut batch = Batch::new();
        for index in 0..self.groups.len() {
            let count = batches(self.rows[index], self.settings);
            let (pass, position) = match self.settings.combine {
                Combine::MaxSizeCycle => (step / count, step % count),
                Combine::MinSize | Combine::MaxSize => (0, step),
                Combine::Sequential => (0, step - before),
            };
            before += count;
            if (0..count).contains(&position) {
                batch.push(self.slice(index, (epoch, pass), position));
            }
        }
        batch
    }

    fn slice(&mut self, index: usize, pass: (i64, i64), position: i64) -> Slice {
        let size = self.settings.batch_size;
        let start = position * size;
        let length = size.min(self.rows[index] - start);
        if !self.settings.shuffle {
            return Slice::new(&self.groups[index], start, length);
        }
        match self.ordered(index, pass) {
            Ordered::Rows(rows) => Slice::new(rows, start, length),
            Ordered::Index(order) => {
                let order = order.narrow(0, start, length);
                self.groups[index].gather(&order).into()
            }
        }
    }

    fn ordered(&mut self, index: usize, pass: (i64, i64)) -> &Ordered {
        let group = &self.groups[index];
        let kept = &mut self.passes[index];
        if kept.as_ref().is_some_and(|(at, _)| *at != pass) {
            *kept = None; // the old pass makes room before the new one is gathered
        }
        let (_, ordered) = kept.get_or_insert_with(|| {
            let order = permutation(group.rows(), self.seed, pass, index).to_device(group.inputs[0].1.device());
            let wide = group.inputs.iter().any(|(_, input)| row_bytes(input) >= WIDE);
            (pass, if wide { Ordered::Index(order) } else { Ordered::Rows(Rc::new(group.gather(&order))) })
        });
        ordered
    }
}

/// The bytes of one row `[…]` of `[N, …]`.
fn row_bytes(tensor: &Tensor) -> usize {
    tensor.size()[1..].iter().product::<i64>() as usize * tensor.kind().elt_size_in_bytes()
}

/// The number of batches in one pass over so many rows.
fn batches(rows: i64, settings: LoaderSettings) -> i64 {
    let size = settings.batch_size;
    if settings.drop_last { rows / size } else { (rows + size - 1) / size }
}

/// The order of one pass over a group, `[rows]` int64.
fn permutation(rows: i64, seed: u64, (epoch, pass): (i64, i64), group: usize) -> Tensor {
    let mut order: Vec<i64> = (0..rows).collect();
    order.shuffle(&mut generator(seed, "shuffle", epoch as u64, ((group as u64) << 20) + pass as u64));
    Tensor::from_slice(&order)
}

/// A split in pieces of at most `rows` rows, for evaluation: group after group, in order, as views.
pub fn chunks(groups: &[Group], rows: i64) -> impl Iterator<Item = Group> {
    assert!(rows > 0, "a piece has rows");
    groups.iter().flat_map(move |group| {
        (0..group.rows()).step_by(rows as usize).map(move |start| {
            let length = rows.min(group.rows() - start);
            group.narrow(start, length)
        })
    })
}

#[cfg(test)]
mod tests {
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
        LoaderSettings { batch_size: 4, shuffle: true, drop_last: false, combine, accumulate: 1, batches: 1 }
    }

    fn loader(lengths: &[i64], settings: LoaderSettings, seed: u64) -> Loader {
        Loader::new(groups(lengths), settings, seed).unwrap()
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
        let mut wide = Loader::new(groups, settings(Combine::default()), 5).unwrap();
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
        let error = Loader::new(groups(&[9, 3]), full, 1).unwrap_err();
        assert_eq!(error.path, "train.drop_last");
        assert!(error.what.contains("3 training rows are less than one batch of 4"), "{error}");
        assert_eq!(Loader::new(groups(&[0]), settings(Combine::default()), 1).unwrap_err().path, "data");
        let none = LoaderSettings { batch_size: 0, ..full };
        assert_eq!(Loader::new(groups(&[9]), none, 1).unwrap_err().path, "train.batch_size");
    }

    #[test]
    fn chunks_are_the_split_in_order() {
        let groups = groups(&[5, 0, 3]);
        let pieces: Vec<Vec<i64>> = chunks(&groups, 2).map(|group| rows_of(&group)).collect();
        assert_eq!(pieces, [vec![0, 1], vec![2, 3], vec![4], vec![200, 201], vec![202]]);
        assert_eq!(chunks(&groups, 100).count(), 2);
    }
}
