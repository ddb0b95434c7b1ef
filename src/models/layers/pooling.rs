//! Pooling of feature maps.

use super::{Layer, Window};
use crate::libtorch::Script;
use crate::models::Mode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::Tensor;

/// What stands for the numbers of a window.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Pooling {
    /// The largest.
    #[default]
    Max,
    /// The mean; zeros of the padding count.
    Average,
}

/// `torch.nn.MaxPool2d` or `torch.nn.AvgPool2d` with a square window.
#[derive(Debug)]
pub struct Pool2d {
    /// What it takes of a window.
    pub pooling: Pooling,
    /// How it moves; pooling has no dilation.
    pub window: Window,
}

impl Layer for Pool2d {
    fn forward(&self, x: &Tensor, _mode: Mode) -> Tensor {
        let Window { kernel_size: k, stride: s, padding: p, .. } = self.window;
        match self.pooling {
            Pooling::Max => x.max_pool2d([k, k], [s, s], [p, p], [1, 1], false),
            Pooling::Average => x.avg_pool2d([k, k], [s, s], [p, p], false, true, None),
        }
    }
    fn shape(&self, input: &[i64]) -> Vec<i64> {
        vec![input[0], self.window.side(input[1]), self.window.side(input[2])]
    }
    fn class(&self) -> &'static str {
        match self.pooling {
            Pooling::Max => "MaxPool2d",
            Pooling::Average => "AvgPool2d",
        }
    }
    fn script(&self) -> Script {
        let Window { kernel_size: k, stride: s, padding: p, .. } = self.window;
        let window = format!("input, [{k}, {k}], [{s}, {s}], [{p}, {p}]");
        let expression = match self.pooling {
            Pooling::Max => format!("torch.max_pool2d({window}, [1, 1], False)"),
            Pooling::Average => format!("torch.avg_pool2d({window}, False, True)"),
        };
        Script::activation(&format!("torch.nn.modules.pooling.{}", self.class()), &expression)
    }
}

/// `torch.nn.AdaptiveAvgPool2d(1)`: the mean of each channel, `[N, C, H, W]` to `[N, C, 1, 1]`.
#[derive(Debug)]
pub struct GlobalAveragePool;

impl Layer for GlobalAveragePool {
    fn forward(&self, x: &Tensor, _mode: Mode) -> Tensor {
        x.adaptive_avg_pool2d([1, 1])
    }
    fn shape(&self, input: &[i64]) -> Vec<i64> {
        vec![input[0], 1, 1]
    }
    fn class(&self) -> &'static str {
        "AdaptiveAvgPool2d"
    }
    fn script(&self) -> Script {
        Script::activation("torch.nn.modules.pooling.AdaptiveAvgPool2d", "torch.adaptive_avg_pool2d(input, [1, 1])")
    }
}
