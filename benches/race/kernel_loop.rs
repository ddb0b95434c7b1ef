//! The document's step as calls of the kernels, one after another: nothing is looked up, checked, counted or recorded.

use super::Contender;
use super::problem::{Problem, ROWS};
use polytask::kernels::{
    Finish, Instructions, Lanes, Map, Matrix, MatrixMut, Real, Start, column_sums, exp, ln, product, row_sums,
    transpose, zip_map,
};
use polytask::libtorch::numbers;
use polytask::random::generator;
use rand::RngExt;
use rand::seq::SliceRandom;

const IN: usize = 10;
const WIDE: usize = 20;
const OUT: usize = 4;

/// Parameters one behind another: weights `[outputs, inputs]`, each followed by its bias; both heads are one layer.
const PLACES: [(usize, usize); 3] = [(IN, WIDE), (WIDE, WIDE), (WIDE, OUT)];

pub struct KernelLoop {
    instructions: Instructions,
    batch: usize,
    x: Vec<f32>,
    labels: [Vec<f32>; 2],
    order: Vec<usize>,
    ordered: (Vec<f32>, [Vec<f32>; 2]),
    parameters: Vec<f32>,
    gradient: Vec<f32>,
    moments: [Vec<f32>; 2],
    results: [Vec<f32>; 2],
    back: [Vec<f32>; 2],
    by_row: Vec<f32>,
    outputs: Vec<f32>,
    losses: Vec<f32>,
    turned: Vec<f32>,
    step: i32,
}

fn place(layer: usize) -> (usize, usize, usize) {
    let before: usize = PLACES[..layer].iter().map(|(inputs, outputs)| (inputs + 1) * outputs).sum();
    let (inputs, outputs) = PLACES[layer];
    (before, before + inputs * outputs, before + (inputs + 1) * outputs)
}

impl KernelLoop {
    pub fn new(problem: &Problem) -> Self {
        let rows = problem.rows();
        let batch = problem.batch as usize;
        let mut random = generator(0, "kernels", 0, 0);
        let mut parameters = vec![];
        for (inputs, outputs) in PLACES {
            let bound = 1.0 / (inputs as f32).sqrt();
            parameters.extend((0..(inputs + 1) * outputs).map(|_| random.random_range(-bound..bound)));
        }
        let label = |task: usize| numbers::<i64>(&rows.targets[task].values).iter().map(|y| *y as f32).collect();
        let x = numbers::<f32>(&rows.inputs[0].1).to_vec();
        let labels: [Vec<f32>; 2] = [0, 1].map(label);
        Self {
            instructions: Instructions::best(),
            batch,
            ordered: (x.clone(), labels.clone()),
            x,
            labels,
            order: (0..ROWS as usize).collect(),
            gradient: vec![0.0; parameters.len()],
            moments: [0, 1].map(|_| vec![0.0; parameters.len()]),
            parameters,
            results: [0, 1].map(|_| vec![0.0; batch * WIDE]),
            back: [0, 1].map(|_| vec![0.0; batch * WIDE]),
            by_row: vec![0.0; batch * OUT],
            outputs: vec![0.0; batch * OUT],
            losses: vec![0.0; batch],
            turned: vec![0.0; WIDE * WIDE],
            step: 0,
        }
    }

    fn shuffle(&mut self) {
        self.order.shuffle(&mut generator(0, "order", self.step as u64, 0));
        for (to, &from) in self.order.iter().enumerate() {
            self.ordered.0[to * IN..][..IN].copy_from_slice(&self.x[from * IN..][..IN]);
            for task in 0..2 {
                self.ordered.1[task][to] = self.labels[task][from];
            }
        }
    }

    fn forward(&mut self, start: usize) {
        let rows = self.batch;
        let x = &self.ordered.0[start * IN..][..rows * IN];
        for (layer, (inputs, outputs)) in PLACES.into_iter().enumerate() {
            let (weight, bias, end) = place(layer);
            let turned = &mut self.turned[..inputs * outputs];
            transpose(outputs, inputs, &self.parameters[weight..bias], turned);
            let (first, second) = self.results.split_at_mut(1);
            let (input, to, finish): (&[f32], &mut [f32], _) = match layer {
                0 => (x, &mut first[0], Finish::Relu),
                1 => (&first[0], &mut second[0], Finish::Relu),
                _ => (&second[0], &mut self.by_row, Finish::Keep),
            };
            let to = MatrixMut { numbers: to, row: outputs };
            let (a, b, start) =
                (Matrix::rows(input, inputs), Matrix::rows(turned, outputs), Start::Row(&self.parameters[bias..end]));
            product(self.instructions, 1, [rows, inputs, outputs], a, b, to, start, finish);
        }
        transpose(rows, OUT, &self.by_row, &mut self.outputs);
    }

    fn losses(&mut self, start: usize) -> f64 {
        let rows = self.batch;
        let mut sum = 0.0;
        for (task, outputs) in self.outputs.chunks_exact_mut(2 * rows).enumerate() {
            let (first, second) = outputs.split_at_mut(rows);
            let labels = &self.ordered.1[task][start..start + rows];
            let map = TwoClasses { share: 1.0 / rows as f32 };
            zip_map(self.instructions, map, [labels], [first, second, &mut self.losses]);
            sum += self.losses.iter().sum::<f32>() / rows as f32;
        }
        f64::from(sum)
    }

    fn backward(&mut self, start: usize) {
        let (rows, instructions) = (self.batch, self.instructions);
        let x = &self.ordered.0[start * IN..][..rows * IN];
        let (low, high) = self.back.split_at_mut(1);
        let (weight, bias, end) = place(2);
        let by_output = Matrix::rows(&self.outputs, rows);
        let keep = (Start::Zero, Finish::Keep);
        let z = Matrix::rows(&self.results[1], WIDE);
        let to = MatrixMut { numbers: &mut self.gradient[weight..bias], row: WIDE };
        product(instructions, 1, [OUT, rows, WIDE], by_output, z, to, keep.0, keep.1);
        row_sums(instructions, &self.outputs, rows, &mut self.gradient[bias..end]);
        let masks = [0, 1].map(|layer: usize| Finish::WherePositive(Matrix::rows(&self.results[layer], WIDE)));
        let weights = Matrix::rows(&self.parameters[weight..bias], WIDE);
        let to = MatrixMut { numbers: &mut high[0], row: WIDE };
        product(instructions, 1, [rows, OUT, WIDE], by_output.transposed(), weights, to, Start::Zero, masks[1]);
        let (weight, bias, _) = place(1);
        let weights = Matrix::rows(&self.parameters[weight..bias], WIDE);
        let to = MatrixMut { numbers: &mut low[0], row: WIDE };
        product(instructions, 1, [rows, WIDE, WIDE], Matrix::rows(&high[0], WIDE), weights, to, Start::Zero, masks[0]);
        for (layer, input, back) in [(0, x, &low[0]), (1, &self.results[0][..], &high[0])] {
            let (weight, bias, end) = place(layer);
            let inputs = PLACES[layer].0;
            let to = MatrixMut { numbers: &mut self.gradient[weight..bias], row: inputs };
            let (a, b) = (Matrix::rows(back, WIDE).transposed(), Matrix::rows(input, inputs));
            product(instructions, 1, [WIDE, rows, inputs], a, b, to, Start::Zero, Finish::Keep);
            column_sums(instructions, back, &mut self.gradient[bias..end]);
        }
    }

    fn adam(&mut self) {
        self.step += 1;
        let corrections = [1.0 - 0.9f64.powi(self.step), 1.0 - 0.999f64.powi(self.step)];
        let map = Adam { rate: (1e-3 / corrections[0]) as f32, root: corrections[1].sqrt().recip() as f32 };
        let [first, second] = &mut self.moments;
        zip_map(self.instructions, map, [&self.gradient], [&mut self.parameters, first, second]);
    }
}

impl Contender for KernelLoop {
    fn train(&mut self, steps: usize) -> f64 {
        let per_epoch = ROWS as usize / self.batch;
        let mut last = 0.0;
        for at in 0..steps {
            if at % per_epoch == 0 {
                self.shuffle();
            }
            let start = at % per_epoch * self.batch;
            self.forward(start);
            last = self.losses(start);
            self.backward(start);
            self.adam();
        }
        last
    }
}

/// Two logits become gradients, and what they were the loss.
struct TwoClasses {
    share: f32,
}

impl Map<f32, 1, 3> for TwoClasses {
    #[inline(always)]
    fn map<S: Lanes<f32>>(&self, simd: S, [label]: [S::Vector; 1], [a, b, _]: [S::Vector; 3]) -> [S::Vector; 3] {
        let one = simd.splat(1.0);
        let below = simd.sub(b, a);
        let size = simd.abs(below);
        let decay = exp(simd, simd.sub(simd.zero(), size));
        let sum = simd.add(one, decay);
        let second = simd.div(simd.where_greater(below, simd.zero(), one, decay), sum);
        let hit = simd.mul_add(label, below, a);
        let loss = simd.sub(simd.add(simd.max(a, b), ln(simd, sum)), hit);
        let gradient = simd.mul(simd.sub(second, label), simd.splat(self.share));
        [simd.sub(simd.zero(), gradient), gradient, loss]
    }
}

struct Adam {
    rate: f32,
    root: f32,
}

impl Map<f32, 1, 3> for Adam {
    #[inline(always)]
    fn map<S: Lanes<f32>>(&self, simd: S, [g]: [S::Vector; 1], [p, m, v]: [S::Vector; 3]) -> [S::Vector; 3] {
        let of = |number: f64| simd.splat(f32::of(number));
        let m = simd.mul_add(of(0.9), m, simd.mul(of(0.1), g));
        let v = simd.mul_add(of(0.999), v, simd.mul(of(0.001), simd.mul(g, g)));
        let divisor = simd.mul_add(simd.sqrt(v), simd.splat(self.root), of(1e-8));
        let step = simd.mul(simd.splat(-self.rate), simd.div(m, divisor));
        [simd.add(p, step), m, v]
    }
}
