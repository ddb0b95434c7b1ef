//! Whether two methods differ on the same seeds: Student's and Wilcoxon's paired tests, and Holm's care for many at once.

use statrs::distribution::{ContinuousCDF, StudentsT};
use statrs::function::erf::erfc;

use super::moments::{mean, standard_error};
use super::outcome::Test;
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

/// The least p that [`wilcoxon`] can give `pairs` differences: 2^(1 - pairs), when all have one sign. Five seeds cannot get
/// below 0.0625, so they can never tell at the level 0.05; six can.
pub fn smallest_wilcoxon_p(pairs: usize) -> f64 {
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
    fn five_seeds_cannot_tell_and_six_can() {
        assert_eq!(smallest_wilcoxon_p(5), 0.0625);
        assert!(smallest_wilcoxon_p(6) < 0.05);
        assert_eq!([0, 1].map(smallest_wilcoxon_p), [1.0; 2]);
        for pairs in 1..=50 {
            let differences: Vec<f64> = (1..=pairs).map(|difference| difference as f64).collect();
            assert_eq!(wilcoxon(&differences).map(|test| test.p), Some(smallest_wilcoxon_p(pairs)));
        }
    }
}
