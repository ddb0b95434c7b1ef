//! Adam.

use super::{Optimizer, ParameterGroup, Update};
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::{Deserialize, Deserializer, Error};

/// Adam, `torch.optim.Adam` (Kingma and Ba, 2015).
///
/// `m ← β₁ m + (1 − β₁) g`, `v ← β₂ v + (1 − β₂) g²`,
/// `θ ← θ − learning_rate / (1 − β₁ᵗ) · m / (√v / √(1 − β₂ᵗ) + eps)`.
#[derive(Debug, Clone, Serialize, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Adam {
    /// Step size.
    #[serde(with = "crate::settings::Positive")]
    pub learning_rate: f64,
    /// Decay of the running averages of the gradient and of its square; each from 0 up to, not including, 1.
    #[serde(deserialize_with = "betas")]
    pub betas: [f64; 2],
    /// Added to the denominator, against division by zero.
    #[serde(with = "crate::settings::NonNegative")]
    pub eps: f64,
    /// L2 penalty: this times the parameter is added to its gradient. For decay beside the gradient see adamw.
    #[serde(with = "crate::settings::NonNegative")]
    pub weight_decay: f64,
    /// Divide by the largest squared average so far (AMSGrad: Reddi et al., 2018).
    pub amsgrad: bool,
    /// Parameters with settings of their own: the first pattern that matches a parameter's name wins.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<ParameterGroup>,
}

impl Default for Adam {
    fn default() -> Self {
        Self { learning_rate: 1e-3, betas: [0.9, 0.999], eps: 1e-8, weight_decay: 0.0, amsgrad: false, groups: vec![] }
    }
}

impl Optimizer for Adam {
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
        Moments { betas: self.betas, eps: self.eps, amsgrad: self.amsgrad }.step(update);
    }
}

/// Two numbers, each from 0 up to, not including, 1.
pub(super) fn betas<'de, D: Deserializer<'de>>(deserializer: D) -> Result<[f64; 2], D::Error> {
    let betas = <[f64; 2]>::deserialize(deserializer)?;
    match betas.iter().find(|beta| !(0.0..1.0).contains(*beta)) {
        Some(wrong) => {
            Err(D::Error::custom(format!("invalid value: {wrong}, expected a number from 0 up to, not including, 1")))
        }
        None => Ok(betas),
    }
}

/// What Adam remembers.
pub(super) fn state(amsgrad: bool) -> Vec<(&'static str, f64)> {
    let mut state = vec![("exp_avg", 0.0), ("exp_avg_sq", 0.0)];
    if amsgrad {
        state.push(("max_exp_avg_sq", 0.0));
    }
    state
}

/// The update that Adam and AdamW share; they differ in where the weight decay goes.
pub(super) struct Moments {
    pub(super) betas: [f64; 2],
    pub(super) eps: f64,
    pub(super) amsgrad: bool,
}

impl Moments {
    /// PyTorch's single-tensor implementation, in its order of operations; corrections are computed on the host in f64.
    pub(super) fn step(&self, update: &mut Update) {
        let [beta1, beta2] = self.betas;
        let step = update.step as f64;
        let step_size = update.learning_rate / (1.0 - beta1.powf(step));
        let correction = (1.0 - beta2.powf(step)).sqrt();

        let gradient = update.penalized_gradient();
        let Update { parameters, state, scratch, numbers, .. } = update;
        let (average, square_average) = state.split_at_mut(1);
        let (average, square_average) = (&mut average[0], square_average);
        let [numerator, denominator] = &mut **scratch;

        let _ = average.lerp_(&gradient, 1.0 - beta1);
        let square = gradient.mul_out(denominator, &numbers.get(1.0 - beta2));
        let _ = square_average[0].g_mul_(&numbers.get(beta2)).addcmul_(&square, &gradient);
        let mut divisor = &square_average[0];
        if self.amsgrad {
            let _ = square_average[0].maximum_out(&square_average[1], &square_average[1]);
            divisor = &square_average[1];
        }
        let _ = divisor.sqrt_out(denominator).g_div_(&numbers.get(correction)).g_add_(&numbers.get(self.eps));
        // The gradient may lie where the numerator goes: it is no longer needed.
        let _ = average.mul_out(numerator, &numbers.get(-step_size));
        let _ = parameters.addcdiv_(numerator, denominator);
    }
}
