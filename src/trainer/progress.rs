//! The place in the run: what the trainer remembers between steps, and so between processes.

use super::settings::{Direction, StopSettings};
use crate::error::Mistake;
use crate::memory::{Handle, Memory};
use crate::models::Parameters;
use crate::run::{self, Run};
use anyhow::Result;
use tch::Tensor;

/// Handles to the trainer's own memory.
pub struct Progress {
    place: Handle,
    seconds: Handle,
    sums: Handle,
    means: Handle,
    best: Handle,
    to_beat: Handle,
    parameters: Handle,
    buffers: Vec<Handle>,
    tasks: usize,
}

/// Positions in `place`.
const STEP: usize = 0;
const EPOCH: usize = 1;
const STEP_IN_EPOCH: usize = 2;
const BEST_STEP: usize = 3;
const STALE: usize = 4;
const BEST_EPOCH: usize = 5;
const EVALUATED: usize = 6;

impl Progress {
    /// Claims the trainer's memory.
    ///
    /// # Errors
    /// A checkpoint holds other shapes.
    pub fn claim(memory: &mut Memory, parameters: &Parameters, tasks: usize) -> Result<Self> {
        Ok(Self {
            place: memory.counts("progress.place", &[0; 7])?,
            seconds: memory.reals("progress.seconds", &[0.0])?,
            sums: memory.reals("progress.sums", &vec![0.0; 2 * tasks])?,
            means: memory.reals("progress.means", &vec![f64::NAN; tasks])?,
            best: memory.reals("progress.best", &[f64::NAN; 2])?,
            to_beat: memory.reals("progress.to_beat", &[f64::NAN])?,
            parameters: memory.tensor("best", parameters.flat.copy())?,
            buffers: parameters
                .buffers
                .iter()
                .map(|(name, buffer)| memory.tensor(&format!("best.{name}"), buffer.copy()))
                .collect::<Result<_>>()?,
            tasks,
        })
    }

    /// Whether a place that was restored can be one of this run, whose epochs have so many steps.
    ///
    /// # Errors
    /// It cannot.
    pub fn check(&self, memory: &Memory, steps_per_epoch: i64, run: &Run) -> Result<()> {
        let place = memory.count(self.place);
        if place.iter().all(|&count| count >= 0) && place[STEP_IN_EPOCH] < steps_per_epoch {
            return Ok(());
        }
        let what = format!("progress.place is {place:?}, no place in epochs of {steps_per_epoch} steps");
        Err(Mistake::new(run::checkpoint(run.folder(), "last").display(), what)
            .remedy("bring back the file that the run wrote, and the settings that it was started with")
            .into())
    }

    /// Updates made so far.
    pub fn step(&self, memory: &Memory) -> i64 {
        memory.count(self.place)[STEP]
    }

    /// The epoch of the next step, from 0.
    pub fn epoch(&self, memory: &Memory) -> i64 {
        memory.count(self.place)[EPOCH]
    }

    /// The place of the next step in its epoch, from 0.
    pub fn step_in_epoch(&self, memory: &Memory) -> i64 {
        memory.count(self.place)[STEP_IN_EPOCH]
    }

    /// Takes in a finished step: its losses count for the means of the epoch.
    pub fn advance(&self, memory: &mut Memory, losses: &[Option<f64>], normalizers: &[f64]) {
        let place = memory.count_mut(self.place);
        place[STEP] += 1;
        place[STEP_IN_EPOCH] += 1;
        let sums = memory.real_mut(self.sums);
        for (task, (loss, normalizer)) in losses.iter().zip(normalizers).enumerate() {
            if let Some(loss) = loss {
                sums[task] += loss * normalizer;
                sums[self.tasks + task] += normalizer;
            }
        }
    }

    /// Ends the epoch: per task the mean loss over its labelled rows of the epoch, each measured before its update.
    pub fn close_epoch(&self, memory: &mut Memory) -> Vec<Option<f64>> {
        let place = memory.count_mut(self.place);
        place[EPOCH] += 1;
        place[STEP_IN_EPOCH] = 0;
        let sums = memory.real_mut(self.sums);
        let (totals, normalizers) = sums.split_at(self.tasks);
        let means: Vec<Option<f64>> =
            totals.iter().zip(normalizers).map(|(total, n)| (*n > 0.0).then(|| total / n)).collect();
        sums.fill(0.0);
        for (kept, mean) in memory.real_mut(self.means).iter_mut().zip(&means) {
            *kept = mean.unwrap_or(f64::NAN);
        }
        means
    }

    /// The mean losses of the last whole epoch, if there was one.
    pub fn means(&self, memory: &Memory) -> Option<Vec<Option<f64>>> {
        let means = memory.real(self.means);
        (self.epoch(memory) > 0).then(|| means.iter().map(|mean| Some(*mean).filter(|mean| !mean.is_nan())).collect())
    }

    /// Seconds trained so far, over all processes.
    pub fn seconds(&self, memory: &Memory) -> f64 {
        memory.real(self.seconds)[0]
    }

    /// Notes the time trained so far.
    pub fn set_seconds(&self, memory: &mut Memory, seconds: f64) {
        memory.real_mut(self.seconds)[0] = seconds;
    }

    /// Takes in a value of the selection metric; keeps the parameters when it is the best so far.
    pub fn judge(
        &self,
        memory: &mut Memory,
        parameters: &Parameters,
        epoch: i64,
        value: f64,
        direction: Direction,
        stop: &StopSettings,
    ) -> bool {
        let best = memory.real(self.best)[0];
        let to_beat = self.to_beat(memory);
        let better = best.is_nan() || beats(value, best, 0.0, direction);
        if better {
            memory.real_mut(self.best)[0] = value;
            self.keep(memory, parameters, epoch);
        }
        // As Keras and Lightning count: small gains add up until they are more than min_delta
        // together.
        let counts = best.is_nan() || beats(value, to_beat, stop.min_delta, direction);
        if counts {
            memory.real_mut(self.to_beat)[0] = value;
        }
        let place = memory.count_mut(self.place);
        place[STALE] = if counts { 0 } else { place[STALE] + 1 };
        place[EVALUATED] = place[STEP];
        memory.real_mut(self.best)[1] = value;
        better
    }

    /// The value that the next must beat by more than `min_delta`. Polytask 0.1 stored none:
    /// without a `min_delta` it is the best.
    fn to_beat(&self, memory: &Memory) -> f64 {
        let to_beat = memory.real(self.to_beat)[0];
        if to_beat.is_nan() { memory.real(self.best)[0] } else { to_beat }
    }

    /// Keeps the parameters as the best.
    pub fn keep(&self, memory: &mut Memory, parameters: &Parameters, epoch: i64) {
        let copy = |memory: &Memory, handle: Handle, from: &Tensor| {
            tch::no_grad(|| memory.get(handle).shallow_clone().copy_(from));
        };
        copy(memory, self.parameters, &parameters.flat);
        for (handle, (_, buffer)) in self.buffers.iter().zip(&parameters.buffers) {
            copy(memory, *handle, buffer);
        }
        let place = memory.count_mut(self.place);
        place[BEST_STEP] = place[STEP];
        place[BEST_EPOCH] = epoch;
    }

    /// Puts the best parameters into the model.
    pub fn recall(&self, memory: &Memory, parameters: &mut Parameters) {
        tch::no_grad(|| {
            parameters.flat.copy_(memory.get(self.parameters));
            for (handle, (_, buffer)) in self.buffers.iter().zip(&parameters.buffers) {
                buffer.shallow_clone().copy_(memory.get(*handle));
            }
        });
    }

    /// The best value of the selection metric so far.
    pub fn best(&self, memory: &Memory) -> Option<f64> {
        Some(memory.real(self.best)[0]).filter(|value| !value.is_nan())
    }

    /// The number of updates that the best parameters have seen.
    pub fn best_step(&self, memory: &Memory) -> i64 {
        memory.count(self.place)[BEST_STEP]
    }

    /// The epoch of the best parameters, from 0.
    pub fn best_epoch(&self, memory: &Memory) -> i64 {
        memory.count(self.place)[BEST_EPOCH]
    }

    /// The number of updates made when validation was measured last.
    pub fn evaluated(&self, memory: &Memory) -> i64 {
        memory.count(self.place)[EVALUATED]
    }

    /// Why training should stop early, if it should.
    pub fn stop(&self, memory: &Memory, stop: &StopSettings, direction: Direction) -> Option<String> {
        let (stale, last) = (memory.count(self.place)[STALE], memory.real(self.best)[1]);
        let reached = |target: f64| if direction == Direction::Min { last <= target } else { last >= target };
        match (stop.target, stop.patience) {
            (Some(target), _) if reached(target) => Some(format!("the target {target} is reached")),
            (_, Some(patience)) if stale >= patience as i64 => {
                Some(format!("no better value in {patience} evaluations"))
            }
            _ => None,
        }
    }
}

/// Whether a value is better than another by more than `margin`.
fn beats(value: f64, other: f64, margin: f64, direction: Direction) -> bool {
    match direction {
        Direction::Min => value + margin < other,
        Direction::Max => value - margin > other,
    }
}

#[cfg(test)]
mod tests;
