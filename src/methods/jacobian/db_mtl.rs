//! DB-MTL: gradients of log-losses, averaged and scaled to one norm.

use crate::methods::rows;
use crate::methods::{Balancing, Direction, Heads, JacobianMethod, Reads, Size, Slot, State, Step};
use anyhow::Result;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::Tensor;

/// Added to losses and norms before a division, as in the authors' code.
const EPSILON: f64 = 1e-8;

/// Gradients of log-losses, averaged over steps and scaled to the largest norm.
///
/// ```text
/// g_t = J_t / (L_t + 1e-8), the gradient of log(L_t + 1e-8)
/// b_t ← g_t + β/k^σ (b_t - g_t), from 0
/// d = Σ_t (max_s ‖b_s‖) / (‖b_t‖ + 1e-8) b_t
/// ```
///
/// `J [T, P]` are the tasks' gradients by the shared parameters, `L [T]` the losses, `b [T, P]` the averages, k is the
/// task's step, from 1, β is `beta` and σ is `beta_sigma`.
///
/// Reads: Jacobian, and losses.
///
/// Cost: T backward passes; remembers T·P numbers.
///
/// Needs: losses above 0; another is an error.
///
/// Absent tasks: their average and their own count k stand still; the largest norm is that of the present ones.
///
/// Deviations: a task's own head follows the gradient of its loss, not of its log-loss.
///
/// Reference: Lin et al., "Dual-Balancing for Multi-Task Learning", 2023 (arXiv 2308.12029).
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DbMtl {
    /// β, the share of the past in the averages; 0 takes each step's gradients as they are. LibMTL: 0.9.
    #[serde(with = "crate::settings::BelowOne")]
    pub beta: f64,
    /// σ, the power of k by which β falls. LibMTL: 0. The paper: 0.5.
    #[serde(with = "crate::settings::NonNegative")]
    pub beta_sigma: f64,
}

impl Default for DbMtl {
    fn default() -> Self {
        Self { beta: 0.9, beta_sigma: 0.0 }
    }
}

/// The slots.
const AVERAGED: usize = 0;
const SEEN: usize = 1;

impl Balancing for DbMtl {
    fn reads(&self) -> Reads<'_> {
        Reads::Jacobian(self)
    }
    fn heads(&self) -> Heads {
        Heads::Own
    }
    fn state(&self, size: &Size) -> Vec<Slot> {
        vec![
            Slot::zeros("averaged", &[size.tasks as i64, size.parameters()]),
            Slot::counts("seen", vec![0; size.tasks]),
        ]
    }
    fn follows_parameters(&self) -> bool {
        true
    }
}

impl JacobianMethod for DbMtl {
    fn direction(&self, step: &Step, jacobian: &Tensor, state: &mut State) -> Result<Direction> {
        if !step.losses.iter().all(|loss| *loss > 0.0 && loss.is_finite()) {
            let remedy = "db_mtl takes logarithms of losses: use losses above 0";
            return Err(step.failure("a loss is not above 0", step.losses, remedy));
        }
        let losses: Vec<f64> = step.losses.iter().map(|loss| loss + EPSILON).collect();
        let gradients = jacobian / rows::column(&losses, jacobian); // [K, P], of the log-losses
        let seen = rows::count(state.count_mut(SEEN), step.present);
        let shares: Vec<f64> = seen.iter().map(|seen| self.beta / seen.powf(self.beta_sigma)).collect();
        let shares = rows::column(&shares, jacobian); // [K, 1], of the past
        let averaged = rows::change(&state.tensor(AVERAGED), step.present, |b| gradients.lerp_tensor(b, &shares));
        let norms = rows::norms(step, &averaged)?;
        let largest = norms.iter().fold(0.0_f64, |largest, norm| largest.max(*norm));
        // The largest norm comes last: its ratio to a small one may be beyond single precision.
        let factors: Vec<f64> = norms.iter().map(|norm| 1.0 / (norm + EPSILON)).collect();
        Ok(Direction { direction: rows::combine(&factors, &averaged) * largest, weights: None })
    }
}

#[cfg(test)]
mod tests {
    use crate::methods::trial::{Trial, assert_near, matrix};

    #[test]
    fn two_steps_by_hand() {
        let mut trial = Trial::wide("{name: db_mtl, beta: 0.5}", 2, 2);
        let rows = matrix([[4.0, 0.0], [0.0, 1.0]]);
        // g = (4/2, 1/1), b = g/2 = (1, .5): both are scaled to 1.
        assert_near(&trial.step([2.0, 1.0], &rows).expect("a direction").direction, &[1.0, 1.0], 1e-7);
        // g = (4, 1), b = (2.5, .75).
        assert_near(&trial.step([1.0, 1.0], &rows).expect("a direction").direction, &[2.5, 2.5], 1e-7);
        // Only the second is present: its count and average go on, the first's stand still.
        let alone = trial.step([None, Some(0.5)], &rows).expect("a direction");
        assert_near(&alone.direction, &[0.0, 1.375], 1e-7);
        assert_near(&trial.tensor("averaged"), &[2.5, 0.0, 0.0, 1.375], 1e-7);
    }

    #[test]
    fn a_loss_that_has_no_logarithm_is_an_error_that_names_it() {
        for loss in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            let mut trial = Trial::wide("{name: db_mtl}", 2, 1);
            let said = trial.step([1.0, loss], &matrix([[1.0], [1.0]])).expect_err("no logarithm").to_string();
            assert!(said.contains("method db_mtl at step 0") && said.contains(&format!("task2 {loss}")), "{said}");
        }
    }
}
