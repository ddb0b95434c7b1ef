//! The sections of the YAML that the trainer owns.

use crate::data::Combine;
use crate::interval::Interval;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How long and in what portions to train. The first limit that is reached ends the run.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TrainSettings {
    /// Limit: passes over the training rows.
    #[serde(with = "crate::settings::optional::AtLeastOne", skip_serializing_if = "Option::is_none")]
    pub epochs: Option<u64>,
    /// Limit: updates.
    #[serde(with = "crate::settings::optional::AtLeastOne", skip_serializing_if = "Option::is_none")]
    pub steps: Option<u64>,
    /// Limit: wall time, such as `10 min`, added up over resumes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<Interval>,
    /// Rows per step (per task, where tasks have their own inputs).
    #[serde(with = "crate::settings::AtLeastOne")]
    pub batch_size: u64,
    /// So many batches make one update together: their losses are means over all of their rows, as if they were one batch.
    #[serde(with = "crate::settings::AtLeastOne")]
    pub accumulate: u64,
    /// A new random order every epoch; `false` keeps the order of the file.
    pub shuffle: bool,
    /// Leave out the last batch of an epoch when it is short.
    pub drop_last: bool,
    /// What happens when tasks with their own inputs have different numbers of rows.
    pub combine: Combine,
    /// Steps made ready ahead by a thread of its own, where rows are wide (images): 0 for none. Changes nothing but memory and
    /// speed.
    #[serde(with = "crate::settings::Count")]
    pub prefetch: u64,
    /// Scale the gradient down to this norm when it is longer (`torch.nn.utils.clip_grad_norm_`).
    #[serde(with = "crate::settings::optional::Positive", skip_serializing_if = "Option::is_none")]
    pub clip_norm: Option<f64>,
}

impl Default for TrainSettings {
    fn default() -> Self {
        Self {
            epochs: None,
            steps: None,
            time: None,
            batch_size: 64,
            accumulate: 1,
            shuffle: true,
            drop_last: false,
            combine: Combine::default(),
            prefetch: 1,
            clip_norm: None,
        }
    }
}

/// When and how to measure the validation rows.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct EvaluateSettings {
    /// Such as `1 epoch` or `500 steps`.
    pub every: Interval,
    /// Rows per forward pass; changes nothing but memory and speed.
    #[serde(with = "crate::settings::AtLeastOne")]
    pub batch_size: u64,
}

impl Default for EvaluateSettings {
    fn default() -> Self {
        Self { every: Interval::Epochs(1), batch_size: 4096 }
    }
}

/// Which of two values is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// The smaller.
    Min,
    /// The larger.
    Max,
}

/// What makes a checkpoint the best, measured on validation; never on test.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SelectSettings {
    /// `loss` (the mean of the tasks' validation losses), `TASK/loss` or `TASK/METRIC`.
    pub metric: String,
    /// `min` or `max`; the metric's own direction by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<Direction>,
}

impl Default for SelectSettings {
    fn default() -> Self {
        Self { metric: "loss".into(), mode: None }
    }
}

/// When to stop before the limits of `train`: until the performance is satisfactory, or no longer improves.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct StopSettings {
    /// Stop after so many evaluations without a better value of `select.metric`.
    #[serde(with = "crate::settings::optional::AtLeastOne", skip_serializing_if = "Option::is_none")]
    pub patience: Option<u64>,
    /// A value counts for `patience` when it is better by more than this than the last that
    /// counted, so that small gains add up (`min_delta` of Keras and Lightning).
    #[serde(with = "crate::settings::NonNegative")]
    pub min_delta: f64,
    /// Stop as soon as `select.metric` reaches this value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<f64>,
}

/// When to write a checkpoint. One is always written at the end, on Ctrl-C and on SIGUSR1.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CheckpointSettings {
    /// Such as `500 steps`, `1 epoch` or `30 s`. Default: at the end of an epoch, once a second has passed since the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub every: Option<Interval>,
}

/// What to record.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RecordSettings {
    /// Record every so many steps.
    #[serde(with = "crate::settings::AtLeastOne")]
    pub every: u64,
    /// Look at every task's gradient every so many steps: norms, cosines, conflicts. Costs a backward pass per task, except
    /// with methods that read gradients anyway: these look at each recorded step unasked (with `gradients: representation`
    /// at those of the representation).
    #[serde(with = "crate::settings::optional::AtLeastOne", skip_serializing_if = "Option::is_none")]
    pub gradients: Option<u64>,
    /// Write event files for TensorBoard.
    pub tensorboard: bool,
}

impl Default for RecordSettings {
    fn default() -> Self {
        Self { every: 10, gradients: None, tensorboard: true }
    }
}
