//! Metrics of errors on real columns.

use super::{Accumulator, Rows, mean, ratio};
use crate::tasks::Form;

/// A metric of one column, cell by cell.
pub(super) trait OfColumn {
    fn add(&mut self, output: f64, label: f64, weight: f64);
    fn value(&self) -> Option<f64>;
}

/// The mean over columns of a metric of a column.
pub(super) struct Errors<M> {
    columns: Vec<M>,
}

impl<M: OfColumn> Errors<M> {
    pub fn new(form: Form, metric: impl Fn() -> M) -> Self {
        Self { columns: (0..form.width()).map(|_| metric()).collect() }
    }
}

impl<M: OfColumn> Accumulator for Errors<M> {
    fn add(&mut self, rows: &Rows) {
        for (outputs, cells) in rows.iter() {
            for cell in cells {
                self.columns[cell.column].add(outputs[cell.column], cell.label, cell.weight);
            }
        }
    }

    fn value(&self) -> Option<f64> {
        mean(self.columns.iter().map(M::value))
    }
}

/// A mean over the cells where it is defined, and what is made of it.
pub(super) struct Mean<F> {
    /// Of output, label and weight: what a cell adds.
    of: F,
    made: fn(f64) -> f64,
    sum: f64,
    weight: f64,
}

impl<F: Fn(f64, f64, f64) -> Option<f64>> Mean<F> {
    fn new(of: F, made: fn(f64) -> f64) -> Self {
        Self { of, made, sum: 0.0, weight: 0.0 }
    }
}

impl<F: Fn(f64, f64, f64) -> Option<f64>> OfColumn for Mean<F> {
    fn add(&mut self, output: f64, label: f64, weight: f64) {
        if let Some(value) = (self.of)(output, label, weight) {
            self.sum += value;
            self.weight += weight;
        }
    }

    fn value(&self) -> Option<f64> {
        ratio(self.sum, self.weight).map(self.made)
    }
}

/// `mean_absolute_error`.
pub(super) fn mae() -> impl OfColumn {
    Mean::new(|output, label, weight| Some(weight * (output - label).abs()), |mean| mean)
}

/// `root_mean_squared_error`.
pub(super) fn rmse() -> impl OfColumn {
    Mean::new(|output, label, weight| Some(weight * (output - label) * (output - label)), f64::sqrt)
}

/// `mean_absolute_percentage_error` of the labels that are not 0: of a length, a label of 0 is no measurement. LibMTL
/// averages the means of batches, here every label counts alike.
pub(super) fn relative_error() -> impl OfColumn {
    Mean::new(|output, label, weight| (label != 0.0).then(|| weight * ((output - label) / label).abs()), |mean| mean)
}

/// `r2_score`: `1 - Σ w e² / Σ w (y - ȳ)²`; where all labels are equal, 1 for no error and else 0. Undefined for fewer
/// than two rows.
#[derive(Default)]
pub(super) struct Explained {
    rows: u64,
    weight: f64,
    /// `Σ w e²`
    squared: f64,
    /// The labels' mean so far.
    mean: f64,
    /// `Σ w (y - mean)²`, by West's update: labels far from zero lose no digits.
    spread: f64,
}

impl OfColumn for Explained {
    fn add(&mut self, output: f64, label: f64, weight: f64) {
        let error = output - label;
        self.rows += 1;
        self.weight += weight;
        self.squared += weight * error * error;
        let from_old_mean = label - self.mean;
        self.mean += weight / self.weight * from_old_mean;
        self.spread += weight * from_old_mean * (label - self.mean);
    }

    fn value(&self) -> Option<f64> {
        let unexplained = if self.squared == 0.0 { Some(0.0) } else { ratio(self.squared, self.spread) };
        (self.rows >= 2).then(|| unexplained.map_or(0.0, |share| 1.0 - share))
    }
}
