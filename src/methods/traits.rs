//! What a method is: what it says of itself, and what it makes of what it reads.

use super::{Matrix, Size, Slot, State, Step};
use crate::error::BadSetting;
use anyhow::Result;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::Tensor;

/// What every method says of itself.
pub trait Balancing {
    /// What it reads, and so what it computes.
    fn reads(&self) -> Reads<'_>;

    /// Whose weight a task's own parameters follow, where the settings leave it open.
    fn heads(&self) -> Heads;

    /// What it remembers between steps.
    fn state(&self, size: &Size) -> Vec<Slot> {
        let _ = size;
        vec![]
    }

    /// Checks the settings that depend on the tasks.
    ///
    /// # Errors
    /// A setting that does not fit, its path relative to the method's section.
    fn check(&self, tasks: &[String]) -> Result<(), BadSetting> {
        let _ = tasks;
        Ok(())
    }

    /// The gradient `[T]` of the objective with respect to the method's own learned parameters ([`Slot::learned`]), which the
    /// run's optimizer trains; zero for an absent task. Asked for after the weights, before the update.
    fn learned_gradient(&self, step: &Step, state: &State) -> Option<Vec<f64>> {
        let _ = (step, state);
        None
    }

    /// How many independent batches a step reads: 1, or 3 for a method whose Gramian is `J1 J2ᵀ` `[K, K]` and whose weights
    /// apply to `J3`.
    fn batches(&self) -> usize {
        1
    }

    /// Whether it needs [`Step::accuracies`].
    fn reads_accuracies(&self) -> bool {
        false
    }

    /// Whether it looks at the losses of the same batch again after the update.
    fn looks_again(&self) -> bool {
        false
    }

    /// Takes in the losses `[K]` of the same batch after the update that its weights made.
    ///
    /// # Errors
    /// A loss that it cannot take.
    fn look_again(&self, step: &Step, after: &[f64], state: &mut State) -> Result<()> {
        let _ = (step, after, state);
        Ok(())
    }

    /// An epoch is over.
    fn end_epoch(&self, state: &mut State) {
        let _ = state;
    }

    /// Whether its state is about single parameters, so that gradients of the representation, whose entries are those of a
    /// batch, cannot serve it.
    fn follows_parameters(&self) -> bool {
        false
    }
}

/// What a method reads.
pub enum Reads<'a> {
    /// The losses alone: one backward pass.
    Losses(&'a dyn LossMethod),
    /// The products of the tasks' gradients.
    Gramian(&'a dyn GramianMethod),
    /// The tasks' gradients themselves.
    Jacobian(&'a dyn JacobianMethod),
}

/// A method that reads losses: the update follows the gradient of `Σ_t w_t L_t`.
pub trait LossMethod {
    /// The weights `w [K]` of the present tasks.
    ///
    /// # Errors
    /// A loss that it cannot take ([`Step::failure`]).
    fn weights(&self, step: &Step, state: &mut State) -> Result<Vec<f64>>;
}

/// A method that reads the Gramian `G = J Jᵀ [K, K]` of the present tasks' gradients; the update is `Jᵀ w`.
pub trait GramianMethod {
    /// The weights `w [K]`. All zero where there is no common descent direction: the step is stationary.
    ///
    /// Every entry of the Gramian is finite: whoever makes one refuses others ([`refuse_lost_gradients`](super::refuse_lost_gradients)).
    ///
    /// # Errors
    /// What it cannot take or solve ([`Step::failure`]).
    fn weights(&self, step: &Step, gramian: &Matrix, state: &mut State) -> Result<Vec<f64>>;
}

/// A method that reads the Jacobian `J [K, P]` of the present tasks' losses by the shared parameters.
pub trait JacobianMethod {
    /// The update. `jacobian` is in the parameters' precision and on their device.
    ///
    /// # Errors
    /// What it cannot take ([`Step::failure`]).
    fn direction(&self, step: &Step, jacobian: &Tensor, state: &mut State) -> Result<Direction>;

    /// Whether every [`Direction`] comes with weights.
    fn forms_weights(&self) -> bool {
        false
    }
}

/// What a Jacobian method answers.
#[derive(Debug)]
pub struct Direction {
    /// `[P]`, to descend against.
    pub direction: Tensor,
    /// `[K]`, where the method forms weights.
    pub weights: Option<Vec<f64>>,
}

/// Whose weight a task's own parameters follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Heads {
    /// Their gradient is that of the task's own loss.
    Own,
    /// Their gradient is that of the task's loss times the task's weight.
    Weighted,
}
