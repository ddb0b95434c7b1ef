//! Heads: from a representation to a task's output.

use super::linear;
use tch::nn;

/// The head of a task: `Linear(representation, width)` called `TASK_layer`.
pub fn head(root: &nn::Path, task: &str, representation: i64, width: i64, seed: u64) -> nn::Linear {
    linear(&(root / head_name(task)), representation, width, seed)
}

/// The name of a task's head.
pub fn head_name(task: &str) -> String {
    format!("{task}_layer")
}
