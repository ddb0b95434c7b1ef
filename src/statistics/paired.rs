//! Whether two methods differ on the same seeds: Student's, Wilcoxon's and the sign-flip test, and Holm's care for many at
//! once.

use statrs::distribution::{ContinuousCDF, StudentsT};
use statrs::function::erf::erfc;

use super::moments::{mean, standard_deviation, standard_error};
use super::outcome::{Interval, Test};
use super::ranking::{ranks, tie_term};

/// Student's paired t-test that the mean of `differences` (one per seed) is zero: t = mean / standard error, with n - 1
/// degrees of freedom. It takes the differences for normal. `None` below two differences, where they are all equal, and where
/// one is not finite.
///
/// Reference: Student, Biometrika 1908; numbers as SciPy's `ttest_rel`.
pub fn paired_t(differences: &[f64]) -> Option<Test> {
    if differences.iter().all(|difference| *difference == differences[0]) {
        return None;
    }
    let statistic = Some(mean(differences)? / standard_error(differences)?).filter(|t| t.is_finite())?;
    let student = StudentsT::new(0.0, 1.0, (differences.len() - 1) as f64).ok()?;
    Some(Test { statistic, p: 2.0 * student.sf(statistic.abs()) })
}

/// The two-sided p of the paired t-test of differences that are known to the nearest `step` only, as those of accuracies
/// over few rows are: t = mean / √((s² + step²/12) / n) with n - 1 degrees of freedom.
///
/// A number read to the nearest δ has the variance δ²/12 beside that which its readings show. Without a step this is
/// [`paired_t`]; with one it is defined where all differences are equal too, and does not take three equal differences of one
/// row each for certainty: between equal arms, over 3 to 10 seeds of 5 to 100 test rows and after Holm over up to nine
/// comparisons, the plain test errs in up to 19 of 100 studies where it takes equal differences for t = ∞, and this one in 5.
/// Equal differences without a step are what chance never gives: p is 0, as SciPy says; 1 where all are zero. `None` below
/// two differences, and where one is not finite.
///
/// Reference for δ²/12: JCGM 100:2008, "Guide to the expression of uncertainty in measurement", F.2.2.1.
pub fn paired_t_in_steps(differences: &[f64], step: f64) -> Option<f64> {
    let (center, error) = center_and_error(differences, step)?;
    if center == 0.0 || error == 0.0 {
        return Some(if center == 0.0 { 1.0 } else { 0.0 });
    }
    let student = StudentsT::new(0.0, 1.0, (differences.len() - 1) as f64).ok()?;
    Some(2.0 * student.sf((center / error).abs()))
}

/// Student's interval for the mean of values that are known to the nearest `step`: it excludes 0 exactly where
/// [`paired_t_in_steps`] has a p below 1 - `level`. `None` where that has none.
pub fn student_interval(values: &[f64], step: f64, level: f64) -> Option<Interval> {
    let (center, error) = center_and_error(values, step)?;
    let student = StudentsT::new(0.0, 1.0, (values.len() - 1) as f64).ok()?;
    let reach = student.inverse_cdf((1.0 + level) / 2.0) * error;
    Some(Interval { low: center - reach, high: center + reach })
}

/// The mean and its standard error, with the variance of numbers that are known to the nearest `step`.
fn center_and_error(values: &[f64], step: f64) -> Option<(f64, f64)> {
    let first = *values.first()?;
    if values.iter().all(|value| *value == first) {
        // Compared, not computed: rounding would give equal values a spread.
        let error = step / (12.0 * values.len() as f64).sqrt();
        return Some((first, error)).filter(|_| values.len() > 1 && first.is_finite());
    }
    let variance = standard_deviation(values)?.powi(2) + step * step / 12.0;
    Some((mean(values)?, (variance / values.len() as f64).sqrt())).filter(|(_, error)| error.is_finite())
}

/// More differences than this have too many patterns of signs.
const MOST_FLIPPED: usize = 16;

/// The exact two-sided p of the sign-flip (permutation) test that `differences` lie evenly about zero: the share of the 2^n
/// patterns of signs under which their sum lies at least as far from zero. It takes nothing for normal. n equal differences
/// have p = 2^(1 - n). `None` of nothing, where one is not finite, and above 16 differences that are not all equal.
///
/// Reference: Fisher, "The Design of Experiments", 1935, section 21; numbers as SciPy's `permutation_test` of paired samples.
pub fn sign_flip(differences: &[f64]) -> Option<f64> {
    let first = *differences.first().filter(|_| differences.iter().all(|difference| difference.is_finite()))?;
    if differences.iter().all(|difference| *difference == first) {
        return Some(if first == 0.0 { 1.0 } else { smallest_sign_flip_p(differences.len()) });
    }
    if differences.len() > MOST_FLIPPED {
        return None;
    }
    let sum: f64 = differences.iter().sum();
    let least = sum.abs() - 1e-12 * differences.iter().map(|difference| difference.abs()).sum::<f64>();
    // A pattern and its mirror image count alike, so the last sign may stay.
    let patterns = 1_u32 << (differences.len() - 1);
    let flipped = |pattern: &u32| {
        let signed = |(at, difference): (usize, &f64)| if pattern >> at & 1 == 1 { -difference } else { *difference };
        differences.iter().enumerate().map(signed).sum::<f64>().abs() >= least
    };
    Some((0..patterns).filter(flipped).count() as f64 / f64::from(patterns))
}

/// Wilcoxon's signed-rank test that `differences` (one per seed) lie evenly about zero: it takes them for symmetric, not for
/// normal. Zero differences are left out. The statistic is the smaller of the two rank sums, of the positive and of the
/// negative differences.
///
/// The p-value is exact up to 50 differences without ties and zeros and up to 13 with them; else it comes from the normal
/// distribution, with the variance corrected for ties. Where no pair differs p is 1; `None` of nothing, and where a
/// difference is not finite.
///
/// Reference: Wilcoxon, Biometrics Bulletin 1945; numbers as SciPy 1.17's `wilcoxon` with its defaults.
pub fn wilcoxon(differences: &[f64]) -> Option<Test> {
    if differences.is_empty() || differences.iter().any(|difference| !difference.is_finite()) {
        return None;
    }
    let moved: Vec<f64> = differences.iter().copied().filter(|difference| *difference != 0.0).collect();
    let sizes: Vec<f64> = moved.iter().map(|difference| difference.abs()).collect();
    let ranks = ranks(&sizes, false);
    let ties = tie_term(&ranks);
    let positive: f64 =
        ranks.iter().zip(&moved).filter(|(_, difference)| **difference > 0.0).map(|(rank, _)| rank).sum();
    let statistic = positive.min(ranks.iter().sum::<f64>() - positive);

    let plain = ties == 0.0 && moved.len() == differences.len();
    let exact = moved.is_empty() || differences.len() <= if plain { 50 } else { 13 };
    let p = if exact {
        // The two tails are mirror images and may meet in the middle.
        (2.0 * signed_rank_tail(&ranks, statistic)).min(1.0)
    } else {
        let n = moved.len() as f64;
        let deviation = ((n * (n + 1.0) * (2.0 * n + 1.0) - ties / 2.0) / 24.0).sqrt();
        erfc((n * (n + 1.0) / 4.0 - statistic) / deviation / 2_f64.sqrt())
    };
    Some(Test { statistic, p })
}

/// The probability that `ranks` with random signs have a positive sum of at most `statistic`.
fn signed_rank_tail(ranks: &[f64], statistic: f64) -> f64 {
    let doubled = |rank: f64| (2.0 * rank).round() as usize; // whole numbers, even of shared ranks
    let mut chances = vec![0.0; doubled(ranks.iter().sum()) + 1]; // by the doubled sum
    chances[0] = 1.0;
    for rank in ranks.iter().map(|rank| doubled(*rank)) {
        for sum in (0..chances.len()).rev() {
            let with = if sum >= rank { chances[sum - rank] } else { 0.0 };
            chances[sum] = (chances[sum] + with) / 2.0;
        }
    }
    chances[..=doubled(statistic)].iter().sum()
}

/// The least p that [`wilcoxon`] and [`sign_flip`] can give `pairs` differences: 2^(1 - pairs), when all have one sign. Five
/// seeds cannot get below 0.0625, so they can never tell at the level 0.05; six can.
pub fn smallest_sign_flip_p(pairs: usize) -> f64 {
    2.0 * 0.5_f64.powf(pairs.max(1) as f64)
}

/// Holm's adjusted p-values, in the order given: those at most α may all be called real, and the chance that any of these
/// claims is false is at most α, however the tests depend on each other.
///
/// The i-th smallest of m becomes the largest (m - j + 1) · p₍ⱼ₎ of j ≤ i, at most 1.
///
/// Reference: Holm, Scandinavian Journal of Statistics 1979.
pub fn holm(p_values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    order.sort_by(|a, b| p_values[*a].total_cmp(&p_values[*b]));
    let mut adjusted = vec![0.0; p_values.len()];
    let mut largest = 0_f64;
    for (place, index) in order.into_iter().enumerate() {
        largest = largest.max((p_values.len() - place) as f64 * p_values[index]).min(1.0);
        adjusted[index] = largest;
    }
    adjusted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_without_an_answer_have_none() {
        assert_eq!([paired_t(&[]), paired_t(&[1.0]), paired_t(&[0.1; 5]), paired_t(&[1.0, f64::NAN])], [None; 4]);
        assert_eq!(paired_t(&[1e308, 1.5e308]), None);
        assert_eq!([wilcoxon(&[]), wilcoxon(&[1.0, f64::INFINITY])], [None; 2]);
        assert_eq!([wilcoxon(&[0.0; 5]), wilcoxon(&[0.0; 99])], [Some(Test { statistic: 0.0, p: 1.0 }); 2]);
    }

    #[test]
    fn signs_and_order_do_not_change_a_two_sided_test() {
        let differences = [0.3, -0.1, 0.9, 0.4, 0.2, -0.35];
        let turned: Vec<f64> = differences.iter().rev().map(|difference| -difference).collect();
        assert_eq!(wilcoxon(&differences), wilcoxon(&turned));
        let [plus, minus] = [paired_t(&differences), paired_t(&turned)].map(|test| test.expect("a test"));
        assert!((plus.statistic + minus.statistic).abs() < 1e-12 && (plus.p - minus.p).abs() < 1e-12);
    }

    #[test]
    fn equal_differences_have_the_answer_that_their_steps_allow() {
        // The same difference at every seed: two of the 2^n patterns of signs reach as far.
        assert_eq!([3, 5, 12].map(|seeds| sign_flip(&vec![0.25; seeds])), [0.25, 0.0625, 2_f64.powi(-11)].map(Some));
        assert_eq!([sign_flip(&[0.0; 4]), sign_flip(&[]), sign_flip(&[1.0, f64::NAN])], [Some(1.0), None, None]);
        assert_eq!([paired_t_in_steps(&[0.1; 5], 0.0), paired_t_in_steps(&[0.0; 5], 0.1)], [Some(0.0), Some(1.0)]);
        // t = √(12 · 5) of one step, five times; with four degrees of freedom.
        let p = paired_t_in_steps(&[0.1; 5], 0.1).expect("a test");
        assert!((p - 0.001_496_481).abs() < 1e-9, "{p}");
        assert_eq!([paired_t_in_steps(&[1.0], 0.1), paired_t_in_steps(&[1.0, f64::NAN], 0.1)], [None; 2]);
        let plain = [0.3, -0.1, 0.9, 0.4];
        assert_eq!(paired_t_in_steps(&plain, 0.0), paired_t(&plain).map(|test| test.p));
        assert!(paired_t_in_steps(&plain, 0.5) > paired_t_in_steps(&plain, 0.0));
    }

    #[test]
    fn an_interval_excludes_zero_where_its_test_tells() {
        for step in [0.0, 0.05] {
            for shift in 0..200 {
                let values = [0.3, -0.1, 0.25, 0.4, 0.1].map(|value| value - f64::from(shift) / 200.0);
                let p = paired_t_in_steps(&values, step).expect("a test");
                for level in [0.95, 0.99, 1.0 - 0.05 / 45.0] {
                    let Interval { low, high } = student_interval(&values, step, level).expect("an interval");
                    assert_eq!(p < 1.0 - level, low > 0.0 || high < 0.0, "{shift}: {p} {low} {high}");
                }
            }
        }
    }

    #[test]
    fn five_seeds_cannot_tell_and_six_can() {
        assert_eq!(smallest_sign_flip_p(5), 0.0625);
        assert!(smallest_sign_flip_p(6) < 0.05);
        assert_eq!([0, 1].map(smallest_sign_flip_p), [1.0; 2]);
        for pairs in 1..=50 {
            let differences: Vec<f64> = (1..=pairs).map(|difference| difference as f64).collect();
            assert_eq!(wilcoxon(&differences).map(|test| test.p), Some(smallest_sign_flip_p(pairs)));
        }
    }
}
