//! The worst-off task within a ball around the mean gradient.

use super::nonnegative::{Optimum, Unsolved, dot, nonnegative, rounding};
use super::unit_gramian::UnitGramian;
use crate::methods::Matrix;

/// How far from the square of the ball's radius that of a solution may stay, relative to it.
const NEAR: f64 = 1e-13;

/// How many programs are solved at most.
const LIMIT: usize = 200;

/// The push `x ≥ 0` `[K]` by which CAGrad's direction `Jᵀ(1/K + x)` leaves the mean gradient `g0 = Jᵀ1/K`, from the Gramian
/// `J Jᵀ` `[K, K]`: `x = c‖g0‖/‖g_w‖ w`, where `w` minimises `g_w·g0 + c‖g0‖‖g_w‖` on the simplex and `g_w = Jᵀw`. All zero
/// where `g_w` or `c‖g0‖` is zero to rounding.
///
/// The direction maximises the least progress `t = min_i g_i·d` within the ball `‖d - g0‖ ≤ c‖g0‖`. For a given t the nearest
/// such d is a quadratic program over `x ≥ 0`, whose distance to g0 grows convexly with t and, on one active set, is the root
/// of a quadratic in t; the t whose distance is the radius is found by solving these quadratics, from above.
///
/// # Errors
/// An active set does not settle, or the Gramian is not finite.
pub fn cagrad(gramian: &Matrix, c: f64) -> Result<Vec<f64>, Unsolved> {
    let unit = UnitGramian::new(gramian)?;
    let push = match Ball::new(&unit, c) {
        Some(ball) => ball.search()?,
        None => None,
    };
    let Some(push) = push else { return Ok(vec![0.0; unit.size()]) };
    Ok(push.iter().zip(&unit.norms).map(|(x, norm)| if *norm > 0.0 { x / norm } else { 0.0 }).collect())
}

/// The ball, in units of `‖g0‖`; progress is in units of `‖g0‖` times the shortest row that is not zero.
struct Ball<'a> {
    unit: &'a UnitGramian,
    radius: f64,
    /// `‖g0‖`
    length: f64,
    /// The magnitude of the terms that the cosines were summed from.
    noise: f64,
    /// The cosine of each row with g0 `[K]`.
    cosines: Vec<f64>,
    /// The length of the shortest row relative to each `[K]`; 0 for a zero row.
    shares: Vec<f64>,
}

impl<'a> Ball<'a> {
    fn new(unit: &'a UnitGramian, radius: f64) -> Option<Self> {
        let mean: Vec<f64> = unit.norms.iter().map(|norm| norm / unit.size() as f64).collect();
        let products = unit.products(&mean);
        let length = unit.length(&mean, &products).filter(|_| radius > 0.0)?;
        let least = unit.norms.iter().copied().filter(|norm| *norm > 0.0).fold(f64::INFINITY, f64::min);
        let shares = unit.norms.iter().map(|norm| if *norm > 0.0 { least / norm } else { 0.0 }).collect();
        let noise = mean.iter().sum::<f64>() / length;
        Some(Self {
            unit,
            radius,
            length,
            noise,
            cosines: products.iter().map(|product| product / length).collect(),
            shares,
        })
    }

    /// The least of `row(i)/shares_i`: how far the rows allow progress.
    fn least(&self, row: impl Fn(usize) -> f64) -> f64 {
        let rows = (0..self.shares.len()).filter(|&i| self.shares[i] > 0.0);
        rows.map(|i| row(i) / self.shares[i]).fold(f64::INFINITY, f64::min)
    }

    fn search(&self) -> Result<Option<Vec<f64>>, Unsolved> {
        let mut low = self.least(|i| self.cosines[i]);
        let mut high = self.least(|i| self.cosines[i] + self.radius);
        let mut blocked = self.shares.contains(&0.0); // a zero row makes no progress
        if blocked {
            high = high.min(0.0);
        }
        // No progress and no loss first: it tells the two apart, at whatever scale the answer is.
        let (mut progress, mut guess) = (if low < 0.0 { high.min(0.0) } else { high }, vec![]);
        let mut stands = false; // whether no progress and no loss is within the radius
        let mut solved = false; // whether `progress` is the answer if the active set stays
        let mut least = f64::INFINITY; // by how much answers on this active set missed
        for iterations in 1..=LIMIT {
            let next = match self.nearest(progress, &guess)? {
                Nearest::None if progress <= 0.0 || stands => return Ok(None),
                Nearest::None => {
                    high = progress;
                    blocked = low < 0.0; // standing still is always possible
                    blocked.then_some(0.0)
                }
                Nearest::At { distance, .. } if blocked && progress == 0.0 && distance <= self.radius => {
                    return Ok(None);
                }
                Nearest::At { distance, optimum } => {
                    let narrow = high - low <= 4.0 * f64::EPSILON * low.abs().max(high.abs());
                    let miss = (distance - self.radius).abs();
                    if optimum.support.members != guess {
                        least = f64::INFINITY;
                    }
                    let rounded = narrow || solved && miss >= 0.5 * least;
                    least = least.min(miss);
                    if self.is_near(&optimum, distance, rounded) {
                        let factor = self.radius * self.length / distance;
                        return Ok(Some(optimum.point.iter().map(|x| x * factor).collect()));
                    }
                    if narrow {
                        return Err(Unsolved::NotConverged { iterations, residual: miss / self.radius });
                    }
                    *(if distance > self.radius { &mut high } else { &mut low }) = progress;
                    stands |= progress == 0.0 && distance <= self.radius;
                    guess = optimum.support.members.clone();
                    self.root(&optimum, distance).map(|step| progress + step)
                }
            };
            let inside = next.filter(|next| (low..high).contains(next) && *next != low);
            solved = inside.is_some();
            progress = inside.unwrap_or(0.5 * (low + high));
        }
        Err(Unsolved::NotConverged { iterations: LIMIT, residual: (high - low) / low.abs().max(high.abs()) })
    }

    /// Whether the distance is the radius, as nearly as the cosines are known; where it is `rounded`, for solving for it
    /// again does not help or no other progress is left to try, as nearly as rounding lets a sum of such terms be known.
    fn is_near(&self, optimum: &Optimum, distance: f64, rounded: bool) -> bool {
        let terms: f64 = optimum.point.iter().sum();
        let rounding = rounding(self.unit.size());
        let known = rounding * self.noise * self.radius + if rounded { 4.0 * rounding * terms * terms } else { 0.0 };
        (distance - self.radius).abs() * (distance + self.radius) <= NEAR * self.radius * self.radius + known
    }

    /// The direction nearest to g0 on which every row makes this `progress`.
    fn nearest(&self, progress: f64, guess: &[usize]) -> Result<Nearest<'_>, Unsolved> {
        let linear: Vec<f64> =
            self.shares.iter().zip(&self.cosines).map(|(share, cos)| progress * share - cos).collect();
        let optimum = match nonnegative(&self.unit.cosines, &linear, self.noise, guess) {
            Err(Unsolved::Contradiction) => return Ok(Nearest::None),
            other => other?,
        };
        if optimum.support.members.is_empty() {
            return Ok(Nearest::At { distance: 0.0, optimum });
        }
        let products = self.unit.products(&optimum.point);
        Ok(match self.unit.length(&optimum.point, &products) {
            Some(distance) => Nearest::At { distance, optimum },
            None => Nearest::None,
        })
    }

    /// How much more progress brings the distance to the radius, if the active set stays: with `H z = q` on it (q the
    /// shares), the squared distance grows by `2 xᵀq δ + zᵀq δ²`.
    fn root(&self, optimum: &Optimum, distance: f64) -> Option<f64> {
        let members = &optimum.support.members;
        let change = optimum.support.solve(&self.shares);
        let shares: Vec<f64> = members.iter().map(|&member| self.shares[member]).collect();
        let point: Vec<f64> = members.iter().map(|&member| optimum.point[member]).collect();
        let (linear, square) = (dot(&point, &shares), dot(&change, &shares));
        let gap = (self.radius - distance) * (self.radius + distance);
        let root = (linear * linear + square * gap).sqrt();
        Some(gap / (linear + root)).filter(|step| step.is_finite())
    }
}

/// Where some progress is possible.
enum Nearest<'h> {
    /// At this distance from g0, in units of its length.
    At { distance: f64, optimum: Optimum<'h> },
    /// Nowhere, to rounding.
    None,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::methods::hard::{degenerate, gramian, random};
    use crate::methods::solvers::min_norm;

    /// Optimal: the push is as long as the radius, no row makes less progress than those that push, and these make the same.
    /// For unit rows, in units of `‖g0‖`.
    fn assert_optimal(name: &str, gramian: &Matrix, c: f64, push: &[f64], tolerance: f64) {
        let unit = UnitGramian::new(gramian).unwrap();
        let ball = Ball::new(&unit, c).unwrap();
        let push: Vec<f64> = push.iter().zip(&unit.norms).map(|(x, norm)| x * norm / ball.length).collect();
        let products = unit.products(&push);
        let terms = ball.noise + push.iter().sum::<f64>();
        let length = dot(&push, &products).sqrt();
        assert!(
            (length * length - c * c).abs() <= 1e-12 * c * c + 1e-14 * terms * terms,
            "{name}: {length} instead of {c}"
        );
        let made: Vec<f64> = ball.cosines.iter().zip(&products).map(|(a, b)| a + b).collect();
        let progress = dot(&push, &made) / dot(&push, &ball.shares);
        assert!(c < 1.0 || progress * ball.shares.iter().copied().fold(0.0, f64::max) >= -tolerance * terms, "{name}");
        for i in 0..push.len() {
            let gap = made[i] - progress * ball.shares[i];
            assert!(push[i] >= 0.0 && gap >= -tolerance * terms, "{name}, c {c}: {i} by {gap}");
            assert!(push[i] == 0.0 || gap <= tolerance * terms, "{name}, c {c}: {i} pushes for nothing, {gap}");
        }
    }

    fn check(name: &str, jacobian: &Matrix, tolerance: f64) {
        let gramian = gramian(jacobian);
        let front = min_norm(&gramian).unwrap().iter().all(|weight| *weight == 0.0);
        for c in [1e-6, 0.1, 0.4, 0.9, 0.9999, 1.5] {
            let push = cagrad(&gramian, c).unwrap_or_else(|failure| panic!("{name}, c {c}: {failure}"));
            if push.iter().any(|x| *x != 0.0) {
                assert_optimal(name, &gramian, c, &push, tolerance);
            } else {
                assert!(front, "{name}, c {c}: no push off the front");
            }
        }
    }

    #[test]
    fn pushes_of_random_rows_are_optimal() {
        for (name, jacobian) in random() {
            check(&name, &jacobian, 1e-12);
        }
    }

    #[test]
    fn pushes_of_degenerate_rows_are_optimal_as_far_as_products_tell() {
        for (name, jacobian) in degenerate() {
            check(&name, &jacobian, 1e-7);
        }
    }

    #[test]
    fn there_is_no_push_without_radius_or_from_the_front() {
        let gramian = |rows: &[f64]| gramian(&Matrix::from_row_slice(2, 2, rows));
        assert_eq!(cagrad(&gramian(&[1.0, 0.0, 0.0, 1.0]), 0.0), Ok(vec![0.0, 0.0]));
        assert_eq!(cagrad(&gramian(&[1.0, 0.0, -1.0, 0.0]), 0.5), Ok(vec![0.0, 0.0]));
        assert_eq!(cagrad(&gramian(&[1.0, 0.0, -2.0, 0.0]), 1.5), Ok(vec![0.0, 0.0]));
        assert_eq!(cagrad(&gramian(&[1.0, 0.0, f64::INFINITY, 0.0]), 1.5), Err(Unsolved::NotFinite));
    }
}
