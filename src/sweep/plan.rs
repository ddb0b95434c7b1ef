//! From a sweep's settings to the list of its runs: a pure function, so that every process makes the same one.

mod arms;
mod compared;

use super::arm::{Arm, Trial};
use super::change::{Change, changes};
use super::settings::Sweep;
use crate::error::BadSetting;
use crate::experiment::Experiment;
use crate::files::folder_name;
use crate::path::{SettingPath, Step};
use crate::registry;
use anyhow::Result;
use arms::arms;
use serde_yaml::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The arm that `baseline` makes.
const SINGLE: &str = "single";

/// All runs of a sweep.
#[derive(Debug)]
pub struct Plan {
    /// The sweep's name.
    pub name: String,
    /// The settings that every run starts from.
    base: Value,
    /// What `set` changed in them.
    set: Vec<Change>,
    /// What is compared.
    pub arms: Vec<Arm>,
    /// Every arm trains with each.
    pub seeds: Vec<u64>,
    /// Why it holds fewer trials than the settings ask for, a sentence each.
    pub notes: Vec<String>,
}

/// Which run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cell {
    /// Of [`Plan::arms`].
    pub arm: usize,
    /// Of [`Arm::trials`].
    pub trial: usize,
    /// The seed itself.
    pub seed: u64,
}

impl Plan {
    /// The runs that the settings ask for; `base` is the experiment's YAML.
    ///
    /// # Errors
    /// A path or a value that does not fit, by its path in the sweep's YAML.
    pub fn new(sweep: &Sweep, name: &str, mut base: Value) -> Result<Self, BadSetting> {
        let set = changes(&sweep.set, &SettingPath::default().key("set"))?;
        for change in &set {
            change.apply(&mut base)?;
        }
        let (arms, notes) = arms(sweep, &base, &set)?;
        let plan = Self { name: name.to_string(), base, set, arms, seeds: sweep.seeds.0.clone(), notes };
        plan.check_names(sweep)?;
        Ok(plan)
    }

    /// Names and folders must tell arms and trials apart; arms that are named must be there.
    fn check_names(&self, sweep: &Sweep) -> Result<(), BadSetting> {
        let (mut of_arms, mut of_trials) = (BTreeSet::new(), BTreeSet::new());
        for arm in &self.arms {
            if !of_arms.insert(folder_name(&arm.name)) {
                let own = sweep.arms.iter().rposition(|own| folder_name(&own.name) == folder_name(&arm.name));
                let path = own.map_or("compare".into(), |index| format!("arms[{index}].name"));
                return Err(BadSetting::new(path, format!("two arms are called \"{}\"", arm.name))
                    .remedy("name one of them otherwise under `arms`, or take the value out that stands twice"));
            }
            for trial in &arm.trials {
                if !of_trials.insert(trial.group(&arm.name)) {
                    let path = trial.changes.last().map_or_else(String::new, |change| change.origin.to_string());
                    return Err(BadSetting::new(path, format!("two trials are called {}", trial.group(&arm.name)))
                        .remedy("take the value out that stands twice"));
                }
            }
        }
        let names: Vec<&str> = self.arms.iter().map(|arm| arm.name.as_str()).collect();
        for (path, name) in [("baseline", &sweep.baseline), ("reference", &sweep.reference)] {
            if let Some(name) = name.as_deref().filter(|name| !names.contains(name)) {
                let bad =
                    BadSetting::new(path, format!("there is no arm \"{name}\" (there are: {})", names.join(", ")));
                return Err(match crate::error::nearest(name, names.iter().copied()) {
                    Some(near) => bad.remedy(format!("did you mean {near}?")),
                    None => bad,
                });
            }
        }
        Ok(())
    }

    /// The number of runs.
    pub fn len(&self) -> usize {
        self.seeds.len() * self.trials()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The trials of all arms.
    pub fn trials(&self) -> usize {
        self.arms.iter().map(|arm| arm.trials.len()).sum()
    }

    /// Whether a trial has to be chosen: where two of an arm differ in more than the preference.
    pub fn is_tuned(&self) -> bool {
        let repeats = |arm: &Arm| {
            let earlier = |at: usize| arm.trials[..at].iter().any(|it| it.weights == arm.trials[at].weights);
            (0..arm.trials.len()).any(earlier)
        };
        self.arms.iter().any(repeats)
    }

    /// The runs in their order: every arm and trial with the first seed, then with the next, so that an early look compares
    /// like with like.
    pub fn cells(&self) -> impl Iterator<Item = Cell> + '_ {
        self.seeds.iter().flat_map(move |&seed| {
            let arms = self.arms.iter().enumerate();
            arms.flat_map(move |(arm, of)| (0..of.trials.len()).map(move |trial| Cell { arm, trial, seed }))
        })
    }

    /// The run of that [`run_name`](Self::run_name).
    pub fn find(&self, name: &str) -> Option<Cell> {
        self.cells().find(|cell| name.ends_with(&format!("/seed{}", cell.seed)) && self.run_name(*cell) == name)
    }

    /// `ARM__TRIAL`, the folder and the name of the runs that differ in the seed alone.
    pub fn group(&self, cell: Cell) -> String {
        let arm = &self.arms[cell.arm];
        arm.trials[cell.trial].group(&arm.name)
    }

    /// `ARM__TRIAL/seedK`, which tells a run from every other.
    pub fn run_name(&self, cell: Cell) -> String {
        format!("{}/seed{}", self.group(cell), cell.seed)
    }

    /// The run's folder below the sweep's.
    pub fn folder(&self, root: &Path, cell: Cell) -> PathBuf {
        root.join(self.run_name(cell))
    }

    /// A run's settings as YAML, unread.
    pub(super) fn settings(&self, cell: Cell) -> Result<Value, BadSetting> {
        let mut settings = self.base.clone();
        for change in &self.arms[cell.arm].trials[cell.trial].changes {
            change.apply(&mut settings)?;
        }
        if let Value::Mapping(settings) = &mut settings {
            settings.insert("seed".into(), cell.seed.into());
            settings.insert("name".into(), self.name.clone().into());
        }
        Ok(settings)
    }

    /// A run's settings.
    ///
    /// # Errors
    /// They do not fit each other; the path is that of the sweep's YAML where the value stands there.
    pub fn experiment(&self, cell: Cell) -> Result<Experiment, BadSetting> {
        let trial = &self.arms[cell.arm].trials[cell.trial];
        let settings = self.settings(cell)?;
        let read = registry::settings::<Experiment>(settings.as_mapping().cloned().unwrap_or_default());
        read.and_then(|experiment| experiment.check().map(|()| experiment)).map_err(|bad| self.blame(trial, bad))
    }

    /// Whether arms read their data by several settings, so that their rows may differ too.
    pub fn varies_data(&self) -> bool {
        let reads = |change: &Change| matches!(change.path.steps.first(), Some(Step::Key(key)) if key == "data");
        self.arms.iter().flat_map(|arm| &arm.trials).any(|trial| trial.changes.iter().any(reads))
    }

    /// The mistake of a trial seen from the sweep's YAML, where it wrote the value.
    fn blame(&self, trial: &Trial, bad: BadSetting) -> BadSetting {
        if bad.path == "name" {
            return bad;
        }
        let path: SettingPath = bad.path.parse().unwrap_or_default();
        match self.set.iter().chain(&trial.changes).rev().find(|change| change.path.holds(&path)) {
            Some(Change { path: held, value, origin }) => {
                let rest = SettingPath { steps: path.steps[held.steps.len()..].to_vec() };
                // A choice that was written as a name has no places inside.
                let inside =
                    if value.is_mapping() || value.is_sequence() { origin.clone().join(rest) } else { origin.clone() };
                BadSetting { path: inside.to_string(), what: bad.what, remedy: bad.remedy }
            }
            None => match trial.changes.first() {
                Some(change) => {
                    BadSetting { path: change.origin.to_string(), what: bad.to_string(), remedy: bad.remedy }
                }
                None => BadSetting { path: format!("experiment.{}", bad.path), ..bad },
            },
        }
    }
}
