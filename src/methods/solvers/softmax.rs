//! Softmax.

/// `exp(v_t / temperature) / Σ_s exp(v_s / temperature)`, of no numbers none. The largest value becomes `exp(0)`, so nothing
/// overflows.
pub fn softmax(values: &[f64], temperature: f64) -> Vec<f64> {
    let largest = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let powers: Vec<f64> = values.iter().map(|value| ((value - largest) / temperature).exp()).collect();
    let sum: f64 = powers.iter().sum();
    powers.into_iter().map(|power| power / sum).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_follow_the_differences_of_the_values_at_any_height() {
        for height in [0.0, 1e3, -1e3] {
            let shares = softmax(&[height, height + 2.0 * 3.0_f64.ln()], 2.0);
            assert!((shares[0] - 0.25).abs() < 1e-12 && (shares[1] - 0.75).abs() < 1e-12, "{shares:?}");
        }
        assert_eq!(softmax(&[1.0, 2.0, -1.0], 1e-300), [0.0, 1.0, 0.0]);
    }
}
