//! What a method says of a problem that was not solved.

use crate::methods::{Matrix, Step};
use std::fmt::Display;

/// An error that says `what` failed, with the norms of the gradients that it was about.
pub(super) fn unsolved(step: &Step, gramian: &Matrix, what: impl Display) -> anyhow::Error {
    let norms: Vec<f64> = gramian.diagonal().iter().map(|square| square.sqrt()).collect();
    step.failure(
        &format!("{what}; gradient norms"),
        &norms,
        "lower the learning rate, or try another method: these norms are the gradients' at the failure",
    )
}
