//! Which inputs an augmentation moves, and how.

use super::Augmentation;
use crate::data::arrays::check_names;
use crate::data::{Features, Group, InputKind};
use crate::error::BadSetting;
use crate::tasks::Target;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
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

impl Augmentation {
    /// Settles how each input of `rows` moves, read as `features` tell.
    ///
    /// # Errors
    /// No input is an image or a map; one that could be a map has another size; an input that is
    /// named and is none (path `data.augment.…`).
    pub fn for_inputs(mut self, rows: &Group, features: &Features) -> Result<Self, BadSetting> {
        let names: Vec<&str> = rows.inputs.iter().map(|(name, _)| name.as_str()).collect();
        check_names("data.augment.inputs", "an input", self.inputs.keys(), &names)?;
        let moves = |axes: usize| rows.inputs.iter().find(|(name, x)| x.dim() == axes && !self.is_still(name));
        let Some((image, pixels)) = moves(4).or_else(|| moves(3)) else {
            let what = "no input is an image or a map, and augment changes these";
            return Err(BadSetting::new("data.augment", what).remedy("leave it out"));
        };
        let size = last_two(pixels);
        for (name, x) in &rows.inputs {
            let movement = match self.inputs.get(name) {
                Some(said) => *said,
                None if x.dim() < 3 => Movement::Still,
                None if x.dim() == 3 => Movement::Nearest,
                None => by_kind(name, x, features),
            };
            if movement != Movement::Still && (x.dim() < 3 || last_two(x) != size) {
                let what =
                    format!("input {name} has rows of shape {:?}, and {image} has {size:?} pixels", &x.size()[1..]);
                return Err(BadSetting::new("data.augment", what).remedy(format!(
                    "bring maps to one size, or write `inputs: {{{name}: still}}` in `augment` for what does not move along"
                )));
            }
            self.moves.insert(name.clone(), movement);
        }
        let dense = rows
            .targets
            .iter()
            .zip(&rows.tasks)
            .find(|(target, _)| target.has_pixels() && last_two(&target.values) != size);
        match dense {
            Some((Target { values, .. }, &task)) => {
                let what = format!(
                    "task {} has labels of {:?} pixels, and {image} has {size:?}",
                    self.tasks[task],
                    last_two(values)
                );
                Err(BadSetting::new("data.augment", what).remedy("bring maps to one size"))
            }
            None => Ok(self),
        }
    }

    fn is_still(&self, name: &str) -> bool {
        self.inputs.get(name) == Some(&Movement::Still)
    }

    /// How an input `[N, …]` moves.
    pub(super) fn movement(&self, name: &str, x: &Tensor) -> Movement {
        let unsaid = if x.dim() == 4 { Movement::Bilinear } else { Movement::Still };
        self.moves.get(name).copied().unwrap_or(unsaid)
    }
}

/// Numbers between two ids, or between yes and no, mean nothing.
fn by_kind(name: &str, x: &Tensor, features: &Features) -> Movement {
    let rule = features.inputs.as_ref().and_then(|rules| rules.get(name));
    let is_ids = rule.is_some_and(|rule| rule.kind == InputKind::Ids);
    if is_ids || x.kind() == Kind::Bool { Movement::Nearest } else { Movement::Bilinear }
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
        let said = told("{flip: true, inputs: {phot: still}}", &[photo]);
        assert!(said.contains("data.augment.inputs") && said.contains("did you mean \"photo\""), "{said}");
        let said = told("{flip: true}", &[("x", &[9], Kind::Float)]);
        assert!(said.contains("no input is an image or a map"), "{said}");
        let said = told("{flip: true}", &[("x", &[8, 8], Kind::Float)]);
        assert!(said.contains("task mask has labels of [4, 6] pixels, and x has [8, 8]"), "{said}");
        let still = "{flip: true, inputs: {words: still}}";
        assert_eq!(
            moved(still, &rows(&[photo, ("words", &[9, 5], Kind::Float)]), &Features::default())[1].1,
            Movement::Still
        );
    }
}
