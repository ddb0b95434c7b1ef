//! `polytask evaluate` and `polytask predict`

use super::train::{Changes, table};
use super::words::say;
use crate::data::Request;
use crate::environment;
use crate::error::{Mistake, note};
use crate::experiment::{Experiment, scripted};
use crate::libtorch::DeviceChoice;
use crate::metadata::{self, Metadata};
use crate::predict::predict;
use crate::summary::by_task;
use crate::tasks::Task;
use crate::trainer::measure;
use crate::yaml::{self, Document};
use anyhow::Result;
use clap::Args;
use serde_json::{Map, Value};
use std::path::{Path, PathBuf};

/// Measures a TorchScript model on an experiment's validation and test rows.
///
/// The model may come from a run (its own feature statistics are applied then) or from Python; its outputs are the
/// experiment's tasks, by dictionary key or by position.
#[derive(Debug, Args)]
pub struct Evaluate {
    /// A TorchScript file, or a run's folder
    model: PathBuf,
    /// The experiment's YAML file: its data, its tasks
    experiment: PathBuf,
    #[command(flatten)]
    changes: Changes,
    /// Measure the training rows too
    #[arg(long)]
    train: bool,
    /// Print {split: {task: {metric: value}}}
    #[arg(long)]
    json: bool,
}

impl Evaluate {
    /// Measures and prints.
    pub fn run(&self) -> Result<()> {
        let document = yaml::read_file::<Experiment>(&self.experiment, &self.changes.overrides()?)?;
        let scores = self.measure(&document).map_err(|error| document.places.locate(error))?;
        if self.json { say(serde_json::to_string_pretty(&scores)?) } else { say(table(&scores)) }
    }

    fn measure(&self, document: &Document<Experiment>) -> Result<Value> {
        let experiment = &document.settings;
        let tasks = experiment.tasks()?;
        let device = experiment.device.resolve()?;
        environment::prepare(experiment.threads, device);
        let file = model_file(&self.model)?;
        let widths: Vec<(String, i64)> = tasks.iter().map(|task| (task.name.clone(), task.form.width())).collect();
        let precision = experiment.precision.kind();
        let model = scripted(&file, &widths, device, precision)?;
        let place = file.display().to_string();
        let metadata = model.extra(metadata::FILE).map(|text| Metadata::parse(&text, &place)).transpose()?;
        let known = |task: &Task| -> Result<_> {
            let facts = metadata.as_ref().map(|metadata| metadata.facts(task, &place)).transpose()?.flatten();
            Ok(facts.and_then(|facts| facts.standardization.clone()))
        };
        let standardizations: Vec<_> = tasks.iter().map(known).collect::<Result<_>>()?;
        let yaml = std::path::absolute(&self.experiment)?;
        let request = Request {
            tasks: &tasks,
            seed: experiment.seed,
            precision,
            folder: yaml.parent().unwrap_or(Path::new(".")),
            fitted: metadata.as_ref().map(|metadata| (&metadata.features, standardizations.as_slice())),
            indices: false,
        };
        let dataset = experiment.data.load(&request)?.to_device(device);
        let train = self.train.then_some(&dataset.train);
        let splits = [("train", train), ("validation", dataset.validation.as_ref()), ("test", dataset.test.as_ref())];
        let mut all = Map::new();
        for (name, split) in splits {
            let Some(split) = split else { continue };
            let rows = experiment.evaluate.batch_size as i64;
            let scores = measure(&model, &tasks, &dataset, split, rows)?;
            all.insert(name.into(), by_task(&Some(scores)));
        }
        if all.is_empty() {
            return Err(Mistake::new(self.experiment.display(), "has neither validation nor test rows")
                .remedy("name a split in `data`, or measure the training rows with --train")
                .into());
        }
        Ok(all.into())
    }
}

/// A run's folder stands for its model.
///
/// # Errors
/// The run has not come to its end.
pub fn model_file(path: &Path) -> Result<PathBuf> {
    if !path.is_dir() {
        return Ok(path.to_path_buf());
    }
    let model = path.join("model.pt");
    if path.join("config.yaml").exists() && !model.exists() {
        return Err(Mistake::new(path.display(), "the run has not come to its end: model.pt is written there")
            .remedy("continue it with --resume; `polytask export --format safetensors` writes its weights as they are")
            .into());
    }
    Ok(model)
}

/// Runs a TorchScript model on the rows of a CSV.
///
/// Writes, per task, TASK_0 … TASK_k (the model's outputs: logits, or values in the label's own unit) and TASK (the
/// decision). A model from a run finds its input columns by name and standardises them as in training; any other takes
/// the columns in file order as they are, and its unnamed outputs are called output0, output1, ….
#[derive(Debug, Args)]
pub struct Predict {
    /// A TorchScript file, or a run's folder
    model: PathBuf,
    /// A CSV with a header (.csv, .tsv, .gz)
    input: PathBuf,
    /// The CSV to write
    #[arg(long, short, value_name = "FILE")]
    out: PathBuf,
    /// Write softmax or sigmoid of the logits instead of the logits
    #[arg(long)]
    probabilities: bool,
    /// auto, cpu, cuda, cuda:N or mps
    #[arg(long, default_value = "auto")]
    device: String,
}

impl Predict {
    /// Predicts and tells how many rows.
    pub fn run(&self) -> Result<()> {
        let device = self.device.parse::<DeviceChoice>()?.resolve()?;
        environment::prepare(1, device);
        let rows = predict(&model_file(&self.model)?, &self.input, &self.out, device, self.probabilities)?;
        note(format!("{rows} rows written to {}", self.out.display()));
        Ok(())
    }
}
