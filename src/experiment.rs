//! An experiment: YAML to checked parts. The only file that knows every part.

use crate::balance::{Gradients, MethodSettings};
use crate::data::{Batch, Data, Dataset, Group, Loader, LoaderSettings, Request};
use crate::engine::ownership;
use crate::error::{BadSetting, nearest, note};
use crate::interval::Interval;
use crate::libtorch::DeviceChoice;
use crate::metadata::{self, Metadata};

use crate::models::architectures::ArchitectureKind;
use crate::models::backbones::BackboneKind;
use crate::models::objectives::{OBJECTIVES, ProblemKind};
use crate::models::{Model, Network, Objectives, Parameters, Scripted, Sharing};
use crate::optim::{OptimizerKind, ScheduleKind, Segment, segments};
use crate::tasks::{MetricKind, Task, TaskSettings};
use crate::trainer::{
    CheckpointSettings, Direction, EvaluateSettings, Plan, RecordSettings, SelectSettings, StopSettings, TrainSettings,
    measure, total_steps,
};
use crate::weights;
use anyhow::Result;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use tch::{Device, Kind};

/// A Polytask experiment: one model, one method, several tasks.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Experiment {
    /// The first folder under `runs/`. Default: the name of the YAML file.
    #[serde(default)]
    pub name: Option<String>,
    /// All randomness is a function of it: initial weights, order of rows, dropout, synthetic data.
    #[serde(default)]
    pub seed: u64,
    /// `auto` (CUDA if there is one, else the CPU), `cpu`, `cuda`, `cuda:1`, or `mps` (untested).
    #[serde(default)]
    pub device: DeviceChoice,
    /// The kind of all numbers.
    #[serde(default)]
    pub precision: Precision,
    /// Threads inside one operation. Small models are fastest with one.
    #[serde(default = "one", with = "crate::settings::AtLeastOne")]
    pub threads: u64,
    /// Where the rows come from.
    pub data: Data,
    /// What is learned from them.
    pub tasks: Vec<TaskSettings>,
    /// What learns it.
    pub model: ModelSettings,
    /// How task losses become one update.
    #[serde(default)]
    pub method: MethodSettings,
    /// How a gradient becomes a step.
    pub optimizer: OptimizerKind,
    /// How learning rates change over time.
    #[serde(default)]
    pub schedule: ScheduleKind,
    /// How long and in what portions.
    pub train: TrainSettings,
    /// When to measure validation.
    #[serde(default)]
    pub evaluate: EvaluateSettings,
    /// What makes a checkpoint the best.
    #[serde(default)]
    pub select: SelectSettings,
    /// When to stop early.
    #[serde(default)]
    pub stop: StopSettings,
    /// When to write checkpoints.
    #[serde(default)]
    pub checkpoint: CheckpointSettings,
    /// What to record.
    #[serde(default)]
    pub record: RecordSettings,
}

/// Beyond it libtorch would fail to start them.
const MOST_THREADS: u64 = 1024;

fn one() -> u64 {
    1
}

/// The kind of all numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Precision {
    /// 32 bits.
    #[default]
    Float32,
    /// 64 bits.
    Float64,
}

impl Precision {
    /// As libtorch calls it.
    pub fn kind(self) -> Kind {
        match self {
            Self::Float32 => Kind::Float,
            Self::Float64 => Kind::Double,
        }
    }
}

/// What learns: an architecture over a backbone with one head per task, a TorchScript module made in Python, or a point
/// that is moved over the objectives of a toy problem.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ModelSettings {
    /// How tasks share the backbone. Default: `{name: hard_sharing}`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub architecture: Option<ArchitectureKind>,
    /// What turns inputs into features.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backbone: Option<BackboneKind>,
    /// A TorchScript file (scripted or traced) to train instead; its outputs are the tasks, by key or by position.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub torchscript: Option<PathBuf>,
    /// A toy problem instead: the parameter `x` is a point, the tasks are its objectives in order. Goes with
    /// `data: {name: none}` and tasks with `loss: {name: value}`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub objectives: Option<ProblemKind>,
    /// Initial weights: a TorchScript, safetensors or PyTorch `.pt` file with the model's parameter names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub initial: Option<PathBuf>,
    /// Parameters that count as shared for the methods: names or patterns such as `shared_layers.*`. Default: those that the
    /// outputs of two tasks or more reach (with one task, all but its head).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub shared: Vec<String>,
    /// Parameters that stand still: names or patterns such as `shared_layers.*`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub freeze: Vec<String>,
}

/// The parts that an experiment is made of, built.
pub struct Assembly {
    /// In the order of the YAML.
    pub tasks: Vec<Task>,
    /// On the device; the training rows are the loader's.
    pub dataset: Dataset,
    /// A number that tells this data from any other.
    pub fingerprint: i64,
    /// The training rows, in the order of training.
    pub loader: Loader,
    /// On the device.
    pub model: Box<dyn Model>,
    /// The model's parameters, flat.
    pub parameters: Parameters,
    /// Which of them the tasks share.
    pub sharing: Sharing,
    /// Which of them the optimizer updates, at which settings.
    pub segments: Vec<Segment>,
}

/// Sends a row of each group through the model: a module from outside shows only so whether its outputs fit the tasks.
fn try_forward(model: &dyn Model, tasks: &[Task], dataset: &Dataset, loader: &Loader) -> Result<()> {
    let measured: Vec<Group> = loader.groups().iter().map(|group| group.narrow(0, 1)).collect();
    measure(model, tasks, &dataset.standardizations, &measured, 1).map(drop)
}

impl Experiment {
    /// The tasks, checked.
    ///
    /// # Errors
    /// A name that is taken or no name, a loss, metric or label list that does not fit.
    pub fn tasks(&self) -> Result<Vec<Task>, BadSetting> {
        if self.tasks.is_empty() {
            return Err(BadSetting::new("tasks", "there is no task")
                .remedy("list at least one: `- {name: …, loss: {name: …}}`"));
        }
        let tasks = self
            .tasks
            .iter()
            .enumerate()
            .map(|(index, settings)| settings.checked().map_err(|bad| bad.under(&format!("tasks[{index}]"))))
            .collect::<Result<Vec<_>, _>>()?;
        for (index, task) in tasks.iter().enumerate() {
            if let Some(first) = tasks[..index].iter().position(|other| other.name == task.name) {
                return Err(BadSetting::new(
                    format!("tasks[{index}].name"),
                    format!("\"{}\" is the name of tasks[{first}] too", task.name),
                ));
            }
            // `predict` calls a task's outputs TASK_0, TASK_1, …
            let column = |of: &Task, name: &str| (0..of.form.width()).any(|at| format!("{}_{at}", of.name) == name);
            if let Some(other) = tasks.iter().find(|other| column(other, &task.name)) {
                return Err(BadSetting::new(
                    format!("tasks[{index}].name"),
                    format!("\"{}\" is what an output of {} is called in predictions", task.name, other.name),
                )
                .remedy("give the task another name"));
            }
        }
        Ok(tasks)
    }

    /// Checks what takes more than one section to see, before anything heavy happens.
    ///
    /// # Errors
    /// The first setting that does not fit.
    pub fn check(&self) -> Result<(), BadSetting> {
        let tasks = self.tasks()?;
        let names: Vec<String> = tasks.iter().map(|task| task.name.clone()).collect();
        self.check_method(&tasks, &names).map_err(|bad| bad.under("method"))?;
        self.optimizer.check().map_err(|bad| bad.under("optimizer"))?;
        if self.train.epochs.is_none() && self.train.steps.is_none() {
            self.schedule.check(None).map_err(|bad| bad.under("schedule"))?;
        }
        self.check_process()?;
        self.check_model()?;
        self.check_labels(&tasks)?;
        self.check_limits()?;
        self.selection(&tasks).map(drop)
    }

    fn check_method(&self, tasks: &[Task], names: &[String]) -> Result<(), BadSetting> {
        self.method.check(names)?;
        let without = tasks.iter().find(|task| !MetricKind::Accuracy.fits(task.form));
        match without.filter(|_| self.method.reads_accuracies()) {
            Some(task) => {
                let what = format!("{} weighs tasks by their accuracy, and {} has none", self.method.name(), task.name);
                Err(BadSetting::new("name", what).remedy("use it where every task has classes or binary labels"))
            }
            None => Ok(()),
        }
    }

    /// Where the run goes and how it runs.
    fn check_process(&self) -> Result<(), BadSetting> {
        let is_no_folder = |name: &&String| name.contains(['/', '\\']) || [".", "..", ""].contains(&name.as_str());
        if let Some(name) = self.name.as_ref().filter(is_no_folder) {
            return Err(BadSetting::new("name", format!("\"{name}\" is no name of a folder"))
                .remedy("use a plain name; --out says where a run goes"));
        }
        if self.threads > MOST_THREADS {
            return Err(BadSetting::new("threads", format!("{} threads, expected 1 to {MOST_THREADS}", self.threads))
                .remedy("use at most as many as the machine has cores"));
        }
        Ok(())
    }

    fn check_model(&self) -> Result<(), BadSetting> {
        let model = &self.model;
        let beside = |path: &str, other: &str| {
            Err(BadSetting::new(path, format!("stands beside `{other}`")).remedy("keep one of the two"))
        };
        let whole = match (&model.torchscript, &model.objectives, &model.backbone) {
            (None, None, None) => {
                return Err(BadSetting::new("model", "has none of `backbone`, `torchscript` and `objectives`")
                    .remedy("add `backbone: {name: mlp, hidden: [20, 20]}`"));
            }
            (None, None, Some(_)) => return Ok(()),
            (Some(_), Some(_), _) => return beside("model.objectives", "torchscript"),
            (Some(_), None, _) => "torchscript",
            (None, Some(_), _) => "objectives",
        };
        match model {
            ModelSettings { backbone: Some(_), .. } => beside("model.backbone", whole),
            ModelSettings { architecture: Some(_), .. } => beside("model.architecture", whole),
            ModelSettings { objectives: Some(problem), .. } => {
                problem.check().map_err(|bad| bad.under("model.objectives"))
            }
            _ => Ok(()),
        }
    }

    /// A model that reads no rows goes with data that has none, and with losses that read no labels.
    fn check_labels(&self, tasks: &[Task]) -> Result<(), BadSetting> {
        let no_rows = matches!(self.data, Data::NoRows(_));
        if let Some(problem) = &self.model.objectives {
            if !no_rows {
                let what = format!("{} reads no rows, and data {} gives some", problem.name(), self.data.name());
                return Err(BadSetting::new("data", what).remedy("write `data: {name: none}`"));
            }
            if tasks.len() != OBJECTIVES {
                let what = format!("{} tasks for the {OBJECTIVES} objectives of {}", tasks.len(), problem.name());
                return Err(BadSetting::new("tasks", what).remedy(
                    "write `tasks: [{name: first, loss: {name: value}}, {name: second, loss: {name: value}}]`",
                ));
            }
        }
        if no_rows && self.model.backbone.is_some() {
            return Err(BadSetting::new("model.backbone", "there are no columns to read: data none has none")
                .remedy("give rows in `data`, or a model of `objectives`"));
        }
        match tasks.iter().position(|task| !task.loss.reads_labels()) {
            Some(task) if !no_rows => {
                let what =
                    format!("{} reads no labels, and data {} gives some", tasks[task].loss.name(), self.data.name());
                Err(BadSetting::new(format!("tasks[{task}].loss"), what)
                    .remedy("choose a loss that reads labels, such as mse, or write `data: {name: none}`"))
            }
            _ => Ok(()),
        }
    }

    fn check_limits(&self) -> Result<(), BadSetting> {
        let train = &self.train;
        if train.epochs.is_none() && train.steps.is_none() && train.time.is_none() {
            return Err(BadSetting::new("train", "has no limit").remedy("set `epochs`, `steps` or `time`"));
        }
        if let Some(time) = train.time.filter(|time| !matches!(time, Interval::Seconds(_))) {
            return Err(BadSetting::new("train.time", format!("\"{time}\" is no time"))
                .remedy("write `10 min`, or use `epochs` or `steps`"));
        }
        if matches!(self.evaluate.every, Interval::Seconds(_)) {
            return Err(BadSetting::new("evaluate.every", format!("\"{}\" is a time", self.evaluate.every))
                .remedy("write epochs or steps: evaluation is part of the result, and must not depend on the clock"));
        }
        Ok(())
    }

    /// The selection metric as (task, metric), `None` for the mean loss; and which value is better.
    ///
    /// # Errors
    /// There is no such task or metric.
    pub fn selection(&self, tasks: &[Task]) -> Result<(Option<(String, String)>, Direction), BadSetting> {
        let SelectSettings { metric, mode } = &self.select;
        if metric == "loss" {
            return Ok((None, mode.unwrap_or(Direction::Min)));
        }
        let all: Vec<(String, String, bool)> = tasks
            .iter()
            .flat_map(|task| {
                let loss = std::iter::once((task.name.clone(), "loss".to_string(), false));
                let own =
                    |metric: &MetricKind| (task.name.clone(), metric.name().to_string(), metric.higher_is_better());
                loss.chain(task.metrics.iter().map(own)).collect::<Vec<_>>()
            })
            .collect();
        let written: Vec<String> = all.iter().map(|(task, metric, _)| format!("{task}/{metric}")).collect();
        match written.iter().position(|path| path == metric) {
            Some(at) => {
                let (task, name, higher) = all[at].clone();
                let own = if higher { Direction::Max } else { Direction::Min };
                Ok((Some((task, name)), mode.unwrap_or(own)))
            }
            None => {
                let bad = BadSetting::new(
                    "select.metric",
                    format!("\"{metric}\" is not measured (allowed: loss, {})", written.join(", ")),
                );
                let near = nearest(metric, written.iter().map(String::as_str));
                Err(bad
                    .remedy(near.map_or("list the metric at its task".into(), |near| format!("did you mean {near}?"))))
            }
        }
    }

    /// Loads the data and builds the model on `device`.
    ///
    /// # Errors
    /// As [`Source::load`](crate::data::Source::load); a split that is asked for and does not exist; a file of weights
    /// that does not fit.
    pub fn assemble(&self, folder: &Path, device: Device) -> Result<Assembly> {
        let tasks = self.tasks()?;
        let precision = self.precision.kind();
        let request = Request { tasks: &tasks, seed: self.seed, precision, folder, fitted: None };
        let dataset = self.data.load(&request)?;
        self.check_validation(&tasks, dataset.validation.as_deref())?;
        let fingerprint = dataset.fingerprint();
        let mut dataset = dataset.to_device(device);
        let model = self.model(&tasks, &dataset, folder, device)?;
        let mut parameters = Parameters::flatten(&*model, device, precision, &self.model.freeze)?;
        if let Some(initial) = &self.model.initial {
            let file = folder.join(initial);
            parameters.load(&weights::read(&file)?, &file.display().to_string())?;
        }
        let segments = segments(&parameters.layout(), &self.optimizer)?;
        let loader = Loader::new(std::mem::take(&mut dataset.train), self.loader(), self.seed)?;
        self.schedule.check(total_steps(&self.train, loader.steps_per_epoch())).map_err(|bad| bad.under("schedule"))?;
        try_forward(&*model, &tasks, &dataset, &loader)?;
        let probe: Batch = loader.groups().iter().map(|group| group.narrow(0, 1)).collect();
        let owners = ownership(&*model, &probe, &parameters)?;
        let sharing = Sharing::new(&*model, &parameters.spans, &owners, tasks.len(), &self.model.shared)?;
        self.check_shared(&sharing)?;
        self.check_representation(&*model, &loader)?;
        Ok(Assembly { tasks, dataset, fingerprint, loader, model, parameters, sharing, segments })
    }

    /// Where nothing is shared and learned, there is no gradient to read, and weights made of none would hold the heads still.
    fn check_shared(&self, sharing: &Sharing) -> Result<(), BadSetting> {
        if sharing.width() > 0 || !self.method.reads_gradients() {
            return Ok(());
        }
        let what = format!("{} reads gradients by shared parameters, and no learned one is shared", self.method.name());
        Err(BadSetting::new("method.name", what)
            .remedy("choose a method that reads losses, such as sum, or look at model.freeze and model.shared"))
    }

    /// Gradients of the representation need one that all tasks read.
    fn check_representation(&self, model: &dyn Model, loader: &Loader) -> Result<(), BadSetting> {
        if self.method.common.gradients == Gradients::Parameters {
            return Ok(());
        }
        let why = match loader.groups().len() {
            1 if model.shared_representation().is_some() => return Ok(()),
            1 => "the tasks of this model do not read one representation that Polytask can see",
            _ => "the tasks have inputs of their own, and so no representation in common",
        };
        Err(BadSetting::new("method.gradients", why).remedy("write `gradients: parameters`"))
    }

    fn model(&self, tasks: &[Task], dataset: &Dataset, folder: &Path, device: Device) -> Result<Box<dyn Model>> {
        let widths: Vec<(String, i64)> = tasks.iter().map(|task| (task.name.clone(), task.form.width())).collect();
        let precision = self.precision.kind();
        if let Some(file) = &self.model.torchscript {
            return Ok(Box::new(scripted(&folder.join(file), &widths, device, precision)?));
        }
        if let Some(problem) = &self.model.objectives {
            let names = tasks.iter().map(|task| task.name.clone()).collect();
            return Ok(Box::new(Objectives::new(problem, names, precision, self.seed)));
        }
        let backbone = self.model.backbone.as_ref().ok_or_else(|| BadSetting::new("model", "has no backbone"))?;
        let architecture = self.model.architecture.clone().unwrap_or_default();
        let inputs = dataset.train[0].inputs[0].1.size()[1];
        Ok(Box::new(Network::new(&architecture, backbone, inputs, &widths, precision, self.seed)))
    }

    /// What is judged needs validation rows with labels.
    fn check_validation(&self, tasks: &[Task], validation: Option<&[Group]>) -> Result<(), BadSetting> {
        let asked = [
            (self.stop.patience.is_some(), "stop.patience"),
            (self.stop.target.is_some(), "stop.target"),
            (self.schedule.observes(), "schedule"),
            (self.select.metric != SelectSettings::default().metric, "select.metric"),
        ];
        let Some(groups) = validation else {
            return match asked.iter().find(|(asked, _)| *asked) {
                Some((_, path)) => Err(BadSetting::new(*path, "there are no validation rows to judge by")
                    .remedy("name a validation split in `data`, or leave it out")),
                None => Ok(()),
            };
        };
        let labelled = |task: usize| {
            let targets = groups.iter().flat_map(|group| group.tasks.iter().zip(&group.targets));
            targets.filter(|(index, _)| **index == task).any(|(_, target)| target.labelled_rows() > 0)
        };
        let (with, without): (Vec<usize>, Vec<usize>) = (0..tasks.len()).partition(|task| labelled(*task));
        let selected = self.selection(tasks)?.0;
        for task in without {
            let name = &tasks[task].name;
            if selected.as_ref().is_some_and(|(selected, _)| selected == name) {
                return Err(BadSetting::new("select.metric", format!("{name} has no label in the validation rows"))
                    .remedy("select by another task, or give validation rows that are labelled"));
            }
            if !with.is_empty() {
                note(format!(
                    "warning: {name} has no label in the validation rows: the mean loss is that of the others"
                ));
            }
        }
        if with.is_empty() {
            return Err(BadSetting::new("data.validation", "no task has a label in the validation rows")
                .remedy("give validation rows that are labelled, or leave the split out"));
        }
        Ok(())
    }

    /// What the trainer is told.
    ///
    /// # Errors
    /// As [`selection`](Self::selection).
    pub fn plan(&self, tasks: &[Task]) -> Result<Plan, BadSetting> {
        let (select, direction) = self.selection(tasks)?;
        Ok(Plan {
            train: self.train.clone(),
            evaluate: self.evaluate.clone(),
            select,
            direction,
            stop: self.stop.clone(),
            checkpoint: self.checkpoint.clone(),
            record: self.record.clone(),
            seed: self.seed,
        })
    }

    /// How the loader is to draw batches.
    pub fn loader(&self) -> LoaderSettings {
        let TrainSettings { batch_size, shuffle, drop_last, combine, accumulate, .. } = &self.train;
        LoaderSettings {
            batch_size: *batch_size as i64,
            shuffle: *shuffle,
            drop_last: *drop_last,
            combine: *combine,
            accumulate: *accumulate as i64,
            batches: self.method.batches() as i64,
        }
    }

    /// The same experiment with nothing left to chance: name, device and absolute paths. Runnable as it is.
    #[must_use]
    pub fn resolved(&self, name: &str, device: DeviceChoice, folder: &Path) -> Self {
        let absolute = |path: &PathBuf| std::path::absolute(folder.join(path)).unwrap_or_else(|_| folder.join(path));
        let mut resolved = self.clone();
        resolved.name = Some(name.to_string());
        resolved.device = device;
        resolved.data = self.data.absolute(folder);
        resolved.model.torchscript = self.model.torchscript.as_ref().map(absolute);
        resolved.model.initial = self.model.initial.as_ref().map(absolute);
        if resolved.model.backbone.is_some() {
            resolved.model.architecture = Some(self.model.architecture.clone().unwrap_or_default());
        }
        resolved
    }
}

/// Loads a TorchScript module; one that a run wrote knows the names of its outputs.
///
/// # Errors
/// The file is missing, damaged or no TorchScript.
pub fn scripted(file: &Path, widths: &[(String, i64)], device: Device, precision: Kind) -> Result<Scripted> {
    let mut model = Scripted::load(file, widths, device, precision)?;
    if let Some(text) = model.extra(metadata::FILE) {
        let metadata = Metadata::parse(&text, &file.display().to_string())?;
        model.name_outputs(metadata.outputs);
    }
    Ok(model)
}
