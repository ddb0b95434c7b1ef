//! From a batch's losses and gradients to one flat gradient, by any method.

use super::settings::{MethodSettings, Scale};
use crate::memory::{Handle, Memory};
use crate::methods::rows::matrix;
use crate::methods::{Evaluation, Heads, Initial, Matrix, Reads, Shared, Size, State, Step, refuse_lost_gradients};
use anyhow::Result;
use std::time::Instant;
use tch::{Kind, Tensor};

/// The way on where numbers are no longer finite.
const DIVERGED: &str = "lower optimizer.learning_rate, or set train.clip_norm";

/// A method with what it remembers.
pub struct Balancer<'a> {
    settings: &'a MethodSettings,
    tasks: Vec<String>,
    seed: u64,
    columns: Vec<(String, i64)>,
    slots: Vec<Handle>,
    /// The method's own parameters, which the run's optimizer trains.
    learned: Option<Handle>,
    /// Per task the weight computed last; NaN where the task was absent then, and before the first.
    kept: Option<Handle>,
    kind: Kind,
}

/// What a method made of a step.
#[derive(Debug)]
pub struct Update {
    /// The gradient of all parameters, flat.
    pub gradient: Tensor,
    /// What the shared parameters follow, where it was made for its own sake; else they follow `weights`.
    pub direction: Option<Tensor>,
    /// Per task `[T]` its weight in the update; `None` where it is absent, or where the method forms none.
    pub weights: Vec<Option<f64>>,
    /// The gradient `[T]` of the method's learned parameters.
    pub learned: Option<Vec<f64>>,
    /// Whether the method itself was asked, and not what it said some steps ago.
    pub computed: bool,
    /// Whether it found no common descent direction: all weights, or the whole direction, are zero.
    pub stationary: bool,
    /// Seconds that the method's own mathematics took.
    pub seconds: f64,
}

/// What the method said of the present tasks.
#[derive(Default)]
struct Answer {
    weights: Option<Vec<f64>>,
    direction: Option<Tensor>,
    learned: Option<Vec<f64>>,
    computed: bool,
    seconds: f64,
}

impl<'a> Balancer<'a> {
    /// Claims the method's memory.
    ///
    /// # Errors
    /// A checkpoint holds other shapes.
    pub fn claim(
        settings: &'a MethodSettings,
        tasks: &[String],
        seed: u64,
        size: &Size,
        memory: &mut Memory,
    ) -> Result<Self> {
        let slots = settings.method.state(size);
        let handles: Vec<Handle> = slots.iter().map(|slot| slot.claim(size, memory)).collect::<Result<_>>()?;
        let learned = slots.iter().position(|slot| matches!(slot.initial, Initial::Learned(_)));
        let kept = match settings.common.every {
            1 => None,
            _ => Some(memory.reals("method.kept_weights", &vec![f64::NAN; tasks.len()])?),
        };
        let learned = learned.map(|slot| handles[slot]);
        let (tasks, columns, kind) = (tasks.to_vec(), size.columns.clone(), size.kind);
        Ok(Self { settings, tasks, seed, columns, slots: handles, learned, kept, kind })
    }

    /// The method's learned parameters `[T]`, if it has any.
    pub fn learned(&self) -> Option<Handle> {
        self.learned
    }

    /// Whether the method itself is asked at this step, and not only its kept weights: these serve until the next step that
    /// `every` names, and no other tasks than those (`present`, ascending) that they were made for.
    pub fn is_due(&self, step: u64, present: impl FnOnce() -> Vec<usize>, memory: &Memory) -> bool {
        let Some(kept) = self.kept else { return true };
        let kept = memory.real(kept);
        let of = || (0..kept.len()).filter(|&task| !kept[task].is_nan());
        step.is_multiple_of(self.settings.common.every) || !of().eq(present())
    }

    /// Makes one gradient of a step's batches: one, or three for a method that reads three; the update is on the last.
    /// At least one task must be present in all of them.
    ///
    /// # Errors
    /// What the method cannot take or solve; names method, step, tasks and values.
    pub fn update(&self, batches: &mut [Box<dyn Evaluation + '_>], step: u64, memory: &mut Memory) -> Result<Update> {
        let present = present(batches);
        let Answer { weights, direction, learned, computed, seconds } = self.ask(batches, &present, step, memory)?;
        let last = batches.last_mut().expect("a step reads a batch");
        let rows = rows(&**last);
        let of_rows = |values: &[f64]| spread(values, &present, &rows);
        let ones = of_rows(&vec![1.0; present.len()]);
        let mut weights = weights.map(|weights| of_rows(&weights));
        let mut direction = direction;
        if let Some(goal) = self.goal(&ones, present.len()) {
            let made = match (direction, &weights) {
                (Some(direction), _) => direction,
                (None, Some(weights)) => last.combine(weights),
                (None, None) => unreachable!("a method answers weights or a direction"),
            };
            let factor = ratio(&last.combine(&goal), &made);
            weights.iter_mut().flatten().for_each(|weight| *weight *= factor);
            direction = Some(made * factor);
        }
        let heads = match (self.settings.heads(), &weights) {
            (Heads::Weighted, Some(weights)) => weights.clone(),
            _ => ones,
        };
        let shared = match (&direction, &weights) {
            (Some(direction), _) => Shared::Direction(direction),
            (None, Some(weights)) => Shared::Weights(weights),
            (None, None) => unreachable!("a method answers weights or a direction"),
        };
        let gradient = last.pull_back(shared, &heads);
        let stationary = match (&weights, &direction) {
            (None, Some(direction)) => direction.count_nonzero(None::<i64>).int64_value(&[]) == 0,
            (weights, _) => weights.iter().flatten().all(|weight| *weight == 0.0),
        };
        let mut all = vec![None; self.tasks.len()];
        for (row, &task) in rows.iter().enumerate().filter(|(_, task)| present.contains(task)) {
            all[task] = weights.as_ref().map(|weights| weights[row]);
        }
        Ok(Update { gradient, direction, weights: all, learned, computed, stationary, seconds })
    }

    /// The weights, one per row, of the gradient whose norm the direction shall have.
    fn goal(&self, ones: &[f64], present: usize) -> Option<Vec<f64>> {
        match self.settings.common.scale {
            Scale::Native => None,
            Scale::Sum => Some(ones.to_vec()),
            Scale::Mean => Some(ones.iter().map(|one| one / present as f64).collect()),
        }
    }

    /// The method's answer for the present tasks.
    fn ask(
        &self,
        batches: &mut [Box<dyn Evaluation + '_>],
        present: &[usize],
        step: u64,
        memory: &mut Memory,
    ) -> Result<Answer> {
        let last = batches.last().expect("a step reads a batch");
        let losses = of(last.losses(), present);
        let accuracies = if self.settings.reads_accuracies() { of(last.accuracies(), present) } else { vec![] };
        let seen = self.step(step, present, &losses, &accuracies);
        if let Some(weights) = self.kept_weights(present, step, memory) {
            self.refuse_weights(&seen, &weights, true)?;
            return Ok(Answer { weights: Some(weights), ..Answer::default() });
        }
        let mut state = State::new(memory, &self.slots);
        let mut answer = self.consult(batches, &seen, &mut state)?;
        answer.learned = self.settings.learned_gradient(&seen, &state);
        if let Some(weights) = &answer.weights {
            self.refuse_weights(&seen, weights, !self.settings.reads_gradients())?;
            if let Some(kept) = self.kept {
                let kept = memory.real_mut(kept);
                kept.fill(f64::NAN);
                seen.put(weights, kept);
            }
        }
        Ok(answer)
    }

    /// Refuses weights that are not finite, and where they multiply the `losses` themselves, in the run's own precision,
    /// those that it cannot hold.
    fn refuse_weights(&self, seen: &Step, weights: &[f64], losses: bool) -> Result<()> {
        if weights.iter().any(|weight| !weight.is_finite()) {
            return Err(seen.failure("a weight is not finite", weights, DIVERGED));
        }
        let largest = if losses && self.kind == Kind::Float { f64::from(f32::MAX) } else { f64::MAX };
        if weights.iter().any(|weight| weight.abs() > largest) {
            return Err(seen.failure("a weight is beyond float32", weights, "write `precision: float64`"));
        }
        Ok(())
    }

    /// Gives the method what it reads, and takes the time.
    fn consult(&self, batches: &mut [Box<dyn Evaluation + '_>], seen: &Step, state: &mut State) -> Result<Answer> {
        let (start, weights, direction) = match self.settings.reads() {
            Reads::Losses(method) => {
                let start = Instant::now();
                (start, Some(method.weights(seen, state)?), None)
            }
            Reads::Gramian(method) => {
                let gramian = gramian(batches, seen.present);
                refuse_lost_gradients(seen, &gramian)?;
                let start = Instant::now();
                (start, Some(method.weights(seen, &gramian, state)?), None)
            }
            Reads::Jacobian(method) => {
                let jacobian = batches.last_mut().expect("a step reads a batch").jacobian();
                let start = Instant::now();
                let made = method.direction(seen, &jacobian, state)?;
                if made.direction.isfinite().all().int64_value(&[]) == 0 {
                    return Err(seen.failure("the direction is not finite; the losses are", seen.losses, DIVERGED));
                }
                (start, made.weights, Some(made.direction))
            }
        };
        let seconds = start.elapsed().as_secs_f64();
        Ok(Answer { weights, direction, learned: None, computed: true, seconds })
    }

    fn kept_weights(&self, present: &[usize], step: u64, memory: &Memory) -> Option<Vec<f64>> {
        let kept = memory.real(self.kept?);
        (!self.is_due(step, || present.to_vec(), memory)).then(|| present.iter().map(|&task| kept[task]).collect())
    }

    /// Tells the method the losses `[T]` of the same batch after the update, if it wants to know.
    ///
    /// # Errors
    /// A loss that it cannot take.
    pub fn look_again(
        &self,
        step: u64,
        before: &[Option<f64>],
        after: &[Option<f64>],
        memory: &mut Memory,
    ) -> Result<()> {
        let present: Vec<usize> = (0..before.len()).filter(|&t| before[t].is_some() && after[t].is_some()).collect();
        let (before, after) = (of(before, &present), of(after, &present));
        let seen = self.step(step, &present, &before, &[]);
        self.settings.look_again(&seen, &after, &mut State::new(memory, &self.slots))
    }

    /// Tells the method that an epoch is over.
    pub fn end_epoch(&self, memory: &mut Memory) {
        self.settings.end_epoch(&mut State::new(memory, &self.slots));
    }

    fn step<'s>(&'s self, step: u64, present: &'s [usize], losses: &'s [f64], accuracies: &'s [f64]) -> Step<'s> {
        Step {
            method: self.settings.name(),
            seed: self.seed,
            step,
            tasks: &self.tasks,
            present,
            losses,
            accuracies,
            columns: &self.columns,
        }
    }
}

/// The tasks that are present in every batch of the step.
pub fn present(batches: &[Box<dyn Evaluation + '_>]) -> Vec<usize> {
    let tasks = batches.first().map_or(0, |batch| batch.losses().len());
    (0..tasks).filter(|&task| batches.iter().all(|batch| batch.losses()[task].is_some())).collect()
}

/// The tasks of an evaluation's rows.
fn rows(evaluation: &dyn Evaluation) -> Vec<usize> {
    let losses = evaluation.losses().iter().enumerate();
    losses.filter(|(_, loss)| loss.is_some()).map(|(task, _)| task).collect()
}

fn of(values: &[Option<f64>], tasks: &[usize]) -> Vec<f64> {
    tasks.iter().map(|&task| values[task].unwrap_or(f64::NAN)).collect()
}

/// Values of the `present` tasks for every row; zero for the others.
fn spread(values: &[f64], present: &[usize], rows: &[usize]) -> Vec<f64> {
    let at = |task| present.iter().position(|present| present == task);
    rows.iter().map(|task| at(task).map_or(0.0, |at| values[at])).collect()
}

/// `‖goal‖ / ‖direction‖`; 1 where the direction is zero and so has no other length.
fn ratio(goal: &Tensor, direction: &Tensor) -> f64 {
    let norm = |of: &Tensor| of.to_kind(Kind::Double).norm().double_value(&[]);
    let length = norm(direction);
    if length == 0.0 { 1.0 } else { norm(goal) / length }
}

/// `J Jᵀ`, or `J1 J2ᵀ` where a step reads three batches; of the present tasks.
fn gramian(batches: &mut [Box<dyn Evaluation + '_>], present: &[usize]) -> Matrix {
    let at = |rows: &[usize]| -> Vec<usize> {
        present.iter().filter_map(|task| rows.iter().position(|row| row == task)).collect()
    };
    if let [only] = batches {
        return only.gramian(); // present in one batch is having a row in it
    }
    let (first, second) = (at(&rows(&*batches[0])), at(&rows(&*batches[1])));
    let left = batches[0].jacobian().to_kind(Kind::Double);
    let right = batches[1].jacobian().to_kind(Kind::Double);
    let product = matrix(&left.matmul(&right.transpose(0, 1)));
    Matrix::from_fn(present.len(), present.len(), |i, j| product[(first[i], second[j])])
}
