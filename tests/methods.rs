//! Every method at work: a run on the document's problem, resume, settings that hold for all, what is recorded.

mod common;

use common::{every_method, fail, metrics, succeed, tensors, text, write};
use serde_json::Value;
use std::fs;
use std::path::Path;

/// Two tasks on the document's model, in portions that show every path: partial labels, dropout, a short last batch.
fn experiment(method: &str, more: &str) -> String {
    format!(
        "data: {{name: synthetic, train: 200, validation: 50, test: 0, missing: 0.2}}
tasks:
  - {{name: task1, loss: {{name: cross_entropy, classes: 2}}, metrics: [accuracy]}}
  - {{name: task2, loss: {{name: cross_entropy, classes: 2}}, metrics: [accuracy]}}
  - {{name: task3, loss: {{name: cross_entropy, classes: 3}}, metrics: [accuracy]}}
model: {{backbone: {{name: mlp, hidden: [20, 20], dropout: 0.1}}}}
method: {method}
optimizer: {{name: adam, learning_rate: 0.01}}
record: {{every: 3, tensorboard: false}}
{more}"
    )
}

fn train(yaml: &Path, out: &Path, more: &[&str]) -> Value {
    let mut arguments = vec!["train", text(yaml), "--out", text(out), "--quiet", "--json"];
    arguments.extend(more);
    serde_json::from_str(&succeed(&arguments)).expect("a summary")
}

#[test]
fn every_method_trains_and_resumes_bit_for_bit() {
    for method in every_method(3) {
        let folder = tempfile::tempdir().expect("a folder");
        let yaml = write(folder.path(), "a.yaml", &experiment(&method, "train: {steps: 11, batch_size: 32}\n"));
        let (whole, parts) = (folder.path().join("whole"), folder.path().join("parts"));
        let summary = train(&yaml, &whole, &[]);
        assert!(summary["cost"]["backward_passes"].as_i64() >= Some(11), "{method}: {summary}");
        train(&yaml, &parts, &["--set", "train.steps=4"]);
        train(&yaml, &parts, &["--resume"]);
        let last = |run: &Path| tensors(&run.join("checkpoints/last.safetensors"));
        let (whole_last, parts_last) = (last(&whole), last(&parts));
        for (name, bytes) in &whole_last {
            let is_time = name == "progress.seconds" || name == "gradients.seconds";
            assert!(is_time || parts_last.get(name) == Some(bytes), "{method}: {name} differs after resuming");
        }
        let lines = |run: &Path| fs::read(run.join("metrics.jsonl")).expect("metrics");
        assert!(lines(&whole) == lines(&parts), "{method}: metrics.jsonl differs after resuming");
    }
}

#[test]
fn what_every_method_takes_works_with_every_method() {
    for method in every_method(3) {
        let section = method.trim_end_matches('}').to_string();
        let close = "}".repeat(method.len() - section.len());
        let folder = tempfile::tempdir().expect("a folder");
        for (name, setting) in [
            ("scale", "scale: mean"),
            ("own", "heads: own"),
            ("weighted", "heads: weighted"),
            ("representation", "gradients: representation"),
            ("every", "every: 3"),
        ] {
            let whole = format!("{section}{close}");
            let whole = format!("{}, {setting}}}", &whole[..whole.len() - 1]);
            let more = "train: {steps: 5, batch_size: 32, accumulate: 2}\n";
            let yaml = write(folder.path(), &format!("{name}.yaml"), &experiment(&whole, more));
            let out = folder.path().join(name);
            let output = common::run(&["train", text(&yaml), "--out", text(&out), "--quiet"]);
            let said = common::stderr(&output);
            // A setting that cannot hold is a mistake that names it.
            let refused = said.starts_with("error: ")
                && said.contains(&format!("method.{}", setting.split(':').next().expect("a key")));
            assert!(output.status.success() || refused, "{whole}: {said}");
            let may_refuse = matches!(name, "weighted" | "representation" | "every");
            assert!(output.status.success() || may_refuse, "{whole}: {said}");
        }
    }
}

#[test]
fn accumulated_batches_are_one_large_batch_for_every_kind_of_method() {
    for method in
        ["{name: sum}", "{name: gls}", "{name: mgda}", "{name: con_fig}", "{name: mgda, gradients: representation}"]
    {
        let folder = tempfile::tempdir().expect("a folder");
        let run = |name: &str, train_settings: &str| {
            let text = experiment(method, train_settings)
                .replace("dropout: 0.1", "dropout: 0")
                .replace("every: 3", "every: 1");
            let yaml = write(folder.path(), &format!("{name}.yaml"), &format!("{text}precision: float64\n"));
            let out = folder.path().join(name);
            train(&yaml, &out, &[]);
            metrics(&out)
        };
        let large = run("large", "train: {epochs: 2, batch_size: 64, shuffle: false}\n");
        let small = run("small", "train: {epochs: 2, batch_size: 16, accumulate: 4, shuffle: false}\n");
        assert_eq!(large.len(), small.len());
        for (large, small) in large.iter().zip(&small) {
            if let (Some(a), Some(b)) = (large["value"].as_f64(), small["value"].as_f64()) {
                let may = large["metric"] == "backward_passes";
                assert!(may || (a - b).abs() <= 1e-9 * (1.0 + a.abs()), "{method}: {large} {small}");
            }
        }
    }
}

#[test]
fn three_batches_make_a_step_and_an_epoch_has_a_third_of_the_steps() {
    let folder = tempfile::tempdir().expect("a folder");
    let yaml = write(folder.path(), "a.yaml", &experiment("{name: modo}", "train: {epochs: 2, batch_size: 16}\n"));
    let summary = train(&yaml, &folder.path().join("run"), &[]);
    assert_eq!(summary["steps"], 8, "200 rows are 13 batches, and 4 steps of 3");
    let short = write(folder.path(), "b.yaml", &experiment("{name: modo}", "train: {epochs: 2, batch_size: 100}\n"));
    assert!(fail(&["train", text(&short), "--quiet"]).contains("train.batch_size"));
}

#[test]
fn recording_gradients_changes_no_training_and_tells_norms_cosines_and_conflicts() {
    let folder = tempfile::tempdir().expect("a folder");
    for method in ["{name: uw}", "{name: upgrad}", "{name: famo}"] {
        let yaml = write(folder.path(), "a.yaml", &experiment(method, "train: {steps: 13, batch_size: 32}\n"));
        let (plain, looked) =
            (folder.path().join(format!("plain{method}")), folder.path().join(format!("looked{method}")));
        train(&yaml, &plain, &[]);
        let summary = train(&yaml, &looked, &["--set", "record.gradients=2"]);
        let weights = |run: &Path| tensors(&run.join("checkpoints/best.safetensors"));
        assert!(weights(&plain) == weights(&looked), "{method}: looking changed the weights");
        let lines = metrics(&looked);
        let has = |task: &str, metric: &str| lines.iter().any(|line| line["task"] == task && line["metric"] == metric);
        for (task, metric) in [
            ("task1", "weight"),
            ("task1", "gradient_norm"),
            ("task2", "gradient_cosines"),
            ("total", "conflicting_pairs"),
            ("total", "update_norm"),
            ("total", "update_cosine"),
            ("total", "backward_passes"),
        ] {
            assert!(has(task, metric), "{method}: {task}/{metric}");
        }
        let gradients = &summary["gradients"];
        assert_eq!(gradients["cosine"]["task1"]["task1"], 1.0);
        assert!(gradients["norm"]["task2"].as_f64() > Some(0.0) && summary["cost"]["method_seconds"].is_number());
    }
}

#[test]
fn the_methods_own_parameters_are_trained_by_the_optimizer_and_stay_out_of_the_model() {
    let folder = tempfile::tempdir().expect("a folder");
    let yaml = write(folder.path(), "a.yaml", &experiment("{name: uw}", "train: {steps: 30, batch_size: 32}\n"));
    let run = folder.path().join("run");
    train(&yaml, &run, &[]);
    let last = tensors(&run.join("checkpoints/last.safetensors"));
    let learned = last
        .iter()
        .find(|(name, bytes)| name.starts_with("method.") && !name.contains("optimizer") && bytes.len() == 24);
    let (name, bytes) = learned.expect("three learned numbers");
    assert!(bytes.iter().any(|byte| *byte != 0), "{name} did not move");
    let best = tensors(&run.join("checkpoints/best.safetensors"));
    assert!(best.keys().all(|name| !name.contains("method")));
}

#[test]
fn balance_prints_what_a_method_says_of_given_gradients() {
    let folder = tempfile::tempdir().expect("a folder");
    let case = write(
        folder.path(),
        "case.json",
        r#"{"steps": [{"losses": [1, 2], "jacobian": [[-4, 1, 1], [6, 1, 1]]}, {"losses": [1, null], "jacobian": [[-4, 1, 1], null]}]}"#,
    );
    let said: Value =
        serde_json::from_str(&succeed(&["balance", text(&case), "--method", "{name: mgda}"])).expect("json");
    let expected = serde_json::json!([0.0, 1.0, 1.0]);
    for (found, expected) in
        said["steps"][0]["direction"].as_array().expect("a list").iter().zip(expected.as_array().expect("a list"))
    {
        assert!((found.as_f64().expect("a number") - expected.as_f64().expect("a number")).abs() < 1e-12, "{said}");
    }
    assert_eq!(said["steps"][1]["weights"], serde_json::json!([1.0, null]));
    let con_fig: Value =
        serde_json::from_str(&succeed(&["balance", text(&case), "--method", "con_fig"])).expect("json");
    assert!(con_fig["steps"][0].get("weights").is_none());
    for (method, what) in [
        ("{name: mgdaa}", "did you mean mgda?"),
        ("{name: cagrad, c: -1}", "--method:1:19: c: -1 is"),
        ("{name: famo}", "losses_after: are missing: famo looks again"),
        ("{name: modo}", "jacobian_2: is missing"),
        ("{name: constant, weights: [1]}", "1 numbers for 2 tasks"),
    ] {
        let said = fail(&["balance", text(&case), "--method", method]);
        assert!(said.contains(what), "{method}: {said}");
    }
    let broken = write(folder.path(), "broken.json", r#"{"steps": [{"losses": [1, 2], "jacobian": [[1], [2, 3]]}]}"#);
    assert!(
        fail(&["balance", text(&broken), "--method", "sum"]).contains("jacobian[1]: 2 numbers, the first row has 1")
    );
}
