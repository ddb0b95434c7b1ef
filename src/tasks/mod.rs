//! A task: a name, labels, a loss, metrics.

mod losses;
mod metrics;

pub use losses::*;
pub use metrics::*;

use crate::error::BadSetting;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Tensor};

/// What a task's labels are. It fixes the width of the head and how an output is read.
///
/// A dense task has a label at every one of an input's positions (the `H`, `W` of an image, the `L` of a sequence). The
/// positions then stand last in every shape, as in PyTorch: outputs are `[N, width, …positions]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// One of so many classes: outputs `[N, classes, …positions]`, labels `[N, …positions]`.
    Classes(i64),
    /// So many yes-or-no columns: outputs and labels `[N, columns, …positions]`, an output is a logit.
    Binary(i64),
    /// So many real columns: outputs and labels `[N, columns, …positions]`.
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
    /// `[N]` int64 or `[N, …positions]` of any whole numbers for [`Form::Classes`] ([`NO_CLASS`] where there is no label),
    /// else `[N, columns, …positions]` in the run's precision (0 where there is no label).
    pub values: Tensor,
    /// In the run's precision: what each cell weighs, 0 where there is no label. The same shape as `values`; a mask that all
    /// columns of a dense task share may be `[N, 1, …positions]`.
    /// `None`: every cell weighs 1 and is labelled, save positions of [`NO_CLASS`]; rows of plain classes `[N]` all are.
    pub weights: Option<Tensor>,
}

impl Target {
    /// Whether they are labels of pixels: classes `[N, H, W]`, others `[N, columns, H, W]`.
    pub fn has_pixels(&self) -> bool {
        self.values.dim() == if self.is_classes() { 3 } else { 4 }
    }

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

    /// The number of labelled rows (a row of several cells counts when any of them is labelled).
    pub fn labelled_rows(&self) -> i64 {
        let labelled = match (&self.weights, self.labelled_positions()) {
            (None, None) => return self.values.size()[0],
            (Some(weights), None) => weights.gt(0.0),
            (None, Some(labelled)) => labelled,
            (Some(weights), Some(labelled)) => weights.gt(0.0).logical_and(&labelled),
        };
        let rows = if labelled.dim() == 1 { labelled } else { labelled.flatten(1, -1).any_dim(1, false) }; // [N]
        rows.sum(Kind::Int64).int64_value(&[])
    }

    /// Whether the labels are classes.
    fn is_classes(&self) -> bool {
        !self.values.is_floating_point() && self.values.kind() != Kind::Bool
    }

    /// Where the labels of dense classes are, `[N, …positions]` bool; `None` for all other labels, which their weights tell.
    fn labelled_positions(&self) -> Option<Tensor> {
        (self.is_classes() && self.values.dim() > 1).then(|| self.values.ne(NO_CLASS))
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
    /// From the label's own unit; `values` is `[N, columns, …positions]`.
    pub fn apply(&self, values: &Tensor) -> Tensor {
        (values - per_column(&self.mean, values)) / per_column(&self.scale, values)
    }

    /// Back to the label's own unit; `values` is `[N, columns, …positions]`, on any device. The result is in double precision
    /// and on the CPU (not every device has it): a mean far larger than the deviation would leave few digits of a single.
    pub fn undo(&self, values: &Tensor) -> Tensor {
        let values = values.detach().to_device(Device::Cpu).to_kind(Kind::Double);
        &values * per_column(&self.scale, &values) + per_column(&self.mean, &values)
    }
}

/// One number per column, on the device and in the kind of `values` `[N, columns, …positions]`: `[columns, 1, …]`, which
/// broadcasts against them.
fn per_column(numbers: &[f64], values: &Tensor) -> Tensor {
    let mut shape = vec![1; values.dim() - 1];
    shape[0] = numbers.len() as i64;
    Tensor::from_slice(numbers).view(&shape[..]).to_kind(values.kind()).to_device(values.device())
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
    /// For labels that one target holds as an array of several channels: how many, and so the width of the head. Surface
    /// normals have 3. Default: one per target.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "crate::settings::optional::AtLeastOne")]
    pub channels: Option<u64>,
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
        let columns = self.columns(&targets)?;
        self.loss.check(columns).map_err(|bad| bad.under("loss"))?;
        let form = self.loss.form(columns);
        if matches!(form, Form::Classes(_)) && targets.len() > 1 {
            return Err(BadSetting::new("target", format!("{} columns for {}", targets.len(), self.loss.name()))
                .remedy("name one column of classes, or use binary_cross_entropy for several yes-or-no columns"));
        }
        self.check_names_of_classes(form)?;
        if self.standardize && !(matches!(form, Form::Real(_)) && self.loss.has_unit()) {
            return Err(BadSetting::new(
                "standardize",
                format!("the labels of {} are no numbers to standardise", self.loss.name()),
            ));
        }
        self.check_metrics(form)?;
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

    /// The number of label columns, and so of the head's outputs where the labels are no classes.
    fn columns(&self, targets: &[String]) -> Result<i64, BadSetting> {
        match (targets.len(), self.channels) {
            (0, _) => Err(BadSetting::new("target", "names no column").remedy("name at least one column")),
            (columns, None) => Ok(columns as i64),
            (1, Some(_)) if matches!(self.loss.form(1), Form::Classes(_)) => {
                let what = format!("{} reads one class per position, not channels", self.loss.name());
                Err(BadSetting::new("channels", what).remedy("leave it out: loss.classes is the width of the head"))
            }
            (1, Some(channels)) => Ok(channels as i64),
            (columns, Some(_)) => Err(BadSetting::new("channels", format!("stands beside {columns} targets"))
                .remedy("leave it out, or name the one target that holds all channels")),
        }
    }

    fn check_names_of_classes(&self, form: Form) -> Result<(), BadSetting> {
        let Some(labels) = &self.labels else { return Ok(()) };
        if let Some(twice) = labels.iter().enumerate().find(|(at, label)| labels[..*at].contains(label)) {
            return Err(BadSetting::new(format!("labels[{}]", twice.0), format!("\"{}\" is there twice", twice.1)));
        }
        match form {
            Form::Classes(classes) if labels.len() as i64 == classes => Ok(()),
            Form::Classes(classes) => {
                Err(BadSetting::new("labels", format!("{} names for {classes} classes", labels.len())))
            }
            _ => Err(BadSetting::new("labels", format!("{} has no classes to name", self.loss.name()))),
        }
    }

    fn check_metrics(&self, form: Form) -> Result<(), BadSetting> {
        let Some(unfit) = self.metrics.iter().position(|metric| !metric.fits(form)) else { return Ok(()) };
        let metric = self.metrics[unfit];
        let allowed: Vec<&str> =
            MetricKind::ALL.iter().filter(|metric| metric.fits(form)).map(|metric| metric.name()).collect();
        let (name, loss, allowed) = (metric.name(), self.loss.name(), allowed.join(", "));
        let path = format!("metrics[{unfit}]");
        if matches!(form, Form::Real(_)) && metric.reads_directions() {
            let what = format!("{name} compares directions, and the task has 1 channel (allowed: {allowed})");
            return Err(BadSetting::new(path, what).remedy("write `channels: 3` where the target holds normals"));
        }
        Err(BadSetting::new(path, format!("{name} does not fit {loss} (allowed: {allowed})")))
    }
}

#[cfg(test)]
mod tests;
