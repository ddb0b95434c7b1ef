//! The document's own formula.

use super::LossMethod;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The sum of the losses, `L = Σ_t L_t`: every present task weighs 1.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Sum {}

impl LossMethod for Sum {
    fn weights(&self, losses: &[Option<f64>]) -> Vec<Option<f64>> {
        losses.iter().map(|loss| loss.map(|_| 1.0)).collect()
    }
}
