//! How near a set of points is to a front that is known.

use super::euclidean;

/// The inverted generational distance: the mean, over points that sample a known `front`, of the distance to the nearest of
/// `points`. Small only where the points are on the front and leave no part of it out. Infinite without points, 0 without a front.
///
/// Reference: Coello Coello and Cruz Cortés, "Solving Multiobjective Optimization Problems Using an Artificial Immune System",
/// Genetic Programming and Evolvable Machines 2005 (with the mean distance, as the field has settled on).
pub fn inverted_generational_distance<P: AsRef<[f64]>, Q: AsRef<[f64]>>(points: &[P], front: &[Q]) -> f64 {
    let nearest =
        |goal: &Q| points.iter().map(|point| euclidean(point.as_ref(), goal.as_ref())).fold(f64::INFINITY, f64::min);
    front.iter().map(nearest).sum::<f64>() / front.len().max(1) as f64
}
