//! Experts for all, and a gate per task.

use super::{Architecture, Site};
use crate::error::BadSetting;
use crate::models::flow::Value;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Multi-gate mixture of experts: every task mixes the same experts by shares of its own.
///
/// `z_t = Σ_e g_t(x)_e f_e(x)` with `g_t(x) = softmax(W_t x + b_t)` `[E]`; each expert `f_e` is a backbone (`experts.e`), each
/// gate a linear layer (`TASK_gate`) that reads the input: an image flattened, a sequence by its mean.
/// Deviations: the gate has a bias, as a linear layer of PyTorch has.
/// Reference: Ma et al., "Modeling Task Relationships in Multi-task Learning with Multi-gate Mixture-of-Experts", KDD 2018.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Mmoe {
    /// The number of experts `E`. The paper takes 8.
    #[serde(with = "crate::settings::AtLeastOne")]
    pub experts: u64,
}

impl Default for Mmoe {
    fn default() -> Self {
        Self { experts: 8 }
    }
}

impl Architecture for Mmoe {
    fn wire(&self, site: &mut Site) -> Result<Vec<Value>, BadSetting> {
        let x = site.stem("shared_stem")?;
        let experts = site.experts("experts", self.experts, x)?;
        let stack = site.stack("experts_stack", &experts);
        let input = site.vector("gates", x);
        let tasks = site.tasks;
        let mix = |task: &String| {
            let gate = site.gate(&format!("{task}_gate"), input, experts.len());
            site.mixture(&format!("{task}_mixture"), gate, stack)
        };
        Ok(tasks.iter().map(mix).collect())
    }
}
