//! Whether the data of a sweep is still what its finished runs read.

use super::{Opened, State};
use crate::data::{Identity, Likeness, Request};
use crate::error::{Mistake, note};
use crate::files;
use anyhow::Result;
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;

/// Loads the data of a finished run again, one for every way in which the sweep's runs read data, before others are trained.
///
/// # Errors
/// The rows are others, and not `across_data`: new runs could not be compared with those that have finished. The data cannot
/// be read.
pub fn check_rows(sweep: &Opened, across_data: bool) -> Result<()> {
    let cells: Vec<_> = sweep.plan.cells().collect();
    let (done, open): (Vec<_>, Vec<_>) =
        cells.into_iter().partition(|cell| State::of(&sweep.plan.folder(&sweep.folder, *cell)) == State::Finished);
    if open.is_empty() {
        return Ok(());
    }
    let mut looked = BTreeSet::new();
    for cell in done {
        let (folder, experiment) = (sweep.plan.folder(&sweep.folder, cell), sweep.plan.experiment(cell)?);
        let Some(stored) = identity(&folder)? else { continue };
        let (mut tasks, reader) = (experiment.tasks()?, experiment.reader());
        if !looked.insert(serde_yaml::to_string(&(&experiment.data, &experiment.tasks, reader))?) {
            continue;
        }
        let source = sweep.settings.source.as_deref().unwrap_or(&sweep.folder);
        let fitted = experiment.trained_before(&mut tasks, source)?.map(|before| before.fitted);
        let own = Request::new(&tasks, experiment.seed, experiment.precision.kind(), source);
        let rows = experiment.data.load(&Request { fitted: fitted.as_ref(), reader, ..own })?;
        if rows.fingerprint.likeness(&stored.fingerprint) != Likeness::Other {
            continue;
        }
        let (then, now) = (stored.fingerprint.short(), rows.fingerprint.short());
        let mistake =
            Mistake::new(folder.display(), format!("read other rows ({then}) than the data holds now ({now})"));
        if !across_data {
            return Err(mistake
                .remedy(
                    "bring the files back as they were, or start the sweep in another folder with --out; \
                     --across-data trains the rest on the data of today",
                )
                .into());
        }
        note(format!("warning: {mistake}; the rest is trained on the data of today"));
        return Ok(());
    }
    Ok(())
}

/// Which rows a finished run read; `None` of what Polytask 0.1 wrote.
fn identity(folder: &Path) -> Result<Option<Identity>> {
    let data = summary(folder)?.and_then(|summary| summary.get("data").cloned());
    Ok(data.and_then(|data| serde_json::from_value(data).ok()))
}

/// What a finished run came to; `None` of one that has not finished.
pub(super) fn summary(folder: &Path) -> Result<Option<Value>> {
    let path = folder.join("summary.json");
    if !path.exists() {
        return Ok(None);
    }
    let summary = serde_json::from_slice(&files::read(&path)?);
    Ok(Some(summary.map_err(|error| {
        Mistake::new(path.display(), format!("cannot be read: {error}"))
            .remedy("delete the file: the sweep goes on with the run, which writes it anew")
    })?))
}
