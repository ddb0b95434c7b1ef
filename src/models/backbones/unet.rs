//! U-Net: down to coarse maps and back, with a bridge at each size.

use super::input::{fits, image};
use super::{Backbone, Chain};
use crate::error::BadSetting;
use crate::models::Builder;
use crate::models::flow::{Block, Concatenate, Flow, PadMaps, Value};
use crate::models::layers::{Activation, Pool2d, Pooling, Window};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An encoder and a decoder with bridges between maps of one size, for labels per pixel: images to feature maps as large.
///
/// At each depth two 3×3 convolutions with batch normalization and ReLU (`encoder.i`); max-pooling by 2 on the way down;
/// transposed convolutions by 2 on the way up (`up.i`), the bridge's channels beside them, and two convolutions again
/// (`decoder.i`). The maps have `channels[0]` channels. It is one stage: architectures that join towers stage by stage join
/// its result.
/// Deviations: convolutions keep the maps' size and have batch normalization, as is usual today; maps of odd sides are
/// padded with zeros on their way up.
/// Reference: Ronneberger et al., "U-Net: Convolutional Networks for Biomedical Image Segmentation", MICCAI 2015.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct UNet {
    /// The channels at each depth, the image's size first. Their number is the depth: each halves the maps once more.
    #[serde(deserialize_with = "super::widths")]
    pub channels: Vec<i64>,
}

impl Default for UNet {
    fn default() -> Self {
        Self { channels: vec![64, 128, 256, 512] }
    }
}

impl Backbone for UNet {
    fn build(&self, builder: &Builder, input: &[i64]) -> Result<Chain, BadSetting> {
        image(input)?;
        if self.channels.is_empty() {
            return Err(BadSetting::new("channels", "is empty").remedy("give a number per depth, such as [64, 128]"));
        }
        let builder = builder.at("unet");
        let mut flow = Flow::new(input);
        let mut bridges: Vec<Value> = vec![];
        let mut value = Flow::INPUT;
        for (depth, &channels) in self.channels.iter().enumerate() {
            if depth > 0 {
                let window = Window::of(2).stride(2);
                fits(window, flow.shape(value), "pool")?;
                value = flow.layer(format!("pool.{depth}"), Box::new(Pool2d { pooling: Pooling::Max, window }), value);
            }
            value = double(&mut flow, &builder, &format!("encoder.{depth}"), value, channels);
            bridges.push(value);
        }
        bridges.pop();
        for (depth, bridge) in bridges.into_iter().enumerate().rev() {
            let channels = self.channels[depth];
            let up = format!("up.{depth}");
            let layer = builder.at(&up).up_conv2d(flow.shape(value)[0], channels);
            value = flow.layer(&up, Box::new(layer), value);
            let [height, width] = [flow.shape(bridge)[1], flow.shape(bridge)[2]];
            if flow.shape(value)[1..] != [height, width] {
                value = flow.operation(format!("padded/{depth}"), PadMaps { to: [height, width] }, &[value]);
            }
            let both = flow.operation(format!("bridge/{depth}"), Concatenate, &[bridge, value]);
            value = double(&mut flow, &builder, &format!("decoder.{depth}"), both, channels);
        }
        let block = Block { class: "UNet", flow, output: value };
        Ok(Chain { stages: vec![vec![("unet".into(), Box::new(block))]] })
    }

    fn reads_images(&self) -> bool {
        true
    }
}

/// Two convolutions `name.0` and `name.3`, each with its normalization and activation.
fn double(flow: &mut Flow, builder: &Builder, name: &str, x: Value, channels: i64) -> Value {
    let mut value = x;
    for first in [0, 3] {
        let at = |offset: i64| format!("{name}.{}", first + offset);
        let inputs = flow.shape(value)[0];
        let convolution = builder.at(at(0)).conv2d_plain(inputs, channels, Window::of(3).padding(1));
        value = flow.layer(at(0), Box::new(convolution), value);
        value = flow.layer(at(1), Box::new(builder.at(at(1)).batch_norm(channels, true)), value);
        value = flow.layer(at(2), Box::new(Activation::Relu), value);
    }
    value
}
