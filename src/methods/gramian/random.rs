//! Random weights on the gradients.

use crate::methods::solvers::softmax;
use crate::methods::{Balancing, GramianMethod, Heads, Matrix, Reads, State, Step};
use anyhow::Result;
use rand_distr::{Distribution, StandardNormal};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Random weights on the gradients, drawn anew at every step: a baseline to beat.
///
/// ```text
/// w = softmax(z), z_t ~ N(0, 1)
/// d = Jᵀ w
/// ```
///
/// `J [T, P]` are the tasks' gradients by the shared parameters and `z [T]` is drawn. The weights `w [T]` sum to 1; the
/// mean of each over the steps is 1/T. The draw is a function of the run's seed and the step. `rlw` is the same on losses,
/// with one backward pass, and heads that follow the weights.
///
/// Reads: Gramian, without looking at it, so that `gradients`, `grouped` and the like hold here too.
///
/// Cost: T backward passes.
///
/// Absent tasks: their draws are left out, the others' stay what they were, and the weights of the present sum to 1.
///
/// Deviations: none.
///
/// Reference: Lin et al., "Reasonable Effectiveness of Random Weighting: A Litmus Test for Multi-Task Learning", TMLR 2022
/// (arXiv 2111.10603).
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Random {}

impl Balancing for Random {
    fn reads(&self) -> Reads<'_> {
        Reads::Gramian(self)
    }
    fn heads(&self) -> Heads {
        Heads::Own
    }
}

impl GramianMethod for Random {
    fn weights(&self, step: &Step, _: &Matrix, _: &mut State) -> Result<Vec<f64>> {
        let mut random = step.generator("random");
        let drawn: Vec<f64> = StandardNormal.sample_iter(&mut random).take(step.tasks.len()).collect();
        Ok(softmax(&step.of(&drawn), 1.0))
    }
}

#[cfg(test)]
mod tests {
    use crate::methods::Matrix;
    use crate::methods::trial::Trial;

    #[test]
    fn weights_sum_to_one_and_are_equal_in_the_mean() {
        let mut trial = Trial::new("{name: random}", 5);
        let mut mean = [0.0; 5];
        for _ in 0..4000 {
            let weights = trial.weigh([1.0; 5], &Matrix::identity(5, 5)).expect("weights");
            assert!((weights.iter().sum::<f64>() - 1.0).abs() < 1e-14 && weights.iter().all(|weight| *weight > 0.0));
            mean.iter_mut().zip(weights).for_each(|(mean, weight)| *mean += weight / 4000.0);
        }
        // A weight's standard deviation is 0.17: that of the mean is 0.003.
        assert!(mean.iter().all(|mean| (mean - 0.2).abs() < 0.012), "{mean:?}");
    }

    #[test]
    fn a_draw_is_a_function_of_seed_and_step_and_knows_no_absence() {
        let drawn = |seed: u64, step: u64, losses: [Option<f64>; 3]| {
            let mut trial = Trial::new("{name: random}", 3);
            (trial.seed, trial.step) = (seed, step);
            let present = losses.iter().flatten().count();
            trial.weigh(losses, &Matrix::identity(present, present)).expect("weights")
        };
        let first = drawn(0, 0, [Some(1.0); 3]);
        assert_eq!(drawn(0, 0, [Some(1.0); 3]), first);
        assert_ne!(drawn(0, 1, [Some(1.0); 3]), first);
        assert_ne!(drawn(1, 0, [Some(1.0); 3]), first);
        let two = drawn(0, 0, [Some(1.0), None, Some(1.0)]);
        assert!((two[0] / two[1] - first[0] / first[2]).abs() < 1e-12);
    }
}
