//! Random functions that tasks share in part.

use crate::random::generator;
use crate::tasks::{Form, Task};
use rand::Rng;
use rand_distr::{Distribution, StandardNormal};

/// Hidden units of a function.
const UNITS: usize = 4;
/// How far a unit is from linear: its input is `STEEPNESS` times a standard normal number.
const STEEPNESS: f64 = 3.0;

/// `½ · direction·x + Σ_h strength_h σ(STEEPNESS · weight_h·x)`: linear enough to learn something at once, not enough
/// for a model without a hidden layer to learn all.
struct Function {
    /// Of length 1.
    direction: Vec<f64>,
    /// Of length 1 each.
    weights: Vec<Vec<f64>>,
    /// Of length 1 together.
    strengths: Vec<f64>,
}

/// The teachers of all tasks: `shared_part · shared[k] + own_part · own[task][k]`.
pub(super) struct Teachers {
    shared: Vec<Function>,
    own: Vec<Vec<Function>>,
    /// `√|ρ|`, with the task's sign.
    shared_part: Vec<f64>,
    /// `√(1-|ρ|)`
    own_part: f64,
}

impl Teachers {
    pub fn new(features: usize, correlation: f64, tasks: &[Task], seed: u64) -> Self {
        let counts: Vec<usize> = tasks.iter().map(|task| count(task.form)).collect();
        let drawn = |family: usize, index: usize| {
            Function::draw(features, &mut generator(seed, "synthetic.teacher", family as u64, index as u64))
        };
        let mut shared: Vec<Function> =
            (0..counts.iter().copied().max().unwrap_or(0)).map(|index| drawn(0, index)).collect();
        let mut own: Vec<Vec<Function>> = counts
            .iter()
            .enumerate()
            .map(|(task, count)| (0..*count).map(|index| drawn(1 + task, index)).collect())
            .collect();
        for (index, shared) in shared.iter_mut().enumerate() {
            let own = own.iter_mut().filter_map(|functions| functions.get_mut(index));
            orthonormalize(std::iter::once(shared).chain(own).map(|function| &mut function.direction));
        }
        let sign = |task: usize| if correlation < 0.0 && task % 2 == 1 { -1.0 } else { 1.0 };
        let shared_part = (0..tasks.len()).map(|task| sign(task) * correlation.abs().sqrt()).collect();
        Self { shared, own, shared_part, own_part: (1.0 - correlation.abs()).sqrt() }
    }

    /// Per task, what its teachers say of one row.
    pub fn outputs(&self, row: &[f64]) -> Vec<Vec<f64>> {
        let shared: Vec<f64> = self.shared.iter().map(|function| function.of(row)).collect();
        let mix = |part: &f64, (function, shared): (&Function, &f64)| part * shared + self.own_part * function.of(row);
        let of_task =
            |(own, part): (&Vec<Function>, &f64)| own.iter().zip(&shared).map(|pair| mix(part, pair)).collect();
        self.own.iter().zip(&self.shared_part).map(of_task).collect()
    }

    /// The linear part of a task's first teacher, of length 1 where directions are orthogonal.
    #[cfg(test)]
    pub fn direction(&self, task: usize) -> Vec<f64> {
        let (shared, own) = (&self.shared[0].direction, &self.own[task][0].direction);
        shared.iter().zip(own).map(|(shared, own)| self.shared_part[task] * shared + self.own_part * own).collect()
    }
}

/// How many teachers the labels need.
fn count(form: Form) -> usize {
    match form {
        Form::Classes(2) => 1,
        Form::Classes(count) | Form::Binary(count) | Form::Real(count) => count as usize,
    }
}

impl Function {
    fn draw(features: usize, random: &mut impl Rng) -> Self {
        let mut unit = |length: usize| {
            let mut vector: Vec<f64> = StandardNormal.sample_iter(&mut *random).take(length).collect();
            normalize(&mut vector);
            vector
        };
        Self {
            direction: unit(features),
            weights: (0..UNITS).map(|_| unit(features)).collect(),
            strengths: unit(UNITS),
        }
    }

    fn of(&self, row: &[f64]) -> f64 {
        let unit = |(weight, strength): (&Vec<f64>, &f64)| strength * sigmoid(STEEPNESS * dot(weight, row));
        0.5 * dot(&self.direction, row) + self.weights.iter().zip(&self.strengths).map(unit).sum::<f64>()
    }
}

/// An S from -1 to 1 in place of tanh, which is not the same to the last bit on every machine.
fn sigmoid(x: f64) -> f64 {
    x / (1.0 + x * x).sqrt()
}

fn dot(left: &[f64], right: &[f64]) -> f64 {
    left.iter().zip(right).map(|(left, right)| left * right).sum()
}

fn normalize(vector: &mut [f64]) {
    let length = dot(vector, vector).sqrt();
    vector.iter_mut().for_each(|number| *number /= length);
}

/// Gram-Schmidt, as long as there is room for another direction; those beyond stay as drawn.
fn orthonormalize<'a>(vectors: impl Iterator<Item = &'a mut Vec<f64>>) {
    let mut done: Vec<&mut Vec<f64>> = Vec::new();
    for vector in vectors {
        if done.len() < vector.len() {
            for other in &done {
                let along = dot(vector, other);
                vector.iter_mut().zip(other.iter()).for_each(|(number, other)| *number -= along * other);
            }
            normalize(vector);
        }
        done.push(vector);
    }
}
