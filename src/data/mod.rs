//! Data sets in memory, and the batches that a step reads.

use crate::registry;
use crate::tasks::{Standardization, Target, Task};
use crate::tensor_file;
use anyhow::Result;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::path::Path;
use tch::{Kind, Tensor};

mod csv;
mod loader;
mod no_rows;
mod slice;
mod synthetic;

pub use self::csv::*;
pub use loader::*;
pub use no_rows::*;
pub use slice::Slice;
pub use synthetic::*;

/// Rows that share their inputs, with the tasks that read them. A whole split is a list of groups, and so is a batch.
///
/// Shared input is one group for all tasks; own inputs are one group per task.
#[derive(Debug)]
pub struct Group {
    /// Named inputs, each `[N, …]`.
    pub inputs: Vec<(String, Tensor)>,
    /// The tasks that read these rows, ascending.
    pub tasks: Vec<usize>,
    /// The labels, one per entry of `tasks`.
    pub targets: Vec<Target>,
}

impl Group {
    /// The number of rows `N`.
    pub fn rows(&self) -> i64 {
        self.inputs[0].1.size()[0]
    }

    /// Applies the same selection of rows to inputs and targets.
    pub fn map(&self, tensor: impl Fn(&Tensor) -> Tensor, target: impl Fn(&Target) -> Target) -> Self {
        Self {
            inputs: self.inputs.iter().map(|(name, input)| (name.clone(), tensor(input))).collect(),
            tasks: self.tasks.clone(),
            targets: self.targets.iter().map(target).collect(),
        }
    }

    /// `length` rows from row `start` on, as views.
    pub fn narrow(&self, start: i64, length: i64) -> Self {
        self.map(|x| x.narrow(0, start, length), |t| t.narrow(start, length))
    }

    /// The rows that `index` `[M]` (int64) names, copied.
    pub fn gather(&self, index: &Tensor) -> Self {
        self.map(|x| x.index_select(0, index), |t| t.gather(index))
    }

    /// Moved to `device`; a no-op where it is there already.
    pub fn to_device(&self, device: tch::Device) -> Self {
        self.map(|x| x.to_device(device), |t| t.to_device(device))
    }
}

/// What one step reads: rows of groups.
pub type Batch = Vec<Slice>;

/// The splits that exist. Nothing is split off by default.
#[derive(Debug)]
pub struct Dataset {
    /// Read to train.
    pub train: Vec<Group>,
    /// Read to select and to stop.
    pub validation: Option<Vec<Group>>,
    /// Read once, at the end.
    pub test: Option<Vec<Group>>,
    /// How raw inputs became the model's inputs.
    pub features: Features,
    /// Per task: how its regression labels were standardised, if they were.
    pub standardizations: Vec<Option<Standardization>>,
}

impl Dataset {
    /// A number that tells this data from any other: the first bytes of a hash over all rows of all splits.
    pub fn fingerprint(&self) -> i64 {
        let mut hash = Sha256::new();
        let mut add = |tensor: &Tensor| {
            hash.update(format!("{:?}", tensor.size()));
            hash.update(tensor_file::bytes(tensor));
        };
        let splits = [Some(&self.train), self.validation.as_ref(), self.test.as_ref()];
        for group in splits.into_iter().flatten().flatten() {
            group.inputs.iter().for_each(|(_, input)| add(input));
            for target in &group.targets {
                add(&target.values);
                target.weights.iter().for_each(&mut add);
            }
        }
        let sum: [u8; 32] = hash.finalize().into();
        i64::from_le_bytes([sum[0], sum[1], sum[2], sum[3], sum[4], sum[5], sum[6], sum[7]])
    }

    /// Moved to `device`.
    #[must_use]
    pub fn to_device(self, device: tch::Device) -> Self {
        let move_all = |groups: Vec<Group>| groups.iter().map(|group| group.to_device(device)).collect::<Vec<_>>();
        Self {
            train: move_all(self.train),
            validation: self.validation.map(move_all),
            test: self.test.map(move_all),
            ..self
        }
    }
}

/// How the columns of a file become the model's input, column by column. Travels inside `model.pt`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Features {
    /// In the order in which they fill the input's columns.
    pub columns: Vec<Column>,
}

impl Features {
    /// The number of input features, one-hot columns counted one by one.
    pub fn width(&self) -> i64 {
        self.columns
            .iter()
            .map(|column| match column {
                Column::Numeric { .. } => 1,
                Column::Categorical { levels, .. } => levels.len() as i64,
            })
            .sum()
    }
}

/// One input column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Column {
    /// A number, `(raw - mean) / scale`.
    Numeric {
        /// The header.
        name: String,
        /// Mean over the training rows; 0 where nothing is standardised.
        mean: f64,
        /// Standard deviation over the training rows; 1 where nothing is standardised.
        scale: f64,
        /// The raw number that an empty cell stands for; `None` where an empty cell is a mistake.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        missing: Option<f64>,
    },
    /// A category, one-hot over the levels seen in training; an unseen level is all zeros.
    Categorical {
        /// The header.
        name: String,
        /// The cell texts, in the order of the one-hot columns.
        levels: Vec<String>,
    },
}

/// What a source needs to know to load.
pub struct Request<'a> {
    /// The tasks whose labels are wanted.
    pub tasks: &'a [Task],
    /// The run's seed.
    pub seed: u64,
    /// `Float` or `Double`.
    pub precision: Kind,
    /// Relative paths start here: the folder of the YAML.
    pub folder: &'a Path,
    /// Statistics to apply instead of computing them from the training rows: those stored in a model.
    pub fitted: Option<(&'a Features, &'a [Option<Standardization>])>,
}

/// A source of data.
pub trait Source {
    /// Loads every split, checked: inputs are finite, labels fit their tasks, every task has a label in `train`.
    ///
    /// # Errors
    /// A missing or empty file, a bad cell (file, line, column, value), a setting that does not fit the tasks.
    fn load(&self, request: &Request) -> Result<Dataset>;

    /// The files that it reads, as written in the YAML, so that a run's `config.yaml` can make them absolute.
    fn absolute(&self, folder: &Path) -> Data;
}

registry! {
    /// Where the rows come from.
    pub Data as dyn Source {
        "synthetic" => Synthetic,
        "csv" => Csv,
        "none" => NoRows,
    }
}
