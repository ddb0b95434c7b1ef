//! Pairs of made-up digits.

use super::*;
use crate::tasks::TaskSettings;
use std::fs;

/// A folder of MNIST's family: image `n` is `first + n` everywhere, its class `n mod 10`.
fn family_of(folder: &Path, first: u8, train: u8, test: u8) {
    fs::create_dir_all(folder).expect("a folder");
    for (part, rows) in [("train", train), ("t10k", test)] {
        let header = |count: u8, sizes: &[u8]| {
            let sizes = sizes.iter().flat_map(|&size| [0, 0, 0, size]);
            [0, 0, 8, count].into_iter().chain(sizes).collect::<Vec<u8>>()
        };
        let pixels = (0..rows).flat_map(|row| [first + row; DIGIT * DIGIT]);
        let images: Vec<u8> = header(3, &[rows, 28, 28]).into_iter().chain(pixels).collect();
        let labels: Vec<u8> = header(1, &[rows]).into_iter().chain((0..rows).map(|row| row % 10)).collect();
        fs::write(folder.join(format!("{part}-images-idx3-ubyte")), images).expect("written");
        fs::write(folder.join(format!("{part}-labels-idx1-ubyte")), labels).expect("written");
    }
}

fn load(text: &str, tasks: &[&str], folder: &Path) -> Result<Dataset> {
    let task = |text: &&str| serde_yaml::from_str::<TaskSettings>(text).expect("a task").checked().expect("fits");
    let tasks: Vec<Task> = tasks.iter().map(task).collect();
    let request = Request::new(&tasks, 9, Kind::Float, folder);
    serde_yaml::from_str::<Data>(&format!("{{name: multi_mnist, {text}}}"))?.load(&request)
}

const TASKS: [&str; 2] = [
    "{name: left, loss: {name: cross_entropy, classes: 10}}",
    "{name: other, target: right, loss: {name: cross_entropy, classes: 10}}",
];

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    family_of(&folder.path().join("dark"), 1, 60, 20);
    family_of(&folder.path().join("light"), 101, 60, 20);
    folder
}

/// Per row, the images at (left, right), told by a corner that only one of them fills.
fn pairs(group: &Group) -> Vec<(i64, i64)> {
    let pixel = |y: i64, x: i64| {
        let pixel = group.inputs[0].1.narrow(2, y, 1).narrow(3, x, 1).reshape([-1]).to_kind(Kind::Int64);
        Vec::<i64>::try_from(pixel).expect("numbers")
    };
    pixel(0, 0).into_iter().zip(pixel(35, 35)).collect()
}

fn classes(group: &Group, task: usize) -> Vec<i64> {
    Vec::try_from(group.targets[task].values.to_kind(Kind::Int64)).expect("classes")
}

#[test]
fn two_images_lie_in_their_corners_with_their_classes() {
    let folder = folder();
    let data =
        load("left: dark, right: light, train: 130, validation: 13, test: 25", &TASKS, folder.path()).expect("loads");
    let splits = [&data.train, data.validation.as_ref().expect("split"), data.test.as_ref().expect("split")];
    assert_eq!(splits.map(|split| split[0].rows()), [130, 13, 25]);
    for split in splits {
        let group = &split[0];
        assert_eq!(group.inputs[0].1.size()[1..], [1, 36, 36]);
        let pairs = pairs(group);
        assert_eq!(classes(group, 0), pairs.iter().map(|(left, _)| (left - 1) % 10).collect::<Vec<_>>());
        assert_eq!(classes(group, 1), pairs.iter().map(|(_, right)| (right - 101) % 10).collect::<Vec<_>>());
        let (first, image) = (pairs[0], group.inputs[0].1.select(0, 0).select(0, 0));
        for (y, x, expected) in [
            (27, 0, first.0),
            (7, 27, first.0),
            (8, 8, first.1),
            (27, 27, first.1),
            (8, 7, first.0),
            (28, 7, 0),
            (35, 8, first.1),
        ] {
            assert_eq!(image.int64_value(&[y, x]), expected, "pixel {y} {x} of {first:?}");
        }
    }
    // Validation holds no image that training holds; each image is used equally often, to one.
    let used = |split: &[Group]| pairs(&split[0]).into_iter().map(|(left, _)| left).collect::<Vec<_>>();
    let (train, validation) = (used(&data.train), used(splits[1]));
    assert!(validation.iter().all(|image| !train.contains(image)));
    let times = |image: i64| train.iter().filter(|&&other| other == image).count();
    let counts: Vec<usize> = (1..=60).map(times).filter(|&count| count > 0).collect();
    assert!(counts.len() == 54 && counts.iter().all(|count| (2..=3).contains(count)), "{counts:?}");
}

#[test]
fn the_seed_of_the_data_alone_draws_the_pairs() {
    let folder = folder();
    let print = |text: &str| {
        load(&format!("left: dark, right: dark, train: 40, test: 7, {text}"), &TASKS, folder.path())
            .expect("loads")
            .first_fingerprint()
    };
    assert_eq!(print("seed: 0"), 8_022_172_759_635_438_296);
    assert_ne!(print("seed: 0"), print("seed: 1"));
    assert_eq!(
        load("left: dark, right: dark, train: 9, size: 28", &TASKS, folder.path()).expect("loads").train[0].inputs[0]
            .1
            .size(),
        [9, 1, 28, 28]
    );
}

#[test]
fn what_does_not_fit_is_named() {
    let folder = folder();
    for (text, task, expected) in [
        (
            "left: dark, right: light",
            "{name: top, loss: {name: cross_entropy, classes: 10}}",
            "tasks[0].target: top is neither left nor right",
        ),
        ("left: dark, right: light", "{name: left, loss: {name: mse}}", "tasks[0]: left needs no classes 0 to 9"),
        (
            "left: dark, right: light",
            "{name: left, loss: {name: cross_entropy, classes: 5}}",
            "-labels-idx1-ubyte, row",
        ),
        ("left: no, right: light", TASKS[0], "no: has no train-images-idx3-ubyte, plain or .gz"),
        (
            "left: dark, right: light, train: 1, validation: 1000",
            TASKS[0],
            "data.validation: 1000 rows leave none of 60 training images",
        ),
    ] {
        let error = load(text, &[task], folder.path()).expect_err(expected).to_string();
        assert!(error.contains(expected), "{error}");
    }
}
