//! A flow as one layer: blocks with branches inside, such as ResNet's.

use super::{Flow, Value};
use crate::libtorch::Script;
use crate::models::{Layer, Mode};
use tch::Tensor;

/// A flow of one output, as a layer of the class `class`.
pub struct Block {
    /// As PyTorch calls it, such as `BasicBlock`.
    pub class: &'static str,
    /// What it computes.
    pub flow: Flow,
    /// Its result.
    pub output: Value,
}

impl Layer for Block {
    fn forward(&self, x: &Tensor, mode: Mode) -> Tensor {
        self.flow.run(&[(Flow::INPUT, x)], &[self.output], mode).swap_remove(0)
    }

    /// Its flow was wired for one shape of rows.
    fn shape(&self, _input: &[i64]) -> Vec<i64> {
        self.flow.shape(self.output).to_vec()
    }

    fn class(&self) -> &'static str {
        self.class
    }

    fn script(&self) -> Script {
        self.flow.script(&format!("polytask.{}", self.class), &[self.output])
    }

    fn draws_globally(&self) -> bool {
        self.flow.draws_globally()
    }
}
