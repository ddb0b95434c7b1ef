//! Hidden layers of a task's own, then a linear one.

use super::Head;
use super::linear::last;
use crate::error::BadSetting;
use crate::models::Builder;
use crate::models::flow::Named;
use crate::models::layers::{Activation, Layer};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Hidden layers of the task's own, the towers of MMoE and PLE, then a linear one: `TASK_layer` is
/// `Sequential(Linear, ReLU, …, Linear)`; on feature maps the layers are 1×1 convolutions.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MlpHead {
    /// The widths of the hidden layers, first to last.
    #[serde(deserialize_with = "crate::models::backbones::widths")]
    pub hidden: Vec<i64>,
    /// What follows each hidden layer.
    #[serde(default)]
    pub activation: Activation,
}

impl Head for MlpHead {
    fn build(&self, builder: &Builder, input: &[i64], width: i64) -> Result<Vec<Named>, BadSetting> {
        let mut layers: Vec<Box<dyn Layer>> = vec![];
        let mut shape = input.to_vec();
        for &hidden in &self.hidden {
            let layer = last(&builder.at(layers.len()), &shape, hidden);
            shape = layer.shape(&shape);
            layers.push(layer);
            layers.push(Box::new(self.activation));
        }
        layers.push(last(&builder.at(layers.len()), &shape, width));
        Ok((0..).map(|at: usize| at.to_string()).zip(layers).collect())
    }
}
