//! Schedules that are functions of time alone.

use super::{Clock, Schedule, Unit};
use crate::error::BadSetting;
use crate::memory::{Handle, Memory};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::f64::consts::PI;

/// The base learning rate throughout.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Constant {}

impl Schedule for Constant {
    fn factor(&self, _: &Clock, _: &Memory, _: &[Handle]) -> f64 {
        1.0
    }
}

/// Times `gamma` after every `step_size` epochs, `torch.optim.lr_scheduler.StepLR`: `gamma^⌊t / step_size⌋`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StepDecay {
    /// How long the factor stands still, in `unit`.
    #[serde(with = "crate::settings::AtLeastOne")]
    pub step_size: u64,
    /// What it is multiplied with then.
    #[serde(default = "tenth", with = "crate::settings::Positive")]
    pub gamma: f64,
    /// What time is counted in.
    #[serde(default)]
    pub unit: Unit,
}

fn tenth() -> f64 {
    0.1
}

impl Schedule for StepDecay {
    fn factor(&self, clock: &Clock, _: &Memory, _: &[Handle]) -> f64 {
        let drops = self.unit.time(clock) as u64 / self.step_size;
        self.gamma.powf(drops as f64)
    }
}

/// Times `gamma` after every epoch, `torch.optim.lr_scheduler.ExponentialLR`: `gamma^t`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Exponential {
    /// What the factor is multiplied with.
    #[serde(with = "crate::settings::Positive")]
    pub gamma: f64,
    /// What time is counted in.
    #[serde(default)]
    pub unit: Unit,
}

impl Schedule for Exponential {
    fn factor(&self, clock: &Clock, _: &Memory, _: &[Handle]) -> f64 {
        self.gamma.powf(self.unit.time(clock) as f64)
    }
}

/// Half a cosine down, `torch.optim.lr_scheduler.CosineAnnealingLR` (Loshchilov and Hutter, 2017):
/// `minimum_factor + (1 − minimum_factor) · (1 + cos(π t / t_max)) / 2`. Past `t_max` it rises again, as PyTorch's does.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Cosine {
    /// When it reaches the minimum, in `unit`. Default: the end of the run.
    #[serde(with = "crate::settings::optional::AtLeastOne")]
    pub t_max: Option<u64>,
    /// The lowest factor: a share of each base learning rate, where PyTorch's `eta_min` is a learning rate itself.
    #[serde(with = "crate::settings::Unit")]
    pub minimum_factor: f64,
    /// What time is counted in.
    pub unit: Unit,
}

impl Schedule for Cosine {
    fn factor(&self, clock: &Clock, _: &Memory, _: &[Handle]) -> f64 {
        let t_max = self.t_max.map(|t| t as f64).or(self.unit.total(clock).map(|t| t as f64));
        let t_max = t_max.expect("`check` refuses a cosine that has no end").max(1.0);
        let share = (1.0 + (PI * self.unit.time(clock) as f64 / t_max).cos()) / 2.0;
        self.minimum_factor + (1.0 - self.minimum_factor) * share
    }

    fn follows_run(&self) -> bool {
        self.t_max.is_none()
    }

    fn check(&self, total_steps: Option<i64>) -> Result<(), BadSetting> {
        if self.t_max.is_none() && total_steps.is_none() {
            return Err(BadSetting::new("t_max", "is needed where the length of the run is not known beforehand")
                .remedy("set t_max, or limit the run by epochs or steps"));
        }
        Ok(())
    }
}
