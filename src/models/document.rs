//! The document's model, exactly: two shared layers, two heads.

use super::linear;
use tch::{Tensor, nn, nn::Module};

/// Shared `Linear(10,20)-ReLU-Linear(20,20)-ReLU`, then two heads `Linear(20,2)`.
///
/// The class that it equals in PyTorch, parameter names and default initial distribution included:
///
/// ```python
/// class MultiTaskModel(torch.nn.Module):
///     def __init__(self):
///         super().__init__()
///         self.shared_layers = torch.nn.Sequential(
///             torch.nn.Linear(10, 20), torch.nn.ReLU(), torch.nn.Linear(20, 20), torch.nn.ReLU())
///         self.task1_layer = torch.nn.Linear(20, 2)
///         self.task2_layer = torch.nn.Linear(20, 2)
///
///     def forward(self, x):
///         z = self.shared_layers(x)
///         return self.task1_layer(z), self.task2_layer(z)
/// ```
#[derive(Debug)]
pub struct MultiTaskModel {
    /// `[N, 10]` to `[N, 20]`.
    pub shared_layers: nn::Sequential,
    /// `[N, 20]` to `[N, 2]`.
    pub task1_layer: nn::Linear,
    /// `[N, 20]` to `[N, 2]`.
    pub task2_layer: nn::Linear,
}

impl MultiTaskModel {
    /// Registers the parameters under `path`, drawn from `seed`.
    pub fn new(path: &nn::Path, seed: u64) -> Self {
        let shared = path / "shared_layers";
        Self {
            shared_layers: nn::seq()
                .add(linear(&(&shared / 0), 10, 20, seed))
                .add_fn(|x| x.relu())
                .add(linear(&(&shared / 2), 20, 20, seed))
                .add_fn(|x| x.relu()),
            task1_layer: linear(&(path / "task1_layer"), 20, 2, seed),
            task2_layer: linear(&(path / "task2_layer"), 20, 2, seed),
        }
    }

    /// `x` is `[N, 10]`; both outputs are `[N, 2]` logits.
    pub fn forward(&self, x: &Tensor) -> (Tensor, Tensor) {
        let z = self.shared_layers.forward(x); // [N, 20]
        (self.task1_layer.forward(&z), self.task2_layer.forward(&z))
    }
}
