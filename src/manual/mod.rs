//! The manual: what the settings' doc comments and JSON Schemas tell, for a terminal and for editors.

use crate::registry::Entry;
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::Value;

mod text;
use text::{first_sentence, plain, wrap};

/// Columns of a page.
const WIDTH: usize = 96;

/// The longest table whose names a setting shows itself.
const NAMES_SHOWN: usize = 12;

/// The names of a table, each with the first sentence of its description, grouped by what they read where their
/// descriptions say so; `kind` is the heading.
pub fn list(kind: &str, entries: &[Entry]) -> String {
    let width = entries.iter().map(|entry| entry.name.len()).max().unwrap_or_default() + 2;
    let mut page = format!("{kind}\n");
    let mut group = None;
    for entry in entries {
        let reads = reads(entry);
        if let Some(what) = reads.as_ref().filter(|_| reads != group) {
            page += &format!("  reads {what}\n");
        }
        let margin = if reads.is_some() { 4 } else { 2 };
        group = reads;
        let lines = wrap(&sentence(entry), WIDTH - width - margin);
        let text = format!("{:width$}{}", entry.name, hang(&lines, width));
        page += &indent(text.trim_end(), margin);
    }
    page
}

/// What an entry is, in the first sentence of its description.
pub fn sentence(entry: &Entry) -> String {
    first_sentence(description(entry.schema.as_value()))
}

/// What an entry reads, in the word or two that open the paragraph `Reads: …` of its description.
pub fn reads(entry: &Entry) -> Option<String> {
    let said = text::labelled(description(entry.schema.as_value()), "Reads:")?;
    let end = said.find([',', '.', ';', '(']).unwrap_or(said.len());
    Some(said[..end].trim().to_string())
}

/// One entry whole: what it is, and each setting with its type, range, default and text. The settings that it has in common
/// with the others of its table come last, under the name of `shared`.
pub fn page(entry: &Entry, shared: Option<&Entry>) -> String {
    let schema = entry.schema.as_value();
    let mut page = format!("{}\n\n{}", entry.name, indent(&wrap(&plain(description(schema)), WIDTH - 2), 2));
    let own = settings(schema, schema);
    if schema.get("const").is_none() {
        page += &section("settings", &own);
    }
    // Sections and metrics are chosen by their key, not by a name inside.
    if schema.pointer("/properties/name/const").is_some() {
        page += &format!("\nin YAML\n{}", indent(&example(entry.name, &own), 2));
    }
    if let Some(shared) = shared {
        let schema = shared.schema.as_value();
        page += &section(shared.name, &settings(schema, schema));
    }
    page
}

/// A heading and settings.
fn section(heading: &str, settings: &[Setting]) -> String {
    let shown: String = settings.iter().map(|setting| indent(&setting.show(WIDTH - 2), 2)).collect();
    format!("\n{heading}\n{}", if shown.is_empty() { "  none\n" } else { &shown })
}

/// The JSON Schema (draft 2020-12) of a whole document, for editors.
pub fn schema<T: JsonSchema>(title: &str, id: &str) -> Value {
    let mut schema = SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<T>();
    schema.insert("$id".into(), id.into());
    schema.insert("title".into(), title.into());
    schema.to_value()
}

/// The places in a schema whose sections would take any key: structs that lack `deny_unknown_fields`. Should be none.
pub fn open_sections(schema: &Value) -> Vec<String> {
    fn walk(schema: &Value, place: &str, open: &mut Vec<String>) {
        match schema {
            Value::Object(object) => {
                if object.get("properties").is_some_and(Value::is_object)
                    && object.get("additionalProperties") != Some(&Value::Bool(false))
                {
                    open.push(if place.is_empty() { "/".into() } else { place.into() });
                }
                object.iter().for_each(|(key, value)| walk(value, &format!("{place}/{key}"), open));
            }
            Value::Array(entries) => {
                entries.iter().enumerate().for_each(|(index, value)| walk(value, &format!("{place}/{index}"), open));
            }
            _ => {}
        }
    }
    let mut open = Vec::new();
    walk(schema, "", &mut open);
    open
}

/// One setting of a section.
struct Setting {
    name: String,
    /// Its type and range.
    form: String,
    required: bool,
    default: Option<Value>,
    description: String,
    /// Names that it may take, each with its description.
    names: Vec<(String, String)>,
    /// The settings of the section that it is, or that its list holds.
    inner: Vec<Setting>,
}

impl Setting {
    fn show(&self, width: usize) -> String {
        let default = match &self.default {
            _ if self.required => ", required".into(),
            None | Some(Value::Null) => ", optional".into(),
            Some(value) => format!(", default {}", inline(value)),
        };
        let head = format!("{}: {}{default}", self.name, self.form);
        let mut text = hang(&wrap(&head, width - 4), 4);
        text += &indent(&wrap(&plain(&self.description), width - 4), 4);
        for (name, meaning) in &self.names {
            let sentence = if meaning.is_empty() { name.clone() } else { format!("{name}: {}", plain(meaning)) };
            text += &indent(&hang(&wrap(&sentence, width - 8), 2), 6);
        }
        for setting in &self.inner {
            text += &indent(&setting.show(width - 4), 4);
        }
        text
    }
}

/// The settings of an object schema, without the `name` that chooses the entry.
fn settings(schema: &Value, root: &Value) -> Vec<Setting> {
    let required =
        |name: &str| schema["required"].as_array().is_some_and(|names| names.iter().any(|required| required == name));
    let properties = schema["properties"].as_object().into_iter().flatten();
    properties
        .filter(|(_, property)| property.get("const").is_none())
        .map(|(name, property)| {
            let target = resolve(property, root);
            let own = description(property);
            Setting {
                name: name.clone(),
                form: form(property, root),
                required: required(name),
                default: property.get("default").cloned(),
                description: if own.is_empty() { description(target).into() } else { own.into() },
                names: named_values(target, root),
                inner: inner_settings(target, root),
            }
        })
        .collect()
}

/// The settings inside a section or a list of sections; those of tables have pages of their own.
fn inner_settings(schema: &Value, root: &Value) -> Vec<Setting> {
    let items = resolve(&schema["items"], root);
    let section = if items["properties"].is_object() { items } else { schema };
    if section["properties"].is_object() { settings(section, root) } else { vec![] }
}

/// The names that a text, or each text of a list, may be, where a description makes them worth a line.
fn named_values(schema: &Value, root: &Value) -> Vec<(String, String)> {
    let schema = if schema["items"].is_object() { resolve(&schema["items"], root) } else { schema };
    let variants = schema["oneOf"].as_array().into_iter().flatten();
    let named = variants.filter_map(|variant| Some((variant["const"].as_str()?.into(), description(variant).into())));
    let named: Vec<(String, String)> = named.collect();
    if named.iter().any(|(_, meaning)| !meaning.is_empty()) { named } else { vec![] }
}

/// Follows a reference, and the wrapping of an optional one.
fn resolve<'a>(schema: &'a Value, root: &'a Value) -> &'a Value {
    if let Some(name) = schema["$ref"].as_str().and_then(|path| path.rsplit('/').next()) {
        return resolve(&root["$defs"][name], root);
    }
    match schema["anyOf"].as_array().map(Vec::as_slice) {
        Some([only, null]) if null["type"] == "null" => resolve(only, root),
        _ => schema,
    }
}

/// A schema's type and range in words.
fn form(schema: &Value, root: &Value) -> String {
    let table = schema["$ref"].as_str().and_then(|path| path.rsplit('/').next());
    let schema = resolve(schema, root);
    if let (Some(table), Some(entries)) = (table, schema["oneOf"].as_array())
        && entries.len() > NAMES_SHOWN
    {
        return format!("section {{name: …}} of a {}", table.to_lowercase());
    }
    if let Some(variants) = schema["oneOf"].as_array().or(schema["anyOf"].as_array()) {
        return choices(variants, root);
    }
    if let Some(names) = schema["enum"].as_array() {
        return names.iter().map(inline).collect::<Vec<_>>().join(" | ");
    }
    let kind = match &schema["type"] {
        Value::Array(kinds) => kinds.iter().find(|kind| *kind != "null").and_then(Value::as_str),
        kind => kind.as_str(),
    };
    match kind {
        Some("number") => format!("number{}", range(schema)),
        Some("integer") => format!("whole number{}", range(schema)),
        Some("string") => "text".into(),
        Some("boolean") => "true | false".into(),
        Some("array") => list_form(schema, root),
        Some("object") if schema["additionalProperties"].is_object() => {
            format!("section of name: {}", form(&schema["additionalProperties"], root))
        }
        Some("object") => "section".into(),
        _ => "any value".into(),
    }
}

fn list_form(schema: &Value, root: &Value) -> String {
    let parts = schema["prefixItems"].as_array();
    match parts {
        Some(parts) => format!("[{}]", parts.iter().map(|part| form(part, root)).collect::<Vec<_>>().join(", ")),
        None => format!("list of {}", form(&schema["items"], root)),
    }
}

/// Names to choose from, entries of a table, or one of several forms.
fn choices(variants: &[Value], root: &Value) -> String {
    let entries: Vec<&str> =
        variants.iter().filter_map(|variant| variant["properties"]["name"]["const"].as_str()).collect();
    if entries.len() == variants.len() {
        return format!("section {{name: {}}}", entries.join(" | "));
    }
    let part = |variant: &Value| match &variant["const"] {
        Value::Null => form(variant, root),
        constant => inline(constant),
    };
    let parts: Vec<String> = variants.iter().filter(|variant| variant["type"] != "null").map(part).collect();
    parts.join(" | ")
}

fn range(schema: &Value) -> String {
    let bound = |key: &str| schema.get(key).filter(|bound| bound.is_number()).map(inline);
    // The bounds of a machine's integers say nothing about the setting.
    let most = bound("maximum").filter(|_| schema.get("format").is_none_or(|format| format == "double"));
    let low = bound("minimum").map(|low| (low, true)).or(bound("exclusiveMinimum").map(|low| (low, false)));
    let high = most.map(|high| (high, true)).or(bound("exclusiveMaximum").map(|high| (high, false)));
    match (low, high) {
        (Some((low, true)), None) => format!(" of {low} or above"),
        (Some((low, false)), None) => format!(" above {low}"),
        (None, Some((high, true))) => format!(" up to {high}"),
        (None, Some((high, false))) => format!(" below {high}"),
        (Some((low, low_in)), Some((high, high_in))) => {
            let edge = match (low_in, high_in) {
                (true, true) => String::new(),
                (true, false) => format!(", without {high}"),
                (false, true) => format!(", without {low}"),
                (false, false) => ", without both".into(),
            };
            format!(" from {low} to {high}{edge}")
        }
        (None, None) => String::new(),
    }
}

/// The entry with its defaults, and `…` for what is required.
fn example(name: &str, settings: &[Setting]) -> String {
    let mut parts = vec![format!("name: {name}")];
    parts.extend(settings.iter().filter_map(|setting| match &setting.default {
        _ if setting.required => Some(format!("{}: …", setting.name)),
        None | Some(Value::Null) => None,
        Some(Value::Array(entries)) if entries.is_empty() => None,
        Some(Value::Object(section)) if section.is_empty() => None,
        Some(value) => Some(format!("{}: {}", setting.name, inline(value))),
    }));
    let line = format!("{{{}}}", parts.join(", "));
    if line.chars().count() + 2 <= WIDTH { line + "\n" } else { parts.join("\n") + "\n" }
}

/// A default or a bound as YAML writes it on one line.
fn inline(value: &Value) -> String {
    match value {
        Value::Array(entries) => format!("[{}]", entries.iter().map(inline).collect::<Vec<_>>().join(", ")),
        Value::Object(object) => {
            let pairs = object.iter().map(|(key, value)| format!("{key}: {}", inline(value)));
            format!("{{{}}}", pairs.collect::<Vec<_>>().join(", "))
        }
        Value::String(text)
            if !text.is_empty() && !text.contains(|c: char| c.is_control() || "\"':,{}[]#&*!|>%@`".contains(c)) =>
        {
            text.clone()
        }
        Value::Number(number) => number.as_f64().map_or(number.to_string(), |float| {
            if float.fract() == 0.0 && float.abs() < 1e15 { format!("{float:.0}") } else { number.to_string() }
        }),
        other => other.to_string(),
    }
}

fn description(schema: &Value) -> &str {
    schema["description"].as_str().unwrap_or_default()
}

/// All lines but the first moved to the right.
fn hang(text: &str, by: usize) -> String {
    let (first, rest) = text.split_once('\n').unwrap_or((text, ""));
    format!("{first}\n{}", indent(rest, by))
}

fn indent(text: &str, by: usize) -> String {
    let margin = " ".repeat(by);
    text.lines().map(|line| if line.is_empty() { "\n".into() } else { format!("{margin}{line}\n") }).collect()
}

#[cfg(test)]
mod tests;
