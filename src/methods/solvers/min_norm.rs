//! The shortest vector of the convex hull of the rows.

use super::nonnegative::{Unsolved, nonnegative};
use super::unit_gramian::UnitGramian;
use crate::methods::Matrix;

/// `argmin ‖Jᵀα‖` over the simplex, from the Gramian `J Jᵀ` `[K, K]`; all zero where that length is zero to rounding, that is,
/// where no direction descends for all rows.
///
/// With unit rows u_i = g_i/s_i and λ = min s, the minimiser of `‖Σ y_i u_i‖² + (Σ y_i λ/s_i - 1)²` over `y ≥ 0` is α_i s_i up
/// to scale: along a ray only the second term sees the scale. Its active set is that of Wolfe, "Finding the Nearest Point in a
/// Polytope", 1976.
///
/// # Errors
/// The active set does not settle, or the Gramian is not finite.
pub fn min_norm(gramian: &Matrix) -> Result<Vec<f64>, Unsolved> {
    let unit = UnitGramian::new(gramian)?;
    let size = unit.size();
    let least = unit.norms.iter().copied().fold(f64::INFINITY, f64::min);
    if least == 0.0 {
        return Ok(vec![0.0; size]);
    }
    let shares: Vec<f64> = unit.norms.iter().map(|norm| least / norm).collect();
    let mut hessian = unit.cosines.clone();
    for (row, share) in hessian.chunks_exact_mut(size).zip(&shares) {
        row.iter_mut().zip(&shares).for_each(|(entry, other)| *entry += share * other);
    }
    let point = nonnegative(&hessian, &shares, 1.0, &[])?.point; // [K]
    if unit.length(&point, &unit.products(&point)).is_none() {
        return Ok(vec![0.0; size]);
    }
    let weights: Vec<f64> = point.iter().zip(&shares).map(|(value, share)| value * share).collect();
    let sum: f64 = weights.iter().sum();
    Ok(weights.iter().map(|weight| weight / sum).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::methods::hard::{degenerate, gramian, random};

    /// Optimal: no row's product with the point is below the point's square, and those with weight reach it. For unit rows.
    fn assert_optimal(name: &str, gramian: &Matrix, weights: &[f64], tolerance: f64) {
        let unit = UnitGramian::new(gramian).unwrap();
        assert!((weights.iter().sum::<f64>() - 1.0).abs() < 1e-12, "{name}: off the simplex");
        let scaled: Vec<f64> = weights.iter().zip(&unit.norms).map(|(weight, norm)| weight * norm).collect();
        let (products, terms) = (unit.products(&scaled), scaled.iter().sum::<f64>());
        let square: f64 = scaled.iter().zip(&products).map(|(a, b)| a * b).sum();
        for i in 0..weights.len() {
            let gap = products[i] - square / unit.norms[i];
            assert!(weights[i] >= 0.0 && gap >= -tolerance * terms, "{name}: {i} by {gap}, {terms}");
            assert!(
                weights[i] == 0.0 || gap <= tolerance * terms,
                "{name}: {i} has weight for nothing, {gap}, {terms}"
            );
        }
    }

    /// Whether the point is zero; else it is checked.
    fn vanishes(name: &str, jacobian: &Matrix, tolerance: f64) -> bool {
        let gramian = gramian(jacobian);
        let weights = min_norm(&gramian).unwrap_or_else(|failure| panic!("{name}: {failure}"));
        let zero = weights.iter().all(|weight| *weight == 0.0);
        if !zero {
            assert_optimal(name, &gramian, &weights, tolerance);
        }
        zero
    }

    #[test]
    fn points_of_random_rows_are_optimal() {
        for (name, jacobian) in random() {
            let zero = vanishes(&name, &jacobian, 1e-13);
            assert!(!zero || jacobian.nrows() > jacobian.ncols(), "{name}: independent rows have a shortest vector");
        }
    }

    #[test]
    fn points_of_degenerate_rows_are_optimal_as_far_as_products_tell() {
        for (name, jacobian) in degenerate() {
            vanishes(&name, &jacobian, 1e-7);
        }
    }

    #[test]
    fn zero_is_found_in_the_hull() {
        for rows in
            [[1.0, 0.0, -1.0, 0.0, 0.0, 1.0], [1.0, 0.0, -1e8, 1e8, -1e-8, -3e-8], [1.0, 2.0, 3.0, 4.0, 0.0, 0.0]]
        {
            assert!(vanishes("zero in the hull", &Matrix::from_row_slice(3, 2, &rows), 0.0), "{rows:?}");
        }
        assert!(!vanishes("not in the hull", &Matrix::from_row_slice(3, 2, &[1.0, 0.0, -1.0, 1e-6, 0.0, 1.0]), 1e-13));
    }
}
