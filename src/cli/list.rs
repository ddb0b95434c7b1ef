//! `polytask list` and `polytask schema`

use super::words::say;
use crate::balance::MethodSettings;
use crate::data::Data;
use crate::error::{Mistake, nearest};
use crate::experiment::{Experiment, ModelSettings};
use crate::manual;
use crate::methods::Method;
use crate::models::architectures::ArchitectureKind;
use crate::models::backbones::BackboneKind;
use crate::models::heads::HeadKind;
use crate::models::objectives::ProblemKind;
use crate::optim::{OptimizerKind, ScheduleKind};
use crate::registry::Entry;
use crate::sweep::Sweep;
use crate::tasks::{LossKind, MetricKind, TaskSettings};
use crate::trainer::{
    CheckpointSettings, EvaluateSettings, RecordSettings, SelectSettings, StopSettings, TrainSettings,
};
use anyhow::Result;
use clap::Args;
use schemars::schema_for;

/// Lists what a YAML can choose.
///
/// Without arguments: every kind of choice with its names. With a kind: its choices with a sentence each. With a kind
/// and a name: the manual page.
#[derive(Debug, Args)]
pub struct List {
    /// Such as method, optimizer, loss
    kind: Option<String>,
    /// Such as adam
    name: Option<String>,
}

/// Every table.
fn tables() -> Vec<(&'static str, Vec<Entry>)> {
    vec![
        ("data", Data::entries()),
        ("loss", LossKind::entries()),
        ("metric", metrics()),
        ("architecture", ArchitectureKind::entries()),
        ("backbone", BackboneKind::entries()),
        ("head", HeadKind::entries()),
        ("objectives", ProblemKind::entries()),
        ("method", Method::entries()),
        ("optimizer", OptimizerKind::entries()),
        ("schedule", ScheduleKind::entries()),
        ("section", sections()),
    ]
}

/// The sections of a YAML that are no choice.
fn sections() -> Vec<Entry> {
    vec![
        Entry { name: "experiment", schema: schema_for!(Experiment) },
        Entry { name: "tasks", schema: schema_for!(TaskSettings) },
        Entry { name: "model", schema: schema_for!(ModelSettings) },
        Entry { name: "train", schema: schema_for!(TrainSettings) },
        Entry { name: "evaluate", schema: schema_for!(EvaluateSettings) },
        Entry { name: "select", schema: schema_for!(SelectSettings) },
        Entry { name: "stop", schema: schema_for!(StopSettings) },
        Entry { name: "checkpoint", schema: schema_for!(CheckpointSettings) },
        Entry { name: "record", schema: schema_for!(RecordSettings) },
        Entry { name: "sweep", schema: schema_for!(Sweep) },
    ]
}

/// Metrics are plain names: their manual is the description of each.
fn metrics() -> Vec<Entry> {
    let described = schema_for!(MetricKind);
    let described = described.get("oneOf").and_then(|one| one.as_array()).cloned().unwrap_or_default();
    let entry = |metric: &MetricKind| {
        let schema = described.iter().find(|schema| schema["const"] == metric.name()).cloned();
        Entry { name: metric.name(), schema: schema.and_then(|s| s.try_into().ok()).unwrap_or_default() }
    };
    MetricKind::ALL.iter().map(entry).collect()
}

impl List {
    /// Prints the list or the page.
    pub fn run(&self) -> Result<()> {
        let tables = tables();
        let Some(kind) = &self.kind else {
            for (kind, entries) in &tables {
                say(manual::list(kind, entries))?;
            }
            return Ok(());
        };
        let kinds: Vec<&str> = tables.iter().map(|(kind, _)| *kind).collect();
        let singular = kind.strip_suffix('s').unwrap_or(kind);
        let found =
            tables.iter().find(|(name, _)| name == kind || *name == singular || (*name == "loss" && kind == "losses"));
        let Some((kind, entries)) = found else {
            // `polytask list train`: a section is found by its own name.
            return match sections().iter().find(|section| section.name == kind) {
                Some(section) => say(manual::page(section, None)),
                None => Err(unknown("list", kind, &kinds).into()),
            };
        };
        let Some(name) = &self.name else {
            say(manual::list(kind, entries))?;
            return Ok(());
        };
        let names: Vec<&str> = entries.iter().map(|entry| entry.name).collect();
        let entry = entries.iter().find(|entry| entry.name == name).ok_or_else(|| unknown(kind, name, &names))?;
        let shared = (*kind == "method").then(MethodSettings::common);
        say(manual::page(entry, shared.as_ref()))?;
        Ok(())
    }
}

fn unknown(place: &str, wrong: &str, allowed: &[&str]) -> Mistake {
    let mistake = Mistake::new(place, format!("there is no \"{wrong}\" (there are: {})", allowed.join(", ")));
    match nearest(wrong, allowed.iter().copied()) {
        Some(near) => mistake.remedy(format!("did you mean {near}?")),
        None => mistake,
    }
}

/// Prints the JSON Schema of an experiment, or of a sweep.
pub fn schema(of_sweep: bool) -> Result<()> {
    let schema = if of_sweep {
        manual::schema::<Sweep>("Polytask sweep", "polytask-sweep")
    } else {
        manual::schema::<Experiment>("Polytask experiment", "polytask-experiment")
    };
    say(serde_json::to_string_pretty(&schema)?)
}
