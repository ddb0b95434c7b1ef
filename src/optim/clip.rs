//! Clipping a gradient by its norm.

use tch::{Kind, Tensor};

/// Scales `gradient` `[P]` in place so that its Euclidean norm is at most `max_norm`; returns the norm before.
///
/// The coefficient is that of `torch.nn.utils.clip_grad_norm_`: `max_norm / (norm + 1e-6)`, applied where it is below 1.
/// A gradient that is not finite stays as it is, and its norm comes back infinite or NaN: the caller decides what to do.
/// A finite gradient whose squares overflow in its own precision is measured in f64 (PyTorch makes it zero).
pub fn clip_norm(gradient: &mut Tensor, max_norm: f64) -> f64 {
    tch::no_grad(|| {
        let mut norm = gradient.norm().double_value(&[]);
        if !norm.is_finite() {
            norm = gradient.to_kind(Kind::Double).norm().double_value(&[]);
        }
        let coefficient = max_norm / (norm + 1e-6);
        if norm.is_finite() && coefficient < 1.0 {
            let _ = gradient.g_mul_scalar_(coefficient);
        }
        norm
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(tensor: &Tensor) -> Vec<f64> {
        Vec::try_from(tensor.to_kind(Kind::Double)).expect("a flat tensor")
    }

    // import torch
    // for dtype in (torch.float64, torch.float32):
    //     p = torch.nn.Parameter(torch.zeros(4, dtype=dtype)); p.grad = torch.tensor([3., -4., 0.5, 12.], dtype=dtype)
    //     print(float(torch.nn.utils.clip_grad_norm_([p], 1.5)), p.grad.tolist())
    #[test]
    fn a_long_gradient_is_scaled_as_pytorch_does() {
        let expected =
            [0.345_898_072_322_953_9, -0.461_197_429_763_938_5, 0.057_649_678_720_492_314, 1.383_592_289_291_815_5];
        for (kind, tolerance) in [(Kind::Double, 1e-14), (Kind::Float, 1e-6)] {
            let mut gradient = Tensor::from_slice(&[3.0, -4.0, 0.5, 12.0]).to_kind(kind);
            let norm = clip_norm(&mut gradient, 1.5);
            assert!((norm / 13.009_611_831_257_688 - 1.0).abs() < tolerance, "{kind:?}: {norm}");
            for (found, expected) in values(&gradient).iter().zip(expected) {
                assert!((found - expected).abs() <= tolerance * expected.abs(), "{kind:?}: {found} {expected}");
            }
        }
    }

    #[test]
    fn a_short_gradient_stays_bit_by_bit() {
        let mut gradient = Tensor::from_slice(&[0.3f32, -0.4]);
        assert!((clip_norm(&mut gradient, 0.51) - 0.5).abs() < 1e-7);
        assert_eq!(Vec::<f32>::try_from(&gradient).expect("a flat tensor"), [0.3, -0.4]);
    }

    #[test]
    fn a_gradient_that_is_not_finite_is_reported_and_left_alone() {
        let mut gradient = Tensor::from_slice(&[f32::INFINITY, 1.0]);
        assert_eq!(clip_norm(&mut gradient, 1.0), f64::INFINITY);
        assert_eq!(values(&gradient)[1], 1.0);
        assert!(clip_norm(&mut Tensor::from_slice(&[f32::NAN, 1.0]), 1.0).is_nan());
    }

    #[test]
    fn squares_that_overflow_do_not_undo_clipping() {
        let mut gradient = Tensor::from_slice(&[3e30f32, 4e30]);
        assert!((clip_norm(&mut gradient, 1.0) / 5e30 - 1.0).abs() < 1e-6);
        assert!((values(&gradient)[1] - 0.8).abs() < 1e-6);
    }
}
