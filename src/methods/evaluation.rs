//! Through what a method's user reads a batch: engines implement it, and so do numbers from a file.

use super::Matrix;
use tch::Tensor;

/// What the shared parameters shall follow.
#[derive(Debug, Clone, Copy)]
pub enum Shared<'a> {
    /// `Jᵀ w`, for weights `w [K]`.
    Weights(&'a [f64]),
    /// A direction in the space of the Jacobian's rows.
    Direction(&'a Tensor),
}

/// A batch's losses at some parameters, and gradients on demand. `K` tasks are present; every row and weight is one of
/// theirs, in ascending order.
pub trait Evaluation {
    /// Per task `[T]` its loss, the mean over its own labelled rows; `None` where it has none in this batch.
    fn losses(&self) -> &[Option<f64>];

    /// Per task `[T]` the normaliser of its loss (the number of labelled rows, or the sum of their weights).
    fn normalizers(&self) -> &[f64];

    /// Per task `[T]` the accuracy on this batch; `None` where it is absent or has none, or where nobody asked.
    fn accuracies(&self) -> &[Option<f64>];

    /// The gradients of the present tasks' losses by the shared parameters `[K, P]` (or by all entries of the shared
    /// representation). Computed once.
    fn jacobian(&mut self) -> Tensor;

    /// `J Jᵀ` `[K, K]`, in f64.
    fn gramian(&mut self) -> Matrix;

    /// `Jᵀ w`, without the tasks' own parameters.
    fn combine(&mut self, weights: &[f64]) -> Tensor;

    /// One flat gradient of all parameters: the shared ones follow `shared`, those of a task's own follow its loss's
    /// gradient times its entry of `heads` `[K]`. The rest is zero.
    fn pull_back(&mut self, shared: Shared, heads: &[f64]) -> Tensor;

    /// Backward passes made so far.
    fn backward_passes(&self) -> u64;
}
