//! Runs read back from their folders: which arms there are, and what became of each run.

use super::runs::{Entry, Trial};
use crate::error::Mistake;
use crate::files;
use crate::sweep::{self, Opened, SelectBy, State};
use anyhow::{Context, Result};
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What is compared, with all its trials.
#[derive(Debug, Clone)]
pub struct CollectedArm {
    /// In tables.
    pub name: String,
    /// Whether it is the control arm of constant weights.
    pub control: bool,
    /// Whether its runs read other rows than those of other arms.
    pub other_rows: bool,
    /// Whether its runs were trained with other settings than its name or each other's say.
    pub other_settings: bool,
    /// What chooses its trial, as its sweep says; `None`: what chose the runs' weights.
    pub select: Option<SelectBy>,
    /// In the order of the sweep.
    pub trials: Vec<Trial>,
}

/// All runs that were named, by arm, trial and seed.
#[derive(Debug, Clone)]
pub struct Collection {
    /// Of the sweep or the experiment.
    pub name: String,
    /// As they were named.
    pub sources: Vec<PathBuf>,
    /// In the order of the sweep, or by name.
    pub arms: Vec<CollectedArm>,
    /// All seeds, ascending.
    pub seeds: Vec<u64>,
    /// The arm that Δm and Δp are measured against.
    pub baseline: Option<String>,
    /// The arm that others are tested against.
    pub reference: Option<String>,
    /// What a reader should know of what was found.
    pub notes: Vec<String>,
}

/// Reads sweeps' folders, folders of runs, and single runs. Of several sweeps or experiments every arm has the name of its
/// own before it, where names would clash.
///
/// # Errors
/// A folder holds no run; a summary cannot be read.
pub fn collect(sources: &[PathBuf]) -> Result<Collection> {
    let mut parts = sources.iter().map(|source| of_folder(source)).collect::<Result<Vec<_>>>()?;
    if clash(&parts) {
        parts.iter_mut().for_each(Collection::name_arms_in_full);
    }
    let mut parts = parts.into_iter();
    let mut whole = parts.next().context("no folder was named")?;
    for part in parts {
        whole.merge(part)?;
    }
    whole.sources = sources.to_vec();
    whole.seeds.sort_unstable();
    whole.seeds.dedup();
    Ok(whole)
}

/// Whether two sweeps or experiments have arms of one name.
fn clash(parts: &[Collection]) -> bool {
    let mut owners = BTreeMap::new();
    let mut arms = parts.iter().flat_map(|part| part.arms.iter().map(move |arm| (&arm.name, &part.name)));
    arms.any(|(arm, owner)| owners.insert(arm, owner).is_some_and(|other| other != owner))
}

fn twice(folder: &Path, other: &Path, trial: &str, seed: u64) -> Mistake {
    Mistake::new(folder.display(), format!("is a run of {trial} with seed {seed}, as {} is", other.display()))
        .remedy("name one of the two")
}

fn copied(folder: &Path, seed: u64, name: u64) -> Mistake {
    Mistake::new(folder.display(), format!("holds a run with seed {seed}, and its name says {name}"))
        .remedy("delete the folder, and let the sweep train that seed")
}

impl Collection {
    /// `SWEEP/ARM` instead of `ARM`.
    fn name_arms_in_full(&mut self) {
        let full = |arm: &mut String| *arm = format!("{}/{arm}", self.name);
        self.arms.iter_mut().for_each(|arm| full(&mut arm.name));
        self.baseline.iter_mut().chain(&mut self.reference).for_each(full);
    }

    /// Adds the arms of another; trials of one name become one.
    fn merge(&mut self, other: Self) -> Result<()> {
        for arm in other.arms {
            let Some(mine) = self.arms.iter_mut().find(|mine| mine.name == arm.name) else {
                self.arms.push(arm);
                continue;
            };
            if mine.select != arm.select {
                let what = "its trials are chosen by another `select` in one sweep than in another";
                return Err(Mistake::new(format!("arm {}", arm.name), what)
                    .remedy("compare the sweeps one by one, or give one of them another name")
                    .into());
            }
            for trial in arm.trials {
                match mine.trials.iter_mut().find(|mine| mine.label == trial.label) {
                    Some(mine) => {
                        let both = trial
                            .folders
                            .iter()
                            .find_map(|(seed, folder)| Some((seed, folder, mine.folders.get(seed)?)));
                        if let Some((seed, folder, other)) = both.filter(|(_, one, other)| one != other) {
                            let name =
                                if trial.label.is_empty() { arm.name } else { format!("{} {}", arm.name, trial.label) };
                            return Err(twice(folder, other, &name, *seed).into());
                        }
                        mine.runs.extend(trial.runs);
                        mine.planned.extend(trial.planned);
                        mine.folders.extend(trial.folders);
                    }
                    None => mine.trials.push(trial),
                }
            }
        }
        self.seeds.extend(other.seeds);
        self.notes.extend(other.notes);
        self.baseline = self.baseline.take().or(other.baseline);
        self.reference = self.reference.take().or(other.reference);
        Ok(())
    }
}

fn of_folder(folder: &Path) -> Result<Collection> {
    if folder.join(sweep::FILE).exists() { of_sweep(folder) } else { of_runs(folder) }
}

/// The runs that a sweep's YAML names, and what became of each.
fn of_sweep(folder: &Path) -> Result<Collection> {
    let sweep = Opened::look(folder)?;
    let planned = planned(&sweep);
    let Opened { settings, plan, .. } = sweep;
    let cells: Vec<sweep::Cell> = plan.cells().collect();
    let read = cells.par_iter().map(|cell| {
        let folder = plan.folder(folder, *cell);
        Ok((folder.clone(), entry(&folder)?))
    });
    let entries = read.collect::<Result<Vec<_>>>()?;
    for (cell, (folder, entry)) in cells.iter().zip(&entries) {
        if let Entry::Finished(summary) = entry
            && summary.seed != cell.seed
        {
            return Err(copied(folder, summary.seed, cell.seed).into());
        }
    }
    let empty =
        |trial: &sweep::Trial| Trial { label: trial.label.clone(), weights: trial.weights.clone(), ..Trial::default() };
    let arm = |arm: &sweep::Arm| CollectedArm {
        name: arm.name.clone(),
        control: arm.control,
        other_rows: false,
        other_settings: false,
        select: settings.select.clone(),
        trials: arm.trials.iter().map(empty).collect(),
    };
    let mut arms: Vec<CollectedArm> = plan.arms.iter().map(arm).collect();
    for (cell, (folder, entry)) in cells.iter().zip(entries) {
        let trial = &mut arms[cell.arm].trials[cell.trial];
        trial.folders.insert(cell.seed, folder);
        trial.runs.insert(cell.seed, entry);
        if let Some(planned) = &planned[cell.arm][cell.trial] {
            trial.planned.insert(cell.seed, Arc::clone(planned));
        }
    }
    let strays = strays(folder, &plan, &cells)?;
    let notes = if strays.is_empty() {
        vec![]
    } else {
        vec![format!("{}: not in sweep.yaml and left out: {}", folder.display(), strays.join(", "))]
    };
    Ok(Collection {
        name: plan.name.clone(),
        sources: vec![folder.to_path_buf()],
        arms,
        seeds: plan.seeds.clone(),
        baseline: settings.baseline,
        reference: settings.reference,
        notes,
    })
}

/// What the sweep trains each trial of each arm with, where a run has begun. Settings that this version cannot read are left
/// out: the runs of such a trial are held against each other.
fn planned(sweep: &Opened) -> Vec<Vec<Option<Arc<serde_yaml::Value>>>> {
    let of_trial = |arm: usize, trial: usize| {
        let cells = sweep.plan.seeds.iter().map(|&seed| sweep::Cell { arm, trial, seed });
        let has_begun = |cell: &sweep::Cell| sweep.plan.folder(&sweep.folder, *cell).join("config.yaml").exists();
        cells.into_iter().find(has_begun).and_then(|cell| sweep.settings(cell).ok()).map(Arc::new)
    };
    let of_arm = |(at, arm): (usize, &sweep::Arm)| (0..arm.trials.len()).map(|trial| of_trial(at, trial)).collect();
    sweep.plan.arms.par_iter().enumerate().map(of_arm).collect()
}

/// Folders of arms and of runs that a sweep's YAML does not name, in order.
fn strays(folder: &Path, plan: &sweep::Plan, cells: &[sweep::Cell]) -> Result<Vec<String>> {
    let groups: BTreeSet<String> = cells.iter().map(|cell| plan.group(*cell)).collect();
    let runs: BTreeSet<String> = cells.iter().map(|cell| plan.run_name(*cell)).collect();
    let mut strays = Vec::new();
    for group in folders(folder)? {
        if groups.contains(&group) {
            let of_group = folders(&folder.join(&group))?.into_iter().map(|run| format!("{group}/{run}"));
            strays.extend(of_group.filter(|run| !runs.contains(run)));
        } else {
            strays.push(group);
        }
    }
    strays.sort();
    Ok(strays)
}

/// The names of the folders in a folder.
fn folders(folder: &Path) -> Result<Vec<String>> {
    let inside = fs::read_dir(folder)?.flatten().filter(|entry| entry.path().is_dir());
    Ok(inside.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect())
}

/// What `--set` calls a learning rate in the name of a folder: there it is what was tuned.
const TUNED: &str = "optimizer.learning_rate=";

/// All runs below a folder. A group is an arm; groups that differ in the learning rate alone are trials of one.
fn of_runs(folder: &Path) -> Result<Collection> {
    fs::metadata(folder).map_err(|error| files::unreadable(folder, &error))?;
    let mut folders = Vec::new();
    find(folder, 4, &mut folders);
    if folders.is_empty() {
        return Err(Mistake::new(folder.display(), "holds no run")
            .remedy("name a run's folder, one that holds some, or that of a sweep")
            .into());
    }
    folders.sort();
    let read = folders.par_iter().map(|folder| Ok((folder.clone(), entry(folder)?)));
    let entries = read.collect::<Result<Vec<_>>>()?;
    let (mut name, mut seeds, mut arms) = (String::new(), Vec::new(), Vec::<CollectedArm>::new());
    let mut notes = Vec::new();
    for (folder, entry) in entries {
        let parent = folder.parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy().into_owned();
        let (group, seed) = match &entry {
            Entry::Finished(summary) => {
                name.clone_from(&summary.experiment);
                (summary.group.clone(), summary.seed)
            }
            _ => {
                let own = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
                let Some(seed) = own.strip_prefix("seed").and_then(|seed| seed.parse().ok()) else {
                    notes.push(format!("{}: has not finished and is left out", folder.display()));
                    continue;
                };
                (parent, seed)
            }
        };
        let (arm, label) = tuned(&group);
        let arm = place(
            &mut arms,
            |it| it.name == arm,
            || CollectedArm {
                name: arm.clone(),
                control: false,
                other_rows: false,
                other_settings: false,
                select: None,
                trials: vec![],
            },
        );
        let new = || Trial { label: label.clone(), ..Trial::default() };
        let trial = place(&mut arm.trials, |it| it.label == label, new);
        seeds.push(seed);
        trial.runs.insert(seed, entry);
        if let Some(other) = trial.folders.insert(seed, folder.clone()) {
            return Err(twice(&folder, &other, &group, seed).into());
        }
    }
    if arms.is_empty() {
        return Err(Mistake::new(folder.display(), "holds no run that has ended")
            .remedy("let one train to its end")
            .into());
    }
    let sources = vec![folder.to_path_buf()];
    Ok(Collection { name, sources, arms, seeds, baseline: None, reference: None, notes })
}

/// The entry that is there, or a new one behind the others.
fn place<T>(list: &mut Vec<T>, is: impl Fn(&T) -> bool, new: impl Fn() -> T) -> &mut T {
    let at = list.iter().position(is).unwrap_or_else(|| {
        list.push(new());
        list.len() - 1
    });
    &mut list[at]
}

/// `METHOD__c=0.4,optimizer.learning_rate=0.01` is the arm `METHOD__c=0.4` and the trial `learning_rate=0.01`.
fn tuned(group: &str) -> (String, String) {
    let Some((method, variant)) = group.split_once("__") else { return (group.to_string(), String::new()) };
    let (rates, others): (Vec<&str>, Vec<&str>) = variant.split(',').partition(|part| part.starts_with(TUNED));
    let label = rates.iter().map(|rate| rate.replacen("optimizer.", "", 1)).collect::<Vec<_>>().join(",");
    let arm = if others.is_empty() { method.to_string() } else { format!("{method}__{}", others.join(",")) };
    (arm, label)
}

/// Folders of runs, a few floors down.
fn find(folder: &Path, depth: u8, found: &mut Vec<PathBuf>) {
    if State::of(folder) != State::Missing {
        found.push(folder.to_path_buf());
    } else if depth > 0 {
        let inside = fs::read_dir(folder).into_iter().flatten().flatten();
        inside.map(|entry| entry.path()).filter(|path| path.is_dir()).for_each(|path| find(&path, depth - 1, found));
    }
}

fn entry(folder: &Path) -> Result<Entry> {
    Ok(match State::of(folder) {
        State::Finished => {
            let path = folder.join("summary.json");
            let summary = serde_json::from_slice(&files::read(&path)?);
            Entry::Finished(Box::new(summary.map_err(|error| {
                Mistake::new(path.display(), format!("cannot be read: {error}"))
                    .remedy("delete the file and continue the run with --resume, which writes it anew")
            })?))
        }
        State::Failed(failure) => Entry::Failed(failure),
        State::Started | State::Missing => Entry::Unfinished,
    })
}

#[cfg(test)]
mod tests {
    use super::tuned;

    #[test]
    fn a_learning_rate_in_a_group_is_what_was_tuned() {
        let split = |group: &str| tuned(group);
        assert_eq!(split("sum"), ("sum".into(), String::new()));
        assert_eq!(split("cagrad__method.c=0.4"), ("cagrad__method.c=0.4".into(), String::new()));
        assert_eq!(split("sum__optimizer.learning_rate=0.01"), ("sum".into(), "learning_rate=0.01".into()));
        assert_eq!(
            split("cagrad__method.c=0.4,optimizer.learning_rate=1e-3,train.clip_norm=1"),
            ("cagrad__method.c=0.4,train.clip_norm=1".into(), "learning_rate=1e-3".into())
        );
    }
}
