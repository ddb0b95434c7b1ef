//! Linear layers with activations between.

use super::{Backbone, Chain};
use crate::error::BadSetting;
use crate::models::Builder;
use crate::models::flow::{Add, Block, Flow, Named};
use crate::models::layers::{Activation, Dropout, Flatten, Layer, Normalization};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Linear layers, each followed by a normalization if asked for, an activation and, if asked for, dropout.
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
    /// What stands between each linear layer and its activation.
    #[serde(default)]
    pub normalization: Normalization,
    /// The probability with which an entry is zeroed behind each activation, while training.
    #[serde(default, with = "crate::settings::BelowOne")]
    pub dropout: f64,
    /// Add what goes into a layer to what comes out of its dropout, where both are equally wide. Layer `i` is then a
    /// `Sequential` of its own, called `i`.
    #[serde(default)]
    pub residual: bool,
}

/// Beyond it a width is a slip of the finger, and the memory would not hold it.
const WIDEST: i64 = 1_000_000;

/// Widths of layers, each a whole number above zero.
pub fn widths<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<i64>, D::Error> {
    let widths = Vec::<i64>::deserialize(deserializer)?;
    match widths.iter().position(|width| !(1..=WIDEST).contains(width)) {
        Some(at) => Err(crate::registry::at(
            &format!("[{at}]"),
            format!("invalid value: {}, expected a whole number from 1 to {WIDEST}", widths[at]),
        )),
        None => Ok(widths),
    }
}

/// The width of a layer, a whole number above zero.
pub fn width<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    let width = i64::deserialize(deserializer)?;
    if (1..=WIDEST).contains(&width) {
        return Ok(width);
    }
    let what = format!("invalid value: number `{width}`, expected a whole number from 1 to {WIDEST}");
    Err(serde::de::Error::custom(what))
}

impl Backbone for Mlp {
    fn build(&self, builder: &Builder, input: &[i64]) -> Result<Chain, BadSetting> {
        let mut chain = Chain::default();
        let (mut shape, mut at) = (input.to_vec(), 0);
        for (index, &hidden) in self.hidden.iter().enumerate() {
            chain.stages.push(match self.residual {
                true => {
                    let layers = self.layers(&builder.at(index), 0, &shape, hidden);
                    vec![(index.to_string(), Box::new(residual(layers, &shape, hidden)))]
                }
                false => self.layers(builder, at, &shape, hidden),
            });
            at += chain.stages[index].len();
            shape = vec![hidden];
        }
        Ok(chain)
    }

    fn flattens(&self) -> bool {
        true
    }
}

impl Mlp {
    /// One linear layer and what belongs to it, named from `first` on.
    fn layers(&self, builder: &Builder, first: usize, input: &[i64], hidden: i64) -> Vec<Named> {
        let mut layers: Vec<Box<dyn Layer>> = vec![];
        if input.len() > 1 {
            layers.push(Box::new(Flatten));
        }
        layers.push(Box::new(builder.at(first + layers.len()).linear(input.iter().product(), hidden)));
        layers.extend(self.normalization.layer(&builder.at(first + layers.len()), hidden));
        layers.push(Box::new(self.activation));
        if self.dropout > 0.0 {
            let name = builder.at(first + layers.len()).name();
            layers.push(Box::new(Dropout { probability: self.dropout, name }));
        }
        (first..).map(|at| at.to_string()).zip(layers).collect()
    }
}

/// Layers that change their input, where it is as wide as what comes out.
fn residual(layers: Vec<Named>, input: &[i64], hidden: i64) -> Block {
    let mut flow = Flow::new(input);
    let (mut start, mut value) = (Flow::INPUT, Flow::INPUT);
    for (name, layer) in layers {
        let is_flatten = layer.class() == Flatten.class();
        value = flow.layer(name, layer, value);
        if is_flatten {
            start = value;
        }
    }
    let output = if flow.shape(start) == [hidden] { flow.operation("sum", Add, &[value, start]) } else { value };
    Block { class: "Residual", flow, output }
}
