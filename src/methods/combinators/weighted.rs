//! A loss method's weights scale the losses before another method reads them.

use super::{learns, prefixed, slots};
use crate::error::BadSetting;
use crate::methods::rows;
use crate::methods::{
    Balancing, Direction, GramianMethod, Heads, JacobianMethod, LossMethod, Matrix, Method, Reads, Size, Slot, State,
    Step, refuse_lost_gradients,
};
use anyhow::Result;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::Tensor;

/// A loss method's weights scale the losses that a second method reads.
///
/// ```text
/// v = weighting(L)
/// d = inner(v ∘ L, diag(v) J),    or weights v ∘ w where inner makes w
/// ```
///
/// `L [T]` are the losses, `J [T, P]` the tasks' gradients by the shared parameters, `v [T]` the weights of `weighting` and
/// `w [T]` those of the inner method, which sees the losses `v ∘ L`, the gradients `diag(v) J` and their Gramian
/// `diag(v) G diag(v)`. Importance is settled by the first method, conflict by the second. `scale: mean | sum` measure the
/// gradients as they are, not the scaled ones.
///
/// Reads: what `inner` reads.
///
/// Cost: that of both.
///
/// Absent tasks: as in both methods.
///
/// Deviations: in Auto-Lambda's code the tasks' own heads follow `v_t L_t`; here, as everywhere, L_t (`heads: own`) or
/// `v_t w_t L_t` (`heads: weighted`), by the inner method's default.
///
/// Reference: Liu et al., "Auto-Lambda: Disentangling Dynamic Task Relationships", TMLR 2022 (arXiv 2202.03091), which
/// joins its weights with CAGrad this way.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Weighted {
    /// The method whose weights scale the losses, such as `{name: uw}`: one that reads losses.
    pub weighting: Box<Method>,
    /// The method that reads the scaled losses and gradients, such as `{name: cagrad}`.
    pub inner: Box<Method>,
}

impl Weighted {
    /// The slot of the last weights `v` `[T]`, behind those of `weighting`; those of the inner method follow.
    fn scales_slot(&self) -> usize {
        slots(&self.weighting).len()
    }

    /// The weights `v` `[K]` of this step.
    fn scales(&self, step: &Step, state: &mut State) -> Result<Vec<f64>> {
        let Reads::Losses(weighting) = self.weighting.reads() else { unreachable!("checked: it reads losses") };
        let scales = weighting.weights(&step.within(&self.weighting), state)?;
        step.put(&scales, state.real_mut(self.scales_slot()));
        Ok(scales)
    }

    /// What the inner method sees, and its memory.
    fn inner_step<'s>(&self, step: &Step<'s>, losses: &'s [f64]) -> Step<'s> {
        Step { losses, ..step.within(&self.inner) }
    }
}

/// Entry by entry.
fn times(a: &[f64], b: &[f64]) -> Vec<f64> {
    a.iter().zip(b).map(|(a, b)| a * b).collect()
}

impl Balancing for Weighted {
    fn reads(&self) -> Reads<'_> {
        match self.inner.reads() {
            Reads::Losses(_) => Reads::Losses(self),
            Reads::Gramian(_) => Reads::Gramian(self),
            Reads::Jacobian(_) => Reads::Jacobian(self),
        }
    }
    fn heads(&self) -> Heads {
        self.inner.heads()
    }
    fn state(&self, size: &Size) -> Vec<Slot> {
        let scales = Slot::reals("scales", vec![1.0; size.tasks]);
        let weighting = prefixed("weighting", self.weighting.state(size));
        weighting.chain([scales]).chain(prefixed("inner", self.inner.state(size))).collect()
    }
    fn check(&self, tasks: &[String]) -> Result<(), BadSetting> {
        if !matches!(self.weighting.reads(), Reads::Losses(_)) {
            let what = format!("{} reads gradients, and weighs losses only through them", self.weighting.name());
            return Err(BadSetting::new("weighting", what).remedy("choose a method that reads losses, such as dwa"));
        }
        self.weighting.check(tasks).map_err(|bad| bad.under("weighting"))?;
        self.inner.check(tasks).map_err(|bad| bad.under("inner"))?;
        if matches!(self.inner.reads(), Reads::Losses(_)) && learns(&self.inner) {
            let what = format!("{} learns by the losses as they are, not by scaled ones", self.inner.name());
            return Err(BadSetting::new("inner", what).remedy("make it the weighting"));
        }
        Ok(())
    }
    fn learned_gradient(&self, step: &Step, state: &State) -> Option<Vec<f64>> {
        self.weighting.learned_gradient(&step.within(&self.weighting), state)
    }
    fn batches(&self) -> usize {
        self.inner.batches()
    }
    fn reads_accuracies(&self) -> bool {
        self.weighting.reads_accuracies() || self.inner.reads_accuracies()
    }
    fn looks_again(&self) -> bool {
        self.weighting.looks_again() || self.inner.looks_again()
    }
    fn look_again(&self, step: &Step, after: &[f64], state: &mut State) -> Result<()> {
        if self.weighting.looks_again() {
            self.weighting.look_again(&step.within(&self.weighting), after, state)?;
        }
        if self.inner.looks_again() {
            let scales = step.of(state.real(self.scales_slot()));
            let (before, after) = (times(&scales, step.losses), times(&scales, after));
            let seen = self.inner_step(step, &before);
            self.inner.look_again(&seen, &after, &mut state.after(self.scales_slot() + 1))?;
        }
        Ok(())
    }
    fn end_epoch(&self, state: &mut State) {
        self.weighting.end_epoch(state);
        self.inner.end_epoch(&mut state.after(self.scales_slot() + 1));
    }
    fn follows_parameters(&self) -> bool {
        self.inner.follows_parameters()
    }
}

impl LossMethod for Weighted {
    fn weights(&self, step: &Step, state: &mut State) -> Result<Vec<f64>> {
        let Reads::Losses(inner) = self.inner.reads() else { unreachable!("it reads what the inner method reads") };
        let scales = self.scales(step, state)?;
        let losses = times(&scales, step.losses);
        let weights = inner.weights(&self.inner_step(step, &losses), &mut state.after(self.scales_slot() + 1))?;
        Ok(times(&scales, &weights))
    }
}

impl GramianMethod for Weighted {
    fn weights(&self, step: &Step, gramian: &Matrix, state: &mut State) -> Result<Vec<f64>> {
        let Reads::Gramian(inner) = self.inner.reads() else { unreachable!("it reads what the inner method reads") };
        let scales = self.scales(step, state)?;
        let losses = times(&scales, step.losses);
        let scaled = Matrix::from_fn(step.count(), step.count(), |i, j| scales[i] * gramian[(i, j)] * scales[j]);
        let seen = self.inner_step(step, &losses);
        refuse_lost_gradients(&seen, &scaled)?;
        let weights = inner.weights(&seen, &scaled, &mut state.after(self.scales_slot() + 1))?;
        Ok(times(&scales, &weights))
    }
}

impl JacobianMethod for Weighted {
    fn direction(&self, step: &Step, jacobian: &Tensor, state: &mut State) -> Result<Direction> {
        let Reads::Jacobian(inner) = self.inner.reads() else { unreachable!("it reads what the inner method reads") };
        let scales = self.scales(step, state)?;
        let losses = times(&scales, step.losses);
        let scaled = jacobian * rows::column(&scales, jacobian); // [K, P]
        let seen = self.inner_step(step, &losses);
        let made = inner.direction(&seen, &scaled, &mut state.after(self.scales_slot() + 1))?;
        Ok(Direction { weights: made.weights.map(|weights| times(&scales, &weights)), ..made })
    }
    fn forms_weights(&self) -> bool {
        matches!(self.inner.reads(), Reads::Jacobian(inner) if inner.forms_weights())
    }
}

#[cfg(test)]
mod tests {
    use crate::methods::Matrix;
    use crate::methods::hard::draw;
    use crate::methods::trial::{Trial, assert_near, matrix};

    #[test]
    fn constant_weights_are_a_scaling_by_hand() {
        let scales = [2.0, 0.5, 0.1];
        let losses = [1.0, 0.3, 2.0];
        for inner in ["sum", "upgrad", "graddrop", "con_fig", "moco", "db_mtl", "excess_mtl"] {
            let yaml = format!(
                "{{name: weighted, weighting: {{name: constant, weights: [2, 0.5, 0.1]}}, inner: {{name: {inner}}}}}"
            );
            let (mut weighted, mut plain) =
                (Trial::wide(&yaml, 3, 5), Trial::wide(&format!("{{name: {inner}}}"), 3, 5));
            for step in 0..3 {
                let rows = draw(step, 3, 5);
                let mut scaled = rows.clone();
                scaled.row_iter_mut().zip(scales).for_each(|(mut row, scale)| row *= scale);
                let scaled_losses: Vec<f64> = losses.iter().zip(scales).map(|(loss, scale)| loss * scale).collect();
                let found = weighted.step(losses, &rows).expect(inner);
                let expected = plain.step(scaled_losses, &scaled).expect(inner);
                assert_near(&found.direction, &expected.direction, 1e-9);
                let times = |weights: Vec<f64>| weights.iter().zip(scales).map(|(a, b)| a * b).collect::<Vec<f64>>();
                match (found.weights, expected.weights) {
                    (Some(found), Some(expected)) => assert_near(&found, &times(expected), 1e-9),
                    (None, None) => {}
                    (found, expected) => panic!("{inner}: {found:?}, {expected:?}"),
                }
            }
        }
    }

    #[test]
    fn products_of_two_batches_are_scaled_on_both_sides() {
        let scales = [3.0, 0.5];
        let other = matrix([[1.0, 0.5], [-0.25, 2.0]]);
        let scaled = Matrix::from_fn(2, 2, |i, j| scales[i] * other[(i, j)] * scales[j]);
        let mut plain = Trial::new("{name: modo}", 2);
        let mut weighted =
            Trial::new("{name: weighted, weighting: {name: constant, weights: [3, 0.5]}, inner: {name: modo}}", 2);
        for _ in 0..3 {
            let inner = plain.weigh([1.0; 2], &scaled).expect("weights");
            assert_near(&weighted.weigh([1.0; 2], &other).expect("weights"), &[3.0 * inner[0], 0.5 * inner[1]], 1e-12);
        }
    }
}
