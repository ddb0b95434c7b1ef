//! Which inputs an augmentation moves, and how.

use super::Augmentation;
use crate::data::arrays::check_names;
use crate::data::{Features, Group, InputKind};
use crate::error::BadSetting;
use crate::tasks::Target;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt::{self, Display, Formatter};
use tch::{Kind, Tensor};

/// How an input changes with the image that it belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Movement {
    /// Moves along; a scaled part is interpolated.
    Bilinear,
    /// Moves along; a scaled part takes the nearest pixel, as labels do.
    Nearest,
    /// Does not move.
    Still,
}

/// The image with which all else moves.
struct Reference<'a> {
    name: &'a str,
    /// Height and width.
    size: [i64; 2],
}

impl Display for Reference<'_> {
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        write!(f, "{} has {:?} pixels", self.name, self.size)
    }
}

impl Augmentation {
    /// Settles how each input of `rows` moves, read as `features` tell.
    ///
    /// # Errors
    /// No input is an image or a map; one that could be a map has another size; an input that is
    /// named and is none (path `data.augment.…`).
    pub fn for_inputs(mut self, rows: &Group, features: &Features) -> Result<Self, BadSetting> {
        let names: Vec<&str> = rows.inputs.iter().map(|(name, _)| name.as_str()).collect();
        check_names("data.augment.inputs", "an input", self.inputs.keys(), &names)?;
        let moving = || rows.inputs.iter().filter(|(name, _)| self.inputs.get(name) != Some(&Movement::Still));
        let image = moving().find(|(_, x)| x.dim() == 4);
        // Rows `[H, W]` could be sequences: their name or labels of as many pixels tell.
        let is_plane = |(name, x): &&(String, Tensor)| {
            let has_labels = |target: &Target| target.has_pixels() && last_two(&target.values) == last_two(x);
            x.dim() == 3 && (self.inputs.contains_key(name) || rows.targets.iter().any(has_labels))
        };
        let Some((image, pixels)) = image.or_else(|| moving().find(is_plane)) else {
            let what = "no input is an image or a map, and augment changes these";
            return Err(BadSetting::new("data.augment", what)
                .remedy("leave it out; for maps [N, H, W] write `inputs: {NAME: nearest}` in it"));
        };
        let image = Reference { name: image, size: last_two(pixels) };
        for (name, x) in &rows.inputs {
            self.moves.insert(name.clone(), self.settle(name, x, &image, features)?);
        }
        for (target, &task) in rows.targets.iter().zip(&rows.tasks).filter(|(target, _)| target.has_pixels()) {
            let size = last_two(&target.values);
            if size != image.size {
                let what = format!("task {} has labels of {size:?} pixels, and {image}", self.tasks[task]);
                return Err(BadSetting::new("data.augment", what).remedy("bring maps to one size"));
            }
        }
        Ok(self)
    }

    /// How the input `x` `[N, …]` moves with the image.
    fn settle(&self, name: &str, x: &Tensor, image: &Reference, features: &Features) -> Result<Movement, BadSetting> {
        let movement = match (self.inputs.get(name), x.dim()) {
            (Some(Movement::Bilinear), _) if reads_ids(name, features) => {
                let what = format!("input {name} holds ids, and numbers between two ids mean nothing");
                let path = format!("data.augment.inputs.{name}");
                return Err(BadSetting::new(path, what).remedy("write nearest or still"));
            }
            (Some(said), _) => *said,
            (None, ..3) => Movement::Still,
            (None, 3) => Movement::Nearest,
            (None, _) => by_kind(name, x, features),
        };
        let is_map = matches!(x.dim(), 3 | 4) && last_two(x) == image.size;
        if is_map || movement == Movement::Still {
            return Ok(movement);
        }
        let what = format!("input {name} has rows of shape {:?}, and {image}", &x.size()[1..]);
        Err(BadSetting::new("data.augment", what).remedy(format!(
            "bring maps to one size, or write `inputs: {{{name}: still}}` in `augment` for what does not move along"
        )))
    }

    /// How an input `[N, …]` moves.
    pub(super) fn movement(&self, name: &str, x: &Tensor) -> Movement {
        let unsaid = if x.dim() == 4 { Movement::Bilinear } else { Movement::Still };
        self.moves.get(name).copied().unwrap_or(unsaid)
    }
}

/// Numbers between two ids, or between yes and no, mean nothing.
fn by_kind(name: &str, x: &Tensor, features: &Features) -> Movement {
    let is_nearest = reads_ids(name, features) || x.kind() == Kind::Bool;
    if is_nearest { Movement::Nearest } else { Movement::Bilinear }
}

fn reads_ids(name: &str, features: &Features) -> bool {
    let rule = features.inputs.as_ref().and_then(|rules| rules.get(name));
    rule.is_some_and(|rule| rule.kind == InputKind::Ids)
}

fn last_two(x: &Tensor) -> [i64; 2] {
    let size = x.size();
    [size[size.len() - 2], size[size.len() - 1]]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Draw, InputRule};
    use crate::tasks::{Task, TaskSettings};
    use tch::Device;

    fn augmentation(text: &str) -> Augmentation {
        let task = serde_yaml::from_str::<TaskSettings>("{name: mask, loss: {name: cross_entropy, classes: 30}}");
        let tasks: Vec<Task> = vec![task.expect("a task").checked().expect("fits")];
        serde_yaml::from_str::<Augmentation>(text).expect("settings").checked(&tasks).expect("fits")
    }

    /// One row of several inputs, each of the numbers 0, 1, … in its shape, and labels of 4 x 6 pixels.
    fn rows(inputs: &[(&str, &[i64], Kind)]) -> Group {
        let numbers = |shape: &[i64], kind: Kind| {
            let count = shape.iter().product::<i64>();
            let numbers = Tensor::arange(count, (Kind::Int64, Device::Cpu)).remainder(24);
            let numbers = if kind == Kind::Bool { numbers.remainder(2) } else { numbers };
            numbers.to_kind(kind).view([&[1], shape].concat().as_slice())
        };
        let input = |&(name, shape, kind): &(&str, &[i64], Kind)| (name.to_string(), numbers(shape, kind));
        let values = numbers(&[4, 6], Kind::Int64);
        Group {
            inputs: inputs.iter().map(input).collect(),
            tasks: vec![0],
            targets: vec![Target { values, weights: None }],
        }
    }

    fn moved(text: &str, rows: &Group, features: &Features) -> Vec<(String, Movement)> {
        let settled = augmentation(text).for_inputs(rows, features).expect("settles");
        rows.inputs.iter().map(|(name, x)| (name.clone(), settled.movement(name, x))).collect()
    }

    #[test]
    fn maps_move_with_the_image_and_what_has_no_pixels_stays() {
        use Movement::{Bilinear, Nearest, Still};
        let rows = rows(&[
            ("photo", &[3, 4, 6], Kind::Float),
            ("valid", &[4, 6], Kind::Float),
            ("mask", &[1, 4, 6], Kind::Bool),
            ("parts", &[1, 4, 6], Kind::Int64),
            ("table", &[7], Kind::Float),
        ]);
        let ids = InputRule::new(InputKind::Ids);
        let features = Features { inputs: Some([("parts".to_string(), ids)].into()), ..Features::default() };
        let found = |text: &str| moved(text, &rows, &features).into_iter().map(|(_, it)| it).collect::<Vec<_>>();
        assert_eq!(found("{flip: true}"), [Bilinear, Nearest, Nearest, Nearest, Still]);
        let said = found("{flip: true, inputs: {photo: nearest, valid: bilinear, mask: still}}");
        assert_eq!(said, [Nearest, Bilinear, Still, Nearest, Still]);
    }

    #[test]
    fn every_map_takes_the_same_change_as_the_labels() {
        let settings = "{crop: 2, flip: true, scale: [1, 1.5]}";
        let shapes: [(&str, &[i64], Kind); 2] = [("valid", &[4, 6], Kind::Float), ("photo", &[1, 4, 6], Kind::Float)];
        let settled = augmentation(settings).for_inputs(&rows(&shapes), &Features::default()).expect("settles");
        for place in 0..60 {
            let draw: Draw = settled.draw(3, (0, 0), 0, place);
            let changed = settled.apply(rows(&shapes), &mut |_| draw);
            let valid = &changed.inputs[0].1;
            // Labels hold the number of their pixel, -100 where nothing is; the map has 0 there.
            let expected = changed.targets[0].values.clamp_min(0).to_kind(Kind::Float);
            assert_eq!(*valid, expected, "{draw:?}");
            if draw.scale == 1.0 {
                assert_eq!(changed.inputs[1].1.squeeze_dim(1), expected, "{draw:?}");
            }
        }
    }

    #[test]
    fn what_may_or_may_not_move_along_is_asked() {
        let told = |text: &str, inputs: &[(&str, &[i64], Kind)]| {
            let error = augmentation(text).for_inputs(&rows(inputs), &Features::default()).expect_err("refused");
            format!("{}: {} ({})", error.path, error.what, error.remedy.unwrap_or_default())
        };
        let photo: (&str, &[i64], Kind) = ("photo", &[3, 4, 6], Kind::Float);
        let said = told("{flip: true}", &[photo, ("words", &[9, 5], Kind::Float)]);
        assert!(said.contains("input words has rows of shape [9, 5], and photo has [4, 6] pixels"), "{said}");
        assert!(said.contains("inputs: {words: still}"), "{said}");
        let said = told("{flip: true}", &[photo, ("video", &[3, 2, 4, 6], Kind::Float)]);
        assert!(said.contains("input video has rows of shape [3, 2, 4, 6]"), "{said}");
        let ids = InputRule::new(InputKind::Ids);
        let features = Features { inputs: Some([("photo".to_string(), ids)].into()), ..Features::default() };
        let error = augmentation("{flip: true, inputs: {photo: bilinear}}").for_inputs(&rows(&[photo]), &features);
        assert_eq!(error.expect_err("ids").path, "data.augment.inputs.photo");
        let said = told("{flip: true, inputs: {phot: still}}", &[photo]);
        assert!(said.contains("data.augment.inputs") && said.contains("did you mean \"photo\""), "{said}");
        let said = told("{flip: true}", &[("x", &[9], Kind::Float)]);
        assert!(said.contains("no input is an image or a map"), "{said}");
        let said = told("{flip: true}", &[("words", &[9, 5], Kind::Float)]);
        assert!(said.contains("no input is an image or a map"), "a sequence: {said}");
        let said = told("{flip: true, inputs: {x: nearest}}", &[("x", &[8, 8], Kind::Float)]);
        assert!(said.contains("task mask has labels of [4, 6] pixels, and x has [8, 8]"), "{said}");
        let still = "{flip: true, inputs: {words: still}}";
        assert_eq!(
            moved(still, &rows(&[photo, ("words", &[9, 5], Kind::Float)]), &Features::default())[1].1,
            Movement::Still
        );
    }
}
