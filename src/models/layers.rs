//! Layers: a tensor function, its parameters under PyTorch's names, and its TorchScript.

use super::Mode;
use crate::libtorch::Script;
use crate::random::generator;
use rand::RngExt;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::{Tensor, nn, nn::Module};

/// One part of a chain.
pub trait Layer {
    /// `[N, …]` to `[N, …]`.
    fn forward(&self, x: &Tensor, mode: Mode) -> Tensor;

    /// As PyTorch calls its class, such as `ReLU`.
    fn class(&self) -> &'static str;

    /// The same as a TorchScript module, holding the same tensors.
    fn script(&self) -> Script;

    /// Its weight `[outputs, inputs]`, where it is a linear layer with a bias.
    fn linear_weight(&self) -> Option<&Tensor> {
        None
    }

    /// Which activation it is, if it is one.
    fn activation(&self) -> Option<Activation> {
        None
    }
}

/// `torch.nn.Linear` at `path` with PyTorch's default distribution: weight and bias ~ U(-1/√inputs, 1/√inputs).
///
/// The values are a function of `seed` and the parameter's name; they are drawn in f64 and then cast.
pub fn linear(path: &nn::Path, inputs: i64, outputs: i64, seed: u64) -> nn::Linear {
    let bound = 1.0 / (inputs as f64).sqrt();
    let draw = |name: &str, shape: &[i64]| {
        let mut generator = generator(seed, &format!("initial.{}", path.path(name)), 0, 0);
        let count = shape.iter().product::<i64>();
        let values: Vec<f64> = (0..count).map(|_| generator.random_range(-bound..bound)).collect();
        path.add(name, Tensor::from_slice(&values).view(shape).to_kind(path.kind()), true)
    };
    nn::Linear { ws: draw("weight", &[outputs, inputs]), bs: Some(draw("bias", &[outputs])) }
}

impl Layer for nn::Linear {
    fn forward(&self, x: &Tensor, _mode: Mode) -> Tensor {
        Module::forward(self, x)
    }
    fn class(&self) -> &'static str {
        "Linear"
    }
    fn script(&self) -> Script {
        Script::linear(&self.ws, self.bs.as_ref())
    }
    fn linear_weight(&self) -> Option<&Tensor> {
        self.bs.is_some().then_some(&self.ws)
    }
}

/// What stands between two linear layers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// max(x, 0)
    #[default]
    Relu,
    /// tanh x
    Tanh,
    /// x Φ(x), exact (not the tanh approximation)
    Gelu,
    /// 1 / (1 + e^-x)
    Sigmoid,
    /// x · sigmoid(x)
    Silu,
    /// x, or e^x - 1 below zero
    Elu,
    /// x, or 0.01 x below zero
    LeakyRelu,
    /// nothing: the trunk stays linear
    Identity,
}

impl Layer for Activation {
    fn forward(&self, x: &Tensor, _mode: Mode) -> Tensor {
        match self {
            Self::Relu => x.relu(),
            Self::Tanh => x.tanh(),
            Self::Gelu => x.gelu("none"),
            Self::Sigmoid => x.sigmoid(),
            Self::Silu => x.silu(),
            Self::Elu => x.elu(),
            Self::LeakyRelu => x.leaky_relu(),
            Self::Identity => x.shallow_clone(),
        }
    }
    fn class(&self) -> &'static str {
        match self {
            Self::Relu => "ReLU",
            Self::Tanh => "Tanh",
            Self::Gelu => "GELU",
            Self::Sigmoid => "Sigmoid",
            Self::Silu => "SiLU",
            Self::Elu => "ELU",
            Self::LeakyRelu => "LeakyReLU",
            Self::Identity => "Identity",
        }
    }
    fn script(&self) -> Script {
        let expression = match self {
            Self::Relu => "torch.relu(input)",
            Self::Tanh => "torch.tanh(input)",
            Self::Gelu => "torch.gelu(input)",
            Self::Sigmoid => "torch.sigmoid(input)",
            Self::Silu => "torch.silu(input)",
            Self::Elu => "torch.elu(input)",
            Self::LeakyRelu => "torch.leaky_relu(input)",
            Self::Identity => "input",
        };
        let module = if *self == Self::Identity { "linear" } else { "activation" };
        Script::activation(&format!("torch.nn.modules.{module}.{}", self.class()), expression)
    }
    fn activation(&self) -> Option<Activation> {
        Some(*self)
    }
}

/// `torch.nn.Dropout`, its mask a function of seed, step, layer and group.
#[derive(Debug)]
pub struct Dropout {
    /// The probability that an entry is zeroed.
    pub probability: f64,
    /// Its number among the model's layers.
    pub layer: u64,
}

impl Layer for Dropout {
    fn forward(&self, x: &Tensor, mode: Mode) -> Tensor {
        let Mode::Train { seed, step, group } = mode else { return x.shallow_clone() };
        let mut generator = generator(seed, "dropout", step, self.layer << 20 | group);
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
    fn initial_weights_follow_the_distribution_of_pytorch() {
        // torch.nn.Linear: U(-1/sqrt(in), 1/sqrt(in)) has variance 1/(3 in).
        let store = nn::VarStore::new(Device::Cpu);
        let layer = linear(&(store.root() / "shared"), 100, 400, 0);
        let weight = layer.ws.detach();
        assert!(weight.abs().max().double_value(&[]) <= 0.1);
        assert!((weight.var(true).double_value(&[]) * 300.0 - 1.0).abs() < 0.02);
        assert!(weight.mean(Kind::Float).double_value(&[]).abs() < 1e-3);
        assert!(layer.bs.is_some_and(|b| b.abs().max().double_value(&[]) > 0.09));
    }

    #[test]
    fn dropout_keeps_the_mean_and_repeats_itself() {
        let x = Tensor::ones([100, 100], (Kind::Float, Device::Cpu));
        let dropout = Dropout { probability: 0.25, layer: 1 };
        let mode = |step| Mode::Train { seed: 3, step, group: 0 };
        let once = dropout.forward(&x, mode(5));
        assert_eq!(once, dropout.forward(&x, mode(5)));
        assert_ne!(once, dropout.forward(&x, mode(6)));
        assert!((once.mean(Kind::Float).double_value(&[]) - 1.0).abs() < 0.02);
        assert_eq!(x, dropout.forward(&x, Mode::Evaluate));
    }
}
