//! Pages as a person reads them.

use super::*;
use crate::registry;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

pub trait Role {}

/// Adds the task losses. Nothing to set.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Sum;

/// Conflict-averse gradient descent: the update that helps the worst task most within a ball around the mean gradient.
///
/// Liu et al. 2021, as [`Sum`](Sum) otherwise:
/// - one
/// - two
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Cagrad {
    /// How far from the mean gradient, as a share of its norm; zero is plain averaging, and one is as far as the method can go at all.
    #[serde(with = "crate::settings::Unit")]
    c: f64,
    /// What the direction is divided by.
    rescale: Rescale,
    /// Stops early.
    #[serde(with = "crate::settings::optional::Positive")]
    tolerance: Option<f64>,
    /// Weights by task.
    weights: BTreeMap<String, f64>,
    /// Steps.
    #[serde(with = "crate::settings::AtLeastOne")]
    steps: u64,
}

impl Default for Cagrad {
    fn default() -> Self {
        Self { c: 0.4, rescale: Rescale::Tasks, tolerance: None, weights: BTreeMap::new(), steps: 20 }
    }
}

/// A divisor.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Rescale {
    /// Nothing.
    None,
    /// The number of tasks.
    Tasks,
}

/// Blends others.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Blend {
    /// The others.
    parts: Vec<Method>,
    /// By name.
    place: Option<Place>,
    mode: Plain,
}

/// Where.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Place {
    /// Two numbers.
    at: (f64, f64),
    /// A file.
    file: String,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Plain {
    Min,
    Max,
}

impl Role for Sum {}
impl Role for Cagrad {}
impl Role for Blend {}

registry! {
    /// Methods.
    pub Method as dyn Role {
        "sum" => Sum,
        "cagrad" => Cagrad,
        "blend" => Blend,
    }
}

#[test]
fn a_list_has_a_line_for_each_entry() {
    let expected = "\
methods
  sum     Adds the task losses.
  cagrad  Conflict-averse gradient descent: the update that helps the worst task most within a
          ball around the mean gradient.
  blend   Blends others.
";
    assert_eq!(list("methods", &Method::entries()), expected);
}

#[test]
fn a_page_tells_each_setting_with_type_range_default_and_text() {
    let expected = "\
cagrad

  Conflict-averse gradient descent: the update that helps the worst task most within a ball
  around the mean gradient.

  Liu et al. 2021, as `Sum` otherwise:
  - one
  - two

settings
  c: number from 0 to 1, default 0.4
      How far from the mean gradient, as a share of its norm; zero is plain averaging, and one
      is as far as the method can go at all.
  rescale: none | tasks, default tasks
      What the direction is divided by.
        none: Nothing.
        tasks: The number of tasks.
  tolerance: number above 0, optional
      Stops early.
  weights: section of name: number, default {}
      Weights by task.
  steps: whole number of 1 or above, default 20
      Steps.

in YAML
  {name: cagrad, c: 0.4, rescale: tasks, steps: 20}
";
    assert_eq!(page(&Method::entries()[1], None), expected);
}

#[test]
fn pages_of_entries_without_settings_and_with_inner_sections() {
    let expected = "sum\n\n  Adds the task losses. Nothing to set.\n\nsettings\n  none\n\nin YAML\n  {name: sum}\n";
    assert_eq!(page(&Method::entries()[0], None), expected);
    let expected = "\
blend

  Blends others.

settings
  parts: list of section {name: sum | cagrad | blend}, required
      The others.
  place: section, optional
      By name.
      at: [number, number], required
          Two numbers.
      file: text, required
          A file.
  mode: min | max, required

in YAML
  {name: blend, parts: …, mode: …}
";
    assert_eq!(page(&Method::entries()[2], None), expected);
}

#[test]
fn no_line_is_wider_than_the_page() {
    for entry in Method::entries() {
        assert!(page(&entry, None).lines().all(|line| line.chars().count() <= WIDTH && line == line.trim_end()));
    }
}

#[test]
fn the_schema_is_whole_and_finds_open_sections() {
    let schema = schema::<Blend>("Polytask experiment", "https://example.org/schema.json");
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    assert_eq!(schema["$id"], "https://example.org/schema.json");
    assert_eq!(schema["title"], "Polytask experiment");
    let names = schema["$defs"]["Method"]["oneOf"].as_array().unwrap().iter();
    let names: Vec<_> = names.map(|entry| entry["properties"]["name"]["const"].as_str().unwrap()).collect();
    assert_eq!(names, Method::NAMES);
    // Place forgets deny_unknown_fields.
    assert_eq!(open_sections(&schema), ["/$defs/Place"]);
}
