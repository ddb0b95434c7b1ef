//! Layers: a tensor function, its parameters under PyTorch's names, and its TorchScript.

mod activation;
mod convolution;
mod dropout;
mod embedding;
mod flatten;
mod linear;
mod lstm;
mod normalization;
mod pooling;
mod scripted;
mod upsampling;

pub use activation::Activation;
pub use convolution::{Conv2d, Window};
pub use dropout::Dropout;
pub use embedding::Embedding;
pub use flatten::Flatten;
pub use linear::linear;
pub use lstm::BiLstm;
pub use normalization::{BatchNorm, LayerNorm, Normalization};
pub use pooling::{GlobalAveragePool, Pool2d, Pooling};
pub use scripted::ScriptedLayer;
pub use upsampling::UpConv2d;

use super::Mode;
use crate::libtorch::Script;
use anyhow::Result;
use tch::Tensor;

/// A module of one input and one output.
pub trait Layer {
    /// `[N, …]` to `[N, …]`.
    fn forward(&self, x: &Tensor, mode: Mode) -> Tensor;

    /// The same of a layer that may refuse rows of the right shape: code from outside.
    ///
    /// # Errors
    /// What it says.
    fn try_forward(&self, x: &Tensor, mode: Mode) -> Result<Tensor> {
        Ok(self.forward(x, mode))
    }

    /// The shape of a row that comes out, of the shape of one that goes in; both without `N`.
    fn shape(&self, input: &[i64]) -> Vec<i64> {
        input.to_vec()
    }

    /// As PyTorch calls its class, such as `ReLU`.
    fn class(&self) -> &'static str;

    /// The same as a TorchScript module, holding the same tensors.
    fn script(&self) -> Script;

    /// Its weight `[outputs, inputs]` and bias `[outputs]`, where it is a linear layer with both.
    fn linear(&self) -> Option<(&Tensor, &Tensor)> {
        None
    }

    /// Which activation it is, if it is one.
    fn activation(&self) -> Option<Activation> {
        None
    }

    /// Whether training draws from libtorch's global generator.
    fn draws_globally(&self) -> bool {
        false
    }
}
