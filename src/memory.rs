//! What outlives a step, by name: optimizer moments, method state, the place in the run. What is not here does not resume.

use crate::error::Mistake;
use anyhow::Result;
use std::collections::BTreeMap;
use tch::{Kind, Tensor};

/// One remembered value.
#[derive(Debug)]
pub enum Value {
    /// A tensor on any device.
    Tensor(Tensor),
    /// Real numbers.
    Reals(Vec<f64>),
    /// Whole numbers.
    Counts(Vec<i64>),
}

/// A name resolved once. A step looks nothing up by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Handle(usize);

/// Named values that outlive a step.
///
/// A part claims its names once ([`tensor`](Self::tensor), [`reals`](Self::reals), [`counts`](Self::counts)) and gets
/// handles. After [`restore`](Self::restore) a claim takes the restored value instead of its initial one.
#[derive(Debug, Default)]
pub struct Memory {
    names: Vec<String>,
    values: Vec<Value>,
    restored: BTreeMap<String, Tensor>,
}

impl Memory {
    /// Holds `values` until they are claimed.
    pub fn restore(values: impl IntoIterator<Item = (String, Tensor)>) -> Self {
        Self { restored: values.into_iter().collect(), ..Self::default() }
    }

    /// Names that were restored and that nobody has claimed.
    pub fn unclaimed(&self) -> impl Iterator<Item = &str> {
        self.restored.keys().map(String::as_str)
    }

    /// Claims a tensor.
    ///
    /// # Errors
    /// The restored value has another shape.
    pub fn tensor(&mut self, name: &str, initial: Tensor) -> Result<Handle> {
        let value = match self.take(name, &initial.size())? {
            Some(saved) => saved.to_kind(initial.kind()).to_device(initial.device()).copy(),
            None => initial,
        };
        Ok(self.put(name, Value::Tensor(value)))
    }

    /// Claims real numbers.
    ///
    /// # Errors
    /// The restored value has another length.
    pub fn reals(&mut self, name: &str, initial: &[f64]) -> Result<Handle> {
        let value = match self.take(name, &[initial.len() as i64])? {
            Some(saved) => Vec::<f64>::try_from(saved.to_kind(Kind::Double))?,
            None => initial.to_vec(),
        };
        Ok(self.put(name, Value::Reals(value)))
    }

    /// Claims whole numbers.
    ///
    /// # Errors
    /// The restored value has another length.
    pub fn counts(&mut self, name: &str, initial: &[i64]) -> Result<Handle> {
        let value = match self.take(name, &[initial.len() as i64])? {
            Some(saved) => Vec::<i64>::try_from(saved.to_kind(Kind::Int64))?,
            None => initial.to_vec(),
        };
        Ok(self.put(name, Value::Counts(value)))
    }

    /// The tensor behind a handle.
    ///
    /// # Panics
    /// The handle was claimed as something else.
    pub fn get(&self, handle: Handle) -> &Tensor {
        match &self.values[handle.0] {
            Value::Tensor(tensor) => tensor,
            other => panic!("{} is not a tensor but {other:?}", self.names[handle.0]),
        }
    }

    /// The real numbers behind a handle.
    ///
    /// # Panics
    /// The handle was claimed as something else.
    pub fn real(&self, handle: Handle) -> &[f64] {
        match &self.values[handle.0] {
            Value::Reals(numbers) => numbers,
            other => panic!("{} does not hold reals but {other:?}", self.names[handle.0]),
        }
    }

    /// The real numbers behind a handle, to change.
    ///
    /// # Panics
    /// The handle was claimed as something else.
    pub fn real_mut(&mut self, handle: Handle) -> &mut [f64] {
        match &mut self.values[handle.0] {
            Value::Reals(numbers) => numbers,
            other => panic!("{} does not hold reals but {other:?}", self.names[handle.0]),
        }
    }

    /// The whole numbers behind a handle.
    ///
    /// # Panics
    /// The handle was claimed as something else.
    pub fn count(&self, handle: Handle) -> &[i64] {
        match &self.values[handle.0] {
            Value::Counts(numbers) => numbers,
            other => panic!("{} does not hold counts but {other:?}", self.names[handle.0]),
        }
    }

    /// The whole numbers behind a handle, to change.
    ///
    /// # Panics
    /// The handle was claimed as something else.
    pub fn count_mut(&mut self, handle: Handle) -> &mut [i64] {
        match &mut self.values[handle.0] {
            Value::Counts(numbers) => numbers,
            other => panic!("{} does not hold counts but {other:?}", self.names[handle.0]),
        }
    }

    /// Everything, as tensors, in the order of the claims.
    pub fn save(&self) -> Vec<(String, Tensor)> {
        let tensor = |value: &Value| match value {
            Value::Tensor(tensor) => tensor.detach(),
            Value::Reals(numbers) => Tensor::from_slice(numbers),
            Value::Counts(numbers) => Tensor::from_slice(numbers),
        };
        self.names.iter().cloned().zip(self.values.iter().map(tensor)).collect()
    }

    fn put(&mut self, name: &str, value: Value) -> Handle {
        debug_assert!(!self.names.iter().any(|n| n == name), "{name} is claimed twice");
        self.names.push(name.to_string());
        self.values.push(value);
        Handle(self.values.len() - 1)
    }

    fn take(&mut self, name: &str, shape: &[i64]) -> Result<Option<Tensor>> {
        match self.restored.remove(name) {
            Some(saved) if saved.size() == shape => Ok(Some(saved)),
            Some(saved) => Err(Mistake::new(
                name,
                format!("the checkpoint holds shape {:?}, this run needs {shape:?}", saved.size()),
            )
            .remedy("resume with the settings that the checkpoint was made with")
            .into()),
            None => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_saved_is_what_the_next_claim_gets() -> Result<()> {
        let mut memory = Memory::default();
        let step = memory.counts("step", &[0])?;
        let best = memory.reals("best", &[f64::INFINITY, 0.0])?;
        memory.count_mut(step)[0] = 7;
        memory.real_mut(best)[0] = 0.25;
        memory.tensor("moment", Tensor::from_slice(&[1f32, 2.0]))?;

        let mut again = Memory::restore(memory.save());
        let (step, best) = (again.counts("step", &[0])?, again.reals("best", &[f64::INFINITY, 0.0])?);
        assert_eq!((again.count(step), again.real(best)), (&[7][..], &[0.25, 0.0][..]));
        assert_eq!(again.unclaimed().collect::<Vec<_>>(), ["moment"]);
        assert!(again.tensor("moment", Tensor::zeros([3], (Kind::Float, tch::Device::Cpu))).is_err());
        Ok(())
    }
}
