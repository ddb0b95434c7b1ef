//! Weights set by hand: the control arm of every comparison.

use crate::error::BadSetting;
use crate::methods::per_task::check_weights;
use crate::methods::{Balancing, Heads, LossMethod, Reads, State, Step};
use anyhow::Result;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Fixed weights: the control arm of every comparison.
///
/// ```text
/// objective = Σ_t w_t L_t
/// ```
///
/// `L [T]` are the losses and `w [T]` the `weights` of the settings. Swept and tuned, a constant weighting often does as
/// well as any method.
///
/// Reads: losses.
///
/// Cost: one backward pass.
///
/// Absent tasks: left out; the others keep their weights as they are.
///
/// Deviations: none.
///
/// Reference: Xin et al., "Do Current Multi-Task Optimization Methods in Deep Learning Even Help?", NeurIPS 2022 (arXiv
/// 2209.11379); Kurin et al., "In Defense of the Unitary Scalarization for Deep Multi-Task Learning", NeurIPS 2022 (arXiv
/// 2201.04122).
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Constant {
    /// One weight of 0 or above per task, in the order of `tasks`. The papers sweep them.
    pub weights: Vec<f64>,
}

impl Balancing for Constant {
    fn reads(&self) -> Reads<'_> {
        Reads::Losses(self)
    }
    fn heads(&self) -> Heads {
        Heads::Weighted
    }
    fn check(&self, tasks: &[String]) -> Result<(), BadSetting> {
        check_weights("weights", &self.weights, tasks)
    }
}

impl LossMethod for Constant {
    fn weights(&self, step: &Step, _: &mut State) -> Result<Vec<f64>> {
        Ok(step.of(&self.weights))
    }
}

#[cfg(test)]
mod tests {
    use crate::methods::Method;
    use crate::methods::trial::{Trial, refused};

    #[test]
    fn the_present_keep_their_weights_and_those_that_do_not_fit_are_refused() {
        let mut trial = Trial::new("{name: constant, weights: [1, 0, 3]}", 3);
        assert_eq!(trial.weights([None, Some(1.0), Some(1.0)]).expect("weights"), [0.0, 3.0]);
        for (weights, path) in [("[1]", "weights"), ("[1, -1]", "weights[1]"), ("[.nan, 1]", "weights[0]")] {
            assert_eq!(refused(&format!("{{name: constant, weights: {weights}}}"), 2).path, path);
        }
    }

    #[test]
    fn a_method_reads_back_as_it_was_written() {
        let method: Method = serde_yaml::from_str("{name: constant, weights: [1, 2]}").expect("a method");
        assert_eq!(serde_yaml::to_string(&method).expect("yaml"), "name: constant\nweights:\n- 1.0\n- 2.0\n");
        assert!(serde_yaml::from_str::<Method>("{name: sum, weights: [1, 2]}").is_err());
    }
}
