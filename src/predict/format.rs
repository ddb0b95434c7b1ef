//! The kind of file that predictions go to.

use super::arrays::ArrayFile;
use super::outputs::AnswerFile;
use super::table::TableFile;
use crate::error::Mistake;
use anyhow::Result;
use std::path::Path;

/// Endings of files that are neither a CSV nor an `.npz`.
const OTHERS: [&str; 8] = ["npy", "safetensors", "parquet", "gz", "pt", "json", "yaml", "xlsx"];

/// The kind of file that is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OutputFormat {
    /// Commas, or tabs.
    Table { delimiter: u8 },
    /// An archive of arrays.
    Arrays,
}

impl OutputFormat {
    /// What a path's ending says; anything that is no other format is a CSV.
    ///
    /// # Errors
    /// The ending of a format that is not written.
    pub fn of(path: &Path) -> Result<Self, Mistake> {
        let extension = path.extension().and_then(|it| it.to_str()).unwrap_or_default().to_lowercase();
        match extension.as_str() {
            "npz" => Ok(Self::Arrays),
            "tsv" => Ok(Self::Table { delimiter: b'\t' }),
            other if OTHERS.contains(&other) => {
                let what = format!("predictions are not written as .{other}");
                Err(Mistake::new(path.display(), what).remedy("write -o FILE.csv, or -o FILE.npz for arrays"))
            }
            _ => Ok(Self::Table { delimiter: b',' }),
        }
    }

    /// Begins the file at `path` for answers of `rows` rows; `place` names the model.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn writer(self, path: &Path, rows: i64, place: &str) -> Result<Box<dyn AnswerFile>> {
        Ok(match self {
            Self::Table { delimiter } => Box::new(TableFile::new(path, delimiter, place)?),
            Self::Arrays => Box::new(ArrayFile::new(path, rows, place)?),
        })
    }
}
