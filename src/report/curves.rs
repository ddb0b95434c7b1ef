//! What happened while the compared runs trained: their records, averaged over seeds.

use crate::comparison::{Budget, Collection, Comparison, Row};
use crate::error::Mistake;
use crate::statistics::{mean, standard_error};
use anyhow::Result;
use rayon::prelude::*;
use serde::Deserialize;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

/// The curves of every row that is drawn.
#[derive(Debug, Default)]
pub struct Records {
    /// By what is drawn, in the order of the run's records.
    pub charts: Vec<Recorded>,
}

/// One quantity over the steps.
#[derive(Debug)]
pub struct Recorded {
    /// What kind of quantity.
    pub quantity: Quantity,
    /// The task, or `total`.
    pub task: String,
    /// The metric, as records call it.
    pub metric: String,
    /// Per row that is drawn, in the order of the table, so that a row has one colour everywhere; empty where it has no such
    /// record.
    pub curves: Vec<(String, Vec<Averaged>)>,
    /// Whether, in a row that is drawn, a run ended before the others did.
    pub ended_early: bool,
}

/// What records tell over the steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Quantity {
    /// A loss or metric of the validation rows.
    Validation,
    /// The loss of the batch.
    Loss,
    /// A task's weight in the update.
    Weight,
    /// The share of pairs of tasks whose gradients conflict.
    Conflict,
}

/// A point of a curve.
#[derive(Debug, Clone, Copy)]
pub struct Averaged {
    /// Updates made: the mean of the steps of the bin at which any run has a record, each counted
    /// once.
    pub step: f64,
    /// Over the seeds that have begun.
    pub mean: f64,
    /// One standard error to both sides, from two seeds on.
    pub band: Option<[f64; 2]>,
}

/// So many rows fit into one chart.
const MOST_ROWS: usize = 10;

impl Quantity {
    /// So many points make a curve at most, and one; what lies between two is averaged. A share of few pairs takes many steps
    /// to tell something.
    fn bins(self) -> u64 {
        if self == Self::Conflict { 30 } else { 120 }
    }

    /// Whether a run that ended keeps its last value while others of its arm go on; if not, the
    /// arm's curve ends where its first run does, so that no point is a mean over survivors alone.
    ///
    /// What is measured on validation is of the model, which stays as it is when training ends. The
    /// loss of a batch, the weights and the conflicts are of updates: after the last one there are
    /// none, and the value of one batch, held, would be noise that looks like a plateau.
    pub fn outlasts_training(self) -> bool {
        self == Self::Validation
    }
}

/// The rows whose curves are drawn: the best, but the reference and the baseline in any case. An expectation over trials has
/// no curve; the arm's best trial has.
pub fn drawn(comparison: &Comparison) -> Vec<&Row> {
    let rows: Vec<&Row> = comparison.rows.iter().filter(|row| row.budget != Budget::Expected).collect();
    let kept = |row: &&&Row| {
        Some(&row.name) == comparison.reference.as_ref() || Some(&row.arm) == comparison.baseline.as_ref()
    };
    let fixed = rows.iter().filter(kept).count();
    let mut room = MOST_ROWS.saturating_sub(fixed);
    rows.into_iter()
        .filter(|row| {
            let take = kept(&row) || room > 0;
            if take && !kept(&row) {
                room -= 1;
            }
            take
        })
        .collect()
}

impl Records {
    /// Reads the records of the rows that are drawn.
    ///
    /// # Errors
    /// A file is there and cannot be read.
    pub fn read(collection: &Collection, comparison: &Comparison) -> Result<Self> {
        let mut rows: Vec<(&Row, BTreeMap<Key, Mean>)> = Vec::new();
        for row in drawn(comparison) {
            let Some(arm) = collection.arms.iter().find(|arm| arm.name == row.arm) else { continue };
            let trial = &arm.trials[row.chosen];
            let folders: Vec<&Path> =
                trial.finished().filter_map(|(seed, _)| trial.folders.get(&seed).map(|it| it.as_path())).collect();
            let runs = folders.par_iter().map(|folder| read(folder)).collect::<Result<Vec<_>>>()?;
            rows.push((row, average(&runs)));
        }
        let keys: BTreeSet<Key> = rows.iter().flat_map(|(_, curves)| curves.keys().cloned()).collect();
        let recorded = |key: Key| {
            let curve = |(row, curves): &(&Row, BTreeMap<Key, Mean>)| {
                (row.name.clone(), curves.get(&key).map(|mean| mean.points.clone()).unwrap_or_default())
            };
            let ended_early = rows.iter().filter_map(|(_, curves)| curves.get(&key)).any(|mean| mean.ended_early);
            let curves = rows.iter().map(curve).collect();
            Recorded { quantity: key.quantity, task: key.task, metric: key.metric, curves, ended_early }
        };
        Ok(Self { charts: keys.into_iter().map(recorded).collect() })
    }
}

/// What a curve is of; in the order of charts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    quantity: Quantity,
    task: String,
    metric: String,
}

#[derive(Deserialize)]
struct Line<'a> {
    step: u64,
    #[serde(borrow)]
    split: Cow<'a, str>,
    #[serde(borrow)]
    task: Cow<'a, str>,
    #[serde(borrow)]
    metric: Cow<'a, str>,
    value: serde_json::Value,
}

impl Line<'_> {
    fn key(&self) -> Option<Key> {
        let quantity = match (&*self.split, &*self.metric) {
            ("validation", _) if self.task != "total" => Quantity::Validation,
            ("train", "loss") if self.task != "total" => Quantity::Loss,
            ("train", "weight") => Quantity::Weight,
            ("train", "conflicting_pairs") => Quantity::Conflict,
            _ => return None,
        };
        Some(Key { quantity, task: self.task.to_string(), metric: self.metric.to_string() })
    }
}

/// By what they are of, the records of a run: steps in order, and values where they are numbers.
type Run = BTreeMap<Key, Vec<(u64, Option<f64>)>>;

/// The curve of a row.
struct Mean {
    points: Vec<Averaged>,
    /// Whether a run ended in an earlier bin than another.
    ended_early: bool,
}

/// The records of a run; none where the file was taken away.
fn read(folder: &Path) -> Result<Run> {
    let mut run = Run::new();
    let Ok(file) = File::open(folder.join("metrics.jsonl")) else { return Ok(run) };
    let mut reader = BufReader::with_capacity(1 << 16, file);
    let mut text = String::new();
    let unread = |error: std::io::Error| {
        let place = folder.join("metrics.jsonl");
        Mistake::new(place.display(), format!("cannot be read: {error}"))
            .remedy("take the file away: reports do without it")
    };
    while reader.read_line(&mut text).map_err(unread)? > 0 {
        // Most lines are of no interest here; these words are cheaper to find than a line to read.
        if ["\"loss\"", "\"validation\"", "\"weight\"", "\"conflicting_pairs\""].iter().any(|word| text.contains(word))
            && let Ok(line) = serde_json::from_str::<Line>(&text)
            && let Some(key) = line.key()
        {
            run.entry(key).or_default().push((line.step, line.value.as_f64()));
        }
        text.clear();
    }
    Ok(run)
}

/// The curves of an arm's runs.
fn average(runs: &[Run]) -> BTreeMap<Key, Mean> {
    let keys: BTreeSet<&Key> = runs.iter().flat_map(BTreeMap::keys).collect();
    let of = |key: &Key| mean_of(key.quantity, &runs.iter().filter_map(|run| run.get(key)).collect::<Vec<_>>());
    keys.into_iter().map(|key| (key.clone(), of(key))).filter(|(_, mean)| !mean.points.is_empty()).collect()
}

/// Means of bins of steps in each run, and over them mean and standard error over the runs. In a
/// bin in which a run has no value it has its last one before; before its first it does not count.
fn mean_of(quantity: Quantity, runs: &[&Vec<(u64, Option<f64>)>]) -> Mean {
    let ends = || runs.iter().filter_map(|records| records.last()).map(|(step, _)| *step);
    let (first, last) = (ends().min().unwrap_or(0), ends().max().unwrap_or(0));
    let end = if quantity.outlasts_training() { last } else { first };
    let width = end.div_ceil(quantity.bins()).max(1);
    let mut bins: BTreeMap<u64, BTreeSet<u64>> = BTreeMap::new();
    for (step, _) in runs.iter().flat_map(|records| records.iter()).filter(|(step, _)| *step <= end) {
        bins.entry(step / width).or_default().insert(*step);
    }
    let known: Vec<BTreeMap<u64, f64>> = runs.iter().map(|records| binned(records, width, end)).collect();
    let point = |(bin, steps): (u64, BTreeSet<u64>)| {
        let held = |means: &BTreeMap<u64, f64>| means.range(..=bin).next_back().map(|(_, mean)| *mean);
        let values: Vec<f64> = known.iter().filter_map(held).collect();
        let (mean, error) = (mean(&values)?, standard_error(&values));
        let step = steps.iter().sum::<u64>() as f64 / steps.len() as f64;
        Some(Averaged { step, mean, band: error.map(|error| [mean - error, mean + error]) })
    };
    Mean { points: bins.into_iter().filter_map(point).collect(), ended_early: first / width < last / width }
}

/// Per bin of `width` steps the mean of a run's values until the step `end`.
fn binned(records: &[(u64, Option<f64>)], width: u64, end: u64) -> BTreeMap<u64, f64> {
    let mut bins: BTreeMap<u64, Vec<f64>> = BTreeMap::new();
    for (step, value) in records.iter().filter(|(step, _)| *step <= end) {
        bins.entry(step / width).or_default().extend(value);
    }
    bins.into_iter().filter_map(|(bin, values)| Some((bin, mean(&values)?))).collect()
}
