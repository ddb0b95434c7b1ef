//! What comes next, for somebody who watches.

use super::Trainer;
use crate::data::Batch;
use crate::engine::{Engine, Request};
use crate::models::Sharing;

/// The step that the trainer makes next.
pub struct Ahead {
    /// Updates made before it.
    pub step: i64,
    /// The portions of the batch that the update is made on (the last one, where the method reads several).
    pub portions: Vec<Batch>,
    /// How that batch will be run, its draws included.
    pub request: Request,
    /// The optimizer's learning rate times the schedule's factor.
    pub learning_rate: f64,
}

impl<'a> Trainer<'a> {
    /// The step that comes next. Looking changes nothing.
    pub fn ahead(&mut self) -> Ahead {
        let step = self.progress.step(&self.memory);
        let epoch = self.progress.epoch(&self.memory);
        let mut batches = self.loader.step(epoch, self.progress.step_in_epoch(&self.memory));
        let request = self.request(step, batches.len() as u64 - 1, false);
        let factor = self.schedule.factor(&self.schedule_clock(), &self.memory);
        let portions = batches.pop().expect("a step reads a batch");
        Ahead { step, portions, request, learning_rate: self.learning_rate * factor }
    }

    /// What differentiates.
    pub fn engine(&self) -> &'a dyn Engine {
        self.engine
    }

    /// Which parameters the tasks share.
    pub fn sharing(&self) -> &'a Sharing {
        self.sharing
    }
}
