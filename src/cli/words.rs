//! Results, on stdout. A closed pipe is no reason to panic.

use anyhow::Result;
use std::fmt::Display;
use std::io::{self, ErrorKind, Write};

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
