//! Quadratic programs over non-negative numbers, by an active set: what the other programs here come down to.

use std::fmt;

/// Below this share of its square length, what is left of a row beside the rows already held is rounding.
const DEPENDENT: f64 = 1e-14;

/// Why a program has no answer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Unsolved {
    /// The numbers given are not all finite.
    NotFinite,
    /// The constraints contradict each other: the dual objective falls without end.
    Contradiction,
    /// Rounding kept the active set from settling.
    NotConverged {
        /// How often the active set changed.
        iterations: usize,
        /// How far optimality is missed, relative to the terms of the conditions.
        residual: f64,
    },
}

impl fmt::Display for Unsolved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFinite => write!(f, "the products of the gradients are not all finite"),
            Self::Contradiction => write!(f, "the products of the gradients contradict each other"),
            Self::NotConverged { iterations, residual } => {
                write!(f, "no optimum after {iterations} changes of the active set, residual {residual:e}")
            }
        }
    }
}

impl std::error::Error for Unsolved {}

/// The rounding error of `size` terms, relative to their magnitude.
pub fn rounding(size: usize) -> f64 {
    4.0 * size as f64 * f64::EPSILON
}

/// An optimum, and the entries that are positive there.
#[derive(Debug)]
pub struct Optimum<'a> {
    /// `[n]`
    pub point: Vec<f64>,
    /// The positive entries.
    pub support: Support<'a>,
}

/// `argmin ½ xᵀHx - bᵀx` over `x ≥ 0`, for `hessian` H [n, n] (row after row, symmetric, positive semi-definite, diagonal of
/// the order of 1) and `linear` b `[n]`. `magnitude` is that of the terms that b was summed from, and so says what in it is
/// rounding. `guess` names entries that are likely positive; any will do.
///
/// Lawson and Hanson's active set ("Solving Least Squares Problems", 1974, chapter 23), on products instead of rows; exact up
/// to rounding.
///
/// # Errors
/// [`Unsolved::Contradiction`] where there is no minimum, [`Unsolved::NotConverged`].
pub fn nonnegative<'a>(
    hessian: &'a [f64],
    linear: &[f64],
    magnitude: f64,
    guess: &[usize],
) -> Result<Optimum<'a>, Unsolved> {
    let mut search = Search::new(hessian, linear, magnitude, guess);
    let limit = 100 + 20 * linear.len();
    for _ in 0..limit {
        match search.most_violated() {
            None => return Ok(Optimum { point: search.point, support: search.support }),
            Some((entry, slope)) => search.try_to_improve(entry, slope)?,
        }
    }
    let residual = search.most_violated().map_or(0.0, |(_, slope)| slope / search.magnitude());
    Err(Unsolved::NotConverged { iterations: limit, residual })
}

struct Search<'h, 'b> {
    support: Support<'h>,
    linear: &'b [f64],
    given: f64,
    point: Vec<f64>,
    /// Entries that only rounding would let in, until the point moves.
    barred: Vec<bool>,
}

impl<'h, 'b> Search<'h, 'b> {
    fn new(hessian: &'h [f64], linear: &'b [f64], given: f64, guess: &[usize]) -> Self {
        let size = linear.len();
        let mut support = Support::new(hessian, size);
        for &entry in guess {
            let _ = support.enter(entry); // one that depends on the others may stay out
        }
        let mut point = vec![0.0; size];
        loop {
            let target = support.solve(linear);
            if target.iter().all(|&value| value > 0.0) {
                support.members.iter().zip(target).for_each(|(&entry, value)| point[entry] = value);
                break;
            }
            support.keep(|at, _| target[at] > 0.0);
        }
        Self { support, linear, given, point, barred: vec![false; size] }
    }

    /// What the terms of the conditions may add up to.
    fn magnitude(&self) -> f64 {
        self.given + self.support.members.iter().map(|&entry| self.point[entry]).sum::<f64>()
    }

    /// The entry that lowers the objective most per unit, and by how much, unless all that is left is rounding.
    fn most_violated(&self) -> Option<(usize, f64)> {
        let size = self.linear.len();
        let mut slopes = self.linear.to_vec(); // b - Hx
        for &member in &self.support.members {
            let (row, value) = (&self.support.hessian[member * size..][..size], self.point[member]);
            slopes.iter_mut().zip(row).for_each(|(slope, entry)| *slope -= value * entry);
        }
        self.support.members.iter().for_each(|&member| slopes[member] = 0.0);
        let (entry, slope) = (0..size)
            .filter(|&entry| !self.barred[entry])
            .map(|entry| (entry, slopes[entry]))
            .max_by(|a, b| a.1.total_cmp(&b.1))?;
        (slope > rounding(size) * self.magnitude()).then_some((entry, slope))
    }

    /// `bᵀx`: minus twice the objective at the optimum of the entries held.
    fn gain(&self) -> f64 {
        dot(self.linear, &self.point)
    }

    /// Lets `entry` in if that lowers the objective: where rows are nearly dependent rounding may raise it, and would be led
    /// in circles.
    fn try_to_improve(&mut self, entry: usize, slope: f64) -> Result<(), Unsolved> {
        let (members, gain) = (self.support.members.clone(), self.gain());
        let (point, barred) = (self.point.clone(), self.barred.clone());
        self.improve(entry, slope)?;
        if self.gain() <= gain && self.point != point {
            self.support.keep(|_, _| false);
            members.into_iter().for_each(|member| self.support.enter_anyway(member));
            (self.point, self.barred) = (point, barred);
            self.barred[entry] = true;
        }
        Ok(())
    }

    /// Lets `entry` in, and moves to the optimum of the entries held.
    fn improve(&mut self, entry: usize, slope: f64) -> Result<(), Unsolved> {
        let Err(combination) = self.support.enter(entry) else {
            if self.descend() {
                self.barred.fill(false);
            } else {
                self.barred[entry] = true;
            }
            return Ok(());
        };
        // A row this near to those held can differ from their combination only by the root of what is left of its square.
        let magnitude = self.magnitude();
        let rounded = slope <= DEPENDENT.sqrt() * magnitude;
        match self.reach(&combination) {
            None if !rounded => return Err(Unsolved::Contradiction),
            Some(step) if !rounded || slope * step > rounding(self.linear.len()) * magnitude * magnitude => {
                self.exchange(entry, &combination, step);
            }
            _ => self.barred[entry] = true,
        }
        Ok(())
    }

    /// How far one may go along an entry that is a `combination` of those held, which give way, before the first of them is
    /// at zero; `None` where none gives way.
    fn reach(&self, combination: &[f64]) -> Option<f64> {
        let giving = self.support.members.iter().zip(combination).filter(|(_, share)| **share > DEPENDENT.sqrt());
        giving.map(|(&member, share)| self.point[member] / share).min_by(f64::total_cmp)
    }

    /// Lets such an `entry` in, for those that are at zero after the `step`.
    fn exchange(&mut self, entry: usize, combination: &[f64], step: f64) {
        for (&member, share) in self.support.members.iter().zip(combination) {
            let left = self.point[member] - step * share;
            let out = *share > DEPENDENT.sqrt() && self.point[member] / share <= step;
            self.point[member] = if out { 0.0 } else { left.max(f64::MIN_POSITIVE) };
        }
        let point = &self.point;
        self.support.keep(|_, member| point[member] > 0.0);
        if self.support.enter(entry).is_ok() {
            self.point[entry] = step;
            self.descend();
            self.barred.fill(false);
        } else {
            self.descend();
            self.barred[entry] = true;
        }
    }

    /// Moves to the optimum of the entries held, and lets go of those that reach zero on the way; whether it moved before it
    /// let go of the first.
    fn descend(&mut self) -> bool {
        let mut first = None;
        loop {
            let target = self.support.solve(self.linear);
            let mut step = 1.0_f64;
            let mut blocking = None;
            for (at, (&member, &goal)) in self.support.members.iter().zip(&target).enumerate() {
                let now = self.point[member];
                // Not a quotient of two zeros where an entry just let in wants to go below.
                let reach = if goal > 0.0 {
                    1.0
                } else if now > 0.0 {
                    now / (now - goal)
                } else {
                    0.0
                };
                if goal <= 0.0 && reach <= step {
                    (step, blocking) = (reach, Some(at));
                }
            }
            for (at, (&member, &goal)) in self.support.members.iter().zip(&target).enumerate() {
                let now = self.point[member];
                let moved = now + step * (goal - now);
                self.point[member] = if blocking == Some(at) { 0.0 } else { moved.max(0.0) };
            }
            first = first.or(Some(step));
            if blocking.is_none() {
                return first != Some(0.0);
            }
            let point = &self.point;
            self.support.keep(|at, member| blocking != Some(at) && point[member] > 0.0);
        }
    }
}

/// Some entries of a program, and the Cholesky factor of their part of its matrix.
#[derive(Debug)]
pub struct Support<'h> {
    hessian: &'h [f64],
    size: usize,
    /// In the order in which they were let in.
    pub members: Vec<usize>,
    /// Row after row, each of length `size`.
    factor: Vec<f64>,
}

impl<'h> Support<'h> {
    fn new(hessian: &'h [f64], size: usize) -> Self {
        Self { hessian, size, members: Vec::with_capacity(size), factor: Vec::with_capacity(size * size) }
    }

    /// Lets `entry` in; where its row depends on those held, gives the combination of them that it is.
    fn enter(&mut self, entry: usize) -> Result<(), Vec<f64>> {
        let left = self.append(entry);
        let (held, start) = (self.members.len(), self.members.len() * self.size);
        if left > DEPENDENT * self.hessian[entry * self.size + entry] {
            self.factor[start + held] = left.sqrt();
            self.members.push(entry);
            return Ok(());
        }
        let mut combination = self.factor[start..][..held].to_vec();
        self.factor.truncate(start);
        self.solve_transposed(&mut combination);
        Err(combination)
    }

    /// Appends the row of `entry` to the factor, but for its diagonal, whose square is given.
    fn append(&mut self, entry: usize) -> f64 {
        let (held, start) = (self.members.len(), self.factor.len());
        self.factor.resize(start + self.size, 0.0);
        let (rows, row) = self.factor.split_at_mut(start);
        for at in 0..held {
            let above = &rows[at * self.size..][..=at];
            let value = self.hessian[entry * self.size + self.members[at]] - dot(&above[..at], &row[..at]);
            row[at] = value / above[at];
        }
        self.hessian[entry * self.size + entry] - dot(&row[..held], &row[..held])
    }

    /// Lets go of all members but those that `wanted` says yes to, given place and entry.
    fn keep(&mut self, wanted: impl Fn(usize, usize) -> bool) {
        let Some(first) = (0..self.members.len()).find(|&at| !wanted(at, self.members[at])) else { return };
        let later = self.members.split_off(first);
        self.factor.truncate(first * self.size);
        let wanted = later.into_iter().enumerate().filter(|&(at, entry)| wanted(first + at, entry));
        wanted.for_each(|(_, entry)| self.enter_anyway(entry));
    }

    /// Lets in an `entry` that was held beside the same rows or more: only rounding could leave less of it now.
    fn enter_anyway(&mut self, entry: usize) {
        let least = DEPENDENT * self.hessian[entry * self.size + entry];
        let left = self.append(entry).max(least);
        self.factor[self.members.len() * (self.size + 1)] = left.sqrt();
        self.members.push(entry);
    }

    /// `z` with `H z = right` on the members: one number per member, from `right` `[n]`.
    pub fn solve(&self, right: &[f64]) -> Vec<f64> {
        let mut values: Vec<f64> = self.members.iter().map(|&member| right[member]).collect();
        for at in 0..values.len() {
            let row = &self.factor[at * self.size..][..=at];
            values[at] = (values[at] - dot(&row[..at], &values[..at])) / row[at];
        }
        self.solve_transposed(&mut values);
        values
    }

    /// `Lᵀ z = values`, in place.
    fn solve_transposed(&self, values: &mut [f64]) {
        for at in (0..values.len()).rev() {
            let row = &self.factor[at * self.size..][..=at];
            let (before, rest) = values.split_at_mut(at);
            rest[0] /= row[at];
            before.iter_mut().zip(row).for_each(|(value, entry)| *value -= rest[0] * entry);
        }
    }
}

/// The inner product, in four sums: one alone would wait for itself.
pub fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut sums = [0.0; 4];
    let (a_fours, b_fours) = (a.chunks_exact(4), b.chunks_exact(4));
    let rest: f64 = a_fours.remainder().iter().zip(b_fours.remainder()).map(|(a, b)| a * b).sum();
    for (a, b) in a_fours.zip(b_fours) {
        (0..4).for_each(|lane| sums[lane] += a[lane] * b[lane]);
    }
    sums.iter().sum::<f64>() + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_optimum_is_found_from_any_guess() {
        let hessian = [1.0, -0.5, 0.25, -0.5, 1.0, 0.5, 0.25, 0.5, 1.0];
        let linear = [1.0, -0.2, -2.0];
        for guess in [vec![], vec![0], vec![1, 2], vec![2, 1, 0]] {
            // With x = (a, b, 0): a - b/2 = 1, b - a/2 = -0.2; the third slope is -2 - a/4 - b/2.
            let point = nonnegative(&hessian, &linear, 1.0, &guess).unwrap().point;
            for (found, expected) in point.iter().zip([1.2, 0.4, 0.0]) {
                assert!((found - expected).abs() < 1e-15, "{guess:?}: {point:?}");
            }
        }
    }

    #[test]
    fn an_objective_without_minimum_is_a_contradiction() {
        // Progress of 1 along u and along -u.
        let program = nonnegative(&[1.0, -1.0, -1.0, 1.0], &[1.0, 1.0], 1.0, &[]);
        assert_eq!(program.map(|optimum| optimum.point), Err(Unsolved::Contradiction));
        // Progress of 1 along u and of -2 along -u is no more than u itself; a second u that asks for 3 takes the place.
        let point = nonnegative(&[1.0, -1.0, -1.0, 1.0], &[1.0, -2.0], 1.0, &[]).unwrap().point;
        assert_eq!(point, [1.0, 0.0]);
        let point = nonnegative(&[1.0, 1.0, 1.0, 1.0], &[1.0, 3.0], 1.0, &[0]).unwrap().point;
        assert_eq!(point, [0.0, 3.0]);
    }

    #[test]
    fn the_inner_product_takes_every_term() {
        for length in 0..10 {
            let a: Vec<f64> = (0..length).map(f64::from).collect();
            assert_eq!(dot(&a, &a), (0..length).map(|i| f64::from(i * i)).sum::<f64>());
        }
    }
}
