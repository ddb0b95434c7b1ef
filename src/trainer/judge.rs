//! Losses and scores looked at: is one the selection's, has one diverged?

use super::Trainer;
use crate::error::{Diverged, Mistake};
use crate::record::Score;
use crate::run;
use anyhow::{Result, anyhow};
use std::path::PathBuf;

impl Trainer<'_> {
    /// The value of the selection metric among a split's scores.
    pub(super) fn selected(&self, scores: &[Score]) -> Result<f64> {
        let value = match &self.plan.select {
            Some((task, metric)) => {
                scores.iter().find(|s| s.task == *task && s.metric == *metric).and_then(|score| score.value)
            }
            None => {
                let losses = scores.iter().filter(|s| s.metric == "loss" && s.task != "total").filter_map(|s| s.value);
                let losses: Vec<f64> = losses.collect();
                (!losses.is_empty()).then(|| losses.iter().sum::<f64>() / losses.len() as f64)
            }
        };
        let step = self.progress.step(&self.memory);
        match value {
            Some(value) if value.is_finite() => Ok(value),
            Some(value) => {
                let broken =
                    |score: &&Score| score.value.is_some_and(|value| !value.is_finite()) && score.task != "total";
                let of: Vec<&str> = scores.iter().filter(broken).map(|score| score.task.as_str()).collect();
                let of = if of.is_empty() { String::new() } else { format!(", by {}", of.join(", ")) };
                Err(self.diverged(format!("the validation loss is {value} after step {step}{of}")))
            }
            None => Err(anyhow!(
                Mistake::new("select.metric", format!("it is undefined on the validation rows (after step {step})"))
                    .remedy("select by a metric that these rows can show: a labelled row of each class, for AUC")
            )),
        }
    }

    pub(super) fn refuse_divergence(&self, losses: &[Option<f64>], step: i64) -> Result<()> {
        for (task, loss) in self.tasks.iter().zip(losses) {
            if let Some(loss) = loss.filter(|loss| !loss.is_finite()) {
                return Err(self.diverged(format!("the loss of {} is {loss} at step {step}", task.name)));
            }
        }
        Ok(())
    }

    /// Parameters that are not finite must not take the place of a good checkpoint.
    pub(super) fn refuse_lost_parameters(&self) -> Result<()> {
        if self.parameters.flat.isfinite().all().int64_value(&[]) == 1 {
            return Ok(());
        }
        let step = self.progress.step(&self.memory);
        Err(self.diverged(format!("the parameters are no longer finite after step {step}")))
    }

    fn diverged(&self, what: String) -> anyhow::Error {
        let kept = self.kept().map(|last| format!("; the last checkpoint is kept: {}", last.display()));
        let mistake = Mistake::new("training diverged", what + &kept.unwrap_or_default())
            .remedy("lower optimizer.learning_rate, or set train.clip_norm, and train in another folder");
        Diverged(mistake).into()
    }

    /// A method's mistake, with what is left of the run and how to go on from it.
    pub(super) fn with_way_on(&self, error: anyhow::Error) -> anyhow::Error {
        let Mistake { place, what, remedy } = match error.downcast::<Mistake>() {
            Ok(mistake) => mistake,
            Err(error) => return error,
        };
        let way_on = self.kept().map(|last| {
            let last = std::path::absolute(&last).unwrap_or(last);
            format!("another run goes on from the last checkpoint's weights with `model.initial: {}`", last.display())
        });
        let remedies: Vec<String> = remedy.into_iter().chain(way_on).collect();
        let remedy = (!remedies.is_empty()).then(|| remedies.join("; "));
        Diverged(Mistake { place, what, remedy }).into()
    }

    /// The checkpoint written last, if there is one.
    fn kept(&self) -> Option<PathBuf> {
        Some(run::checkpoint(self.run.folder(), "last")).filter(|last| last.exists())
    }
}
