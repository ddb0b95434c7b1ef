//! Stochastic gradient descent.

use super::fused::{number, penalized};
use super::{Formula, FusedUpdate, Optimizer, ParameterGroup, Update};
use crate::error::BadSetting;
use crate::kernels::{Lanes, Real};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Stochastic gradient descent, `torch.optim.SGD`.
///
/// `b ← momentum · b + (1 − dampening) · g` (`b ← g` on the first step), `θ ← θ − learning_rate · b`;
/// with `nesterov`, `θ ← θ − learning_rate · (g + momentum · b)`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Sgd {
    /// Step size.
    #[serde(with = "crate::settings::Positive")]
    pub learning_rate: f64,
    /// How much of the previous direction is kept, from 0 to 1.
    #[serde(with = "crate::settings::Unit")]
    pub momentum: f64,
    /// What part of each new gradient the momentum leaves out, from 0 to 1. Means nothing without momentum.
    #[serde(with = "crate::settings::Unit")]
    pub dampening: f64,
    /// Look ahead along the momentum (Nesterov). Needs a momentum, and no dampening.
    pub nesterov: bool,
    /// L2 penalty: this times the parameter is added to its gradient.
    #[serde(with = "crate::settings::NonNegative")]
    pub weight_decay: f64,
    /// Parameters with settings of their own: the first pattern that matches a parameter's name wins.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<ParameterGroup>,
}

impl Default for Sgd {
    fn default() -> Self {
        Self { learning_rate: 1e-3, momentum: 0.0, dampening: 0.0, nesterov: false, weight_decay: 0.0, groups: vec![] }
    }
}

impl Optimizer for Sgd {
    fn state(&self) -> Vec<(&'static str, f64)> {
        if self.momentum == 0.0 { vec![] } else { vec![("momentum_buffer", 0.0)] }
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

    fn check(&self) -> Result<(), BadSetting> {
        if self.nesterov && (self.momentum == 0.0 || self.dampening != 0.0) {
            let what = format!(
                "nesterov needs a momentum above 0 and no dampening, found momentum {} and dampening {}",
                self.momentum, self.dampening
            );
            return Err(BadSetting::new("nesterov", what).remedy("set momentum (0.9 is common), or nesterov: false"));
        }
        Ok(())
    }

    fn step(&self, update: &mut Update) {
        let mut direction = update.penalized_gradient();
        if self.momentum != 0.0 {
            let buffer = &mut update.state[0];
            if update.step == 1 {
                buffer.copy_(&direction);
            } else {
                let (momentum, fresh) = (update.numbers.get(self.momentum), update.numbers.get(1.0 - self.dampening));
                let _ = buffer.g_mul_(&momentum).addcmul_(&direction, &fresh);
            }
            direction = if self.nesterov {
                direction.addcmul_out(&update.scratch[1], buffer, &update.numbers.get(self.momentum))
            } else {
                buffer.shallow_clone()
            };
        }
        let _ = update.parameters.addcmul_(&direction, &update.numbers.get(-update.learning_rate));
    }

    fn fused(&self, update: FusedUpdate) {
        // On the first step the buffer becomes the gradient.
        let [kept, fresh] = if update.step == 1 { [0.0, 1.0] } else { [self.momentum, 1.0 - self.dampening] };
        let formula = Descent {
            weight_decay: update.weight_decay,
            step_size: update.learning_rate,
            kept,
            fresh,
            ahead: self.nesterov.then_some(self.momentum),
        };
        match self.momentum {
            0.0 => update.apply::<1>(formula),
            _ => update.apply::<2>(formula),
        }
    }
}

/// A step downhill; `kept` of the buffer, if there is one, and `fresh` of the gradient become the buffer.
struct Descent {
    weight_decay: f64,
    step_size: f64,
    kept: f64,
    fresh: f64,
    ahead: Option<f64>,
}

impl Formula for Descent {
    #[inline(always)]
    fn apply<T: Real, S: Lanes<T>>(
        &self,
        simd: S,
        parameter: S::Vector,
        gradient: S::Vector,
        state: &mut [S::Vector],
    ) -> S::Vector {
        let mut direction = penalized(simd, self.weight_decay, parameter, gradient);
        if let [buffer] = state {
            *buffer = simd.mul_add(direction, number(simd, self.fresh), simd.mul(*buffer, number(simd, self.kept)));
            direction = match self.ahead {
                Some(momentum) => simd.mul_add(*buffer, number(simd, momentum), direction),
                None => *buffer,
            };
        }
        simd.mul_add(direction, number(simd, -self.step_size), parameter)
    }
}
