//! Nothing shared: one network per task.

use super::{Architecture, Site};
use crate::error::BadSetting;
use crate::models::flow::Value;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One backbone per task, `TASK_tower`, and nothing shared: the baseline that every table needs.
///
/// Its tasks train side by side in one run, each as it would alone, if the method weighs losses only (`sum`) and the optimizer
/// treats every parameter apart (all but gradient clipping do).
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Single {}

impl Architecture for Single {
    fn wire(&self, site: &mut Site) -> Result<Vec<Value>, BadSetting> {
        let tasks = site.tasks;
        let mut network = |task: &String| {
            let x = site.stem(&format!("{task}_stem"))?;
            let tower = site.tower(format!("{task}_tower"), x)?;
            Ok(site.whole(tower, x))
        };
        tasks.iter().map(&mut network).collect()
    }
}
