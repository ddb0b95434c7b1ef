//! Normalization over batches and over features.

use super::Layer;
use crate::libtorch::Script;
use crate::models::{Builder, Mode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::{Tensor, no_grad};

/// How much of a batch enters the running statistics.
const MOMENTUM: f64 = 0.1;
/// Added to variances.
const EPSILON: f64 = 1e-5;

/// `torch.nn.BatchNorm1d` of `[N, C]`, `torch.nn.BatchNorm2d` of `[N, C, H, W]`, with PyTorch's defaults (momentum 0.1, ε 1e-5).
///
/// Deviations: where a batch has one number per channel, which PyTorch refuses to train on, the running statistics serve as
/// in evaluation, and stay.
#[derive(Debug)]
pub struct BatchNorm {
    /// `[C]`
    pub weight: Tensor,
    /// `[C]`
    pub bias: Tensor,
    /// `[C]`
    pub running_mean: Tensor,
    /// `[C]`, unbiased
    pub running_var: Tensor,
    /// The number of batches so far, int64 `[]`.
    pub num_batches_tracked: Tensor,
    /// Whether it stands behind a convolution.
    pub maps: bool,
}

impl Builder<'_> {
    /// `torch.nn.BatchNorm1d` (`BatchNorm2d` for feature maps) here: weight 1, bias 0.
    pub fn batch_norm(&self, channels: i64, maps: bool) -> BatchNorm {
        let options = (self.kind(), tch::Device::Cpu);
        BatchNorm {
            weight: self.constant("weight", &[channels], 1.0),
            bias: self.constant("bias", &[channels], 0.0),
            running_mean: self.buffer("running_mean", Tensor::zeros([channels], options)),
            running_var: self.buffer("running_var", Tensor::ones([channels], options)),
            num_batches_tracked: self.buffer("num_batches_tracked", Tensor::from(0i64)),
            maps,
        }
    }

    /// `torch.nn.LayerNorm` over the last dimension, here: weight 1, bias 0.
    pub fn layer_norm(&self, features: i64) -> LayerNorm {
        LayerNorm { weight: self.constant("weight", &[features], 1.0), bias: self.constant("bias", &[features], 0.0) }
    }
}

impl Layer for BatchNorm {
    fn forward(&self, x: &Tensor, mode: Mode) -> Tensor {
        let values = x.numel() as i64 / x.size()[1].max(1);
        let training = mode != Mode::Evaluate && values > 1;
        if training {
            no_grad(|| drop(self.num_batches_tracked.shallow_clone().g_add_scalar_(1)));
        }
        x.batch_norm(
            Some(&self.weight),
            Some(&self.bias),
            Some(&self.running_mean),
            Some(&self.running_var),
            training,
            MOMENTUM,
            EPSILON,
            true,
        )
    }
    fn class(&self) -> &'static str {
        if self.maps { "BatchNorm2d" } else { "BatchNorm1d" }
    }
    fn script(&self) -> Script {
        let source = format!(
            "def forward(self, input: Tensor) -> Tensor:\n    \
                 if self.training:\n        \
                     assert input.numel() != input.size(1), \"training needs more than one value per channel\"\n        \
                     self.num_batches_tracked.add_(1)\n    \
                 return torch.batch_norm(input, self.weight, self.bias, self.running_mean, self.running_var, \
                     self.training, {MOMENTUM:?}, {EPSILON:?}, True)\n"
        );
        Script::new(&format!("torch.nn.modules.batchnorm.{}", self.class()), source)
            .parameter("weight", &self.weight)
            .parameter("bias", &self.bias)
            .buffer("running_mean", &self.running_mean)
            .buffer("running_var", &self.running_var)
            .buffer("num_batches_tracked", &self.num_batches_tracked)
    }
}

/// `torch.nn.LayerNorm` over the last dimension, ε 1e-5.
#[derive(Debug)]
pub struct LayerNorm {
    /// `[F]`
    pub weight: Tensor,
    /// `[F]`
    pub bias: Tensor,
}

impl Layer for LayerNorm {
    fn forward(&self, x: &Tensor, _mode: Mode) -> Tensor {
        x.layer_norm(self.weight.size(), Some(&self.weight), Some(&self.bias), EPSILON, true)
    }
    fn class(&self) -> &'static str {
        "LayerNorm"
    }
    fn script(&self) -> Script {
        let features = self.weight.size()[0];
        let expression = format!("torch.layer_norm(input, [{features}], self.weight, self.bias, {EPSILON:?}, True)");
        Script::activation("torch.nn.modules.normalization.LayerNorm", &expression)
            .parameter("weight", &self.weight)
            .parameter("bias", &self.bias)
    }
}

/// What brings the numbers of a layer to a common scale.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Normalization {
    /// nothing
    #[default]
    None,
    /// each feature by its mean and variance over the batch; in evaluation by their running means
    Batch,
    /// each row by its mean and variance over the features
    Layer,
}

impl Normalization {
    /// The layer for vectors `[N, features]` here, if there is one.
    pub fn layer(self, builder: &Builder, features: i64) -> Option<Box<dyn Layer>> {
        match self {
            Self::None => None,
            Self::Batch => Some(Box::new(builder.batch_norm(features, false))),
            Self::Layer => Some(Box::new(builder.layer_norm(features))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::{Device, Kind, nn};

    #[test]
    fn a_batch_of_one_row_is_normalized_as_in_evaluation_and_moves_nothing() {
        let store = nn::VarStore::new(Device::Cpu);
        let norm = Builder::new(store.root(), 0).batch_norm(3, false);
        let x = Tensor::from_slice(&[1f32, -2.0, 5.0]).view([1, 3]);
        let y = norm.forward(&x, Mode::Train { seed: 1, step: 1, group: 0 });
        assert_eq!(y, norm.forward(&x, Mode::Evaluate));
        assert_eq!(norm.running_var, Tensor::ones([3], (Kind::Float, Device::Cpu)));
        assert_eq!(norm.num_batches_tracked.int64_value(&[]), 0);
    }
}
