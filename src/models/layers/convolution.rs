//! Convolutions over images.

use super::Layer;
use crate::libtorch::Script;
use crate::models::{Builder, Mode};
use tch::Tensor;

/// The square window of a convolution or of pooling, as PyTorch's arguments name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Pixels along a side.
    pub kernel_size: i64,
    /// Pixels from one place to the next.
    pub stride: i64,
    /// Pixels of zeros around the map.
    pub padding: i64,
    /// Pixels from one tap to the next.
    pub dilation: i64,
}

impl Window {
    /// A window of `kernel_size`, stride 1, no padding, no dilation.
    pub fn of(kernel_size: i64) -> Self {
        Self { kernel_size, stride: 1, padding: 0, dilation: 1 }
    }

    /// With another stride.
    #[must_use]
    pub fn stride(self, stride: i64) -> Self {
        Self { stride, ..self }
    }

    /// With padding.
    #[must_use]
    pub fn padding(self, padding: i64) -> Self {
        Self { padding, ..self }
    }

    /// With dilation.
    #[must_use]
    pub fn dilation(self, dilation: i64) -> Self {
        Self { dilation, ..self }
    }

    /// The length of a side that comes out; 0 or less where the window does not fit.
    pub fn side(self, side: i64) -> i64 {
        (side + 2 * self.padding - self.dilation * (self.kernel_size - 1) - 1).div_euclid(self.stride) + 1
    }
}

/// `torch.nn.Conv2d` with a square window.
#[derive(Debug)]
pub struct Conv2d {
    /// `[outputs, inputs, kernel, kernel]`
    pub weight: Tensor,
    /// `[outputs]`, if there is one.
    pub bias: Option<Tensor>,
    /// How it moves.
    pub window: Window,
}

impl Builder<'_> {
    /// `torch.nn.Conv2d` here, with PyTorch's default distribution: U(-1/√fan_in, 1/√fan_in), fan_in = inputs · kernel².
    pub fn conv2d(&self, inputs: i64, outputs: i64, window: Window) -> Conv2d {
        let bound = 1.0 / ((inputs * window.kernel_size * window.kernel_size) as f64).sqrt();
        let plain = self.conv2d_plain(inputs, outputs, window);
        Conv2d { bias: Some(self.uniform("bias", &[outputs], bound)), ..plain }
    }

    /// `torch.nn.Conv2d(bias=False)` here, as torchvision starts it before a normalization: N(0, 2 / fan_out),
    /// fan_out = outputs · kernel².
    pub fn conv2d_fan_out(&self, inputs: i64, outputs: i64, window: Window) -> Conv2d {
        let deviation = (2.0 / (outputs * window.kernel_size * window.kernel_size) as f64).sqrt();
        let shape = [outputs, inputs, window.kernel_size, window.kernel_size];
        Conv2d { weight: self.normal("weight", &shape, deviation), bias: None, window }
    }

    /// `torch.nn.Conv2d(bias=False)` here, with PyTorch's default distribution.
    pub fn conv2d_plain(&self, inputs: i64, outputs: i64, window: Window) -> Conv2d {
        let bound = 1.0 / ((inputs * window.kernel_size * window.kernel_size) as f64).sqrt();
        let shape = [outputs, inputs, window.kernel_size, window.kernel_size];
        Conv2d { weight: self.uniform("weight", &shape, bound), bias: None, window }
    }
}

impl Layer for Conv2d {
    fn forward(&self, x: &Tensor, _mode: Mode) -> Tensor {
        let Window { stride, padding, dilation, .. } = self.window;
        x.conv2d(&self.weight, self.bias.as_ref(), [stride, stride], [padding, padding], [dilation, dilation], 1)
    }
    fn shape(&self, input: &[i64]) -> Vec<i64> {
        vec![self.weight.size()[0], self.window.side(input[1]), self.window.side(input[2])]
    }
    fn class(&self) -> &'static str {
        "Conv2d"
    }
    fn script(&self) -> Script {
        let Window { stride, padding, dilation, .. } = self.window;
        let bias = if self.bias.is_some() { "self.bias" } else { "None" };
        let expression = format!(
            "torch.conv2d(input, self.weight, {bias}, [{stride}, {stride}], [{padding}, {padding}], [{dilation}, {dilation}])"
        );
        let script = Script::activation("torch.nn.modules.conv.Conv2d", &expression).parameter("weight", &self.weight);
        match &self.bias {
            Some(bias) => script.parameter("bias", bias),
            None => script,
        }
    }
}
