//! The document's own formula.

use crate::methods::{Balancing, Heads, LossMethod, Reads, State, Step};
use anyhow::Result;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The sum of the losses: every present task weighs 1.
///
/// ```text
/// objective = Σ_t L_t
/// ```
///
/// `L [T]` are the losses. With regularisation and enough tuning this keeps up with the methods made to replace it (see the
/// reference).
///
/// Reads: losses.
///
/// Cost: one backward pass.
///
/// Absent tasks: left out of the sum; the others still weigh 1.
///
/// Deviations: none.
///
/// Reference: Kurin et al., "In Defense of the Unitary Scalarization for Deep Multi-Task Learning", NeurIPS 2022 (arXiv
/// 2201.04122).
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Sum {}

impl Balancing for Sum {
    fn reads(&self) -> Reads<'_> {
        Reads::Losses(self)
    }
    fn heads(&self) -> Heads {
        Heads::Weighted
    }
}

impl LossMethod for Sum {
    fn weights(&self, step: &Step, _: &mut State) -> Result<Vec<f64>> {
        Ok(vec![1.0; step.count()])
    }
}
