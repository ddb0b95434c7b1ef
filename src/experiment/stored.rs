//! Settings and definitions that an earlier version stored: what they mean today.

use super::{Config, Experiment};
use crate::error::{BadSetting, Mistake};
use crate::registry;
use crate::yaml::{self, Document, Override};
use serde_json::{Map, json};
use serde_yaml::Value;
use std::path::Path;

/// This version of Polytask.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
/// The version that did not say its name in `config.yaml`.
const FIRST: &str = "0.1.0";

/// A default that is not what it was. A stored file that lacks the setting means the old one.
struct ChangedDefault {
    /// The first version with the new default.
    since: &'static str,
    /// The path of the section that has the setting, such as `data`.
    section: &'static str,
    /// The choice that has the setting, `name` in its section; `None` where the section is no
    /// choice.
    choice: Option<&'static str>,
    /// The setting's key in its section.
    key: &'static str,
    /// What it was before.
    before: &'static str,
}

impl ChangedDefault {
    fn path(&self) -> String {
        format!("{}.{}", self.section, self.key)
    }

    /// The section, where `settings` have it with the right choice.
    fn section<'v>(&self, settings: &'v Value) -> Option<&'v Value> {
        let section = self.section.split('.').try_fold(settings, |value, key| value.get(key));
        let fits = |section: &&Value| {
            self.choice.is_none_or(|choice| section.get("name").and_then(Value::as_str) == Some(choice))
        };
        section.filter(fits).or(self.choice.is_none().then_some(&Value::Null))
    }

    /// As an override that sets the old default, where `settings` lack the setting.
    fn missing(&self, settings: &Value) -> Option<Result<Override, Mistake>> {
        let section = self.section(settings)?;
        section.get(self.key).is_none().then(|| format!("{}={}", self.path(), self.before).parse())
    }
}

/// Every default that has changed.
const CHANGED_DEFAULTS: &[ChangedDefault] = &[
    ChangedDefault { since: "0.2.0", section: "data", choice: Some("arrays"), key: "kind", before: "by_dtype" },
    ChangedDefault { since: "0.2.0", section: "data", choice: Some("images"), key: "grayscale", before: "rec709" },
];

/// Choices and settings whose mathematics is not what it was in version 0.1, such as
/// `("method.nash_mtl", 2)`: the number of today's definition. All others have 1. A checkpoint
/// holds the numbers, and another number is not resumed.
const CHANGED_DEFINITIONS: &[(&str, u32)] = &[
    // Until 0.1 a value had to beat the best, which moved with every gain, by more than min_delta.
    (MIN_DELTA, 2),
];

/// It has a definition where it has an effect, and may change with the rest of `stop` when a run is
/// resumed.
const MIN_DELTA: &str = "stop.min_delta";

/// Reads an experiment. A file that an earlier version stored (it says so under `polytask`) keeps that version's defaults.
///
/// # Errors
/// As [`yaml::read_file`].
pub fn read_file(path: &Path, overrides: &[Override]) -> Result<Document<Experiment>, Mistake> {
    let document = yaml::read_file::<Experiment>(path, overrides)?;
    let Some(version) = &document.settings.polytask else { return Ok(document) };
    if numbers(version).len() != 3 || numbers(version) > numbers(VERSION) {
        let what = format!("\"{version}\" is not a version of Polytask up to {VERSION}");
        let bad = BadSetting::new("polytask", what);
        return Err(document
            .places
            .mistake(&bad.remedy("use the version that stored the file, or leave the line out")));
    }
    let own: Value = std::fs::read(path).ok().and_then(|text| serde_yaml::from_slice(&text).ok()).unwrap_or_default();
    let old = old_defaults(&own, version, CHANGED_DEFAULTS)?;
    if old.is_empty() { Ok(document) } else { yaml::read_file(path, &[&old, overrides].concat()) }
}

/// Settings that a run or a sweep stored, with every key that there is today: what they lack means the default of the version
/// that wrote them.
///
/// # Errors
/// They are not settings of this version or an earlier one.
pub fn complete(stored: &Value, place: &Path) -> Result<Value, Mistake> {
    complete_by(stored, place, CHANGED_DEFAULTS)
}

fn complete_by(stored: &Value, place: &Path, changed: &[ChangedDefault]) -> Result<Value, Mistake> {
    let version = stored.get("polytask").and_then(Value::as_str).unwrap_or(FIRST).to_string();
    let mut whole = stored.clone();
    for old in old_defaults(stored, &version, changed)? {
        old.apply(&mut whole)?;
    }
    let section = whole.as_mapping().cloned().unwrap_or_default();
    let read = registry::settings::<Experiment>(section).and_then(|experiment| value(&experiment));
    read.map_err(|bad| {
        Mistake::new(place.display(), format!("{bad}, in settings that Polytask {version} stored"))
            .remedy(format!("use Polytask {version}, or start anew in another folder"))
    })
}

/// An experiment's settings as a value, without the version that wrote them.
///
/// # Errors
/// They have no form in YAML.
pub fn value(experiment: &Experiment) -> Result<Value, BadSetting> {
    let plain = Experiment { polytask: None, ..experiment.clone() };
    serde_yaml::to_value(plain).map_err(|error| BadSetting::new("", error.to_string()))
}

/// The old defaults of the keys that `stored` lacks.
fn old_defaults(stored: &Value, version: &str, changed: &[ChangedDefault]) -> Result<Vec<Override>, Mistake> {
    let older = changed.iter().filter(|changed| numbers(version) < numbers(changed.since));
    older.filter_map(|changed| changed.missing(stored)).collect()
}

/// The experiment as the run in `folder` was started with it: a default that has changed since is
/// the old one, where that run has it and the experiment does not say otherwise.
///
/// # Errors
/// As [`Config::settings`].
pub fn with_defaults_of_run(experiment: &Experiment, folder: &Path) -> anyhow::Result<Experiment> {
    let Some(config) = Config::read(folder)? else { return Ok(experiment.clone()) };
    let stored = config.settings()?;
    let mut own = value(experiment)?;
    let is_old = |changed: &&ChangedDefault| {
        let then = changed.section(&stored).and_then(|section| section.get(changed.key));
        then.and_then(Value::as_str) == Some(changed.before)
    };
    let old: Vec<Override> =
        CHANGED_DEFAULTS.iter().filter(is_old).filter_map(|changed| changed.missing(&own)).collect::<Result<_, _>>()?;
    if old.is_empty() {
        return Ok(experiment.clone());
    }
    old.iter().try_for_each(|old| old.apply(&mut own))?;
    let kept: Experiment = registry::settings(own.as_mapping().cloned().unwrap_or_default())?;
    Ok(Experiment { polytask: experiment.polytask.clone(), ..kept })
}

fn numbers(version: &str) -> Vec<u64> {
    version.split(['.', '-', '+']).map_while(|part| part.parse().ok()).collect()
}

/// The numbers of the definitions that an experiment trains by, those above 1, as a checkpoint keeps them.
pub fn definitions(experiment: &Experiment) -> serde_json::Value {
    numbered(experiment, CHANGED_DEFINITIONS)
}

fn numbered(experiment: &Experiment, changed: &[(&str, u32)]) -> serde_json::Value {
    let mut choices = Vec::new();
    if let Ok(settings) = value(experiment) {
        choose("", &settings, &mut choices);
    }
    if experiment.stop.patience.is_some() && experiment.stop.min_delta > 0.0 {
        choices.push(MIN_DELTA.to_string());
    }
    let number = |choice: &String| changed.iter().find(|(name, _)| name == choice).map(|(_, number)| *number);
    choices.iter().filter_map(|choice| Some((choice.clone(), json!(number(choice)?)))).collect::<Map<_, _>>().into()
}

/// Every `{name: …}` below a value, as `KIND.NAME`.
fn choose(kind: &str, value: &Value, choices: &mut Vec<String>) {
    match value {
        Value::Mapping(section) => {
            if let Some(name) = section.get("name").and_then(Value::as_str).filter(|_| !kind.is_empty()) {
                choices.push(format!("{kind}.{name}"));
            }
            for (key, value) in section {
                let kind = match key.as_str().unwrap_or_default() {
                    "inner" | "weighting" => "method",
                    "then" => "schedule",
                    key => key,
                };
                choose(kind, value, choices);
            }
        }
        Value::Sequence(entries) => entries.iter().for_each(|entry| choose("", entry, choices)),
        _ => {}
    }
}

/// Whether a checkpoint was made by the definitions of today; `stored` is what it holds of [`definitions`].
///
/// # Errors
/// One has changed: going on would be neither the one nor the other.
pub fn check_definitions(
    experiment: &Experiment,
    stored: Option<&serde_json::Value>,
    place: &Path,
) -> Result<(), Mistake> {
    let own = definitions(experiment);
    let number = |of: Option<&serde_json::Value>, choice: &str| of.and_then(|it| it[choice].as_u64()).unwrap_or(1);
    let both = [stored, Some(&own)];
    let names = both.into_iter().flatten().filter_map(serde_json::Value::as_object).flat_map(Map::keys);
    // Every version but 0.1 numbers definitions: a run of theirs that does not number this one had
    // no use for it.
    let was_idle = stored.is_some_and(|it| it.is_object() && it.get(MIN_DELTA).is_none());
    let is_idle = own.get(MIN_DELTA).is_none();
    for choice in names.filter(|choice| *choice != MIN_DELTA || !(was_idle || is_idle)) {
        let (then, now) = (number(stored, choice), number(Some(&own), choice));
        if then != now {
            let what = format!("{choice} has changed since the run was started (definition {then}, now {now})");
            return Err(Mistake::new(place.display(), what).remedy(
                "finish the run with the version of Polytask that started it, or start another run with --out",
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHANGED: &[ChangedDefault] = &[
        ChangedDefault { since: "0.3.0", section: "train", choice: None, key: "shuffle", before: "false" },
        ChangedDefault { since: "0.4.0", section: "evaluate", choice: None, key: "batch_size", before: "7" },
        ChangedDefault { since: "0.3.0", section: "optimizer", choice: Some("adam"), key: "eps", before: "0.5" },
        ChangedDefault { since: "0.3.0", section: "optimizer", choice: Some("sgd"), key: "momentum", before: "0.5" },
    ];

    fn stored(more: &str) -> Value {
        let text = format!(
            "data: {{name: synthetic}}
tasks: [{{name: a, loss: {{name: mse}}}}]
model: {{backbone: {{name: mlp, hidden: [4]}}}}
method: {{name: weighted, weighting: {{name: uw}}, inner: {{name: cagrad}}}}
optimizer: {{name: adam}}
schedule: {{name: linear_warmup, steps: 3, then: {{name: cosine, t_max: 9}}}}
train: {{epochs: 1}}
{more}"
        );
        serde_yaml::from_str(&text).expect("yaml")
    }

    #[test]
    fn a_key_that_stored_settings_lack_is_the_default_of_the_version_that_wrote_them() {
        let value = |version: &str, path: [&str; 2]| {
            let whole = complete_by(&stored(version), Path::new("config.yaml"), CHANGED).expect("settings");
            whole[path[0]][path[1]].clone()
        };
        for (version, shuffle, rows) in [
            ("", false, 7),
            ("polytask: 0.2.9", false, 7),
            ("polytask: 0.3.0", true, 7),
            ("polytask: 0.10.0", true, 4096),
        ] {
            assert_eq!(value(version, ["train", "shuffle"]), Value::from(shuffle), "{version}");
            assert_eq!(value(version, ["evaluate", "batch_size"]), Value::from(rows), "{version}");
        }
        let said = stored("evaluate: {batch_size: 5}");
        let whole = complete_by(&said, Path::new("config.yaml"), CHANGED).expect("settings");
        assert_eq!(whole["evaluate"]["batch_size"], Value::from(5), "what was said stays");
        let adam = complete_by(&stored(""), Path::new("config.yaml"), CHANGED).expect("settings");
        assert_eq!(adam["optimizer"]["eps"], Value::from(0.5), "a setting of the choice that is made");
        assert!(adam["optimizer"].get("momentum").is_none(), "and none of another");
    }

    #[test]
    fn settings_of_a_later_version_are_refused_by_its_name() {
        let error = complete(&stored("polytask: 9.1.0\nspeed: high"), Path::new("config.yaml")).unwrap_err();
        assert!(error.to_string().contains("speed") && error.to_string().contains("Polytask 9.1.0"), "{error}");
    }

    #[test]
    fn definitions_are_numbered_by_kind_and_name_however_deep_they_stand() {
        let experiment = registry::settings::<Experiment>(stored("").as_mapping().cloned().expect("a section"));
        let experiment = experiment.map_err(|bad| bad.to_string()).expect("settings");
        let changed = &[("method.cagrad", 2), ("schedule.cosine", 3), ("loss.mse", 4), ("method.sum", 5)];
        assert_eq!(
            numbered(&experiment, changed),
            json!({"method.cagrad": 2, "schedule.cosine": 3, "loss.mse": 4}),
            "those that are used"
        );
    }

    #[test]
    fn min_delta_has_a_definition_where_it_has_an_effect() {
        let with = |stop: &str| {
            let experiment = registry::settings::<Experiment>(stored(stop).as_mapping().cloned().expect("a section"));
            experiment.map_err(|bad| bad.to_string()).expect("settings")
        };
        let (used, idle) = (with("stop: {patience: 3, min_delta: 0.5}"), with("stop: {patience: 3}"));
        assert_eq!(definitions(&used), json!({"stop.min_delta": 2}));
        for stop in ["stop: {patience: 3}", "stop: {min_delta: 0.5}", ""] {
            assert_eq!(definitions(&with(stop)), json!({}), "{stop}");
        }
        let check = |experiment: &Experiment, stored: Option<serde_json::Value>| {
            check_definitions(experiment, stored.as_ref(), Path::new("run"))
        };
        for of_first in [None, Some(serde_json::Value::Null)] {
            let error = check(&used, of_first.clone()).expect_err("another definition");
            assert!(error.what.contains("stop.min_delta has changed") && error.what.contains("definition 1, now 2"));
            assert!(check(&idle, of_first).is_ok(), "nothing has changed without min_delta");
        }
        for of_today in [definitions(&used), definitions(&idle)] {
            assert!(check(&used, Some(of_today.clone())).is_ok() && check(&idle, Some(of_today)).is_ok());
        }
    }

    #[test]
    fn a_checkpoint_of_another_definition_is_refused() {
        let experiment = registry::settings::<Experiment>(stored("").as_mapping().cloned().expect("a section"));
        let experiment = experiment.map_err(|bad| bad.to_string()).expect("settings");
        let check = |stored: Option<serde_json::Value>| {
            check_definitions(&experiment, stored.as_ref(), Path::new("last.safetensors"))
        };
        assert!(check(None).is_ok() && check(Some(json!({}))).is_ok(), "version 0.1 numbered nothing");
        let error = check(Some(json!({"method.cagrad": 7}))).unwrap_err();
        assert!(error.what.contains("method.cagrad has changed") && error.what.contains("definition 7, now 1"));
    }
}
