//! Two images in one: MultiMNIST, Multi-Fashion, and Fashion beside digits.

use super::held_out::hold_out;
use super::idx::{family, idx, images};
use super::labels::Labels;
use super::{Augmentation, Data, Dataset, Group, Raw, Request, Source};
use crate::error::{BadSetting, Mistake};
use crate::random::generator;
use crate::tasks::{Form, Target, Task};
use anyhow::Result;
use rand::seq::SliceRandom;
use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use tch::{Kind, Tensor};

/// The side of a digit, and of the square that holds two.
const DIGIT: usize = 28;
const CANVAS: usize = 36;

/// Two images of MNIST's family in one of 36 × 36 pixels: one in the top left corner, one in the bottom right, the lighter
/// pixel of the two where they overlap. A task's `target` (default: its name) is `left` or `right`: the class of that one.
///
/// With one folder twice it is MultiMNIST or Multi-Fashion; with two folders, their mixture. Made in memory by `seed`, the
/// same for every run. Each image is used equally often (to one); left and right are drawn independently. Validation rows are
/// made of training images that no training row holds, in the proportion of the numbers of rows; test rows of the test
/// images. Inputs `[N, 1, 36, 36]`, numbers from 0 to 1.
///
/// With the default settings and the tasks `left` and `right`, `polytask check` shows the fingerprint 2b9504ed069cfee0 for
/// MNIST twice, 4bec62df770a2dd7 for Fashion-MNIST twice, and fd7aefb10f660907 for Fashion-MNIST left of MNIST.
///
/// Deviations: the papers drew their own pairs, which were not all published, so the images are not theirs but alike.
///
/// Reference: Sabour et al., "Dynamic Routing Between Capsules", NeurIPS 2017; as multi-task data in Sener and Koltun,
/// "Multi-Task Learning as Multi-Objective Optimization", NeurIPS 2018, and Lin et al., "Pareto Multi-Task Learning",
/// NeurIPS 2019 (36 × 36 pixels, 120000 and 20000 rows).
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MultiMnist {
    /// A folder with `train-images-idx3-ubyte`, `train-labels-idx1-ubyte` and their `t10k-` counterparts, plain or `.gz`.
    pub left: PathBuf,
    /// Another such folder, or the same.
    pub right: PathBuf,
    /// Training rows.
    #[serde(default = "train_rows", with = "crate::settings::AtLeastOne")]
    pub train: u64,
    /// Validation rows; 0: no such split.
    #[serde(default, with = "crate::settings::Count")]
    pub validation: u64,
    /// Test rows; 0: no such split.
    #[serde(default = "test_rows", with = "crate::settings::Count")]
    pub test: u64,
    /// The side of the images: 36 as they are made, or another to which they are resized (bilinear without smoothing,
    /// `torch.nn.functional.interpolate`, rounded to bytes), such as 28.
    #[serde(default = "canvas", with = "crate::settings::AtLeastOne")]
    pub size: u64,
    /// Draws the pairs; apart from the run's seed, so that runs of several seeds see the same rows.
    #[serde(default)]
    pub seed: u64,
    /// Bring the pixels to mean 0 and standard deviation 1 over the training rows.
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

fn train_rows() -> u64 {
    120_000
}

fn test_rows() -> u64 {
    20_000
}

fn canvas() -> u64 {
    CANVAS as u64
}

/// The sides, and so the label columns.
const SIDES: [&str; 2] = ["left", "right"];

impl Source for MultiMnist {
    fn load(&self, request: &Request) -> Result<Dataset> {
        let drawn = Self { seed: request.draw_seed(Some(self.seed)), ..self.clone() };
        drawn.read(request)
    }

    fn draw_seed(&self, _seed: u64) -> Option<u64> {
        Some(self.seed)
    }

    fn refits(&self) -> bool {
        self.refit
    }

    fn absolute(&self, folder: &Path) -> Data {
        let whole = |path: &PathBuf| super::absolute(folder, path);
        Data::MultiMnist(Self { left: whole(&self.left), right: whole(&self.right), ..self.clone() })
    }
}

impl MultiMnist {
    fn read(&self, request: &Request) -> Result<Dataset> {
        let sides = sides(request.tasks)?;
        let augmentation = self.augment.as_ref().map(|it| it.checked(request.tasks)).transpose()?;
        let folders = [&self.left, &self.right].map(|folder| request.folder.join(folder));
        let pools = |part: &str| -> Result<[Pool; 2]> {
            let left = Pool::read(&folders[0], part)?;
            let right = if folders[0] == folders[1] { left.copy() } else { Pool::read(&folders[1], part)? };
            Ok([left, right])
        };
        let build = |split: u64, rows: u64, pools: &[Pool; 2], from: [&[i64]; 2]| {
            self.split(split, rows as usize, pools, from).group(&sides, request)
        };
        let train = pools("train")?;
        let cut = |side: usize| -> Result<(Vec<i64>, Vec<i64>)> {
            let all = train[side].rows();
            let share = self.validation as f64 / (self.train + self.validation) as f64;
            let held = (all as f64 * share).ceil() as i64;
            if held >= all {
                let what = format!("{} rows leave none of {all} training images", self.validation);
                return Err(BadSetting::new("data.validation", what).remedy("lower it").into());
            }
            Ok(hold_out(all, held, "multi_mnist.hold_out", self.seed))
        };
        let ((left, left_held), (right, right_held)) = (cut(0)?, cut(1)?);
        let validation = match self.validation {
            0 => None,
            rows => Some(vec![build(1, rows, &train, [&left_held, &right_held])?]),
        };
        let test = if self.test == 0 {
            None
        } else {
            let test = pools("t10k")?;
            let all = [&test[0], &test[1]].map(|pool| (0..pool.rows()).collect::<Vec<_>>());
            Some(vec![build(2, self.test, &test, [&all[0], &all[1]])?])
        };
        let train = build(0, self.train, &train, [&left, &right])?;
        let features = request.images(self.standardize, &[(&train.inputs[0].1, None)])?;
        let augmentation = augmentation.map(|it| it.for_inputs(&train, &features)).transpose()?;
        let standardizations = request.tasks.iter().map(|_| None).collect();
        Ok(Raw { train: vec![train], validation, test, features, standardizations, augmentation, own_inputs: false }
            .finish(request))
    }
}

/// Which side each task reads.
fn sides(tasks: &[Task]) -> Result<Vec<usize>, BadSetting> {
    let side = |(index, task): (usize, &Task)| {
        let side = match task.targets.as_slice() {
            [target] => SIDES.iter().position(|side| side == target),
            _ => None,
        };
        let Some(side) = side else {
            let what = format!("{} is neither left nor right", task.targets.join(", "));
            return Err(BadSetting::new(format!("tasks[{index}].target"), what).remedy("write `target: left`"));
        };
        match task.form {
            Form::Classes(_) if task.labels.is_none() => Ok(side),
            _ => Err(BadSetting::new(format!("tasks[{index}]"), format!("{} needs no classes 0 to 9", task.name))
                .remedy("use `loss: {name: cross_entropy, classes: 10}`, without `labels`")),
        }
    };
    tasks.iter().enumerate().map(side).collect()
}

/// Images to draw from.
struct Pool {
    /// `[N, 28, 28]`, bytes.
    images: Vec<u8>,
    /// `[N]`, bytes.
    labels: Tensor,
    file: PathBuf,
}

impl Pool {
    fn read(folder: &Path, part: &str) -> Result<Self> {
        let (file, labels_file) = (family(folder, part, "images")?, family(folder, part, "labels")?);
        let (images, labels) = (images(&file)?, idx(&labels_file, 1..=1)?);
        let size = images.size();
        if size[1..] != [1, DIGIT as i64, DIGIT as i64] {
            let what = format!("has images of {:?}, expected {DIGIT} x {DIGIT} pixels", &size[1..]);
            return Err(Mistake::new(file.display(), what).remedy("name a folder of MNIST's family").into());
        }
        if labels.size()[0] != size[0] {
            let what = format!("has {} labels for the {} images of {}", labels.size()[0], size[0], file.display());
            return Err(Mistake::new(labels_file.display(), what).remedy("name the labels of these images").into());
        }
        let images = Vec::try_from(images.view([-1]))?;
        Ok(Self { images, labels, file: labels_file })
    }

    fn rows(&self) -> i64 {
        self.labels.size()[0]
    }

    fn copy(&self) -> Self {
        Self { images: self.images.clone(), labels: self.labels.shallow_clone(), file: self.file.clone() }
    }
}

/// A split as made.
struct Rows<'a> {
    /// `[N, 1, size, size]`, uint8.
    images: Tensor,
    /// Per side, which image of its pool each row holds.
    drawn: [Vec<i64>; 2],
    pools: &'a [Pool; 2],
}

impl MultiMnist {
    /// So many rows of the pools' images `from`.
    fn split<'a>(&self, split: u64, rows: usize, pools: &'a [Pool; 2], from: [&[i64]; 2]) -> Rows<'a> {
        let drawn = [0, 1].map(|side| draw(from[side], rows, self.seed, split, side as u64));
        let mut pixels = vec![0u8; rows * CANVAS * CANVAS];
        let digits = [0, 1].map(|side| (pools[side].images.as_slice(), drawn[side].as_slice()));
        pixels.par_chunks_exact_mut(CANVAS * CANVAS).enumerate().for_each(|(row, canvas)| {
            for (side, (images, drawn)) in digits.iter().enumerate() {
                let corner = side * (CANVAS - DIGIT);
                let digit = &images[drawn[row] as usize * DIGIT * DIGIT..][..DIGIT * DIGIT];
                for (y, line) in digit.chunks_exact(DIGIT).enumerate() {
                    let start = (corner + y) * CANVAS + corner;
                    let place = &mut canvas[start..start + DIGIT];
                    place.iter_mut().zip(line).for_each(|(pixel, &other)| *pixel = (*pixel).max(other));
                }
            }
        });
        let images = Tensor::from_slice(&pixels).view([rows as i64, 1, CANVAS as i64, CANVAS as i64]);
        let images = if self.size == CANVAS as u64 { images } else { resized(&images, self.size as i64) };
        Rows { images, drawn, pools }
    }
}

/// So many images, each as often as any other to one: permutation after permutation.
fn draw(from: &[i64], rows: usize, seed: u64, split: u64, side: u64) -> Vec<i64> {
    let mut drawn = Vec::with_capacity(rows + from.len());
    for pass in 0.. {
        if drawn.len() >= rows {
            break;
        }
        let mut order = from.to_vec();
        order.shuffle(&mut generator(seed, "multi_mnist", (split << 32) + pass, side));
        drawn.extend(order);
    }
    drawn.truncate(rows);
    drawn
}

/// Images `[N, 1, H, W]` of another size, rounded to bytes.
fn resized(images: &Tensor, size: i64) -> Tensor {
    const PIECE: i64 = 4096;
    let rows = images.size()[0];
    let piece = |start: i64| {
        let piece = images.narrow(0, start, PIECE.min(rows - start)).to_kind(Kind::Float);
        piece.upsample_bilinear2d([size, size], false, None, None).round().clamp(0.0, 255.0).to_kind(Kind::Uint8)
    };
    Tensor::cat(&(0..rows).step_by(PIECE as usize).map(piece).collect::<Vec<_>>(), 0)
}

impl Rows<'_> {
    fn group(self, sides: &[usize], request: &Request) -> Result<Group> {
        let target = |(task, &side): (&Task, &usize)| -> Result<Target> {
            let pool = &self.pools[side];
            let values = pool.labels.index_select(0, &Tensor::from_slice(&self.drawn[side]));
            let place = |row: i64| format!("{}, row {}", pool.file.display(), self.drawn[side][row as usize] + 1);
            Ok(Labels { task, values, ignore: None, place: &place }.target(request.precision)?)
        };
        let targets = request.tasks.iter().zip(sides).map(target).collect::<Result<_>>()?;
        let tasks = (0..request.tasks.len()).collect();
        Ok(Group { inputs: vec![("x".into(), self.images)], tasks, targets })
    }
}

#[cfg(test)]
mod tests;
