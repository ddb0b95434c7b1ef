//! Optimizers over flat memory: PyTorch's rules, one pass over all parameters.

use crate::error::BadSetting;
use crate::registry;

mod adagrad;
mod adam;
mod adamw;
mod clip;
mod flat;
mod fused;
mod groups;
mod rmsprop;
mod schedule;
mod sgd;
#[cfg(test)]
mod tests;
mod update;

pub use adagrad::Adagrad;
pub use adam::Adam;
pub use adamw::AdamW;
pub use clip::clip_norm;
pub use flat::{Flat, moment_names};
pub use fused::{Formula, FusedUpdate};
pub use groups::{ParameterGroup, Segment, segments};
pub use rmsprop::RmsProp;
pub use schedule::*;
pub use sgd::Sgd;
pub use update::{Numbers, Update};

/// An update rule.
pub trait Optimizer {
    /// What it remembers per parameter, by PyTorch's names, with the initial value.
    fn state(&self) -> Vec<(&'static str, f64)>;

    /// The base learning rate.
    fn learning_rate(&self) -> f64;

    /// The default weight decay of a parameter.
    fn weight_decay(&self) -> f64;

    /// Parameters with settings of their own. The first group that matches a name wins.
    fn groups(&self) -> &[ParameterGroup];

    /// Whether the settings fit each other.
    ///
    /// # Errors
    /// They do not. The path is relative to the optimizer's section.
    fn check(&self) -> Result<(), BadSetting> {
        Ok(())
    }

    /// Applies one update in place, by operations on tensors of any device. Runs under `no_grad`.
    fn step(&self, update: &mut Update);

    /// Applies the same update in one pass over numbers in the host's memory: [`FusedUpdate::apply`] with this step's
    /// [`Formula`], in the order of operations of [`step`](Self::step), fused where the processor can.
    fn fused(&self, update: FusedUpdate);
}

registry! {
    /// How a gradient becomes a step.
    pub OptimizerKind as dyn Optimizer {
        "sgd" => Sgd,
        "adam" => Adam,
        "adamw" => AdamW,
        "adagrad" => Adagrad,
        "rmsprop" => RmsProp,
    }
}
