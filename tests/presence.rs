//! Tasks that come and go: absent ones, a single one, none at all, with every method.

mod common;

use common::{every_method, fail, metrics, run, stderr, succeed, tensors, text, write};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Which tasks are labelled in each batch of eight rows.
const BATCHES: [&str; 8] = ["abc", "a", "b", "c", "", "ab", "bc", "abc"];

/// Rows in the order of [`BATCHES`], and an experiment that reads them so.
fn experiment(folder: &Path, method: &str, more: &str) -> PathBuf {
    let number = |row: usize, column: usize| ((row * 4 + column + 1) as f64 * 1.618).sin();
    let mut rows = "x0,x1,x2,x3,a,b,c\n".to_string();
    for row in 0..8 * BATCHES.len() {
        let inputs: Vec<String> = (0..4).map(|column| format!("{:.4}", number(row, column))).collect();
        let label = |task: &str, at: usize| match BATCHES[row / 8].contains(task) {
            true => u8::from(number(row, at) > number(row, 3)).to_string(),
            false => String::new(),
        };
        rows += &format!("{},{},{},{}\n", inputs.join(","), label("a", 0), label("b", 1), label("c", 2));
    }
    write(folder, "rows.csv", &rows);
    let task = |name: &str| format!("  - {{name: {name}, loss: {{name: cross_entropy, classes: 2}}}}\n");
    let tasks: String = ["a", "b", "c"].map(task).concat();
    let text = format!(
        "data: {{name: csv, train: rows.csv, inputs: [\"x*\"], standardize: false}}
tasks:
{tasks}model: {{backbone: {{name: mlp, hidden: [6], activation: tanh, dropout: 0.1}}}}
method: {method}
optimizer: {{name: sgd, learning_rate: 0.1}}
record: {{every: 1, gradients: 1, tensorboard: false}}
{more}"
    );
    write(folder, "a.yaml", &text)
}

const EIGHT: &str = "train: {epochs: 3, batch_size: 8, shuffle: false}\n";

fn train(yaml: &Path, out: &Path, steps: usize) {
    succeed(&["train", text(yaml), "--out", text(out), "--quiet", "--set", &format!("train.steps={steps}")]);
}

/// What the checkpoint holds of model, optimizer and method.
fn moved(run: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut all = tensors(&run.join("checkpoints/last.safetensors"));
    all.retain(|name, _| ["model.", "optimizer.", "method."].iter().any(|part| name.starts_with(part)));
    all
}

/// The values of one step: task and metric to value.
fn told(run: &Path, step: usize) -> BTreeMap<(String, String), Value> {
    let of = |line: &Value, key: &str| line[key].as_str().unwrap_or_default().to_string();
    let lines = metrics(run).into_iter().filter(|line| line["step"] == step && line["split"] == "train");
    lines.map(|line| ((of(&line, "task"), of(&line, "metric")), line["value"].clone())).collect()
}

fn value(told: &BTreeMap<(String, String), Value>, task: &str, metric: &str) -> Value {
    told.get(&(task.to_string(), metric.to_string())).cloned().unwrap_or(Value::Null)
}

/// Methods whose direction holds gradients of earlier steps; dtp gives no weight to a task without a mistake in the batch.
const NOT_FOLLOWED: [&str; 4] = ["moco", "db_mtl", "grouped", "dtp"];

/// Methods whose steps read three batches: here they have no task in common, and so there is no step.
const THREE_BATCHES: [&str; 2] = ["sdmgrad", "modo"];

#[test]
fn absent_tasks_have_no_weight_and_one_alone_is_followed_by_every_method() {
    for method in every_method(3) {
        let folder = tempfile::tempdir().expect("a folder");
        let yaml = experiment(folder.path(), &method, EIGHT);
        let whole = folder.path().join("whole");
        if let Some(name) = ["krum", "trimmed_mean"].into_iter().find(|name| method.contains(name)) {
            let said = fail(&["train", text(&yaml), "--out", text(&whole), "--quiet"]);
            assert!(said.contains(&format!("method {name} at step 1: ")) && said.contains("present"), "{said}");
            continue;
        }
        train(&yaml, &whole, BATCHES.len());
        if THREE_BATCHES.iter().any(|name| method.contains(name)) {
            continue;
        }
        for (step, batch) in BATCHES.iter().enumerate() {
            let told = told(&whole, step);
            for task in ["a", "b", "c"].into_iter().filter(|task| !batch.contains(task)) {
                for metric in ["loss", "weight", "gradient_norm"] {
                    assert_eq!(value(&told, task, metric), Value::Null, "{method}: {task}/{metric} at step {step}");
                }
            }
            let alone = batch.len() == 1 && !NOT_FOLLOWED.iter().any(|name| method.contains(name));
            let cosine = value(&told, "total", "update_cosine").as_f64();
            assert!(!alone || cosine > Some(0.999), "{method}: a task alone is followed, not at {cosine:?}");
        }
        let at = |steps: usize| {
            let out = folder.path().join(steps.to_string());
            train(&yaml, &out, steps);
            moved(&out)
        };
        assert!(at(4) == at(5), "{method}: a step without any label moved something");
    }
}

#[test]
fn a_step_without_any_label_is_none_in_portions_and_by_the_representation_too() {
    for method in ["{name: sum}", "{name: upgrad}", "{name: moco}", "{name: mgda, gradients: representation, every: 3}"]
    {
        let folder = tempfile::tempdir().expect("a folder");
        let in_fours = "train: {epochs: 3, batch_size: 4, accumulate: 2, shuffle: false}\n";
        let yaml = experiment(folder.path(), method, in_fours);
        for steps in [4, 5, 20] {
            train(&yaml, &folder.path().join(steps.to_string()), steps);
        }
        assert!(moved(&folder.path().join("4")) == moved(&folder.path().join("5")), "{method}");
    }
}

#[test]
fn kept_weights_serve_only_the_tasks_that_they_were_made_for() {
    let folder = tempfile::tempdir().expect("a folder");
    let yaml = experiment(folder.path(), "{name: mgda, every: 100}", &EIGHT.replace("train: {", "train: {steps: 10, "));
    let out = folder.path().join("run");
    succeed(&["train", text(&yaml), "--out", text(&out), "--quiet"]);
    let weights = |step: usize| ["a", "b", "c"].map(|task| value(&told(&out, step), task, "weight"));
    let passes = |step: usize| value(&told(&out, step), "total", "backward_passes");
    assert_eq!(weights(1), [1.0.into(), Value::Null, Value::Null], "task a alone, and not its share of three");
    assert_eq!((passes(5), passes(6), passes(7)), (2.0.into(), 2.0.into(), 3.0.into()));
    // The second epoch opens with the three tasks that closed the first.
    assert_eq!((weights(8), passes(8)), (weights(7), 1.0.into()));
    assert_eq!(passes(9), 1.0);
}

#[test]
fn between_the_steps_that_every_names_the_method_stands_still() {
    for (method, state) in
        [("uw", "method.s"), ("imtl_l", "method.s"), ("famo", "method.w"), ("gradvac", "method.targets")]
    {
        let folder = tempfile::tempdir().expect("a folder");
        let yaml = experiment(
            folder.path(),
            &format!("{{name: {method}, every: 3}}"),
            "train: {epochs: 50, batch_size: 64}\n",
        );
        let after = |steps: usize| {
            let out = folder.path().join(steps.to_string());
            train(&yaml, &out, steps);
            moved(&out)
        };
        let (first, third, fourth) = (after(1), after(3), after(4));
        let methods = |of: &BTreeMap<String, Vec<u8>>| {
            of.iter()
                .filter(|(name, _)| name.starts_with("method."))
                .map(|(n, b)| (n.clone(), b.clone()))
                .collect::<Vec<_>>()
        };
        assert!(first.contains_key(state), "{method}: {:?}", first.keys());
        assert!(methods(&first) == methods(&third) && first[state] != fourth[state], "{method}");
        assert!(first["model.a_layer.weight"] != third["model.a_layer.weight"], "{method}: the model goes on");
    }
}

#[test]
fn a_single_task_is_followed_by_every_method() {
    for method in every_method(1) {
        let folder = tempfile::tempdir().expect("a folder");
        let text_of = fs::read_to_string(experiment(folder.path(), &method, EIGHT)).expect("the experiment");
        let others =
            ["b", "c"].map(|task| format!("  - {{name: {task}, loss: {{name: cross_entropy, classes: 2}}}}\n"));
        let alone = others.iter().fold(text_of, |text, task| text.replace(task.as_str(), ""));
        let yaml = write(folder.path(), "alone.yaml", &alone);
        let out = folder.path().join("run");
        let output = run(&["train", text(&yaml), "--out", text(&out), "--quiet"]);
        let said = stderr(&output);
        if method.contains("krum") {
            assert!(said.contains("krum needs 3 tasks"), "{said}");
            continue;
        }
        assert!(output.status.success(), "{method}: {said}");
        let cosines: Vec<f64> = metrics(&out)
            .iter()
            .filter(|line| line["metric"] == "update_cosine")
            .filter_map(|line| line["value"].as_f64())
            .collect();
        let followed = cosines.iter().all(|cosine| *cosine > 0.999);
        let may = NOT_FOLLOWED.iter().any(|name| method.contains(name));
        let none = THREE_BATCHES.iter().any(|name| method.contains(name));
        assert!(cosines.is_empty() == none && (followed || may), "{method}: {cosines:?}");
    }
}
