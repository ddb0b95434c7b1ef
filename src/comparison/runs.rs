//! What became of each run, as a comparison reads it.

use crate::data::Identity;
use crate::metadata::Budget;
use crate::sweep::Failure;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

/// What a comparison reads of a `summary.json`.
#[derive(Debug, Clone, Deserialize)]
pub struct RunSummary {
    /// The experiment's name, or the sweep's.
    pub experiment: String,
    /// `METHOD[__VARIANT]`, or in a sweep `ARM[__TRIAL]`.
    pub group: String,
    /// The run's seed.
    pub seed: u64,
    /// Why it ended.
    pub ended: String,
    /// Updates made.
    pub steps: u64,
    /// Numbers that the model learns or holds.
    pub parameters: u64,
    /// What chose the weights.
    pub select: Selected,
    /// At the last weights: `{split: {task: {metric: value}}}`.
    #[serde(rename = "final")]
    pub last: Map<String, Value>,
    /// At the chosen weights, in the same form.
    pub best: Map<String, Value>,
    /// What the gradients were like.
    pub gradients: Gradients,
    /// What it cost.
    pub cost: Cost,
    /// Of what made it.
    pub versions: BTreeMap<String, Option<String>>,
    /// Where it ran.
    pub device: Option<String>,
    /// Of the experiment's folder.
    pub git_commit: Option<String>,
    /// Which rows it read; none of what Polytask 0.1 wrote.
    #[serde(default)]
    pub data: Option<Identity>,
    /// Updates made and rows read by them; none of what Polytask 0.1 wrote.
    #[serde(default)]
    pub budget: Option<Budget>,
    /// The numbers of the definitions that it was trained by, where they are not the first.
    #[serde(default)]
    pub definitions: Value,
}

/// `summary.json`: what chose the weights.
#[derive(Debug, Clone, Deserialize)]
pub struct Selected {
    /// `loss`, `TASK/METRIC`.
    pub metric: String,
    /// `min` or `max`.
    pub mode: Option<String>,
    /// Its best value on validation.
    pub value: Option<f64>,
}

/// `summary.json`: the gradients.
#[derive(Debug, Clone, Deserialize)]
pub struct Gradients {
    /// The share of pairs of tasks whose gradients conflict, over the steps that were looked at.
    pub conflicting_pairs: Option<f64>,
}

/// `summary.json`: the cost.
#[derive(Debug, Clone, Deserialize)]
pub struct Cost {
    /// Wall time of training.
    pub seconds: f64,
    /// Over all steps.
    pub backward_passes: u64,
    /// Wall time of the method's own mathematics.
    pub method_seconds: f64,
    /// Of the process while the run trained.
    pub peak_memory_mib: Option<f64>,
}

impl RunSummary {
    /// A value at the chosen weights; of `train`, at the last ones.
    pub fn value(&self, split: &str, task: &str, metric: &str) -> Option<f64> {
        let section = if split == "train" { &self.last } else { &self.best };
        section.get(split)?.get(task)?.get(metric)?.as_f64()
    }
}

/// What became of one run.
#[derive(Debug, Clone)]
pub enum Entry {
    /// Its summary.
    Finished(Box<RunSummary>),
    /// It diverged or crashed.
    Failed(Failure),
    /// It is not done yet.
    Unfinished,
}

/// One way in which an arm was run, over the seeds.
#[derive(Debug, Clone, Default)]
pub struct Trial {
    /// Such as `learning_rate=0.01`; empty where nothing was tuned.
    pub label: String,
    /// The weights, in a control arm.
    pub weights: Option<Vec<f64>>,
    /// Where its runs are: `seedK` below it, or whatever the folders of lone runs are called.
    pub folders: BTreeMap<u64, PathBuf>,
    /// By seed.
    pub runs: BTreeMap<u64, Entry>,
    /// By seed, what the sweep says that its runs are trained with, where they have begun; nothing of lone runs.
    pub planned: BTreeMap<u64, Arc<serde_yaml::Value>>,
}

impl Trial {
    /// The summaries of the runs that finished, by seed.
    pub fn finished(&self) -> impl Iterator<Item = (u64, &RunSummary)> {
        self.runs.iter().filter_map(|(seed, run)| match run {
            Entry::Finished(summary) => Some((*seed, &**summary)),
            _ => None,
        })
    }
}
