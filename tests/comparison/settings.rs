//! A run's config.yaml is the truth: what was trained otherwise than its name says is refused, or marked.

use super::common::{fail, succeed, text};
use super::{assert_says, compared, entry, put, put_run, put_sweep, summary};
use serde_json::json;
use std::fs;
use std::path::Path;

const EXPERIMENT: &str = "data: {name: synthetic}
tasks: [{name: a, loss: {name: cross_entropy, classes: 2}, metrics: [accuracy]}]
model: {architecture: {name: hard_sharing}, backbone: {name: mlp, hidden: [4]}, head: {name: linear}}
optimizer: {name: adam}
train: {epochs: 4}
";

/// A run that never was, trained with [`EXPERIMENT`] after a change.
fn put_trained(root: &Path, group: &str, seed: u64, change: (&str, &str)) {
    put_run(root, group, seed, 0.5 + seed as f64 / 100.0);
    let settings = format!("{}seed: {seed}\nname: mine\n", EXPERIMENT.replace(change.0, change.1));
    fs::write(root.join(group).join(format!("seed{seed}/config.yaml")), settings).expect("a file");
}

#[test]
fn seeds_of_other_settings_are_not_pooled_without_a_word() {
    let folder = tempfile::tempdir().expect("a folder");
    for (seed, change) in [(0, ("", "")), (1, ("epochs: 4", "epochs: 60")), (2, ("[4]", "[64]"))] {
        put_trained(folder.path(), "sum", seed, change);
    }
    (0..3).for_each(|seed| put_trained(folder.path(), "uw", seed, ("", "")));
    for command in ["compare", "report", "plot"] {
        let page = folder.path().join("page");
        let out = if command == "compare" { vec![] } else { vec!["--out", text(&page)] };
        let said = fail(&[&[command, text(folder.path())], &out[..]].concat());
        assert_says(&said, &["sum/seed1", "train.epochs: 60", "sum/seed0 with 4", "hint: ", "--across-settings"]);
    }
    let told = compared(&[text(folder.path()), "--across-settings"]);
    assert_says(
        &told["notes"].to_string(),
        &["¶ Compared across settings", "sum/seed1 was trained with train.epochs: 60"],
    );
    assert_eq!(entry(&told["rows"], "name", "sum")["other_settings"], true);
    assert_eq!(entry(&told["rows"], "name", "uw")["other_settings"], false);
    assert_says(&succeed(&["compare", text(folder.path()), "--across-settings"]), &["sum ¶"]);

    // How a run was made and recorded, and where, tells nothing apart.
    put_trained(folder.path(), "sum", 1, ("{epochs: 4}", "{epochs: 4, prefetch: 0}\nthreads: 2\ndevice: cpu"));
    put_trained(folder.path(), "sum", 2, ("train:", "checkpoint: {every: 7 steps}\ntrain:"));
    assert_eq!(compared(&[text(folder.path())])["runs"]["finished"], 6);
}

#[test]
fn runs_of_a_sweep_are_held_against_what_it_says() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path();
    let inside: String = EXPERIMENT.lines().map(|line| format!("  {line}\n")).collect();
    let sweep = |more: &str| {
        fs::create_dir_all(root).expect("a folder");
        fs::write(root.join("sweep.yaml"), format!("name: mine\nexperiment:\n{inside}{more}")).expect("a file");
    };
    sweep("compare: {method: [sum, uw]}\nseeds: 2\n");
    for seed in 0..2 {
        put_trained(root, "sum", seed, ("", ""));
        put_trained(root, "uw", seed, ("optimizer:", "method: {name: uw}\noptimizer:"));
    }
    assert_eq!(compared(&[text(root)])["runs"]["finished"], 4);
    // All seeds of an arm agree with each other, and none with the sweep.
    sweep("compare: {method: [sum, uw]}\nset: {train.epochs: 9}\nseeds: 2\n");
    assert_says(&fail(&["compare", text(root)]), &["sum/seed0", "train.epochs: 4, the sweep says 9", "hint: "]);
    sweep("arms: [{name: sum}, {name: uw, set: {method: mgda}}]\nseeds: 2\n");
    assert_says(&fail(&["compare", text(root)]), &["uw/seed0", "method.name: uw, the sweep says mgda"]);
    // Two sweeps of one name, each true to itself, would pool their seeds.
    let other = folder.path().join("other");
    sweep("compare: {method: [sum]}\nseeds: 2\n");
    fs::create_dir_all(&other).expect("a folder");
    let more = "compare: {method: [sum]}\nset: {train.epochs: 60}\nseeds: [2, 3]\n";
    fs::write(other.join("sweep.yaml"), format!("name: mine\nexperiment:\n{inside}{more}")).expect("a file");
    (2..4).for_each(|seed| put_trained(&other, "sum", seed, ("epochs: 4", "epochs: 60")));
    let said = fail(&["compare", text(root), text(&other)]);
    assert_says(&said, &["other/sum/seed2", "train.epochs: 60", "sum/seed0 with 4"]);
}

#[test]
fn versions_and_definitions_are_told_and_kept_apart() {
    let folder = tempfile::tempdir().expect("a folder");
    let put_version = |root: &Path, seed: u64, version: &str, definition: u64| {
        let mut run = summary("nash_mtl", seed, 0.5, json!({ "a": { "accuracy": 0.5 } }));
        run["versions"] = json!({ "polytask": version });
        if definition > 1 {
            run["definitions"] = json!({ "method.nash_mtl": definition });
        }
        put(&root.join(format!("nash_mtl/seed{seed}")), "summary.json", &run);
    };
    let root = folder.path().join("versions");
    put_version(&root, 0, "0.1.0", 1);
    put_version(&root, 1, "0.2.0", 1);
    let notes = compared(&[text(&root)])["notes"].to_string();
    assert_says(&notes, &["Runs by several versions of Polytask: 0.1.0 (1), 0.2.0 (1)"]);
    put_version(&root, 1, "0.2.0", 2);
    assert_says(&fail(&["compare", text(&root)]), &["seed1", "definition 2 of method.nash_mtl", "seed0 by 1"]);
}

#[test]
fn a_copied_run_is_no_other_seed() {
    let folder = tempfile::tempdir().expect("a folder");
    put_sweep(folder.path(), "copies", "compare: {method: [sum]}\nseeds: 2\n");
    put_run(folder.path(), "sum", 0, 0.5);
    let run = fs::read(folder.path().join("sum/seed0/summary.json")).expect("a file");
    fs::create_dir_all(folder.path().join("sum/seed1")).expect("a folder");
    fs::write(folder.path().join("sum/seed1/summary.json"), run).expect("a file");
    assert_says(&fail(&["compare", text(folder.path())]), &["sum/seed1", "holds a run with seed 0", "hint: "]);
}

#[test]
fn what_tells_lone_arms_apart_beside_their_methods_is_told() {
    let folder = tempfile::tempdir().expect("a folder");
    for seed in 0..2 {
        put_trained(folder.path(), "sum", seed, ("", ""));
        put_trained(folder.path(), "uw", seed, ("train: {epochs: 4}", "method: {name: uw}\ntrain: {epochs: 60}"));
    }
    let told = compared(&[text(folder.path())])["notes"].to_string();
    assert_says(&told, &["Arms differ in more than their methods: train.epochs (4 of sum, 60 of uw)"]);
    // Two trials of one arm that differ in more than what was tuned are pooled by nobody.
    put_trained(
        folder.path(),
        "sum__optimizer.learning_rate=0.1",
        0,
        ("{name: adam}", "{name: adam, learning_rate: 0.1}"),
    );
    assert!(compared(&[text(folder.path())])["runs"]["finished"] == 5);
    put_trained(folder.path(), "sum__optimizer.learning_rate=0.2", 0, ("epochs: 4", "epochs: 9"));
    assert_says(&fail(&["compare", text(folder.path())]), &["train.epochs: 9", "of the same arm with 4"]);
}

#[test]
fn a_sweep_without_config_files_is_read_as_before() {
    let folder = tempfile::tempdir().expect("a folder");
    put_sweep(folder.path(), "bare", "compare: {method: [sum, uw]}\nseeds: 2\n");
    (0..2).for_each(|seed| put_run(folder.path(), "sum", seed, 0.5));
    assert_eq!(compared(&[text(folder.path())])["runs"]["finished"], 2);
}
