//! Gradients task by task: the Jacobian, and Gramians that need none.

use super::Number;
use super::network::{Linear, Network, Place};
use super::workspace::{Scratch, Workspace};
use crate::kernels::{Finish, Matrix, MatrixMut, Start, gramian};
use crate::methods;

/// The tasks' gradients by a layer's linear part, one layer after another from the last down.
pub struct Stack<'w, T> {
    network: &'w Network,
    weights: &'w [T],
    x: &'w [T],
    room: &'w Workspace<T>,
    /// Of the present tasks `[K, N, outputs]`.
    now: Vec<T>,
    scratch: Scratch<T>,
}

impl<'w, T: Number> Stack<'w, T> {
    pub fn new(
        network: &'w Network,
        weights: &'w [T],
        x: &'w [T],
        room: &'w Workspace<T>,
        mut scratch: Scratch<T>,
    ) -> Self {
        Self { network, weights, x, room, now: std::mem::take(&mut scratch.now), scratch }
    }

    /// Gives back what is to be kept.
    pub fn end(self) -> Scratch<T> {
        Scratch { now: self.now, ..self.scratch }
    }

    /// Visits every layer that learns, with what it reads and each task's gradient.
    fn each(&mut self, mut visit: impl FnMut(&mut Self, &Linear, &[T])) {
        let Some(lowest) = self.network.lowest() else { return };
        let last = self.network.trunk.len() - 1;
        for at in (lowest..=last).rev() {
            if at == last {
                self.begin()
            } else {
                self.descend(at)
            }
            let layer = &self.network.trunk[at];
            if layer.weight.learned || layer.bias.learned {
                visit(self, layer, self.network.input(at, self.x, self.room));
            }
        }
    }

    /// The last layer's: through each task's head.
    fn begin(&mut self) {
        let (network, room) = (self.network, self.room);
        let last = network.trunk.len() - 1;
        let size = room.rows * network.width;
        self.now.resize(room.present.len() * size, T::default());
        for (&task, to) in room.present.iter().zip(self.now.chunks_exact_mut(size.max(1))) {
            let (a, b) = through_head(network, room, task);
            network.back_to(last, network.heads[task].outputs, a, b, to, room);
        }
    }

    /// From the layer above to layer `at`.
    fn descend(&mut self, at: usize) {
        let (network, room) = (self.network, self.room);
        let above = &network.trunk[at + 1];
        let (size, below) = (room.rows * above.outputs, room.rows * above.inputs);
        let stack = &mut self.scratch.below;
        stack.resize(room.present.len() * below, T::default());
        let weight = Matrix::rows(&self.weights[above.weight.flat.clone()], above.inputs);
        for (from, to) in self.now.chunks_exact(size.max(1)).zip(stack.chunks_exact_mut(below.max(1))) {
            network.back_to(at, above.outputs, Matrix::rows(from, above.outputs), weight, to, room);
        }
        std::mem::swap(&mut self.now, &mut self.scratch.below);
    }

    /// The rows of the Jacobian `[K, P]`.
    pub fn jacobian(&mut self, to: &mut [T]) {
        let network = self.network;
        self.each(|stack, layer, input| {
            let size = stack.room.rows * layer.outputs;
            for (gradient, row) in stack.now.chunks_exact(size).zip(to.chunks_exact_mut(network.columns)) {
                for place in [&layer.weight, &layer.bias] {
                    let Some(column) = place.column else { continue };
                    let piece = &mut row[column..column + place.flat.len()];
                    let is_weight = std::ptr::eq(place, &layer.weight);
                    let (weight, bias) = if is_weight { (Some(piece), None) } else { (None, Some(piece)) };
                    network.of_layer(layer, input, gradient, weight, bias);
                }
            }
        });
    }

    /// `J Jᵀ [K, K]`, layer by layer.
    pub fn gramian(&mut self) -> methods::Matrix {
        let count = self.room.present.len();
        let mut sum = vec![0.0; count * count];
        self.each(|stack, layer, input| {
            if stack.by_inner_products(layer) {
                stack.add_inner(layer, input, &mut sum);
            } else {
                stack.add_rows(layer, input, &mut sum);
            }
        });
        methods::Matrix::from_row_slice(count, count, &sum)
    }

    /// Whether products between rows of the batch cost less than each task's gradient by the weight does: about N against
    /// the layer's inputs, per row and output.
    fn by_inner_products(&self, layer: &Linear) -> bool {
        2 * self.room.rows <= layer.inputs
    }

    /// By the gradients themselves.
    fn add_rows(&mut self, layer: &Linear, input: &[T], sum: &mut [f64]) {
        let count = self.room.present.len();
        let wanted = |place: &Place| if place.learned { place.flat.len() } else { 0 };
        let (weight, bias) = (wanted(&layer.weight), wanted(&layer.bias));
        let width = weight + bias;
        let Scratch { rows, wide, .. } = &mut self.scratch;
        rows.resize(count * width, T::default());
        let size = self.room.rows * layer.outputs;
        for (gradient, row) in self.now.chunks_exact(size).zip(rows.chunks_exact_mut(width)) {
            let (of_weight, of_bias) = row.split_at_mut(weight);
            let of_weight = layer.weight.learned.then_some(of_weight);
            self.network.of_layer(layer, input, gradient, of_weight, layer.bias.learned.then_some(of_bias));
        }
        gramian(self.network.options.instructions, rows, rows, width, sum, wide);
    }

    /// `⟨g_s, g_t⟩ = Σ (A Aᵀ + 1) ∘ (Δ_s Δ_tᵀ) = ⟨Δ_s, (A Aᵀ + 1) Δ_t⟩`, with what the layer reads `A [N, inputs]` and the
    /// gradients by its linear part `Δ [N, outputs]`; the 1 is the bias's.
    fn add_inner(&mut self, layer: &Linear, input: &[T], sum: &mut [f64]) {
        let (network, n) = (self.network, self.room.rows);
        let Scratch { rows: turned, inner, wide, .. } = &mut self.scratch;
        inner.clear();
        inner.resize(n * n, T::default());
        if layer.weight.learned {
            let a = Matrix::rows(input, layer.inputs);
            let to = MatrixMut { numbers: inner, row: n };
            network.product([n, layer.inputs, n], a, a.transposed(), to, Start::Zero, Finish::Keep);
        }
        if layer.bias.learned {
            inner.iter_mut().for_each(|entry| *entry += T::of(1.0));
        }
        turned.resize(self.now.len(), T::default());
        let size = n * layer.outputs;
        for (from, to) in self.now.chunks_exact(size).zip(turned.chunks_exact_mut(size)) {
            let to = MatrixMut { numbers: to, row: layer.outputs };
            let (a, b) = (Matrix::rows(inner, n), Matrix::rows(from, layer.outputs));
            network.product([n, n, layer.outputs], a, b, to, Start::Zero, Finish::Keep);
        }
        gramian(network.options.instructions, &self.now, turned, size, sum, wide);
    }
}

/// The factors of a task's gradient by what the heads read `[N, width]`.
fn through_head<'w, T: Number>(
    network: &'w Network,
    room: &'w Workspace<T>,
    task: usize,
) -> (Matrix<'w, T>, Matrix<'w, T>) {
    let outputs = network.outputs_of(task);
    let by_output = &room.outputs[outputs.start * room.rows..outputs.end * room.rows];
    let weights = &room.head_weights[outputs.start * network.width..outputs.end * network.width];
    (Matrix::rows(by_output, room.rows).transposed(), Matrix::rows(weights, network.width))
}

/// The tasks' gradients by what the heads read, `[K, N width]`.
pub fn by_representation<T: Number>(network: &Network, room: &Workspace<T>, to: &mut [T]) {
    let size = room.rows * network.width;
    for (&task, to) in room.present.iter().zip(to.chunks_exact_mut(size)) {
        let (a, b) = through_head(network, room, task);
        let shape = [room.rows, network.heads[task].outputs, network.width];
        network.product(shape, a, b, MatrixMut { numbers: to, row: network.width }, Start::Zero, Finish::Keep);
    }
}

/// Their Gramian `[K, K]`: with the outputs' gradients `E [C, N]` and the heads' weights `W [C, width]`, the sum of a task's
/// block of `(E Eᵀ) ∘ (W Wᵀ)`.
pub fn gramian_by_representation<T: Number>(
    network: &Network,
    room: &Workspace<T>,
    scratch: &mut Scratch<T>,
) -> methods::Matrix {
    let all = network.outputs;
    let (mut by_outputs, mut by_weights) = (vec![0.0; all * all], vec![0.0; all * all]);
    let instructions = network.options.instructions;
    gramian(instructions, &room.outputs, &room.outputs, room.rows, &mut by_outputs, &mut scratch.wide);
    let weights = &room.head_weights;
    gramian(instructions, weights, weights, network.width, &mut by_weights, &mut scratch.wide);
    let count = room.present.len();
    methods::Matrix::from_fn(count, count, |i, j| {
        let (rows, columns) = (network.outputs_of(room.present[i]), network.outputs_of(room.present[j]));
        let pairs = rows.flat_map(|c| columns.clone().map(move |d| c * all + d));
        pairs.map(|at| by_outputs[at] * by_weights[at]).sum()
    })
}
