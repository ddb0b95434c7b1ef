//! ExcessMTL: weights follow what each task has still to gain.

use crate::methods::rows;
use crate::methods::{Balancing, Direction, Heads, JacobianMethod, Reads, Size, Slot, State, Step};
use anyhow::Result;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

/// Added before roots and divisions, as in the authors' code.
const EPSILON: f64 = 1e-7;

/// Weights that grow with how far each task still is from its optimum.
///
/// ```text
/// S_t ← S_t + g_t²,    e_t = Σ_p g_tp² / √(S_tp + 1e-7)
/// w ← softmax(log w + η e/(e⁰ + 1e-7)), from 1/T
/// d = Σ_t w_t g_t
/// ```
///
/// `g_t [P]` is the gradient of task t's loss by the shared parameters, `S [T, P]` the sums of their squares, `e [T]`
/// estimates the excess risks by `gᵀ H⁻¹ g` with a diagonal H, `e⁰ [T]` is the first e (which is itself used raw, as
/// `η e`), `w [T]` are the weights and η is `robust_step_size`. A noisy task, whose loss cannot fall, gathers no weight.
///
/// Reads: Jacobian.
///
/// Cost: T backward passes; remembers T·P numbers.
///
/// Absent tasks: their squares, baseline e⁰ and weight stand still; the present ones' weights share what the absent ones
/// leave, and the update divides by that share.
///
/// Deviations: none from the authors' code; weights are kept as logarithms, so that none becomes 0 for good.
///
/// Reference: He et al., "Robust Multi-Task Learning with Excess Risks", ICML 2024 (arXiv 2402.02009).
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ExcessMtl {
    /// η, how fast the weights move. LibMTL: 0.01.
    #[serde(with = "crate::settings::NonNegative")]
    pub robust_step_size: f64,
    /// For so many of its own first steps a task only gathers squares; while any present task does, no weight moves. Its
    /// baseline is taken at the first step after.
    #[serde(with = "crate::settings::Count")]
    pub warmup_steps: u64,
}

impl Default for ExcessMtl {
    fn default() -> Self {
        Self { robust_step_size: 0.01, warmup_steps: 0 }
    }
}

/// The slots.
const SQUARES: usize = 0;
const LOG_WEIGHTS: usize = 1;
/// NaN before it is taken.
const BASELINE: usize = 2;
const SEEN: usize = 3;

impl Balancing for ExcessMtl {
    fn reads(&self) -> Reads<'_> {
        Reads::Jacobian(self)
    }
    fn heads(&self) -> Heads {
        Heads::Weighted
    }
    fn state(&self, size: &Size) -> Vec<Slot> {
        vec![
            Slot::zeros("squares", &[size.tasks as i64, size.parameters()]),
            Slot::reals("log_weights", vec![-(size.tasks as f64).ln(); size.tasks]),
            Slot::reals("baseline", vec![f64::NAN; size.tasks]),
            Slot::counts("seen", vec![0; size.tasks]),
        ]
    }
    fn follows_parameters(&self) -> bool {
        true
    }
}

impl JacobianMethod for ExcessMtl {
    fn direction(&self, step: &Step, jacobian: &Tensor, state: &mut State) -> Result<Direction> {
        rows::norms(step, jacobian)?;
        let squares = jacobian * jacobian; // [K, P]
        let summed = rows::change(&state.tensor(SQUARES), step.present, |summed| summed + &squares);
        let excess = (squares / (summed + EPSILON).sqrt()).sum_dim_intlist([1].as_slice(), false, Kind::Double);
        let excess = rows::host(&excess); // [K]
        if !excess.iter().all(|excess| excess.is_finite()) {
            let remedy = "the squares of the gradients overflow: lower the learning rate, or compute in float64";
            return Err(step.failure("an excess risk is not finite", &excess, remedy));
        }
        let seen = rows::count(state.count_mut(SEEN), step.present);
        let warm: Vec<bool> = seen.iter().map(|seen| *seen > self.warmup_steps as f64).collect();
        let excess = relative(&excess, &warm, step.present, state.real_mut(BASELINE));
        let rate = if warm.iter().all(|warm| *warm) { self.robust_step_size } else { 0.0 };
        let before = step.of(state.real(LOG_WEIGHTS));
        let share = log_sum(&before);
        let moved: Vec<f64> = before.iter().zip(&excess).map(|(weight, excess)| weight + rate * excess).collect();
        let total = log_sum(&moved);
        let kept: Vec<f64> = moved.iter().map(|weight| weight - total + share).collect();
        step.put(&kept, state.real_mut(LOG_WEIGHTS));
        let weights: Vec<f64> = moved.iter().map(|weight| (weight - total).exp()).collect();
        Ok(Direction { direction: rows::combine(&weights, jacobian), weights: Some(weights) })
    }
    fn forms_weights(&self) -> bool {
        true
    }
}

/// The excess risks `[K]` by each task's baseline; of a task that has none yet, raw, and its baseline from then on.
fn relative(excess: &[f64], warm: &[bool], present: &[usize], baseline: &mut [f64]) -> Vec<f64> {
    let each = excess.iter().zip(warm).zip(present);
    each.map(|((&excess, &warm), &task)| {
        if !baseline[task].is_nan() {
            return excess / (baseline[task] + EPSILON);
        }
        if warm {
            baseline[task] = excess;
        }
        excess
    })
    .collect()
}

/// `log Σ exp(values)`.
fn log_sum(values: &[f64]) -> f64 {
    let largest = values.iter().fold(f64::NEG_INFINITY, |largest, value| largest.max(*value));
    largest + values.iter().map(|value| (value - largest).exp()).sum::<f64>().ln()
}

#[cfg(test)]
mod tests {
    use crate::methods::trial::{Trial, assert_near, matrix};

    #[test]
    fn two_steps_by_hand() {
        let mut trial = Trial::wide("{name: excess_mtl, robust_step_size: 0.5}", 2, 2);
        let rows = matrix([[2.0, 0.0], [0.0, 1.0]]);
        // S = (4, 1), e = (4/2, 1/1): weights ~ (e^1, e^½).
        let first = trial.on(&rows).expect("a direction");
        let share = 1.0 / (1.0 + (-0.5_f64).exp());
        assert_near(first.weights.as_ref().expect("weights"), &[share, 1.0 - share], 1e-6);
        assert_near(&first.direction, &[2.0 * share, 1.0 - share], 1e-6);
        // S = (8, 2), e = (4/√8, 1/√2) / (2, 1) = (1, 1)/√2: nothing moves.
        let second = trial.on(&rows).expect("a direction");
        assert_near(&second.weights.expect("weights"), &[share, 1.0 - share], 1e-6);
    }

    #[test]
    fn weights_stand_still_while_a_task_warms_up_and_where_it_is_absent() {
        let mut trial = Trial::wide("{name: excess_mtl, robust_step_size: 0.5, warmup_steps: 2}", 3, 2);
        let rows = matrix([[2.0, 0.0], [0.0, 1.0], [3.0, 3.0]]);
        let weights = |trial: &mut Trial, losses: [Option<f64>; 3]| {
            trial.step(losses, &rows).expect("a direction").weights.expect("weights")
        };
        assert_near(&weights(&mut trial, [Some(1.0); 3]), &[1.0 / 3.0; 3], 1e-12);
        assert_near(&weights(&mut trial, [Some(1.0), Some(1.0), None]), &[0.5; 2], 1e-12);
        assert!(trial.reals("baseline").iter().all(|baseline| baseline.is_nan()));
        let moved = weights(&mut trial, [Some(1.0), Some(1.0), None]);
        assert!(moved[0] > 0.55, "{moved:?}");
        let kept: Vec<f64> = trial.reals("log_weights").iter().map(|weight| weight.exp()).collect();
        assert_near(&kept, &[moved[0] * 2.0 / 3.0, moved[1] * 2.0 / 3.0, 1.0 / 3.0], 1e-12);
        assert_near(&trial.tensor("squares")[4..], &[9.0, 9.0], 0.0);
        assert!(trial.reals("baseline")[2].is_nan());
        // The third is in its second step, and so still warms up.
        assert_near(&weights(&mut trial, [Some(1.0); 3]), &kept, 1e-12);
    }
}
