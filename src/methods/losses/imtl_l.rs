//! Impartial learning, the half that balances losses.

use crate::methods::finite::finite_weights;
use crate::methods::{Balancing, Heads, LossMethod, Reads, Size, Slot, State, Step};
use anyhow::Result;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Learned weights that bring every weighted loss to the same size.
///
/// ```text
/// objective = Σ_t exp(s_t) L_t - s_t,    so w_t = exp(s_t)
/// ```
///
/// `L [T]` are the losses, whose own scales do not matter. The run's optimizer trains `s [T]` at its learning rate, without
/// weight decay, by `∂/∂s_t = exp(s_t) L_t - 1`; at rest every `exp(s_t) L_t = 1`. It is the loss half of Impartial MTL;
/// `imtl_g` is the other.
///
/// Reads: losses.
///
/// Cost: one backward pass.
///
/// Needs: losses above 0. One that stays at 0 or below drives its `s` up without end, and the step whose weight is no
/// longer finite is an error.
///
/// Absent tasks: their `s` gets the gradient 0.
///
/// Deviations: none.
///
/// Reference: Liu et al., "Towards Impartial Multi-task Learning", ICLR 2021.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ImtlL {
    /// Where every `s_t` starts: 0, as in LibMTL, is a weight of 1.
    #[serde(with = "crate::settings::Finite")]
    pub init: f64,
}

/// The slot of `s` `[T]`.
const S: usize = 0;

impl Balancing for ImtlL {
    fn reads(&self) -> Reads<'_> {
        Reads::Losses(self)
    }
    fn heads(&self) -> Heads {
        Heads::Weighted
    }
    fn state(&self, size: &Size) -> Vec<Slot> {
        vec![Slot::learned("s", vec![self.init; size.tasks])]
    }
    fn learned_gradient(&self, step: &Step, state: &State) -> Option<Vec<f64>> {
        let s = state.learned(S);
        let mut gradient = vec![0.0; s.len()];
        for (&task, loss) in step.present.iter().zip(step.losses) {
            gradient[task] = s[task].exp() * loss - 1.0;
        }
        Some(gradient)
    }
}

impl LossMethod for ImtlL {
    fn weights(&self, step: &Step, state: &mut State) -> Result<Vec<f64>> {
        let s = step.of(&state.learned(S));
        let weights = s.iter().map(|s| s.exp()).collect();
        finite_weights(
            weights,
            step,
            "its s ran away: lower the learning rate, start `init` lower, or see that losses stay above 0",
        )
    }
}

#[cfg(test)]
mod tests {
    use crate::methods::trial::{Trial, assert_near, assert_weights_are_the_gradient, gradient};

    fn objective(s: &[f64], losses: &[f64]) -> f64 {
        s.iter().zip(losses).map(|(s, loss)| s.exp() * loss - s).sum()
    }

    #[test]
    fn weights_and_learned_gradient_are_the_objectives_derivatives() {
        let (s, losses) = ([0.3, -1.2, 2.0], [0.7, 3.0, 0.02]);
        let mut trial = Trial::new("{name: imtl_l}", 3);
        trial.set_learned(&s);
        assert_weights_are_the_gradient(&mut trial, &losses, |losses| objective(&s, losses));
        assert_near(
            &trial.learned_gradient(losses).expect("a gradient"),
            &gradient(&s, |s| objective(s, &losses)),
            1e-8,
        );
    }

    #[test]
    fn s_starts_at_init_and_an_absent_task_has_no_gradient() {
        let mut trial = Trial::new("{name: imtl_l, init: -1}", 3);
        let losses = [Some(2.0), None, Some(0.0)];
        assert_near(&trial.weights(losses).expect("weights"), &[(-1.0_f64).exp(); 2], 1e-15);
        assert_near(
            &trial.learned_gradient(losses).expect("a gradient"),
            &[2.0 * (-1.0_f64).exp() - 1.0, 0.0, -1.0],
            1e-15,
        );
    }

    #[test]
    fn an_s_that_ran_away_is_an_error() {
        let mut trial = Trial::new("{name: imtl_l}", 2);
        trial.set_learned(&[0.0, 1e30]);
        let error = trial.weights([Some(1.0), Some(1.0)]).expect_err("no finite weight").to_string();
        assert!(error.contains("method imtl_l at step 0") && error.contains("task2 inf"), "{error}");
    }
}
