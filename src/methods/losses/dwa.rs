//! Dynamic weight average.

use crate::methods::solvers::softmax;
use crate::methods::{Balancing, Heads, LossMethod, Reads, Size, Slot, State, Step};
use anyhow::Result;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A task whose loss falls slowly from epoch to epoch weighs more.
///
/// ```text
/// w = K softmax(r / τ),    r_t = m_t(e-1) / m_t(e-2)
/// ```
///
/// `m_t(e)` is the mean of task t's loss over the steps of epoch e, τ is `temperature`, and K tasks are present. The
/// weights `w [K]` sum to K; all are 1 until two epochs are closed.
///
/// Reads: losses.
///
/// Cost: one backward pass.
///
/// Needs: mean losses above 0; a ratio that is negative or not finite is an error.
///
/// Absent tasks: the softmax is over the present ones. An epoch that never saw a task closes nothing for it, and its two
/// means stay. A present task without two means weighs 1; the others share the rest.
///
/// Deviations: none with all tasks present; the paper knows no absent ones.
///
/// Reference: Liu et al., "End-to-End Multi-Task Learning with Attention", CVPR 2019 (arXiv 1803.10704).
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Dwa {
    /// τ: the higher, the more alike the weights. The paper: 2.
    #[serde(with = "crate::settings::Positive")]
    pub temperature: f64,
}

impl Default for Dwa {
    fn default() -> Self {
        Self { temperature: 2.0 }
    }
}

/// The slots, each `[T]`: the running epoch's sum and number of losses; the means of the last epoch and of the one before,
/// NaN until there is one.
const SUM: usize = 0;
const COUNT: usize = 1;
const LAST: usize = 2;
const BEFORE: usize = 3;

impl Balancing for Dwa {
    fn reads(&self) -> Reads<'_> {
        Reads::Losses(self)
    }
    fn heads(&self) -> Heads {
        Heads::Weighted
    }
    fn state(&self, size: &Size) -> Vec<Slot> {
        vec![
            Slot::reals("epoch_sum", vec![0.0; size.tasks]),
            Slot::counts("epoch_count", vec![0; size.tasks]),
            Slot::reals("last_mean", vec![f64::NAN; size.tasks]),
            Slot::reals("mean_before", vec![f64::NAN; size.tasks]),
        ]
    }

    fn end_epoch(&self, state: &mut State) {
        for task in 0..state.count(COUNT).len() {
            let count = std::mem::take(&mut state.count_mut(COUNT)[task]);
            let sum = std::mem::take(&mut state.real_mut(SUM)[task]);
            if count > 0 {
                state.real_mut(BEFORE)[task] = state.real(LAST)[task];
                state.real_mut(LAST)[task] = sum / count as f64;
            }
        }
    }
}

impl LossMethod for Dwa {
    fn weights(&self, step: &Step, state: &mut State) -> Result<Vec<f64>> {
        for (&task, loss) in step.present.iter().zip(step.losses) {
            state.real_mut(SUM)[task] += loss;
            state.count_mut(COUNT)[task] += 1;
        }
        let (last, before) = (state.real(LAST), state.real(BEFORE));
        let known: Vec<usize> = (0..step.count()).filter(|&at| !before[step.present[at]].is_nan()).collect();
        let ratios: Vec<f64> = known.iter().map(|&at| last[step.present[at]] / before[step.present[at]]).collect();
        let good = |at: &usize| last[step.present[*at]] >= 0.0 && before[step.present[*at]] > 0.0;
        if !known.iter().all(good) || !ratios.iter().all(|ratio| ratio.is_finite()) {
            let before = step.of(before);
            let what = format!("mean losses that have no ratio to those of the epoch before, {before:?}");
            return Err(step.failure(&what, &step.of(last), "give losses above 0"));
        }
        let mut weights = vec![1.0; step.count()];
        for (&at, share) in known.iter().zip(softmax(&ratios, self.temperature)) {
            weights[at] = known.len() as f64 * share;
        }
        Ok(weights)
    }
}

#[cfg(test)]
mod tests {
    use crate::methods::trial::{Trial, assert_near};

    #[test]
    fn weights_follow_the_means_of_the_last_two_epochs_and_absence_stands_still() {
        let mut trial = Trial::new("{name: dwa, temperature: 0.5}", 3);
        let mut epoch = |steps: &[[Option<f64>; 3]]| {
            let all: Vec<Vec<f64>> = steps.iter().map(|losses| trial.weights(*losses).expect("weights")).collect();
            trial.end_epoch();
            assert!(all.iter().all(|weights| weights.len() != 3 || *weights == all[0]), "{all:?}");
            all[0].clone()
        };
        let softmax = |r: &[f64]| -> Vec<f64> {
            let powers: Vec<f64> = r.iter().map(|r| (r / 0.5_f64).exp()).collect();
            powers.iter().map(|power| r.len() as f64 * power / powers.iter().sum::<f64>()).collect()
        };
        // Means 2, 4, 3; the second task has a loss in one step only.
        let first = epoch(&[[Some(1.0), Some(4.0), Some(3.0)], [Some(3.0), None, Some(3.0)]]);
        assert_eq!(first, [1.0; 3]);
        // Means 1, (none), 3.
        assert_eq!(epoch(&[[Some(1.0), None, Some(3.0)]]), [1.0; 2]);
        // The second task has one mean: it weighs 1, the others share 2. Means 0.5, 2, 1.5.
        let third = epoch(&[[Some(0.5), Some(2.0), Some(1.5)]]);
        let pair = softmax(&[0.5, 1.0]);
        assert_near(&third, &[pair[0], 1.0, pair[1]], 1e-15);
        // The second task's means are of epochs 1 and 3.
        assert_near(&epoch(&[[Some(1.0), Some(1.0), Some(1.0)]]), &softmax(&[0.5, 0.5, 0.5]), 1e-15);
        // Absent in the step: the softmax is over the present.
        assert_near(&epoch(&[[None, Some(1.0), Some(1.0)]]), &softmax(&[0.5, 1.0 / 1.5]), 1e-15);
    }

    #[test]
    fn means_without_a_ratio_are_an_error_that_names_them() {
        for (before, last) in [(0.0, 0.0), (-1.0, -2.0), (1.0, -1.0), (1e-300, 1e30)] {
            let mut trial = Trial::new("{name: dwa}", 2);
            for loss in [before, last] {
                trial.weights([Some(1.0), Some(loss)]).expect("ones");
                trial.end_epoch();
            }
            let error = trial.weights([Some(1.0), Some(1.0)]).expect_err("no ratio").to_string();
            assert!(error.contains("method dwa at step 2") && error.contains(&format!("task2 {last}")), "{error}");
        }
    }

    #[test]
    fn a_tiny_temperature_gives_all_to_the_slowest() {
        let mut trial = Trial::new("{name: dwa, temperature: 1e-300}", 2);
        for losses in [[Some(1.0), Some(1.0)], [Some(0.5), Some(0.9)]] {
            trial.weights(losses).expect("ones");
            trial.end_epoch();
        }
        assert_eq!(trial.weights([Some(1.0), Some(1.0)]).expect("weights"), [0.0, 2.0]);
    }
}
