//! Which rows of which file make a split: whole files, or disjoint parts cut by a seed.

use super::Csv;
use crate::error::{BadSetting, nearest};
use crate::random;
use crate::registry::{at, kind};
use crate::tasks::Task;
use rand::seq::SliceRandom;
use schemars::JsonSchema;
use serde::de::{Deserialize, Deserializer, Error};
use serde::{Deserialize as DeriveDeserialize, Serialize};
use serde_yaml::{Mapping, Value};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The splits in the order in which parts of one file are cut.
pub(in crate::data) const SPLITS: [&str; 3] = ["train", "validation", "test"];

/// A split's rows: one part for all tasks, or one per task.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum Files {
    /// All tasks read the same rows.
    Shared(Part),
    /// Task -> its own rows: tasks with their own inputs.
    PerTask(BTreeMap<String, Part>),
}

/// A file, or a part of it.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(untagged)]
#[schemars(deny_unknown_fields)] // as its reader does
pub enum Part {
    /// The path of a whole file.
    Whole(PathBuf),
    /// A share of a file's rows, drawn by the seed. Parts of one file are disjoint.
    Cut {
        /// The path of the file.
        file: PathBuf,
        /// The share of its rows, above 0, at most 1.
        fraction: f64,
    },
}

/// How the rows of `file` are cut. The shares may sum to less than 1.
#[derive(Debug, Clone, PartialEq, Serialize, DeriveDeserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Fractions {
    /// The share to train on, above 0.
    #[serde(with = "crate::settings::Positive")]
    pub train: f64,
    /// The share to select and stop by. Default: there is no such split.
    #[serde(default, with = "crate::settings::optional::Positive", skip_serializing_if = "Option::is_none")]
    pub validation: Option<f64>,
    /// The share read once, at the end. Default: there is no such split.
    #[serde(default, with = "crate::settings::optional::Positive", skip_serializing_if = "Option::is_none")]
    pub test: Option<f64>,
}

impl Part {
    pub(in crate::data) fn file(&self) -> &Path {
        match self {
            Part::Whole(file) | Part::Cut { file, .. } => file,
        }
    }

    fn fraction(&self) -> Option<f64> {
        match self {
            Part::Whole(_) => None,
            Part::Cut { fraction, .. } => Some(*fraction),
        }
    }

    fn at(&self, file: PathBuf) -> Self {
        match self {
            Part::Whole(_) => Part::Whole(file),
            Part::Cut { fraction, .. } => Part::Cut { file, fraction: *fraction },
        }
    }

    fn read<E: Error>(value: Value) -> Result<Self, E> {
        match value {
            Value::String(file) => Ok(Part::Whole(file.into())),
            Value::Mapping(section) => Self::read_cut(section),
            other => Err(E::custom(format!(
                "invalid type: {}, expected a path or {{file: PATH, fraction: SHARE}}",
                kind(&other)
            ))),
        }
    }

    fn read_cut<E: Error>(mut section: Mapping) -> Result<Self, E> {
        let file = match section.remove("file") {
            Some(Value::String(file)) => file.into(),
            Some(other) => return Err(at("file", format!("invalid type: {}, expected a path", kind(&other)))),
            None => return Err(E::custom("missing field `file`")),
        };
        let fraction = match section.remove("fraction") {
            Some(value) => value.as_f64().filter(|share| *share > 0.0 && *share <= 1.0).ok_or_else(|| {
                at("fraction", format!("invalid value: {}, expected a number above 0, at most 1", kind(&value)))
            })?,
            None => return Err(E::custom("missing field `fraction`")),
        };
        match section.into_iter().next() {
            None => Ok(Part::Cut { file, fraction }),
            Some((key, _)) => Err(E::custom(format!("unknown field {}, expected `file` or `fraction`", kind(&key)))),
        }
    }
}

impl Files {
    /// The same with every path replaced.
    pub(in crate::data) fn map_paths(&self, path: impl Fn(&Path) -> PathBuf) -> Self {
        self.map(|part| part.at(path(part.file())))
    }

    fn map(&self, change: impl Fn(&Part) -> Part) -> Self {
        match self {
            Files::Shared(part) => Files::Shared(change(part)),
            Files::PerTask(parts) => {
                Files::PerTask(parts.iter().map(|(task, part)| (task.clone(), change(part))).collect())
            }
        }
    }

    pub(super) fn has_cut(&self) -> bool {
        match self {
            Files::Shared(part) => part.fraction().is_some(),
            Files::PerTask(parts) => parts.values().any(|part| part.fraction().is_some()),
        }
    }
}

impl<'de> Deserialize<'de> for Files {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // A task may be called `file` or `fraction`: only a share that is not a path makes a section a part.
        let is_part = |section: &Mapping| section.get("fraction").is_some_and(|share| !share.is_string());
        match Value::deserialize(deserializer)? {
            Value::Mapping(section) if !is_part(&section) => section
                .into_iter()
                .map(|(task, part)| match task {
                    Value::String(task) => match Part::read::<D::Error>(part) {
                        Ok(part) => Ok((task, part)),
                        Err(error) => Err(at(&task, error.to_string())),
                    },
                    other => Err(D::Error::custom(format!("invalid type: {}, expected a task's name", kind(&other)))),
                })
                .collect::<Result<_, _>>()
                .map(Files::PerTask),
            other => Part::read(other).map(Files::Shared),
        }
    }
}

/// The rows that one group of a split reads.
#[derive(Debug)]
pub(in crate::data) struct Piece {
    /// Ascending.
    pub tasks: Vec<usize>,
    /// The file, as an index into [`Plan::files`].
    pub file: usize,
}

/// One file and how it is used by the splits.
#[derive(Debug)]
pub(in crate::data) struct FileUse {
    pub path: PathBuf,
    /// The tasks whose labels it holds, ascending.
    pub tasks: Vec<usize>,
    /// Per split: not read, or the part of it (`None`: all rows).
    parts: [Option<Option<f64>>; 3],
}

/// All files, and the pieces of each split.
#[derive(Debug)]
pub(in crate::data) struct Plan {
    /// Whether each task has files of its own.
    pub own: bool,
    pub files: Vec<FileUse>,
    pub splits: [Option<Vec<Piece>>; 3],
}

impl Plan {
    /// Sorts the section's settings into files and pieces; paths start at `folder`.
    pub fn new(settings: &Csv, tasks: &[Task], folder: &Path) -> Result<Self, BadSetting> {
        let splits = named_splits(settings)?;
        let own = matches!(splits[0], Some(Files::PerTask(_)));
        let mut plan = Plan { own, files: Vec::new(), splits: [None, None, None] };
        for (split, files) in splits.into_iter().enumerate() {
            let setting = format!("data.{}", if settings.file.is_some() { "file" } else { SPLITS[split] });
            let pieces = match files {
                None => continue,
                Some(Files::Shared(part)) if !own => {
                    vec![plan.add(split, &setting, (0..tasks.len()).collect(), &part, folder)?]
                }
                Some(Files::PerTask(parts)) if own => {
                    let piece = |(index, task): (usize, &Task)| {
                        let part = parts.get(&task.name).ok_or_else(|| no_file(&setting, task, &parts))?;
                        plan.add(split, &format!("{setting}.{}", task.name), vec![index], part, folder)
                    };
                    tasks.iter().enumerate().map(piece).collect::<Result<_, _>>()?
                }
                Some(_) => {
                    let what = if own {
                        "one file, but data.train has one per task"
                    } else {
                        "a file per task, but data.train is one file"
                    };
                    return Err(BadSetting::new(setting, format!("is {what}"))
                        .remedy("write every split in the same way: PATH, or {TASK: PATH, …}"));
                }
            };
            plan.splits[split] = Some(pieces);
        }
        plan.files.iter().try_for_each(FileUse::check)?;
        Ok(plan)
    }

    fn add(
        &mut self,
        split: usize,
        setting: &str,
        tasks: Vec<usize>,
        part: &Part,
        folder: &Path,
    ) -> Result<Piece, BadSetting> {
        let path = folder.join(part.file());
        let same = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
        let file = self.files.iter().position(|file| same(&file.path) == same(&path)).unwrap_or_else(|| {
            self.files.push(FileUse { path, tasks: Vec::new(), parts: [None; 3] });
            self.files.len() - 1
        });
        let used = &mut self.files[file];
        if used.parts[split].is_some_and(|fraction| fraction != part.fraction()) {
            return Err(BadSetting::new(setting, "another task takes another fraction of the same file")
                .remedy("give every task of that file the same fraction, so that no row lands in two splits"));
        }
        used.parts[split] = Some(part.fraction());
        used.tasks.extend(tasks.iter().filter(|task| !used.tasks.contains(task)).copied().collect::<Vec<_>>());
        used.tasks.sort_unstable();
        Ok(Piece { tasks, file })
    }
}

impl FileUse {
    /// A file is cut in all splits that read it or in none, and into no more than there is.
    fn check(&self) -> Result<(), BadSetting> {
        let shares: Vec<f64> = self.parts.iter().flatten().filter_map(|fraction| *fraction).collect();
        let whole = self.parts.iter().position(|part| *part == Some(None));
        if let (Some(split), false) = (whole, shares.is_empty()) {
            let what = format!("reads all of {}, of which another split is a part", self.path.display());
            return Err(BadSetting::new(format!("data.{}", SPLITS[split]), what)
                .remedy("give it a fraction too: parts of one file are disjoint"));
        }
        let sum: f64 = shares.iter().sum();
        if sum > 1.0 + 1e-9 {
            let what = format!("the fractions of {} sum to {sum}, more than 1", self.path.display());
            return Err(BadSetting::new("data", what));
        }
        Ok(())
    }

    /// The splits that read it.
    pub fn splits(&self) -> impl Iterator<Item = usize> {
        (0..SPLITS.len()).filter(|split| self.parts[*split].is_some())
    }

    /// The rows of each split, ascending: a function of the seed and the number of rows alone.
    pub fn cut(&self, rows: usize, seed: u64) -> [Vec<usize>; 3] {
        let mut shuffled: Vec<usize> = (0..rows).collect();
        if self.parts.iter().flatten().any(Option::is_some) {
            shuffled.shuffle(&mut random::generator(seed, "split", 0, 0));
        }
        let mut sum = 0.0;
        self.parts.map(|part| match part {
            None => Vec::new(),
            Some(None) => shuffled.clone(),
            Some(Some(fraction)) => {
                // Rounded sums, not rounded shares: neighbours meet, and shares that sum to 1 cover every row.
                let bound = |sum: f64| ((sum * rows as f64).round() as usize).min(rows);
                let start = bound(sum);
                sum += fraction;
                let mut part = shuffled[start..bound(sum)].to_vec();
                part.sort_unstable();
                part
            }
        })
    }
}

/// Whether the shares of every file that is cut sum to 1.
pub(super) fn deals_all(settings: &Csv) -> bool {
    let Ok(splits) = named_splits(settings) else { return false };
    let mut shares: BTreeMap<PathBuf, f64> = BTreeMap::new();
    for files in splits.into_iter().flatten() {
        let parts: Vec<Part> = match files {
            Files::Shared(part) => vec![part],
            Files::PerTask(parts) => parts.into_values().collect(),
        };
        // Tasks that read the same share of one file read the same rows.
        let mut seen = Vec::new();
        for part in parts.into_iter().filter(|part| part.fraction().is_some()) {
            if !seen.contains(&part.file().to_path_buf()) {
                seen.push(part.file().to_path_buf());
                *shares.entry(part.file().to_path_buf()).or_default() += part.fraction().unwrap_or(1.0);
            }
        }
    }
    shares.values().all(|sum| (sum - 1.0).abs() < 1e-9)
}

/// The files of each split, however they were written.
fn named_splits(settings: &Csv) -> Result<[Option<Files>; 3], BadSetting> {
    let named = [&settings.train, &settings.validation, &settings.test];
    match (&settings.file, &settings.fractions) {
        (None, None) if settings.train.is_some() => Ok(named.map(Option::clone)),
        (None, None) => Err(BadSetting::new("data", "names no rows to train on")
            .remedy("give `train: PATH`, or `file: PATH` with `fractions: {train: 0.8, validation: 0.1, test: 0.1}`")),
        (Some(_), None) => Err(BadSetting::new("data.file", "is not said how to cut")
            .remedy("add `fractions: {train: 0.8, validation: 0.1, test: 0.1}`, or call the file `train`")),
        (None, Some(_)) => Err(BadSetting::new("data.fractions", "has no `file` to cut")
            .remedy("add `file: PATH`; a split's own file is cut by `test: {file: PATH, fraction: 0.5}`")),
        (Some(file), Some(fractions)) => {
            if let Some(split) = named.iter().position(|files| files.is_some()) {
                return Err(BadSetting::new(format!("data.{}", SPLITS[split]), "stands beside `file` and `fractions`")
                    .remedy("name the splits by files or cut one file, not both"));
            }
            if file.has_cut() {
                return Err(BadSetting::new("data.file", "has a fraction of its own").remedy("write its path alone"));
            }
            let shares = [Some(fractions.train), fractions.validation, fractions.test];
            Ok(shares.map(|share| {
                share.map(|fraction| file.map(|part| Part::Cut { file: part.file().to_path_buf(), fraction }))
            }))
        }
    }
}

fn no_file(setting: &str, task: &Task, parts: &BTreeMap<String, Part>) -> BadSetting {
    let mistake = BadSetting::new(setting, format!("has no file for task \"{}\"", task.name));
    match nearest(&task.name, parts.keys().map(String::as_str)) {
        Some(near) => mistake.remedy(format!("did you mean \"{}\" where \"{near}\" is written?", task.name)),
        None => mistake.remedy(format!("add `{}: PATH`", task.name)),
    }
}
