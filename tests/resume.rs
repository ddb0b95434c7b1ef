//! Resuming is bit-exact: N + M steps equal N steps, a kill, `--resume`, M steps, to the last bit.

mod common;

use common::{fail, points, polytask, run, small, stderr, succeed, tensors, text, write};
use polytask::optim::OptimizerKind;
use polytask::random::generator;
use rand::RngExt;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

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

/// What the event files of two runs tell is the same, and nothing stands there twice.
fn same_points(what: &str, whole: &Path, parts: &Path) {
    let once = |run: &Path| {
        let all = points(run);
        let count = all.len();
        let points: BTreeMap<_, _> = all.into_iter().collect();
        assert_eq!(points.len(), count, "{what}: a point stands twice in the event files of {}", run.display());
        points
    };
    let (one, mut other) = (once(whole), once(parts));
    // A process that goes on tells with which settings, and where.
    let of_process = |tag: &str| tag == "config/text_summary" || tag == "environment/text_summary";
    other.retain(|(tag, step), _| *step == 0 || !of_process(tag));
    let differ = |point: &&(String, i64)| !one.contains_key(point) || !other.contains_key(point);
    let different: Vec<_> = one.keys().chain(other.keys()).filter(differ).collect();
    assert!(different.is_empty(), "{what}: only one of the runs has {different:?}");
    let measured = ["time/", "memory/", "method/milliseconds", "_hparams_/"];
    for ((tag, step), value) in &one {
        let changes = of_process(tag) || measured.iter().any(|start| tag.starts_with(start));
        assert!(changes || *value == other[&(tag.clone(), *step)], "{what}: {tag} differs at step {step}");
    }
}

/// Every file of a run's folder.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(folder).expect("a folder").flatten() {
        let name = text(&entry.path()).to_string();
        if entry.path().is_dir() {
            files.extend(self::files(&entry.path()));
        } else {
            files.insert(name, fs::read(entry.path()).expect("a file"));
        }
    }
    files
}

/// How many of the runs below a folder `polytask compare` takes for finished, and for unfinished.
fn finished_and_unfinished(folder: &Path) -> [u64; 2] {
    let told: Value = serde_json::from_str(&succeed(&["compare", text(folder), "--format", "json"])).expect("JSON");
    ["finished", "unfinished"].map(|state| told["runs"][state].as_u64().expect("a number"))
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
    interrupt_after(arguments, signal, 3)
}

/// Starts a run and sends it `signal` after it has told the end of so many epochs; its exit code, and what it said.
fn interrupt_after(arguments: &[&str], signal: &str, told: u32) -> (Option<i32>, String) {
    let mut child = polytask().args(arguments).stderr(Stdio::piped()).stdout(Stdio::null()).spawn().expect("starts");
    let mut lines = BufReader::new(child.stderr.take().expect("stderr")).lines();
    let (mut said, mut epochs) = (String::new(), 0);
    for line in lines.by_ref().map_while(Result::ok) {
        epochs += u32::from(line.contains("epoch "));
        said += &format!("{line}\n");
        if epochs == told {
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
    same_points("before the first checkpoint", &whole, &killed);
}

#[test]
fn a_finished_run_that_is_extended_is_unfinished_until_it_ends_again() {
    let folder = tempfile::tempdir().expect("a folder");
    // The first end falls between two evaluations, and checkpoints into the middle of epochs.
    let long = LONG.replace("epochs: 400", "steps: 7600").replace("1 epoch", "40 steps");
    let yaml = write(folder.path(), "long.yaml", &small(&long));
    let (whole, runs) = (folder.path().join("whole"), folder.path().join("runs"));
    let extended = runs.join("seed0");
    let train = |more: &[&'static str]| [&["train", text(&yaml), "--out", text(&extended)], more].concat();
    succeed(&["train", text(&yaml), "--out", text(&whole), "--quiet"]);
    succeed(&train(&["--quiet", "--set", "train.steps=205"]));
    assert_eq!(finished_and_unfinished(&runs), [1, 0]);
    for _ in 0..2 {
        let (code, said) = interrupt_after_three_epochs(&train(&["--resume"]), "-KILL");
        assert_eq!(code, None, "the run was killed before it ended: {said}");
        assert!(!extended.join("summary.json").exists() && !extended.join("model.pt").exists());
        assert_eq!(finished_and_unfinished(&runs), [0, 1]);
        let model = folder.path().join("model");
        for checkpoint in ["best", "last"] {
            let export = ["export", text(&extended), "--out", text(&model), "--checkpoint", checkpoint];
            let said = fail(&export);
            assert!(said.contains("the run has not finished, and has no model.pt until it does"), "{said}");
            succeed(&[&export[..], &["--format", "safetensors"]].concat());
        }
        let said = fail(&["evaluate", text(&extended), text(&yaml)]);
        assert!(said.contains("the run has not finished"), "{said}");
        // One that was killed while it wrote its end is no more finished.
        fs::write(extended.join("model.pt"), "half").expect("a file");
        let said = fail(&["evaluate", text(&extended), text(&yaml)]);
        assert!(said.contains("the run has not finished"), "{said}");
    }
    succeed(&train(&["--resume", "--quiet"]));
    assert_eq!(finished_and_unfinished(&runs), [1, 0]);
    same_results("extended", &whole, &extended);
    same_points("extended", &whole, &extended);
    // Again, with nothing left to do.
    succeed(&train(&["--resume", "--quiet"]));
    succeed(&train(&["--resume", "--quiet"]));
    same_results("ended again", &whole, &extended);
    same_points("ended again", &whole, &extended);
    // Beside it, one that was stopped, and whose folder's name tells no seed.
    fs::create_dir(runs.join("stopped")).expect("a folder");
    fs::write(runs.join("stopped/config.yaml"), "").expect("a file");
    let told = succeed(&["compare", text(&runs)]);
    assert!(told.contains("stopped: has not finished and is left out"), "{told}");
}

#[test]
fn a_refused_resume_leaves_a_finished_run_as_it_was() {
    let folder = tempfile::tempdir().expect("a folder");
    let rows = |count: i32| (0..count).map(|row| format!("{row},{}\n", row % 2)).collect::<String>();
    let data = |count| write(folder.path(), "rows.csv", &format!("a,y\n{}", rows(count)));
    data(200);
    let yaml = write(
        folder.path(),
        "a.yaml",
        "data: {name: csv, train: rows.csv}
tasks: [{name: y, loss: {name: cross_entropy, classes: 2}}]
model: {backbone: {name: mlp, hidden: [4]}}
optimizer: {name: sgd}
schedule: {name: cosine}
train: {steps: 7, batch_size: 10}
",
    );
    let out = folder.path().join("run");
    let train = |more: &[&'static str]| [&["train", text(&yaml), "--out", text(&out), "--quiet"], more].concat();
    succeed(&train(&[]));
    let before = files(&out);
    let refused = |what: &str, more: &[&'static str]| {
        let said = fail(&train(&[&["--resume"], more].concat()));
        assert!(said.contains(what), "{said}");
        assert!(files(&out) == before, "{what}: a refused resume changed {}", out.display());
    };
    refused("other settings", &["--set", "train.steps=9", "--set", "optimizer.learning_rate=1"]);
    refused("--extend-schedule", &["--set", "train.steps=9"]);
    data(30);
    refused("the rows are not those", &["--set", "train.epochs=9", "--extend-schedule"]);
    data(200);
    let metrics = out.join("metrics.jsonl");
    let lines = fs::read(&metrics).expect("metrics.jsonl");
    fs::write(&metrics, "").expect("an empty file");
    let said = fail(&train(&["--resume"]));
    assert!(said.contains("holds 0 bytes, but the checkpoint was made when it held"), "{said}");
    fs::write(&metrics, lines).expect("as it was");
    assert!(files(&out) == before, "a refused resume changed {}", out.display());
    succeed(&train(&["--resume"]));
}

#[test]
fn a_schedule_that_ends_with_the_run_is_extended_only_on_demand() {
    let folder = tempfile::tempdir().expect("a folder");
    let more = |schedule: &str| format!("optimizer: {{name: sgd, learning_rate: 0.01}}\nschedule: {schedule}\n");
    let train = |name: &str, schedule: &str, more_arguments: &[&'static str]| -> Vec<String> {
        let train = "train: {epochs: 4, batch_size: 32}\nrecord: {every: 1}\n";
        let yaml = write(folder.path(), &format!("{name}.yaml"), &small(&(more(schedule) + train)));
        let out = folder.path().join(name);
        let arguments = ["train", text(&yaml), "--out", text(&out), "--quiet"];
        arguments.iter().chain(more_arguments).map(|word| word.to_string()).collect()
    };
    fn words(arguments: &[String]) -> Vec<&str> {
        arguments.iter().map(String::as_str).collect()
    }
    let longer = ["--resume", "--set", "train.epochs=8"];
    let extended = [&longer[..], &["--extend-schedule"]].concat();
    let following =
        [("cosine", "{name: cosine}"), ("warmup", "{name: linear_warmup, steps: 5, then: {name: cosine, unit: step}}")];
    for (name, schedule) in following {
        succeed(&words(&train(name, schedule, &[])));
        let said = fail(&words(&train(name, schedule, &longer)));
        let told = "ends with the run, which was to make 40 steps and is to make 80: the learning rate of the next step becomes 0.00";
        assert!(said.contains(told) && said.contains(" instead of 0\n"), "{said}");
        assert!(said.contains("yaml:7:") && said.contains("hint: keep the limits"), "{said}");
        // A limit that ends the run at the same step moves nothing.
        succeed(&words(&train(name, schedule, &["--resume", "--set", "train.steps=40"])));
        let output = run(&words(&train(name, schedule, &extended)));
        assert!(output.status.success() && stderr(&output).contains(told), "{}", stderr(&output));
        // From here on this is its end.
        succeed(&words(&train(name, schedule, &longer)));
    }
    for (name, schedule) in [("fixed", "{name: cosine, t_max: 4}"), ("constant", "{name: constant}")] {
        succeed(&words(&train(name, schedule, &[])));
        succeed(&words(&train(name, schedule, &longer)));
        let output = run(&words(&train(name, schedule, &extended)));
        assert!(stderr(&output).contains("note: --extend-schedule changes nothing here"), "{}", stderr(&output));
    }
}

/// Kills a run up to ten times until it ends, then its extension.
#[test]
#[ignore = "half a minute of kills"]
fn a_run_and_its_extension_killed_ten_times_each_end_as_one_that_was_left_in_peace() {
    let folder = tempfile::tempdir().expect("a folder");
    let yaml = write(folder.path(), "long.yaml", &small(&LONG.replace("1 epoch", "31 steps")));
    let (whole, runs) = (folder.path().join("whole"), folder.path().join("runs"));
    let killed = runs.join("seed0");
    succeed(&["train", text(&yaml), "--out", text(&whole), "--quiet"]);
    let mut random = generator(0, "kills", 20, 0);
    for limit in ["train.epochs=200", "train.epochs=400"] {
        let mut kills = 0;
        while kills < 10 {
            let mut arguments = vec!["train", text(&yaml), "--out", text(&killed), "--set", limit];
            arguments.extend(killed.exists().then_some("--resume"));
            let (code, said) = interrupt_after(&arguments, "-KILL", random.random_range(1..=18));
            if code.is_some() {
                assert_eq!(code, Some(0), "{said}");
                break;
            }
            kills += 1;
            assert_eq!(finished_and_unfinished(&runs), [0, 1], "after kill {kills} under {limit}");
        }
        assert!(kills >= 5, "only {kills} kills hit the run at work");
        succeed(&["train", text(&yaml), "--out", text(&killed), "--quiet", "--resume", "--set", limit]);
        assert_eq!(finished_and_unfinished(&runs), [1, 0]);
    }
    same_results("killed", &whole, &killed);
    same_points("killed", &whole, &killed);
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

fn signal(child: &Child, signal: &str) {
    Command::new("kill").args([signal, &child.id().to_string()]).status().expect("kill");
}

/// Looks again and again until `done`, and gives up after two minutes.
fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < Duration::from_secs(120), "waited too long until {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Reads a run's stderr until it has told the end of three epochs.
fn read_three_epochs(child: &mut Child) -> BufReader<std::process::ChildStderr> {
    let mut said = BufReader::new(child.stderr.take().expect("stderr"));
    let epochs = said.by_ref().lines().map_while(Result::ok).filter(|line| line.contains("epoch "));
    assert_eq!(epochs.take(3).count(), 3);
    said
}

#[test]
fn a_signal_ends_the_step_and_says_how_to_go_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let yaml = write(folder.path(), "long.yaml", &small(LONG));
    let whole = folder.path().join("whole");
    succeed(&["train", text(&yaml), "--out", text(&whole), "--quiet"]);
    for signal in ["-INT", "-TERM", "-HUP", "-USR2", "-XCPU"] {
        let stopped = folder.path().join(signal);
        let (code, said) = interrupt_after_three_epochs(&["train", text(&yaml), "--out", text(&stopped)], signal);
        assert_eq!(code, Some(130), "{said}");
        assert!(said.contains("interrupted") && said.contains("--resume"), "{said}");
        succeed(&["train", text(&yaml), "--out", text(&stopped), "--resume", "--quiet"]);
        same_results(signal, &whole, &stopped);
    }
}

#[test]
fn a_closed_terminal_ends_a_run_with_a_checkpoint_though_nobody_listens() {
    let folder = tempfile::tempdir().expect("a folder");
    let yaml = write(folder.path(), "long.yaml", &small(LONG));
    let (whole, stopped) = (folder.path().join("whole"), folder.path().join("stopped"));
    succeed(&["train", text(&yaml), "--out", text(&whole), "--quiet"]);
    let mut run = polytask();
    run.args(["train", text(&yaml), "--out", text(&stopped)]).stderr(Stdio::piped()).stdout(Stdio::null());
    let mut child = run.spawn().expect("starts");
    drop(read_three_epochs(&mut child));
    // Both a shell and the system tell of it.
    signal(&child, "-HUP");
    signal(&child, "-HUP");
    assert_eq!(child.wait().expect("ends").code(), Some(130));
    succeed(&["train", text(&yaml), "--out", text(&stopped), "--resume", "--quiet"]);
    same_results("a closed terminal", &whole, &stopped);
}

#[test]
fn a_run_that_was_started_to_ignore_hangups_goes_on_to_its_end() {
    let folder = tempfile::tempdir().expect("a folder");
    let yaml = write(folder.path(), "long.yaml", &small(LONG));
    let out = folder.path().join("run");
    let mut shell = Command::new("sh");
    shell.args(["-c", "trap '' HUP; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_polytask")]);
    shell.args(["train", text(&yaml), "--out", text(&out)]).stderr(Stdio::piped()).stdout(Stdio::null());
    let mut child = shell.spawn().expect("starts");
    let rest = read_three_epochs(&mut child);
    signal(&child, "-HUP");
    rest.lines().map_while(Result::ok).for_each(drop);
    assert_eq!(child.wait().expect("ends").code(), Some(0));
    assert!(out.join("summary.json").exists());
}

#[test]
fn sigusr1_writes_a_checkpoint_and_the_run_goes_on_undisturbed() {
    let folder = tempfile::tempdir().expect("a folder");
    let yaml = write(folder.path(), "long.yaml", &small(&LONG.replace("1 epoch}", "1000000 epochs}")));
    let out = folder.path().join("run");
    let endless = ["train", text(&yaml), "--out", text(&out), "--quiet", "--set", "train.epochs=1000000"];
    let mut child = polytask().args(endless).spawn().expect("starts");
    let place = |name: &str| {
        let facts = polytask::tensor_file::facts(&out.join("checkpoints/last.safetensors")).ok()??;
        facts[name].as_i64()
    };
    // The records are there once it trains, and answers.
    wait_until("the run trains", || out.join("metrics.jsonl").exists());
    let mut before = None;
    for _ in 0..3 {
        signal(&child, "-USR1");
        wait_until("there is a later checkpoint", || place("step") > before);
        before = place("step");
        assert!(child.try_wait().expect("a state").is_none(), "the run goes on");
    }
    signal(&child, "-INT");
    assert_eq!(child.wait().expect("ends").code(), Some(130));

    let limit = format!("train.epochs={}", place("epoch").expect("a checkpoint") + 3);
    let whole = folder.path().join("whole");
    succeed(&["train", text(&yaml), "--out", text(&whole), "--quiet", "--set", &limit]);
    succeed(&["train", text(&yaml), "--out", text(&out), "--quiet", "--resume", "--set", &limit]);
    same_results("SIGUSR1", &whole, &out);
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
