//! The min-norm direction near the mean, found without bias.

use crate::methods::finite::finite_weights;
use crate::methods::share::change_shares;
use crate::methods::solvers::project_on_simplex;
use crate::methods::{Balancing, GramianMethod, Heads, Matrix, Reads, Size, Slot, State, Step, Vector};
use anyhow::Result;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Min-norm weights drawn to the mean, improved on two independent batches.
///
/// ```text
/// A = J1 J2ᵀ / (s² + 1e-8),    s = mean_t √max((J1 J2ᵀ)_tt, 0)
/// iterations times:    v ← m v + A (w + λ/T), at first A (w + λ/T);    w ← Π(w - η v)
/// d = J3ᵀ (w + λ/T) / (1 + λ)
/// ```
///
/// `J1`, `J2`, `J3 [T, P]` are the tasks' gradients by the shared parameters on three independent batches and `Π` is the
/// projection on the simplex. `w [T]` starts at 1/T and is kept from step to step, `v [T]` is not. The direction lowers all
/// losses and stays near the mean gradient.
///
/// Reads: Gramian, of two batches: J1 J2ᵀ.
///
/// Cost: 3 T backward passes, on three batches.
///
/// Absent tasks: one that lacks labels in any of the three batches is absent. The present tasks' entries of w, scaled to
/// sum to 1, are improved with their number in the place of T, and go back scaled to the sum that they had: those of the
/// absent stand still, and all sum to 1.
///
/// Deviations: three batches as in the paper and in LibMTL, whose formula this is (its η is 5). The authors' code takes one
/// batch for all three, twice the gradient in v (its η of 10 is 20 here), and 1e-4 under the roots in the place of 1e-8.
///
/// Reference: Xiao et al., "Direction-oriented Multi-objective Learning: Simple and Provable Stochastic Algorithms",
/// NeurIPS 2023 (arXiv 2305.18409).
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SdmGrad {
    /// λ, how near to the mean gradient the direction stays; 0 is MGDA's problem. The authors: 0.3 for NYUv2.
    #[serde(with = "crate::settings::NonNegative")]
    pub lambda: f64,
    /// η, the size of an iteration. The authors' code: 10. LibMTL: 5.
    #[serde(with = "crate::settings::Positive")]
    pub learning_rate: f64,
    /// m, the momentum of the iterations. The authors' code: 0.5.
    #[serde(with = "crate::settings::BelowOne")]
    pub momentum: f64,
    /// How many iterations a step makes. The authors' code: 20.
    #[serde(with = "crate::settings::AtLeastOne")]
    pub iterations: u64,
}

impl Default for SdmGrad {
    fn default() -> Self {
        Self { lambda: 0.3, learning_rate: 10.0, momentum: 0.5, iterations: 20 }
    }
}

impl Balancing for SdmGrad {
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

impl GramianMethod for SdmGrad {
    fn weights(&self, step: &Step, gramian: &Matrix, state: &mut State) -> Result<Vec<f64>> {
        let scale = gramian.diagonal().map(|product| product.max(0.0).sqrt()).mean();
        let product = gramian / (scale * scale + 1e-8); // A [K, K]
        let shares = change_shares(state.real_mut(0), step.present, |shares| self.improve(step, &product, shares))?;
        let lift = self.lambda / step.count() as f64;
        Ok(shares.iter().map(|share| (share + lift) / (1.0 + self.lambda)).collect())
    }
}

impl SdmGrad {
    /// The iterations of a step, from and to `w [K]`.
    fn improve(&self, step: &Step, product: &Matrix, start: Vec<f64>) -> Result<Vec<f64>> {
        let lift = self.lambda / start.len() as f64;
        let mut weights = Vector::from_vec(start);
        let mut velocity = Vector::zeros(weights.len());
        for _ in 0..self.iterations {
            velocity = velocity * self.momentum + product * weights.add_scalar(lift);
            let moved = (&weights - &velocity * self.learning_rate).as_slice().to_vec();
            weights = project_on_simplex(&finite_weights(moved, step, "lower `learning_rate`")?).into();
        }
        Ok(weights.as_slice().to_vec())
    }
}

#[cfg(test)]
mod tests {
    use crate::methods::hard::draw;
    use crate::methods::trial::{Trial, assert_near, matrix};
    use crate::methods::{Matrix, Vector};

    #[test]
    fn on_one_batch_thrice_the_weights_solve_the_regularised_problem() {
        // min ‖Jᵀ(w + λ/2)‖² on the simplex, J = diag(1, 2), λ = 0.2: (w1 + 0.1) = 4 (w2 + 0.1), so w = (0.86, 0.14).
        let mut trial = Trial::wide("{name: sdmgrad, lambda: 0.2, learning_rate: 0.1}", 2, 2);
        let answers = (0..20).map(|_| trial.on(&matrix([[1.0, 0.0], [0.0, 2.0]])).expect("an answer"));
        assert_near(&answers.last().expect("20").weights.expect("weights"), &[0.96 / 1.2, 0.24 / 1.2], 1e-9);
    }

    #[test]
    fn the_absent_stand_still_and_all_weights_stay_on_the_simplex() {
        let mut trial = Trial::new("{name: sdmgrad, learning_rate: 0.1}", 5);
        let first = Matrix::from_diagonal(&Vector::from_vec(vec![1.0, 2.0, 3.0, 2.0, 1.0]));
        trial.weigh([1.0; 5], &first).expect("weights");
        let before = trial.reals("weights").to_vec();
        let present = [Some(1.0), None, Some(1.0), Some(1.0), None];
        let weights = trial.weigh(present, &Matrix::identity(3, 3)).expect("weights");
        let after = trial.reals("weights");
        assert_eq!((after[1], after[4]), (before[1], before[4]));
        assert!(after[0] != before[0]);
        assert_near(&[after.iter().sum(), weights.iter().sum()], &[1.0; 2], 1e-14);
    }

    #[test]
    fn products_of_any_scale_leave_the_weights_on_the_simplex() {
        let mut trial = Trial::new("{name: sdmgrad}", 5);
        let scaled = [1e20, 1e-20, -1e20, 1.0].map(|scale| draw(1, 5, 5) * scale);
        // No task's gradients agree between the batches: s is 0, and what is left is divided by 1e-8 alone.
        let apart = Matrix::from_fn(5, 5, |i, j| if i == j { 0.0 } else { 1e20 * (i as f64 - j as f64) });
        for product in scaled.iter().chain([&apart]) {
            let weights = trial.weigh([1.0; 5], product).expect("weights");
            assert_near(&[weights.iter().sum()], &[1.0], 1e-12);
        }
    }
}
