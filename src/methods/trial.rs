//! For tests: a method of any kind with its memory, step after step on given losses and gradients.

use super::{Direction, Matrix, Method, Reads, Size, Slot, State, Step, refuse_lost_gradients, rows};
use crate::error::BadSetting;
use crate::memory::{Handle, Memory};
use crate::registry::unpack;
use anyhow::Result;
use tch::{Device, Kind, Tensor};

/// What a method answered.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// `[K]`, where it forms weights.
    pub weights: Option<Vec<f64>>,
    /// `[P]`
    pub direction: Vec<f64>,
}

/// A method with its memory. Losses are given for all tasks; one that has none (`None`) is absent.
pub struct Trial {
    pub method: Method,
    /// `task1`, `task2`, …
    pub tasks: Vec<String>,
    pub seed: u64,
    /// Counts the steps.
    pub step: u64,
    /// `[T]`; 0.5 each.
    pub accuracies: Vec<f64>,
    size: Size,
    slots: Vec<Slot>,
    memory: Memory,
    handles: Vec<Handle>,
}

impl Trial {
    /// A method that reads losses or Gramians, by its YAML.
    pub fn new(yaml: &str, tasks: usize) -> Self {
        Self::wide(yaml, tasks, 0)
    }

    /// A method of any kind, on `width` parameters under one name.
    pub fn wide(yaml: &str, tasks: usize, width: usize) -> Self {
        let fitting = Self::on_columns(yaml, tasks, &[("parameters", width as i64)], Kind::Double);
        fitting.unwrap_or_else(|bad| panic!("{yaml}: {bad:?}"))
    }

    /// The same on named parameters of some kind; an error where its settings do not fit so many tasks.
    pub fn on_columns(yaml: &str, tasks: usize, columns: &[(&str, i64)], kind: Kind) -> Result<Self, BadSetting> {
        let method: Method = serde_yaml::from_str(yaml).map_err(|error| unpack(&error.to_string()))?;
        let names: Vec<String> = (1..=tasks).map(|number| format!("task{number}")).collect();
        method.check(&names)?;
        let columns = columns.iter().map(|(name, length)| (name.to_string(), *length)).collect();
        let size = Size { tasks, columns, kind, device: Device::Cpu };
        let slots = method.state(&size);
        let accuracies = vec![0.5; tasks];
        let (memory, handles) = (Memory::default(), vec![]);
        let mut trial = Self { method, tasks: names, seed: 0, step: 0, accuracies, size, slots, memory, handles };
        trial.claim();
        Ok(trial)
    }

    fn claim(&mut self) {
        let claim = |slot: &Slot| slot.claim(&self.size, &mut self.memory).expect("the same shapes");
        self.handles = self.slots.iter().map(claim).collect();
    }

    /// Goes on from what a checkpoint would hold, and from nothing else.
    pub fn resume(&mut self) {
        let saved: Vec<(String, Tensor)> =
            self.memory.save().into_iter().map(|(name, tensor)| (name, tensor.copy())).collect();
        self.memory = Memory::restore(saved);
        self.claim();
    }

    /// The weights `[K]` of a method that reads losses.
    pub fn weights<L: Into<Option<f64>>>(&mut self, losses: impl IntoIterator<Item = L>) -> Result<Vec<f64>> {
        self.next(&given(losses), |method, step, state| {
            let Reads::Losses(method) = method.reads() else { panic!("{} does not read losses", step.method) };
            method.weights(step, state)
        })
    }

    /// The weights `[K]` of a method that reads the Gramian, given that of the present tasks `[K, K]`.
    pub fn weigh<L: Into<Option<f64>>>(
        &mut self,
        losses: impl IntoIterator<Item = L>,
        gramian: &Matrix,
    ) -> Result<Vec<f64>> {
        self.next(&given(losses), |method, step, state| {
            let Reads::Gramian(method) = method.reads() else { panic!("{} does not read Gramians", step.method) };
            method.weights(step, gramian, state)
        })
    }

    /// A step on the rows `[T, P]` of all tasks; those of absent tasks are not read. A method that reads three batches reads
    /// the same one thrice.
    pub fn step<L: Into<Option<f64>>>(&mut self, losses: impl IntoIterator<Item = L>, rows: &Matrix) -> Result<Answer> {
        let losses = given(losses);
        let present: Vec<usize> = (0..losses.len()).filter(|&task| losses[task].is_some()).collect();
        let values = rows.select_rows(&present).transpose(); // column after column are the rows
        let jacobian = Tensor::from_slice(values.as_slice()).to_kind(self.size.kind);
        let jacobian = jacobian.view([present.len() as i64, rows.ncols() as i64]);
        self.next(&losses, |method, step, state| answer(method, step, &jacobian, state))
    }

    /// A step in which all tasks are present and have loss 1.
    pub fn on(&mut self, rows: &Matrix) -> Result<Answer> {
        self.step(vec![1.0; rows.nrows()], rows)
    }

    /// The method learns the losses after the update of the last step.
    pub fn look_again<L: Into<Option<f64>>>(
        &mut self,
        before: impl IntoIterator<Item = L>,
        after: impl IntoIterator<Item = L>,
    ) -> Result<()> {
        let after: Vec<f64> = given(after).into_iter().flatten().collect();
        let number = self.step.saturating_sub(1);
        self.ask_at(number, &given(before), |method, step, state| method.look_again(step, &after, state))
    }

    /// An epoch is over.
    pub fn end_epoch(&mut self) {
        self.method.end_epoch(&mut State::new(&mut self.memory, &self.handles));
    }

    /// The gradient `[T]` of the learned parameters.
    pub fn learned_gradient<L: Into<Option<f64>>>(&mut self, losses: impl IntoIterator<Item = L>) -> Option<Vec<f64>> {
        self.ask(&given(losses), |method, step, state| method.learned_gradient(step, state))
    }

    /// Puts learned parameters `[T]` where the optimizer would.
    pub fn set_learned(&mut self, values: &[f64]) {
        State::new(&mut self.memory, &self.handles).tensor(0).copy_(&Tensor::from_slice(values));
    }

    /// Asks the method something about the step that comes.
    pub fn ask<T>(&mut self, losses: &[Option<f64>], question: impl FnOnce(&Method, &Step, &mut State) -> T) -> T {
        self.ask_at(self.step, losses, question)
    }

    fn next<T>(&mut self, losses: &[Option<f64>], question: impl FnOnce(&Method, &Step, &mut State) -> T) -> T {
        self.step += 1;
        self.ask_at(self.step - 1, losses, question)
    }

    fn ask_at<T>(
        &mut self,
        step: u64,
        losses: &[Option<f64>],
        question: impl FnOnce(&Method, &Step, &mut State) -> T,
    ) -> T {
        assert_eq!(losses.len(), self.tasks.len(), "one loss per task");
        let present: Vec<usize> = (0..losses.len()).filter(|&task| losses[task].is_some()).collect();
        let losses: Vec<f64> = losses.iter().flatten().copied().collect();
        let accuracies: Vec<f64> = present.iter().map(|&task| self.accuracies[task]).collect();
        let step = Step {
            method: self.method.name(),
            seed: self.seed,
            step,
            tasks: &self.tasks,
            present: &present,
            losses: &losses,
            accuracies: &accuracies,
            columns: &self.size.columns,
        };
        question(&self.method, &step, &mut State::new(&mut self.memory, &self.handles))
    }

    /// The names of what it remembers.
    pub fn slots(&self) -> Vec<&str> {
        self.slots.iter().map(|slot| slot.name.as_str()).collect()
    }

    fn slot(&self, name: &str) -> Handle {
        let at = self.slots.iter().position(|slot| slot.name == name);
        self.handles[at.unwrap_or_else(|| panic!("no slot {name} among {:?}", self.slots()))]
    }

    pub fn reals(&self, slot: &str) -> &[f64] {
        self.memory.real(self.slot(slot))
    }

    pub fn counts(&self, slot: &str) -> &[i64] {
        self.memory.count(self.slot(slot))
    }

    pub fn tensor(&self, slot: &str) -> Vec<f64> {
        rows::host(self.memory.get(self.slot(slot)))
    }
}

fn given<L: Into<Option<f64>>>(losses: impl IntoIterator<Item = L>) -> Vec<Option<f64>> {
    losses.into_iter().map(Into::into).collect()
}

fn answer(method: &Method, step: &Step, jacobian: &Tensor, state: &mut State) -> Result<Answer> {
    let combined =
        |weights: Vec<f64>| Direction { direction: rows::combine(&weights, jacobian), weights: Some(weights) };
    let made = match method.reads() {
        Reads::Losses(method) => combined(method.weights(step, state)?),
        Reads::Gramian(method) => {
            let gramian = rows::gramian(jacobian);
            refuse_lost_gradients(step, &gramian)?;
            combined(method.weights(step, &gramian, state)?)
        }
        Reads::Jacobian(method) => method.direction(step, jacobian, state)?,
    };
    assert_eq!(made.direction.kind(), jacobian.kind());
    Ok(Answer { weights: made.weights, direction: rows::host(&made.direction) })
}

/// The first answer of a method to rows `[T, P]`, all losses 1.
pub fn first(yaml: &str, rows: &Matrix) -> Answer {
    let answer = Trial::wide(yaml, rows.nrows(), rows.ncols()).on(rows);
    answer.unwrap_or_else(|error| panic!("{yaml}: {error:#}"))
}

/// The weights of the [`first`] answer.
pub fn weights(yaml: &str, rows: &Matrix) -> Vec<f64> {
    first(yaml, rows).weights.expect("weights")
}

/// A matrix from its rows.
pub fn matrix<const T: usize, const P: usize>(rows: [[f64; P]; T]) -> Matrix {
    Matrix::from_row_slice(T, P, rows.as_flattened())
}

/// The rows whose updates the papers' figures show.
pub fn two_rows() -> Matrix {
    matrix([[-4.0, 1.0, 1.0], [6.0, 1.0, 1.0]])
}

/// What is wrong with settings that do not fit so many tasks.
pub fn refused(yaml: &str, tasks: usize) -> BadSetting {
    Trial::on_columns(yaml, tasks, &[], Kind::Double).err().unwrap_or_else(|| panic!("{yaml} is taken"))
}

/// Whether numbers are equal within `tolerance` times the largest expected one.
pub fn near(found: &[f64], expected: &[f64], tolerance: f64) -> bool {
    let largest = expected.iter().fold(0.0_f64, |largest, value| largest.max(value.abs()));
    let close = found.iter().zip(expected).all(|(a, b)| (a - b).abs() <= tolerance * largest);
    found.len() == expected.len() && close
}

#[track_caller]
pub fn assert_near(found: &[f64], expected: &[f64], tolerance: f64) {
    assert!(near(found, expected, tolerance), "{found:?} instead of {expected:?}");
}

/// Central differences of `of` at `at`.
pub fn gradient(at: &[f64], of: impl Fn(&[f64]) -> f64) -> Vec<f64> {
    let moved = |task: usize, by: f64| {
        let mut point = at.to_vec();
        point[task] += by;
        of(&point)
    };
    let step = |task: usize| 1e-5 * at[task].abs();
    (0..at.len()).map(|task| (moved(task, step(task)) - moved(task, -step(task))) / (2.0 * step(task))).collect()
}

/// The weights are those by which the objective of the losses changes.
#[track_caller]
pub fn assert_weights_are_the_gradient(trial: &mut Trial, losses: &[f64], objective: impl Fn(&[f64]) -> f64) {
    assert_near(&trial.weights(losses.to_vec()).expect("weights"), &gradient(losses, objective), 1e-8);
}
