//! Runs of version 0.1 live: today's version resumes, compares, evaluates and exports them.

mod common;

use common::{fail, succeed, text};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Unpacks the runs; paths in them lead to where they lie now.
fn unpack() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let archive = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/runs-0.1/runs.tar.gz");
    let unpacked = Command::new("tar").arg("xzf").arg(&archive).arg("-C").arg(folder.path()).status();
    assert!(unpacked.expect("tar").success());
    relocate(folder.path(), text(folder.path()));
    folder
}

fn relocate(folder: &Path, home: &str) {
    for path in fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()) {
        if path.is_dir() {
            relocate(&path, home);
        } else if path.extension().is_some_and(|it| it == "yaml" || it == "json") {
            let content = fs::read_to_string(&path).expect("text");
            fs::write(&path, content.replace("@FOLDER@", home)).expect("written");
        }
    }
}

/// The names of all runs.
fn runs(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .expect("a folder")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.join("interrupted").is_dir())
        .map(|path| path.file_name().expect("a name").to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))).expect("json")
}

/// Every number of `expected` stands in `found`, to the digits that other vector instructions leave.
fn close(what: &str, expected: &Value, found: &Value) {
    match expected {
        Value::Object(all) => all.iter().for_each(|(key, value)| close(&format!("{what}/{key}"), value, &found[key])),
        Value::Number(_) => {
            let (a, b) = (expected.as_f64().expect("a number"), found.as_f64().unwrap_or(f64::NAN));
            assert!((a - b).abs() <= 1e-3 * (1.0 + a.abs()), "{what}: {b} for {a}");
        }
        other => assert_eq!(other, found, "{what}"),
    }
}

/// Losses alone: what counts rows or ranks them jumps with a last digit.
fn losses(split: &Value) -> Value {
    let tasks = split.as_object().into_iter().flatten();
    tasks.map(|(task, metrics)| (task.clone(), metrics["loss"].clone())).collect::<serde_json::Map<_, _>>().into()
}

#[test]
fn every_interrupted_run_goes_on_to_where_its_own_version_came() {
    let folder = unpack();
    let names = runs(folder.path());
    assert_eq!(names.len(), 66, "{names:?}");
    for name in names {
        let (yaml, run) = (folder.path().join(format!("{name}.yaml")), folder.path().join(&name));
        let expected = json(&run.join("finished/summary.json"));
        let (interrupted, limit) = (run.join("interrupted"), format!("train.steps={}", expected["steps"]));
        let resume = ["train", text(&yaml), "--resume", "--out", text(&interrupted), "--quiet", "--set", &limit];
        if name == "schedule-linear_warmup" {
            // What comes after its warmup ends with the run, whose end is another now.
            assert!(fail(&resume).contains("--extend-schedule"));
            succeed(&[&resume[..], &["--extend-schedule"]].concat());
        } else {
            succeed(&resume);
        }
        let found = json(&interrupted.join("summary.json"));
        assert_eq!(found["steps"], expected["steps"], "{name}");
        for at in ["final", "best"] {
            for split in ["validation", "test"] {
                close(&format!("{name} {at} {split}"), &losses(&expected[at][split]), &losses(&found[at][split]));
            }
        }
    }
}

#[test]
fn a_finished_run_is_evaluated_and_exported() {
    let folder = unpack();
    let names = runs(folder.path());
    let some = names.iter().filter(|name| !name.starts_with("method-") || name.ends_with("sum"));
    for name in some {
        let (yaml, run) = (folder.path().join(format!("{name}.yaml")), folder.path().join(name).join("finished"));
        let said = fail(&["evaluate", text(&run), text(&yaml)]);
        assert!(said.contains("does not say which rows it was trained on") && said.contains("--split yaml"), "{said}");
        let measured = succeed(&["evaluate", text(&run), text(&yaml), "--split", "yaml", "--json"]);
        let measured: Value = serde_json::from_str(&measured).expect("json");
        let expected = &json(&run.join("summary.json"))["best"];
        close(name, &losses(&expected["validation"]), &losses(&measured["validation"]));
        close(name, &losses(&expected["test"]), &losses(&measured["test"]));
        for format in ["torchscript", "state-dict", "safetensors"] {
            let out = folder.path().join(format!("{name}.{format}"));
            succeed(&["export", text(&run), "-o", text(&out), "--format", format]);
            assert!(succeed(&["inspect", text(&out)]).contains("_layer.weight"), "{name} {format}");
        }
    }
}

#[test]
fn an_old_table_model_predicts_and_starts_another_run() {
    let folder = unpack();
    let at = |name: &str| -> PathBuf { folder.path().join(name) };
    succeed(&["predict", text(&at("data-table/finished")), text(&at("table.csv")), "-o", text(&at("out.csv"))]);
    assert_eq!(fs::read_to_string(at("out.csv")).expect("predictions").lines().count(), 81);
    let initial = format!("model.initial={}", at("data-table/finished/model.pt").display());
    let (yaml, out) = (at("data-table.yaml"), at("again"));
    let set = ["--set", &initial, "--set", "train.steps=3"];
    succeed(&[&["train", text(&yaml), "--out", text(&out), "--quiet"], &set[..]].concat());
}

#[test]
fn an_old_sweep_is_compared_and_grows() {
    let folder = unpack();
    let (yaml, sweep) = (folder.path().join("sweep.yaml"), folder.path().join("sweep"));
    let said = succeed(&["compare", text(&sweep)]);
    assert!(said.contains("9 of 9 runs do not say which rows they read"), "{said}");
    succeed(&["sweep", text(&yaml), "--out", text(&sweep), "--quiet", "--set", "seeds=4"]);
    let said = succeed(&["compare", text(&sweep)]);
    assert!(said.contains("9 of 12 runs do not say which rows they read"), "{said}");
}

#[test]
fn an_old_run_goes_on_only_with_its_own_rows() {
    let folder = unpack();
    let (yaml, run) = (folder.path().join("data-table.yaml"), folder.path().join("data-table/interrupted"));
    let table = folder.path().join("table.csv");
    let rows = fs::read_to_string(&table).expect("rows");
    let more = ["train", text(&yaml), "--resume", "--out", text(&run), "--quiet", "--set", "train.steps=1000000"];
    fs::write(&table, rows.replacen("yes", "no", 1)).expect("written");
    assert!(fail(&more).contains("the rows are not those that the run was started with"));
    assert!(!run.join("summary.json").exists());
}

/// A value that counts for `patience` was another in version 0.1: slow gains did not add up.
#[test]
fn a_run_with_min_delta_does_not_go_on_by_another_rule() {
    let folder = unpack();
    let run = folder.path().join("method-sum");
    let (yaml, interrupted) = (folder.path().join("method-sum.yaml"), run.join("interrupted"));
    let change = |file: &Path, from: &str, to: &str| {
        let stored = fs::read_to_string(file).expect("settings");
        assert!(stored.contains(from), "{stored}");
        fs::write(file, stored.replace(from, to)).expect("written");
    };
    change(&yaml, "\ntrain:", "\nstop: {patience: 50, min_delta: 0.001}\ntrain:");
    change(&interrupted.join("config.yaml"), "  min_delta: 0.0\n", "  min_delta: 0.001\n  patience: 50\n");
    let limit = format!("train.steps={}", json(&run.join("finished/summary.json"))["steps"]);
    let resume = ["train", text(&yaml), "--resume", "--out", text(&interrupted), "--quiet", "--set", &limit];
    let said = fail(&resume);
    assert!(said.contains("stop.min_delta has changed") && said.contains("hint: "), "{said}");
    succeed(&[&resume[..], &["--set", "stop.min_delta=0"]].concat());
}
