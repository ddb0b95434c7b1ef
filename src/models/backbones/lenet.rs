//! LeNet, as papers on multi-task learning use it for MultiMNIST.

use super::input::{fits, image};
use super::{Backbone, Chain};
use crate::error::BadSetting;
use crate::models::Builder;
use crate::models::layers::{Activation, Flatten, Layer, Pool2d, Pooling, Window};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Two convolutions with pooling and a linear layer, for small images.
///
/// `conv1` (9×9), max-pooling by 2, ReLU; `conv2` (5×5), max-pooling by 2, ReLU; `fc1`, ReLU. Each of the three is a stage.
/// Reference: Lin et al., "Pareto Multi-Task Learning", NeurIPS 2019 (its MultiMNIST experiments, and those that follow them).
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LeNet {
    /// The channels of the two convolutions.
    #[serde(deserialize_with = "super::widths")]
    pub channels: Vec<i64>,
    /// The width of the linear layer.
    #[serde(deserialize_with = "super::width")]
    pub width: i64,
}

impl Default for LeNet {
    fn default() -> Self {
        Self { channels: vec![10, 20], width: 50 }
    }
}

impl Backbone for LeNet {
    fn build(&self, builder: &Builder, input: &[i64]) -> Result<Chain, BadSetting> {
        let mut maps = image(input)?.to_vec();
        if self.channels.len() != 2 {
            let what = format!("has {} numbers, and there are two convolutions", self.channels.len());
            return Err(BadSetting::new("channels", what).remedy("give two, such as [10, 20], or choose conv"));
        }
        let mut chain = Chain::default();
        for ((index, &channels), kernel_size) in (1..).zip(&self.channels).zip([9, 5]) {
            let name = |part: &str| format!("{part}{index}");
            let (window, pool) = (Window::of(kernel_size), Window::of(2).stride(2));
            fits(window, &maps, &name("conv"))?;
            let convolution = builder.at(name("conv")).conv2d(maps[0], channels, window);
            maps = convolution.shape(&maps);
            fits(pool, &maps, &name("pool"))?;
            let pool = Pool2d { pooling: Pooling::Max, window: pool };
            maps = pool.shape(&maps);
            chain.stages.push(vec![
                (name("conv"), Box::new(convolution)),
                (name("pool"), Box::new(pool)),
                (name("relu"), Box::new(Activation::Relu)),
            ]);
        }
        let linear = builder.at("fc1").linear(maps.iter().product(), self.width);
        chain.stages.push(vec![
            ("flatten".into(), Box::new(Flatten)),
            ("fc1".into(), Box::new(linear)),
            ("relu3".into(), Box::new(Activation::Relu)),
        ]);
        Ok(chain)
    }

    fn reads_images(&self) -> bool {
        true
    }
}
