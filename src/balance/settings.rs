//! The `method` section: the method's own settings, and those that hold for every method.

use crate::error::BadSetting;
use crate::methods::{Heads, Method, Reads};
use crate::registry::{self, Entry};
use schemars::{JsonSchema, Schema, SchemaGenerator, schema_for};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_yaml::{Mapping, Value};
use std::borrow::Cow;
use std::ops::Deref;

/// The length of the update.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Scale {
    /// As the method's paper has it.
    #[default]
    Native,
    /// The direction is rescaled to the norm of the mean of the tasks' gradients.
    Mean,
    /// The direction is rescaled to the norm of the sum of the tasks' gradients.
    Sum,
}

/// Where the tasks' gradients are taken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Gradients {
    /// By the shared parameters: exact.
    #[default]
    Parameters,
    /// By all entries of the representation that every head reads (MGDA-UB, Sener 2018): one backward pass through the
    /// trunk, whatever the number of tasks.
    Representation,
}

/// Settings that hold for every method.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Common {
    /// The length of the update, so that one learning rate is comparable between methods. With a method that reads losses,
    /// `mean` and `sum` cost one backward pass more.
    pub scale: Scale,
    /// What the parameters of a task's own head follow. Default, as in the methods' authors' code: `weighted` for every method
    /// that reads losses and for mgda, nash_mtl, fairgrad, imtl_g, epo, gradnorm and excess_mtl; `own` for the others; that of
    /// `inner` for cr_mogm and weighted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub heads: Option<Heads>,
    /// Where gradients are taken, by methods that read them; parameters only for those that remember single ones (moco, db_mtl,
    /// excess_mtl, groups by layer or parameter) or read three batches (sdmgrad, modo).
    pub gradients: Gradients,
    /// Compute weights every so many steps and keep them in between, which saves the backward passes of methods that read
    /// gradients (Navon 2022); 1 for methods that read the Jacobian, whose direction is each step's own. The method sees no
    /// other step: its averages, its learned parameters and its look at the losses after an update stand still in between.
    /// Weights serve only the tasks that they were made for: at a step where other tasks are present, the method is asked
    /// anew.
    #[serde(with = "crate::settings::AtLeastOne")]
    pub every: u64,
}

impl Default for Common {
    fn default() -> Self {
        Self { scale: Scale::Native, heads: None, gradients: Gradients::Parameters, every: 1 }
    }
}

/// The names of [`Common`]'s fields.
const COMMON: [&str; 4] = ["scale", "heads", "gradients", "every"];

/// How task losses become one update: a method with its own settings, and `scale`, `heads`, `gradients`, `every`.
#[derive(Debug, Clone, Default)]
pub struct MethodSettings {
    /// The method.
    pub method: Method,
    /// What every method takes.
    pub common: Common,
}

impl Deref for MethodSettings {
    type Target = Method;
    fn deref(&self) -> &Method {
        &self.method
    }
}

impl MethodSettings {
    /// Whether its weights come from gradients, and so cost a backward pass per task.
    pub fn reads_gradients(&self) -> bool {
        !matches!(self.method.reads(), Reads::Losses(_))
    }

    /// What a task's own parameters follow.
    pub fn heads(&self) -> Heads {
        self.common.heads.unwrap_or_else(|| self.method.heads())
    }

    /// Whether each step comes with a weight per task.
    pub fn forms_weights(&self) -> bool {
        match self.method.reads() {
            Reads::Losses(_) | Reads::Gramian(_) => true,
            Reads::Jacobian(method) => method.forms_weights(),
        }
    }

    /// Checks what takes more than one setting, or the tasks, to see.
    ///
    /// # Errors
    /// A setting that does not fit, its path relative to the section.
    pub fn check(&self, tasks: &[String]) -> Result<(), BadSetting> {
        self.method.check(tasks)?;
        let name = self.method.name();
        if self.heads() == Heads::Weighted && !self.forms_weights() {
            return Err(BadSetting::new("heads", format!("{name} forms no weights that heads could follow"))
                .remedy("leave `heads` out, or write `heads: own`"));
        }
        if self.common.every > 1 && matches!(self.method.reads(), Reads::Jacobian(_)) {
            let what = format!("{name} makes each step's direction from that step's gradients; nothing can be kept");
            return Err(BadSetting::new("every", what).remedy("leave `every` out"));
        }
        if self.common.gradients == Gradients::Representation {
            let why = if !self.reads_gradients() {
                Some("reads losses, no gradients")
            } else if self.method.batches() > 1 {
                Some("multiplies the gradients of different batches, whose representations have nothing in common")
            } else if self.method.follows_parameters() {
                Some("remembers single parameters from step to step, and a representation has none")
            } else {
                None
            };
            if let Some(why) = why {
                return Err(
                    BadSetting::new("gradients", format!("{name} {why}")).remedy("write `gradients: parameters`")
                );
            }
        }
        Ok(())
    }

    /// The settings that hold for every method, as a manual page shows them behind the method's own.
    pub fn common() -> Entry {
        Entry { name: "settings of every method", schema: schema_for!(Common) }
    }
}

/// Puts the common settings behind a method's own.
fn add_common(schema: &mut Schema, generator: &mut SchemaGenerator) {
    let common = Common::json_schema(generator);
    let Some(serde_json::Value::Object(common)) = common.get("properties") else { return };
    if let Some(serde_json::Value::Object(own)) = schema.ensure_object().get_mut("properties") {
        own.extend(common.clone());
    }
}

impl JsonSchema for MethodSettings {
    fn schema_name() -> Cow<'static, str> {
        "MethodSettings".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut schema = Method::json_schema(generator);
        if let Some(serde_json::Value::Array(entries)) = schema.ensure_object().get_mut("oneOf") {
            for entry in entries {
                if let Ok(mut whole) = Schema::try_from(entry.take()) {
                    add_common(&mut whole, generator);
                    *entry = whole.to_value();
                }
            }
        }
        schema
    }
}

impl Serialize for MethodSettings {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::Error;
        let mut section = Mapping::new();
        for part in [serde_yaml::to_value(&self.method), serde_yaml::to_value(&self.common)] {
            if let Value::Mapping(part) = part.map_err(S::Error::custom)? {
                section.extend(part);
            }
        }
        section.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for MethodSettings {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut own = Value::deserialize(deserializer)?;
        let mut common = Mapping::new();
        if let Value::Mapping(section) = &mut own {
            for key in COMMON {
                if let Some(value) = section.shift_remove(key) {
                    common.insert(key.into(), value);
                }
            }
        }
        let method = serde_yaml::from_value(own).map_err(|error| {
            let bad = registry::unpack(&error.to_string());
            registry::bad_setting(&BadSetting { what: with_common(bad.what, &bad.path), ..bad })
        })?;
        let common = registry::settings(common).map_err(|bad| registry::bad_setting(&bad))?;
        Ok(Self { method, common })
    }
}

/// serde's words about an unknown key, the common settings among those that are allowed.
fn with_common(what: String, path: &str) -> String {
    let inside = path.contains(['.', '[']);
    if inside || !what.starts_with("unknown field `") {
        return what;
    }
    let known = what.replace("there are no fields", "expected one of ");
    let names: Vec<String> = COMMON.iter().map(|name| format!("`{name}`")).collect();
    let comma = if known.ends_with("expected one of ") { "" } else { ", " };
    format!("{known}{comma}{}", names.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(yaml: &str) -> Result<MethodSettings, BadSetting> {
        let value: Value = serde_yaml::from_str(yaml).expect("yaml");
        serde_yaml::from_value(value).map_err(|error| registry::unpack(&error.to_string()))
    }

    #[test]
    fn common_settings_stand_beside_the_methods_own() {
        let settings = read("{name: constant, weights: [1, 2], scale: mean, heads: own, every: 3}").expect("settings");
        assert_eq!(settings.name(), "constant");
        assert_eq!((settings.common.scale, settings.heads(), settings.common.every), (Scale::Mean, Heads::Own, 3));
        let written = serde_yaml::to_string(&settings).expect("yaml");
        let read_back: MethodSettings = serde_yaml::from_str(&written).expect("settings");
        assert_eq!(serde_yaml::to_string(&read_back).expect("yaml"), written);
    }

    #[test]
    fn an_unknown_setting_names_those_of_the_method_and_those_of_all() {
        let what = |yaml: &str| read(yaml).map(drop).unwrap_err().what;
        assert!(what("{name: constant, weights: [1], scael: mean}").contains("`weights`, `scale`, `heads`"));
        assert!(
            what("{name: sum, scael: mean}").contains("expected one of `scale`, `heads`"),
            "{}",
            what("{name: sum, scael: mean}")
        );
        assert_eq!(read("{name: sum, every: 0}").map(drop).unwrap_err().path, "every");
    }

    #[test]
    fn the_schema_of_every_method_has_the_common_settings() {
        let schema = schema_for!(MethodSettings).to_value();
        let entries = schema["oneOf"].as_array().expect("one schema per method");
        assert_eq!(entries.len(), Method::NAMES.len());
        for (entry, key) in entries.iter().flat_map(|entry| COMMON.map(|key| (entry, key))) {
            assert!(entry["properties"][key].is_object(), "{}.{key}", entry["properties"]["name"]["const"]);
        }
        let common = MethodSettings::common();
        let fields: Vec<&String> =
            common.schema.get("properties").and_then(|p| p.as_object()).into_iter().flat_map(|p| p.keys()).collect();
        assert_eq!(fields, COMMON);
    }
}
