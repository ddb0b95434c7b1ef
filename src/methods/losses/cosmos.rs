//! Conditioned one-shot multi-objective search, its objective.

use super::polar::polar;
use crate::error::BadSetting;
use crate::methods::finite::finite_weights;
use crate::methods::per_task::{check_preference, present_or};
use crate::methods::solvers::dot;
use crate::methods::{Balancing, Heads, LossMethod, Reads, State, Step};
use anyhow::Result;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Weighted losses with a reward for pointing where the preference points.
///
/// ```text
/// objective = p·L - λ cos(p, L)
/// w = p - λ (p/‖p‖ - cos(p, L) L/‖L‖) / ‖L‖
/// ```
///
/// `L [T]` are the losses, `p [T]` is the preference (`weights`) and λ is `lambda`. A task whose loss is small beside its
/// preference can get a negative weight, and its loss is then driven up: that is the method. A small λ avoids it.
///
/// Reads: losses.
///
/// Cost: one backward pass.
///
/// Absent tasks: left out of p and L. A step whose present tasks all have the preference 0, or all the loss 0, has no angle
/// and is an error.
///
/// Deviations: the objective alone, with one preference; the paper draws preferences and feeds them to the network.
///
/// Reference: Ruchte and Grabocka, "Scalable Pareto Front Approximation for Deep Multi-Objective Learning", ICDM 2021
/// (arXiv 2103.13392).
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Cosmos {
    /// λ, what the angle is worth, in units of the weighted loss. The paper tunes it per data set.
    #[serde(with = "crate::settings::NonNegative")]
    pub lambda: f64,
    /// p: one preference of 0 or above per task, in the order of `tasks`. Left out: 1/T each.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weights: Option<Vec<f64>>,
}

impl Balancing for Cosmos {
    fn reads(&self) -> Reads<'_> {
        Reads::Losses(self)
    }
    fn heads(&self) -> Heads {
        Heads::Weighted
    }
    fn check(&self, tasks: &[String]) -> Result<(), BadSetting> {
        check_preference("weights", self.weights.as_ref(), tasks)
    }
}

impl LossMethod for Cosmos {
    fn weights(&self, step: &Step, _: &mut State) -> Result<Vec<f64>> {
        let preference = present_or(self.weights.as_ref(), 1.0 / step.tasks.len() as f64, step);
        let (strength, preferred) = polar(&preference);
        if strength == 0.0 {
            return Err(step.failure("no present task has a preference", &preference, "give every task one above 0"));
        }
        let (length, losses) = polar(step.losses);
        if length == 0.0 {
            return Err(step.failure("losses that are all 0 point nowhere", step.losses, "take another method"));
        }
        let cosine = dot(&preferred, &losses);
        let turn = |at: usize| (preferred[at] - cosine * losses[at]) / length;
        let weights = (0..step.count()).map(|at| preference[at] - self.lambda * turn(at)).collect();
        finite_weights(weights, step, "bring the losses further from 0, or take a smaller `lambda`")
    }
}

#[cfg(test)]
mod tests {
    use crate::methods::trial::{Trial, assert_near, assert_weights_are_the_gradient, refused};

    fn objective(lambda: f64, p: [f64; 3]) -> impl Fn(&[f64]) -> f64 {
        move |losses| {
            let dot: f64 = (0..3).map(|t| p[t] * losses[t]).sum();
            let norms = p.iter().map(|p| p * p).sum::<f64>() * losses.iter().map(|loss| loss * loss).sum::<f64>();
            dot - lambda * dot / norms.sqrt()
        }
    }

    #[test]
    fn weights_are_the_objectives_gradient_negative_ones_too() {
        let losses = [0.7, 3.0, -0.4];
        let mut trial = Trial::new("{name: cosmos, lambda: 8}", 3);
        assert_weights_are_the_gradient(&mut trial, &losses, objective(8.0, [1.0 / 3.0; 3]));
        let weights = trial.weights(losses).expect("weights");
        assert!(weights[1] > 0.0 && weights[2] < 0.0, "{weights:?}");
        let mut trial = Trial::new("{name: cosmos, lambda: 0.5, weights: [0.2, 1, 3]}", 3);
        assert_weights_are_the_gradient(&mut trial, &losses, objective(0.5, [0.2, 1.0, 3.0]));
    }

    #[test]
    fn one_task_has_no_angle_to_turn() {
        let mut trial = Trial::new("{name: cosmos, lambda: 3, weights: [0.5, 2]}", 2);
        assert_near(&trial.weights([None, Some(-0.1)]).expect("weights"), &[2.0], 1e-15);
    }

    #[test]
    fn a_step_without_an_angle_is_an_error() {
        let mut trial = Trial::new("{name: cosmos, lambda: 1, weights: [1, 0]}", 2);
        let error = trial.weights([None, Some(1.0)]).expect_err("no preference").to_string();
        assert!(error.contains("method cosmos at step 0") && error.contains("task2 0"), "{error}");
        let error = trial.weights([Some(0.0), Some(0.0)]).expect_err("no direction").to_string();
        assert!(error.contains("task1 0, task2 0"), "{error}");
        assert_eq!(refused("{name: cosmos}", 2).path, "");
        assert_eq!(refused("{name: cosmos, lambda: -1}", 2).path, "lambda");
        assert_eq!(refused("{name: cosmos, lambda: 1, weights: [1, 2, 3]}", 2).path, "weights");
    }
}
