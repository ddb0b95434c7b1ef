//! What is compared, and the ways in which it is tried.

use super::change::Change;
use crate::files::folder_name;

/// One line of the table.
#[derive(Debug, Clone)]
pub struct Arm {
    /// In folders and tables.
    pub name: String,
    /// Whether it is the control arm of constant weights.
    pub control: bool,
    /// What is tried for it.
    pub trials: Vec<Trial>,
}

/// One way to run an arm.
#[derive(Debug, Clone)]
pub struct Trial {
    /// What is tuned, as `learning_rate=0.01`; empty where nothing is.
    pub label: String,
    /// The preference, in an arm that sweeps it.
    pub weights: Option<Vec<f64>>,
    /// Laid over the base, in order.
    pub(super) changes: Vec<Change>,
}

impl Trial {
    /// `ARM__TRIAL`, the folder of its runs.
    pub fn group(&self, arm: &str) -> String {
        let name = folder_name(arm);
        if self.label.is_empty() { name } else { format!("{name}__{}", folder_name(&self.label)) }
    }
}
