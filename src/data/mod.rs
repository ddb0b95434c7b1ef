//! Data sets in memory, and the batches that a step reads.

use crate::registry;
use crate::tasks::{Standardization, Target, Task};
use crate::tensor_file;
use anyhow::Result;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};
use tch::{Kind, Tensor};

mod arrays;
mod augment;
mod csv;
mod held_out;
mod idx;
mod images;
mod labels;
mod loader;
mod multi_mnist;
mod no_rows;
mod prefetch;
mod prepare;
mod scenes;
mod slice;
mod synthetic;

pub use self::csv::*;
pub use arrays::{ArrayRows, Arrays, Channels, Inputs};
pub use augment::{Augmentation, Draw};
pub use held_out::HeldOut;
pub use idx::{Idx, IdxRows};
pub use images::{Fit, Images};
pub use loader::*;
pub use multi_mnist::MultiMnist;
pub use no_rows::*;
pub use prepare::{Pixels, Preparation};
pub use scenes::Scenes;
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
    /// The run's, in which rows are read.
    pub precision: Kind,
    /// How training images change at random, if they do.
    pub augmentation: Option<Augmentation>,
}

impl Dataset {
    /// How its rows are read.
    pub fn preparation(&self) -> Preparation {
        Preparation { precision: self.precision, pixels: self.features.pixels.clone() }
    }

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

    /// On `device`; what is there already is shared, not copied.
    #[must_use]
    pub fn to_device(&self, device: tch::Device) -> Self {
        let move_all = |groups: &Vec<Group>| groups.iter().map(|group| group.to_device(device)).collect::<Vec<_>>();
        Self {
            train: move_all(&self.train),
            validation: self.validation.as_ref().map(move_all),
            test: self.test.as_ref().map(move_all),
            features: self.features.clone(),
            standardizations: self.standardizations.clone(),
            precision: self.precision,
            augmentation: self.augmentation.clone(),
        }
    }
}

/// How the columns of a file become the model's input, column by column, or images their numbers. Travels inside `model.pt`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Features {
    /// In the order in which they fill the input's columns.
    pub columns: Vec<Column>,
    /// Of images.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pixels: Option<Pixels>,
}

impl Features {
    /// The number of input features, one-hot columns counted one by one.
    pub fn width(&self) -> i64 {
        self.columns
            .iter()
            .map(|column| match column {
                Column::Numeric { .. } => 1,
                Column::Categorical { indices: true, .. } => 1,
                Column::Categorical { levels, .. } => levels.len() as i64,
            })
            .sum()
    }

    /// Of each of the input's columns: the number of levels, where it holds indices of categories. Empty if none does.
    pub fn levels(&self) -> Vec<Option<i64>> {
        let levels = |column: &Column| match column {
            Column::Categorical { indices: true, levels, .. } => vec![Some(levels.len() as i64)],
            Column::Categorical { levels, .. } => vec![None; levels.len()],
            Column::Numeric { .. } => vec![None],
        };
        let all: Vec<_> = self.columns.iter().flat_map(levels).collect();
        if all.iter().all(Option::is_none) { vec![] } else { all }
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
    /// A category, one-hot over the levels seen in training, or their index from 1 on; an unseen level is all zeros, or 0.
    Categorical {
        /// The header.
        name: String,
        /// The cell texts, in the order of the one-hot columns.
        levels: Vec<String>,
        /// Whether it is one column of indices.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        indices: bool,
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
    /// Whether categories are wanted as indices, not one-hot.
    pub indices: bool,
}

/// A path of the YAML in `folder`, whole.
fn absolute(folder: &Path, path: &Path) -> PathBuf {
    std::path::absolute(folder.join(path)).unwrap_or_else(|_| folder.join(path))
}

impl Request<'_> {
    /// How the training images `[N, C, …]` (uint8) become numbers: as the model's did, at mean 0 and deviation 1, or 0 to 1.
    fn pixels(&self, standardize: bool, images: &Tensor) -> Pixels {
        match self.fitted.and_then(|(features, _)| features.pixels.clone()) {
            Some(pixels) => pixels,
            None if standardize => Pixels::fit(images),
            None => Pixels::plain(images.size()[1]),
        }
    }
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
        "idx" => Idx,
        "multi_mnist" => MultiMnist,
        "images" => Images,
        "arrays" => Arrays,
        "scenes" => Scenes,
        "none" => NoRows,
    }
}
