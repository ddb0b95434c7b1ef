//! Who comes first, over many seeds and metrics: ranks, their means, and Friedman's test.

use statrs::distribution::{ChiSquared, ContinuousCDF};

use super::outcome::Test;

/// The rank of each value, 1 for the best; equal values share the mean of their ranks. NaN, as of a run that diverged,
/// ranks as the worst value there can be.
pub fn ranks(values: &[f64], higher_is_better: bool) -> Vec<f64> {
    let cost = |value: &f64| match (value.is_nan(), higher_is_better) {
        (true, _) => f64::INFINITY,
        (false, true) => -value,
        (false, false) => *value,
    };
    let costs: Vec<f64> = values.iter().map(cost).collect();
    let rank = |cost: &f64| {
        let better = costs.iter().filter(|other| *other < cost).count();
        let equal = costs.iter().filter(|other| *other == cost).count(); // itself too
        better as f64 + (equal as f64 + 1.0) / 2.0
    };
    costs.iter().map(rank).collect()
}

/// Σ (t³ - t) over the groups of t equal ranks: what ties take from a rank test's variance.
pub(super) fn tie_term(ranks: &[f64]) -> f64 {
    // Each of a group's t members adds t² - 1.
    let group = |rank: &f64| ranks.iter().filter(|other| *other == rank).count() as f64;
    ranks.iter().map(|rank| group(rank).powi(2) - 1.0).sum()
}

/// The mean rank of each arm over `blocks`. A block stands for one metric of one seed and holds one value per arm, lower is
/// better: the metric itself or, as [`ranks`] of ranks change nothing, its ranks in the metric's own direction.
/// `None` of no blocks, or of blocks of several lengths.
pub fn mean_ranks(blocks: &[Vec<f64>]) -> Option<Vec<f64>> {
    let arms = blocks.first()?.len();
    if blocks.iter().any(|block| block.len() != arms) {
        return None;
    }
    let mut sums = vec![0.0; arms];
    for block in blocks {
        sums.iter_mut().zip(ranks(block, false)).for_each(|(sum, rank)| *sum += rank);
    }
    Some(sums.into_iter().map(|sum| sum / blocks.len() as f64).collect())
}

/// Friedman's test that all arms rank alike, corrected for ties; blocks as in [`mean_ranks`]. The statistic is χ² with one
/// degree of freedom less than there are arms: right for many blocks, roughly right from about ten.
///
/// With N blocks, k arms and mean ranks R: χ² = 12 N / (k (k + 1)) · (Σ R² - k (k + 1)² / 4) / (1 - ties / (N (k³ - k))).
/// `None` below three arms, or where every block ties all arms.
///
/// References: Friedman, JASA 1937; the correction: Hollander and Wolfe, "Nonparametric Statistical Methods", 1973; numbers
/// as SciPy's `friedmanchisquare`.
pub fn friedman(blocks: &[Vec<f64>]) -> Option<Test> {
    let means = mean_ranks(blocks)?;
    let (arms, count) = (means.len() as f64, blocks.len() as f64);
    let ties: f64 = blocks.iter().map(|block| tie_term(&ranks(block, false))).sum();
    let all_tied = count * (arms.powi(3) - arms);
    if means.len() < 3 || ties >= all_tied {
        return None;
    }
    let expected = (arms + 1.0) / 2.0;
    let scatter: f64 = means.iter().map(|rank| (rank - expected).powi(2)).sum();
    let statistic = 12.0 * count / (arms * (arms + 1.0)) * scatter / (1.0 - ties / all_tied);
    let p = ChiSquared::new(arms - 1.0).ok()?.sf(statistic);
    Some(Test { statistic, p })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_values_share_a_rank_and_a_diverged_run_is_last() {
        assert_eq!(ranks(&[0.9, 0.8, 0.9, 0.7], true), [1.5, 3.0, 1.5, 4.0]);
        assert_eq!(ranks(&[0.9, 0.8, 0.9, 0.7], false), [3.5, 2.0, 3.5, 1.0]);
        assert_eq!(ranks(&[f64::NAN, 1.0, -f64::NAN, 0.0, -0.0], true), [4.5, 1.0, 4.5, 2.5, 2.5]);
        assert_eq!(ranks(&[f64::NAN, 1.0], false), [2.0, 1.0]);
        assert!(ranks(&[], true).is_empty());
        let once = ranks(&[3.0, 1.0, 3.0, 2.0], true);
        assert_eq!(ranks(&once, false), once);
    }

    #[test]
    fn mean_ranks_need_whole_blocks() {
        assert_eq!(mean_ranks(&[vec![1.0, 2.0, 3.0], vec![30.0, 20.0, 20.0]]), Some(vec![2.0, 1.75, 2.25]));
        assert_eq!(mean_ranks(&[]), None);
        assert_eq!(mean_ranks(&[vec![1.0, 2.0], vec![1.0]]), None);
    }

    #[test]
    fn friedman_needs_three_arms_and_a_difference() {
        assert_eq!(friedman(&[vec![1.0, 2.0], vec![2.0, 1.0]]), None);
        assert_eq!(friedman(&[vec![1.0; 3], vec![2.0; 3]]), None);
        let level = friedman(&[vec![1.0, 2.0, 3.0], vec![3.0, 2.0, 1.0]]).expect("a test");
        assert_eq!(level, Test { statistic: 0.0, p: 1.0 });
    }
}
