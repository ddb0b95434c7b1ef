//! How far a front reaches and how evenly its points lie.

use super::{euclidean, front};

/// Deb's spread Δ of the front of `points`, two objectives: 0 where neighbours lie evenly and the front reaches both `ends`,
/// the best points of the whole front for the first and for the second objective. `None` of fewer than two points.
///
/// `Δ = (d_f + d_l + Σ_i |d_i - d̄|) / (d_f + d_l + (N-1) d̄)`, with the distances `d_i` of the N - 1 pairs of neighbours, their
/// mean `d̄`, and the distances `d_f` and `d_l` of the outermost points from the ends
///
/// Reference: Deb et al., "A Fast and Elitist Multiobjective Genetic Algorithm: NSGA-II", IEEE Transactions on Evolutionary
/// Computation 2002.
pub fn spread(points: &[[f64; 2]], ends: [[f64; 2]; 2]) -> Option<f64> {
    let front = front(points);
    let [first, .., last] = front.as_slice() else { return None };
    let missed = euclidean(first, &ends[0]) + euclidean(last, &ends[1]);
    let gaps: Vec<f64> = front.windows(2).map(|pair| euclidean(&pair[0], &pair[1])).collect();
    let total: f64 = gaps.iter().sum();
    let mean = total / gaps.len() as f64;
    let uneven: f64 = gaps.iter().map(|gap| (gap - mean).abs()).sum();
    Some((missed + uneven) / (missed + total))
}

/// The maximum spread of the front of `points`, any number of objectives: the diagonal of the box that holds it.
///
/// `√(Σ_k (max_i f_k - min_i f_k)²)`
///
/// Reference: Zitzler, Deb and Thiele, "Comparison of Multiobjective Evolutionary Algorithms: Empirical Results", Evolutionary
/// Computation 2000 (M3, with the Euclidean diagonal that the field has settled on).
pub fn maximum_spread<P: AsRef<[f64]> + Clone>(points: &[P]) -> f64 {
    let front = front(points);
    let Some(first) = front.first() else { return 0.0 };
    let extent = |k: usize| {
        let values = || front.iter().map(|point| point.as_ref()[k]);
        values().fold(f64::NEG_INFINITY, f64::max) - values().fold(f64::INFINITY, f64::min)
    };
    (0..first.as_ref().len()).map(|k| extent(k).powi(2)).sum::<f64>().sqrt()
}

/// Schott's spacing of the front of `points`, any number of objectives: the standard deviation of the distances to the nearest
/// neighbour, 0 where all are equal. `None` of fewer than two points.
///
/// `√(Σ_i (d̄ - d_i)² / (N-1))`, with `d_i = min_{j≠i} Σ_k |f_k(i) - f_k(j)|` and their mean `d̄`
///
/// Reference: Schott, "Fault Tolerant Design Using Single and Multicriteria Genetic Algorithm Optimization", thesis, MIT 1995.
pub fn spacing<P: AsRef<[f64]> + Clone>(points: &[P]) -> Option<f64> {
    let front = front(points);
    if front.len() < 2 {
        return None;
    }
    let steps = |a: &P, b: &P| a.as_ref().iter().zip(b.as_ref()).map(|(a, b)| (a - b).abs()).sum::<f64>();
    let nearest = |(at, point): (usize, &P)| {
        let others = front.iter().enumerate().filter(|(other, _)| *other != at);
        others.map(|(_, other)| steps(point, other)).fold(f64::INFINITY, f64::min)
    };
    let distances: Vec<f64> = front.iter().enumerate().map(nearest).collect();
    let mean = distances.iter().sum::<f64>() / distances.len() as f64;
    let squares: f64 = distances.iter().map(|distance| (mean - distance).powi(2)).sum();
    Some((squares / (distances.len() - 1) as f64).sqrt())
}
