//! The event files that earlier processes of a run have left.

use super::file::event_files;
use crate::error::Mistake;
use crate::record::{Event, Recorder};
use anyhow::Result;
use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io;
use std::path::Path;

/// Remembers how long the event files of earlier processes are, so that every checkpoint of this one tells their lengths,
/// too. Records nothing.
#[derive(Debug, Default)]
pub struct EarlierEvents(BTreeMap<String, u64>);

impl EarlierEvents {
    /// Cuts the event files in `folder` back to the lengths that a checkpoint stored, and removes those it does not know: a
    /// process wrote them that died before its first checkpoint. What they told is recorded again by the process that goes
    /// on from there. Without stored lengths, as in checkpoints of version 0.1, all files stay as they are.
    ///
    /// # Errors
    /// A file cannot be changed.
    pub fn cut_back(folder: &Path, stored: Option<&BTreeMap<String, u64>>) -> Result<Self> {
        let unread = |error: io::Error| Mistake::new(folder.display(), format!("cannot be read: {error}"));
        let mut kept = BTreeMap::new();
        for name in event_files(folder).map_err(unread)? {
            let path = folder.join(&name);
            let cut = match stored {
                None => fs::metadata(&path).map(|file| Some(file.len())),
                Some(stored) => cut_file(&path, stored.get(&name).copied()),
            };
            let length = cut.map_err(|error| {
                Mistake::new(path.display(), format!("cannot be cut back to the last checkpoint: {error}"))
                    .remedy("make the file writable, or move it out of the folder")
            })?;
            kept.extend(length.map(|length| (name, length)));
        }
        Ok(Self(kept))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Cuts a file back to `length`, or removes it; gives the length that it has then.
fn cut_file(path: &Path, length: Option<u64>) -> io::Result<Option<u64>> {
    let Some(length) = length else { return fs::remove_file(path).map(|()| None) };
    let file = OpenOptions::new().write(true).open(path)?;
    let length = length.min(file.metadata()?.len());
    file.set_len(length)?;
    Ok(Some(length))
}

impl Recorder for EarlierEvents {
    fn record(&mut self, _: &Event) -> Result<()> {
        Ok(())
    }

    fn positions(&self) -> BTreeMap<String, u64> {
        self.0.clone()
    }
}
