//! What is measured on whole splits, exactly: an accumulator sees every batch, the value comes at the end.
//!
//! The values are scikit-learn's with `sample_weight`. A cell of weight 0 counts as a cell without a label: it is not
//! there. Every sum runs over the rows in their order, so that the way a split is cut into batches changes nothing. Of dense
//! outputs `[N, width, …positions]` every position is a row.

use super::{Form, Target};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::Tensor;

mod angle;
mod classification;
mod directions;
mod positions;
mod ranking;
mod regression;
mod rows;

pub use rows::Rows;

/// Sees a split batch by batch.
pub trait Accumulator {
    /// Takes in a batch that is on the host already, so that several metrics share one transfer.
    fn add(&mut self, rows: &Rows);

    /// Takes in a batch: `output` is `[N, width, …positions]` (logits, or values in the label's own unit).
    fn update(&mut self, output: &Tensor, target: &Target) {
        self.add(&Rows::read(output, target));
    }

    /// The metric over all rows seen; `None` where it is undefined (no labelled row, AUC of one class only, outputs that
    /// are not finite).
    fn value(&self) -> Option<f64>;
}

/// A metric by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MetricKind {
    /// Classes: share of rows whose highest output is the label. Binary labels: share of cells on whose side of 0 the
    /// logit is.
    Accuracy,
    /// Mean over the classes of the share of their rows that is recognised. Several binary columns: mean over columns.
    BalancedAccuracy,
    /// Mean over the classes of the F1 score. Several binary columns: mean over columns of the positive class's F1.
    F1Macro,
    /// F1 score from the counts of all classes together, equal to accuracy. Several binary columns: from the positive
    /// class's counts of all columns together.
    F1Micro,
    /// Area under the ROC curve. More than two classes: mean over the classes of one against the rest, by softmax
    /// probability. Several binary columns: mean over columns.
    Auc,
    /// Average precision, the area under the precision-recall curve as a sum of steps. More than two classes, several
    /// columns: as auc.
    AveragePrecision,
    /// Mean absolute error, in the label's own unit. Several columns: mean over columns.
    Mae,
    /// Root of the mean squared error, in the label's own unit. Several columns: mean over columns.
    Rmse,
    /// Share of the label's variance that is explained (R²). Several columns: mean over columns.
    R2,
    /// Intersection over union, the Jaccard index: of the rows that are of a class or taken for it, the share that is both;
    /// mean over the classes that occur. Several binary columns: mean over columns of the positive class's.
    Iou,
    /// Mean of the absolute error divided by the label's absolute value, over labels that are not 0. Several columns: mean
    /// over columns.
    RelativeError,
    /// Mean angle between output and label, in degrees. The columns are the components of a direction.
    AngleMean,
    /// Median angle between output and label, in degrees.
    AngleMedian,
    /// Share of outputs less than 11.25 degrees off.
    #[serde(rename = "angle_within_11")]
    AngleWithin11,
    /// Share of outputs less than 22.5 degrees off.
    #[serde(rename = "angle_within_22")]
    AngleWithin22,
    /// Share of outputs less than 30 degrees off.
    #[serde(rename = "angle_within_30")]
    AngleWithin30,
}

impl MetricKind {
    /// Every metric.
    pub const ALL: [Self; 16] = [
        Self::Accuracy,
        Self::BalancedAccuracy,
        Self::F1Macro,
        Self::F1Micro,
        Self::Auc,
        Self::AveragePrecision,
        Self::Mae,
        Self::Rmse,
        Self::R2,
        Self::Iou,
        Self::RelativeError,
        Self::AngleMean,
        Self::AngleMedian,
        Self::AngleWithin11,
        Self::AngleWithin22,
        Self::AngleWithin30,
    ];

    /// The name in YAML, in records and in `select`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Accuracy => "accuracy",
            Self::BalancedAccuracy => "balanced_accuracy",
            Self::F1Macro => "f1_macro",
            Self::F1Micro => "f1_micro",
            Self::Auc => "auc",
            Self::AveragePrecision => "average_precision",
            Self::Mae => "mae",
            Self::Rmse => "rmse",
            Self::R2 => "r2",
            Self::Iou => "iou",
            Self::RelativeError => "relative_error",
            Self::AngleMean => "angle_mean",
            Self::AngleMedian => "angle_median",
            Self::AngleWithin11 => "angle_within_11",
            Self::AngleWithin22 => "angle_within_22",
            Self::AngleWithin30 => "angle_within_30",
        }
    }

    /// The metric of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|metric| metric.name() == name)
    }

    /// Whether more is better.
    pub fn higher_is_better(self) -> bool {
        !matches!(self, Self::Mae | Self::Rmse | Self::RelativeError | Self::AngleMean | Self::AngleMedian)
    }

    /// Whether its values mean the same for every task, so that a mean over tasks means something: shares, areas and angles
    /// do; errors in the label's unit do not, nor do those whose size has no bound.
    pub fn has_common_range(self) -> bool {
        !matches!(self, Self::Mae | Self::Rmse | Self::R2 | Self::RelativeError)
    }

    /// Whether the metric is defined for such labels.
    pub fn fits(self, form: Form) -> bool {
        match form {
            Form::Real(columns) => self.reads_numbers() || (self.reads_directions() && columns > 1),
            Form::Classes(_) | Form::Binary(_) => !self.reads_numbers() && !self.reads_directions(),
        }
    }

    fn reads_numbers(self) -> bool {
        matches!(self, Self::Mae | Self::Rmse | Self::R2 | Self::RelativeError)
    }

    /// Whether it takes the columns of a row for a direction.
    pub(super) fn reads_directions(self) -> bool {
        use MetricKind::{AngleMean, AngleMedian, AngleWithin11, AngleWithin22, AngleWithin30};
        matches!(self, AngleMean | AngleMedian | AngleWithin11 | AngleWithin22 | AngleWithin30)
    }

    /// An empty accumulator for labels of `form`.
    ///
    /// # Panics
    /// The metric does not [fit](Self::fits) the form.
    pub fn accumulator(self, form: Form) -> Box<dyn Accumulator> {
        assert!(self.fits(form), "{} is not defined for {form:?}", self.name());
        let inner: Box<dyn Accumulator> = match self {
            Self::Accuracy => Box::new(classification::Counted::new(form, classification::accuracy)),
            Self::BalancedAccuracy => Box::new(classification::Counted::new(form, classification::balanced_accuracy)),
            Self::F1Macro => Box::new(classification::Counted::new(form, classification::f1_macro)),
            Self::F1Micro => Box::new(classification::Counted::new(form, classification::f1_micro)),
            Self::Auc => Box::new(ranking::Ranked::new(form, ranking::auc)),
            Self::AveragePrecision => Box::new(ranking::Ranked::new(form, ranking::average_precision)),
            Self::Mae => Box::new(regression::Errors::new(form, regression::mae)),
            Self::Rmse => Box::new(regression::Errors::new(form, regression::rmse)),
            Self::R2 => Box::new(regression::Errors::new(form, regression::Explained::default)),
            Self::Iou => Box::new(classification::Counted::new(form, classification::iou)),
            Self::RelativeError => Box::new(regression::Errors::new(form, regression::relative_error)),
            Self::AngleMean => Box::new(directions::Averaged::new(|degrees| degrees)),
            Self::AngleMedian => Box::new(directions::Median::default()),
            Self::AngleWithin11 => Box::new(directions::Averaged::new(|degrees| f64::from(degrees < 11.25))),
            Self::AngleWithin22 => Box::new(directions::Averaged::new(|degrees| f64::from(degrees < 22.5))),
            Self::AngleWithin30 => Box::new(directions::Averaged::new(|degrees| f64::from(degrees < 30.0))),
        };
        Box::new(Guarded { inner, broken: false })
    }
}

/// Gives no value once a labelled row had an output that is not a finite number, and never an infinite one.
struct Guarded {
    inner: Box<dyn Accumulator>,
    broken: bool,
}

impl Accumulator for Guarded {
    fn add(&mut self, rows: &Rows) {
        self.broken |= rows.broken();
        if !self.broken {
            self.inner.add(rows);
        }
    }

    fn value(&self) -> Option<f64> {
        if self.broken { None } else { self.inner.value().filter(|value| value.is_finite()) }
    }
}

/// The mean of those that are defined, if any is.
fn mean(values: impl IntoIterator<Item = Option<f64>>) -> Option<f64> {
    let (sum, count) = values.into_iter().flatten().fold((0.0, 0.0), |(sum, count), value| (sum + value, count + 1.0));
    (count > 0.0).then(|| sum / count)
}

/// `numerator / denominator` where that is above zero.
fn ratio(numerator: f64, denominator: f64) -> Option<f64> {
    (denominator > 0.0).then(|| numerator / denominator)
}

#[cfg(test)]
mod conformance;
#[cfg(test)]
mod golden;
