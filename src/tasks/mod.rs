//! A task: a name, labels, a loss, metrics.

mod losses;
mod metrics;

pub use losses::*;
pub use metrics::*;

use crate::error::BadSetting;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

/// What a task's labels are. It fixes the width of the head and how an output is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// One of so many classes: outputs `[N, classes]`, labels `[N]` (int64).
    Classes(i64),
    /// So many yes-or-no columns: outputs and labels `[N, columns]`, an output is a logit.
    Binary(i64),
    /// So many real columns: outputs and labels `[N, columns]`.
    Real(i64),
}

impl Form {
    /// The width of an output, and so of the head.
    pub fn width(self) -> i64 {
        match self {
            Form::Classes(width) | Form::Binary(width) | Form::Real(width) => width,
        }
    }
}

/// The class that stands for "no label", as PyTorch's `ignore_index`.
pub const NO_CLASS: i64 = -100;

/// A task's labels for some rows.
#[derive(Debug)]
pub struct Target {
    /// `[N]` int64 for [`Form::Classes`] ([`NO_CLASS`] where there is no label), else `[N, columns]` in the run's precision
    /// (0 where there is no label).
    pub values: Tensor,
    /// The same shape as `values`, in the run's precision: the row's weight, 0 where there is no label.
    /// `None`: every cell is labelled and weighs 1.
    pub weights: Option<Tensor>,
}

impl Target {
    /// The labels of `length` rows from row `start` on, as views.
    pub fn narrow(&self, start: i64, length: i64) -> Self {
        Self {
            values: self.values.narrow(0, start, length),
            weights: self.weights.as_ref().map(|w| w.narrow(0, start, length)),
        }
    }

    /// The labels of the rows that `index` `[M]` (int64) names, copied.
    pub fn gather(&self, index: &Tensor) -> Self {
        Self {
            values: self.values.index_select(0, index),
            weights: self.weights.as_ref().map(|w| w.index_select(0, index)),
        }
    }

    /// Moved to `device`; a no-op where it is there already.
    pub fn to_device(&self, device: tch::Device) -> Self {
        Self { values: self.values.to_device(device), weights: self.weights.as_ref().map(|w| w.to_device(device)) }
    }

    /// The number of labelled rows (a row of several columns counts when any of its cells is labelled).
    pub fn labelled_rows(&self) -> i64 {
        match &self.weights {
            None => self.values.size()[0],
            Some(weights) if weights.dim() == 1 => weights.gt(0.0).sum(Kind::Int64).int64_value(&[]),
            Some(weights) => weights.gt(0.0).any_dim(1, false).sum(Kind::Int64).int64_value(&[]),
        }
    }
}

/// How a regression target was standardised: `standardised = (raw - mean) / scale`, per column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Standardization {
    /// Per column.
    pub mean: Vec<f64>,
    /// Per column, above zero.
    pub scale: Vec<f64>,
}

impl Standardization {
    /// Back to the label's own unit; `values` is `[N, columns]`.
    pub fn undo(&self, values: &Tensor) -> Tensor {
        let like = |numbers: &[f64]| Tensor::from_slice(numbers).to_kind(values.kind()).to_device(values.device());
        values * like(&self.scale) + like(&self.mean)
    }
}

/// A task as YAML writes it.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TaskSettings {
    /// The task's name, `[A-Za-z][A-Za-z0-9_]*`; `total` is taken. Its head is called `NAME_layer`.
    pub name: String,
    /// The column, or columns, that hold its labels. Default: the column called as the task. An empty cell is no label.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "crate::settings::one_or_many")]
    #[schemars(with = "Option<crate::settings::OneOrMany>")]
    pub target: Option<Vec<String>>,
    /// For cross_entropy: the cell texts of class 0, 1, …, where the column holds names instead of class numbers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub labels: Option<Vec<String>>,
    /// For mse, l1 and huber: train on labels of mean 0 and standard deviation 1 (of the training rows); metrics and
    /// predictions are in the label's own unit.
    #[serde(default)]
    pub standardize: bool,
    /// What the head is trained on.
    pub loss: LossKind,
    /// What is measured on whole splits, next to the loss.
    #[serde(default)]
    pub metrics: Vec<MetricKind>,
}

/// A checked task.
#[derive(Debug, Clone)]
pub struct Task {
    /// As in YAML.
    pub name: String,
    /// The label columns.
    pub targets: Vec<String>,
    /// Names of the classes, if the column holds names.
    pub labels: Option<Vec<String>>,
    /// Whether regression labels are standardised.
    pub standardize: bool,
    /// What its labels are.
    pub form: Form,
    /// What it is trained on.
    pub loss: LossKind,
    /// What is measured.
    pub metrics: Vec<MetricKind>,
}

impl TaskSettings {
    /// The task, checked.
    ///
    /// # Errors
    /// A name that is taken or no name; a loss, labels or metrics that do not fit. Paths are relative to the task.
    pub fn checked(&self) -> Result<Task, BadSetting> {
        let name = &self.name;
        let mut letters = name.chars();
        let good = letters.next().is_some_and(|c| c.is_ascii_alphabetic())
            && letters.all(|c| c.is_ascii_alphanumeric() || c == '_');
        if !good {
            return Err(BadSetting::new("name", format!("\"{name}\" is no name"))
                .remedy("use letters, digits and _, a letter first"));
        }
        if name == "total" {
            return Err(BadSetting::new("name", "\"total\" is taken: the sum of the losses is recorded under it"));
        }
        let targets = self.target.clone().unwrap_or_else(|| vec![name.clone()]);
        if targets.is_empty() {
            return Err(BadSetting::new("target", "names no column").remedy("name at least one column"));
        }
        self.loss.check(targets.len() as i64).map_err(|bad| bad.under("loss"))?;
        let form = self.loss.form(targets.len() as i64);
        if matches!(form, Form::Classes(_)) && targets.len() > 1 {
            return Err(BadSetting::new("target", format!("{} columns for {}", targets.len(), self.loss.name()))
                .remedy("name one column of classes, or use binary_cross_entropy for several yes-or-no columns"));
        }
        if let Some(labels) = &self.labels {
            if let Some(twice) = labels.iter().enumerate().find(|(at, label)| labels[..*at].contains(label)) {
                return Err(BadSetting::new(format!("labels[{}]", twice.0), format!("\"{}\" is there twice", twice.1)));
            }
            match form {
                Form::Classes(classes) if labels.len() as i64 == classes => {}
                Form::Classes(classes) => {
                    return Err(BadSetting::new("labels", format!("{} names for {classes} classes", labels.len())));
                }
                _ => return Err(BadSetting::new("labels", format!("{} has no classes to name", self.loss.name()))),
            }
        }
        if self.standardize && !matches!(form, Form::Real(_)) {
            return Err(BadSetting::new(
                "standardize",
                format!("the labels of {} are no numbers to standardise", self.loss.name()),
            ));
        }
        if let Some(unfit) = self.metrics.iter().position(|metric| !metric.fits(form)) {
            let allowed: Vec<&str> =
                MetricKind::ALL.iter().filter(|metric| metric.fits(form)).map(|metric| metric.name()).collect();
            return Err(BadSetting::new(
                format!("metrics[{unfit}]"),
                format!(
                    "{} does not fit {} (allowed: {})",
                    self.metrics[unfit].name(),
                    self.loss.name(),
                    allowed.join(", ")
                ),
            ));
        }
        Ok(Task {
            name: name.clone(),
            targets,
            labels: self.labels.clone(),
            standardize: self.standardize,
            form,
            loss: self.loss.clone(),
            metrics: self.metrics.clone(),
        })
    }
}
