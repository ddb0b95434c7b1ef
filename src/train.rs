//! One run, from the YAML to its summary.

use crate::data::Likeness;
use crate::environment::{self, Environment};
use crate::error::{BadSetting, Mistake, note};
use crate::experiment::{self, Assembly, Beginning, Experiment, Loaded};
use crate::files;
use crate::metadata::{self, Budget, Metadata, ModelFacts};
use crate::models::{Model, Node};
use crate::record::{Console, EarlierEvents, GraphNode, Header, Hyperparameter, JsonLines, Recorder, TensorBoard};
use crate::registry;
use crate::run::{self, Run};
use crate::summary;
use crate::tasks::Task;
use crate::tensor_file::{self, TensorFile};
use crate::trainer::{Outcome, Parts, TrainSettings, Trainer, total_steps};
use crate::yaml::{self, Override};
use anyhow::{Context, Result};
use serde_json::json;
use std::collections::BTreeMap;
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

/// Where the run in a folder goes on. A run that was stopped before its first checkpoint starts anew.
fn beginning(folder: &Path, resume: bool) -> Result<Beginning> {
    let last = run::checkpoint(folder, "last");
    if !resume || !last.exists() {
        return Ok(Beginning::New);
    }
    // What is damaged is told when the whole of it is read.
    let facts = tensor_file::facts(&last).ok().flatten();
    let place = last.display().to_string();
    let model = facts.map(|facts| experiment::of_checkpoint(&facts, &place)).transpose()?;
    Ok(Beginning::Checkpoint(model.flatten()))
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

/// Limits, which may change on `--resume` as [`experiment::NEUTRAL`] settings may: they do not make another run of it.
const LIMITS: [&str; 4] = ["train.epochs", "train.steps", "train.time", "stop"];

fn is_free(path: &str) -> bool {
    experiment::is_among(path, &LIMITS) || experiment::is_among(path, &experiment::NEUTRAL)
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

/// What a resumed run has left.
struct Resumed {
    /// Its limits until now.
    train: TrainSettings,
    /// Where it goes on; `None`: it was stopped before its first checkpoint, and starts anew.
    checkpoint: Option<TensorFile>,
}

/// Takes the run's folder; with `resume` also what is left there, which stays as it is.
fn open(place: &Place, resolved: &Experiment, resume: bool) -> Result<(Run, Option<Resumed>)> {
    if !resume {
        let run = Run::create(&place.folder)?;
        run.write("config.yaml", &yaml::to_yaml(resolved)?)?;
        return Ok((run, None));
    }
    let run = Run::reopen(&place.folder)?;
    let config = experiment::Config::read(run.folder())?;
    let stored = config.with_context(|| run.path("config.yaml").display().to_string())?.settings()?;
    refuse_other_settings(&run, &stored, resolved)?;
    let path = run.path("config.yaml");
    let train = serde_yaml::from_value(stored["train"].clone()).with_context(|| path.display().to_string())?;
    let checkpoint = run.last()?;
    let definitions = checkpoint.as_ref().and_then(|it| it.facts.as_ref()?.get("definitions"));
    experiment::check_definitions(resolved, definitions, run.folder())?;
    Ok((run, Some(Resumed { train, checkpoint })))
}

/// A run goes on with the rows that it was started with.
fn check_rows(checkpoint: &mut TensorFile, facts: &ModelFacts, loaded: &Loaded, run: &Run) -> Result<()> {
    let place = run.folder().display().to_string();
    let stored = match &checkpoint.facts {
        Some(facts) => experiment::of_checkpoint(facts, &place)?.and_then(|stored| stored.data),
        None => None,
    };
    let likeness = stored.zip(facts.data.as_ref()).map(|(a, b)| a.fingerprint.likeness(&b.fingerprint));
    // Version 0.1 kept a number of its own among what the trainer remembers.
    let first = checkpoint.tensors.iter().position(|(name, _)| name == FIRST_FINGERPRINT);
    let first = first.map(|at| checkpoint.tensors.remove(at).1.int64_value(&[0]));
    let same = match (likeness, first.zip(loaded.dataset())) {
        (Some(likeness), _) => likeness != Likeness::Other,
        (None, Some((first, dataset))) => first == dataset.first_fingerprint(),
        (None, None) => true,
    };
    if likeness == Some(Likeness::Unknown) {
        note("note: the checkpoint's fingerprint is of another version: whether the rows are the same cannot be told");
    }
    if same {
        return Ok(());
    }
    Err(Mistake::new("data", "the rows are not those that the run was started with")
        .remedy("bring the files back as they were, or start another run with --out")
        .into())
}

/// Where a checkpoint of version 0.1 keeps the fingerprint of its rows.
const FIRST_FINGERPRINT: &str = "data.fingerprint";

/// A run goes on with the settings that it was started with, but for those that [are free](is_free).
fn refuse_other_settings(run: &Run, stored: &serde_yaml::Value, resolved: &Experiment) -> Result<()> {
    let path = run.path("config.yaml");
    let changes = yaml::difference(stored, &experiment::value(resolved)?);
    // Whether a data file that was moved holds the same rows is seen once it is read.
    let may_change = |change: &(String, String, String)| {
        is_free(&change.0) || change.0 == "name" || experiment::is_place_of_data(change)
    };
    let (free, fixed): (Vec<_>, Vec<_>) = changes.into_iter().partition(may_change);
    let moves_digits = |path: &str| ["device", "threads", "engine", "instructions"].contains(&path);
    for (path, old, new) in free.iter().filter(|(path, ..)| moves_digits(path)) {
        note(format!("note: {path} was {old}, is {new}: the last digits may differ from those of an undisturbed run"));
    }
    if fixed.is_empty() {
        return Ok(());
    }
    let fixed: Vec<String> = fixed.into_iter().map(|(path, old, new)| format!("{path} was {old}, is {new}")).collect();
    Err(Mistake::new(path.display(), format!("the run was started with other settings: {}", fixed.join("; ")))
        .remedy(format!(
            "give it the same settings, or start another run with --out; only {} may change",
            [&LIMITS[..], &experiment::NEUTRAL].concat().join(", ")
        ))
        .into())
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

/// How far the records of a run reach before this process.
struct Records {
    /// Updates made.
    start_step: i64,
    /// Bytes of `metrics.jsonl`; `None` for a new run.
    metrics: Option<u64>,
    /// Bytes of each event file; `None` where the checkpoint is of version 0.1 and does not know them.
    events: Option<BTreeMap<String, u64>>,
}

impl Records {
    /// Up to a checkpoint. A run that was stopped before its first one starts its records anew.
    fn until(checkpoint: Option<&TensorFile>, resumed: bool) -> Self {
        let Some(file) = checkpoint else {
            return Self { start_step: 0, metrics: resumed.then_some(0), events: Some(BTreeMap::new()) };
        };
        let events = file.facts.as_ref().and_then(|facts| facts.get("events"));
        Self {
            start_step: number(file, "progress.place"),
            metrics: Some(number(file, "record.bytes") as u64),
            events: events.and_then(|events| serde_json::from_value(events.clone()).ok()),
        }
    }
}

/// A learning rate to four digits.
fn short(rate: f64) -> String {
    let rounded: f64 = format!("{rate:.3e}").parse().unwrap_or(rate);
    format!("{rounded:?}").trim_end_matches(".0").to_string()
}

/// The first of the whole numbers that a checkpoint holds under `name`.
fn number(archive: &TensorFile, name: &str) -> i64 {
    let value = archive.tensors.iter().find(|(n, _)| n == name);
    value.map_or(0, |(_, tensor)| tensor.int64_value(&[0]))
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
