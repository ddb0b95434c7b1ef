//! From text to a value: anchors and merges resolved, the parser's mistakes in plain words.

use super::tree::Tree;
use serde_yaml::Value;

/// A mistake in a text whose name is not known here.
#[derive(Debug)]
pub struct Flaw {
    /// Line and column, from 1.
    pub at: Option<(usize, usize)>,
    /// What is wrong.
    pub what: String,
    /// What to do about it.
    pub remedy: Option<String>,
}

impl Flaw {
    fn new(at: Option<(usize, usize)>, what: impl Into<String>, remedy: &str) -> Self {
        Self { at, what: what.into(), remedy: Some(remedy.to_string()).filter(|remedy| !remedy.is_empty()) }
    }
}

/// The value of `text`, whose places are `tree`.
///
/// # Errors
/// `text` is not YAML, holds a key twice, several documents, a tag, or a number of more than 64 bits.
pub fn parse(text: &str, tree: &Tree) -> Result<Value, Flaw> {
    let mut value = serde_yaml::from_str::<Value>(text).map_err(|error| explain(&error, text, tree))?;
    while has(&value, &|value| value.as_mapping().is_some_and(|section| section.contains_key("<<"))) {
        value.apply_merge().map_err(|error| {
            let key = tree.key_named("<<").map(|id| tree.node(id));
            Flaw::new(key.map(|key| (key.line, key.column)), error.to_string(), "write <<: *ANCHOR, of a section")
        })?;
    }
    if has(&value, &|value| matches!(value, Value::Tagged(_))) {
        let at = text.lines().enumerate().find_map(|(row, line)| {
            let sharp = line.find('!')?;
            Some((row + 1, line[..sharp].chars().count() + 1))
        });
        return Err(Flaw::new(
            at,
            "tags have no meaning here",
            "remove the word that starts with \"!\", or quote the text",
        ));
    }
    Ok(value)
}

/// Whether `test` holds anywhere in `value`.
fn has(value: &Value, test: &impl Fn(&Value) -> bool) -> bool {
    test(value)
        || match value {
            Value::Sequence(entries) => entries.iter().any(|entry| has(entry, test)),
            Value::Mapping(section) => section.iter().any(|(key, value)| has(key, test) || has(value, test)),
            _ => false,
        }
}

fn explain(error: &serde_yaml::Error, text: &str, tree: &Tree) -> Flaw {
    let message = error.to_string();
    let at = error.location().map(|location| within(text, location.line(), location.column()));
    if message.contains("duplicate entry")
        && let Some((first, second)) = tree.twice.first()
    {
        let (first, key) = (tree.node(*first), tree.node(*second));
        let section = tree.section_of(*second).to_string();
        let dot = if section.is_empty() { "" } else { ": " };
        let name = key.text().unwrap_or_default();
        let what = format!("{section}{dot}setting \"{name}\" is given twice (first in line {})", first.line);
        return Flaw::new(Some((key.line, key.column)), what, "keep one of them");
    }
    if message.contains("more than one document") {
        return Flaw::new(
            tree.second_document,
            "a second document starts here",
            "write one document per file, without a second \"---\"",
        );
    }
    if let Some(number) = message.split_once("` as ").and_then(|(before, _)| before.rsplit('`').next()) {
        let path = at.and_then(|(line, column)| tree.path_at(line, column)).unwrap_or_default();
        let what = format!("{path}: {number} is too large (more than 64 bits)");
        return Flaw::new(at, what.trim_start_matches(": "), "");
    }
    if message.contains("control characters are not allowed") {
        return Flaw::new(
            control_character(text),
            "control characters are not allowed",
            "remove the invisible character",
        );
    }
    let (problem, rest) = message.split_once(" at line ").unwrap_or((&message, ""));
    let context = rest.split_once(", ").map(|(_, context)| format!(" ({})", context.replace(" column ", ", column ")));
    let what = format!("{problem}{}", context.unwrap_or_default());
    match problem {
        "unknown anchor" => {
            Flaw::new(at, "this alias (*) has no anchor (&) of its name above it", "mark the first use with &NAME")
        }
        "recursion limit exceeded" => {
            Flaw::new(at, "nested too deeply", "look for an alias (*) inside its own anchor (&)")
        }
        _ => Flaw::new(at, what, hint(problem, at, text)),
    }
}

/// A place of the text: the parser may point behind the end.
fn within(text: &str, line: usize, column: usize) -> (usize, usize) {
    let last = text.split('\n').count();
    match text.split('\n').nth(line - 1) {
        Some(_) => (line, column),
        None => (last, text.split('\n').next_back().unwrap_or_default().chars().count() + 1),
    }
}

fn hint(problem: &str, at: Option<(usize, usize)>, text: &str) -> &'static str {
    let line = at.and_then(|(line, _)| text.lines().nth(line - 1)).unwrap_or_default();
    if line.chars().take_while(|c| c.is_whitespace()).any(|c| c == '\t') {
        return "indent with spaces: YAML does not allow tabs there";
    }
    match problem {
        "mapping values are not allowed in this context" => {
            "check the indentation; a text that holds \": \" needs quotes"
        }
        "did not find expected ',' or ']'" | "did not find expected ',' or '}'" => "close the bracket",
        "found unexpected end of stream" => "close the quote",
        "found character that cannot start any token" => "put the text in quotes",
        _ => "check the indentation and the quotes in this line and above it",
    }
}

fn control_character(text: &str) -> Option<(usize, usize)> {
    text.split('\n').enumerate().find_map(|(row, line)| {
        let column = line.chars().position(|c| c.is_control() && !matches!(c, '\t' | '\r' | '\u{85}'))?;
        Some((row + 1, column + 1))
    })
}
