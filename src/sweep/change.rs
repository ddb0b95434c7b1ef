//! One setting of a run that differs from the experiment's: where it goes, and where the sweep's YAML wrote it.

use crate::error::{BadSetting, Mistake};
use crate::path::{SettingPath, Step};
use crate::registry;
use crate::yaml::{Override, inline};
use serde_yaml::{Mapping, Value};

/// A setting that differs from the base.
#[derive(Debug, Clone)]
pub struct Change {
    /// The setting.
    pub path: SettingPath,
    /// What it is.
    pub value: Value,
    /// Where it stands in the sweep's YAML.
    pub origin: SettingPath,
}

/// Settings that are choices: there a name alone will do.
const CHOICES: [&str; 7] = ["data", "method", "optimizer", "schedule", "architecture", "backbone", "head"];

/// A choice that was written as its name alone.
pub fn named(name: &str) -> Value {
    Value::Mapping(Mapping::from_iter([("name".into(), name.into())]))
}

impl Change {
    /// What stands at a path of a section, or of a list in it.
    ///
    /// # Errors
    /// The path is none, or the sweep's own.
    pub fn new(path: &Value, value: &Value, section: &SettingPath, index: Option<usize>) -> Result<Self, BadSetting> {
        let text = path.as_str().unwrap_or_default();
        let origin = section.clone().key(text);
        let origin = if let Some(index) = index { origin.index(index) } else { origin };
        let path: SettingPath = text.parse().map_err(|what: String| {
            BadSetting::new(origin.to_string(), format!("\"{text}\" is not the path of a setting: {what}"))
                .remedy("write one such as train.epochs or tasks[0].loss")
        })?;
        let first = path.steps.first();
        if let Some(Step::Key(key)) =
            first.filter(|key| ["seed", "name"].iter().any(|own| **key == Step::Key((*own).into())))
        {
            return Err(BadSetting::new(origin.to_string(), format!("`{key}` is the sweep's own"))
                .remedy(if key == "seed" { "list seeds under `seeds`" } else { "name the sweep instead" }));
        }
        if first.is_none() {
            return Err(BadSetting::new(origin.to_string(), "the path of a setting is missing")
                .remedy("write one such as train.epochs or tasks[0].loss"));
        }
        let choice = path.last_key().is_some_and(|key| CHOICES.contains(&key));
        let value = match value.as_str() {
            Some(name) if choice => named(name),
            _ => value.clone(),
        };
        Ok(Self { path, value, origin })
    }

    /// Lays it over the settings.
    ///
    /// # Errors
    /// The path leads nowhere.
    pub fn apply(&self, settings: &mut Value) -> Result<(), BadSetting> {
        let change = Override::new(self.path.clone(), self.value.clone());
        change.apply(settings).map_err(|Mistake { what, remedy, .. }| BadSetting {
            path: self.origin.to_string(),
            what,
            remedy,
        })
    }

    /// How the value is called in the name of an arm or a trial: `0.01`, `cagrad`, `cagrad-c=0.2`.
    pub fn called(&self, whole: bool) -> String {
        match &self.value {
            Value::Mapping(section) => {
                let name = section.get("name").and_then(Value::as_str);
                let rest = section.iter().filter(|(key, _)| key.as_str() != Some("name"));
                let settings: Vec<String> =
                    rest.map(|(key, value)| format!("{}={}", registry::key_text(key), short(value))).collect();
                match name {
                    Some(name) if !whole || settings.is_empty() => name.to_string(),
                    Some(name) => format!("{name}-{}", settings.join(",")),
                    None => settings.join(","),
                }
            }
            other => short(other),
        }
    }
}

/// A value on one line, in as few letters as tell it.
fn short(value: &Value) -> String {
    match value {
        Value::Sequence(entries) => entries.iter().map(short).collect::<Vec<_>>().join(","),
        Value::Number(number) => number.as_f64().map_or(number.to_string(), short_number),
        other => inline(other).unwrap_or_default(),
    }
}

/// A number to at most six digits.
pub fn short_number(number: f64) -> String {
    let exponent = if number == 0.0 { 0 } else { number.abs().log10().floor() as i32 };
    if (-4..6).contains(&exponent) {
        let digits = (5 - exponent).clamp(0, 9) as usize;
        let text = format!("{number:.digits$}");
        if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_string() } else { text }
    } else {
        let text = format!("{number:.5e}");
        let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        format!("{}e{exponent}", mantissa.trim_end_matches('0').trim_end_matches('.'))
    }
}

/// A section of paths and values.
///
/// # Errors
/// A path is none.
pub fn changes(section: &Mapping, here: &SettingPath) -> Result<Vec<Change>, BadSetting> {
    section.iter().map(|(path, value)| Change::new(path, value, here, None)).collect()
}

/// To six digits: what a person would write, and what the run's folder says.
pub fn tidy(number: f64) -> f64 {
    format!("{number:.5e}").parse().unwrap_or(number)
}
