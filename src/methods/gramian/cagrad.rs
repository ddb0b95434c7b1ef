//! CAGrad: the best worst case near the mean gradient.

use super::unsolved::unsolved;
use crate::methods::solvers;
use crate::methods::{Balancing, GramianMethod, Heads, Matrix, Reads, State, Step};
use anyhow::Result;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The update near the mean gradient on which the worst-off task gains most.
///
/// ```text
/// w minimises g_w·g0 + c‖g0‖‖g_w‖ over w ≥ 0, Σ_t w_t = 1
/// d = g0 + (c‖g0‖/‖g_w‖) g_w,    so weights 1/T + (c‖g0‖/‖g_w‖) w
/// ```
///
/// `g0 [P]` is the mean of the tasks' gradients `J [T, P]` by the shared parameters, `w [T]` the minimiser and
/// `g_w = Jᵀw [P]`. d is the point of the ball `‖d - g0‖ ≤ c‖g0‖` with the largest `min_t g_t·d`, found exactly (a root
/// over quadratic programs). Where g_w is zero to rounding, on the Pareto front, the update is g0; all weights are zero
/// where g0 is. With c = 0 it is the mean gradient; from c = 1 on it conflicts with no task, except on the front.
///
/// Reads: Gramian.
///
/// Cost: T backward passes.
///
/// Absent tasks: left out, so that T is the number of those present.
///
/// Deviations: none; the authors' code stops scipy's SLSQP early, and TorchJD regularises the Gramian.
///
/// Reference: Liu et al., "Conflict-Averse Gradient Descent for Multi-task Learning", NeurIPS 2021 (arXiv 2110.14048).
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CaGrad {
    /// c, the ball's radius relative to the length of the mean gradient. The paper: 0.4 for NYUv2, 0.2 for Cityscapes, 0.5
    /// for its toy problem.
    #[serde(with = "crate::settings::NonNegative")]
    pub c: f64,
    /// What the weights are divided by. The authors' code: `1+c²` (also written `1+c^2`) for networks, `1+c` for their toy
    /// problem.
    pub rescale: Rescale,
}

/// What CAGrad's weights are divided by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Rescale {
    /// 1.
    #[default]
    #[serde(rename = "none")]
    None,
    /// 1 + c².
    #[serde(rename = "1+c²", alias = "1+c^2")]
    OnePlusSquare,
    /// 1 + c.
    #[serde(rename = "1+c")]
    OnePlus,
}

impl Default for CaGrad {
    fn default() -> Self {
        Self { c: 0.4, rescale: Rescale::None }
    }
}

impl Balancing for CaGrad {
    fn reads(&self) -> Reads<'_> {
        Reads::Gramian(self)
    }
    fn heads(&self) -> Heads {
        Heads::Own
    }
}

impl GramianMethod for CaGrad {
    fn weights(&self, step: &Step, gramian: &Matrix, _: &mut State) -> Result<Vec<f64>> {
        let push = solvers::cagrad(gramian, self.c).map_err(|failure| unsolved(step, gramian, failure))?; // [K]
        let divisor = match self.rescale {
            Rescale::None => 1.0,
            Rescale::OnePlusSquare => 1.0 + self.c * self.c,
            Rescale::OnePlus => 1.0 + self.c,
        };
        Ok(push.iter().map(|push| (1.0 / step.count() as f64 + push) / divisor).collect())
    }
}

#[cfg(test)]
mod tests {
    use crate::methods::Method;
    use crate::methods::trial::{assert_near, first, two_rows, weights};

    #[test]
    fn the_papers_two_rows_get_their_update() {
        assert_near(&first("{name: cagrad, c: 0.5}", &two_rows()).direction, &[0.1835, 1.2041, 1.2041], 5e-5);
        assert_near(&first("{name: cagrad, c: 0}", &two_rows()).direction, &[1.0, 1.0, 1.0], 1e-15);
    }

    #[test]
    fn weights_are_divided_by_what_it_is_told() {
        let plain = weights("{name: cagrad, c: 0.5}", &two_rows());
        for (rescale, divisor) in [("1+c²", 1.25), ("1+c^2", 1.25), ("1+c", 1.5), ("none", 1.0)] {
            let found = weights(&format!("{{name: cagrad, c: 0.5, rescale: {rescale}}}"), &two_rows());
            assert_near(&found, &plain.iter().map(|weight| weight / divisor).collect::<Vec<f64>>(), 0.0);
        }
        let method: Method = serde_yaml::from_str("{name: cagrad, rescale: 1+c^2}").expect("a method");
        assert_eq!(serde_yaml::to_string(&method).expect("yaml"), "name: cagrad\nc: 0.4\nrescale: 1+c²\n");
    }
}
