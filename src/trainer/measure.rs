//! Losses and metrics of a whole split, exact.

use crate::data::{Dataset, Group, chunks};
use crate::models::{Mode, Model};
use crate::record::Score;
use crate::tasks::{Accumulator, Rows, Standardization, Target, Task};
use anyhow::Result;
use std::borrow::Borrow;
use tch::{Device, Tensor, no_grad};

/// Measures every task of `tasks` on a split of `dataset`, `rows` rows per forward pass: per task `loss`, then its metrics;
/// last `total/loss`, the sum of the losses. Standardisations are undone before a metric sees outputs and labels.
///
/// # Errors
/// The model cannot take the rows.
pub fn measure<G: Borrow<Group>>(
    model: &dyn Model,
    tasks: &[Task],
    dataset: &Dataset,
    split: &[G],
    rows: i64,
) -> Result<Vec<Score>> {
    let (standardizations, preparation) = (&dataset.standardizations, dataset.preparation());
    no_grad(|| {
        let mut tallies: Vec<Tally> = tasks.iter().map(Tally::new).collect();
        for group in chunks(split, rows, &preparation) {
            let outputs = model.forward(&group.inputs, &group.tasks, Mode::Evaluate)?;
            for ((&task, target), output) in group.tasks.iter().zip(&group.targets).zip(outputs) {
                tallies[task].update(&tasks[task], standardizations[task].as_ref(), &output, target);
            }
        }
        Ok(scores(tasks, &tallies))
    })
}

/// What one task has shown so far.
struct Tally {
    total: f64,
    normalizer: f64,
    metrics: Vec<Box<dyn Accumulator>>,
}

impl Tally {
    fn new(task: &Task) -> Self {
        let metrics = task.metrics.iter().map(|metric| metric.accumulator(task.form)).collect();
        Self { total: 0.0, normalizer: 0.0, metrics }
    }

    fn update(&mut self, task: &Task, standardization: Option<&Standardization>, output: &Tensor, target: &Target) {
        // A piece whose normalizer is 0 counts all the same: rows of a class of weight 0 are seen
        // by the metrics, and label smoothing gives them a loss.
        self.total += task.loss.total(output, target).double_value(&[]);
        self.normalizer += task.loss.normalizer(target);
        if self.metrics.is_empty() {
            return;
        }
        let rows = match standardization {
            None => Rows::read(output, target),
            Some(standardization) => {
                let values = standardization.undo(&target.values);
                let weights = target.weights.as_ref().map(|weights| weights.to_device(Device::Cpu));
                Rows::read(&standardization.undo(output), &Target { values, weights })
            }
        };
        self.metrics.iter_mut().for_each(|metric| metric.add(&rows));
    }

    fn loss(&self) -> Option<f64> {
        (self.normalizer > 0.0).then(|| self.total / self.normalizer)
    }
}

fn scores(tasks: &[Task], tallies: &[Tally]) -> Vec<Score> {
    let score = |task: &str, metric, value| Score { task: task.to_string(), metric, value };
    let mut scores = Vec::new();
    for (task, tally) in tasks.iter().zip(tallies) {
        scores.push(score(&task.name, "loss", tally.loss()));
        for (metric, accumulator) in task.metrics.iter().zip(&tally.metrics) {
            scores.push(score(&task.name, metric.name(), accumulator.value()));
        }
    }
    let losses: Vec<f64> = tallies.iter().filter_map(Tally::loss).collect();
    scores.push(score("total", "loss", (!losses.is_empty()).then(|| losses.iter().sum())));
    scores
}

#[cfg(test)]
mod tests;
