//! Penalty-based boundary intersection.

use super::polar::polar;
use crate::error::BadSetting;
use crate::methods::finite::finite_weights;
use crate::methods::per_task::{check_finite, check_preference, present_or};
use crate::methods::solvers::dot;
use crate::methods::{Balancing, Heads, LossMethod, Reads, State, Step};
use anyhow::Result;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Descends along a preference direction, and pays for leaving it.
///
/// ```text
/// objective = d1 + θ d2,    d1 = f·u,    d2 = ‖f - d1 u‖
/// w = u + θ (f - d1 u) / d2,    or u where d2 is 0 to rounding
/// ```
///
/// `f = L - r [T]` are the losses above the ideal point `r` (`reference`), `u = p/‖p‖ [T]` is the direction of the
/// preference `p` (`weights`) and θ is `theta`. The losses come down in the proportions of p. A task that is ahead of its
/// proportion can get a negative weight, and its loss is then driven up: that is the method. A small θ avoids it.
///
/// Reads: losses.
///
/// Cost: one backward pass.
///
/// Absent tasks: left out of p and f. A step whose present tasks all have the preference 0 is an error.
///
/// Deviations: one preference, where the paper solves for many at once; d1 is signed, where the paper takes its size.
///
/// Reference: Zhang and Li, "MOEA/D: A Multiobjective Evolutionary Algorithm Based on Decomposition", IEEE Transactions on
/// Evolutionary Computation 2007.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Pbi {
    /// θ, the penalty on the distance from the direction. The paper: 5.
    #[serde(with = "crate::settings::NonNegative")]
    pub theta: f64,
    /// p: one preference of 0 or above per task, in the order of `tasks`: the proportions in which losses shall come down.
    /// Left out: 1/T each.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weights: Option<Vec<f64>>,
    /// r: one loss per task that it could reach at best, in the order of `tasks`. Left out: 0 each.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<Vec<f64>>,
}

impl Balancing for Pbi {
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

impl LossMethod for Pbi {
    fn weights(&self, step: &Step, _: &mut State) -> Result<Vec<f64>> {
        let preference = present_or(self.weights.as_ref(), 1.0 / step.tasks.len() as f64, step);
        let reference = present_or(self.reference.as_ref(), 0.0, step);
        let (length, along) = polar(&preference);
        if length == 0.0 {
            return Err(step.failure("no present task has a preference", &preference, "give every task one above 0"));
        }
        let (_, f) = polar(&step.losses.iter().zip(&reference).map(|(loss, best)| loss - best).collect::<Vec<_>>());
        let d1 = dot(&f, &along);
        let across: Vec<f64> = f.iter().zip(&along).map(|(f, u)| f - d1 * u).collect();
        let (d2, across) = polar(&across);
        // f has the length 1 here: below this, the distance is the rounding of d1, and its direction says nothing.
        let penalty = if d2 <= (step.count() + 4) as f64 * f64::EPSILON { 0.0 } else { self.theta };
        let weights = along.iter().zip(&across).map(|(u, across)| u + penalty * across).collect();
        finite_weights(weights, step, "give finite losses and a smaller `theta`")
    }
}

#[cfg(test)]
mod tests {
    use crate::methods::trial::{Trial, assert_near, assert_weights_are_the_gradient, refused};

    fn objective(theta: f64, p: [f64; 3], r: [f64; 3]) -> impl Fn(&[f64]) -> f64 {
        move |losses| {
            let norm = p.iter().map(|p| p * p).sum::<f64>().sqrt();
            let d1: f64 = (0..3).map(|t| (losses[t] - r[t]) * p[t] / norm).sum();
            let d2 = (0..3).map(|t| (losses[t] - r[t] - d1 * p[t] / norm).powi(2)).sum::<f64>().sqrt();
            d1 + theta * d2
        }
    }

    #[test]
    fn weights_are_the_objectives_gradient_negative_ones_too() {
        let losses = [0.7, 3.0, -0.4];
        let mut trial = Trial::new("{name: pbi, theta: 5}", 3);
        assert_weights_are_the_gradient(&mut trial, &losses, objective(5.0, [1.0 / 3.0; 3], [0.0; 3]));
        let weights = trial.weights(losses).expect("weights");
        assert!(weights[1] > 0.0 && weights[2] < 0.0, "{weights:?}");
        let mut trial = Trial::new("{name: pbi, theta: 0.2, weights: [0.2, 1, 3], reference: [0.5, 1, -2]}", 3);
        assert_weights_are_the_gradient(&mut trial, &losses, objective(0.2, [0.2, 1.0, 3.0], [0.5, 1.0, -2.0]));
    }

    #[test]
    fn on_the_direction_there_is_no_penalty() {
        let unit = [0.3, 0.4, 1.2].map(|p| p / 1.3); // ‖(0.3, 0.4, 1.2)‖ = 1.3
        for scale in [1.0, 0.1, 1e30, 1e-300, -1.0 / 3.0, 0.0] {
            let mut trial = Trial::new("{name: pbi, theta: 100, weights: [0.3, 0.4, 1.2]}", 3);
            let losses = [0.3, 0.4, 1.2].map(|p| Some(p * scale));
            assert_near(&trial.weights(losses).expect("weights"), &unit, 1e-15);
        }
        assert_eq!(Trial::new("{name: pbi, theta: 100}", 3).weights([None, Some(7.0), None]).expect("weights"), [1.0]);
    }

    #[test]
    fn a_step_without_a_preference_is_an_error() {
        let mut trial = Trial::new("{name: pbi, theta: 1, weights: [1, 0]}", 2);
        let error = trial.weights([None, Some(1.0)]).expect_err("no direction").to_string();
        assert!(error.contains("method pbi at step 0") && error.contains("task2 0"), "{error}");
        assert_eq!(refused("{name: pbi}", 2).path, "");
        assert_eq!(refused("{name: pbi, theta: -1}", 2).path, "theta");
        assert_eq!(refused("{name: pbi, theta: 1, weights: [1, 2, 3]}", 2).path, "weights");
        assert_eq!(refused("{name: pbi, theta: 1, reference: [.nan, 2]}", 2).path, "reference[0]");
    }
}
