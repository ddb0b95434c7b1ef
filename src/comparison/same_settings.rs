//! Whether runs that one mean is taken of were trained alike: each run's `config.yaml` is the truth.

use super::collect::{CollectedArm, Collection};
use super::runs::Trial;
use crate::error::Mistake;
use crate::experiment::{Config, differences, is_place_of_data};
use anyhow::Result;
use rayon::prelude::*;
use serde_json::Value as Json;
use serde_yaml::Value;
use std::collections::BTreeMap;
use std::path::PathBuf;

impl Collection {
    /// Checks that every run of a sweep was trained with what the sweep says, and that the seeds of an arm's trial were trained
    /// with the same settings and by the same definitions. With `across_settings` arms of which that is not so are marked
    /// instead. What tells arms of several sources apart, beside their methods, is told.
    ///
    /// # Errors
    /// A run was trained with others than its name says: its number belongs elsewhere.
    pub fn check_settings(&mut self, across_settings: bool) -> Result<()> {
        let checked = self.arms.par_iter().map(check_arm).collect::<Result<Vec<_>>>()?;
        let mut told = Vec::new();
        for (arm, deviation) in checked.iter().enumerate().filter_map(|(arm, it)| Some((arm, it.0.as_ref()?))) {
            if !across_settings {
                return Err(Mistake::new(&deviation.place, deviation.what.clone())
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
        let one_plan =
            self.sources.len() == 1 && self.arms.iter().flat_map(|arm| &arm.trials).any(|it| !it.planned.is_empty());
        if !one_plan {
            self.notes.extend(self.between(&checked.into_iter().map(|(_, stored)| stored).collect::<Vec<_>>()));
        }
        self.notes.extend(self.versions());
        Ok(())
    }

    /// In what arms of several sources differ beside their methods and what their names say.
    fn between(&self, stored: &[Option<Stored>]) -> Option<String> {
        let mut arms = self.arms.iter().zip(stored).filter_map(|(arm, stored)| Some((arm, stored.as_ref()?)));
        let (first, theirs) = arms.next()?;
        let mut paths = BTreeMap::<String, String>::new();
        for (arm, own) in arms {
            let named = |path: &str| {
                path.starts_with("method") || [arm, first].iter().any(|it| it.name.contains(&format!("{path}=")))
            };
            for (path, a, b) in differences(&theirs.settings, &own.settings) {
                let difference = (path, a, b);
                if !named(&difference.0) && !is_place_of_data(&difference) {
                    let (path, a, b) = difference;
                    paths.entry(path).or_insert_with(|| format!("{a} of {}, {b} of {}", first.name, arm.name));
                }
            }
        }
        let told: Vec<String> = paths.iter().take(3).map(|(path, values)| format!("{path} ({values})")).collect();
        let more = if paths.len() > 3 { format!(" and {} more", paths.len() - 3) } else { String::new() };
        (!told.is_empty()).then(|| format!("Arms differ in more than their methods: {}{more}.", told.join("; ")))
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

/// A run that was not trained as the others of its arm.
struct Deviation {
    place: String,
    what: String,
}

/// What the first run of a trial was trained with, and where it lies.
struct Stored {
    folder: PathBuf,
    settings: Value,
}

/// The first run of an arm that was not trained as its name says, and what its first trial was trained with.
fn check_arm(arm: &CollectedArm) -> Result<(Option<Deviation>, Option<Stored>)> {
    let mut first: Option<(&Trial, Stored)> = None;
    for trial in &arm.trials {
        let (deviation, stored) = check_trial(trial)?;
        let between = match (&first, &stored) {
            (Some((other, theirs)), Some(own)) => between_trials((trial, own), (other, theirs)),
            _ => None,
        };
        if let Some(deviation) = deviation.or(between) {
            return Ok((Some(deviation), first.map(|(_, stored)| stored).or(stored)));
        }
        if first.is_none() {
            first = stored.map(|stored| (trial, stored));
        }
    }
    Ok((None, first.map(|(_, stored)| stored)))
}

/// The first run of a trial that was not trained as its sweep, its folder or the trial's first run says.
fn check_trial(trial: &Trial) -> Result<(Option<Deviation>, Option<Stored>)> {
    let (mut first, mut checked) = (None::<Stored>, String::new());
    let known = trial.finished().all(|(_, run)| run.data.is_some());
    for (seed, folder) in &trial.folders {
        let deviation = |what: String| Some(Deviation { place: folder.display().to_string(), what });
        let Some(config) = Config::read(folder)? else { continue };
        if let Some(other) = config.seed.filter(|other| other != seed) {
            let what = format!("was trained with seed: {other}, its folder says {seed}");
            return Ok((deviation(what), first));
        }
        if checked == config.rest {
            continue;
        }
        let settings = config.settings()?;
        // A sweep's plan, and the runs of another sweep or none that have the same name.
        let sweep = trial.planned.get(seed).map(|planned| (&**planned, "the sweep says".to_string()));
        let run = first.as_ref().map(|first| (&first.settings, format!("{} with", first.folder.display())));
        for (others, whose) in sweep.into_iter().chain(run) {
            let found = differences(&settings, others);
            if let Some((path, own, other)) = found.iter().find(|it| !(known && is_place_of_data(it))) {
                return Ok((deviation(format!("was trained with {path}: {own}, {whose} {other}")), first));
            }
        }
        checked = config.rest;
        first.get_or_insert(Stored { folder: folder.clone(), settings });
    }
    Ok((definitions(trial), first))
}

/// A setting in which two trials of an arm differ although neither is named by it.
fn between_trials((trial, own): (&Trial, &Stored), (other, theirs): (&Trial, &Stored)) -> Option<Deviation> {
    let keys: Vec<&str> = [&trial.label, &other.label]
        .into_iter()
        .flat_map(|label| label.split(','))
        .filter_map(|part| part.split_once('=').map(|(key, _)| key))
        .collect();
    let is_tuned = |path: &str| path.split(['.', '[', ']']).any(|part| keys.contains(&part));
    let found = differences(&own.settings, &theirs.settings);
    let (path, a, b) = found.into_iter().find(|it| !is_tuned(&it.0) && !is_place_of_data(it))?;
    let what = format!("was trained with {path}: {a}, {} of the same arm with {b}", theirs.folder.display());
    Some(Deviation { place: own.folder.display().to_string(), what })
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
