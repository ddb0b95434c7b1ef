//! The mean of the losses.

use crate::methods::{Balancing, Heads, LossMethod, Reads, State, Step};
use anyhow::Result;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The mean of the losses: every present task weighs one over their number.
///
/// ```text
/// objective = Σ_t L_t / K
/// ```
///
/// `L [K]` are the losses of the K tasks that are present in the step.
///
/// Reads: losses.
///
/// Cost: one backward pass.
///
/// Absent tasks: the fewer are present the more each of them weighs; the weights sum to 1 in every step.
///
/// Deviations: none; the paper's unitary scalarization is the sum, which is this up to the learning rate.
///
/// Reference: Kurin et al., "In Defense of the Unitary Scalarization for Deep Multi-Task Learning", NeurIPS 2022 (arXiv
/// 2201.04122).
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Mean {}

impl Balancing for Mean {
    fn reads(&self) -> Reads<'_> {
        Reads::Losses(self)
    }
    fn heads(&self) -> Heads {
        Heads::Weighted
    }
}

impl LossMethod for Mean {
    fn weights(&self, step: &Step, _: &mut State) -> Result<Vec<f64>> {
        Ok(vec![1.0 / step.count() as f64; step.count()])
    }
}
