//! Training: step, epoch, evaluate, stop.

mod ahead;
mod checkpoint;
mod claims;
mod gradients;
mod judge;
mod measure;
mod progress;
mod results;
mod settings;
mod step;

pub use ahead::Ahead;
pub use gradients::GradientSummary;
pub use measure::measure;
pub use progress::Progress;
pub use results::Results;
pub use settings::*;

use self::checkpoint::restore;
use self::claims::Claims;
use self::gradients::Gradients;
use crate::balance::{Balancer, MethodSettings};
use crate::data::{Dataset, Group, Loader};
use crate::engine::Engine;
use crate::interval::Interval;
use crate::kernels::Instructions;
use crate::memory::{Handle, Memory};
use crate::models::{Model, Parameters, Sharing};
use crate::optim::{Better, Clock, Flat, Observation, OptimizerKind, ScheduleKind, Scheduler, Segment};
use crate::record::{Event, Recorder, Score, SplitName};
use crate::run::Run;
use crate::tasks::Task;
use crate::tensor_file::TensorFile;
use anyhow::Result;
use std::borrow::Borrow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// What the trainer is told by the YAML, checked.
pub struct Plan {
    /// `train:`
    pub train: TrainSettings,
    /// `evaluate:`
    pub evaluate: EvaluateSettings,
    /// The selection metric as (task, metric); `None` is the mean of the tasks' losses.
    pub select: Option<(String, String)>,
    /// Which value of it is better.
    pub direction: Direction,
    /// `stop:`
    pub stop: StopSettings,
    /// `checkpoint:`
    pub checkpoint: CheckpointSettings,
    /// `record:`
    pub record: RecordSettings,
    /// The run's seed.
    pub seed: u64,
}

/// Why training ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// It came to its own end: a limit, or the reason to stop early.
    Finished(String),
    /// A signal ended the step; a checkpoint was written.
    Interrupted,
}

/// The parts of a run that compute.
pub struct Parts<'a> {
    /// In the order of the YAML.
    pub tasks: &'a [Task],
    /// What is trained.
    pub model: &'a dyn Model,
    /// What differentiates.
    pub engine: &'a dyn Engine,
    /// What balances.
    pub method: &'a MethodSettings,
    /// What scales the learning rates.
    pub schedule: ScheduleKind,
    /// The model's parameters, flat.
    pub parameters: Parameters,
    /// Which of them the tasks share.
    pub sharing: &'a Sharing,
    /// The update rule.
    pub optimizer: OptimizerKind,
    /// Which parameters it updates, at which settings.
    pub segments: Vec<Segment>,
    /// The vector instructions that it moves them with on the CPU.
    pub instructions: Instructions,
    /// What a checkpoint tells of itself, beside its place in the run.
    pub facts: serde_json::Map<String, serde_json::Value>,
}

/// Everything that one run trains with.
pub struct Trainer<'a> {
    plan: &'a Plan,
    tasks: &'a [Task],
    model: &'a dyn Model,
    engine: &'a dyn Engine,
    method: &'a MethodSettings,
    balancer: Balancer<'a>,
    schedule: Scheduler,
    /// The model's parameters.
    pub parameters: Parameters,
    sharing: &'a Sharing,
    optimizer: Flat,
    /// The method's own parameters, and what moves them.
    learned: Option<(Handle, Flat)>,
    learning_rate: f64,
    loader: Loader,
    dataset: &'a Dataset,
    /// What outlives a step.
    pub memory: Memory,
    /// The place in the run.
    pub progress: Progress,
    gradients: Gradients,
    facts: serde_json::Map<String, serde_json::Value>,
    recorded_bytes: Handle,
    recorder: Box<dyn Recorder + 'a>,
    run: &'a Run,
    clock: Stopwatch,
    best_is_new: bool,
}

/// Wall time: of the run, since the last record, since the last checkpoint.
struct Stopwatch {
    before: f64,
    start: Instant,
    recorded: (Instant, i64),
    checkpoint: Option<Instant>,
}

impl<'a> Trainer<'a> {
    /// Brings the parts together; `checkpoint` puts everything where it was. Nothing is recorded before
    /// [`record_to`](Self::record_to), and nothing is written before training.
    ///
    /// # Errors
    /// The checkpoint does not fit the parts.
    pub fn new(
        plan: &'a Plan,
        parts: Parts<'a>,
        dataset: &'a Dataset,
        loader: Loader,
        checkpoint: Option<TensorFile>,
        run: &'a Run,
    ) -> Result<Self> {
        let mut parts = parts;
        let best_is_new = checkpoint.is_some(); // the file may be newer than the checkpoint
        let mut memory = match checkpoint {
            Some(archive) => restore(archive, plan, &mut parts, run)?,
            None => Memory::default(),
        };
        let claims = Claims::new(plan, &parts, &mut memory)?;
        let Claims { balancer, learned, optimizer, schedule, progress, gradients, recorded_bytes } = claims;
        let Parts { tasks, model, engine, method, parameters, sharing, facts, .. } = parts;
        let learning_rate = parts.optimizer.learning_rate();
        if best_is_new {
            progress.check(&memory, loader.steps_per_epoch(), run)?;
        }
        let clock = Stopwatch {
            before: progress.seconds(&memory),
            start: Instant::now(),
            recorded: (Instant::now(), progress.step(&memory)),
            checkpoint: None,
        };
        Ok(Self {
            plan,
            tasks,
            model,
            engine,
            method,
            balancer,
            schedule,
            parameters,
            sharing,
            optimizer,
            learned,
            learning_rate,
            loader,
            dataset,
            memory,
            progress,
            gradients,
            facts,
            recorded_bytes,
            recorder: Box::new(Vec::<Box<dyn Recorder>>::new()),
            run,
            clock,
            best_is_new,
        })
    }

    /// From here on every event goes to `recorder`.
    pub fn record_to(&mut self, recorder: Box<dyn Recorder + 'a>) {
        self.recorder = recorder;
    }

    /// The learning rate of the next step, were the run to end after `total_steps`.
    pub fn next_learning_rate(&self, total_steps: Option<i64>) -> f64 {
        let clock = Clock { total_steps, ..self.schedule_clock() };
        self.learning_rate * self.schedule.factor(&clock, &self.memory)
    }

    /// Trains until a limit, a reason to stop early, or `interrupt` is set; ends with a checkpoint.
    ///
    /// # Errors
    /// A loss that is not finite, a record or a checkpoint that cannot be written.
    pub fn train(&mut self, interrupt: &AtomicBool) -> Result<Outcome> {
        self.train_watched(interrupt, &mut |_| Ok(()))
    }

    /// The same; `watch` looks at the trainer before every step.
    ///
    /// # Errors
    /// As [`train`](Self::train), and those of `watch`.
    pub fn train_watched(
        &mut self,
        interrupt: &AtomicBool,
        watch: &mut dyn FnMut(&mut Self) -> Result<()>,
    ) -> Result<Outcome> {
        let outcome = loop {
            if let Some(reason) = self.ended() {
                break Outcome::Finished(reason);
            }
            if interrupt.load(Ordering::Relaxed) {
                break Outcome::Interrupted;
            }
            watch(self)?;
            self.step()?;
            let epoch_ended = self.progress.step_in_epoch(&self.memory) == self.loader.steps_per_epoch();
            if epoch_ended {
                self.end_epoch()?;
            }
            if self.evaluation_is_due(epoch_ended) {
                self.validate()?;
            }
            if epoch_ended {
                let (step, epoch, seconds) = (self.progress.step(&self.memory), self.last_epoch(), self.seconds());
                self.recorder.record(&Event::EpochEnd { step, epoch, seconds })?;
            }
            if self.checkpoint_is_due(epoch_ended) {
                self.save()?;
            }
        };
        self.save()?;
        if let Outcome::Finished(_) = outcome {
            self.conclude()?;
        }
        Ok(outcome)
    }

    /// Judges the last parameters, where the limit fell between two evaluations. The checkpoint to resume from stands
    /// before it, so that a run which goes on later equals one that never stopped.
    fn conclude(&mut self) -> Result<()> {
        if self.dataset.validation.is_none() {
            self.keep_as_best();
        } else if self.progress.evaluated(&self.memory) != self.progress.step(&self.memory) {
            self.validate()?;
        }
        self.save_best()
    }

    /// Closes an epoch: the tasks' mean losses, the parameters' histograms.
    fn end_epoch(&mut self) -> Result<()> {
        let epoch = self.progress.epoch(&self.memory);
        let means = self.progress.close_epoch(&mut self.memory);
        self.balancer.end_epoch(&mut self.memory);
        let step = self.progress.step(&self.memory);
        if let Some(mean) = self.gradients.close_epoch(&mut self.memory) {
            self.recorder.record(&Event::Cosines { step, mean: &mean })?;
        }
        let scores = self.train_scores(&means);
        self.recorder.record(&Event::Scores { step, epoch, split: SplitName::Train, scores: &scores })?;
        self.recorder.record(&Event::Parameters { step, tensors: &self.parameters.named() })
    }

    /// The tasks' mean losses of an epoch, and their sum.
    fn train_scores(&self, means: &[Option<f64>]) -> Vec<Score> {
        let score = |task: &str, value| Score { task: task.to_string(), metric: "loss_mean", value };
        let tasks = self.tasks.iter().zip(means).map(|(task, mean)| score(&task.name, *mean));
        tasks.chain(std::iter::once(score("total", sum(means)))).collect()
    }

    /// Measures validation; the schedule and the selection look at it.
    fn validate(&mut self) -> Result<()> {
        let Some(split) = &self.dataset.validation else { return Ok(()) };
        let scores = self.measure(split)?;
        let (step, epoch) = (self.progress.step(&self.memory), self.last_epoch());
        self.recorder.record(&Event::Scores { step, epoch, split: SplitName::Validation, scores: &scores })?;
        let value = self.selected(&scores)?;
        let Plan { direction, stop, .. } = self.plan;
        let better = if *direction == Direction::Min { Better::Lower } else { Better::Higher };
        let clock = self.schedule_clock();
        self.schedule.observe(Observation { value, better }, &clock, &mut self.memory);
        if self.progress.judge(&mut self.memory, &self.parameters, epoch, value, *direction, stop) {
            self.best_is_new = true;
        }
        Ok(())
    }

    /// Measures a split at the parameters as they are.
    ///
    /// # Errors
    /// The model cannot take the rows.
    pub fn measure<G: Borrow<Group>>(&self, split: &[G]) -> Result<Vec<Score>> {
        let rows = self.plan.evaluate.batch_size as i64;
        measure(self.model, self.tasks, self.dataset, split, rows)
    }

    /// The reason why training ends here, if it does.
    fn ended(&mut self) -> Option<String> {
        let (step, epoch) = (self.progress.step(&self.memory), self.progress.epoch(&self.memory));
        let train = &self.plan.train;
        if train.epochs.is_some_and(|limit| epoch >= limit as i64) {
            return Some(format!("{epoch} epochs"));
        }
        if train.steps.is_some_and(|limit| step >= limit as i64) {
            return Some(format!("{step} steps"));
        }
        if let Some(Interval::Seconds(limit)) = train.time
            && self.seconds() >= limit
        {
            return Some(format!("{limit} s"));
        }
        self.progress.stop(&self.memory, &self.plan.stop, self.plan.direction)
    }

    fn evaluation_is_due(&self, epoch_ended: bool) -> bool {
        match self.plan.evaluate.every {
            Interval::Steps(n) => self.progress.step(&self.memory) % n == 0,
            Interval::Epochs(n) => epoch_ended && self.progress.epoch(&self.memory) % n == 0,
            Interval::Seconds(_) => unreachable!("refused by the experiment's checks"),
        }
    }

    fn checkpoint_is_due(&self, epoch_ended: bool) -> bool {
        let waited = |seconds, since: Option<Instant>| since.is_none_or(|at| at.elapsed().as_secs_f64() >= seconds);
        match self.plan.checkpoint.every {
            None => epoch_ended && waited(1.0, self.clock.checkpoint),
            Some(Interval::Steps(n)) => self.progress.step(&self.memory) % n == 0,
            Some(Interval::Epochs(n)) => epoch_ended && self.progress.epoch(&self.memory) % n == 0,
            Some(Interval::Seconds(seconds)) => {
                waited(seconds, Some(self.clock.checkpoint.unwrap_or(self.clock.start)))
            }
        }
    }

    /// The epoch of the update made last.
    fn last_epoch(&self) -> i64 {
        let epoch = self.progress.epoch(&self.memory);
        if self.progress.step_in_epoch(&self.memory) == 0 { (epoch - 1).max(0) } else { epoch }
    }

    fn schedule_clock(&self) -> Clock {
        let steps_per_epoch = self.loader.steps_per_epoch();
        Clock {
            step: self.progress.step(&self.memory),
            epoch: self.progress.epoch(&self.memory),
            steps_per_epoch,
            total_steps: total_steps(&self.plan.train, steps_per_epoch),
        }
    }

    /// Seconds trained, over all processes.
    pub fn seconds(&self) -> f64 {
        self.clock.before + self.clock.start.elapsed().as_secs_f64()
    }
}

/// What moves the method's own parameters: the run's optimizer at its learning rate, without weight decay.
fn learned(
    balancer: &Balancer,
    rule: &OptimizerKind,
    instructions: Instructions,
    memory: &mut Memory,
) -> Result<Option<(Handle, Flat)>> {
    let Some(handle) = balancer.learned() else { return Ok(None) };
    let values = memory.get(handle).shallow_clone();
    let segment = Segment { start: 0, length: values.size1()?, learning_rate: rule.learning_rate(), weight_decay: 0.0 };
    let optimizer = Flat::claim(rule.clone(), vec![segment], &values, "method.optimizer", memory)?;
    Ok(Some((handle, optimizer.with_instructions(instructions))))
}

/// The sum of the losses that are there; `None` where there is none.
fn sum(losses: &[Option<f64>]) -> Option<f64> {
    losses.iter().flatten().copied().reduce(|sum, loss| sum + loss)
}

/// The number of steps that the limits allow, if they fix it.
pub fn total_steps(train: &TrainSettings, steps_per_epoch: i64) -> Option<i64> {
    let by_epochs = train.epochs.map(|epochs| epochs as i64 * steps_per_epoch);
    let by_steps = train.steps.map(|steps| steps as i64);
    by_epochs.into_iter().chain(by_steps).min()
}
