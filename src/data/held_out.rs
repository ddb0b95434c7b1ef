//! Rows held out of training: a share that the seed draws, or rows of their own.

use crate::error::BadSetting;
use crate::random;
use crate::registry::{bad_setting, kind, settings};
use rand::seq::SliceRandom;
use schemars::JsonSchema;
use serde::de::{DeserializeOwned, Deserializer, Error};
use serde::{Deserialize, Serialize};
use serde_yaml::Value;

/// A split that is a share of the training rows, drawn by the seed, or has rows of its own.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum HeldOut<T> {
    /// The share of the training rows, above 0 and below 1.
    Share(f64),
    /// Its own rows.
    Own(T),
}

impl<T> HeldOut<T> {
    /// The seed that draws the shares of a source, where one of its splits is a share.
    pub(super) fn draw_seed(splits: [&Option<Self>; 2], seed: u64) -> Option<u64> {
        splits.iter().any(|split| matches!(split, Some(Self::Share(_)))).then_some(seed)
    }

    /// The same with its own rows changed.
    pub(super) fn map_own(&self, change: impl Fn(&T) -> T) -> Self {
        match self {
            Self::Share(share) => Self::Share(*share),
            Self::Own(rows) => Self::Own(change(rows)),
        }
    }
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for HeldOut<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::Mapping(section) => settings(section).map(Self::Own).map_err(|bad: BadSetting| bad_setting(&bad)),
            Value::Number(number) => match number.as_f64().filter(|share| *share > 0.0 && *share < 1.0) {
                Some(share) => Ok(Self::Share(share)),
                None => Err(D::Error::custom(format!(
                    "invalid value: {number}, expected a share above 0 and below 1, or rows of its own"
                ))),
            },
            other => Err(D::Error::custom(format!("invalid type: {}, expected a share or a map", kind(&other)))),
        }
    }
}

/// So many of `rows` rows, drawn by the seed, are held out: (kept, held out), both ascending.
pub(super) fn hold_out(rows: i64, held: i64, purpose: &str, seed: u64) -> (Vec<i64>, Vec<i64>) {
    let mut all: Vec<i64> = (0..rows).collect();
    if held > 0 {
        all.shuffle(&mut random::generator(seed, purpose, 0, 0));
    }
    let mut kept = all.split_off(held as usize);
    kept.sort_unstable();
    all.sort_unstable();
    (kept, all)
}
