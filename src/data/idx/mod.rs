//! Images and labels from idx files, the format of MNIST.

mod read;
#[cfg(test)]
mod tests;

pub(super) use read::{family, idx, images};

use super::held_out::{HeldOut, hold_out};
use super::labels::{Labels, check_labelled};
use super::{Augmentation, Data, Dataset, Group, Raw, Request, Source};
use crate::error::{BadSetting, Mistake, nearest};
use crate::tasks::{Form, Target};
use anyhow::Result;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use tch::Tensor;

/// Images from idx files (MNIST, Fashion-MNIST, EMNIST, KMNIST), plain or `.gz`, with one file of labels per task.
///
/// Inputs `[N, 1, H, W]` (`[N, C, H, W]` from a file of four dimensions), numbers from 0 to 1 (`x / 255`). They stay one
/// byte per pixel in memory until a step reads them. Classes only. Relative paths start at the folder of the YAML.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Idx {
    /// The rows to train on: `{images: PATH, labels: {TASK: PATH, …}}`.
    pub train: IdxRows,
    /// The rows to select and stop by: a share of the training rows such as 0.1, drawn by the seed, or `{images, labels}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation: Option<HeldOut<IdxRows>>,
    /// The rows read once, at the end: a share, or `{images, labels}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test: Option<HeldOut<IdxRows>>,
    /// The seed by which shares are drawn. Default: the run's seed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub split_seed: Option<u64>,
    /// Bring every channel to mean 0 and standard deviation 1 over the training rows' pixels.
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

/// Images and their labels.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct IdxRows {
    /// A file of images.
    pub images: PathBuf,
    /// Task -> a file of as many labels.
    pub labels: BTreeMap<String, PathBuf>,
}

impl Source for Idx {
    fn load(&self, request: &Request) -> Result<Dataset> {
        for (index, task) in request.tasks.iter().enumerate() {
            if !matches!(task.form, Form::Classes(_)) || task.labels.is_some() {
                let what = format!("{} needs labels that idx files do not hold: they hold classes", task.name);
                let bad = BadSetting::new(format!("tasks[{index}]"), what);
                return Err(bad.remedy("use `loss: {name: cross_entropy, classes: …}`, without `labels`").into());
            }
        }
        let augmentation = self.augment.as_ref().map(|it| it.checked(request.tasks)).transpose()?;
        let all = self.train.read("data.train", request)?;
        let rows = all.rows();
        let share = |held: &Option<HeldOut<IdxRows>>| match held {
            Some(HeldOut::Share(share)) => (rows as f64 * share).round() as i64,
            _ => 0,
        };
        let (first, second) = (share(&self.validation), share(&self.test));
        if first + second >= rows {
            return Err(BadSetting::new("data", format!("the shares leave none of {rows} training rows")).into());
        }
        let (kept, held) = hold_out(rows, first + second, "idx.split", request.draw_seed(self.split_seed));
        let own = |held_out: &Option<HeldOut<IdxRows>>, key: &str, rows: &[i64]| match held_out {
            None => Ok(None),
            Some(HeldOut::Share(_)) => Ok(Some(vec![all.gather(&Tensor::from_slice(rows))])),
            Some(HeldOut::Own(files)) => files.read(key, request).map(|group| Some(vec![group])),
        };
        let validation = own(&self.validation, "data.validation", &held[..first as usize])?;
        let test = own(&self.test, "data.test", &held[first as usize..])?;
        let train = if held.is_empty() { all } else { all.gather(&Tensor::from_slice(&kept)) };
        for (task, target) in request.tasks.iter().zip(&train.targets) {
            check_labelled(task, target, self.train.images.display())?;
        }
        for group in validation.iter().chain(&test).flatten() {
            alike(&train, group)?;
        }
        let features = request.images(self.standardize, &[(&train.inputs[0].1, None)])?;
        let augmentation = augmentation.map(|it| it.for_inputs(&train, &features)).transpose()?;
        let standardizations = request.tasks.iter().map(|_| None).collect();
        Ok(Raw { train: vec![train], validation, test, features, standardizations, augmentation, own_inputs: false }
            .finish(request))
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
        let held = |it: &Option<HeldOut<IdxRows>>| it.as_ref().map(|it| it.map_own(|rows| rows.absolute(folder)));
        Data::Idx(Self {
            train: self.train.absolute(folder),
            validation: held(&self.validation),
            test: held(&self.test),
            ..self.clone()
        })
    }
}

impl IdxRows {
    fn absolute(&self, folder: &Path) -> Self {
        let whole = |path: &PathBuf| super::absolute(folder, path);
        let labels = self.labels.iter().map(|(task, path)| (task.clone(), whole(path))).collect();
        Self { images: whole(&self.images), labels }
    }

    /// The rows; `key` is the section's path.
    fn read(&self, key: &str, request: &Request) -> Result<Group> {
        let file = request.folder.join(&self.images);
        let images = images(&file)?;
        let mut targets: Vec<Target> = Vec::new();
        for task in request.tasks {
            let Some(path) = self.labels.get(&task.name) else {
                let bad = BadSetting::new(format!("{key}.labels"), format!("has no file for task \"{}\"", task.name));
                let near = nearest(&task.name, self.labels.keys().map(String::as_str));
                return Err(bad
                    .remedy(match near {
                        Some(near) => format!("did you mean \"{}\" where \"{near}\" is written?", task.name),
                        None => format!("add `{}: PATH`", task.name),
                    })
                    .into());
            };
            let path = request.folder.join(path);
            let values = idx(&path, 1..=1)?;
            if values.size()[0] != images.size()[0] {
                let what = format!(
                    "has {} labels for the {} images of {}",
                    values.size()[0],
                    images.size()[0],
                    file.display()
                );
                return Err(Mistake::new(path.display(), what).remedy("name the labels of these images").into());
            }
            let place = |row: i64| format!("{}, row {}", path.display(), row + 1);
            targets.push(Labels { task, values, ignore: None, place: &place }.target(request.precision)?);
        }
        let tasks = (0..request.tasks.len()).collect();
        Ok(Group { inputs: vec![("x".into(), images)], tasks, targets })
    }
}

/// All splits have images of one size.
fn alike(train: &Group, group: &Group) -> Result<(), BadSetting> {
    let size = |group: &Group| group.inputs[0].1.size()[1..].to_vec();
    if size(train) == size(group) {
        return Ok(());
    }
    let what = format!("images of {:?} beside training images of {:?}", size(group), size(train));
    Err(BadSetting::new("data", what).remedy("give all splits images of one size"))
}
