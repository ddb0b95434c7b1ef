//! What is measured of every run, and its gain over the baseline.

use super::collect::Collection;
use super::runs::{RunSummary, Trial};
use crate::statistics::{self, center, standard_error};
use crate::tasks::MetricKind;
use serde::Serialize;

/// A column of the table: a task's metric on a split.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Measure {
    /// The task's name.
    pub task: String,
    /// `loss` or a metric's name.
    pub metric: String,
    /// Whether more is better.
    pub higher_is_better: bool,
}

impl Measure {
    /// The value of a run.
    pub fn of(&self, run: &RunSummary, split: &str) -> Option<f64> {
        run.value(split, &self.task, &self.metric)
    }

    /// Whether its values mean the same for every task, so that a mean over tasks means something.
    pub fn has_common_range(&self) -> bool {
        MetricKind::from_name(&self.metric).is_some_and(MetricKind::has_common_range)
    }

    /// `TASK/METRIC`.
    pub fn name(&self) -> String {
        format!("{}/{}", self.task, self.metric)
    }
}

/// The rows that a comparison reads: test, and where there are none validation; a toy problem has training only.
pub fn split(collection: &Collection) -> &'static str {
    let runs = || collection.arms.iter().flat_map(|arm| &arm.trials).flat_map(Trial::finished);
    let measured = |split: &str| runs().any(|(_, run)| run.best.get(split).is_some_and(|tasks| tasks.is_object()));
    ["test", "validation"].into_iter().find(|split| measured(split)).unwrap_or("train")
}

/// The metrics of every task, in the order of the runs; a task without any is measured by its loss.
pub fn measures(collection: &Collection, split: &str) -> Vec<Measure> {
    let mut found: Vec<Measure> = Vec::new();
    for (_, run) in collection.arms.iter().flat_map(|arm| &arm.trials).flat_map(Trial::finished) {
        let section = if split == "train" { &run.last } else { &run.best };
        for (task, metrics) in section.get(split).and_then(|tasks| tasks.as_object()).into_iter().flatten() {
            if task == "total" {
                continue;
            }
            let names: Vec<&str> = metrics
                .as_object()
                .into_iter()
                .flatten()
                .map(|(name, _)| name.as_str())
                .filter(|n| !n.starts_with("loss"))
                .collect();
            let names = if names.is_empty() { vec!["loss"] } else { names };
            for metric in names {
                let higher_is_better = MetricKind::from_name(metric).is_some_and(MetricKind::higher_is_better);
                let measure = Measure { task: task.clone(), metric: metric.into(), higher_is_better };
                if !found.contains(&measure) {
                    found.push(measure);
                }
            }
        }
    }
    found
}

/// What the baseline's runs came to: per measure the mean over its seeds that have a value, and the standard error.
pub struct Baseline(Vec<Option<(f64, Option<f64>)>>);

/// A baseline's value of less than this share of the arms' largest makes a gain in percent of it out of nothing.
const NEAR_ZERO: f64 = 0.01;

impl Baseline {
    /// Of the baseline's chosen trial.
    pub fn of(trial: &Trial, measures: &[Measure], split: &str) -> Self {
        let of = |measure: &Measure| {
            let values: Vec<f64> = trial.finished().filter_map(|(_, run)| measure.of(run, split)).collect();
            Some((center(&values)?, standard_error(&values)))
        };
        Self(measures.iter().map(of).collect())
    }

    /// The measures, with the baseline's values, whose gain in percent of these means little: a value is near zero beside the
    /// `largest` of any arm, or no further from zero than two standard errors.
    pub fn near_zero(&self, measures: &[Measure], largest: &[f64]) -> Vec<(String, f64)> {
        let near = |at: usize| {
            let (value, error) = self.0[at]?;
            let unsteady = error.is_some_and(|error| value.abs() <= 2.0 * error);
            (value != 0.0 && (value.abs() < NEAR_ZERO * largest[at] || unsteady)).then(|| (measures[at].name(), value))
        };
        (0..measures.len()).filter_map(near).collect()
    }

    fn beside(&self, measures: &[Measure], values: &[Option<f64>]) -> Option<Vec<(String, statistics::Measure)>> {
        let one = |((measure, value), baseline): ((&Measure, &Option<f64>), &Option<(f64, _)>)| {
            let Measure { task, higher_is_better, .. } = measure.clone();
            Some((task, statistics::Measure { value: (*value)?, baseline: (*baseline)?.0, higher_is_better }))
        };
        measures.iter().zip(values).zip(&self.0).map(one).collect()
    }
}

/// Δm of one run's values.
pub fn delta_m(measures: &[Measure], values: &[Option<f64>], baseline: &Baseline) -> Option<f64> {
    let pairs = baseline.beside(measures, values)?;
    statistics::delta_m(&pairs.into_iter().map(|(_, measure)| measure).collect::<Vec<_>>())
}

/// Δp of one run's values.
pub fn delta_p(measures: &[Measure], values: &[Option<f64>], baseline: &Baseline) -> Option<f64> {
    let mut tasks: Vec<(String, Vec<statistics::Measure>)> = Vec::new();
    for (task, measure) in baseline.beside(measures, values)? {
        match tasks.iter_mut().find(|(name, _)| *name == task) {
            Some((_, list)) => list.push(measure),
            None => tasks.push((task, vec![measure])),
        }
    }
    statistics::delta_p(&tasks.into_iter().map(|(_, list)| list).collect::<Vec<_>>())
}
