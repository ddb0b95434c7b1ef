//! A model from outside: a TorchScript module, made by Polytask or by Python, whose outputs fit the tasks.

use super::{Mode, Model, Node};
use crate::error::{Mistake, nearest};
use crate::libtorch::{InputOrder, Inputs, Module};
use anyhow::Result;
use std::path::{Path, PathBuf};
use tch::{Device, Kind, Tensor};

/// A TorchScript module, the argument of each input and the place of each task among its outputs.
pub struct Scripted {
    module: Module,
    inputs: Inputs,
    outputs: Option<Vec<String>>,
    file: PathBuf,
    tasks: Vec<(String, i64)>,
}

impl Scripted {
    /// Loads `file`; inputs go to its arguments by name, outputs to the tasks (name, width) by
    /// dictionary key, else by position.
    ///
    /// # Errors
    /// The file is missing, damaged or no TorchScript.
    pub fn load(file: &Path, tasks: &[(String, i64)], device: Device, precision: Kind) -> Result<Self> {
        let module = Module::load(file, device)?;
        module.to(device, precision)?;
        let inputs = Inputs::new(&module, file, InputOrder::ByName);
        Ok(Self { module, inputs, outputs: None, file: file.to_path_buf(), tasks: tasks.to_vec() })
    }

    /// Says how several inputs find their arguments.
    pub fn order_inputs(&mut self, order: InputOrder) {
        self.inputs = Inputs::new(&self.module, &self.file, order);
    }

    /// Names the outputs of a module that gives them by position, so that they go to the tasks by name.
    pub fn name_outputs(&mut self, names: Vec<String>) {
        self.outputs = Some(names);
    }

    /// A text that was stored beside the module.
    pub fn extra(&self, name: &str) -> Option<String> {
        self.module.extra(name)
    }

    /// The position among the outputs of the task called `name`.
    fn position(&self, names: &Option<Vec<String>>, count: usize, task: usize) -> Result<usize> {
        let name = &self.tasks[task].0;
        let wrong = |what: String, remedy: String| Mistake::new(self.file.display(), what).remedy(remedy);
        let known = self.outputs.as_ref().filter(|known| known.len() == count);
        let Some(names) = names.as_ref().or(known) else {
            return if count == self.tasks.len() {
                Ok(task)
            } else {
                Err(wrong(
                    format!("the module has {count} outputs, the experiment has {} tasks", self.tasks.len()),
                    "list as many tasks as outputs, in their order".into(),
                )
                .into())
            };
        };
        names.iter().position(|n| n == name).ok_or_else(|| {
            let near = nearest(name, names.iter().map(String::as_str));
            wrong(
                format!("no output is called {name} (outputs: {})", names.join(", ")),
                near.map_or("call the tasks as the outputs".into(), |near| format!("did you mean {near}?")),
            )
            .into()
        })
    }
}

impl Model for Scripted {
    fn forward(&self, inputs: &[(String, Tensor)], tasks: &[usize], mode: Mode) -> Result<Vec<Tensor>> {
        self.module.set_training(mode != Mode::Evaluate)?;
        let outputs = self.inputs.forward(&self.module, inputs)?;
        let pick = |&task: &usize| {
            let output = &outputs.tensors[self.position(&outputs.names, outputs.tensors.len(), task)?];
            let (name, width) = &self.tasks[task];
            // A binary or regression output may come as [N].
            let output = if output.dim() == 1 && *width == 1 { output.unsqueeze(1) } else { output.shallow_clone() };
            if output.dim() < 2 || output.size()[1] != *width {
                return Err(Mistake::new(
                    self.file.display(),
                    format!("the output for {name} has shape {:?}, the task needs [N, {width}, …]", output.size()),
                )
                .remedy("make the task's loss fit the output (classes, number of target columns)")
                .into());
            }
            Ok(output)
        };
        tasks.iter().map(pick).collect()
    }

    fn parameters(&self) -> Vec<(String, Tensor)> {
        self.module.parameters()
    }

    fn buffers(&self) -> Vec<(String, Tensor)> {
        self.module.buffers()
    }

    fn inputs(&self, names: &[&str]) -> Result<Vec<String>> {
        Ok(self.inputs.in_order(names)?)
    }

    fn outputs(&self) -> Vec<String> {
        self.outputs.clone().unwrap_or_else(|| self.tasks.iter().map(|(name, _)| name.clone()).collect())
    }

    fn draws_globally(&self) -> bool {
        true
    }

    fn graph(&self) -> Vec<Node> {
        let module = Node {
            name: "module".into(),
            operation: "TorchScript".into(),
            inputs: vec!["input".into()],
            shape: vec![-1],
        };
        let heads = self.tasks.iter().map(|(name, width)| Node {
            name: format!("heads/{name}/output"),
            operation: "Output".into(),
            inputs: vec!["module".into()],
            shape: vec![-1, *width],
        });
        std::iter::once(module).chain(heads).collect()
    }

    fn save(&self, path: &Path, extra: &[(&str, &str)]) -> Result<()> {
        self.module.save(path, extra)
    }
}
