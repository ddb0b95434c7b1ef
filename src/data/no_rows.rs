//! No data: empty rows for a model that reads nothing.

use super::{Data, Dataset, Features, Group, Raw, Request, Source};
use crate::error::BadSetting;
use crate::tasks::{Form, Target, Task};
use anyhow::Result;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::Path;
use tch::Tensor;

/// No data: rows without columns and labels, for a model whose outputs depend on its parameters alone.
///
/// Every task needs the loss `value`. There is nothing to validate on: a run ends with its last parameters.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct NoRows {
    /// Empty rows. They only make the length of an epoch: with `train.batch_size: 1` its number of steps.
    #[serde(with = "crate::settings::AtLeastOne")]
    pub rows: u64,
}

impl Default for NoRows {
    fn default() -> Self {
        Self { rows: 1000 }
    }
}

impl Source for NoRows {
    fn load(&self, request: &Request) -> Result<Dataset> {
        for (index, task) in request.tasks.iter().enumerate() {
            check(task).map_err(|bad| bad.under(&format!("tasks[{index}]")))?;
        }
        let rows = self.rows as i64;
        let zeros = |columns: i64| Tensor::zeros([rows, columns], (request.precision, tch::Device::Cpu));
        let target = |task: &Task| Target { values: zeros(task.form.width()), weights: None };
        let group = Group {
            inputs: vec![("x".into(), zeros(0))],
            tasks: (0..request.tasks.len()).collect(),
            targets: request.tasks.iter().map(target).collect(),
        };
        let raw = Raw {
            train: vec![group],
            validation: None,
            test: None,
            features: Features::default(),
            standardizations: request.tasks.iter().map(|_| None).collect(),
            augmentation: None,
            own_inputs: false,
        };
        Ok(raw.finish(request))
    }

    fn draw_seed(&self, _seed: u64) -> Option<u64> {
        None
    }

    fn refits(&self) -> bool {
        false
    }

    fn absolute(&self, _folder: &Path) -> Data {
        Data::NoRows(self.clone())
    }
}

/// A task without labels has nothing but its loss.
fn check(task: &Task) -> Result<(), BadSetting> {
    let refuse = |key: &str, what: String| {
        Err(BadSetting::new(key, format!("{what}, and data none has none"))
            .remedy("leave it out, or give rows in `data`"))
    };
    if task.loss.reads_labels() {
        let what = format!("{} reads labels, and data none has none", task.loss.name());
        return Err(BadSetting::new("loss", what).remedy("write `loss: {name: value}`, or give rows in `data`"));
    }
    if task.targets != [task.name.as_str()] || task.form != Form::Real(1) {
        return refuse("target", format!("{} names columns of labels", task.targets.join(", ")));
    }
    if task.standardize {
        return refuse("standardize", "true standardises labels".into());
    }
    match task.metrics.first() {
        Some(metric) => refuse("metrics[0]", format!("{} compares with labels", metric.name())),
        None => Ok(()),
    }
}
