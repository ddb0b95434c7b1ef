//! Residual networks, as torchvision builds them.

use super::input::image;
use super::{Backbone, BackboneKind, Chain, weights, whole};
use crate::error::BadSetting;
use crate::models::Builder;
use crate::models::flow::{Add, Block, Flow, Named, Value};
use crate::models::layers::{Activation, Layer, Pool2d, Pooling, Window};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// The settings of a residual network and its depth.
struct Plan<'a> {
    blocks: [usize; 4],
    /// Blocks of 1×1, 3×3 and 1×1 convolutions, four times as wide at their ends, for two of 3×3.
    bottleneck: bool,
    width: i64,
    dilated: bool,
    weights: Option<&'a Path>,
}

/// Declares an entry per depth: all have the same settings.
macro_rules! residual_networks {
    ($($(#[$doc:meta])* $name:ident: $blocks:expr, $bottleneck:literal;)+) => {
        $(
            $(#[$doc])*
            #[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
            #[serde(deny_unknown_fields, default)]
            pub struct $name {
                /// The channels of the first convolution, and the narrowest of `layer1`; `layer2` to `layer4` are twice as wide each.
                #[serde(deserialize_with = "super::width")]
                pub width: i64,
                /// Windows with holes for strides in `layer3` and `layer4`: maps of an eighth of the image's side, not of a
                /// thirty-second, for labels per pixel.
                pub dilated: bool,
                /// Initial weights: torchvision's state_dict, a `.pt` or safetensors file; its `fc` is left out. Relative paths
                /// start at the folder of the YAML. Every tower starts with them.
                #[serde(skip_serializing_if = "Option::is_none")]
                pub weights: Option<PathBuf>,
            }

            impl Default for $name {
                fn default() -> Self {
                    Self { width: 64, dilated: false, weights: None }
                }
            }

            impl Backbone for $name {
                fn build(&self, builder: &Builder, input: &[i64]) -> Result<Chain, BadSetting> {
                    let Self { width, dilated, weights } = self;
                    let weights = weights.as_deref();
                    let plan =
                        Plan { blocks: $blocks, bottleneck: $bottleneck, width: *width, dilated: *dilated, weights };
                    plan.build(builder, input)
                }

                fn reads_images(&self) -> bool {
                    true
                }

                fn absolute(&self, folder: &Path) -> Option<BackboneKind> {
                    let weights = self.weights.as_ref()?;
                    Some(BackboneKind::$name(Self { weights: Some(whole(folder, weights)), ..self.clone() }))
                }
            }
        )+
    };
}

residual_networks! {
    /// ResNet with 18 layers, torchvision's `resnet18` without `avgpool` and `fc`: images to feature maps.
    ///
    /// Its stages are `conv1` with `bn1`, `relu` and `maxpool`, and `layer1` to `layer4`; all names are torchvision's. The maps are
    /// 8 · `width` channels of a thirty-second of the image's side; heads average them, or bring them to the labels' size.
    /// Deviations: torchvision has no dilated one of this depth; the windows are those of its deeper ones (of `layer3`, all but
    /// the first have holes of 1 pixel; of `layer4`, the first has holes of 1, the others of 3).
    /// Reference: He et al., "Deep Residual Learning for Image Recognition", CVPR 2016.
    ResNet18: [2, 2, 2, 2], false;
    /// ResNet with 34 layers, torchvision's `resnet34` without `avgpool` and `fc`: images to feature maps.
    ///
    /// All else as resnet18.
    /// Reference: He et al., "Deep Residual Learning for Image Recognition", CVPR 2016.
    ResNet34: [3, 4, 6, 3], false;
    /// ResNet with 50 layers, torchvision's `resnet50` without `avgpool` and `fc`: images to feature maps.
    ///
    /// The maps have 32 · `width` channels; `dilated: true` is torchvision's `replace_stride_with_dilation=[False, True, True]`, the
    /// encoder of most papers on NYUv2 and Cityscapes. All else as resnet18.
    /// Reference: He et al., "Deep Residual Learning for Image Recognition", CVPR 2016.
    ResNet50: [3, 4, 6, 3], true;
}

/// Where one block lies.
struct Place {
    width: i64,
    stride: i64,
    /// Of its first 3×3 convolution, and of the other.
    dilations: [i64; 2],
}

impl Plan<'_> {
    fn build(&self, builder: &Builder, input: &[i64]) -> Result<Chain, BadSetting> {
        let mut maps = image(input)?.to_vec();
        let mut chain = Chain { stages: vec![self.stem(builder, maps[0])] };
        maps = chain.stages[0].iter().fold(maps, |maps, (_, layer)| layer.shape(&maps));
        let mut dilation = 1;
        for (index, blocks) in self.blocks.iter().enumerate() {
            let (width, mut stride) = (self.width << index, if index == 0 { 1 } else { 2 });
            let before = dilation;
            if self.dilated && index >= 2 {
                dilation *= stride;
                stride = 1;
            }
            let mut stage: Vec<Named> = vec![];
            for at in 0..*blocks {
                let place = match at {
                    0 => Place { width, stride, dilations: [before, dilation] },
                    _ => Place { width, stride: 1, dilations: [dilation; 2] },
                };
                let name = format!("layer{}.{at}", index + 1);
                let block = self.block(&builder.at(&name), &maps, &place);
                maps = block.shape(&maps);
                stage.push((name, Box::new(block)));
            }
            chain.stages.push(stage);
        }
        if let Some(file) = self.weights {
            weights::load(&chain, file, |name| name.starts_with("fc."))?;
        }
        Ok(chain)
    }

    fn stem(&self, builder: &Builder, channels: i64) -> Vec<Named> {
        let window = Window::of(7).stride(2).padding(3);
        let pool = Pool2d { pooling: Pooling::Max, window: Window::of(3).stride(2).padding(1) };
        vec![
            ("conv1".into(), Box::new(builder.at("conv1").conv2d_fan_out(channels, self.width, window))),
            ("bn1".into(), Box::new(builder.at("bn1").batch_norm(self.width, true))),
            ("relu".into(), Box::new(Activation::Relu)),
            ("maxpool".into(), Box::new(pool)),
        ]
    }

    /// `relu(x + F(x))`, `F` convolutions with batch normalizations; `x` goes through a convolution where `F` changes its shape.
    fn block(&self, builder: &Builder, input: &[i64], place: &Place) -> Block {
        let Place { width, stride, dilations } = *place;
        let three = |stride: i64, dilation: i64| Window::of(3).stride(stride).padding(dilation).dilation(dilation);
        let (outputs, windows) = match self.bottleneck {
            false => (width, vec![(width, three(stride, dilations[0])), (width, three(1, dilations[1]))]),
            true => (
                4 * width,
                vec![(width, Window::of(1)), (width, three(stride, dilations[0])), (4 * width, Window::of(1))],
            ),
        };
        let mut flow = Flow::new(input);
        let mut value = Flow::INPUT;
        let last = windows.len();
        for (at, (channels, window)) in (1..).zip(windows) {
            value =
                convolution(&mut flow, builder, [&format!("conv{at}"), &format!("bn{at}")], value, channels, window);
            if at < last {
                value = flow.layer(format!("relu{at}"), Box::new(Activation::Relu), value);
            }
        }
        let mut shortcut = Flow::INPUT;
        if stride != 1 || input[0] != outputs {
            let names = ["downsample.0", "downsample.1"];
            shortcut = convolution(&mut flow, builder, names, shortcut, outputs, Window::of(1).stride(stride));
        }
        let sum = flow.operation("sum", Add, &[value, shortcut]);
        let output = flow.layer("relu", Box::new(Activation::Relu), sum);
        Block { class: if self.bottleneck { "Bottleneck" } else { "BasicBlock" }, flow, output }
    }
}

/// A convolution without bias and a batch normalization.
fn convolution(flow: &mut Flow, builder: &Builder, names: [&str; 2], x: Value, channels: i64, window: Window) -> Value {
    let convolution = builder.at(names[0]).conv2d_fan_out(flow.shape(x)[0], channels, window);
    let x = flow.layer(names[0], Box::new(convolution), x);
    flow.layer(names[1], Box::new(builder.at(names[1]).batch_norm(channels, true)), x)
}
