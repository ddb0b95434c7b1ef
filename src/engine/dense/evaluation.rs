//! What one batch gives, computed by hand.

use super::gradients::{Stack, by_representation, gramian_by_representation};
use super::workspace::{Inputs, Workspace};
use super::{Dense, Number};
use crate::data::Batch;
use crate::engine::Request;
use crate::engine::passes::Passes;
use crate::kernels::{Finish, Matrix, MatrixMut, Start};
use crate::libtorch::{numbers, numbers_mut};
use crate::methods::{self, Evaluation, Shared};
use crate::models::Parameters;
use crate::tasks::{MetricKind, Rows};
use tch::{Device, Tensor};

/// A batch that was run forward; its room goes back to the engine at the end.
pub struct Handmade<'a, T: Number> {
    engine: &'a Dense<'a, T>,
    parameters: &'a Parameters,
    request: Request,
    inputs: Inputs<'a, T>,
    room: Workspace<T>,
    accuracies: Vec<Option<f64>>,
    gramian: Option<methods::Matrix>,
    passes: Passes,
}

impl<'a, T: Number> Handmade<'a, T> {
    pub(super) fn new(
        engine: &'a Dense<'a, T>,
        parameters: &'a Parameters,
        request: Request,
        inputs: Inputs<'a, T>,
        room: Workspace<T>,
        accuracies: Vec<Option<f64>>,
    ) -> Self {
        let passes = Passes::new(request, room.present.len());
        Self { engine, parameters, request, inputs, room, accuracies, gramian: None, passes }
    }

    fn weights(&self) -> &'a [T] {
        numbers(&self.parameters.flat)
    }

    /// The gradient by what the heads read `[N, width]`, of the outputs' scaled gradients.
    fn by_scaled(&self, to: &mut [T]) {
        let (network, room) = (&self.engine.network, &self.room);
        let (a, b) =
            (Matrix::rows(&room.scaled, room.rows).transposed(), Matrix::rows(&room.head_weights, network.width));
        let shape = [room.rows, network.outputs, network.width];
        network.product(shape, a, b, MatrixMut { numbers: to, row: network.width }, Start::Zero, Finish::Keep);
    }

    /// The trunk's gradient by the outputs' scaled gradients, into `flat`.
    fn scaled_through_trunk(&mut self, flat: &mut [T]) {
        let network = &self.engine.network;
        let Some(last) = network.trunk.len().checked_sub(1) else { return };
        let mut back = std::mem::take(&mut self.room.back[last]);
        let room = &self.room;
        let (a, b) =
            (Matrix::rows(&room.scaled, room.rows).transposed(), Matrix::rows(&room.head_weights, network.width));
        network.back_to(last, network.outputs, a, b, &mut back, room);
        self.room.back[last] = back;
        network.trunk_back(self.weights(), self.inputs.numbers(), &mut self.room, flat);
    }

    /// The trunk's gradient by a direction of what the heads read, into `flat`.
    fn direction_through_trunk(&mut self, direction: &[T], flat: &mut [T]) {
        let network = &self.engine.network;
        let Some(last) = network.trunk.len().checked_sub(1) else { return };
        let back = &mut self.room.back[last];
        back.copy_from_slice(direction);
        let (results, slopes) = (&self.room.results[last], &self.room.slopes[last]);
        super::activations::backward(
            network.options.instructions,
            network.trunk[last].activation,
            results,
            slopes,
            back,
        );
        network.trunk_back(self.weights(), self.inputs.numbers(), &mut self.room, flat);
    }

    /// The shared part of the flat gradient.
    fn follow(&mut self, shared: Shared, flat: &mut [T]) {
        match shared {
            Shared::Weights(weights) => {
                self.room.scale(&self.engine.network, weights);
                self.scaled_through_trunk(flat);
            }
            Shared::Direction(direction) if self.request.representation => {
                self.direction_through_trunk(numbers(direction), flat);
            }
            Shared::Direction(direction) => {
                let direction = numbers::<T>(direction);
                for place in self.engine.network.trunk.iter().flat_map(|layer| [&layer.weight, &layer.bias]) {
                    if let Some(column) = place.column {
                        flat[place.flat.clone()].copy_from_slice(&direction[column..column + place.flat.len()]);
                    }
                }
            }
        }
    }
}

impl<T: Number> Evaluation for Handmade<'_, T> {
    fn losses(&self) -> &[Option<f64>] {
        &self.room.losses
    }

    fn normalizers(&self) -> &[f64] {
        &self.room.normalizers
    }

    fn accuracies(&self) -> &[Option<f64>] {
        &self.accuracies
    }

    fn jacobian(&mut self) -> Tensor {
        self.passes.take_apart();
        let mut scratch = std::mem::take(&mut self.room.scratch);
        let (network, room) = (&self.engine.network, &self.room);
        let columns = if self.request.representation { room.rows * network.width } else { network.columns };
        let mut jacobian = Tensor::zeros([room.present.len() as i64, columns as i64], (T::KIND, Device::Cpu));
        if columns > 0 {
            let to = numbers_mut(&mut jacobian);
            match self.request.representation {
                true => by_representation(network, room, to),
                false => {
                    let mut stack = Stack::new(network, self.weights(), self.inputs.numbers(), room, scratch);
                    stack.jacobian(to);
                    scratch = stack.end();
                }
            }
        }
        self.room.scratch = scratch;
        jacobian
    }

    fn gramian(&mut self) -> methods::Matrix {
        self.passes.take_apart();
        if let Some(gramian) = &self.gramian {
            return gramian.clone();
        }
        let mut scratch = std::mem::take(&mut self.room.scratch);
        let (network, room) = (&self.engine.network, &self.room);
        let gramian = if self.request.representation {
            gramian_by_representation(network, room, &mut scratch)
        } else {
            let mut stack = Stack::new(network, self.weights(), self.inputs.numbers(), room, scratch);
            let gramian = stack.gramian();
            scratch = stack.end();
            gramian
        };
        self.room.scratch = scratch;
        self.gramian.insert(gramian).clone()
    }

    fn combine(&mut self, weights: &[f64]) -> Tensor {
        self.passes.add_up();
        let network = &self.engine.network;
        self.room.scale(network, weights);
        if self.request.representation {
            let mut sum = Tensor::zeros([(self.room.rows * network.width) as i64], (T::KIND, Device::Cpu));
            self.by_scaled(numbers_mut(&mut sum));
            return sum;
        }
        let mut flat = vec![T::default(); self.parameters.flat.numel()];
        self.scaled_through_trunk(&mut flat);
        let mut sum = Tensor::zeros([network.columns as i64], (T::KIND, Device::Cpu));
        let to = numbers_mut(&mut sum);
        for place in network.trunk.iter().flat_map(|layer| [&layer.weight, &layer.bias]) {
            if let Some(column) = place.column {
                to[column..column + place.flat.len()].copy_from_slice(&flat[place.flat.clone()]);
            }
        }
        sum
    }

    fn pull_back(&mut self, shared: Shared, heads: &[f64]) -> Tensor {
        self.passes.pull_back(matches!(shared, Shared::Direction(_)));
        let mut gradient = self.room.gradient(self.parameters.flat.numel());
        let flat = numbers_mut(&mut gradient);
        self.follow(shared, flat);
        match shared {
            Shared::Weights(weights) if weights == heads => {} // scaled so already
            _ => self.room.scale(&self.engine.network, heads),
        }
        let scaled = std::mem::take(&mut self.room.scaled);
        self.engine.network.heads_back(&scaled, self.inputs.numbers(), &mut self.room, flat);
        self.room.scaled = scaled;
        self.room.keep(&gradient);
        gradient
    }

    fn backward_passes(&self) -> u64 {
        self.passes.taken()
    }
}

impl<T: Number> Drop for Handmade<'_, T> {
    fn drop(&mut self) {
        let mut room = std::mem::take(&mut self.room);
        if let Inputs::Gathered(inputs) = &mut self.inputs {
            room.inputs = std::mem::take(inputs);
        }
        self.engine.rooms.borrow_mut().push(room);
    }
}

impl<T: Number> Dense<'_, T> {
    /// Per task the accuracy on the batch, where it is there and has one.
    pub(super) fn accuracies(&self, portions: &[Batch], room: &Workspace<T>) -> Vec<Option<f64>> {
        let of = |task: usize| {
            let form = self.tasks[task].form;
            if !MetricKind::Accuracy.fits(form) || room.normalizers[task] == 0.0 {
                return None;
            }
            let mut accuracy = MetricKind::Accuracy.accumulator(form);
            let (mut at, outputs) = (0, self.network.outputs_of(task));
            for slice in portions.iter().flatten() {
                let rows = (at..at + slice.rows() as usize).flat_map(|row| {
                    outputs.clone().map(move |output| room.by_row[row * self.network.outputs + output].wide())
                });
                let output = Tensor::from_slice(&rows.collect::<Vec<f64>>()).view([slice.rows(), -1]);
                let target = slice.tasks.iter().position(|of| *of == task).expect("every task reads the rows");
                accuracy.add(&Rows::read(&output, &slice.targets[target]));
                at += slice.rows() as usize;
            }
            accuracy.value()
        };
        (0..self.tasks.len()).map(of).collect()
    }
}
