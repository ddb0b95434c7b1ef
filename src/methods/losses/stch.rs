//! Smooth Tchebycheff scalarization.

use crate::error::BadSetting;
use crate::methods::finite::finite_weights;
use crate::methods::per_task::{check_finite, check_preference, present_or};
use crate::methods::solvers::softmax;
use crate::methods::{Balancing, Heads, LossMethod, Reads, State, Step};
use anyhow::Result;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A smooth maximum of the weighted losses: the worst-off task counts most.
///
/// ```text
/// objective = μ log Σ_t exp(p_t (L_t - r_t) / μ),    so w_t = p_t softmax(p ∘ (L - r) / μ)_t
/// ```
///
/// `L [T]` are the losses, `p [T]` is the preference (`weights`), `r [T]` the ideal point (`reference`) and μ the smoothing
/// (`mu`). As μ falls to 0 the objective becomes the largest `p_t (L_t - r_t)`. Every Pareto optimal point is the minimum
/// for one preference, also where the front is not convex.
///
/// Reads: losses.
///
/// Cost: one backward pass.
///
/// Absent tasks: left out of the sum; the others keep their preference as it is.
///
/// Deviations: the paper's formula. Its authors' multi-task code takes logarithms of losses, each divided by a value
/// measured in a warm-up.
///
/// Reference: Lin et al., "Smooth Tchebycheff Scalarization for Multi-Objective Optimization", ICML 2024 (arXiv
/// 2402.19078).
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Stch {
    /// μ, in units of the losses: the smaller, the more the worst task counts alone. LibMTL, on its normalised losses: 1.
    #[serde(with = "crate::settings::Positive")]
    pub mu: f64,
    /// p: one preference of 0 or above per task, in the order of `tasks`. Left out: 1/T each.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weights: Option<Vec<f64>>,
    /// r: one loss per task that it could reach at best, in the order of `tasks`. Left out: 0 each.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<Vec<f64>>,
}

impl Balancing for Stch {
    fn reads(&self) -> Reads<'_> {
        Reads::Losses(self)
    }
    fn heads(&self) -> Heads {
        Heads::Weighted
    }
    fn check(&self, tasks: &[String]) -> Result<(), BadSetting> {
        check_preference("weights", self.weights.as_ref(), tasks)?;
        self.reference.as_ref().map_or(Ok(()), |reference| check_finite("reference", reference, tasks))
    }
}

impl LossMethod for Stch {
    fn weights(&self, step: &Step, _: &mut State) -> Result<Vec<f64>> {
        let preference = present_or(self.weights.as_ref(), 1.0 / step.tasks.len() as f64, step);
        let reference = present_or(self.reference.as_ref(), 0.0, step);
        let scaled: Vec<f64> = (0..step.count()).map(|at| preference[at] * (step.losses[at] - reference[at])).collect();
        let shares = softmax(&scaled, self.mu);
        let weights = preference.iter().zip(shares).map(|(preference, share)| preference * share).collect();
        finite_weights(weights, step, "give finite losses, and smaller numbers in `weights` and `reference`")
    }
}

#[cfg(test)]
mod tests {
    use crate::methods::trial::{Trial, assert_near, assert_weights_are_the_gradient, refused};

    #[test]
    fn weights_are_the_objectives_gradient() {
        let objective = |mu: f64, p: [f64; 3], r: [f64; 3]| {
            move |losses: &[f64]| mu * (0..3).map(|t| (p[t] * (losses[t] - r[t]) / mu).exp()).sum::<f64>().ln()
        };
        let losses = [0.7, 3.0, -0.4];
        let mut trial = Trial::new("{name: stch, mu: 0.3}", 3);
        assert_weights_are_the_gradient(&mut trial, &losses, objective(0.3, [1.0 / 3.0; 3], [0.0; 3]));
        let mut trial = Trial::new("{name: stch, mu: 2, weights: [0.2, 1, 3], reference: [0.5, 1, -2]}", 3);
        assert_weights_are_the_gradient(&mut trial, &losses, objective(2.0, [0.2, 1.0, 3.0], [0.5, 1.0, -2.0]));
    }

    #[test]
    fn a_small_mu_is_the_maximum_and_the_present_keep_their_preference() {
        let mut trial = Trial::new("{name: stch, mu: 1e-300, weights: [1, 2, 4]}", 3);
        assert_eq!(trial.weights([Some(5.0), Some(3.0), Some(1.0)]).expect("weights"), [0.0, 2.0, 0.0]);
        assert_eq!(trial.weights([Some(5.0), None, Some(1.0)]).expect("weights"), [1.0, 0.0]);
        let mut trial = Trial::new("{name: stch, mu: 1}", 4);
        assert_near(&trial.weights([Some(2.0), None, Some(2.0), None]).expect("weights"), &[0.125, 0.125], 1e-15);
    }

    #[test]
    fn settings_that_do_not_fit_are_refused() {
        assert_eq!(refused("{name: stch, mu: 0}", 2).path, "mu");
        assert_eq!(refused("{name: stch}", 2).path, "");
        assert_eq!(refused("{name: stch, mu: 1, weights: [1]}", 2).path, "weights");
        assert_eq!(refused("{name: stch, mu: 1, weights: [1, -1]}", 2).path, "weights[1]");
        assert_eq!(refused("{name: stch, mu: 1, weights: [0, 0]}", 2).path, "weights");
        assert_eq!(refused("{name: stch, mu: 1, reference: [1, 2, 3]}", 2).path, "reference");
        assert_eq!(refused("{name: stch, mu: 1, reference: [1, .inf]}", 2).path, "reference[1]");
    }
}
