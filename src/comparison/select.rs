//! Which trial of an arm counts: chosen on validation, by the mean over seeds, and by the arm's own rule.

use super::collect::{CollectedArm, Collection};
use super::measures::{Baseline, Measure, delta_m, measures};
use super::runs::{RunSummary, Trial};
use crate::error::Mistake;
use crate::statistics::{largest, mean, merge_equal};
use crate::sweep::SelectBy;
use crate::tasks::MetricKind;
use crate::trainer::Direction;

/// What chooses the trials of an arm.
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
    /// The rule of an arm: its sweep's `select`, or what chose the weights of its runs.
    ///
    /// # Errors
    /// As [`own`](Self::own).
    pub fn new(arm: &CollectedArm, collection: &Collection) -> Result<Self, Mistake> {
        let Some(SelectBy { metric, mode }) = &arm.select else { return Self::own(arm) };
        let direction = |usual: bool| mode.map_or(usual, |mode| mode == Direction::Max);
        if metric == "delta_m" {
            let baseline = collection.baseline.as_ref();
            let Some(baseline) = baseline.and_then(|name| collection.arms.iter().find(|it| it.name == *name)) else {
                return Self::own(arm);
            };
            let measures = measures(collection, "validation");
            let trial = &baseline.trials[Self::own(baseline)?.order(baseline)[0]];
            if trial.finished().next().is_none() {
                let own = Self::own(arm)?;
                let words = format!("{} (Δm, once {} has a run to measure it against)", own.words, baseline.name);
                return Ok(Self { words, ..own });
            }
            let by = By::DeltaM(Baseline::of(trial, &measures, "validation"), measures);
            let higher = direction(false);
            let words = format!("the {} Δm", if higher { "highest" } else { "lowest" });
            return Ok(Self { by, higher, words });
        }
        let (task, name) = metric.split_once('/').unwrap_or(("total", metric));
        let higher = direction(is_usually_higher(name));
        let words = format!("the {} {metric}", if higher { "highest" } else { "lowest" });
        Ok(Self { by: By::Metric(task.into(), name.into()), higher, words })
    }

    /// What chose the weights of an arm's runs.
    ///
    /// # Errors
    /// The trials were chosen by several metrics: their numbers have no common unit.
    fn own(arm: &CollectedArm) -> Result<Self, Mistake> {
        let rule = |run: &RunSummary| {
            let metric = run.select.metric.clone();
            let higher = run.select.mode.as_deref().map_or_else(|| is_usually_higher(&metric), |mode| mode == "max");
            (metric, higher)
        };
        // Of one trial nothing is chosen.
        let trials = arm.trials.iter().filter(|_| arm.trials.len() > 1);
        let mut rules = trials.flat_map(|trial| trial.finished().map(move |(_, run)| (trial, rule(run))));
        let (first, (metric, higher)) = match rules.next() {
            Some((trial, rule)) => (trial.label.clone(), rule),
            None => (String::new(), ("loss".into(), false)),
        };
        let words = |metric: &str, higher: bool| {
            let what = if metric == "loss" { "loss, averaged over the tasks" } else { metric };
            format!("the {} {what}", if higher { "highest" } else { "lowest" })
        };
        if let Some((other, (its, its_higher))) = rules.find(|(_, other)| *other != (metric.clone(), higher)) {
            let what = format!(
                "the trial {first} is measured by {}, the trial {} by {}: no number chooses between them",
                words(&metric, higher),
                other.label,
                words(&its, its_higher)
            );
            return Err(Mistake::new(format!("arm {}", arm.name), what).remedy(
                "give the sweep one `select`, such as `select: {metric: loss}`, which measures every trial alike",
            ));
        }
        Ok(Self { by: By::Own, higher, words: words(&metric, higher) })
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

    /// The values of the seeds that have one.
    fn values(&self, trial: &Trial) -> Vec<f64> {
        trial.finished().filter_map(|(_, run)| self.value(run)).collect()
    }

    /// Whether there is anything to choose an arm's trial by, or no choice.
    pub fn can_choose(&self, arm: &CollectedArm) -> bool {
        arm.trials.len() == 1
            || arm.trials.iter().any(|trial| !self.values(trial).is_empty())
            || arm.trials.iter().all(|trial| trial.finished().next().is_none())
    }

    /// The trials of an arm, best first: those with values at more seeds, and among these by the mean.
    pub fn order(&self, arm: &CollectedArm) -> Vec<usize> {
        let key = |trial: &Trial| {
            let values = self.values(trial);
            (usize::MAX - values.len(), usize::MAX - trial.finished().count(), self.cost(&values))
        };
        let mut keys: Vec<(usize, usize, f64)> = arm.trials.iter().map(key).collect();
        // Trials that differ by rounding alone stand in the order of the sweep.
        let mut costs: Vec<f64> = keys.iter().map(|(.., cost)| *cost).collect();
        let size = largest(costs.iter().copied());
        merge_equal(&mut costs, size);
        keys.iter_mut().zip(costs).for_each(|(key, cost)| key.2 = cost);
        let mut order: Vec<usize> = (0..arm.trials.len()).collect();
        order.sort_by(|&a, &b| {
            let seeds = (keys[a].0, keys[a].1).cmp(&(keys[b].0, keys[b].1));
            seeds.then(keys[a].2.total_cmp(&keys[b].2))
        });
        order
    }

    /// The mean, turned so that less is better.
    fn cost(&self, values: &[f64]) -> f64 {
        mean(values).map_or(f64::INFINITY, |mean| if self.higher { -mean } else { mean })
    }

    /// The trials that have a better mean than the chosen one, over fewer seeds, in a sentence.
    pub fn passed_over(&self, arm: &CollectedArm) -> Option<String> {
        let order = self.order(arm);
        let values: Vec<Vec<f64>> = arm.trials.iter().map(|trial| self.values(trial)).collect();
        let chosen = *order.first()?;
        let better = |at: &&usize| {
            let (seeds, cost) = (values[**at].len(), self.cost(&values[**at]));
            seeds > 0 && seeds < values[chosen].len() && cost < self.cost(&values[chosen])
        };
        let told = |at: &usize| format!("{} ({} seeds)", arm.trials[*at].label, values[*at].len());
        let passed: Vec<String> = order.iter().filter(better).map(told).collect();
        (!passed.is_empty()).then(|| {
            format!(
                "{}: {} ({} seeds) was chosen; a better mean on validation over fewer seeds, which does not count: {}.",
                arm.name,
                arm.trials[chosen].label,
                values[chosen].len(),
                passed.join(", ")
            )
        })
    }
}

/// Whether more is better of `METRIC` or `TASK/METRIC`.
fn is_usually_higher(metric: &str) -> bool {
    metric.rsplit('/').next().and_then(MetricKind::from_name).is_some_and(MetricKind::higher_is_better)
}

/// How trials were chosen, in a sentence: one rule for all arms, or each arm's own.
pub fn sentence(rules: &[Rule], arms: &[CollectedArm]) -> String {
    let mut groups: Vec<(&str, Vec<&str>)> = Vec::new();
    for (rule, arm) in rules.iter().zip(arms).filter(|(_, arm)| arm.trials.len() > 1) {
        match groups.iter_mut().find(|(words, _)| *words == rule.words) {
            Some((_, names)) => names.push(&arm.name),
            None => groups.push((&rule.words, vec![&arm.name])),
        }
    }
    let how = "on validation, mean over its seeds; trials with fewer seeds come after those with more";
    match groups.as_slice() {
        [] => "Nothing was tuned: every arm has one trial.".into(),
        [(words, _)] => format!("An arm's trial is the one with {words} {how}."),
        groups => {
            let told: Vec<String> =
                groups.iter().map(|(words, names)| format!("{words} ({})", names.join(", "))).collect();
            format!("An arm's trial is the best by its own rule {how}: {}.", told.join("; "))
        }
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
