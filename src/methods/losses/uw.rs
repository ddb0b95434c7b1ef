//! Uncertainty weighting.

use crate::methods::finite::finite_weights;
use crate::methods::{Balancing, Heads, LossMethod, Reads, Size, Slot, State, Step};
use anyhow::Result;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Each task learns how noisy it is (uncertainty), and a noisy task weighs less.
///
/// ```text
/// objective = Σ_t ½ exp(-s_t) L_t + ½ s_t,    so w_t = ½ exp(-s_t)
/// ```
///
/// `L [T]` are the losses and `s [T]` the logarithms of the tasks' variances. The run's optimizer trains `s` at its
/// learning rate, without weight decay, by `∂/∂s_t = ½ (1 - exp(-s_t) L_t)`; at rest `exp(s_t) = L_t`.
///
/// Reads: losses.
///
/// Cost: one backward pass.
///
/// Needs: losses above 0. One that stays at 0 or below drives its `s` down without end, and the step whose weight is no
/// longer finite is an error.
///
/// Absent tasks: their `s` gets the gradient 0.
///
/// Deviations: one form for every kind of loss, as in most code; the paper gives cross-entropy `exp(-s_t)` without the ½.
///
/// Reference: Kendall et al., "Multi-Task Learning Using Uncertainty to Weigh Losses for Scene Geometry and Semantics",
/// CVPR 2018 (arXiv 1705.07115).
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Uw {
    /// Where every `s_t` starts: 0 is a weight of ½. The paper finds that the start makes little difference to the end.
    #[serde(with = "crate::settings::Finite")]
    pub init: f64,
}

/// The slot of `s` `[T]`.
const S: usize = 0;

impl Balancing for Uw {
    fn reads(&self) -> Reads<'_> {
        Reads::Losses(self)
    }
    fn heads(&self) -> Heads {
        Heads::Weighted
    }
    fn state(&self, size: &Size) -> Vec<Slot> {
        vec![Slot::learned("s", vec![self.init; size.tasks])]
    }
    fn learned_gradient(&self, step: &Step, state: &State) -> Option<Vec<f64>> {
        let s = state.learned(S);
        let mut gradient = vec![0.0; s.len()];
        for (&task, loss) in step.present.iter().zip(step.losses) {
            gradient[task] = 0.5 * (1.0 - (-s[task]).exp() * loss);
        }
        Some(gradient)
    }
}

impl LossMethod for Uw {
    fn weights(&self, step: &Step, state: &mut State) -> Result<Vec<f64>> {
        let s = step.of(&state.learned(S));
        let weights = s.iter().map(|s| 0.5 * (-s).exp()).collect();
        finite_weights(
            weights,
            step,
            "its s ran away: lower the learning rate, start `init` higher, or see that losses stay above 0",
        )
    }
}

#[cfg(test)]
mod tests {
    use crate::methods::trial::{Trial, assert_near, assert_weights_are_the_gradient, gradient};

    fn objective(s: &[f64], losses: &[f64]) -> f64 {
        s.iter().zip(losses).map(|(s, loss)| 0.5 * (-s).exp() * loss + 0.5 * s).sum()
    }

    #[test]
    fn weights_and_learned_gradient_are_the_objectives_derivatives() {
        let (s, losses) = ([0.3, -1.2, 2.0], [0.7, 3.0, 0.02]);
        let mut trial = Trial::new("{name: uw}", 3);
        trial.set_learned(&s);
        assert_weights_are_the_gradient(&mut trial, &losses, |losses| objective(&s, losses));
        assert_near(
            &trial.learned_gradient(losses).expect("a gradient"),
            &gradient(&s, |s| objective(s, &losses)),
            1e-8,
        );
    }

    #[test]
    fn s_starts_at_init_and_an_absent_task_has_no_gradient() {
        let mut trial = Trial::new("{name: uw, init: 1}", 3);
        let losses = [Some(2.0), None, Some(-1.0)];
        assert_near(&trial.weights(losses).expect("weights"), &[0.5 * (-1.0_f64).exp(); 2], 1e-15);
        let gradient = trial.learned_gradient(losses).expect("a gradient");
        assert_near(&gradient, &[0.5 - (-1.0_f64).exp(), 0.0, 0.5 + 0.5 * (-1.0_f64).exp()], 1e-15);
    }

    #[test]
    fn an_s_that_ran_away_is_an_error() {
        let mut trial = Trial::new("{name: uw}", 2);
        trial.set_learned(&[0.0, -1e30]);
        let error = trial.weights([Some(1.0), Some(1.0)]).expect_err("no finite weight").to_string();
        assert!(error.contains("method uw at step 0") && error.contains("task2 inf"), "{error}");
    }
}
