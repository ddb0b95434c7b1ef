//! Settings back into YAML, and where two documents differ.

use crate::path::SettingPath;
use crate::registry::key_text;
use serde::Serialize;
use serde_yaml::Value;

/// `settings` as a YAML document in block style, in the order of its fields; [`read`](super::read) gives it back bit by bit.
///
/// Floats are written so that YAML 1.1 readers (PyYAML) see numbers as well: `1.0e-5`, where others write `1e-5`.
///
/// # Errors
/// `settings` has no form in YAML.
pub fn to_yaml<T: Serialize>(settings: &T) -> Result<String, serde_yaml::Error> {
    let value = serde_yaml::to_value(settings)?;
    let mut text = String::new();
    if is_block(&value) {
        block(&value, 0, &mut text)?;
    } else {
        text += &(inline(&value)? + "\n");
    }
    Ok(text)
}

/// The lines of a section or a list that is not empty; the cursor stands at `indent`.
fn block(value: &Value, indent: usize, text: &mut String) -> Result<(), serde_yaml::Error> {
    let margin = " ".repeat(indent);
    let mut first = true;
    let mut start = |text: &mut String| {
        if !std::mem::take(&mut first) {
            *text += &margin;
        }
    };
    match value {
        Value::Mapping(section) => {
            for (key, value) in section {
                start(text);
                *text += &format!("{}:", inline(key)?);
                if is_block(value) {
                    *text += &format!("\n{}", " ".repeat(indent + 2));
                    block(value, indent + 2, text)?;
                } else {
                    *text += &format!(" {}\n", inline(value)?);
                }
            }
        }
        Value::Sequence(entries) => {
            for entry in entries {
                start(text);
                *text += "- ";
                if is_block(entry) {
                    block(entry, indent + 2, text)?;
                } else {
                    *text += &format!("{}\n", inline(entry)?);
                }
            }
        }
        scalar => *text += &inline(scalar)?,
    }
    Ok(())
}

/// Whether a value takes lines of its own: sections, and lists of anything but scalars.
fn is_block(value: &Value) -> bool {
    let scalar = |value: &Value| !matches!(value, Value::Mapping(_) | Value::Sequence(_) | Value::Tagged(_));
    match value {
        Value::Mapping(section) => !section.is_empty(),
        Value::Sequence(entries) => !entries.iter().all(scalar),
        _ => false,
    }
}

/// A value on one line.
pub fn inline(value: &Value) -> Result<String, serde_yaml::Error> {
    Ok(match value {
        Value::Number(number) => match number.as_f64().filter(|float| number.is_f64() && float.is_finite()) {
            Some(float) => with_point(&format!("{float:?}")),
            None => number.to_string(),
        },
        Value::String(string) => text(string),
        Value::Sequence(entries) => {
            format!("[{}]", entries.iter().map(inline).collect::<Result<Vec<_>, _>>()?.join(", "))
        }
        Value::Mapping(section) => {
            let pairs = section.iter().map(|(key, value)| Ok(format!("{}: {}", inline(key)?, inline(value)?)));
            format!("{{{}}}", pairs.collect::<Result<Vec<_>, serde_yaml::Error>>()?.join(", "))
        }
        other => serde_yaml::to_string(other)?.trim_end().to_string(),
    })
}

/// A number in exponential form with a point and a sign, as YAML 1.1 demands: `1e-5` is a text there.
fn with_point(number: &str) -> String {
    let Some((mantissa, exponent)) = number.split_once('e') else { return number.to_string() };
    let point = if mantissa.contains('.') { "" } else { ".0" };
    let sign = if exponent.starts_with(['-', '+']) { "" } else { "+" };
    format!("{mantissa}{point}e{sign}{exponent}")
}

/// A text, in quotes unless it can only be read as that text.
fn text(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '/' | '.' | ' ' | '+' | '(' | ')');
    let starts = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/' || c == '_');
    // Words that some version of YAML takes for a truth value, nothing or a number.
    let words = ["y", "n", "yes", "no", "on", "off", "true", "false", "null", "inf", "nan", "infinity"];
    let word = words.contains(&text.to_lowercase().as_str());
    if starts && !word && text.chars().all(plain) && !text.ends_with(' ') {
        return text.to_string();
    }
    // JSON's strings are YAML's, but for characters that YAML wants escaped.
    let json = serde_json::Value::from(text).to_string();
    let escape = |c: char| {
        let code = u32::from(c);
        let bare = !c.is_control() && !matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}');
        if bare { c.to_string() } else { format!("\\u{code:04x}") }
    };
    json.chars().map(escape).collect()
}

/// The leaves in which two documents differ: path, value in `a`, value in `b`; `(none)` where one has no value.
///
/// Numbers are equal by value (1 and 1.0), and null is the same as no value.
pub fn difference(a: &Value, b: &Value) -> Vec<(String, String, String)> {
    let mut found = Vec::new();
    compare(Some(a), Some(b), &SettingPath::default(), &mut found);
    found
}

fn compare(a: Option<&Value>, b: Option<&Value>, path: &SettingPath, found: &mut Vec<(String, String, String)>) {
    let (a, b) = (a.filter(|a| !a.is_null()), b.filter(|b| !b.is_null()));
    match (a, b) {
        (Some(Value::Mapping(left)), Some(Value::Mapping(right))) => {
            for (key, value) in left {
                compare(Some(value), right.get(key), &path.clone().key(key_text(key)), found);
            }
            for (key, value) in right.iter().filter(|(key, _)| !left.contains_key(*key)) {
                compare(None, Some(value), &path.clone().key(key_text(key)), found);
            }
        }
        (Some(Value::Sequence(left)), Some(Value::Sequence(right))) => {
            for index in 0..left.len().max(right.len()) {
                compare(left.get(index), right.get(index), &path.clone().index(index), found);
            }
        }
        (Some(Value::Number(left)), Some(Value::Number(right))) if left.as_f64() == right.as_f64() => {
            // Whole numbers above 2^53 may differ and yet be equal as floats.
            if left != right && !left.is_f64() && !right.is_f64() {
                found.push((path.to_string(), left.to_string(), right.to_string()));
            }
        }
        (left, right) if left == right => {}
        (left, right) => {
            let show = |value: Option<&Value>| match value {
                Some(value) => inline(value).unwrap_or_else(|error| error.to_string()),
                None => "(none)".into(),
            };
            found.push((path.to_string(), show(left), show(right)));
        }
    }
}
