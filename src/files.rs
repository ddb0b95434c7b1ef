//! Files written whole or not at all, and names that every file system takes.

use crate::error::Mistake;
use anyhow::Result;
use sha2::{Digest, Sha256};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Replaces `path` by what `write` writes: to a temporary file beside it, made durable, then renamed.
/// An error, a kill or a full disk at any point leaves the old file as it was.
///
/// # Errors
/// The folder cannot be written, the disk is full; `path` is named.
///
/// A link is followed; a device or a pipe is written as it is.
pub fn replace(path: &Path, write: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    let path = &fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
    if fs::metadata(path).is_ok_and(|found| !found.is_file() && !found.is_dir()) {
        return write(path);
    }
    let temporary = temporary(path);
    let result = write(&temporary)
        .and_then(|()| Ok(File::open(&temporary)?.sync_all()?))
        .and_then(|()| Ok(fs::rename(&temporary, path)?))
        .and_then(|()| Ok(File::open(parent(path))?.sync_all()?));
    if result.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    // What is no fault of this file says so itself.
    result.map_err(|error| if error.is::<Mistake>() { error } else { error.context(cannot_write(path)) })
}

/// Replaces `path` by `bytes`, whole or not at all.
///
/// # Errors
/// As [`replace`].
pub fn replace_with(path: &Path, bytes: &[u8]) -> Result<()> {
    replace(path, |temporary| Ok(File::create(temporary)?.write_all(bytes)?))
}

/// Reads a whole file.
///
/// # Errors
/// It is missing (the nearest name in its folder is offered) or cannot be read.
pub fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).map_err(|error| unreadable(path, &error).into())
}

/// Why a file cannot be read, and what to do.
pub fn unreadable(path: &Path, error: &io::Error) -> Mistake {
    match error.kind() {
        io::ErrorKind::NotFound => {}
        io::ErrorKind::IsADirectory => {
            return Mistake::new(path.display(), "is a folder, not a file").remedy("name a file");
        }
        _ => return Mistake::new(path.display(), format!("cannot be read: {error}")).remedy("check its permissions"),
    }
    let mistake = Mistake::new(path.display(), "there is no such file");
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let others: Vec<String> = fs::read_dir(parent(path))
        .map(|entries| entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect())
        .unwrap_or_default();
    match crate::error::nearest(&name, others.iter().map(String::as_str)) {
        Some(near) => mistake.remedy(format!("did you mean {}?", parent(path).join(near).display())),
        None if parent(path).is_dir() => mistake.remedy("check the path"),
        None => mistake.remedy(format!("there is no folder {} either", parent(path).display())),
    }
}

/// Letters of a folder's name that are kept.
const LONGEST_NAME: usize = 100;

/// A text as part of a folder's name: of letters that every file system takes, and not too long.
pub fn folder_name(text: &str) -> String {
    let kept: String =
        text.chars().map(|c| if c.is_alphanumeric() || "._=,+-".contains(c) { c } else { '-' }).collect();
    if kept.chars().count() <= LONGEST_NAME {
        return kept;
    }
    // The sum keeps two long names apart.
    let sum: String = Sha256::digest(&kept)[..8].iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{}-{sum}", kept.chars().take(LONGEST_NAME).collect::<String>())
}

fn cannot_write(path: &Path) -> Mistake {
    Mistake::new(path.display(), "cannot be written").remedy("check the folder's permissions and the space on its disk")
}

fn parent(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn temporary(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.{}.tmp", std::process::id()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failing_write_leaves_the_old_file_and_nothing_else() -> Result<()> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("a.txt");
        replace_with(&path, b"old")?;
        let failed = replace(&path, |temporary| {
            fs::write(temporary, b"half")?;
            anyhow::bail!("no space left")
        });
        assert!(failed.is_err());
        assert_eq!(fs::read(&path)?, b"old");
        assert_eq!(fs::read_dir(&folder)?.count(), 1);
        Ok(())
    }

    #[test]
    fn a_missing_file_offers_the_nearest_name() -> Result<()> {
        let folder = tempfile::tempdir()?;
        fs::write(folder.path().join("train.csv"), "")?;
        let error = read(&folder.path().join("trian.csv")).expect_err("no such file");
        let remedy = error.downcast_ref::<Mistake>().and_then(|m| m.remedy.clone()).unwrap_or_default();
        assert!(remedy.contains("train.csv"), "{remedy}");
        Ok(())
    }
}
