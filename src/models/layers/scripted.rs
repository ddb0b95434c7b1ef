//! A TorchScript module as one layer.

use super::Layer;
use crate::libtorch::{Module, Script};
use crate::models::Mode;
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
        self.module.set_training(mode != Mode::Evaluate).expect("it was switched when it was built");
        let outputs = self.module.forward(&[x.shallow_clone()]).expect("it took such rows when it was built");
        outputs.tensors.into_iter().next().expect("it gave a tensor when it was built")
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
