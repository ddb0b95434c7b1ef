//! The angle between directions as a loss.

use super::{Form, Loss, Target, assert_cell_by_cell, assert_cells_or_positions, host_sum};
use crate::error::BadSetting;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::Tensor;

/// A shorter vector counts as one of this length: it has no direction that could be told.
const SHORTEST: f64 = 1e-8;

/// One minus the cosine of the angle between output and label, for directions such as surface normals.
///
/// With the columns of outputs `x` `[N, C, …positions]` and labels `y` of that shape as vectors:
/// `l_n = 1 - <x_n, y_n> / (|x_n| |y_n|)`, with PyTorch's `cosine_similarity`; the mean is over the labelled
/// positions. The lengths of outputs and labels do not matter; a vector shorter than 1e-8 counts as one of that length.
///
/// A position is one label and weighs what the least of its columns weighs: without all of them there is no direction.
///
/// Deviations: LibMTL's `NormalLoss` divides only the output by its length (its labels have length 1) and takes positions
/// whose label's columns add up to 0 for unlabelled, among them true normals such as (1, -1, 0); here only weights say
/// what is labelled.
///
/// Reference: Liu, Johns, Davison, "End-to-End Multi-Task Learning with Attention", CVPR 2019 (there as the dot product).
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Cosine {}

impl Loss for Cosine {
    fn form(&self, columns: i64) -> Form {
        Form::Real(columns)
    }

    fn check(&self, columns: i64) -> Result<(), BadSetting> {
        if columns > 1 {
            return Ok(());
        }
        Err(BadSetting::new("name", "cosine compares directions, which take 2 channels or more; this task has 1")
            .remedy(
                "write `channels: 3` beside the loss where the target holds normals, or name a target per component",
            ))
    }

    fn has_unit(&self) -> bool {
        false
    }

    fn total(&self, output: &Tensor, target: &Target) -> Tensor {
        assert_cell_by_cell(output, target);
        let loss: Tensor = 1.0 - Tensor::cosine_similarity(output, &target.values, 1, SHORTEST); // [N, …positions]
        match &target.weights {
            None => loss.sum(output.kind()),
            Some(weights) => {
                assert_cells_or_positions(output, weights);
                (loss * of_positions(weights)).sum(output.kind())
            }
        }
    }

    fn normalizer(&self, target: &Target) -> f64 {
        match &target.weights {
            None => target.values.select(1, 0).numel() as f64,
            Some(weights) => host_sum(&of_positions(weights)),
        }
    }
}

/// The least weight of each position's columns: `[N, C, …positions]` to `[N, …positions]`.
fn of_positions(weights: &Tensor) -> Tensor {
    if weights.size()[1] == 1 { weights.select(1, 0) } else { weights.amin(1, false) }
}
