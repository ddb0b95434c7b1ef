//! `polytask report` and `polytask plot`

use super::compare::Runs;
use super::words::say;
use crate::error::note;
use crate::report::Report;
use anyhow::Result;
use clap::{Args, ValueEnum};
use std::path::PathBuf;

/// Writes what came of runs as one HTML page to read and to send.
///
/// The conclusion comes first; then the table, tests and intervals, ranks, fronts, cost against quality, curves, failed runs,
/// settings and how to run them again. The page needs no network, sorts its tables, and is fit for light, dark and paper.
#[derive(Debug, Args)]
pub struct Write {
    #[command(flatten)]
    runs: Runs,
    /// The page to write
    #[arg(long, short, value_name = "FILE", default_value = "report.html")]
    out: PathBuf,
}

impl Write {
    /// Reads, compares, writes.
    pub fn run(&self) -> Result<()> {
        let report = Report::new(self.runs.collect()?)?;
        report.write(&self.out)?;
        say(report.comparison.conclusion.join("\n"))?;
        note(format!("report written to {}", self.out.display()));
        Ok(())
    }
}

/// What a picture is written as.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Ending {
    /// Lines that any size keeps sharp.
    Svg,
    /// Dots, two for each unit of the SVG.
    Png,
}

/// Writes the charts of a report as pictures: differences, ranks, fronts, cost, curves.
#[derive(Debug, Args)]
pub struct Plot {
    #[command(flatten)]
    runs: Runs,
    /// The folder to write into
    #[arg(long, short, value_name = "DIR")]
    out: PathBuf,
    /// Write this one only, such as ranks or validation-task1-loss; may be repeated
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
    /// The pictures' form
    #[arg(long, short, value_enum, default_value = "svg")]
    format: Ending,
}

impl Plot {
    /// Reads, compares, draws.
    pub fn run(&self) -> Result<()> {
        let report = Report::new(self.runs.collect()?)?;
        let ending = match self.format {
            Ending::Svg => "svg",
            Ending::Png => "png",
        };
        for file in report.plot(&self.out, &self.only, ending)? {
            say(file.display())?;
        }
        Ok(())
    }
}
