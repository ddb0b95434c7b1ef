//! Models: inputs to one output per task. Parameters are views of one flat buffer.

pub mod architectures;
pub mod backbones;
mod builder;
mod document;
pub mod flow;
pub mod heads;
pub mod layers;
mod network;
pub mod objectives;
mod parameters;
mod perceptron;
mod scripted;
mod sharing;

pub use builder::Builder;
pub use document::MultiTaskModel;
pub use heads::Output;
pub use layers::{Activation, Layer, linear};
pub use network::{Network, Plan};
pub use objectives::Objectives;
pub use parameters::{Parameters, Span};
pub use perceptron::{Perceptron, Stage};
pub use scripted::Scripted;
pub use sharing::Sharing;

use anyhow::Result;
use std::path::Path;
use tch::Tensor;

/// How a forward pass runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Nothing is drawn, statistics stand still.
    Evaluate,
    /// Draws are a function of these three and the layer.
    Train {
        /// The run's seed.
        seed: u64,
        /// Updates made before this one.
        step: u64,
        /// The group of the batch that passes through.
        group: u64,
    },
}

/// A node of the model's graph, for pictures and tables.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// A path with `/`, such as `shared_layers/0`.
    pub name: String,
    /// Such as `Linear`.
    pub operation: String,
    /// Names of the nodes it reads; `input` is the model's input.
    pub inputs: Vec<String>,
    /// Shape of its output, -1 for the batch.
    pub shape: Vec<i64>,
}

/// A model of several tasks.
pub trait Model {
    /// The outputs `[N, width]` of `tasks`, in their order, for one group of rows.
    ///
    /// # Errors
    /// The inputs do not fit the model (only a model from outside can find that out here).
    fn forward(&self, inputs: &[(String, Tensor)], tasks: &[usize], mode: Mode) -> Result<Vec<Tensor>>;

    /// Every parameter by its PyTorch name, in the order of registration.
    fn parameters(&self) -> Vec<(String, Tensor)>;

    /// Every buffer (state that is no parameter, such as running statistics) by its PyTorch name.
    fn buffers(&self) -> Vec<(String, Tensor)>;

    /// Of inputs with these names those that it reads, in the order in which its TorchScript takes
    /// them.
    ///
    /// # Errors
    /// The inputs do not fit the model.
    fn inputs(&self, names: &[&str]) -> Result<Vec<String>> {
        Ok(names.iter().take(1).map(|name| (*name).to_string()).collect())
    }

    /// The names of its outputs, in the order in which its TorchScript gives them: those of the tasks, and of outputs that
    /// no task reads.
    fn outputs(&self) -> Vec<String>;

    /// The model in two parts, where every task reads the same representation of the same inputs.
    fn shared_representation(&self) -> Option<&dyn SharedRepresentation> {
        None
    }

    /// The model as linear layers with activations, where it is that.
    ///
    /// # Errors
    /// Why it is not, to follow "the model".
    fn perceptron(&self) -> Result<Perceptron, String> {
        Err("is not built from YAML layers".into())
    }

    /// The names of the modules that are heads; none where that cannot be told.
    fn heads(&self) -> Vec<String> {
        vec![]
    }

    /// Whether training draws from libtorch's global generator, so that it must be seeded anew each step.
    fn draws_globally(&self) -> bool {
        false
    }

    /// A few numbers that say where the model is, by name, where a path of them makes a picture; they are recorded with
    /// the steps.
    fn coordinates(&self) -> Vec<(&'static str, f64)> {
        vec![]
    }

    /// Its parts, inputs first.
    fn graph(&self) -> Vec<Node>;

    /// Writes it as TorchScript, in evaluation mode, with `extra` files inside.
    ///
    /// # Errors
    /// The file cannot be written.
    fn save(&self, path: &Path, extra: &[(&str, &str)]) -> Result<()>;
}

/// A model in two parts: one representation that every head reads.
pub trait SharedRepresentation {
    /// Inputs to the representation `z [N, …]`.
    ///
    /// # Errors
    /// The inputs do not fit the model (only a part from outside can find that out here).
    fn encode(&self, inputs: &[(String, Tensor)], mode: Mode) -> Result<Tensor>;

    /// The representation to the outputs of `tasks`, in their order.
    fn decode(&self, z: &Tensor, tasks: &[usize], mode: Mode) -> Vec<Tensor>;
}
