//! How near a set of points is to a front that is known.

use super::euclidean;

/// The inverted generational distance (IGD): the mean, over the points `q` that sample a known
/// `front`, of the Euclidean distance to the nearest of `points`. Small only where the points lie
/// on the front and leave no part of it out. Infinite without points, 0 without a front.
///
/// `IGD(P, Q) = (1 / |Q|) Σ_{q ∈ Q} min_{p ∈ P} √(Σ_k (p_k - q_k)²)`, with `P` the `points` and `Q`
/// the samples of the `front`.
///
/// It depends on the samples: where they lie close, the front weighs more. Two values can be
/// compared only if they were measured from the same samples, so that a report must name their
/// number and how they lie.
///
/// References: Coello Coello and Cruz Cortés, "Solving Multiobjective Optimization Problems Using
/// an Artificial Immune System", Genetic Programming and Evolvable Machines 2005, where it is
/// `(1 / |Q|) √(Σ_q min_p d²)`; the mean distance, which the field has settled on, is `D` in Bosman
/// and Thierens, "The Balance Between Proximity and Diversity in Multiobjective Evolutionary
/// Algorithms", IEEE Transactions on Evolutionary Computation 2003.
pub fn inverted_generational_distance<P: AsRef<[f64]>, Q: AsRef<[f64]>>(points: &[P], front: &[Q]) -> f64 {
    let nearest =
        |goal: &Q| points.iter().map(|point| euclidean(point.as_ref(), goal.as_ref())).fold(f64::INFINITY, f64::min);
    front.iter().map(nearest).sum::<f64>() / front.len().max(1) as f64
}
