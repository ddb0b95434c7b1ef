//! Room for a batch on its way forward and back, kept from step to step.

use super::Number;
use super::activations::slope_from_result;
use super::losses::Logits;
use super::network::Network;
use crate::data::{Batch, Slice};
use crate::libtorch::{is_alone, numbers};
use tch::{Device, Tensor};

/// Numbers of a batch of N rows.
#[derive(Default)]
pub struct Workspace<T> {
    pub rows: usize,
    /// Inputs of several portions, gathered; empty while they are away.
    pub inputs: Vec<T>,
    /// Per layer of the trunk what comes out `[N, outputs]`.
    pub results: Vec<Vec<T>>,
    /// Per layer the slope of its activation, where that does not follow from the result.
    pub slopes: Vec<Vec<T>>,
    /// Per layer the gradient by its linear part.
    pub back: Vec<Vec<T>>,
    /// A weight, turned.
    pub turned: Vec<T>,
    /// Weights `[C, width]` and biases `[C]` of the heads, and the former's gradient.
    pub head_weights: Vec<T>,
    pub head_biases: Vec<T>,
    pub head_gradients: Vec<T>,
    /// Outputs `[N, C]`.
    pub by_row: Vec<T>,
    /// Outputs `[C, N]`; then each task's loss's gradient by them.
    pub outputs: Vec<T>,
    /// The latter with weights.
    pub scaled: Vec<T>,
    /// Per task, over all portions: `Σ w l`, `Σ w`, their ratio.
    pub totals: Vec<f64>,
    pub normalizers: Vec<f64>,
    pub losses: Vec<Option<f64>>,
    /// The present tasks, ascending.
    pub present: Vec<usize>,
    /// Room for the tasks' gradients one by one.
    pub scratch: Scratch<T>,
    /// A flat gradient that was given away before.
    spare: Option<Tensor>,
}

/// Room for the tasks' gradients one by one.
#[derive(Default)]
pub struct Scratch<T> {
    /// By a layer's linear part, of the present tasks `[K, N, outputs]`; and by that of the layer below.
    pub now: Vec<T>,
    pub below: Vec<T>,
    /// By a layer's parameters `[K, P]`, or the former times `inner`.
    pub rows: Vec<T>,
    /// Products between the rows of a batch `[N, N]`.
    pub inner: Vec<T>,
    /// Two sides of products, in double precision.
    pub wide: [Vec<f64>; 2],
}

/// A batch's inputs `[N, inputs]`: those of one portion lie where they are.
pub enum Inputs<'a, T> {
    Given(&'a [T]),
    Gathered(Vec<T>),
}

impl<T> Inputs<'_, T> {
    pub fn numbers(&self) -> &[T] {
        match self {
            Self::Given(numbers) => numbers,
            Self::Gathered(numbers) => numbers,
        }
    }
}

impl<T: Number> Workspace<T> {
    pub fn new(network: &Network) -> Self {
        let heads = network.outputs * network.width;
        let layers = || network.trunk.iter().map(|_| vec![]).collect();
        Self {
            results: layers(),
            slopes: layers(),
            back: layers(),
            head_weights: vec![T::default(); heads],
            head_biases: vec![T::default(); network.outputs],
            head_gradients: vec![T::default(); heads],
            totals: vec![0.0; network.heads.len()],
            normalizers: vec![0.0; network.heads.len()],
            losses: vec![None; network.heads.len()],
            ..Self::default()
        }
    }

    /// Makes room for the rows of all portions; gives their inputs.
    pub fn begin<'a>(&mut self, network: &Network, portions: &'a [Batch], rows: usize) -> Inputs<'a, T> {
        self.rows = rows;
        for (at, layer) in network.trunk.iter().enumerate() {
            let size = rows * layer.outputs;
            self.results[at].resize(size, T::default());
            self.back[at].resize(size, T::default());
            let slopes = if slope_from_result(layer.activation) { 0 } else { size };
            self.slopes[at].resize(slopes, T::default());
        }
        for all in [&mut self.by_row, &mut self.outputs, &mut self.scaled] {
            all.resize(rows * network.outputs, T::default());
        }
        self.totals.fill(0.0);
        let width = network.trunk.first().map_or(network.width, |layer| layer.inputs);
        let mut slices = portions.iter().flatten();
        let of = |slice: &'a Slice| {
            let all = numbers::<T>(&slice.whole().inputs[0].1);
            &all[slice.start() as usize * width..][..slice.rows() as usize * width]
        };
        if let (Some(only), None) = (slices.next(), slices.next()) {
            return Inputs::Given(of(only));
        }
        let mut gathered = std::mem::take(&mut self.inputs);
        gathered.clear();
        portions.iter().flatten().for_each(|slice| gathered.extend_from_slice(of(slice)));
        Inputs::Gathered(gathered)
    }

    /// A task's outputs from row `at` on.
    pub fn logits_of(&mut self, network: &Network, task: usize, at: usize) -> Logits<'_, T> {
        let range = network.outputs_of(task);
        let numbers = &mut self.outputs[range.start * self.rows + at..range.end * self.rows];
        Logits { numbers, stride: self.rows, share: T::of(self.normalizers[task].recip()) }
    }

    /// Closes the losses, when all rows are counted. The outputs of absent tasks have no gradient.
    pub fn close(&mut self, network: &Network) {
        self.present.clear();
        for task in 0..self.losses.len() {
            let there = self.normalizers[task] > 0.0;
            self.losses[task] = there.then(|| self.totals[task] / self.normalizers[task]);
            if there {
                self.present.push(task);
            } else {
                let range = network.outputs_of(task);
                self.outputs[range.start * self.rows..range.end * self.rows].fill(T::default());
            }
        }
    }

    /// The gradients by the outputs, each present task's times its weight, in `scaled`.
    pub fn scale(&mut self, network: &Network, weights: &[f64]) {
        self.scaled.fill(T::default());
        for (&task, &weight) in self.present.iter().zip(weights) {
            let range = network.outputs_of(task);
            let range = range.start * self.rows..range.end * self.rows;
            let (from, to) = (&self.outputs[range.clone()], &mut self.scaled[range]);
            let narrow = T::of(weight);
            if narrow.wide().is_finite() {
                to.iter_mut().zip(from).for_each(|(to, from)| *to = *from * narrow);
            } else {
                // A weight beyond the precision, as that of a vanishing gradient may be.
                to.iter_mut().zip(from).for_each(|(to, from)| *to = T::of(from.wide() * weight));
            }
        }
    }

    /// A flat gradient of `length` numbers that nobody else holds; what is in it is worth nothing.
    pub fn gradient(&mut self, length: usize) -> Tensor {
        match self.spare.take().filter(is_alone) {
            Some(spare) => spare,
            None => Tensor::zeros([length as i64], (T::KIND, Device::Cpu)),
        }
    }

    /// Keeps a flat gradient for the next step, if its holder has let go of it by then.
    pub fn keep(&mut self, gradient: &Tensor) {
        self.spare = Some(gradient.shallow_clone());
    }
}
