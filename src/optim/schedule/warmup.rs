//! A linear rise at the start of a run, then another schedule.

use super::{Clock, Observation, Schedule, ScheduleKind};
use crate::error::BadSetting;
use crate::memory::{Handle, Memory};
use anyhow::Result;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Rises in a straight line from `start_factor` to 1, then follows another schedule: `torch.optim.lr_scheduler.LinearLR`,
/// joined as by `SequentialLR`. Give `steps` or `epochs`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LinearWarmup {
    /// How long it rises, in updates; every update counts.
    #[serde(with = "crate::settings::optional::AtLeastOne", skip_serializing_if = "Option::is_none")]
    pub steps: Option<u64>,
    /// How long it rises, in epochs; the factor stands still within one, as PyTorch's does.
    #[serde(with = "crate::settings::optional::AtLeastOne", skip_serializing_if = "Option::is_none")]
    pub epochs: Option<u64>,
    /// Where it starts, from 0 to 1.
    #[serde(with = "crate::settings::Unit")]
    pub start_factor: f64,
    /// What comes after; its time begins when the rise ends.
    pub then: Box<ScheduleKind>,
}

impl Default for LinearWarmup {
    fn default() -> Self {
        Self { steps: None, epochs: None, start_factor: 1.0 / 3.0, then: Box::default() }
    }
}

impl LinearWarmup {
    /// Time passed and duration, in the unit of the duration.
    fn progress(&self, clock: &Clock) -> (i64, i64) {
        match (self.steps, self.epochs) {
            (Some(steps), _) => (clock.step, steps as i64),
            (None, epochs) => (clock.epoch, epochs.unwrap_or(0) as i64),
        }
    }

    /// The clock of what comes after; `None` while the rise lasts.
    fn after(&self, clock: &Clock) -> Option<Clock> {
        let (time, duration) = self.progress(clock);
        if time < duration {
            return None;
        }
        let (steps, epoch) = match self.steps {
            Some(steps) => (steps as i64, (clock.step - steps as i64) / clock.steps_per_epoch),
            None => (duration * clock.steps_per_epoch, clock.epoch - duration),
        };
        let total_steps = clock.total_steps.map(|total| total - steps);
        Some(Clock { step: clock.step - steps, epoch, total_steps, ..*clock })
    }
}

impl Schedule for LinearWarmup {
    fn factor(&self, clock: &Clock, memory: &Memory, handles: &[Handle]) -> f64 {
        match self.after(clock) {
            Some(clock) => self.then.factor(&clock, memory, handles),
            None => {
                let (time, duration) = self.progress(clock);
                self.start_factor + (1.0 - self.start_factor) * time as f64 / duration as f64
            }
        }
    }

    fn check(&self, total_steps: Option<i64>) -> Result<(), BadSetting> {
        match (self.steps, self.epochs) {
            (Some(steps), Some(epochs)) => {
                let what = format!("cannot rise for both {steps} steps and {epochs} epochs");
                return Err(BadSetting::new("epochs", what).remedy("give steps or epochs"));
            }
            (None, None) => {
                return Err(BadSetting::new("steps", "is needed, or epochs").remedy("say how long the rise lasts"));
            }
            _ => {}
        }
        self.then.check(total_steps).map_err(|error| BadSetting { path: format!("then.{}", error.path), ..error })
    }

    fn observes(&self) -> bool {
        self.then.observes()
    }

    fn follows_run(&self) -> bool {
        self.then.follows_run()
    }

    fn claim(&self, memory: &mut Memory) -> Result<Vec<Handle>> {
        self.then.claim(memory)
    }

    /// What is seen during the rise is not passed on.
    fn observe(&self, seen: Observation, clock: &Clock, memory: &mut Memory, handles: &[Handle]) {
        if let Some(clock) = self.after(clock) {
            self.then.observe(seen, &clock, memory, handles);
        }
    }
}
