//! `polytask train`

use super::SUCCESS;
use super::signals::{INTERRUPTED, requests};
use super::words::{name_command, say};
use crate::error::note;
use crate::train::{Options, Report, train_watched};
use crate::trainer::Outcome;
use crate::yaml::Override;
use anyhow::Result;
use clap::Args;
use serde_json::json;
use std::path::PathBuf;

/// Changes to the YAML from the command line.
#[derive(Debug, Args)]
pub struct Changes {
    /// Override a setting, such as method.c=0.4 or 'optimizer={name: sgd, learning_rate: 0.1}'; may be repeated
    #[arg(long = "set", value_name = "PATH=VALUE")]
    set: Vec<String>,
    /// Override the seed
    #[arg(long)]
    seed: Option<u64>,
    /// Override the device: auto, cpu, cuda, cuda:N or mps
    #[arg(long)]
    device: Option<String>,
}

impl Changes {
    /// As overrides, in the order in which they apply.
    pub fn overrides(&self) -> Result<Vec<Override>> {
        let seed = self.seed.map(|seed| format!("seed={seed}"));
        let device = self.device.as_ref().map(|device| format!("device={device}"));
        self.set.iter().cloned().chain(seed).chain(device).map(|text| Ok(text.parse::<Override>()?)).collect()
    }
}

/// Trains an experiment.
///
/// The run's folder holds config.yaml (resolved, runnable as it is), metrics.jsonl, TensorBoard's event files,
/// checkpoints/, model.pt (TorchScript of the best model) and summary.json.
///
/// Ctrl-C, SIGTERM, SIGHUP (a closed terminal), SIGUSR2 and SIGXCPU end the step, write a checkpoint and say how to go on,
/// with exit code 130; another Ctrl-C or SIGTERM kills. SIGUSR1 writes a checkpoint at the next step, and the run goes on.
#[derive(Debug, Args)]
pub struct Train {
    /// The experiment's YAML file
    experiment: PathBuf,
    #[command(flatten)]
    changes: Changes,
    /// The run's own folder (default: `runs/EXPERIMENT/METHOD[__VARIANT]/seedK`)
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Continue the run in its folder from its last checkpoint, bit for bit as if it had never stopped
    #[arg(long)]
    resume: bool,
    /// With --resume: go on under another limit although the schedule ends with the run, so that the learning rate jumps to
    /// that of the new schedule; without it such a run is refused
    #[arg(long, requires = "resume")]
    extend_schedule: bool,
    /// No progress on stderr
    #[arg(long, short)]
    quiet: bool,
    /// Print summary.json on stdout instead of a table
    #[arg(long)]
    json: bool,
}

impl Train {
    /// Trains, until its end or until a signal asks it to stop.
    pub fn run(&self) -> Result<i32> {
        let requests = requests()?;
        let options = Options {
            overrides: self.changes.overrides()?,
            out: self.out.clone(),
            resume: self.resume,
            extend_schedule: self.extend_schedule,
            quiet: self.quiet,
        };
        let report = train_watched(&self.experiment, &options, &requests.stop, &mut requests.clone())
            .map_err(|error| name_command(error, &self.experiment, "experiment", "sweep"))?;
        self.tell(&report)
    }

    fn tell(&self, report: &Report) -> Result<i32> {
        let folder = report.folder.display();
        if report.outcome == Outcome::Interrupted {
            note(format!("interrupted; a checkpoint is in {folder}\n  hint: go on with the same command and --resume"));
            return Ok(INTERRUPTED);
        }
        let Some(summary) = &report.summary else { return Ok(SUCCESS) };
        if self.json {
            say(serde_json::to_string_pretty(summary)?)?;
            return Ok(SUCCESS);
        }
        let measured = table(&summary["best"]);
        say(if measured.is_empty() { table(&json!({ "train": summary["final"]["train"] })) } else { measured })?;
        say(format!(
            "{} after {} steps in {:.1} s; best at step {}",
            summary["ended"].as_str().unwrap_or_default(),
            summary["steps"],
            summary["cost"]["seconds"].as_f64().unwrap_or_default(),
            summary["select"]["step"],
        ))?;
        say(folder)?;
        Ok(SUCCESS)
    }
}

/// Scores by split, task and metric as lines of a table.
pub fn table(splits: &serde_json::Value) -> String {
    let mut lines = Vec::new();
    for (split, tasks) in splits.as_object().into_iter().flatten() {
        for (task, metrics) in tasks.as_object().into_iter().flatten() {
            let mut line = format!("{split:<11} {task:<20}");
            for (metric, value) in metrics.as_object().into_iter().flatten() {
                match value.as_f64() {
                    Some(value) => line += &format!("  {metric} {value:.4}"),
                    None => line += &format!("  {metric} undefined"),
                }
            }
            lines.push(line);
        }
    }
    lines.join("\n")
}
