//! What a person types, and what comes back.

mod common;

use common::{fail, small, succeed, text, write};
use std::fs;

const TRAIN: &str = "optimizer: {name: adam, learning_rate: 0.01}\ntrain: {epochs: 3}\n";

#[test]
fn a_run_leaves_all_its_files_and_its_config_runs_again_to_the_same_end() {
    let folder = tempfile::tempdir().expect("a folder");
    let yaml = write(folder.path(), "a.yaml", &small(TRAIN));
    let (out, again) = (folder.path().join("run"), folder.path().join("again"));
    let said = succeed(&["train", text(&yaml), "--out", text(&out), "--quiet"]);
    assert!(said.contains("test") && said.contains("accuracy"), "{said}");
    for file in [
        "config.yaml",
        "metrics.jsonl",
        "model.pt",
        "summary.json",
        "checkpoints/last.safetensors",
        "checkpoints/best.safetensors",
    ] {
        assert!(out.join(file).exists(), "{file}");
    }
    let events = fs::read_dir(&out).expect("the run").flatten();
    assert_eq!(
        events.filter(|entry| entry.file_name().to_string_lossy().starts_with("events.out.tfevents.")).count(),
        1
    );
    succeed(&["train", text(&out.join("config.yaml")), "--out", text(&again), "--quiet"]);
    let read = |run: &std::path::Path| fs::read(run.join("metrics.jsonl")).expect("metrics");
    assert!(read(&out) == read(&again));
}

#[test]
fn the_default_folder_is_named_by_experiment_method_variant_and_seed() {
    let folder = tempfile::tempdir().expect("a folder");
    let yaml = write(folder.path(), "mine.yaml", &small(TRAIN));
    let train = |more: &[&str]| {
        let output =
            common::polytask().current_dir(&folder).args(["train", text(&yaml), "--quiet"]).args(more).output();
        assert!(output.expect("runs").status.success());
    };
    train(&[]);
    train(&["--seed", "3", "--set", "optimizer.learning_rate=0.1", "--set", "train.epochs=1"]);
    train(&["--set", "method={name: mgda}"]);
    train(&["--set", "method={name: cagrad, c: 0.3}", "--set", "optimizer={name: sgd, learning_rate: 0.1}"]);
    for run in [
        "runs/mine/sum/seed0",
        "runs/mine/sum__optimizer.learning_rate=0.1/seed3",
        "runs/mine/mgda/seed0",
        "runs/mine/cagrad__method.c=0.3,optimizer=sgd,optimizer.learning_rate=0.1/seed0",
    ] {
        assert!(folder.path().join(run).join("summary.json").exists(), "{run}");
    }
}

#[test]
fn a_yaml_of_the_other_kind_names_the_command_that_takes_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let experiment = write(folder.path(), "a.yaml", &small(TRAIN));
    let sweep = write(folder.path(), "b.yaml", "experiment: a.yaml\ncompare: {method: [sum]}\nseeds: 1\n");
    let said = fail(&["train", text(&sweep)]);
    assert!(said.contains(&format!("hint: polytask sweep {} takes this file", text(&sweep))), "{said}");
    let said = fail(&["sweep", text(&experiment)]);
    assert!(said.contains(&format!("hint: polytask train {} takes this file", text(&experiment))), "{said}");
}

#[test]
fn check_prints_whose_each_parameter_is_and_writes_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let yaml = write(folder.path(), "a.yaml", &small(TRAIN));
    let said = succeed(&["check", text(&yaml)]);
    for line in
        ["shared_layers.0.weight", "task2_layer.bias", "shared 640; own task1 42, task2 42; frozen 0; in all 724"]
    {
        assert!(said.contains(line), "\"{line}\" is missing in:\n{said}");
    }
    assert_eq!(fs::read_dir(&folder).expect("the folder").count(), 1);
}

#[test]
fn check_tells_what_the_method_reads_and_costs() {
    let folder = tempfile::tempdir().expect("a folder");
    let yaml = write(folder.path(), "a.yaml", &small("optimizer: {name: sgd}\ntrain: {epochs: 1, batch_size: 10}\n"));
    for (method, reads, memory) in [
        ("{name: sum}", "sum reads losses; backward passes per step: 1\n", "no Jacobian is held"),
        ("{name: sum, heads: own, scale: mean}", "backward passes per step: 2\n", "no Jacobian is held"),
        ("{name: famo}", "famo reads losses; backward passes per step: 1, and the losses again", "no Jacobian is held"),
        (
            "{name: upgrad, every: 4}",
            "upgrad reads the Gramian of the tasks' gradients, every 4 steps; backward passes per step: 2\n",
            "Jacobian [2, 640] (tasks by shared parameters), 5.1 kB in memory",
        ),
        ("{name: moco}", "moco reads the tasks' gradients; backward passes per step: 2\n", "Jacobian [2, 640]"),
        ("{name: modo}", "backward passes per step: 6\n", "Jacobian [2, 640] + [2, 640] + [2, 640]"),
        (
            "{name: mgda, gradients: representation}",
            "backward passes per step: 1\n",
            "Jacobian [2, 200] (tasks by entries of the representation), 1.6 kB in memory",
        ),
    ] {
        let said = succeed(&["check", text(&yaml), "--set", &format!("method={method}")]);
        for part in [reads, memory] {
            assert!(said.contains(part), "{method}: \"{part}\" is missing in:\n{said}");
        }
    }
}

#[test]
fn list_and_schema_know_every_name() {
    let all = succeed(&["list"]);
    for name in ["synthetic", "csv", "cross_entropy", "accuracy", "hard_sharing", "mlp", "sum", "adamw", "plateau"] {
        assert!(all.contains(name), "{name}");
    }
    assert!(succeed(&["list", "optimizer", "adam"]).contains("learning_rate"));
    assert!(fail(&["list", "optimizer", "adom"]).contains("did you mean adam?"));
    let schema: serde_json::Value = serde_json::from_str(&succeed(&["schema"])).expect("json");
    assert!(schema["properties"]["optimizer"].is_object());
    assert_eq!(polytask::manual::open_sections(&schema), Vec::<String>::new(), "sections that would take any key");
    assert!(succeed(&["completions", "bash"]).contains("polytask"));
}

#[test]
fn a_target_value_ends_the_run_and_so_does_patience() {
    let folder = tempfile::tempdir().expect("a folder");
    let long = TRAIN.replace("epochs: 3", "epochs: 500");
    let ended = |name: &str, more: &str| {
        let yaml = write(folder.path(), &format!("{name}.yaml"), &small(&format!("{long}{more}")));
        let out = folder.path().join(name);
        let summary = succeed(&["train", text(&yaml), "--out", text(&out), "--quiet", "--json"]);
        let summary: serde_json::Value = serde_json::from_str(&summary).expect("json");
        (summary["ended"].as_str().expect("a reason").to_string(), summary["epochs"].as_i64().expect("epochs"))
    };
    let (reason, epochs) = ended("target", "select: {metric: task1/accuracy}\nstop: {target: 0.6}\n");
    assert!(reason.contains("0.6") && epochs < 500, "{reason} after {epochs}");
    let (reason, epochs) = ended("patience", "stop: {patience: 3}\n");
    assert!(reason.contains("3 evaluations") && epochs < 500, "{reason} after {epochs}");
}
