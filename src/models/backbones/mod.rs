//! Backbones: inputs to features.

mod bilstm;
mod conv;
mod input;
mod lenet;
mod mlp;
mod resnet;
mod scripted;
mod tabular;
mod transformer;
mod unet;
mod weights;

pub use bilstm::BiLstmBackbone;
pub use conv::Conv;
pub use lenet::LeNet;
pub use mlp::Mlp;
pub(super) use mlp::{width, widths};
pub use resnet::{ResNet18, ResNet34, ResNet50};
pub use scripted::TorchScript;
pub use tabular::Tabular;
pub use transformer::Transformer;
pub use unet::UNet;

use super::Builder;
use super::flow::Named;
use crate::error::BadSetting;
use crate::registry;
use std::path::{Path, PathBuf};

/// Layers one behind another, in stages: what architectures may join after each of them.
#[derive(Default)]
pub struct Chain {
    /// In order. Names are those of PyTorch: positions in a `Sequential`, or attributes.
    pub stages: Vec<Vec<Named>>,
}

/// Turns inputs into features.
pub trait Backbone {
    /// Builds it at `builder` for rows of the shape `input` (without `N`).
    ///
    /// # Errors
    /// It cannot take such rows.
    fn build(&self, builder: &Builder, input: &[i64]) -> Result<Chain, BadSetting>;

    /// What turns raw inputs into numbers, such as embeddings: shared by all parts that read the input. None by default.
    ///
    /// # Errors
    /// It cannot take such rows.
    fn stem(&self, builder: &Builder, input: &[i64]) -> Result<Vec<Named>, BadSetting> {
        let _ = (builder, input);
        Ok(vec![])
    }

    /// Whether it wants categories as indices (0 for a text not seen in training, then the levels from 1 on), not one-hot.
    fn reads_indices(&self) -> bool {
        false
    }

    /// Whether a row of its input is an image, as for convolutions.
    fn reads_images(&self) -> bool {
        false
    }

    /// Whether a row of any shape is one list of numbers to it.
    fn flattens(&self) -> bool {
        false
    }

    /// How many ids there are, where every input is one: whole numbers from 0 up to, not including, it.
    fn vocabulary(&self) -> Option<u64> {
        None
    }

    /// The same with the files that it reads below `folder`; `None` where it reads none.
    fn absolute(&self, folder: &Path) -> Option<BackboneKind> {
        let _ = folder;
        None
    }
}

registry! {
    /// What turns inputs into features.
    pub BackboneKind as dyn Backbone {
        "mlp" => Mlp,
        "tabular" => Tabular,
        "lenet" => LeNet,
        "conv" => Conv,
        "resnet18" => ResNet18,
        "resnet34" => ResNet34,
        "resnet50" => ResNet50,
        "unet" => UNet,
        "transformer" => Transformer,
        "bilstm" => BiLstmBackbone,
        "torchscript" => TorchScript,
    }
}

impl BackboneKind {
    /// The same with the files that it reads below `folder`.
    #[must_use]
    pub fn below(&self, folder: &Path) -> Self {
        self.absolute(folder).unwrap_or_else(|| self.clone())
    }
}

fn whole(folder: &Path, file: &Path) -> PathBuf {
    let file = folder.join(file);
    std::path::absolute(&file).unwrap_or(file)
}
