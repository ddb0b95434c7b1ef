//! Activations.

use super::Layer;
use crate::libtorch::Script;
use crate::models::Mode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::Tensor;

/// What stands between two linear layers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// max(x, 0)
    #[default]
    Relu,
    /// tanh x
    Tanh,
    /// x Φ(x), exact (not the tanh approximation)
    Gelu,
    /// 1 / (1 + e^-x)
    Sigmoid,
    /// x · sigmoid(x)
    Silu,
    /// x, or e^x - 1 below zero
    Elu,
    /// x, or 0.01 x below zero
    LeakyRelu,
    /// nothing: the trunk stays linear
    Identity,
}

impl Layer for Activation {
    fn forward(&self, x: &Tensor, _mode: Mode) -> Tensor {
        match self {
            Self::Relu => x.relu(),
            Self::Tanh => x.tanh(),
            Self::Gelu => x.gelu("none"),
            Self::Sigmoid => x.sigmoid(),
            Self::Silu => x.silu(),
            Self::Elu => x.elu(),
            Self::LeakyRelu => x.leaky_relu(),
            Self::Identity => x.shallow_clone(),
        }
    }
    fn class(&self) -> &'static str {
        match self {
            Self::Relu => "ReLU",
            Self::Tanh => "Tanh",
            Self::Gelu => "GELU",
            Self::Sigmoid => "Sigmoid",
            Self::Silu => "SiLU",
            Self::Elu => "ELU",
            Self::LeakyRelu => "LeakyReLU",
            Self::Identity => "Identity",
        }
    }
    fn script(&self) -> Script {
        let expression = match self {
            Self::Relu => "torch.relu(input)",
            Self::Tanh => "torch.tanh(input)",
            Self::Gelu => "torch.gelu(input)",
            Self::Sigmoid => "torch.sigmoid(input)",
            Self::Silu => "torch.silu(input)",
            Self::Elu => "torch.elu(input)",
            Self::LeakyRelu => "torch.leaky_relu(input)",
            Self::Identity => "input",
        };
        let module = if *self == Self::Identity { "linear" } else { "activation" };
        Script::activation(&format!("torch.nn.modules.{module}.{}", self.class()), expression)
    }
    fn activation(&self) -> Option<Activation> {
        Some(*self)
    }
}
