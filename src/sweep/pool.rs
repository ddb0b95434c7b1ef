//! Workers and the runs that they take: one queue, a process per slot, a thread that looks after each.

use super::progress::Progress;
use super::state::{Failure, FailureKind, State};
use super::worker::{Answer, SAVE};
use super::{Cell, Opened};
use crate::error::Mistake;
use crate::libtorch::DeviceChoice;
use crate::train::Requests;
use anyhow::{Context, Result};
use std::collections::VecDeque;
use std::fmt;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use tch::Device;

/// How a sweep is spread.
#[derive(Debug, Clone)]
pub struct Options {
    /// A worker per entry, on that device; `None`: on the experiment's own.
    pub slots: Vec<Option<DeviceChoice>>,
    /// Which part of the runs is done here.
    pub shard: Shard,
    /// No progress on stderr.
    pub quiet: bool,
}

/// A part of the runs: every `count`-th, from the `index`-th on, both from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    /// From 1.
    pub index: usize,
    /// How many there are.
    pub count: usize,
}

impl Default for Shard {
    fn default() -> Self {
        Self { index: 1, count: 1 }
    }
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.split_once('/').and_then(|(index, count)| Some((index.parse().ok()?, count.parse().ok()?)));
        match parts {
            Some((index, count)) if (1..=count).contains(&index) => Ok(Self { index, count }),
            _ => Err("expected I/N with I from 1 to N, such as 2/8".into()),
        }
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.count)
    }
}

/// A worker per job and device: on the CPU by default as many as there are cores for their threads, on a GPU one. Without
/// devices the experiment's own counts.
///
/// # Errors
/// A device is not there.
pub fn slots(sweep: &Opened, devices: &[DeviceChoice], jobs: Option<u16>) -> Result<Vec<Option<DeviceChoice>>> {
    let first = sweep.plan.cells().next().map(|cell| sweep.plan.experiment(cell)).transpose()?;
    let (own, threads) = first.map_or((DeviceChoice::Cpu, 1), |experiment| (experiment.device, experiment.threads));
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let jobs = |device: DeviceChoice| -> Result<usize> {
        let on_cpu = device.resolve()? == Device::Cpu;
        let usual = if on_cpu { (cores / threads as usize).max(1) } else { 1 };
        Ok(jobs.map_or(usual, usize::from))
    };
    if devices.is_empty() {
        return Ok(vec![None; jobs(own)?]);
    }
    let of_device = |device: &DeviceChoice| Ok(vec![Some(*device); jobs(*device)?]);
    Ok(devices.iter().map(of_device).collect::<Result<Vec<_>>>()?.concat())
}

/// How the runs of a sweep stand when it ends.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Of the whole sweep.
    pub finished: usize,
    /// Of the whole sweep.
    pub failed: usize,
    /// Of the whole sweep: neither.
    pub missing: usize,
    /// Whether a signal ended it.
    pub interrupted: bool,
}

/// So often may a worker die over one run before the run counts as crashed.
const DEATHS: u32 = 3;

/// So many runs in a row that end in errors end the sweep.
const MOST_ERRORS: usize = 8;

/// Runs that another process trains are looked at again after so long.
const PATIENCE: Duration = Duration::from_millis(200);

/// Trains what is missing, until all is done or `requests` ask to stop.
///
/// # Errors
/// A worker cannot be started; the runs have nothing to be chosen by.
pub fn run(sweep: &Opened, options: &Options, requests: &Requests) -> Result<Outcome> {
    let cells: Vec<Cell> = sweep.plan.cells().collect();
    let ours = |number: &usize| number % options.shard.count == options.shard.index - 1;
    let is_open = |number: &usize| match State::of(&sweep.plan.folder(&sweep.folder, cells[*number])) {
        State::Finished => false,
        State::Failed(failure) => failure.kind != FailureKind::Diverged,
        State::Started | State::Missing => true,
    };
    let mine = (0..cells.len()).filter(ours).count();
    let open: VecDeque<Job> =
        (0..cells.len()).filter(ours).filter(is_open).map(|number| Job { number, deaths: 0 }).collect();
    let pool = Pool {
        sweep,
        cells: &cells,
        progress: Progress::new(mine, mine - open.len(), options.quiet),
        left: AtomicUsize::new(open.len()),
        queue: Mutex::new(open),
        stopping: AtomicBool::new(false),
        inputs: options.slots.iter().map(|_| Mutex::new(None)).collect(),
        error: Mutex::new(None),
        errors: AtomicUsize::new(0),
    };
    thread::scope(|scope| {
        let slots: Vec<_> = (0..options.slots.len().min(pool.left.load(Ordering::Relaxed)))
            .map(|slot| {
                let pool = &pool;
                let device = options.slots[slot];
                scope.spawn(move || {
                    if let Err(error) = pool.serve(slot, device) {
                        pool.stop_with(error);
                    }
                })
            })
            .collect();
        while !slots.iter().all(thread::ScopedJoinHandle::is_finished) {
            // Again and again: a worker may just have been hired.
            if requests.stops() || pool.stopping.load(Ordering::Relaxed) {
                pool.stop();
            }
            if requests.take_checkpoint() {
                pool.save();
            }
            thread::sleep(Duration::from_millis(20));
        }
    });
    pool.progress.close();
    if let Some(error) = guard(&pool.error).take() {
        return Err(error);
    }
    let mut outcome = Outcome { interrupted: requests.stops(), ..Outcome::default() };
    for cell in cells {
        match State::of(&sweep.plan.folder(&sweep.folder, cell)) {
            State::Finished => outcome.finished += 1,
            State::Failed(_) => outcome.failed += 1,
            State::Started | State::Missing => outcome.missing += 1,
        }
    }
    Ok(outcome)
}

/// A run that waits.
struct Job {
    number: usize,
    /// Workers that died over it.
    deaths: u32,
}

struct Pool<'a> {
    sweep: &'a Opened,
    cells: &'a [Cell],
    progress: Progress,
    /// Runs that have not ended, those that train now included.
    left: AtomicUsize,
    queue: Mutex<VecDeque<Job>>,
    stopping: AtomicBool,
    /// Per slot the way to its worker; closed, the worker ends.
    inputs: Vec<Mutex<Option<ChildStdin>>>,
    error: Mutex<Option<anyhow::Error>>,
    /// Runs that ended in errors since one finished.
    errors: AtomicUsize,
}

fn guard<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Pool<'_> {
    /// Ends the workers at their next step.
    fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
        for input in &self.inputs {
            guard(input).take();
        }
    }

    /// Has every worker write a checkpoint of the run that it trains.
    fn save(&self) {
        for input in &self.inputs {
            // Who looks after a worker that died finds out by itself.
            let _ = guard(input).as_mut().map(|input| writeln!(input, "{SAVE}").and_then(|()| input.flush()));
        }
    }

    fn stop_with(&self, error: anyhow::Error) {
        guard(&self.error).get_or_insert(error);
        self.stop();
    }

    /// Looks after one slot until nothing is left.
    fn serve(&self, slot: usize, device: Option<DeviceChoice>) -> Result<()> {
        let mut worker: Option<Worker> = None;
        while !self.stopping.load(Ordering::Relaxed) && self.left.load(Ordering::Relaxed) > 0 {
            let Some(job) = guard(&self.queue).pop_front() else {
                // The others train the last ones; one of them may come back.
                thread::sleep(PATIENCE / 10);
                continue;
            };
            let folder = self.sweep.plan.folder(&self.sweep.folder, self.cells[job.number]);
            // Another process may have ended it.
            match State::of(&folder) {
                State::Finished => {
                    self.end(false);
                    continue;
                }
                State::Failed(failure) if failure.kind == FailureKind::Diverged => {
                    self.end(true);
                    continue;
                }
                _ => {}
            }
            Failure::forget(&folder);
            let at_work = match &mut worker {
                Some(worker) => worker,
                None => worker.insert(self.hire(slot, device)?),
            };
            match self.ask(slot, at_work, &self.sweep.plan.run_name(self.cells[job.number])) {
                Some(Answer::Finished { selected }) => {
                    self.must_select(selected)?;
                    self.errors.store(0, Ordering::Relaxed);
                    self.end(false);
                }
                Some(Answer::Failed(failure)) => {
                    self.tell(&job, &failure);
                    self.end(true);
                    self.must_not_repeat(&failure)?;
                }
                Some(Answer::Busy) => {
                    guard(&self.queue).push_back(job);
                    thread::sleep(PATIENCE);
                }
                Some(Answer::Ready | Answer::Interrupted) => guard(&self.queue).push_back(job),
                None => {
                    let last_words = worker.take().map(Worker::bury).unwrap_or_default();
                    self.died(slot, job, &last_words)?;
                }
            }
        }
        guard(&self.inputs[slot]).take();
        worker.map(Worker::bury);
        Ok(())
    }

    /// A worker died over a run.
    fn died(&self, slot: usize, mut job: Job, last_words: &str) -> Result<()> {
        guard(&self.inputs[slot]).take();
        job.deaths += 1;
        if self.stopping.load(Ordering::Relaxed) || job.deaths < DEATHS {
            guard(&self.queue).push_back(job);
            return Ok(());
        }
        let error = format!("its process died {DEATHS} times: {last_words}");
        let failure = Failure { kind: FailureKind::Crashed, error };
        failure.store(&self.sweep.plan.folder(&self.sweep.folder, self.cells[job.number]))?;
        self.tell(&job, &failure);
        self.end(true);
        Ok(())
    }

    fn end(&self, failed: bool) {
        self.left.fetch_sub(1, Ordering::Relaxed);
        self.progress.ended(failed);
    }

    fn tell(&self, job: &Job, failure: &Failure) {
        let name = self.sweep.plan.run_name(self.cells[job.number]);
        let first = failure.error.lines().next().unwrap_or_default().trim_start_matches("error: ");
        self.progress.say(&format!("{name} {}: {first}", failure.kind.name()));
    }

    /// A fault that is no run's own, such as a file that is missing, meets all of them: no need to try each.
    fn must_not_repeat(&self, failure: &Failure) -> Result<()> {
        if failure.kind != FailureKind::Error || self.errors.fetch_add(1, Ordering::Relaxed) + 1 < MOST_ERRORS {
            return Ok(());
        }
        let what = format!("{MOST_ERRORS} runs in a row ended in errors; the last: {}", failure.error);
        Err(Mistake::new(self.sweep.folder.display(), what)
            .remedy("mend what they name; the same command goes on and tries them again")
            .into())
    }

    /// Where something is tuned, validation must choose.
    fn must_select(&self, selected: bool) -> Result<()> {
        if selected || !self.sweep.plan.is_tuned() {
            return Ok(());
        }
        Err(Mistake::new("tune", "the data has no validation rows, so no arm's trial can be chosen")
            .remedy("set rows aside (`data.validation`, `data.fractions`, …), or tune nothing")
            .into())
    }

    /// Starts a worker; one that is killed before it begins is replaced.
    fn hire(&self, slot: usize, device: Option<DeviceChoice>) -> Result<Worker> {
        let mut words = String::new();
        for _ in 0..DEATHS {
            let mut worker = self.start(slot, device)?;
            if matches!(worker.answer(), Some(Answer::Ready)) || self.stopping.load(Ordering::Relaxed) {
                return Ok(worker);
            }
            words = worker.bury();
        }
        Err(Mistake::new("sweep", format!("a worker process ended before it began: {words}")).into())
    }

    fn start(&self, slot: usize, device: Option<DeviceChoice>) -> Result<Worker> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("sweep-worker").arg(&self.sweep.folder);
        if let Some(device) = device {
            command.args(["--device", &device.to_string()]);
        }
        let spawned = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut child = spawned.context("a worker process cannot be started")?;
        let mut errors = child.stderr.take().context("a worker has no stderr")?;
        *guard(&self.inputs[slot]) = child.stdin.take();
        let answers = BufReader::new(child.stdout.take().context("a worker has no stdout")?);
        let last_words = thread::spawn(move || {
            let mut bytes = Vec::new();
            let _ = errors.read_to_end(&mut bytes);
            String::from_utf8_lossy(&bytes).trim().to_string()
        });
        Ok(Worker { child, answers, last_words })
    }

    /// Has a worker train a run; `None`: it died.
    fn ask(&self, slot: usize, worker: &mut Worker, run: &str) -> Option<Answer> {
        let sent = match &mut *guard(&self.inputs[slot]) {
            Some(input) => writeln!(input, "{run}").and_then(|()| input.flush()),
            None => return Some(Answer::Interrupted),
        };
        sent.ok()?;
        worker.answer()
    }
}

struct Worker {
    child: Child,
    answers: BufReader<ChildStdout>,
    last_words: JoinHandle<String>,
}

impl Worker {
    fn answer(&mut self) -> Option<Answer> {
        let mut line = String::new();
        self.answers.read_line(&mut line).ok().filter(|read| *read > 0)?;
        serde_json::from_str(&line).ok()
    }

    /// Waits for its end; what it said on stderr, or how it ended.
    fn bury(mut self) -> String {
        drop(self.answers);
        let status = self.child.wait().map(|status| status.to_string()).unwrap_or_default();
        let words = self.last_words.join().unwrap_or_default();
        let tail: Vec<&str> = words.lines().rev().take(5).collect();
        let tail = tail.into_iter().rev().collect::<Vec<_>>().join("; ");
        if tail.is_empty() { status } else { format!("{status}: {tail}") }
    }
}
