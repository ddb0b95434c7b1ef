//! Weights that follow the min-norm problem by unbiased steps.

use crate::methods::share::towards_min_norm;
use crate::methods::{Balancing, GramianMethod, Heads, Matrix, Reads, Size, Slot, State, Step};
use anyhow::Result;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Min-norm weights that move by unbiased steps, from two independent batches.
///
/// ```text
/// λ ← Π(λ - γ (J1 J2ᵀ λ + ρ λ)), from 1/T
/// d = J3ᵀ λ
/// ```
///
/// `J1`, `J2`, `J3 [T, P]` are the tasks' gradients by the shared parameters on three independent batches, `Π` is the
/// projection on the simplex and `λ [T]` the weights. The steps go towards MGDA's direction, and two batches take the bias
/// out of them.
///
/// Reads: Gramian, of two batches: J1 J2ᵀ.
///
/// Cost: 3 T backward passes, on three batches.
///
/// Absent tasks: one that lacks labels in any of the three batches is absent. The present tasks' entries of λ, scaled to
/// sum to 1, take the step, and go back scaled to the sum that they had: those of the absent stand still, and all sum to 1.
///
/// Deviations: none from the paper. Heads follow the third batch alone, where LibMTL averages all three.
///
/// Reference: Chen et al., "Three-Way Trade-Off in Multi-Objective Learning: Optimization, Generalization and
/// Conflict-Avoidance", NeurIPS 2023 (arXiv 2305.20057).
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MoDo {
    /// γ, the size of the step of λ; with 0 the weights stay at 1/T. LibMTL: 0.001.
    #[serde(with = "crate::settings::NonNegative")]
    pub gamma: f64,
    /// ρ, the regularisation, which draws λ towards equal weights. LibMTL: 0.1.
    #[serde(with = "crate::settings::NonNegative")]
    pub rho: f64,
}

impl Default for MoDo {
    fn default() -> Self {
        Self { gamma: 0.1, rho: 0.1 }
    }
}

impl Balancing for MoDo {
    fn reads(&self) -> Reads<'_> {
        Reads::Gramian(self)
    }
    fn heads(&self) -> Heads {
        Heads::Own
    }
    fn state(&self, size: &Size) -> Vec<Slot> {
        vec![Slot::reals("weights", vec![1.0 / size.tasks as f64; size.tasks])]
    }
    fn batches(&self) -> usize {
        3
    }
}

impl GramianMethod for MoDo {
    fn weights(&self, step: &Step, gramian: &Matrix, state: &mut State) -> Result<Vec<f64>> {
        towards_min_norm(state.real_mut(0), step, gramian, self.rho, self.gamma)
    }
}

#[cfg(test)]
mod tests {
    use crate::methods::hard::draw;
    use crate::methods::trial::{Trial, assert_near, matrix};

    #[test]
    fn on_one_batch_thrice_the_weights_come_to_the_min_norm_point() {
        let mut trial = Trial::wide("{name: modo, gamma: 0.05, rho: 0}", 2, 2);
        let answers = (0..500).map(|_| trial.on(&matrix([[1.0, 0.0], [0.0, 2.0]])).expect("an answer"));
        assert_near(&answers.last().expect("500").weights.expect("weights"), &[0.8, 0.2], 1e-9);
    }

    #[test]
    fn the_absent_stand_still_and_all_weights_stay_on_the_simplex() {
        let mut trial = Trial::new("{name: modo}", 5);
        trial.weigh([1.0; 5], &draw(1, 5, 5)).expect("weights");
        let before = trial.reals("weights").to_vec();
        let present = [Some(1.0), None, Some(1.0), Some(1.0), None];
        let weights = trial.weigh(present, &draw(2, 3, 3)).expect("weights");
        let after = trial.reals("weights");
        assert_eq!((after[1], after[4]), (before[1], before[4]));
        assert!(after[0] != before[0]);
        assert_near(&[after.iter().sum(), weights.iter().sum()], &[1.0; 2], 1e-14);
    }

    #[test]
    fn products_of_any_scale_leave_the_weights_on_the_simplex() {
        let mut trial = Trial::new("{name: modo}", 5);
        for scale in [1e20, 1e-20, -1e20, 1.0] {
            let weights = trial.weigh([1.0; 5], &(draw(1, 5, 5) * scale)).expect("weights");
            assert_near(&[weights.iter().sum()], &[1.0], 1e-12);
        }
        let mut trial = Trial::new("{name: modo, gamma: 1e300}", 5);
        let error = trial.weigh([1.0; 5], &(draw(1, 5, 5) * 1e20)).expect_err("it overflows").to_string();
        assert!(error.contains("method modo at step 0: weights that are not finite"), "{error}");
    }
}
