//! Points of two objectives or more, all to be made small: which are best, how much they dominate, how well they are spread.
//!
//! A point is anything that is a list of numbers, one per objective; those of one call have as many.

mod distance;
mod hypervolume;
mod lattice;
mod spread;

pub use distance::inverted_generational_distance;
pub use hypervolume::{curve_hypervolume, hypervolume};
pub use lattice::lattice;
pub use spread::{maximum_spread, spacing, spread};

use std::cmp::Ordering;

/// The points that no other one dominates, by the first objective; of equal ones, one. Points that are not finite are left out.
///
/// A point dominates another one where it is nowhere larger and somewhere smaller.
pub fn front<P: AsRef<[f64]> + Clone>(points: &[P]) -> Vec<P> {
    let is_finite = |point: &&P| point.as_ref().iter().all(|value| value.is_finite());
    let mut sorted: Vec<P> = points.iter().filter(is_finite).cloned().collect();
    sorted.sort_by(|a, b| in_order(a.as_ref(), b.as_ref()));
    let mut best: Vec<P> = Vec::new();
    // In this order nothing dominates what comes before it, and of two objectives the last of the best has the lowest second.
    for point in sorted {
        let rivals = if point.as_ref().len() == 2 { best.len().saturating_sub(1) } else { 0 };
        if !best[rivals..].iter().any(|other| is_nowhere_larger(other.as_ref(), point.as_ref())) {
            best.push(point);
        }
    }
    best
}

/// By the first objective, then by the second, and so on.
fn in_order(a: &[f64], b: &[f64]) -> Ordering {
    a.iter().zip(b).map(|(a, b)| a.total_cmp(b)).find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
}

fn is_nowhere_larger(a: &[f64], b: &[f64]) -> bool {
    a.iter().zip(b).all(|(a, b)| a <= b)
}

/// The distance of two points as the crow flies.
fn euclidean(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt()
}

#[cfg(test)]
mod tests;
