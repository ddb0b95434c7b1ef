//! Images in files that a table names, with labels from its columns or from maps that it names too.

mod decode;
mod files;
mod gray;
mod indices;
#[cfg(test)]
mod tests;

pub use decode::Fit;
pub(super) use files::{ImageFiles, is_image};
pub use gray::Grayscale;

use super::arrays::check_names;
use super::csv::fit::{self, Loaded};
use super::csv::split::{Piece, Plan, SPLITS};
use super::csv::table::{Opened, Role, Wanted};
use super::labels::{Labels, check_labelled};
use super::{Augmentation, Csv, Data, Dataset, Files, Fractions, Group, Missing, Raw, Request, Source, UnseenPolicy};
use crate::error::{BadSetting, Mistake};
use crate::tasks::{Standardization, Target, Task};
use anyhow::Result;
use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use tch::{Kind, Tensor};

/// Images (png, jpeg, bmp, webp) that a CSV names, one per row, with labels in its other columns.
///
/// The splits are written as those of `csv`: a PATH each, `{file: PATH, fraction: 0.5}`, or `table` with
/// `fractions`. A label column holds labels as in `csv`, or names a map of labels with one number per
/// pixel: a gray image (classes; depths; of 1 bit, classes 0 and 1; numbers of 2 or 4 bits spread to 0
/// to 255, as by Pillow), the indices of a png with a palette, or a `.npy` file `[H, W]`, `[C, H, W]`
/// or `[H, W, C]`. Inputs `[N, channels, H, W]`, numbers from 0 to 1, as the file has them: EXIF's
/// orientation is not applied. They stay one byte per number in memory until a step reads them.
/// Relative paths of tables start at the folder of the YAML.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Images {
    /// The rows to train on: a table with a header, as `csv` reads it. Either this or `table` with `fractions`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub train: Option<Files>,
    /// The rows to select and stop by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation: Option<Files>,
    /// The rows read once, at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test: Option<Files>,
    /// One table that `fractions` cuts into all splits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table: Option<Files>,
    /// How `table` is cut, such as `{train: 0.8, validation: 0.1, test: 0.1}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fractions: Option<Fractions>,
    /// The seed by which tables are cut. Default: the run's seed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub split_seed: Option<u64>,
    /// The column that names the image.
    #[serde(default = "file")]
    pub column: String,
    /// Where the names of images and maps start. Default: each table's own folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub folder: Option<PathBuf>,
    /// The column of row weights, numbers of 0 or above (not with maps of labels).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight: Option<String>,
    /// `[HEIGHT, WIDTH]` to which all are brought: images bilinear, maps by the nearest pixel. Default: that of the first
    /// image; all must have it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<[u32; 2]>,
    /// How an image of other proportions comes to `size`.
    #[serde(default)]
    pub fit: Fit,
    /// 1 (gray) or 3 (red, green, blue).
    #[serde(default = "three", deserialize_with = "channels")]
    pub channels: i64,
    /// How colors become gray, where `channels` is 1.
    #[serde(default)]
    pub grayscale: Grayscale,
    /// Task -> the number in its maps that stands for no label, such as `{segmentation: 255, depth: 0}`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub ignore: BTreeMap<String, f64>,
    /// Bring every channel to mean 0 and standard deviation 1 over the pixels of all training rows, each
    /// of which counts as often as its weight says.
    #[serde(default)]
    pub standardize: bool,
    /// Change training images at random.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub augment: Option<Augmentation>,
    /// Take means and deviations from these rows also where the model was trained before (`model.initial`,
    /// `model.torchscript`); columns, categories and classes keep its order. Default: it goes on with its own.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub refit: bool,
}

fn file() -> String {
    "file".into()
}

fn three() -> i64 {
    3
}

fn channels<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    match i64::deserialize(deserializer)? {
        channels @ (1 | 3) => Ok(channels),
        other => Err(serde::de::Error::custom(format!("invalid value: {other}, expected 1 or 3"))),
    }
}

/// A table that has been read, and the folder of its files.
struct Read {
    /// Its column 0 names the images; then follow the labels.
    rows: Loaded,
    folder: PathBuf,
}

impl Source for Images {
    fn load(&self, request: &Request) -> Result<Dataset> {
        self.check(request.tasks)?;
        let augmentation = self.augment.as_ref().map(|it| it.checked(request.tasks)).transpose()?;
        let plan = Plan::new(&self.as_csv(), request.tasks, request.folder)?;
        let maps = self.maps(&plan, request)?;
        let tables = self.tables(&plan, &maps, request)?;
        let train_pieces = plan.splits[0].as_ref().expect("a plan has a training split");
        let standardizations = request.standardizations(|| {
            let of =
                |(index, task): (usize, &Task)| match train_pieces.iter().find(|piece| piece.tasks.contains(&index)) {
                    Some(piece) if !maps[index] => fit::standardization(index, task, &tables[piece.file].rows, request),
                    _ => Ok(None),
                };
            request.tasks.iter().enumerate().map(of).collect::<Result<Vec<_>, _>>()
        })?;
        let size = match self.size {
            Some(size) => size,
            None => {
                let table = &tables[train_pieces[0].file];
                let (path, place) = table.file(&self.column, table.rows.rows[0][0]);
                decode::size(&path, &place)?
            }
        };
        let known = Known { maps: &maps, standardizations: &standardizations, size };
        let build = |split: usize| -> Result<Option<Vec<Group>>> {
            let Some(pieces) = &plan.splits[split] else { return Ok(None) };
            let group = |piece: &Piece| self.group(&tables[piece.file], &piece.tasks, split, &known, request);
            pieces.iter().map(group).collect::<Result<Vec<_>>>().map(Some)
        };
        let train = build(0)?.expect("a plan has a training split");
        for group in &train {
            for (&task, target) in group.tasks.iter().zip(&group.targets) {
                check_labelled(&request.tasks[task], target, "data.train")?;
            }
        }
        let of_file = |(at, piece): (usize, &Piece)| {
            let is_first = train_pieces[..at].iter().all(|other| other.file != piece.file);
            is_first.then(|| (&train[at].inputs[0].1, tables[piece.file].rows.train_weights()))
        };
        let pixels: Vec<_> = train_pieces.iter().enumerate().filter_map(of_file).collect();
        let features = request.images(self.standardize, &pixels)?;
        let augmentation = augmentation.map(|it| it.for_inputs(&train[0], &features)).transpose()?;
        let (validation, test) = (build(1)?, build(2)?);
        Ok(Raw { train, validation, test, features, standardizations, augmentation, own_inputs: plan.own }
            .finish(request))
    }

    fn draw_seed(&self, seed: u64) -> Option<u64> {
        self.as_csv().draw_seed(seed)
    }

    fn deals_all(&self) -> bool {
        self.as_csv().deals_all()
    }

    fn refits(&self) -> bool {
        self.refit
    }

    fn absolute(&self, folder: &Path) -> Data {
        let whole = |path: &Path| super::absolute(folder, path);
        let files = |files: &Option<Files>| files.as_ref().map(|files| files.map_paths(whole));
        Data::Images(Self {
            train: files(&self.train),
            validation: files(&self.validation),
            test: files(&self.test),
            table: files(&self.table),
            folder: self.folder.as_ref().map(|path| whole(path)),
            ..self.clone()
        })
    }
}

/// What is known before the images are read.
struct Known<'a> {
    /// Per task: whether its column names maps.
    maps: &'a [bool],
    standardizations: &'a [Option<Standardization>],
    size: [u32; 2],
}

impl Images {
    fn check(&self, tasks: &[Task]) -> Result<(), BadSetting> {
        let names: Vec<&str> = tasks.iter().map(|task| task.name.as_str()).collect();
        check_names("data.ignore", "a task", self.ignore.keys(), &names)?;
        if self.size.is_some_and(|size| size.contains(&0)) {
            return Err(BadSetting::new("data.size", "has a side of 0 pixels").remedy("write `size: [HEIGHT, WIDTH]`"));
        }
        Ok(())
    }

    /// The tables as `csv` would be told of them.
    fn as_csv(&self) -> Csv {
        Csv {
            train: self.train.clone(),
            validation: self.validation.clone(),
            test: self.test.clone(),
            file: self.table.clone(),
            fractions: self.fractions.clone(),
            split_seed: self.split_seed,
            inputs: None,
            exclude: vec![],
            categorical: vec![],
            standardize: false,
            missing: Missing::Error,
            unseen: UnseenPolicy::default(),
            weight: self.weight.clone(),
            refit: self.refit,
        }
    }

    /// Per task, whether its column names files in every row that has a label.
    fn maps(&self, plan: &Plan, request: &Request) -> Result<Vec<bool>> {
        let mut maps = vec![false; request.tasks.len()];
        for used in &plan.files {
            let tasks = used.tasks.iter().filter(|&&task| request.tasks[task].targets.len() == 1);
            let tasks: Vec<usize> = tasks.copied().collect();
            let wanted = |&task: &usize| Wanted { name: &request.tasks[task].targets[0], role: Role::Category };
            if tasks.is_empty() {
                continue;
            }
            let table = Opened::new(&used.path)?.read(&tasks.iter().map(wanted).collect::<Vec<_>>())?;
            for (task, texts) in tasks.iter().zip(&table.levels) {
                let first = texts.iter().find(|text| !text.is_empty());
                maps[*task] |= first.is_some_and(|text| decode::kind(Path::new(text)).is_some());
            }
        }
        let both =
            (0..maps.len()).find(|&task| maps[task] && (self.weight.is_some() || request.tasks[task].standardize));
        match both {
            Some(task) if self.weight.is_some() => {
                let what = format!("rows have weights, and task {} has maps of labels", request.tasks[task].name);
                Err(BadSetting::new("data.weight", what).remedy("leave it out").into())
            }
            Some(task) => {
                Err(BadSetting::new(format!("tasks[{task}].standardize"), "labels of pixels are not standardised")
                    .remedy("leave it out")
                    .into())
            }
            None => Ok(maps),
        }
    }

    /// Reads every table once.
    fn tables(&self, plan: &Plan, maps: &[bool], request: &Request) -> Result<Vec<Read>> {
        let mut tables = Vec::new();
        for used in &plan.files {
            let mut wanted = vec![Wanted { name: &self.column, role: Role::Category }];
            let mut labels = HashMap::new();
            for &index in &used.tasks {
                labels.insert(index, wanted.len());
                let task = &request.tasks[index];
                let role = if maps[index] { Role::Category } else { Role::Label(task) };
                wanted.extend(task.targets.iter().map(|name| Wanted { name, role }));
            }
            wanted.extend(self.weight.iter().map(|name| Wanted { name, role: Role::Weight }));
            let table = Opened::new(&used.path)?.read(&wanted)?;
            let rows = used.cut(table.rows, request.draw_seed(self.split_seed));
            for split in used.splits() {
                if rows[split].is_empty() {
                    let what = format!("has {} rows: its fraction for {} is none", table.rows, SPLITS[split]);
                    return Err(Mistake::new(table.path.display(), what).remedy("give it a larger fraction").into());
                }
            }
            let folder = self.folder_of(&used.path, request.folder);
            let weight = self.weight.as_ref().map(|_| wanted.len() - 1);
            let read = Read { rows: Loaded { table, labels, weight, rows }, folder };
            read.check_files(&self.column)?;
            tables.push(read);
        }
        Ok(tables)
    }

    /// Where the names in a table start; relative paths start at `home`.
    fn folder_of(&self, table: &Path, home: &Path) -> PathBuf {
        match &self.folder {
            Some(folder) => home.join(folder),
            None => table.parent().unwrap_or(Path::new(".")).to_path_buf(),
        }
    }

    /// The rows of one split of a table.
    fn group(&self, table: &Read, tasks: &[usize], split: usize, known: &Known, request: &Request) -> Result<Group> {
        let rows = &table.rows.rows[split];
        let format = self.format(known.size, decode::Owner::FirstImage);
        let files: Vec<_> = rows.iter().map(|&row| table.file(&self.column, row)).collect();
        let (x, sizes) = decode::stack(&files, &format)?;
        let target = |&index: &usize| -> Result<Target> {
            if known.maps[index] {
                return self.map_labels(table, index, rows, &sizes, known, request);
            }
            let standardization = known.standardizations[index].as_ref();
            Ok(fit::target(index, &request.tasks[index], &table.rows, rows, standardization, request.precision)?)
        };
        let targets = tasks.iter().map(target).collect::<Result<_>>()?;
        Ok(Group { inputs: vec![("x".into(), x)], tasks: tasks.to_vec(), targets })
    }

    /// How images come to `size`, which is that of the images of `owner`.
    fn format(&self, size: [u32; 2], owner: decode::Owner) -> decode::Format {
        let fit = self.size.map(|_| self.fit);
        decode::Format { channels: self.channels, grayscale: self.grayscale, size, fit, owner }
    }

    /// The maps that a task's column names; a row without one has no label in any pixel.
    fn map_labels(
        &self,
        table: &Read,
        index: usize,
        rows: &[usize],
        sizes: &[(u32, u32)],
        known: &Known,
        request: &Request,
    ) -> Result<Target> {
        let task = &request.tasks[index];
        let column = table.rows.labels[&index];
        let fit = self.size.map(|_| self.fit);
        let place = |row: usize| table.place(&task.targets[0], row);
        let read = |(row, size): (&usize, &(u32, u32))| -> Result<Option<Target>> {
            let Some(path) = table.path(column, *row) else { return Ok(None) };
            let map = decode::map(&path, &place(*row), *size, known.size, fit)?;
            let ignore = self.ignore.get(&task.name).copied();
            let place = |_| format!("{}, {}", place(*row), path.display());
            Ok(Some(Labels { task, values: map.unsqueeze(0), ignore, place: &place }.target(request.precision)?))
        };
        let maps = rows.par_iter().zip(sizes).map(read).collect::<Result<Vec<_>>>()?;
        let Some(first) = maps.iter().flatten().next() else {
            let what = format!("no row of this split has a label for task \"{}\"", task.name);
            return Err(Mistake::new(table.rows.table.path.display(), what).remedy("name its maps").into());
        };
        let (shape, kind) = (first.values.size(), first.values.kind());
        let weights = maps.iter().any(|map| map.as_ref().is_none_or(|map| map.weights.is_some()));
        let none = if kind == Kind::Bool || first.values.is_floating_point() { 0 } else { crate::tasks::NO_CLASS };
        let flat = |known: bool| Tensor::full(shape.as_slice(), i64::from(known), (Kind::Bool, tch::Device::Cpu));
        let mut values = Vec::new();
        let mut all_weights = Vec::new();
        for (map, row) in maps.into_iter().zip(rows) {
            if let Some(map) = &map
                && map.values.size() != shape
            {
                let what = format!("a map of {:?}, the first is {shape:?}", map.values.size());
                return Err(Mistake::new(place(*row), what).remedy("give all as many channels").into());
            }
            let known = map.is_some();
            let (value, weight) = match map {
                Some(map) => (map.values, map.weights),
                None => (Tensor::full(shape.as_slice(), none, (kind, tch::Device::Cpu)), None),
            };
            values.push(value);
            if weights {
                all_weights.push(weight.unwrap_or_else(|| flat(known)));
            }
        }
        Ok(Target { values: Tensor::cat(&values, 0), weights: weights.then(|| Tensor::cat(&all_weights, 0)) })
    }
}

impl Read {
    /// The file that a cell names; `None` where it is empty.
    fn path(&self, column: usize, row: usize) -> Option<PathBuf> {
        let table = &self.rows.table;
        let text = &table.levels[column][table.columns[column][row] as usize];
        (!text.is_empty()).then(|| self.folder.join(text))
    }

    /// Whether every row names an image; they stand in column 0, called `column`.
    fn check_files(&self, column: &str) -> Result<(), Mistake> {
        match (0..self.rows.table.rows).find(|&row| self.path(0, row).is_none()) {
            None => Ok(()),
            Some(row) => {
                let mistake = Mistake::new(self.place(column, row), "the cell is empty");
                Err(mistake.remedy("name an image in every row"))
            }
        }
    }

    /// The image of a row, and the words for its place.
    fn file(&self, column: &str, row: usize) -> (PathBuf, String) {
        (self.path(0, row).expect("checked"), self.place(column, row))
    }

    /// Where a row stands. The header is line 1.
    fn place(&self, column: &str, row: usize) -> String {
        format!("{}, row {}, column \"{column}\"", self.rows.table.path.display(), row + 1)
    }
}
