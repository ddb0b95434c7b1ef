//! What became of a run, as its folder tells.

use crate::files;
use crate::run;
use anyhow::Result;
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::Path;

/// What became of a run.
#[derive(Debug, Clone, PartialEq)]
pub enum State {
    /// `summary.json` is there.
    Finished,
    /// `failed.json` is there.
    Failed(Failure),
    /// It has begun.
    Started,
    /// Nothing yet.
    Missing,
}

/// Why a run has no summary: `failed.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Failure {
    /// What kind of end it was.
    pub kind: FailureKind,
    /// What was said.
    pub error: String,
}

/// Kinds of ends that are none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// Its own numbers ended it; it would end there again.
    Diverged,
    /// The process died, several times over: killed for memory, a fault in a library. It is tried again when the sweep is
    /// started again.
    Crashed,
    /// An error that is not the run's own: a file, a disk. It is tried again when the sweep is started again.
    Error,
}

impl FailureKind {
    /// `diverged`, `crashed`, `error`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Diverged => "diverged",
            Self::Crashed => "crashed",
            Self::Error => "error",
        }
    }
}

const FAILED: &str = "failed.json";

impl State {
    /// Looks at a run's folder.
    pub fn of(folder: &Path) -> Self {
        if run::is_finished(folder) {
            return Self::Finished;
        }
        if let Ok(bytes) = fs::read(folder.join(FAILED)) {
            let unread = |error: serde_json::Error| Failure { kind: FailureKind::Error, error: error.to_string() };
            return Self::Failed(serde_json::from_slice(&bytes).unwrap_or_else(unread));
        }
        if folder.join("config.yaml").exists() { Self::Started } else { Self::Missing }
    }
}

impl Failure {
    /// Writes it into the run's folder.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn store(&self, folder: &Path) -> Result<()> {
        fs::create_dir_all(folder)?;
        files::replace_with(&folder.join(FAILED), serde_json::to_string_pretty(self)?.as_bytes())
    }

    /// Forgets what became of a run that is tried again.
    pub fn forget(folder: &Path) {
        let _ = fs::remove_file(folder.join(FAILED));
    }
}
