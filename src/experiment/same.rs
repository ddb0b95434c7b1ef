//! Whether two runs are of one experiment: what they were trained with, and which settings tell them apart.

use super::{Experiment, complete, value};
use crate::error::Mistake;
use crate::files;
use crate::registry;
use crate::yaml;
use anyhow::Result;
use serde_yaml::Value;
use std::path::Path;

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

/// The settings that a run's folder says it was trained with; those that its version did not know have the value that it
/// meant. `None` where there is no `config.yaml`.
///
/// # Errors
/// The file cannot be read, or holds no settings of this version or an earlier one.
pub fn stored_settings(folder: &Path) -> Result<Option<Value>> {
    let path = folder.join("config.yaml");
    if !path.exists() {
        return Ok(None);
    }
    let stored = serde_yaml::from_slice(&files::read(&path)?)
        .map_err(|error| Mistake::new(path.display(), format!("cannot be read: {error}")))?;
    Ok(Some(complete(&stored, &path)?))
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

/// The first setting in which two runs are not of one experiment: its path, its value in `a`, its value in `b`. Seeds, names
/// and [`NEUTRAL`] settings may differ.
pub fn first_difference(a: &Value, b: &Value) -> Option<(String, String, String)> {
    let telling = |path: &str| !["seed", "name", "polytask"].contains(&path) && !is_among(path, &NEUTRAL);
    yaml::difference(a, b).into_iter().find(|(path, ..)| telling(path))
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
        assert_eq!(first_difference(&one, &alike), None);
        let other = settings("{name: a, seed: 0, device: cpu, train: {epochs: 9}, recorder: 3}");
        assert_eq!(first_difference(&one, &other), Some(("train.epochs".into(), "4".into(), "9".into())));
        assert!(is_among("record.every", &NEUTRAL) && is_among("checkpoint[0]", &NEUTRAL));
        assert!(!is_among("recorder", &NEUTRAL) && !is_among("train", &NEUTRAL));
    }
}
