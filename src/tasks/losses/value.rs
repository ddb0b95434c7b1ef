//! The output itself as the loss.

use super::{Form, Loss, Target, assert_cell_by_cell, weighted_sum};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::Tensor;

/// The mean of the output itself, for a model that computes its own objective; there are no labels.
///
/// It goes with `data: {name: none}`, and with a model of `objectives` or a TorchScript module.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Value {}

impl Loss for Value {
    fn form(&self, columns: i64) -> Form {
        Form::Real(columns)
    }

    fn total(&self, output: &Tensor, target: &Target) -> Tensor {
        assert_cell_by_cell(output, target);
        match &target.weights {
            None => output.sum(output.kind()),
            Some(weights) => weighted_sum(output, weights),
        }
    }

    fn reads_labels(&self) -> bool {
        false
    }
}
