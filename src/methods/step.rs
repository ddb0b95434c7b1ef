//! What a method sees of a step, beside gradients.

use super::Method;
use crate::error::Mistake;
use crate::random::generator;
use rand_chacha::ChaCha8Rng;

/// A step as every method sees it. `T` tasks in all, `K` of them present: a task without a labelled row in the batch is
/// absent, and nothing here speaks of it.
#[derive(Debug, Clone)]
pub struct Step<'a> {
    /// The method's name, for errors.
    pub method: &'static str,
    /// The run's seed.
    pub seed: u64,
    /// Updates made before this one.
    pub step: u64,
    /// The names of all tasks `[T]`.
    pub tasks: &'a [String],
    /// The numbers of the present tasks `[K]`, ascending.
    pub present: &'a [usize],
    /// Their losses `[K]`.
    pub losses: &'a [f64],
    /// Their accuracies on the batch `[K]`, for a method that [asks for them](super::Balancing::reads_accuracies); else empty.
    pub accuracies: &'a [f64],
    /// The shared parameters, name and length, in the order of the Jacobian's columns; one nameless where gradients are
    /// those of the representation.
    pub columns: &'a [(String, i64)],
}

impl<'a> Step<'a> {
    /// The number `K` of present tasks.
    pub fn count(&self) -> usize {
        self.present.len()
    }

    /// The present tasks' entries `[K]` of `all` `[T]`.
    pub fn of<V: Copy>(&self, all: &[V]) -> Vec<V> {
        self.present.iter().map(|&task| all[task]).collect()
    }

    /// Puts the present tasks' `values` `[K]` in their places in `all` `[T]`; the others stand still.
    pub fn put<V: Copy>(&self, values: &[V], all: &mut [V]) {
        self.present.iter().zip(values).for_each(|(&task, &value)| all[task] = value);
    }

    /// The same step, for a method inside another.
    pub fn within(&self, inner: &Method) -> Step<'a> {
        Step { method: inner.name(), ..self.clone() }
    }

    /// A private generator for this step: a function of the run's seed, `purpose` and the step alone.
    pub fn generator(&self, purpose: &str) -> ChaCha8Rng {
        generator(self.seed, purpose, self.step, 0)
    }

    /// What went wrong, with the tasks and their `values` `[K]`: an error that names method and step.
    pub fn failure(&self, what: &str, values: &[f64], remedy: &str) -> anyhow::Error {
        let named = self.present.iter().zip(values).map(|(&task, value)| format!("{} {value}", self.tasks[task]));
        let listed: Vec<String> = named.collect();
        Mistake::new(format!("method {} at step {}", self.method, self.step), format!("{what}: {}", listed.join(", ")))
            .remedy(remedy)
            .into()
    }
}
