//! Activations in place, and their slopes.

use super::Number;
use crate::kernels::{Instructions, Lanes, Map, erf, exp, tanh, zip_map};
use crate::models::Activation;

/// Whether the slope follows from the result alone; else it is kept.
pub fn slope_from_result(activation: Activation) -> bool {
    !matches!(activation, Activation::Gelu | Activation::Silu)
}

/// Numbers become `f` of them; `slopes`, as long or empty where nobody needs them, `f'`.
pub fn forward<T: Number>(instructions: Instructions, activation: Activation, numbers: &mut [T], slopes: &mut [T]) {
    match activation {
        Activation::Identity => {}
        _ if slope_from_result(activation) => zip_map(instructions, Simple(activation), [], [numbers]),
        _ => zip_map(instructions, Simple(activation), [], [numbers, slopes]),
    }
}

/// Gradients by results become gradients by what went in.
pub fn backward<T: Number>(
    instructions: Instructions,
    activation: Activation,
    results: &[T],
    slopes: &[T],
    gradients: &mut [T],
) {
    match activation {
        Activation::Identity => {}
        _ if slope_from_result(activation) => zip_map(instructions, Slope(activation), [results], [gradients]),
        _ => zip_map(instructions, Product, [slopes], [gradients]),
    }
}

/// An activation by its own.
struct Simple(Activation);

/// The slope of PyTorch's leaky unit below 0.
const LEAK: f64 = 0.01;

impl<T: Number> Map<T, 0, 1> for Simple {
    #[inline(always)]
    fn map<S: Lanes<T>>(&self, simd: S, _: [S::Vector; 0], [x]: [S::Vector; 1]) -> [S::Vector; 1] {
        let (zero, one) = (simd.zero(), simd.splat(T::of(1.0)));
        [match self.0 {
            Activation::Relu => simd.max(zero, x),
            Activation::Tanh => tanh(simd, x),
            Activation::Sigmoid => sigmoid(simd, x),
            Activation::LeakyRelu => simd.where_greater(x, zero, x, simd.mul(x, simd.splat(T::of(LEAK)))),
            Activation::Elu => {
                // e^x - 1 = tanh(x/2) (e^x + 1), without losing digits near 0.
                let low = simd.min(zero, x);
                let half = tanh(simd, simd.mul(low, simd.splat(T::of(0.5))));
                let below = simd.mul(half, simd.add(exp(simd, low), one));
                simd.where_greater(x, zero, x, below)
            }
            Activation::Identity | Activation::Gelu | Activation::Silu => x,
        }]
    }
}

impl<T: Number> Map<T, 0, 2> for Simple {
    #[inline(always)]
    fn map<S: Lanes<T>>(&self, simd: S, _: [S::Vector; 0], [x, slope]: [S::Vector; 2]) -> [S::Vector; 2] {
        let (half, one) = (simd.splat(T::of(0.5)), simd.splat(T::of(1.0)));
        match self.0 {
            Activation::Gelu => {
                // x Φ(x), and Φ(x) + x φ(x); the density's exponent is that of the error function.
                let (erf, decay) = erf(simd, simd.mul(x, simd.splat(T::of(std::f64::consts::FRAC_1_SQRT_2))));
                let below = simd.mul_add(half, erf, half);
                let density = simd.mul(decay, simd.splat(T::of((2.0 * std::f64::consts::PI).sqrt().recip())));
                [simd.mul(x, below), simd.mul_add(x, density, below)]
            }
            Activation::Silu => {
                let share = sigmoid(simd, x);
                let slope = simd.mul(share, simd.mul_add(x, simd.sub(one, share), one));
                [simd.mul(x, share), slope]
            }
            _ => [x, slope],
        }
    }
}

/// `1/(1 + e^-x)`
#[inline(always)]
fn sigmoid<T: Number, S: Lanes<T>>(simd: S, x: S::Vector) -> S::Vector {
    let (zero, one) = (simd.zero(), simd.splat(T::of(1.0)));
    let decay = exp(simd, simd.sub(zero, simd.abs(x)));
    simd.div(simd.where_greater(zero, x, decay, one), simd.add(one, decay))
}

/// The slope from the result `y`, times a gradient.
struct Slope(Activation);

impl<T: Number> Map<T, 1, 1> for Slope {
    #[inline(always)]
    fn map<S: Lanes<T>>(&self, simd: S, [y]: [S::Vector; 1], [gradient]: [S::Vector; 1]) -> [S::Vector; 1] {
        let (zero, one) = (simd.zero(), simd.splat(T::of(1.0)));
        [match self.0 {
            Activation::Relu => simd.where_greater(y, zero, gradient, zero),
            Activation::Tanh => simd.mul(gradient, simd.sub(one, simd.mul(y, y))),
            Activation::Sigmoid => simd.mul(gradient, simd.mul(y, simd.sub(one, y))),
            Activation::LeakyRelu => simd.where_greater(y, zero, gradient, simd.mul(gradient, simd.splat(T::of(LEAK)))),
            Activation::Elu => simd.where_greater(y, zero, gradient, simd.mul(gradient, simd.add(y, one))),
            Activation::Identity | Activation::Gelu | Activation::Silu => gradient,
        }]
    }
}

/// A kept slope times a gradient.
struct Product;

impl<T: Number> Map<T, 1, 1> for Product {
    #[inline(always)]
    fn map<S: Lanes<T>>(&self, simd: S, [slope]: [S::Vector; 1], [gradient]: [S::Vector; 1]) -> [S::Vector; 1] {
        [simd.mul(slope, gradient)]
    }
}
