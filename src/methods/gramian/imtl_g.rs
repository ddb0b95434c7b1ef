//! IMTL-G: equal projections on all gradients.

use super::unsolved::unsolved;
use crate::methods::solvers::Eigen;
use crate::methods::{Balancing, GramianMethod, Heads, Matrix, Reads, State, Step};
use anyhow::Result;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The update whose projections on all tasks' unit gradients are equal.
///
/// ```text
/// w = v / Σ_t v_t,    v = G⁺ n,    n = √diag(G)
/// d = Jᵀ w
/// ```
///
/// `J [T, P]` are the tasks' gradients by the shared parameters, `n [T]` their norms, `G = J Jᵀ [T, T]` is their Gramian
/// and `G⁺` its Moore-Penrose inverse, without eigenvalues below the largest times `T ε`. The weights `w [T]` may be
/// negative. Where `|Σ_t v_t| < 1e-12 Σ_t |v_t|` they are undefined: zero, and the step is stationary. It is the gradient
/// half of Impartial MTL; `imtl_l` is the other.
///
/// Where the gradients depend on each other, no update may have equal projections; v is then the shortest least-squares
/// solution of `G v = n`. A gradient some 1e7 times shorter than the longest is rounding in G, and weighs nearly nothing.
///
/// Reads: Gramian.
///
/// Cost: T backward passes, and a decomposition of G.
///
/// Absent tasks: left out, so that T is the number of those present.
///
/// Deviations: the paper's closed form, an inverse of differences to the first gradient, is the same where the gradients
/// are independent; it has no value where they are not.
///
/// Reference: Liu et al., "Towards Impartial Multi-task Learning", ICLR 2021.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ImtlG {}

impl Balancing for ImtlG {
    fn reads(&self) -> Reads<'_> {
        Reads::Gramian(self)
    }
    fn heads(&self) -> Heads {
        Heads::Weighted
    }
}

impl GramianMethod for ImtlG {
    fn weights(&self, step: &Step, gramian: &Matrix, _: &mut State) -> Result<Vec<f64>> {
        let norms = gramian.diagonal().map(|squared| squared.max(0.0).sqrt()); // [K]
        let eigen = Eigen::of(gramian).ok_or_else(|| unsolved(step, gramian, "no eigenvalues were found"))?;
        let v = eigen.pseudo_inverse(&norms);
        let (sum, size) = (v.sum(), v.abs().sum());
        if sum.abs() <= 1e-12 * size {
            return Ok(vec![0.0; step.count()]);
        }
        Ok(v.iter().map(|v| v / sum).collect())
    }
}

#[cfg(test)]
mod tests {
    use crate::methods::Vector;
    use crate::methods::hard::draw;
    use crate::methods::trial::{assert_near, first, matrix, two_rows, weights};

    #[test]
    fn the_papers_two_rows_get_their_update() {
        assert_near(&first("{name: imtl_g}", &two_rows()).direction, &[0.0767, 1.0, 1.0], 1e-3);
    }

    #[test]
    fn projections_on_independent_gradients_are_equal() {
        for (seed, tasks) in (0..30).zip([1, 2, 3, 5, 40].into_iter().cycle()) {
            let mut rows = draw(seed, tasks, tasks + 3);
            rows.row_mut(0).scale_mut(10_f64.powi(seed as i32 % 5 - 2));
            let answer = first("{name: imtl_g}", &rows);
            assert_near(&[answer.weights.expect("weights").iter().sum()], &[1.0], 1e-9);
            let direction = Vector::from_vec(answer.direction);
            let projections: Vec<f64> =
                rows.row_iter().map(|row| row.transpose().dot(&direction) / row.norm()).collect();
            assert_near(&projections, &vec![projections[0]; tasks], 1e-6);
        }
    }

    #[test]
    fn parallel_gradients_are_solved_by_the_pseudo_inverse_and_opposed_ones_are_stationary() {
        assert_near(&weights("{name: imtl_g}", &matrix([[0.6, 0.8], [1.2, 1.6]])), &[1.0 / 3.0, 2.0 / 3.0], 1e-12);
        assert_eq!(weights("{name: imtl_g}", &matrix([[0.3, 0.7], [-0.3, -0.7]])), [0.0, 0.0]);
        let (sine, cosine) = std::f64::consts::FRAC_PI_3.sin_cos();
        let around = matrix([[1.0, 0.0], [-cosine, sine], [-cosine, -sine]]);
        assert_eq!(weights("{name: imtl_g}", &around), [0.0; 3]);
    }
}
