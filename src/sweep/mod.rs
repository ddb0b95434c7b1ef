//! Many runs of one experiment: planned, spread over processes and machines, taken up where they were left.
//!
//! The folder is the database. `sweep.yaml` in it says which runs there are; each run's own folder says what became of it:
//! `summary.json` (finished) or `failed.json`. Nothing else is kept, so any number of processes can work on one folder, and
//! a killed one loses nothing but the steps since a run's last checkpoint.

mod agreement;
mod arm;
mod change;
mod plan;
mod pool;
mod preferences;
mod progress;
mod rows;
mod settings;
mod state;
mod tuning;
mod worker;

pub use arm::{Arm, Trial};
pub use plan::{Cell, Plan};
pub use pool::{Options, Outcome, Shard, run, slots};
pub use rows::check_rows;
pub use settings::{ArmSettings, Axis, Control, Preferences, Range, Scale, Seeds, SelectBy, Sweep};
pub use state::{Failure, FailureKind, State};
pub use worker::work;

use crate::error::{BadSetting, Mistake};
use crate::experiment::{self, Experiment};
use crate::files;
use crate::registry;
use crate::trainer::SelectSettings;
use crate::yaml::{self, Override};
use anyhow::Result;
use serde_yaml::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// A sweep that was read and checked, and its folder.
#[derive(Debug)]
pub struct Opened {
    /// The settings; the experiment stands in them, with absolute paths.
    pub settings: Sweep,
    /// Its runs.
    pub plan: Plan,
    /// The folder of them all.
    pub folder: PathBuf,
}

/// The file in a sweep's folder that says which runs there are.
pub const FILE: &str = "sweep.yaml";

impl Opened {
    /// Reads a sweep's YAML and checks the settings of every run; `out` is its folder, `runs/NAME` where there is none.
    ///
    /// # Errors
    /// The first mistake, with its place in the sweep's YAML or in that of its experiment.
    pub fn read(file: &Path, overrides: &[Override], out: Option<&Path>) -> Result<Self> {
        let document = yaml::read_file::<Sweep>(file, overrides)?;
        let file = std::path::absolute(file)?;
        let stem = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let source = file.parent().unwrap_or(Path::new("."));
        Self::of(document.settings, &stem, source, out).map_err(|error| document.places.locate(error))
    }

    /// A sweep whose settings were read: `stem` names one without a name, files are seen from `source`.
    ///
    /// # Errors
    /// As [`read`](Self::read); a mistake of the sweep's own settings has no place yet.
    pub fn of(mut settings: Sweep, stem: &str, source: &Path, out: Option<&Path>) -> Result<Self> {
        let name = settings.name.clone().unwrap_or_else(|| stem.to_string());
        let source = source.join(settings.source.take().unwrap_or_default());
        settings.experiment = base(&settings.experiment, &source)?;
        settings.source = Some(source);
        settings.name = Some(name.clone());
        let mut plan = Plan::new(&settings, &name, settings.experiment.clone())?;
        let alike = alike(&plan)?;
        plan.notes.extend(alike);
        if let Some(trials) = settings.trials
            && settings.tune.is_empty()
            && settings.arms.iter().all(|arm| arm.tune.is_empty())
        {
            plan.notes.push(format!("trials: {trials} changes nothing: no setting is tuned"));
        }
        check_select(&settings, &plan)?;
        let folder = out.map_or_else(|| Path::new("runs").join(&name), Path::to_path_buf);
        Ok(Self { settings, plan, folder })
    }

    /// Opens the folder of a sweep that was started, to train in it.
    ///
    /// # Errors
    /// Its `sweep.yaml` is missing or was changed so that it cannot be read, or its experiment is none of this version.
    pub fn open(folder: &Path) -> Result<Self> {
        Self::stored(folder, |experiment| Ok(experiment::complete(experiment, &folder.join(FILE))?))
    }

    /// Looks which runs the folder of a sweep holds. Their experiment need not be one that can be trained today.
    ///
    /// # Errors
    /// Its `sweep.yaml` is missing or was changed so that it cannot be read.
    pub fn look(folder: &Path) -> Result<Self> {
        Self::stored(folder, |experiment| Ok(experiment.clone()))
    }

    fn stored(folder: &Path, experiment: impl Fn(&Value) -> Result<Value>) -> Result<Self> {
        let document = yaml::read_file::<Sweep>(&folder.join(FILE), &[])?;
        let mut settings = document.settings;
        settings.experiment = experiment(&settings.experiment)?;
        let name = settings.name.clone().unwrap_or_default();
        let plan = Plan::new(&settings, &name, settings.experiment.clone());
        let plan = plan.map_err(|bad| document.places.mistake(&bad))?;
        Ok(Self { settings, plan, folder: folder.to_path_buf() })
    }

    /// Writes `sweep.yaml` into the folder. A sweep may grow (arms, trials, seeds), but what a run is called must keep its
    /// settings.
    ///
    /// # Errors
    /// The folder holds another sweep, runs of none, or such as were trained with other settings; it cannot be written.
    pub fn store(&self) -> Result<()> {
        let path = self.folder.join(FILE);
        // Looked at before the file is: another process may just write it.
        let foreign = foreign(&self.folder);
        if let Some(name) = foreign.filter(|_| !path.exists()) {
            return Err(Mistake::new(self.folder.display(), format!("holds {name}, which is no sweep"))
                .remedy("give the sweep another name, or another folder with --out: nothing here is overwritten")
                .into());
        }
        self.check_runs()?;
        fs::create_dir_all(&self.folder).map_err(|error| {
            Mistake::new(self.folder.display(), format!("cannot be created ({error})"))
                .remedy("name a writable folder with --out")
        })?;
        let mut stored = self.settings.clone();
        if let Value::Mapping(experiment) = &mut stored.experiment {
            experiment.insert("polytask".into(), experiment::VERSION.into());
        }
        files::replace_with(&path, yaml::to_yaml(&stored)?.as_bytes())
    }
}

/// Checks the settings of every trial, and tells which arms train alike: two that differ in their names alone.
fn alike(plan: &Plan) -> Result<Vec<String>> {
    let mut owners = BTreeMap::<String, usize>::new();
    let mut notes = Vec::new();
    // Every seed has the same settings.
    for cell in plan.cells().take(plan.trials()) {
        let text = yaml::to_yaml(&plan.experiment(cell)?)?;
        let owner = *owners.entry(text).or_insert(cell.arm);
        if owner != cell.arm {
            let [one, other] = [owner, cell.arm].map(|at| &plan.arms[at].name);
            notes.push(format!("arms {one} and {other} train with the same settings"));
        }
    }
    notes.dedup();
    Ok(notes)
}

/// What stands in a folder and is not what a sweep's start, killed, leaves there.
fn foreign(folder: &Path) -> Option<String> {
    let names = fs::read_dir(folder).ok()?.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
    names.into_iter().find(|name| !name.starts_with(&format!(".{FILE}.")))
}

/// What chooses trials must be measured.
fn check_select(settings: &Sweep, plan: &Plan) -> Result<(), BadSetting> {
    let Some(SelectBy { metric, mode }) = &settings.select else { return Ok(()) };
    if metric == "delta_m" {
        return match settings.baseline {
            Some(_) => Ok(()),
            None => Err(BadSetting::new("select.metric", "delta_m needs an arm to be measured against")
                .remedy("name it under `baseline`")),
        };
    }
    let Some(cell) = plan.cells().next() else { return Ok(()) };
    let mut experiment = plan.experiment(cell)?;
    experiment.select = SelectSettings { metric: metric.clone(), mode: *mode };
    experiment.selection(&experiment.tasks()?).map(drop)
}

/// The experiment of a sweep, checked, with absolute paths.
fn base(experiment: &Value, source: &Path) -> Result<Value> {
    let (settings, folder) = match experiment {
        Value::String(name) => {
            let file = source.join(name);
            let document = experiment::read_file(&file, &[])?;
            document.settings.check().map_err(|bad| document.places.mistake(&bad))?;
            let folder = file.parent().map_or_else(|| source.to_path_buf(), Path::to_path_buf);
            (document.settings, folder)
        }
        Value::Mapping(section) => {
            // What a sweep's folder holds keeps the defaults of the version that stored it.
            let stored =
                section.contains_key("polytask").then(|| experiment::complete(experiment, source)).transpose()?;
            let section = stored.as_ref().and_then(Value::as_mapping).unwrap_or(section);
            let read = registry::settings::<Experiment>(section.clone());
            let checked = read.and_then(|experiment| experiment.check().map(|()| experiment));
            (checked.map_err(|bad| bad.under("experiment"))?, source.to_path_buf())
        }
        other => {
            let what =
                format!("invalid type: {}, expected a YAML file or an experiment's settings", registry::kind(other));
            return Err(BadSetting::new("experiment", what).into());
        }
    };
    Ok(experiment::value(&settings.absolute(&folder))?)
}
