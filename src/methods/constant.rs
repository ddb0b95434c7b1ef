//! Weights set by hand: the control arm of every comparison.

use super::LossMethod;
use crate::error::BadSetting;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Fixed weights, `L = Σ_t w_t L_t`. A tuned constant weighting often does as well as any method (Xin 2022, Kurin 2022).
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Constant {
    /// One weight of 0 or above per task, in the order of `tasks`.
    pub weights: Vec<f64>,
}

impl LossMethod for Constant {
    fn weights(&self, losses: &[Option<f64>]) -> Vec<Option<f64>> {
        losses.iter().zip(&self.weights).map(|(loss, &weight)| loss.map(|_| weight)).collect()
    }

    fn check(&self, tasks: &[String]) -> Result<(), BadSetting> {
        if self.weights.len() != tasks.len() {
            return Err(BadSetting::new(
                "weights",
                format!("{} weights for {} tasks ({})", self.weights.len(), tasks.len(), tasks.join(", ")),
            )
            .remedy("give one weight per task, in the order of `tasks`"));
        }
        match self.weights.iter().position(|weight| !(*weight >= 0.0 && weight.is_finite())) {
            Some(at) => Err(BadSetting::new(
                format!("weights[{at}]"),
                format!("{} is no weight, expected a number of 0 or above", self.weights[at]),
            )),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Method;
    use super::*;
    use crate::methods::{Mean, Sum};

    #[test]
    fn weights_follow_the_formulas_and_leave_out_the_absent() {
        let losses = [Some(0.5), None, Some(2.0)];
        assert_eq!(Sum {}.weights(&losses), [Some(1.0), None, Some(1.0)]);
        assert_eq!(Mean {}.weights(&losses), [Some(0.5), None, Some(0.5)]);
        let constant = Constant { weights: vec![0.2, 0.3, 0.5] };
        assert_eq!(constant.weights(&losses), [Some(0.2), None, Some(0.5)]);
    }

    #[test]
    fn weights_that_do_not_fit_the_tasks_are_refused() {
        let tasks = ["a".to_string(), "b".to_string()];
        let check = |weights: &[f64]| Constant { weights: weights.to_vec() }.check(&tasks).map_err(|bad| bad.path);
        assert_eq!(check(&[1.0, 0.0]), Ok(()));
        assert_eq!(check(&[1.0]), Err("weights".into()));
        assert_eq!(check(&[1.0, -1.0]), Err("weights[1]".into()));
        assert_eq!(check(&[f64::NAN, 1.0]), Err("weights[0]".into()));
    }

    #[test]
    fn a_method_reads_back_as_it_was_written() {
        let method: Method = serde_yaml::from_str("{name: constant, weights: [1, 2]}").expect("a method");
        assert_eq!(serde_yaml::to_string(&method).expect("yaml"), "name: constant\nweights:\n- 1.0\n- 2.0\n");
        assert!(serde_yaml::from_str::<Method>("{name: sum, weights: [1, 2]}").is_err());
    }
}
