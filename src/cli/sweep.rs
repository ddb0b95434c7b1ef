//! `polytask sweep`, and the workers that it starts.

use super::signals::{INTERRUPTED, requests};
use super::words::{name_command, say};
use super::{FAILURE, SUCCESS};
use crate::error::{Mistake, note};
use crate::libtorch::DeviceChoice;
use crate::sweep::{Opened, Options, Outcome, Shard, check_rows, run, slots, work};
use crate::yaml::Override;
use anyhow::Result;
use clap::Args;
use serde_json::json;
use std::path::PathBuf;

/// Where runs go, and how they are spread.
#[derive(Debug, Args)]
pub struct Spread {
    /// The sweep's own folder (default: the sweep's name, below runs/)
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Runs at a time on each device (default: one per core and thread on the CPU, one on a GPU)
    #[arg(long, short, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    jobs: Option<u16>,
    /// A device that takes runs: cpu, cuda:0, cuda:1, …; may be repeated (default: that of the experiment)
    #[arg(long, value_name = "DEVICE")]
    device: Vec<DeviceChoice>,
    /// Train on although the data is not what the finished runs read
    #[arg(long)]
    pub across_data: bool,
    /// No progress on stderr
    #[arg(long, short)]
    quiet: bool,
}

impl Spread {
    /// Trains what is missing; a first signal that ends it lets each worker write a checkpoint.
    pub fn train(&self, sweep: &Opened, shard: Shard) -> Result<Outcome> {
        let requests = requests()?;
        let slots = slots(sweep, &self.device, self.jobs)?;
        check_rows(sweep, self.across_data)?;
        sweep.store()?;
        let outcome = run(sweep, &Options { slots, shard, quiet: self.quiet }, &requests)?;
        if outcome.interrupted {
            note("interrupted\n  hint: the same command goes on");
        }
        Ok(outcome)
    }
}

/// Trains all runs of a sweep: arms that are compared, what is tuned for each, and seeds.
///
/// Runs train side by side, each on one thread, in worker processes that load libtorch once. Whatever stops the sweep, the
/// same command goes on where it was: finished runs stay, begun ones go on from their checkpoints. A run that diverges or
/// crashes is recorded and counted. The folder is the database: started on several machines with one folder and `--shard`,
/// it needs no merging.
///
/// Ctrl-C, SIGTERM, SIGHUP (a closed terminal), SIGUSR2 and SIGXCPU let every worker write a checkpoint and end, with exit
/// code 130; another Ctrl-C or SIGTERM kills. SIGUSR1 lets every worker write a checkpoint, and all go on.
#[derive(Debug, Args)]
pub struct Sweep {
    /// The sweep's YAML file; that of an earlier one goes on from runs/NAME/sweep.yaml too
    sweep: PathBuf,
    /// Override a setting of the sweep, such as seeds=3 or 'tune={optimizer.learning_rate: [0.01]}'; may be repeated
    #[arg(long = "set", value_name = "PATH=VALUE")]
    set: Vec<String>,
    #[command(flatten)]
    spread: Spread,
    /// Train a part of the runs only, such as 2/8: the second of eight
    #[arg(long, value_name = "I/N", default_value_t)]
    shard: Shard,
    /// Say what would be trained, and train nothing
    #[arg(long)]
    dry_run: bool,
    /// Print how the runs stand as JSON
    #[arg(long)]
    json: bool,
}

impl Sweep {
    /// Trains what is missing, and tells how the runs stand.
    pub fn run(&self) -> Result<i32> {
        let overrides = self.set.iter().map(|text| text.parse()).collect::<Result<Vec<Override>, Mistake>>()?;
        let sweep = Opened::read(&self.sweep, &overrides, self.spread.out.as_deref())
            .map_err(|error| name_command(error, &self.sweep, "model", "train"))?;
        if self.dry_run {
            say(plan(&sweep))?;
            return Ok(SUCCESS);
        }
        if !self.spread.quiet {
            sweep.plan.notes.iter().for_each(|told| note(format!("note: {told}")));
        }
        let outcome = self.spread.train(&sweep, self.shard)?;
        self.tell(&sweep, &outcome)
    }

    fn tell(&self, sweep: &Opened, outcome: &Outcome) -> Result<i32> {
        let Outcome { finished, failed, missing, interrupted } = *outcome;
        let folder = sweep.folder.display();
        if self.json {
            say(json!({ "folder": sweep.folder, "finished": finished, "failed": failed, "missing": missing }))?;
        } else {
            let failed = if failed > 0 { format!(", {failed} failed") } else { String::new() };
            let missing = if missing > 0 { format!(", {missing} to come") } else { String::new() };
            say(format!("{finished} of {} runs finished{failed}{missing}\n{folder}", sweep.plan.len()))?;
        }
        if interrupted {
            return Ok(INTERRUPTED);
        }
        if missing == 0 && !self.json && !self.spread.quiet {
            let across = if sweep.plan.varies_data() { " --across-data" } else { "" };
            note(format!("polytask compare {folder}{across}; polytask report {folder}{across} -o report.html"));
        }
        Ok(if failed > 0 { FAILURE } else { SUCCESS })
    }
}

/// What a sweep would train.
fn plan(sweep: &Opened) -> String {
    let plan = &sweep.plan;
    let mut lines = vec![format!(
        "{}: {} runs = {} trials of {} arms, {} seeds",
        sweep.folder.display(),
        plan.len(),
        plan.trials(),
        plan.arms.len(),
        plan.seeds.len()
    )];
    for arm in &plan.arms {
        let labels: Vec<&str> = arm.trials.iter().map(|trial| trial.label.as_str()).collect();
        let more = if labels.len() > 6 { format!("; … {} in all", labels.len()) } else { String::new() };
        lines.push(format!("{:<20} {}{more}", arm.name, labels.iter().take(6).copied().collect::<Vec<_>>().join("; ")));
    }
    lines.extend(plan.notes.iter().map(|told| format!("note: {told}")));
    lines.join("\n")
}

/// A process that trains the runs of a sweep that it is told on stdin.
#[derive(Debug, Args)]
pub struct Worker {
    /// The sweep's folder
    folder: PathBuf,
    /// The device, instead of the experiment's own
    #[arg(long)]
    device: Option<DeviceChoice>,
}

impl Worker {
    /// Works until stdin closes.
    pub fn run(&self) -> Result<()> {
        work(&self.folder, self.device, &requests()?)
    }
}
