//! `polytask trajectories`

use super::words::say;
use crate::error::note;
use crate::run;
use crate::trajectory::Trajectories;
use anyhow::Result;
use clap::Args;
use std::path::PathBuf;

/// Draws the paths that runs took over a toy problem.
///
/// Left, for a point of two numbers: where it went, over contours of the mean objective; right: both objectives. Paths are
/// coloured by method; the Pareto set and its front are black. Prints where each run ended, and the hypervolume of each
/// method's ends where the problem has a reference point. Runs that differ in their preference (`weights`,
/// `preference`) alone sweep one front: they share a line of that table, and a colour where there are more than ten labels.
#[derive(Debug, Args)]
pub struct Draw {
    /// Folders of runs of one problem
    #[arg(required = true, value_name = "RUN")]
    runs: Vec<PathBuf>,
    /// The picture to write, .svg or .png
    #[arg(long, short, value_name = "FILE")]
    out: PathBuf,
}

impl Draw {
    /// Draws and prints.
    pub fn run(&self) -> Result<()> {
        let trajectories = Trajectories::read(&self.runs)?;
        for run in self.runs.iter().filter(|run| !run::is_finished(run)) {
            note(format!("note: {}: has not finished: its path ends at its last record", run.display()));
        }
        trajectories.draw(&self.out)?;
        say(trajectories.table())?;
        note(format!("picture written to {}", self.out.display()));
        Ok(())
    }
}
