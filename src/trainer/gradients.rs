//! What the tasks' gradients were like, step by step and over the run. Looking never changes training.

use crate::balance::Update;
use crate::memory::{Handle, Memory};
use crate::methods::{Evaluation, Matrix, Shared};
use crate::record::{GradientRecord, UpdateRecord};
use anyhow::Result;
use tch::{Kind, Tensor};

/// What was seen so far, in memory: means over the recorded steps of the run, and of the epoch.
pub struct Gradients {
    tasks: usize,
    /// Per task `[T]`: sum of norms, number of them.
    norms: Handle,
    /// Per pair `[T * T]`: sum of cosines, number of them; over the run.
    cosines: Handle,
    /// The same over the epoch.
    epoch: Handle,
    /// Sum and number of: shares of conflicting pairs, norms of the update, its cosines to the mean.
    totals: Handle,
    /// Steps without a common descent direction, backward passes.
    counts: Handle,
    /// Seconds that the method took.
    seconds: Handle,
}

/// What the gradients of a run were like: means over its recorded steps.
#[derive(Debug, Clone)]
pub struct GradientSummary {
    /// Per task `[T]`.
    pub norms: Vec<Option<f64>>,
    /// Per pair `[T][T]`.
    pub cosines: Vec<Vec<Option<f64>>>,
    /// The share of pairs whose cosine is negative.
    pub conflicting_pairs: Option<f64>,
    /// Norm of the direction of the shared parameters.
    pub update_norm: Option<f64>,
    /// Its cosine to the mean of the tasks' gradients.
    pub update_cosine: Option<f64>,
    /// Steps at which the method found no common descent direction, of all.
    pub stationary_steps: i64,
    /// Backward passes of training ([`Evaluation::backward_passes`]), of all steps and all batches
    /// that they read; those that only records took are left out.
    pub backward_passes: i64,
    /// Seconds that the method itself took, forward and backward passes left out.
    pub method_seconds: f64,
}

/// How a step's gradients are looked at.
pub struct Look<'s> {
    /// Also at each task's.
    pub tasks: bool,
    /// The tasks' gradients are by the representation.
    pub by_representation: bool,
    /// The part of a flat gradient that is the shared parameters'.
    pub shared: &'s dyn Fn(&Tensor) -> Tensor,
}

impl Look<'_> {
    /// The mean of the `count` present tasks' gradients by the shared parameters.
    fn mean(&self, evaluation: &mut dyn Evaluation, count: usize) -> Tensor {
        let weights = vec![1.0 / count as f64; count];
        if self.by_representation {
            (self.shared)(&evaluation.pull_back(Shared::Weights(&weights), &weights))
        } else {
            evaluation.combine(&weights)
        }
    }
}

impl Gradients {
    /// Claims the memory of the means.
    ///
    /// # Errors
    /// A checkpoint holds other shapes.
    pub fn claim(memory: &mut Memory, tasks: usize) -> Result<Self> {
        Ok(Self {
            tasks,
            norms: memory.reals("gradients.norms", &vec![0.0; 2 * tasks])?,
            cosines: memory.reals("gradients.cosines", &vec![0.0; 2 * tasks * tasks])?,
            epoch: memory.reals("gradients.epoch", &vec![0.0; 2 * tasks * tasks])?,
            totals: memory.reals("gradients.totals", &[0.0; 6])?,
            counts: memory.counts("gradients.counts", &[0, 0])?,
            seconds: memory.reals("gradients.seconds", &[0.0])?,
        })
    }

    /// Counts what a step cost and whether it stood still.
    pub fn count(&self, memory: &mut Memory, update: &Update, backward_passes: u64) {
        let counts = memory.count_mut(self.counts);
        counts[0] += i64::from(update.stationary);
        counts[1] += backward_passes as i64;
        memory.real_mut(self.seconds)[0] += update.seconds;
    }

    /// Looks at a step that is recorded, after its update was made.
    pub fn look(
        &self,
        memory: &mut Memory,
        evaluation: &mut dyn Evaluation,
        update: &Update,
        look: Look,
    ) -> UpdateRecord {
        let backward_passes = evaluation.backward_passes();
        let present: Vec<usize> = (0..self.tasks).filter(|&task| evaluation.losses()[task].is_some()).collect();
        let gradients = look.tasks.then(|| described(&evaluation.gramian(), &present, self.tasks));
        let direction = (look.shared)(&update.gradient);
        let norm = norm(&direction);
        let cosine_to_mean = match uniform(&update.weights) && update.direction.is_none() {
            true => (norm > 0.0).then_some(1.0),
            false => cosine(&direction, &look.mean(evaluation, present.len())),
        };
        let record =
            UpdateRecord { norm, cosine_to_mean, backward_passes, milliseconds: update.seconds * 1e3, gradients };
        self.add(memory, &record);
        record
    }

    fn add(&self, memory: &mut Memory, record: &UpdateRecord) {
        let totals = memory.real_mut(self.totals);
        let conflicting = record.gradients.as_ref().and_then(|gradients| gradients.conflicting_pairs);
        for (at, value) in [conflicting, Some(record.norm), record.cosine_to_mean].into_iter().enumerate() {
            if let Some(value) = value {
                totals[2 * at] += value;
                totals[2 * at + 1] += 1.0;
            }
        }
        let Some(gradients) = &record.gradients else { return };
        add_all(memory.real_mut(self.norms), gradients.norms.iter());
        for handle in [self.cosines, self.epoch] {
            add_all(memory.real_mut(handle), gradients.cosines.iter().flatten());
        }
    }

    /// The epoch's mean cosines `[T][T]`, if any were looked at; starts the next epoch's.
    pub fn close_epoch(&self, memory: &mut Memory) -> Option<Vec<Vec<Option<f64>>>> {
        let sums = memory.real_mut(self.epoch);
        let means = means(sums);
        sums.fill(0.0);
        let looked = self.tasks > 1 && means.iter().any(Option::is_some);
        looked.then(|| means.chunks(self.tasks).map(<[_]>::to_vec).collect())
    }

    /// What the run's gradients were like.
    pub fn summary(&self, memory: &Memory) -> GradientSummary {
        let totals = means_of_pairs(memory.real(self.totals));
        let counts = memory.count(self.counts);
        GradientSummary {
            norms: means(memory.real(self.norms)),
            cosines: means(memory.real(self.cosines)).chunks(self.tasks).map(<[_]>::to_vec).collect(),
            conflicting_pairs: totals[0],
            update_norm: totals[1],
            update_cosine: totals[2],
            stationary_steps: counts[0],
            backward_passes: counts[1],
            method_seconds: memory.real(self.seconds)[0],
        }
    }
}

/// Adds values to sums in the first half, and counts them in the second.
fn add_all<'v>(sums: &mut [f64], values: impl Iterator<Item = &'v Option<f64>>) {
    let half = sums.len() / 2;
    for (at, value) in values.enumerate() {
        if let Some(value) = value {
            sums[at] += value;
            sums[half + at] += 1.0;
        }
    }
}

/// Means of sums in the first half by counts in the second.
fn means(sums: &[f64]) -> Vec<Option<f64>> {
    let (sums, counts) = sums.split_at(sums.len() / 2);
    sums.iter().zip(counts).map(|(sum, count)| (*count > 0.0).then(|| sum / count)).collect()
}

/// Means of sums, each followed by its count.
fn means_of_pairs(sums: &[f64]) -> Vec<Option<f64>> {
    sums.chunks(2).map(|pair| (pair[1] > 0.0).then(|| pair[0] / pair[1])).collect()
}

/// A cosine up to this size is zero to rounding, in single precision, and no conflict: rows that share no active unit are at right angles.
const ZERO: f64 = 1e-7;

/// Norms and cosines of the present tasks' gradients.
fn described(gramian: &Matrix, present: &[usize], tasks: usize) -> GradientRecord {
    let mut norms = vec![None; tasks];
    let mut cosines = vec![vec![None; tasks]; tasks];
    let (mut conflicting, mut pairs) = (0, 0);
    for (i, &task) in present.iter().enumerate() {
        let norm = |at: usize| gramian[(at, at)].max(0.0).sqrt();
        norms[task] = Some(norm(i));
        for (j, &other) in present.iter().enumerate() {
            let length = norm(i) * norm(j);
            let cosine = (length > 0.0).then(|| if i == j { 1.0 } else { (gramian[(i, j)] / length).clamp(-1.0, 1.0) });
            cosines[task][other] = cosine;
            if i < j {
                pairs += 1;
                conflicting += usize::from(cosine.is_some_and(|cosine| cosine < -ZERO));
            }
        }
    }
    let conflicting_pairs = (pairs > 0).then(|| conflicting as f64 / f64::from(pairs));
    GradientRecord { norms, cosines, conflicting_pairs }
}

/// Whether the weights that are there are all the same, and not zero.
fn uniform(weights: &[Option<f64>]) -> bool {
    let mut there = weights.iter().flatten();
    there.next().is_some_and(|first| *first > 0.0 && there.all(|weight| weight == first))
}

fn norm(of: &Tensor) -> f64 {
    of.to_kind(Kind::Double).norm().double_value(&[])
}

/// The cosine of two directions; `None` where one is zero.
fn cosine(a: &Tensor, b: &Tensor) -> Option<f64> {
    let (a, b) = (a.to_kind(Kind::Double), b.to_kind(Kind::Double));
    let unit = |of: &Tensor| {
        let norm = of.norm().double_value(&[]);
        (norm > 0.0).then(|| of / norm)
    };
    Some(unit(&a)?.dot(&unit(&b)?).double_value(&[]).clamp(-1.0, 1.0))
}
