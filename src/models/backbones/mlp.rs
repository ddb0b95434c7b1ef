//! Linear layers with activations between.

use super::{Backbone, Chain};
use crate::models::layers::{Activation, Dropout, Layer, linear};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::nn;

/// Linear layers, each followed by an activation and, if asked for, dropout.
///
/// `hidden: [20, 20]` is `Sequential(Linear, ReLU, Linear, ReLU)`, named `0` to `3` as in PyTorch.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Mlp {
    /// The widths of the layers, first to last. `[]` hands the inputs to the heads as they are.
    #[serde(deserialize_with = "widths")]
    pub hidden: Vec<i64>,
    /// What follows each linear layer.
    #[serde(default)]
    pub activation: Activation,
    /// The probability with which an entry is zeroed behind each activation, while training.
    #[serde(default, with = "crate::settings::BelowOne")]
    pub dropout: f64,
}

/// Beyond it a width is a slip of the finger, and the memory would not hold it.
const WIDEST: i64 = 1_000_000;

fn widths<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<i64>, D::Error> {
    let widths = Vec::<i64>::deserialize(deserializer)?;
    match widths.iter().position(|width| !(1..=WIDEST).contains(width)) {
        Some(at) => Err(crate::registry::at(
            &format!("[{at}]"),
            format!("invalid value: {}, expected a whole number from 1 to {WIDEST}", widths[at]),
        )),
        None => Ok(widths),
    }
}

impl Backbone for Mlp {
    fn build(&self, path: &nn::Path, inputs: i64, seed: u64) -> Chain {
        let mut chain = Chain { layers: Vec::new(), widths: Vec::new() };
        let mut width = inputs;
        for &hidden in &self.hidden {
            let at = chain.layers.len();
            let mut stage: Vec<Box<dyn Layer>> =
                vec![Box::new(linear(&(path / at), width, hidden, seed)), Box::new(self.activation)];
            if self.dropout > 0.0 {
                stage.push(Box::new(Dropout { probability: self.dropout, layer: at as u64 + 2 }));
            }
            chain.widths.extend(stage.iter().map(|_| hidden));
            chain.layers.extend(stage);
            width = hidden;
        }
        chain
    }
}
