//! What a rule gets to work on: flat views, room for two intermediate values, and numbers as tensors.

use tch::{Device, Kind, Tensor};

/// One update of a run of parameters that share their settings. All tensors are flat, of one length, on one device.
pub struct Update<'a> {
    /// The number of this update, from 1.
    pub step: i64,
    /// After the schedule.
    pub learning_rate: f64,
    /// The segment's own.
    pub weight_decay: f64,
    /// Changed in place.
    pub parameters: &'a mut Tensor,
    /// Read only.
    pub gradient: &'a Tensor,
    /// One tensor per name of [`Optimizer::state`](super::Optimizer::state), changed in place.
    pub state: &'a mut [Tensor],
    /// Room for intermediate values, of the same length; what is in it is worth nothing before and after.
    /// Allocating it anew would cost large models more than the arithmetic does.
    pub scratch: &'a mut [Tensor; 2],
    /// The numbers of the formula.
    pub numbers: &'a mut Numbers,
}

impl Update<'_> {
    /// The gradient plus `weight_decay · parameters` (an L2 penalty); takes the first scratch tensor unless the decay is 0.
    pub fn penalized_gradient(&mut self) -> Tensor {
        if self.weight_decay == 0.0 {
            return self.gradient.shallow_clone();
        }
        let decay = self.numbers.get(self.weight_decay);
        self.gradient.addcmul_out(&self.scratch[0], self.parameters, &decay)
    }
}

/// Numbers as tensors of no dimension, in the buffer's kind and on its device.
///
/// tch offers neither PyTorch's `add_(x, alpha=…)` nor `addcmul_(x, y, value=…)`, and multiplying by a plain number costs
/// three times as much as by a tensor of the same kind. The latest few are kept: most numbers of a rule never change.
#[derive(Debug)]
pub struct Numbers {
    kind: Kind,
    device: Device,
    kept: Vec<(u64, Tensor)>,
    oldest: usize,
}

impl Numbers {
    const KEPT: usize = 16;

    /// Numbers for buffers of this kind on this device.
    pub fn new(kind: Kind, device: Device) -> Self {
        Self { kind, device, kept: Vec::new(), oldest: 0 }
    }

    /// `value` as a tensor `[]`; not to be changed.
    pub fn get(&mut self, value: f64) -> Tensor {
        let bits = value.to_bits();
        if let Some((_, number)) = self.kept.iter().find(|(kept, _)| *kept == bits) {
            return number.shallow_clone();
        }
        let number = Tensor::full([0i64; 0], value, (self.kind, self.device));
        if self.kept.len() < Self::KEPT {
            self.kept.push((bits, number.shallow_clone()));
        } else {
            self.kept[self.oldest] = (bits, number.shallow_clone());
            self.oldest = (self.oldest + 1) % Self::KEPT;
        }
        number
    }
}
