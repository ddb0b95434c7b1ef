//! What a person is told, word by word.

use super::*;
use crate::registry;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

pub trait Role {}

/// Conflict-averse gradient descent. Has a range.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Cagrad {
    /// How far from the mean gradient.
    #[serde(with = "crate::settings::Unit")]
    pub c: f64,
    /// What the direction is divided by.
    pub rescale: Rescale,
}

impl Default for Cagrad {
    fn default() -> Self {
        Self { c: 0.4, rescale: Rescale::None }
    }
}

/// A choice without settings of its own.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Rescale {
    /// Nothing.
    None,
    /// The number of tasks.
    Tasks,
}

/// No settings, as a unit.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Sum;

/// Forgets `deny_unknown_fields`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Forgetful {
    rank: u64,
}

/// Blends two others.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Blend {
    first: Box<Method>,
    others: Vec<Method>,
}

impl Role for Cagrad {}
impl Role for Sum {}
impl Role for Forgetful {}
impl Role for Blend {}

registry! {
    /// How losses become one update.
    pub Method as dyn Role {
        "sum" => Sum,
        "cagrad" => Cagrad,
        "forgetful" => Forgetful,
        "blend" => Blend,
    }
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct TaskSection {
    name: String,
    #[serde(default, deserialize_with = "crate::settings::one_or_many")]
    #[schemars(with = "Option<crate::settings::OneOrMany>")]
    target: Option<Vec<String>>,
    #[serde(default)]
    classes: u64,
    #[serde(default)]
    weights: BTreeMap<String, f64>,
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Experiment {
    seed: u64,
    #[serde(default)]
    verbose: bool,
    #[serde(default)]
    small: u8,
    #[serde(default)]
    shift: i64,
    #[serde(default, with = "crate::settings::optional::Positive")]
    clip: Option<f64>,
    #[serde(default)]
    pair: Option<(f64, f64)>,
    #[serde(default)]
    hidden: Vec<u64>,
    #[serde(default)]
    tasks: Vec<TaskSection>,
    method: Method,
}

const SAMPLE: &str = "\
# A sample.
seed: 3
verbose: true
small: 200
shift: -4
clip: 1e-3
pair: [0.5, 1]
hidden: [20, 20]
tasks:
  - name: a
    target: income
    classes: 2
  - {name: b, target: [x, y], classes: 3, weights: {\"u.v\": 0.5}}
method:
  name: blend
  first: {name: cagrad, c: 0.2, rescale: tasks}
  others:
    - name: sum
    - name: forgetful
      rank: 3
    - name: blend
      first: {name: sum}
      others: []
";

fn told(text: &str, overrides: &[&str]) -> String {
    let overrides: Result<Vec<Override>, _> = overrides.iter().map(|text| text.parse()).collect();
    match overrides.and_then(|overrides| read::<Experiment>(text, "a.yaml", &overrides)) {
        Ok(document) => format!("{document:?}"),
        Err(mistake) => match &mistake.remedy {
            Some(remedy) => format!("{mistake}\nhint: {remedy}"),
            None => mistake.to_string(),
        },
    }
}

mod robust;
mod set;
mod settings;
mod syntax;
