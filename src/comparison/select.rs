//! Which trial of an arm counts: chosen on validation, by the mean over seeds.

use super::collect::{CollectedArm, Collection, RunSummary, Trial};
use super::measures::{Baseline, Measure, delta_m, measures};
use crate::statistics::mean;
use crate::sweep::SelectBy;
use crate::tasks::MetricKind;
use crate::trainer::Direction;

/// What chooses trials.
pub struct Rule {
    by: By,
    /// Whether more is better.
    higher: bool,
    /// In words, for the reader.
    pub words: String,
}

enum By {
    /// The value that chose each run's weights.
    Own,
    /// A task's metric.
    Metric(String, String),
    /// Δm on validation.
    DeltaM(Baseline, Vec<Measure>),
}

impl Rule {
    /// The rule that a collection was made by.
    pub fn of(collection: &Collection) -> Self {
        let own = Self::own(collection);
        let Some(SelectBy { metric, mode }) = &collection.select else { return own };
        let direction = |usual: bool| mode.map_or(usual, |mode| mode == Direction::Max);
        if metric == "delta_m" {
            let measures = measures(collection, "validation");
            let baseline =
                collection.baseline.as_ref().and_then(|name| collection.arms.iter().find(|a| a.name == *name));
            let chosen = baseline.map(|arm| Baseline::of(&arm.trials[own.order(arm)[0]], &measures, "validation"));
            return match chosen {
                Some(baseline) => {
                    Self {
                        by: By::DeltaM(baseline, measures), higher: direction(false), words: "the lowest Δm".into()
                    }
                }
                None => own,
            };
        }
        let (task, name) = metric.split_once('/').unwrap_or(("total", metric));
        let higher = direction(MetricKind::from_name(name).is_some_and(MetricKind::higher_is_better));
        let words = format!("the {} {metric}", if higher { "highest" } else { "lowest" });
        Self { by: By::Metric(task.into(), name.into()), higher, words }
    }

    fn own(collection: &Collection) -> Self {
        let runs = collection.arms.iter().flat_map(|arm| &arm.trials).flat_map(Trial::finished);
        let first = runs.map(|(_, run)| run).next();
        let metric = first.map_or("loss", |run| run.select.metric.as_str());
        let mode = first.and_then(|run| run.select.mode.as_deref());
        let usual = metric.rsplit('/').next().and_then(MetricKind::from_name).is_some_and(MetricKind::higher_is_better);
        let higher = mode.map_or(usual, |mode| mode == "max");
        let what = if metric == "loss" { "loss, averaged over the tasks" } else { metric };
        Self { by: By::Own, higher, words: format!("the {} {what}", if higher { "highest" } else { "lowest" }) }
    }

    fn value(&self, run: &RunSummary) -> Option<f64> {
        match &self.by {
            By::Own => run.select.value,
            By::Metric(task, metric) => run.value("validation", task, metric),
            By::DeltaM(baseline, measures) => {
                let values: Vec<Option<f64>> = measures.iter().map(|it| it.of(run, "validation")).collect();
                delta_m(measures, &values, baseline)
            }
        }
    }

    /// The mean over the seeds that finished.
    pub fn mean(&self, trial: &Trial) -> Option<f64> {
        let values: Option<Vec<f64>> = trial.finished().map(|(_, run)| self.value(run)).collect();
        mean(&values?)
    }

    /// Whether there is anything to choose an arm's trial by, or no choice.
    pub fn can_choose(&self, arm: &CollectedArm) -> bool {
        arm.trials.len() == 1
            || arm.trials.iter().any(|trial| self.mean(trial).is_some())
            || arm.trials.iter().all(|trial| trial.finished().next().is_none())
    }

    /// The trials of an arm, best first: those with fewer runs that did not finish, and among these by the mean.
    pub fn order(&self, arm: &CollectedArm) -> Vec<usize> {
        let key = |trial: &Trial| {
            let mean = self.mean(trial).map_or(f64::INFINITY, |mean| if self.higher { -mean } else { mean });
            (trial.runs.len() - trial.finished().count(), mean)
        };
        let keys: Vec<(usize, f64)> = arm.trials.iter().map(key).collect();
        let mut order: Vec<usize> = (0..arm.trials.len()).collect();
        order.sort_by(|a, b| keys[*a].0.cmp(&keys[*b].0).then(keys[*a].1.total_cmp(&keys[*b].1)));
        order
    }
}

/// The probability that each of `count` trials, best first, is the one that a search of `budget` of them finds best:
/// C(count - 1 - rank, budget - 1) / C(count, budget).
///
/// Reference: Dodge et al., "Show Your Work: Improved Reporting of Experimental Results", EMNLP 2019, for draws without
/// repetition.
pub fn found_best(count: usize, budget: usize) -> Vec<f64> {
    // P(rank) = P(rank - 1) · (count - rank - budget + 1) / (count - rank), from budget / count on.
    let mut probability = budget as f64 / count as f64;
    (0..count)
        .map(|rank| {
            let here = probability;
            let rest = (count - 1 - rank) as f64;
            let left = rest - (budget as f64 - 1.0);
            probability = if rest > 0.0 { here * (left / rest).max(0.0) } else { 0.0 };
            here
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_finds_the_best_with_these_probabilities() {
        assert_eq!(found_best(4, 4), [1.0, 0.0, 0.0, 0.0]);
        assert_eq!(found_best(1, 1), [1.0]);
        assert_eq!(found_best(4, 1), [0.25; 4]);
        // Of the 10 pairs of five trials 4 hold the best, 3 the second but not the best, …
        for (found, expected) in found_best(5, 2).iter().zip([0.4, 0.3, 0.2, 0.1, 0.0]) {
            assert!((found - expected).abs() < 1e-15, "{found} {expected}");
        }
        for (count, budget) in [(21, 3), (100, 10), (1000, 1)] {
            assert!((found_best(count, budget).iter().sum::<f64>() - 1.0).abs() < 1e-12);
        }
    }
}
