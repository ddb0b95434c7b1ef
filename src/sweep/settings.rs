//! The YAML of a sweep.

use crate::error::BadSetting;
use crate::registry;
use crate::trainer::Direction;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};
use serde_yaml::{Mapping, Value};
use std::borrow::Cow;
use std::collections::HashSet;
use std::path::PathBuf;

/// Many runs of one experiment: arms that are compared, what is tuned for each, and seeds.
///
/// Every arm trains with every seed at each of its trials; the trial of an arm is chosen by the mean over its seeds of the
/// validation metric, and only the chosen one's test is read.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Sweep {
    /// The folder under `runs/`. Default: the name of the YAML file.
    #[serde(default)]
    pub name: Option<String>,
    /// The experiment that all runs start from: a YAML file, seen from this one, or its settings themselves.
    #[schemars(with = "FileOrSettings")]
    pub experiment: Value,
    /// The folder that the names of files are seen from. Default: that of this YAML.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<PathBuf>,
    /// Settings over the experiment's, for every run: `train.epochs: 10`; not those that `tune`
    /// names. Where `compare` or an arm replaces a choice, write what lies below it in the choice
    /// itself: `{name: cagrad, c: 0.9}`.
    #[serde(default, skip_serializing_if = "Mapping::is_empty")]
    #[schemars(with = "std::collections::BTreeMap<String, serde_json::Value>")]
    pub set: Mapping,
    /// What is compared: paths of settings, each with the list of its values; every combination is
    /// an arm. Where a setting is a choice, its name alone will do:
    /// `method: [sum, famo, {name: cagrad, c: 0.4}]`. A path is compared or tuned, not both; below
    /// a choice that is compared, settings may be tuned.
    #[serde(default, skip_serializing_if = "Mapping::is_empty")]
    #[schemars(with = "std::collections::BTreeMap<String, Vec<serde_json::Value>>")]
    pub compare: Mapping,
    /// Further arms, each with settings and tuning of its own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub arms: Vec<ArmSettings>,
    /// The control arm `constant`: fixed weights, tuned over a grid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub control: Option<Control>,
    /// Methods whose preference is swept: each is an arm, and its trials lie along a front.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preferences: Option<Preferences>,
    /// The arm that Δm and Δp are measured against. `single`, where no arm has that name, is made: one network per task, `sum`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline: Option<String>,
    /// The arm that every other is tested against. Default: `sum`, else the baseline, else the first arm.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// What is tuned in every arm: paths of settings, each a list of values or a range. Every
    /// combination is a trial. An arm that itself says what a setting is does not tune it: by its
    /// `set`, by a value of `compare` that holds the setting, such as
    /// `{name: sgd, learning_rate: 0.1}`, or by the method that makes the arm (`control`,
    /// `preferences`, `single`).
    #[serde(default, skip_serializing_if = "Mapping::is_empty")]
    #[schemars(with = "std::collections::BTreeMap<String, Axis>")]
    pub tune: Mapping,
    /// Draw so many different trials per arm at random from what is tuned, instead of every
    /// combination; all combinations where there are no more.
    #[serde(default, with = "crate::settings::optional::AtLeastOne", skip_serializing_if = "Option::is_none")]
    pub trials: Option<u64>,
    /// Seeds the draws of `trials`.
    #[serde(default)]
    pub draw: u64,
    /// How many seeds, from 0 on, or the list of them.
    pub seeds: Seeds,
    /// What chooses an arm's trial, on validation. Default: the experiment's own `select`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub select: Option<SelectBy>,
}

/// An arm by name.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ArmSettings {
    /// Its name in folders and tables.
    pub name: String,
    /// Settings over the experiment's. One that `tune` of all arms names keeps this value here and
    /// is not tuned.
    #[serde(default, skip_serializing_if = "Mapping::is_empty")]
    #[schemars(with = "std::collections::BTreeMap<String, serde_json::Value>")]
    pub set: Mapping,
    /// What is tuned in this arm beside the `tune` of all; a path that stands in both is tuned as here.
    #[serde(default, skip_serializing_if = "Mapping::is_empty")]
    #[schemars(with = "std::collections::BTreeMap<String, Axis>")]
    pub tune: Mapping,
}

/// Fixed weights, the arm that a method must beat. Its grid multiplies with what is tuned: a larger budget, which tables
/// tell and set right.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Control {
    /// Weights from all ways to give so many equal parts to the tasks, at least one to each; they sum to the number of tasks.
    #[serde(default, with = "crate::settings::optional::AtLeastOne", skip_serializing_if = "Option::is_none")]
    pub divisions: Option<u64>,
    /// The weights themselves, instead: one list per point, of which no two may be the same but for
    /// a factor (`[1, 1]` and `[2, 2]`), which is the learning rate's to tune.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weights: Option<Vec<Vec<f64>>>,
}

/// Methods that take one preference or weight per task, and the preferences that each is given.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Preferences {
    /// Such as `[constant, {name: stch, mu: 0.1}, epo]`: names, or sections without the preference itself.
    #[schemars(with = "Vec<serde_json::Value>")]
    pub methods: Vec<Value>,
    /// Preferences from all ways to give so many equal parts to the tasks, at least one to each; they sum to the number of tasks.
    #[serde(default, with = "crate::settings::optional::AtLeastOne", skip_serializing_if = "Option::is_none")]
    pub divisions: Option<u64>,
    /// The preferences themselves, instead: one list per point, of which no two may be the same but
    /// for a factor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weights: Option<Vec<Vec<f64>>>,
}

/// What chooses an arm's trial: the mean over its seeds, on validation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SelectBy {
    /// `loss` (the mean of the tasks' losses), `TASK/loss`, `TASK/METRIC`, or `delta_m` against the baseline.
    pub metric: String,
    /// `min` or `max`; the metric's own direction by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<Direction>,
}

/// Which seeds: a number of them, or a list.
#[derive(Debug, Clone, PartialEq)]
pub struct Seeds(pub Vec<u64>);

const SEEDS: &str = "a number of seeds of 1 or above, or a list of different seeds";

impl Serialize for Seeds {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Seeds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let wrong = || D::Error::custom(format!("invalid value: {}, expected {SEEDS}", registry::kind(&value)));
        let seeds: Vec<u64> = match &value {
            Value::Number(count) => {
                (0..count.as_u64().filter(|count| *count <= 1_000_000).ok_or_else(wrong)?).collect()
            }
            Value::Sequence(seeds) => seeds.iter().map(Value::as_u64).collect::<Option<_>>().ok_or_else(wrong)?,
            _ => return Err(wrong()),
        };
        let mut seen = HashSet::new();
        if let Some(twice) = seeds.iter().find(|seed| !seen.insert(**seed)) {
            let bad = BadSetting::new("", format!("seed {twice} stands twice")).remedy("name every seed once");
            return Err(registry::bad_setting(&bad));
        }
        if seeds.is_empty() { Err(wrong()) } else { Ok(Self(seeds)) }
    }
}

impl JsonSchema for Seeds {
    fn schema_name() -> Cow<'static, str> {
        "Seeds".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "anyOf": [
            { "type": "integer", "minimum": 1 },
            { "type": "array", "items": { "type": "integer", "minimum": 0 }, "minItems": 1, "uniqueItems": true },
        ] })
    }
}

/// The values that a tuned setting takes: a list, or a range.
#[derive(Debug, Clone, JsonSchema)]
#[schemars(untagged)]
pub enum Axis {
    /// These.
    List(#[schemars(with = "Vec<serde_json::Value>")] Vec<Value>),
    /// From a range.
    Range(Range),
}

/// Numbers from a range: whole ones for a setting that takes whole numbers alone, such as
/// `train.batch_size`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Range {
    /// The lowest; whole where the numbers have to be.
    #[serde(with = "crate::settings::Finite")]
    pub from: f64,
    /// The highest; whole where the numbers have to be.
    #[serde(with = "crate::settings::Finite")]
    pub to: f64,
    /// `linear`: at equal differences; `log`: at equal ratios.
    #[serde(default)]
    pub scale: Scale,
    /// How many, both ends included; not with `trials`, which draws. Numbers that are equal after
    /// rounding count once.
    #[serde(default, with = "crate::settings::optional::AtLeastOne")]
    pub count: Option<u64>,
}

/// How numbers lie in a range.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Scale {
    /// At equal differences.
    #[default]
    Linear,
    /// At equal ratios.
    Log,
}

impl Axis {
    /// Reads what stands at a path of `tune`.
    ///
    /// # Errors
    /// It is neither a list nor a range.
    pub fn read(value: &Value) -> Result<Self, BadSetting> {
        match value {
            Value::Sequence(values) if values.is_empty() => Err(BadSetting::new("", "an empty list: nothing is tuned")
                .remedy("name at least one value, or leave the path out")),
            Value::Sequence(values) => Ok(Self::List(values.clone())),
            Value::Mapping(section) => {
                let range: Range = registry::settings(section.clone())?;
                if range.from >= range.to {
                    return Err(BadSetting::new("to", format!("{} is not above from: {}", range.to, range.from))
                        .remedy("write the lower end under `from`"));
                }
                if range.scale == Scale::Log && range.from <= 0.0 {
                    return Err(BadSetting::new("from", format!("{} has no logarithm", range.from))
                        .remedy("start above 0, or write `scale: linear`"));
                }
                Ok(Self::Range(range))
            }
            other => Err(BadSetting::new(
                "",
                format!("invalid type: {}, expected a list of values or a range", registry::kind(other)),
            )
            .remedy("write [0.001, 0.01] or {from: 1e-4, to: 1e-1, scale: log, count: 4}")),
        }
    }
}

impl Range {
    /// The number at `share` of the way, from 0 to 1.
    pub fn at(&self, share: f64) -> f64 {
        match self.scale {
            _ if share <= 0.0 => self.from,
            _ if share >= 1.0 => self.to,
            Scale::Linear => self.from + share * (self.to - self.from),
            Scale::Log => (self.from.ln() + share * (self.to.ln() - self.from.ln())).exp(),
        }
    }
}

/// For the schema: a file's name, or an experiment's settings.
#[derive(JsonSchema)]
#[schemars(untagged)]
#[allow(dead_code)] // only its schema is used
enum FileOrSettings {
    /// A YAML file.
    File(String),
    /// The settings.
    Settings(Box<crate::experiment::Experiment>),
}
