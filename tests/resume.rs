//! Resuming is bit-exact: N + M steps equal N steps, a kill, `--resume`, M steps, to the last bit.

mod common;

use common::{fail, polytask, small, stderr, succeed, tensors, text, write};
use polytask::optim::OptimizerKind;
use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

/// Weights, moments, place: all but the wall time.
fn state(run: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut tensors = tensors(&run.join("checkpoints/last.safetensors"));
    for time in ["progress.seconds", "gradients.seconds"] {
        tensors.remove(time).expect("the time is stored");
    }
    tensors
}

fn same_results(what: &str, a: &Path, b: &Path) {
    let (one, other) = (state(a), state(b));
    assert_eq!(one.keys().collect::<Vec<_>>(), other.keys().collect::<Vec<_>>(), "{what}");
    for (name, bytes) in &one {
        assert!(*bytes == other[name], "{what}: {name} differs");
    }
    let read = |run: &Path, file: &str| fs::read(run.join(file)).expect("a file of the run");
    assert!(read(a, "metrics.jsonl") == read(b, "metrics.jsonl"), "{what}: metrics.jsonl differs");
    assert!(
        tensors(&a.join("checkpoints/best.safetensors")) == tensors(&b.join("checkpoints/best.safetensors")),
        "{what}: best differs"
    );
    assert_eq!(summary(a), summary(b), "{what}: summary.json differs");
}

/// What the run came to: all but what it cost in time and memory.
fn summary(run: &Path) -> serde_json::Value {
    let text = fs::read(run.join("summary.json")).expect("summary.json");
    let mut summary: serde_json::Value = serde_json::from_slice(&text).expect("json");
    for measured in ["seconds", "steps_per_second", "method_seconds", "peak_memory_mib"] {
        summary["cost"].as_object_mut().expect("the cost").remove(measured).expect("it is measured");
    }
    summary
}

#[test]
fn every_optimizer_goes_on_as_if_it_had_never_stopped() {
    let folder = tempfile::tempdir().expect("a folder");
    let settings = |name: &str| match name {
        "sgd" => "{name: sgd, learning_rate: 0.05, momentum: 0.9, nesterov: true}".to_string(),
        "adam" => "{name: adam, learning_rate: 0.01, amsgrad: true}".to_string(),
        "rmsprop" => "{name: rmsprop, learning_rate: 0.01, momentum: 0.5, centered: true}".to_string(),
        other => format!("{{name: {other}, learning_rate: 0.01}}"),
    };
    for name in OptimizerKind::NAMES {
        let more = format!(
            "optimizer: {}\nschedule: {{name: plateau, patience: 1}}\ntrain: {{steps: 33, batch_size: 32}}\ncheckpoint: {{every: 7 steps}}\nrecord: {{every: 3}}\n",
            settings(name)
        );
        let yaml = write(folder.path(), &format!("{name}.yaml"), &small(&more));
        let whole = folder.path().join(format!("{name}-whole"));
        succeed(&["train", text(&yaml), "--out", text(&whole), "--quiet"]);

        // 17 steps end in the middle of an epoch of 10, and between two checkpoints.
        let parts = folder.path().join(format!("{name}-parts"));
        succeed(&["train", text(&yaml), "--out", text(&parts), "--quiet", "--set", "train.steps=17"]);
        succeed(&["train", text(&yaml), "--out", text(&parts), "--quiet", "--resume"]);
        same_results(name, &whole, &parts);
    }
}

/// Starts a run and sends it `signal` after it has told the end of three epochs.
fn interrupt_after_three_epochs(arguments: &[&str], signal: &str) -> (Option<i32>, String) {
    let mut child = polytask().args(arguments).stderr(Stdio::piped()).stdout(Stdio::null()).spawn().expect("starts");
    let mut lines = BufReader::new(child.stderr.take().expect("stderr")).lines();
    let (mut said, mut epochs) = (String::new(), 0);
    for line in lines.by_ref().map_while(Result::ok) {
        epochs += i32::from(line.contains("epoch "));
        said += &format!("{line}\n");
        if epochs == 3 {
            Command::new("kill").args([signal, &child.id().to_string()]).status().expect("kill");
            break;
        }
    }
    said.extend(lines.map_while(Result::ok).map(|line| line + "\n"));
    (child.wait().expect("ends").code(), said)
}

const LONG: &str = "optimizer: {name: adam, learning_rate: 0.003}\ntrain: {epochs: 400, batch_size: 16}\ncheckpoint: {every: 1 epoch}\nrecord: {every: 5}\n";

#[test]
fn a_killed_run_goes_on_from_its_last_checkpoint() {
    let folder = tempfile::tempdir().expect("a folder");
    let yaml = write(folder.path(), "long.yaml", &small(LONG));
    let (whole, killed) = (folder.path().join("whole"), folder.path().join("killed"));
    succeed(&["train", text(&yaml), "--out", text(&whole), "--quiet"]);

    let (code, _) = interrupt_after_three_epochs(&["train", text(&yaml), "--out", text(&killed)], "-KILL");
    assert_eq!(code, None, "the run was killed before it ended");
    assert!(!killed.join("summary.json").exists());
    // Killed again while it resumes, then left in peace.
    let (code, _) = interrupt_after_three_epochs(&["train", text(&yaml), "--out", text(&killed), "--resume"], "-KILL");
    assert_eq!(code, None, "the run was killed a second time");
    succeed(&["train", text(&yaml), "--out", text(&killed), "--resume", "--quiet"]);
    same_results("killed", &whole, &killed);
}

#[test]
fn what_a_killed_run_tells_of_its_gradients_is_what_an_undisturbed_one_tells() {
    let folder = tempfile::tempdir().expect("a folder");
    // Checkpoints fall into the middle of epochs of 19 steps.
    let text_of = small(&LONG.replace("1 epoch", "7 steps").replace("every: 5}", "every: 5, gradients: 2}"));
    let yaml = write(folder.path(), "long.yaml", &format!("{text_of}method: {{name: upgrad}}\n"));
    let (whole, killed) = (folder.path().join("whole"), folder.path().join("killed"));
    let few = ["--set", "train.epochs=60"];
    succeed(&[&["train", text(&yaml), "--out", text(&whole), "--quiet"], &few[..]].concat());
    let (code, _) =
        interrupt_after_three_epochs(&[&["train", text(&yaml), "--out", text(&killed)], &few[..]].concat(), "-KILL");
    assert_eq!(code, None, "the run was killed before it ended");
    succeed(&[&["train", text(&yaml), "--out", text(&killed), "--quiet", "--resume"], &few[..]].concat());
    same_results("gradients", &whole, &killed);
    let told = summary(&whole);
    assert!(told["gradients"]["cosine"]["task1"]["task2"].is_number(), "{told}");
    assert!(told["cost"]["backward_passes"].as_i64() > Some(2 * 19 * 60 - 1), "{told}");
}

#[test]
fn what_a_method_remembers_of_gradients_lies_in_the_checkpoint_by_parameter_name() {
    let folder = tempfile::tempdir().expect("a folder");
    for (method, value) in [("moco", "tracked"), ("db_mtl", "averaged"), ("excess_mtl", "squares")] {
        let more = format!("method: {{name: {method}}}\noptimizer: {{name: adam}}\ntrain: {{steps: 3}}\n");
        let yaml = write(folder.path(), "a.yaml", &small(&more));
        let out = folder.path().join(method);
        succeed(&["train", text(&yaml), "--out", text(&out), "--quiet"]);
        let bytes = fs::read(out.join("checkpoints/last.safetensors")).expect("a checkpoint");
        let file = safetensors::SafeTensors::deserialize(&bytes).expect("safetensors");
        let mut shared = Vec::new();
        for (name, shape) in
            [("0.weight", &[20, 10][..]), ("0.bias", &[20]), ("3.weight", &[20, 20]), ("3.bias", &[20])]
        {
            let name = format!("method.{value}.shared_layers.{name}");
            let found = file.tensor(&name).unwrap_or_else(|_| panic!("{name} is missing in {:?}", file.names()));
            assert_eq!(found.shape(), [&[2], shape].concat(), "{name}: tasks first");
            assert!(found.data().iter().any(|byte| *byte != 0), "{name} holds nothing");
            shared.push(name);
        }
        let of_gradients = format!("method.{value}");
        assert_eq!(file.names().iter().filter(|name| name.starts_with(&of_gradients)).count(), shared.len());
    }
}

#[test]
fn a_run_stopped_before_its_first_checkpoint_starts_anew() {
    let folder = tempfile::tempdir().expect("a folder");
    let never = small(&LONG.replace("400", "100000").replace("1 epoch", "100000000 steps"));
    let yaml = write(folder.path(), "never.yaml", &never);
    let (killed, whole) = (folder.path().join("killed"), folder.path().join("whole"));
    interrupt_after_three_epochs(&["train", text(&yaml), "--out", text(&killed)], "-KILL");
    assert!(!killed.join("checkpoints/last.safetensors").exists());
    succeed(&["train", text(&yaml), "--out", text(&killed), "--quiet", "--resume", "--set", "train.epochs=2"]);
    succeed(&["train", text(&yaml), "--out", text(&whole), "--quiet", "--set", "train.epochs=2"]);
    same_results("before the first checkpoint", &whole, &killed);
}

#[test]
fn a_run_goes_on_only_with_its_own_rows() {
    let folder = tempfile::tempdir().expect("a folder");
    let rows = |count: i32| (0..count).map(|row| format!("{row},{}\n", row % 2)).collect::<String>();
    write(folder.path(), "rows.csv", &format!("a,y\n{}", rows(200)));
    let yaml = write(
        folder.path(),
        "a.yaml",
        "data: {name: csv, train: rows.csv}
tasks: [{name: y, loss: {name: cross_entropy, classes: 2}}]
model: {backbone: {name: mlp, hidden: [4]}}
optimizer: {name: sgd}
train: {steps: 7, batch_size: 10}
",
    );
    let out = folder.path().join("run");
    succeed(&["train", text(&yaml), "--out", text(&out), "--quiet"]);
    let more = ["train", text(&yaml), "--out", text(&out), "--quiet", "--resume", "--set", "train.steps=9"];
    write(folder.path(), "rows.csv", &format!("a,y\n{}", rows(30)));
    assert!(fail(&more).contains("the rows are not those that the run was started with"));
    write(folder.path(), "rows.csv", &format!("a,y\n{}", rows(200)));
    succeed(&more);
}

#[test]
fn ctrl_c_and_sigterm_end_the_step_and_say_how_to_go_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let yaml = write(folder.path(), "long.yaml", &small(LONG));
    let whole = folder.path().join("whole");
    succeed(&["train", text(&yaml), "--out", text(&whole), "--quiet"]);
    for signal in ["-INT", "-TERM"] {
        let stopped = folder.path().join(signal);
        let (code, said) = interrupt_after_three_epochs(&["train", text(&yaml), "--out", text(&stopped)], signal);
        assert_eq!(code, Some(130), "{said}");
        assert!(said.contains("interrupted") && said.contains("--resume"), "{said}");
        succeed(&["train", text(&yaml), "--out", text(&stopped), "--resume", "--quiet"]);
        same_results(signal, &whole, &stopped);
    }
}

#[test]
fn a_run_is_resumed_only_with_its_own_settings() {
    let folder = tempfile::tempdir().expect("a folder");
    let yaml = write(folder.path(), "a.yaml", &small("optimizer: {name: adam}\ntrain: {epochs: 2}\n"));
    let out = folder.path().join("run");
    let base = ["train", text(&yaml), "--out", text(&out), "--quiet"];
    let train = |more: &[&'static str]| -> Vec<&str> { base.iter().chain(more).copied().collect() };
    assert!(fail(&train(&["--resume"])).contains("holds no run to resume"));
    succeed(&train(&[]));
    assert!(fail(&train(&[])).contains("holds a finished run"));
    let said = fail(&train(&["--resume", "--set", "optimizer.learning_rate=0.5"]));
    assert!(said.contains("optimizer.learning_rate was 0.001, is 0.5"), "{said}");
    succeed(&train(&["--resume"]));
    succeed(&train(&["--resume", "--set", "train.epochs=4"]));
    let summary: serde_json::Value =
        serde_json::from_slice(&fs::read(out.join("summary.json")).expect("summary")).expect("json");
    assert_eq!(summary["epochs"], 4);
}

#[test]
fn equal_seeds_give_equal_runs_and_other_seeds_others_at_any_number_of_threads() {
    let folder = tempfile::tempdir().expect("a folder");
    let yaml = write(folder.path(), "a.yaml", &small("optimizer: {name: adam}\ntrain: {epochs: 2}\n"));
    for threads in ["1", "2"] {
        let train = |name: &str, seed: &str| {
            let out = folder.path().join(format!("{name}-{threads}"));
            let threads = format!("threads={threads}");
            succeed(&["train", text(&yaml), "--out", text(&out), "--quiet", "--seed", seed, "--set", &threads]);
            out
        };
        let (one, again, other) = (train("one", "1"), train("again", "1"), train("other", "2"));
        same_results(threads, &one, &again);
        assert!(state(&one)["model.task1_layer.bias"] != state(&other)["model.task1_layer.bias"]);
    }
}

#[test]
fn a_folder_in_use_is_told_as_such() {
    let folder = tempfile::tempdir().expect("a folder");
    let yaml = write(folder.path(), "long.yaml", &small(&LONG.replace("400", "1000000")));
    let out = folder.path().join("run");
    let arguments = ["train", text(&yaml), "--out", text(&out)];
    let mut child = polytask().args(arguments).stderr(Stdio::piped()).spawn().expect("starts");
    let mut lines = BufReader::new(child.stderr.take().expect("stderr")).lines();
    assert!(lines.by_ref().map_while(Result::ok).any(|line| line.contains("epoch")), "it trains");
    for more in [&[][..], &["--resume"]] {
        let output = polytask().args(arguments).args(more).output().expect("runs");
        assert!(stderr(&output).contains("another process trains in this folder"), "{}", stderr(&output));
    }
    child.kill().expect("kill");
    child.wait().expect("ends");
}
