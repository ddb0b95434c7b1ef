//! The mean of a few values, and how far they scatter.

/// The mean; `None` of nothing.
pub fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// The standard deviation of a sample (its squares divided by n - 1); `None` below two values.
pub fn standard_deviation(values: &[f64]) -> Option<f64> {
    let center = mean(values).filter(|_| values.len() > 1)?;
    let squares: f64 = values.iter().map(|value| (value - center).powi(2)).sum();
    Some((squares / (values.len() - 1) as f64).sqrt())
}

/// The standard error of the mean: the standard deviation divided by √n; `None` below two values.
pub fn standard_error(values: &[f64]) -> Option<f64> {
    Some(standard_deviation(values)? / (values.len() as f64).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_those_of_a_sample() {
        let values = [2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0];
        assert_eq!(mean(&values), Some(5.0));
        assert_eq!(standard_deviation(&values), Some((32.0_f64 / 7.0).sqrt()));
        assert_eq!(standard_error(&values), Some((32.0_f64 / 7.0).sqrt() / 8_f64.sqrt()));
        assert_eq!([mean(&[]), standard_deviation(&[1.0]), standard_error(&[])], [None; 3]);
    }
}
