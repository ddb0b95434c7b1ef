//! What a resumed run has left, and what it may change.

use super::Place;
use crate::data::Likeness;
use crate::error::{Mistake, note};
use crate::experiment::{self, Beginning, Experiment, Loaded};
use crate::metadata::ModelFacts;
use crate::run::{self, Run};
use crate::tensor_file::{self, TensorFile};
use crate::trainer::TrainSettings;
use crate::yaml;
use anyhow::{Context, Result};
use std::collections::BTreeMap;
use std::path::Path;
use tch::{Kind, Tensor};

/// Where the run in a folder goes on. A run that was stopped before its first checkpoint starts anew.
pub(super) fn beginning(folder: &Path, resume: bool) -> Result<Beginning> {
    let last = run::checkpoint(folder, "last");
    if !resume || !last.exists() {
        return Ok(Beginning::New);
    }
    // What is damaged is told when the whole of it is read.
    let facts = tensor_file::facts(&last).ok().flatten();
    let place = last.display().to_string();
    let model = facts.map(|facts| experiment::of_checkpoint(&facts, &place)).transpose()?;
    Ok(Beginning::Checkpoint(model.flatten()))
}

/// Limits, which may change on `--resume` as [`experiment::NEUTRAL`] settings may: they do not make another run of it.
const LIMITS: [&str; 4] = ["train.epochs", "train.steps", "train.time", "stop"];

pub(super) fn is_free(path: &str) -> bool {
    experiment::is_among(path, &LIMITS) || experiment::is_among(path, &experiment::NEUTRAL)
}

/// What a resumed run has left.
pub(super) struct Resumed {
    /// Its limits until now.
    pub train: TrainSettings,
    /// Where it goes on; `None`: it was stopped before its first checkpoint, and starts anew.
    pub checkpoint: Option<TensorFile>,
}

/// Takes the run's folder; with `resume` also what is left there, which stays as it is.
pub(super) fn open(place: &Place, resolved: &Experiment, resume: bool) -> Result<(Run, Option<Resumed>)> {
    if !resume {
        let run = Run::create(&place.folder)?;
        run.write("config.yaml", &yaml::to_yaml(resolved)?)?;
        return Ok((run, None));
    }
    let run = Run::reopen(&place.folder)?;
    let config = experiment::Config::read(run.folder())?;
    let stored = config.with_context(|| run.path("config.yaml").display().to_string())?.settings()?;
    refuse_other_settings(&run, &stored, resolved)?;
    let path = run.path("config.yaml");
    let train = serde_yaml::from_value(stored["train"].clone()).with_context(|| path.display().to_string())?;
    let checkpoint = run.last()?;
    let definitions = checkpoint.as_ref().and_then(|it| it.facts.as_ref()?.get("definitions"));
    experiment::check_definitions(resolved, definitions, run.folder())?;
    Ok((run, Some(Resumed { train, checkpoint })))
}

/// A run goes on with the rows that it was started with.
pub(super) fn check_rows(checkpoint: &mut TensorFile, facts: &ModelFacts, loaded: &Loaded, run: &Run) -> Result<()> {
    let place = run.folder().display().to_string();
    let stored = match &checkpoint.facts {
        Some(facts) => experiment::of_checkpoint(facts, &place)?.and_then(|stored| stored.data),
        None => None,
    };
    let likeness = stored.zip(facts.data.as_ref()).map(|(a, b)| a.fingerprint.likeness(&b.fingerprint));
    let same = match likeness {
        Some(likeness) => likeness != Likeness::Other,
        // Version 0.1 kept a number of its own among what the trainer remembers.
        None => {
            let first = checkpoint.tensors.iter().position(|(name, _)| name == FIRST_FINGERPRINT);
            let first = first.and_then(|at| first_count(&checkpoint.tensors.remove(at).1));
            let first = first.ok_or_else(|| {
                let last = run::checkpoint(run.folder(), "last");
                Mistake::new(last.display(), "does not say which rows the run reads: its facts hold no `model.data`")
                    .remedy("bring back the file that Polytask wrote, or another copy of it")
            })?;
            loaded.dataset().is_none_or(|dataset| first == dataset.first_fingerprint())
        }
    };
    if likeness == Some(Likeness::Unknown) {
        note("note: the checkpoint's fingerprint is of another version: whether the rows are the same cannot be told");
    }
    if same {
        return Ok(());
    }
    Err(Mistake::new("data", "the rows are not those that the run was started with")
        .remedy("bring the files back as they were, or start another run with --out")
        .into())
}

/// Where a checkpoint of version 0.1 keeps the fingerprint of its rows.
const FIRST_FINGERPRINT: &str = "data.fingerprint";

/// A run goes on with the settings that it was started with, but for those that [are free](is_free).
fn refuse_other_settings(run: &Run, stored: &serde_yaml::Value, resolved: &Experiment) -> Result<()> {
    let path = run.path("config.yaml");
    let changes = yaml::difference(stored, &experiment::value(resolved)?);
    // Whether a data file that was moved holds the same rows is seen once it is read.
    let may_change = |change: &(String, String, String)| {
        is_free(&change.0) || change.0 == "name" || experiment::is_place_of_data(change)
    };
    let (free, fixed): (Vec<_>, Vec<_>) = changes.into_iter().partition(may_change);
    let moves_digits = |path: &str| ["device", "threads", "engine", "instructions"].contains(&path);
    for (path, old, new) in free.iter().filter(|(path, ..)| moves_digits(path)) {
        note(format!("note: {path} was {old}, is {new}: the last digits may differ from those of an undisturbed run"));
    }
    if fixed.is_empty() {
        return Ok(());
    }
    let fixed: Vec<String> = fixed.into_iter().map(|(path, old, new)| format!("{path} was {old}, is {new}")).collect();
    Err(Mistake::new(path.display(), format!("the run was started with other settings: {}", fixed.join("; ")))
        .remedy(format!(
            "give it the same settings, or start another run with --out; only {} may change",
            [&LIMITS[..], &experiment::NEUTRAL].concat().join(", ")
        ))
        .into())
}

/// How far the records of a run reach before this process.
pub(super) struct Records {
    /// Updates made.
    pub start_step: i64,
    /// Bytes of `metrics.jsonl`; `None` for a new run.
    pub metrics: Option<u64>,
    /// Bytes of each event file; `None` where the checkpoint is of version 0.1 and does not know them.
    pub events: Option<BTreeMap<String, u64>>,
}

impl Records {
    /// Up to a checkpoint. A run that was stopped before its first one starts its records anew.
    pub fn until(checkpoint: Option<&TensorFile>, resumed: bool) -> Self {
        let Some(file) = checkpoint else {
            return Self { start_step: 0, metrics: resumed.then_some(0), events: Some(BTreeMap::new()) };
        };
        let events = file.facts.as_ref().and_then(|facts| facts.get("events"));
        Self {
            start_step: number(file, "progress.place"),
            metrics: Some(number(file, "record.bytes") as u64),
            events: events.and_then(|events| serde_json::from_value(events.clone()).ok()),
        }
    }
}

/// The first of the whole numbers that a checkpoint holds under `name`.
fn number(archive: &TensorFile, name: &str) -> i64 {
    let value = archive.tensors.iter().find(|(n, _)| n == name);
    value.and_then(|(_, tensor)| first_count(tensor)).unwrap_or(0)
}

/// The first of a list of whole numbers; `None` of anything else, which the trainer refuses.
fn first_count(tensor: &Tensor) -> Option<i64> {
    let is_list = tensor.kind() == Kind::Int64 && tensor.dim() == 1 && tensor.numel() > 0;
    is_list.then(|| tensor.int64_value(&[0]))
}
