//! DualProj: the mean gradient made harmless.

use super::unsolved::unsolved;
use crate::error::BadSetting;
use crate::methods::per_task::{check_preference, preference};
use crate::methods::solvers::DualCone;
use crate::methods::{Balancing, GramianMethod, Heads, Matrix, Reads, State, Step};
use anyhow::Result;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The mean gradient, projected so that it conflicts with no task.
///
/// ```text
/// w minimises wᵀ G w over w ≥ p, entry by entry
/// d = Jᵀ w
/// ```
///
/// `J [T, P]` are the tasks' gradients by the shared parameters, `G = J Jᵀ [T, T]` is their Gramian, `p [T]` the preference
/// and `w [T]` the weights. d is the point of the dual cone `{d: J d ≥ 0}` nearest to `Jᵀ p`. The quadratic program is
/// solved exactly (active set); all weights are zero where the projection is zero to rounding. Where gradients depend on
/// each other the update is unique, but not always its weights.
///
/// Reads: Gramian.
///
/// Cost: T backward passes, and a quadratic program of size T.
///
/// Absent tasks: left out, so that T is the number of those present.
///
/// Deviations: all tasks are treated alike, where the paper (continual learning, GEM) projects the newest task's gradient.
///
/// Reference: Lopez-Paz and Ranzato, "Gradient Episodic Memory for Continual Learning", NeurIPS 2017 (arXiv 1706.08840).
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DualProj {
    /// p: one number of 0 or above per task, in the order of `tasks`. Left out: 1/T each. The paper's would be 1 for the
    /// newest task, 0 for the others. In a step from which tasks are absent, the preferences of those present are scaled to
    /// keep the sum of all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preference: Option<Vec<f64>>,
}

impl Balancing for DualProj {
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

impl GramianMethod for DualProj {
    fn weights(&self, step: &Step, gramian: &Matrix, _: &mut State) -> Result<Vec<f64>> {
        let preference = preference(self.preference.as_ref(), step); // [K]
        DualCone::new(gramian)
            .and_then(|cone| cone.project(&preference))
            .map_err(|failure| unsolved(step, gramian, failure))
    }
}

#[cfg(test)]
mod tests {
    use crate::methods::trial::{assert_near, first, matrix, two_rows, weights};

    #[test]
    fn the_papers_two_rows_get_their_update() {
        assert_near(&first("{name: dualproj}", &two_rows()).direction, &[0.5556, 1.1111, 1.1111], 5e-5);
    }

    #[test]
    fn where_gradients_oppose_each_other_nothing_moves() {
        assert_eq!(weights("{name: dualproj}", &matrix([[1.0, 2.0], [-3.0, -6.0]])), [0.0, 0.0]);
    }
}
