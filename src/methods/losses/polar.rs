//! A vector as its length and its direction.

use crate::methods::solvers::dot;

/// Length and direction; squares neither overflow nor vanish. The direction of zero is zero.
pub(super) fn polar(vector: &[f64]) -> (f64, Vec<f64>) {
    let largest = vector.iter().fold(0.0_f64, |largest, value| largest.max(value.abs()));
    if largest == 0.0 {
        return (0.0, vec![0.0; vector.len()]);
    }
    let scaled: Vec<f64> = vector.iter().map(|value| value / largest).collect();
    let length = dot(&scaled, &scaled).sqrt();
    (largest * length, scaled.into_iter().map(|value| value / length).collect())
}
