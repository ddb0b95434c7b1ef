//! Dropout.

use super::Layer;
use crate::libtorch::Script;
use crate::models::Mode;
use crate::random::generator;
use rand::RngExt;
use tch::Tensor;

/// `torch.nn.Dropout`, its mask a function of seed, step, group and the layer's name.
#[derive(Debug)]
pub struct Dropout {
    /// The probability that an entry is zeroed.
    pub probability: f64,
    /// Its name in the model: no two layers draw alike.
    pub name: String,
}

impl Layer for Dropout {
    fn forward(&self, x: &Tensor, mode: Mode) -> Tensor {
        let Mode::Train { seed, step, group } = mode else { return x.shallow_clone() };
        let mut generator = generator(seed, &format!("dropout.{}", self.name), step, group);
        let kept = 1.0 / (1.0 - self.probability);
        let mask: Vec<f32> =
            (0..x.numel()).map(|_| if generator.random::<f64>() < self.probability { 0.0 } else { 1.0 }).collect();
        let mask = Tensor::from_slice(&mask).view_as(x).to_kind(x.kind()).to_device(x.device()); // [N, …]
        x * (mask * kept)
    }
    fn class(&self) -> &'static str {
        "Dropout"
    }
    fn script(&self) -> Script {
        Script::dropout(self.probability)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::{Device, Kind};

    #[test]
    fn dropout_keeps_the_mean_and_repeats_itself() {
        let x = Tensor::ones([100, 100], (Kind::Float, Device::Cpu));
        let dropout = |name: &str| Dropout { probability: 0.25, name: name.into() };
        let mode = |step| Mode::Train { seed: 3, step, group: 0 };
        let once = dropout("a").forward(&x, mode(5));
        assert_eq!(once, dropout("a").forward(&x, mode(5)));
        assert_ne!(once, dropout("a").forward(&x, mode(6)));
        assert_ne!(once, dropout("b").forward(&x, mode(5)));
        assert!((once.mean(Kind::Float).double_value(&[]) - 1.0).abs() < 0.02);
        assert_eq!(x, dropout("a").forward(&x, Mode::Evaluate));
    }
}
