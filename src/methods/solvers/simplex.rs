//! The simplex `{w ≥ 0, Σ w = 1}`.

/// The point of the simplex nearest to `point`, by sorting (Held, Wolfe and Crowder 1974).
pub fn project_on_simplex(point: &[f64]) -> Vec<f64> {
    // The projection does not see a shift of all entries; measured from the largest, a 1 is not lost beside 1e20.
    let largest = point.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let point: Vec<f64> = point.iter().map(|value| value - largest).collect();
    let mut sorted = point.clone();
    sorted.sort_by(|a, b| b.total_cmp(a));
    let (mut sum, mut shift) = (0.0, 0.0);
    for (index, value) in sorted.iter().enumerate() {
        sum += value;
        let candidate = (sum - 1.0) / (index + 1) as f64;
        if *value > candidate {
            shift = candidate;
        }
    }
    point.iter().map(|value| (value - shift).max(0.0)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_projection_is_on_the_simplex_and_no_other_point_is_nearer() {
        let near = |point: &[f64], expected: &[f64]| {
            project_on_simplex(point).iter().zip(expected).all(|(found, expected)| (found - expected).abs() < 1e-15)
        };
        assert!(near(&[0.2, 0.8], &[0.2, 0.8]));
        assert!(near(&[3.0, 0.0, -1.0], &[1.0, 0.0, 0.0]));
        let point = [0.9, 0.6, -0.3, 0.4];
        let projected = project_on_simplex(&point);
        assert!((projected.iter().sum::<f64>() - 1.0).abs() < 1e-15);
        // Optimal: the gap `point - projected` is one constant where the projection is positive, and less elsewhere.
        let gaps: Vec<f64> = point.iter().zip(&projected).map(|(a, b)| a - b).collect();
        assert!((gaps[0] - gaps[1]).abs() < 1e-15 && gaps[2] < gaps[0]);
    }

    #[test]
    fn points_far_away_have_projections_too() {
        assert_eq!(project_on_simplex(&[1e30, -1e30, 3.0]), [1.0, 0.0, 0.0]);
        assert_eq!(project_on_simplex(&[-1e30, -1e30]), [0.5, 0.5]);
    }
}
