//! One short function per command.

mod affinity;
mod balance;
mod batches;
mod check;
mod compare;
mod convert;
mod drawing;
mod list;
mod model;
mod pareto;
mod report;
mod signals;
mod sweep;
mod train;
mod trajectories;
mod words;

use anyhow::Result;
use clap::{CommandFactory, Parser};
use clap_complete::Shell;

/// Trains multi-task models from a YAML file: YAML in; TensorBoard, metrics and TorchScript out.
#[derive(Debug, Parser)]
#[command(name = "polytask", version, about, long_about = LONG, max_term_width = 100, arg_required_else_help = true)]
pub struct Command {
    #[command(subcommand)]
    action: Action,
}

const LONG: &str = "\
Trains multi-task models from a YAML file: YAML in; TensorBoard, metrics and TorchScript out.

  polytask train experiments/document.yaml       train; everything goes to runs/document/sum/seed0
  tensorboard --logdir runs/document             watch every task's loss
  polytask predict runs/document/sum/seed0/model.pt rows.csv -o predictions.csv
  polytask sweep experiments/sweep-document.yaml   many runs: methods, learning rates, seeds
  polytask report runs/sweep-document -o report.html   which differences are real

`polytask list` names everything that a YAML can choose; `polytask list optimizer adam` is its manual page.";

// A command that is a struct brings its help with it.
#[derive(Debug, clap::Subcommand)]
enum Action {
    Train(train::Train),
    Sweep(sweep::Sweep),
    #[command(hide = true)]
    SweepWorker(sweep::Worker),
    Compare(compare::Compare),
    Report(report::Write),
    Plot(report::Plot),
    Pareto(pareto::Pareto),
    Evaluate(model::Evaluate),
    Predict(model::Predict),
    Export(convert::Export),
    Inspect(convert::Inspect),
    Trajectories(trajectories::Draw),
    Check(check::Check),
    Balance(balance::Balance),
    Affinity(affinity::Affinity),
    List(list::List),
    /// Print the JSON Schema of an experiment, for editors
    Schema {
        /// That of a sweep instead
        #[arg(long)]
        sweep: bool,
    },
    /// Print completions for a shell
    #[command(
        long_about = "Print completions for a shell.\n\n  polytask completions bash > ~/.local/share/bash-completion/completions/polytask"
    )]
    Completions {
        /// Which shell
        shell: Shell,
    },
}

/// The exit code of a command that did what it was asked for.
pub const SUCCESS: i32 = 0;

/// That of one that failed.
pub const FAILURE: i32 = 1;

impl Command {
    /// Does what the command line asks for; gives the exit code.
    ///
    /// # Errors
    /// Whatever went wrong, with a remedy where there is one.
    pub fn run(&self) -> Result<i32> {
        match &self.action {
            Action::Train(train) => return train.run(),
            Action::Sweep(sweep) => return sweep.run(),
            Action::SweepWorker(worker) => worker.run()?,
            Action::Affinity(affinity) => return affinity.run(),
            Action::Pareto(pareto) => return pareto.run(),
            Action::Compare(compare) => compare.run()?,
            Action::Report(report) => report.run()?,
            Action::Plot(plot) => plot.run()?,
            Action::Evaluate(evaluate) => evaluate.run()?,
            Action::Predict(predict) => predict.run()?,
            Action::Export(export) => export.run()?,
            Action::Inspect(inspect) => inspect.run()?,
            Action::Trajectories(draw) => draw.run()?,
            Action::Check(check) => check.run()?,
            Action::Balance(balance) => balance.run()?,
            Action::List(list) => list.run()?,
            Action::Schema { sweep } => list::schema(*sweep)?,
            Action::Completions { shell } => {
                let mut script = Vec::new();
                clap_complete::generate(*shell, &mut Self::command(), "polytask", &mut script);
                words::say(String::from_utf8_lossy(&script).trim_end())?;
            }
        }
        Ok(SUCCESS)
    }
}
