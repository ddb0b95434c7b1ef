//! Losses of heads: totals, and gradients by the outputs, in one pass over `[C, N]` outputs.

use super::Number;
use super::labels::LabelRows;
use crate::kernels::{Instructions, Kernel, Lanes, exp, ln, ln_1p};
use crate::tasks::LossKind;

/// A task's loss, ready to be computed.
pub enum HeadLoss<T> {
    /// One of several classes.
    Classes(Classes<T>),
    /// Something per cell of output and label.
    Cells(Cells<T>),
}

/// Cross-entropy with targets `t_c = (1-ε) w_y [c = y] + ε/C w_c`.
pub struct Classes<T> {
    /// `(1-ε) w_c` `[C]`
    hits: Vec<T>,
    /// `ε/C w_c` `[C]`
    spread: Vec<T>,
    /// `w_c` `[C]`, where they are not all 1.
    class_weights: Option<Vec<f64>>,
}

/// A loss per cell.
pub enum Cells<T> {
    /// Binary cross-entropy on a logit; a factor per column for positive labels.
    Binary(Option<Vec<T>>),
    /// Squared error.
    Squared,
    /// Absolute error.
    Absolute,
    /// Huber's loss with its delta.
    Huber(T),
}

/// A task's outputs for some rows, changed into gradients.
pub struct Logits<'a, T> {
    /// From the first output of the first row on.
    pub numbers: &'a mut [T],
    /// From an output to the next.
    pub stride: usize,
    /// `1/N_t`
    pub share: T,
}

impl<T: Number> HeadLoss<T> {
    /// # Errors
    /// The loss is none of these, as a sentence.
    pub fn new(loss: &LossKind) -> Result<Self, String> {
        Ok(match loss {
            LossKind::CrossEntropy(settings) => {
                let ones = vec![1.0; settings.classes as usize];
                let weights = settings.class_weights.as_ref().unwrap_or(&ones);
                let smoothing = settings.label_smoothing;
                let of = |factor: f64| weights.iter().map(|weight| T::of(factor * weight)).collect();
                let (hits, spread) = (of(1.0 - smoothing), of(smoothing / weights.len() as f64));
                Self::Classes(Classes { hits, spread, class_weights: settings.class_weights.clone() })
            }
            LossKind::BinaryCrossEntropy(settings) => {
                let factors = settings.positive_weight.as_ref();
                Self::Cells(Cells::Binary(factors.map(|all| all.iter().map(|factor| T::of(*factor)).collect())))
            }
            LossKind::Mse(_) => Self::Cells(Cells::Squared),
            LossKind::L1(_) => Self::Cells(Cells::Absolute),
            LossKind::Huber(settings) => Self::Cells(Cells::Huber(T::of(settings.delta))),
            other => return Err(format!("it has no {} loss", other.name())),
        })
    }

    /// `Σ w` over the labels; 0 means that there is none.
    pub fn normalizer(&self, labels: LabelRows<T>) -> f64 {
        let weighted = |column: usize| match labels.weights(column) {
            None => labels.rows as f64,
            Some(weights) => weights.iter().map(|weight| weight.wide()).sum(),
        };
        let Self::Classes(Classes { class_weights: Some(of_class), .. }) = self else {
            return (0..labels.columns).map(weighted).sum();
        };
        let classes = labels.values(0).iter().map(|class| of_class[class.wide().max(0.0) as usize]);
        match labels.weights(0) {
            None => classes.sum(),
            Some(weights) => classes.zip(weights).map(|(of_class, weight)| of_class * weight.wide()).sum(),
        }
    }

    /// `Σ w l`; the outputs become the gradient of `Σ w l / N_t`.
    pub fn total(&self, instructions: Instructions, logits: Logits<T>, labels: LabelRows<T>) -> f64 {
        match self {
            Self::Classes(classes) => instructions.run(OfClasses { classes, logits, labels }),
            Self::Cells(cells) => instructions.run(OfCells { cells, logits, labels }),
        }
    }
}

struct OfClasses<'a, T> {
    classes: &'a Classes<T>,
    logits: Logits<'a, T>,
    labels: LabelRows<'a, T>,
}

impl<T: Number> Kernel<T> for OfClasses<'_, T> {
    type Output = f64;

    #[inline(always)]
    fn run<S: Lanes<T>>(self, simd: S) -> f64 {
        let Self { classes: Classes { hits, spread, .. }, logits, labels } = self;
        let (values, weights) = (labels.values(0), labels.weights(0));
        let rows = values.len();
        assert!(rows == 0 || (hits.len() - 1) * logits.stride + rows <= logits.numbers.len(), "outputs of {rows} rows");
        let first_output = logits.numbers.as_mut_ptr();
        let mut total = simd.zero();
        for at in (0..rows).step_by(S::COUNT) {
            let count = S::COUNT.min(rows - at);
            // SAFETY: `at + count` rows are within the labels, their weights and, as asserted, every output's row.
            unsafe {
                let output = |class: usize| first_output.add(class * logits.stride + at);
                let label = simd.read(values.as_ptr().add(at), count);
                let weight = match weights {
                    Some(weights) => simd.read(weights.as_ptr().add(at), count),
                    None => simd.splat(T::of(1.0)),
                };
                let target = |class: usize| {
                    let hit = simd.splat(hits[class]);
                    let hit = simd.where_equal(label, simd.splat(T::of(class as f64)), hit, simd.zero());
                    simd.add(hit, simd.splat(spread[class]))
                };
                let mut largest = simd.read(output(0), count);
                for class in 1..hits.len() {
                    // The running one second: NaN in it stays; and NaN in the new one makes NaN below.
                    largest = simd.max(simd.read(output(class), count), largest);
                }
                let (mut sum, mut mass, mut hit) = (simd.zero(), simd.zero(), simd.zero());
                for class in 0..hits.len() {
                    let below = simd.sub(simd.read(output(class), count), largest);
                    let (grown, target) = (exp(simd, below), target(class));
                    sum = simd.add(sum, grown);
                    mass = simd.add(mass, target);
                    hit = simd.mul_add(target, below, hit);
                    simd.write(output(class), grown, count);
                }
                let loss = simd.mul(weight, simd.sub(simd.mul(mass, ln(simd, sum)), hit));
                // Lanes beyond the last row read zeros, which have a loss too.
                total = simd.add(total, first(simd, loss, count));
                let scale = simd.mul(weight, simd.splat(logits.share));
                let of_sum = simd.div(mass, sum);
                for class in 0..hits.len() {
                    let probability = simd.mul(simd.read(output(class), count), of_sum);
                    simd.write(output(class), simd.mul(scale, simd.sub(probability, target(class))), count);
                }
            }
        }
        simd.sum(total).wide()
    }
}

/// The first `count` lanes; the others are 0.
#[inline(always)]
fn first<T: Number, S: Lanes<T>>(simd: S, vector: S::Vector, count: usize) -> S::Vector {
    if count == S::COUNT {
        return vector;
    }
    let mut lanes = [T::default(); 16];
    // SAFETY: no vector has more than 16 lanes.
    unsafe {
        simd.store(lanes.as_mut_ptr(), vector);
        simd.load_first(lanes.as_ptr(), count)
    }
}

struct OfCells<'a, T> {
    cells: &'a Cells<T>,
    logits: Logits<'a, T>,
    labels: LabelRows<'a, T>,
}

impl<T: Number> Kernel<T> for OfCells<'_, T> {
    type Output = f64;

    #[inline(always)]
    fn run<S: Lanes<T>>(self, simd: S) -> f64 {
        let Self { cells, logits, labels } = self;
        let mut total = simd.zero();
        for column in 0..labels.columns {
            let outputs = &mut logits.numbers[column * logits.stride..][..labels.rows];
            let (values, weights) = (labels.values(column), labels.weights(column));
            for at in (0..labels.rows).step_by(S::COUNT) {
                let count = S::COUNT.min(labels.rows - at);
                // SAFETY: `at + count` rows are within outputs, labels and their weights.
                unsafe {
                    let output = simd.read(outputs.as_ptr().add(at), count);
                    let label = simd.read(values.as_ptr().add(at), count);
                    let weight = match weights {
                        Some(weights) => simd.read(weights.as_ptr().add(at), count),
                        None => simd.splat(T::of(1.0)),
                    };
                    let (loss, slope) = cells.cell(simd, column, output, label);
                    total = simd.add(total, first(simd, simd.mul(weight, loss), count));
                    let scale = simd.mul(weight, simd.splat(logits.share));
                    simd.write(outputs.as_mut_ptr().add(at), simd.mul(scale, slope), count);
                }
            }
        }
        simd.sum(total).wide()
    }
}

impl<T: Number> Cells<T> {
    /// The loss of a cell, and its slope.
    #[inline(always)]
    fn cell<S: Lanes<T>>(&self, simd: S, column: usize, x: S::Vector, y: S::Vector) -> (S::Vector, S::Vector) {
        let (zero, one) = (simd.zero(), simd.splat(T::of(1.0)));
        let error = simd.sub(x, y);
        let size = simd.abs(error);
        let sign =
            simd.where_greater(error, zero, one, simd.where_greater(zero, error, simd.splat(T::of(-1.0)), error));
        match self {
            Self::Squared => (simd.mul(error, error), simd.add(error, error)),
            Self::Absolute => (size, sign),
            Self::Huber(delta) => {
                let (delta, half) = (simd.splat(*delta), simd.splat(T::of(0.5)));
                let far = simd.mul(delta, simd.sub(size, simd.mul(half, delta)));
                let near = simd.mul(half, simd.mul(error, error));
                let loss = simd.where_greater(size, delta, far, near);
                (loss, simd.where_greater(size, delta, simd.mul(delta, sign), error))
            }
            Self::Binary(factors) => {
                // l = (1-y) x + (1 + (p-1) y) (ln(1 + e^-|x|) + max(-x, 0))
                let factor = simd.splat(factors.as_ref().map_or(T::of(1.0), |factors| factors[column]));
                let positive = simd.mul_add(simd.sub(factor, one), y, one);
                let negative = simd.sub(one, y);
                let decay = exp(simd, simd.sub(zero, simd.abs(x)));
                let below = simd.max(simd.sub(zero, x), zero);
                let loss = simd.mul_add(positive, simd.add(ln_1p(simd, decay), below), simd.mul(negative, x));
                // 1 - σ(x)
                let beyond = simd.div(simd.where_greater(x, zero, decay, one), simd.add(one, decay));
                (loss, simd.sub(negative, simd.mul(positive, beyond)))
            }
        }
    }
}
