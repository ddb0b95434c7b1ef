//! Idx files, good and bad.

use super::*;
use crate::data::Data;
use crate::tasks::{Task, TaskSettings};
use flate2::{Compression, write::GzEncoder};
use std::fs;
use std::io::Write;
use tch::Kind;

/// The bytes of an idx file.
fn file(shape: &[u32], data: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, 0, 8, shape.len() as u8];
    shape.iter().for_each(|size| bytes.extend(size.to_be_bytes()));
    bytes.extend(data);
    bytes
}

fn packed(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).expect("memory");
    encoder.finish().expect("memory")
}

fn tasks() -> Vec<Task> {
    let settings =
        ["{name: a, loss: {name: cross_entropy, classes: 10}}", "{name: b, loss: {name: cross_entropy, classes: 3}}"];
    let task = |text| serde_yaml::from_str::<TaskSettings>(text).expect("a task").checked().expect("fits");
    settings.map(task).into_iter().collect()
}

/// Twenty images of 2 x 3 pixels, whose first pixel is the row.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let pixels: Vec<u8> = (0..20).flat_map(|row| [row, 255, 0, 51, 102, row]).collect();
    let write = |name: &str, bytes: &[u8]| fs::write(folder.path().join(name), bytes).expect("written");
    write("images", &file(&[20, 2, 3], &pixels));
    write("images.gz", &packed(&file(&[20, 2, 3], &pixels)));
    write("a", &file(&[20], &(0..20).map(|row| row % 10).collect::<Vec<u8>>()));
    write("b.gz", &packed(&file(&[20], &(0..20).map(|row| row % 3).collect::<Vec<u8>>())));
    write("short", &file(&[19], &[0; 19]));
    folder
}

fn load(text: &str, folder: &Path) -> Result<Dataset> {
    let tasks = tasks();
    let request = Request::new(&tasks, 1, Kind::Float, folder);
    serde_yaml::from_str::<Data>(&format!("{{name: idx, {text}}}"))?.load(&request)
}

fn rows(group: &Group) -> Vec<i64> {
    Vec::try_from(group.inputs[0].1.to_kind(Kind::Int64).select(3, 0).select(2, 0).select(1, 0)).expect("numbers")
}

#[test]
fn images_and_labels_are_read_and_shares_are_disjoint() {
    let folder = folder();
    let train = "train: {images: images, labels: {a: a, b: b.gz}}";
    let data = load(
        &format!("{train}, validation: 0.25, test: {{images: images.gz, labels: {{a: a, b: b.gz}}}}"),
        folder.path(),
    );
    let data = data.expect("loads");
    let (train, validation) = (&data.train[0], &data.validation.as_ref().expect("a split")[0]);
    assert_eq!((train.rows(), validation.rows(), data.test.as_ref().expect("a split")[0].rows()), (15, 5, 20));
    let mut all = [rows(train), rows(validation)].concat();
    all.sort_unstable();
    assert_eq!(all, (0..20).collect::<Vec<_>>());
    assert_eq!((train.inputs[0].1.kind(), train.inputs[0].1.size()), (Kind::Uint8, vec![15, 1, 2, 3]));
    for group in [train, validation] {
        let label = |at: usize| Vec::<i64>::try_from(group.targets[at].values.to_kind(Kind::Int64)).expect("labels");
        assert_eq!(label(0), rows(group).iter().map(|row| row % 10).collect::<Vec<_>>());
        assert_eq!(label(1), rows(group).iter().map(|row| row % 3).collect::<Vec<_>>());
    }
    let x = data.preparation().apply(train.narrow(0, 1)).inputs[0].1.shallow_clone();
    assert_eq!(
        (x.kind(), x.double_value(&[0, 0, 0, 1]), x.double_value(&[0, 0, 1, 0])),
        (Kind::Float, 1.0, f64::from(0.2f32))
    );
}

#[test]
fn what_is_no_whole_idx_file_is_named() {
    let folder = folder();
    let good = fs::read(folder.path().join("images")).expect("read");
    let with = |at: usize, byte: u8| {
        let mut bytes = good.clone();
        bytes[at] = byte;
        bytes
    };
    for (bytes, expected) in [
        (good[..good.len() - 1].to_vec(), "has 119 bytes of data, [20, 2, 3] needs 120"),
        (good[..9].to_vec(), "ends in its header, after 9 bytes"),
        (vec![0], "is no idx file: it has 1 bytes"),
        (with(0, 7), "is no idx file: it begins with [07, 00, 08, 03], not 00 00"),
        (with(2, 13), "holds numbers of type 0x0d, expected 0x08 (unsigned bytes)"),
        (with(3, 1), "has 1 dimensions, expected 3 to 4"),
        (packed(&good)[..60].to_vec(), "is not a whole gzip file"),
        (file(&[0, 2, 3], &[]), "has no rows: [0, 2, 3]"),
    ] {
        fs::write(folder.path().join("bad"), bytes).expect("written");
        let error =
            load("train: {images: bad, labels: {a: a, b: b.gz}}", folder.path()).expect_err(expected).to_string();
        assert!(error.contains("bad: ") && error.contains(expected), "{error}");
    }
}

#[test]
fn labels_that_do_not_belong_are_refused() {
    let folder = folder();
    for (labels, expected) in [
        ("{a: a, b: short}", "short: has 19 labels for the 20 images of"),
        ("{a: a, b: a}", "a, row 4: 3 is not a class of task \"b\": 0 to 2 are"),
        ("{a: a}", "data.train.labels: has no file for task \"b\""),
        ("{a: a, b: images}", "images: has 3 dimensions, expected 1"),
        ("{a: a, b: missing}", "missing: there is no such file"),
    ] {
        let error = load(&format!("train: {{images: images, labels: {labels}}}"), folder.path()).expect_err(expected);
        assert!(error.to_string().contains(expected), "{error}");
    }
    let all = "train: {images: images, labels: {a: a, b: b.gz}}, validation: 0.6, test: 0.4";
    assert!(load(all, folder.path()).expect_err("none left").to_string().contains("leave none of 20 training rows"));
}
