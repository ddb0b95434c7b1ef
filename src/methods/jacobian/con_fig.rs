//! ConFIG: the direction with the same cosine to every task's gradient.

use crate::error::BadSetting;
use crate::methods::per_task::{check_preference, present_or};
use crate::methods::rows;
use crate::methods::{Balancing, Direction, Heads, JacobianMethod, Matrix, Reads, State, Step, Vector};
use anyhow::Result;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

/// The direction that has the same cosine to every task's gradient.
///
/// ```text
/// x = U⁺ w,    u = x / ‖x‖
/// d = (Σ_t g_t·u) u
/// ```
///
/// `g_t [P]` is the gradient of task t's loss by the shared parameters, `U [T, P]` are these divided by their norms (zero
/// ones stay zero), `U⁺ [P, T]` is the pseudo-inverse and `w [T]` the `weights`; the length of d is that of the gradients'
/// projections on it together. x is computed as `Uᵀ (U Uᵀ)⁺ w`, in f64, without eigenvalues that are rounding of the
/// gradients' precision. Where w has no part in the range of U, as with two opposed gradients, no direction is preferred
/// and the update is zero.
///
/// Reads: Jacobian.
///
/// Cost: T backward passes, and a decomposition of size T.
///
/// Absent tasks: left out, with their entries of w.
///
/// Deviations: none in exact arithmetic; the authors decompose U itself.
///
/// Reference: Liu et al., "ConFIG: Towards Conflict-free Training of Physics Informed Neural Networks", ICLR 2025 (arXiv
/// 2408.11104).
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ConFig {
    /// w, the cosines' proportions: one number of 0 or above per task, in the order of `tasks`. Left out, as in the paper:
    /// all equal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weights: Option<Vec<f64>>,
}

impl Balancing for ConFig {
    fn reads(&self) -> Reads<'_> {
        Reads::Jacobian(self)
    }
    fn heads(&self) -> Heads {
        Heads::Own
    }
    fn check(&self, tasks: &[String]) -> Result<(), BadSetting> {
        check_preference("weights", self.weights.as_ref(), tasks)
    }
}

impl JacobianMethod for ConFig {
    fn direction(&self, step: &Step, jacobian: &Tensor, _: &mut State) -> Result<Direction> {
        let gramian = rows::gramian(jacobian); // [K, K]
        let norms = rows::norms_of(step, &gramian)?;
        let wanted = present_or(self.weights.as_ref(), 1.0, step);
        let wanted = wanted.iter().zip(&norms).map(|(&wanted, &norm)| if norm > 0.0 { wanted } else { 0.0 });
        let wanted = Vector::from_iterator(step.count(), wanted);
        let shares = norms.iter().map(|&norm| if norm > 0.0 { 1.0 / norm } else { 0.0 });
        let shares = Vector::from_iterator(step.count(), shares);
        let cosines = Matrix::from_fn(step.count(), step.count(), |i, j| gramian[(i, j)] * shares[i] * shares[j]);
        let precision = if jacobian.kind() == Kind::Double { f64::EPSILON } else { f64::from(f32::EPSILON) };
        let Some(solved) = solve(cosines, &wanted, precision) else {
            return Ok(Direction { direction: jacobian.select(0, 0).zeros_like(), weights: None });
        };
        let solved = solved.component_mul(&shares); // x = Jᵀ solved
        let progress = &gramian * &solved; // g_t·x [K]
        let factor = progress.sum() / solved.dot(&progress);
        let weights: Vec<f64> = solved.iter().map(|value| value * factor).collect();
        Ok(Direction { direction: rows::combine(&weights, jacobian), weights: None })
    }
}

/// `(U Uᵀ)⁺ w`, scaled, where the entries of `U` are known to `precision`; nothing where `w` lies outside the range.
fn solve(gramian: Matrix, wanted: &Vector, precision: f64) -> Option<Vector> {
    let count = wanted.len() as f64;
    let eigen = gramian.symmetric_eigen();
    // The Gramian's eigenvalues are the squares of the singular values, and carry its own rounding.
    let cut = eigen.eigenvalues.max() * count * f64::EPSILON.max(precision * precision);
    let mut solved = Vector::zeros(wanted.len());
    let mut reached = 0.0; // ‖the part of w in the range‖²
    for (value, vector) in eigen.eigenvalues.iter().zip(eigen.eigenvectors.column_iter()) {
        if *value > cut {
            let part = vector.dot(wanted);
            reached += part * part;
            solved += vector * (part / value);
        }
    }
    let rounding = 8.0 * count * precision * wanted.norm();
    (reached.sqrt() > rounding).then(|| &solved / solved.amax())
}

#[cfg(test)]
mod tests {
    use crate::methods::trial::{assert_near, first, matrix, refused, two_rows};

    #[test]
    fn the_closed_form_of_two_tasks() {
        assert_near(&first("{name: con_fig}", &two_rows()).direction, &[0.1588, 2.0706, 2.0706], 5e-5);
    }

    #[test]
    fn the_cosines_are_equal_or_in_proportion_to_the_weights() {
        let rows = [[1.0, 2.0, 0.0, 1.0], [-10.0, 5.0, 3.0, 0.0], [0.1, -0.1, 0.4, 0.3]];
        for (yaml, weights) in
            [("{name: con_fig}", [1.0, 1.0, 1.0]), ("{name: con_fig, weights: [1, 2, 3]}", [1.0, 2.0, 3.0])]
        {
            let found = first(yaml, &matrix(rows)).direction;
            let cosine = |row: &[f64]| {
                let dot: f64 = row.iter().zip(&found).map(|(a, b)| a * b).sum();
                dot / row.iter().map(|a| a * a).sum::<f64>().sqrt()
            };
            let cosines: Vec<f64> = rows.iter().zip(weights).map(|(row, weight)| cosine(row) / weight).collect();
            assert!(cosines[0] > 0.0);
            assert!(cosines.iter().all(|cosine| (cosine / cosines[0] - 1.0).abs() < 1e-12), "{cosines:?}");
        }
    }

    #[test]
    fn zero_rows_are_left_out_and_opposed_ones_give_zero() {
        let update = |rows| first("{name: con_fig}", &rows).direction;
        assert_near(&update(two_rows().insert_row(1, 0.0)), &update(two_rows()), 1e-12);
        assert_eq!(update(matrix([[0.0; 3], [0.0; 3]])), [0.0; 3]);
        assert_eq!(update(matrix([[0.1, 0.7, -0.3], [-0.03, -0.21, 0.09]])), [0.0; 3]);
        assert_near(&update(matrix([[1.0, 2.0, 2.0], [2.0, 4.0, 4.0]])), &[3.0, 6.0, 6.0], 1e-12);
    }

    #[test]
    fn weights_that_do_not_fit_are_refused() {
        for (weights, path) in [("[1]", "weights"), ("[0, 0]", "weights"), ("[1, .nan]", "weights[1]")] {
            assert_eq!(refused(&format!("{{name: con_fig, weights: {weights}}}"), 2).path, path);
        }
    }
}
