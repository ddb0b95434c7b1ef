//! What a run tells: one stream of events, any number of recorders.

use anyhow::Result;
use std::collections::BTreeMap;
use tch::Tensor;

mod console;
#[cfg(test)]
mod example;
mod jsonl;
mod tensorboard;

pub use self::console::Console;
pub use jsonl::JsonLines;
pub use tensorboard::{EarlierEvents, TensorBoard, resident_megabytes};

/// Which rows a measurement is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SplitName {
    /// The training rows.
    Train,
    /// The validation rows.
    Validation,
    /// The test rows.
    Test,
}

impl SplitName {
    /// `train`, `validation`, `test`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Validation => "validation",
            Self::Test => "test",
        }
    }
}

/// What every recorder knows from the start.
pub struct Header<'a> {
    /// The experiment's name.
    pub experiment: &'a str,
    /// The method's name, with the variant if there is one.
    pub group: &'a str,
    /// Task names, in order.
    pub tasks: &'a [String],
    /// Per task its metrics' names (without the loss), in order.
    pub metrics: &'a [Vec<&'static str>],
    /// The resolved YAML.
    pub config: &'a str,
    /// Facts for the reader: versions, commit, machine, device, threads, command. Shown as a table.
    pub environment: &'a [(String, String)],
    /// Hyper-parameters, the same keys in every run: `architecture`, `method`, `method_args`, `optimizer`, `learning_rate`, ….
    pub hyperparameters: &'a [(String, Hyperparameter)],
    /// The parts of the model, for the graph: (node, operation, inputs, output shape), such as
    /// (`shared_layers/0`, `Linear`, \[`input`\], \[-1, 20\]).
    pub graph: &'a [GraphNode],
    /// Number of updates made before this process started; 0 unless resumed.
    pub start_step: i64,
    /// Number of epochs in all, if epochs limit the run, and the steps of one epoch.
    pub epochs: Option<i64>,
    /// Steps in all, if known.
    pub total_steps: Option<i64>,
}

/// A value of a hyper-parameter.
#[derive(Debug, Clone, PartialEq)]
pub enum Hyperparameter {
    /// A text.
    Text(String),
    /// A number.
    Number(f64),
    /// A truth value.
    Flag(bool),
}

/// A node of the graph that TensorBoard draws.
#[derive(Debug, Clone)]
pub struct GraphNode {
    /// A path with `/`: `shared_layers/0`, `heads/task1/task1_layer`, `method/sum`.
    pub name: String,
    /// Such as `Linear`, `ReLU`, `CrossEntropyLoss`.
    pub operation: String,
    /// Names of the nodes it reads.
    pub inputs: Vec<String>,
    /// Shape of its output, -1 for the batch.
    pub shape: Vec<i64>,
}

/// What the tasks' gradients were like at a step. Entries of absent tasks are `None`.
#[derive(Debug, Clone, PartialEq)]
pub struct GradientRecord {
    /// Per task `[T]` the norm of its gradient.
    pub norms: Vec<Option<f64>>,
    /// The cosine of every pair `[T][T]`; `None` too where a gradient is zero.
    pub cosines: Vec<Vec<Option<f64>>>,
    /// The share of the present pairs whose cosine is negative; `None` with fewer than two tasks present.
    pub conflicting_pairs: Option<f64>,
}

/// What became of the tasks' gradients at a step.
#[derive(Debug, Clone, PartialEq)]
pub struct UpdateRecord {
    /// Norm of the direction that the method gave the shared parameters, before clipping.
    pub norm: f64,
    /// Its cosine to the mean of the tasks' gradients; `None` where one of the two is zero.
    pub cosine_to_mean: Option<f64>,
    /// Backward passes that the step took.
    pub backward_passes: u64,
    /// Wall time of the method itself at this step in milliseconds, without forward and backward passes.
    pub milliseconds: f64,
    /// Present if they were looked at.
    pub gradients: Option<GradientRecord>,
}

/// One recorded step. `step` is the number of updates that the parameters had seen.
pub struct StepRecord<'a> {
    /// Updates made before this one.
    pub step: i64,
    /// The epoch it belongs to, from 0.
    pub epoch: i64,
    /// Per task the batch loss before the update; `None` where the task is absent.
    pub losses: &'a [Option<f64>],
    /// The sum of the present losses; `None` where every task is absent.
    pub total: Option<f64>,
    /// Per task its weight in the update; `None` where the task is absent.
    pub weights: &'a [Option<f64>],
    /// After the schedule.
    pub learning_rate: f64,
    /// Norm of the gradient before clipping.
    pub gradient_norm: f64,
    /// Wall time of the step in milliseconds, averaged since the last record.
    pub milliseconds: f64,
    /// What the method made; `None` where every task is absent.
    pub update: Option<UpdateRecord>,
}

/// One measured value. Written as `SPLIT/TASK/METRIC`; `task` is `total` for values over all tasks.
#[derive(Debug, Clone, PartialEq)]
pub struct Score {
    /// The task's name, or `total`.
    pub task: String,
    /// `loss`, `loss_mean` or a metric's name.
    pub metric: &'static str,
    /// `None` where it is undefined.
    pub value: Option<f64>,
}

/// What happened.
pub enum Event<'a> {
    /// One step; sent when due.
    Step(&'a StepRecord<'a>),
    /// Measured values of a split after `step` updates.
    Scores {
        /// Updates made.
        step: i64,
        /// The epoch, from 0.
        epoch: i64,
        /// Which rows.
        split: SplitName,
        /// In order.
        scores: &'a [Score],
    },
    /// The parameters, for histograms; at epoch ends.
    Parameters {
        /// Updates made.
        step: i64,
        /// By name; views, possibly on a device.
        tensors: &'a [(String, Tensor)],
    },
    /// The mean over an epoch's recorded steps of each pair's cosine `[T][T]`, for a picture; sent where there is one.
    Cosines {
        /// Updates made.
        step: i64,
        /// `None` where a pair never was together.
        mean: &'a [Vec<Option<f64>>],
    },
    /// An epoch is over.
    EpochEnd {
        /// Updates made.
        step: i64,
        /// The epoch that ended, from 0.
        epoch: i64,
        /// Seconds trained so far, over all processes of the run.
        seconds: f64,
    },
    /// The run ends here: `finished` is false when it was interrupted or failed.
    End {
        /// Whether it came to its own end.
        finished: bool,
    },
}

/// Something that listens.
pub trait Recorder {
    /// Takes in an event. Recording never changes training.
    ///
    /// # Errors
    /// The record cannot be written, and the run must not go on without it.
    fn record(&mut self, event: &Event) -> Result<()>;

    /// Makes all that was recorded safe on disk: called after evaluation, before a checkpoint, and at the end.
    ///
    /// # Errors
    /// As [`record`](Self::record).
    fn flush(&mut self) -> Result<()> {
        Ok(())
    }

    /// How many bytes are safe in each file that this recorder writes, by the file's name in the run's folder. A checkpoint
    /// stores them, and a resumed run cuts the files back to them.
    fn positions(&self) -> BTreeMap<String, u64> {
        BTreeMap::new()
    }
}

/// Every recorder in turn.
impl Recorder for Vec<Box<dyn Recorder>> {
    fn record(&mut self, event: &Event) -> Result<()> {
        self.iter_mut().try_for_each(|recorder| recorder.record(event))
    }
    fn flush(&mut self) -> Result<()> {
        self.iter_mut().try_for_each(|recorder| recorder.flush())
    }
    fn positions(&self) -> BTreeMap<String, u64> {
        self.iter().flat_map(|recorder| recorder.positions()).collect()
    }
}
