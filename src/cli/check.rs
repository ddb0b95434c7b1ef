//! `polytask check`

use super::train::Changes;
use super::words::say;
use crate::engine::{Autograd, Engine};
use crate::environment;
use crate::experiment::{Assembly, Experiment};
use crate::models::{Mode, Span};
use crate::yaml::{self, Document};
use anyhow::Result;
use clap::Args;
use std::path::{Path, PathBuf};

/// Builds everything an experiment names and runs one batch through it.
///
/// Prints the rows of each split, the model's parameters with the tasks that each one serves, and the losses of the first
/// batch, forward and back. Nothing is written.
#[derive(Debug, Args)]
pub struct Check {
    /// The experiment's YAML file
    experiment: PathBuf,
    #[command(flatten)]
    changes: Changes,
}

impl Check {
    /// Builds and prints.
    pub fn run(&self) -> Result<()> {
        let document = yaml::read_file::<Experiment>(&self.experiment, &self.changes.overrides()?)?;
        self.look(&document).map_err(|error| document.places.locate(error))
    }

    fn look(&self, document: &Document<Experiment>) -> Result<()> {
        let experiment = &document.settings;
        experiment.check()?;
        let device = experiment.device.resolve()?;
        environment::prepare(experiment.threads, device);
        let file = std::path::absolute(&self.experiment)?;
        let folder = file.parent().unwrap_or(Path::new("."));
        let Assembly { tasks, dataset, mut loader, model, parameters, .. } = experiment.assemble(folder, device)?;
        let rows = |split: &[crate::data::Group]| {
            split.iter().map(|group| group.rows().to_string()).collect::<Vec<_>>().join(" + ")
        };
        say(format!("rows        train {}", rows(loader.groups())))?;
        for (name, split) in [("validation", &dataset.validation), ("test", &dataset.test)] {
            say(format!("            {name} {}", split.as_ref().map_or("none".into(), |split| rows(split))))?;
        }
        let batch = loader.batch(0, 0);
        let engine = Autograd::new(&*model, &tasks);
        let owners = engine.ownership(&batch, &parameters)?;
        say(format!(
            "\n{}",
            parameter_table(&parameters.spans, &owners, &tasks.iter().map(|t| t.name.as_str()).collect::<Vec<_>>())
        ))?;
        let mut evaluation =
            engine.evaluate(&batch, &parameters, Mode::Train { seed: experiment.seed, step: 0, group: 0 })?;
        say(format!("\nfirst batch, forward and back on {}:", format!("{device:?}").to_lowercase()))?;
        for (task, loss) in tasks.iter().zip(evaluation.losses()) {
            say(format!("  {:<20} {}", task.name, loss.map_or("no label".into(), |loss| format!("loss {loss:.6}"))))?;
        }
        let weights = experiment.method.weights(evaluation.losses());
        let norm = evaluation.pull_back(&weights).norm().double_value(&[]);
        say(format!("  {:<20} norm {norm:.6}", "gradient"))?;
        say(format!("\n{} steps per epoch; everything fits", loader.steps_per_epoch()))
    }
}

/// One line per parameter: name, shape, count, whose it is; then the sums.
fn parameter_table(spans: &[Span], owners: &[Vec<usize>], tasks: &[&str]) -> String {
    let width = spans.iter().map(|span| span.name.len()).max().unwrap_or(0).max(9);
    let mut lines = vec![format!("{:<width$}  {:<12} {:>9}  tasks", "parameter", "shape", "numbers")];
    let (mut shared, mut own, mut frozen) = (0, vec![0; tasks.len()], 0);
    for (span, owners) in spans.iter().zip(owners) {
        let whose = match owners.as_slice() {
            _ if span.frozen => "frozen".to_string(),
            [] => "no task".to_string(),
            [one] => tasks[*one].to_string(),
            all if all.len() == tasks.len() => "all".to_string(),
            some => some.iter().map(|&task| tasks[task]).collect::<Vec<_>>().join(", "),
        };
        match owners.as_slice() {
            _ if span.frozen => frozen += span.length,
            [] => {}
            [one] => own[*one] += span.length,
            _ => shared += span.length,
        }
        lines.push(format!("{:<width$}  {:<12} {:>9}  {whose}", span.name, format!("{:?}", span.shape), span.length));
    }
    let owned: Vec<String> = tasks.iter().zip(&own).map(|(task, count)| format!("{task} {count}")).collect();
    let total: i64 = spans.iter().map(|span| span.length).sum();
    lines.push(format!("shared {shared}; own {}; frozen {frozen}; in all {total}", owned.join(", ")));
    lines.join("\n")
}
