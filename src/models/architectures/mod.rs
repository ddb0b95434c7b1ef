//! Architectures: how tasks share a backbone.

mod hard_sharing;

pub use hard_sharing::HardSharing;

use super::backbones::{BackboneKind, Chain};
use super::{Mode, Node};
use crate::libtorch::Script;
use crate::registry;
use tch::{Tensor, nn};

/// Inputs to one representation per task.
pub trait Encoder {
    /// The representations `[N, width]` of `tasks`, in their order.
    fn representations(&self, x: &Tensor, tasks: &[usize], mode: Mode) -> Vec<Tensor>;

    /// Whether every task reads the same representation.
    fn is_one_for_all(&self) -> bool {
        false
    }

    /// The name and the layers of the chain that it is, where it is one that every task reads.
    fn chain(&self) -> Option<(&'static str, &Chain)> {
        None
    }

    /// The width of a task's representation.
    fn width(&self, task: usize) -> i64;

    /// Its parts, inputs first, and per task the name of the node that is its representation.
    fn graph(&self) -> (Vec<Node>, Vec<String>);

    /// Its modules by name, and TorchScript lines that turn `x` into `z0`, `z1`, … (one per task).
    fn script(&self) -> (Vec<(String, Script)>, String);
}

/// How tasks share.
pub trait Architecture {
    /// Builds the encoder under `root`, for inputs of `inputs` features and so many tasks.
    fn build(&self, root: &nn::Path, backbone: &BackboneKind, inputs: i64, tasks: usize, seed: u64)
    -> Box<dyn Encoder>;
}

registry! {
    /// How tasks share the backbone.
    pub ArchitectureKind as dyn Architecture {
        "hard_sharing" => HardSharing,
    }
}

impl Default for ArchitectureKind {
    fn default() -> Self {
        Self::HardSharing(HardSharing {})
    }
}
