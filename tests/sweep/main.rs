//! A sweep: its mistakes, its plan, its runs; and whatever stops it, the same command ends at the same table.

#[path = "../common/mod.rs"]
mod common;
mod kills;
mod mistakes;
mod planning;
mod runs;
mod studies;

use common::{polytask, stderr, succeed, tensors, text};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

/// A tiny experiment; `more` is added at top level.
fn experiment(more: &str) -> String {
    format!(
        "data: {{name: synthetic, train: 64, validation: 32, test: 32}}
tasks:
  - {{name: task1, loss: {{name: cross_entropy, classes: 2}}, metrics: [accuracy]}}
  - {{name: task2, loss: {{name: cross_entropy, classes: 2}}, metrics: [accuracy]}}
model: {{backbone: {{name: mlp, hidden: [8]}}}}
{more}"
    )
}

const TRAIN: &str = "optimizer: {name: adam, learning_rate: 0.01}\ntrain: {epochs: 2, batch_size: 16}\n";

/// A sweep of an experiment that stands in it; `more` is added at top level.
fn sweep(experiment: &str, more: &str) -> String {
    let inside: String = experiment.lines().map(|line| format!("  {line}\n")).collect();
    format!("name: try\nexperiment:\n{inside}{more}")
}

/// `polytask sweep FILE --out OUT --quiet …`
fn start(file: &Path, out: &Path, more: &[&str]) -> Command {
    let mut command = polytask();
    command.args(["sweep", text(file), "--out", text(out), "--quiet"]).args(more);
    command
}

fn finish(file: &Path, out: &Path, more: &[&str]) -> Output {
    start(file, out, more).output().expect("the binary starts")
}

/// Sweeps to the end and insists on success.
fn complete(file: &Path, out: &Path) {
    let output = finish(file, out, &[]);
    assert!(output.status.success(), "{}", stderr(&output));
}

/// What `polytask compare` tells of a sweep, as text.
fn compared(out: &Path) -> Value {
    serde_json::from_str(&succeed(&["compare", text(out), "--format", "json"])).expect("JSON")
}

/// The same without times and memory.
fn table(out: &Path) -> Value {
    fn without_cost(value: &mut Value) {
        match value {
            Value::Object(fields) => {
                fields.remove("cost");
                fields.values_mut().for_each(without_cost);
            }
            Value::Array(entries) => entries.iter_mut().for_each(without_cost),
            _ => {}
        }
    }
    let mut table = compared(out);
    without_cost(&mut table);
    table
}

/// Folders of runs below a sweep's, as `ARM/seedK`.
fn runs(out: &Path) -> Vec<String> {
    let inside = |folder: &Path| fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let runs = inside(out).filter(|group| group.is_dir()).flat_map(|group| inside(&group));
    let mut runs: Vec<String> = runs.map(|run| text(run.strip_prefix(out).expect("below")).to_string()).collect();
    runs.sort();
    runs
}

/// Per run its metrics.jsonl and its best weights.
type Results = BTreeMap<String, (Vec<u8>, BTreeMap<String, Vec<u8>>)>;

/// Every number that the runs of a sweep wrote while they trained, and what they learned.
fn results(out: &Path) -> Results {
    let of = |name: String| {
        let run = out.join(&name);
        let metrics = fs::read(run.join("metrics.jsonl")).expect("metrics.jsonl");
        (name, (metrics, tensors(&run.join("checkpoints/best.safetensors"))))
    };
    runs(out).into_iter().map(of).collect()
}

fn assert_same(what: &str, one: &Path, other: &Path) {
    assert!(table(one) == table(other), "{what}: the tables differ");
    let (one, other) = (results(one), results(other));
    assert_eq!(one.keys().collect::<Vec<_>>(), other.keys().collect::<Vec<_>>(), "{what}");
    one.iter().for_each(|(run, results)| assert!(*results == other[run], "{what}: {run} differs"));
}

fn assert_says(said: &str, parts: &[&str]) {
    for part in parts {
        assert!(said.contains(part), "\"{part}\" is missing in:\n{said}");
    }
}

const BASE: &str = "compare: {method: [sum, mgda]}
arms: [{name: hot, set: {optimizer: {name: sgd, momentum: 0.9}}, tune: {train.clip_norm: [1, 10]}}]
control: {divisions: 4}
tune: {optimizer.learning_rate: [0.001, 0.01]}
seeds: 3
";
