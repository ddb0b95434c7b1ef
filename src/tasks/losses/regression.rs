//! Losses on real columns.

use super::{Form, Loss, Target, assert_cell_by_cell, weighted_sum};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::{Reduction, Tensor};

/// Mean squared error over all labelled cells, `torch.nn.MSELoss`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Mse {}

/// Mean absolute error over all labelled cells, `torch.nn.L1Loss`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct L1 {}

/// Huber's loss over all labelled cells, `torch.nn.HuberLoss`: `e²/2` where `|e| ≤ delta`, else `delta (|e| - delta/2)`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Huber {
    /// The size of an error from which on its loss grows linearly, in the unit of the labels as trained on.
    #[serde(with = "crate::settings::Positive")]
    pub delta: f64,
}

impl Default for Huber {
    fn default() -> Self {
        Self { delta: 1.0 }
    }
}

impl Loss for Mse {
    fn form(&self, columns: i64) -> Form {
        Form::Real(columns)
    }

    fn total(&self, output: &Tensor, target: &Target) -> Tensor {
        total(output, target, |reduction| output.mse_loss(&target.values, reduction))
    }
}

impl Loss for L1 {
    fn form(&self, columns: i64) -> Form {
        Form::Real(columns)
    }

    fn total(&self, output: &Tensor, target: &Target) -> Tensor {
        total(output, target, |reduction| output.l1_loss(&target.values, reduction))
    }
}

impl Loss for Huber {
    fn form(&self, columns: i64) -> Form {
        Form::Real(columns)
    }

    fn total(&self, output: &Tensor, target: &Target) -> Tensor {
        total(output, target, |reduction| output.huber_loss(&target.values, reduction, self.delta))
    }
}

fn total(output: &Tensor, target: &Target, loss: impl Fn(Reduction) -> Tensor) -> Tensor {
    assert_cell_by_cell(output, target);
    match &target.weights {
        None => loss(Reduction::Sum),
        Some(weights) => weighted_sum(&loss(Reduction::None), weights), // [N, columns, …]
    }
}
