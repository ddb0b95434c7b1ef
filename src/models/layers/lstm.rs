//! Long short-term memory, read in both directions.

use super::{Dropout, Layer};
use crate::libtorch::Script;
use crate::models::{Builder, Mode};
use tch::Tensor;

/// `torch.nn.LSTM(bidirectional=True, batch_first=True)`: `[N, L, F]` to `[N, L, 2 H]`.
#[derive(Debug)]
pub struct BiLstm {
    /// Per layer: four tensors forward, four `_reverse`, each group weight_ih `[4 H, F]`, weight_hh `[4 H, H]`, bias_ih `[4 H]`,
    /// bias_hh `[4 H]`.
    pub layers: Vec<Vec<(String, Tensor)>>,
    /// The probability with which an entry between two layers is zeroed, while training.
    pub dropout: f64,
    /// Its name in the model, for what is drawn.
    pub name: String,
}

impl Builder<'_> {
    /// `torch.nn.LSTM` here, with PyTorch's default distribution U(-1/√H, 1/√H).
    pub fn bilstm(&self, inputs: i64, hidden: i64, layers: u64, dropout: f64) -> BiLstm {
        let bound = 1.0 / (hidden as f64).sqrt();
        let layer = |index: u64| {
            let width = if index == 0 { inputs } else { 2 * hidden };
            let shapes: [(&str, &[i64]); 4] = [
                ("weight_ih", &[4 * hidden, width]),
                ("weight_hh", &[4 * hidden, hidden]),
                ("bias_ih", &[4 * hidden]),
                ("bias_hh", &[4 * hidden]),
            ];
            let direction = |suffix: &'static str| {
                shapes.map(|(kind, shape)| {
                    let name = format!("{kind}_l{index}{suffix}");
                    let tensor = self.uniform(&name, shape, bound);
                    (name, tensor)
                })
            };
            direction("").into_iter().chain(direction("_reverse")).collect()
        };
        BiLstm { layers: (0..layers).map(layer).collect(), dropout, name: self.name() }
    }
}

impl BiLstm {
    /// The width `H` of one direction.
    fn hidden(&self) -> i64 {
        self.layers[0][1].1.size()[1]
    }

    fn layer(&self, x: &Tensor, layer: &[(String, Tensor)]) -> Tensor {
        let zeros = Tensor::zeros([2, x.size()[0], self.hidden()], (x.kind(), x.device())); // [directions, N, H]
        let weights: Vec<&Tensor> = layer.iter().map(|(_, tensor)| tensor).collect();
        x.lstm(&[&zeros, &zeros], &weights, true, 1, 0.0, false, true, true).0
    }
}

impl Layer for BiLstm {
    fn forward(&self, x: &Tensor, mode: Mode) -> Tensor {
        let mut value = x.shallow_clone();
        for (index, layer) in self.layers.iter().enumerate() {
            if index > 0 && self.dropout > 0.0 {
                let dropout = Dropout { probability: self.dropout, name: format!("{}.{index}", self.name) };
                value = dropout.forward(&value, mode);
            }
            value = self.layer(&value, layer);
        }
        value
    }
    fn shape(&self, input: &[i64]) -> Vec<i64> {
        vec![input[0], 2 * self.hidden()]
    }
    fn class(&self) -> &'static str {
        "LSTM"
    }
    fn script(&self) -> Script {
        let all: Vec<&(String, Tensor)> = self.layers.iter().flatten().collect();
        let weights = all.iter().map(|(name, _)| format!("self.{name}")).collect::<Vec<_>>().join(", ");
        let (layers, hidden, dropout) = (self.layers.len(), self.hidden(), self.dropout);
        let source = format!(
            "def forward(self, input: Tensor) -> Tensor:\n    \
                 zeros = torch.zeros([{}, input.size(0), {hidden}], dtype=input.dtype, device=input.device)\n    \
                 weights = [{weights}]\n    \
                 output, h, c = torch.lstm(input, [zeros, zeros], weights, True, {layers}, {dropout:?}, self.training, True, True)\n    \
                 return output\n",
            2 * layers
        );
        let script = Script::new("torch.nn.modules.rnn.LSTM", source);
        all.into_iter().fold(script, |script, (name, tensor)| script.parameter(name, tensor))
    }
}
