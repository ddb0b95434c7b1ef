//! The network's passes: forward, back through the heads, back through the trunk.

use super::network::{Linear, Network};
use super::workspace::Workspace;
use super::{Number, activations};
use crate::kernels::{Finish, Matrix, MatrixMut, Start, column_sums, product, row_sums, stays_in_cache, transpose};
use crate::models::Activation;
use std::ops::Range;

impl Network {
    /// What layer `at` reads; one beyond the last: what the heads read.
    pub fn input<'w, T>(&self, at: usize, x: &'w [T], room: &'w Workspace<T>) -> &'w [T] {
        if at == 0 { x } else { &room.results[at - 1] }
    }

    /// Inputs `x [N, inputs]` to outputs `[C, N]`, all of them kept for the way back.
    pub fn forward<T: Number>(&self, flat: &[T], x: &[T], room: &mut Workspace<T>) {
        let rows = room.rows;
        for (at, layer) in self.trunk.iter().enumerate() {
            let (before, after) = room.results.split_at_mut(at);
            let input = before.last().map_or(x, |before| before);
            let weight = &flat[layer.weight.flat.clone()];
            let finish = if layer.activation == Activation::Relu { Finish::Relu } else { Finish::Keep };
            let bias = &flat[layer.bias.flat.clone()];
            let shape = [rows, layer.inputs, layer.outputs];
            self.affine(shape, input, weight, bias, &mut after[0], &mut room.turned, finish);
            if layer.activation != Activation::Relu {
                let slopes = &mut room.slopes[at];
                activations::forward(self.options.instructions, layer.activation, &mut after[0], slopes);
            }
        }
        self.gather_heads(flat, room);
        let z = room.results.last().map_or(x, |last| last);
        let (shape, weight, bias) = ([rows, self.width, self.outputs], &room.head_weights, &room.head_biases);
        self.affine(shape, z, weight, bias, &mut room.by_row, &mut room.turned, Finish::Keep);
        transpose(rows, self.outputs, &room.by_row, &mut room.outputs);
    }

    /// The heads as one layer: weights `[C, width]`, biases `[C]`.
    fn gather_heads<T: Number>(&self, flat: &[T], room: &mut Workspace<T>) {
        for (task, head) in self.heads.iter().enumerate() {
            let outputs = self.outputs_of(task);
            let weights = &mut room.head_weights[outputs.start * self.width..outputs.end * self.width];
            weights.copy_from_slice(&flat[head.weight.flat.clone()]);
            room.head_biases[outputs].copy_from_slice(&flat[head.bias.flat.clone()]);
        }
    }

    /// `to [N, outputs] = finish(bias + input [N, inputs] weightᵀ)`.
    #[allow(clippy::too_many_arguments)]
    fn affine<T: Number>(
        &self,
        shape: [usize; 3],
        input: &[T],
        weight: &[T],
        bias: &[T],
        to: &mut [T],
        turned: &mut Vec<T>,
        finish: Finish<T>,
    ) {
        let [_, inputs, outputs] = shape;
        // A large product packs its factors itself.
        let weight = if stays_in_cache(inputs, outputs) {
            turned.resize(inputs * outputs, T::default());
            transpose(outputs, inputs, weight, turned);
            Matrix::rows(turned, outputs)
        } else {
            Matrix::rows(weight, inputs).transposed()
        };
        let to = MatrixMut { numbers: to, row: outputs };
        self.product(shape, Matrix::rows(input, inputs), weight, to, Start::Row(bias), finish);
    }

    #[allow(clippy::too_many_arguments)]
    pub fn product<T: Number>(
        &self,
        shape: [usize; 3],
        a: Matrix<T>,
        b: Matrix<T>,
        c: MatrixMut<T>,
        start: Start<T>,
        finish: Finish<T>,
    ) {
        product(self.options.instructions, self.options.threads, shape, a, b, c, start, finish);
    }

    /// `to [N, outputs of layer at]`: a gradient by what comes out of the layer's linear part, made of `a [N, k] b [k, outputs]`,
    /// one by what its activation gives.
    pub fn back_to<T: Number>(
        &self,
        at: usize,
        k: usize,
        a: Matrix<T>,
        b: Matrix<T>,
        to: &mut [T],
        room: &Workspace<T>,
    ) {
        let layer = &self.trunk[at];
        let results = &room.results[at];
        let finish = match layer.activation {
            Activation::Relu => Finish::WherePositive(Matrix::rows(results, layer.outputs)),
            _ => Finish::Keep,
        };
        let shape = [room.rows, k, layer.outputs];
        self.product(shape, a, b, MatrixMut { numbers: to, row: layer.outputs }, Start::Zero, finish);
        if layer.activation != Activation::Relu {
            activations::backward(self.options.instructions, layer.activation, results, &room.slopes[at], to);
        }
    }

    /// The gradients of a layer's weight `[outputs, inputs]` and bias `[outputs]`, of those that are wanted.
    pub fn of_layer<T: Number>(
        &self,
        layer: &Linear,
        input: &[T],
        gradient: &[T],
        weight: Option<&mut [T]>,
        bias: Option<&mut [T]>,
    ) {
        let (inputs, outputs) = (layer.inputs, layer.outputs);
        if let Some(to) = weight {
            let a = Matrix::rows(gradient, outputs).transposed();
            let shape = [outputs, gradient.len() / outputs, inputs];
            let to = MatrixMut { numbers: to, row: inputs };
            self.product(shape, a, Matrix::rows(input, inputs), to, Start::Zero, Finish::Keep);
        }
        if let Some(to) = bias {
            column_sums(self.options.instructions, gradient, to);
        }
    }

    /// The gradients of the heads, by outputs' gradients `by_output [C, N]`; into the flat buffer.
    pub fn heads_back<T: Number>(&self, by_output: &[T], x: &[T], room: &mut Workspace<T>, flat: &mut [T]) {
        let shape = [self.outputs, room.rows, self.width];
        let mut gradients = std::mem::take(&mut room.head_gradients);
        let z = Matrix::rows(self.input(self.trunk.len(), x, room), self.width);
        let to = MatrixMut { numbers: &mut gradients, row: self.width };
        self.product(shape, Matrix::rows(by_output, room.rows), z, to, Start::Zero, Finish::Keep);
        for (task, head) in self.heads.iter().enumerate() {
            let outputs = self.outputs_of(task);
            if head.weight.learned {
                let from = &gradients[outputs.start * self.width..outputs.end * self.width];
                flat[head.weight.flat.clone()].copy_from_slice(from);
            }
            if head.bias.learned {
                let from = &by_output[outputs.start * room.rows..outputs.end * room.rows];
                row_sums(self.options.instructions, from, room.rows, &mut flat[head.bias.flat.clone()]);
            }
        }
        room.head_gradients = gradients;
    }

    /// The gradients of the trunk into the flat buffer: from `room.back` of the last layer, the gradient by its linear part,
    /// downwards.
    pub fn trunk_back<T: Number>(&self, weights: &[T], x: &[T], room: &mut Workspace<T>, flat: &mut [T]) {
        let Some(lowest) = self.lowest() else { return };
        for at in (lowest..self.trunk.len()).rev() {
            let layer = &self.trunk[at];
            let gradient = std::mem::take(&mut room.back[at]);
            let (weight, bias) = two(flat, &layer.weight.flat, &layer.bias.flat);
            let weight = layer.weight.learned.then_some(weight);
            let bias = layer.bias.learned.then_some(bias);
            self.of_layer(layer, self.input(at, x, room), &gradient, weight, bias);
            if at > lowest {
                let mut below = std::mem::take(&mut room.back[at - 1]);
                let a = Matrix::rows(&gradient, layer.outputs);
                let b = Matrix::rows(&weights[layer.weight.flat.clone()], layer.inputs);
                self.back_to(at - 1, layer.outputs, a, b, &mut below, room);
                room.back[at - 1] = below;
            }
            room.back[at] = gradient;
        }
    }
}

/// Two places of a buffer, the first before the second.
fn two<'f, T>(flat: &'f mut [T], first: &Range<usize>, second: &Range<usize>) -> (&'f mut [T], &'f mut [T]) {
    let (low, high) = flat.split_at_mut(second.start);
    (&mut low[first.clone()], &mut high[..second.len()])
}
