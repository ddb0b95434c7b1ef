//! Experts for all and experts of each task's own.

use super::{Architecture, Site};
use crate::error::BadSetting;
use crate::models::flow::Value;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Customized gate control: every task mixes experts of its own with shared ones.
///
/// `z_t = Σ_e g_t(x)_e f_e(x)` over the task's own experts (`TASK_experts.e`) and the shared ones (`shared_experts.e`), in this
/// order, with `g_t(x) = softmax(W_t x + b_t)` (`TASK_gate`). Each expert is a whole backbone. With experts that stand behind
/// one another in levels, it is `ple`.
/// Reference: Tang et al., "Progressive Layered Extraction (PLE): A Novel Multi-Task Learning (MTL) Model for Personalized
/// Recommendations", RecSys 2020.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Cgc {
    /// The number of shared experts.
    #[serde(with = "crate::settings::AtLeastOne")]
    pub shared_experts: u64,
    /// The number of experts of each task.
    #[serde(with = "crate::settings::AtLeastOne")]
    pub task_experts: u64,
}

impl Default for Cgc {
    fn default() -> Self {
        Self { shared_experts: 2, task_experts: 2 }
    }
}

impl Architecture for Cgc {
    fn wire(&self, site: &mut Site) -> Result<Vec<Value>, BadSetting> {
        let x = site.stem("shared_stem")?;
        let shared = site.experts("shared_experts", self.shared_experts, x)?;
        let input = site.vector("gates", x);
        let tasks = site.tasks;
        let mut mix = |task: &String| {
            let mut experts = site.experts(&format!("{task}_experts"), self.task_experts, x)?;
            experts.extend(&shared);
            let gate = site.gate(&format!("{task}_gate"), input, experts.len());
            Ok(site.blend(&format!("{task}_mixture"), gate, &experts))
        };
        tasks.iter().map(&mut mix).collect()
    }
}
