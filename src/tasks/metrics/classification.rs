//! Metrics from counts of right and wrong predictions.

use super::{Accumulator, Rows, mean, ratio};
use crate::tasks::Form;

/// Weighted counts of one label column, per class.
pub(super) struct Counts {
    /// Rows of the class.
    truth: Vec<f64>,
    /// Rows predicted to be of the class.
    predicted: Vec<f64>,
    /// Rows of the class that were predicted so.
    hit: Vec<f64>,
}

/// A metric of the counts of every label column. A binary column is two classes.
pub(super) struct Counted {
    form: Form,
    columns: Vec<Counts>,
    metric: fn(&[Counts]) -> Option<f64>,
}

impl Counted {
    pub fn new(form: Form, metric: fn(&[Counts]) -> Option<f64>) -> Self {
        let (columns, classes) = match form {
            Form::Classes(classes) => (1, classes as usize),
            Form::Binary(columns) | Form::Real(columns) => (columns, 2),
        };
        let zeros = || vec![0.0; classes];
        let counts = |_| Counts { truth: zeros(), predicted: zeros(), hit: zeros() };
        Self { form, columns: (0..columns).map(counts).collect(), metric }
    }
}

impl Accumulator for Counted {
    fn add(&mut self, rows: &Rows) {
        if let Some(decisions) = rows.decisions() {
            let counts = &mut self.columns[0];
            return decisions.for_each(|it| counts.add(it.label, it.predicted, it.weight));
        }
        for (outputs, cells) in rows.iter() {
            for cell in cells {
                let predicted = match self.form {
                    Form::Classes(_) => highest(outputs),
                    _ => usize::from(outputs[cell.column] > 0.0),
                };
                self.columns[cell.column].add(cell.label as usize, predicted, cell.weight);
            }
        }
    }

    fn value(&self) -> Option<f64> {
        (self.metric)(&self.columns)
    }
}

/// The index of the highest output, the first one among equals, as numpy's and PyTorch's argmax.
fn highest(outputs: &[f64]) -> usize {
    (1..outputs.len()).fold(0, |best, class| if outputs[class] > outputs[best] { class } else { best })
}

impl Counts {
    fn add(&mut self, label: usize, predicted: usize, weight: f64) {
        self.truth[label] += weight;
        self.predicted[predicted] += weight;
        if label == predicted {
            self.hit[label] += weight;
        }
    }

    fn total(&self) -> f64 {
        self.truth.iter().sum()
    }

    fn hits(&self) -> f64 {
        self.hit.iter().sum()
    }

    fn f1(&self, class: usize) -> Option<f64> {
        ratio(2.0 * self.hit[class], self.truth[class] + self.predicted[class])
    }

    /// Rows of the class that are predicted so, among those of the class and those predicted so.
    fn iou(&self, class: usize) -> Option<f64> {
        ratio(self.hit[class], self.truth[class] + self.predicted[class] - self.hit[class])
    }

    fn classes(&self) -> std::ops::Range<usize> {
        0..self.truth.len()
    }
}

/// Share of right cells. With several columns scikit-learn's `accuracy_score` asks for whole rows to be right; cells
/// keep their meaning where labels are missing.
pub(super) fn accuracy(columns: &[Counts]) -> Option<f64> {
    ratio(columns.iter().map(Counts::hits).sum(), columns.iter().map(Counts::total).sum())
}

/// `balanced_accuracy_score`: the mean recall of the classes that occur; of several columns, the mean.
pub(super) fn balanced_accuracy(columns: &[Counts]) -> Option<f64> {
    mean(columns.iter().map(|counts| mean(counts.classes().map(|class| ratio(counts.hit[class], counts.truth[class])))))
}

/// `f1_score(average="macro")`: one column is a vector of classes, several are indicators, of which the positive class
/// counts (0 where a labelled column has no positive cell and none predicted).
pub(super) fn f1_macro(columns: &[Counts]) -> Option<f64> {
    match columns {
        [counts] => mean(counts.classes().map(|class| counts.f1(class))),
        _ => mean(columns.iter().map(|counts| (counts.total() > 0.0).then(|| counts.f1(1).unwrap_or(0.0)))),
    }
}

/// `f1_score(average="micro")`, see [`f1_macro`].
pub(super) fn f1_micro(columns: &[Counts]) -> Option<f64> {
    if let [_] = columns {
        return accuracy(columns);
    }
    let sum = |of: fn(&Counts) -> f64| columns.iter().map(of).sum::<f64>();
    (sum(Counts::total) > 0.0).then(|| {
        ratio(2.0 * sum(|counts| counts.hit[1]), sum(|counts| counts.truth[1] + counts.predicted[1])).unwrap_or(0.0)
    })
}

/// `jaccard_score(average="macro")`, see [`f1_macro`]. LibMTL's is a mean over all classes, and so no number where one
/// occurs neither in labels nor in predictions.
pub(super) fn iou(columns: &[Counts]) -> Option<f64> {
    match columns {
        [counts] => mean(counts.classes().map(|class| counts.iou(class))),
        _ => mean(columns.iter().map(|counts| (counts.total() > 0.0).then(|| counts.iou(1).unwrap_or(0.0)))),
    }
}
