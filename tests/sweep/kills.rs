//! Many processes at one sweep, signals, kills: always the table of one that was left in peace.

use super::common::{stderr, write};
use super::{TRAIN, assert_same, assert_says, compared, complete, experiment, runs, start, sweep};
use polytask::random::generator;
use polytask::run::Run;
use rand::RngExt;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Runs that take a few hundred milliseconds, with a checkpoint every few of them.
const LONG: &str = "optimizer: {name: adam, learning_rate: 0.01}\ntrain: {epochs: 300, batch_size: 16}\n\
    checkpoint: {every: 40 steps}\nrecord: {every: 1}\n";

/// Looks again and again until `done`; who waits for what never comes is told so.
fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < Duration::from_secs(120), "waited too long until {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Bytes that the runs of a sweep have recorded: it grows with every checkpoint.
fn progress(out: &Path) -> u64 {
    let size = |run: &String| fs::metadata(out.join(run).join("metrics.jsonl")).map_or(0, |file| file.len());
    runs(out).iter().map(size).sum()
}

/// Processes that `parent` started and that live.
fn children(parent: u32) -> Vec<u32> {
    let stat = |pid: u32| fs::read_to_string(format!("/proc/{pid}/stat")).ok();
    // `pid (name) state parent …`
    let is_child = |pid: &u32| {
        let stat = stat(*pid).unwrap_or_default();
        let after = stat.rsplit(')').next().unwrap_or_default().split_whitespace().take(2).collect::<Vec<_>>();
        matches!(after.as_slice(), [state, of] if *state != "Z" && of.parse() == Ok(parent))
    };
    let names = fs::read_dir("/proc").expect("/proc").flatten().map(|entry| entry.file_name());
    names.filter_map(|name| name.to_str()?.parse().ok()).filter(is_child).collect()
}

fn signal(pid: u32, signal: &str) {
    Command::new("kill").args([signal, &pid.to_string()]).status().expect("kill");
}

/// Kills a sweep by `SIGKILL` and waits for its workers, which must follow it by themselves.
fn kill(child: &mut Child) {
    let workers = children(child.id());
    child.kill().expect("kill");
    child.wait().expect("ends");
    let lives = |pid: &u32| {
        let command = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&command).contains("sweep-worker")
    };
    wait_until("the workers of a killed sweep end", || !workers.iter().any(lives));
}

const ARMS: &str = "compare: {method: [sum, rlw, mgda]}\ntune: {optimizer.learning_rate: [0.01, 0.03]}\nseeds: 2\n";

#[test]
fn any_number_of_processes_share_a_sweep_and_end_with_the_table_of_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = write(folder.path(), "try.yaml", &sweep(&experiment(TRAIN), ARMS));
    let whole = folder.path().join("whole");
    complete(&file, &whole);
    let beside = |name: &str, mores: [&[&str]; 2]| {
        let out = folder.path().join(name);
        let both = mores.map(|more| {
            start(&file, &out, more).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("starts")
        });
        for child in both {
            let output = child.wait_with_output().expect("ends");
            assert!(output.status.success(), "{name}: {}", stderr(&output));
        }
        assert_same(name, &whole, &out);
    };
    beside("shards", [&["--shard", "1/2", "--jobs", "1"], &["--shard", "2/2", "--jobs", "1"]]);
    beside("shared", [&["--jobs", "1"], &["--jobs", "1"]]);
}

#[test]
fn a_signal_ends_a_sweep_with_a_word_on_how_to_go_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let more = "compare: {method: [sum, rlw]}\nseeds: 2\n";
    let longer = LONG.replace("epochs: 300", "epochs: 2000");
    let file = write(folder.path(), "try.yaml", &sweep(&experiment(&longer), more));
    let (whole, out) = (folder.path().join("whole"), folder.path().join("out"));
    complete(&file, &whole);
    for name in ["-INT", "-TERM", "-HUP", "-USR2", "-XCPU"] {
        let before = progress(&out);
        let child = start(&file, &out, &["--jobs", "2"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let child = child.expect("starts");
        wait_until("the sweep trains", || progress(&out) > before);
        signal(child.id(), name);
        let output = child.wait_with_output().expect("ends");
        assert_eq!(output.status.code(), Some(130), "{name}: {}", stderr(&output));
        assert_says(&stderr(&output), &["interrupted", "hint: the same command goes on"]);
        assert!(compared(&out)["runs"]["unfinished"].as_u64() > Some(0), "nothing was left to do");
    }
    complete(&file, &out);
    assert_same("interrupted", &whole, &out);
}

#[test]
fn sigusr1_has_every_worker_write_a_checkpoint_and_all_go_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let endless = LONG.replace("epochs: 300", "epochs: 1000000").replace("40 steps", "1000000 epochs");
    let more = "compare: {method: [sum, rlw]}\nseeds: 1\n";
    let file = write(folder.path(), "try.yaml", &sweep(&experiment(&endless), more));
    let out = folder.path().join("out");
    let started = start(&file, &out, &["--jobs", "2"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    let mut child = started.expect("starts");
    let folders = ["rlw/seed0", "sum/seed0"].map(|run| out.join(run));
    wait_until("both runs train", || folders.iter().all(|run| run.join("metrics.jsonl").exists()));
    let workers = children(child.id());
    let steps = || folders.each_ref().map(|run| step(run));
    for _ in 0..3 {
        let before = steps();
        signal(child.id(), "-USR1");
        wait_until("both have a later checkpoint", || steps().iter().zip(&before).all(|(now, then)| now > then));
    }
    assert_eq!(children(child.id()), workers, "nobody died");
    signal(child.id(), "-INT");
    assert_eq!(child.wait().expect("ends").code(), Some(130));
}

/// The number of updates before a run's last checkpoint; `None` where there is none yet.
fn step(run: &Path) -> Option<i64> {
    polytask::tensor_file::facts(&run.join("checkpoints/last.safetensors")).ok()??["step"].as_i64()
}

#[test]
fn a_run_whose_process_dies_again_and_again_has_crashed_and_is_tried_again_with_the_sweep() {
    let folder = tempfile::tempdir().expect("a folder");
    let endless = LONG.replace("epochs: 300", "epochs: 1000000");
    let file = write(folder.path(), "try.yaml", &sweep(&experiment(&endless), "compare: {method: [sum]}\nseeds: 1\n"));
    let out = folder.path().join("out");
    let run = out.join("sum/seed0");
    let begin = || start(&file, &out, &[]).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("starts");
    let mut child = begin();
    wait_until("the sweep gives the run up", || {
        if Run::is_taken(&run) {
            children(child.id()).into_iter().for_each(|worker| signal(worker, "-KILL"));
        }
        child.try_wait().expect("a state").is_some()
    });
    let output = child.wait_with_output().expect("ends");
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert_says(&stderr(&output), &["sum/seed0 crashed: its process died 3 times: signal: 9"]);
    let failed = run.join("failed.json");
    assert_says(&fs::read_to_string(&failed).expect("failed.json"), &["\"crashed\""]);

    let mut child = begin();
    wait_until("the run is tried again", || Run::is_taken(&run));
    assert!(!failed.exists());
    kill(&mut child);
}

/// Kills a sweep again and again, and single workers of it, each time when so many more bytes are on record as the seed
/// draws; then lets it end.
fn survives(rounds: u64) {
    let folder = tempfile::tempdir().expect("a folder");
    let more = format!("compare: {{method: [sum, rlw, mgda]}}\nseeds: {}\n", 1 + rounds.div_ceil(4));
    let file = write(folder.path(), "try.yaml", &sweep(&experiment(LONG), &more));
    let (whole, out) = (folder.path().join("whole"), folder.path().join("out"));
    complete(&file, &whole);
    let total = progress(&whole);
    let mut random = generator(0, "kills", rounds, 0);
    let mut marks: Vec<u64> = (0..2 * rounds).map(|_| random.random_range(0..total * 4 / 5)).collect();
    marks.sort_unstable();
    let reach = |child: &mut Child, mark: u64| {
        wait_until("the sweep is so far", || progress(&out) > mark || child.try_wait().expect("a state").is_some());
    };
    let mut hits = 0;
    for mark in marks.chunks_exact(2) {
        let mut child =
            start(&file, &out, &["--jobs", "2"]).stderr(Stdio::null()).stdout(Stdio::null()).spawn().expect("starts");
        reach(&mut child, mark[0]);
        let workers = children(child.id());
        if let Some(worker) = workers.get(random.random_range(0..workers.len().max(1))) {
            signal(*worker, "-KILL");
        }
        reach(&mut child, mark[1]);
        hits += u64::from(child.try_wait().expect("a state").is_none());
        kill(&mut child);
    }
    assert!(2 * hits >= rounds, "only {hits} of {rounds} kills hit a sweep at work");
    complete(&file, &out);
    assert_same("killed", &whole, &out);
}

#[test]
fn a_sweep_killed_at_random_points_ends_at_the_table_of_an_undisturbed_one() {
    survives(4);
}

#[test]
#[ignore = "minutes of kills"]
fn a_sweep_killed_in_twenty_rounds_ends_at_the_table_of_an_undisturbed_one() {
    survives(20);
}
