//! Training images changed at random: crops, flips, scales, together with their maps and dense labels.

mod inputs;

pub use inputs::Movement;

use super::Group;
use super::arrays::check_names;
use crate::error::BadSetting;
use crate::random::generator;
use crate::tasks::{Form, NO_CLASS, Target, Task};
use rand::RngExt;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use tch::{Kind, Tensor};

/// Training images changed at random, anew at every step; labels of pixels move along, and so do other inputs of as many
/// pixels, such as maps of what is valid. In this order: scale, crop, flip.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Augmentation {
    /// Move an image by up to so many pixels each way; what comes in is black, and has no label
    /// (`torchvision.transforms.RandomCrop` with such a padding).
    #[serde(with = "crate::settings::Count")]
    pub crop: u64,
    /// Mirror every other image left to right.
    pub flip: bool,
    /// Enlarge a random part of the image to all of it, by one of these factors, each as likely. Images bilinear (with
    /// corners aligned), labels by the nearest pixel, as LibMTL's `RandomScaleCrop`.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "factors")]
    pub scale: Vec<f64>,
    /// The tasks whose labels are depths: an image enlarged by a factor is nearer, so they are divided by it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub depths: Vec<String>,
    /// The tasks whose labels are surface normals (x, y, z): a mirrored image negates x.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub normals: Vec<String>,
    /// How inputs move, by name: `bilinear`, `nearest` (a scaled part takes the nearest pixel) or `still`, such as
    /// `{mask: nearest, words: still}`. Default: rows `[C, H, W]` bilinear, but nearest where they are bools or ids; rows
    /// `[H, W]` nearest; all else still.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub inputs: BTreeMap<String, Movement>,
    /// The tasks' names, in order.
    #[serde(skip)]
    #[schemars(skip)]
    tasks: Vec<String>,
    /// How each input moves.
    #[serde(skip)]
    #[schemars(skip)]
    moves: BTreeMap<String, Movement>,
}

/// What happens to one row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Draw {
    /// How many times larger, 1 or more.
    scale: f64,
    /// From 0 to 1: where the part that is enlarged lies between top and bottom, left and right.
    part: [f64; 2],
    /// By how many pixels the image moves down and right.
    shift: [i64; 2],
    flip: bool,
}

impl Augmentation {
    /// Those of `tasks`, checked.
    ///
    /// # Errors
    /// A name that is not a task's, or a task with labels of another kind (path `data.augment.…`).
    pub fn checked(&self, tasks: &[Task]) -> Result<Self, BadSetting> {
        check_labels("depths", &self.depths, tasks, "real labels", |form| matches!(form, Form::Real(_)))?;
        check_labels("normals", &self.normals, tasks, "three real columns", |form| form == Form::Real(3))?;
        Ok(Self { tasks: tasks.iter().map(|task| task.name.clone()).collect(), ..self.clone() })
    }

    /// What happens to the row at `place` of a pass: a function of the seed, the (epoch, pass) and the place.
    pub fn draw(&self, seed: u64, (epoch, pass): (i64, i64), group: usize, place: i64) -> Draw {
        let (step, layer) = (((epoch as u64) << 24) + pass as u64, ((group as u64) << 40) + place as u64);
        let mut random = generator(seed, "augment", step, layer);
        // Drawn whatever is asked for, so that one setting does not change the draws of another.
        let (choice, part, flip) = (random.random::<f64>(), [random.random(), random.random()], random.random::<f64>());
        let most = self.crop as i64;
        let shift = [random.random_range(-most..=most), random.random_range(-most..=most)];
        let at = (choice * self.scale.len() as f64) as usize;
        Draw { scale: self.scale.get(at).copied().unwrap_or(1.0), part, shift, flip: self.flip && flip < 0.5 }
    }

    /// The group's images, maps and labels of pixels changed row by row; `draws` gives the draw of the i-th row.
    pub fn apply(&self, mut group: Group, draws: &mut dyn FnMut(i64) -> Draw) -> Group {
        let draws: Vec<Draw> = (0..group.rows()).map(draws).collect();
        for (name, input) in &mut group.inputs {
            match self.movement(name, input) {
                Movement::Bilinear => *input = each(input, &draws, |image, draw| draw.image(image)),
                Movement::Nearest => *input = each(input, &draws, |map, draw| draw.labels(map, 0.0)),
                Movement::Still => {}
            }
        }
        for (&task, target) in group.tasks.iter().zip(&mut group.targets) {
            if target.has_pixels() {
                *target = self.labels(task, target, &draws);
            }
        }
        group
    }

    /// Classes `[N, H, W]`, or real labels `[N, C, H, W]`.
    fn labels(&self, task: usize, target: &Target, draws: &[Draw]) -> Target {
        let is = |names: &[String]| self.tasks.get(task).is_some_and(|task| names.contains(task));
        let (depth, normal) = (is(&self.depths), is(&self.normals));
        let outside = if target.values.kind() == Kind::Int64 { NO_CLASS as f64 } else { 0.0 };
        let values = each(&target.values, draws, |label, draw| {
            let mut label = draw.labels(label, outside);
            if depth {
                label /= draw.scale;
            }
            if normal && draw.flip {
                let _ = label.select(0, 0).neg_();
            }
            label
        });
        let weights = match &target.weights {
            Some(weights) => Some(weights.shallow_clone()),
            None if self.crop > 0 => {
                let kind = if values.kind() == Kind::Int64 { Kind::Float } else { values.kind() };
                Some(Tensor::ones(values.size(), (kind, values.device())))
            }
            None => None,
        };
        let weights = weights.map(|weights| each(&weights, draws, |weights, draw| draw.labels(weights, 0.0)));
        Target { values, weights }
    }
}

/// Whether the `names` written under `key` are tasks whose labels are what is `needed`.
fn check_labels(
    key: &str,
    names: &[String],
    tasks: &[Task],
    needed: &str,
    fits: impl Fn(Form) -> bool,
) -> Result<(), BadSetting> {
    let known: Vec<&str> = tasks.iter().map(|task| task.name.as_str()).collect();
    for (at, name) in names.iter().enumerate() {
        let path = format!("data.augment.{key}[{at}]");
        check_names(&path, "a task", [name], &known)?;
        if tasks.iter().any(|task| task.name == *name && !fits(task.form)) {
            let what = format!("{key} have {needed}, and {name} has others");
            return Err(BadSetting::new(path, what).remedy(format!("take {name} out")));
        }
    }
    Ok(())
}

/// A change of every row of `[N, …]`.
fn each(tensor: &Tensor, draws: &[Draw], change: impl Fn(&Tensor, &Draw) -> Tensor) -> Tensor {
    let rows: Vec<Tensor> = draws.iter().zip(0..).map(|(draw, row)| change(&tensor.select(0, row), draw)).collect();
    Tensor::stack(&rows, 0)
}

impl Draw {
    /// The part of `[H, W]` that is enlarged: top, left, height, width.
    fn window(&self, [height, width]: [i64; 2]) -> [i64; 4] {
        let (h, w) = ((height as f64 / self.scale) as i64, (width as f64 / self.scale) as i64);
        let (h, w) = (h.clamp(1, height), w.clamp(1, width));
        let start = |part: f64, free: i64| ((part * (free + 1) as f64) as i64).min(free);
        [start(self.part[0], height - h), start(self.part[1], width - w), h, w]
    }

    /// `[C, H, W]` or `[H, W]`
    fn image(&self, image: &Tensor) -> Tensor {
        if image.dim() == 2 {
            return self.image(&image.unsqueeze(0)).squeeze_dim(0);
        }
        let size = [image.size()[1], image.size()[2]];
        let mut image = image.shallow_clone();
        if self.scale != 1.0 {
            let [top, left, h, w] = self.window(size);
            let part = image.narrow(1, top, h).narrow(2, left, w).unsqueeze(0);
            image = part.upsample_bilinear2d(size, true, None, None).squeeze_dim(0);
        }
        self.moved(image, 0.0)
    }

    /// `[…, H, W]`; `outside` comes in at the borders.
    fn labels(&self, labels: &Tensor, outside: f64) -> Tensor {
        let mut labels = labels.shallow_clone();
        if self.scale != 1.0 {
            let size = labels.size();
            let size = [size[size.len() - 2], size[size.len() - 1]];
            let [top, left, h, w] = self.window(size);
            let nearest = |start: i64, part: i64, whole: i64| {
                let of = |at: i64| start + ((at as f64 * part as f64 / whole as f64) as i64).min(part - 1);
                Tensor::from_slice(&(0..whole).map(of).collect::<Vec<i64>>()).to_device(labels.device())
            };
            let (rows, columns) = (nearest(top, h, size[0]), nearest(left, w, size[1]));
            labels = labels.index_select(-2, &rows).index_select(-1, &columns);
        }
        self.moved(labels, outside)
    }

    /// Moved, then mirrored.
    fn moved(&self, mut tensor: Tensor, outside: f64) -> Tensor {
        for (dim, &shift) in [-2, -1].into_iter().zip(&self.shift) {
            let length = tensor.size()[tensor.dim() - (-dim) as usize];
            let shift = shift.clamp(-length, length);
            if shift != 0 {
                let result = tensor.full_like(outside);
                let kept = length - shift.abs();
                result.narrow(dim, shift.max(0), kept).copy_(&tensor.narrow(dim, (-shift).max(0), kept));
                tensor = result;
            }
        }
        if self.flip { tensor.flip([-1]) } else { tensor.copy() }
    }
}

fn factors<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<f64>, D::Error> {
    let factors = Vec::<f64>::deserialize(deserializer)?;
    match factors.iter().find(|factor| !(**factor >= 1.0 && factor.is_finite())) {
        Some(factor) => {
            Err(serde::de::Error::custom(format!("invalid value: {factor}, expected a factor of 1 or above")))
        }
        None => Ok(factors),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::Device;

    const STILL: Draw = Draw { scale: 1.0, part: [0.0; 2], shift: [0; 2], flip: false };

    fn tasks(augmentation: Augmentation, names: &[&str]) -> Augmentation {
        Augmentation { tasks: names.iter().map(|name| name.to_string()).collect(), ..augmentation }
    }

    /// One image of 4 x 6 pixels, 0 to 23; the labels tell the pixel.
    fn rows() -> Group {
        let pixels = Tensor::arange(24, (Kind::Int64, Device::Cpu));
        let numbers = pixels.to_kind(Kind::Float);
        Group {
            inputs: vec![("x".into(), numbers.view([1, 1, 4, 6]))],
            tasks: vec![0, 1, 2, 3],
            targets: vec![
                Target { values: pixels.view([1, 4, 6]), weights: None },
                Target { values: numbers.view([1, 1, 4, 6]), weights: None },
                Target { values: numbers.view([1, 1, 4, 6]).expand([1, 3, 4, 6], false).contiguous(), weights: None },
                Target { values: Tensor::from_slice(&[5i64]), weights: None },
            ],
        }
    }

    fn apply(augmentation: &Augmentation, draw: Draw) -> Group {
        tasks(augmentation.clone(), &["class", "depth", "normal", "whole"]).apply(rows(), &mut |_| draw)
    }

    fn numbers(tensor: &Tensor) -> Vec<f64> {
        Vec::try_from(tensor.to_kind(Kind::Double).reshape([-1])).expect("numbers")
    }

    #[test]
    fn pixels_and_their_labels_move_together() {
        let all: Augmentation = serde_yaml::from_str("{crop: 2, flip: true}").expect("settings");
        for shift in [[0, 0], [1, -2], [-2, 2], [0, 1]] {
            for flip in [false, true] {
                let moved = apply(&all, Draw { shift, flip, ..STILL });
                let (image, class) = (numbers(&moved.inputs[0].1), numbers(&moved.targets[0].values));
                let weight = numbers(moved.targets[0].weights.as_ref().expect("weights"));
                for at in 0..24 {
                    let (row, column) = (at / 6, if flip { 5 - at % 6 } else { at % 6 });
                    let (row, column) = (row - shift[0], column - shift[1]);
                    let inside = (0..4).contains(&row) && (0..6).contains(&column);
                    let pixel = (row * 6 + column) as f64;
                    let expected = if inside { (pixel, pixel, 1.0) } else { (0.0, NO_CLASS as f64, 0.0) };
                    let at = at as usize;
                    assert_eq!((image[at], class[at], weight[at]), expected, "{shift:?} {flip} {at}");
                }
                assert_eq!(moved.targets[3].values.int64_value(&[0]), 5, "a label of the whole image stays");
            }
        }
    }

    #[test]
    fn depths_shrink_with_the_scale_and_a_mirror_turns_normals() {
        let all: Augmentation =
            serde_yaml::from_str("{flip: true, scale: [2], depths: [depth], normals: [normal]}").expect("settings");
        let moved = apply(&all, Draw { scale: 2.0, flip: true, ..STILL });
        // Columns 0 0 1 1 2 2 of the part, mirrored.
        let first_row = [2.0, 2.0, 1.0, 1.0, 0.0, 0.0];
        assert_eq!(numbers(&moved.targets[0].values)[..6], first_row);
        assert_eq!(numbers(&moved.targets[1].values)[..6], first_row.map(|pixel| pixel / 2.0));
        let normal = moved.targets[2].values.select(0, 0); // [3, 4, 6]
        assert_eq!(numbers(&normal.select(0, 0))[..6], first_row.map(|pixel| -pixel));
        assert_eq!(numbers(&normal.select(0, 1))[..6], first_row);
        // Bilinear with corners aligned: the corners of the part are the corners of the image.
        let image = numbers(&moved.inputs[0].1);
        assert_eq!((image[5], image[0], image[23], image[18]), (0.0, 2.0, 6.0, 8.0));
    }

    #[test]
    fn a_part_lies_within_the_image_and_every_draw_repeats() {
        let all: Augmentation = serde_yaml::from_str("{crop: 3, flip: true, scale: [1, 1.2, 1.5]}").expect("settings");
        let draws: Vec<Draw> = (0..500).map(|place| all.draw(1, (2, 0), 0, place)).collect();
        for draw in &draws {
            let [top, left, h, w] = draw.window([10, 7]);
            assert!(top >= 0 && left >= 0 && h >= 1 && w >= 1 && top + h <= 10 && left + w <= 7, "{draw:?}");
            assert!(draw.shift.iter().all(|shift| (-3..=3).contains(shift)));
        }
        for factor in [1.0, 1.2, 1.5] {
            assert!(draws.iter().filter(|draw| draw.scale == factor).count() > 100);
        }
        assert!((200..300).contains(&draws.iter().filter(|draw| draw.flip).count()));
        assert_eq!(all.draw(1, (2, 0), 0, 7), draws[7]);
        assert_ne!(all.draw(1, (3, 0), 0, 7), draws[7]);
    }
}
