//! Results, on stdout. A closed pipe is no reason to panic.

use crate::error::Mistake;
use anyhow::{Error, Result};
use std::fmt::Display;
use std::io::{self, ErrorKind, Write};
use std::path::Path;

/// Says a result, on stdout. A reader that has seen enough (`| head`) is no error.
///
/// # Errors
/// Stdout cannot be written for another reason, such as a full disk.
pub fn say(words: impl Display) -> Result<()> {
    let mut out = io::stdout().lock();
    match writeln!(out, "{words}").and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

/// A mistake in a YAML file that is of another kind, as its setting `key` tells, names the command that takes it.
pub fn name_command(error: Error, file: &Path, key: &str, command: &str) -> Error {
    let settings = std::fs::read(file).ok().and_then(|text| serde_yaml::from_slice::<serde_yaml::Value>(&text).ok());
    if settings.is_none_or(|settings| settings.get(key).is_none()) {
        return error;
    }
    match error.downcast::<Mistake>() {
        Ok(mistake) => mistake.remedy(format!("polytask {command} {} takes this file", file.display())).into(),
        Err(error) => error,
    }
}
