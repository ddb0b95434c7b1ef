//! `--set PATH=VALUE`: settings of the command line, laid over those of the file.

use super::syntax;
use super::tree::Tree;
use crate::error::Mistake;
use crate::path::{SettingPath, Step};
use crate::registry::kind;
use serde_yaml::{Mapping, Value};
use std::str::FromStr;

/// One `PATH=VALUE`, such as `method.c=0.4` or `tasks[0].loss={name: mse}`; the value is YAML.
#[derive(Debug, Clone, PartialEq)]
pub struct Override {
    /// Where it goes.
    pub path: SettingPath,
    /// What is set there.
    pub value: Value,
    /// As the person wrote it.
    text: String,
}

impl FromStr for Override {
    type Err = Mistake;

    fn from_str(text: &str) -> Result<Self, Mistake> {
        let mistake = |what: String| Mistake::new(format!("--set {text}"), what);
        let remedy = "write --set PATH=VALUE, such as --set method.c=0.4 or --set 'tasks[0].loss={name: mse}'";
        let (path, rest) = SettingPath::read(text).map_err(|what| mistake(what).remedy(remedy))?;
        let value =
            rest.strip_prefix('=').ok_or_else(|| mistake("\"=\" is missing after the path".into()).remedy(remedy))?;
        let value = syntax::parse(value, &Tree::read(value)).map_err(|flaw| {
            let remedy = flaw.remedy.unwrap_or(remedy.into());
            mistake(format!("the value is not YAML: {}", flaw.what)).remedy(remedy)
        })?;
        Ok(Self { path, value, text: text.to_string() })
    }
}

impl Override {
    /// `value`, to be set at `path`.
    pub fn new(path: SettingPath, value: Value) -> Self {
        let text = format!("{path}={}", super::inline(&value).unwrap_or_default());
        Self { path, value, text }
    }

    /// How a mistake names it: `--set method.c=high`.
    pub fn place(&self) -> String {
        format!("--set {}", self.text)
    }

    /// The value as written.
    pub fn written(&self) -> &str {
        SettingPath::read(&self.text).map_or("", |(_, rest)| rest.trim_start_matches('=').trim())
    }

    /// Sets the value; sections that are missing on the way are made, entries of lists are not.
    ///
    /// # Errors
    /// The path leads through a text or a number, or to an entry that a list does not have.
    pub fn apply(&self, root: &mut Value) -> Result<(), Mistake> {
        let mut here = root;
        let mut way = SettingPath::default();
        for step in &self.path.steps {
            here = match step {
                Step::Key(key) => {
                    if here.is_null() {
                        *here = Value::Mapping(Mapping::new());
                    }
                    let found = describe(here);
                    let Value::Mapping(section) = here else { return Err(self.no_section(&way, key, &found)) };
                    section.entry(Value::from(key.as_str())).or_insert(Value::Null)
                }
                Step::Index(index) => {
                    let found = describe(here);
                    let Value::Sequence(entries) = here else {
                        return Err(Mistake::new(self.place(), format!("{way} is {found}, so it has no [{index}]")));
                    };
                    let count = entries.len();
                    entries.get_mut(*index).ok_or_else(|| self.no_entry(&way, *index, count))?
                }
            };
            way.steps.push(step.clone());
        }
        *here = self.value.clone();
        Ok(())
    }

    fn no_section(&self, way: &SettingPath, key: &str, found: &str) -> Mistake {
        let mistake = Mistake::new(self.place(), format!("{way} is {found}, so it has no setting \"{key}\""));
        match found {
            "a list" => mistake.remedy(format!("name the entry: {way}[0].{key}")),
            _ if found.starts_with("string") => {
                mistake.remedy(format!("give the whole section: --set '{way}={{{key}: …}}'"))
            }
            _ => mistake,
        }
    }

    fn no_entry(&self, way: &SettingPath, index: usize, count: usize) -> Mistake {
        let has = match count {
            0 => "no entries".to_string(),
            1 => "one entry, [0]".to_string(),
            _ => format!("{count} entries, [0] to [{}]", count - 1),
        };
        Mistake::new(self.place(), format!("{way} has {has}, so there is no [{index}]"))
            .remedy(format!("to add an entry, give the whole list: --set '{way}=[…]'"))
    }
}

fn describe(value: &Value) -> String {
    match value {
        Value::Null => "not set".into(),
        Value::Number(number) => number.to_string(),
        Value::Bool(truth) => truth.to_string(),
        other => kind(other),
    }
}
