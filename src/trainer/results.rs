//! What a run came to: the best weights measured, test for the first and only time.

use super::{Direction, GradientSummary, Trainer};
use crate::data::Group;
use crate::record::{Event, Score, SplitName};
use anyhow::Result;

/// What a finished run came to. A split that does not exist has no scores.
#[derive(Debug)]
pub struct Results {
    /// Updates made.
    pub steps: i64,
    /// Training rows read by them, repetitions counted.
    pub rows: i64,
    /// Whole epochs.
    pub epochs: i64,
    /// Numbers that the model learns or holds.
    pub parameters: i64,
    /// Wall time of training, over all processes.
    pub seconds: f64,
    /// What the gradients were like and what they cost.
    pub gradients: GradientSummary,
    /// Which value of the selection metric is better.
    pub direction: Direction,
    /// The best value of the selection metric, if validation was measured.
    pub best_value: Option<f64>,
    /// The updates that the best weights have seen.
    pub best_step: i64,
    /// The epoch of the best weights, from 0.
    pub best_epoch: i64,
    /// Mean losses of the last whole epoch; where there are no other rows to measure, also losses and metrics at the last
    /// weights.
    pub train: Option<Vec<Score>>,
    /// Validation at the last weights.
    pub validation: Option<Vec<Score>>,
    /// Validation at the best weights.
    pub best_validation: Option<Vec<Score>>,
    /// Test at the best weights.
    pub best_test: Option<Vec<Score>>,
}

impl Trainer<'_> {
    /// Puts the best weights into the model and measures validation and, for the first and only time, test.
    ///
    /// # Errors
    /// The records cannot be written.
    pub fn finish(&mut self) -> Result<Results> {
        let seconds = self.seconds();
        let measure =
            |trainer: &Self, split: &Option<Vec<Group>>| split.as_ref().map(|split| trainer.measure(split)).transpose();
        let validation = measure(self, &self.dataset.validation)?;
        let unseen = self.dataset.validation.is_none() && self.dataset.test.is_none();
        let end = if unseen { self.measure(self.loader.groups())? } else { vec![] };
        // A run that ends within its first epoch has no means.
        let means = self.progress.means(&self.memory).map(|means| self.train_scores(&means)).unwrap_or_default();
        let train = [means, end].concat();
        self.progress.recall(&self.memory, &mut self.parameters);
        let best_validation = measure(self, &self.dataset.validation)?;
        let best_test = measure(self, &self.dataset.test)?;
        let (step, epoch) = (self.progress.best_step(&self.memory), self.progress.best_epoch(&self.memory));
        if let Some(scores) = &best_test {
            self.recorder.record(&Event::Scores { step, epoch, split: SplitName::Test, scores })?;
        }
        let steps = self.progress.step(&self.memory);
        Ok(Results {
            steps,
            rows: self.loader.rows_read(self.progress.epoch(&self.memory), self.progress.step_in_epoch(&self.memory)),
            epochs: self.progress.epoch(&self.memory),
            parameters: self.parameters.flat.numel() as i64,
            seconds,
            gradients: self.gradients.summary(&self.memory),
            direction: self.plan.direction,
            best_value: self.progress.best(&self.memory),
            best_step: step,
            best_epoch: epoch,
            train: (!train.is_empty()).then_some(train),
            validation,
            best_validation,
            best_test,
        })
    }

    /// Tells the recorders that the run ends here, and makes the records safe.
    ///
    /// # Errors
    /// The records cannot be written.
    pub fn end(&mut self, finished: bool) -> Result<()> {
        self.recorder.record(&Event::End { finished })?;
        self.recorder.flush()
    }
}
