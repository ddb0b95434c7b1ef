//! A row of the table: an arm at its chosen trial, over the seeds.

use super::collect::{CollectedArm, Collection};
use super::measures::{Baseline, Measure, delta_m, delta_p};
use super::runs::{Entry, RunSummary, Trial};
use super::select::{Rule, found_best};
use super::{LEVEL, Score};
use crate::statistics::{Interval, center, mean, mean_interval, standard_error};
use serde::{Serialize, Serializer};

/// A number over seeds.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Estimate {
    /// Over the seeds that have a value.
    pub mean: Option<f64>,
    /// Of the mean.
    pub standard_error: Option<f64>,
    /// Where the true mean probably lies, 95 %: below ten values Student's, from ten on bootstrap-t.
    pub interval: Option<[f64; 2]>,
    /// By seed; none of a run that failed or has not ended, and where the number is undefined.
    pub values: Vec<Option<f64>>,
}

/// So many resamples make an interval.
pub const RESAMPLES: usize = 2000;

impl Estimate {
    /// Of one value per seed.
    pub fn of(values: Vec<Option<f64>>) -> Self {
        let present: Vec<f64> = values.iter().copied().flatten().collect();
        let interval = mean_interval(&present, LEVEL, RESAMPLES, 0);
        Self {
            mean: mean(&present),
            standard_error: standard_error(&present),
            interval: interval.map(|Interval { low, high }| [low, high]),
            values,
        }
    }

    /// How many seeds have a value.
    pub fn count(&self) -> usize {
        self.values.iter().flatten().count()
    }
}

/// What there is of a row at a seed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// A run that finished.
    Finished,
    /// None that finished; one that failed.
    Failed,
    /// No run that has ended.
    Absent,
}

/// How many trials a row's arm had.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Budget {
    /// As many as every arm has at least; the best of them.
    #[default]
    Equal,
    /// More; the best of all of them.
    Whole,
    /// More, set right: what the best of as many as the others have, drawn at random, comes to in expectation.
    Expected,
}

/// What a row's runs cost: means over the seeds.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Cost {
    /// Wall time of training, in seconds.
    pub seconds: Option<f64>,
    /// Wall time of the method's own mathematics, in seconds.
    pub method_seconds: Option<f64>,
    /// Of a worker while the run trained, in MiB.
    pub peak_memory_mib: Option<f64>,
    /// How much better the score is than the reference's, per training time of the reference.
    pub gain_per_time: Option<f64>,
}

/// An arm at its chosen trial.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Row {
    /// In tables: the arm's, and what sets it apart from another row of the arm.
    pub name: String,
    /// The arm's.
    pub arm: String,
    /// Whether it is the control arm of constant weights.
    pub control: bool,
    /// Whether its runs read other rows than those of other arms.
    pub other_rows: bool,
    /// Whether its runs were trained with other settings than its name or each other's say.
    pub other_settings: bool,
    /// How many trials it was chosen from, against the others.
    pub budget: Budget,
    /// Trials of the arm.
    pub trials: usize,
    /// The chosen one; of an expectation, the most probable.
    pub trial: String,
    /// Its place among the arm's trials.
    #[serde(skip)]
    pub chosen: usize,
    /// Seeds that finished, of the chosen trial.
    pub finished: usize,
    /// Seeds that failed, of the chosen trial.
    pub failed: usize,
    /// Runs of the arm that failed, over all trials.
    pub failed_of_arm: usize,
    /// Per measure.
    pub values: Vec<Estimate>,
    /// By seed, what there is of it.
    #[serde(skip)]
    pub presence: Vec<Presence>,
    /// By seed, the mean over the measures of a run that has all of them.
    #[serde(skip)]
    pub average: Estimate,
    /// What rows are compared by.
    pub score: Estimate,
    /// By seed, over the measures and among the arms at equal budget.
    #[serde(skip)]
    pub ranks: Vec<Option<f64>>,
    /// Their mean; none of a row outside of the equal budget.
    pub mean_rank: Option<f64>,
    /// Against the baseline, in percent; lower is better.
    pub delta_m: Estimate,
    /// Against the baseline, in percent; higher is better.
    pub delta_p: Estimate,
    /// Share of the pairs of tasks whose gradients conflict, where they were looked at.
    pub conflicting_pairs: Option<f64>,
    /// Numbers that the model learns or holds.
    #[serde(serialize_with = "count")]
    pub parameters: Option<f64>,
    /// Updates made.
    #[serde(serialize_with = "count")]
    pub steps: Option<f64>,
    /// Training rows read by them, repetitions counted.
    #[serde(serialize_with = "count")]
    pub rows_read: Option<f64>,
    /// Backward passes made.
    #[serde(serialize_with = "count")]
    pub backward_passes: Option<f64>,
    /// How much better the score is than the reference's, per backward passes of the reference.
    pub gain_per_pass: Option<f64>,
    /// In times and memory, which no two readings share.
    pub cost: Cost,
}

/// A mean of counts, which is a count itself where all are equal: `724`, not `724.0`.
fn count<S: Serializer>(mean: &Option<f64>, serializer: S) -> Result<S::Ok, S::Error> {
    const EXACT: f64 = 9_007_199_254_740_992.0; // 2^53
    match mean {
        Some(mean) if mean.fract() == 0.0 && (0.0..EXACT).contains(mean) => serializer.serialize_u64(*mean as u64),
        _ => mean.serialize(serializer),
    }
}

impl Row {
    /// The rows of an arm: one; two where it had more trials than others, the second at equal budget.
    pub fn of_arm(
        arm: &CollectedArm,
        rule: &Rule,
        budget: usize,
        collection: &Collection,
        measures: &[Measure],
        split: &str,
        baseline: Option<&Baseline>,
    ) -> Vec<Self> {
        let order = rule.order(arm);
        let source = Source { arm, order: &order, collection, measures, split, baseline };
        let best: Vec<f64> = (0..order.len()).map(|rank| f64::from(u8::from(rank == 0))).collect();
        if order.len() == budget {
            return vec![source.row(arm.name.clone(), Budget::Equal, &best)];
        }
        vec![
            source.row(format!("{}, all {} trials", arm.name, order.len()), Budget::Whole, &best),
            source.row(arm.name.clone(), Budget::Expected, &found_best(order.len(), budget)),
        ]
    }

    /// Whether it can be compared with every other row.
    pub fn is_equal_budget(&self) -> bool {
        self.budget != Budget::Whole
    }

    /// At how many seeds there is a run that finished.
    pub fn seeds(&self) -> usize {
        self.presence.iter().filter(|presence| **presence == Presence::Finished).count()
    }
}

/// Δm or Δp of one run's values.
type Relative = fn(&[Measure], &[Option<f64>], &Baseline) -> Option<f64>;

struct Source<'a> {
    arm: &'a CollectedArm,
    /// Trials, best first.
    order: &'a [usize],
    collection: &'a Collection,
    measures: &'a [Measure],
    split: &'a str,
    baseline: Option<&'a Baseline>,
}

impl Source<'_> {
    /// A row in which every trial counts by its probability, best first.
    fn row(&self, name: String, budget: Budget, probabilities: &[f64]) -> Row {
        let Self { arm, order, measures, split, baseline, .. } = *self;
        let chosen = &arm.trials[order[0]];
        let estimate = |of: &dyn Fn(&RunSummary) -> Option<f64>| Estimate::of(self.by_seed(probabilities, of));
        let values = |run: &RunSummary| measures.iter().map(|measure| measure.of(run, split)).collect::<Vec<_>>();
        let relative = |of: Relative| match baseline {
            Some(baseline) => estimate(&|run| of(measures, &values(run), baseline)),
            None => Estimate { values: vec![None; self.collection.seeds.len()], ..Estimate::default() },
        };
        let average = |of: &dyn Fn(&RunSummary) -> Option<f64>| {
            mean(&self.by_seed(probabilities, of).into_iter().flatten().collect::<Vec<_>>())
        };
        let failed = |trial: &Trial| trial.runs.values().filter(|run| matches!(run, Entry::Failed(_))).count();
        Row {
            name,
            arm: arm.name.clone(),
            control: arm.control,
            other_rows: arm.other_rows,
            other_settings: arm.other_settings,
            budget,
            trials: order.len(),
            trial: chosen.label.clone(),
            chosen: order[0],
            finished: chosen.finished().count(),
            failed: failed(chosen),
            failed_of_arm: arm.trials.iter().map(failed).sum(),
            values: measures.iter().map(|measure| estimate(&|run| measure.of(run, split))).collect(),
            presence: self.presence(probabilities),
            average: estimate(&|run| mean(&values(run).into_iter().collect::<Option<Vec<f64>>>()?)),
            score: Estimate::default(),
            ranks: vec![],
            mean_rank: None,
            delta_m: relative(delta_m),
            delta_p: relative(delta_p),
            conflicting_pairs: average(&|run| run.gradients.conflicting_pairs),
            parameters: average(&|run| Some(run.parameters as f64)),
            steps: average(&|run| Some(run.steps as f64)),
            rows_read: average(&|run| run.budget.map(|budget| budget.rows as f64)),
            backward_passes: average(&|run| Some(run.cost.backward_passes as f64)),
            gain_per_pass: None,
            cost: Cost {
                seconds: average(&|run| Some(run.cost.seconds)),
                method_seconds: average(&|run| Some(run.cost.method_seconds)),
                peak_memory_mib: average(&|run| run.cost.peak_memory_mib),
                gain_per_time: None,
            },
        }
    }

    /// What there is at every seed of the trials that count.
    fn presence(&self, probabilities: &[f64]) -> Vec<Presence> {
        let counting: Vec<&Trial> = self
            .order
            .iter()
            .zip(probabilities)
            .filter(|(_, p)| **p > 0.0)
            .map(|(at, _)| &self.arm.trials[*at])
            .collect();
        let at = |seed: &u64| {
            let has = |is: fn(&Entry) -> bool| counting.iter().any(|trial| trial.runs.get(seed).is_some_and(is));
            match () {
                () if !self.has_ended(probabilities, *seed) => Presence::Absent,
                () if has(|run| matches!(run, Entry::Finished(_))) => Presence::Finished,
                () if has(|run| matches!(run, Entry::Failed(_))) => Presence::Failed,
                () => Presence::Absent,
            }
        };
        self.collection.seeds.iter().map(at).collect()
    }

    /// Whether every trial that counts has ended at a seed: an expectation over those that happen to have would be another.
    fn has_ended(&self, probabilities: &[f64], seed: u64) -> bool {
        let counting = self.order.iter().zip(probabilities).filter(|(_, p)| **p > 0.0);
        let mut runs = counting.map(|(at, _)| self.arm.trials[*at].runs.get(&seed));
        runs.all(|run| matches!(run, Some(Entry::Finished(_) | Entry::Failed(_))))
    }

    /// A value per seed: that of the chosen trial, or the expectation over trials, once all have ended; a run that failed or
    /// has no value is left out of it.
    fn by_seed(&self, probabilities: &[f64], of: &dyn Fn(&RunSummary) -> Option<f64>) -> Vec<Option<f64>> {
        let at = |seed: &u64| {
            let counting = self.order.iter().zip(probabilities).filter(|(_, p)| **p > 0.0);
            let value = |(trial, p): (&usize, &f64)| match self.arm.trials[*trial].runs.get(seed) {
                Some(Entry::Finished(run)) => Some((of(run)?, *p)),
                _ => None,
            };
            match counting.filter_map(value).collect::<Vec<(f64, f64)>>().as_slice() {
                _ if !self.has_ended(probabilities, *seed) => None,
                [] => None,
                // The very number that the run wrote.
                [(value, _)] => Some(*value),
                several => {
                    let weight: f64 = several.iter().map(|(_, p)| p).sum();
                    Some(several.iter().map(|(value, p)| value * p).sum::<f64>() / weight)
                }
            }
        };
        self.collection.seeds.iter().map(at).collect()
    }
}

/// How much better than the reference each row is at the seeds of both, per what the reference costs.
pub fn gains(rows: &mut [Row], reference: Option<usize>, score: &Score) {
    let Some(reference) = reference.map(|at| rows[at].clone()) else { return };
    for row in rows.iter_mut() {
        let both = row.score.values.iter().zip(&reference.score.values);
        let differences: Vec<f64> = both.filter_map(|(mine, theirs)| Some((*mine)? - (*theirs)?)).collect();
        let Some(difference) = center(&differences) else { continue };
        let gain = if score.higher_is_better { difference } else { 0.0 - difference };
        let per = |cost: Option<f64>, unit: Option<f64>| Some(gain / (cost? / unit?)).filter(|gain| gain.is_finite());
        row.gain_per_pass = per(row.backward_passes, reference.backward_passes);
        row.cost.gain_per_time = per(row.cost.seconds, reference.cost.seconds);
    }
}
