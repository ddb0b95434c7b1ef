//! Whether two runs are of one experiment: what they were trained with, and which settings tell them apart.

use super::{Experiment, complete, value};
use crate::error::Mistake;
use crate::files;
use crate::registry;
use crate::yaml;
use anyhow::Result;
use serde_yaml::Value;
use std::path::{Path, PathBuf};

/// Settings that say how a run is made and recorded: they move its numbers by the last digits at most.
pub const NEUTRAL: [&str; 9] = [
    "train.prefetch",
    "checkpoint",
    "record",
    "evaluate.batch_size",
    "data.unseen",
    "device",
    "threads",
    "engine",
    "instructions",
];

/// Whether a setting's path is one of some paths, or lies below one.
pub fn is_among(path: &str, paths: &[&str]) -> bool {
    let below = |of: &&str| path.strip_prefix(*of).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']));
    paths.iter().any(below)
}

/// An experiment's settings, whole and with absolute paths, as the `config.yaml` of its run holds them.
///
/// # Errors
/// They are not settings of this version or, where they name one under `polytask`, of that.
pub fn whole_settings(settings: &Value, folder: &Path) -> Result<Value> {
    let stored = settings.get("polytask").is_some();
    let whole = if stored { complete(settings, folder)? } else { settings.clone() };
    let experiment: Experiment = registry::settings(whole.as_mapping().cloned().unwrap_or_default())?;
    let (device, engine) = (experiment.device, experiment.engine);
    Ok(value(&experiment.resolved("", device, engine, folder))?)
}

/// The settings in which two runs are not of one experiment: path, value in `a`, value in `b`. Seeds, names and [`NEUTRAL`]
/// settings may differ.
pub fn differences(a: &Value, b: &Value) -> Vec<(String, String, String)> {
    let telling = |path: &str| !["seed", "name", "polytask"].contains(&path) && !is_among(path, &NEUTRAL);
    yaml::difference(a, b).into_iter().filter(|(path, ..)| telling(path)).collect()
}

/// Whether a difference is that of a data file's place: which rows it holds is told by their fingerprint, not by its path.
pub fn is_place_of_data((path, a, b): &(String, String, String)) -> bool {
    path.starts_with("data.") && Path::new(a).is_absolute() && Path::new(b).is_absolute()
}

/// A run's `config.yaml`, unread but for its seed, in which alone the runs of one trial differ.
#[derive(Debug)]
pub struct Config {
    /// What the run was seeded by.
    pub seed: Option<u64>,
    /// The other lines.
    pub rest: String,
    path: PathBuf,
}

impl Config {
    /// That of a run's folder; `None` where there is none.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn read(folder: &Path) -> Result<Option<Self>> {
        let path = folder.join("config.yaml");
        if !path.exists() {
            return Ok(None);
        }
        let text = String::from_utf8_lossy(&files::read(&path)?).into_owned();
        let seed = text.lines().find_map(|line| line.strip_prefix("seed: ")?.trim().parse().ok());
        let rest = text.lines().filter(|line| !line.starts_with("seed: ")).map(|line| format!("{line}\n")).collect();
        Ok(Some(Self { seed, rest, path }))
    }

    /// The settings; those that the run's version did not know have the value that it meant.
    ///
    /// # Errors
    /// They are none of this version or an earlier one.
    pub fn settings(&self) -> Result<Value> {
        let damaged = |what: String| {
            Mistake::new(self.path.display(), what)
                .remedy("bring the file back as the run wrote it, or delete the run's folder and train it anew")
        };
        let mut stored: Value =
            serde_yaml::from_str(&self.rest).map_err(|error| damaged(format!("cannot be read: {error}")))?;
        let Value::Mapping(settings) = &mut stored else { return Err(damaged("holds no settings".into()).into()) };
        if let Some(seed) = self.seed {
            settings.insert("seed".into(), seed.into());
        }
        Ok(complete(&stored, &self.path)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_that_move_numbers_tell_runs_apart_and_others_do_not() {
        let settings = |text: &str| serde_yaml::from_str::<Value>(text).expect("YAML");
        let one = settings("{name: a, seed: 0, device: cpu, record: {every: 5}, train: {epochs: 4, prefetch: true}}");
        let alike =
            settings("{name: b, seed: 1, device: cuda, record: {every: 9}, train: {epochs: 4.0, prefetch: false}}");
        assert_eq!(differences(&one, &alike), []);
        let other = settings("{name: a, seed: 0, device: cpu, train: {epochs: 9}, recorder: 3}");
        let found = differences(&one, &other);
        assert_eq!(found[0], ("train.epochs".into(), "4".into(), "9".into()));
        assert_eq!((found.len(), found[1].0.as_str()), (2, "recorder"));
        let place = |path: &str, a: &str, b: &str| is_place_of_data(&(path.into(), a.into(), b.into()));
        assert!(place("data.file", "/a/x.csv", "/b/x.csv") && !place("model.initial", "/a/x.pt", "/b/x.pt"));
        assert!(!place("data.delimiter", ",", ";") && !place("data.file", "/a/x.csv", "(none)"));
        assert!(is_among("record.every", &NEUTRAL) && is_among("checkpoint[0]", &NEUTRAL));
        assert!(!is_among("recorder", &NEUTRAL) && !is_among("train", &NEUTRAL));
    }
}
