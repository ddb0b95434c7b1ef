//! `polytask affinity`: which tasks should share.

mod common;

use common::{fail, small, succeed, tensors, text, write};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};

/// Twins that read column `a`, another task that reads column `b`, and one number between: what helps the one harms the
/// other.
fn twins(folder: &Path) -> PathBuf {
    let number = |row: u32, step: f64| (f64::from(row) * step).fract() * 2.0 - 1.0;
    let rows = (0..400).map(|row| {
        let (a, b) = (number(row, 0.618_033_988_7), number(row, 0.414_213_562_4));
        format!("{a},{b},{a},{a},{b}\n")
    });
    write(folder, "rows.csv", &format!("a,b,twin1,twin2,other\n{}", rows.collect::<String>()));
    write(
        folder,
        "twins.yaml",
        "data: {name: csv, train: rows.csv}
tasks:
  - {name: twin1, loss: {name: mse}}
  - {name: other, loss: {name: mse}}
  - {name: twin2, loss: {name: mse}}
model: {backbone: {name: mlp, hidden: [1], activation: identity}}
optimizer: {name: sgd, learning_rate: 0.1}
train: {steps: 300, batch_size: 50}
",
    )
}

#[test]
fn twins_are_put_together_and_what_harms_them_apart() {
    let folder = tempfile::tempdir().expect("a folder");
    let yaml = twins(folder.path());
    for groups in ["2", "3"] {
        let said = succeed(&["affinity", text(&yaml), "--quiet", "--json", "--groups", groups]);
        let said: Value = serde_json::from_str(&said).expect("json");
        let affinity = |from: &str, onto: &str| said["affinity"][from][onto].as_f64().expect("measured");
        let between = [affinity("twin1", "twin2"), affinity("twin2", "twin1")];
        let beside = ["twin1", "twin2"].map(|twin| affinity("other", twin).max(affinity(twin, "other")));
        assert!(between.iter().all(|value| *value > 0.0), "{said}");
        assert!(beside.iter().all(|value| *value < 0.0), "{said}");
        assert!(said["cosine"]["twin1"]["twin2"].as_f64() > Some(0.5), "{said}");
        let tasks: Vec<&Value> = said["groups"].as_array().expect("groups").iter().map(|it| &it["tasks"]).collect();
        assert_eq!(tasks, [&serde_json::json!(["twin1", "twin2"]), &serde_json::json!(["other"])]);
        assert_eq!(said["groups"][0]["exclude"], serde_json::json!(["other"]));
        assert_eq!(said["groups"][0]["score"], between.iter().sum::<f64>());
        assert_eq!((&said["measured_steps"], &said["steps"]["twin1"]["other"]), (&30.into(), &30.into()));
    }
}

#[test]
fn the_groups_are_told_with_how_to_train_them() {
    let folder = tempfile::tempdir().expect("a folder");
    let yaml = twins(folder.path());
    let said = succeed(&["affinity", text(&yaml), "--quiet", "--every", "100", "--learning-rate", "0.01"]);
    for line in [
        "2 groups of at most 3, the best of all partitions",
        "1  twin1, twin2 (onto each from the others: twin1 +",
        "2  other alone",
        "3 steps measured, one of 100, mean learning rate 1.000e-2",
        "to train a group, keep only its tasks",
        "for group 2 also name the columns of the others, or they become inputs: data.exclude: [twin1, twin2]",
    ] {
        assert!(said.contains(line), "\"{line}\" is missing in:\n{said}");
    }
    assert_eq!(fs::read_dir(&folder).expect("the folder").count(), 2, "nothing is left behind");
}

#[test]
fn measuring_changes_nothing_of_the_run() {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, more) in [
        (
            "adam",
            "optimizer: {name: adam, learning_rate: 0.01}\ntrain: {epochs: 3, batch_size: 32}\nrecord: {every: 1}\n",
        ),
        (
            "portions",
            "optimizer: {name: sgd, learning_rate: 0.1}\nschedule: {name: cosine}\ntrain: {epochs: 3, batch_size: 16, accumulate: 3}\n",
        ),
    ] {
        let yaml = write(
            folder.path(),
            &format!("{name}.yaml"),
            &small(more).replace("train: 300", "train: 300, missing: 0.4"),
        );
        let (plain, watched) =
            (folder.path().join(format!("{name}-plain")), folder.path().join(format!("{name}-watched")));
        succeed(&["train", text(&yaml), "--out", text(&plain), "--quiet"]);
        succeed(&["affinity", text(&yaml), "--out", text(&watched), "--quiet", "--every", "2"]);
        let metrics = |run: &Path| fs::read(run.join("metrics.jsonl")).expect("metrics");
        assert!(metrics(&plain) == metrics(&watched), "{name}");
        let state = |run: &Path| {
            let mut state = tensors(&run.join("checkpoints/last.safetensors"));
            state.retain(|name, _| !name.ends_with("seconds"));
            state
        };
        assert!(state(&plain) == state(&watched), "{name}");
        let kept: Value =
            serde_json::from_slice(&fs::read(watched.join("affinity.json")).expect("a file")).expect("json");
        let picture = |name: &str| fs::read(watched.join(name)).expect("a picture");
        assert!(picture("affinity.png").starts_with(b"\x89PNG") && picture("affinity.svg").starts_with(b"<svg"));
        assert!(kept["affinity"]["task1"]["task2"].is_number(), "{kept}");
    }
}

#[test]
fn where_nothing_can_be_measured_it_is_said_before_the_run() {
    let folder = tempfile::tempdir().expect("a folder");
    let base = small("optimizer: {name: adam}\ntrain: {epochs: 1}\n");
    let one = base.lines().filter(|line| !line.contains("task2")).collect::<Vec<_>>().join("\n");
    let frozen = base.replace("dropout: 0.2}}", "dropout: 0.2}, freeze: [\"shared_layers.*\"]}");
    for (yaml, part) in [(one, "a.yaml:2:1: tasks: there is only one"), (frozen, "model: the tasks share no parameter")]
    {
        let file = write(folder.path(), "a.yaml", &yaml);
        let out = folder.path().join("run");
        let said = fail(&["affinity", text(&file), "--out", text(&out)]);
        assert!(said.contains(part) && said.contains("hint: "), "{said}");
        assert!(!out.exists(), "nothing was made");
    }
}

#[test]
fn tasks_with_files_of_their_own_are_measured_where_they_meet() {
    let folder = tempfile::tempdir().expect("a folder");
    for (task, rows) in [("one", 30), ("two", 50)] {
        let rows: String = (0..rows).map(|row| format!("{row},{}\n", row % 7)).collect();
        write(folder.path(), &format!("{task}.csv"), &format!("a,{task}\n{rows}"));
    }
    let yaml = write(
        folder.path(),
        "own.yaml",
        "data: {name: csv, train: {one: one.csv, two: two.csv}, inputs: [a]}
tasks: [{name: one, loss: {name: mse}}, {name: two, loss: {name: mse}}]
model: {backbone: {name: mlp, hidden: [4]}}
optimizer: {name: adam}
train: {epochs: 2, batch_size: 10, combine: max_size}
",
    );
    let said = succeed(&["affinity", text(&yaml), "--quiet", "--json", "--every", "1"]);
    let said: Value = serde_json::from_str(&said).expect("json");
    assert_eq!(said["measured_steps"], 10);
    assert_eq!(said["steps"], serde_json::json!({"one": {"one": 6, "two": 6}, "two": {"one": 6, "two": 10}}));
    let said = fail(&["affinity", text(&yaml), "--set", "train.combine=sequential"]);
    assert!(said.contains("train.combine") && said.contains("max_size_cycle"), "{said}");
}
