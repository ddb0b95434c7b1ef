//! A comparison: its numbers held against SciPy and plain counting, its forms against each other, and what people get wrong.

mod choices;
#[path = "../common/mod.rs"]
mod common;
mod forms;
mod numbers;
mod presence;
mod settings;
mod sources;
mod verdicts;

use common::{succeed, write};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

/// The summary of a run that never was; `test` is what it measured.
fn summary(group: &str, seed: u64, chosen_by: f64, test: Value) -> Value {
    json!({
        "experiment": "fixture", "group": group, "seed": seed, "ended": "all epochs", "steps": 100, "parameters": 50,
        "select": { "metric": "a/accuracy", "mode": "max", "value": chosen_by },
        "final": { "train": null, "validation": null },
        "best": { "validation": { "a": { "accuracy": chosen_by } }, "test": test },
        "gradients": { "conflicting_pairs": 0.25 },
        "cost": { "seconds": 2.0, "backward_passes": 100, "method_seconds": 0.5, "peak_memory_mib": 80.0 },
        "versions": { "polytask": "0" }, "device": "cpu", "git_commit": null,
    })
}

fn put(folder: &Path, name: &str, value: &Value) {
    fs::create_dir_all(folder).expect("a folder");
    fs::write(folder.join(name), value.to_string()).expect("a file");
}

/// Puts a run with one metric into `ROOT/GROUP/seedK`.
fn put_run(root: &Path, group: &str, seed: u64, accuracy: f64) {
    let test = json!({ "a": { "accuracy": accuracy } });
    put(&root.join(group).join(format!("seed{seed}")), "summary.json", &summary(group, seed, accuracy, test));
}

/// A sweep's folder with its YAML; `more` is added at top level.
fn put_sweep(root: &Path, name: &str, more: &str) {
    fs::create_dir_all(root).expect("a folder");
    write(root, "sweep.yaml", &format!("name: {name}\nexperiment: {{tasks: [{{name: a}}, {{name: b}}]}}\n{more}"));
}

fn compared(arguments: &[&str]) -> Value {
    let said = succeed(&[&["compare", "--format", "json"], arguments].concat());
    serde_json::from_str(&said).expect("JSON")
}

fn assert_says(said: &str, parts: &[&str]) {
    for part in parts {
        assert!(said.contains(part), "\"{part}\" is missing in:\n{said}");
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().unwrap_or_else(|| panic!("{value}: a list"))
}

fn names(rows: &Value, key: &str) -> Vec<String> {
    list(rows).iter().map(|row| row[key].as_str().expect("a name").to_string()).collect()
}

/// The entry of a list whose `key` is `name`.
fn entry<'a>(of: &'a Value, key: &str, name: &str) -> &'a Value {
    list(of).iter().find(|it| it[key] == name).unwrap_or_else(|| panic!("{name} is missing in {of}"))
}

/// Whether every value that `expected` holds stands in `found`; numbers to ten digits.
fn assert_agrees(what: &str, found: &Value, expected: &Value) {
    match expected {
        Value::Object(fields) => {
            fields.iter().for_each(|(key, value)| assert_agrees(&format!("{what}.{key}"), &found[key], value));
        }
        Value::Array(entries) => {
            assert_eq!(list(found).len(), entries.len(), "{what}");
            entries.iter().zip(list(found)).for_each(|(value, found)| assert_agrees(what, found, value));
        }
        Value::Number(number) => {
            let (found, expected) = (found.as_f64(), number.as_f64().expect("a number"));
            let near = found.is_some_and(|found| (found - expected).abs() <= 1e-10 * (1.0 + expected.abs()));
            assert!(near, "{what}: {found:?}, not {expected}");
        }
        other => assert_eq!(found, other, "{what}"),
    }
}

/// The runs of `tests/fixtures/comparison`, as folders of a sweep; and what is to come out.
fn put_fixture(root: &Path) -> Value {
    let all: Value = serde_json::from_str(include_str!("../fixtures/comparison/reference.json")).expect("JSON");
    let more = "compare: {method: [sum, uw]}\ncontrol: {divisions: 4}\nbaseline: single\n\
        tune: {optimizer.learning_rate: [0.001, 0.01, 0.1]}\nseeds: 6\n";
    put_sweep(root, "fixture", more);
    for run in list(&all["runs"]) {
        let group = format!("{}__{}", run["arm"].as_str().expect("an arm"), run["trial"].as_str().expect("a trial"));
        let seed = run["seed"].as_u64().expect("a seed");
        let folder = root.join(&group).join(format!("seed{seed}"));
        let Some(values) = run["run"]["values"].as_array() else {
            put(&folder, "failed.json", &json!({ "kind": "diverged", "error": "error: loss of a is NaN" }));
            continue;
        };
        let mut test = json!({ "total": { "loss": 1.0 } });
        for (measure, value) in list(&all["measures"]).iter().zip(values) {
            let (task, metric) =
                (measure["task"].as_str().expect("a task"), measure["metric"].as_str().expect("a metric"));
            test[task][metric] = value.clone();
            test[task]["loss"] = json!(0.5);
        }
        let chosen_by = run["run"]["validation"].as_f64().expect("a number");
        put(&folder, "summary.json", &summary(&group, seed, chosen_by, test));
    }
    all
}
