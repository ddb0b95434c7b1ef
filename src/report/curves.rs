//! What happened while the compared runs trained: their records, averaged over seeds.

use crate::comparison::{Budget, Collection, Comparison, Row};
use crate::error::Mistake;
use crate::statistics::standard_error;
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
    /// Updates made, the middle of a bin.
    pub step: f64,
    /// Over the seeds.
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
        let mut rows: Vec<(&Row, BTreeMap<Key, Vec<Averaged>>)> = Vec::new();
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
            let curve = |(row, curves): &(&Row, BTreeMap<Key, Vec<Averaged>>)| {
                (row.name.clone(), curves.get(&key).cloned().unwrap_or_default())
            };
            let curves = rows.iter().map(curve).collect();
            Recorded { quantity: key.quantity, task: key.task, metric: key.metric, curves }
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

type Run = BTreeMap<Key, Vec<(u64, f64)>>;

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
            && let (Some(key), Some(value)) = (line.key(), line.value.as_f64())
        {
            run.entry(key).or_default().push((line.step, value));
        }
        text.clear();
    }
    Ok(run)
}

/// Means of bins of steps in each run, and over them mean and standard error over the runs.
fn average(runs: &[Run]) -> BTreeMap<Key, Vec<Averaged>> {
    let mut keys: Vec<&Key> = runs.iter().flat_map(BTreeMap::keys).collect();
    keys.sort();
    keys.dedup();
    let one = |key: &Key| {
        let records: Vec<&Vec<(u64, f64)>> = runs.iter().filter_map(|run| run.get(key)).collect();
        let last = records.iter().filter_map(|of| of.last()).map(|(step, _)| *step).max().unwrap_or(0);
        let width = last.div_ceil(key.quantity.bins()).max(1);
        let mut bins: BTreeMap<u64, Vec<f64>> = BTreeMap::new();
        let mut steps: BTreeMap<u64, (f64, f64)> = BTreeMap::new();
        for of_run in records {
            let mut inside: BTreeMap<u64, Vec<f64>> = BTreeMap::new();
            for (step, value) in of_run {
                inside.entry(step / width).or_default().push(*value);
                let (sum, count) = steps.entry(step / width).or_default();
                *sum += *step as f64;
                *count += 1.0;
            }
            for (bin, values) in inside {
                bins.entry(bin).or_default().push(values.iter().sum::<f64>() / values.len() as f64);
            }
        }
        bins.into_iter()
            .map(|(bin, values)| {
                let mean = values.iter().sum::<f64>() / values.len() as f64;
                let error = standard_error(&values);
                let (sum, count) = steps[&bin];
                Averaged { step: sum / count, mean, band: error.map(|error| [mean - error, mean + error]) }
            })
            .collect()
    };
    keys.into_iter().map(|key| (key.clone(), one(key))).collect()
}
