//! Shared and own experts, level by level.

use super::{Architecture, Site, Tower};
use crate::error::BadSetting;
use crate::models::flow::Value;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Progressive layered extraction: customized gates, level by level.
///
/// A level is a stage of the backbone. At level `l` the task's experts read the task's value of the level before, the shared
/// experts the shared one. `x_t ← Σ_e g_t(x_t)_e f_e` over the task's own experts and the shared ones; behind every level but
/// the last, `x_s ← Σ_e g_s(x_s)_e f_e` over the experts of all tasks and the shared ones. Gates are `softmax` of linear layers
/// (`TASK_gates.l`, `shared_gates.l`) that read the value that their experts read (feature maps by their mean). With a backbone
/// of one stage it is `cgc`.
/// Deviations: none (the gate of the shared experts is the paper's; some libraries leave it out).
/// Reference: Tang et al., "Progressive Layered Extraction (PLE): A Novel Multi-Task Learning (MTL) Model for Personalized
/// Recommendations", RecSys 2020.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Ple {
    /// The number of shared experts at each level.
    #[serde(with = "crate::settings::AtLeastOne")]
    pub shared_experts: u64,
    /// The number of experts of each task at each level.
    #[serde(with = "crate::settings::AtLeastOne")]
    pub task_experts: u64,
}

impl Default for Ple {
    fn default() -> Self {
        Self { shared_experts: 2, task_experts: 2 }
    }
}

impl Architecture for Ple {
    fn wire(&self, site: &mut Site) -> Result<Vec<Value>, BadSetting> {
        let x = site.stem("shared_stem")?;
        let mut shared = site.expert_towers("shared_experts", self.shared_experts, x)?;
        let tasks = site.tasks;
        let own = |task: &String| site.expert_towers(&format!("{task}_experts"), self.task_experts, x);
        let mut own: Vec<Vec<Tower>> = tasks.iter().map(own).collect::<Result<_, _>>()?;
        let levels = shared[0].stages();
        let (mut values, mut common) = (vec![x; own.len()], x);
        for level in 0..levels {
            let shared_outputs = site.level(&mut shared, common);
            let outputs: Vec<Vec<Value>> =
                own.iter_mut().zip(&values).map(|(towers, value)| site.level(towers, *value)).collect();
            let mut next = vec![];
            for ((task, own), value) in tasks.iter().zip(&outputs).zip(&values) {
                let experts = [own.as_slice(), &shared_outputs].concat();
                next.push(extract(site, task, level, *value, &experts));
            }
            values = next;
            if level + 1 < levels {
                let experts = [outputs.concat(), shared_outputs].concat();
                common = extract(site, "shared", level, common, &experts);
            }
        }
        Ok(values)
    }
}

/// The mixture of `experts` by the gate `WHOSE_gates.LEVEL`, which reads `value`.
fn extract(site: &mut Site, whose: &str, level: usize, value: Value, experts: &[Value]) -> Value {
    let name = format!("{whose}_gates.{level}");
    let input = site.vector(&name, value);
    let gate = site.gate(&name, input, experts.len());
    site.blend(&format!("{whose}_mixture.{level}"), gate, experts)
}
