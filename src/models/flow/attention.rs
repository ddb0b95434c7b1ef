//! The operations of self-attention, and of sequences that are padded.

use super::Operation;
use crate::models::Mode;
use crate::models::layers::{Dropout, Layer};
use tch::Tensor;

/// What padding adds to scores: its share becomes exactly 0, and a row of nothing but padding stays finite.
const NEVER: f64 = -1e30;

/// One of query, key and value by head: `[N, L, 3 D]` to `[N, heads, L, D / heads]`.
pub struct SplitHeads {
    /// 0 for the query, 1 for the key, 2 for the value.
    pub part: i64,
    /// How many.
    pub heads: i64,
}

impl Operation for SplitHeads {
    fn forward(&self, inputs: &[&Tensor], _mode: Mode) -> Tensor {
        let width = inputs[0].size()[2] / 3;
        let part = inputs[0].narrow(-1, self.part * width, width); // [N, L, D]
        part.unflatten(-1, [self.heads, width / self.heads]).transpose(1, 2)
    }
    fn shape(&self, inputs: &[&[i64]]) -> Vec<i64> {
        vec![self.heads, inputs[0][0], inputs[0][1] / 3 / self.heads]
    }
    fn class(&self) -> &'static str {
        "SplitHeads"
    }
    fn expression(&self, inputs: &[String]) -> String {
        let part = format!("torch.chunk({}, 3, -1)[{}]", inputs[0], self.part);
        format!("torch.transpose(torch.unflatten({part}, -1, [{}, -1]), 1, 2)", self.heads)
    }
}

/// `softmax(q kᵀ / √d) v` by head: query, key and value `[N, heads, L, d]`, and a mask `[N, L]` that is true at padding, if
/// there is one, to `[N, L, heads · d]`.
pub struct Attention {
    /// Zeroes shares while training.
    pub dropout: Dropout,
}

impl Operation for Attention {
    fn forward(&self, inputs: &[&Tensor], mode: Mode) -> Tensor {
        let (q, k, v) = (inputs[0], inputs[1], inputs[2]);
        let scale = (q.size()[3] as f64).sqrt();
        let mut scores = (q / scale).matmul(&k.transpose(-2, -1)); // [N, heads, L, L]
        if let Some(padding) = inputs.get(3) {
            scores = scores.masked_fill(&padding.unsqueeze(1).unsqueeze(1), NEVER);
        }
        let shares = scores.softmax(-1, scores.kind());
        let shares = if self.dropout.probability > 0.0 { self.dropout.forward(&shares, mode) } else { shares };
        shares.matmul(v).transpose(1, 2).flatten(2, 3)
    }
    fn shape(&self, inputs: &[&[i64]]) -> Vec<i64> {
        vec![inputs[0][1], inputs[0][0] * inputs[0][2]]
    }
    fn class(&self) -> &'static str {
        "Attention"
    }
    fn expression(&self, inputs: &[String]) -> String {
        let (q, k, v) = (&inputs[0], &inputs[1], &inputs[2]);
        let mut scores = format!("torch.matmul({q} / ({q}.size(3) ** 0.5), torch.transpose({k}, -2, -1))");
        if let Some(padding) = inputs.get(3) {
            let mask = format!("torch.unsqueeze(torch.unsqueeze({padding}, 1), 1)");
            scores = format!("torch.masked_fill({scores}, {mask}, {NEVER:e})");
        }
        let shares = format!("torch.softmax({scores}, -1)");
        let shares = format!("torch.dropout({shares}, {:?}, self.training)", self.dropout.probability);
        format!("torch.flatten(torch.transpose(torch.matmul({shares}, {v}), 1, 2), 2)")
    }
}

/// Where a sequence `[N, L, F]` is padding: `[N, L]`, true where every feature is `value`.
pub struct PaddingMask {
    /// What padding is made of.
    pub value: f64,
}

impl Operation for PaddingMask {
    fn forward(&self, inputs: &[&Tensor], _mode: Mode) -> Tensor {
        inputs[0].eq(self.value).all_dim(-1, false)
    }
    fn shape(&self, inputs: &[&[i64]]) -> Vec<i64> {
        inputs[0][..1].to_vec()
    }
    fn class(&self) -> &'static str {
        "PaddingMask"
    }
    fn expression(&self, inputs: &[String]) -> String {
        format!("torch.all(torch.eq({}, {:?}), -1)", inputs[0], self.value)
    }
}

/// A sequence `[N, L, F]` with zeros where a mask `[N, L]` is true.
pub struct Erase;

impl Operation for Erase {
    fn forward(&self, inputs: &[&Tensor], _mode: Mode) -> Tensor {
        inputs[0].masked_fill(&inputs[1].unsqueeze(-1), 0.0)
    }
    fn class(&self) -> &'static str {
        "Erase"
    }
    fn expression(&self, inputs: &[String]) -> String {
        format!("torch.masked_fill({}, torch.unsqueeze({}, -1), 0.0)", inputs[0], inputs[1])
    }
}

/// The mean of a sequence `[N, L, F]` over the positions that a mask `[N, L]` leaves, `[N, F]`; of none it is 0. Padding of the
/// sequence is 0 already.
pub struct MaskedMean;

impl Operation for MaskedMean {
    fn forward(&self, inputs: &[&Tensor], _mode: Mode) -> Tensor {
        let left = inputs[1].logical_not().sum_dim_intlist(-1, true, inputs[0].kind()).clamp_min(1.0); // [N, 1]
        inputs[0].sum_dim_intlist(1, false, inputs[0].kind()) / left
    }
    fn shape(&self, inputs: &[&[i64]]) -> Vec<i64> {
        inputs[0][1..].to_vec()
    }
    fn class(&self) -> &'static str {
        "MaskedMean"
    }
    fn expression(&self, inputs: &[String]) -> String {
        let left = format!("torch.clamp_min(torch.sum(torch.logical_not({}), [-1], True), 1)", inputs[1]);
        format!("torch.sum({}, [1]) / {left}", inputs[0])
    }
}
