//! Data sets in memory, and the batches that a step reads.

use crate::registry;
use crate::tasks::{Standardization, Target};
use crate::tensor_file;
use anyhow::Result;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::path::{Path, PathBuf};
use tch::{Kind, Tensor};

mod arrays;
mod augment;
mod csv;
mod fingerprint;
mod held_out;
mod identity;
mod idx;
mod images;
mod kinds;
mod labels;
mod loader;
mod multi_mnist;
mod no_rows;
mod prefetch;
mod prepare;
mod request;
mod scaling;
mod scenes;
mod slice;
mod synthetic;
mod unlabelled;

pub use self::csv::*;
pub use arrays::{ArrayRows, Arrays, Channels, Inputs, Known, MapLayout, PerName, Standardize};
pub use augment::{Augmentation, Draw, Movement};
use fingerprint::{Digest, Place};
pub use fingerprint::{Fingerprint, FingerprintKind, Hashes, Likeness, RowMarks};
pub use held_out::HeldOut;
pub use identity::{Identity, InputFacts, SplitRows};
pub use idx::{Idx, IdxRows};
pub use images::{Fit, Grayscale, Images};
pub use kinds::{InputKind, InputRule, InputRules, Reader};
pub use loader::*;
pub use multi_mnist::MultiMnist;
pub use no_rows::*;
pub use prepare::Preparation;
pub use request::{Fitted, Request};
pub use scaling::Scaling;
pub use scenes::Scenes;
pub use slice::Slice;
pub use synthetic::*;
pub use unlabelled::{KnownInputs, UnlabelledRows};

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
    /// What tells its rows from others.
    pub fingerprint: Fingerprint,
    /// What tells single rows from others; `None` where they are too many.
    pub marks: Option<RowMarks>,
    /// What was seen in the input columns of tables.
    pub columns: Vec<ColumnFacts>,
    /// How the dimensions of arrays of maps are read.
    pub layouts: Vec<MapLayout>,
}

/// What a source has read: labels are in their own unit still, in any kind that holds them.
struct Raw {
    train: Vec<Group>,
    validation: Option<Vec<Group>>,
    test: Option<Vec<Group>>,
    features: Features,
    standardizations: Vec<Option<Standardization>>,
    augmentation: Option<Augmentation>,
    /// Whether tasks have their own inputs.
    own_inputs: bool,
}

/// The names of the splits, in the order of [`Raw::splits`].
const SPLITS: [&str; 3] = ["train", "validation", "test"];

impl Raw {
    fn splits(&self) -> impl Iterator<Item = (&'static str, &[Group])> {
        let splits = [Some(&self.train), self.validation.as_ref(), self.test.as_ref()];
        SPLITS.into_iter().zip(splits).filter_map(|(name, groups)| Some((name, groups?.as_slice())))
    }

    /// Takes the rows' fingerprint, and standardizes the labels.
    fn finish(self, request: &Request) -> Dataset {
        let cells = |group: &Group| group.inputs.iter().map(|(_, input)| input.numel()).sum::<usize>();
        let mut digest = self.digest(cells);
        let preparation = self.features.preparation(request.precision);
        self.each_group(request, |place, group| digest.inputs(place, group, &preparation));
        self.finish_with(digest, request)
    }

    /// Gives every group with its place.
    fn each_group(&self, request: &Request, mut look: impl FnMut(Place, &Group)) {
        for (split, groups) in self.splits() {
            for (number, group) in groups.iter().enumerate() {
                let names: Vec<&str> = group.tasks.iter().map(|&task| request.tasks[task].name.as_str()).collect();
                let owners = if self.own_inputs { names.as_slice() } else { &[] };
                look(Place { split, group: number, owners }, group);
            }
        }
    }

    /// A digest fit for the labels and for inputs of so many cells in each group.
    fn digest(&self, inputs: impl Fn(&Group) -> usize) -> Digest {
        let labels = |group: &Group| group.targets.iter().map(|target| target.values.numel()).sum::<usize>();
        let groups = self.splits().flat_map(|(_, groups)| groups);
        Digest::new(groups.map(|group| (inputs(group) + labels(group)) as u64).sum())
    }

    /// [`finish`](Self::finish), where the digest has taken in the inputs already.
    fn finish_with(self, mut digest: Digest, request: &Request) -> Dataset {
        self.each_group(request, |place, group| {
            for (&task, target) in group.tasks.iter().zip(&group.targets) {
                digest.labels(place, &request.tasks[task], target);
            }
        });
        let (fingerprint, marks) = digest.finish();
        let standardizations = self.standardizations;
        let finished = |group: Group| {
            let targets = group.tasks.iter().zip(group.targets);
            let targets = targets.map(|(&task, target)| {
                labels::standardized(target, standardizations[task].as_ref(), request.precision)
            });
            Group { targets: targets.collect(), inputs: group.inputs, tasks: group.tasks.clone() }
        };
        let all = |groups: Vec<Group>| groups.into_iter().map(finished).collect::<Vec<_>>();
        let (train, validation, test) = (all(self.train), self.validation.map(all), self.test.map(all));
        Dataset {
            train,
            validation,
            test,
            features: self.features,
            standardizations,
            precision: request.precision,
            augmentation: self.augmentation,
            fingerprint,
            marks,
            columns: vec![],
            layouts: vec![],
        }
    }
}

impl Dataset {
    /// How its rows are read.
    pub fn preparation(&self) -> Preparation {
        self.features.preparation(self.precision)
    }

    /// Whether the first input is ids.
    pub fn reads_ids(&self) -> bool {
        let rules = self.features.inputs.as_ref();
        let rule = self.train.first().and_then(|group| rules?.get(&group.inputs[0].0));
        rule.is_some_and(|rule| rule.kind == InputKind::Ids)
    }

    /// The fingerprint that Polytask 0.1 stored in checkpoints: the first bytes of a hash over all rows as they are held.
    pub fn first_fingerprint(&self) -> i64 {
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
            fingerprint: self.fingerprint.clone(),
            marks: self.marks.clone(),
            columns: self.columns.clone(),
            layouts: self.layouts.clone(),
        }
    }
}

/// How the columns of a file become the model's input, column by column, or how arrays and images
/// become numbers. Travels inside `model.pt`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Features {
    /// In the order in which they fill the input's columns.
    pub columns: Vec<Column>,
    /// How inputs that have no columns are read, by name. `None` in models of tables, and in models
    /// that an earlier version wrote: every uint8 input of theirs is an image, `x / 255`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inputs: Option<InputRules>,
    /// How every uint8 input is scaled in models that an earlier version wrote; `inputs` took its
    /// place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pixels: Option<Scaling>,
}

impl Features {
    /// How a model that was trained with these reads its input `x` `[N, …]` called `name`; `None`
    /// where it knows no such input.
    fn rule(&self, name: &str, x: &Tensor) -> Option<InputRule> {
        match &self.inputs {
            Some(inputs) => inputs.get(name).cloned(),
            None if !self.columns.is_empty() => None,
            None => {
                let kind = InputKind::ByDtype.of(x.kind());
                let scaling = self.pixels.as_ref().filter(|pixels| kind.divides(x.kind()) && pixels.fits(x));
                Some(InputRule { kind, scaling: scaling.cloned() })
            }
        }
    }

    fn preparation(&self, precision: Kind) -> Preparation {
        Preparation { precision, inputs: self.inputs.clone().unwrap_or_default() }
    }

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

    /// With categories as indices, or one-hot.
    #[must_use]
    pub fn with_indices(&self, indices: bool) -> Self {
        let mut features = self.clone();
        for column in &mut features.columns {
            if let Column::Categorical { indices: own, .. } = column {
                *own = indices;
            }
        }
        features
    }

    /// With the categories of `other`, column by column.
    #[must_use]
    pub fn with_categories_of(mut self, other: &Self) -> Self {
        for (own, known) in self.columns.iter_mut().zip(&other.columns) {
            if let Column::Categorical { .. } = known {
                own.clone_from(known);
            }
        }
        self
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

impl Column {
    /// The header.
    pub fn name(&self) -> &str {
        match self {
            Self::Numeric { name, .. } | Self::Categorical { name, .. } => name,
        }
    }
}

/// A path of the YAML in `folder`, whole.
fn absolute(folder: &Path, path: &Path) -> PathBuf {
    std::path::absolute(folder.join(path)).unwrap_or_else(|_| folder.join(path))
}

/// A source of data.
pub trait Source {
    /// Loads every split, checked: inputs are finite, labels fit their tasks, every task has a label in `train`.
    ///
    /// # Errors
    /// A missing or empty file, a bad cell (file, line, column, value), a setting that does not fit the tasks.
    fn load(&self, request: &Request) -> Result<Dataset>;

    /// The seed by which rows are drawn or dealt to the splits in a run of `seed`; `None` where nothing is drawn.
    fn draw_seed(&self, seed: u64) -> Option<u64>;

    /// Whether its splits together hold every row of its files, whatever seed deals them.
    fn deals_all(&self) -> bool {
        false
    }

    /// Whether means and deviations are those of these rows, whatever a model that was trained before
    /// knows.
    fn refits(&self) -> bool;

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
