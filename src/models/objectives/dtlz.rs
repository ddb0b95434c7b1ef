//! Deb, Thiele, Laumanns and Zitzler's second problem.

use super::{Problem, check_start, drawn};
use crate::error::BadSetting;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::f64::consts::FRAC_PI_2;
use tch::{Kind, Tensor};

/// DTLZ2: any number of objectives, whose front is the part of the unit sphere where none is negative.
///
/// `L1 = (1 + g) cos θ_1 … cos θ_{T-2} cos θ_{T-1}`, `L2 = (1 + g) cos θ_1 … cos θ_{T-2} sin θ_{T-1}`, …, `LT = (1 + g) sin θ_1`, with
/// `θ_i = p_i π/2` and `g = Σ_{i≥T} (p_i - ½)²`, for a point p in `[0, 1]^n`
///
/// The box is kept by angles, as for zdt1: the trained parameter is x with `p_i = sin² x_i`. The first T - 1 coordinates move along
/// the front, the others towards it: it is where they are ½. It is concave: no weighted mean can reach inside. The hypervolume of
/// the front with the reference point (1, 1, 1) is 1 - π/6 for three objectives, with (1, 1) 1 - π/4 for two.
///
/// Reference: Deb, Thiele, Laumanns and Zitzler, "Scalable Multi-Objective Optimization Test Problems", CEC 2002 (ten coordinates
/// towards the front).
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Dtlz2 {
    /// The number of objectives T, two or more.
    #[serde(with = "crate::settings::AtLeastOne")]
    pub objectives: u64,
    /// The number of dimensions n, at least as many as objectives. Default: T + 9.
    #[serde(with = "crate::settings::optional::AtLeastOne", skip_serializing_if = "Option::is_none")]
    pub dimension: Option<u64>,
    /// The point p at which training starts, n numbers from 0 to 1. Default: each drawn evenly from 0 to 1 by the run's
    /// seed. At exactly 0 and 1 an angle has no gradient, as at the bottom and the top of a hill.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start: Option<Vec<f64>>,
}

impl Default for Dtlz2 {
    fn default() -> Self {
        Self { objectives: 3, dimension: None, start: None }
    }
}

impl Dtlz2 {
    fn dimension(&self) -> u64 {
        self.dimension.unwrap_or(self.objectives + 9)
    }

    /// The number of coordinates that move along the front.
    fn along(&self) -> i64 {
        self.objectives as i64 - 1
    }
}

impl Problem for Dtlz2 {
    fn objectives(&self) -> usize {
        self.objectives as usize
    }

    fn start(&self, seed: u64) -> Vec<f64> {
        self.start.clone().unwrap_or_else(|| drawn(seed, self.dimension(), 0.0, 1.0))
    }

    fn check(&self) -> Result<(), BadSetting> {
        if self.objectives < 2 {
            return Err(BadSetting::new("objectives", format!("{} objective is too few", self.objectives))
                .remedy("give two or more: there is a front only between several"));
        }
        if self.dimension() < self.objectives {
            let what = format!("{} dimensions are too few for {} objectives", self.dimension(), self.objectives);
            return Err(BadSetting::new("dimension", what)
                .remedy("give at least as many as objectives: all but the first T - 1 move towards the front"));
        }
        self.start.as_ref().map_or(Ok(()), |start| check_start(start, self.dimension(), 0.0, 1.0))
    }

    fn parameter(&self, point: &[f64]) -> Vec<f64> {
        point.iter().map(|p| p.sqrt().asin()).collect()
    }

    fn point(&self, parameter: &Tensor) -> Tensor {
        parameter.sin().square()
    }

    fn values(&self, point: &Tensor) -> Vec<Tensor> {
        let along = self.along();
        let angles = point.narrow(0, 0, along) * FRAC_PI_2; // [T - 1]
        let towards = point.narrow(0, along, point.size()[0] - along);
        let mut rest = (towards - 0.5).square().sum(None::<Kind>) + 1.0;
        let mut values = Vec::with_capacity(self.objectives());
        for angle in (0..along).map(|at| angles.get(at)) {
            values.push(&rest * angle.sin());
            rest = &rest * angle.cos(); // a new tensor: the derivative still needs the old one
        }
        values.push(rest);
        values.reverse();
        values
    }

    fn script(&self) -> String {
        let along = self.along();
        format!(
            "p = torch.sin(x) ** 2
angles = p[:{along}] * {FRAC_PI_2:?}
rest = torch.sum((p[{along}:] - 0.5) ** 2) + 1.0
values: List[Tensor] = []
for at in range({along}):
    values.append(rest * torch.sin(angles[at]))
    rest = rest * torch.cos(angles[at])
values.append(rest)
values.reverse()
"
        )
    }

    /// A share is the square of an objective.
    fn optimal(&self, shares: &[f64]) -> Vec<f64> {
        let mut point = vec![0.5; self.dimension() as usize];
        for (at, coordinate) in point[..self.along() as usize].iter_mut().enumerate() {
            let (before, own) = shares.split_at(shares.len() - 1 - at);
            *coordinate = own[0].sqrt().atan2(before.iter().sum::<f64>().sqrt()) / FRAC_PI_2;
        }
        point
    }

    fn bounds(&self) -> Option<[f64; 2]> {
        Some([0.0, 1.0])
    }

    fn reference(&self) -> Option<Vec<f64>> {
        Some(vec![1.0; self.objectives()])
    }

    /// What the unit ball leaves of the unit cube: `1 - V_T` with `V_0 = V_1 = 1` and `V_T = V_{T-2} π / 2T`.
    fn hypervolume(&self) -> Option<f64> {
        let count = self.objectives();
        let ball: f64 =
            (2..=count).filter(|dimension| dimension % 2 == count % 2).map(|d| FRAC_PI_2 / d as f64).product();
        Some(1.0 - ball)
    }
}
