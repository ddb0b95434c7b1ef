//! Lowers the learning rate when evaluations stop improving.

use super::{Clock, Observation, Schedule};
use crate::memory::{Handle, Memory};
use anyhow::Result;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which values are better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Better {
    /// Lower ones.
    #[serde(rename = "min")]
    Lower,
    /// Higher ones.
    #[serde(rename = "max")]
    Higher,
}

/// How a threshold is meant.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ThresholdMode {
    /// As a share of the best value.
    #[default]
    #[serde(rename = "rel")]
    Relative,
    /// In the value's own unit.
    #[serde(rename = "abs")]
    Absolute,
}

/// Multiplies the learning rate by `factor` when more than `patience` evaluations in a row brought no improvement,
/// `torch.optim.lr_scheduler.ReduceLROnPlateau`. It reads the selection metric (the mean validation loss where none is
/// selected) after every evaluation. PyTorch's `eps`, which ignores reductions of less than 1e-8, is absent.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Plateau {
    /// What the learning rate is multiplied with, below 1.
    #[serde(with = "crate::settings::BelowOne")]
    pub factor: f64,
    /// How many evaluations without improvement are borne.
    pub patience: u32,
    /// How much better than the best a value must be to count as an improvement.
    #[serde(with = "crate::settings::NonNegative")]
    pub threshold: f64,
    /// Whether the threshold is a share of the best value (rel) or in the value's own unit (abs).
    pub threshold_mode: ThresholdMode,
    /// For how many evaluations after a reduction none counts as bad.
    pub cooldown: u32,
    /// The lowest factor: a share of each base learning rate, where PyTorch's `min_lr` is a learning rate itself.
    #[serde(with = "crate::settings::Unit")]
    pub minimum_factor: f64,
    /// Whether lower (min) or higher (max) values are better. Default: as for the metric that it reads, min for a loss.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<Better>,
}

impl Default for Plateau {
    fn default() -> Self {
        Self {
            factor: 0.1,
            patience: 10,
            threshold: 1e-4,
            threshold_mode: ThresholdMode::default(),
            cooldown: 0,
            minimum_factor: 0.0,
            mode: None,
        }
    }
}

impl Plateau {
    fn improves(&self, value: f64, best: f64, better: Better) -> bool {
        match (better, self.threshold_mode) {
            (Better::Lower, ThresholdMode::Relative) => value < best * (1.0 - self.threshold),
            (Better::Lower, ThresholdMode::Absolute) => value < best - self.threshold,
            (Better::Higher, ThresholdMode::Relative) => value > best * (1.0 + self.threshold),
            (Better::Higher, ThresholdMode::Absolute) => value > best + self.threshold,
        }
    }
}

// The handles: reals [current factor, best value], counts [bad evaluations in a row, evaluations left to cool down].
impl Schedule for Plateau {
    fn factor(&self, _: &Clock, memory: &Memory, handles: &[Handle]) -> f64 {
        memory.real(handles[0])[0]
    }

    fn observes(&self) -> bool {
        true
    }

    fn claim(&self, memory: &mut Memory) -> Result<Vec<Handle>> {
        // NaN: nothing seen yet. What is worst is not known before the first evaluation says which values are better.
        Ok(vec![
            memory.reals("schedule.plateau.factor_and_best", &[1.0, f64::NAN])?,
            memory.counts("schedule.plateau.bad_and_cooldown", &[0, 0])?,
        ])
    }

    fn observe(&self, seen: Observation, _: &Clock, memory: &mut Memory, handles: &[Handle]) {
        let better = self.mode.unwrap_or(seen.better);
        let [mut factor, mut best] = [0, 1].map(|i| memory.real(handles[0])[i]);
        let [mut bad, mut cooldown] = [0, 1].map(|i| memory.count(handles[1])[i]);
        if best.is_nan() {
            best = if better == Better::Lower { f64::INFINITY } else { f64::NEG_INFINITY };
        }
        if self.improves(seen.value, best, better) {
            best = seen.value;
            bad = 0;
        } else {
            bad += 1;
        }
        if cooldown > 0 {
            cooldown -= 1;
            bad = 0;
        }
        if bad > i64::from(self.patience) {
            factor = (factor * self.factor).max(self.minimum_factor);
            cooldown = i64::from(self.cooldown);
            bad = 0;
        }
        memory.real_mut(handles[0]).copy_from_slice(&[factor, best]);
        memory.count_mut(handles[1]).copy_from_slice(&[bad, cooldown]);
    }
}
