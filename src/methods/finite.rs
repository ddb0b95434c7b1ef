//! Numbers that are not finite must not enter a method's state, nor be passed over.

use super::{Matrix, Step};
use anyhow::Result;

/// Refuses a Gramian with an entry that is not finite.
///
/// # Errors
/// Names, per task, the first such product of its row, or the product of its gradient with itself.
pub fn refuse_lost_gradients(step: &Step, gramian: &Matrix) -> Result<()> {
    if gramian.iter().all(|product| product.is_finite()) {
        return Ok(());
    }
    let rows = gramian.row_iter().enumerate();
    let shown: Vec<f64> = rows
        .map(|(at, row)| row.iter().copied().find(|product| !product.is_finite()).unwrap_or(gramian[(at, at)]))
        .collect();
    Err(step.failure(
        "products of the tasks' gradients are not finite",
        &shown,
        "lower optimizer.learning_rate, set train.clip_norm, or look for rows whose loss or gradient overflows",
    ))
}

/// The weights `[K]`.
///
/// # Errors
/// One is not finite.
pub(super) fn finite_weights(weights: Vec<f64>, step: &Step, remedy: &str) -> Result<Vec<f64>> {
    match weights.iter().all(|weight| weight.is_finite()) {
        true => Ok(weights),
        false => {
            let what = format!("weights that are not finite, from losses {:?}", step.losses);
            Err(step.failure(&what, &weights, remedy))
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::methods::trial::{Trial, matrix};

    #[test]
    fn products_that_are_not_finite_are_an_error_wherever_a_gramian_is_made() {
        let scaled = "{name: weighted, weighting: {name: constant, weights: [1, 1e300]}, inner: {name: mgda}}";
        let in_groups = "{name: grouped, by: whole, inner: {name: mgda}}";
        for (yaml, large) in [("{name: mgda}", 1e200), (scaled, 1e50), (in_groups, 1e200)] {
            let mut trial = Trial::wide(yaml, 2, 2);
            let error = trial.on(&matrix([[1.0, 0.0], [0.0, large]])).expect_err(yaml).to_string();
            let expected = "method mgda at step 0: products of the tasks' gradients are not finite: task1 1, task2 inf";
            assert_eq!(error, expected, "{yaml}");
        }
    }
}
