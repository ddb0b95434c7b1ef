//! Whether the runs in a sweep's folder were trained with what the sweep says: a run's `config.yaml` is the truth.

use super::{Cell, Opened};
use crate::error::Mistake;
use crate::experiment::{self, check_definitions, first_difference, stored_settings};
use crate::files;
use anyhow::Result;
use rayon::prelude::*;
use serde_yaml::Value;
use std::path::Path;

impl Opened {
    /// What a run is trained with, whole and with absolute paths, as its `config.yaml` says it.
    ///
    /// # Errors
    /// The settings are none of this version or of that which stored the sweep.
    pub fn settings(&self, cell: Cell) -> Result<Value> {
        let source = self.settings.source.as_deref().unwrap_or(&self.folder);
        experiment::whole_settings(&self.plan.settings(cell)?, source)
    }

    /// Checks that the runs that have begun were trained with the settings that the sweep gives to a run of their name, by
    /// the definitions of this version. Arms and values that were taken out and put back, renamed arms and an edited
    /// `sweep.yaml` would else mix runs of several experiments.
    ///
    /// # Errors
    /// The first run that was trained with others, and the first setting that differs.
    pub fn check_runs(&self) -> Result<()> {
        // Every seed has the same settings.
        let trials: Vec<Cell> = self.plan.cells().take(self.plan.trials()).collect();
        trials.par_iter().try_for_each(|trial| {
            let cells = self.plan.seeds.iter().map(|&seed| Cell { seed, ..*trial });
            let begun = |cell: &Cell| self.plan.folder(&self.folder, *cell).join("config.yaml").exists();
            let begun: Vec<Cell> = cells.filter(begun).collect();
            let Some(first) = begun.first() else { return Ok(()) };
            let settings = self.settings(*first)?;
            begun.iter().try_for_each(|cell| self.check_run(*cell, &settings))
        })
    }

    fn check_run(&self, cell: Cell, settings: &Value) -> Result<()> {
        let folder = self.plan.folder(&self.folder, cell);
        let Some(stored) = stored_settings(&folder)? else { return Ok(()) };
        let remedy = "give the sweep another folder with --out, or delete the run's folder to train it anew";
        if let Some((path, then, now)) = first_difference(&stored, settings) {
            let what = format!("was trained with {path}: {then}, and the sweep says {now}");
            return Err(Mistake::new(folder.display(), what).remedy(remedy).into());
        }
        if let Some(definitions) = stored_definitions(&folder)? {
            check_definitions(&self.plan.experiment(cell)?, Some(&definitions), &folder)
                .map_err(|mistake| mistake.remedy(remedy))?;
        }
        Ok(())
    }
}

/// By which definitions a finished run was trained; `None` of an unfinished one.
fn stored_definitions(folder: &Path) -> Result<Option<serde_json::Value>> {
    let path = folder.join("summary.json");
    if !path.exists() {
        return Ok(None);
    }
    let summary: serde_json::Value = serde_json::from_slice(&files::read(&path)?)?;
    Ok(Some(summary.get("definitions").cloned().unwrap_or_default()))
}
