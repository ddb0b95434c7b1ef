//! Rows from tables: `.csv`, `.tsv`, either also as `.gz`, and `.parquet`.

mod columns;
pub(super) mod fit;
mod inputs;
mod parquet;
pub(super) mod split;
pub(super) mod table;
#[cfg(test)]
mod tests;

pub use columns::{ColumnFacts, Content, Unseen, UnseenPolicy};
pub use split::{Files, Fractions, Part};

use super::{Data, Dataset, Features, Group, Raw, Request, Source};
use crate::error::{BadSetting, Mistake};
use crate::tasks::{Form, Standardization, Task};
use anyhow::Result;
use fit::Loaded;
use inputs::Input;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use split::{Piece, Plan, SPLITS};
use std::collections::{HashMap, hash_map::Entry};
use std::path::Path;
use table::{Opened, Role, Wanted};
use tch::{Kind, Tensor};

/// Rows from files with a header line: `.csv` (commas), `.tsv` (tabs), either also as `.csv.gz`, `.tsv.gz`; or from `.parquet`
/// files, where Polytask was built with `--features parquet` (mistakes count their rows as lines, the header as line 1). Spaces
/// at the ends of a cell are no part of it, quoted or not.
///
/// Each split is a PATH, or a share of a file's rows, `{file: PATH, fraction: 0.5}`, or, for tasks with their own inputs,
/// one of these per task: `{TASK: …, TASK: …}`. Shares of one file are drawn by the seed and are disjoint. A split that is
/// not named does not exist. Relative paths start at the folder of the YAML.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Csv {
    /// The rows to train on. Either this or `file` with `fractions`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub train: Option<Files>,
    /// The rows to select and stop by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation: Option<Files>,
    /// The rows read once, at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test: Option<Files>,
    /// One file that `fractions` cuts into all splits: a PATH, or one per task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<Files>,
    /// How `file` is cut, such as `{train: 0.8, validation: 0.1, test: 0.1}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fractions: Option<Fractions>,
    /// The seed by which files are cut. Default: the run's seed, so that runs of different seeds see different splits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub split_seed: Option<u64>,
    /// The input columns: names or patterns (`*`, `?`, `[0-9]`, `{a,b}`), in this order; what a pattern matches, in the
    /// file's order. Default: every column that is neither a task's target nor the weight.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inputs: Option<Vec<String>>,
    /// Names or patterns of columns that are no inputs: row numbers, answers of tasks that do not train here.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exclude: Vec<String>,
    /// Names or patterns of the inputs that hold categories: one feature per text seen in training, 1 where the cell holds
    /// it. A text not seen in training is all zeros; an empty cell is a text of its own. The backbone tabular reads their
    /// indices instead.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub categorical: Vec<String>,
    /// Bring every numeric input to mean 0 and (population) standard deviation 1 over the training rows that have a value:
    /// scikit-learn's `StandardScaler`, which looks past empty cells, before its `SimpleImputer`.
    #[serde(default = "yes")]
    pub standardize: bool,
    /// What an empty cell of a numeric input is.
    #[serde(default)]
    pub missing: Missing,
    /// What a category that no training row holds is, in any other row: `warn` tells count, share and examples and takes it as
    /// unknown, `error` refuses it.
    #[serde(default)]
    pub unseen: UnseenPolicy,
    /// The column of row weights, numbers of 0 or above: every loss and metric counts a row so many
    /// times, and so do the means and deviations by which columns and labels are standardized.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight: Option<String>,
    /// Take means and deviations from these rows also where the model was trained before (`model.initial`,
    /// `model.torchscript`); columns, categories and classes keep its order. Default: it goes on with its own.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub refit: bool,
}

/// What an empty cell of a numeric input is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Missing {
    /// A mistake.
    #[default]
    Error,
    /// The mean of the column over the training rows that have a value.
    Mean,
}

fn yes() -> bool {
    true
}

impl Source for Csv {
    fn load(&self, request: &Request) -> Result<Dataset> {
        let tasks = request.tasks;
        check_forms(tasks)?;
        let plan = Plan::new(self, tasks, request.folder)?;
        let (inputs, files) = self.read(&plan, request)?;
        let train: Vec<&Loaded> = files.iter().filter(|file| !file.rows[0].is_empty()).collect();
        let own = || fit::features(&inputs, &train, self.standardize, request);
        let features = match request.fitted {
            Some(fitted) if fitted.refit => own()?.with_categories_of(&fitted.features),
            Some(fitted) => fitted.features.clone(),
            None => own()?,
        };
        // A model that is measured has seen its training rows; one that goes on training may meet others.
        let first = usize::from(request.fitted.is_none_or(|fitted| !fitted.all_inputs));
        let columns = columns::look(&inputs, &features, &files, first);
        if request.fitted.is_none() {
            columns::check(&inputs, &columns, &files)?;
        }
        let file_of = |split: &str| {
            let split = SPLITS.iter().position(|name| *name == split).unwrap_or(0);
            let file = files.iter().find(|file| !file.rows[split].is_empty()).unwrap_or(&files[0]);
            file.table.path.clone()
        };
        columns::tell_unseen(&columns, self.unseen, request.fitted.is_some(), file_of)?;
        let [Some(train_pieces), _, _] = &plan.splits else { unreachable!("a plan has a training split") };
        let standardizations = request.standardizations(|| standardizations(request, train_pieces, &files))?;
        let build = |split: usize| {
            let pieces = plan.splits[split].as_ref();
            pieces.map(|pieces| groups(split, pieces, &files, &features, &standardizations, request)).transpose()
        };
        let train = build(0)?.expect("a plan has a training split");
        check_labelled(&train, train_pieces, &files, tasks)?;
        let (validation, test) = (build(1)?, build(2)?);
        let (augmentation, own_inputs) = (None, plan.own);
        let raw = Raw { train, validation, test, features, standardizations, augmentation, own_inputs };
        let mut digest = raw.digest(|group| group.rows() as usize * inputs.len());
        raw.each_group(request, |place, _| {
            let split = SPLITS.iter().position(|name| *name == place.split).expect("one of the splits");
            let piece = &plan.splits[split].as_ref().expect("it was built")[place.group];
            files[piece.file].digest(&inputs, split, place, &mut digest);
        });
        Ok(Dataset { columns, ..raw.finish_with(digest, request) })
    }

    fn draw_seed(&self, seed: u64) -> Option<u64> {
        let files = [&self.train, &self.validation, &self.test];
        let cut = self.fractions.is_some() || files.into_iter().flatten().any(Files::has_cut);
        cut.then(|| self.split_seed.unwrap_or(seed))
    }

    fn deals_all(&self) -> bool {
        split::deals_all(self)
    }

    fn refits(&self) -> bool {
        self.refit
    }

    fn absolute(&self, folder: &Path) -> Data {
        let whole = |path: &Path| std::path::absolute(folder.join(path)).unwrap_or_else(|_| folder.join(path));
        let files = |files: &Option<Files>| files.as_ref().map(|files| files.map_paths(whole));
        Data::Csv(Csv {
            train: files(&self.train),
            validation: files(&self.validation),
            test: files(&self.test),
            file: files(&self.file),
            ..self.clone()
        })
    }
}

impl Csv {
    /// Reads every file of the plan once. All headers are checked before the first row is read.
    fn read(&self, plan: &Plan, request: &Request) -> Result<(Vec<Input>, Vec<Loaded>)> {
        let opened = plan.files.iter().map(|file| Opened::new(&file.path)).collect::<Result<Vec<_>>>()?;
        let first = plan.splits[0].as_ref().expect("a plan has a training split")[0].file;
        let inputs = match request.fitted {
            Some(fitted) => {
                let mut inputs = inputs::fitted(&fitted.features);
                if fitted.refit {
                    let may_miss = self.missing == Missing::Mean;
                    inputs.iter_mut().for_each(|input| input.may_miss = may_miss && !input.categorical);
                }
                if fitted.all_inputs {
                    inputs::same_columns(&inputs, &inputs::choose(self, &opened, first, request.tasks)?)?;
                }
                inputs
            }
            None => inputs::choose(self, &opened, first, request.tasks)?,
        };
        let wanted: Vec<_> = plan.files.iter().map(|file| self.wanted(&inputs, &file.tasks, request.tasks)).collect();
        for (file, (wanted, _)) in opened.iter().zip(&wanted) {
            wanted.iter().try_for_each(|column| file.field(column.name).map(drop))?;
        }
        let mut files = Vec::new();
        for ((file, used), (wanted, labels)) in opened.into_iter().zip(&plan.files).zip(wanted) {
            let table = file.read(&wanted)?;
            let rows = used.cut(table.rows, request.draw_seed(self.split_seed));
            for split in used.splits() {
                if rows[split].is_empty() {
                    let what = format!("has {} rows: its fraction for {} is none", table.rows, SPLITS[split]);
                    return Err(Mistake::new(table.path.display(), what).remedy("give it a larger fraction").into());
                }
            }
            let weight = self.weight.as_ref().map(|_| wanted.len() - 1);
            files.push(Loaded { table, labels, weight, rows });
        }
        Ok((inputs, files))
    }

    /// The columns to read from a file that holds the labels of `held`, and where each task's labels start among them.
    fn wanted<'a>(
        &'a self,
        inputs: &'a [Input],
        held: &[usize],
        tasks: &'a [Task],
    ) -> (Vec<Wanted<'a>>, HashMap<usize, usize>) {
        let mut wanted: Vec<Wanted> = inputs.iter().map(Input::wanted).collect();
        let mut labels = HashMap::new();
        for index in held {
            labels.insert(*index, wanted.len());
            let task = &tasks[*index];
            wanted.extend(task.targets.iter().map(|name| Wanted { name, role: Role::Label(task) }));
        }
        wanted.extend(self.weight.iter().map(|name| Wanted { name, role: Role::Weight }));
        (wanted, labels)
    }
}

/// A form and its columns must agree, or a cell would be read as what it is not.
fn check_forms(tasks: &[Task]) -> Result<(), BadSetting> {
    for (index, task) in tasks.iter().enumerate() {
        let (columns, found) = match task.form {
            Form::Classes(_) => (1, task.targets.len()),
            Form::Binary(columns) | Form::Real(columns) => (columns as usize, task.targets.len()),
        };
        if columns != found {
            let what = format!("names {found} columns where the loss of task \"{}\" needs {columns}", task.name);
            return Err(BadSetting::new(format!("tasks[{index}].target"), what));
        }
        if let (Form::Classes(classes), Some(names)) = (task.form, &task.labels)
            && names.len() as i64 != classes
        {
            let what = format!("has {} names, but task \"{}\" has {classes} classes", names.len(), task.name);
            return Err(BadSetting::new(format!("tasks[{index}].labels"), what).remedy("name every class, in order"));
        }
    }
    Ok(())
}

fn standardizations(
    request: &Request,
    pieces: &[Piece],
    files: &[Loaded],
) -> Result<Vec<Option<Standardization>>, Mistake> {
    let file = |index: usize| pieces.iter().find(|piece| piece.tasks.contains(&index)).map(|piece| &files[piece.file]);
    let fit = |(index, task): (usize, &Task)| {
        file(index).map_or(Ok(None), |file| fit::standardization(index, task, file, request))
    };
    request.tasks.iter().enumerate().map(fit).collect()
}

/// The groups of one split. Tasks that name the same file share its input tensor.
fn groups(
    split: usize,
    pieces: &[Piece],
    files: &[Loaded],
    features: &Features,
    standardizations: &[Option<Standardization>],
    request: &Request,
) -> Result<Vec<Group>, Mistake> {
    let mut built: HashMap<usize, Tensor> = HashMap::new();
    let mut groups = Vec::new();
    for piece in pieces {
        let file = &files[piece.file];
        let rows = &file.rows[split];
        let x = match built.entry(piece.file) {
            Entry::Occupied(input) => input.get().shallow_clone(),
            Entry::Vacant(place) => {
                place.insert(fit::inputs(features, &file.table, rows, request.precision)?).shallow_clone()
            }
        };
        let target = |index: &usize| {
            let standardization = standardizations[*index].as_ref();
            fit::target(*index, &request.tasks[*index], file, rows, standardization, request.precision)
        };
        groups.push(Group {
            inputs: vec![("x".into(), x)],
            tasks: piece.tasks.clone(),
            targets: piece.tasks.iter().map(target).collect::<Result<_, _>>()?,
        });
    }
    Ok(groups)
}

fn check_labelled(train: &[Group], pieces: &[Piece], files: &[Loaded], tasks: &[Task]) -> Result<(), Mistake> {
    for (group, piece) in train.iter().zip(pieces) {
        for (index, target) in group.tasks.iter().zip(&group.targets) {
            if target.labelled_rows() == 0 {
                let task = &tasks[*index];
                let what = format!("no training row has a label for task \"{}\"", task.name);
                let columns = table::listed(&task.targets);
                return Err(Mistake::new(files[piece.file].table.path.display(), what)
                    .remedy(format!("fill {columns} in some rows (weights above 0), or take the task out")));
            }
        }
    }
    Ok(())
}

/// Inputs without labels: `[N, F]` and the headers that they were read from. The columns of `features` are found by name
/// (others are ignored) and brought to the form that the model was trained on.
///
/// # Errors
/// A file that cannot be read, a column that it lacks, a cell that is not what its column needs.
pub(super) fn read_inputs(path: &Path, features: &Features, precision: Kind) -> Result<(Tensor, Vec<String>)> {
    inputs_of(Opened::new(path)?, features, precision)
}

/// Inputs without labels: every column of the file, `[N, F]`, as the numbers that it holds, and the headers.
///
/// # Errors
/// As those of [`read_inputs`], and what `check` finds wrong with the headers before a row is read.
pub(super) fn read_numbers(
    path: &Path,
    precision: Kind,
    check: impl FnOnce(&[String]) -> Result<(), Mistake>,
) -> Result<(Tensor, Vec<String>)> {
    let opened = Opened::new(path)?;
    check(&opened.header)?;
    let raw = |name: &String| super::Column::Numeric { name: name.clone(), mean: 0.0, scale: 1.0, missing: None };
    let features = Features { columns: opened.header.iter().map(raw).collect(), ..Features::default() };
    inputs_of(opened, &features, precision)
}

fn inputs_of(opened: Opened, features: &Features, precision: Kind) -> Result<(Tensor, Vec<String>)> {
    let path = opened.path.clone();
    let inputs = inputs::fitted(features);
    let wanted: Vec<Wanted> = inputs.iter().map(Input::wanted).collect();
    let file = Loaded::whole(opened.read(&wanted)?);
    let mut columns = columns::look(&inputs, features, std::slice::from_ref(&file), 0);
    columns.iter_mut().flat_map(|column| &mut column.unseen).for_each(|unseen| unseen.split = "input".into());
    columns::tell_unseen(&columns, UnseenPolicy::Warn, true, |_| path.clone())?;
    let matrix = fit::inputs(features, &file.table, &file.rows[0], precision)?;
    Ok((matrix, inputs.into_iter().map(|input| input.name).collect()))
}
