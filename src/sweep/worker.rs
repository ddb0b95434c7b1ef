//! A process that trains run after run: it reads a run's name per line, and answers with what became of it.

use super::state::{Failure, FailureKind, State};
use super::{Cell, FILE, Opened};
use crate::environment;
use crate::error::{Diverged, report};
use crate::experiment::Loaded;
use crate::libtorch::DeviceChoice;
use crate::run::Run;
use crate::train::{self, Place, Requests, Start};
use crate::trainer::Outcome;
use anyhow::Result;
use serde::{Deserialize, Serialize};
use std::io::{BufRead, Write};
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::mpsc;

/// What a worker says, a line of JSON each.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// It waits for runs.
    Ready,
    /// The run came to its end; whether validation chose its weights.
    Finished {
        /// Whether there was a validation metric to choose by.
        selected: bool,
    },
    /// It has no summary, and will get none.
    Failed(Failure),
    /// Another process trains it.
    Busy,
    /// A signal ended it; it can go on.
    Interrupted,
}

/// A line on stdin that asks for a checkpoint of the run in training. No run has that name: all have a `/`.
pub const SAVE: &str = "save";

/// Trains the runs of the sweep in `folder` whose names come on stdin, until it closes or `requests` ask to stop. Whoever
/// started it and dies closes it too, so that no worker outlives its sweep by more than a checkpoint. The line `save` has it
/// write one.
///
/// # Errors
/// The sweep cannot be read, or an answer not be written.
pub fn work(folder: &Path, device: Option<DeviceChoice>, requests: &Requests) -> Result<()> {
    let sweep = Opened::open(folder)?;
    let (send, names) = mpsc::channel::<String>();
    let asked = requests.clone();
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            if line == SAVE {
                asked.checkpoint.store(true, Ordering::Relaxed);
            } else if send.send(line).is_err() {
                break;
            }
        }
        asked.stop.store(true, Ordering::Relaxed);
    });
    answer(&Answer::Ready)?;
    let mut loaded = Loaded::default();
    for name in names {
        answer(&match sweep.plan.find(&name) {
            Some(cell) => train(&sweep, cell, device, &mut loaded, requests)?,
            None => Answer::Failed(Failure {
                kind: FailureKind::Error,
                error: format!("{FILE} has no run {name} any more"),
            }),
        })?;
        if requests.stops() {
            break;
        }
    }
    Ok(())
}

fn answer(answer: &Answer) -> Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}", serde_json::to_string(answer)?)?;
    Ok(out.flush()?)
}

/// One run; a failure is written into its folder.
fn train(
    sweep: &Opened,
    cell: Cell,
    device: Option<DeviceChoice>,
    loaded: &mut Loaded,
    requests: &Requests,
) -> Result<Answer> {
    let folder = sweep.plan.folder(&sweep.folder, cell);
    if Run::is_taken(&folder) {
        return Ok(Answer::Busy);
    }
    // Another process may have ended it a moment ago, and chosen.
    let by_another = || (State::of(&folder) == State::Finished).then_some(Answer::Finished { selected: true });
    if let Some(answer) = by_another() {
        return Ok(answer);
    }
    let place = Place {
        source: sweep.settings.source.clone().unwrap_or_else(|| sweep.folder.clone()),
        experiment: sweep.plan.name.clone(),
        group: sweep.plan.group(cell),
        folder: folder.clone(),
    };
    let resume = folder.join("config.yaml").exists();
    let trained = sweep.plan.experiment(cell).map_err(anyhow::Error::from).and_then(|mut experiment| {
        experiment.device = device.unwrap_or(experiment.device);
        loaded.keep_for(&experiment, &place.source)?;
        environment::forget_peak_memory();
        let start = Start { resume, extend_schedule: false, quiet: true, loaded };
        train::run(&experiment, &place, start, &requests.stop, &mut requests.clone())
    });
    let error = match trained {
        Ok(report) if report.outcome == Outcome::Interrupted => return Ok(Answer::Interrupted),
        Ok(report) => {
            let value = report.summary.map(|summary| summary["select"]["value"].clone()).unwrap_or_default();
            return Ok(Answer::Finished { selected: !value.is_null() });
        }
        Err(error) if Run::was_taken(&error) => return Ok(Answer::Busy),
        Err(error) => match by_another() {
            Some(answer) => return Ok(answer),
            None => error,
        },
    };
    let kind = if error.is::<Diverged>() { FailureKind::Diverged } else { FailureKind::Error };
    let failure = Failure { kind, error: report(&error) };
    failure.store(&folder)?;
    Ok(Answer::Failed(failure))
}
