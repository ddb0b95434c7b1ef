//! One update: from a batch to moved parameters.

use super::Trainer;
use super::gradients::Look;
use crate::balance::{Gradients, Update, present};
use crate::data::Batch;
use crate::engine::Request;
use crate::models::Mode;
use crate::optim::clip_norm;
use crate::record::{Event, Score, SplitName, StepRecord, UpdateRecord};
use anyhow::Result;
use std::time::Instant;
use tch::Tensor;

/// What is recorded of a step.
struct Made {
    losses: Vec<Option<f64>>,
    weights: Vec<Option<f64>>,
    gradient_norm: f64,
    update: Option<UpdateRecord>,
}

impl Trainer<'_> {
    /// One update.
    pub(super) fn step(&mut self) -> Result<()> {
        let (step, epoch) = (self.progress.step(&self.memory), self.progress.epoch(&self.memory));
        if self.is_recorded(step) {
            self.record_place(step, epoch)?;
        }
        let batches = self.loader.step(epoch, self.progress.step_in_epoch(&self.memory));
        let factor = self.schedule.factor(&self.schedule_clock(), &self.memory);
        let gradients = self.method.reads_gradients() && self.method_is_due(step, &batches);
        let (engine, parameters) = (self.engine, &self.parameters);
        let mut evaluations = batches
            .iter()
            .zip(0..)
            .map(|(portions, number)| engine.evaluate(portions, parameters, self.request(step, number, gradients)))
            .collect::<Result<Vec<_>>>()?;
        for evaluation in &evaluations {
            self.refuse_divergence(evaluation.losses(), step)?;
        }
        let last = evaluations.last().expect("a step reads a batch");
        let (losses, normalizers) = (last.losses().to_vec(), last.normalizers().to_vec());
        let weights = vec![None; losses.len()];
        let mut made = Made { losses, weights, gradient_norm: 0.0, update: None };
        // With all tasks absent there is no step: no update, and nothing moves but the place.
        let mut update = None;
        if !present(&evaluations).is_empty() {
            let it = self.balancer.update(&mut evaluations, step as u64, &mut self.memory);
            let it = it.map_err(|error| self.with_way_on(error))?;
            let passes = evaluations.iter().map(|evaluation| evaluation.backward_passes()).sum();
            self.gradients.count(&mut self.memory, &it, passes);
            if self.is_recorded(step) {
                let last = evaluations.last_mut().expect("a step reads a batch");
                let shared = |of: &Tensor| self.parameters.extract(of, &self.sharing.shared);
                let look = Look {
                    tasks: gradients || self.asks_for_gradients(step),
                    by_representation: self.request(step, 0, gradients).representation,
                    shared: &shared,
                };
                let mut record = self.gradients.look(&mut self.memory, &mut **last, &it, look);
                record.backward_passes = passes;
                made.update = Some(record);
            }
            update = Some(it);
        }
        drop(evaluations);
        if let Some(update) = update {
            made.weights.clone_from(&update.weights);
            made.gradient_norm = self.apply(update, factor, step, &batches, &made.losses)?;
        }
        if self.is_recorded(step) {
            self.record_step(step, epoch, &made, factor)?;
        }
        self.progress.advance(&mut self.memory, &made.losses, &normalizers);
        Ok(())
    }

    /// Moves the parameters, the method's own included; returns the norm of the gradient, where somebody wants it.
    fn apply(
        &mut self,
        update: Update,
        factor: f64,
        step: i64,
        batches: &[Vec<Batch>],
        before: &[Option<f64>],
    ) -> Result<f64> {
        let mut gradient = update.gradient; // [P]
        let norm = match self.plan.train.clip_norm {
            Some(limit) => clip_norm(&mut gradient, limit),
            None if self.is_recorded(step) => gradient.norm().double_value(&[]),
            None => f64::NAN,
        };
        self.optimizer.step(&mut self.parameters.flat, &gradient, factor, &mut self.memory);
        if let (Some((handle, optimizer)), Some(gradient)) = (&mut self.learned, update.learned) {
            let mut learned = self.memory.get(*handle).shallow_clone();
            optimizer.step(&mut learned, &Tensor::from_slice(&gradient), factor, &mut self.memory);
        }
        if update.computed && self.method.looks_again() {
            let portions = batches.last().expect("a step reads a batch");
            let request = self.request(step, batches.len() as u64 - 1, false);
            let after = self.engine.losses(portions, &self.parameters, request)?;
            self.refuse_divergence(&after, step)?;
            let looked = self.balancer.look_again(step as u64, before, &after, &mut self.memory);
            looked.map_err(|error| self.with_way_on(error))?;
        }
        Ok(norm)
    }

    /// What is wanted of a step's batch; `gradients`: the method is asked, and reads them.
    pub(super) fn request(&self, step: i64, batch: u64, gradients: bool) -> Request {
        Request {
            mode: Mode::Train { seed: self.plan.seed, step: step as u64, group: 0 },
            batch,
            gradients,
            representation: gradients && self.method.common.gradients == Gradients::Representation,
            accuracies: self.method.reads_accuracies(),
        }
    }

    /// Whether the method itself is asked at this step, and not only its kept weights.
    fn method_is_due(&self, step: i64, batches: &[Vec<Batch>]) -> bool {
        let has_row = |task: usize, portions: &[Batch]| {
            let targets = portions.iter().flatten().flat_map(|group| group.tasks.iter().zip(&group.targets));
            targets.filter(|(of, _)| **of == task).any(|(_, target)| self.tasks[task].loss.normalizer(target) > 0.0)
        };
        let present = (0..self.tasks.len()).filter(|&task| batches.iter().all(|portions| has_row(task, portions)));
        self.balancer.is_due(step as u64, || present.collect(), &self.memory)
    }

    /// Whether the settings ask for a look at each task's gradient; those that the method has are looked at unasked.
    fn asks_for_gradients(&self, step: i64) -> bool {
        self.plan.record.gradients.is_some_and(|every| step % every as i64 == 0)
    }

    fn is_recorded(&self, step: i64) -> bool {
        step % self.plan.record.every as i64 == 0 || self.asks_for_gradients(step)
    }

    /// Where the model is, for one that has a place: its coordinates before the update.
    fn record_place(&mut self, step: i64, epoch: i64) -> Result<()> {
        let score = |(metric, value)| Score { task: "total".into(), metric, value: Some(value) };
        let scores: Vec<Score> = self.model.coordinates().into_iter().map(score).collect();
        if scores.is_empty() {
            return Ok(());
        }
        self.recorder.record(&Event::Scores { step, epoch, split: SplitName::Train, scores: &scores })
    }

    fn record_step(&mut self, step: i64, epoch: i64, made: &Made, factor: f64) -> Result<()> {
        let (since, at) = std::mem::replace(&mut self.clock.recorded, (Instant::now(), step));
        let steps = (step - at).max(1) as f64;
        self.recorder.record(&Event::Step(&StepRecord {
            step,
            epoch,
            losses: &made.losses,
            total: super::sum(&made.losses),
            weights: &made.weights,
            learning_rate: self.learning_rate * factor,
            gradient_norm: made.gradient_norm,
            milliseconds: since.elapsed().as_secs_f64() * 1e3 / steps,
            update: made.update.clone(),
        }))
    }
}
