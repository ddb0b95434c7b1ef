//! Embeddings: a vector of numbers per index.

use super::Layer;
use crate::libtorch::Script;
use crate::models::{Builder, Mode};
use tch::{Kind, Tensor, no_grad};

/// `torch.nn.Embedding`: indices `[N, …]` (of any kind of number) to vectors `[N, …, D]`.
#[derive(Debug)]
pub struct Embedding {
    /// `[indices, D]`
    pub weight: Tensor,
    /// The index that stands for nothing: its vector is 0 and gets no gradient.
    pub padding: Option<i64>,
}

impl Builder<'_> {
    /// `torch.nn.Embedding` here, with PyTorch's default distribution N(0, 1); the vector of `padding` is 0.
    pub fn embedding(&self, indices: i64, width: i64, padding: Option<i64>) -> Embedding {
        let weight = self.normal("weight", &[indices, width], 1.0);
        if let Some(padding) = padding {
            no_grad(|| drop(weight.select(0, padding).zero_()));
        }
        Embedding { weight, padding }
    }
}

impl Layer for Embedding {
    fn forward(&self, x: &Tensor, _mode: Mode) -> Tensor {
        Tensor::embedding(&self.weight, &x.to_kind(Kind::Int64), self.padding.unwrap_or(-1), false, false)
    }
    fn shape(&self, input: &[i64]) -> Vec<i64> {
        [input, &self.weight.size()[1..]].concat()
    }
    fn class(&self) -> &'static str {
        "Embedding"
    }
    fn script(&self) -> Script {
        // 4 is int64 in libtorch's numbering of kinds.
        let padding = self.padding.unwrap_or(-1);
        let expression = format!("torch.embedding(self.weight, torch.to(input, 4), {padding}, False, False)");
        Script::activation("torch.nn.modules.sparse.Embedding", &expression).parameter("weight", &self.weight)
    }
}
