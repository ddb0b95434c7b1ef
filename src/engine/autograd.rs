//! Any model, differentiated by libtorch's tape.

use super::{Engine, Evaluation};
use crate::data::Batch;
use crate::libtorch;
use crate::models::{Mode, Model, Parameters};
use crate::random::generator;
use crate::tasks::Task;
use anyhow::Result;
use rand::Rng;
use tch::Tensor;

/// The engine that serves every model.
pub struct Autograd<'m> {
    model: &'m dyn Model,
    tasks: &'m [Task],
}

impl<'m> Autograd<'m> {
    /// An engine for a model and its tasks.
    pub fn new(model: &'m dyn Model, tasks: &'m [Task]) -> Self {
        Self { model, tasks }
    }

    /// Per task its loss as a scalar on the tape and its normaliser.
    fn losses(&self, batch: &Batch, mode: Mode) -> Result<(Vec<Option<Tensor>>, Vec<f64>)> {
        let mut losses: Vec<Option<Tensor>> = self.tasks.iter().map(|_| None).collect();
        let mut normalizers = vec![0.0; self.tasks.len()];
        for (group, rows) in batch.iter().enumerate() {
            // N_t is counted before the forward pass.
            for (&task, target) in rows.tasks.iter().zip(&rows.targets) {
                normalizers[task] = self.tasks[task].loss.normalizer(target);
            }
            let outputs = self.model.forward(&rows.inputs, &rows.tasks, numbered(mode, group as u64))?;
            for ((&task, target), output) in rows.tasks.iter().zip(&rows.targets).zip(outputs) {
                if normalizers[task] > 0.0 {
                    losses[task] = Some(self.tasks[task].loss.total(&output, target) / normalizers[task]);
                }
            }
        }
        Ok((losses, normalizers))
    }

    /// Per parameter the tasks whose output reaches it, found by one backward pass per task; frozen ones reach none.
    ///
    /// # Errors
    /// The model cannot take the batch.
    pub fn ownership(&self, batch: &Batch, parameters: &Parameters) -> Result<Vec<Vec<usize>>> {
        let mut owners = vec![Vec::new(); parameters.spans.len()];
        for (group, rows) in batch.iter().enumerate() {
            let outputs = self.model.forward(&rows.inputs, &rows.tasks, numbered(Mode::Evaluate, group as u64))?;
            for (&task, output) in rows.tasks.iter().zip(outputs) {
                let reached = parameters.reached(&output.sum(output.kind()));
                for (owners, _) in owners.iter_mut().zip(reached).filter(|(_, reached)| *reached) {
                    owners.push(task);
                }
            }
        }
        Ok(owners)
    }
}

/// The same mode for another group of the batch.
fn numbered(mode: Mode, group: u64) -> Mode {
    match mode {
        Mode::Evaluate => Mode::Evaluate,
        Mode::Train { seed, step, .. } => Mode::Train { seed, step, group },
    }
}

impl Engine for Autograd<'_> {
    fn evaluate<'a>(
        &'a self,
        batch: &Batch,
        parameters: &'a Parameters,
        mode: Mode,
    ) -> Result<Box<dyn Evaluation + 'a>> {
        if let (Mode::Train { seed, step, .. }, true) = (mode, self.model.draws_globally()) {
            libtorch::seed_global(generator(seed, "module", step, 0).next_u64());
        }
        let (losses, normalizers) = self.losses(batch, mode)?;
        let values = losses.iter().map(|loss| loss.as_ref().map(|loss| loss.double_value(&[]))).collect();
        Ok(Box::new(Taped { parameters, losses, values, normalizers }))
    }
}

/// Losses on the tape.
struct Taped<'a> {
    parameters: &'a Parameters,
    losses: Vec<Option<Tensor>>,
    values: Vec<Option<f64>>,
    normalizers: Vec<f64>,
}

impl Evaluation for Taped<'_> {
    fn losses(&self) -> &[Option<f64>] {
        &self.values
    }

    fn normalizers(&self) -> &[f64] {
        &self.normalizers
    }

    fn pull_back(&mut self, weights: &[Option<f64>]) -> Tensor {
        let weighted = self.losses.iter().zip(weights).filter_map(|(loss, weight)| match (loss, weight) {
            (Some(loss), Some(weight)) if *weight == 1.0 => Some(loss.shallow_clone()),
            (Some(loss), Some(weight)) => Some(loss * *weight),
            _ => None,
        });
        match weighted.reduce(|sum, loss| sum + loss) {
            Some(total) => self.parameters.gradient(&total, false),
            None => self.parameters.flat.zeros_like(),
        }
    }
}
