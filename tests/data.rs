//! Sources of images, from the YAML to the model.

mod common;

use common::{fail, metrics, succeed, text, write};
use std::fs;
use std::path::Path;

/// A folder of MNIST's family whose images tell their class: a bar at a height of its own.
fn family(folder: &Path) {
    fs::create_dir_all(folder).expect("a folder");
    for (part, rows) in [("train", 120_u8), ("t10k", 40)] {
        let header = |count: u8, sizes: &[u8]| {
            let sizes = sizes.iter().flat_map(|&size| [0, 0, 0, size]);
            [0, 0, 8, count].into_iter().chain(sizes).collect::<Vec<u8>>()
        };
        let image = |row: u8| {
            let class = usize::from(row % 10);
            (0..28 * 28).map(move |at| if at / 28 / 2 == class + 2 { 155 + row % 100 } else { at as u8 % 3 })
        };
        let images: Vec<u8> = header(3, &[rows, 28, 28]).into_iter().chain((0..rows).flat_map(image)).collect();
        let labels: Vec<u8> = header(1, &[rows]).into_iter().chain((0..rows).map(|row| row % 10)).collect();
        fs::write(folder.join(format!("{part}-images-idx3-ubyte")), images).expect("written");
        fs::write(folder.join(format!("{part}-labels-idx1-ubyte")), labels).expect("written");
    }
}

fn experiment(folder: &Path, data: &str) -> std::path::PathBuf {
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/images/tiny.pt");
    let yaml = format!(
        "data: {{name: multi_mnist, left: digits, right: digits, train: 600, validation: 100, test: 100, {data}}}
tasks:
  - {{name: left, loss: {{name: cross_entropy, classes: 10}}, metrics: [accuracy]}}
  - {{name: right, loss: {{name: cross_entropy, classes: 10}}, metrics: [accuracy]}}
model: {{torchscript: {}}}
optimizer: {{name: adam, learning_rate: 0.01}}
train: {{epochs: 6, batch_size: 50}}
record: {{every: 1}}
",
        model.display()
    );
    family(&folder.join("digits"));
    write(folder, "pair.yaml", &yaml)
}

/// What the run measured, without what depends on the clock.
fn measured(run: &Path) -> Vec<String> {
    let value = |line: &serde_json::Value| {
        format!("{} {} {} {} {}", line["step"], line["split"], line["task"], line["metric"], line["value"])
    };
    let timeless = |line: &serde_json::Value| line["task"].is_string() && line["value"].is_f64();
    metrics(run).iter().filter(|line| timeless(line)).map(value).collect()
}

#[test]
fn two_digits_in_one_are_learned_and_a_thread_that_works_ahead_changes_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let yaml = experiment(folder.path(), "standardize: true, augment: {crop: 1}");
    let train = |name: &str, prefetch: &str| {
        let out = folder.path().join(name);
        let prefetch = format!("train.prefetch={prefetch}");
        let said = succeed(&["train", text(&yaml), "--out", text(&out), "--quiet", "--json", "--set", &prefetch]);
        let summary: serde_json::Value = serde_json::from_str(&said).expect("json");
        (measured(&out), summary["best"]["test"].clone(), out)
    };
    let (here, test, out) = train("here", "0");
    for task in ["left", "right"] {
        let accuracy = test[task]["accuracy"].as_f64().expect("an accuracy");
        assert!(accuracy > 0.6, "{task}: {accuracy}");
    }
    assert!(here.len() > 12 * 6 * 2, "{}", here.len());
    assert_eq!(train("ahead", "2").0, here);
    // The model knows how its pixels were standardised.
    let again = succeed(&["evaluate", text(&out), text(&yaml), "--json"]);
    let again: serde_json::Value = serde_json::from_str(&again).expect("json");
    assert_eq!(again["test"]["left"]["accuracy"], test["left"]["accuracy"]);
}

#[test]
fn a_run_that_was_cut_goes_on_as_if_it_had_not_been() {
    let folder = tempfile::tempdir().expect("a folder");
    let yaml = experiment(folder.path(), "augment: {crop: 2, flip: true, scale: [1, 1.2]}");
    let (whole, cut) = (folder.path().join("whole"), folder.path().join("cut"));
    succeed(&["train", text(&yaml), "--out", text(&whole), "--quiet", "--set", "train.epochs=2"]);
    succeed(&[
        "train",
        text(&yaml),
        "--out",
        text(&cut),
        "--quiet",
        "--set",
        "train.steps=5",
        "--set",
        "train.epochs=2",
    ]);
    let more = ["--resume", "--set", "train.epochs=2", "--set", "train.steps=null"];
    succeed(&[&["train", text(&yaml), "--out", text(&cut), "--quiet"], &more[..]].concat());
    let steps = |run: &Path| measured(run).into_iter().filter(|line| line.contains("\"train\"")).collect::<Vec<_>>();
    assert_eq!(steps(&cut), steps(&whole));
}

#[test]
fn mistakes_name_the_setting_or_the_file() {
    let folder = tempfile::tempdir().expect("a folder");
    for (data, expected) in [
        ("augment: {crop: -1}", "crop"),
        ("augment: {scale: [0.5]}", "data.augment.scale: 0.5 is not a factor of 1 or above"),
        ("augment: {depths: [far]}", "data.augment.depths[0]"),
        ("augment: {turn: true}", "unknown setting \"turn\""),
        ("size: 0", "size"),
    ] {
        let yaml = experiment(folder.path(), data);
        let said = fail(&["check", text(&yaml)]);
        assert!(said.contains(expected) && said.contains("pair.yaml"), "{said}");
    }
    let yaml = experiment(folder.path(), "seed: 1");
    let images = folder.path().join("digits/t10k-images-idx3-ubyte");
    let whole = fs::read(&images).expect("read");
    fs::write(&images, &whole[..whole.len() - 100]).expect("written");
    let said = fail(&["check", text(&yaml)]);
    assert!(said.contains("t10k-images-idx3-ubyte: has 31260 bytes of data"), "{said}");
    fs::remove_file(&images).expect("removed");
    let said = fail(&["check", text(&yaml)]);
    assert!(
        said.contains("has no t10k-images-idx3-ubyte, plain or .gz") && said.contains("scripts/data mnist"),
        "{said}"
    );
}
