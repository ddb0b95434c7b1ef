//! Any model, differentiated by libtorch's tape.

use super::Request;
use crate::data::Batch;
use crate::libtorch;
use crate::models::{Mode, Model, Parameters, Sharing};
use crate::random::generator;
use crate::tasks::{Accumulator, MetricKind, Rows, Task};
use anyhow::Result;
use rand::Rng;
use tch::Tensor;

/// The engine that serves every model.
pub struct Autograd<'m> {
    model: &'m dyn Model,
    tasks: &'m [Task],
    pub(super) sharing: &'m Sharing,
}

/// A portion's losses on the tape.
pub(super) struct Tape {
    /// Per task `[T]` its part of the loss: the total over the portion's rows, divided by the `N_t` of the whole step.
    pub losses: Vec<Option<Tensor>>,
    /// What every head reads, `[N, …]`, where it was asked for.
    pub representation: Option<Tensor>,
}

impl<'m> Autograd<'m> {
    /// An engine for a model and its tasks.
    pub fn new(model: &'m dyn Model, tasks: &'m [Task], sharing: &'m Sharing) -> Self {
        Self { model, tasks, sharing }
    }

    /// The number of tasks.
    pub(super) fn tasks(&self) -> usize {
        self.tasks.len()
    }

    /// Per task `[T]` the normaliser over all portions, counted before any forward pass.
    pub(super) fn normalizers(&self, portions: &[Batch]) -> Vec<f64> {
        let mut normalizers = vec![0.0; self.tasks.len()];
        for group in portions.iter().flatten() {
            for (&task, target) in group.tasks.iter().zip(&group.targets) {
                normalizers[task] += self.tasks[task].loss.normalizer(target);
            }
        }
        normalizers
    }

    /// Who counts a task's hits, where accuracies are wanted and the task has them.
    pub(super) fn accuracies(&self, request: Request) -> Vec<Option<Box<dyn Accumulator>>> {
        let count =
            |task: &Task| MetricKind::Accuracy.fits(task.form).then(|| MetricKind::Accuracy.accumulator(task.form));
        self.tasks.iter().map(|task| if request.accuracies { count(task) } else { None }).collect()
    }

    /// One portion, forward.
    pub(super) fn forward(
        &self,
        portions: &[Batch],
        at: usize,
        normalizers: &[f64],
        request: Request,
        accuracies: &mut [Option<Box<dyn Accumulator>>],
    ) -> Result<Tape> {
        let portion = &portions[at];
        let number = request.batch * portions.len() as u64 + at as u64;
        if let (Mode::Train { seed, step, .. }, true) = (request.mode, self.model.draws_globally()) {
            libtorch::seed_global(generator(seed, "module", step, number).next_u64());
        }
        let mut tape = Tape { losses: self.tasks.iter().map(|_| None).collect(), representation: None };
        for (group, rows) in portion.iter().enumerate() {
            // Not times the portion's own number of groups: a portion may lack some, and no two of a step draw alike.
            let mode = numbered(request.mode, number * self.tasks.len() as u64 + group as u64);
            let outputs = match self.model.shared_representation().filter(|_| request.representation) {
                Some(model) => {
                    let z = model.encode(&rows.inputs, mode)?;
                    let outputs = model.decode(&z, &rows.tasks, mode);
                    tape.representation = Some(z);
                    outputs
                }
                None => self.model.forward(&rows.inputs, &rows.tasks, mode)?,
            };
            for ((&task, target), output) in rows.tasks.iter().zip(&rows.targets).zip(outputs) {
                if normalizers[task] > 0.0 {
                    tape.losses[task] = Some(self.tasks[task].loss.total(&output, target) / normalizers[task]);
                    if let Some(accuracy) = &mut accuracies[task] {
                        accuracy.add(&Rows::read(&output.detach(), target));
                    }
                }
            }
        }
        Ok(tape)
    }
}

/// Per parameter the tasks whose output reaches it, found by one backward pass per task; frozen ones reach none.
///
/// # Errors
/// The model cannot take the batch.
pub fn ownership(model: &dyn Model, batch: &Batch, parameters: &Parameters) -> Result<Vec<Vec<usize>>> {
    let mut owners = vec![Vec::new(); parameters.spans.len()];
    for rows in batch {
        let outputs = model.forward(&rows.inputs, &rows.tasks, Mode::Evaluate)?;
        for (&task, output) in rows.tasks.iter().zip(outputs) {
            let reached = parameters.reached(&output.sum(output.kind()));
            for (owners, _) in owners.iter_mut().zip(reached).filter(|(_, reached)| *reached) {
                owners.push(task);
            }
        }
    }
    Ok(owners)
}

/// The same mode for another group of the step.
fn numbered(mode: Mode, group: u64) -> Mode {
    match mode {
        Mode::Evaluate => Mode::Evaluate,
        Mode::Train { seed, step, .. } => Mode::Train { seed, step, group },
    }
}

/// Adds a portion's losses to their sums.
pub(super) fn add_losses(sums: &mut [Option<f64>], tape: &Tape) {
    for (sum, loss) in sums.iter_mut().zip(&tape.losses) {
        if let Some(loss) = loss {
            *sum = Some(sum.unwrap_or(0.0) + loss.double_value(&[]));
        }
    }
}
