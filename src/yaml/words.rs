//! serde's messages in plain words, with a place and a way on.

use super::places::Places;
use crate::error::{BadSetting, Mistake, nearest};
use crate::path::{SettingPath, Step};
use crate::registry::{key_text, kind};
use serde_yaml::Value;

impl Places {
    /// A mistake in a value: at the value itself, or at the nearest section above it that the document has.
    pub fn mistake(&self, bad: &BadSetting) -> Mistake {
        if bad.path.parse::<SettingPath>().is_err() {
            return Mistake { place: self.of(""), what: bad.to_string(), remedy: bad.remedy.clone() };
        }
        explain(bad.clone(), &[], &Value::Null, self)
    }

    /// Gives a [`BadSetting`] its place in the file; any other error stays as it is.
    pub fn locate(&self, error: anyhow::Error) -> anyhow::Error {
        match error.downcast::<BadSetting>() {
            Ok(bad) => self.mistake(&bad).into(),
            Err(error) => error,
        }
    }
}

/// The mistake `bad`, in serde's words, for the person who wrote the document `root`.
///
/// `allowed` are the names that the place takes, where `bad` does not tell them.
pub fn explain(bad: BadSetting, allowed: &[String], root: &Value, places: &Places) -> Mistake {
    let path: SettingPath = bad.path.parse().unwrap_or_default();
    let mut mistake = if let Some((key, allowed)) = named(&bad.what, "unknown field `") {
        unknown_setting(&path, &key, &allowed, root, places)
    } else if let Some((name, allowed)) = named(&bad.what, "unknown variant `") {
        unknown_name(&path, &name, &allowed, places)
    } else if let Some((field, allowed)) = named(&bad.what, "missing field `") {
        missing(&path, &field, &allowed, root, places)
    } else if let Some((field, _)) = named(&bad.what, "duplicate field `") {
        let what = format!("setting \"{field}\" is given twice, under two names");
        Mistake::new(places.place(&path, true), with_path(&path, &what)).remedy("keep one of them")
    } else if let Some((found, expected)) = found_and_expected(&bad.what) {
        wrong_value(&path, found, expected, root, places)
    } else if bad.what.starts_with("data did not match any variant") {
        let found = value_at(root, &path).map_or("a value".into(), |value| kind(value).replace('`', ""));
        Mistake::new(places.place(&path, false), with_path(&path, &format!("{found} has no form that is allowed here")))
    } else {
        Mistake::new(places.place(&path, false), with_path(&path, &bad.what))
    };
    if !allowed.is_empty() {
        mistake.what += &format!(" (allowed: {})", allowed.join(", "));
    }
    if let Some(remedy) = bad.remedy {
        mistake.remedy = Some(remedy);
    }
    mistake
}

/// `unknown field `x`, expected one of `a`, `b`` gives `x` and the names.
fn named(message: &str, head: &str) -> Option<(String, Vec<String>)> {
    let rest = message.strip_prefix(head)?;
    let end = ["`, expected ", "`, there are no "].iter().find_map(|tail| rest.rfind(tail));
    let (name, allowed) = rest.split_at(end.or_else(|| rest.rfind('`'))?);
    let allowed = allowed[1..].split('`').skip(1).step_by(2).map(str::to_string).collect();
    Some((name.to_string(), allowed))
}

/// The names that an error about an unknown name allows.
pub fn names(message: &str) -> Vec<String> {
    named(message, "unknown variant `").map(|(_, names)| names).unwrap_or_default()
}

fn with_path(path: &SettingPath, what: &str) -> String {
    if path.steps.is_empty() { what.to_string() } else { format!("{path}: {what}") }
}

fn unknown_setting(path: &SettingPath, key: &str, allowed: &[String], root: &Value, places: &Places) -> Mistake {
    let section = match path.last_key() {
        Some(last) if last == key => path.parent().unwrap_or_default(),
        _ => path.clone(),
    };
    let path = section.clone().key(key);
    let may =
        if allowed.is_empty() { "none are allowed here".into() } else { format!("allowed: {}", allowed.join(", ")) };
    let what = with_path(&section, &format!("unknown setting \"{key}\" ({may})"));
    let mistake = Mistake::new(places.place(&path, true), what);
    match renamed(&section, &path, allowed.is_empty(), root, places) {
        Some(remedy) => mistake.remedy(remedy),
        None if key.parse::<u64>().is_ok() && value_at(root, &path).is_none_or(Value::is_null) => {
            mistake.remedy("a comma starts the next setting: write decimals with a point")
        }
        None => did_you_mean(mistake, key, allowed),
    }
}

/// A section whose `name` came by `--set` still holds the file's settings for the former name.
fn renamed(section: &SettingPath, path: &SettingPath, bare: bool, root: &Value, places: &Places) -> Option<String> {
    let name = section.clone().key("name");
    let change = places.overriding(&name).filter(|change| change.path == name && !change.path.holds(path))?;
    let chosen = value_at(root, &name)?.as_str()?;
    let (place, rest) = (change.place(), if bare { "" } else { ", …" });
    let whole = format!("--set '{section}={{name: {chosen}{rest}}}'");
    Some(format!("{place} keeps the section's other settings; give the whole section: {whole}"))
}

fn did_you_mean(mistake: Mistake, wrong: &str, allowed: &[String]) -> Mistake {
    match nearest(wrong, allowed.iter().map(String::as_str)) {
        Some(name) => mistake.remedy(format!("did you mean {name}?")),
        None => mistake,
    }
}

fn unknown_name(path: &SettingPath, name: &str, allowed: &[String], places: &Places) -> Mistake {
    let what = with_path(path, &format!("unknown name \"{name}\" (allowed: {})", allowed.join(", ")));
    did_you_mean(Mistake::new(places.place(path, false), what), name, allowed)
}

fn missing(path: &SettingPath, field: &str, allowed: &[String], root: &Value, places: &Places) -> Mistake {
    let may = if allowed.is_empty() { String::new() } else { format!(" (allowed: {})", allowed.join(", ")) };
    let what = with_path(path, &format!("setting \"{field}\" is missing{may}"));
    let mistake = Mistake::new(places.place(path, false), what);
    let keys = value_at(root, path).and_then(Value::as_mapping).into_iter().flat_map(|section| section.keys());
    let keys: Vec<String> = keys.map(key_text).collect();
    let remedy = if let Some(remedy) = renamed(path, &path.clone().key(field), false, root, places) {
        remedy
    } else if let Some(near) = nearest(field, keys.iter().map(String::as_str)) {
        format!("did you mean {field} instead of {near}?")
    } else {
        format!("add \"{field}: …\"")
    };
    mistake.remedy(remedy)
}

/// `invalid type: string "high", expected f64` gives both parts.
fn found_and_expected(message: &str) -> Option<(&str, &str)> {
    let rest = message.strip_prefix("invalid type: ").or_else(|| message.strip_prefix("invalid value: "));
    if let Some(rest) = rest {
        let at = rest.rfind(", expected ")?;
        return Some((&rest[..at], &rest[at + ", expected ".len()..]));
    }
    message.strip_prefix("invalid ")?.split_once(", expected ")
}

fn wrong_value(path: &SettingPath, found: &str, expected: &str, root: &Value, places: &Places) -> Mistake {
    let number = ["integer `", "floating point `", "number `"].iter().find_map(|head| found.strip_prefix(head));
    let number = number.map(|rest| rest.trim_end_matches('`'));
    if expected == "a string" && matches!(value_at(root, path), Some(Value::Mapping(_))) && number.is_some() {
        let key = number.unwrap_or_default();
        let what = with_path(path, &format!("the name {key} is not a text"));
        return Mistake::new(places.place(&path.clone().key(key), true), what)
            .remedy(format!("write \"{key}\", with quotes"));
    }
    let written = places.written(path);
    let subject = match number {
        Some(number) => as_written(number, written.as_ref().map(|(text, _)| text.as_str())),
        None => subject(found),
    };
    let verdict = match expected {
        "fewer elements in sequence" => format!("{subject} is too long"),
        _ => format!("{subject} is not {}", needed(expected, number)),
    };
    let mistake = Mistake::new(places.place(path, false), with_path(path, &verdict));
    match mend(written.as_ref().map(|(text, quoted)| (text.as_str(), *quoted)), found, &needed(expected, number)) {
        Some(remedy) => mistake.remedy(remedy),
        None => mistake,
    }
}

/// A number as the person wrote it (`1e3`), if it is the same as serde's (`1000.0`).
fn as_written(number: &str, written: Option<&str>) -> String {
    let parsed =
        |text: &str| text.trim_start_matches('+').replace(".inf", "inf").replace(".nan", "NaN").parse::<f64>().ok();
    let same = |text: &&str| match (parsed(text), parsed(number)) {
        (Some(a), Some(b)) => a == b || (a.is_nan() && b.is_nan()),
        _ => false,
    };
    written.filter(same).unwrap_or(number).to_string()
}

/// What was found, in plain words.
fn subject(found: &str) -> String {
    match found {
        "unit value" | "nothing" | "Option value" => "an empty value".into(),
        "sequence" | "a list" => "a list".into(),
        "map" | "a section" => "a section".into(),
        _ if found.chars().count() > 80 => format!("{}…\"", found.chars().take(70).collect::<String>()),
        _ => match found.strip_prefix("boolean `").or_else(|| found.strip_prefix("length ")) {
            Some(rest) if found.starts_with("length") => format!("a list of {rest}"),
            Some(rest) => rest.trim_end_matches('`').to_string(),
            None => found.to_string(),
        },
    }
}

/// What is needed, in plain words; `number` is what was found instead.
fn needed(expected: &str, number: Option<&str>) -> String {
    let whole = |least: i128, most: i128| match number.and_then(|number| number.parse::<i128>().ok()) {
        Some(_) => format!("a whole number from {least} to {most}"),
        None => "a whole number".into(),
    };
    match expected {
        "f64" | "f32" => "a number".into(),
        "a boolean" => "true or false".into(),
        "u64" | "usize" => "a whole number of 0 or above".into(),
        "u32" => "a whole number from 0 to 4294967295".into(),
        "u16" => "a whole number from 0 to 65535".into(),
        "u8" => "a whole number from 0 to 255".into(),
        "i64" | "isize" => whole(i64::MIN.into(), i64::MAX.into()),
        "i32" => whole(i32::MIN.into(), i32::MAX.into()),
        "i16" => whole(i16::MIN.into(), i16::MAX.into()),
        "i8" => whole(i8::MIN.into(), i8::MAX.into()),
        "a string" | "string" => "a text".into(),
        "path string" => "a path".into(),
        "a sequence" => "a list".into(),
        "a map" | "a YAML mapping" => "a section of settings".into(),
        "a Value::Tagged enum" | "variant identifier" => "a name".into(),
        "field identifier" => "the name of a setting".into(),
        other => {
            let count = other.strip_prefix("an array of length ").or_else(|| other.strip_prefix("a tuple of size "));
            match count {
                Some(count) => format!("a list of {count}"),
                None if other.starts_with("a nonzero u") => "a whole number of 1 or more".into(),
                None if other.starts_with("struct ") => "a section of settings".into(),
                None => other.into(),
            }
        }
    }
}

/// How the value that was `written` may be mended, where that is plain.
fn mend(written: Option<(&str, bool)>, found: &str, needed: &str) -> Option<String> {
    let scalar = !matches!(found, "sequence" | "a list" | "map" | "a section" | "unit value" | "nothing");
    if needed == "a list" && matches!(found, "map" | "a section") {
        return Some("start each entry of a list with \"- \"".into());
    }
    let (text, quoted) = written.filter(|_| scalar)?;
    let text = text.trim_matches(['"', '\'']);
    let numeric = needed.contains("number");
    let is_text = found.starts_with("string");
    if needed == "true or false" {
        let truth = match text.to_lowercase().as_str() {
            "yes" | "y" | "on" | "1" | "true" => true,
            "no" | "n" | "off" | "0" | "false" => false,
            _ => return None,
        };
        return Some(format!("write {truth}"));
    }
    if numeric && is_text {
        if text.parse::<f64>().is_ok_and(f64::is_finite) {
            let plain = text.trim_start_matches('0');
            return Some(if quoted { format!("write {text} without quotes") } else { format!("write {plain}") });
        }
        let plain = text.replace('_', "").replace(',', if text.matches(',').count() == 1 { "." } else { "" });
        return plain.parse::<f64>().is_ok_and(f64::is_finite).then(|| format!("write {plain}"));
    }
    if needed.starts_with("a whole number") {
        let whole = text.parse::<f64>().ok().filter(|number| number.fract() == 0.0 && (0.0..1e15).contains(number));
        return whole.filter(|_| text.parse::<i64>().is_err()).map(|number| format!("write {number}"));
    }
    match needed {
        "a text" => Some(format!("write \"{text}\", with quotes")),
        "a list" => Some(format!("write [{text}]")),
        _ => None,
    }
}

fn value_at<'a>(root: &'a Value, path: &SettingPath) -> Option<&'a Value> {
    path.steps.iter().try_fold(root, |value, step| match step {
        Step::Key(key) => value.as_mapping()?.iter().find(|(own, _)| key_text(own) == *key).map(|(_, value)| value),
        Step::Index(index) => value.as_sequence()?.get(*index),
    })
}
