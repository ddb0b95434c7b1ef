//! Adam.

use super::fused::{lerp, number, penalized};
use super::{Formula, FusedUpdate, Optimizer, ParameterGroup, Update};
use crate::kernels::{Lanes, Real};
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

impl Adam {
    fn moments(&self) -> Moments {
        Moments { betas: self.betas, eps: self.eps, amsgrad: self.amsgrad }
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
        self.moments().step(update);
    }

    fn fused(&self, update: FusedUpdate) {
        self.moments().fused(update, 1.0);
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
    /// The step size, and what the root of the squared average is divided by, both with the bias taken out.
    fn corrected(&self, step: i64, learning_rate: f64) -> (f64, f64) {
        let ([beta1, beta2], step) = (self.betas, step as f64);
        (learning_rate / (1.0 - beta1.powf(step)), (1.0 - beta2.powf(step)).sqrt())
    }

    /// PyTorch's single-tensor implementation, in its order of operations; corrections are computed on the host in f64.
    pub(super) fn step(&self, update: &mut Update) {
        let [beta1, beta2] = self.betas;
        let (step_size, correction) = self.corrected(update.step, update.learning_rate);
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

    /// The same in one pass, after the parameters are multiplied by `kept`.
    pub(super) fn fused(&self, update: FusedUpdate, kept: f64) {
        let (step_size, correction) = self.corrected(update.step, update.learning_rate);
        let formula = Corrected {
            weight_decay: update.weight_decay,
            kept,
            betas: self.betas,
            eps: self.eps,
            step_size,
            correction,
        };
        if self.amsgrad { update.apply::<4>(formula) } else { update.apply::<3>(formula) }
    }
}

/// A step along the average over the root of the squared average, or of its largest value, where that is remembered.
struct Corrected {
    weight_decay: f64,
    kept: f64,
    betas: [f64; 2],
    eps: f64,
    step_size: f64,
    correction: f64,
}

impl Formula for Corrected {
    #[inline(always)]
    fn apply<T: Real, S: Lanes<T>>(
        &self,
        simd: S,
        parameter: S::Vector,
        gradient: S::Vector,
        state: &mut [S::Vector],
    ) -> S::Vector {
        let [beta1, beta2] = self.betas;
        let parameter = simd.mul(parameter, number(simd, self.kept));
        let gradient = penalized(simd, self.weight_decay, parameter, gradient);
        state[0] = lerp(simd, state[0], gradient, 1.0 - beta1);
        let square = simd.mul(gradient, number(simd, 1.0 - beta2));
        state[1] = simd.mul_add(square, gradient, simd.mul(state[1], number(simd, beta2)));
        let mut divisor = state[1];
        if let Some(largest) = state.get_mut(2) {
            *largest = simd.max(*largest, divisor);
            divisor = *largest;
        }
        // One division less than PyTorch.
        let denominator = simd.mul_add(simd.sqrt(divisor), number(simd, 1.0 / self.correction), number(simd, self.eps));
        simd.add(parameter, simd.div(simd.mul(state[0], number(simd, -self.step_size)), denominator))
    }
}
