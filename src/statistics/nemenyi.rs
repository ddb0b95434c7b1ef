//! Which arms the ranks tell apart: Nemenyi's critical difference, and the groups that a critical-difference diagram joins.

use std::f64::consts::{PI, SQRT_2};

use statrs::function::erf::erfc;

/// How far two mean ranks must lie apart for their arms to differ at `level` (such as 0.05, over all pairs together):
/// q √(k (k + 1) / (6 N)) with k arms, N blocks, and q the studentized range's quantile (infinite degrees of freedom) over √2.
/// `None` below two arms or one block. Panics at a level outside (0, 1).
///
/// Reference: Demšar, "Statistical Comparisons of Classifiers over Multiple Data Sets", JMLR 2006.
pub fn nemenyi_critical_difference(arms: usize, blocks: usize, level: f64) -> Option<f64> {
    assert!(level > 0.0 && level < 1.0, "a level between 0 and 1, not {level}");
    let (k, n) = (arms as f64, blocks as f64);
    (arms > 1 && blocks > 0).then(|| studentized_range(arms, level) / SQRT_2 * (k * (k + 1.0) / (6.0 * n)).sqrt())
}

/// The range that `count` standard normal numbers exceed with probability `level`, by bisection.
pub(super) fn studentized_range(count: usize, level: f64) -> f64 {
    let (mut low, mut high) = (0.0, 80.0);
    for _ in 0..60 {
        let middle = (low + high) / 2.0;
        if range_exceeds(middle, count) > level { low = middle } else { high = middle }
    }
    (low + high) / 2.0
}

/// The probability that `count` standard normal numbers span more than `range`: 1 - k ∫ φ(z) (Φ(z) - Φ(z - range))^(k - 1) dz,
/// z being the largest of them.
fn range_exceeds(range: f64, count: usize) -> f64 {
    const STEP: f64 = 0.05; // the trapezoids of so smooth a function are exact to rounding
    let density = |z: f64| (-z * z / 2.0).exp() / (2.0 * PI).sqrt();
    let between = |z: f64| (erfc(-z / SQRT_2) - erfc((range - z) / SQRT_2)) / 2.0;
    let integrand = |z: f64| count as f64 * density(z) * between(z).powf((count - 1) as f64);
    1.0 - (-180..=180).map(|at| integrand(STEP * f64::from(at))).sum::<f64>() * STEP
}

/// The largest groups of neighbouring arms whose mean ranks all lie closer than the critical difference: what a
/// critical-difference diagram joins by a bar. Each group holds at least two indices into `mean_ranks`, best first; groups
/// may overlap and stand in the order of their best arms.
///
/// Reference: Demšar, JMLR 2006, figure 1.
pub fn cliques(mean_ranks: &[f64], critical_difference: f64) -> Vec<Vec<usize>> {
    let mut order: Vec<usize> = (0..mean_ranks.len()).collect();
    order.sort_by(|a, b| mean_ranks[*a].total_cmp(&mean_ranks[*b]));
    let mut groups = Vec::new();
    let mut reached = 0;
    for first in 0..order.len() {
        let close = |arm: &&usize| mean_ranks[**arm] - mean_ranks[order[first]] < critical_difference;
        let end = first + order[first..].iter().take_while(close).count();
        // A group that ends where the last one did is a part of it.
        if end > reached && end > first + 1 {
            groups.push(order[first..end].to_vec());
        }
        reached = reached.max(end);
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Demšar 2006: table 5 (a), and the worked example of four classifiers on 14 data sets.
    #[test]
    fn critical_differences_are_those_of_the_literature() {
        let table = [1.960, 2.343, 2.569, 2.728, 2.850, 2.949, 3.031, 3.102, 3.164];
        for (arms, expected) in (2..).zip(table) {
            let q = studentized_range(arms, 0.05) / SQRT_2;
            assert!((q - expected).abs() < 1.1e-3, "{arms} arms: {q}, not {expected}");
        }
        for (level, expected) in [(0.05, 1.25), (0.10, 1.12)] {
            let difference = nemenyi_critical_difference(4, 14, level).expect("four arms");
            assert!((difference - expected).abs() < 0.006, "{difference}");
        }
        assert_eq!([(1, 9), (2, 0)].map(|(arms, blocks)| nemenyi_critical_difference(arms, blocks, 0.05)), [None; 2]);
    }

    #[test]
    fn cliques_join_neighbours_and_overlap() {
        // Demšar 2006, at 0.10: plain C4.5 is worse than +m and +m+cf, and +cf could belong to either.
        assert_eq!(cliques(&[3.143, 2.000, 2.893, 1.964], 1.12), [vec![3, 1, 2], vec![2, 0]]);
        assert_eq!(cliques(&[1.0, 2.0, 3.0], 5.0), [[0, 1, 2]]);
        assert_eq!(cliques(&[1.0, 2.0, 3.0], 1.0), Vec::<Vec<usize>>::new(), "at the critical difference they differ");
        assert_eq!(cliques(&[1.0, 1.1, 3.0, 3.1], 1.0), [[0, 1], [2, 3]]);
        assert_eq!(cliques(&[2.0, 2.0], 0.5), [[0, 1]]);
        assert_eq!(cliques(&[], 1.0), Vec::<Vec<usize>>::new());
    }
}
