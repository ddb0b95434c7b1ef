//! Backbones: inputs to features.

mod mlp;

pub use mlp::Mlp;

use super::Layer;
use crate::registry;
use tch::nn;

/// A chain of layers, as `torch.nn.Sequential` holds them: the position is the name.
pub struct Chain {
    /// In order.
    pub layers: Vec<Box<dyn Layer>>,
    /// The width of what comes out after each layer.
    pub widths: Vec<i64>,
}

impl Chain {
    /// The width of what comes out: `inputs` where there is no layer.
    pub fn width(&self, inputs: i64) -> i64 {
        self.widths.last().copied().unwrap_or(inputs)
    }
}

/// Turns inputs into features.
pub trait Backbone {
    /// Builds it under `path` for `inputs` features; parameters are drawn from `seed`.
    fn build(&self, path: &nn::Path, inputs: i64, seed: u64) -> Chain;
}

registry! {
    /// What turns inputs into features.
    pub BackboneKind as dyn Backbone {
        "mlp" => Mlp,
    }
}
