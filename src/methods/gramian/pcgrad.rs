//! Gradients projected off those they conflict with.

use super::order::orders;
use crate::methods::solvers::dot;
use crate::methods::{Balancing, GramianMethod, Heads, Matrix, Reads, State, Step};
use anyhow::Result;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Each gradient loses its component along every other that it conflicts with.
///
/// ```text
/// for each task i:    g_i' = g_i
///   for the other tasks j in random order, where g_i'·g_j < 0:
///     g_i' ← g_i' - (g_i'·g_j / ‖g_j‖²) g_j
/// d = Σ_i g_i'
/// ```
///
/// `g_i [P]` is the gradient of task i's loss by the shared parameters; it is the original `g_j` that is projected on.
/// Computed from the Gramian alone as coefficients `C [T, T]`, `g_i' = Σ_j C_ij g_j`; the weights `w [T]` are the sums of
/// C's columns. A gradient of zero conflicts with nobody. The orders are drawn anew for each task and step, from the seed,
/// the step and the tasks' names.
///
/// Reads: Gramian.
///
/// Cost: T backward passes.
///
/// Absent tasks: left out, so that T is the number of those present.
///
/// Deviations: none from the paper; the authors' code shuffles without effect, and so meets the tasks in their given order.
///
/// Reference: Yu et al., "Gradient Surgery for Multi-Task Learning", NeurIPS 2020 (arXiv 2001.06782).
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PcGrad {}

impl Balancing for PcGrad {
    fn reads(&self) -> Reads<'_> {
        Reads::Gramian(self)
    }
    fn heads(&self) -> Heads {
        Heads::Own
    }
}

impl GramianMethod for PcGrad {
    fn weights(&self, step: &Step, gramian: &Matrix, _: &mut State) -> Result<Vec<f64>> {
        let mut weights = vec![0.0; step.count()];
        for (row, order) in orders(step, "pcgrad").iter().enumerate() {
            let coefficients = project(gramian, row, order);
            weights.iter_mut().zip(coefficients).for_each(|(weight, coefficient)| *weight += coefficient);
        }
        Ok(weights)
    }
}

/// The coefficients `[K]` of the gradient of `row` after it met the others in their order.
fn project(gramian: &Matrix, row: usize, order: &[usize]) -> Vec<f64> {
    let mut coefficients = vec![0.0; gramian.nrows()];
    coefficients[row] = 1.0;
    for &other in order {
        let product = dot(&coefficients, gramian.column(other).as_slice());
        let square = gramian[(other, other)];
        if product < 0.0 && square > 0.0 {
            coefficients[other] -= product / square;
        }
    }
    coefficients
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::methods::Vector;
    use crate::methods::hard::kinds;
    use crate::methods::trial::{Trial, assert_near, first, matrix, near, two_rows, weights};

    /// All orders of `items`.
    fn permutations(items: &[usize]) -> Vec<Vec<usize>> {
        if items.is_empty() {
            return vec![vec![]];
        }
        let mut all = Vec::new();
        for (at, &first) in items.iter().enumerate() {
            let rest = [&items[..at], &items[at + 1..]].concat();
            all.extend(permutations(&rest).into_iter().map(|rest| [&[first], &rest[..]].concat()));
        }
        all
    }

    /// The gradient `[P]` of `task` after the paper's Algorithm 1, on the gradients themselves.
    fn by_vectors(rows: &Matrix, task: usize, order: &[usize]) -> Vector {
        let mut gradient: Vector = rows.row(task).transpose();
        for &other in order {
            let against: Vector = rows.row(other).transpose();
            let product = gradient.dot(&against);
            if product < 0.0 {
                gradient -= against.scale(product / against.norm_squared());
            }
        }
        gradient
    }

    /// The mean `[P]` of the update over all orders.
    fn expected_update(rows: &Matrix) -> Vec<f64> {
        let mut update = Vector::zeros(rows.ncols());
        for task in 0..rows.nrows() {
            let others: Vec<usize> = (0..rows.nrows()).filter(|&other| other != task).collect();
            let orders = permutations(&others);
            for order in &orders {
                update += by_vectors(rows, task, order) / orders.len() as f64;
            }
        }
        update.as_slice().to_vec()
    }

    /// Four gradients in three dimensions, most of them in conflict.
    fn conflicting() -> Matrix {
        matrix([[1.0, 0.2, 0.1], [-0.8, 1.1, 0.3], [-0.5, -1.2, 0.4], [0.3, 0.1, -1.5]])
    }

    #[test]
    fn two_tasks_have_the_closed_form() {
        let answer = first("{name: pcgrad}", &two_rows());
        // g1·g2 = -22, ‖g1‖² = 18, ‖g2‖² = 38: weights 1 + 22/18 and 1 + 22/38
        assert_near(&answer.weights.expect("weights"), &[1.0 + 22.0 / 18.0, 1.0 + 22.0 / 38.0], 1e-15);
        assert_near(&answer.direction, &[0.5848, 3.8012, 3.8012], 2e-5);
    }

    #[test]
    fn the_update_is_a_function_of_seed_and_step() {
        let drawn = |seed: u64| {
            let mut trial = Trial::wide("{name: pcgrad}", 4, 3);
            trial.seed = seed;
            (0..20).map(|_| trial.on(&conflicting()).expect("an answer")).collect::<Vec<_>>()
        };
        let one = drawn(1);
        assert_eq!(one, drawn(1));
        assert_ne!(one, drawn(2));
        assert!(one.iter().any(|answer| *answer != one[0]));
    }

    #[test]
    fn the_mean_over_many_draws_is_the_expectation_over_all_orders() {
        for rows in [conflicting().remove_row(3), conflicting()] {
            let mut trial = Trial::wide("{name: pcgrad}", rows.nrows(), 3);
            let draws: Vec<Vec<f64>> = (0..4000).map(|_| trial.on(&rows).expect("an answer").direction).collect();
            for (at, expected) in expected_update(&rows).into_iter().enumerate() {
                let mean = draws.iter().map(|draw| draw[at]).sum::<f64>() / 4000.0;
                let variance = draws.iter().map(|draw| (draw[at] - mean).powi(2)).sum::<f64>() / 4000.0;
                assert!(variance > 1e-4, "the orders make no difference");
                assert!((mean - expected).abs() < 4.0 * (variance / 4000.0).sqrt(), "{mean} instead of {expected}");
            }
        }
    }

    #[test]
    fn coefficients_make_the_update_that_vectors_make_at_any_scale() {
        // Of rows on a line, rounding decides which are in conflict.
        let lines = ["equal", "parallel", "nearly", "opposed", "one parameter"];
        for (name, rows) in kinds(5).into_iter().filter(|(name, _)| !lines.iter().any(|kind| name.starts_with(kind))) {
            let mut trial = Trial::wide("{name: pcgrad}", rows.nrows(), rows.ncols());
            for _ in 0..5 {
                let orders = trial.ask(&[Some(1.0); 5], |_, step, _| orders(step, "pcgrad"));
                let expected: Vector =
                    orders.iter().enumerate().map(|(task, order)| by_vectors(&rows, task, order)).sum();
                let found = trial.on(&rows).expect("an answer").direction;
                assert!(near(&found, expected.as_slice(), 1e-9), "{name}: {found:?} instead of {expected:?}");
            }
        }
    }

    #[test]
    fn gradients_that_agree_are_summed_and_opposed_ones_vanish() {
        assert_eq!(weights("{name: pcgrad}", &matrix([[1.0, 1.0]; 3])), [1.0; 3]);
        let opposed = first("{name: pcgrad}", &matrix([[1.0, 2.0], [-3.0, -6.0]]));
        assert!(opposed.direction.iter().all(|value| value.abs() < 1e-14));
    }
}
