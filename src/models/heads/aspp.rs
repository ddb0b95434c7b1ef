//! Atrous spatial pyramid pooling over feature maps.

use super::{Head, maps};
use crate::error::BadSetting;
use crate::models::Builder;
use crate::models::flow::{Block, Concatenate, Flow, Named, Resize, Value};
use crate::models::layers::{Activation, Dropout, GlobalAveragePool, Window};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// DeepLab's head over feature maps: windows with holes of several sizes side by side, then convolutions.
///
/// `TASK_layer` is torchvision's `DeepLabHead`: `0` (`ASPP`: a 1×1 convolution, a 3×3 one per rate, the mean of the maps, and a
/// 1×1 one over all of them), a 3×3 convolution, batch normalization, ReLU, a 1×1 convolution. For labels per pixel, as in most
/// papers on NYUv2 and Cityscapes, with `resnet50` and `dilated: true`.
/// Reference: Chen et al., "Rethinking Atrous Convolution for Semantic Image Segmentation", arXiv 2017.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AsppHead {
    /// The channels of all convolutions but the last.
    #[serde(deserialize_with = "crate::models::backbones::width")]
    pub channels: i64,
    /// Pixels from one tap of a window to the next, a 3×3 convolution each.
    #[serde(deserialize_with = "crate::models::backbones::widths")]
    pub rates: Vec<i64>,
    /// The probability with which an entry behind the pyramid is zeroed, while training.
    #[serde(with = "crate::settings::BelowOne")]
    pub dropout: f64,
}

impl Default for AsppHead {
    fn default() -> Self {
        Self { channels: 256, rates: vec![12, 24, 36], dropout: 0.5 }
    }
}

impl Head for AsppHead {
    fn build(&self, builder: &Builder, input: &[i64], width: i64) -> Result<Vec<Named>, BadSetting> {
        maps(input)?;
        let convolution = builder.at(1).conv2d_plain(self.channels, self.channels, Window::of(3).padding(1));
        Ok(vec![
            ("0".into(), Box::new(self.pyramid(&builder.at(0), input))),
            ("1".into(), Box::new(convolution)),
            ("2".into(), Box::new(builder.at(2).batch_norm(self.channels, true))),
            ("3".into(), Box::new(Activation::Relu)),
            ("4".into(), Box::new(builder.at(4).conv2d(self.channels, width, Window::of(1)))),
        ])
    }
}

impl AsppHead {
    fn pyramid(&self, builder: &Builder, input: &[i64]) -> Block {
        let mut flow = Flow::new(input);
        let mut values = vec![self.branch(&mut flow, builder, "convs.0", 0, Flow::INPUT, Window::of(1))];
        for (at, &rate) in (1..).zip(&self.rates) {
            let window = Window::of(3).padding(rate).dilation(rate);
            values.push(self.branch(&mut flow, builder, &format!("convs.{at}"), 0, Flow::INPUT, window));
        }
        let name = format!("convs.{}", self.rates.len() + 1);
        let mean = flow.layer(format!("{name}.0"), Box::new(GlobalAveragePool), Flow::INPUT);
        let mean = self.branch(&mut flow, builder, &name, 1, mean, Window::of(1));
        values.push(flow.operation("mean", Resize { to: [input[1], input[2]] }, &[mean]));
        let all = flow.operation("pyramid", Concatenate, &values);
        let mut output = self.branch(&mut flow, builder, "project", 0, all, Window::of(1));
        if self.dropout > 0.0 {
            let dropout = Dropout { probability: self.dropout, name: builder.at("project.3").name() };
            output = flow.layer("project.3", Box::new(dropout), output);
        }
        Block { class: "ASPP", flow, output }
    }

    /// A convolution, its normalization and ReLU, called `name.first` and so on.
    fn branch(&self, flow: &mut Flow, builder: &Builder, name: &str, first: u8, x: Value, window: Window) -> Value {
        let at = |offset: u8| format!("{name}.{}", first + offset);
        let convolution = builder.at(at(0)).conv2d_plain(flow.shape(x)[0], self.channels, window);
        let x = flow.layer(at(0), Box::new(convolution), x);
        let x = flow.layer(at(1), Box::new(builder.at(at(1)).batch_norm(self.channels, true)), x);
        flow.layer(at(2), Box::new(Activation::Relu), x)
    }
}
