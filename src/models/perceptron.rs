//! A model as linear layers with activations between, and linear heads: what can be computed by hand.

use super::Layer;
use super::layers::Activation;
use tch::Tensor;

/// A trunk that every task reads, and one head per task.
#[derive(Debug, Clone, PartialEq)]
pub struct Perceptron {
    /// In order; none where the heads read the inputs.
    pub trunk: Vec<Stage>,
    /// One per task.
    pub heads: Vec<Stage>,
}

/// A linear layer and the activation behind it.
#[derive(Debug, Clone, PartialEq)]
pub struct Stage {
    /// The name of its weight `[outputs, inputs]`.
    pub weight: String,
    /// The name of its bias `[outputs]`.
    pub bias: String,
    /// Numbers that come in, per row.
    pub inputs: usize,
    /// Numbers that come out, per row.
    pub outputs: usize,
    /// What follows.
    pub activation: Activation,
}

impl Stage {
    /// The linear module `name` with its `weight`.
    pub(super) fn new(name: &str, weight: &Tensor, activation: Activation) -> Self {
        let (outputs, inputs) = weight.size2().expect("a weight is [outputs, inputs]");
        Self {
            weight: format!("{name}.weight"),
            bias: format!("{name}.bias"),
            inputs: inputs as usize,
            outputs: outputs as usize,
            activation,
        }
    }
}

impl Perceptron {
    /// A chain of layers, each under its name, as stages.
    ///
    /// # Errors
    /// Why it is none, to follow "the model".
    pub(super) fn trunk(chain: &[(&str, &dyn Layer)]) -> Result<Vec<Stage>, String> {
        let mut stages: Vec<Stage> = vec![];
        let mut open = false; // a linear layer waits for its activation
        for (name, layer) in chain {
            match (layer.linear(), layer.activation()) {
                (Some((weight, _)), _) => {
                    stages.push(Stage::new(name, weight, Activation::Identity));
                    open = true;
                }
                (_, Some(activation)) if open => {
                    stages.last_mut().expect("an open stage").activation = activation;
                    open = false;
                }
                _ => {
                    return Err(format!(
                        "has {} ({name}); linear layers and activations can be computed by hand",
                        layer.class()
                    ));
                }
            }
        }
        Ok(stages)
    }
}
