//! Metrics of the order of scores. They need all of a split's scores, which stay in host memory until the end.

use super::{Accumulator, Rows, mean};
use crate::tasks::Form;

/// One row as a yes-or-no question sees it.
pub(super) struct Scored {
    score: f64,
    weight: f64,
    positive: bool,
}

/// A metric of one or several columns of scores; their mean where there are several.
pub(super) struct Ranked {
    form: Form,
    /// Per column.
    scores: Vec<Vec<f64>>,
    /// Labels and weights, per label column.
    cells: Vec<Vec<(f64, f64)>>,
    metric: fn(&[Scored]) -> Option<f64>,
}

impl Ranked {
    /// `metric` is given rows in descending order of their scores.
    pub fn new(form: Form, metric: fn(&[Scored]) -> Option<f64>) -> Self {
        let (scores, cells) = match form {
            Form::Classes(2) => (1, 1),
            Form::Classes(classes) => (classes as usize, 1),
            Form::Binary(columns) | Form::Real(columns) => (columns as usize, columns as usize),
        };
        Self { form, scores: vec![Vec::new(); scores], cells: vec![Vec::new(); cells], metric }
    }

    fn push(&mut self, column: usize, outputs: &[f64]) {
        match self.form {
            Form::Classes(2) => self.scores[0].push(outputs[1] - outputs[0]),
            Form::Classes(_) => {
                for (scores, probability) in self.scores.iter_mut().zip(softmax(outputs)) {
                    scores.push(probability);
                }
            }
            Form::Binary(_) | Form::Real(_) => self.scores[column].push(outputs[column]),
        }
    }

    fn column(&self, column: usize) -> Vec<Scored> {
        let several_classes = self.scores.len() > self.cells.len();
        let (cells, yes) = if several_classes { (&self.cells[0], column as f64) } else { (&self.cells[column], 1.0) };
        let scored = |(&score, &(label, weight)): (&f64, &(f64, f64))| Scored { score, weight, positive: label == yes };
        let mut rows: Vec<Scored> = self.scores[column].iter().zip(cells).map(scored).collect();
        rows.sort_by(|left, right| right.score.total_cmp(&left.score));
        rows
    }
}

impl Accumulator for Ranked {
    fn add(&mut self, rows: &Rows) {
        for (outputs, cells) in rows.iter() {
            for cell in cells {
                self.cells[cell.column].push((cell.label, cell.weight));
                self.push(cell.column, outputs);
            }
        }
    }

    fn value(&self) -> Option<f64> {
        mean((0..self.scores.len()).map(|column| (self.metric)(&self.column(column))))
    }
}

fn softmax(outputs: &[f64]) -> Vec<f64> {
    let highest = outputs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let exponentials: Vec<f64> = outputs.iter().map(|output| (output - highest).exp()).collect();
    let sum: f64 = exponentials.iter().sum();
    exponentials.iter().map(|exponential| exponential / sum).collect()
}

/// Per distinct score, from the highest down: the weight of positive and of negative rows that have it.
fn thresholds(rows: &[Scored]) -> impl Iterator<Item = (f64, f64)> {
    // 0 and -0 are one score.
    rows.chunk_by(|left, right| left.score == right.score).map(|equal| {
        let weight = |positive| equal.iter().filter(|row| row.positive == positive).map(|row| row.weight).sum::<f64>();
        (weight(true), weight(false))
    })
}

/// `roc_auc_score`: the probability that a positive row scores above a negative one, ties counting half. Undefined
/// where a class is missing.
pub(super) fn auc(rows: &[Scored]) -> Option<f64> {
    let (mut positive, mut negative, mut area) = (0.0, 0.0, 0.0);
    for (more_positive, more_negative) in thresholds(rows) {
        area += more_negative * (positive + 0.5 * more_positive);
        positive += more_positive;
        negative += more_negative;
    }
    (positive > 0.0 && negative > 0.0).then(|| area / (positive * negative))
}

/// `average_precision_score`: `Σ (R_n - R_{n-1}) P_n` over the thresholds. Undefined where no row is positive.
pub(super) fn average_precision(rows: &[Scored]) -> Option<f64> {
    let (mut positive, mut all, mut sum) = (0.0, 0.0, 0.0);
    for (more_positive, more_negative) in thresholds(rows) {
        positive += more_positive;
        all += more_positive + more_negative;
        sum += more_positive * (positive / all);
    }
    (positive > 0.0).then(|| sum / positive)
}
