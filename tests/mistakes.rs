//! Bad input: each a clear error with place, value and remedy, and nothing lost.

mod common;

use common::{fail, fixture, metrics, polytask, run, small, stderr, succeed, tensors, text, write};
use std::fs;
use std::path::Path;

const TRAIN: &str = "optimizer: {name: adam}\ntrain: {epochs: 2}\n";

/// Trains `yaml` and gives the error; no run folder may be left behind.
fn refused(folder: &Path, yaml: &str) -> String {
    let file = write(folder, "a.yaml", yaml);
    let out = folder.join("run");
    let said = fail(&["train", text(&file), "--out", text(&out), "--quiet"]);
    assert!(!out.join("config.yaml").exists(), "a refused experiment left a run: {said}");
    said
}

fn assert_says(said: &str, parts: &[&str]) {
    for part in parts {
        assert!(said.contains(part), "\"{part}\" is missing in:\n{said}");
    }
}

#[test]
fn settings_are_refused_with_line_column_path_and_remedy() {
    let folder = tempfile::tempdir().expect("a folder");
    let base = small(TRAIN);
    for (from, to, parts) in [
        ("{name: adam}", "{name: adam, lr: 0.1}", &["a.yaml:6:", "optimizer", "lr", "did you mean learning_rate?"][..]),
        ("{name: adam}", "{name: adm}", &["a.yaml:6:", "optimizer.name", "adm", "did you mean adam?"]),
        ("{name: adam}", "{name: adam, learning_rate: fast}", &["a.yaml:6:", "optimizer.learning_rate", "fast"]),
        ("{name: adam}", "{name: adam, learning_rate: -1}", &["a.yaml:6:", "optimizer.learning_rate", "-1", "above 0"]),
        ("{name: adam}", "{name: sgd, nesterov: true}", &["a.yaml:6:", "optimizer.nesterov"]),
        ("train: {epochs: 2}", "train: {}", &["a.yaml:7:", "train", "epochs"]),
        ("train: {epochs: 2}", "train: {epochs: 0}", &["a.yaml:7:", "train.epochs", "0"]),
        ("train: {epochs: 2}", "train: {epochs: 2}\ntrian: 1", &["a.yaml:8:", "trian", "did you mean train?"]),
        (
            "train: {epochs: 2}",
            "train: {epochs: 2}\nselect: {metric: task1/acuracy}",
            &["a.yaml:8:", "select.metric", "did you mean task1/accuracy?"],
        ),
        ("name: task2", "name: task1", &["a.yaml:4:", "tasks[1].name", "task1"]),
        ("name: task2", "name: total", &["a.yaml:4:", "tasks[1].name", "total"]),
        ("name: task2", "name: task1_0", &["a.yaml:4:", "tasks[1].name", "task1_0", "predictions"]),
        ("train: {epochs: 2}", "train: {epochs: 18446744073709551615}", &["a.yaml:7:", "train.epochs"]),
        ("train: 300", "train: 100000000000000", &["a.yaml:1:", "data.train", "100000000000000"]),
        ("hidden: [20, 20]", "hidden: [100000000000]", &["a.yaml:5:", "model.backbone.hidden[0]"]),
        ("train: {epochs: 2}", "train: {epochs: 2}\nname: ../up", &["a.yaml:8:", "name", "../up"]),
        (
            "train: {epochs: 2}",
            "train: {epochs: 2}\nschedule: {name: warmup}",
            &["a.yaml:8:", "did you mean linear_warmup?"],
        ),
        ("name: task2", "name: 2nd", &["a.yaml:4:", "tasks[1].name", "2nd"]),
        ("[accuracy]}\nmodel", "[rmse]}\nmodel", &["a.yaml:4:", "tasks[1].metrics[0]", "rmse", "accuracy"]),
        (
            "classes: 2}, metrics: [accuracy]}\nmodel",
            "classes: 1}}\nmodel",
            &["a.yaml:4:", "tasks[1].loss.classes", "1"],
        ),
        ("dropout: 0.2", "dropout: 1.0", &["a.yaml:5:", "model.backbone.dropout", "1"]),
        ("hidden: [20, 20]", "hidden: [20, 0]", &["a.yaml:5:", "model.backbone.hidden[1]", "0"]),
        (
            "dropout: 0.2}}",
            "dropout: 0.2}, freeze: [shared_layer.0.weight]}",
            &["a.yaml:5:", "model.freeze[0]", "shared_layers.0.weight"],
        ),
        ("dropout: 0.2}}", "dropout: 0.2}, freeze: ['*']}", &["model.freeze", "frozen"]),
        ("validation: 100", "validation: 0", &["a.yaml:1:"]),
    ] {
        if from == "validation: 100" {
            let yaml = base.replace(from, to) + "stop: {patience: 3}\n";
            assert_says(&refused(folder.path(), &yaml), &["stop.patience", "validation"]);
            continue;
        }
        assert!(base.contains(from), "{from}");
        assert_says(&refused(folder.path(), &base.replace(from, to)), parts);
    }
}

#[test]
fn a_missing_empty_or_broken_yaml_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    write(folder.path(), "document.yaml", "");
    let near = folder.path().join("documnet.yaml");
    assert_says(&fail(&["train", text(&near)]), &["documnet.yaml", "there is no such file", "document.yaml"]);
    assert_says(&refused(folder.path(), ""), &["a.yaml"]);
    assert_says(&refused(folder.path(), "- a\n- b\n"), &["a.yaml"]);
    assert_says(&refused(folder.path(), "data: {name: synthetic\n"), &["a.yaml:"]);
    let base = write(folder.path(), "b.yaml", &small(TRAIN));
    let out = folder.path().join("run");
    let set = |change: &str| fail(&["train", text(&base), "--out", text(&out), "--set", change]);
    assert_says(&set("optimizer.learning_rate=high"), &["--set optimizer.learning_rate=high"]);
    assert_says(&set("optimiser.learning_rate=1"), &["--set", "did you mean optimizer?"]);
    assert_says(&set("nothing"), &["--set nothing"]);
}

/// An experiment on a csv; `rows` are below the header `a,b,y`.
fn csv_experiment(folder: &Path, rows: &str) -> String {
    write(folder, "rows.csv", &format!("a,b,y\n{rows}"));
    format!(
        "data: {{name: csv, train: rows.csv}}\ntasks: [{{name: y, loss: {{name: cross_entropy, classes: 2}}}}]\nmodel: {{backbone: {{name: mlp, hidden: [4]}}}}\n{TRAIN}"
    )
}

#[test]
fn bad_cells_are_named_by_file_line_column_and_value() {
    let folder = tempfile::tempdir().expect("a folder");
    for (rows, parts) in [
        ("1,2,0\n1,x7,1\n", &["rows.csv:3", "b", "x7"][..]),
        ("1,2,0\n1,nan,1\n", &["rows.csv:3", "b", "nan"]),
        ("1,2,0\n1,inf,1\n", &["rows.csv:3", "b", "inf"]),
        ("1,2,0\n1,,1\n", &["rows.csv:3", "b"]),
        ("1,2,0\n1,2\n", &["rows.csv:3"]),
        ("1,2,0\n1,2,2\n", &["rows.csv:3", "y", "2"]),
        ("1,2,0\n1,2,-1\n", &["rows.csv:3", "y", "-1"]),
        ("1,2,\n1,2,\n", &["rows.csv", "y"]),
        ("", &["rows.csv", "row"]),
    ] {
        let yaml = csv_experiment(folder.path(), rows);
        assert_says(&refused(folder.path(), &yaml), parts);
    }
    let yaml = csv_experiment(folder.path(), "1,2,0\n");
    fs::write(folder.path().join("rows.csv"), "").expect("an empty file");
    assert_says(&refused(folder.path(), &yaml), &["rows.csv", "empty"]);
    fs::remove_file(folder.path().join("rows.csv")).expect("removed");
    write(folder.path(), "row.csv", "a\n1\n");
    assert_says(&refused(folder.path(), &yaml), &["rows.csv", "there is no such file", "row.csv"]);
}

#[test]
fn a_diverging_loss_names_task_and_step_and_keeps_the_checkpoint() {
    let folder = tempfile::tempdir().expect("a folder");
    let rows: String = (0..64).map(|row| format!("{},{}\n", row, 1e6 * f64::from(row))).collect();
    write(folder.path(), "rows.csv", &format!("a,y\n{rows}"));
    let yaml = "data: {name: csv, train: rows.csv, standardize: false}
tasks: [{name: y, loss: {name: mse}}]
model: {backbone: {name: mlp, hidden: []}}
optimizer: {name: sgd, learning_rate: 1e-3}
train: {epochs: 50, batch_size: 64}
checkpoint: {every: 1 steps}
";
    let file = write(folder.path(), "a.yaml", yaml);
    let out = folder.path().join("run");
    let said = fail(&["train", text(&file), "--out", text(&out), "--quiet"]);
    assert_says(&said, &["diverged", "loss of y is", "at step", "checkpoint is kept", "learning_rate"]);
    let last = tensors(&out.join("checkpoints/last.safetensors"));
    assert!(last.contains_key("model.y_layer.weight"));
    assert!(!metrics(&out).is_empty(), "the steps before it are on record");
}

#[test]
fn a_loss_that_the_method_cannot_take_names_it_keeps_the_checkpoint_and_says_how_to_go_on() {
    let folder = tempfile::tempdir().expect("a folder");
    // Task b has one label only: its loss falls to exactly 0.
    let rows: String = (0..64).map(|row| format!("{},{},1\n", f64::from(row).sin(), row % 2)).collect();
    write(folder.path(), "rows.csv", &format!("x,a,b\n{rows}"));
    let yaml = "data: {name: csv, train: rows.csv, inputs: [x]}
tasks:
  - {name: a, loss: {name: cross_entropy, classes: 2}}
  - {name: b, loss: {name: cross_entropy, classes: 2}}
model: {backbone: {name: mlp, hidden: [8]}}
method: {name: gls}
optimizer: {name: sgd, learning_rate: 5, momentum: 0.9}
train: {epochs: 50, batch_size: 32}
checkpoint: {every: 1 steps}
";
    let file = write(folder.path(), "a.yaml", yaml);
    for method in ["gls", "famo", "db_mtl"] {
        let out = folder.path().join(method);
        let set = format!("method.name={method}");
        let said = fail(&["train", text(&file), "--out", text(&out), "--quiet", "--set", &set]);
        let last = out.join("checkpoints/last.safetensors");
        let initial = format!("model.initial: {}", last.display());
        assert_says(&said, &[&format!("method {method} at step "), "a loss", ": a ", ", b 0", "hint: ", &initial]);
        assert!(tensors(&last).contains_key("model.a_layer.weight"));
        // And that way is open.
        let again = folder.path().join(format!("{method}-again"));
        let set = format!("model.initial={}", last.display());
        succeed(&["train", text(&file), "--out", text(&again), "--quiet", "--set", "method.name=sum", "--set", &set]);
    }
}

#[test]
fn damaged_checkpoints_and_models_are_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let yaml = write(folder.path(), "a.yaml", &small(TRAIN));
    let out = folder.path().join("run");
    succeed(&["train", text(&yaml), "--out", text(&out), "--quiet"]);
    let last = out.join("checkpoints/last.safetensors");
    let good = fs::read(&last).expect("a checkpoint");
    let mut flipped = good.clone();
    let middle = good.len() / 2;
    flipped[middle] ^= 1;
    for (bad, said) in [(&good[..good.len() / 2], "safetensors"), (&flipped[..], "checksum"), (&[][..], "empty")] {
        fs::write(&last, bad).expect("written");
        let error = fail(&["train", text(&yaml), "--out", text(&out), "--quiet", "--resume"]);
        assert_says(&error, &["last.safetensors", said, "cannot be resumed", "hint: "]);
    }

    let model = out.join("model.pt");
    let good = fs::read(&model).expect("a model");
    let rows = write(folder.path(), "rows.csv", "x0,x1,x2,x3,x4,x5,x6,x7,x8,x9\n0,0,0,0,0,0,0,0,0,0\n");
    let predictions = folder.path().join("predictions.csv");
    fs::write(&model, &good[..good.len() / 2]).expect("written");
    assert_says(&fail(&["predict", text(&model), text(&rows), "-o", text(&predictions)]), &["model.pt"]);
    fs::write(&model, "").expect("written");
    assert_says(&fail(&["predict", text(&model), text(&rows), "-o", text(&predictions)]), &["model.pt", "empty"]);
    assert!(!predictions.exists());
}

#[test]
fn initial_weights_that_do_not_fit_are_listed_with_the_nearest_names() {
    let folder = tempfile::tempdir().expect("a folder");
    let initial = |file: &str| {
        let with = format!("dropout: 0}}, initial: {}}}", fixture(file).display());
        small(TRAIN).replace("dropout: 0.2}}", &with)
    };
    let renamed = initial("init.safetensors").replace("name: task2", "name: task3");
    assert_says(
        &refused(folder.path(), &renamed),
        &["init.safetensors", "task3_layer.weight", "nearest", "task2_layer.weight"],
    );
    let wider = initial("init_state_dict.pt").replace("[20, 20]", "[20, 21]");
    assert_says(
        &refused(folder.path(), &wider),
        &["init_state_dict.pt", "shared_layers.2.weight", "[20, 20]", "[21, 20]"],
    );
}

#[test]
fn a_folder_that_is_no_run_is_left_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let yaml = write(folder.path(), "a.yaml", &small(TRAIN));
    let said = fail(&["train", text(&yaml), "--out", text(folder.path()), "--quiet"]);
    assert_says(&said, &["a.yaml, which is no run", "--out"]);
    assert_eq!(fs::read_dir(&folder).expect("the folder").count(), 1);
}

/// A disk that is full, as a limit on the size of files: no file of the run may grow beyond it.
#[test]
fn a_full_disk_stops_the_run_with_the_last_checkpoint_intact() {
    let folder = tempfile::tempdir().expect("a folder");
    let yaml = write(
        folder.path(),
        "a.yaml",
        &small("optimizer: {name: adam}\ntrain: {epochs: 2000}\nrecord: {every: 1}\ncheckpoint: {every: 1 epoch}\n"),
    );
    let out = folder.path().join("run");
    // ulimit counts blocks of 1024 bytes.
    let script = format!(
        "ulimit -f 64; exec {} train {} --out {} --quiet",
        env!("CARGO_BIN_EXE_polytask"),
        text(&yaml),
        text(&out)
    );
    let output = std::process::Command::new("bash").args(["-c", &script]).output().expect("bash");
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert_says(&said, &["metrics.jsonl", "hint: "]);
    let last = tensors(&out.join("checkpoints/last.safetensors"));
    assert!(last.contains_key("model.task1_layer.weight"));
    assert!(
        fs::read_dir(out.join("checkpoints"))
            .expect("checkpoints")
            .flatten()
            .all(|entry| !entry.file_name().to_string_lossy().ends_with(".tmp"))
    );
    // With space again it goes on.
    succeed(&["train", text(&yaml), "--out", text(&out), "--quiet", "--resume", "--set", "train.epochs=50"]);
}

#[test]
fn a_checkpoint_that_cannot_be_written_stops_the_run() {
    let folder = tempfile::tempdir().expect("a folder");
    let yaml = write(
        folder.path(),
        "a.yaml",
        &small("optimizer: {name: adam}\ntrain: {epochs: 2}\nrecord: {every: 1000, tensorboard: false}\n"),
    );
    let out = folder.path().join("run");
    let script = format!(
        "ulimit -f 8; exec {} train {} --out {} --quiet",
        env!("CARGO_BIN_EXE_polytask"),
        text(&yaml),
        text(&out)
    );
    let said = stderr(&std::process::Command::new("bash").args(["-c", &script]).output().expect("bash"));
    assert_says(
        &said,
        &["checkpoint could not be written", "there is no earlier checkpoint", "last.safetensors", "hint: "],
    );
    let left: Vec<_> = fs::read_dir(out.join("checkpoints")).expect("checkpoints").flatten().collect();
    assert!(left.iter().all(|entry| entry.file_name() == "best.safetensors"), "nothing half-made: {left:?}");
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    for command in ["list", "schema", "completions bash", "train --help"] {
        let script = format!("set -o pipefail; {} {command} | head -c 1 >/dev/null", env!("CARGO_BIN_EXE_polytask"));
        let output = std::process::Command::new("bash").args(["-c", &script]).output().expect("bash");
        assert!(!stderr(&output).contains("panicked"), "{command}: {}", stderr(&output));
    }
}

#[test]
fn an_absent_device_is_told_with_what_was_found() {
    let folder = tempfile::tempdir().expect("a folder");
    let yaml = write(folder.path(), "a.yaml", &small(TRAIN));
    let out = folder.path().join("run");
    let output = run(&["train", text(&yaml), "--out", text(&out), "--device", "cuda:63", "--quiet"]);
    assert_eq!(output.status.code(), Some(1));
    assert_says(&stderr(&output), &["cuda:63", "hint: "]);
    let output = polytask().args(["train", text(&yaml), "--device", "gpu"]).output().expect("runs");
    assert_says(&stderr(&output), &["gpu", "cpu"]);
}
