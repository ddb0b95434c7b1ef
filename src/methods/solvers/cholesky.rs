//! Symmetric positive definite systems of a few dozen unknowns, whose diagonals may lie hundreds of decades apart.

use super::dot;
use crate::methods::{Matrix, Vector};

/// What counts as zero beside a diagonal of ones: far below its rounding, and with products that are normal numbers, as
/// others would take a processor a hundred times as long.
const NOTHING: f64 = 1e-140;

/// `x [K]` with `A x = y`, for a symmetric `A [K, K]` of which the lower triangle is read; `None` where `A` is not positive
/// definite to rounding.
///
/// With `S = diag(A)^{-1/2}` it is `S A S = L Lᵀ` that is factorised, column by column: each is the matrix's less what the
/// columns before it make of it.
pub(super) fn solve(mut matrix: Matrix, mut y: Vector) -> Option<Vector> {
    let count = y.len();
    let scale = matrix.diagonal().map(|entry| entry.sqrt().recip());
    let entries = matrix.as_mut_slice();
    for (column, entries) in entries.chunks_exact_mut(count).enumerate() {
        times(&mut entries[column..], &scale.as_slice()[column..], scale[column]);
    }
    for column in 0..count {
        let (before, from) = entries.split_at_mut(column * count);
        let current = &mut from[column..count];
        subtract(current, before, count, column);
        // A comparison that is false for NaN too.
        let inverse = if current[0] > 0.0 { current[0].sqrt().recip() } else { return None };
        current.iter_mut().for_each(|entry| *entry = something(*entry * inverse));
    }
    y.component_mul_assign(&scale);
    substitute(entries, y.as_mut_slice());
    y.component_mul_assign(&scale);
    Some(y)
}

/// Multiplies entries by `factors` and by `factor`.
fn times(entries: &mut [f64], factors: &[f64], factor: f64) {
    entries.iter_mut().zip(factors).for_each(|(entry, other)| *entry = something(*entry * other * factor));
}

fn something(entry: f64) -> f64 {
    if entry.abs() < NOTHING { 0.0 } else { entry }
}

/// Subtracts from the rows `column..K` of a column what the columns before it, `[column, K]`, contribute: `Σ_k L_jk L_k`.
/// Four at a time, so that the column is read and written a quarter as often.
#[inline(never)] // as a function of its own it is known to write to no column it reads
fn subtract(current: &mut [f64], before: &[f64], count: usize, column: usize) {
    let mut fours = before.chunks_exact(4 * count);
    for four in &mut fours {
        let [a, b, c, d] = std::array::from_fn(|k| &four[k * count + column..][..current.len()]);
        let (e, f, g, h) = (a[0], b[0], c[0], d[0]);
        for (i, entry) in current.iter_mut().enumerate() {
            *entry -= (e * a[i] + f * b[i]) + (g * c[i] + h * d[i]);
        }
    }
    for one in fours.remainder().chunks_exact(count) {
        let (one, factor) = (&one[column..], one[column]);
        current.iter_mut().zip(one).for_each(|(entry, x)| *entry -= factor * x);
    }
}

/// `y ← (L Lᵀ)⁻¹ y`, for the columns of `L` one after another.
fn substitute(columns: &[f64], y: &mut [f64]) {
    let count = y.len();
    for (at, column) in columns.chunks_exact(count).enumerate() {
        let (solved, below) = (y[at] / column[at], at + 1..count);
        y[at] = solved;
        y[below.clone()].iter_mut().zip(&column[below]).for_each(|(y, l)| *y -= l * solved);
    }
    for (at, column) in columns.chunks_exact(count).enumerate().rev() {
        y[at] = (y[at] - dot(&y[at + 1..], &column[at + 1..])) / column[at];
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::generator;
    use rand_distr::{Distribution, StandardNormal};

    #[test]
    fn systems_of_any_size_are_solved_however_far_their_scales_lie_apart() {
        let mut random = generator(1, "cholesky", 0, 0);
        for count in [1, 2, 3, 4, 5, 8, 13, 40] {
            let rows = Matrix::from_fn(count, count + 5, |_, _| StandardNormal.sample(&mut random));
            let matrix = &rows * rows.transpose();
            let exact = Vector::from_fn(count, |i, _| i as f64 - 1.5);
            for decades in [0.0, 30.0, 250.0] {
                let scale = Vector::from_fn(count, |i, _| 10_f64.powf(decades * (i as f64 / count as f64 - 0.5)));
                let scaled = Matrix::from_fn(count, count, |i, j| scale[i] * matrix[(i, j)] * scale[j]);
                let y = (&matrix * &exact).component_mul(&scale);
                let solved = solve(scaled, y).expect("definite").component_mul(&scale);
                assert!((solved - &exact).amax() < 1e-9, "{count} unknowns, {decades} decades");
            }
        }
    }

    #[test]
    fn what_is_not_positive_definite_is_refused() {
        for entries in [[0.0, 0.0, 0.0, 1.0], [1.0, 2.0, 2.0, 1.0], [-1.0, 0.0, 0.0, 1.0], [f64::NAN, 0.0, 0.0, 1.0]] {
            let matrix = Matrix::from_row_slice(2, 2, &entries);
            assert_eq!(solve(matrix, Vector::from_element(2, 1.0)), None, "{entries:?}");
        }
    }
}
