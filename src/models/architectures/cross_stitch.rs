//! A backbone per task, and units that mix them stage by stage.

use super::{Architecture, Site};
use crate::error::BadSetting;
use crate::models::flow::{Combination, Value};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A backbone per task; behind every stage each task reads a linear combination of all tasks' features.
///
/// `x_t ← Σ_j a_(t,j) x_j` with a learned matrix `a` `[T, T]` per stage (`stitches.STAGE`); backbones are `TASK_tower`. A stage
/// is a layer with its activation, or a block of layers of a larger backbone.
/// Deviations: one number per pair of tasks and stage for all channels, as in the authors' equations (they also try one
/// per channel).
/// Reference: Misra et al., "Cross-stitch Networks for Multi-task Learning", CVPR 2016.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CrossStitch {
    /// What a task takes of its own features at first, from 0 to 1; the rest comes from the others in equal parts. The paper
    /// finds 0.9 best.
    #[serde(with = "crate::settings::Unit")]
    pub own: f64,
}

impl Default for CrossStitch {
    fn default() -> Self {
        Self { own: 0.9 }
    }
}

impl Architecture for CrossStitch {
    fn wire(&self, site: &mut Site) -> Result<Vec<Value>, BadSetting> {
        let x = site.stem("shared_stem")?;
        let mut towers = site.task_towers(x)?;
        let mut values = vec![x; towers.len()];
        for stage in 0..towers[0].stages() {
            for (tower, value) in towers.iter_mut().zip(&mut values) {
                *value = site.stage(tower, *value);
            }
            values = self.stitch(site, stage, &values);
        }
        Ok(values)
    }
}

impl CrossStitch {
    /// Every task's combination of all tasks' features.
    fn stitch(&self, site: &mut Site, stage: usize, values: &[Value]) -> Vec<Value> {
        let tasks = values.len();
        let matrix = site.mixing("stitches", stage, tasks as i64, self.own);
        let inputs: Vec<Value> = std::iter::once(matrix).chain(values.iter().copied()).collect();
        let stitched = |row: usize| {
            let name = format!("{}_stitched.{stage}", site.tasks[row]);
            site.flow.operation(name, Combination { row: row as i64 }, &inputs)
        };
        (0..tasks).map(stitched).collect()
    }
}
