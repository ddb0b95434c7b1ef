//! One backbone for all tasks.

use super::{Architecture, Site};
use crate::error::BadSetting;
use crate::models::flow::Value;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One backbone, `shared_layers`, whose features every head reads.
///
/// Reference: Caruana, "Multitask Learning", Machine Learning 1997.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct HardSharing {}

impl Architecture for HardSharing {
    fn wire(&self, site: &mut Site) -> Result<Vec<Value>, BadSetting> {
        let x = site.stem("shared_stem")?;
        let tower = site.tower("shared_layers", x)?;
        let z = site.whole(tower, x);
        Ok(vec![z; site.tasks.len()])
    }
}
