//! The mean of the losses.

use super::LossMethod;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The mean of the losses, `L = Σ_t L_t / T`, over the tasks present in the step.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Mean {}

impl LossMethod for Mean {
    fn weights(&self, losses: &[Option<f64>]) -> Vec<Option<f64>> {
        let present = losses.iter().flatten().count() as f64;
        losses.iter().map(|loss| loss.map(|_| 1.0 / present)).collect()
    }
}
