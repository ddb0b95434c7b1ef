//! A model that is asked: its module, and what its file says of inputs and outputs.

use super::inputs::{GivenRows, InputNames};
use crate::data::{Data, KnownInputs, UnlabelledRows};
use crate::error::Mistake;
use crate::experiment;
use crate::libtorch::{InputOrder, Inputs, Module, Outputs};
use crate::metadata::{self, Metadata, TaskFacts};
use crate::registry;
use crate::tasks::Form;
use anyhow::Result;
use serde_yaml::Value;
use std::path::Path;
use tch::{Device, Kind, Tensor, no_grad};

/// A TorchScript module in evaluation mode.
pub(super) struct Predictor {
    module: Module,
    metadata: Option<Metadata>,
    arguments: Inputs,
    /// The model's file.
    pub place: String,
}

impl Predictor {
    /// Loads the module of a file.
    ///
    /// # Errors
    /// It is missing or no TorchScript, or what Polytask wrote into it cannot be read.
    pub fn load(file: &Path, device: Device) -> Result<Self> {
        let module = Module::load(file, device)?;
        module.set_training(false)?;
        let place = file.display().to_string();
        let metadata = module.extra(metadata::FILE).map(|text| Metadata::parse(&text, &place)).transpose()?;
        let order = metadata.as_ref().map_or(InputOrder::ByName, |metadata| metadata.facts.input_order());
        let arguments = Inputs::new(&module, file, order);
        Ok(Self { module, metadata, arguments, place })
    }

    /// The rows of files, as this model reads them.
    ///
    /// # Errors
    /// Files that cannot be read, that are not for the model's inputs, or whose rows do not fit it.
    pub fn open(&self, given: &[GivenRows]) -> Result<UnlabelledRows> {
        let known = self.known_inputs()?;
        known.open(&self.names(&known).assign(given, &self.place)?)
    }

    fn known_inputs(&self) -> Result<KnownInputs, Mistake> {
        let parameters = self.module.parameters();
        let real = parameters.iter().map(|(_, tensor)| tensor).find(|tensor| tensor.is_floating_point());
        let precision = real.map_or(Kind::Float, Tensor::kind);
        let Some(metadata) = &self.metadata else {
            return Ok(KnownInputs { features: None, source: None, shapes: vec![], precision });
        };
        let features = metadata.facts.features.clone();
        if !features.columns.is_empty() {
            // The names of the columns tell all.
            return Ok(KnownInputs { features: Some(features), source: None, shapes: vec![], precision });
        }
        let source = source(metadata, &self.place)?;
        let shapes = metadata.facts.data.as_ref().map_or(vec![], |data| data.inputs.clone());
        Ok(KnownInputs { features: Some(features), source, shapes, precision })
    }

    fn names(&self, known: &KnownInputs) -> InputNames {
        if known.features.is_some() {
            return InputNames { required: known.names(), optional: vec![] };
        }
        let (optional, required): (Vec<_>, Vec<_>) =
            self.module.arguments().into_iter().partition(|argument| argument.has_default);
        let [required, optional] = [required, optional].map(|all| all.into_iter().map(|it| it.name).collect());
        InputNames { required, optional }
    }

    /// What the model gives for some rows, output by output, each with how it is read.
    ///
    /// # Errors
    /// The module refuses the rows, or gives other outputs than its file says.
    pub fn forward(&self, rows: &[(String, Tensor)]) -> Result<Vec<(TaskFacts, Tensor)>> {
        let outputs = no_grad(|| self.arguments.forward(&self.module, rows))?;
        if outputs.tensors.is_empty() {
            return Err(Mistake::new(&self.place, "gives no output").remedy("return at least one tensor").into());
        }
        let names = self.output_names(&outputs)?;
        let known = |name: &String| {
            let tasks = self.metadata.iter().flat_map(|metadata| &metadata.facts.tasks);
            tasks.into_iter().find(|task| task.name == *name).cloned()
        };
        let read = |(name, output): (String, Tensor)| (known(&name).unwrap_or_else(|| plain(&name, &output)), output);
        Ok(names.into_iter().zip(outputs.tensors).map(read).collect())
    }

    /// Outputs go by their dictionary keys, else by the names that the file gives them, else by
    /// position.
    fn output_names(&self, outputs: &Outputs) -> Result<Vec<String>, Mistake> {
        let count = outputs.tensors.len();
        match (&outputs.names, &self.metadata) {
            (Some(names), _) => Ok(names.clone()),
            (None, Some(metadata)) if metadata.outputs.len() == count => Ok(metadata.outputs.clone()),
            (None, Some(metadata)) => {
                let named = metadata.outputs.join(", ");
                let what = format!("gives {count} outputs, its {} names others ({named})", metadata::FILE);
                Err(Mistake::new(&self.place, what).remedy("export the model anew"))
            }
            (None, None) => Ok((0..count).map(|index| format!("output{index}")).collect()),
        }
    }
}

/// An output of which nothing is known but its shape.
fn plain(name: &str, output: &Tensor) -> TaskFacts {
    let width = if output.dim() < 2 { 1 } else { output.size()[1] };
    TaskFacts {
        name: name.to_string(),
        targets: vec![],
        form: if width > 1 { Form::Classes(width) } else { Form::Real(1) },
        labels: None,
        standardization: None,
    }
}

/// The settings of the data that a model was trained on; `None` where its file keeps none.
fn source(metadata: &Metadata, place: &str) -> Result<Option<Data>, Mistake> {
    let refuse = |error: serde_yaml::Error| {
        let bad = registry::unpack(&error.to_string());
        let what = format!("its settings of `data`, stored by Polytask {}, cannot be read: {bad}", metadata.polytask);
        Mistake::new(place, what).remedy("use the version of Polytask that wrote the model")
    };
    let config: Value = serde_yaml::from_str(&metadata.config).map_err(refuse)?;
    if config.get("data").is_none() {
        return Ok(None);
    }
    let whole = experiment::complete(&config, Path::new(place))?;
    whole.get("data").map(|data| serde_yaml::from_value(data.clone()).map_err(refuse)).transpose()
}
