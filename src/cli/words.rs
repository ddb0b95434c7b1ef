//! Results, on stdout. A closed pipe or terminal is no reason to panic.

use crate::error::Mistake;
use anyhow::{Error, Result};
use std::fmt::Display;
use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

/// Says a result, on stdout. A reader that has seen enough (`| head`) is no error, nor is a terminal that was
/// closed.
///
/// # Errors
/// Stdout cannot be written for another reason, such as a full disk.
pub fn say(words: impl Display) -> Result<()> {
    let mut out = io::stdout().lock();
    match writeln!(out, "{words}").and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe && !is_closed_terminal(&out, &error) => Err(error.into()),
        _ => Ok(()),
    }
}

/// EIO, which a disk gives too.
const INPUT_OUTPUT_ERROR: i32 = 5;

/// Whether `out` could not be written because it is a terminal that was closed.
fn is_closed_terminal(out: &impl AsFd, error: &io::Error) -> bool {
    let file = out.as_fd().try_clone_to_owned().map(File::from);
    let is_device = file.and_then(|file| file.metadata()).is_ok_and(|found| found.file_type().is_char_device());
    is_device && error.raw_os_error() == Some(INPUT_OUTPUT_ERROR)
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
