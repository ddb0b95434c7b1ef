//! Rows as vectors.

use super::Layer;
use crate::libtorch::Script;
use crate::models::Mode;
use tch::Tensor;

/// `torch.nn.Flatten`: `[N, …]` to `[N, F]`.
#[derive(Debug)]
pub struct Flatten;

impl Layer for Flatten {
    fn forward(&self, x: &Tensor, _mode: Mode) -> Tensor {
        x.flatten(1, -1)
    }
    fn shape(&self, input: &[i64]) -> Vec<i64> {
        vec![input.iter().product()]
    }
    fn class(&self) -> &'static str {
        "Flatten"
    }
    fn script(&self) -> Script {
        Script::activation("torch.nn.modules.flatten.Flatten", "torch.flatten(input, 1)")
    }
}
