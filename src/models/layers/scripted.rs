//! A TorchScript module as one layer.

use super::Layer;
use crate::error::Mistake;
use crate::libtorch::{Module, Script};
use crate::models::Mode;
use anyhow::Result;
use tch::Tensor;

/// A module from a file; its parameters and buffers are the model's.
#[derive(Debug)]
pub struct ScriptedLayer {
    /// One tensor to one tensor.
    pub module: Module,
    /// The shape of a row that comes out.
    pub output: Vec<i64>,
}

impl Layer for ScriptedLayer {
    fn forward(&self, x: &Tensor, mode: Mode) -> Tensor {
        self.try_forward(x, mode).expect("it took such rows when it was built")
    }
    fn try_forward(&self, x: &Tensor, mode: Mode) -> Result<Tensor> {
        self.module.set_training(mode != Mode::Evaluate)?;
        let output = self.module.forward(&[x.shallow_clone()])?.tensors.into_iter().next();
        output.ok_or_else(|| Mistake::new("forward of the TorchScript backbone", "gives no tensor").into())
    }
    fn shape(&self, _input: &[i64]) -> Vec<i64> {
        self.output.clone()
    }
    fn class(&self) -> &'static str {
        "TorchScript"
    }
    fn script(&self) -> Script {
        Script::module(self.module.share())
    }
    fn draws_globally(&self) -> bool {
        true
    }
}
