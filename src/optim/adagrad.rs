//! Adagrad.

use super::{Optimizer, ParameterGroup, Update};
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
        let step_size = update.learning_rate / (1.0 + (update.step - 1) as f64 * self.learning_rate_decay);
        let gradient = update.penalized_gradient();
        let Update { parameters, state, scratch, numbers, .. } = update;
        let [numerator, denominator] = &mut **scratch;

        let _ = state[0].addcmul_(&gradient, &gradient);
        let _ = state[0].sqrt_out(denominator).g_add_(&numbers.get(self.eps));
        let _ = gradient.mul_out(numerator, &numbers.get(-step_size));
        let _ = parameters.addcdiv_(numerator, denominator);
    }
}
