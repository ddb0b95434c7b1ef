//! Trimmed mean: the mean of each coordinate without its extremes.

use crate::error::BadSetting;
use crate::methods::{Balancing, Direction, Heads, JacobianMethod, Reads, State, Step};
use anyhow::Result;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

/// In each coordinate the mean of the gradients without the extremes.
///
/// ```text
/// d_p = mean of g_(b+1)p … g_(T-b)p,    where g_(1)p ≤ … ≤ g_(T)p
/// ```
///
/// `g_(1)p … g_(T)p` are the sorted entries of column p of the tasks' gradients `J [T, P]` by the shared parameters,
/// `d [P]` is the update and b is `trim_number`. With b = 0 it is the mean.
///
/// Reads: Jacobian.
///
/// Cost: T backward passes, and a sort of each coordinate's T values.
///
/// Absent tasks: left out, so that T is the number of those present. A step with 2b or fewer present tasks is an error:
/// nothing is left to average.
///
/// Deviations: none; the paper's rows come from machines, some of them faulty, and not from tasks.
///
/// Reference: Yin et al., "Byzantine-Robust Distributed Learning: Towards Optimal Statistical Rates", ICML 2018 (arXiv
/// 1803.01498).
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TrimmedMean {
    /// b, how many values are dropped at either end; below half the number of tasks.
    #[serde(with = "crate::settings::Count")]
    pub trim_number: u64,
}

impl Balancing for TrimmedMean {
    fn reads(&self) -> Reads<'_> {
        Reads::Jacobian(self)
    }
    fn heads(&self) -> Heads {
        Heads::Own
    }
    fn check(&self, tasks: &[String]) -> Result<(), BadSetting> {
        if 2 * self.trim_number < tasks.len() as u64 {
            return Ok(());
        }
        let what = format!("{} at either end leave none of {} tasks", self.trim_number, tasks.len());
        let most = (tasks.len().max(1) - 1) / 2;
        Err(BadSetting::new("trim_number", what).remedy(format!("write `trim_number: {most}` or less")))
    }
}

impl JacobianMethod for TrimmedMean {
    fn direction(&self, step: &Step, jacobian: &Tensor, _: &mut State) -> Result<Direction> {
        let kept = step.count() as i64 - 2 * self.trim_number as i64;
        if kept <= 0 {
            let what = format!("only {} tasks are present, {} are trimmed", step.count(), 2 * self.trim_number);
            return Err(step.failure(&what, step.losses, "lower `trim_number`, or make the batches larger"));
        }
        let mut rows = jacobian.unbind(0); // K of [P]
        for _ in 0..self.trim_number {
            drop_last(&mut rows, Tensor::minimum, Tensor::maximum);
            drop_last(&mut rows, Tensor::maximum, Tensor::minimum);
        }
        let middle = Tensor::stack(&rows, 0); // [kept, P]
        Ok(Direction { direction: middle.mean_dim([0].as_slice(), false, None::<Kind>), weights: None })
    }
}

/// Drops per coordinate the number that `moves` on past every other, which `stays`. A sort of all takes ten times as long, and
/// would take a number that is none for the largest.
fn drop_last(
    rows: &mut Vec<Tensor>,
    stays: impl Fn(&Tensor, &Tensor) -> Tensor,
    moves: impl Fn(&Tensor, &Tensor) -> Tensor,
) {
    for at in 1..rows.len() {
        let (before, here) = (stays(&rows[at - 1], &rows[at]), moves(&rows[at - 1], &rows[at]));
        (rows[at - 1], rows[at]) = (before, here);
    }
    rows.pop();
}

#[cfg(test)]
mod tests {
    use crate::methods::trial::{Trial, matrix, refused};

    #[test]
    fn the_extremes_of_each_coordinate_are_dropped() {
        let mut trial = Trial::wide("{name: trimmed_mean, trim_number: 1}", 4, 2);
        let rows = matrix([[1.0, 100.0], [3.0, -2.0], [-50.0, 4.0], [5.0, -1.0]]);
        assert_eq!(trial.on(&rows).expect("a direction").direction, [2.0, 1.5]);
        let three = [Some(1.0), Some(1.0), None, Some(1.0)];
        assert_eq!(trial.step(three, &rows).expect("a direction").direction, [3.0, -1.0]);
    }

    #[test]
    fn a_trim_number_that_leaves_nothing_is_refused() {
        let bad = refused("{name: trimmed_mean, trim_number: 2}", 4);
        assert_eq!((bad.path.as_str(), bad.remedy.as_deref()), ("trim_number", Some("write `trim_number: 1` or less")));
        let mut trial = Trial::wide("{name: trimmed_mean, trim_number: 1}", 3, 1);
        let left = trial.step([Some(1.0), None, Some(2.0)], &matrix([[1.0], [1.0], [1.0]]));
        let said = left.expect_err("nothing is left").to_string();
        let expected = "method trimmed_mean at step 0: only 2 tasks are present, 2 are trimmed: task1 1";
        assert!(said.contains(expected), "{said}");
    }
}
