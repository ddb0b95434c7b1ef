//! Whose each parameter is: patterns, frozen and tied parameters, tasks with inputs of their own.

mod common;

use common::{fail, metrics, small, succeed, tensors, text, write};
use serde_json::Value;
use std::fs;
use std::path::Path;

const TRAIN: &str =
    "optimizer: {name: sgd, learning_rate: 0.1}\ntrain: {steps: 5, batch_size: 32}\nrecord: {every: 1}\n";

fn with(model: &str, method: &str) -> String {
    let text = small(&format!("{TRAIN}method: {method}\nprecision: float64\n"));
    text.replace("dropout: 0.2}}", &format!("dropout: 0}}, {model}}}"))
}

/// The value of `task`'s `metric` at a step.
fn at(lines: &[Value], step: usize, task: &str, metric: &str) -> f64 {
    let is = |line: &&Value| line["step"] == step && line["task"] == task && line["metric"] == metric;
    let line = lines.iter().find(|line| is(line)).unwrap_or_else(|| panic!("{task}/{metric} at step {step}"));
    line["value"].as_f64().expect("a number")
}

#[test]
fn a_layer_named_shared_is_all_that_counts_and_the_rest_belongs_to_each_task() {
    let folder = tempfile::tempdir().expect("a folder");
    let yaml = write(folder.path(), "a.yaml", &with("shared: [\"shared_layers.0.*\"]", "{name: upgrad}"));
    let said = succeed(&["check", text(&yaml)]);
    let whose = |name: &str| said.lines().find(|line| line.starts_with(name)).expect("a line").to_string();
    assert!(whose("shared_layers.0.weight").ends_with("  shared"));
    assert!(whose("shared_layers.2.weight").ends_with("task1, task2"));
    assert!(said.contains("shared 220;") && said.contains("Jacobian [2, 220]"), "{said}");

    // With equal weights it makes no difference whose a parameter is.
    let run = |name: &str, model: &str, method: &str| {
        let yaml = write(folder.path(), &format!("{name}.yaml"), &with(model, method));
        let out = folder.path().join(name);
        succeed(&["train", text(&yaml), "--out", text(&out), "--quiet"]);
        out
    };
    let pattern = "shared: [\"shared_layers.0.*\"]";
    // With c = 0 cagrad gives the mean of the gradients that it reads.
    let mean = |model: &str, name: &str| run(name, model, "{name: cagrad, c: 0, scale: sum}");
    let losses = |run: &Path| -> Vec<f64> { (0..5).map(|step| at(&metrics(run), step, "total", "loss")).collect() };
    let (sum, some, all) = (
        run("sum", "shared: [\"shared_layers.*\"]", "{name: sum}"),
        mean(pattern, "some"),
        mean("shared: [\"*\"]", "all"),
    );
    for (one, other) in losses(&sum).iter().zip(losses(&some)).chain(losses(&sum).iter().zip(losses(&all))) {
        assert!((one - other).abs() < 1e-12, "{one} {other}");
    }
    // What counts as the norm of a task's gradient is that of the named layer alone.
    let norm = |run: &Path| at(&metrics(run), 0, "task1", "gradient_norm");
    assert!(norm(&some) < norm(&all));
}

#[test]
fn a_pattern_that_matches_nothing_is_told_with_the_nearest_name() {
    let folder = tempfile::tempdir().expect("a folder");
    for setting in ["shared", "freeze"] {
        let yaml =
            write(folder.path(), "a.yaml", &with(&format!("{setting}: [\"shared_layer.0.*\"]"), "{name: upgrad}"));
        let said = fail(&["train", text(&yaml), "--quiet"]);
        for part in [
            &format!("model.{setting}[0]")[..],
            "\"shared_layer.0.*\" matches no parameter",
            "hint: ",
            "shared_layers.0",
        ] {
            assert!(said.contains(part), "\"{part}\" is missing in: {said}");
        }
    }
}

#[test]
fn frozen_parameters_stand_still_and_are_nobodys() {
    let folder = tempfile::tempdir().expect("a folder");
    for method in ["{name: sum}", "{name: upgrad}", "{name: moco}", "{name: mgda, gradients: representation}"] {
        let yaml =
            write(folder.path(), "a.yaml", &with("freeze: [\"shared_layers.0.*\", \"task1_layer.bias\"]", method));
        let said = succeed(&["check", text(&yaml)]);
        assert!(said.contains("shared 420; own task1 40, task2 42; frozen 222"), "{said}");
        let after = |steps: &str| {
            let out = folder.path().join(format!("{method}{steps}"));
            succeed(&["train", text(&yaml), "--out", text(&out), "--quiet", "--set", &format!("train.steps={steps}")]);
            tensors(&out.join("checkpoints/last.safetensors"))
        };
        let (one, five) = (after("1"), after("5"));
        for (name, frozen) in
            [("shared_layers.0.weight", true), ("task1_layer.bias", true), ("shared_layers.2.weight", false)]
        {
            let name = format!("model.{name}");
            assert_eq!(one[&name] == five[&name], frozen, "{method}: {name}");
        }
    }
}

#[test]
fn a_method_that_reads_gradients_needs_something_shared_to_learn() {
    let folder = tempfile::tempdir().expect("a folder");
    let frozen = "freeze: [\"shared_layers.*\"]";
    let only_frozen = "shared: [\"shared_layers.0.*\"], freeze: [\"shared_layers.0.*\"]";
    for model in [frozen, only_frozen] {
        for method in ["{name: nash_mtl}", "{name: con_fig}"] {
            let yaml = write(folder.path(), "a.yaml", &with(model, method));
            let said = fail(&["train", text(&yaml), "--quiet"]);
            assert!(said.contains("method.name: ") && said.contains("no learned one is shared"), "{said}");
        }
        let yaml = write(folder.path(), "a.yaml", &with(model, "{name: sum}"));
        succeed(&["check", text(&yaml)]);
    }
}

#[test]
fn tasks_with_inputs_of_their_own_are_balanced_over_the_trunk_that_they_share() {
    let folder = tempfile::tempdir().expect("a folder");
    for (task, rows) in [("a", 20), ("b", 50)] {
        let number = |row: usize, column: usize| ((row * 3 + column + rows) as f64 * 1.618).sin();
        let lines: String = (0..rows)
            .map(|row| {
                format!("{:.4},{:.4},{}\n", number(row, 0), number(row, 1), u8::from(number(row, 0) > number(row, 2)))
            })
            .collect();
        fs::write(folder.path().join(format!("{task}.csv")), format!("x,y,{task}\n{lines}")).expect("rows");
    }
    let text_of = |method: &str, more: &str| {
        format!(
            "data: {{name: csv, train: {{a: a.csv, b: b.csv}}, inputs: [x, y]}}
tasks:
  - {{name: a, loss: {{name: cross_entropy, classes: 2}}}}
  - {{name: b, loss: {{name: cross_entropy, classes: 2}}}}
model: {{backbone: {{name: mlp, hidden: [6], dropout: 0.2}}}}
method: {method}
optimizer: {{name: sgd, learning_rate: 0.1}}
record: {{every: 1, tensorboard: false}}
{more}"
        )
    };
    for method in ["{name: sum}", "{name: upgrad}", "{name: con_fig}", "{name: famo}", "{name: uw}"] {
        let run = |name: &str, more: &str| {
            let yaml = write(folder.path(), &format!("{name}.yaml"), &text_of(method, more));
            let out = folder.path().join(format!("{method}{name}"));
            succeed(&["train", text(&yaml), "--out", text(&out), "--quiet"]);
            metrics(&out)
        };
        let cycling = run("cycling", "train: {epochs: 2, batch_size: 8}\n");
        assert!(at(&cycling, 0, "total", "update_norm") > 0.0);
        // Of seven portions two make a step, and the last stands alone.
        let portions = run("portions", "train: {epochs: 2, batch_size: 8, accumulate: 2}\n");
        assert_eq!(portions.iter().filter(|line| line["metric"] == "update_norm").count(), 2 * 4, "{method}");
        // Task a is absent once its 20 rows have been read: then task b alone is followed.
        let ending = run("ending", "train: {epochs: 1, batch_size: 8, combine: max_size}\n");
        let absent =
            ending.iter().filter(|line| line["task"] == "a" && line["metric"] == "loss" && line["value"].is_null());
        assert_eq!(absent.count(), 4, "{method}");
        assert!(at(&ending, 6, "total", "update_cosine") > 0.999, "{method}");
    }
    let refused =
        write(folder.path(), "z.yaml", &text_of("{name: mgda, gradients: representation}", "train: {epochs: 1}\n"));
    assert!(fail(&["train", text(&refused), "--quiet"]).contains("inputs of their own"));
}
