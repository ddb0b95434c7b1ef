//! `polytask affinity`

use super::SUCCESS;
use super::signals::{INTERRUPTED, requests};
use super::train::Changes;
use super::words::say;
use crate::affinity::{Settings, affinity};
use crate::error::note;
use crate::train::Options;
use crate::trainer::Outcome;
use anyhow::Result;
use clap::Args;
use clap::builder::RangedU64ValueParser;
use std::path::PathBuf;

/// Trains an experiment, and measures on the way which of its tasks should share.
///
/// Before every N-th step, on that step's batch, each task takes a gradient step on the shared parameters alone, and every
/// task's loss is looked at again: 1 - loss after / loss before is the affinity of the one onto the other (Fifty et al.
/// 2021). Means over the steps are printed beside the cosines of the tasks' gradients, and the tasks are split into groups
/// with the highest affinity inside them. Training itself is what `polytask train` would do, bit for bit.
///
/// A measured step costs a forward and a backward pass more for each task, and one forward pass. With --out the run stays in that folder,
/// and affinity.json, affinity.svg and affinity.png beside it.
///
/// Signals do what they do to `polytask train`; what was measured until then is told.
#[derive(Debug, Args)]
pub struct Affinity {
    /// The experiment's YAML file
    experiment: PathBuf,
    #[command(flatten)]
    changes: Changes,
    /// Measure every so many steps
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = RangedU64ValueParser::<u64>::new().range(1..))]
    every: u64,
    /// Propose at most so many groups (default: the number of tasks, at most 3)
    #[arg(long, value_name = "K", value_parser = RangedU64ValueParser::<u64>::new().range(1..))]
    groups: Option<u64>,
    /// The size of the probing step (default: the learning rate of the step itself); where affinities are near 1e-6, a
    /// larger one or `--set precision=float64` lifts them above rounding
    #[arg(long, value_name = "X", value_parser = positive)]
    learning_rate: Option<f64>,
    /// Keep the run and the findings in this folder (default: the run goes to a temporary folder)
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// No progress on stderr
    #[arg(long, short)]
    quiet: bool,
    /// Print JSON on stdout instead of tables
    #[arg(long)]
    json: bool,
}

fn positive(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if value > 0.0 && value.is_finite() => Ok(value),
        _ => Err("expected a number above 0".into()),
    }
}

impl Affinity {
    /// Trains and tells; after a signal that ends it, it tells what was measured until then.
    pub fn run(&self) -> Result<i32> {
        let requests = requests()?;
        let options = Options {
            overrides: self.changes.overrides()?,
            out: self.out.clone(),
            quiet: self.quiet,
            ..Options::default()
        };
        let groups = self.groups.map(|groups| usize::try_from(groups).unwrap_or(usize::MAX));
        let settings = Settings { every: self.every, groups, learning_rate: self.learning_rate };
        let (report, findings) = affinity(&self.experiment, options, &settings, &requests)?;
        match (&findings, self.json) {
            (None, _) => note("no step was measured"),
            (Some(findings), true) => say(serde_json::to_string_pretty(&findings.json())?)?,
            (Some(findings), false) => say(findings.text())?,
        }
        if let (Some(_), Some(folder), false) = (&findings, &self.out, self.json) {
            say(folder.display())?;
        }
        if report.outcome == Outcome::Interrupted {
            note("interrupted: this is of the steps until then");
            return Ok(INTERRUPTED);
        }
        Ok(SUCCESS)
    }
}
