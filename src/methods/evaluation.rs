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

    /// Backward passes so far: what was asked of this batch costs, whichever engine answers.
    ///
    /// One backward pass is one reverse-mode sweep through the shared part of the model, over all
    /// rows of the batch, for one cotangent (a vector of weights on the losses); `K` cotangents
    /// swept at once count `K`, and a batch that is read in several portions counts as the one
    /// batch that it is.
    ///
    /// | asked for | backward passes |
    /// |---|---|
    /// | a weighted sum of the losses ([`combine`](Self::combine), [`pull_back`](Self::pull_back)) | 1 |
    /// | the tasks' gradients ([`jacobian`](Self::jacobian), [`gramian`](Self::gramian)) | `K`, once |
    /// | the first weighted sum of an evaluation that was made for the tasks' gradients | `K`, once |
    /// | weighted sums or directions of gradients that are counted | 0 |
    /// | the tasks' gradients by the representation | 0 |
    /// | the update of all parameters by way of the representation | 1 |
    ///
    /// What leads to the tasks' own parameters is part of the pass beside it: each head is swept by
    /// its own loss, so that all heads together cost what they cost in one pass (Sener and Koltun,
    /// "Multi-Task Learning as Multi-Objective Optimization", NeurIPS 2018, count MGDA-UB as one
    /// backward pass for this reason). How an engine finds the answer does not count: one that keeps
    /// no Jacobian for a Gramian sweeps once more to pull weights back, which shows in the time alone.
    fn backward_passes(&self) -> u64;
}
