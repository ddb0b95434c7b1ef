//! Engines: what differentiates. An evaluation is a batch's losses, and gradients on demand.

mod autograd;
mod choice;
mod dense;
mod passes;
mod taped;
#[cfg(test)]
mod tests;

pub use autograd::{Autograd, ownership};
pub use choice::{EngineChoice, InstructionsChoice};
pub use dense::{DenseOptions, dense};

use crate::data::Batch;
use crate::methods::Evaluation;
use crate::models::{Mode, Parameters};
use anyhow::Result;

/// What is wanted of a batch.
#[derive(Debug, Clone, Copy)]
pub struct Request {
    /// How the forward pass runs. The group of a training mode is set by the engine.
    pub mode: Mode,
    /// Which of a step's independent batches it is, from 0: each draws its own.
    pub batch: u64,
    /// The update will be made of the tasks' gradients, one backward pass each, and not of their weighted losses.
    pub gradients: bool,
    /// Those gradients are by the representation that all heads read.
    pub representation: bool,
    /// The tasks' accuracies on the batch are wanted.
    pub accuracies: bool,
}

/// Runs a batch through a model.
pub trait Engine {
    /// Which one it is.
    fn choice(&self) -> EngineChoice;

    /// The losses of a batch, read in `portions`, at the given parameters. `N_t` is counted over all portions.
    ///
    /// # Errors
    /// The model cannot take the batch.
    fn evaluate<'a>(
        &'a self,
        portions: &'a [Batch],
        parameters: &'a Parameters,
        request: Request,
    ) -> Result<Box<dyn Evaluation + 'a>>;

    /// The losses alone, `[T]`, with the draws of the same request; running statistics stay as they are.
    ///
    /// # Errors
    /// The model cannot take the batch.
    fn losses(&self, portions: &[Batch], parameters: &Parameters, request: Request) -> Result<Vec<Option<f64>>>;
}
