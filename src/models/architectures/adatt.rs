//! Task units that read each other, level by level.

use super::{Architecture, Site, Tower};
use crate::error::BadSetting;
use crate::models::flow::{Add, Combination, Value};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Adaptive task-to-task fusion: at every level each task mixes the experts of all tasks, and adds its own.
///
/// A level is a stage of the backbone; each task has experts of its own (`TASK_experts.e`) that read the task's value, and there
/// may be shared ones (`shared_experts.e`) with a value of their own. At level `l`:
/// `x_t ← Σ_e g_t(x_t)_e f_e + Σ_(e of t) v_(t,e) f_e`, the first sum over all experts with `g_t = softmax` of a linear layer
/// (`TASK_gates.l`), the second over the task's own with learned numbers `v_t` (`TASK_native.l`, `[1, E_t]`). The shared value
/// follows the same rule behind every level but the last.
/// Deviations: `v_t` starts at 1/E_t; gates have a bias.
/// Reference: Li et al., "AdaTT: Adaptive Task-to-Task Fusion Network for Multitask Learning in Recommendations", KDD 2023.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AdaTt {
    /// The number of experts of each task at each level.
    #[serde(with = "crate::settings::AtLeastOne")]
    pub task_experts: u64,
    /// The number of shared experts at each level. With 0 it is the paper's AdaTT-sp.
    pub shared_experts: u64,
    /// Whether a task's own experts are added beside the mixture.
    pub native: bool,
}

impl Default for AdaTt {
    fn default() -> Self {
        Self { task_experts: 2, shared_experts: 1, native: true }
    }
}

/// A task, or what is shared: experts that read one value.
struct Unit {
    name: String,
    towers: Vec<Tower>,
    value: Value,
}

impl Architecture for AdaTt {
    fn wire(&self, site: &mut Site) -> Result<Vec<Value>, BadSetting> {
        let x = site.stem("shared_stem")?;
        let mut units = vec![];
        for name in site.tasks {
            let towers = site.expert_towers(&format!("{name}_experts"), self.task_experts, x)?;
            units.push(Unit { name: name.clone(), towers, value: x });
        }
        if self.shared_experts > 0 {
            let towers = site.expert_towers("shared_experts", self.shared_experts, x)?;
            units.push(Unit { name: "shared".into(), towers, value: x });
        }
        let levels = units[0].towers[0].stages();
        for level in 0..levels {
            let outputs: Vec<Vec<Value>> =
                units.iter_mut().map(|unit| site.level(&mut unit.towers, unit.value)).collect();
            let stack = site.stack(&format!("experts_stack.{level}"), &outputs.concat());
            let read = if level + 1 < levels { units.len() } else { site.tasks.len() };
            for (unit, own) in units.iter_mut().zip(&outputs).take(read) {
                unit.value = self.fuse(site, unit, level, own, stack, outputs.iter().map(Vec::len).sum());
            }
        }
        Ok(units[..site.tasks.len()].iter().map(|unit| unit.value).collect())
    }
}

impl AdaTt {
    /// A unit's next value.
    fn fuse(&self, site: &mut Site, unit: &Unit, level: usize, own: &[Value], stack: Value, experts: usize) -> Value {
        let name = &unit.name;
        let input = site.vector(&format!("{name}_gates.{level}"), unit.value);
        let gate = site.gate(&format!("{name}_gates.{level}"), input, experts);
        let mixed = site.mixture(&format!("{name}_mixture.{level}"), gate, stack);
        if !self.native {
            return mixed;
        }
        let (place, count) = (format!("{name}_native.{level}"), own.len());
        let builder = site.builder.at(format!("{name}_native"));
        let weights = builder.constant(&level.to_string(), &[1, count as i64], 1.0 / count as f64);
        let weights = site.flow.parameter(&place, weights);
        let inputs = [&[weights], own].concat();
        let native = site.flow.operation(format!("{name}_own.{level}"), Combination { row: 0 }, &inputs);
        site.flow.operation(format!("{name}_fused.{level}"), Add, &[mixed, native])
    }
}
