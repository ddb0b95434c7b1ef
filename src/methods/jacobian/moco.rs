//! MoCo: tracked gradients, and weights that descend towards their min-norm point.

use crate::error::BadSetting;
use crate::methods::rows;
use crate::methods::share::towards_min_norm;
use crate::methods::{Balancing, Direction, Heads, JacobianMethod, Reads, Size, Slot, State, Step};
use anyhow::Result;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::Tensor;

/// Gradients averaged over the steps, and min-norm weights that move by steps.
///
/// ```text
/// y_t ← y_t - β/k^σ_β (y_t - J_t), from 0
/// λ ← Π(λ - γ/k^σ_γ (y yᵀ + ρ I) λ), from 1/T
/// d = yᵀ λ
/// ```
///
/// `J [T, P]` are the tasks' gradients by the shared parameters, `y [T, P]` the tracked ones, `λ [T]` the weights, `Π` is
/// the projection on the simplex, k the step, from 1, and σ_β and σ_γ are `beta_sigma` and `gamma_sigma`. Tracking takes
/// the bias out of MGDA's noisy weights.
///
/// Reads: Jacobian.
///
/// Cost: T backward passes; remembers T·P numbers.
///
/// Absent tasks: their y, their own count k (of y) and their weight stand still. The present ones' weights move in the
/// simplex by themselves and share what the absent ones leave, and the update divides by that share.
///
/// Deviations: none from the paper's formulas. LibMTL takes a softmax for the projection, and multiplies each gradient by
/// its loss over its norm.
///
/// Reference: Fernando et al., "Mitigating Gradient Bias in Multi-objective Learning: A Provably Convergent Stochastic
/// Approach", ICLR 2023 (arXiv 2210.12624).
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MoCo {
    /// β, the share of a new gradient in the tracked one; above 0. LibMTL: 0.5.
    #[serde(with = "crate::settings::Unit")]
    pub beta: f64,
    /// σ_β, the power of k by which β falls. LibMTL: 0.5.
    #[serde(with = "crate::settings::NonNegative")]
    pub beta_sigma: f64,
    /// γ, the step size of the weights. LibMTL: 0.1.
    #[serde(with = "crate::settings::NonNegative")]
    pub gamma: f64,
    /// σ_γ, the power of k by which γ falls. LibMTL: 0.5.
    #[serde(with = "crate::settings::NonNegative")]
    pub gamma_sigma: f64,
    /// ρ, how strongly the weights are drawn to equal ones. The paper's experiments: 0.
    #[serde(with = "crate::settings::NonNegative")]
    pub rho: f64,
}

impl Default for MoCo {
    fn default() -> Self {
        Self { beta: 0.5, beta_sigma: 0.5, gamma: 0.1, gamma_sigma: 0.5, rho: 0.0 }
    }
}

/// The slots.
const TRACKED: usize = 0;
const WEIGHTS: usize = 1;
const SEEN: usize = 2;
const STEPS: usize = 3;

impl Balancing for MoCo {
    fn reads(&self) -> Reads<'_> {
        Reads::Jacobian(self)
    }
    fn heads(&self) -> Heads {
        Heads::Own
    }
    fn state(&self, size: &Size) -> Vec<Slot> {
        vec![
            Slot::zeros("tracked", &[size.tasks as i64, size.parameters()]),
            Slot::reals("weights", vec![1.0 / size.tasks as f64; size.tasks]),
            Slot::counts("seen", vec![0; size.tasks]),
            Slot::counts("steps", vec![0]),
        ]
    }
    fn check(&self, _: &[String]) -> Result<(), BadSetting> {
        match self.beta {
            0.0 => Err(BadSetting::new("beta", "0 lets no gradient in").remedy("write a number above 0, up to 1")),
            _ => Ok(()),
        }
    }
    fn follows_parameters(&self) -> bool {
        true
    }
}

impl JacobianMethod for MoCo {
    fn direction(&self, step: &Step, jacobian: &Tensor, state: &mut State) -> Result<Direction> {
        rows::norms(step, jacobian)?;
        let seen = rows::count(state.count_mut(SEEN), step.present);
        let shares: Vec<f64> = seen.iter().map(|seen| self.beta / seen.powf(self.beta_sigma)).collect();
        let shares = rows::column(&shares, jacobian); // [K, 1]
        let tracked = rows::change(&state.tensor(TRACKED), step.present, |y| y.lerp_tensor(jacobian, &shares));
        state.count_mut(STEPS)[0] += 1;
        let rate = self.gamma / (state.count(STEPS)[0] as f64).powf(self.gamma_sigma);
        let products = rows::gramian(&tracked);
        let weights = towards_min_norm(state.real_mut(WEIGHTS), step, &products, self.rho, rate)?;
        Ok(Direction { direction: rows::combine(&weights, &tracked), weights: Some(weights) })
    }
    fn forms_weights(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use crate::methods::trial::{Trial, assert_near, matrix, refused};

    #[test]
    fn one_step_by_hand() {
        let mut trial = Trial::wide("{name: moco, gamma: 0.5}", 2, 2);
        let answer = trial.on(&matrix([[2.0, 0.0], [0.0, 1.0]])).expect("a direction");
        // y = J / 2, so y yᵀ = diag(1, ¼); λ = Π(½ - ½·½, ½ - ½·⅛) = (.25, .4375) + .15625.
        assert_near(&answer.weights.expect("weights"), &[0.40625, 0.59375], 1e-15);
        assert_near(&answer.direction, &[0.40625, 0.296875], 1e-15);
    }

    #[test]
    fn an_absent_task_stands_still() {
        let rows = matrix([[2.0, 0.0], [0.0, 1.0], [1.0, 1.0]]);
        let mut trial = Trial::wide("{name: moco}", 3, 2);
        trial.on(&rows).expect("a direction");
        let (weight, row) = (trial.reals("weights")[1], trial.tensor("tracked")[2..4].to_vec());
        for _ in 0..4 {
            let answer = trial.step([Some(1.0), None, Some(1.0)], &rows).expect("a direction");
            assert_near(&[answer.weights.expect("weights").iter().sum::<f64>()], &[1.0], 1e-12);
        }
        assert_eq!((trial.reals("weights")[1], trial.tensor("tracked")[2..4].to_vec()), (weight, row));
        assert_near(&[trial.reals("weights").iter().sum::<f64>()], &[1.0], 1e-12);
        let alone = trial.step([None, Some(1.0), None], &rows).expect("a direction");
        // Its second own step: y ← y + (½/√2)(g - y) from ½ g.
        assert_near(&alone.direction, &[0.0, 0.5 + 0.5 / 2f64.sqrt() * 0.5], 1e-12);
    }

    #[test]
    fn a_beta_of_zero_is_refused() {
        assert_eq!(refused("{name: moco, beta: 0}", 2).path, "beta");
    }
}
