//! What a method remembers between steps. It lives in [`Memory`], so it is saved and restored bit for bit.

use crate::memory::{Handle, Memory};
use anyhow::Result;
use tch::{Device, Kind, Tensor};

/// What a method's state may depend on.
#[derive(Debug, Clone)]
pub struct Size {
    /// The number `T` of tasks.
    pub tasks: usize,
    /// The shared parameters, name and length; their lengths add up to `P`.
    pub columns: Vec<(String, i64)>,
    /// Kind of the Jacobian.
    pub kind: Kind,
    /// Where the Jacobian lies.
    pub device: Device,
}

impl Size {
    /// `P`, the number of shared parameters.
    pub fn parameters(&self) -> i64 {
        self.columns.iter().map(|(_, length)| length).sum()
    }
}

/// One remembered value, named for the checkpoint.
#[derive(Debug, Clone)]
pub struct Slot {
    /// Unique within the method.
    pub name: String,
    /// Its first value.
    pub initial: Initial,
}

/// The first value of a slot.
#[derive(Debug, Clone)]
pub enum Initial {
    /// Real numbers.
    Reals(Vec<f64>),
    /// Whole numbers.
    Counts(Vec<i64>),
    /// Zeros of this shape, in the Jacobian's kind and place; a last dimension of `P` is stored by parameter name.
    Zeros(Vec<i64>),
    /// Parameters of the method that the run's optimizer trains (no weight decay, no clipping), one per task.
    Learned(Vec<f64>),
}

impl Slot {
    /// Real numbers.
    pub fn reals(name: &str, initial: Vec<f64>) -> Self {
        Self { name: name.into(), initial: Initial::Reals(initial) }
    }

    /// Whole numbers.
    pub fn counts(name: &str, initial: Vec<i64>) -> Self {
        Self { name: name.into(), initial: Initial::Counts(initial) }
    }

    /// Zeros in the Jacobian's kind and place.
    pub fn zeros(name: &str, shape: &[i64]) -> Self {
        Self { name: name.into(), initial: Initial::Zeros(shape.to_vec()) }
    }

    /// Parameters that the run's optimizer trains.
    pub fn learned(name: &str, initial: Vec<f64>) -> Self {
        Self { name: name.into(), initial: Initial::Learned(initial) }
    }

    /// Claims the slot under `method.NAME`.
    ///
    /// # Errors
    /// A restored value has another shape.
    pub fn claim(&self, size: &Size, memory: &mut Memory) -> Result<Handle> {
        let name = format!("method.{}", self.name);
        match &self.initial {
            Initial::Reals(values) => memory.reals(&name, values),
            Initial::Counts(values) => memory.counts(&name, values),
            Initial::Zeros(shape) => memory.tensor(&name, Tensor::zeros(shape, (size.kind, size.device))),
            Initial::Learned(values) => memory.tensor(&name, Tensor::from_slice(values)),
        }
    }
}

/// A method's own values, numbered as its slots are.
pub struct State<'m> {
    memory: &'m mut Memory,
    handles: &'m [Handle],
}

impl<'m> State<'m> {
    /// The values behind `handles`.
    pub fn new(memory: &'m mut Memory, handles: &'m [Handle]) -> Self {
        Self { memory, handles }
    }

    /// The state of an inner method, whose slots come after the first `slots`.
    pub fn after(&mut self, slots: usize) -> State<'_> {
        State { memory: self.memory, handles: &self.handles[slots..] }
    }

    /// Real numbers.
    pub fn real(&self, slot: usize) -> &[f64] {
        self.memory.real(self.handles[slot])
    }

    /// Real numbers, to change.
    pub fn real_mut(&mut self, slot: usize) -> &mut [f64] {
        self.memory.real_mut(self.handles[slot])
    }

    /// Whole numbers.
    pub fn count(&self, slot: usize) -> &[i64] {
        self.memory.count(self.handles[slot])
    }

    /// Whole numbers, to change.
    pub fn count_mut(&mut self, slot: usize) -> &mut [i64] {
        self.memory.count_mut(self.handles[slot])
    }

    /// A tensor; changed in place by tch's `_` operations on a shallow clone.
    pub fn tensor(&self, slot: usize) -> Tensor {
        self.memory.get(self.handles[slot]).shallow_clone()
    }

    /// Learned parameters.
    pub fn learned(&self, slot: usize) -> Vec<f64> {
        Vec::try_from(self.memory.get(self.handles[slot])).expect("learned parameters are a vector of doubles")
    }
}
