//! Nash-MTL: the update as a bargaining game's solution.

use super::unsolved::unsolved;
use crate::methods::solvers::{Root, convex_root};
use crate::methods::{Balancing, GramianMethod, Heads, Matrix, Reads, State, Step};
use anyhow::Result;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The Nash bargaining solution between the tasks.
///
/// ```text
/// w > 0 solves (G/‖G‖_F) w = 1/w, entry by entry
/// d = Jᵀ w,    with w scaled down where ‖d‖ would exceed max_norm
/// ```
///
/// `J [T, P]` are the tasks' gradients by the shared parameters, `G = J Jᵀ [T, T]` their Gramian, `‖G‖_F` its Frobenius
/// norm and `w [T]` the weights. Among updates of its length, no other changes the tasks' gains `g_t·d` by relative amounts
/// that sum to more than 0. The direction does not depend on the scale of any loss. For two tasks, up to scale,
/// `w_t = 1/(‖g_t‖ √(1 + cos(g_1, g_2)))`.
///
/// The equations have one root, or none: where, to rounding, a convex combination of the gradients is zero, the weights are
/// zero and the step is stationary. A task whose gradient is exactly zero is left out of them and weighs 0.
///
/// Reads: Gramian.
///
/// Cost: T backward passes, and a convex root by Newton's method; `every` saves both.
///
/// Absent tasks: left out, so that T is the number of those present.
///
/// Deviations: the authors' code approximates the root by a sequence of convex programs, and keeps earlier weights where
/// the solver fails; this is the root, with each equation's residual at most 1e-12 (or the rounding of G), or an error.
///
/// Reference: Navon et al., "Multi-Task Learning as a Bargaining Game", ICML 2022 (arXiv 2202.01017).
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct NashMtl {
    /// The largest norm of the update; 0 or null for no limit. The paper: 1.
    #[serde(with = "crate::settings::optional::NonNegative")]
    pub max_norm: Option<f64>,
}

impl Default for NashMtl {
    fn default() -> Self {
        Self { max_norm: Some(1.0) }
    }
}

impl Balancing for NashMtl {
    fn reads(&self) -> Reads<'_> {
        Reads::Gramian(self)
    }
    fn heads(&self) -> Heads {
        Heads::Weighted
    }
}

impl GramianMethod for NashMtl {
    fn weights(&self, step: &Step, gramian: &Matrix, _: &mut State) -> Result<Vec<f64>> {
        let root = match convex_root(gramian, 1.0) {
            Root::Found(root) => root,
            Root::Stationary => return Ok(vec![0.0; step.count()]),
            Root::Missed { residual } => {
                let what = format!("its equations are still off by {residual:e} of their value");
                return Err(unsolved(step, gramian, what));
            }
        };
        // Of G a = 1/a follows the root for G/c, √c a, and its direction's squared norm: aᵀGa is the number of equations.
        let native = frobenius(gramian).sqrt();
        let length = (root.iter().filter(|weight| **weight > 0.0).count() as f64).sqrt();
        let factor = match self.max_norm {
            Some(limit) if limit > 0.0 => native.min(limit / length),
            _ => native,
        };
        Ok(root.iter().map(|weight| weight * factor).collect())
    }
}

/// `‖G‖_F`, where squares of its entries may lie outside of f64.
fn frobenius(gramian: &Matrix) -> f64 {
    let largest = gramian.amax();
    (gramian / largest).norm() * largest
}

#[cfg(test)]
mod tests {
    use crate::methods::hard::gramian;
    use crate::methods::trial::{assert_near, first, matrix, refused, two_rows, weights};

    const FREE: &str = "{name: nash_mtl, max_norm: null}";

    #[test]
    fn the_papers_two_rows_get_their_update() {
        assert_near(&first("{name: nash_mtl}", &two_rows()).direction, &[0.0542, 0.7061, 0.7061], 1e-4);
    }

    #[test]
    fn two_tasks_have_the_closed_form_of_their_angle() {
        for (angle, one, two) in [(0.3_f64, 1.0, 1.0), (3.0, 1e-10, 1e10), (3.13, 4.0, 1e-3), (1.0, 1e5, 2.0)] {
            let rows = matrix([[one, 0.0], [two * angle.cos(), two * angle.sin()]]);
            let shared = gramian(&rows).norm().sqrt() / (1.0 + angle.cos()).sqrt();
            let found = weights(FREE, &rows);
            assert_near(&[found[0] * one, found[1] * two], &[shared; 2], 1e-8);
        }
    }

    #[test]
    fn the_update_is_no_longer_than_the_limit_and_not_shortened_below_it() {
        let length = |limit: &str| {
            let direction = first(&format!("{{name: nash_mtl, max_norm: {limit}}}"), &two_rows()).direction;
            direction.iter().map(|entry| entry * entry).sum::<f64>().sqrt()
        };
        let native = length("null");
        assert!(native > 7.0, "{native}"); // √(2 ‖G‖_F)
        assert_near(&[length("0.5"), length("100"), length("0")], &[0.5, native, native], 1e-11);
        assert_eq!(refused("{name: nash_mtl, max_norm: -1}", 2).path, "max_norm");
    }

    #[test]
    fn opposed_gradients_are_stationary_and_a_zero_gradient_is_left_out() {
        let opposed = matrix([[1.0, 2.0, 0.0], [-1e6, -2e6, 0.0], [0.0, 0.0, 1.0]]);
        assert_eq!(weights("{name: nash_mtl}", &opposed), [0.0; 3]);
        let without = weights(FREE, &two_rows());
        assert_eq!(weights(FREE, &two_rows().insert_row(1, 0.0)), [without[0], 0.0, without[1]]);
    }
}
