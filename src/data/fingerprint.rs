//! What tells the rows of a data set from any other's, whatever form they are held in.

use super::{Group, Preparation, SPLITS};
use crate::tasks::{Target, Task};
use crate::tensor_file;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use tch::{Kind, Tensor};

/// The definition by which fingerprints are made today. Version 1, of Polytask 0.1, is [`super::Dataset::first_fingerprint`].
const VERSION: u32 = 2;
/// Data sets of more cells than this are known by sampled rows.
const MOST_CELLS: u64 = 1 << 28;
/// Rows of each split and tensor that are sampled, evenly spaced.
const SAMPLED_ROWS: i64 = 256;
/// Training rows of each group whose marks are kept.
const MARKED_ROWS: i64 = 64;
/// Cells that are brought to numbers at a time.
const PIECE: i64 = 1 << 20;

/// The rows of all splits as a few hashes: of the inputs, and of each task's labels.
///
/// A cell counts as the number that it stands for, in its own unit: neither the precision of a run, nor whether labels or columns
/// are standardized, nor how categories are encoded changes the fingerprint; nor does the order of columns, tasks and class
/// names. Columns of tables and their labels count in double precision, arrays in single precision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fingerprint {
    /// Number of the definition. Fingerprints of two versions say nothing about each other.
    pub version: u32,
    /// What was hashed.
    pub kind: FingerprintKind,
    /// Hash of the inputs that all tasks share.
    #[serde(flatten)]
    pub inputs: Hashes,
    /// Task -> hash of its labels and row weights, and of its inputs where it has its own.
    pub tasks: BTreeMap<String, Hashes>,
}

/// What a fingerprint is made from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FingerprintKind {
    /// All rows.
    Content,
    /// A sample of the rows: the data set is too large to hash at every start.
    Sampled,
}

/// Hexadecimal digits of two hashes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hashes {
    /// Over all rows, or over the sampled ones where the fingerprint is sampled.
    pub value: String,
    /// Over the sampled rows.
    pub sampled: String,
}

/// What two fingerprints say of the rows behind them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Likeness {
    /// They are the same rows.
    Same,
    /// The sampled rows are the same: one of the two fingerprints knows no others.
    SampleIsSame,
    /// They are other rows.
    Other,
    /// The fingerprints are of different versions.
    Unknown,
}

impl Fingerprint {
    /// Compares inputs, and the labels of the tasks that both know.
    pub fn likeness(&self, other: &Self) -> Likeness {
        if self.version != other.version {
            return Likeness::Unknown;
        }
        let content = self.kind == FingerprintKind::Content && other.kind == FingerprintKind::Content;
        let same = |a: &Hashes, b: &Hashes| if content { a.value == b.value } else { a.sampled == b.sampled };
        let labels = self.tasks.iter().filter_map(|(task, mine)| Some((mine, other.tasks.get(task)?)));
        match same(&self.inputs, &other.inputs) && labels.into_iter().all(|(a, b)| same(a, b)) {
            true if content => Likeness::Same,
            true => Likeness::SampleIsSame,
            false => Likeness::Other,
        }
    }

    /// Sixteen digits that stand for all of it.
    pub fn short(&self) -> String {
        let mut hash = Sha256::new();
        for (name, hashes) in std::iter::once((&String::new(), &self.inputs)).chain(&self.tasks) {
            add_text(&mut hash, name);
            hash.update(&hashes.value);
        }
        hex(&hash.finalize())
    }
}

/// The first sixteen hexadecimal digits of a hash.
fn hex(hash: &[u8]) -> String {
    hash[..8].iter().map(|byte| format!("{byte:02x}")).collect()
}

fn add_text(hash: &mut Sha256, text: &str) {
    hash.update((text.len() as u64).to_le_bytes());
    hash.update(text);
}

/// Takes in the rows of a data set: group by group, each input and each task's labels, in any order.
pub(super) struct Digest {
    all_rows: bool,
    /// Per owner (a task, or none for inputs that all share) and part: the hashes.
    parts: BTreeMap<(Option<String>, String), Hashes>,
    /// Per split and group: its rows.
    groups: BTreeMap<(&'static str, usize), GroupRows>,
}

/// The rows of a group, one number each, which no order of columns or tasks changes.
#[derive(Default)]
struct GroupRows {
    /// Of the inputs.
    inputs: Vec<u64>,
    /// Of inputs and labels.
    whole: Vec<u64>,
}

/// A group of a split.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    /// `train`, `validation`, `test`.
    pub split: &'static str,
    /// Its number in the split.
    pub group: usize,
    /// The tasks that read it, where other tasks read other groups; empty where all share it.
    pub owners: &'a [&'a str],
}

/// What is known of single rows: enough to tell whether some are met again.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RowMarks {
    /// Of the inputs of some training rows, evenly spaced.
    pub train: Vec<u64>,
    /// Of the inputs of all other rows, ascending.
    pub held_out: Vec<u64>,
    /// Of inputs and labels of all rows of all splits together, in any order.
    pub all: u64,
}

impl RowMarks {
    /// How many of the training rows that another data set has marked stand among the rows here that are held out.
    pub fn met(&self, train: &[u64]) -> usize {
        train.iter().filter(|mark| self.held_out.binary_search(mark).is_ok()).count()
    }
}

impl Digest {
    /// For a data set of so many cells: inputs and labels of all splits.
    pub fn new(cells: u64) -> Self {
        Self { all_rows: cells <= MOST_CELLS, parts: BTreeMap::new(), groups: BTreeMap::new() }
    }

    /// Takes in an input column of numbers; NaN stands for an empty cell.
    pub fn numbers(&mut self, place: Place, name: &str, rows: usize, number: impl Fn(usize) -> f64) {
        self.column(place, name, "number", rows, |row, bytes| bytes.extend(canonical(number(row))));
    }

    /// Takes in an input column of texts.
    pub fn texts<'t>(&mut self, place: Place, name: &str, rows: usize, text: impl Fn(usize) -> &'t str) {
        self.column(place, name, "text", rows, |row, bytes| {
            let text = text(row);
            bytes.extend((text.len() as u64).to_le_bytes());
            bytes.extend(text.as_bytes());
        });
    }

    fn column(&mut self, place: Place, name: &str, kind: &str, rows: usize, cell: impl Fn(usize, &mut Vec<u8>)) {
        let (mut all, mut sampled) = (started(&[rows as i64], kind), started(&[rows as i64], kind));
        let mut bytes = Vec::new();
        for row in places(rows as i64) {
            bytes.clear();
            cell(row as usize, &mut bytes);
            sampled.update(&bytes);
        }
        let seed = mark(0, name.as_bytes());
        if let Some(GroupRows { inputs, whole }) = self.marks(place, rows) {
            for row in 0..rows {
                bytes.clear();
                cell(row, &mut bytes);
                all.update(&bytes);
                let mark = mark(seed, &bytes);
                inputs[row] = inputs[row].wrapping_add(mark);
                whole[row] = whole[row].wrapping_add(mark);
            }
        }
        let sampled = hex(&sampled.finalize());
        let value = if self.all_rows { hex(&all.finalize()) } else { sampled.clone() };
        self.add(place, name, Hashes { value, sampled });
    }

    /// The rows of a group, to add marks to; none where the data set is too large.
    fn marks(&mut self, place: Place, rows: usize) -> Option<&mut GroupRows> {
        let new = || GroupRows { inputs: vec![0; rows], whole: vec![0; rows] };
        self.all_rows.then(|| self.groups.entry((place.split, place.group)).or_insert_with(new))
    }

    /// Takes in a group's inputs; bytes count as the numbers that `preparation` makes of them,
    /// before these are standardized.
    pub fn inputs(&mut self, place: Place, group: &Group, preparation: &Preparation) {
        for (name, input) in &group.inputs {
            let divides = preparation.rule(name).kind.divides(input.kind());
            let read = |rows: &Tensor| match divides {
                true => rows.to_kind(Kind::Float) / 255.0,
                false => rows.to_kind(Kind::Float),
            };
            let hashes = self.tensor(place, name, true, input, read);
            self.add(place, name, hashes);
        }
    }

    /// Takes in labels in their own unit, and their weights.
    pub fn labels(&mut self, place: Place, task: &Task, target: &Target) {
        let owner = [task.name.as_str()];
        let own = Place { owners: &owner, ..place };
        // By name: the order in which an experiment lists its classes changes no row.
        let names = task.labels.as_ref().map(|names| {
            let mut sorted = names.clone();
            sorted.sort();
            let rank = |name: &String| sorted.iter().position(|other| other == name).unwrap_or(0) as i64;
            let ranks = Tensor::from_slice(&names.iter().map(rank).collect::<Vec<_>>());
            (sorted, ranks)
        });
        if let Some((sorted, _)) = &names {
            let mut hash = started(&[sorted.len() as i64], "classes");
            sorted.iter().for_each(|name| add_text(&mut hash, name));
            let value = hex(&hash.finalize());
            self.add(own, "\u{1}classes", Hashes { sampled: value.clone(), value });
        }
        let read = |rows: &Tensor| match &names {
            Some((_, ranks)) => {
                let classes = rows.to_kind(Kind::Int64);
                let ranked = ranks.index_select(0, &classes.clamp_min(0).reshape([-1])).view_as(&classes);
                ranked.where_self(&classes.ge(0), &classes).to_kind(Kind::Float)
            }
            // Labels may lie where single precision has few digits left.
            None if rows.kind() == Kind::Double => rows.shallow_clone(),
            None => rows.to_kind(Kind::Float),
        };
        let name = format!("\u{1}labels {}", task.name);
        let hashes = self.tensor(own, &name, false, &target.values, read);
        self.add(own, "\u{1}labels", hashes);
        if let Some(weights) = &target.weights {
            let name = format!("\u{1}weights {}", task.name);
            let hashes = self.tensor(own, &name, false, weights, |rows| rows.to_kind(Kind::Float));
            self.add(own, "\u{1}weights", hashes);
        }
    }

    /// The hashes of a tensor `[N, …]` of any kind; `read` brings some of its rows to the numbers that they stand for.
    fn tensor(
        &mut self,
        place: Place,
        name: &str,
        is_input: bool,
        tensor: &Tensor,
        read: impl Fn(&Tensor) -> Tensor,
    ) -> Hashes {
        let rows = tensor.size()[0];
        let per_piece = (PIECE / tensor.size()[1..].iter().product::<i64>().max(1)).max(1);
        let bytes = |some: &Tensor| tensor_file::bytes(&read(some));
        let mut sampled = started(&tensor.size(), "number");
        sampled.update(bytes(&tensor.index_select(0, &Tensor::from_slice(&places(rows)).to_device(tensor.device()))));
        let sampled = hex(&sampled.finalize());
        let mut value = sampled.clone();
        let seed = mark(0, name.as_bytes());
        if let Some(marks) = self.marks(place, rows as usize) {
            let mut all = started(&tensor.size(), "number");
            for start in (0..rows).step_by(per_piece as usize) {
                let count = per_piece.min(rows - start);
                let bytes = bytes(&tensor.narrow(0, start, count));
                all.update(&bytes);
                let width = bytes.len() / count as usize;
                for (row, bytes) in (start as usize..).zip(bytes.chunks_exact(width.max(1))) {
                    let mark = mark(seed, bytes);
                    marks.whole[row] = marks.whole[row].wrapping_add(mark);
                    if is_input {
                        marks.inputs[row] = marks.inputs[row].wrapping_add(mark);
                    }
                }
            }
            value = hex(&all.finalize());
        }
        Hashes { value, sampled }
    }

    fn add(&mut self, place: Place, name: &str, hashes: Hashes) {
        let owners: Vec<Option<String>> = match place.owners {
            [] => vec![None],
            owners => owners.iter().map(|owner| Some(owner.to_string())).collect(),
        };
        for owner in owners {
            self.parts.insert((owner, format!("{}/{name}", place.split)), hashes.clone());
        }
    }

    /// The fingerprint of all that was taken in, and the marks of its rows; none of a data set that is too large.
    pub fn finish(self) -> (Fingerprint, Option<RowMarks>) {
        let joined = |owner: Option<&str>| {
            let mut hashes = [Sha256::new(), Sha256::new()];
            for ((_, name), part) in self.parts.iter().filter(|((task, _), _)| task.as_deref() == owner) {
                for (hash, value) in hashes.iter_mut().zip([&part.value, &part.sampled]) {
                    add_text(hash, name);
                    hash.update(value);
                }
            }
            let [value, sampled] = hashes.map(|hash| hex(&hash.finalize()));
            Hashes { value, sampled }
        };
        let tasks: BTreeSet<&String> = self.parts.keys().filter_map(|(task, _)| task.as_ref()).collect();
        let fingerprint = Fingerprint {
            version: VERSION,
            kind: if self.all_rows { FingerprintKind::Content } else { FingerprintKind::Sampled },
            inputs: joined(None),
            tasks: tasks.into_iter().map(|task| (task.clone(), joined(Some(task)))).collect(),
        };
        let mut marks = RowMarks::default();
        for ((split, _), rows) in &self.groups {
            marks.all = rows.whole.iter().fold(marks.all, |all, row| all.wrapping_add(mark(0, &row.to_le_bytes())));
            if *split == SPLITS[0] {
                let count = (rows.inputs.len() as i64).min(MARKED_ROWS);
                marks.train.extend(spaced(rows.inputs.len() as i64, count).map(|row| rows.inputs[row as usize]));
            } else {
                marks.held_out.extend(&rows.inputs);
            }
        }
        marks.held_out.sort_unstable();
        (fingerprint, self.all_rows.then_some(marks))
    }
}

/// A number's bytes: every NaN has the same, and so have 0 and -0.
fn canonical(number: f64) -> [u8; 8] {
    if number.is_nan() { f64::NAN } else { number + 0.0 }.to_bits().to_le_bytes()
}

/// A number that stands for some bytes (FNV-1a over words, mixed as in splitmix64): quick, and good enough to tell rows.
fn mark(seed: u64, bytes: &[u8]) -> u64 {
    let word = |bytes: &[u8]| bytes.iter().rev().fold(0u64, |word, byte| word << 8 | u64::from(*byte));
    let hash = bytes.chunks(8).fold(seed ^ 0xcbf2_9ce4_8422_2325 ^ bytes.len() as u64, |hash, bytes| {
        (hash ^ word(bytes)).wrapping_mul(0x0100_0000_01b3).rotate_left(29)
    });
    let hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}

fn started(shape: &[i64], kind: &str) -> Sha256 {
    let mut hash = Sha256::new();
    add_text(&mut hash, &format!("{kind} {shape:?}"));
    hash
}

/// The rows of a sample, ascending.
fn places(rows: i64) -> Vec<i64> {
    spaced(rows, rows.min(SAMPLED_ROWS)).collect()
}

/// So many of `rows` rows, evenly spaced.
fn spaced(rows: i64, count: i64) -> impl Iterator<Item = i64> {
    (0..count).map(move |at| at * rows / count)
}

#[cfg(test)]
mod tests;
