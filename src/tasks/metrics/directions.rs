//! Metrics of the angle between output and label, in degrees, as the field measures surface normals.

use super::{Accumulator, Rows, ratio};
use std::cell::RefCell;

/// The mean of something of an angle.
pub(super) struct Averaged {
    of: fn(f64) -> f64,
    sum: f64,
    weight: f64,
}

impl Averaged {
    pub fn new(of: fn(f64) -> f64) -> Self {
        Self { of, sum: 0.0, weight: 0.0 }
    }
}

impl Accumulator for Averaged {
    fn add(&mut self, rows: &Rows) {
        for angle in rows.angles() {
            self.sum += angle.weight * (self.of)(angle.degrees);
            self.weight += angle.weight;
        }
    }

    fn value(&self) -> Option<f64> {
        ratio(self.sum, self.weight)
    }
}

/// The median of all angles, which stay in host memory until the end, in single precision.
#[derive(Default)]
pub(super) struct Median {
    degrees: RefCell<Vec<f32>>,
    /// `None`: all weigh 1.
    weights: Option<Vec<f64>>,
}

impl Accumulator for Median {
    fn add(&mut self, rows: &Rows) {
        let degrees = self.degrees.get_mut();
        for angle in rows.angles() {
            if angle.weight != 1.0 || self.weights.is_some() {
                self.weights.get_or_insert_with(|| vec![1.0; degrees.len()]).push(angle.weight);
            }
            degrees.push(angle.degrees as f32);
        }
    }

    fn value(&self) -> Option<f64> {
        let mut degrees = self.degrees.borrow_mut();
        match &self.weights {
            _ if degrees.is_empty() => None,
            None => Some(median(&mut degrees)),
            Some(weights) => Some(weighted_median(&degrees, weights)),
        }
    }
}

/// The middle number, or the mean of the two in the middle; the order of `numbers` changes.
fn median(numbers: &mut [f32]) -> f64 {
    let count = numbers.len();
    let (below, middle, _) = numbers.select_nth_unstable_by(count / 2, f32::total_cmp);
    let upper = f64::from(*middle);
    if count % 2 == 1 {
        return upper;
    }
    let lower = below.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    0.5 * (f64::from(lower) + upper)
}

/// The number at which half of the weight is reached, or the mean of it and the next where it is reached exactly. The
/// median of numbers that stand there as often as they weigh.
fn weighted_median(numbers: &[f32], weights: &[f64]) -> f64 {
    let mut sorted: Vec<(f32, f64)> = numbers.iter().copied().zip(weights.iter().copied()).collect();
    sorted.sort_by(|left, right| left.0.total_cmp(&right.0));
    let half = 0.5 * sorted.iter().map(|(_, weight)| weight).sum::<f64>();
    let mut reached = 0.0;
    for (at, (number, weight)) in sorted.iter().enumerate() {
        reached += weight;
        if reached >= half {
            let next = if reached == half { sorted.get(at + 1).map_or(*number, |(next, _)| *next) } else { *number };
            return 0.5 * (f64::from(*number) + f64::from(next));
        }
    }
    f64::from(sorted.last().expect("numbers").0)
}
