//! Whether runs that one mean is taken of were trained alike: each run's `config.yaml` is the truth.

use super::collect::{Collection, Trial};
use crate::error::Mistake;
use crate::experiment::{first_difference, stored_settings};
use anyhow::Result;
use rayon::prelude::*;
use serde_json::Value as Json;
use serde_yaml::Value;
use std::collections::BTreeMap;
use std::path::Path;

impl Collection {
    /// Checks that every run of a sweep was trained with what the sweep says, and that the seeds of an arm's trial were trained
    /// with the same settings and by the same definitions. With `across_settings` arms of which that is not so are marked
    /// instead.
    ///
    /// # Errors
    /// A run was trained with others than its name says: its number belongs elsewhere.
    pub fn check_settings(&mut self, across_settings: bool) -> Result<()> {
        let trials: Vec<(usize, &Trial)> = self
            .arms
            .iter()
            .enumerate()
            .flat_map(|(at, arm)| arm.trials.iter().map(move |trial| (at, trial)))
            .collect();
        let checked = trials.par_iter().map(|(arm, trial)| Ok((*arm, deviation(trial)?)));
        let found = checked.collect::<Result<Vec<(usize, Option<Deviation>)>>>()?;
        let mut told = Vec::new();
        for (arm, deviation) in found.into_iter().filter_map(|(arm, deviation)| Some((arm, deviation?))) {
            if !across_settings {
                return Err(Mistake::new(&deviation.place, deviation.what)
                    .remedy("compare what was trained alike; --across-settings compares all the same, and marks it")
                    .into());
            }
            self.arms[arm].other_settings = true;
            told.push(format!("{} {}", deviation.place, deviation.what));
        }
        if let Some(first) = told.first() {
            let more = if told.len() > 1 { format!(" (and {} more)", told.len() - 1) } else { String::new() };
            self.notes.push(format!("¶ Compared across settings: {first}{more}."));
        }
        self.notes.extend(self.versions());
        Ok(())
    }

    /// The versions of Polytask that trained the runs, where there are several.
    fn versions(&self) -> Option<String> {
        let mut versions = BTreeMap::<&str, usize>::new();
        for (_, run) in self.arms.iter().flat_map(|arm| &arm.trials).flat_map(Trial::finished) {
            let version = run.versions.get("polytask").and_then(|version| version.as_deref());
            *versions.entry(version.unwrap_or("unknown")).or_default() += 1;
        }
        let told: Vec<String> = versions.iter().map(|(version, runs)| format!("{version} ({runs})")).collect();
        let passes = if versions.keys().any(|version| version.starts_with("0.1.")) {
            " Version 0.1 counted backward passes engine by engine: compare that column among runs of one version."
        } else {
            ""
        };
        (told.len() > 1).then(|| format!("Runs by several versions of Polytask: {}.{passes}", told.join(", ")))
    }
}

/// A run that was not trained as the others of its trial.
struct Deviation {
    place: String,
    what: String,
}

/// The first run of a trial that was not trained as its sweep or its first run says.
fn deviation(trial: &Trial) -> Result<Option<Deviation>> {
    let mut first: Option<(&Path, Value)> = None;
    for (seed, folder) in &trial.folders {
        let Some(stored) = stored_settings(folder)? else { continue };
        // A sweep's plan, and the runs of another sweep or none that have the same name.
        let sweep = trial.planned.get(seed).map(|planned| (&**planned, "the sweep says".to_string()));
        let run = first.as_ref().map(|(other, theirs)| (theirs, format!("{} with", other.display())));
        for (settings, whose) in sweep.into_iter().chain(run) {
            let found = first_difference(&stored, settings);
            if let Some((path, own, other)) = found.filter(|(path, a, b)| !is_same_file(path, a, b, trial)) {
                let what = format!("was trained with {path}: {own}, {whose} {other}");
                return Ok(Some(Deviation { place: folder.display().to_string(), what }));
            }
        }
        first.get_or_insert((folder, stored));
    }
    Ok(definitions(trial))
}

/// Files of the data may lie elsewhere: runs that say which rows they read are held against each other by these.
fn is_same_file(path: &str, one: &str, other: &str, trial: &Trial) -> bool {
    let known = trial.finished().all(|(_, run)| run.data.is_some());
    known && path.starts_with("data.") && Path::new(one).is_absolute() && Path::new(other).is_absolute()
}

/// The first run of a trial that was trained by another definition of what it names than another was.
fn definitions(trial: &Trial) -> Option<Deviation> {
    let number = |of: &Json, choice: &str| of.get(choice).and_then(Json::as_u64).unwrap_or(1);
    let mut runs = trial.finished();
    let (first, theirs) = runs.next()?;
    runs.find_map(|(seed, run)| {
        let (one, other) = (&run.definitions, &theirs.definitions);
        let choices = [one, other].into_iter().filter_map(Json::as_object).flat_map(|it| it.keys());
        let differs = choices.into_iter().find(|choice| number(one, choice) != number(other, choice))?;
        let what = format!(
            "was trained by definition {} of {differs}, {} by {}",
            number(one, differs),
            trial.folders[&first].display(),
            number(other, differs)
        );
        Some(Deviation { place: trial.folders[&seed].display().to_string(), what })
    })
}
