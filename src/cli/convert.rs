//! `polytask export` and `polytask inspect`

use super::model::model_file;
use super::words::say;
use crate::error::{Mistake, note};
use crate::inspect::inspect;
use crate::libtorch::{Module, write_state_dict};
use crate::run;
use crate::tensor_file::{self, misfits};
use anyhow::Result;
use clap::{Args, ValueEnum};
use serde_json::json;
use std::path::{Path, PathBuf};
use tch::{Device, Tensor, no_grad};

/// How weights are written.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    /// A module that torch.jit.load reads
    Torchscript,
    /// A dictionary that torch.load(weights_only=True) reads
    StateDict,
    /// What safetensors.torch.load_file reads
    Safetensors,
}

/// Writes a run's weights as TorchScript, state_dict or safetensors.
#[derive(Debug, Args)]
pub struct Export {
    /// A run's folder
    run: PathBuf,
    /// The file to write
    #[arg(long, short, value_name = "FILE")]
    out: PathBuf,
    /// How to write it
    #[arg(long, value_enum, default_value = "torchscript")]
    format: Format,
    /// Which weights: best or last
    #[arg(long, default_value = "best", value_parser = ["best", "last"])]
    checkpoint: String,
}

impl Export {
    /// Writes the file.
    pub fn run(&self) -> Result<()> {
        let file = run::checkpoint(&self.run, &self.checkpoint);
        let weights = run::weights(&self.run, &self.checkpoint)?;
        if run::is_finished(&self.run) {
            check_fit(&weights, &Module::load(&self.run.join(run::MODEL), Device::Cpu)?, &file)?;
        }
        match self.format {
            Format::StateDict => write_state_dict(&weights, &self.out)?,
            Format::Safetensors => match tensor_file::facts(&file)?.and_then(|facts| facts.get("model").cloned()) {
                Some(model) => tensor_file::write(&self.out, &weights, &json!({"kind": "weights", "model": model}))?,
                None => tensor_file::write_plain(&self.out, &weights)?,
            },
            Format::Torchscript => {
                let model = model_file(&self.run)?;
                let module = Module::load(&model, Device::Cpu)?;
                let own = module.parameters().into_iter().chain(module.buffers());
                for (name, mut tensor) in own {
                    let value = weights.iter().find(|(n, t)| *n == name && t.size() == tensor.size());
                    let Some((_, value)) = value else {
                        return Err(Mistake::new(file.display(), format!("has no {name} for {}", model.display()))
                            .remedy("train the run to its end: model.pt is written then")
                            .into());
                    };
                    no_grad(|| tensor.copy_(value));
                }
                let extra = crate::metadata::FILE;
                let metadata = module.extra(extra).unwrap_or_default();
                module.save(&self.out, &[(extra, &metadata)])?;
            }
        }
        note(format!("{} weights written to {}", self.checkpoint, self.out.display()));
        Ok(())
    }
}

/// Refuses weights that are not those of the run's model, name by name.
fn check_fit(weights: &[(String, Tensor)], model: &Module, file: &Path) -> Result<()> {
    let own: Vec<(String, Tensor)> = model.parameters().into_iter().chain(model.buffers()).collect();
    let faults = misfits(weights, &own);
    if faults.is_empty() {
        return Ok(());
    }
    let what = format!("does not fit the run's {}: {}", run::MODEL, faults.join("; "));
    Err(Mistake::new(file.display(), what)
        .remedy("bring back the file that the run wrote, or export the run's other checkpoint")
        .into())
}

/// Tells what a TorchScript, safetensors or PyTorch .pt file holds.
#[derive(Debug, Args)]
pub struct Inspect {
    /// The file
    file: PathBuf,
}

impl Inspect {
    /// Prints what it holds.
    pub fn run(&self) -> Result<()> {
        say(inspect(&self.file)?)
    }
}
