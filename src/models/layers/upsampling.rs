//! Convolutions that enlarge feature maps.

use super::Layer;
use crate::libtorch::Script;
use crate::models::{Builder, Mode};
use tch::Tensor;

/// `torch.nn.ConvTranspose2d(kernel_size=2, stride=2)`: sides twice as long.
#[derive(Debug)]
pub struct UpConv2d {
    /// `[inputs, outputs, 2, 2]`
    pub weight: Tensor,
    /// `[outputs]`
    pub bias: Tensor,
}

impl Builder<'_> {
    /// `torch.nn.ConvTranspose2d` here, with PyTorch's default distribution: U(-1/√fan, 1/√fan), fan = outputs · kernel².
    pub fn up_conv2d(&self, inputs: i64, outputs: i64) -> UpConv2d {
        let bound = 1.0 / ((outputs * 4) as f64).sqrt();
        let weight = self.uniform("weight", &[inputs, outputs, 2, 2], bound);
        UpConv2d { weight, bias: self.uniform("bias", &[outputs], bound) }
    }
}

impl Layer for UpConv2d {
    fn forward(&self, x: &Tensor, _mode: Mode) -> Tensor {
        x.conv_transpose2d(&self.weight, Some(&self.bias), [2, 2], [0, 0], [0, 0], 1, [1, 1])
    }
    fn shape(&self, input: &[i64]) -> Vec<i64> {
        vec![self.weight.size()[1], 2 * input[1], 2 * input[2]]
    }
    fn class(&self) -> &'static str {
        "ConvTranspose2d"
    }
    fn script(&self) -> Script {
        let expression = "torch.conv_transpose2d(input, self.weight, self.bias, [2, 2])";
        Script::activation("torch.nn.modules.conv.ConvTranspose2d", expression)
            .parameter("weight", &self.weight)
            .parameter("bias", &self.bias)
    }
}
