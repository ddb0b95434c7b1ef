//! Inputs and labels from files of arrays.

mod layout;
mod number;
mod per_name;
mod read;
mod rows;
mod rules;
#[cfg(test)]
mod tests;
mod unlabelled;

pub use layout::{Known, MapLayout};
pub(super) use number::Number;
pub use per_name::{PerName, Standardize};
pub(super) use read::{extension, keyed, npy};
pub(super) use rows::SameRows;
pub(super) use rules::{check_channels, check_ids};
pub(super) use unlabelled::unlabelled;

use super::held_out::{HeldOut, hold_out};
use super::labels::{Labels, check_labelled, standardization};
use super::{Augmentation, Data, Dataset, Features, Group, InputKind, Raw, Request, Source};
use crate::error::{BadSetting, Mistake, nearest, note};
use crate::registry::{at, kind};
use crate::tasks::{Form, Standardization, Target, Task};
use anyhow::Result;
pub(super) use per_name::check_names;
use read::Array;
use schemars::JsonSchema;
use serde::de::{Deserializer, Error};
use serde::{Deserialize, Serialize};
use serde_yaml::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use tch::{Kind, Tensor};

/// Inputs and labels from arrays whose first dimension is the rows.
///
/// A PATH is `FILE.npy`, `FILE.npz:KEY`, `FILE.safetensors:KEY` (the key may be left out where there is one array), or a
/// folder of files `0.npy`, `1.npy`, … with one row each, in the order of their numbers: LibMTL's NYUv2 is
/// `{inputs: nyuv2/train/image, labels: {segmentation: nyuv2/train/label, depth: nyuv2/train/depth}}`. Files of one number
/// belong together, so all folders hold the same numbers.
///
/// Inputs are numbers `[N, …]`: uint8, int8 to int64, bool, float16 to float64, bfloat16. What they
/// are, `kind` says, or what reads them tells: convolutions read images `[N, H, W]`, `[N, H, W, C]`
/// or `[N, C, H, W]`, which are `x / 255` where they are uint8; a backbone with a `vocabulary` reads
/// ids; all else is numbers as they are.
/// Integers reach a TorchScript module as int64. `model.pt` keeps what its inputs are. Labels:
/// classes `[N]`, of tokens `[N, L]`, of pixels `[N, H, W]`; binary and real ones `[N, columns]`, of
/// tokens `[N, columns, L]`, or of pixels with one channel per column; one column needs no dimension
/// of its own. Only labels of rows are standardized. Relative paths start at the folder of the YAML.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Arrays {
    /// The rows to train on: `{inputs: PATH, labels: {TASK: PATH, …}}`.
    pub train: ArrayRows,
    /// The rows to select and stop by: a share of the training rows such as 0.1, drawn by the seed, or `{inputs, labels}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation: Option<HeldOut<ArrayRows>>,
    /// The rows read once, at the end: a share, or `{inputs, labels}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test: Option<HeldOut<ArrayRows>>,
    /// The seed by which shares are drawn. Default: the run's seed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub split_seed: Option<u64>,
    /// Task -> the number that stands for no label, such as `{segmentation: -1, depth: 0}`. A pixel of several channels has
    /// none where all of them hold it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub ignore: BTreeMap<String, f64>,
    /// What inputs are: `image` (uint8 as `x / 255`, other types as they are), `ids` (whole
    /// numbers) or `numbers` (as they are), for all or by name, `{photo: image, table: numbers}`.
    /// Default: what reads them tells. `by_dtype` is the rule of version 0.1: every uint8 input is
    /// an image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<PerName<InputKind>>,
    /// Where inputs and labels of pixels keep their channels, `first` or `last`: for all, or by the
    /// names of inputs and tasks, `{x: last, depth: first}`. Default: labels by the number of their
    /// columns; else `last` where the last dimension is 4 or less and the second is not. `check`
    /// prints what is guessed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channels: Option<PerName<Channels>>,
    /// Bring every channel of every image to mean 0 and standard deviation 1 over the training rows
    /// (`true`), or every channel or column of the inputs that are named, `[photo, table]`.
    #[serde(default)]
    pub standardize: Standardize,
    /// Change training images at random.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub augment: Option<Augmentation>,
    /// Take means and deviations from these rows also where the model was trained before (`model.initial`,
    /// `model.torchscript`); columns, categories and classes keep its order. Default: it goes on with its own.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub refit: bool,
}

/// Where images keep their channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Channels {
    /// `[N, C, H, W]`
    First,
    /// `[N, H, W, C]`
    Last,
}

/// Inputs and their labels.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ArrayRows {
    /// The model's input, called `x`: a PATH; or several, `{NAME: PATH}`, for a module whose
    /// `forward` has arguments of these names.
    pub inputs: Inputs,
    /// Task -> PATH.
    pub labels: BTreeMap<String, PathBuf>,
}

/// One array, or several by name.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum Inputs {
    /// One, called `x`.
    One(PathBuf),
    /// Several.
    Named(BTreeMap<String, PathBuf>),
}

impl<'de> Deserialize<'de> for Inputs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::String(path) => Ok(Self::One(path.into())),
            Value::Mapping(named) if !named.is_empty() => named
                .into_iter()
                .map(|(name, path)| match (name, path) {
                    (Value::String(name), Value::String(path)) => Ok((name, PathBuf::from(path))),
                    (Value::String(name), other) => {
                        Err(at(&name, format!("invalid type: {}, expected a path", kind(&other))))
                    }
                    (other, _) => Err(D::Error::custom(format!("invalid type: {}, expected a name", kind(&other)))),
                })
                .collect::<Result<_, _>>()
                .map(Self::Named),
            other => {
                Err(D::Error::custom(format!("invalid type: {}, expected a path or {{NAME: PATH}}", kind(&other))))
            }
        }
    }
}

impl Source for Arrays {
    fn load(&self, request: &Request) -> Result<Dataset> {
        self.check_names(request.tasks)?;
        let augmentation = self.augment.as_ref().map(|it| it.checked(request.tasks)).transpose()?;
        let mut layouts = Vec::new();
        let all = self.read(&self.train, "data.train", request, &mut layouts)?;
        let mut rules = self.rules(&all, request)?;
        let all = self.shaped(all, &self.train, &rules, request)?;
        let rows = all.rows();
        let share = |held: &Option<HeldOut<ArrayRows>>| match held {
            Some(HeldOut::Share(share)) => (rows as f64 * share).round() as i64,
            _ => 0,
        };
        let (first, second) = (share(&self.validation), share(&self.test));
        if first + second >= rows {
            return Err(BadSetting::new("data", format!("the shares leave none of {rows} training rows")).into());
        }
        let (kept, held) = hold_out(rows, first + second, "arrays.split", request.draw_seed(self.split_seed));
        let own = |held_out: &Option<HeldOut<ArrayRows>>, key: &str, rows: &[i64]| match held_out {
            None => Ok(None),
            Some(HeldOut::Share(_)) => Ok(Some(all.gather(&Tensor::from_slice(rows)))),
            Some(HeldOut::Own(files)) => {
                let group = self.read(files, key, request, &mut Vec::new())?;
                self.shaped(group, files, &rules, request).map(Some)
            }
        };
        let validation = own(&self.validation, "data.validation", &held[..first as usize])?;
        let test = own(&self.test, "data.test", &held[first as usize..])?;
        let train = if held.is_empty() { all } else { all.gather(&Tensor::from_slice(&kept)) };
        for group in validation.iter().chain(&test) {
            alike(&train, group)?;
        }
        let standardizations = request.standardizations(|| self.standardizations(&train, request))?;
        self.standardize(&mut rules, &train, request)?;
        let (validation, test) = (validation.map(|group| vec![group]), test.map(|group| vec![group]));
        let features = Features { inputs: Some(rules), ..Features::default() };
        let augmentation = augmentation.map(|it| it.for_inputs(&train, &features)).transpose()?;
        let raw =
            Raw { train: vec![train], validation, test, features, standardizations, augmentation, own_inputs: false };
        layouts.iter().filter_map(MapLayout::doubt).for_each(note);
        Ok(Dataset { layouts, ..raw.finish(request) })
    }

    fn draw_seed(&self, seed: u64) -> Option<u64> {
        HeldOut::draw_seed([&self.validation, &self.test], self.split_seed.unwrap_or(seed))
    }

    fn deals_all(&self) -> bool {
        true
    }

    fn refits(&self) -> bool {
        self.refit
    }

    fn absolute(&self, folder: &Path) -> Data {
        let held = |it: &Option<HeldOut<ArrayRows>>| it.as_ref().map(|it| it.map_own(|rows| rows.absolute(folder)));
        Data::Arrays(Self {
            train: self.train.absolute(folder),
            validation: held(&self.validation),
            test: held(&self.test),
            ..self.clone()
        })
    }
}

impl ArrayRows {
    fn absolute(&self, folder: &Path) -> Self {
        let whole = |path: &PathBuf| super::absolute(folder, path);
        let all = |paths: &BTreeMap<String, PathBuf>| {
            paths.iter().map(|(name, path)| (name.clone(), whole(path))).collect::<BTreeMap<_, _>>()
        };
        let inputs = match &self.inputs {
            Inputs::One(path) => Inputs::One(whole(path)),
            Inputs::Named(paths) => Inputs::Named(all(paths)),
        };
        Self { inputs, labels: all(&self.labels) }
    }

    /// The inputs by name, in the order of their names.
    pub(super) fn inputs(&self) -> Vec<(String, &PathBuf)> {
        match &self.inputs {
            Inputs::One(path) => vec![("x".into(), path)],
            Inputs::Named(paths) => paths.iter().map(|(name, path)| (name.clone(), path)).collect(),
        }
    }
}

impl Arrays {
    /// Whether the settings name inputs and tasks that there are.
    fn check_names(&self, tasks: &[Task]) -> Result<(), BadSetting> {
        let inputs = self.train.inputs();
        let inputs: Vec<&str> = inputs.iter().map(|(name, _)| name.as_str()).collect();
        let tasks: Vec<&str> = tasks.iter().map(|task| task.name.as_str()).collect();
        let both = [&inputs[..], &tasks[..]].concat();
        check_names("data.ignore", "a task", self.ignore.keys(), &tasks)?;
        check_names("data.kind", "an input", self.kind.iter().flat_map(PerName::names), &inputs)?;
        check_names("data.channels", "an input or a task", self.channels.iter().flat_map(PerName::names), &both)?;
        match &self.standardize {
            Standardize::Named(names) => check_names("data.standardize", "an input", names, &inputs),
            Standardize::Images(_) => Ok(()),
        }
    }

    /// The rows as they are stored, channels first, labels in their own unit; `key` is the
    /// section's path.
    fn read(&self, files: &ArrayRows, key: &str, request: &Request, layouts: &mut Vec<MapLayout>) -> Result<Group> {
        let mut rows = SameRows::default();
        let mut layout = |name: &str, size: &[i64], columns: Option<i64>| {
            let model = request.fitted.filter(|_| columns.is_none()).and_then(|fitted| fitted.shape(name));
            let layout = MapLayout::new(name, size, columns, model, self.channels.as_ref())?;
            if !layouts.contains(&layout) {
                layouts.push(layout.clone());
            }
            Some(layout)
        };
        let mut inputs = Vec::new();
        for (name, path) in files.inputs() {
            let array = Array::open(&request.folder.join(path))?;
            rows.check(&array)?;
            let keeps_digits = self.may_scale(&name, request);
            let input = input(&array, request.precision, keeps_digits, |size| layout(&name, size, None))?;
            inputs.push((name, input));
        }
        let mut targets = Vec::new();
        for task in request.tasks {
            let Some(path) = files.labels.get(&task.name) else {
                let bad = BadSetting::new(format!("{key}.labels"), format!("has no array for task \"{}\"", task.name));
                let near = nearest(&task.name, files.labels.keys().map(String::as_str));
                let remedy = near.map_or(format!("add `{}: PATH`", task.name), |near| {
                    format!("did you mean \"{}\" where \"{near}\" is written?", task.name)
                });
                return Err(bad.remedy(remedy).into());
            };
            let array = Array::open(&request.folder.join(path))?;
            rows.check(&array)?;
            let ignore = self.ignore.get(&task.name).copied();
            // What is standardized keeps its digits until then; version 0.1 did otherwise.
            let is_scaled = task.standardize || request.is_standardized(targets.len());
            let keeps_digits = is_scaled && !request.plain_statistics;
            let kind = if keeps_digits { Kind::Double } else { request.precision };
            let pieces = array.pieces(|piece, start| {
                let place = |row: i64| array.place(start + row);
                let values = arranged(piece, |size| layout(&task.name, size, Some(label_columns(task))));
                Ok(Labels { task, values, ignore, place: &place }.target(kind)?)
            })?;
            targets.push(joined(pieces));
        }
        Ok(Group { inputs, tasks: (0..request.tasks.len()).collect(), targets })
    }

    /// Whether an input is standardized, if it turns out to be an image where only images are.
    fn may_scale(&self, name: &str, request: &Request) -> bool {
        let own = match &self.standardize {
            Standardize::Images(all) => *all,
            Standardize::Named(names) => names.iter().any(|named| named == name),
        };
        let known = request.statistics().and_then(|fitted| fitted.features.inputs.as_ref()?.get(name));
        !request.plain_statistics && known.map_or(own, |rule| rule.scaling.is_some())
    }

    fn standardizations(&self, train: &Group, request: &Request) -> Result<Vec<Option<Standardization>>, Mistake> {
        let mut all = Vec::new();
        for (task, target) in request.tasks.iter().zip(&train.targets) {
            let place = self.train.labels[&task.name].display();
            check_labelled(task, target, &place)?;
            all.push(standardization(task, target, &place)?);
        }
        Ok(all)
    }
}

/// An input as it is stored, channels first: real numbers in the run's precision, or in their own
/// where it is double and `keeps_digits`; all else in its own type.
fn input(
    array: &Array,
    precision: Kind,
    keeps_digits: bool,
    mut layout: impl FnMut(&[i64]) -> Option<MapLayout>,
) -> Result<Tensor> {
    let pieces = array.pieces(|piece, start| {
        let piece = arranged(piece, &mut layout);
        if !piece.is_floating_point() {
            return Ok(piece);
        }
        let narrow = piece.to_kind(precision);
        let wrong = narrow.isfinite().logical_not();
        if wrong.any().int64_value(&[]) != 0 {
            let at = Vec::<i64>::try_from(wrong.nonzero().select(0, 0)).expect("a place");
            return Err(not_finite(array.place(start + at[0]), piece.double_value(&at)).into());
        }
        Ok(if keeps_digits && piece.kind() == Kind::Double { piece } else { narrow })
    })?;
    Ok(if pieces.len() == 1 { pieces[0].shallow_clone() } else { Tensor::cat(&pieces, 0) })
}

/// A number that is not finite in the run's precision, or at all.
pub(super) fn not_finite(place: String, number: f64) -> Mistake {
    match number.is_finite() {
        true => Mistake::new(place, format!("{number:e} is beyond the run's precision"))
            .remedy("set `precision: float64`, or scale the array"),
        false => Mistake::new(place, "holds a number that is not finite").remedy("mend it"),
    }
}

/// Maps with their channels first, all else as it is.
fn arranged(array: Tensor, mut layout: impl FnMut(&[i64]) -> Option<MapLayout>) -> Tensor {
    match layout(&array.size()) {
        Some(layout) => layout.apply(array),
        None => array,
    }
}

/// The channels that a task's labels of pixels have, where they have a dimension of channels.
fn label_columns(task: &Task) -> i64 {
    match task.form {
        Form::Classes(_) => 1,
        Form::Binary(columns) | Form::Real(columns) => columns,
    }
}

/// One target of its pieces; weights only where one has some.
fn joined(pieces: Vec<Target>) -> Target {
    let weights = pieces.iter().any(|piece| piece.weights.is_some()).then(|| {
        let of = |piece: &Target| match &piece.weights {
            Some(weights) => weights.shallow_clone(),
            None => piece.values.ones_like().to_kind(Kind::Bool),
        };
        Tensor::cat(&pieces.iter().map(of).collect::<Vec<_>>(), 0)
    });
    Target { values: Tensor::cat(&pieces.iter().map(|piece| &piece.values).collect::<Vec<_>>(), 0), weights }
}

/// Labels of pixels are as high and wide as the image.
fn same_pixels(group: &Group, files: &ArrayRows, request: &Request) -> Result<(), Mistake> {
    let Some((_, image)) = group.inputs.iter().find(|(_, input)| input.dim() == 4) else { return Ok(()) };
    let of = |tensor: &Tensor| tensor.size()[tensor.dim() - 2..].to_vec();
    for (task, target) in request.tasks.iter().zip(&group.targets) {
        if target.values.dim() >= 3 && of(&target.values) != of(image) {
            let what = format!("has {:?} pixels, the images have {:?}", of(&target.values), of(image));
            let mistake = Mistake::new(files.labels[&task.name].display(), what);
            return Err(mistake.remedy("bring images and labels to one size"));
        }
    }
    Ok(())
}

/// All splits have inputs of one shape.
fn alike(train: &Group, group: &Group) -> Result<(), BadSetting> {
    let shapes = |group: &Group| {
        group.inputs.iter().map(|(name, input)| (name.clone(), input.size()[1..].to_vec())).collect::<Vec<_>>()
    };
    if shapes(train) == shapes(group) {
        return Ok(());
    }
    let what = format!("inputs {:?} beside training inputs {:?}", shapes(group), shapes(train));
    Err(BadSetting::new("data", what).remedy("give all splits inputs of one shape"))
}
