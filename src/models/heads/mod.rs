//! Heads: from a representation to a task's output.

mod aspp;
mod conv;
mod linear;
mod mlp;

pub use aspp::AsppHead;
pub use conv::ConvHead;
pub use linear::LinearHead;
pub use mlp::MlpHead;

use super::Builder;
use super::flow::{ClassesFirst, Flow, MeanOverPositions, Named, Resize, Value};
use crate::error::BadSetting;
use crate::registry;

/// What a task needs of a head.
#[derive(Debug, Clone, PartialEq)]
pub struct Output {
    /// The task's name.
    pub task: String,
    /// Numbers per row, or per position.
    pub width: i64,
    /// Where labels lie in a row: nothing for one label per row, `[L]` along a sequence, `[H, W]` all over an image.
    pub positions: Vec<i64>,
}

/// Turns features into outputs.
pub trait Head {
    /// Layers at `builder` from features like `input` to `width` numbers per row (`[F]`), per token (`[L, F]`) or per pixel
    /// (`[C, h, w]`).
    ///
    /// # Errors
    /// It cannot take such features.
    fn build(&self, builder: &Builder, input: &[i64], width: i64) -> Result<Vec<Named>, BadSetting>;
}

registry! {
    /// What turns a task's features into its output.
    pub HeadKind as dyn Head {
        "linear" => LinearHead,
        "mlp" => MlpHead,
        "conv" => ConvHead,
        "aspp" => AsppHead,
    }
}

impl Default for HeadKind {
    fn default() -> Self {
        Self::LinearHead(LinearHead {})
    }
}

/// `[C, h, w]` of features that are maps.
fn maps(input: &[i64]) -> Result<[i64; 3], BadSetting> {
    <[i64; 3]>::try_from(input).map_err(|_| {
        BadSetting::new(
            "",
            format!("reads feature maps [channels, height, width], and features are of shape {input:?}"),
        )
        .remedy("choose linear or mlp, or a backbone that gives feature maps to a task with labels per pixel")
    })
}

/// The name of a task's head.
pub fn head_name(task: &str) -> String {
    format!("{task}_layer")
}

/// The head `TASK_layer` on the representation `z`; its output is `[N, width]`, or `[N, width, …positions]`.
///
/// Where the task wants one output per row, feature maps and sequences are averaged over their positions first; where it
/// wants one per pixel, maps are brought to the labels' size last.
///
/// # Errors
/// The representation has no positions, or others than the labels.
pub fn wire(
    kind: &HeadKind,
    flow: &mut Flow,
    builder: &Builder,
    z: Value,
    output: &Output,
) -> Result<Value, BadSetting> {
    let name = head_name(&output.task);
    let rank = flow.shape(z).len();
    let x = match (output.positions.len(), rank) {
        (0, 1) | (1, 2) | (2, 3) => z,
        (0, 2 | 3) => flow.operation(format!("{name}_input"), MeanOverPositions { maps: rank == 3 }, &[z]),
        (labels, _) => {
            let what = format!(
                "gives features of shape {:?} per row, and {} has labels of shape {:?} per row",
                flow.shape(z),
                output.task,
                output.positions
            );
            let remedy = match labels {
                1 => {
                    "choose a backbone that gives features per token; of labels of several columns name each in `target`"
                }
                _ => "choose a backbone that gives feature maps, such as unet or resnet",
            };
            return Err(BadSetting::new("backbone", what).remedy(remedy));
        }
    };
    let layers = kind.build(&builder.at(&name), flow.shape(x), output.width).map_err(|bad| bad.under("head"))?;
    let value = match <[Named; 1]>::try_from(layers) {
        Ok([(_, only)]) => flow.layer(&name, only, x),
        Err(layers) => flow.chain(&name, layers, x),
    };
    match output.positions.as_slice() {
        [] => Ok(value),
        [length] if flow.shape(value)[0] == *length => {
            Ok(flow.operation(format!("{name}_output"), ClassesFirst, &[value]))
        }
        [length] => {
            let what = format!("gives {} positions, and {} has labels at {length}", flow.shape(value)[0], output.task);
            Err(BadSetting::new("backbone", what).remedy("choose a backbone that keeps the sequence's length"))
        }
        [height, width] if flow.shape(value)[1..] == [*height, *width] => Ok(value),
        [height, width] => Ok(flow.operation(format!("{name}_output"), Resize { to: [*height, *width] }, &[value])),
        more => Err(BadSetting::new("head", format!("{} has labels of shape {more:?} per row", output.task))
            .remedy("give labels per row, along a sequence or all over an image")),
    }
}
