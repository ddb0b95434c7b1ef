//! What is planned, what the runs come to, and what becomes of those that fail.

use super::common::{fail, stderr, succeed, tensors, text, write};
use super::{BASE, TRAIN, assert_says, compared, complete, experiment, finish, runs, sweep};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

#[test]
fn a_dry_run_tells_arms_trials_and_runs_and_writes_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let planned = |more: &str| {
        let file = write(folder.path(), "try.yaml", &sweep(&experiment(TRAIN), more));
        let out = folder.path().join("out");
        let said = succeed(&["sweep", text(&file), "--out", text(&out), "--dry-run"]);
        assert!(!out.exists(), "a dry run wrote");
        said
    };
    // 2 methods of 2 trials, 4 of hot, 3 weights of 2.
    assert_says(
        &planned(BASE),
        &[
            "42 runs = 14 trials of 4 arms, 3 seeds",
            "\nsum                  learning_rate=0.001; learning_rate=0.01\n",
            "\nhot                  learning_rate=0.001,clip_norm=1; learning_rate=0.001,clip_norm=10; ",
            "\nconstant             weights=0.5,1.5,learning_rate=0.001; weights=0.5,1.5,learning_rate=0.01; weights=1,1,",
        ],
    );
    // An axis that an arm has of its own takes the place of the common one.
    let own = BASE.replace("train.clip_norm: [1, 10]", "optimizer.learning_rate: [1, 2, 4]");
    assert_says(
        &planned(&own),
        &["13 trials", "\nhot                  learning_rate=1; learning_rate=2; learning_rate=4\n"],
    );
    assert_says(
        &planned(
            "compare: {method: [sum, {name: cagrad, c: 0.2}, {name: cagrad, c: 0.4}], train.epochs: [1, 2]}\nseeds: [7, 3]",
        ),
        &[
            "12 runs = 6 trials of 6 arms, 2 seeds",
            "\nsum+epochs=1",
            "\ncagrad-c=0.2+epochs=2",
            "\ncagrad-c=0.4+epochs=1",
        ],
    );
    // A list as a value; a choice beside a plain value; the baseline that is made.
    assert_says(
        &planned("compare: {model.backbone.hidden: [[4], [8, 8]], method: [uw]}\nbaseline: single\nseeds: 1"),
        &["3 runs = 3 trials of 3 arms, 1 seeds", "\nhidden=4+uw", "\nhidden=8,8+uw", "\nsingle"],
    );
    // Ranges: both ends, equal ratios; draws, the same in every arm.
    let range = "tune: {optimizer.learning_rate: {from: 1e-4, to: 1e-1, scale: log, count: 4}}\nseeds: 1";
    assert_says(
        &planned(&format!("compare: {{method: [sum]}}\n{range}")),
        &["\nsum                  learning_rate=0.0001; learning_rate=0.001; learning_rate=0.01; learning_rate=0.1"],
    );
    let drawn = planned(&format!("compare: {{method: [sum, uw]}}\ntrials: 5\n{}", range.replace(", count: 4", "")));
    let arms: Vec<&str> = drawn.lines().skip(1).map(|line| line[21..].trim()).collect();
    assert_says(&drawn, &["10 runs = 10 trials of 2 arms"]);
    assert!(arms[0] == arms[1] && arms[0].matches("learning_rate=").count() == 5, "{drawn}");
    let again =
        planned(&format!("compare: {{method: [sum, uw]}}\ntrials: 5\ndraw: 1\n{}", range.replace(", count: 4", "")));
    assert!(!again.contains(arms[0]), "another `draw` draws others");
}

#[test]
fn a_run_of_a_sweep_is_what_train_makes_of_its_settings() {
    let folder = tempfile::tempdir().expect("a folder");
    // Further up, and named by its file: its own paths are seen from there.
    fs::create_dir(folder.path().join("below")).expect("a folder");
    let rows: String = (0..48).map(|row| format!("{},{}\n", f64::from(row).sin(), row % 2)).collect();
    write(folder.path(), "rows.csv", &format!("x,y\n{rows}"));
    let yaml = format!(
        "data: {{name: csv, file: rows.csv, fractions: {{train: 0.6, validation: 0.2, test: 0.2}}}}
tasks: [{{name: y, loss: {{name: cross_entropy, classes: 2}}, metrics: [accuracy]}}]
model: {{backbone: {{name: mlp, hidden: [4], dropout: 0.1}}}}
{TRAIN}"
    );
    let single = write(folder.path(), "a.yaml", &yaml);
    let more = "experiment: ../a.yaml\nset: {train.epochs: 3}\ncompare: {method: [sum, {name: rlw}]}\n\
        tune: {optimizer.learning_rate: [0.1, 0.02]}\nseeds: [5, 2]\n";
    let file = write(&folder.path().join("below"), "try.yaml", more);
    let out = folder.path().join("out");
    complete(&file, &out);
    let names = |method: &str| {
        ["0.02", "0.1"].map(|rate| [2, 5].map(|seed| format!("{method}__learning_rate={rate}/seed{seed}")))
    };
    assert_eq!(runs(&out), ["rlw", "sum"].map(names).concat().concat());
    for run in runs(&out) {
        let (method, rest) = run.split_once("__learning_rate=").expect("a trial");
        let (rate, seed) = rest.split_once("/seed").expect("a seed");
        let (method, rate) = (format!("method={{name: {method}}}"), format!("optimizer.learning_rate={rate}"));
        let (alone, theirs) = (folder.path().join("alone"), out.join(&run));
        let set = ["--set", "train.epochs=3", "--set", &method, "--set", &rate, "--seed", seed, "--quiet"];
        succeed(&[&["train", text(&single), "--out", text(&alone)], &set[..]].concat());
        let read = |run: &Path| fs::read(run.join("metrics.jsonl")).expect("metrics.jsonl");
        assert!(read(&alone) == read(&theirs), "{run}: metrics.jsonl");
        let weights = |run: &Path, name: &str| tensors(&run.join("checkpoints").join(name));
        assert!(weights(&alone, "best.safetensors") == weights(&theirs, "best.safetensors"), "{run}: weights");
        fs::remove_dir_all(&alone).expect("removed");
    }
}

#[test]
fn a_run_that_diverges_is_recorded_counted_and_not_run_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let more = "compare: {method: [sum, uw]}\narms: [{name: hot, set: {optimizer: {name: sgd, learning_rate: 1e30}}}]\nseeds: 2\n";
    let file = write(folder.path(), "try.yaml", &sweep(&experiment(TRAIN), more));
    let out = folder.path().join("out");
    let output = finish(&file, &out, &["--json"]);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    let told: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert!(told["finished"] == 4 && told["failed"] == 2 && told["missing"] == 0, "{told}");
    assert_says(&stderr(&output), &["hot/seed0 diverged: ", "hot/seed1 diverged: ", "at step"]);
    let path = out.join("hot/seed1/failed.json");
    let failed: Value = serde_json::from_slice(&fs::read(&path).expect("failed.json")).expect("JSON");
    assert!(failed["kind"] == "diverged", "{failed}");
    assert_says(failed["error"].as_str().expect("words"), &["diverged", "at step", "hint: "]);

    let comparison = compared(&out);
    let counts = serde_json::json!({ "planned": 6, "finished": 4, "failed": 2, "unfinished": 0 });
    assert_eq!(comparison["runs"], counts);
    let hot = comparison["rows"].as_array().expect("rows").iter().find(|row| row["arm"] == "hot").expect("a row");
    assert!(hot["finished"] == 0 && hot["failed"] == 2 && hot["score"]["mean"].is_null(), "{hot}");
    assert_says(&succeed(&["compare", text(&out)]), &["2 of 6 runs failed (hot 2)", "0 of 2"]);

    let touched = || fs::metadata(&path).and_then(|file| file.modified()).expect("a time");
    let before = touched();
    assert_eq!(finish(&file, &out, &[]).status.code(), Some(1));
    assert_eq!(touched(), before, "a run that diverged was run again");
}

#[test]
fn a_run_without_its_data_is_an_error_and_is_tried_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let rows: String = (0..48).map(|row| format!("{},{}\n", f64::from(row).sin(), row % 2)).collect();
    for name in ["one.csv", "two.csv"] {
        write(folder.path(), name, &format!("x,y\n{rows}"));
    }
    let yaml = format!(
        "data: {{name: csv, file: one.csv, fractions: {{train: 0.8, validation: 0.2}}}}
tasks: [{{name: y, loss: {{name: cross_entropy, classes: 2}}}}]
model: {{backbone: {{name: mlp, hidden: [4]}}}}
{TRAIN}"
    );
    // The names of files in the sweep's own settings are seen from its YAML too.
    let more = "compare: {data.file: [one.csv, two.csv]}\nseeds: 1\n";
    let file = write(folder.path(), "try.yaml", &sweep(&yaml, more));
    let (out, away) = (folder.path().join("out"), folder.path().join("away"));
    fs::rename(folder.path().join("two.csv"), &away).expect("moved");
    let output = finish(&file, &out, &[]);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert_says(&stderr(&output), &["file=two.csv/seed0 error: ", "two.csv: there is no such file"]);
    let path = out.join("file=two.csv/seed0/failed.json");
    let failed: Value = serde_json::from_slice(&fs::read(&path).expect("failed.json")).expect("JSON");
    assert!(failed["kind"] == "error", "{failed}");

    fs::rename(&away, folder.path().join("two.csv")).expect("moved back");
    complete(&file, &out);
    assert!(!path.exists(), "the failure is forgotten");
    assert_eq!(compared(&out)["runs"]["finished"], 2);
}

#[test]
fn an_error_that_meets_every_run_ends_the_sweep() {
    let folder = tempfile::tempdir().expect("a folder");
    let yaml = format!(
        "data: {{name: csv, file: gone.csv, fractions: {{train: 0.8, validation: 0.2}}}}
tasks: [{{name: y, loss: {{name: cross_entropy, classes: 2}}}}]
model: {{backbone: {{name: mlp, hidden: [4]}}}}
{TRAIN}"
    );
    let file = write(folder.path(), "try.yaml", &sweep(&yaml, "compare: {method: [sum]}\nseeds: 40\n"));
    let out = folder.path().join("out");
    let output = finish(&file, &out, &[]);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert_says(
        &stderr(&output),
        &["8 runs in a row ended in errors", "gone.csv: there is no such file", "hint: mend"],
    );
    assert!(runs(&out).len() < 16, "the rest was not tried");
}

#[test]
fn a_sweep_may_grow_and_what_it_lost_is_noted() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("out");
    let write = |more: &str| write(folder.path(), "try.yaml", &sweep(&experiment(TRAIN), more));
    complete(&write("compare: {method: [sum]}\nseeds: 1\n"), &out);
    let state = |run: &str| -> BTreeMap<PathBuf, (SystemTime, Vec<u8>)> {
        let files = fs::read_dir(out.join(run)).expect("a run").flatten().map(|entry| entry.path());
        let look = |file: PathBuf| {
            let modified = fs::metadata(&file).and_then(|file| file.modified()).expect("a time");
            (file.clone(), (modified, fs::read(&file).expect("a file")))
        };
        files.filter(|path| path.is_file()).map(look).collect()
    };
    let before = state("sum/seed0");
    complete(&write("compare: {method: [uw, sum]}\nseeds: [4, 0]\n"), &out);
    assert_eq!(runs(&out), ["sum/seed0", "sum/seed4", "uw/seed0", "uw/seed4"]);
    assert!(state("sum/seed0") == before, "a finished run was touched");
    assert_eq!(compared(&out)["runs"]["finished"], 4);

    // Its own YAML goes on with it, from anywhere.
    complete(&out.join("sweep.yaml"), &out);

    // The experiment itself is another one: refused, and nothing changes.
    let stored = fs::read(out.join("sweep.yaml")).expect("sweep.yaml");
    let other = sweep(&experiment(&TRAIN.replace("epochs: 2", "epochs: 3")), "compare: {method: [sum]}\nseeds: 1\n");
    let other = super::common::write(folder.path(), "other.yaml", &other);
    assert_says(
        &fail(&["sweep", text(&other), "--out", text(&out)]),
        &["/seed", "was trained with train.epochs: 2, and the sweep says 3", "hint: ", "--out"],
    );
    assert!(fs::read(out.join("sweep.yaml")).expect("sweep.yaml") == stored);

    complete(&write("compare: {method: [sum]}\nseeds: [0]\n"), &out);
    let told = compared(&out);
    assert_eq!(told["runs"]["planned"], 1);
    assert_says(&told["notes"].to_string(), &["not in sweep.yaml and left out: sum/seed4, uw"]);
}

#[test]
fn a_folder_that_is_no_sweep_is_left_alone_and_a_start_that_was_killed_is_in_nobodys_way() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = write(folder.path(), "try.yaml", &sweep(&experiment(TRAIN), "compare: {method: [sum]}\nseeds: 1\n"));
    let out = folder.path().join("out");
    fs::create_dir(&out).expect("a folder");
    write(&out, "thesis.tex", "");
    let said = fail(&["sweep", text(&file), "--out", text(&out)]);
    assert_says(&said, &[text(&out), "thesis.tex, which is no sweep", "hint: ", "--out"]);
    assert_eq!(fs::read_dir(&out).expect("the folder").count(), 1);
    fs::rename(out.join("thesis.tex"), out.join(".sweep.yaml.17.tmp")).expect("renamed");
    complete(&file, &out);
}

#[cfg(target_os = "linux")]
#[test]
fn the_memory_of_a_run_is_its_own_though_a_large_one_went_before_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let peaks = |name: &str, arms: &str| -> Vec<f64> {
        let file = write(folder.path(), "try.yaml", &sweep(&experiment(TRAIN), &format!("arms: [{arms}]\nseeds: 1\n")));
        let out = folder.path().join(name);
        let output = finish(&file, &out, &["--jobs", "1"]);
        assert!(output.status.success(), "{}", stderr(&output));
        let peak = |run: String| {
            let summary = fs::read(out.join(run).join("summary.json")).expect("summary.json");
            let summary: Value = serde_json::from_slice(&summary).expect("JSON");
            summary["cost"]["peak_memory_mib"].as_f64().expect("a number")
        };
        runs(&out).into_iter().map(peak).collect()
    };
    let small = "{name: small, set: {train.epochs: 1}}";
    let large = "{name: large, set: {data.train: 200000, data.features: 200, train.batch_size: 50000}}";
    let (alone, after) = (peaks("alone", small), peaks("after", &format!("{large}, {small}")));
    assert!(after[0] > 2.0 * alone[0], "the large run took {} MiB, a small one {}", after[0], alone[0]);
    assert!(after[1] < 1.3 * alone[0], "{} MiB after a large run, {} alone", after[1], alone[0]);
}
