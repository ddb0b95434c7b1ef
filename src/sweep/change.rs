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

/// The path of a setting of the experiment, written at `origin`.
///
/// # Errors
/// The path is none, or the sweep's own.
pub fn setting(text: &str, origin: &SettingPath) -> Result<SettingPath, BadSetting> {
    let remedy = "write one such as train.epochs or tasks[0].loss";
    let path: SettingPath = text.parse().map_err(|what: String| {
        let what = format!("\"{text}\" is not the path of a setting: {what}");
        BadSetting::new(origin.to_string(), what).remedy(remedy)
    })?;
    let bad = |what: &str, remedy: &str| Err(BadSetting::new(origin.to_string(), what).remedy(remedy));
    match path.steps.first() {
        None => bad("the path of a setting is missing", remedy),
        Some(Step::Key(key)) if key == "seed" => bad("`seed` is the sweep's own", "list seeds under `seeds`"),
        Some(Step::Key(key)) if key == "name" => bad("`name` is the sweep's own", "name the sweep instead"),
        Some(_) => Ok(path),
    }
}

/// The value at a path; where the setting is a choice, its name alone will do.
pub fn chosen(path: &SettingPath, value: &Value) -> Value {
    let choice = path.last_key().is_some_and(|key| CHOICES.contains(&key));
    match value.as_str() {
        Some(name) if choice => named(name),
        _ => value.clone(),
    }
}

impl Change {
    /// What stands at a path of a section, or of a list in it.
    ///
    /// # Errors
    /// The path is none, or the sweep's own.
    pub fn new(path: &Value, value: &Value, section: &SettingPath, index: Option<usize>) -> Result<Self, BadSetting> {
        let text = registry::key_text(path);
        let origin = section.clone().key(&text);
        let origin = if let Some(index) = index { origin.index(index) } else { origin };
        let path = setting(&text, &origin)?;
        let value = chosen(&path, value);
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

    /// Whether this change says what stands at `path`: it lies there or below, or its value holds
    /// the setting.
    pub fn names(&self, path: &SettingPath) -> bool {
        path.holds(&self.path) || self.held(path).is_some()
    }

    /// Whether this change replaces a section that `path` lies in, by one that lacks it.
    pub fn drops(&self, path: &SettingPath) -> bool {
        self.path != *path && self.path.holds(path) && self.held(path).is_none()
    }

    /// What its value holds at `path`.
    fn held(&self, path: &SettingPath) -> Option<&Value> {
        let rest = path.steps.strip_prefix(self.path.steps.as_slice())?;
        rest.iter().try_fold(&self.value, |value, step| match step {
            Step::Key(key) => value.as_mapping()?.get(key.as_str()),
            Step::Index(index) => value.as_sequence()?.get(*index),
        })
    }

    /// The mistake of a change that [`names`](Self::names) the setting at `path`, which `winner`
    /// replaces.
    pub fn overridden(&self, path: &SettingPath, winner: &SettingPath) -> BadSetting {
        let (place, value) = match self.held(path) {
            Some(value) => {
                let rest = path.steps[self.path.steps.len()..].to_vec();
                (self.origin.clone().join(SettingPath { steps: rest }), value)
            }
            None => (self.origin.clone(), &self.value),
        };
        let what = format!("{} would be overridden by {winner}", inline(value).unwrap_or_default());
        BadSetting::new(place.to_string(), what).remedy("take the setting out of one of the two")
    }

    /// The mistake of a change that is lost because `other` [`drops`](Self::drops) its setting.
    pub fn lost(&self, other: &Self) -> BadSetting {
        let what = format!(
            "{} would be lost: {} replaces {} as a whole",
            inline(&self.value).unwrap_or_default(),
            other.origin,
            other.path
        );
        let rest = &self.path.steps[other.path.steps.len()..];
        let remedy = match (&other.value, rest) {
            (Value::Mapping(choice), [Step::Key(key)]) => {
                let mut whole = choice.clone();
                whole.insert(key.as_str().into(), self.value.clone());
                format!("write it there: {}", inline(&Value::Mapping(whole)).unwrap_or_default())
            }
            _ => format!("write it in {}", other.origin),
        };
        BadSetting::new(self.origin.to_string(), what).remedy(remedy)
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

/// A section of paths and values, the upper ones first: nothing is lost by the order in which they
/// are written.
///
/// # Errors
/// A path is none, or two of them say what one setting is.
pub fn changes(section: &Mapping, here: &SettingPath) -> Result<Vec<Change>, BadSetting> {
    let changes = section.iter().map(|(path, value)| Change::new(path, value, here, None));
    let mut changes = changes.collect::<Result<Vec<_>, _>>()?;
    above_first(&mut changes);
    for (at, upper) in changes.iter().enumerate() {
        if let Some(lower) = changes[at + 1..].iter().find(|lower| upper.held(&lower.path).is_some()) {
            return Err(upper.overridden(&lower.path, &lower.origin));
        }
    }
    Ok(changes)
}

/// Sections before the settings that lie in them.
pub fn above_first(changes: &mut [Change]) {
    changes.sort_by_key(|change| change.path.steps.len());
}

/// To six digits: what a person would write, and what the run's folder says.
pub fn tidy(number: f64) -> f64 {
    format!("{number:.5e}").parse().unwrap_or(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(path: &str, value: &str) -> Change {
        let value = serde_yaml::from_str(value).unwrap();
        Change::new(&path.into(), &value, &SettingPath::default().key("set"), None).unwrap()
    }

    #[test]
    fn a_change_names_what_it_lies_in_is_or_holds_and_drops_what_it_replaces() {
        for (change, path, names, drops) in [
            (change("method.c", "0.9"), "method.c", true, false),
            (change("method.c", "0.9"), "method", true, false),
            (change("method", "{name: cagrad, c: 0.9}"), "method.c", true, false),
            (change("method", "{name: cagrad, c: 0.9}"), "method.name", true, false),
            (change("method", "cagrad"), "method.c", false, true),
            (change("method", "{name: weighted, inner: {name: cagrad}}"), "method.inner.c", false, true),
            (change("model.backbone.hidden", "[8]"), "model.backbone.hidden[0]", true, false),
            (change("model.backbone.hidden", "[8]"), "model.backbone.hidden[1]", false, true),
            (change("method", "cagrad"), "optimizer", false, false),
            (change("method.c", "0.9"), "method.every", false, false),
        ] {
            let path = path.parse().unwrap();
            assert_eq!((change.names(&path), change.drops(&path)), (names, drops), "{change:?} {path}");
        }
    }

    #[test]
    fn the_upper_of_two_changes_comes_first() {
        let read = |text: &str| changes(&serde_yaml::from_str(text).unwrap(), &SettingPath::default().key("set"));
        let sorted = read("{method.inner.c: 1, threads: 2, method: weighted, method.inner: {name: cagrad}}");
        let paths: Vec<String> = sorted.unwrap().iter().map(|change| change.path.to_string()).collect();
        assert_eq!(paths, ["threads", "method", "method.inner", "method.inner.c"]);
        let bad = read("{method.c: 1, method: {name: cagrad, c: 2}}").unwrap_err();
        assert_eq!(bad.to_string(), "set.method.c: 2 would be overridden by set.\"method.c\"");
    }
}
