//! Adam on numbers that a method learns by itself, one per task.

use super::{Size, Slot, State, Step};

/// The slot of the numbers `[T]`. They, their moments and the count of each one's steps are a method's first slots.
pub(super) const LEARNED: usize = 0;
const FIRST: usize = 1;
const SECOND: usize = 2;
const STEPS: usize = 3;

/// What a step of Adam is made with. β = (0.9, 0.999), ε = 1e-8, as in PyTorch.
pub(super) struct Adam {
    /// The step's size.
    pub learning_rate: f64,
    /// L2 decay, added to the gradient (Adam's, not AdamW's).
    pub weight_decay: f64,
}

/// The slots of numbers that start at 0.
pub(super) fn slots(name: &str, size: &Size) -> Vec<Slot> {
    let zeros = |name: &str| Slot::reals(name, vec![0.0; size.tasks]);
    let steps = Slot::counts("adam_steps", vec![0; size.tasks]);
    vec![zeros(name), zeros("first_moments"), zeros("second_moments"), steps]
}

impl Adam {
    /// One step on the present tasks' numbers, down the `gradient` `[K]`; the others stand still.
    pub(super) fn descend(&self, step: &Step, gradient: &[f64], state: &mut State) {
        for (&task, gradient) in step.present.iter().zip(gradient) {
            let gradient = gradient + self.weight_decay * state.real(LEARNED)[task];
            state.count_mut(STEPS)[task] += 1;
            let steps = state.count(STEPS)[task] as i32;
            let first = 0.9 * state.real(FIRST)[task] + 0.1 * gradient;
            let second = 0.999 * state.real(SECOND)[task] + 0.001 * gradient * gradient;
            let size = (second / (1.0 - 0.999_f64.powi(steps))).sqrt() + 1e-8;
            state.real_mut(LEARNED)[task] -= self.learning_rate * (first / (1.0 - 0.9_f64.powi(steps))) / size;
            state.real_mut(FIRST)[task] = first;
            state.real_mut(SECOND)[task] = second;
        }
    }
}
