//! MGDA: the shortest convex combination of the gradients.

use super::unsolved::unsolved;
use crate::methods::solvers::min_norm;
use crate::methods::{Balancing, GramianMethod, Heads, Matrix, Reads, State, Step};
use anyhow::Result;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The shortest vector of the convex hull of the tasks' gradients.
///
/// ```text
/// w_t = α_t / s_t,    α minimises ‖Σ_t α_t g_t / s_t‖ over α ≥ 0, Σ_t α_t = 1
/// d = Σ_t w_t g_t
/// ```
///
/// `g_t [P]` is the gradient of task t's loss by the shared parameters, `s [T]` what `normalize` divides by, `α [T]` the
/// exact minimiser (active set), `w [T]` the weights. The update descends for every task. All weights are zero where the
/// shortest vector is zero to rounding: on the Pareto front, and where a task's gradient is zero. Where gradients depend on
/// each other the update is unique, but not always its weights.
///
/// Reads: Gramian.
///
/// Cost: T backward passes.
///
/// Absent tasks: left out, so that T is the number of those present.
///
/// Deviations: the authors' code stops after 250 Frank-Wolfe steps and applies α to the gradients as they are, not divided
/// by s_t, so that with `normalize` its update is not the shortest vector.
///
/// Reference: Désidéri, "Multiple-gradient descent algorithm (MGDA) for multiobjective optimization", Comptes Rendus
/// Mathématique 2012; Sener and Koltun, "Multi-Task Learning as Multi-Objective Optimization", NeurIPS 2018 (arXiv
/// 1810.04650).
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Mgda {
    /// What each gradient is divided by first. `loss` and `loss+` need losses above 0. The authors' sample configuration,
    /// for CelebA: `loss+`.
    pub normalize: Normalize,
}

/// What MGDA divides a gradient by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Normalize {
    /// 1.
    #[default]
    #[serde(rename = "none")]
    None,
    /// Its norm.
    #[serde(rename = "l2")]
    Norm,
    /// Its loss.
    #[serde(rename = "loss")]
    Loss,
    /// Its loss times its norm.
    #[serde(rename = "loss+")]
    LossAndNorm,
}

impl Balancing for Mgda {
    fn reads(&self) -> Reads<'_> {
        Reads::Gramian(self)
    }
    fn heads(&self) -> Heads {
        Heads::Weighted
    }
}

impl GramianMethod for Mgda {
    fn weights(&self, step: &Step, gramian: &Matrix, _: &mut State) -> Result<Vec<f64>> {
        let divisors = self.divisors(step, gramian)?; // [K]
        let scaled = Matrix::from_fn(step.count(), step.count(), |i, j| gramian[(i, j)] / divisors[i] / divisors[j]);
        let point = min_norm(&scaled).map_err(|failure| unsolved(step, gramian, failure))?;
        Ok(point.iter().zip(&divisors).map(|(weight, divisor)| weight / divisor).collect())
    }
}

impl Mgda {
    fn divisors(&self, step: &Step, gramian: &Matrix) -> Result<Vec<f64>> {
        let by_loss = matches!(self.normalize, Normalize::Loss | Normalize::LossAndNorm);
        let by_norm = matches!(self.normalize, Normalize::Norm | Normalize::LossAndNorm);
        if by_loss && !step.losses.iter().all(|loss| *loss > 0.0 && loss.is_finite()) {
            let remedy = "use `normalize: none` or `l2`, or losses that stay above 0";
            return Err(step.failure("`normalize` by loss takes losses above 0", step.losses, remedy));
        }
        let divisor = |(row, &loss): (usize, &f64)| {
            let norm = gramian[(row, row)].sqrt();
            let norm = if norm > 0.0 { norm } else { 1.0 }; // a zero gradient stays zero
            (if by_loss { loss } else { 1.0 }) * (if by_norm { norm } else { 1.0 })
        };
        Ok(step.losses.iter().enumerate().map(divisor).collect())
    }
}

#[cfg(test)]
mod tests {
    use crate::methods::Matrix;
    use crate::methods::trial::{Trial, assert_near, first, matrix, two_rows, weights};

    #[test]
    fn the_papers_two_rows_get_their_update() {
        assert_near(&first("{name: mgda}", &two_rows()).direction, &[0.0, 1.0, 1.0], 1e-12);
    }

    #[test]
    fn gradients_are_divided_by_what_it_is_told() {
        // At right angles and scaled by s, the shortest vector has α_t in proportion to s_t²/‖g_t‖².
        let rows = matrix([[2.0, 0.0], [0.0, 3.0]]);
        for (normalize, divisors) in
            [("none", [1.0, 1.0]), ("l2", [2.0, 3.0]), ("loss", [1.0, 2.0]), ("loss+", [2.0, 6.0])]
        {
            let mut trial = Trial::wide(&format!("{{name: mgda, normalize: {normalize}}}"), 2, 2);
            let found = trial.step([1.0, 2.0], &rows).expect("an answer").weights.expect("weights");
            let shares = [divisors[0] * divisors[0] / 4.0, divisors[1] * divisors[1] / 9.0];
            let expected = [0, 1].map(|task| shares[task] / (shares[0] + shares[1]) / divisors[task]);
            assert_near(&found, &expected, 1e-14);
        }
    }

    #[test]
    fn losses_that_cannot_divide_are_an_error() {
        for loss in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            let mut trial = Trial::new("{name: mgda, normalize: loss+}", 3);
            let error = trial.weigh([Some(1.5), None, Some(loss)], &Matrix::identity(2, 2)).expect_err("no divisor");
            let expected =
                format!("method mgda at step 0: `normalize` by loss takes losses above 0: task1 1.5, task3 {loss}");
            assert_eq!(error.to_string(), expected);
        }
    }

    #[test]
    fn where_gradients_oppose_each_other_nothing_moves() {
        for normalize in ["none", "l2", "loss", "loss+"] {
            let yaml = format!("{{name: mgda, normalize: {normalize}}}");
            assert_eq!(weights(&yaml, &matrix([[1.0, 2.0], [-3.0, -6.0]])), [0.0, 0.0], "{yaml}");
        }
    }
}
