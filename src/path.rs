//! The path of a setting from the root of the YAML: `tasks[1].loss.classes`.

use std::fmt;
use std::str::FromStr;

/// One step down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Into the setting of this name.
    Key(String),
    /// Into the list's entry of this number, from 0.
    Index(usize),
}

/// The steps from the root down to a setting; none for the root itself.
///
/// ```
/// use polytask::path::SettingPath;
/// let path: SettingPath = r#"model.shared."layers.0"[2]"#.parse().unwrap();
/// assert_eq!(path.steps.len(), 4);
/// assert_eq!(path.to_string(), r#"model.shared."layers.0"[2]"#);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SettingPath {
    /// From the root on.
    pub steps: Vec<Step>,
}

impl SettingPath {
    /// One step further, into the setting `key`.
    #[must_use]
    pub fn key(mut self, key: impl Into<String>) -> Self {
        self.steps.push(Step::Key(key.into()));
        self
    }

    /// One step further, into the entry `index` of a list.
    #[must_use]
    pub fn index(mut self, index: usize) -> Self {
        self.steps.push(Step::Index(index));
        self
    }

    /// This path, and then the steps of `rest`.
    #[must_use]
    pub fn join(mut self, rest: Self) -> Self {
        self.steps.extend(rest.steps);
        self
    }

    /// Without its last step; `None` for the root.
    pub fn parent(&self) -> Option<Self> {
        let (_, steps) = self.steps.split_last()?;
        Some(Self { steps: steps.to_vec() })
    }

    /// Whether the setting at `self` holds, or is, the one at `other`.
    pub fn holds(&self, other: &Self) -> bool {
        other.steps.starts_with(&self.steps)
    }

    /// The name of the setting, when its last step is a key.
    pub fn last_key(&self) -> Option<&str> {
        match self.steps.last()? {
            Step::Key(key) => Some(key),
            Step::Index(_) => None,
        }
    }

    /// Reads a path at the start of `text`; gives it and what follows it.
    ///
    /// # Errors
    /// What is wrong, without a place.
    pub fn read(text: &str) -> Result<(Self, &str), String> {
        let mut path = Self::default();
        let mut rest = text;
        loop {
            if let Some(inside) = rest.strip_prefix('[') {
                let (digits, after) = inside.split_once(']').ok_or("a \"[\" is not closed")?;
                let index = digits.parse().map_err(|_| format!("\"[{digits}]\" is not a number in brackets"))?;
                path.steps.push(Step::Index(index));
                rest = after;
            } else {
                let (key, after) = read_key(rest)?;
                path.steps.push(Step::Key(key));
                rest = after;
            }
            match rest.strip_prefix('.') {
                Some(after) if !after.starts_with('[') => rest = after,
                Some(_) => return Err("a name is missing after \".\"".into()),
                None if rest.starts_with('[') => {}
                None => return Ok((path, rest)),
            }
        }
    }
}

/// A name at the start of `text`, plain or in double quotes, and what follows it.
fn read_key(text: &str) -> Result<(String, &str), String> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find(special).unwrap_or(text.len());
        return match &text[..end] {
            "" => Err("a name is missing".into()),
            key => Ok((key.to_string(), &text[end..])),
        };
    };
    let mut key = String::new();
    let mut characters = quoted.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Ok((key, &quoted[at + 1..])),
            '\\' => key.extend(characters.next().map(|(_, escaped)| escaped)),
            other => key.push(other),
        }
    }
    Err("a quote is not closed".into())
}

/// Whether a name that holds this character must stand in quotes.
fn special(character: char) -> bool {
    matches!(character, '.' | '[' | ']' | '=' | '"' | '\\') || character.is_whitespace() || character.is_control()
}

impl FromStr for SettingPath {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Ok(Self::default());
        }
        match Self::read(text)? {
            (path, "") => Ok(path),
            (_, rest) => Err(format!("\"{rest}\" follows the path")),
        }
    }
}

impl fmt::Display for SettingPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, step) in self.steps.iter().enumerate() {
            let dot = if position == 0 { "" } else { "." };
            match step {
                Step::Index(index) => write!(f, "[{index}]")?,
                Step::Key(key) if key.is_empty() || key.contains(special) => {
                    write!(f, "{dot}\"{}\"", key.replace('\\', "\\\\").replace('"', "\\\""))?;
                }
                Step::Key(key) => write!(f, "{dot}{key}")?,
            }
        }
        Ok(())
    }
}

impl From<&serde_path_to_error::Path> for SettingPath {
    fn from(path: &serde_path_to_error::Path) -> Self {
        use serde_path_to_error::Segment;
        let steps = path.iter().filter_map(|segment| match segment {
            Segment::Seq { index } => Some(Step::Index(*index)),
            Segment::Map { key } => Some(Step::Key(key.clone())),
            Segment::Enum { variant } => Some(Step::Key(variant.clone())),
            Segment::Unknown => None,
        });
        Self { steps: steps.collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_read_as_they_are_written() {
        for text in ["a", "a.b", "tasks[0].loss", "a[1][2]", r#"a."b.c".d"#, r#""a \"b\" \\"[0]"#, r#""""#, ""] {
            assert_eq!(text.parse::<SettingPath>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_no_path_is_refused() {
        for (text, message) in [
            ("a..b", "a name is missing"),
            ("a.", "a name is missing"),
            ("a.[0]", "a name is missing after \".\""),
            ("a[x]", "\"[x]\" is not a number in brackets"),
            ("a[-1]", "\"[-1]\" is not a number in brackets"),
            ("a[0", "a \"[\" is not closed"),
            ("\"a", "a quote is not closed"),
            ("a b", "\" b\" follows the path"),
            ("a[0]b", "\"b\" follows the path"),
        ] {
            assert_eq!(text.parse::<SettingPath>().unwrap_err(), message, "{text}");
        }
    }

    #[test]
    fn a_section_holds_itself_and_what_is_below() {
        let path = |text: &str| text.parse::<SettingPath>().unwrap();
        assert!(path("a.b").holds(&path("a.b")) && path("a.b").holds(&path("a.b[0].c")));
        assert!(!path("a.b").holds(&path("a.bc")) && !path("a.b").holds(&path("a")));
    }
}
