//! Weights on the simplex of all tasks, of which a step sees those of the present tasks.

use super::finite::finite_weights;
use super::solvers::project_on_simplex;
use super::{Matrix, Step, Vector};
use anyhow::Result;

/// Changes the present tasks' part of `weights` `[T]` and gives it `[K]`, scaled to sum to 1.
///
/// `change` takes a point of the simplex of the K present tasks to another. The present tasks share among themselves what
/// they had together, so the others stand still and all T keep their sum; where they had nothing they begin as equals,
/// and nothing is kept.
///
/// # Errors
/// That of `change`; then nothing changes.
pub(super) fn change_shares(
    weights: &mut [f64],
    present: &[usize],
    change: impl FnOnce(Vec<f64>) -> Result<Vec<f64>>,
) -> Result<Vec<f64>> {
    let together: f64 = present.iter().map(|&task| weights[task]).sum();
    let share = |&task: &usize| {
        if together > 0.0 { weights[task] / together } else { 1.0 / present.len() as f64 }
    };
    let shares = change(present.iter().map(share).collect())?;
    present.iter().zip(&shares).for_each(|(&task, share)| weights[task] = together * share);
    Ok(shares)
}

/// The weights after one step of size `rate` towards the min-norm point, `λ ← Π(λ - rate (G λ + ρ λ))`, with the products
/// `G [K, K]` of gradients and `Π` the projection on the simplex; of the present tasks, as in [`change_shares`].
///
/// # Errors
/// The step leaves the finite numbers.
pub(super) fn towards_min_norm(
    weights: &mut [f64],
    step: &Step,
    products: &Matrix,
    rho: f64,
    rate: f64,
) -> Result<Vec<f64>> {
    change_shares(weights, step.present, |shares| {
        let shares = Vector::from_vec(shares);
        let slope = products * &shares + &shares * rho; // [K]
        let moved = (shares - slope * rate).as_slice().to_vec();
        let remedy = "lower `gamma`, or the learning rate if the gradients grow";
        Ok(project_on_simplex(&finite_weights(moved, step, remedy)?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_present_share_what_they_had_and_the_absent_stand_still() {
        let mut weights = [0.25, 0.5, 0.25];
        let shares = change_shares(&mut weights, &[0, 2], |shares| {
            assert_eq!(shares, [0.5, 0.5]);
            Ok(vec![0.25, 0.75])
        });
        let shares = shares.unwrap();
        assert_eq!((shares, weights), (vec![0.25, 0.75], [0.125, 0.5, 0.375]));
    }

    #[test]
    fn tasks_that_have_nothing_begin_as_equals() {
        let mut weights = [0.0, 1.0, 0.0];
        let shares = change_shares(&mut weights, &[0, 2], Ok).unwrap();
        assert_eq!((shares, weights), (vec![0.5, 0.5], [0.0, 1.0, 0.0]));
    }
}
