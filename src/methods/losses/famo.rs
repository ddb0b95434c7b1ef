//! Fast adaptive multitask optimization.

use crate::error::BadSetting;
use crate::methods::adam::{self, Adam};
use crate::methods::solvers::{dot, softmax};
use crate::methods::{Balancing, Heads, LossMethod, PerTask, Reads, Size, Slot, State, Step};
use anyhow::Result;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Brings all losses down at one relative pace, without a gradient per task.
///
/// ```text
/// objective = Σ_t z_t/c log d_t,    so weights z_t / (c d_t), which sum to 1
/// d_t = L_t - m_t + 1e-8,    z = softmax(w),    c = Σ_t z_t / d_t
/// after the update:    δ_t = log d_t(before) - log d_t(after)
///                      w ← Adam(w; z_t (δ_t - Σ_s z_s δ_s) + weight_decay w_t)
/// ```
///
/// `L [T]` are the losses, `m [T]` is `min_losses`, and `w [T]`, from 0, moves to the tasks that improved least. z and c
/// are constants for the backward pass. After the update the losses of the same batch are computed again, in training mode
/// and with the step's own masks. Adam has 0.9, 0.999 and 1e-8.
///
/// Reads: losses, and those of the same batch after the update.
///
/// Cost: one backward pass, and one forward pass more.
///
/// Needs: losses above `min_losses`; another is an error.
///
/// Absent tasks: the softmax is over the present ones; `w` and Adam's moments of the others stand still.
///
/// Deviations: the authors' code also takes a loss that is up to 1e-8 below `min_losses`.
///
/// Reference: Liu et al., "FAMO: Fast Adaptive Multitask Optimization", NeurIPS 2023 (arXiv 2306.03792).
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Famo {
    /// Adam's step size for `w`. The paper: 0.025.
    #[serde(with = "crate::settings::Positive")]
    pub learning_rate: f64,
    /// The pull of `w` to 0, so to equal z. The paper tunes it per data set.
    #[serde(with = "crate::settings::NonNegative")]
    pub weight_decay: f64,
    /// A bound below every value that a loss takes: one number for all tasks, or a list in the order of `tasks`. The
    /// authors' code: 0.
    pub min_losses: PerTask,
}

impl Default for Famo {
    fn default() -> Self {
        Self { learning_rate: 0.025, weight_decay: 1e-3, min_losses: PerTask::All(0.0) }
    }
}

/// The slot of w `[T]`.
const W: usize = adam::LEARNED;

impl Famo {
    /// `log(L - m + 1e-8)` of the present tasks `[K]`.
    fn logarithms(&self, step: &Step, losses: &[f64], when: &str) -> Result<Vec<f64>> {
        let least = self.min_losses.present(step);
        let above: Vec<f64> = losses.iter().zip(least).map(|(loss, least)| loss - least).collect();
        if !above.iter().all(|above| *above > 0.0 && above.is_finite()) {
            let what = format!("a loss {when} the update that is not above `min_losses`");
            return Err(step.failure(&what, losses, "set `min_losses` below every value that the loss can take"));
        }
        Ok(above.into_iter().map(|above| (above + 1e-8).ln()).collect())
    }
}

impl Balancing for Famo {
    fn reads(&self) -> Reads<'_> {
        Reads::Losses(self)
    }
    fn heads(&self) -> Heads {
        Heads::Weighted
    }
    fn check(&self, tasks: &[String]) -> Result<(), BadSetting> {
        self.min_losses.check("min_losses", tasks)
    }
    fn state(&self, size: &Size) -> Vec<Slot> {
        adam::slots("w", size)
    }
    fn looks_again(&self) -> bool {
        true
    }

    fn look_again(&self, step: &Step, after: &[f64], state: &mut State) -> Result<()> {
        let before = self.logarithms(step, step.losses, "before")?;
        let after = self.logarithms(step, after, "after")?;
        let gain: Vec<f64> = before.iter().zip(&after).map(|(before, after)| before - after).collect();
        let z = softmax(&step.of(state.real(W)), 1.0);
        let mean = dot(&z, &gain);
        let gradient: Vec<f64> = z.iter().zip(&gain).map(|(z, gain)| z * (gain - mean)).collect();

        let adam = Adam { learning_rate: self.learning_rate, weight_decay: self.weight_decay };
        adam.descend(step, &gradient, state);
        Ok(())
    }
}

impl LossMethod for Famo {
    fn weights(&self, step: &Step, state: &mut State) -> Result<Vec<f64>> {
        let logarithms = self.logarithms(step, step.losses, "before")?;
        // (z_t / d_t) / Σ_s z_s / d_s is the softmax of w - log d, which no scale of the losses can overflow.
        let w = step.of(state.real(W));
        Ok(softmax(&w.iter().zip(&logarithms).map(|(w, logarithm)| w - logarithm).collect::<Vec<f64>>(), 1.0))
    }
}

#[cfg(test)]
mod tests {
    use crate::methods::trial::{Trial, assert_near, assert_weights_are_the_gradient, refused};

    #[test]
    fn weights_are_the_objectives_gradient_with_z_and_c_held() {
        let losses = [0.7, 3.0, -0.4];
        let d = |loss: f64, t: usize| loss - [0.0, 1.0, -2.0][t] + 1e-8;
        let c: f64 = (0..3).map(|t| 1.0 / 3.0 / d(losses[t], t)).sum();
        let objective = |losses: &[f64]| (0..3).map(|t| d(losses[t], t).ln() / 3.0 / c).sum();
        let mut trial = Trial::new("{name: famo, min_losses: [0, 1, -2]}", 3);
        assert_weights_are_the_gradient(&mut trial, &losses, objective);
    }

    /// `z` from the weights at equal losses, where they are the same.
    fn z(trial: &mut Trial, tasks: usize) -> Vec<f64> {
        trial.weights(vec![1.0; tasks]).expect("weights")
    }

    #[test]
    fn weight_moves_to_the_task_that_improves_less_and_absent_ones_stand_still() {
        let mut trial = Trial::new("{name: famo}", 3);
        for _ in 0..20 {
            trial.look_again([Some(1.0), Some(1.0), None], [Some(0.9), Some(0.5), None]).expect("finite");
        }
        let z = z(&mut trial, 3);
        assert!(z[0] > z[2] && z[2] > z[1], "{z:?}");
        assert!((z[2].ln() - 0.5 * (z[0] * z[1]).ln()).abs() < 1e-3, "the two moved by the same amount around w_3 = 0");
        assert!(z[0] / z[1] > 2.0, "twenty steps of 0.025 each: {z:?}");
    }

    #[test]
    fn decay_pulls_back_to_equal_weights() {
        let mut trial = Trial::new("{name: famo, learning_rate: 0.01, weight_decay: 10}", 2);
        trial.look_again([Some(1.0), Some(1.0)], [Some(0.9), Some(0.5)]).expect("finite");
        let before = z(&mut trial, 2);
        for _ in 0..500 {
            trial.look_again([Some(1.0), Some(1.0)], [Some(1.0), Some(1.0)]).expect("finite");
        }
        let after = z(&mut trial, 2);
        assert!(before[0] > 0.5 && (after[0] - 0.5).abs() < 0.1 * (before[0] - 0.5), "{before:?} {after:?}");
    }

    #[test]
    fn a_loss_that_is_not_above_min_losses_is_an_error_before_and_after() {
        for (yaml, wrong) in [("{name: famo}", 0.0), ("{name: famo, min_losses: 0.5}", 0.25)] {
            let mut trial = Trial::new(yaml, 2);
            for error in [
                trial.weights([Some(1.0), Some(wrong)]).expect_err("too low"),
                trial.look_again([Some(1.0), Some(1.0)], [Some(1.0), Some(wrong)]).expect_err("too low"),
            ] {
                let text = crate::error::report(&error);
                assert!(text.contains("method famo at step ") && text.contains(&format!("task2 {wrong}")), "{text}");
                assert!(text.contains("hint: set `min_losses` below"), "{text}");
            }
            assert_near(&z(&mut trial, 2), &[0.5, 0.5], 1e-15);
        }
    }

    #[test]
    fn min_losses_that_do_not_fit_are_refused() {
        assert_eq!(refused("{name: famo, min_losses: .nan}", 2).path, "min_losses");
        assert_eq!(refused("{name: famo, min_losses: [1]}", 2).path, "min_losses");
        assert_eq!(refused("{name: famo, min_losses: [1, -.inf]}", 2).path, "min_losses[1]");
        assert_eq!(refused("{name: famo, min_losses: high}", 2).path, "min_losses");
        assert_eq!(refused("{name: famo, learning_rate: 0}", 2).path, "learning_rate");
    }
}
