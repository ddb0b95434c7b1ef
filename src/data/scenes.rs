//! Semi-synthetic scenes: photographs of real objects on planes whose distance and slope are known at every pixel.

use super::{Data, Dataset, Features, Group, Raw, Request, Source};
use crate::error::{BadSetting, Mistake};
use crate::random::generator;
use crate::tasks::{Standardization, Target, Task};
use anyhow::Result;
use rand::RngExt;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::Path;
use tch::{Kind, Tensor};

mod columns;
mod objects;
mod scene;

use columns::{Column, Labels};
use objects::Objects;
use scene::{Scene, Size};

/// Fewer pixels hold no object, and more are a slip of the finger.
const SIDES: std::ops::RangeInclusive<u64> = 8..=4096;
const MOST_OBJECTS: u64 = 20;

/// Semi-synthetic scenes for tasks of every pixel: real objects (images of Fashion-MNIST) on slanted planes drawn at random.
///
/// The input `x` is an image `[N, channels, H, W]` of numbers from 0 to 1. In each, some objects of random class, size and place stand one before
/// the other, the rear ones partly hidden, in front of a slanted background. Every object is flat, with a slope and a tint
/// of its own; the slope shows in how the light falls on it, the distance in haze. Training, validation and test draw from
/// disjoint images of objects, 24, 8 and 8 per class. A task chooses its labels by its `target`:
///
/// - `segmentation`: 0 for the background, 1 to 10 for Fashion-MNIST's classes in their order (`cross_entropy`, 11 classes).
/// - `depth`: the distance from the camera, from 1 on, in units of the image's height (a loss of real numbers).
/// - `normals`: the unit normal, to the right, down, and away from the camera, so that the last is below 0 (`channels: 3`).
/// - `count`: how many objects are seen in the image (`cross_entropy`; classes: the largest number and 1 more).
/// - `nearest`: the class of the object in front, from 0 (`cross_entropy`, 10 classes).
///
/// All labels of a pixel are those of the frontmost object there. An image depends on the seed, its split and its number
/// alone: a longer split begins with the images of a shorter one.
///
/// Reference: Xiao, Rasul, Vollgraf, "Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine Learning Algorithms",
/// 2017 (the objects).
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Scenes {
    /// Height and width of the images in pixels, each from 8 to 4096.
    pub size: [u64; 2],
    /// 3 for colours, 1 for their mean.
    pub channels: u64,
    /// The smallest and the largest number of objects in an image, from 1 to 20.
    pub objects: [u64; 2],
    /// Training images.
    #[serde(with = "crate::settings::AtLeastOne")]
    pub train: u64,
    /// Validation images; 0: no such split.
    #[serde(with = "crate::settings::Count")]
    pub validation: u64,
    /// Test images; 0: no such split.
    #[serde(with = "crate::settings::Count")]
    pub test: u64,
    /// Bring every channel of the images to mean 0 and standard deviation 1 over the training images' pixels.
    pub standardize: bool,
    /// Draws the scenes. Default: the run's seed; give one to train on the same scenes from several seeds.
    pub seed: Option<u64>,
    /// Take means and deviations from these rows also where the model was trained before (`model.initial`,
    /// `model.torchscript`); columns, categories and classes keep its order. Default: it goes on with its own.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub refit: bool,
}

impl Default for Scenes {
    fn default() -> Self {
        Self {
            size: [64, 64],
            channels: 3,
            objects: [1, 4],
            train: 2000,
            validation: 500,
            test: 500,
            standardize: false,
            seed: None,
            refit: false,
        }
    }
}

impl Source for Scenes {
    fn load(&self, request: &Request) -> Result<Dataset> {
        self.check()?;
        let columns = request.tasks.iter().enumerate().map(|(index, task)| {
            Column::of(task, self.objects[1] as i64).map_err(|bad| bad.under(&format!("tasks[{index}]")))
        });
        let columns = columns.collect::<Result<Vec<_>, _>>()?;
        let (objects, seed) = (Objects::load(), request.draw_seed(self.seed));
        let draw = |split, images| self.draw(&objects, &columns, seed, split, images);
        let train = draw(0, self.train);
        request.fitted.map_or(Ok(()), |fitted| check_fitted(&fitted.features))?;
        let standardizations = request.standardizations(|| anyhow::Ok(train.fit(request.tasks)))?;
        let group = |images: Images| images.group(request.precision);
        let other = |split, images| (images > 0).then(|| vec![group(draw(split, images))]);
        let (validation, test) = (other(1, self.validation), other(2, self.test));
        let train = group(train);
        let features = request.images(self.standardize, &[(&train.inputs[0].1, None)])?;
        let train = vec![train];
        Ok(Raw { train, validation, test, features, standardizations, augmentation: None, own_inputs: false }
            .finish(request))
    }

    fn draw_seed(&self, seed: u64) -> Option<u64> {
        Some(self.seed.unwrap_or(seed))
    }

    fn refits(&self) -> bool {
        self.refit
    }

    fn absolute(&self, _folder: &Path) -> Data {
        Data::Scenes(self.clone())
    }
}

impl Scenes {
    fn check(&self) -> Result<(), BadSetting> {
        if let Some(at) = self.size.iter().position(|side| !SIDES.contains(side)) {
            let what = format!("{} pixels, expected {} to {}", self.size[at], SIDES.start(), SIDES.end());
            return Err(BadSetting::new(format!("data.size[{at}]"), what));
        }
        if ![1, 3].contains(&self.channels) {
            let what = format!("{} channels, expected 1 or 3", self.channels);
            return Err(BadSetting::new("data.channels", what));
        }
        let [least, most] = self.objects;
        if least < 1 || most > MOST_OBJECTS || least > most {
            let what = format!("from {least} to {most} objects, expected numbers from 1 to {MOST_OBJECTS}");
            return Err(BadSetting::new("data.objects", what).remedy("write the smaller first, such as [1, 4]"));
        }
        Ok(())
    }

    fn draw(&self, objects: &Objects, columns: &[Column], seed: u64, split: usize, count: u64) -> Images {
        let size: Size = self.size.map(|side| side as usize);
        let pixels = size[0] * size[1] * self.channels as usize;
        let mut images = Images {
            shape: [count as i64, self.channels as i64, self.size[0] as i64, self.size[1] as i64],
            pixels: Vec::with_capacity(pixels * count as usize),
            labels: columns.iter().map(|&column| Labels::new(column)).collect(),
        };
        for image in 0..count {
            let mut random = generator(seed, "scenes", image, split as u64);
            let number = random.random_range(self.objects[0]..=self.objects[1]) as usize;
            let scene = Scene::draw(&mut random, objects, split, size, number);
            images.push(&scene);
        }
        images
    }
}

/// A split as drawn.
struct Images {
    /// `[N, channels, H, W]`
    shape: [i64; 4],
    pixels: Vec<u8>,
    /// Per task.
    labels: Vec<Labels>,
}

impl Images {
    fn push(&mut self, scene: &Scene) {
        let colours: Vec<[f64; 3]> = scene.colours().collect();
        let byte = |number: f64| (255.0 * number + 0.5) as u8;
        if self.shape[1] == 1 {
            self.pixels.extend(colours.iter().map(|[red, green, blue]| byte((red + green + blue) / 3.0)));
        } else {
            (0..3).for_each(|channel| self.pixels.extend(colours.iter().map(|colour| byte(colour[channel]))));
        }
        self.labels.iter_mut().for_each(|labels| labels.push(scene));
    }

    /// Mean and standard deviation of the labels of the tasks that want them.
    fn fit(&self, tasks: &[Task]) -> Vec<Option<Standardization>> {
        let pixels = (self.shape[2] * self.shape[3]) as usize;
        let of_task = |(task, labels): (&Task, &Labels)| {
            let (mean, scale) = task.standardize.then(|| labels.moments(pixels))?.into_iter().unzip();
            Some(Standardization { mean, scale })
        };
        tasks.iter().zip(&self.labels).map(of_task).collect()
    }

    fn group(&self, precision: Kind) -> Group {
        let [count, _, height, width] = self.shape;
        let target =
            |labels: &Labels| Target { values: labels.tensor([count, height, width], precision), weights: None };
        Group {
            inputs: vec![("x".into(), Tensor::from_slice(&self.pixels).view(self.shape))],
            tasks: (0..self.labels.len()).collect(),
            targets: self.labels.iter().map(target).collect(),
        }
    }
}

/// A model of the columns of a table cannot read images.
fn check_fitted(features: &Features) -> Result<(), Mistake> {
    if features.columns.is_empty() {
        return Ok(());
    }
    let what = format!("the model reads {} columns of a table, scenes are images", features.columns.len());
    Err(Mistake::new("data", what).remedy("use the data that the model was trained on"))
}

#[cfg(test)]
mod tests;
