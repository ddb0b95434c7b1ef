//! Which rows a run read: what its model, its summary and its checkpoints keep of them.

use super::{Data, Dataset, Fingerprint, Group};
use serde::{Deserialize, Serialize};

/// Which rows a run read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Name of the source, such as `csv`.
    pub source: String,
    /// Tells the rows from others.
    pub fingerprint: Fingerprint,
    /// The seed by which rows were drawn or dealt to the splits; `None` where nothing is drawn.
    pub split_seed: Option<u64>,
    /// Sizes of the splits.
    pub rows: SplitRows,
    /// The model's inputs, in order.
    pub inputs: Vec<InputFacts>,
    /// Hash of all rows, whichever split they are in; `None` where the splits do not hold every row under any seed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub all_rows: Option<String>,
    /// Marks of some training rows, by which they are known where they should not be met.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub marks: Vec<String>,
}

/// Rows of each split, per group of tasks that share their inputs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SplitRows {
    /// Read to train.
    pub train: Vec<i64>,
    /// Read to select and to stop; `None` where there is no such split.
    pub validation: Option<Vec<i64>>,
    /// Read once, at the end; `None` where there is no such split.
    pub test: Option<Vec<i64>>,
}

/// One input of a model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputFacts {
    /// Such as `x`.
    pub name: String,
    /// Shape of a row.
    pub shape: Vec<i64>,
}

impl Identity {
    /// Of a data set that `data` gave in a run of `seed`.
    pub fn new(data: &Data, dataset: &Dataset, seed: u64) -> Self {
        let rows = |groups: &Vec<Group>| groups.iter().map(Group::rows).collect::<Vec<_>>();
        let inputs = dataset.train.first().map_or(&[][..], |group| &group.inputs);
        let inputs = inputs.iter().map(|(name, x)| InputFacts { name: name.clone(), shape: x.size()[1..].to_vec() });
        Self {
            source: data.name().to_string(),
            fingerprint: dataset.fingerprint.clone(),
            split_seed: data.draw_seed(seed),
            rows: SplitRows {
                train: rows(&dataset.train),
                validation: dataset.validation.as_ref().map(rows),
                test: dataset.test.as_ref().map(rows),
            },
            inputs: inputs.collect(),
            all_rows: dataset.marks.as_ref().filter(|_| data.deals_all()).map(|marks| format!("{:016x}", marks.all)),
            marks: dataset.marks.iter().flat_map(|marks| &marks.train).map(|mark| format!("{mark:016x}")).collect(),
        }
    }

    /// Whether the splits of the two were surely dealt from different rows, whatever seeds dealt them.
    pub fn is_dealt_from_others(&self, other: &Self) -> bool {
        matches!((&self.all_rows, &other.all_rows), (Some(own), Some(theirs)) if own != theirs)
    }

    /// How many of the marked training rows are among the rows that `dataset` holds out, and how many are marked.
    pub fn met_in(&self, dataset: &Dataset) -> (usize, usize) {
        let marks: Vec<u64> = self.marks.iter().filter_map(|mark| u64::from_str_radix(mark, 16).ok()).collect();
        (dataset.marks.as_ref().map_or(0, |held| held.met(&marks)), marks.len())
    }
}
