//! A picture as a file.

use super::Png;
use crate::error::Mistake;
use crate::files;
use anyhow::Result;
use std::path::Path;

/// Writes a picture into a file `.svg` or `.png`, whole or not at all.
///
/// # Errors
/// The file has another ending or cannot be written; it cannot be drawn.
pub fn write(file: &Path, svg: impl FnOnce() -> Result<String>, png: impl FnOnce() -> Result<Png>) -> Result<()> {
    match file.extension().and_then(|ending| ending.to_str()) {
        Some("svg") => files::replace_with(file, svg()?.as_bytes()),
        Some("png") => files::replace_with(file, &png()?.bytes),
        _ => {
            Err(Mistake::new(file.display(), "is no picture that can be written").remedy("name it .svg or .png").into())
        }
    }
}
