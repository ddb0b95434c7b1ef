//! Adagrad.

use super::fused::{number, penalized};
use super::{Formula, FusedUpdate, Optimizer, ParameterGroup, Update};
use crate::kernels::{Lanes, Real};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Adagrad, `torch.optim.Adagrad` (Duchi et al., 2011).
///
/// `s ← s + g²`, `θ ← θ − learning_rate / (1 + (t − 1) · learning_rate_decay) · g / (√s + eps)`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Adagrad {
    /// Step size.
    #[serde(with = "crate::settings::Positive")]
    pub learning_rate: f64,
    /// How fast the step size itself falls with the number of steps (PyTorch's `lr_decay`); comes on top of a schedule.
    #[serde(with = "crate::settings::NonNegative")]
    pub learning_rate_decay: f64,
    /// L2 penalty: this times the parameter is added to its gradient.
    #[serde(with = "crate::settings::NonNegative")]
    pub weight_decay: f64,
    /// Where the sum of squares starts.
    #[serde(with = "crate::settings::NonNegative")]
    pub initial_accumulator_value: f64,
    /// Added to the denominator, against division by zero.
    #[serde(with = "crate::settings::NonNegative")]
    pub eps: f64,
    /// Parameters with settings of their own: the first pattern that matches a parameter's name wins.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<ParameterGroup>,
}

impl Default for Adagrad {
    fn default() -> Self {
        Self {
            learning_rate: 1e-2,
            learning_rate_decay: 0.0,
            weight_decay: 0.0,
            initial_accumulator_value: 0.0,
            eps: 1e-10,
            groups: vec![],
        }
    }
}

impl Adagrad {
    fn step_size(&self, step: i64, learning_rate: f64) -> f64 {
        learning_rate / (1.0 + (step - 1) as f64 * self.learning_rate_decay)
    }
}

impl Optimizer for Adagrad {
    fn state(&self) -> Vec<(&'static str, f64)> {
        vec![("sum", self.initial_accumulator_value)]
    }

    fn learning_rate(&self) -> f64 {
        self.learning_rate
    }

    fn weight_decay(&self) -> f64 {
        self.weight_decay
    }

    fn groups(&self) -> &[ParameterGroup] {
        &self.groups
    }

    fn step(&self, update: &mut Update) {
        let step_size = self.step_size(update.step, update.learning_rate);
        let gradient = update.penalized_gradient();
        let Update { parameters, state, scratch, numbers, .. } = update;
        let [numerator, denominator] = &mut **scratch;

        let _ = state[0].addcmul_(&gradient, &gradient);
        let _ = state[0].sqrt_out(denominator).g_add_(&numbers.get(self.eps));
        let _ = gradient.mul_out(numerator, &numbers.get(-step_size));
        let _ = parameters.addcdiv_(numerator, denominator);
    }

    fn fused(&self, update: FusedUpdate) {
        let step_size = self.step_size(update.step, update.learning_rate);
        let formula = SquareSum { weight_decay: update.weight_decay, step_size, eps: self.eps };
        update.apply::<2>(formula);
    }
}

/// A step along the gradient over the root of all its squares so far.
struct SquareSum {
    weight_decay: f64,
    step_size: f64,
    eps: f64,
}

impl Formula for SquareSum {
    #[inline(always)]
    fn apply<T: Real, S: Lanes<T>>(
        &self,
        simd: S,
        parameter: S::Vector,
        gradient: S::Vector,
        state: &mut [S::Vector],
    ) -> S::Vector {
        let gradient = penalized(simd, self.weight_decay, parameter, gradient);
        let sum = &mut state[0];
        *sum = simd.mul_add(gradient, gradient, *sum);
        let denominator = simd.add(simd.sqrt(*sum), number(simd, self.eps));
        simd.add(parameter, simd.div(simd.mul(gradient, number(simd, -self.step_size)), denominator))
    }
}
