//! Schedules: a factor on every base learning rate.

use crate::error::BadSetting;
use crate::memory::{Handle, Memory};
use crate::registry;
use anyhow::Result;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

mod decay;
mod plateau;
#[cfg(test)]
mod tests;
mod warmup;

pub use decay::{Constant, Cosine, Exponential, StepDecay};
pub use plateau::{Better, Plateau, ThresholdMode};
pub use warmup::LinearWarmup;

/// The place in a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Clock {
    /// Finished updates; 0 at the first one.
    pub step: i64,
    /// Finished epochs; 0 during the first one.
    pub epoch: i64,
    /// Updates per epoch, at least 1.
    pub steps_per_epoch: i64,
    /// Updates of the whole run, where it is known beforehand.
    pub total_steps: Option<i64>,
}

/// What a schedule counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Finished epochs: the factor stands still within one.
    #[default]
    Epoch,
    /// Finished updates.
    Step,
}

impl Unit {
    /// The time that has passed, in this unit.
    fn time(self, clock: &Clock) -> i64 {
        match self {
            Unit::Epoch => clock.epoch,
            Unit::Step => clock.step,
        }
    }

    /// The length of the whole run, in this unit; a begun epoch counts.
    fn total(self, clock: &Clock) -> Option<i64> {
        match self {
            Unit::Epoch => clock.total_steps.map(|total| (total + clock.steps_per_epoch - 1) / clock.steps_per_epoch),
            Unit::Step => clock.total_steps,
        }
    }
}

/// An evaluation's outcome.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Observation {
    /// The selection metric, or the mean validation loss.
    pub value: f64,
    /// Which values of it are better.
    pub better: Better,
}

/// A factor on every base learning rate.
pub trait Schedule {
    /// The factor for the next update.
    fn factor(&self, clock: &Clock, memory: &Memory, handles: &[Handle]) -> f64;

    /// Whether the settings fit each other and the run.
    ///
    /// # Errors
    /// They do not. The path is relative to the schedule's section.
    fn check(&self, total_steps: Option<i64>) -> Result<(), BadSetting> {
        let _ = total_steps;
        Ok(())
    }

    /// Whether it learns from evaluations, so that a run without any would leave it at its start.
    fn observes(&self) -> bool {
        false
    }

    /// Whether its factors depend on how many updates the run is to make, so that a run whose limit changes learns at other
    /// rates from there on.
    fn follows_run(&self) -> bool {
        false
    }

    /// Claims what it remembers; the other functions get these handles.
    ///
    /// # Errors
    /// What was restored has another shape.
    fn claim(&self, memory: &mut Memory) -> Result<Vec<Handle>> {
        let _ = memory;
        Ok(Vec::new())
    }

    /// Takes in an evaluation made at `clock`.
    fn observe(&self, seen: Observation, clock: &Clock, memory: &mut Memory, handles: &[Handle]) {
        let _ = (seen, clock, memory, handles);
    }
}

registry! {
    /// How the learning rate changes over a run.
    pub ScheduleKind as dyn Schedule {
        "constant" => Constant,
        "step" => StepDecay,
        "exponential" => Exponential,
        "cosine" => Cosine,
        "linear_warmup" => LinearWarmup,
        "plateau" => Plateau,
    }
}

impl Default for ScheduleKind {
    fn default() -> Self {
        Self::Constant(Constant {})
    }
}

/// A schedule together with its place in [`Memory`].
#[derive(Debug)]
pub struct Scheduler {
    schedule: ScheduleKind,
    handles: Vec<Handle>,
}

impl Scheduler {
    /// Claims what the schedule remembers.
    ///
    /// # Errors
    /// What was restored has another shape.
    pub fn claim(schedule: ScheduleKind, memory: &mut Memory) -> Result<Self> {
        let handles = schedule.claim(memory)?;
        Ok(Self { schedule, handles })
    }

    /// The factor for the next update.
    pub fn factor(&self, clock: &Clock, memory: &Memory) -> f64 {
        self.schedule.factor(clock, memory, &self.handles)
    }

    /// Takes in an evaluation made at `clock`.
    pub fn observe(&self, seen: Observation, clock: &Clock, memory: &mut Memory) {
        self.schedule.observe(seen, clock, memory, &self.handles);
    }
}
