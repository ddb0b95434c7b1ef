//! An experiment: YAML to checked parts. The only folder that knows every part.

mod assemble;
mod check;
mod fits;
mod initial;
mod outside;
mod same;
mod stored;

pub use assemble::{Assembly, Before, Beginning, Loaded, scripted};
pub use initial::{Initial, InitialPart, facts, of_checkpoint};
pub use outside::{first_rows, warn_of_draws};
pub use same::{Config, NEUTRAL, differences, is_among, is_place_of_data, whole_settings};
pub use stored::{VERSION, check_definitions, complete, definitions, read_file, value, with_defaults_of_run};

use crate::balance::MethodSettings;
use crate::data::{Data, LoaderSettings};
use crate::engine::{EngineChoice, InstructionsChoice};
use crate::error::BadSetting;
use crate::libtorch::DeviceChoice;
use crate::models::architectures::ArchitectureKind;
use crate::models::backbones::BackboneKind;
use crate::models::heads::HeadKind;
use crate::models::objectives::ProblemKind;
use crate::optim::{OptimizerKind, ScheduleKind};
use crate::tasks::{Task, TaskSettings};
use crate::trainer::{
    CheckpointSettings, EvaluateSettings, Plan, RecordSettings, SelectSettings, StopSettings, TrainSettings,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use tch::Kind;

/// A Polytask experiment: one model, one method, several tasks.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Experiment {
    /// The version of Polytask that stored this file. A setting that the file lacks is that version's default. Default: this
    /// version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub polytask: Option<String>,
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
    /// Threads inside one operation, at most: what is too small to gain takes one. Small models are fastest with one.
    #[serde(default = "one", with = "crate::settings::AtLeastOne")]
    pub threads: u64,
    /// What differentiates: `auto`, `autograd` (any model) or `dense` (linear layers and activations, by hand, much faster).
    #[serde(default)]
    pub engine: EngineChoice,
    /// The vector instructions of what is computed by hand: `auto`, `avx512`, `avx2` or `portable`. Large products choose for
    /// themselves.
    #[serde(default)]
    pub instructions: InstructionsChoice,
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
    /// What turns a task's features into its output. Default: `{name: linear}`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub head: Option<HeadKind>,
    /// A TorchScript file (scripted or traced) to train instead; its outputs are the tasks, by key or by position.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub torchscript: Option<PathBuf>,
    /// A toy problem instead: the parameter `x` is a point, the tasks are its objectives in order. Goes with
    /// `data: {name: none}` and tasks with `loss: {name: value}`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub objectives: Option<ProblemKind>,
    /// Initial weights: a TorchScript, safetensors or PyTorch `.pt` file with the model's parameter names, or a part of one,
    /// `{file: PATH, strip: "module.", rename: {encoder: shared_layers}, only: ["shared_layers.*"]}`. Where the file is a model
    /// that Polytask trained, rows are read as that model reads them: columns, categories and classes by name, with its means
    /// and deviations.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub initial: Option<Initial>,
    /// Parameters that count as shared for the methods: names or patterns such as `shared_layers.*`. Default: those that the
    /// outputs of two tasks or more reach (with one task, all but its head).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub shared: Vec<String>,
    /// Parameters that stand still: names or patterns such as `shared_layers.*`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub freeze: Vec<String>,
}

impl Experiment {
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
        let TrainSettings { batch_size, shuffle, drop_last, combine, accumulate, prefetch, .. } = &self.train;
        LoaderSettings {
            batch_size: *batch_size as i64,
            shuffle: *shuffle,
            drop_last: *drop_last,
            combine: *combine,
            accumulate: *accumulate as i64,
            batches: self.method.batches() as i64,
            prefetch: *prefetch,
        }
    }

    /// The same experiment with nothing left to chance: name, device, engine and absolute paths. Runnable as it is.
    #[must_use]
    pub fn resolved(&self, name: &str, device: DeviceChoice, engine: EngineChoice, folder: &Path) -> Self {
        let mut resolved = self.absolute(folder);
        resolved.polytask = Some(VERSION.to_string());
        resolved.name = Some(name.to_string());
        resolved.device = device;
        resolved.engine = engine;
        resolved.instructions = self.instructions.resolve().map_or(self.instructions, Into::into);
        if self.model.backbone.is_some() {
            resolved.model.architecture = Some(self.model.architecture.clone().unwrap_or_default());
            resolved.model.head = Some(self.model.head.clone().unwrap_or_default());
        }
        resolved
    }

    /// The same experiment with paths that do not depend on `folder`, from which they are seen here.
    #[must_use]
    pub fn absolute(&self, folder: &Path) -> Self {
        let absolute = |path: &PathBuf| std::path::absolute(folder.join(path)).unwrap_or_else(|_| folder.join(path));
        let mut moved = self.clone();
        moved.data = self.data.absolute(folder);
        moved.model.torchscript = self.model.torchscript.as_ref().map(absolute);
        moved.model.initial = self.model.initial.as_ref().map(|initial| initial.at(absolute(&initial.file().into())));
        moved.model.backbone = self.model.backbone.as_ref().map(|backbone| backbone.below(folder));
        moved
    }
}
