//! CR-MOGM: the moving average of another method's weights.

use super::{prefixed, slots};
use crate::error::BadSetting;
use crate::methods::{Balancing, GramianMethod, Heads, LossMethod, Matrix, Method, Reads, Size, Slot, State, Step};
use anyhow::Result;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The moving average of any method's weights.
///
/// ```text
/// w̄ ← α w̄ + (1 - α) w, starting at the first w
/// ```
///
/// `w [T]` are the inner method's weights and `w̄ [T]` those of the update. The average takes the noise of single batches
/// out.
///
/// Reads: what `inner` reads.
///
/// Cost: that of the inner method.
///
/// Absent tasks: their average stands still.
///
/// Deviations: none.
///
/// Reference: Zhou et al., "On the Convergence of Stochastic Multi-Objective Gradient Manipulation and Beyond", NeurIPS
/// 2022.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CrMogm {
    /// α, the share of the past in the average.
    #[serde(default = "alpha", with = "crate::settings::BelowOne")]
    pub alpha: f64,
    /// The method whose weights are averaged, such as `{name: mgda}`: one that reads losses or the Gramian.
    pub inner: Box<Method>,
}

fn alpha() -> f64 {
    0.9
}

impl CrMogm {
    /// The slot of the averages `[T]`, behind those of the inner method; NaN before the first weight.
    fn average_slot(&self) -> usize {
        slots(&self.inner).len()
    }

    fn average(&self, step: &Step, weights: &[f64], state: &mut State) -> Vec<f64> {
        let average = state.real_mut(self.average_slot());
        let each = step.present.iter().zip(weights);
        each.map(|(&task, weight)| {
            let past = average[task];
            average[task] = if past.is_nan() { *weight } else { self.alpha * past + (1.0 - self.alpha) * weight };
            average[task]
        })
        .collect()
    }
}

impl Balancing for CrMogm {
    fn reads(&self) -> Reads<'_> {
        match self.inner.reads() {
            Reads::Losses(_) => Reads::Losses(self),
            Reads::Gramian(_) => Reads::Gramian(self),
            refused @ Reads::Jacobian(_) => refused,
        }
    }
    fn heads(&self) -> Heads {
        self.inner.heads()
    }
    fn state(&self, size: &Size) -> Vec<Slot> {
        // The inner method's come first: its learned gradient is asked for with a state that cannot be cut.
        let own = Slot::reals("average", vec![f64::NAN; size.tasks]);
        prefixed("inner", self.inner.state(size)).chain([own]).collect()
    }
    fn check(&self, tasks: &[String]) -> Result<(), BadSetting> {
        if matches!(self.inner.reads(), Reads::Jacobian(_)) {
            let what = format!("{} makes a direction of the gradients, not weights to average", self.inner.name());
            let remedy = "choose a method that reads losses or products of gradients";
            return Err(BadSetting::new("inner", what).remedy(remedy));
        }
        self.inner.check(tasks).map_err(|bad| bad.under("inner"))
    }
    fn learned_gradient(&self, step: &Step, state: &State) -> Option<Vec<f64>> {
        self.inner.learned_gradient(&step.within(&self.inner), state)
    }
    fn batches(&self) -> usize {
        self.inner.batches()
    }
    fn reads_accuracies(&self) -> bool {
        self.inner.reads_accuracies()
    }
    fn looks_again(&self) -> bool {
        self.inner.looks_again()
    }
    fn look_again(&self, step: &Step, after: &[f64], state: &mut State) -> Result<()> {
        self.inner.look_again(&step.within(&self.inner), after, state)
    }
    fn end_epoch(&self, state: &mut State) {
        self.inner.end_epoch(state);
    }
    fn follows_parameters(&self) -> bool {
        self.inner.follows_parameters()
    }
}

impl LossMethod for CrMogm {
    fn weights(&self, step: &Step, state: &mut State) -> Result<Vec<f64>> {
        let Reads::Losses(inner) = self.inner.reads() else { unreachable!("it reads what the inner method reads") };
        let weights = inner.weights(&step.within(&self.inner), state)?;
        Ok(self.average(step, &weights, state))
    }
}

impl GramianMethod for CrMogm {
    fn weights(&self, step: &Step, gramian: &Matrix, state: &mut State) -> Result<Vec<f64>> {
        let Reads::Gramian(inner) = self.inner.reads() else { unreachable!("it reads what the inner method reads") };
        let weights = inner.weights(&step.within(&self.inner), gramian, state)?;
        Ok(self.average(step, &weights, state))
    }
}

#[cfg(test)]
mod tests {
    use crate::methods::hard::draw;
    use crate::methods::trial::{Trial, assert_near};

    #[test]
    fn the_average_starts_at_the_first_weight_and_stands_still_for_an_absent_task() {
        let mut trial = Trial::new("{name: cr_mogm, alpha: 0.8, inner: {name: mean}}", 3);
        let mut weights = |losses: [Option<f64>; 3]| trial.weights(losses).expect("weights");
        assert_near(&weights([Some(1.0), Some(1.0), None]), &[0.5, 0.5], 0.0);
        // The mean now weighs 1/3: 0.8 · 1/2 + 0.2 · 1/3; the third task is new.
        assert_near(&weights([Some(1.0); 3]), &[1.4 / 3.0, 1.4 / 3.0, 1.0 / 3.0], 1e-15);
        assert_near(&weights([None, None, Some(1.0)]), &[0.8 / 3.0 + 0.2], 1e-15);
        assert_near(&weights([Some(1.0), None, None]), &[0.8 * 1.4 / 3.0 + 0.2], 1e-15);
    }

    #[test]
    fn the_average_of_gramian_weights_is_theirs() {
        let mut inner = Trial::wide("{name: upgrad}", 3, 5);
        let mut averaged = Trial::wide("{name: cr_mogm, alpha: 0.75, inner: {name: upgrad}}", 3, 5);
        let mut weights = |step| {
            let rows = draw(step, 3, 5);
            [&mut inner, &mut averaged].map(|trial| trial.on(&rows).expect("an answer").weights.expect("weights"))
        };
        let [mut average, first] = weights(0);
        assert_near(&first, &average, 1e-12);
        for step in 1..4 {
            let [new, found] = weights(step);
            average = average.iter().zip(new).map(|(past, weight)| 0.75 * past + 0.25 * weight).collect();
            assert_near(&found, &average, 1e-12);
        }
    }
}
