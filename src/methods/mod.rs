//! Methods: how the tasks' losses become one update.

mod constant;
mod mean;
mod sum;

pub use constant::Constant;
pub use mean::Mean;
pub use sum::Sum;

use crate::error::BadSetting;
use crate::registry;

/// A method that reads losses: the update follows the gradient of `Σ_t w_t L_t`.
pub trait LossMethod {
    /// The weights `w [T]` for the losses `L [T]`; `None` where a task is absent from the step, in both.
    fn weights(&self, losses: &[Option<f64>]) -> Vec<Option<f64>>;

    /// Checks the settings that depend on the tasks.
    ///
    /// # Errors
    /// A setting that does not fit, its path relative to the method's section.
    fn check(&self, tasks: &[String]) -> Result<(), BadSetting> {
        let _ = tasks;
        Ok(())
    }
}

registry! {
    /// How task losses become one update.
    pub Method as dyn LossMethod {
        "sum" => Sum,
        "mean" => Mean,
        "constant" => Constant,
    }
}

impl Default for Method {
    fn default() -> Self {
        Self::Sum(Sum {})
    }
}
