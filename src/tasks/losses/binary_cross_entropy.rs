//! Binary cross-entropy on logits, column by column.

use super::{Form, Loss, Target, assert_cell_by_cell, non_negative_list, per_column, weighted_sum};
use crate::error::BadSetting;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::{Reduction, Tensor};

/// Binary cross-entropy between labels of 0 or 1 and the outputs' sigmoid, `torch.nn.BCEWithLogitsLoss`.
///
/// `l = -[p y log σ(x) + (1-y) log(1-σ(x))]` per cell, `p` being the column's `positive_weight`; the mean is over all
/// labelled cells.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct BinaryCrossEntropy {
    /// One factor per label column on the loss of its positive cells, 0 or above, as `pos_weight` in PyTorch. It does
    /// not enter the mean's denominator. Default: all 1.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "non_negative_list")]
    pub positive_weight: Option<Vec<f64>>,
}

impl Loss for BinaryCrossEntropy {
    fn form(&self, columns: i64) -> Form {
        Form::Binary(columns)
    }

    fn check(&self, columns: i64) -> Result<(), BadSetting> {
        match &self.positive_weight {
            Some(weights) if weights.len() as i64 != columns => {
                let what = format!("has {} numbers for {columns} label columns", weights.len());
                Err(BadSetting::new("positive_weight", what).remedy("give one number per label column"))
            }
            _ => Ok(()),
        }
    }

    fn total(&self, output: &Tensor, target: &Target) -> Tensor {
        assert_cell_by_cell(output, target);
        let positive_weight = self.positive_weight.as_ref().map(|weights| per_column(weights, output)); // [columns, 1, …]
        let loss = |reduction| {
            output.binary_cross_entropy_with_logits(&target.values, None, positive_weight.as_ref(), reduction)
        };
        match &target.weights {
            None => loss(Reduction::Sum),
            Some(weights) => weighted_sum(&loss(Reduction::None), weights), // [N, columns, …]
        }
    }
}
