//! Zitzler, Deb and Thiele's first two problems.

use super::{Problem, check_start, drawn};
use crate::error::BadSetting;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

/// ZDT1: a convex front in a box of n dimensions.
///
/// `L1 = p_1`, `L2 = g (1 - √(L1/g))`, `g = 1 + 9/(n-1) Σ_{i≥2} p_i`, for a point p in `[0, 1]^n`
///
/// The box is kept by angles: the trained parameter is x with `p_i = sin² x_i`, so that a step of any size stays inside, the
/// borders (where the optimum is) are reached exactly, and no gradient is cut off. Reported coordinates are those of p. The front
/// is `L2 = 1 - √L1`, its hypervolume with the reference point (1, 1) is 2/3.
///
/// Reference: Zitzler, Deb and Thiele, "Comparison of Multiobjective Evolutionary Algorithms: Empirical Results",
/// Evolutionary Computation 2000.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Zdt1 {
    /// The number of dimensions n, two or more.
    #[serde(with = "crate::settings::AtLeastOne")]
    pub dimension: u64,
    /// The point p at which training starts, n numbers from 0 to 1. Default: each drawn evenly from 0 to 1 by the run's
    /// seed. At exactly 0 and 1 an angle has no gradient, as at the bottom and the top of a hill.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start: Option<Vec<f64>>,
}

/// ZDT2: a concave front in a box of n dimensions, which no weighted mean can reach inside.
///
/// `L1 = p_1`, `L2 = g (1 - (L1/g)²)`, `g = 1 + 9/(n-1) Σ_{i≥2} p_i`, for a point p in `[0, 1]^n`
///
/// The box is kept by angles, as for zdt1: the trained parameter is x with `p_i = sin² x_i`. The front is `L2 = 1 - L1²`, its
/// hypervolume with the reference point (1, 1) is 1/3.
///
/// Reference: Zitzler, Deb and Thiele, "Comparison of Multiobjective Evolutionary Algorithms: Empirical Results",
/// Evolutionary Computation 2000.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Zdt2 {
    /// The number of dimensions n, two or more.
    #[serde(with = "crate::settings::AtLeastOne")]
    pub dimension: u64,
    /// The point p at which training starts, n numbers from 0 to 1. Default: each drawn evenly from 0 to 1 by the run's
    /// seed. At exactly 0 and 1 an angle has no gradient, as at the bottom and the top of a hill.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start: Option<Vec<f64>>,
}

/// Both problems: all but the shape of the front.
macro_rules! zdt {
    ($name:ident, $second:expr, $script:literal) => {
        impl Default for $name {
            fn default() -> Self {
                Self { dimension: 30, start: None }
            }
        }

        impl Problem for $name {
            fn start(&self, seed: u64) -> Vec<f64> {
                self.start.clone().unwrap_or_else(|| drawn(seed, self.dimension, 0.0, 1.0))
            }

            fn check(&self) -> Result<(), BadSetting> {
                check(self.dimension, self.start.as_deref())
            }

            fn parameter(&self, point: &[f64]) -> Vec<f64> {
                point.iter().map(|p| p.sqrt().asin()).collect()
            }

            fn point(&self, parameter: &Tensor) -> Tensor {
                parameter.sin().square()
            }

            fn values(&self, point: &Tensor) -> Vec<Tensor> {
                let (first, g) = (point.get(0), height(point));
                let second = $second(&first, g);
                vec![first, second]
            }

            fn script(&self) -> String {
                format!(concat!("{}", $script, "\nvalues = [first, second]\n"), shared_script(self.dimension))
            }

            fn optimal(&self, shares: &[f64]) -> Vec<f64> {
                let mut point = vec![0.0; self.dimension as usize];
                point[0] = shares[0];
                point
            }

            fn bounds(&self) -> Option<[f64; 2]> {
                Some([0.0, 1.0])
            }

            fn reference(&self) -> Option<Vec<f64>> {
                Some(vec![1.0, 1.0])
            }
        }
    };
}

zdt!(
    Zdt1,
    |first: &Tensor, g: Tensor| &g - (first * &g).clamp_min(TINY).sqrt(),
    "second = g - torch.sqrt(torch.clamp(first * g, min=1e-30))"
);
zdt!(Zdt2, |first: &Tensor, g: Tensor| &g - first.square() / &g, "second = g - first ** 2 / g");

/// The root of 0 has no derivative.
const TINY: f64 = 1e-30;

/// `g` of a point `[n]`.
fn height(point: &Tensor) -> Tensor {
    let others = point.size()[0] - 1;
    point.narrow(0, 1, others).sum(None::<Kind>) * (9.0 / others as f64) + 1.0
}

fn shared_script(dimension: u64) -> String {
    let factor = 9.0 / (dimension - 1) as f64;
    format!(
        "p = torch.sin(x) ** 2
first = p[0]
g = torch.sum(p[1:]) * {factor:?} + 1.0
"
    )
}

fn check(dimension: u64, start: Option<&[f64]>) -> Result<(), BadSetting> {
    if dimension < 2 {
        return Err(BadSetting::new("dimension", format!("{dimension} dimension is too few"))
            .remedy("give two or more: the first moves along the front, the others towards it"));
    }
    start.map_or(Ok(()), |start| check_start(start, dimension, 0.0, 1.0))
}
