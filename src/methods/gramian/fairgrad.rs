//! FairGrad: α-fair shares of the loss decrease.

use super::unsolved::unsolved;
use crate::methods::solvers::{Root, convex_root};
use crate::methods::{Balancing, GramianMethod, Heads, Matrix, Reads, State, Step};
use anyhow::Result;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The update that shares the tasks' rates of decrease α-fairly.
///
/// ```text
/// w > 0 solves G w = w^(-1/α), entry by entry
/// d = Jᵀ w
/// ```
///
/// `J [T, P]` are the tasks' gradients by the shared parameters, `G = J Jᵀ [T, T]` is their Gramian and `w [T]` the
/// weights. With the rates `r_t = g_t·d`, d maximises the utility `Σ_t r_t^(1-α)/(1-α)` over the directions of its length:
/// the larger α, the more it serves the task that would decrease least. α = 1 is `nash_mtl` without its scale.
///
/// The equations have one root, or none: where, to rounding, a convex combination of the gradients is zero, the weights are
/// zero and the step is stationary. A task whose gradient is exactly zero is left out of them and weighs 0.
///
/// Reads: Gramian.
///
/// Cost: T backward passes, and a convex root by Newton's method.
///
/// Absent tasks: left out, so that T is the number of those present.
///
/// Deviations: the authors' code runs a least-squares solver from a fixed start and takes what it ends with; this is the
/// root, with each equation's residual at most 1e-12 (or the rounding of G), or an error.
///
/// Reference: Ban and Ji, "Fair Resource Allocation in Multi-Task Learning", ICML 2024 (arXiv 2402.15638).
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct FairGrad {
    /// α, the kind of fairness: 1 is proportional fairness, towards infinity max-min fairness. The paper tunes it per data
    /// set, most often 1 or 2.
    #[serde(with = "crate::settings::Positive")]
    pub alpha: f64,
}

impl Default for FairGrad {
    fn default() -> Self {
        Self { alpha: 1.0 }
    }
}

impl Balancing for FairGrad {
    fn reads(&self) -> Reads<'_> {
        Reads::Gramian(self)
    }
    fn heads(&self) -> Heads {
        Heads::Weighted
    }
}

impl GramianMethod for FairGrad {
    fn weights(&self, step: &Step, gramian: &Matrix, _: &mut State) -> Result<Vec<f64>> {
        match convex_root(gramian, self.alpha) {
            Root::Found(weights) => Ok(weights),
            Root::Stationary => Ok(vec![0.0; step.count()]),
            Root::Missed { residual } => {
                let what = format!(
                    "its equations, easier with an alpha nearer to 1, are still off by {residual:e} of their value"
                );
                Err(unsolved(step, gramian, what))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::methods::hard::{degenerate, gramian, random};
    use crate::methods::trial::{assert_near, first, matrix, near, refused, two_rows, weights};

    #[test]
    fn the_papers_two_rows_get_their_update() {
        assert_near(&first("{name: fairgrad}", &two_rows()).direction, &[0.0766, 0.9985, 0.9985], 1e-4);
    }

    #[test]
    fn with_alpha_1_it_is_nash_mtl_without_scale_and_limit() {
        for (name, jacobian) in random().into_iter().chain(degenerate()).step_by(20) {
            let fair = weights("{name: fairgrad, alpha: 1}", &jacobian);
            let scale = gramian(&jacobian).norm().sqrt();
            let nash: Vec<f64> =
                weights("{name: nash_mtl, max_norm: null}", &jacobian).iter().map(|weight| weight / scale).collect();
            assert!(near(&nash, &fair, 1e-12), "{name}: {nash:?} {fair:?}");
        }
    }

    #[test]
    fn one_task_has_the_closed_form_of_its_norm() {
        // ‖g‖² w = w^{-1/α}
        for (alpha, norm) in [(0.5, 3.0), (1.0, 1e10), (2.0, 1e-10), (10.0, 7.0)] {
            let found = weights(&format!("{{name: fairgrad, alpha: {alpha}}}"), &matrix([[norm]]));
            assert_near(&found, &[f64::powf(norm, -2.0 * alpha / (alpha + 1.0))], 1e-12);
        }
    }

    #[test]
    fn alpha_is_above_zero() {
        assert_eq!(refused("{name: fairgrad, alpha: 0}", 2).path, "alpha");
    }
}
