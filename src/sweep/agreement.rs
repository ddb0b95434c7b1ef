//! Whether the runs in a sweep's folder were trained with what the sweep says: a run's `config.yaml` is the truth.

use super::rows::summary;
use super::{Cell, Opened};
use crate::error::Mistake;
use crate::experiment::{self, Config, check_definitions, differences, is_place_of_data};
use anyhow::Result;
use rayon::prelude::*;
use serde_yaml::Value;

/// How to go on where a run in the folder is another than its name says.
const REMEDY: &str = "give the sweep another folder with --out, or delete the run's folder to train it anew";

impl Opened {
    /// What a run is trained with, whole and with absolute paths, as its `config.yaml` says it.
    ///
    /// # Errors
    /// The settings are none of this version or of that which stored the sweep.
    pub fn settings(&self, cell: Cell) -> Result<Value> {
        let source = self.settings.source.as_deref().unwrap_or(&self.folder);
        experiment::whole_settings(&self.plan.settings(cell)?, source)
    }

    /// Checks that the runs that have begun were trained with the seed and the settings that the sweep gives to a run of their
    /// name, by the definitions of this version. Arms and values that were taken out and put back, renamed arms, copied
    /// folders and an edited `sweep.yaml` would else mix runs of several experiments. A data file may lie elsewhere than it
    /// did: its rows are held against those of the finished runs.
    ///
    /// # Errors
    /// The first run that was trained with others, and the first setting that differs.
    pub fn check_runs(&self) -> Result<()> {
        // Every seed has the same settings.
        let trials: Vec<Cell> = self.plan.cells().take(self.plan.trials()).collect();
        trials.par_iter().try_for_each(|trial| self.check_trial(*trial))
    }

    fn check_trial(&self, trial: Cell) -> Result<()> {
        let mut checked = String::new();
        for &seed in &self.plan.seeds {
            let cell = Cell { seed, ..trial };
            let folder = self.plan.folder(&self.folder, cell);
            let Some(config) = Config::read(&folder)? else { continue };
            let refuse = |what: String| Err(Mistake::new(folder.display(), what).remedy(REMEDY).into());
            if let Some(other) = config.seed.filter(|other| *other != seed) {
                return refuse(format!("was trained with seed: {other}, and its folder says {seed}"));
            }
            // Runs of one text were trained with the same settings, by the same version.
            if checked == config.rest {
                continue;
            }
            let summary = summary(&folder)?;
            if let Some(summary) = &summary {
                let definitions = summary.get("definitions").cloned().unwrap_or_default();
                check_definitions(&self.plan.experiment(cell)?, Some(&definitions), &folder)
                    .map_err(|mistake| mistake.remedy(REMEDY))?;
            }
            let knows_rows = summary.is_none_or(|summary| summary.get("data").is_some());
            let found = differences(&config.settings()?, &self.settings(cell)?);
            if let Some((path, then, now)) = found.iter().find(|it| !(knows_rows && is_place_of_data(it))) {
                return refuse(format!("was trained with {path}: {then}, and the sweep says {now}"));
            }
            checked = config.rest;
        }
        Ok(())
    }
}
