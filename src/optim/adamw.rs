//! AdamW: Adam with the weight decay beside the gradient.

use super::adam::{Moments, betas, state};
use super::{FusedUpdate, Optimizer, ParameterGroup, Update};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// AdamW, `torch.optim.AdamW` (Loshchilov and Hutter, 2019): `θ ← θ − learning_rate · weight_decay · θ`, then Adam's step.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AdamW {
    /// Step size.
    #[serde(with = "crate::settings::Positive")]
    pub learning_rate: f64,
    /// Decay of the running averages of the gradient and of its square; each from 0 up to, not including, 1.
    #[serde(deserialize_with = "betas")]
    pub betas: [f64; 2],
    /// Added to the denominator, against division by zero.
    #[serde(with = "crate::settings::NonNegative")]
    pub eps: f64,
    /// Each step shrinks a parameter by the learning rate times this.
    #[serde(with = "crate::settings::NonNegative")]
    pub weight_decay: f64,
    /// Divide by the largest squared average so far (AMSGrad: Reddi et al., 2018).
    pub amsgrad: bool,
    /// Parameters with settings of their own: the first pattern that matches a parameter's name wins.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<ParameterGroup>,
}

impl Default for AdamW {
    fn default() -> Self {
        Self { learning_rate: 1e-3, betas: [0.9, 0.999], eps: 1e-8, weight_decay: 0.01, amsgrad: false, groups: vec![] }
    }
}

impl AdamW {
    fn moments(&self) -> Moments {
        Moments { betas: self.betas, eps: self.eps, amsgrad: self.amsgrad }
    }
}

impl Optimizer for AdamW {
    fn state(&self) -> Vec<(&'static str, f64)> {
        state(self.amsgrad)
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
        if update.weight_decay != 0.0 {
            let kept = update.numbers.get(1.0 - update.learning_rate * update.weight_decay);
            let _ = update.parameters.g_mul_(&kept);
        }
        update.weight_decay = 0.0;
        self.moments().step(update);
    }

    fn fused(&self, mut update: FusedUpdate) {
        let kept = 1.0 - update.learning_rate * update.weight_decay;
        update.weight_decay = 0.0;
        self.moments().fused(update, kept);
    }
}
