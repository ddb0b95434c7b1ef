//! Fonseca and Fleming's two bells.

use super::{Problem, check_start, drawn};
use crate::error::BadSetting;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

/// Fonseca and Fleming's problem: two bells in n dimensions, with a concave front that no weighted mean can reach inside.
///
/// `L1 = 1 - exp(-Σ (x_i - 1/√n)²)`, `L2 = 1 - exp(-Σ (x_i + 1/√n)²)`
///
/// The Pareto set is the segment from `(1/√n, …)` to `(-1/√n, …)`. The hypervolume of the exact front with the reference
/// point (1, 1) is 0.342116, for every n.
///
/// Reference: Fonseca and Fleming, "Multiobjective Genetic Algorithms Made Easy", GALESIA 1995; as used by Lin et al.,
/// "Pareto Multi-Task Learning", NeurIPS 2019 (n = 20, 100 steps of size 1).
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Fonseca {
    /// The number of dimensions n.
    #[serde(with = "crate::settings::AtLeastOne")]
    pub dimension: u64,
    /// Where training starts, n numbers. Default: each drawn evenly from -0.5 to 0.5 by the run's seed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start: Option<Vec<f64>>,
}

impl Default for Fonseca {
    fn default() -> Self {
        Self { dimension: 20, start: None }
    }
}

impl Fonseca {
    fn centre(&self) -> f64 {
        1.0 / (self.dimension as f64).sqrt()
    }
}

impl Problem for Fonseca {
    fn start(&self, seed: u64) -> Vec<f64> {
        self.start.clone().unwrap_or_else(|| drawn(seed, self.dimension, -0.5, 0.5))
    }

    fn check(&self) -> Result<(), BadSetting> {
        match &self.start {
            Some(start) => check_start(start, self.dimension, f64::NEG_INFINITY, f64::INFINITY),
            None => Ok(()),
        }
    }

    fn values(&self, point: &Tensor) -> Vec<Tensor> {
        let bell = |centre: f64| 1.0 - (-(point - centre).square().sum(None::<Kind>)).exp();
        vec![bell(self.centre()), bell(-self.centre())]
    }

    fn script(&self) -> String {
        let centre = self.centre();
        format!(
            "first = 1.0 - torch.exp(-torch.sum((x - {centre:?}) ** 2))
second = 1.0 - torch.exp(-torch.sum((x + {centre:?}) ** 2))
values = [first, second]
"
        )
    }

    fn optimal(&self, shares: &[f64]) -> Vec<f64> {
        vec![self.centre() * (1.0 - 2.0 * shares[0]); self.dimension as usize]
    }

    fn reference(&self) -> Option<Vec<f64>> {
        Some(vec![1.0, 1.0])
    }
}
