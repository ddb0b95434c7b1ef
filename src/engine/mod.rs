//! Engines: what differentiates. An evaluation is a batch's losses, and gradients on demand.

mod autograd;

pub use autograd::Autograd;

use crate::data::Batch;
use crate::models::{Mode, Parameters};
use anyhow::Result;
use tch::Tensor;

/// Runs a batch through a model.
pub trait Engine {
    /// The losses of a batch at the given parameters.
    ///
    /// # Errors
    /// The model cannot take the batch.
    fn evaluate<'a>(
        &'a self,
        batch: &Batch,
        parameters: &'a Parameters,
        mode: Mode,
    ) -> Result<Box<dyn Evaluation + 'a>>;
}

/// A batch's losses and their gradients.
pub trait Evaluation {
    /// Per task its loss, the mean over its own labelled rows; `None` where it has none in this batch.
    fn losses(&self) -> &[Option<f64>];

    /// Per task the normaliser of its loss (the number of labelled rows, or the sum of their weights).
    fn normalizers(&self) -> &[f64];

    /// The gradient `[P]` of `Σ_t w_t L_t`; `None` entries of `weights` count as absent. Can be asked for once.
    fn pull_back(&mut self, weights: &[Option<f64>]) -> Tensor;
}
