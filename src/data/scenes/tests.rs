//! What the labels of a scene promise each other, and that the bytes stay.

use super::*;
use crate::data::Fitted;
use crate::tasks::{Form, LossKind};
use sha2::{Digest, Sha256};

fn task(target: &str, loss: &str, channels: i64) -> Task {
    let loss: LossKind = serde_yaml::from_str(loss).unwrap();
    Task {
        name: target.into(),
        targets: vec![target.into()],
        labels: None,
        standardize: false,
        form: loss.form(channels),
        loss,
        metrics: vec![],
    }
}

fn tasks() -> Vec<Task> {
    vec![
        task("segmentation", "{name: cross_entropy, classes: 11}", 1),
        task("depth", "{name: l1}", 1),
        task("normals", "{name: cosine}", 3),
        task("count", "{name: cross_entropy, classes: 5}", 1),
        task("nearest", "{name: cross_entropy, classes: 10}", 1),
    ]
}

fn small() -> Scenes {
    Scenes { size: [24, 40], train: 30, validation: 6, test: 0, seed: Some(3), ..Scenes::default() }
}

fn load(scenes: &Scenes, tasks: &[Task]) -> Result<Dataset> {
    let request = Request::new(tasks, 1, Kind::Float, Path::new("."));
    scenes.load(&request)
}

fn doubles(tensor: &Tensor) -> Vec<f64> {
    Vec::try_from(tensor.to_kind(Kind::Double).reshape(-1)).unwrap()
}

fn scene(image: u64, count: usize) -> Scene {
    Scene::draw(&mut generator(3, "test", image, 0), &Objects::load(), 0, [32, 48], count)
}

#[test]
fn what_stands_in_front_hides_what_is_behind_and_nothing_else() {
    for image in 0..20 {
        let whole = scene(image, 5);
        for count in 1..5 {
            let front = scene(image, count);
            assert_eq!(front.classes, whole.classes[..count]);
            for (pixel, seen) in whole.seen.iter().enumerate() {
                let among = seen.filter(|(object, _)| *object < count);
                assert_eq!(front.seen[pixel], among, "image {image}, the {count} in front, pixel {pixel}");
            }
        }
        assert!(whole.seen.iter().flatten().any(|(object, _)| *object == 0), "nothing hides the front object");
    }
}

#[test]
fn surfaces_lie_one_behind_the_other() {
    for image in 0..20 {
        let scene = scene(image, 5);
        let mut farthest = 1.0;
        for object in (0..5).map(Some).chain([None]) {
            let here = scene.seen.iter().map(|seen| seen.map(|(object, _)| object) == object);
            let depths = scene.planes().zip(here).filter(|(_, here)| *here).map(|((plane, at), _)| plane.depth(at));
            let depths: Vec<f64> = depths.collect();
            assert!(depths.iter().all(|depth| *depth > farthest), "image {image}, {object:?} behind {farthest}");
            farthest = depths.iter().copied().fold(farthest, f64::max);
        }
    }
}

#[test]
fn labels_of_a_pixel_agree() {
    let data = load(&small(), &tasks()).unwrap();
    let targets = &data.train[0].targets;
    let shapes: Vec<Vec<i64>> = targets.iter().map(|target| target.values.size()).collect();
    assert_eq!(shapes, [vec![30, 24, 40], vec![30, 1, 24, 40], vec![30, 3, 24, 40], vec![30], vec![30]]);
    let [classes, depths, normals] = [0, 1, 2].map(|task| doubles(&targets[task].values));
    let normal = |image: usize, pixel: usize| [0, 1, 2].map(|axis| normals[(image * 3 + axis) * 960 + pixel]);
    let mut compared = 0;
    for image in 0..30 {
        for pixel in 0..960 {
            let [x, y, z] = normal(image, pixel);
            assert!((x * x + y * y + z * z - 1.0).abs() < 1e-6 && z < 0.0, "a unit normal towards the camera");
            for (step, slope) in [(1, -x / z), (40, -y / z)] {
                let next = pixel + step;
                if next >= 960 || (step == 1 && next % 40 == 0) || normal(image, next) != [x, y, z] {
                    continue;
                }
                let (at, next) = (image * 960 + pixel, image * 960 + next);
                assert_eq!(classes[at], classes[next], "one surface is of one class");
                assert!((depths[next] - depths[at] - slope / 24.0).abs() < 1e-5, "the depth of the normal's plane");
                compared += 1;
            }
        }
    }
    assert!(compared > 30_000, "{compared}");
}

#[test]
fn labels_of_an_image_agree_with_those_of_its_pixels() {
    let data = load(&small(), &tasks()).unwrap();
    for group in data.train.iter().chain(data.validation.iter().flatten()) {
        let [classes, depths, counts, nearest] = [0, 1, 3, 4].map(|task| doubles(&group.targets[task].values));
        for (image, (classes, depths)) in classes.chunks(960).zip(depths.chunks(960)).enumerate() {
            let mut front: Vec<(f64, f64)> = depths.iter().copied().zip(classes.iter().copied()).collect();
            front.sort_by(|left, right| left.0.total_cmp(&right.0));
            assert_eq!(front[0].1, nearest[image] + 1.0, "image {image}");
            let kinds = (1..=10).filter(|class| classes.contains(&f64::from(*class))).count();
            assert!((1..=4).contains(&(counts[image] as usize)) && kinds <= counts[image] as usize, "image {image}");
        }
        let several = counts.iter().collect::<Vec<_>>().windows(2).any(|pair| pair[0] != pair[1]);
        assert!(several, "the number of objects varies");
    }
}

/// Of all pixels and labels of a split as they are drawn.
fn checksum(scenes: &Scenes, seed: u64, split: usize, images: u64) -> String {
    let columns: Vec<Column> = tasks().iter().map(|task| Column::of(task, 4).unwrap()).collect();
    let images = scenes.draw(&Objects::load(), &columns, seed, split, images);
    let mut hash = Sha256::new_with_prefix(&images.pixels);
    for labels in &images.labels {
        hash.update(labels.bytes());
    }
    hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn equal_seeds_give_equal_bytes_on_every_machine() {
    let gray = Scenes { channels: 1, ..small() };
    let sums = [(small(), 3, 0), (small(), 3, 1), (small(), 4, 0), (gray, 3, 0)];
    let sums = sums.map(|(scenes, seed, split)| checksum(&scenes, seed, split, 20));
    assert_eq!(sums, ["230814dd61d028e5", "59e5cc51572d2b46", "02d960326a57e62f", "8cb21902551cd539"]);
}

#[test]
fn a_longer_split_begins_with_the_images_of_a_shorter_one() {
    let (short, long) = (load(&small(), &tasks()).unwrap(), load(&Scenes { train: 40, ..small() }, &tasks()).unwrap());
    let begin = long.train[0].narrow(0, 30);
    assert_eq!(begin.inputs[0].1, short.train[0].inputs[0].1);
    assert!(begin.targets.iter().zip(&short.train[0].targets).all(|(begin, short)| begin.values == short.values));
    assert!(short.test.is_none() && short.validation.is_some());
    let other = load(&Scenes { seed: None, ..small() }, &tasks()).unwrap();
    assert_ne!(other.train[0].inputs[0].1, short.train[0].inputs[0].1, "the run's seed draws other scenes");
}

#[test]
fn no_object_is_in_two_splits() {
    let objects = Objects::load();
    let images = |split| (0..Objects::in_split(split)).map(move |index| (split, index));
    let all: Vec<(usize, usize)> = (0..3).flat_map(images).collect();
    assert_eq!(all.len(), 40);
    for (at, &(split, index)) in all.iter().enumerate() {
        for &(other, other_index) in &all[..at] {
            assert_ne!(objects.image(split, 9, index), objects.image(other, 9, other_index));
        }
    }
}

#[test]
fn standardised_depth_has_mean_0_and_deviation_1() {
    let wanted = [Task { standardize: true, ..task("depth", "{name: mse}", 1) }];
    let data = load(&small(), &wanted).unwrap();
    let depth = data.train[0].targets[0].values.to_kind(Kind::Double);
    assert!(depth.mean(Kind::Double).double_value(&[]).abs() < 1e-6);
    assert!((depth.std(false).double_value(&[]) - 1.0).abs() < 1e-6);
    let plain = load(&small(), &[task("depth", "{name: mse}", 1)]).unwrap();
    let back = data.standardizations[0].as_ref().unwrap().undo(&data.validation.unwrap()[0].targets[0].values);
    let apart = back - &plain.validation.unwrap()[0].targets[0].values;
    assert!(apart.abs().max().double_value(&[]) < 1e-5, "validation is standardised by the training labels");
    let fitted = Fitted {
        features: data.features.clone(),
        standardizations: vec![Some(Some(Standardization { mean: vec![0.0], scale: vec![1.0] }))],
        shapes: vec![],
        refit: false,
        all_inputs: false,
    };
    let request = Request { fitted: Some(&fitted), ..Request::new(&wanted, 1, Kind::Float, Path::new(".")) };
    assert_eq!(small().load(&request).unwrap().train[0].targets[0].values, plain.train[0].targets[0].values);
}

#[test]
fn images_are_stored_as_bytes_and_classes_of_pixels_too() {
    for (channels, standardize) in [(1, false), (3, false), (3, true)] {
        let data = load(&Scenes { channels, standardize, ..small() }, &tasks()).unwrap();
        let group = &data.train[0];
        assert_eq!(
            (group.inputs[0].1.size(), group.inputs[0].1.kind()),
            (vec![30, channels as i64, 24, 40], Kind::Uint8)
        );
        assert_eq!(group.targets[0].values.kind(), Kind::Int8);
        let read = data.preparation().apply(group.narrow(0, 30));
        let x = &read.inputs[0].1;
        assert_eq!((x.kind(), read.targets[0].values.kind()), (Kind::Float, Kind::Int64));
        let (least, mean) = (x.min().double_value(&[]), x.mean(Kind::Double).double_value(&[]));
        assert!(
            if standardize { mean.abs() < 1e-4 } else { least > 0.0 && (0.2..0.8).contains(&mean) },
            "{least} {mean}"
        );
    }
}

#[test]
fn settings_that_do_not_fit_name_their_path() {
    let refused = |scenes: Scenes, tasks: &[Task]| match load(&scenes, tasks).unwrap_err().downcast::<BadSetting>() {
        Ok(bad) => (bad.path, format!("{}; {}", bad.what, bad.remedy.unwrap_or_default())),
        Err(other) => panic!("{other}"),
    };
    for (scenes, path) in [
        (Scenes { size: [64, 4], ..small() }, "data.size[1]"),
        (Scenes { channels: 2, ..small() }, "data.channels"),
        (Scenes { objects: [0, 4], ..small() }, "data.objects"),
        (Scenes { objects: [3, 2], ..small() }, "data.objects"),
    ] {
        assert_eq!(refused(scenes, &tasks()).0, path);
    }
    for (task, path, part) in [
        (task("segmentatoin", "{name: l1}", 1), "tasks[0].target", "did you mean segmentation?"),
        (task("segmentation", "{name: cross_entropy, classes: 10}", 1), "tasks[0].loss", "classes: 11"),
        (task("count", "{name: mse}", 1), "tasks[0].loss", "classes: 5"),
        (task("normals", "{name: mse}", 1), "tasks[0].loss", "write `channels: 3`"),
        (task("depth", "{name: mse}", 3), "tasks[0].loss", "no `channels`"),
    ] {
        let (at, text) = refused(small(), &[task]);
        assert!(at == path && text.contains(part), "{at}: {text}");
    }
    let several = Task { targets: vec!["depth".into(), "normals".into()], form: Form::Real(2), ..tasks().remove(1) };
    assert_eq!(refused(small(), &[several]).0, "tasks[0].target");
}
