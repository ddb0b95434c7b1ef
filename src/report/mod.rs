//! A comparison as one page that a person can read and send, and its pictures as files.

mod charts;
mod curves;
mod page;

pub use charts::{Named, Section, charts};
pub use curves::{Averaged, Quantity, Recorded, Records};

use crate::comparison::{Collection, Comparison, compare};
use crate::error::Mistake;
use crate::files;
use crate::picture::charts::write;
use anyhow::Result;
use std::fs;
use std::path::{Path, PathBuf};

/// A comparison with all that a report shows.
pub struct Report {
    /// The runs.
    pub collection: Collection,
    /// What came of them.
    pub comparison: Comparison,
    /// What happened on the way.
    pub records: Records,
}

impl Report {
    /// Compares the runs and reads their records.
    ///
    /// # Errors
    /// A record cannot be read.
    pub fn new(collection: Collection) -> Result<Self> {
        let comparison = compare(&collection)?;
        let records = Records::read(&collection, &comparison)?;
        Ok(Self { collection, comparison, records })
    }

    /// Writes the page, whole or not at all.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write(&self, file: &Path) -> Result<()> {
        files::replace_with(file, page::page(self)?.as_bytes())
    }

    /// Writes the charts into a folder, one file each, and gives their paths; `only` names those that are wanted.
    ///
    /// # Errors
    /// There is no chart of such a name; the folder cannot be written.
    pub fn plot(&self, folder: &Path, only: &[String], ending: &str) -> Result<Vec<PathBuf>> {
        let charts = charts(&self.comparison, &self.records);
        let names: Vec<&str> = charts.iter().map(|chart| chart.name.as_str()).collect();
        if let Some(strange) = only.iter().find(|name| !names.contains(&name.as_str())) {
            return Err(Mistake::new("--only", format!("there is no chart {strange:?}"))
                .remedy(format!("choose among {}", names.join(", ")))
                .into());
        }
        fs::create_dir_all(folder).map_err(|error| {
            Mistake::new(folder.display(), format!("cannot be created ({error})"))
                .remedy("name a writable folder with --out")
        })?;
        let wanted = charts.iter().filter(|chart| only.is_empty() || only.contains(&chart.name));
        wanted
            .map(|chart| {
                let file = folder.join(format!("{}.{ending}", chart.name));
                write(&*chart.chart, &file)?;
                Ok(file)
            })
            .collect()
    }
}
