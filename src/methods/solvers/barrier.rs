//! Newton's method on a strictly convex function of positive numbers: a quadratic form and a weighted barrier.

use super::cholesky;
use crate::methods::{Matrix, Vector};

/// Residual, relative to the right-hand side, at which an equation holds.
const RESIDUAL: f64 = 1e-12;

/// Newton steps before the search is given up; about 6 are usual, some 200 the most that extreme powers were seen to take.
const STEPS: usize = 500;

/// The least `b`, beside entries around 1: what would fall below is a zero.
const LEAST: f64 = 1e-250;

/// `½ bᵀCb - Σ_i w_i φ(b_i)` over `b > 0 [K]`, with `φ'(b) = b^{-p}`: its minimiser is the root of `C b = w b^{-p}`.
pub(super) struct Barrier {
    /// `C [K, K]`: symmetric, positive semi-definite, ones on the diagonal.
    pub correlation: Matrix,
    /// `ln w [K]`.
    pub log_weights: Vector,
    /// `p > 0`.
    pub power: f64,
}

/// How the search for the minimiser ended.
pub(super) enum Minimum {
    /// The minimiser `b [K]`.
    At(Vector),
    /// `b / Σb` is a point of the simplex with `bᵀCb ≤ threshold (Σb)²`.
    Vanishing,
    /// Not found; the largest residual, relative to its right-hand side.
    Missed(f64),
}

/// A point and the two sides of its equations, all `[K]`.
struct Point {
    b: Vector,
    /// `C b`
    left: Vector,
    /// `w b^{-p}`
    right: Vector,
}

impl Barrier {
    /// Minimises from `ln b [K]` on; ends early where the quadratic form falls to `vanishing (Σb)²`.
    ///
    /// An equation holds when its sides differ by `1e-12` of the right one, or by what the rounding of `C` alone makes of
    /// them, `4 K ε (|C| b)_i`: then `b` is the root for a matrix that f64 cannot tell from `C`. From there on the search
    /// goes on as long as each step halves the residual.
    pub fn minimise(&self, log_start: &Vector, vanishing: f64) -> Minimum {
        let count = self.log_weights.len();
        let sizes = self.correlation.abs();
        let rounding = 4.0 * count as f64 * f64::EPSILON;
        let mut point = self.without_unseen(self.point(log_start.map(|b| b.exp().max(LEAST))), &Vector::zeros(count));
        let mut best: Option<(f64, Vector)> = None;
        let mut residual = f64::INFINITY;
        let mut stuck = false;
        for _ in 0..STEPS {
            if point.b.dot(&point.left) <= vanishing * point.b.sum().powi(2) {
                return Minimum::Vanishing;
            }
            let within_rounding;
            let noise = &sizes * &point.b * rounding; // [K]
            (residual, within_rounding) = point.residual(&noise);
            if residual <= RESIDUAL {
                return Minimum::At(point.b);
            }
            match best {
                Some((least, b)) if !(within_rounding && residual < least / 2.0) => {
                    return Minimum::At(if residual < least { point.b } else { b });
                }
                _ => best = within_rounding.then(|| (residual, point.b.clone())),
            }
            let Some(step) = self.newton(&point) else { break };
            let way = Way { barrier: self, from: &point.b, curved: !stuck && self.bends(&step), step };
            let (length, end) = way.follow(&point, &noise);
            stuck = way.curved && length < 0.1;
            point = self.without_unseen(end, &way.step);
        }
        best.map_or(Minimum::Missed(residual), |(_, b)| Minimum::At(b))
    }

    fn point(&self, b: Vector) -> Point {
        let right = b.zip_map(&self.log_weights, |b, weight| self.right(b, weight));
        Point { left: &self.correlation * &b, right, b }
    }

    /// Entries so small that no equation but their own sees them need no search: they are what that says; or, where it has
    /// no solution and `step [K]` makes them grow, as large as unseen entries are.
    fn without_unseen(&self, mut point: Point, step: &Vector) -> Point {
        let unseen = if self.power < 1.0 { point.b.max() * f64::EPSILON } else { 0.0 };
        for (i, b) in point.b.iter_mut().enumerate().filter(|(_, b)| **b < unseen) {
            *b = match point.left[i] {
                left if left > 0.0 => ((self.log_weights[i] - left.ln()) / self.power).exp().clamp(LEAST, unseen),
                _ if step[i] > 0.0 => unseen,
                _ => continue,
            };
            point.right[i] = self.right(*b, self.log_weights[i]);
        }
        point
    }

    /// `w b^{-p}`, through logarithms: `w` alone may lie outside of f64.
    fn right(&self, b: f64, log_weight: f64) -> f64 {
        (log_weight - self.power * b.ln()).exp()
    }

    /// Newton's step relative to `b`: `Δ / b` `[K]`.
    fn newton(&self, at: &Point) -> Option<Vector> {
        let mut hessian = self.correlation.clone();
        for i in 0..hessian.nrows() {
            // The last term keeps a singular C factorisable where the barrier is flat; it is within C's own rounding.
            let barrier = (self.power * at.right[i] / at.b[i]).min(1e300);
            hessian[(i, i)] += barrier + hessian.nrows() as f64 * f64::EPSILON;
        }
        let step = cholesky::solve(hessian, &at.right - &at.left)?;
        Some(step.component_div(&at.b))
    }

    /// Whether the way of a step `[K]` relative to `b` shall bend before zero: where a straight one would soon reach it, as
    /// is usual with a weak barrier, and with a strong one whose weights lie many decades apart. Straight ways are those with
    /// a proof of convergence, follow where bent ones lead nowhere, and are all that `p = 1` needs.
    fn bends(&self, step: &Vector) -> bool {
        self.power != 1.0 && step.min() < -0.9
    }
}

/// The way of a step from a point.
struct Way<'a> {
    barrier: &'a Barrier,
    /// `b [K]`
    from: &'a Vector,
    /// `Δ / b [K]`
    step: Vector,
    /// Whether entries that fall do so along a straight line of the right-hand side `w b^{-p}` instead of `b`: Newton's
    /// step is then exact where `C b` is constant, and never leaves the positive numbers.
    curved: bool,
}

impl Way<'_> {
    /// The point at `length`, and the way's derivative `[K]` there.
    fn at(&self, length: f64) -> (Point, Vector) {
        let (mut to, mut speed) = (self.from.clone(), self.from.component_mul(&self.step));
        for (i, &step) in self.step.iter().enumerate() {
            if self.curved && step < 0.0 {
                let grown = 1.0 - self.barrier.power * length * step;
                to[i] *= (-grown.ln() / self.barrier.power).exp();
                speed[i] = to[i] * step / grown;
            } else {
                to[i] += length * speed[i];
            }
            to[i] = to[i].max(LEAST);
        }
        (self.barrier.point(to), speed)
    }

    /// The length at which the function's slope along the way, that of the convex function if it is straight, has mostly
    /// gone, and the point there. Equations are known up to `noise [K]`, and so is the slope: where it is less than that,
    /// the step stands.
    fn follow(&self, start: &Point, noise: &Vector) -> (f64, Point) {
        let boundary = if self.curved { f64::INFINITY } else { 0.9999 / (-self.step.min()).max(0.0) };
        let longest = boundary.min(1e6);
        let speed = start.b.component_mul(&self.step);
        let (steepest, noise) = (speed.dot(&(&start.left - &start.right)).abs(), speed.abs().dot(noise));
        let (mut length, mut below, mut above) = (longest.min(1.0), 0.0, None);
        for _ in 0..40 {
            let (point, speed) = self.at(length);
            match speed.dot(&(&point.left - &point.right)) {
                slope if slope > 0.3 * steepest + noise => above = Some(length),
                slope if slope < -0.3 * steepest - noise && length < longest => below = length,
                _ => return (length, point),
            }
            length = match above {
                None => (4.0 * length).min(longest),
                Some(above) if below == 0.0 => above / 8.0, // it may lie decades below
                Some(above) => f64::midpoint(below, above),
            };
        }
        (length, self.at(length).0)
    }
}

impl Point {
    /// The largest residual relative to its right-hand side, and whether each is at most `rounding` `[K]` or [`RESIDUAL`].
    /// An entry that is at its least and would fall further is zero: its equation is not counted.
    fn residual(&self, rounding: &Vector) -> (f64, bool) {
        let (mut largest, mut within) = (0.0_f64, true);
        for i in 0..self.b.len() {
            let (off, right) = (self.left[i] - self.right[i], self.right[i]);
            if self.b[i] <= LEAST && off > 0.0 {
                continue;
            }
            let relative = off.abs() / right;
            largest = if relative.is_nan() { f64::INFINITY } else { largest.max(relative) };
            within &= off.abs() <= rounding[i].max(RESIDUAL * right);
        }
        (largest, within)
    }
}
