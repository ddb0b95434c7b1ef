//! What a head is trained on: numerators and normalisers, so that a mean can span several batches.

use super::{Form, NO_CLASS, Target, per_column};
use crate::error::BadSetting;
use crate::registry;
use serde::de::{Deserialize, Deserializer, Error};
use tch::{Device, Kind, Tensor};

mod binary_cross_entropy;
mod cosine;
mod cross_entropy;
mod regression;
mod value;

pub use binary_cross_entropy::BinaryCrossEntropy;
pub use cosine::Cosine;
pub use cross_entropy::CrossEntropy;
pub use regression::{Huber, L1, Mse};
pub use value::Value;

/// A loss `L = total / normalizer`: the mean over a task's own labelled cells.
///
/// Both are sums over rows, so `Σ total / Σ normalizer` over the parts of a batch is the loss of the whole batch.
pub trait Loss {
    /// What the labels are, given the number of label columns.
    fn form(&self, columns: i64) -> Form;

    /// Whether the settings fit each other and a task of `columns` label columns.
    ///
    /// # Errors
    /// The path of the setting that does not fit, relative to the loss section.
    fn check(&self, columns: i64) -> Result<(), BadSetting> {
        let _ = columns;
        Ok(())
    }

    /// Whether labels enter it.
    fn reads_labels(&self) -> bool {
        true
    }

    /// Whether its labels are numbers of a unit, which can be standardised.
    fn has_unit(&self) -> bool {
        true
    }

    /// `Σ w·l` over the labelled cells of `target`, a scalar in the autograd graph of `output` `[N, width, …positions]`.
    ///
    /// # Panics
    /// `output` has another width than the [`form`](Self::form) says, or other positions than `target`.
    fn total(&self, output: &Tensor, target: &Target) -> Tensor;

    /// `Σ w` over the labelled cells of `target`; 0 means that the task is absent.
    fn normalizer(&self, target: &Target) -> f64 {
        match &target.weights {
            None => target.values.numel() as f64,
            // A mask that all columns share counts for each of them.
            Some(weights) => host_sum(weights) * columns_per_weight(target.values.numel(), weights.numel()),
        }
    }
}

registry! {
    /// A task's loss.
    pub LossKind as dyn Loss {
        "cross_entropy" => CrossEntropy,
        "binary_cross_entropy" => BinaryCrossEntropy,
        "mse" => Mse,
        "l1" => L1,
        "huber" => Huber,
        "cosine" => Cosine,
        "value" => Value,
    }
}

/// The most precise kind that a device computes in.
fn exact(device: Device) -> Kind {
    if device == Device::Mps { Kind::Float } else { Kind::Double }
}

/// The sum of all elements, on the host.
fn host_sum(tensor: &Tensor) -> f64 {
    tensor.sum(exact(tensor.device())).double_value(&[])
}

/// For how many of `cells` each of so many `weights` stands.
fn columns_per_weight(cells: usize, weights: usize) -> f64 {
    cells.checked_div(weights).map_or(1.0, |shared| shared as f64)
}

/// `Σ w·l`; `weights` has the shape of `per_cell`, or one column that all columns share.
fn weighted_sum(per_cell: &Tensor, weights: &Tensor) -> Tensor {
    assert_cells_or_positions(per_cell, weights);
    (per_cell * weights).sum(per_cell.kind())
}

/// libtorch would broadcast other shapes too, and give a wrong loss in silence.
fn assert_cells_or_positions(cells: &Tensor, weights: &Tensor) {
    let (mut shape, given) = (cells.size(), weights.size());
    let fits = shape == given
        || (shape.len() > 2 && given.get(1) == Some(&1) && {
            shape[1] = 1;
            shape == given
        });
    assert!(fits, "weights {given:?} do not belong to cells {:?}", cells.size());
}

/// libtorch would broadcast `[N, 1]` against `[N, M]` and give a wrong loss in silence.
fn assert_cell_by_cell(output: &Tensor, target: &Target) {
    assert_eq!(output.size(), target.values.size(), "outputs and labels differ in shape");
}

/// A list of finite numbers, zero or above, or nothing.
fn non_negative_list<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<f64>>, D::Error> {
    let list = Option::<Vec<f64>>::deserialize(deserializer)?;
    match list.iter().flatten().find(|value| !(**value >= 0.0 && value.is_finite())) {
        Some(value) => {
            Err(D::Error::custom(format!("invalid value: {value}, expected a list of numbers of 0 or above")))
        }
        None => Ok(list),
    }
}

#[cfg(test)]
mod dense_tests;
#[cfg(test)]
mod tests;
