//! A few convolutions.

use super::input::{fits, image};
use super::{Backbone, Chain};
use crate::error::BadSetting;
use crate::models::Builder;
use crate::models::layers::{Activation, Layer, Pool2d, Pooling, Window};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Convolutions with an activation and pooling behind each, for images; it gives feature maps.
///
/// `channels: [32, 64]` is `Sequential(Conv2d, ReLU, MaxPool2d, Conv2d, ReLU, MaxPool2d)`, named `0` to `5` as in PyTorch. A
/// stage is a convolution with what follows it.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Conv {
    /// The channels of the convolutions, first to last.
    #[serde(deserialize_with = "super::widths")]
    pub channels: Vec<i64>,
    /// The side of their windows, an odd number: maps keep their size.
    #[serde(default = "three", deserialize_with = "super::width")]
    pub kernel_size: i64,
    /// The side of the windows of pooling, and their distance. 1 is no pooling.
    #[serde(default = "two", deserialize_with = "super::width")]
    pub pool: i64,
    /// What stands for the numbers of a window.
    #[serde(default)]
    pub pooling: Pooling,
    /// A batch normalization behind each convolution, which then has no bias.
    #[serde(default)]
    pub batch_norm: bool,
    /// What follows each convolution.
    #[serde(default)]
    pub activation: Activation,
}

fn three() -> i64 {
    3
}

fn two() -> i64 {
    2
}

impl Backbone for Conv {
    fn build(&self, builder: &Builder, input: &[i64]) -> Result<Chain, BadSetting> {
        let mut maps = image(input)?.to_vec();
        if self.kernel_size % 2 == 0 {
            let what = format!("{} is even: maps would change their size", self.kernel_size);
            return Err(BadSetting::new("kernel_size", what).remedy("give an odd number, such as 3 or 5"));
        }
        let window = Window::of(self.kernel_size).padding(self.kernel_size / 2);
        let pool = Window::of(self.pool).stride(self.pool);
        let (mut chain, mut at) = (Chain::default(), 0);
        for &channels in &self.channels {
            let mut stage: Vec<Box<dyn Layer>> = vec![];
            match self.batch_norm {
                true => {
                    stage.push(Box::new(builder.at(at).conv2d_plain(maps[0], channels, window)));
                    stage.push(Box::new(builder.at(at + 1).batch_norm(channels, true)));
                }
                false => stage.push(Box::new(builder.at(at).conv2d(maps[0], channels, window))),
            }
            stage.push(Box::new(self.activation));
            if self.pool > 1 {
                fits(pool, &maps, "pool")?;
                stage.push(Box::new(Pool2d { pooling: self.pooling, window: pool }));
            }
            maps = stage.iter().fold(maps, |maps, layer| layer.shape(&maps));
            let first = at;
            at += stage.len();
            chain.stages.push((first..).map(|at| at.to_string()).zip(stage).collect());
        }
        Ok(chain)
    }

    fn reads_images(&self) -> bool {
        true
    }
}
