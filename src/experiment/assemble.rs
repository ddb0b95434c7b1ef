//! The parts, built: data loaded, model made, and what only they can show checked.

use super::Experiment;
use super::fits::warn_of_seen_rows;
use super::outside::{Outside, check_reached, first_rows, warn_of_draws};
use crate::data::{Dataset, Fitted, Group, Identity, Loader, Reader, Request};
use crate::engine::{Autograd, DenseOptions, Engine, EngineChoice, dense, ownership};
use crate::error::{BadSetting, note};
use crate::libtorch::InputOrder;
use crate::metadata::{self, Metadata, ModelFacts};
use crate::models::backbones::BackboneKind;
use crate::models::{Model, Network, Objectives, Output, Parameters, Plan as NetworkPlan, Scripted, Sharing};
use crate::optim::{Segment, segments};
use crate::tasks::{Form, Task};
use crate::trainer::{measure, total_steps};
use anyhow::Result;
use std::path::Path;
use tch::{Device, Kind};

/// The parts that an experiment is made of, built.
pub struct Assembly {
    /// In the order of the YAML.
    pub tasks: Vec<Task>,
    /// On the device; the training rows are the loader's.
    pub dataset: Dataset,
    /// How the model is fed and read, and which rows it sees.
    pub facts: ModelFacts,
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

/// Where a run begins.
#[allow(clippy::large_enum_variant)] // one value per run
pub enum Beginning {
    /// With new weights, or those of `model.initial`.
    New,
    /// At a checkpoint, which says how its model is fed and read; `None` of Polytask 0.1, which took all by position.
    Checkpoint(Option<ModelFacts>),
}

/// A model that was trained before and goes on.
pub struct Before {
    /// Its file, or the checkpoint.
    pub place: String,
    /// How it was fed and read, and which rows it has seen.
    pub facts: ModelFacts,
    /// How rows are read as it reads them.
    pub fitted: Fitted,
}

/// The data that was loaded last: runs of one process that read the same rows share them.
#[derive(Default)]
pub struct Loaded {
    /// What they were loaded by: the settings, and what a model knew of its rows.
    key: (String, String),
    data: Option<Dataset>,
}

impl Loaded {
    /// The rows of the run that was assembled last.
    pub fn dataset(&self) -> Option<&Dataset> {
        self.data.as_ref()
    }

    /// Drops the rows, unless `experiment`, whose files are seen from `folder`, reads the same ones.
    ///
    /// # Errors
    /// The settings cannot be written as text.
    pub fn keep_for(&mut self, experiment: &Experiment, folder: &Path) -> Result<()> {
        if self.key.0 != key(experiment, folder)? {
            *self = Self::default();
        }
        Ok(())
    }

    /// The rows that a request asks for, on the host.
    fn get(&mut self, experiment: &Experiment, request: &Request) -> Result<&Dataset> {
        let known = (request.fitted, request.plain_statistics);
        let key = (key(experiment, request.folder)?, serde_yaml::to_string(&known)?);
        if self.key != key {
            self.data = None; // two data sets need not fit into memory
        }
        let data = match self.data.take() {
            Some(data) => data,
            None => experiment.data.load(request)?,
        };
        self.key = key;
        Ok(self.data.insert(data))
    }
}

/// Everything that decides which rows an experiment reads, and as what numbers.
fn key(experiment: &Experiment, folder: &Path) -> Result<String> {
    let Experiment { data, tasks, seed, precision, .. } = experiment;
    let asked = (data, tasks, seed, precision, experiment.reads_indices(), experiment.reader());
    Ok(format!("{}\n{}", folder.display(), serde_yaml::to_string(&asked)?))
}

impl Assembly {
    /// What differentiates the model.
    ///
    /// # Errors
    /// As [`Experiment::engine`].
    pub fn engine(&self, experiment: &Experiment) -> Result<Box<dyn Engine + '_>, BadSetting> {
        experiment.engine(&self.tasks, &*self.model, &self.parameters, &self.sharing, &self.loader)
    }
}

impl Experiment {
    /// Loads the data and builds the model on `device`.
    ///
    /// # Errors
    /// As [`assemble_from`](Self::assemble_from).
    pub fn assemble(&self, folder: &Path, device: Device) -> Result<Assembly> {
        self.assemble_from(&mut Loaded::default(), folder, device, Beginning::New)
    }

    /// The same; data that is `loaded` already is not loaded again.
    ///
    /// # Errors
    /// As [`Source::load`](crate::data::Source::load); a split that is asked for and does not exist; a file of weights
    /// that does not fit; a TorchScript module that cannot be trained.
    pub fn assemble_from(
        &self,
        loaded: &mut Loaded,
        folder: &Path,
        device: Device,
        beginning: Beginning,
    ) -> Result<Assembly> {
        let mut tasks = self.tasks()?;
        let precision = self.precision.kind();
        let indices = self.reads_indices();
        let is_new = matches!(beginning, Beginning::New);
        let before = match beginning {
            Beginning::New => self.trained_before(&mut tasks, folder)?,
            Beginning::Checkpoint(facts) => {
                let adopt = |facts: ModelFacts| {
                    let place = "the checkpoint".to_string();
                    facts.adopt_to_train(&mut tasks, &place, false).map(|fitted| Before { place, facts, fitted })
                };
                facts.map(adopt).transpose()?
            }
        };
        let fitted = before.as_ref().map(|before| &before.fitted);
        let (plain_statistics, reader) = (!is_new && fitted.is_none(), self.reader());
        let own = Request::new(&tasks, self.seed, precision, folder);
        let request = Request { fitted, indices, plain_statistics, reader, ..own };
        let dataset = loaded.get(self, &request)?;
        if let Some(Before { place, facts, .. }) = &before {
            facts.check_inputs(dataset, place)?;
            if is_new {
                warn_of_seen_rows(facts, dataset, place);
            }
        }
        if is_new {
            self.check_one_input(dataset)?;
        }
        self.check_kind(dataset)?;
        self.check_ids(dataset)?;
        self.check_validation(&tasks, dataset.validation.as_deref())?;
        let identity = Identity::new(&self.data, dataset, self.seed);
        let facts = ModelFacts::new(&tasks, dataset, identity);
        let mut dataset = dataset.to_device(device);
        let order = match &before {
            Some(before) => before.facts.input_order(),
            None if is_new => InputOrder::ByName,
            None => InputOrder::AsGiven,
        };
        let model = self.model(&tasks, &dataset, folder, device, &order)?;
        let names: Vec<&str> = dataset.train[0].inputs.iter().map(|(name, _)| name.as_str()).collect();
        let facts = ModelFacts { inputs: Some(model.inputs(&names)?), ..facts };
        let mut parameters = Parameters::flatten(&*model, device, precision, &self.model.freeze)?;
        if let Some(initial) = self.model.initial.as_ref().filter(|_| is_new) {
            initial.load(&mut parameters, folder)?;
        }
        let segments = segments(&parameters.layout(), &self.optimizer)?;
        let loader = Loader::new(std::mem::take(&mut dataset.train), self.loader(), dataset.preparation(), self.seed)?
            .with_augmentation(dataset.augmentation.take());
        self.schedule.check(total_steps(&self.train, loader.steps_per_epoch())).map_err(|bad| bad.under("schedule"))?;
        try_forward(&*model, &tasks, &dataset, &loader)?;
        let outside = Outside::new(&self.model, folder);
        if let Some(outside) = &outside {
            let rows = first_rows(loader.groups(), &dataset.preparation());
            outside.check_state(&rows, device, precision, order)?;
            warn_of_draws(&*model, &rows, outside.file())?;
        }
        let owners = ownership(&*model, &loader.probe(), &parameters)?;
        check_reached(outside.as_ref(), &tasks, &parameters, &owners)?;
        let sharing = Sharing::new(&*model, &parameters.spans, &owners, tasks.len(), &self.model.shared)?;
        self.check_shared(&sharing)?;
        self.check_representation(&*model, &loader)?;
        Ok(Assembly { tasks, dataset, facts, loader, model, parameters, sharing, segments })
    }

    /// Whether the model reads categories as indices.
    fn reads_indices(&self) -> bool {
        self.model.backbone.as_ref().is_some_and(|backbone| backbone.reads_indices())
    }

    /// What reads the inputs, as far as the model's settings tell.
    pub fn reader(&self) -> Reader {
        match &self.model.backbone {
            None | Some(BackboneKind::TorchScript(_)) => Reader::Outside,
            Some(backbone) if backbone.vocabulary().is_some() => Reader::Ids,
            Some(backbone) if backbone.reads_images() => Reader::Images,
            Some(backbone) if backbone.flattens() => Reader::Flat,
            Some(_) => Reader::Vectors,
        }
    }

    /// A model of ours that goes on training here.
    ///
    /// # Errors
    /// The file cannot be read, or does not fit the tasks.
    pub fn trained_before(&self, tasks: &mut [Task], folder: &Path) -> Result<Option<Before>> {
        let file = match (&self.model.torchscript, &self.model.initial) {
            (Some(file), _) => folder.join(file),
            (None, Some(initial)) => folder.join(initial.file()),
            (None, None) => return Ok(None),
        };
        let Some(facts) = super::facts(&file)? else { return Ok(None) };
        let place = file.display().to_string();
        let refit = self.data.refits();
        if refit {
            note(format!("note: means and deviations are those of these rows, not those of {place}"));
        }
        let initial = self.model.initial.as_ref().filter(|_| self.model.torchscript.is_none());
        let Some(initial) = initial else {
            let fitted = facts.adopt_to_train(tasks, &place, refit)?;
            return Ok(Some(Before { place, facts, fitted }));
        };
        let facts = initial.facts_taken(facts, &file)?;
        let mut fitted = facts.adopt_to_train(tasks, &place, refit)?;
        fitted.features = fitted.features.with_indices(self.reads_indices());
        Ok(Some(Before { place, facts, fitted }))
    }

    /// What differentiates the model that was built.
    ///
    /// # Errors
    /// `engine: dense` cannot serve it (path `engine`).
    pub fn engine<'a>(
        &self,
        tasks: &'a [Task],
        model: &'a dyn Model,
        parameters: &Parameters,
        sharing: &'a Sharing,
        loader: &Loader,
    ) -> Result<Box<dyn Engine + 'a>, BadSetting> {
        let autograd = || Box::new(Autograd::new(model, tasks, sharing));
        if self.engine == EngineChoice::Autograd {
            return Ok(autograd());
        }
        let options = DenseOptions { instructions: self.instructions.resolve()?, threads: self.threads as usize };
        match dense(model, tasks, parameters, sharing, loader.groups(), options) {
            Ok(engine) => Ok(engine),
            Err(_) if self.engine == EngineChoice::Auto => Ok(autograd()),
            Err(why) => Err(BadSetting::new("engine", format!("dense cannot serve here: {why}"))
                .remedy("write `engine: auto`, which takes autograd then")),
        }
    }

    fn model(
        &self,
        tasks: &[Task],
        dataset: &Dataset,
        folder: &Path,
        device: Device,
        order: &InputOrder,
    ) -> Result<Box<dyn Model>> {
        let widths: Vec<(String, i64)> = tasks.iter().map(|task| (task.name.clone(), task.form.width())).collect();
        let precision = self.precision.kind();
        if let Some(file) = &self.model.torchscript {
            let mut model = scripted(&folder.join(file), &widths, device, precision)?;
            model.order_inputs(order.clone());
            return Ok(Box::new(model));
        }
        if let Some(problem) = &self.model.objectives {
            let names = tasks.iter().map(|task| task.name.clone()).collect();
            return Ok(Box::new(Objectives::new(problem, names, precision, self.seed)));
        }
        let backbone = self.model.backbone.as_ref().ok_or_else(|| BadSetting::new("model", "has no backbone"))?;
        let plan = NetworkPlan {
            architecture: &self.model.architecture.clone().unwrap_or_default(),
            backbone: &backbone.below(folder),
            head: &self.model.head.clone().unwrap_or_default(),
            input: &dataset.train[0].inputs[0].1.size()[1..],
            levels: &dataset.features.levels(),
            ids: dataset.reads_ids(),
            outputs: &outputs(tasks, &dataset.train),
            precision,
            seed: self.seed,
        };
        Ok(Box::new(Network::new(&plan).map_err(|bad| bad.under("model"))?))
    }
}

/// What each task needs of a head, as its training labels show.
fn outputs(tasks: &[Task], train: &[Group]) -> Vec<Output> {
    let labels = |index: usize| {
        let targets = train.iter().flat_map(|group| group.tasks.iter().zip(&group.targets));
        targets.filter(|(task, _)| **task == index).map(|(_, target)| target.values.size()).next()
    };
    let output = |(index, task): (usize, &Task)| {
        let before = if matches!(task.form, Form::Classes(_)) { 1 } else { 2 }; // [N, …positions] or [N, C, …positions]
        let positions = labels(index).map_or(vec![], |shape| shape[before.min(shape.len())..].to_vec());
        Output { task: task.name.clone(), width: task.form.width(), positions }
    };
    tasks.iter().enumerate().map(output).collect()
}

/// Sends a row of each group through the model: a module from outside shows only so whether its outputs fit the tasks.
fn try_forward(model: &dyn Model, tasks: &[Task], dataset: &Dataset, loader: &Loader) -> Result<()> {
    let measured: Vec<Group> = loader.groups().iter().map(|group| group.narrow(0, 1)).collect();
    measure(model, tasks, dataset, &measured, 1).map(drop)
}

/// Loads a TorchScript module; one that a run wrote knows the names of its outputs and how inputs
/// find its arguments.
///
/// # Errors
/// The file is missing, damaged or no TorchScript.
pub fn scripted(file: &Path, widths: &[(String, i64)], device: Device, precision: Kind) -> Result<Scripted> {
    let mut model = Scripted::load(file, widths, device, precision)?;
    if let Some(text) = model.extra(metadata::FILE) {
        let metadata = Metadata::parse(&text, &file.display().to_string())?;
        model.name_outputs(metadata.outputs);
        model.order_inputs(metadata.facts.input_order());
    }
    Ok(model)
}
