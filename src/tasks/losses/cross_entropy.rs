//! Cross-entropy over classes.

use super::{Form, Loss, NO_CLASS, Target, exact, host_sum, non_negative_list, weighted_sum};
use crate::error::BadSetting;
use schemars::JsonSchema;
use serde::de::{Deserializer, Error};
use serde::{Deserialize, Serialize};
use tch::{Kind, Reduction, Tensor};

/// Cross-entropy between one of several classes and the outputs' softmax, `torch.nn.CrossEntropyLoss`.
///
/// With logits `x` `[N, C]`, classes `y` `[N]`, row weights `r`, class weights `w` and smoothing `ε`:
/// `total = Σ_n r_n [(1-ε) w_{y_n} (-log p_n[y_n]) + ε/C Σ_c w_c (-log p_n[c])]`, `normalizer = Σ_n r_n w_{y_n}`. Of dense
/// logits `[N, C, …positions]` and classes `[N, …positions]`, `n` runs over the labelled positions.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CrossEntropy {
    /// The number of classes, and so the width of the head; at least 2. Labels are 0 to classes - 1.
    #[serde(deserialize_with = "at_least_two")]
    pub classes: i64,
    /// One weight per class, 0 or above, as `weight` in PyTorch: the mean is Σ w_y l / Σ w_y. Default: all 1.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "non_negative_list")]
    pub class_weights: Option<Vec<f64>>,
    /// The share of the target that is spread evenly over all classes, from 0 to 1.
    #[serde(default, with = "crate::settings::Unit")]
    pub label_smoothing: f64,
}

impl Loss for CrossEntropy {
    fn form(&self, _columns: i64) -> Form {
        Form::Classes(self.classes)
    }

    fn check(&self, columns: i64) -> Result<(), BadSetting> {
        if columns != 1 {
            let what = format!("cross_entropy reads one label column, this task has {columns}");
            return Err(BadSetting::new("name", what).remedy("make one task per column, or use binary_cross_entropy"));
        }
        let Some(weights) = &self.class_weights else { return Ok(()) };
        if weights.len() as i64 != self.classes {
            let what = format!("has {} weights for {} classes", weights.len(), self.classes);
            return Err(BadSetting::new("class_weights", what).remedy("give one weight per class"));
        }
        if weights.iter().all(|weight| *weight == 0.0) {
            return Err(
                BadSetting::new("class_weights", "are all 0").remedy("give at least one class a weight above 0")
            );
        }
        Ok(())
    }

    fn total(&self, output: &Tensor, target: &Target) -> Tensor {
        assert_eq!(output.size()[1], self.classes, "outputs and classes differ in number");
        let class_weights = self.class_weights.as_ref().map(|weights| Tensor::from_slice(weights)); // [C]
        let class_weights = class_weights.map(|weights| weights.to_kind(output.kind()).to_device(output.device()));
        let classes = target.values.to_kind(Kind::Int64); // [N, …positions]
        let loss = |reduction| {
            output.cross_entropy_loss(&classes, class_weights.as_ref(), reduction, NO_CLASS, self.label_smoothing)
        };
        match &target.weights {
            None => loss(Reduction::Sum),
            Some(weights) => weighted_sum(&loss(Reduction::None), weights), // [N, …positions]
        }
    }

    fn normalizer(&self, target: &Target) -> f64 {
        let labelled = target.labelled_positions();
        let Some(class_weights) = &self.class_weights else {
            return match (&target.weights, labelled) {
                (None, None) => target.values.numel() as f64,
                (None, Some(labelled)) => host_sum(&labelled),
                (Some(weights), None) => host_sum(weights),
                (Some(weights), Some(labelled)) => host_sum(&(weights * labelled)),
            };
        };
        // What has no label weighs 0, so its class number only has to be a valid index.
        let class = target.values.clamp_min(0).to_kind(Kind::Int64); // [N, …positions]
        let table = Tensor::from_slice(class_weights).to_kind(exact(class.device())).to_device(class.device()); // [C]
        let of_row = table.index_select(0, &class.view(-1)).view_as(&class); // [N, …positions]
        let of_row = labelled.map_or_else(|| of_row.shallow_clone(), |labelled| &of_row * labelled);
        match &target.weights {
            None => host_sum(&of_row),
            Some(weights) => host_sum(&(of_row * weights)),
        }
    }
}

fn at_least_two<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    match i64::deserialize(deserializer)? {
        classes if (2..=1_000_000).contains(&classes) => Ok(classes),
        classes => {
            Err(D::Error::custom(format!("invalid value: {classes}, expected a whole number from 2 to 1000000")))
        }
    }
}
