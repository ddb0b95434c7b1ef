//! The two valleys of CAGrad's toy.

use super::{Problem, check_start};
use crate::error::BadSetting;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::Tensor;

/// CAGrad's toy: two objectives of two numbers, with a steep valley in which the mean of both gets stuck.
///
/// `L_i = f_i c1 + q_i c2`, with
///
/// - `f1 = ln max(|½(-x0 - 7) - tanh(-x1)|, 5e-6) + 6`, `f2 = ln max(|½(-x0 + 3) + tanh(-x1) + 2|, 5e-6) + 6`
/// - `q1 = ((-x0 + 7)² + 0.1(-x1 - 8)²) / 10 - 20`, `q2 = ((-x0 - 7)² + 0.1(-x1 - 8)²) / 10 - 20`
/// - `c1 = max(tanh(½ x1), 0)`, `c2 = max(tanh(-½ x1), 0)`
///
/// The Pareto set runs from `x0 = 7` to `x0 = -7` near `x1 = -8.4`; its middle `(0, -8.3551)` has the mean -15.0916. At a tie
/// each side of a maximum gets half of the derivative, as in `torch.maximum`, so that gradients leave the ridge `x1 = 0`.
/// Run it with `precision: float64`: paths through the valley amplify every rounding.
///
/// Reference: Liu et al., "Conflict-Averse Gradient Descent for Multi-task Learning", NeurIPS 2021. With
/// `first_scale: 0.1` it is the toy of Navon et al., "Multi-Task Learning as a Bargaining Game", ICML 2022, and of Liu et
/// al., "FAMO: Fast Adaptive Multitask Optimization", NeurIPS 2023.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Toy {
    /// Where training starts, two numbers. CAGrad starts from [-8.5, 7.5], [-8.5, -5] and [9, 9].
    pub start: Vec<f64>,
    /// Multiplies the first objective.
    #[serde(with = "crate::settings::Positive")]
    pub first_scale: f64,
}

impl Default for Toy {
    fn default() -> Self {
        Self { start: vec![-8.5, 7.5], first_scale: 1.0 }
    }
}

/// Below it the logarithms go no further.
const FLOOR: f64 = 5e-6;

impl Problem for Toy {
    fn start(&self, _: u64) -> Vec<f64> {
        self.start.clone()
    }

    fn check(&self) -> Result<(), BadSetting> {
        check_start(&self.start, 2, f64::NEG_INFINITY, f64::INFINITY)
    }

    /// Both objectives at once, which makes a step cheaper: the two differ by the sign `s = [-1, 1]` of what the first
    /// coordinate is compared with, since `½(-x0 ∓ 7) ± tanh(x1)` are the arguments of the logarithms.
    fn values(&self, point: &Tensor) -> Vec<Tensor> {
        let (x, y) = (point.get(0), point.get(1));
        let like = |numbers: &[f64]| Tensor::from_slice(numbers).to_kind(point.kind()).to_device(point.device());
        let above = |value: Tensor, least: f64| value.maximum(&value.full_like(least));
        let sides = like(&[-7.0, 7.0]);
        let f = above(((&sides - &x) * 0.5 - y.tanh() * like(&[-1.0, 1.0])).abs(), FLOOR).log() + 6.0; // [2]
        let q = ((&sides + &x).square() + (&y + 8.0).square() * 0.1) / 10.0 - 20.0; // [2]
        let half = (&y * 0.5).tanh();
        let c2 = above(-&half, 0.0);
        let both = f * above(half, 0.0) + q * c2; // [2]
        let both = if self.first_scale == 1.0 { both } else { both * like(&[self.first_scale, 1.0]) };
        vec![both.get(0), both.get(1)]
    }

    fn script(&self) -> String {
        let scale = self.first_scale;
        format!(
            "a = x[0]
b = x[1]
sides = torch.tensor([-7.0, 7.0], dtype=x.dtype, device=x.device)
signs = torch.tensor([-1.0, 1.0], dtype=x.dtype, device=x.device)
zero = torch.zeros_like(a)
f = torch.abs((sides - a) * 0.5 - torch.tanh(b) * signs)
f = torch.log(torch.maximum(f, torch.full_like(f, {FLOOR:?}))) + 6.0
q = ((sides + a) ** 2 + (b + 8.0) ** 2 * 0.1) / 10.0 - 20.0
half = torch.tanh(b * 0.5)
both = f * torch.maximum(half, zero) + q * torch.maximum(-half, zero)
values = [both[0] * {scale:?}, both[1]]
"
        )
    }

    /// Below the ridge `L_i = q_i tanh(-x1/2)`. A weighted mean that is stationary in `x0` has the weights
    /// `(x0 + 7)/14` and `(7 - x0)/14`; stationary in `x1` too, it solves `0.02 (x1 + 8) tanh(-x1/2) = ½ sech²(x1/2) q`,
    /// which is a contraction. A scale of one objective changes no Pareto set.
    fn optimal(&self, shares: &[f64]) -> Vec<f64> {
        let x = 7.0 - 14.0 * shares[0];
        let mut y: f64 = -8.4;
        for _ in 0..100 {
            let q = (49.0 - x * x) / 10.0 + (y + 8.0).powi(2) / 100.0 - 20.0;
            let cosh = (y / 2.0).cosh();
            y = -8.0 + 25.0 * q / (cosh * cosh * (-y / 2.0).tanh());
        }
        vec![x, y]
    }

    fn reference(&self) -> Option<Vec<f64>> {
        None
    }
}
