//! Linear layers.

use super::Layer;
use crate::libtorch::Script;
use crate::models::{Builder, Mode};
use tch::{Tensor, nn, nn::Module};

/// `torch.nn.Linear` at `path` with PyTorch's default distribution, drawn from `seed` and the parameters' names.
pub fn linear(path: &nn::Path, inputs: i64, outputs: i64, seed: u64) -> nn::Linear {
    Builder::new(path.clone(), seed).linear(inputs, outputs)
}

impl Layer for nn::Linear {
    fn forward(&self, x: &Tensor, _mode: Mode) -> Tensor {
        Module::forward(self, x)
    }
    fn shape(&self, input: &[i64]) -> Vec<i64> {
        let mut shape = input.to_vec();
        if let Some(last) = shape.last_mut() {
            *last = self.ws.size()[0];
        }
        shape
    }
    fn class(&self) -> &'static str {
        "Linear"
    }
    fn script(&self) -> Script {
        Script::linear(&self.ws, self.bs.as_ref())
    }
    fn linear(&self) -> Option<(&Tensor, &Tensor)> {
        self.bs.as_ref().map(|bias| (&self.ws, bias))
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
}
