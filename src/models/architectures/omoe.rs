//! Experts for all, and one gate for all.

use super::{Architecture, Site};
use crate::error::BadSetting;
use crate::models::flow::Value;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One-gate mixture of experts: one mixture of experts that every task reads.
///
/// `z = Σ_e g(x)_e f_e(x)` with `g(x) = softmax(W x + b)` `[E]`; each expert `f_e` is a backbone (`experts.e`), the gate a linear
/// layer (`shared_gate`) that reads the input: an image flattened, a sequence by its mean.
/// Reference: Ma et al., "Modeling Task Relationships in Multi-task Learning with Multi-gate Mixture-of-Experts", KDD 2018.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Omoe {
    /// The number of experts `E`. The paper takes 8.
    #[serde(with = "crate::settings::AtLeastOne")]
    pub experts: u64,
}

impl Default for Omoe {
    fn default() -> Self {
        Self { experts: 8 }
    }
}

impl Architecture for Omoe {
    fn wire(&self, site: &mut Site) -> Result<Vec<Value>, BadSetting> {
        let x = site.stem("shared_stem")?;
        let experts = site.experts("experts", self.experts, x)?;
        let input = site.vector("gates", x);
        let gate = site.gate("shared_gate", input, experts.len());
        let z = site.blend("shared_mixture", gate, &experts);
        Ok(vec![z; site.tasks.len()])
    }
}
