//! Linear layers, activations and linear heads by hand: no tape, and nothing allocated in the loop.
//!
//! Parameters, labels and gradients are read and written where libtorch keeps them, so nobody else knows this engine.
//! Logits and their gradients lie with the rows of a task's outputs side by side `[C, N]`: a vector holds one output of
//! several rows, whatever the number of classes.

mod activations;
mod evaluation;
mod gradients;
mod labels;
mod losses;
mod network;
mod passes;
#[cfg(test)]
mod tests;
mod workspace;

use self::evaluation::Handmade;
use self::labels::Shelf;
use self::losses::HeadLoss;
use self::network::Network;
use self::workspace::{Inputs, Workspace};
use super::{Engine, EngineChoice, Request};
use crate::data::{Batch, Group};
use crate::kernels::{Instructions, Real};
use crate::libtorch::{Element, numbers};
use crate::methods::Evaluation;
use crate::models::{Model, Parameters, Sharing};
use crate::tasks::Task;
use anyhow::Result;
use std::cell::RefCell;
use tch::{Device, Kind};

/// A precision that the engine computes in.
trait Number: Real + Element {}
impl Number for f32 {}
impl Number for f64 {}

/// The engine for a model of linear layers and activations with linear heads, on the CPU.
struct Dense<'m, T> {
    tasks: &'m [Task],
    losses: Vec<HeadLoss<T>>,
    network: Network,
    labels: Shelf<T>,
    /// Room for evaluations, one for each that is alive at once.
    rooms: RefCell<Vec<Workspace<T>>>,
}

/// What the computation by hand needs to know, beside the model.
#[derive(Debug, Clone, Copy)]
pub struct DenseOptions {
    /// The vector instructions.
    pub instructions: Instructions,
    /// Threads that share a large product.
    pub threads: usize,
}

/// An engine that computes `model` by hand, for batches of rows such as those of `groups`.
///
/// # Errors
/// Why it cannot, as a sentence.
pub fn dense<'m, G: AsRef<Group>>(
    model: &dyn Model,
    tasks: &'m [Task],
    parameters: &Parameters,
    sharing: &Sharing,
    groups: &[G],
    options: DenseOptions,
) -> Result<Box<dyn Engine + 'm>, String> {
    if parameters.flat.device() != Device::Cpu {
        return Err("it computes on the CPU".into());
    }
    let [group] = groups else { return Err("the tasks have inputs of their own".into()) };
    let group = group.as_ref();
    if group.inputs.len() != 1 || group.inputs[0].1.dim() != 2 {
        return Err("it reads one matrix of inputs".into());
    }
    if group.tasks.len() != tasks.len() {
        return Err("not every task reads the rows".into());
    }
    let perceptron = model.perceptron().map_err(|why| format!("the model {why}"))?;
    let network = Network::new(&perceptron, parameters, sharing, options)?;
    match parameters.flat.kind() {
        Kind::Float => Ok(Box::new(Dense::<f32>::new(tasks, network)?)),
        Kind::Double => Ok(Box::new(Dense::<f64>::new(tasks, network)?)),
        other => Err(format!("it computes in float32 or float64, not {other:?}")),
    }
}

impl<'m, T: Number> Dense<'m, T> {
    fn new(tasks: &'m [Task], network: Network) -> Result<Self, String> {
        let losses = tasks.iter().map(|task| HeadLoss::new(&task.loss)).collect::<Result<Vec<_>, _>>()?;
        Ok(Self { tasks, losses, network, labels: Shelf::default(), rooms: RefCell::default() })
    }

    /// Runs all portions forward, as one batch: losses, and the gradient of each by its own outputs.
    fn forward<'a>(&self, portions: &'a [Batch], parameters: &Parameters, room: &mut Workspace<T>) -> Inputs<'a, T> {
        let rows: usize = portions.iter().flatten().map(|slice| slice.rows() as usize).sum();
        let inputs = room.begin(&self.network, portions, rows);
        self.network.forward(numbers(&parameters.flat), inputs.numbers(), room);
        self.count(portions, room);
        let mut at = 0;
        for slice in portions.iter().flatten() {
            let labels = self.labels.of(slice.whole(), self.tasks);
            let range = (slice.start() as usize, slice.rows() as usize);
            for (task, loss) in self.losses.iter().enumerate() {
                if room.normalizers[task] > 0.0 {
                    let logits = room.logits_of(&self.network, task, at);
                    let total = loss.total(self.network.options.instructions, logits, labels.task(task, range));
                    room.totals[task] += total;
                }
            }
            at += range.1;
        }
        room.close(&self.network);
        inputs
    }

    /// Counts `N_t` over all portions, before any loss.
    fn count(&self, portions: &[Batch], room: &mut Workspace<T>) {
        room.normalizers.fill(0.0);
        for slice in portions.iter().flatten() {
            let labels = self.labels.of(slice.whole(), self.tasks);
            let range = (slice.start() as usize, slice.rows() as usize);
            for (task, loss) in self.losses.iter().enumerate() {
                room.normalizers[task] += loss.normalizer(labels.task(task, range));
            }
        }
    }

    fn room(&self) -> Workspace<T> {
        self.rooms.borrow_mut().pop().unwrap_or_else(|| Workspace::new(&self.network))
    }
}

impl<T: Number> Engine for Dense<'_, T> {
    fn choice(&self) -> EngineChoice {
        EngineChoice::Dense
    }

    fn evaluate<'a>(
        &'a self,
        portions: &'a [Batch],
        parameters: &'a Parameters,
        request: Request,
    ) -> Result<Box<dyn Evaluation + 'a>> {
        let mut room = self.room();
        let inputs = self.forward(portions, parameters, &mut room);
        let accuracies = if request.accuracies { self.accuracies(portions, &room) } else { vec![] };
        Ok(Box::new(Handmade::new(self, parameters, request, inputs, room, accuracies)))
    }

    fn losses(&self, portions: &[Batch], parameters: &Parameters, _request: Request) -> Result<Vec<Option<f64>>> {
        let mut room = self.room();
        self.forward(portions, parameters, &mut room);
        let losses = room.losses.clone();
        self.rooms.borrow_mut().push(room);
        Ok(losses)
    }
}
