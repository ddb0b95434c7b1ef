//! What the tests share: running the binary, reading what it wrote.
#![allow(dead_code)] // each test file uses its part

use polytask::methods::Method;
use protobuf::Message;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tensorboard_proto::event::Event;
use tensorboard_proto::summary::Summary_Value;

/// The binary.
pub fn polytask() -> Command {
    Command::new(env!("CARGO_BIN_EXE_polytask"))
}

/// Runs the binary with arguments.
pub fn run(arguments: &[&str]) -> Output {
    polytask().args(arguments).output().expect("the binary starts")
}

/// Runs the binary and insists on success.
pub fn succeed(arguments: &[&str]) -> String {
    let output = run(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", stderr(&output));
    String::from_utf8(output.stdout).expect("text")
}

/// Runs the binary, insists that it fails without a panic, and gives what it said.
pub fn fail(arguments: &[&str]) -> String {
    let output = run(arguments);
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{arguments:?} should fail as a person's mistake: {said}");
    // Warnings of the data may stand before it.
    assert!(said.lines().any(|line| line.starts_with("error: ")) && !said.contains("panicked"), "{said}");
    said
}

/// What it said on stderr.
pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A file of the document's fixtures.
pub fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/document").join(name)
}

/// Writes an experiment and gives its path.
pub fn write(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    fs::write(&path, text).expect("a file");
    path
}

/// As a command line takes it.
pub fn text(path: &Path) -> &str {
    path.to_str().expect("a path of text")
}

/// The lines of a run's metrics.jsonl.
pub fn metrics(run: &Path) -> Vec<Value> {
    let text = fs::read_to_string(run.join("metrics.jsonl")).expect("metrics.jsonl");
    text.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
}

/// A small, fast experiment on synthetic data; `more` is added at top level.
pub fn small(more: &str) -> String {
    format!(
        "data: {{name: synthetic, train: 300, validation: 100, test: 100}}
tasks:
  - {{name: task1, loss: {{name: cross_entropy, classes: 2}}, metrics: [accuracy]}}
  - {{name: task2, loss: {{name: cross_entropy, classes: 2}}, metrics: [accuracy]}}
model: {{backbone: {{name: mlp, hidden: [20, 20], dropout: 0.2}}}}
{more}"
    )
}

/// Every tensor of a safetensors file by name: its raw bytes.
pub fn tensors(file: &Path) -> std::collections::BTreeMap<String, Vec<u8>> {
    let bytes = fs::read(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let file = safetensors::SafeTensors::deserialize(&bytes).expect("safetensors");
    file.iter().map(|(name, view)| (name.to_string(), view.data().to_vec())).collect()
}

/// Every method with what it requires for so many tasks. A new entry joins by itself, or asks for a line here.
pub fn every_method(tasks: usize) -> Vec<String> {
    let weights = || (1..=tasks).map(|task| (task as f64 / 10.0).to_string()).collect::<Vec<_>>().join(", ");
    let section = |name: &&str| match *name {
        "constant" => format!("{{name: constant, weights: [{}]}}", weights()),
        "stch" => "{name: stch, mu: 0.3}".into(),
        "pbi" => "{name: pbi, theta: 2}".into(),
        "cosmos" => "{name: cosmos, lambda: 1.5}".into(),
        "krum" => "{name: krum, n_byzantine: 0}".into(),
        "trimmed_mean" => format!("{{name: trimmed_mean, trim_number: {}}}", (tasks - 1) / 2),
        "cr_mogm" => "{name: cr_mogm, inner: {name: upgrad}}".into(),
        "weighted" => "{name: weighted, weighting: {name: uw}, inner: {name: cagrad}}".into(),
        "grouped" => "{name: grouped, by: layer, inner: {name: moco}}".into(),
        name => format!("{{name: {name}}}"),
    };
    Method::NAMES.iter().map(section).collect()
}

/// A point of an event file: its tag and step, and its value as it is written.
pub type Point = ((String, i64), Vec<u8>);

/// Every point of all event files of a run.
pub fn points(run: &Path) -> Vec<Point> {
    let files = fs::read_dir(run).expect("a run's folder").map(|entry| entry.expect("an entry").path());
    let is_events = |path: &PathBuf| text(path).contains("events.out.tfevents.");
    files.filter(is_events).flat_map(|path| points_of_file(&path)).collect()
}

/// A file is a list of records: the message's length, its checksum, the message, its checksum.
fn points_of_file(path: &Path) -> Vec<Point> {
    let bytes = fs::read(path).expect("an event file");
    let (mut rest, mut points) = (&bytes[..], Vec::new());
    while !rest.is_empty() {
        let length = u64::from_le_bytes(rest[..8].try_into().expect("eight bytes")) as usize;
        let event = Event::parse_from_bytes(&rest[12..12 + length]).expect("a whole event");
        let point = |value: &Summary_Value| {
            ((value.get_tag().to_string(), event.get_step()), value.write_to_bytes().expect("bytes"))
        };
        points.extend(event.get_summary().get_value().iter().map(point));
        rest = &rest[12 + length + 4..];
    }
    points
}
