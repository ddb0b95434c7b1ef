//! Statistics of the training rows, and the tensors that they make of a table.

use super::inputs::Input;
use super::table::Table;
use crate::data::fingerprint::{Digest, Place};
use crate::data::{Column, Features, Request};
use crate::error::{Mistake, first_line};
use crate::tasks::{Form, NO_CLASS, Standardization, Target, Task};
use std::collections::{BTreeSet, HashMap};
use tch::{Device, Kind, Tensor};

/// One feature per text: beyond this, the column is hardly a category, and the matrix would fill the memory.
const MOST_LEVELS: usize = 10_000;

/// A file that has been read: inputs first, then the labels of each of its tasks, then the weight.
#[derive(Debug)]
pub(in crate::data) struct Loaded {
    pub table: Table,
    /// Task -> the table's column that holds its first label.
    pub labels: HashMap<usize, usize>,
    /// The table's column of weights.
    pub weight: Option<usize>,
    /// The rows of train, validation and test, ascending.
    pub rows: [Vec<usize>; 3],
}

impl Loaded {
    fn train(&self, column: usize) -> impl Iterator<Item = f64> + Clone {
        let values = &self.table.columns[column];
        self.rows[0].iter().map(|row| values[*row])
    }

    /// The texts of a category that its training rows hold.
    fn levels(&self, column: usize) -> impl Iterator<Item = &String> {
        let mut held = vec![false; self.table.levels[column].len()];
        self.train(column).for_each(|code| held[code as usize] = true);
        self.table.levels[column].iter().zip(held).filter_map(|(level, held)| held.then_some(level))
    }

    /// All rows of a table without labels, as the first split.
    pub fn whole(table: Table) -> Self {
        let rows = [(0..table.rows).collect(), vec![], vec![]];
        Self { table, labels: HashMap::new(), weight: None, rows }
    }

    /// The text of a category.
    pub fn text(&self, column: usize, row: usize) -> &str {
        &self.table.levels[column][self.table.columns[column][row] as usize]
    }

    fn weight(&self, row: usize) -> f64 {
        self.weight.map_or(1.0, |column| self.table.columns[column][row])
    }

    /// What each training row weighs, `[N]`; `None` where the file says nothing of it.
    pub fn train_weights(&self) -> Option<Tensor> {
        let weights: Vec<f64> = self.train(self.weight?).collect();
        Some(Tensor::from_slice(&weights))
    }

    /// Adds the inputs of a split, as the file has them, to a fingerprint.
    pub(in crate::data::csv) fn digest(&self, inputs: &[Input], split: usize, place: Place, digest: &mut Digest) {
        let rows = &self.rows[split];
        for (index, input) in inputs.iter().enumerate() {
            if input.categorical {
                digest.texts(place, &input.name, rows.len(), |row| self.text(index, rows[row]));
            } else {
                digest.numbers(place, &input.name, rows.len(), |row| self.table.columns[index][rows[row]]);
            }
        }
    }
}

/// Mean and population standard deviation of values and how often each counts, in two passes;
/// `None` where none counts. A constant has scale 1.
fn moments(values: impl Iterator<Item = (f64, f64)> + Clone) -> Option<(f64, f64)> {
    let values = values.filter(|(value, weight)| !value.is_nan() && *weight > 0.0);
    let (first, _) = values.clone().next()?;
    let total: f64 = values.clone().map(|(_, weight)| weight).sum();
    // Sums of differences: large numbers that differ little keep their digits, and a constant is exactly one.
    let mean = first + values.clone().map(|(value, weight)| weight * (value - first)).sum::<f64>() / total;
    let scale = (values.map(|(value, weight)| weight * (value - mean).powi(2)).sum::<f64>() / total).sqrt();
    Some((mean, if scale > 0.0 { scale } else { 1.0 }))
}

/// How each input column becomes features, from the training rows of all files together.
pub(super) fn features<'a>(
    inputs: &[Input],
    train: &[&'a Loaded],
    standardize: bool,
    request: &Request,
) -> Result<Features, Mistake> {
    let columns = inputs.iter().enumerate().map(|(index, input)| {
        let name = input.name.clone();
        if input.categorical {
            let levels: BTreeSet<&String> = train.iter().flat_map(|file| file.levels(index)).collect();
            if levels.len() > MOST_LEVELS {
                let place = format!("{}, column \"{name}\"", train[0].table.path.display());
                let what = format!("holds {} different texts: a category may have {MOST_LEVELS}", levels.len());
                return Err(Mistake::new(place, what).remedy("take it out of `categorical` or of `inputs`"));
            }
            return Ok(Column::Categorical {
                name,
                levels: levels.into_iter().cloned().collect(),
                indices: request.indices,
            });
        }
        // Polytask 0.1 counted every row once.
        let weight = |file: &Loaded, row: usize| if request.plain_statistics { 1.0 } else { file.weight(row) };
        let of_file = |file: &&'a Loaded| {
            let file = *file;
            file.rows[0].iter().map(move |row| (file.table.columns[index][*row], weight(file, *row)))
        };
        let place = || format!("{}, column \"{name}\"", train[0].table.path.display());
        let (mean, scale) = moments(train.iter().flat_map(of_file)).ok_or_else(|| {
            let counted = if train.iter().any(|file| file.weight.is_some()) { " of a weight above 0" } else { "" };
            Mistake::new(place(), format!("is empty in every training row{counted}")).remedy("leave it out of `inputs`")
        })?;
        if !mean.is_finite() || (standardize && !scale.is_finite()) {
            return Err(Mistake::new(place(), "is too large to be standardised").remedy("scale it in the file"));
        }
        let missing = input.may_miss.then_some(mean);
        let (mean, scale) = if standardize { (mean, scale) } else { (0.0, 1.0) };
        Ok(Column::Numeric { name, mean, scale, missing })
    });
    Ok(Features { columns: columns.collect::<Result<_, _>>()?, ..Features::default() })
}

/// How the labels of a task are standardised, from its labelled training rows.
pub(in crate::data) fn standardization(
    index: usize,
    task: &Task,
    file: &Loaded,
    request: &Request,
) -> Result<Option<Standardization>, Mistake> {
    if !task.standardize || !matches!(task.form, Form::Real(_)) {
        return Ok(None);
    }
    let mut result = Standardization { mean: Vec::new(), scale: Vec::new() };
    for (offset, name) in task.targets.iter().enumerate() {
        let values = &file.table.columns[file.labels[&index] + offset];
        // Polytask 0.1 counted every row of a weight above 0 once.
        let weight = |row: usize| match file.weight(row) {
            weight if request.plain_statistics => f64::from(weight > 0.0),
            weight => weight,
        };
        let labels = file.rows[0].iter().map(|row| (values[*row], weight(*row)));
        let (mean, scale) = moments(labels).unwrap_or((0.0, 1.0));
        if !mean.is_finite() || !scale.is_finite() {
            let place = format!("{}, column \"{name}\"", file.table.path.display());
            return Err(Mistake::new(place, "is too large to be standardised").remedy("scale it in the file"));
        }
        result.mean.push(mean);
        result.scale.push(scale);
    }
    Ok(Some(result))
}

/// The inputs of some rows, `[N, features.width()]`.
pub(super) fn inputs(features: &Features, table: &Table, rows: &[usize], precision: Kind) -> Result<Tensor, Mistake> {
    let shape = [rows.len() as i64, features.width()];
    let matrix = Tensor::f_zeros(shape, (precision, Device::Cpu)).map_err(|error| {
        let what = format!("its {} rows of {} features: {}", shape[0], shape[1], first_line(&error));
        Mistake::new(table.path.display(), what).remedy("read fewer columns, or categories of fewer texts")
    })?; // [N, F]
    let mut start = 0;
    for (index, column) in features.columns.iter().enumerate() {
        let raw = &table.columns[index];
        match column {
            Column::Numeric { name, mean, scale, missing } => {
                let value = |row: &usize| {
                    let raw = raw[*row];
                    (if raw.is_nan() { missing.unwrap_or(raw) } else { raw } - mean) / scale
                };
                let values: Vec<f64> = rows.iter().map(value).collect();
                check_range(&values, precision, table, name)?;
                matrix.select(1, start).copy_(&Tensor::from_slice(&values));
                start += 1;
            }
            Column::Categorical { levels, indices: true, .. } => {
                let position: HashMap<&String, f64> = levels.iter().zip((1i32..).map(f64::from)).collect();
                let recoded: Vec<f64> =
                    table.levels[index].iter().map(|level| position.get(level).copied().unwrap_or(0.0)).collect();
                let values: Vec<f64> = rows.iter().map(|row| recoded[raw[*row] as usize]).collect();
                matrix.select(1, start).copy_(&Tensor::from_slice(&values));
                start += 1;
            }
            Column::Categorical { levels, .. } => {
                let position: HashMap<&String, i64> = levels.iter().zip(0..).collect();
                let recoded: Vec<i64> =
                    table.levels[index].iter().map(|level| position.get(level).copied().unwrap_or(-1)).collect();
                let codes: Vec<i64> = rows.iter().map(|row| recoded[raw[*row] as usize]).collect();
                let width = levels.len() as i64;
                let codes = Tensor::from_slice(&codes).unsqueeze(1); // [N, 1], unseen: -1
                let ones = codes.ge(0).to_kind(precision);
                let _ = matrix.narrow(1, start, width).scatter_(1, &codes.clamp_min(0), &ones);
                start += width;
            }
        }
    }
    Ok(matrix)
}

/// The labels of some rows in their own unit and in double precision; standardized they fit `precision`.
pub(in crate::data) fn target(
    index: usize,
    task: &Task,
    file: &Loaded,
    rows: &[usize],
    standardization: Option<&Standardization>,
    precision: Kind,
) -> Result<Target, Mistake> {
    let first = file.labels[&index];
    let width = task.targets.len();
    let mut values = vec![0.0; rows.len() * width]; // [N, columns]
    let mut weights = vec![0.0; rows.len() * width];
    let mut complete = file.weight.is_none();
    for (offset, name) in task.targets.iter().enumerate() {
        let raw = &file.table.columns[first + offset];
        let (mean, scale) = standardization.map_or((0.0, 1.0), |it| (it.mean[offset], it.scale[offset]));
        for (at, row) in rows.iter().enumerate() {
            let (label, weight) = (raw[*row], file.weight(*row));
            if label.is_nan() || weight == 0.0 {
                complete = false;
            } else {
                check_range(&[(label - mean) / scale], precision, &file.table, name)?;
                values[at * width + offset] = label;
                weights[at * width + offset] = weight;
            }
        }
    }
    let values = match task.form {
        Form::Classes(_) => {
            let class = |(value, weight): (&f64, &f64)| if *weight > 0.0 { *value as i64 } else { NO_CLASS };
            Tensor::from_slice(&values.iter().zip(&weights).map(class).collect::<Vec<_>>()) // [N]
        }
        Form::Binary(_) | Form::Real(_) => Tensor::from_slice(&values).view([rows.len() as i64, width as i64]),
    };
    let weights = (!complete).then(|| Tensor::from_slice(&weights).view(values.size().as_slice()));
    Ok(Target { values, weights })
}

/// A number that `float64` holds may be infinite as `float32`.
fn check_range(values: &[f64], precision: Kind, table: &Table, column: &str) -> Result<(), Mistake> {
    let good = |value: f64| if precision == Kind::Double { value.is_finite() } else { (value as f32).is_finite() };
    match values.iter().find(|value| !good(**value)) {
        None => Ok(()),
        Some(value) => Err(Mistake::new(
            format!("{}, column \"{column}\"", table.path.display()),
            format!("{value:e} is beyond the run's precision"),
        )
        .remedy("set `precision: float64`, or scale the column in the file")),
    }
}
