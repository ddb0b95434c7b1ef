//! Geometric loss strategy.

use crate::methods::finite::finite_weights;
use crate::methods::{Balancing, Heads, LossMethod, Reads, State, Step};
use anyhow::Result;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The geometric mean of the losses, which does not care about their scales.
///
/// ```text
/// objective = (Π_t L_t)^(1/T),    so w_t = objective / (T L_t)
/// ```
///
/// `L [T]` are the losses. Both are computed from logarithms, so that no product overflows.
///
/// Reads: losses.
///
/// Cost: one backward pass.
///
/// Needs: losses above 0; another is an error.
///
/// Absent tasks: left out, so that T is the number of those present.
///
/// Deviations: none.
///
/// Reference: Chennupati et al., "MultiNet++: Multi-Stream Feature Aggregation and Geometric Loss Strategy for Multi-Task
/// Learning", CVPR Workshops 2019 (arXiv 1904.08492).
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Gls {}

impl Balancing for Gls {
    fn reads(&self) -> Reads<'_> {
        Reads::Losses(self)
    }
    fn heads(&self) -> Heads {
        Heads::Weighted
    }
}

impl LossMethod for Gls {
    fn weights(&self, step: &Step, _: &mut State) -> Result<Vec<f64>> {
        if !step.losses.iter().all(|loss| *loss > 0.0 && loss.is_finite()) {
            let remedy = "take a loss that stays above 0, or another method";
            return Err(step.failure("a loss that is not above 0", step.losses, remedy));
        }
        let logarithms: Vec<f64> = step.losses.iter().map(|loss| loss.ln()).collect();
        let count = step.count() as f64;
        let mean = logarithms.iter().sum::<f64>() / count;
        let weights = logarithms.iter().map(|logarithm| (mean - logarithm).exp() / count).collect();
        finite_weights(weights, step, "bring the losses closer to each other")
    }
}

#[cfg(test)]
mod tests {
    use crate::methods::trial::{Trial, assert_near, assert_weights_are_the_gradient};

    #[test]
    fn weights_are_the_objectives_gradient() {
        let mut trial = Trial::new("{name: gls}", 3);
        assert_weights_are_the_gradient(&mut trial, &[0.7, 3.0, 0.02], |losses| losses.iter().product::<f64>().cbrt());
    }

    #[test]
    fn the_mean_is_over_the_present_and_no_scale_is_too_far() {
        let mut trial = Trial::new("{name: gls}", 3);
        // √(4 · 1) / (2 · 4) and √(4 · 1) / (2 · 1)
        assert_near(&trial.weights([Some(4.0), None, Some(1.0)]).expect("weights"), &[0.25, 1.0], 1e-15);
        let far = trial.weights([Some(1e-300), None, Some(1e30)]).expect("weights");
        assert_near(&[far[0] * 1e-165, far[1] * 1e165], &[0.5, 0.5], 1e-12);
    }

    #[test]
    fn a_loss_at_or_below_zero_is_an_error() {
        for wrong in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            let error =
                Trial::new("{name: gls}", 2).weights([Some(1.0), Some(wrong)]).expect_err("refused").to_string();
            assert!(error.contains("method gls at step 0") && error.contains(&format!("task2 {wrong}")), "{error}");
        }
    }
}
