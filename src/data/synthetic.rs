//! Data drawn at random from related teachers.
//!
//! The draws are the same on every machine, up to the last bit of a rare logarithm in the normal distribution's tail.

use super::{Column, Data, Dataset, Features, Group, Raw, Request, Source};
use crate::error::{BadSetting, Mistake};
use crate::random::generator;
use crate::tasks::{Form, NO_CLASS, Standardization, Target, Task};
use anyhow::Result;
use rand::RngExt;
use rand_distr::{Distribution, StandardNormal};
use schemars::JsonSchema;
use serde::de::{Deserializer, Error};
use serde::{Deserialize, Serialize};
use std::path::Path;
use tch::Tensor;

mod teachers;

use teachers::Teachers;

/// Data drawn at random, with a known relation between the tasks.
///
/// Inputs are x ~ N(0, 1). Each task has a random teacher `√|correlation| · shared ± √(1-|correlation|) · own`, of mean 0
/// and variance about 1; shared and own are a linear function plus a small network, so that a hidden layer helps. The
/// teacher's sign (binary labels, two classes), the highest of several teachers (more classes) or its value (real labels)
/// is the label. Splits are drawn independently of each other; a longer split begins with the rows of a shorter one.
/// Everything is drawn in double precision.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Synthetic {
    /// The number of input columns, called x0, x1, …
    #[serde(with = "crate::settings::AtLeastOne")]
    pub features: u64,
    /// Training rows.
    #[serde(with = "crate::settings::AtLeastOne")]
    pub train: u64,
    /// Validation rows; 0: no such split.
    #[serde(with = "crate::settings::Count")]
    pub validation: u64,
    /// Test rows; 0: no such split.
    #[serde(with = "crate::settings::Count")]
    pub test: u64,
    /// How related the tasks are, from -1 to 1: the cosine between the linear parts of two tasks' teachers (exactly where
    /// there are more features than tasks, else in expectation), and in expectation the correlation of the teachers. Below
    /// 0, tasks alternate: neighbours have this cosine, tasks two apart have its opposite.
    #[serde(deserialize_with = "from_minus_one_to_one")]
    pub correlation: f64,
    /// Classes and binary labels: the probability that a label is replaced by another one. Real labels: the standard
    /// deviation of what is added. In every split.
    #[serde(with = "crate::settings::NonNegative")]
    pub label_noise: f64,
    /// The unit of each task's real labels, noise included, in the order of `tasks`: its teacher's values times this. Unequal
    /// units make unequal losses and gradients. Default: 1 for every task.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub units: Option<Vec<f64>>,
    /// The share of the training labels that is dropped at random, cell by cell. Validation and test keep all of theirs,
    /// so that what is measured stays exact.
    #[serde(with = "crate::settings::BelowOne")]
    pub missing: f64,
    /// Draws the data. Default: the run's seed; give one to train on the same data from several seeds.
    pub seed: Option<u64>,
    /// Take means and deviations from these rows also where the model was trained before (`model.initial`,
    /// `model.torchscript`); columns, categories and classes keep its order. Default: it goes on with its own.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub refit: bool,
}

impl Default for Synthetic {
    fn default() -> Self {
        Self {
            features: 10,
            train: 6400,
            validation: 1600,
            test: 1600,
            correlation: 0.5,
            label_noise: 0.0,
            units: None,
            missing: 0.0,
            seed: None,
            refit: false,
        }
    }
}

impl Source for Synthetic {
    fn load(&self, request: &Request) -> Result<Dataset> {
        self.check(request.tasks)?;
        let seed = request.draw_seed(self.seed);
        let teachers = Teachers::new(self.features as usize, self.correlation, request.tasks, seed);
        let draw = |split: u64, rows: u64| (rows > 0).then(|| self.draw(&teachers, request.tasks, seed, split, rows));
        let train = self.draw(&teachers, request.tasks, seed, 0, self.train);

        let features = match request.statistics() {
            Some(fitted) => {
                self.check_fitted(&fitted.features)?;
                fitted.features.clone()
            }
            None => self.plain_features(),
        };
        let standardizations = request.standardizations(|| anyhow::Ok(fit(&train, request.tasks)))?;
        if let Some(task) = train.labels.iter().position(|labels| !labels.known.contains(&true)) {
            let what = format!("{} leaves no training label of {}", self.missing, request.tasks[task].name);
            return Err(BadSetting::new("data.missing", what).remedy("lower it or raise data.train").into());
        }
        let group = |rows: Rows| vec![rows.group(request, &features)];
        let (validation, test) = (draw(1, self.validation).map(group), draw(2, self.test).map(group));
        let train = group(train);
        Ok(Raw { train, validation, test, features, standardizations, augmentation: None, own_inputs: false }
            .finish(request))
    }

    fn draw_seed(&self, seed: u64) -> Option<u64> {
        Some(self.seed.unwrap_or(seed))
    }

    fn refits(&self) -> bool {
        self.refit
    }

    fn absolute(&self, _folder: &Path) -> Data {
        Data::Synthetic(self.clone())
    }
}

impl Synthetic {
    fn check(&self, tasks: &[Task]) -> Result<(), BadSetting> {
        if let Some(units) = &self.units {
            if units.len() != tasks.len() {
                let what = format!("{} units for {} tasks", units.len(), tasks.len());
                return Err(BadSetting::new("data.units", what).remedy("give one per task, in the order of `tasks`"));
            }
            for (at, (unit, task)) in units.iter().zip(tasks).enumerate() {
                let real = matches!(task.form, Form::Real(_));
                if !(*unit > 0.0 && unit.is_finite()) || (!real && *unit != 1.0) {
                    let expected = if real { "a number above 0" } else { "1: its labels are no real numbers" };
                    let what = format!("{unit} for {}, expected {expected}", task.name);
                    return Err(BadSetting::new(format!("data.units[{at}]"), what));
                }
            }
        }
        let replaced = tasks.iter().find(|task| !matches!(task.form, Form::Real(_)));
        match replaced {
            Some(task) if self.label_noise > 1.0 => {
                let what =
                    format!("invalid value: {}, expected a probability for task {}", self.label_noise, task.name);
                Err(BadSetting::new("data.label_noise", what).remedy("give a number from 0 to 1"))
            }
            _ => Ok(()),
        }
    }

    fn check_fitted(&self, features: &Features) -> Result<(), Mistake> {
        let remedy = "use the data that the model was trained on";
        let names = |features: &Features| features.columns.iter().map(described).collect::<Vec<_>>().join(", ");
        let (theirs, ours) = (names(features), names(&self.plain_features()));
        if theirs != ours {
            return Err(Mistake::new("data", format!("the model reads {theirs}; the data has {ours}")).remedy(remedy));
        }
        Ok(())
    }

    fn plain_features(&self) -> Features {
        let column = |index| Column::Numeric { name: format!("x{index}"), mean: 0.0, scale: 1.0, missing: None };
        Features { columns: (0..self.features).map(column).collect(), ..Features::default() }
    }

    fn draw(&self, teachers: &Teachers, tasks: &[Task], seed: u64, split: u64, rows: u64) -> Rows {
        let mut inputs = generator(seed, "synthetic.inputs", split, 0);
        let count = (rows * self.features) as usize;
        let inputs: Vec<f64> = StandardNormal.sample_iter(&mut inputs).take(count).collect();
        let mut labels: Vec<Labels> = tasks.iter().map(|_| Labels::default()).collect();
        let mut noise: Vec<_> =
            (0..tasks.len()).map(|task| generator(seed, "synthetic.noise", split, task as u64)).collect();
        let mut missing: Vec<_> =
            (0..tasks.len()).map(|task| generator(seed, "synthetic.missing", split, task as u64)).collect();
        for row in inputs.chunks_exact(self.features as usize) {
            for (task, outputs) in teachers.outputs(row).into_iter().enumerate() {
                let clean = clean_labels(tasks[task].form, &outputs);
                let unit = self.units.as_ref().map_or(1.0, |units| units[task]);
                for label in clean {
                    labels[task].values.push(unit * self.noisy(tasks[task].form, label, &mut noise[task]));
                    let drawn = missing[task].random::<f64>();
                    labels[task].known.push(split > 0 || drawn >= self.missing);
                }
            }
        }
        Rows { count: rows as i64, inputs, labels }
    }

    /// Draws as much whatever the settings are, so that more noise changes more of the same labels.
    fn noisy(&self, form: Form, label: f64, random: &mut impl rand::Rng) -> f64 {
        if let Form::Real(_) = form {
            let draw: f64 = StandardNormal.sample(random);
            return label + self.label_noise * draw;
        }
        let classes = if let Form::Classes(classes) = form { classes } else { 2 };
        let (replace, by) = (random.random::<f64>() < self.label_noise, random.random_range(1..classes));
        if replace { ((label as i64 + by) % classes) as f64 } else { label }
    }
}

/// A split as drawn.
struct Rows {
    count: i64,
    /// `[rows, features]`
    inputs: Vec<f64>,
    /// Per task.
    labels: Vec<Labels>,
}

/// A task's labels, row by row.
#[derive(Default)]
struct Labels {
    values: Vec<f64>,
    known: Vec<bool>,
}

impl Rows {
    fn group(&self, request: &Request, features: &Features) -> Group {
        let number = |(index, raw): (usize, &f64)| match &features.columns[index % features.columns.len()] {
            Column::Numeric { mean, scale, .. } => (raw - mean) / scale,
            Column::Categorical { .. } => *raw,
        };
        let inputs: Vec<f64> = self.inputs.iter().enumerate().map(number).collect();
        let inputs = Tensor::from_slice(&inputs).to_kind(request.precision).view([self.count, -1]);
        let target = |(task, labels): (&Task, &Labels)| labels.target(task.form);
        Group {
            inputs: vec![("x".into(), inputs)],
            tasks: (0..request.tasks.len()).collect(),
            targets: request.tasks.iter().zip(&self.labels).map(target).collect(),
        }
    }
}

impl Labels {
    /// In their own unit and in double precision.
    fn target(&self, form: Form) -> Target {
        let cells = self.values.iter().zip(&self.known);
        let values = match form {
            Form::Classes(_) => {
                let class = |(&value, &known): (&f64, &bool)| if known { value as i64 } else { NO_CLASS };
                Tensor::from_slice(&cells.map(class).collect::<Vec<i64>>()) // [N]
            }
            Form::Binary(columns) | Form::Real(columns) => {
                let numbers: Vec<f64> = cells.map(|(&value, &known)| if known { value } else { 0.0 }).collect();
                Tensor::from_slice(&numbers).view([-1, columns])
            }
        };
        let weights = self.known.contains(&false).then(|| {
            let weights: Vec<f64> = self.known.iter().map(|&known| f64::from(u8::from(known))).collect();
            Tensor::from_slice(&weights).view(&values.size()[..])
        });
        Target { values, weights }
    }
}

/// The labels that a row's teachers give.
fn clean_labels(form: Form, outputs: &[f64]) -> Vec<f64> {
    match form {
        Form::Classes(2) => vec![f64::from(u8::from(outputs[0] > 0.0))],
        Form::Classes(_) => {
            let highest = |best, class| if outputs[class] > outputs[best] { class } else { best };
            vec![(1..outputs.len()).fold(0, highest) as f64]
        }
        Form::Binary(_) => outputs.iter().map(|output| f64::from(u8::from(*output > 0.0))).collect(),
        Form::Real(_) => outputs.to_vec(),
    }
}

/// Mean and standard deviation (over N) of the labelled training cells, for the tasks that want them.
fn fit(train: &Rows, tasks: &[Task]) -> Vec<Option<Standardization>> {
    let of_task = |(task, labels): (&Task, &Labels)| match task.form {
        Form::Real(columns) if task.standardize => {
            let (mean, scale) = (0..columns as usize).map(|column| labels.moments(column, columns as usize)).unzip();
            Some(Standardization { mean, scale })
        }
        _ => None,
    };
    tasks.iter().zip(&train.labels).map(of_task).collect()
}

impl Labels {
    /// Mean and scale of one column; 1 stands for a scale of 0.
    fn moments(&self, column: usize, columns: usize) -> (f64, f64) {
        let cells = || {
            let column = self.values.iter().zip(&self.known).skip(column).step_by(columns);
            column.filter(|(_, known)| **known).map(|(value, _)| *value)
        };
        let count = cells().count().max(1) as f64;
        let mean = cells().sum::<f64>() / count;
        let scale = (cells().map(|value| (value - mean).powi(2)).sum::<f64>() / count).sqrt();
        (mean, if scale > 0.0 { scale } else { 1.0 })
    }
}

fn described(column: &Column) -> String {
    match column {
        Column::Numeric { name, .. } => name.clone(),
        Column::Categorical { name, .. } => format!("{name} (categories)"),
    }
}

fn from_minus_one_to_one<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    match f64::deserialize(deserializer)? {
        value if (-1.0..=1.0).contains(&value) => Ok(value),
        value => Err(D::Error::custom(format!("invalid value: {value}, expected a number from -1 to 1"))),
    }
}

#[cfg(test)]
mod tests;
