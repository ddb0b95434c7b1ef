//! Convolutions of a task's own over feature maps.

use super::linear::last;
use super::{Head, maps};
use crate::error::BadSetting;
use crate::models::Builder;
use crate::models::flow::Named;
use crate::models::layers::{Activation, Layer, Window};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Convolutions with batch normalization over feature maps, then a 1×1 convolution: `TASK_layer` is
/// `Sequential(Conv2d, BatchNorm2d, ReLU, …, Conv2d)`.
///
/// For labels per pixel; where a task has one label per row, the maps are averaged first, and only `linear` and `mlp` fit.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ConvHead {
    /// The channels of the convolutions before the last one.
    #[serde(deserialize_with = "crate::models::backbones::widths")]
    pub channels: Vec<i64>,
    /// The side of their windows, an odd number: maps keep their size.
    #[serde(default = "three", deserialize_with = "crate::models::backbones::width")]
    pub kernel_size: i64,
    /// What follows each of them.
    #[serde(default)]
    pub activation: Activation,
}

fn three() -> i64 {
    3
}

impl Head for ConvHead {
    fn build(&self, builder: &Builder, input: &[i64], width: i64) -> Result<Vec<Named>, BadSetting> {
        let [mut channels, _, _] = maps(input)?;
        if self.kernel_size % 2 == 0 {
            let what = format!("{} is even: maps would change their size", self.kernel_size);
            return Err(BadSetting::new("kernel_size", what).remedy("give an odd number, such as 3 or 5"));
        }
        let window = Window::of(self.kernel_size).padding(self.kernel_size / 2);
        let mut layers: Vec<Box<dyn Layer>> = vec![];
        for &outputs in &self.channels {
            layers.push(Box::new(builder.at(layers.len()).conv2d_plain(channels, outputs, window)));
            layers.push(Box::new(builder.at(layers.len()).batch_norm(outputs, true)));
            layers.push(Box::new(self.activation));
            channels = outputs;
        }
        let place = builder.at(layers.len());
        layers.push(last(&place, &[channels, input[1], input[2]], width));
        Ok((0..).map(|at: usize| at.to_string()).zip(layers).collect())
    }
}
