//! What changes a fingerprint, and what does not.

use super::*;
use crate::data::{Data, Dataset, Identity, InputKind, InputRule, Request};
use crate::tasks::TaskSettings;
use std::fs;
use std::path::Path;

const ROWS: &str = "a,b,c,y,z\n1,5,red,no,0.1\n2,,blue,yes,0.7\n3,7,red,no,\n4,8,green,yes,1e5\n";
const Y: &str = "{name: y, labels: [no, yes], loss: {name: cross_entropy, classes: 2}}";
const Z: &str = "{name: z, loss: {name: mse}}";

fn tasks(settings: &[&str]) -> Vec<Task> {
    let task = |text: &&str| serde_yaml::from_str::<TaskSettings>(text).expect("a task").checked().expect("fits");
    settings.iter().map(task).collect()
}

/// The data set of a table with a test split, both of them these rows.
fn load(rows: &str, more: &str, settings: &[&str], change: impl Fn(&mut Request)) -> Dataset {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("rows.csv"), rows).expect("a file");
    let text = format!("{{name: csv, train: rows.csv, test: rows.csv, missing: mean, categorical: [c]{more}}}");
    let data: Data = serde_yaml::from_str(&text).expect("settings");
    let tasks = tasks(settings);
    let mut request = Request::new(&tasks, 1, Kind::Float, folder.path());
    change(&mut request);
    data.load(&request).expect("loads")
}

fn likeness(a: &Dataset, b: &Dataset) -> Likeness {
    a.fingerprint.likeness(&b.fingerprint)
}

#[test]
fn the_same_rows_are_the_same_in_every_form() {
    let own = load(ROWS, "", &[Y, Z], |_| {});
    assert_eq!((own.fingerprint.version, own.fingerprint.kind), (VERSION, FingerprintKind::Content));
    let order = "c,z,a,y,b\nred,0.1,1,no,5\nblue,0.7,2,yes,\nred,,3,no,7\ngreen,1e5,4,yes,8\n";
    let classes = "{name: y, labels: [yes, no], loss: {name: cross_entropy, classes: 2}}";
    let standardized = "{name: z, standardize: true, loss: {name: mse}}";
    for (what, other) in [
        ("again", load(ROWS, "", &[Y, Z], |_| {})),
        ("another precision", load(ROWS, "", &[Y, Z], |request| request.precision = Kind::Double)),
        ("categories as indices", load(ROWS, "", &[Y, Z], |request| request.indices = true)),
        ("plain inputs", load(ROWS, ", standardize: false", &[Y, Z], |_| {})),
        ("standardized labels", load(ROWS, "", &[Y, standardized], |_| {})),
        ("another order of columns", load(order, "", &[Y, Z], |_| {})),
        ("another order of classes", load(ROWS, "", &[classes, Z], |_| {})),
        ("another order of tasks", load(ROWS, "", &[Z, Y], |_| {})),
        ("a task fewer", load(ROWS, ", exclude: [z]", &[Y], |_| {})),
    ] {
        assert_eq!(likeness(&own, &other), Likeness::Same, "{what}");
    }
}

#[test]
fn any_other_cell_row_or_split_is_other_rows() {
    let own = load(ROWS, "", &[Y, Z], |_| {});
    let rows: Vec<&str> = ROWS.lines().collect();
    let swapped = [rows[0], rows[2], rows[1], rows[3], rows[4], ""].join("\n");
    let shorter = [rows[0], rows[1], rows[2], rows[3], ""].join("\n");
    for (what, other) in [
        ("an input", load(&ROWS.replace("1,5,", "1,6,"), "", &[Y, Z], |_| {})),
        ("an empty cell", load(&ROWS.replace("2,,", "2,6.666666666666667,"), "", &[Y, Z], |_| {})),
        ("a category", load(&ROWS.replace("green", "grean"), "", &[Y, Z], |_| {})),
        ("a class", load(&ROWS.replace("red,no,\n", "red,yes,\n"), "", &[Y, Z], |_| {})),
        ("a real label", load(&ROWS.replace("0.7", "0.70001"), "", &[Y, Z], |_| {})),
        ("a missing label", load(&ROWS.replace("red,no,\n", "red,no,0\n"), "", &[Y, Z], |_| {})),
        ("the order of rows", load(&swapped, "", &[Y, Z], |_| {})),
        ("a row fewer", load(&shorter, "", &[Y, Z], |_| {})),
        ("a column fewer", load(ROWS, ", exclude: [a]", &[Y, Z], |_| {})),
        ("weights", load(ROWS, ", weight: a", &[Y, Z], |_| {})),
    ] {
        assert_eq!(likeness(&own, &other), Likeness::Other, "{what}");
    }
}

const TRAIN: Place = Place { split: "train", group: 0, owners: &[] };

#[test]
fn how_numbers_are_held_in_memory_changes_nothing() {
    let of = |x: &Tensor, kind: InputKind| {
        let mut digest = Digest::new(12);
        let group = Group { inputs: vec![("x".into(), x.shallow_clone())], tasks: vec![], targets: vec![] };
        let inputs = [("x".to_string(), InputRule::new(kind))].into();
        digest.inputs(TRAIN, &group, &Preparation { precision: Kind::Float, inputs });
        digest.finish().0
    };
    let print = |x: &Tensor| of(x, InputKind::Image);
    let bytes = Tensor::from_slice(&[0u8, 51, 102, 255, 7, 9, 200, 1, 2, 3, 4, 5]).view([2, 1, 2, 3]);
    let expanded = bytes.to_kind(Kind::Float) / 255.0;
    assert_eq!(print(&bytes), print(&expanded));
    for kind in [InputKind::Ids, InputKind::Numbers] {
        assert_eq!(of(&bytes, kind), of(&bytes.to_kind(Kind::Float), kind), "bytes that are no image are numbers");
    }
    assert_eq!(print(&expanded), print(&expanded.to_kind(Kind::Double)));
    assert_ne!(print(&expanded).inputs, print(&(&expanded + 1e-6)).inputs);
    assert_ne!(print(&expanded).inputs, print(&expanded.view([2, 6])).inputs, "another shape");
}

#[test]
fn a_sample_is_compared_with_a_sample() {
    let print = |cells: u64, change: i64| {
        let mut digest = Digest::new(cells);
        let x = Tensor::arange(2000, (Kind::Float, tch::Device::Cpu)).view([1000, 2]);
        let _ = x.get(change).fill_(-1.0);
        let group = Group { inputs: vec![("x".into(), x)], tasks: vec![], targets: vec![] };
        digest.inputs(TRAIN, &group, &Preparation::new(Kind::Float));
        digest.finish().0
    };
    let (content, sampled) = (print(2000, 0), print(MOST_CELLS + 1, 0));
    assert_eq!(sampled.kind, FingerprintKind::Sampled);
    assert_eq!(content.likeness(&sampled), Likeness::SampleIsSame);
    assert_eq!(sampled.likeness(&content), Likeness::SampleIsSame);
    // Row 1 is in no sample of 256 of 1000 rows.
    assert!(!places(1000).contains(&1) && places(1000).contains(&0));
    let mended = print(2000, 1);
    assert_eq!(content.likeness(&mended), Likeness::Other, "all rows are read where there are few");
    let old = Fingerprint { version: VERSION + 1, ..content.clone() };
    assert_eq!(content.likeness(&old), Likeness::Unknown);
    let text = serde_json::to_value(&content).expect("json");
    assert_eq!((&text["version"], &text["kind"]), (&2.into(), &"content".into()));
    assert!(text["value"].is_string(), "{text}");
    assert_eq!(serde_json::from_value::<Fingerprint>(text).expect("reads back"), content);
}

#[test]
fn labels_count_to_their_last_digit() {
    let far = |last: &str| format!("a,b,c,y,z\n1,5,red,no,1700000000001\n2,6,red,yes,{last}\n");
    let own = load(&far("1700000090000"), "", &[Y, Z], |_| {});
    assert_eq!(likeness(&own, &load(&far("1700000090001"), "", &[Y, Z], |_| {})), Likeness::Other);
}

#[test]
fn rows_are_known_again_in_another_split() {
    let folder = tempfile::tempdir().expect("a folder");
    let rows: String = (0..200).map(|row| format!("{},{}\n", row * row, row % 2)).collect();
    fs::write(folder.path().join("rows.csv"), format!("x,y\n{rows}")).expect("a file");
    fs::write(folder.path().join("more.csv"), format!("x,y\n{rows}7.5,1\n")).expect("a file");
    let tasks = tasks(&["{name: y, loss: {name: cross_entropy, classes: 2}}"]);
    let load = |file: &str, shares: &str, seed: u64| {
        let text = format!("{{name: csv, file: {file}, fractions: {shares}}}");
        let data: Data = serde_yaml::from_str(&text).expect("settings");
        let loaded = data.load(&Request::new(&tasks, seed, Kind::Float, folder.path())).expect("loads");
        (Identity::new(&data, &loaded, seed), loaded)
    };
    let shares = "{train: 0.5, validation: 0.25, test: 0.25}";
    let (model, own) = load("rows.csv", shares, 1);
    assert_eq!(model.met_in(&own), (0, 64), "its own split");
    let (other, rows) = load("rows.csv", shares, 2);
    assert!(model.met_in(&rows).0 > 20, "half of the rows are in other splits: {:?}", model.met_in(&rows));
    assert_eq!(model.all_rows, other.all_rows, "the same rows, dealt otherwise");
    let (_, rows) = load("rows.csv", "{train: 0.2, test: 0.8}", 1);
    assert!(model.met_in(&rows).0 > 20);
    let more = load("more.csv", shares, 1).0;
    assert!(more.all_rows.is_some() && more.all_rows != model.all_rows, "a row more");
    assert_eq!(load("rows.csv", "{train: 0.5, test: 0.25}", 1).0.all_rows, None, "some rows are in no split");
}

/// Every source that draws its rows draws those of another seed when it is told to.
#[test]
fn the_split_of_a_model_is_drawn_again_under_any_seed() {
    let folder = tempfile::tempdir().expect("a folder");
    let rows: String = (0..40).map(|row| format!("{row}.5,{}\n", row % 2)).collect();
    fs::write(folder.path().join("rows.csv"), format!("x,y\n{rows}")).expect("a file");
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/arrays");
    let y = "{name: y, loss: {name: cross_entropy, classes: 2}}";
    let whole = "{name: whole, loss: {name: cross_entropy, classes: 4}}";
    for (data, task, at) in [
        ("{name: synthetic, train: 30, validation: 10, test: 0}", y, folder.path()),
        (
            "{name: scenes, train: 6, validation: 2, test: 0, size: [24, 24]}",
            "{name: count, loss: {name: cross_entropy, classes: 5}}",
            folder.path(),
        ),
        ("{name: csv, file: rows.csv, fractions: {train: 0.5, test: 0.25}}", y, folder.path()),
        (
            "{name: csv, train: {file: rows.csv, fraction: 0.5}, test: {file: rows.csv, fraction: 0.5}}",
            y,
            folder.path(),
        ),
        ("{name: csv, file: rows.csv, fractions: {train: 0.5, test: 0.25}, split_seed: 9}", y, folder.path()),
        (
            "{name: arrays, train: {inputs: image.npy, labels: {whole: \"all.npz:whole\"}}, test: 0.34}",
            whole,
            &fixtures,
        ),
    ] {
        let data: Data = serde_yaml::from_str(data).unwrap_or_else(|error| panic!("{data}: {error}"));
        let tasks = tasks(&[task]);
        let load = |seed: u64, draw_seed: Option<u64>| {
            let request = Request { draw_seed, ..Request::new(&tasks, seed, Kind::Float, at) };
            data.load(&request).unwrap_or_else(|error| panic!("{}: {error}", data.name()))
        };
        let seed = data.draw_seed(3).expect("it draws");
        let (model, own) = (load(3, None), load(0, None));
        assert_eq!(likeness(&model, &load(0, Some(seed))), Likeness::Same, "{}", data.name());
        let fixed = data.draw_seed(3) == data.draw_seed(0);
        assert_eq!(likeness(&model, &own) == Likeness::Same, fixed, "{}", data.name());
    }
    let fixed: Data = serde_yaml::from_str("{name: csv, train: rows.csv, test: rows.csv}").expect("settings");
    assert_eq!(fixed.draw_seed(3), None, "nothing is drawn");
}
