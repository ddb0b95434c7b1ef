//! Inputs and labels from files of arrays.

mod read;
mod rows;
#[cfg(test)]
mod tests;

pub(super) use read::npy;

use super::held_out::{HeldOut, hold_out};
use super::labels::{Labels, check_labelled, standardization};
use super::{Augmentation, Data, Dataset, Features, Group, Pixels, Raw, Request, Source};
use crate::error::{BadSetting, Mistake, nearest};
use crate::registry::{at, kind};
use crate::tasks::{Standardization, Target};
use anyhow::Result;
use read::Array;
use rows::SameRows;
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
/// Inputs: images `[N, H, W, C]` or `[N, C, H, W]`, or any numbers `[N, …]`; uint8 images become numbers from 0 to 1 when a
/// step reads them. Labels: classes `[N]` or of pixels `[N, H, W]`; binary and real ones `[N]`, `[N, columns]`, or of pixels
/// with one channel per column. Relative paths start at the folder of the YAML.
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
    /// Where images keep their channels. Default: `last` where the last dimension is 4 or less and the second is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channels: Option<Channels>,
    /// Bring every channel of uint8 images to mean 0 and standard deviation 1 over the training rows' pixels.
    #[serde(default)]
    pub standardize: bool,
    /// Change training images at random.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub augment: Option<Augmentation>,
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
        if let Some(name) = self.ignore.keys().find(|name| !request.tasks.iter().any(|task| task.name == **name)) {
            return Err(BadSetting::new("data.ignore", format!("\"{name}\" is no task")).into());
        }
        let augmentation = self.augment.as_ref().map(|it| it.checked(request.tasks)).transpose()?;
        let all = self.read(&self.train, "data.train", request)?;
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
            Some(HeldOut::Own(files)) => self.read(files, key, request).map(Some),
        };
        let validation = own(&self.validation, "data.validation", &held[..first as usize])?;
        let test = own(&self.test, "data.test", &held[first as usize..])?;
        let train = if held.is_empty() { all } else { all.gather(&Tensor::from_slice(&kept)) };
        for group in validation.iter().chain(&test) {
            alike(&train, group)?;
        }
        let standardizations = request.standardizations(|| self.standardizations(&train, request))?;
        let pixels = request.fitted.and_then(|fitted| fitted.features.pixels.clone());
        let pixels = if pixels.is_some() { pixels } else { self.pixels(&train)? };
        let (validation, test) = (validation.map(|group| vec![group]), test.map(|group| vec![group]));
        let features = Features { columns: vec![], pixels };
        Ok(Raw { train: vec![train], validation, test, features, standardizations, augmentation, own_inputs: false }
            .finish(request))
    }

    fn draw_seed(&self, seed: u64) -> Option<u64> {
        HeldOut::draw_seed([&self.validation, &self.test], self.split_seed.unwrap_or(seed))
    }

    fn deals_all(&self) -> bool {
        true
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

    fn inputs(&self) -> Vec<(String, &PathBuf)> {
        match &self.inputs {
            Inputs::One(path) => vec![("x".into(), path)],
            Inputs::Named(paths) => paths.iter().map(|(name, path)| (name.clone(), path)).collect(),
        }
    }
}

impl Arrays {
    /// The rows as they are stored, labels in their own unit; `key` is the section's path.
    fn read(&self, files: &ArrayRows, key: &str, request: &Request) -> Result<Group> {
        let mut rows = SameRows::default();
        let mut inputs = Vec::new();
        for (name, path) in files.inputs() {
            let array = Array::open(&request.folder.join(path))?;
            rows.check(&array)?;
            inputs.push((name, self.input(&array, request.precision)?));
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
            let pieces = array.pieces(|piece, start| {
                let place = |row: i64| array.place(start + row);
                let values = self.planes(piece);
                Ok(Labels { task, values, ignore, place: &place }.target(request.precision)?)
            })?;
            targets.push(joined(pieces));
        }
        let group = Group { inputs, tasks: (0..request.tasks.len()).collect(), targets };
        same_pixels(&group, files, request)?;
        Ok(group)
    }

    /// An input as it is stored: bytes as they are, real numbers in the run's precision.
    fn input(&self, array: &Array, precision: Kind) -> Result<Tensor> {
        let pieces = array.pieces(|piece, start| {
            let kind = piece.kind();
            let piece = self.planes(piece);
            if !piece.is_floating_point() {
                return Ok(if kind == Kind::Uint8 && piece.dim() == 3 { piece.unsqueeze(1) } else { piece });
            }
            let piece = piece.to_kind(precision);
            let wrong = piece.isfinite().logical_not();
            if wrong.any().int64_value(&[]) != 0 {
                let row = wrong.nonzero().int64_value(&[0, 0]);
                return Err(Mistake::new(array.place(start + row), "holds a number that is not finite")
                    .remedy("mend it")
                    .into());
            }
            Ok(piece)
        })?;
        Ok(if pieces.len() == 1 { pieces[0].shallow_clone() } else { Tensor::cat(&pieces, 0) })
    }

    /// Images with their channels first.
    fn planes(&self, piece: Tensor) -> Tensor {
        let size = piece.size();
        let last = match self.channels {
            _ if size.len() != 4 => false,
            Some(channels) => channels == Channels::Last,
            None => size[3] <= 4 && size[1] > 4,
        };
        if last { piece.permute([0, 3, 1, 2]).contiguous() } else { piece }
    }

    fn pixels(&self, train: &Group) -> Result<Option<Pixels>, BadSetting> {
        let image = |input: &Tensor| input.kind() == Kind::Uint8 && input.dim() == 4;
        let images: Vec<&Tensor> = train.inputs.iter().map(|(_, input)| input).filter(|input| image(input)).collect();
        match images.as_slice() {
            [images] if self.standardize => Ok(Some(Pixels::fit(images))),
            [images] => Ok(Some(Pixels::plain(images.size()[1]))),
            _ if self.standardize => {
                let what = format!("true, with {} inputs of uint8 images", images.len());
                Err(BadSetting::new("data.standardize", what).remedy("it is for one: scale the others in their files"))
            }
            _ => Ok(None),
        }
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
