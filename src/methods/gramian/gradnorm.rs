//! Weights that give slow tasks larger gradients.

use crate::methods::adam::{self, Adam};
use crate::methods::solvers::softmax;
use crate::methods::{Balancing, GramianMethod, Heads, Matrix, Reads, Size, Slot, State, Step};
use anyhow::Result;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Learned weights that give slowly training tasks longer weighted gradients.
///
/// ```text
/// w = K softmax(v)
/// target_t = mean_s(w_s n_s) (r_t / mean_s r_s)^α, held constant
/// after the step:    v ← Adam(v; ∂/∂v Σ_t |w_t n_t - target_t|)
/// ```
///
/// `n_t = ‖g_t‖` with `g_t [P]` the gradient of task t's loss by the shared parameters, `r_t = L_t / L_t(first)` its loss
/// over its first one, `v [T]`, from 0, the learned parameters and `w [K]` the weights of the K present tasks. The sum and
/// the means are over the present tasks. Adam has 0.9, 0.999, 1e-8 and no decay.
///
/// Reads: Gramian, of which only the diagonal, and losses.
///
/// Cost: T backward passes.
///
/// Needs: a first loss above 0, and no later one below 0.
///
/// Absent tasks: their v, moments of Adam and first loss stand still. A task's first loss is that of the first step in
/// which it is present.
///
/// Deviations: the softmax keeps weights positive and their sum at K, where the paper divides by their sum after each step;
/// norms are of all shared parameters, the paper's of their last layer. A gap `w_t n_t - target_t` no larger than its own
/// rounding counts as 0.
///
/// Reference: Chen et al., "GradNorm: Gradient Normalization for Adaptive Loss Balancing in Deep Multitask Networks", ICML
/// 2018 (arXiv 1711.02257).
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct GradNorm {
    /// α, how strongly slow tasks are pulled back; 0 makes all weighted gradients equally long. The paper: 1.5 for NYUv2.
    #[serde(with = "crate::settings::NonNegative")]
    pub alpha: f64,
    /// Adam's step size for v. The paper: 0.025.
    #[serde(with = "crate::settings::Positive")]
    pub learning_rate: f64,
}

impl Default for GradNorm {
    fn default() -> Self {
        Self { alpha: 1.5, learning_rate: 0.025 }
    }
}

/// The slot of `v` `[T]`.
const LOGITS: usize = adam::LEARNED;
/// The slot behind those of Adam: each task's first loss `[T]`, NaN until it was seen.
const FIRST_LOSSES: usize = 4;

impl Balancing for GradNorm {
    fn reads(&self) -> Reads<'_> {
        Reads::Gramian(self)
    }
    fn heads(&self) -> Heads {
        Heads::Weighted
    }
    fn state(&self, size: &Size) -> Vec<Slot> {
        let mut slots = adam::slots("logits", size);
        slots.push(Slot::reals("first_losses", vec![f64::NAN; size.tasks]));
        slots
    }
}

impl GramianMethod for GradNorm {
    fn weights(&self, step: &Step, gramian: &Matrix, state: &mut State) -> Result<Vec<f64>> {
        let ratios = training_ratios(step, state)?; // [K]
        let shares = softmax(&step.of(state.real(LOGITS)), 1.0);
        let weights: Vec<f64> = shares.iter().map(|share| share * step.count() as f64).collect();
        let norms: Vec<f64> = gramian.diagonal().iter().map(|square| square.sqrt()).collect();
        let gradient = self.gradient(&weights, &norms, &ratios);
        Adam { learning_rate: self.learning_rate, weight_decay: 0.0 }.descend(step, &gradient, state);
        Ok(weights)
    }
}

impl GradNorm {
    /// The gradient `[K]` of `Σ_t |w_t n_t - target_t|` by the logits of the present tasks.
    fn gradient(&self, weights: &[f64], norms: &[f64], ratios: &[f64]) -> Vec<f64> {
        let count = weights.len() as f64;
        let lengths: Vec<f64> = weights.iter().zip(norms).map(|(weight, norm)| weight * norm).collect();
        let (length, ratio) = (lengths.iter().sum::<f64>() / count, ratios.iter().sum::<f64>() / count);
        let pulls: Vec<f64> = lengths
            .iter()
            .zip(ratios)
            .map(|(own, own_ratio)| {
                let relative = if ratio > 0.0 { own_ratio / ratio } else { 1.0 }; // all losses 0: all equally far
                let target = length * relative.powf(self.alpha);
                let gap = own - target;
                // Adam makes a whole step of any sign, so that of rounding must not count.
                let rounding = 4.0 * count * f64::EPSILON * own.max(target);
                if gap.abs() <= rounding { 0.0 } else { gap.signum() * own } // sign · w_t · n_t
            })
            .collect();
        let together: f64 = pulls.iter().sum();
        weights.iter().zip(&pulls).map(|(weight, pull)| pull - weight / count * together).collect()
    }
}

/// `r_t = L_t / L_t(first)` `[K]`; remembers the losses of tasks that are present for the first time.
fn training_ratios(step: &Step, state: &mut State) -> Result<Vec<f64>> {
    let kept = step.of(state.real(FIRST_LOSSES));
    let firsts: Vec<f64> =
        kept.iter().zip(step.losses).map(|(first, loss)| if first.is_nan() { *loss } else { *first }).collect();
    if !firsts.iter().all(|first| *first > 0.0 && first.is_finite()) {
        let remedy = "give each task a loss that is above 0 at its first step, such as cross entropy or squared error";
        return Err(step.failure(
            "a task's first loss, by which its later ones are divided, is not above 0",
            &firsts,
            remedy,
        ));
    }
    let ratios: Vec<f64> = step.losses.iter().zip(&firsts).map(|(loss, first)| loss / first).collect();
    if !ratios.iter().all(|ratio| *ratio >= 0.0 && ratio.is_finite()) {
        let remedy = "give each task a loss that is never below 0; lower optimizer.learning_rate if a loss overflows";
        return Err(step.failure("a loss, divided by its first value, is below 0 or not finite", step.losses, remedy));
    }
    step.put(&firsts, state.real_mut(FIRST_LOSSES));
    Ok(ratios)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::methods::Vector;
    use crate::methods::trial::{Trial, assert_near, gradient};

    #[test]
    fn the_gradient_is_that_of_the_objective() {
        let method = GradNorm::default();
        let (norms, ratios) = ([0.5, 2.0, 1.2], [1.0, 0.3, 0.8]);
        let logits = [0.1, -0.2, 0.4];
        let weights = |logits: &[f64]| softmax(logits, 1.0).iter().map(|share| 3.0 * share).collect::<Vec<f64>>();
        let at = weights(&logits);
        let length = at.iter().zip(norms).map(|(weight, norm)| weight * norm).sum::<f64>() / 3.0;
        let targets = ratios.map(|ratio| length * (ratio / 0.7_f64).powf(1.5));
        let objective = |logits: &[f64]| -> f64 {
            weights(logits)
                .iter()
                .zip(norms)
                .zip(targets)
                .map(|((weight, norm), target)| (weight * norm - target).abs())
                .sum()
        };
        assert_near(&method.gradient(&at, &norms, &ratios), &gradient(&logits, objective), 1e-8);
    }

    #[test]
    fn the_task_that_trains_slower_gains_weight() {
        let mut trial = Trial::new("{name: gradnorm}", 2);
        let mut weights = vec![];
        for step in 0..20 {
            let losses = [3.0 * 0.99_f64.powi(step), 0.1 * 0.8_f64.powi(step)];
            weights = trial.weigh(losses, &Matrix::identity(2, 2)).expect("weights");
            assert!((weights.iter().sum::<f64>() - 2.0).abs() < 1e-12);
        }
        assert!(weights[0] > 1.3 && weights[1] < 0.7, "{weights:?}");
    }

    #[test]
    fn with_alpha_zero_the_weighted_gradients_become_equally_long() {
        let mut trial = Trial::new("{name: gradnorm, alpha: 0, learning_rate: 0.01}", 3);
        let norms = [0.5, 1.0, 2.0];
        let gramian = Matrix::from_diagonal(&Vector::from_iterator(3, norms.map(|norm| norm * norm)));
        let weights = (0..1500).map(|_| trial.weigh([1.0; 3], &gramian).expect("weights")).last().expect("1500");
        let lengths: Vec<f64> = weights.iter().zip(norms).map(|(weight, norm)| weight * norm).collect();
        assert_near(&lengths, &[6.0 / 7.0; 3], 0.05);
    }

    #[test]
    fn the_absent_stand_still_and_the_present_sum_to_their_number() {
        let mut trial = Trial::new("{name: gradnorm}", 3);
        let gramian = Matrix::from_diagonal(&Vector::from_vec(vec![1.0, 4.0]));
        trial.weigh([Some(2.0), None, Some(3.0)], &gramian).expect("weights");
        assert!(trial.reals("first_losses")[1].is_nan());
        assert_eq!(trial.reals("logits")[1], 0.0);
        let weights = trial.weigh([Some(2.0), None, Some(3.0)], &gramian).expect("weights");
        assert!((weights[0] + weights[1] - 2.0).abs() < 1e-12 && weights[0] > weights[1]);
        trial.weigh([Some(1.0), Some(5.0), None], &gramian).expect("weights");
        assert_eq!(trial.reals("first_losses"), [2.0, 5.0, 3.0]);
    }

    #[test]
    fn losses_without_a_ratio_are_refused() {
        let level = Matrix::identity(2, 2);
        for losses in [[1.0, 0.0], [-1.0, 1.0], [f64::INFINITY, 1.0], [f64::NAN, 1.0]] {
            let error = Trial::new("{name: gradnorm}", 2).weigh(losses, &level).expect_err("no ratio").to_string();
            let expected =
                format!("first loss, by which its later ones are divided, is not above 0: task1 {}", losses[0]);
            assert!(error.contains(&expected), "{error}");
        }
        let mut trial = Trial::new("{name: gradnorm}", 2);
        trial.weigh([1.0; 2], &level).expect("weights");
        trial.weigh([-1.0, 1.0], &level).expect_err("below 0");
        // A later loss of 0 is one that has been learned.
        assert!(trial.weigh([0.0; 2], &level).expect("weights").iter().all(|weight| weight.is_finite()));
    }

    #[test]
    fn tasks_that_are_level_stay_level() {
        let mut trial = Trial::wide("{name: gradnorm}", 7, 3);
        let answers = (0..5).map(|_| trial.on(&Matrix::from_element(7, 3, 1e10 / 3.0)).expect("an answer"));
        assert_near(&answers.last().expect("5").weights.expect("weights"), &[1.0; 7], 1e-15);
    }
}
