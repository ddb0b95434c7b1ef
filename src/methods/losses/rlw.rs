//! Random loss weighting.

use crate::methods::solvers::softmax;
use crate::methods::{Balancing, Heads, LossMethod, Reads, State, Step};
use anyhow::Result;
use rand_distr::{Distribution as _, Exp1, StandardNormal};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Random weights, drawn anew at every step: the baseline to beat.
///
/// ```text
/// objective = Σ_t w_t L_t
/// w = softmax(z), z_t ~ N(0, 1)    or    w ~ Dirichlet(1, …, 1)
/// ```
///
/// `L [T]` are the losses, `z [T]` is drawn, and the weights `w [T]` sum to 1; the mean of each over the steps is 1/T. The
/// draw is a function of the run's seed and the step. `random` is the same on gradients.
///
/// Reads: losses.
///
/// Cost: one backward pass.
///
/// Absent tasks: their draws are left out, the others' stay what they were, and the weights of the present sum to 1.
///
/// Deviations: none.
///
/// Reference: Lin et al., "Reasonable Effectiveness of Random Weighting: A Litmus Test for Multi-Task Learning", TMLR 2022
/// (arXiv 2111.10603).
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Rlw {
    /// What the weights are drawn from. The paper tries these and others, and finds them alike.
    pub distribution: Distribution,
}

/// What random weights are drawn from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Distribution {
    /// The softmax of standard normal numbers.
    #[default]
    Normal,
    /// Dirichlet(1, …, 1), which is uniform on the simplex.
    Dirichlet,
}

impl Balancing for Rlw {
    fn reads(&self) -> Reads<'_> {
        Reads::Losses(self)
    }
    fn heads(&self) -> Heads {
        Heads::Weighted
    }
}

impl LossMethod for Rlw {
    fn weights(&self, step: &Step, _: &mut State) -> Result<Vec<f64>> {
        let mut generator = step.generator("rlw");
        // Every task draws, so that a task's number does not depend on who else is present.
        let draw = |_| match self.distribution {
            Distribution::Normal => StandardNormal.sample(&mut generator),
            Distribution::Dirichlet => Exp1.sample(&mut generator),
        };
        let all: Vec<f64> = (0..step.tasks.len()).map(draw).collect();
        let draws = step.of(&all);
        Ok(match self.distribution {
            Distribution::Normal => softmax(&draws, 1.0),
            // Exponential numbers over their sum are Dirichlet(1, …, 1), and so is any part of them over its own sum.
            Distribution::Dirichlet => {
                let sum: f64 = draws.iter().sum();
                draws.into_iter().map(|draw| draw / sum).collect()
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::methods::trial::Trial;

    #[test]
    fn weights_are_a_function_of_seed_and_step_and_1_over_t_on_average() {
        for yaml in ["{name: rlw}", "{name: rlw, distribution: dirichlet}"] {
            let (mut one, mut two) = (Trial::new(yaml, 4), Trial::new(yaml, 4));
            let losses = [Some(1.0); 4];
            let mut means = [0.0; 4];
            let draws = 20_000;
            for _ in 0..draws {
                let weights = one.weights(losses).expect("weights");
                assert_eq!(weights, two.weights(losses).expect("weights"));
                assert!((weights.iter().sum::<f64>() - 1.0).abs() < 1e-14);
                means.iter_mut().zip(&weights).for_each(|(mean, weight)| *mean += weight / f64::from(draws));
            }
            // Six standard errors: a weight's standard deviation is below 0.2.
            assert!(means.iter().all(|mean| (mean - 0.25).abs() < 0.0085), "{yaml}: {means:?}");
            one.step = 7;
            let seventh = one.weights(losses).expect("weights");
            assert_ne!(seventh, one.weights(losses).expect("weights"), "another step, another draw");
            (one.step, one.seed) = (7, 1);
            assert_ne!(seventh, one.weights(losses).expect("weights"), "another seed, another draw");
        }
    }

    #[test]
    fn the_logarithm_of_two_weights_ratio_is_normal_or_logistic() {
        let pi_squared = std::f64::consts::PI.powi(2);
        for (yaml, variance) in [("{name: rlw}", 2.0), ("{name: rlw, distribution: dirichlet}", pi_squared / 3.0)] {
            let mut trial = Trial::new(yaml, 3);
            let draws = 20_000;
            let squares = (0..draws).map(|_| {
                let weights = trial.weights([Some(1.0); 3]).expect("weights");
                (weights[0] / weights[2]).ln().powi(2)
            });
            let found = squares.sum::<f64>() / f64::from(draws);
            // Five standard errors; the fourth moments are 3 and 4.2 times the variance squared.
            assert!((found / variance - 1.0).abs() < 0.065, "{yaml}: {found} instead of {variance}");
        }
    }

    #[test]
    fn absent_tasks_leave_the_others_in_proportion() {
        for yaml in ["{name: rlw}", "{name: rlw, distribution: dirichlet}"] {
            let all = Trial::new(yaml, 3).weights([Some(1.0); 3]).expect("weights");
            let some = Trial::new(yaml, 3).weights([Some(1.0), None, Some(1.0)]).expect("weights");
            assert!((some[0] + some[1] - 1.0).abs() < 1e-15);
            assert!((some[0] / some[1] - all[0] / all[2]).abs() < 1e-12 * some[0] / some[1]);
        }
    }
}
