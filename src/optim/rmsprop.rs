//! RMSprop.

use super::fused::{lerp, number, penalized};
use super::{Formula, FusedUpdate, Optimizer, ParameterGroup, Update};
use crate::kernels::{Lanes, Real};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// RMSprop, `torch.optim.RMSprop` (Hinton's lecture 6e; `centered`: Graves, 2013).
///
/// `s ← alpha · s + (1 − alpha) · g²`, `θ ← θ − learning_rate · g / (√s + eps)`; with a momentum,
/// `b ← momentum · b + g / (√s + eps)`, `θ ← θ − learning_rate · b`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RmsProp {
    /// Step size.
    #[serde(with = "crate::settings::Positive")]
    pub learning_rate: f64,
    /// Decay of the running average of the squared gradient, from 0 to 1.
    #[serde(with = "crate::settings::Unit")]
    pub alpha: f64,
    /// Added to the denominator, against division by zero.
    #[serde(with = "crate::settings::NonNegative")]
    pub eps: f64,
    /// L2 penalty: this times the parameter is added to its gradient.
    #[serde(with = "crate::settings::NonNegative")]
    pub weight_decay: f64,
    /// How much of the previous direction is kept, from 0 to 1.
    #[serde(with = "crate::settings::Unit")]
    pub momentum: f64,
    /// Divide by the running standard deviation instead of the root mean square.
    pub centered: bool,
    /// Parameters with settings of their own: the first pattern that matches a parameter's name wins.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<ParameterGroup>,
}

impl Default for RmsProp {
    fn default() -> Self {
        Self {
            learning_rate: 1e-2,
            alpha: 0.99,
            eps: 1e-8,
            weight_decay: 0.0,
            momentum: 0.0,
            centered: false,
            groups: vec![],
        }
    }
}

impl Optimizer for RmsProp {
    fn state(&self) -> Vec<(&'static str, f64)> {
        let mut state = vec![("square_avg", 0.0)];
        if self.momentum > 0.0 {
            state.push(("momentum_buffer", 0.0));
        }
        if self.centered {
            state.push(("grad_avg", 0.0));
        }
        state
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
        let step_size = update.learning_rate;
        let gradient = update.penalized_gradient();
        let Update { parameters, state, scratch, numbers, .. } = update;
        let [numerator, denominator] = &mut **scratch;
        let (square_average, others) = state.split_at_mut(1);
        let square_average = &mut square_average[0];

        let square = gradient.mul_out(denominator, &numbers.get(1.0 - self.alpha));
        let _ = square_average.g_mul_(&numbers.get(self.alpha)).addcmul_(&square, &gradient);
        let mut root = if self.centered {
            let average = others.last_mut().expect("a centered rule remembers grad_avg last");
            let _ = average.lerp_(&gradient, 1.0 - self.alpha);
            let negative = average.neg_out(denominator);
            square_average.addcmul_out(denominator, &negative, average).sqrt_()
        } else {
            square_average.sqrt_out(denominator)
        };
        let _ = root.g_add_(&numbers.get(self.eps));
        if self.momentum > 0.0 {
            let _ = others[0].g_mul_(&numbers.get(self.momentum)).addcdiv_(&gradient, &root);
            let _ = parameters.addcmul_(&others[0], &numbers.get(-step_size));
        } else {
            let _ = gradient.mul_out(numerator, &numbers.get(-step_size));
            let _ = parameters.addcdiv_(numerator, &root);
        }
    }

    fn fused(&self, update: FusedUpdate) {
        let formula = MeanSquare {
            weight_decay: update.weight_decay,
            step_size: update.learning_rate,
            alpha: self.alpha,
            eps: self.eps,
            momentum: (self.momentum > 0.0).then_some(self.momentum),
            centered: self.centered,
        };
        match (self.momentum > 0.0, self.centered) {
            (false, false) => update.apply::<2>(formula),
            (true, true) => update.apply::<4>(formula),
            _ => update.apply::<3>(formula),
        }
    }
}

/// A step along the gradient over its root mean square, or over its deviation.
struct MeanSquare {
    weight_decay: f64,
    step_size: f64,
    alpha: f64,
    eps: f64,
    momentum: Option<f64>,
    centered: bool,
}

impl Formula for MeanSquare {
    #[inline(always)]
    fn apply<T: Real, S: Lanes<T>>(
        &self,
        simd: S,
        parameter: S::Vector,
        gradient: S::Vector,
        state: &mut [S::Vector],
    ) -> S::Vector {
        let gradient = penalized(simd, self.weight_decay, parameter, gradient);
        let square = simd.mul(gradient, number(simd, 1.0 - self.alpha));
        state[0] = simd.mul_add(square, gradient, simd.mul(state[0], number(simd, self.alpha)));
        let mut divisor = state[0];
        if self.centered {
            let average = &mut state[state.len() - 1];
            *average = lerp(simd, *average, gradient, 1.0 - self.alpha);
            // Not fused: what a fused difference keeps of the product's rounding may be below 0 where this is 0.
            divisor = simd.sub(divisor, simd.mul(*average, *average));
        }
        let root = simd.add(simd.sqrt(divisor), number(simd, self.eps));
        let step_size = number(simd, -self.step_size);
        match self.momentum {
            Some(momentum) => {
                state[1] = simd.mul_add(state[1], number(simd, momentum), simd.div(gradient, root));
                simd.mul_add(state[1], step_size, parameter)
            }
            None => simd.add(parameter, simd.div(simd.mul(gradient, step_size), root)),
        }
    }
}
