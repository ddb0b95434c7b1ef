//! Metrics of errors on real columns.

use super::{Accumulator, Rows, mean, ratio};
use crate::tasks::Form;

/// Weighted sums of one column.
#[derive(Default)]
pub(super) struct Sums {
    rows: u64,
    weight: f64,
    /// `Σ w |e|`
    absolute: f64,
    /// `Σ w e²`
    squared: f64,
    /// The labels' mean so far.
    mean: f64,
    /// `Σ w (y - mean)²`, by West's update: labels far from zero lose no digits.
    spread: f64,
}

/// The mean over columns of a metric of a column.
pub(super) struct Errors {
    columns: Vec<Sums>,
    metric: fn(&Sums) -> Option<f64>,
}

impl Errors {
    pub fn new(form: Form, metric: fn(&Sums) -> Option<f64>) -> Self {
        Self { columns: (0..form.width()).map(|_| Sums::default()).collect(), metric }
    }
}

impl Accumulator for Errors {
    fn add(&mut self, rows: &Rows) {
        for (outputs, cells) in rows.iter() {
            for cell in cells {
                self.columns[cell.column].add(outputs[cell.column], cell.label, cell.weight);
            }
        }
    }

    fn value(&self) -> Option<f64> {
        mean(self.columns.iter().map(self.metric))
    }
}

impl Sums {
    fn add(&mut self, output: f64, label: f64, weight: f64) {
        let error = output - label;
        self.rows += 1;
        self.weight += weight;
        self.absolute += weight * error.abs();
        self.squared += weight * error * error;
        let from_old_mean = label - self.mean;
        self.mean += weight / self.weight * from_old_mean;
        self.spread += weight * from_old_mean * (label - self.mean);
    }
}

/// `mean_absolute_error`.
pub(super) fn mae(sums: &Sums) -> Option<f64> {
    ratio(sums.absolute, sums.weight)
}

/// `root_mean_squared_error`.
pub(super) fn rmse(sums: &Sums) -> Option<f64> {
    ratio(sums.squared, sums.weight).map(f64::sqrt)
}

/// `r2_score`: `1 - Σ w e² / Σ w (y - ȳ)²`; where all labels are equal, 1 for no error and else 0. Undefined for fewer
/// than two rows.
pub(super) fn r2(sums: &Sums) -> Option<f64> {
    let unexplained = if sums.squared == 0.0 { Some(0.0) } else { ratio(sums.squared, sums.spread) };
    (sums.rows >= 2).then(|| unexplained.map_or(0.0, |share| 1.0 - share))
}
