//! Any Python module as a backbone.

use super::{Backbone, BackboneKind, Chain, whole};
use crate::error::{BadSetting, Mistake};
use crate::libtorch::Module;
use crate::models::Builder;
use crate::models::layers::ScriptedLayer;
use anyhow::Result;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use tch::{Device, Tensor, no_grad};

/// A TorchScript module (scripted or traced in Python) of one input `[N, …]` and one output `[N, …]`.
///
/// Its parameters and buffers are the model's, called `module.…`, and it is part of the exported model. Every tower is a copy
/// that starts with the file's weights. It is one stage. What Python froze stays frozen.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TorchScript {
    /// What `torch.jit.save` wrote. Relative paths start at the folder of the YAML.
    pub file: PathBuf,
}

impl Backbone for TorchScript {
    fn build(&self, builder: &Builder, input: &[i64]) -> Result<Chain, BadSetting> {
        let bad = |error: anyhow::Error| {
            let bad = BadSetting::new("file", error.to_string());
            match error.downcast::<Mistake>() {
                Ok(Mistake { remedy: Some(remedy), .. }) => bad.remedy(remedy),
                _ => bad.remedy("give a module that reads rows of this data, one tensor to one tensor"),
            }
        };
        let load = || -> Result<Module> {
            let module = Module::load(&self.file, Device::Cpu)?;
            module.to(Device::Cpu, builder.kind())?;
            Ok(module)
        };
        // A trial in training mode moves statistics: another copy takes it.
        let trial = load().map_err(bad)?;
        trial.set_training(true).map_err(bad)?;
        self.output(&trial, builder, input, 2).map_err(bad)?;
        let module = load().map_err(bad)?;
        module.set_training(false).map_err(bad)?;
        let output = self.output(&module, builder, input, 1).map_err(bad)?;
        if self.output(&module, builder, input, 3).map_err(bad)? != output {
            let what = format!("{} gives outputs of other shapes for more rows", self.file.display());
            return Err(BadSetting::new("file", what).remedy("give a module that reads each row alone"));
        }
        for (name, tensor) in module.parameters() {
            builder.at("module").adopt(&name, tensor);
        }
        for (name, tensor) in module.buffers() {
            builder.at("module").adopt(&name, tensor.set_requires_grad(false));
        }
        Ok(Chain { stages: vec![vec![("module".into(), Box::new(ScriptedLayer { module, output }))]] })
    }

    fn absolute(&self, folder: &Path) -> Option<BackboneKind> {
        Some(BackboneKind::TorchScript(Self { file: whole(folder, &self.file) }))
    }
}

impl TorchScript {
    /// The shape of a row that comes out when so many rows of zeros go in.
    fn output(&self, module: &Module, builder: &Builder, input: &[i64], rows: i64) -> Result<Vec<i64>> {
        let x = Tensor::zeros([&[rows], input].concat(), (builder.input_kind(), Device::Cpu));
        let outputs = no_grad(|| module.forward(&[x]))?;
        let wrong = |what: String| {
            Mistake::new(self.file.display(), what).remedy("give a module of one output [rows, …features]")
        };
        let [output] = outputs.tensors.as_slice() else {
            return Err(wrong(format!("the module gives {} outputs", outputs.tensors.len())).into());
        };
        let size = output.size();
        if size.len() < 2 || size.len() > 4 || size[0] != rows || output.numel() == 0 || output.kind() != builder.kind()
        {
            let what = format!("{rows} rows of shape {input:?} come out as {size:?} of {:?}", output.kind());
            return Err(wrong(what).into());
        }
        Ok(size[1..].to_vec())
    }
}
