//! Settings that hold for all arrays, or for each by its name.

use crate::error::{BadSetting, nearest};
use crate::registry::{at, kind};
use schemars::JsonSchema;
use serde::de::{DeserializeOwned, Deserializer, Error};
use serde::{Deserialize, Serialize};
use serde_yaml::Value;
use std::collections::BTreeMap;

/// One value for all, or one for each name.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum PerName<T> {
    /// For all.
    All(T),
    /// By name.
    Named(BTreeMap<String, T>),
}

impl<T: Copy> PerName<T> {
    /// The value for `name`, if there is one.
    pub fn get(&self, name: &str) -> Option<T> {
        match self {
            Self::All(value) => Some(*value),
            Self::Named(values) => values.get(name).copied(),
        }
    }

    /// The names that are written out.
    pub fn names(&self) -> impl Iterator<Item = &String> {
        match self {
            Self::All(_) => None,
            Self::Named(values) => Some(values.keys()),
        }
        .into_iter()
        .flatten()
    }
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for PerName<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let read = |value: Value| serde_yaml::from_value::<T>(value).map_err(|error| error.to_string());
        match Value::deserialize(deserializer)? {
            Value::Mapping(named) => named
                .into_iter()
                .map(|(name, value)| match name {
                    Value::String(name) => match read(value) {
                        Ok(value) => Ok((name, value)),
                        Err(error) => Err(at(&name, error)),
                    },
                    other => Err(D::Error::custom(format!("invalid type: {}, expected a name", kind(&other)))),
                })
                .collect::<Result<_, _>>()
                .map(Self::Named),
            value => read(value).map(Self::All).map_err(D::Error::custom),
        }
    }
}

/// Which inputs are standardized: all images or none, or those that are named.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum Standardize {
    /// All images, or none.
    Images(bool),
    /// These inputs, images or not.
    Named(Vec<String>),
}

impl Default for Standardize {
    fn default() -> Self {
        Self::Images(false)
    }
}

impl<'de> Deserialize<'de> for Standardize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::Bool(images) => Ok(Self::Images(images)),
            value @ Value::Sequence(_) => serde_yaml::from_value(value).map(Self::Named).map_err(D::Error::custom),
            other => {
                Err(D::Error::custom(format!("invalid type: {}, expected true, false or [NAME, …]", kind(&other))))
            }
        }
    }
}

/// Refuses the first of `names`, written at `path`, that is none of the `allowed`.
pub(in crate::data) fn check_names<'n>(
    path: &str,
    what: &str,
    names: impl IntoIterator<Item = &'n String>,
    allowed: &[&str],
) -> Result<(), BadSetting> {
    let Some(name) = names.into_iter().find(|name| !allowed.contains(&name.as_str())) else { return Ok(()) };
    let near = nearest(name, allowed.iter().copied());
    let remedy = match near {
        Some(near) => format!("did you mean \"{near}\"?"),
        None => format!("write one of {}", allowed.join(", ")),
    };
    Err(BadSetting::new(path, format!("\"{name}\" is not {what}")).remedy(remedy))
}
