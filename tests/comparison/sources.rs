//! Where runs come from: lone ones, several sweeps; and what people get wrong.

use super::common::{fail, polytask, stderr, text, write};
use super::{assert_agrees, assert_says, compared, entry, list, names, put_run, put_sweep};
use serde_json::json;
use std::fs;
use std::path::PathBuf;

#[test]
fn runs_without_a_sweep_are_arms_and_trials_by_their_learning_rate() {
    let folder = tempfile::tempdir().expect("a folder");
    let yaml = "data: {name: synthetic, train: 40, validation: 20, test: 20}
tasks:
  - {name: a, loss: {name: cross_entropy, classes: 2}, metrics: [accuracy]}
  - {name: b, loss: {name: cross_entropy, classes: 2}, metrics: [accuracy]}
model: {backbone: {name: mlp, hidden: [4]}}
optimizer: {name: adam, learning_rate: 0.1}
train: {epochs: 1}
";
    write(folder.path(), "mine.yaml", yaml);
    for more in [
        &["--set", "optimizer.learning_rate=0.01"][..],
        &["--set", "optimizer.learning_rate=0.02"],
        &["--set", "method={name: cagrad, c: 0.2}"],
        &["--set", "method={name: cagrad, c: 0.2}", "--seed", "1"],
    ] {
        let command = ["train", "mine.yaml", "--quiet"];
        let output = polytask().current_dir(&folder).args(command).args(more).output().expect("runs");
        assert!(output.status.success(), "{}", stderr(&output));
    }
    let told = compared(&[text(&folder.path().join("runs/mine"))]);
    assert_eq!(told["name"], "mine");
    assert_eq!(told["seeds"], json!([0, 1]));
    let mut rows: Vec<(String, u64)> = list(&told["rows"])
        .iter()
        .map(|row| (row["name"].to_string(), row["trials"].as_u64().expect("a count")))
        .collect();
    rows.sort();
    let cagrad = names(&told["rows"], "arm").into_iter().find(|arm| arm.starts_with("cagrad__")).expect("an arm");
    assert_eq!(rows, [(format!("\"{cagrad}\""), 1), ("\"sum\"".into(), 2), ("\"sum, all 2 trials\"".into(), 2)]);
    let whole = entry(&told["rows"], "name", "sum, all 2 trials");
    assert!(whole["trial"].as_str().expect("a label").starts_with("learning_rate=0.0"), "{whole}");
    // A single run is compared with nothing, and that is no error.
    let one = compared(&[text(&folder.path().join("runs/mine/sum__optimizer.learning_rate=0.01/seed0"))]);
    assert_agrees("one", &one["runs"], &json!({ "planned": 1, "finished": 1 }));
    assert_eq!(one["differences"][0], json!([]));
}

#[test]
fn names_of_no_arm_folders_of_no_run_and_damaged_summaries_are_refused_with_a_way_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path().join("runs");
    for (group, accuracy) in [("sum", 0.5), ("cagrad", 0.6), ("single", 0.4)] {
        put_run(&root, group, 0, accuracy);
        put_run(&root, group, 1, accuracy + 0.01);
    }
    for flag in ["--baseline", "--reference"] {
        let said = fail(&["compare", text(&root), flag, "cargad"]);
        assert_says(&said, &[flag, "no arm \"cargad\"", "cagrad, single, sum", "did you mean cagrad?"]);
    }
    let told = compared(&[text(&root), "--baseline", "cagrad", "--reference", "single"]);
    assert_agrees("named", &told, &json!({ "baseline": "cagrad", "reference": "single" }));
    assert_eq!(compared(&[text(&root)])["baseline"], "single", "an arm of that name is the baseline by itself");

    let empty = folder.path().join("empty");
    fs::create_dir(&empty).expect("a folder");
    assert_says(&fail(&["compare", text(&empty)]), &[text(&empty), "holds no run", "hint: "]);
    let missing = folder.path().join("rusn");
    assert_says(
        &fail(&["compare", text(&missing)]),
        &[text(&missing), "there is no such file", "did you mean", "runs?"],
    );

    let path = root.join("sum/seed0/summary.json");
    let whole = fs::read(&path).expect("a summary");
    fs::write(&path, &whole[..whole.len() / 2]).expect("written");
    assert_says(&fail(&["compare", text(&root)]), &[text(&path), "cannot be read", "hint: ", "--resume"]);
    fs::write(&path, "{}").expect("written");
    assert_says(&fail(&["compare", text(&root)]), &[text(&path), "experiment"]);
}

#[test]
fn sweeps_with_arms_of_one_name_are_told_apart_and_one_run_counts_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = |name: &str| folder.path().join(name);
    for (name, shift) in [("small", 0.0), ("large", 0.1), ("other", 0.2)] {
        put_sweep(&root(name), name, "compare: {method: [sum, uw]}\nbaseline: sum\nreference: uw\nseeds: 3\n");
        for seed in 0..3 {
            put_run(&root(name), "sum", seed, 0.5 + shift + seed as f64 / 100.0);
            put_run(&root(name), "uw", seed, 0.6 + shift + seed as f64 / 90.0);
        }
    }
    let all: Vec<PathBuf> = ["small", "large", "other"].map(root).into();
    let told = compared(&all.iter().map(|root| text(root)).collect::<Vec<_>>());
    let mut rows = names(&told["rows"], "name");
    rows.sort();
    assert_eq!(rows, ["large/sum", "large/uw", "other/sum", "other/uw", "small/sum", "small/uw"]);
    assert_agrees(
        "merged",
        &told,
        &json!({ "baseline": "small/sum", "reference": "small/uw", "runs": { "finished": 18 } }),
    );

    // The same sweep from two places would count every seed twice.
    let copy = root("copy");
    put_sweep(&copy, "small", "compare: {method: [sum, mgda]}\nseeds: 2\n");
    put_run(&copy, "sum", 0, 0.1);
    let said = fail(&["compare", text(&all[0]), text(&copy)]);
    assert_says(
        &said,
        &[text(&copy.join("sum/seed0")), "is a run of sum with seed 0, as", text(&all[0].join("sum/seed0"))],
    );
    assert_says(&said, &["hint: name one of the two"]);
    assert_eq!(compared(&[text(&all[0]), text(&all[0])])["runs"]["finished"], 6, "named twice, it counts once");
}
