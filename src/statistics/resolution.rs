//! In which steps a metric moves: accuracy over 160 rows can only be a multiple of 1/160.

use super::moments::mean;

/// More steps than this between the lowest and the highest value count as continuous.
const MOST_STEPS: u32 = 1000;

/// Numbers closer to each other than this share of the largest are one number; what lies between is rounding.
const ROUNDING: f64 = 1e-12;

/// The step δ of the grid that all finite `values` lie on, in their unit: the longest of which every difference between two of
/// them is a multiple. 0 where there is none, or none but so fine a one (more than 1,000 steps from the lowest to the highest
/// value) that the values can be taken for continuous.
pub fn resolution(values: &[f64]) -> f64 {
    let finite = || values.iter().copied().filter(|value| value.is_finite());
    let (low, high) = (finite().fold(f64::INFINITY, f64::min), finite().fold(f64::NEG_INFINITY, f64::max));
    let (span, largest) = (high - low, high.abs().max(low.abs()));
    if !span.is_finite() || span <= ROUNDING * largest {
        return 0.0;
    }
    // Tried one by one: Euclid's algorithm would add up the rounding of its remainders.
    let fits = |steps: &u32| {
        let steps = f64::from(*steps);
        let rounding = 1e-9 + steps * ROUNDING * largest / span;
        let offset = |value: f64| (value - low) / span * steps;
        finite().map(offset).all(|offset| (offset - offset.round()).abs() <= rounding)
    };
    (1..=MOST_STEPS).find(fits).map_or(0.0, |steps| span / f64::from(steps))
}

/// Makes numbers that differ by rounding alone, given how large those are that they were computed from, the very same: each
/// takes the value of the lowest that it is equal to. 0.1 + 0.2 and 0.3 share a rank.
pub fn merge_equal(values: &mut [f64], largest: f64) {
    let rounding = ROUNDING * largest;
    let mut order: Vec<usize> = (0..values.len()).filter(|&at| values[at].is_finite()).collect();
    order.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
    let mut level = f64::NEG_INFINITY;
    for at in order {
        if values[at] - level > rounding {
            level = values[at];
        }
        values[at] = level;
    }
}

/// The largest size of some numbers; infinite ones do not count.
pub fn largest(values: impl Iterator<Item = f64>) -> f64 {
    values.map(f64::abs).filter(|size| size.is_finite()).fold(0.0, f64::max)
}

/// The mean of numbers, 0 where they cancel but for rounding; `None` of nothing.
pub fn center(values: &[f64]) -> Option<f64> {
    let size = largest(values.iter().copied());
    mean(values).map(|mean| if mean.abs() <= 1e-14 * size { 0.0 } else { mean })
}

/// Takes the rounding out of `differences` of numbers as large as `largest`: those of one size get the very same size, and
/// those of none become 0, so that 0.8 - 0.7 and 0.6 - 0.5 are a tie.
pub fn without_rounding(differences: &mut [f64], largest: f64) {
    // With 0 among them, sizes that are rounding alone take its value.
    let mut sizes: Vec<f64> = differences.iter().map(|it| it.abs()).chain([0.0]).collect();
    merge_equal(&mut sizes, largest);
    for (difference, size) in differences.iter_mut().zip(sizes) {
        *difference = if *difference < 0.0 { -size } else { size };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::generator;
    use rand::RngExt;

    #[test]
    fn shares_of_so_many_rows_move_in_steps_of_one_row() {
        for rows in [5, 20, 160, 997] {
            let share = |row: u32| f64::from(row) / f64::from(rows);
            let found = resolution(&[share(4), share(2), share(2), share(3), share(rows)]);
            assert!((found * f64::from(rows) - 1.0).abs() < 1e-9, "{rows}: {found}");
            // Two tasks' mean moves in half of that.
            let mean = resolution(&[share(1), (share(1) + share(2)) / 2.0, share(4)]);
            assert!((mean * f64::from(rows) - 0.5).abs() < 1e-9, "{rows}: {mean}");
        }
        assert_eq!(resolution(&[0.5, 0.75, 0.5, 0.75]), 0.25);
        assert!((resolution(&[0.1, 0.2, 0.1 + 0.2, 0.7]) - 0.1).abs() < 1e-12, "0.1 + 0.2 is 0.3");
    }

    #[test]
    fn continuous_equal_and_missing_values_have_no_step() {
        assert_eq!([resolution(&[]), resolution(&[0.3; 4]), resolution(&[f64::NAN, 1.0])], [0.0; 3]);
        let found = (0..2000).filter(|study| {
            let mut random = generator(*study, "resolution", 0, 0);
            let values: Vec<f64> = (0..6).map(|_| random.random_range(0.0..1.0)).collect();
            resolution(&values) > 0.0
        });
        assert_eq!(found.count(), 0);
        assert_eq!(resolution(&[0.0, 1.0, 1.0 / 3001.0]), 0.0, "too fine to matter");
    }

    #[test]
    fn steps_are_found_however_many_values_share_them() {
        let thousandths = [0.669, 0.664, 0.592, 0.066, 0.831, 0.992];
        assert!((resolution(&thousandths) - 0.001).abs() < 1e-14);
        let of_900 = [899.0, 874.0, 584.0, 892.0, 660.0, 784.0].map(|rows| rows / 900.0);
        assert!((resolution(&of_900) * 900.0 - 1.0).abs() < 1e-12);
        assert_eq!(resolution(&[1e9, 1e9 + 0.5, 1e9 + 2.0]), 0.5);
    }

    #[test]
    fn equal_numbers_are_merged_and_infinite_ones_stay() {
        let mut values = [0.1 + 0.2, f64::NEG_INFINITY, 0.3, 0.2, f64::INFINITY];
        merge_equal(&mut values, largest([0.3, f64::INFINITY, -0.1].into_iter()));
        assert_eq!(values, [0.3, f64::NEG_INFINITY, 0.3, 0.2, f64::INFINITY]);
    }

    #[test]
    fn rounding_makes_no_difference_of_a_tie() {
        let mut same = [0.8 - 0.7, 0.6 - 0.5, 0.5 - 0.6, 1.0 - 0.9];
        without_rounding(&mut same, 1.0);
        assert!(same.iter().all(|difference| difference.abs() == same[1].abs()) && same[2] < 0.0, "{same:?}");
        assert_eq!(center(&[0.1, 0.2, -0.3]), Some(0.0));
        let mut none = [(0.1 + 0.2) - 0.3, 0.0, -1e-17];
        without_rounding(&mut none, 0.3);
        assert_eq!(none, [0.0; 3]);
        let mut others = [1e-3, -2e-3, 3.0];
        without_rounding(&mut others, 3.0);
        assert_eq!(others, [1e-3, -2e-3, 3.0]);
    }
}
