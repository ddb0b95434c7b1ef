//! Dynamic task prioritization.

use crate::methods::{Balancing, Heads, LossMethod, Reads, Size, Slot, State, Step};
use anyhow::Result;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The lower a task's accuracy, the more it weighs.
///
/// ```text
/// w_t = -(1 - κ_t)^γ log κ_t,    κ_t ← α a_t + (1 - α) κ_t
/// ```
///
/// `a [T]` are the tasks' accuracies on the training batch, `κ [T]` their moving averages, γ is `gamma` and α is `alpha`.
/// In the logarithm κ is at least 1e-6, so that no weight is above 13.82. At κ = 1 the weight is 0, and where all tasks are
/// at 1 nothing is learned.
///
/// Reads: losses, and accuracies.
///
/// Cost: one backward pass.
///
/// Needs: an accuracy for every task; a task without one, such as regression, is an error.
///
/// Absent tasks: their κ stands still.
///
/// Deviations: κ starts at the task's first accuracy, which the paper leaves open; one γ for all tasks, where the paper has
/// one per task; only the weights between tasks, not those between a task's examples.
///
/// Reference: Guo et al., "Dynamic Task Prioritization for Multitask Learning", ECCV 2018.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Dtp {
    /// γ, the focus: the higher, the less an easy task weighs; 0 leaves `-log κ`.
    #[serde(with = "crate::settings::NonNegative")]
    pub gamma: f64,
    /// α, the share of the newest accuracy in κ: 1 follows the batch, 0 stays at the first.
    #[serde(with = "crate::settings::Unit")]
    pub alpha: f64,
}

impl Default for Dtp {
    fn default() -> Self {
        Self { gamma: 1.0, alpha: 0.9 }
    }
}

/// The slot of κ `[T]`, NaN until the task has been seen.
const KAPPA: usize = 0;

/// κ in the logarithm is at least this.
const LEAST: f64 = 1e-6;

impl Balancing for Dtp {
    fn reads(&self) -> Reads<'_> {
        Reads::Losses(self)
    }
    fn heads(&self) -> Heads {
        Heads::Weighted
    }
    fn state(&self, size: &Size) -> Vec<Slot> {
        vec![Slot::reals("kappa", vec![f64::NAN; size.tasks])]
    }
    fn reads_accuracies(&self) -> bool {
        true
    }
}

impl LossMethod for Dtp {
    fn weights(&self, step: &Step, state: &mut State) -> Result<Vec<f64>> {
        if !step.accuracies.iter().all(|accuracy| (0.0..=1.0).contains(accuracy)) {
            let remedy = "dtp weighs by accuracy: give every task a classification loss, or take another method";
            return Err(step.failure("a task without an accuracy from 0 to 1", step.accuracies, remedy));
        }
        let kappa = state.real_mut(KAPPA);
        let weights = step.present.iter().zip(step.accuracies).map(|(&task, accuracy)| {
            kappa[task] = match kappa[task].is_nan() {
                true => *accuracy,
                false => self.alpha * accuracy + (1.0 - self.alpha) * kappa[task],
            };
            (1.0 - kappa[task]).powf(self.gamma) * kappa[task].max(LEAST).recip().ln()
        });
        Ok(weights.collect())
    }
}

#[cfg(test)]
mod tests {
    use crate::methods::trial::{Trial, assert_near};

    #[test]
    fn weights_follow_the_moving_average_of_accuracies() {
        let mut trial = Trial::new("{name: dtp, gamma: 2, alpha: 0.75}", 2);
        let focal = |kappa: f64| -(1.0 - kappa).powi(2) * kappa.ln();
        let mut weights = |accuracies: [f64; 2], losses: [Option<f64>; 2]| {
            trial.accuracies = accuracies.to_vec();
            trial.weights(losses).expect("weights")
        };
        assert_near(&weights([0.4, 0.8], [Some(1.0); 2]), &[focal(0.4), focal(0.8)], 1e-15);
        // The second task is absent: its average stands still.
        assert_near(&weights([0.8, 0.0], [Some(1.0), None]), &[focal(0.7)], 1e-14);
        assert_near(&weights([0.7, 0.4], [Some(1.0); 2]), &[focal(0.7), focal(0.5)], 1e-14);
    }

    #[test]
    fn the_edges_are_finite_and_bounded() {
        for gamma in [0.0, 1.0, 1e9] {
            let mut trial = Trial::new(&format!("{{name: dtp, gamma: {gamma}}}"), 2);
            trial.accuracies = vec![0.0, 1.0];
            assert_near(&trial.weights([Some(1.0); 2]).expect("weights"), &[-(1e-6_f64).ln(), 0.0], 1e-15);
        }
    }

    #[test]
    fn a_task_without_an_accuracy_is_an_error() {
        for wrong in [f64::NAN, -0.1, 1.1] {
            let mut trial = Trial::new("{name: dtp}", 2);
            trial.accuracies = vec![0.5, wrong];
            let error = trial.weights([Some(1.0); 2]).expect_err("no accuracy").to_string();
            assert!(error.contains("method dtp at step 0") && error.contains(&format!("task2 {wrong}")), "{error}");
        }
    }
}
