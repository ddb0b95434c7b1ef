//! From a setting's path to the line, or the `--set`, that wrote it.

use super::overrides::Override;
use super::tree::Tree;
use crate::path::SettingPath;

/// Where each setting of a document stands.
#[derive(Debug, Clone, Default)]
pub struct Places {
    file: String,
    tree: Tree,
    overrides: Vec<Override>,
}

impl Places {
    pub(super) fn new(file: &str, tree: Tree, overrides: &[Override]) -> Self {
        Self { file: file.to_string(), tree, overrides: overrides.to_vec() }
    }

    /// `FILE:LINE:COLUMN` of the value at `path`, or the `--set` that gave it.
    pub fn of(&self, path: &str) -> String {
        self.place(&path.parse().unwrap_or_default(), false)
    }

    /// The place of the value at `path`, or of its key.
    pub(super) fn place(&self, path: &SettingPath, key: bool) -> String {
        if let Some(change) = self.overriding(path) {
            return change.place();
        }
        let Some(found) = self.tree.find(path) else { return format!("{}:1:1", self.file) };
        let exact = found.steps == path.steps.len();
        if !exact && let Some(change) = self.overrides.iter().rev().find(|change| path.holds(&change.path)) {
            return change.place();
        }
        let value = self.tree.node(found.value);
        let node = match found.key {
            // A section below its key is best found by the key.
            Some(id) if key || value.is_empty() || value.line != self.tree.node(id).line => self.tree.node(id),
            _ => value,
        };
        format!("{}:{}:{}", self.file, node.line, node.column)
    }

    /// The last override that gave the value at `path`.
    pub(super) fn overriding(&self, path: &SettingPath) -> Option<&Override> {
        self.overrides.iter().rev().find(|change| change.path.holds(path))
    }

    /// The scalar at `path` as the person wrote it, and whether it stands in quotes.
    pub(super) fn written(&self, path: &SettingPath) -> Option<(String, bool)> {
        match self.overriding(path) {
            Some(change) if change.path == *path => {
                let text = change.written();
                Some((text.to_string(), text.starts_with(['"', '\''])))
            }
            Some(_) => None,
            None => {
                let found = self.tree.find(path).filter(|found| found.steps == path.steps.len())?;
                let node = self.tree.node(found.value);
                node.text().map(|text| (text.to_string(), node.is_quoted()))
            }
        }
    }
}
