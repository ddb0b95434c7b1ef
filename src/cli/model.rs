//! `polytask evaluate` and `polytask predict`

use super::train::{Changes, table};
use super::words::say;
use crate::data::{Dataset, Identity, Likeness, Request};
use crate::environment;
use crate::error::{Mistake, note};
use crate::experiment::{self, Experiment, first_rows, scripted, warn_of_draws};
use crate::libtorch::DeviceChoice;
use crate::metadata::{self, Metadata};
use crate::predict::{GivenRows, predict};
use crate::run;
use crate::summary::by_task;
use crate::trainer::measure;
use crate::yaml::Document;
use anyhow::Result;
use clap::{Args, ValueEnum};
use serde_json::{Map, Value};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// Whose split is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Split {
    /// The model's own: its test rows were not trained on
    Model,
    /// The experiment's, whatever the model has seen
    Yaml,
}

/// Measures a TorchScript model on an experiment's validation and test rows.
///
/// The model may come from a run or from Python; its outputs are the experiment's tasks, by dictionary key or by position. Of
/// a model from a run, columns, categories and classes go by name, its own statistics are applied, and on the rows that it was
/// trained on it is measured in its own splits, whatever seed the YAML has.
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
    /// Which split to measure where rows are drawn by a seed: that of the model's run, or that of the YAML's own seed
    #[arg(long, value_enum, default_value = "model")]
    split: Split,
    /// Print {split: {task: {metric: value}}}
    #[arg(long)]
    json: bool,
}

impl Evaluate {
    /// Measures and prints.
    pub fn run(&self) -> Result<()> {
        let document = experiment::read_file(&self.experiment, &self.changes.overrides()?)?;
        let scores = self.measure(&document).map_err(|error| document.places.locate(error))?;
        if self.json { say(serde_json::to_string_pretty(&scores)?) } else { say(table(&scores)) }
    }

    fn measure(&self, document: &Document<Experiment>) -> Result<Value> {
        let experiment = &document.settings;
        let mut tasks = experiment.tasks()?;
        let device = experiment.device.resolve()?;
        environment::prepare(experiment.threads, device);
        let file = model_file(&self.model)?;
        let widths: Vec<(String, i64)> = tasks.iter().map(|task| (task.name.clone(), task.form.width())).collect();
        let precision = experiment.precision.kind();
        let model = scripted(&file, &widths, device, precision)?;
        let place = file.display().to_string();
        let metadata = model.extra(metadata::FILE).map(|text| Metadata::parse(&text, &place)).transpose()?;
        let fitted = metadata.as_ref().map(|metadata| metadata.facts.adopt(&mut tasks, &place)).transpose()?;
        let yaml = std::path::absolute(&self.experiment)?;
        let folder = yaml.parent().unwrap_or(Path::new("."));
        let load = |draw_seed: Option<u64>| {
            let own = Request::new(&tasks, experiment.seed, precision, folder);
            let reader = experiment.reader();
            experiment.data.load(&Request { fitted: fitted.as_ref(), draw_seed, reader, ..own })
        };
        let dataset = self.rows(experiment, metadata.as_ref(), &place, load)?;
        if let Some(metadata) = &metadata {
            metadata.facts.check_inputs(&dataset, &place)?;
        }
        let dataset = dataset.to_device(device);
        let train = self.train.then_some(&dataset.train);
        let splits = [("train", train), ("validation", dataset.validation.as_ref()), ("test", dataset.test.as_ref())];
        if let Some(split) = splits.iter().find_map(|(_, split)| *split) {
            warn_of_draws(&model, &first_rows(split, &dataset.preparation()), &file)?;
        }
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

    /// The rows to measure: where they are those that the model was trained on, in the model's own splits.
    fn rows(
        &self,
        experiment: &Experiment,
        metadata: Option<&Metadata>,
        place: &str,
        load: impl Fn(Option<u64>) -> Result<Dataset>,
    ) -> Result<Dataset> {
        let own = experiment.data.draw_seed(experiment.seed);
        let Some(metadata) = metadata else { return load(None) };
        if self.split == Split::Yaml {
            let rows = load(None)?;
            metadata.facts.data.iter().for_each(|known| warn_of_seen_rows(known, &rows));
            return Ok(rows);
        }
        let Some(known) = &metadata.facts.data else {
            return match own {
                None => load(None),
                Some(seed) => Err(Mistake::new(
                    place,
                    format!(
                        "does not say which rows it was trained on (Polytask {} wrote it), and {} draws rows by a seed: \
                         under seed {seed}, rows of its training may be measured",
                        metadata.polytask,
                        experiment.data.name()
                    ),
                )
                .remedy("give --seed as its run had it, and --split yaml, which takes the experiment's split as it is")
                .into()),
            };
        };
        let drawn = known.split_seed.filter(|_| own.is_some());
        let rows = load(drawn)?;
        match rows.fingerprint.likeness(&known.fingerprint) {
            likeness @ (Likeness::Same | Likeness::SampleIsSame) => {
                if likeness == Likeness::SampleIsSame {
                    note("note: of the rows a sample was compared with the model's: they are too many to hash");
                }
                if let (Some(own), Some(seed)) = (own, drawn.filter(|seed| own != Some(*seed))) {
                    note(format!("note: the rows are the model's, drawn by seed {seed}, not {own}"));
                }
            }
            Likeness::Other => {
                let by = drawn.map_or(String::new(), |seed| format!(", split by the model's seed {seed}"));
                note(format!("note: other data: not exactly the rows that the model was trained on{by}"));
                warn_of_seen_rows(known, &rows);
            }
            Likeness::Unknown => note(format!(
                "note: whether these are the rows that the model was trained on cannot be told: its fingerprint is of \
                 version {}",
                known.fingerprint.version
            )),
        }
        Ok(rows)
    }
}

/// Warns where rows that the model was trained on are measured.
fn warn_of_seen_rows(known: &Identity, rows: &Dataset) {
    let (met, marked) = known.met_in(rows);
    if met > 0 {
        note(format!(
            "warning: {met} of {marked} marked training rows of the model are among the rows to measure: the values are too \
             good\n  hint: measure it on its own data in its own split, or on rows that it has not seen"
        ));
    }
}

/// A run's folder stands for its model.
///
/// # Errors
/// The run has not finished, or goes on.
pub fn model_file(path: &Path) -> Result<PathBuf> {
    if !path.is_dir() {
        return Ok(path.to_path_buf());
    }
    let model = path.join(run::MODEL);
    if path.join("config.yaml").exists() && !run::is_finished(path) {
        return Err(Mistake::new(path.display(), "the run has not finished, and has no model.pt until it does")
            .remedy("continue it with --resume; `polytask export --format safetensors --checkpoint last` writes its weights as they are")
            .into());
    }
    Ok(model)
}

/// Runs a TorchScript model on rows without labels.
///
/// INPUT is what the model was trained on: a table with a header (.csv, .tsv, either also as .gz, .parquet); an array whose
/// first dimension is the rows (FILE.npy, FILE.npz:KEY, FILE.safetensors:KEY, or a folder of numbered .npy files); an idx
/// file; or images (png, jpeg, bmp, webp): one file, a folder (in the order of its files' numbers where each is called by
/// one, else of their names), or a table that names them as in training, beside it. A model of several inputs takes
/// NAME=PATH for each. A model from a run finds columns by name and prepares every input as in training; any other takes
/// the columns of a table in file order and arrays as they are (integers as int64).
///
/// A CSV gets, per task, TASK_0 … TASK_k (the model's outputs: logits, or values in the label's own unit) and TASK (the
/// decision). FILE.npz gets arrays, for outputs of any shape such as one of every pixel: TASK (the outputs) and
/// TASK.decision (classes as int64, numbered in the order of the task's `labels`, which `polytask inspect` shows; yes or no
/// as uint8; of values there is none, they are their own decision). Unnamed outputs are called output0, output1, ….
#[derive(Debug, Args)]
pub struct Predict {
    /// A TorchScript file, or a run's folder
    model: PathBuf,
    /// The rows: PATH, or NAME=PATH for each of several inputs
    #[arg(required = true, value_name = "INPUT")]
    inputs: Vec<OsString>,
    /// The file to write: a CSV (.tsv: with tabs), or FILE.npz
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
        let given: Vec<GivenRows> = self.inputs.iter().map(|text| GivenRows::new(text)).collect();
        let rows = predict(&model_file(&self.model)?, &given, &self.out, device, self.probabilities)?;
        note(format!("{rows} rows written to {}", self.out.display()));
        Ok(())
    }
}
