//! What an input is: an image, ids, or numbers.

use super::Scaling;
use crate::error::BadSetting;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use tch::{Kind, Tensor};

/// What an input is, and so how its stored numbers become those that a model reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum InputKind {
    /// An image: uint8 as `x / 255`, numbers of other types as they are; rows `[H, W]` get a
    /// channel.
    Image,
    /// Ids, such as tokens or categories: whole numbers, as int64.
    Ids,
    /// Numbers of any type, as they are.
    Numbers,
    /// The rule of Polytask 0.1: uint8 is `image`, other integers are `ids`, all else is `numbers`.
    ByDtype,
}

impl InputKind {
    /// What it is for numbers that are stored in the type `stored`: never
    /// [`ByDtype`](Self::ByDtype).
    #[must_use]
    pub fn of(self, stored: Kind) -> Self {
        match (self, stored) {
            (Self::ByDtype, Kind::Uint8) => Self::Image,
            (Self::ByDtype, stored) if is_integer(stored) => Self::Ids,
            (Self::ByDtype, _) => Self::Numbers,
            (kind, _) => kind,
        }
    }

    /// The type in which a model gets it; `precision` is the run's.
    pub fn read_as(self, stored: Kind, precision: Kind) -> Kind {
        if self.of(stored) == Self::Ids { Kind::Int64 } else { precision }
    }

    /// Whether stored numbers are divided by 255.
    pub fn divides(self, stored: Kind) -> bool {
        stored == Kind::Uint8 && self.of(stored) == Self::Image
    }

    /// As the YAML writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Ids => "ids",
            Self::Numbers => "numbers",
            Self::ByDtype => "by_dtype",
        }
    }
}

/// Whether tensors of this type hold integers.
pub(super) fn is_integer(kind: Kind) -> bool {
    matches!(kind, Kind::Uint8 | Kind::Int8 | Kind::Int16 | Kind::Int | Kind::Int64)
}

/// How one input is read. Travels inside `model.pt`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InputRule {
    /// What it is.
    pub kind: InputKind,
    /// How its channels or columns are standardized, if they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scaling: Option<Scaling>,
}

impl InputRule {
    /// Of an input that is not standardized.
    pub fn new(kind: InputKind) -> Self {
        Self { kind, scaling: None }
    }

    /// How it reads, in a few words.
    pub fn describe(&self, stored: Kind) -> String {
        let kind = match self.kind.of(stored) {
            InputKind::Image if stored == Kind::Uint8 => "image, x / 255",
            InputKind::Image => "image, as it is",
            InputKind::Ids => "ids",
            _ => "numbers, as they are",
        };
        let scaling = if self.scaling.is_some() { ", standardized" } else { "" };
        format!("{kind}{scaling}")
    }
}

/// How every input is read, by name.
pub type InputRules = BTreeMap<String, InputRule>;

/// What reads the inputs, as far as it tells what they are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub enum Reader {
    /// Convolutions: the first input is an image.
    Images,
    /// An embedding: the first input is ids.
    Ids,
    /// Vectors: columns of a table, or sequences.
    #[default]
    Vectors,
    /// Rows of any shape as one list of numbers, such as mlp.
    Flat,
    /// A module from outside, which does not tell.
    Outside,
}

impl Reader {
    /// What an input `x` `[N, …]` called `name` is to it, channels first.
    ///
    /// # Errors
    /// Bytes that may be an image or not, and it does not tell (path `data.kind`).
    pub(super) fn kind(self, name: &str, is_first: bool, x: &Tensor) -> Result<InputKind, BadSetting> {
        Ok(match self {
            Self::Images if is_first => InputKind::Image,
            Self::Ids if is_first => InputKind::Ids,
            Self::Flat | Self::Outside if may_be_image(x) => return Err(self.undecided(name, x)),
            Self::Outside if is_integer(x.kind()) => InputKind::Ids,
            _ => InputKind::Numbers,
        })
    }

    fn undecided(self, name: &str, x: &Tensor) -> BadSetting {
        let reader = if self == Self::Flat { "mlp" } else { "a TorchScript module" };
        let what = format!(
            "input {name} holds uint8 numbers [N, {}], and {reader} does not tell whether they are images",
            join(&x.size()[1..])
        );
        BadSetting::new("data.kind", what).remedy(format!(
            "write `kind: image` for x / 255, or `kind: numbers` for 0 to 255 as they are; of several inputs, \
             `kind: {{{name}: image}}`"
        ))
    }
}

fn join(sizes: &[i64]) -> String {
    sizes.iter().map(i64::to_string).collect::<Vec<_>>().join(", ")
}

/// Whether these are bytes of a shape that images often have: `[N, H, W]`, or `[N, C, H, W]` of 1,
/// 3 or 4 channels.
fn may_be_image(x: &Tensor) -> bool {
    let channels = if x.dim() == 4 { x.size()[1] } else { 1 };
    x.kind() == Kind::Uint8 && [3, 4].contains(&x.dim()) && [1, 3, 4].contains(&channels)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::Device;

    const TYPES: [Kind; 9] = [
        Kind::Uint8,
        Kind::Int8,
        Kind::Int16,
        Kind::Int,
        Kind::Int64,
        Kind::Bool,
        Kind::Half,
        Kind::Float,
        Kind::Double,
    ];

    #[test]
    fn only_bytes_of_images_are_divided() {
        for stored in TYPES {
            for kind in [InputKind::Image, InputKind::Ids, InputKind::Numbers, InputKind::ByDtype] {
                let may = matches!(kind, InputKind::Image | InputKind::ByDtype);
                assert_eq!(kind.divides(stored), may && stored == Kind::Uint8, "{kind:?} {stored:?}");
            }
            assert_eq!(InputKind::Ids.read_as(stored, Kind::Float), Kind::Int64);
            assert_eq!(InputKind::Numbers.read_as(stored, Kind::Double), Kind::Double);
        }
    }

    #[test]
    fn what_reads_an_input_tells_what_it_is_or_asks() {
        let zeros = |size: &[i64], kind: Kind| Tensor::zeros(size, (kind, Device::Cpu));
        let (table, image) = ([5, 7], [5, 3, 8, 8]);
        let told = |reader: Reader, size: &[i64], kind: Kind| reader.kind("x", true, &zeros(size, kind)).ok();
        for stored in TYPES {
            assert_eq!(told(Reader::Images, &image, stored), Some(InputKind::Image));
            assert_eq!(told(Reader::Ids, &table, stored), Some(InputKind::Ids));
            assert_eq!(told(Reader::Vectors, &[5, 4, 7], stored), Some(InputKind::Numbers));
            assert_eq!(told(Reader::Flat, &table, stored), Some(InputKind::Numbers));
            let integers = if is_integer(stored) { InputKind::Ids } else { InputKind::Numbers };
            assert_eq!(told(Reader::Outside, &table, stored), Some(integers));
            for reader in [Reader::Flat, Reader::Outside] {
                for size in [&image[..], &[5, 8, 8]] {
                    assert_eq!(told(reader, size, stored).is_none(), stored == Kind::Uint8, "{reader:?} {stored:?}");
                }
                assert!(told(reader, &[5, 16, 4, 4], stored).is_some(), "sixteen channels are no image's");
            }
        }
    }
}
