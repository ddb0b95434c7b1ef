//! UPGrad: every gradient made harmless, then their mean.

use super::unsolved::unsolved;
use crate::error::BadSetting;
use crate::methods::per_task::{check_preference, preference};
use crate::methods::solvers::DualCone;
use crate::methods::{Balancing, GramianMethod, Heads, Matrix, Reads, State, Step};
use anyhow::Result;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The mean of the gradients, each projected so that it conflicts with no task.
///
/// ```text
/// w = Σ_t v_t,    v_t minimises vᵀ G v over v ≥ p_t e_t, entry by entry
/// d = Jᵀ w
/// ```
///
/// `J [T, P]` are the tasks' gradients by the shared parameters, `G = J Jᵀ [T, T]` is their Gramian, `p [T]` the
/// preference, `e_t` the t-th unit vector and `w [T]` the weights. `Jᵀ v_t` is the point of the dual cone `{d: J d ≥ 0}`
/// nearest to `p_t g_t`: no task loses, to first order, and each has a say in proportion to its gradient. The T quadratic
/// programs are solved exactly (active set); a projection that is zero to rounding counts as zero. Where gradients depend
/// on each other the update is unique, but not always its weights.
///
/// Reads: Gramian.
///
/// Cost: T backward passes, and T quadratic programs of size T.
///
/// Absent tasks: left out, so that T is the number of those present.
///
/// Deviations: none; TorchJD regularises the Gramian, which is visible where norms differ by more than a hundredfold.
///
/// Reference: Quinton and Rey, "Jacobian Descent for Multi-Objective Optimization", 2024 (arXiv 2406.16232).
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct UpGrad {
    /// p: one number of 0 or above per task, in the order of `tasks`. Left out, as in the paper: 1/T each. In a step from
    /// which tasks are absent, the preferences of those present are scaled to keep the sum of all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preference: Option<Vec<f64>>,
}

impl Balancing for UpGrad {
    fn reads(&self) -> Reads<'_> {
        Reads::Gramian(self)
    }
    fn heads(&self) -> Heads {
        Heads::Own
    }
    fn check(&self, tasks: &[String]) -> Result<(), BadSetting> {
        check_preference("preference", self.preference.as_ref(), tasks)
    }
}

impl GramianMethod for UpGrad {
    fn weights(&self, step: &Step, gramian: &Matrix, _: &mut State) -> Result<Vec<f64>> {
        let preference = preference(self.preference.as_ref(), step); // [K]
        DualCone::new(gramian)
            .and_then(|cone| cone.project_rows(&preference))
            .map_err(|failure| unsolved(step, gramian, failure))
    }
}

#[cfg(test)]
mod tests {
    use crate::methods::trial::{assert_near, first, matrix, two_rows, weights};

    #[test]
    fn the_papers_two_rows_get_their_update() {
        assert_near(&first("{name: upgrad}", &two_rows()).direction, &[0.2924, 1.9006, 1.9006], 5e-5);
        let preferring = first("{name: upgrad, preference: [1, 0]}", &two_rows()).direction;
        assert_near(&preferring, &[-0.5263, 1.5789, 1.5789], 5e-5);
    }

    #[test]
    fn where_gradients_oppose_each_other_nothing_moves() {
        assert_eq!(weights("{name: upgrad}", &matrix([[1.0, 2.0], [-3.0, -6.0]])), [0.0, 0.0]);
    }
}
