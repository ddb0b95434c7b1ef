//! One run, from the YAML to its summary.

mod requests;
mod resume;

pub use requests::Requests;

use crate::environment::{self, Environment};
use crate::error::{BadSetting, note};
use crate::experiment::{self, Assembly, Experiment, Loaded};
use crate::files;
use crate::metadata::{self, Budget, Metadata, ModelFacts};
use crate::models::{Model, Node};
use crate::record::{Console, EarlierEvents, GraphNode, Header, Hyperparameter, JsonLines, Recorder, TensorBoard};
use crate::registry;
use crate::run::{self, Run};
use crate::summary;
use crate::tasks::Task;
use crate::trainer::{Outcome, Parts, TrainSettings, Trainer, total_steps};
use crate::yaml::{self, Override};
use anyhow::Result;
use resume::{Records, Resumed, beginning, check_rows, is_free, open};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

/// What the command line adds to the YAML.
#[derive(Debug, Default)]
pub struct Options {
    /// `--set`, `--seed` and `--device`, as overrides.
    pub overrides: Vec<Override>,
    /// The run's folder; `None`: `runs/EXPERIMENT/METHOD[__VARIANT]/seedK`.
    pub out: Option<PathBuf>,
    /// Continue the run in that folder.
    pub resume: bool,
    /// Resume a run under another limit although its schedule follows the limit, so that the learning rate jumps.
    pub extend_schedule: bool,
    /// No progress on stderr.
    pub quiet: bool,
}

/// What became of a run.
#[derive(Debug)]
pub struct Report {
    /// Why it ended.
    pub outcome: Outcome,
    /// Its folder.
    pub folder: PathBuf,
    /// The content of `summary.json`, when it finished.
    pub summary: Option<serde_json::Value>,
}

/// Somebody who looks at a run while it trains, and changes nothing.
pub trait Watcher {
    /// Looks at what was built; nothing is written yet.
    ///
    /// # Errors
    /// There is nothing to watch here: the run does not start.
    fn begin(&mut self, experiment: &Experiment, assembly: &Assembly) -> Result<()>;

    /// Looks at the trainer before a step.
    ///
    /// # Errors
    /// Those end the run.
    fn before_step(&mut self, trainer: &mut Trainer) -> Result<()>;
}

/// Nobody.
#[derive(Debug)]
pub struct Unwatched;

impl Watcher for Unwatched {
    fn begin(&mut self, _experiment: &Experiment, _assembly: &Assembly) -> Result<()> {
        Ok(())
    }
    fn before_step(&mut self, _trainer: &mut Trainer) -> Result<()> {
        Ok(())
    }
}

/// Trains the experiment in `file` until its end or until `interrupt` is set.
///
/// # Errors
/// A mistake in the YAML, the data or the folder; a loss that diverges; a disk that is full.
pub fn train(file: &Path, options: &Options, interrupt: &AtomicBool) -> Result<Report> {
    train_watched(file, options, interrupt, &mut Unwatched)
}

/// The same, with somebody who looks on.
///
/// # Errors
/// As [`train`], and those of `watcher`.
pub fn train_watched(
    file: &Path,
    options: &Options,
    interrupt: &AtomicBool,
    watcher: &mut dyn Watcher,
) -> Result<Report> {
    let document = experiment::read_file(file, &options.overrides)?;
    let located = |error: anyhow::Error| document.places.locate(error);
    let experiment = &document.settings;
    experiment.check().map_err(|bad| located(bad.into()))?;
    let place = Place::of(file, experiment, options)?;
    let Options { resume, extend_schedule, quiet, .. } = *options;
    let start = Start { resume, extend_schedule, quiet, loaded: &mut Loaded::default() };
    run(experiment, &place, start, interrupt, watcher).map_err(located)
}

/// How a run starts.
pub struct Start<'a> {
    /// Continue the run in the folder.
    pub resume: bool,
    /// Accept another limit where the schedule follows it.
    pub extend_schedule: bool,
    /// No progress on stderr.
    pub quiet: bool,
    /// The data of the run before, if it can serve.
    pub loaded: &'a mut Loaded,
}

/// Trains an experiment that was read and checked.
///
/// # Errors
/// As [`train`]; a mistake in a setting is a [`BadSetting`] that has no place yet.
pub fn run(
    experiment: &Experiment,
    place: &Place,
    start: Start,
    interrupt: &AtomicBool,
    watcher: &mut dyn Watcher,
) -> Result<Report> {
    Run::look(&place.folder, start.resume)?;
    let device = experiment.device.resolve()?;
    environment::prepare(experiment.threads, device);

    let beginning = beginning(&place.folder, start.resume)?;
    let as_started = start.resume.then(|| experiment::with_defaults_of_run(experiment, &place.folder)).transpose()?;
    let experiment = as_started.as_ref().unwrap_or(experiment);
    let assembly = experiment.assemble_from(start.loaded, &place.source, device, beginning)?;
    watcher.begin(experiment, &assembly)?;
    let engine = assembly.engine(experiment)?.choice();
    let resolved = experiment.resolved(&place.experiment, device.into(), engine, &place.source);
    let config = yaml::to_yaml(&resolved)?;
    let (run, mut resumed) = open(place, &resolved, start.resume)?;
    if let Some(checkpoint) = resumed.as_mut().and_then(|resumed| resumed.checkpoint.as_mut()) {
        check_rows(checkpoint, &assembly.facts, start.loaded, &run)?;
    }
    let environment = Environment::look(experiment.threads, device, &place.source);
    let Start { extend_schedule, quiet, .. } = start;
    let session = Session { experiment, place, run, config, environment, resumed, extend_schedule, quiet };
    session.train(assembly, interrupt, watcher)
}

/// Where an experiment comes from and where its run goes.
#[derive(Debug, Clone)]
pub struct Place {
    /// The folder of the YAML.
    pub source: PathBuf,
    /// The experiment's name.
    pub experiment: String,
    /// `METHOD[__VARIANT]`, under which runs that differ in the seed alone belong together.
    pub group: String,
    /// The run's folder.
    pub folder: PathBuf,
}

impl Place {
    fn of(file: &Path, experiment: &Experiment, options: &Options) -> Result<Self> {
        let file = std::path::absolute(file)?;
        let stem = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let name = experiment.name.clone().unwrap_or(stem);
        let group = match variant(&options.overrides) {
            Some(variant) => format!("{}__{variant}", experiment.method.name()),
            None => experiment.method.name().to_string(),
        };
        let default = || Path::new("runs").join(&name).join(&group).join(format!("seed{}", experiment.seed));
        Ok(Self {
            source: file.parent().unwrap_or(Path::new(".")).to_path_buf(),
            folder: options.out.clone().unwrap_or_else(default),
            experiment: name,
            group,
        })
    }
}

/// The overrides that make this run another than the YAML's own, as a part of a folder's name.
fn variant(overrides: &[Override]) -> Option<String> {
    let named = ["seed", "name", "method.name"];
    let telling: Vec<String> = overrides
        .iter()
        .filter(|it| !is_free(&it.path.to_string()) && !named.contains(&it.path.to_string().as_str()))
        .flat_map(settings)
        .collect();
    let text = files::folder_name(&telling.join(","));
    (!text.is_empty()).then_some(text)
}

/// An override setting by setting: `optimizer=sgd`, `optimizer.learning_rate=0.1`. The method's name stands before them all.
fn settings(change: &Override) -> Vec<String> {
    let path = change.path.to_string();
    let Some(section) = change.value.as_mapping() else { return vec![format!("{path}={}", change.written())] };
    let setting = |(key, value): (&serde_yaml::Value, &serde_yaml::Value)| {
        let (key, value) = (registry::key_text(key), yaml::inline(value).unwrap_or_default());
        match key.as_str() {
            "name" if path == "method" => None,
            "name" => Some(format!("{path}={value}")),
            _ => Some(format!("{path}.{key}={value}")),
        }
    };
    section.iter().filter_map(setting).collect()
}

/// A run that is about to train.
struct Session<'a> {
    experiment: &'a Experiment,
    place: &'a Place,
    run: Run,
    config: String,
    environment: Environment,
    resumed: Option<Resumed>,
    extend_schedule: bool,
    quiet: bool,
}

impl Session<'_> {
    fn train(mut self, assembly: Assembly, interrupt: &AtomicBool, watcher: &mut dyn Watcher) -> Result<Report> {
        let Assembly { tasks, dataset, facts, loader, model, parameters, sharing, segments } = assembly;
        let plan = self.experiment.plan(&tasks)?;
        let steps_per_epoch = loader.steps_per_epoch();
        let checkpoint = self.resumed.as_mut().and_then(|resumed| resumed.checkpoint.take());
        let records = Records::until(checkpoint.as_ref(), self.resumed.is_some());
        let engine = self.experiment.engine(&tasks, &*model, &parameters, &sharing, &loader)?;
        let parts = Parts {
            tasks: &tasks,
            model: &*model,
            engine: &*engine,
            method: &self.experiment.method,
            schedule: self.experiment.schedule.clone(),
            parameters,
            sharing: &sharing,
            optimizer: self.experiment.optimizer.clone(),
            segments,
            instructions: self.experiment.instructions.resolve()?,
            facts: self.facts(&facts),
        };
        let mut trainer = Trainer::new(&plan, parts, &dataset, loader, checkpoint, &self.run)?;
        if let Some(Resumed { train, .. }) = &self.resumed {
            if records.start_step > 0 {
                self.refuse_other_end(train, steps_per_epoch, &trainer)?;
            }
            JsonLines::look(&self.run.path(JsonLines::FILE), records.metrics.unwrap_or(0))?;
            // Nothing stands in the way any more. From here on the run is unfinished until it ends again.
            self.run.forget_end()?;
            self.run.write("config.yaml", &self.config)?;
        }
        let total_steps = total_steps(&plan.train, steps_per_epoch);
        trainer.record_to(self.recorders(&tasks, &*model, &records, total_steps)?);
        let outcome = trainer.train_watched(interrupt, &mut |trainer| watcher.before_step(trainer));
        let folder = self.run.folder().to_path_buf();
        let Ok(Outcome::Finished(reason)) = &outcome else {
            let ended = trainer.end(false);
            let outcome = outcome?; // what stopped the run says more than what followed from it
            return ended.map(|()| Report { outcome, folder, summary: None });
        };
        let results = trainer.finish()?;
        let budget = Budget { updates: results.steps, rows: results.rows };
        let metadata = Metadata::new(self.config.clone(), model.outputs(), facts.clone(), budget);
        model.save(&self.run.path(run::MODEL), &[(metadata::FILE, &metadata.to_json()?)])?;
        let summary = summary::of(
            self.experiment,
            &self.place.experiment,
            &self.place.group,
            reason,
            &results,
            (&facts, &dataset.columns),
            &self.environment,
        );
        // The summary comes last: where it is, everything is.
        trainer.end(true)?;
        self.run.write(run::SUMMARY, &serde_json::to_string_pretty(&summary)?)?;
        Ok(Report { outcome: outcome?, folder, summary: Some(summary) })
    }

    /// What a checkpoint tells of itself, beside its place in the run.
    fn facts(&self, model: &ModelFacts) -> serde_json::Map<String, serde_json::Value> {
        let facts = json!({
            "polytask": experiment::VERSION,
            "definitions": experiment::definitions(self.experiment),
            "model": model,
        });
        facts.as_object().cloned().unwrap_or_default()
    }

    /// A schedule that ends with the run goes on along another curve where the run's end moves: only if that is meant.
    fn refuse_other_end(&self, before: &TrainSettings, steps_per_epoch: i64, trainer: &Trainer) -> Result<()> {
        let schedule = &self.experiment.schedule;
        let [old, new] = [before, &self.experiment.train].map(|train| total_steps(train, steps_per_epoch));
        if old == new || !schedule.follows_run() {
            if self.extend_schedule {
                note("note: --extend-schedule changes nothing here: the schedule has the same end as before");
            }
            return Ok(());
        }
        let steps = |total: Option<i64>| total.map_or("some".into(), |total| total.to_string());
        let rate = |total| short(trainer.next_learning_rate(total));
        let moved = format!(
            "{} ends with the run, which was to make {} steps and is to make {}: the learning rate of the next step \
             becomes {} instead of {}",
            schedule.name(),
            steps(old),
            steps(new),
            rate(new),
            rate(old)
        );
        if self.extend_schedule {
            note(format!("note: {moved}"));
            return Ok(());
        }
        let remedy = "keep the limits that the run had, or accept the new end with --extend-schedule";
        Err(BadSetting::new("schedule", moved).remedy(remedy).into())
    }

    /// Everyone who listens to the run.
    fn recorders(
        &self,
        tasks: &[Task],
        model: &dyn Model,
        records: &Records,
        total_steps: Option<i64>,
    ) -> Result<Box<dyn Recorder>> {
        let names: Vec<String> = tasks.iter().map(|task| task.name.clone()).collect();
        let metrics: Vec<Vec<&'static str>> =
            tasks.iter().map(|task| task.metrics.iter().map(|metric| metric.name()).collect()).collect();
        let header = Header {
            experiment: &self.place.experiment,
            group: &self.place.group,
            tasks: &names,
            metrics: &metrics,
            config: &self.config,
            environment: &self.environment.table(),
            hyperparameters: &hyperparameters(self.experiment)?,
            graph: &graph(model, tasks, self.experiment.method.name()),
            start_step: records.start_step,
            epochs: self.experiment.train.epochs.map(|epochs| epochs as i64),
            total_steps,
        };
        let mut recorders: Vec<Box<dyn Recorder>> = Vec::new();
        recorders.push(Box::new(JsonLines::create(&self.run.path(JsonLines::FILE), &header, records.metrics)?));
        let earlier = EarlierEvents::cut_back(self.run.folder(), records.events.as_ref())?;
        let first = earlier.is_empty();
        recorders.push(Box::new(earlier));
        if self.experiment.record.tensorboard {
            match TensorBoard::create(self.run.folder(), &header, first) {
                Ok(tensorboard) => recorders.push(Box::new(tensorboard)),
                Err(error) => note(format!(
                    "warning: {}: no event file can be written ({error}); training goes on without TensorBoard",
                    self.run.folder().display()
                )),
            }
        }
        if !self.quiet {
            recorders.push(Box::new(Console::new(&header)));
        }
        Ok(Box::new(recorders))
    }
}

/// A learning rate to four digits.
fn short(rate: f64) -> String {
    let rounded: f64 = format!("{rate:.3e}").parse().unwrap_or(rate);
    format!("{rounded:?}").trim_end_matches(".0").to_string()
}

/// The same keys in every run, so that TensorBoard can compare runs of any method.
fn hyperparameters(experiment: &Experiment) -> Result<Vec<(String, Hyperparameter)>> {
    let arguments = |section: serde_yaml::Value| {
        let mut section = section.as_mapping().cloned().unwrap_or_default();
        section.remove("name");
        serde_json::to_string(&section)
    };
    let text = |value: &str| Hyperparameter::Text(value.to_string());
    // A TorchScript module and a toy problem have none.
    let model = &experiment.model;
    let architecture = model.backbone.as_ref().map(|_| model.architecture.clone().unwrap_or_default());
    Ok(vec![
        ("architecture".into(), text(architecture.as_ref().map_or("none", |it| it.name()))),
        ("method".into(), text(experiment.method.name())),
        ("method_args".into(), Hyperparameter::Text(arguments(serde_yaml::to_value(&experiment.method)?)?)),
        ("optimizer".into(), text(experiment.optimizer.name())),
        ("learning_rate".into(), Hyperparameter::Number(experiment.optimizer.learning_rate())),
        ("weight_decay".into(), Hyperparameter::Number(experiment.optimizer.weight_decay())),
        ("schedule".into(), text(experiment.schedule.name())),
        ("batch_size".into(), Hyperparameter::Number(experiment.train.batch_size as f64)),
    ])
}

/// The model's parts, then a loss per task, then the method that reads them.
fn graph(model: &dyn Model, tasks: &[Task], method: &str) -> Vec<GraphNode> {
    let mut nodes: Vec<GraphNode> =
        vec![GraphNode { name: "input".into(), operation: "Placeholder".into(), inputs: vec![], shape: vec![-1] }];
    nodes.extend(model.graph().into_iter().map(|Node { name, operation, inputs, shape }| GraphNode {
        name,
        operation,
        inputs,
        shape,
    }));
    let heads: Vec<String> = nodes.iter().map(|node| node.name.clone()).collect();
    let losses: Vec<GraphNode> = tasks
        .iter()
        .map(|task| GraphNode {
            name: format!("heads/{}/loss", task.name),
            operation: task.loss.name().into(),
            inputs: heads.iter().filter(|name| name.starts_with(&format!("heads/{}/", task.name))).cloned().collect(),
            shape: vec![],
        })
        .collect();
    let method = GraphNode {
        name: format!("method/{method}"),
        operation: "Method".into(),
        inputs: losses.iter().map(|loss| loss.name.clone()).collect(),
        shape: vec![],
    };
    nodes.extend(losses);
    nodes.push(method);
    nodes
}
