//! The projection on the dual cone of the rows: the directions that conflict with none.

use super::nonnegative::{Unsolved, nonnegative, rounding};
use super::swept::Swept;
use super::unit_gramian::UnitGramian;
use crate::methods::Matrix;

/// The cone `{d: J d ≥ 0}` of some rows J `[K, P]`, known by their Gramian.
#[derive(Debug, Clone)]
pub struct DualCone {
    unit: UnitGramian,
}

impl DualCone {
    /// Of the Gramian `J Jᵀ` `[K, K]`.
    ///
    /// # Errors
    /// It is not finite.
    pub fn new(gramian: &Matrix) -> Result<Self, Unsolved> {
        Ok(Self { unit: UnitGramian::new(gramian)? })
    }

    /// `v = argmin vᵀGv` over `v ≥ u`, for `u ≥ 0` `[K]`: `Jᵀv` is the point of the cone nearest to `Jᵀu` (Quinton 2024,
    /// proposition 1). All zero where that point is zero to rounding.
    ///
    /// Solved for the rows scaled to length 1, to which the problem is indifferent.
    ///
    /// # Errors
    /// The active set does not settle.
    pub fn project(&self, coefficients: &[f64]) -> Result<Vec<f64>, Unsolved> {
        let size = self.unit.size();
        let scaled: Vec<f64> = coefficients.iter().zip(&self.unit.norms).map(|(u, norm)| u * norm).collect();
        let largest = scaled.iter().copied().fold(0.0, f64::max);
        if largest == 0.0 {
            return Ok(vec![0.0; size]);
        }
        let mut point: Vec<f64> = scaled.iter().map(|value| value / largest).collect();
        let linear: Vec<f64> = self.unit.products(&point).iter().map(|product| -product).collect();
        let conflicting: Vec<usize> = (0..size).filter(|&row| linear[row] > 0.0).collect();
        let added = nonnegative(&self.unit.cosines, &linear, point.iter().sum(), &conflicting)?.point;
        point.iter_mut().zip(added).for_each(|(value, added)| *value += added);
        if self.unit.length(&point, &self.unit.products(&point)).is_none() {
            return Ok(vec![0.0; size]);
        }
        let norms = self.unit.norms.iter().zip(coefficients);
        Ok(point.iter().zip(norms).map(|(v, (norm, u))| if *norm > 0.0 { v * largest / norm } else { *u }).collect())
    }

    /// The sum of the projections of single rows: `Σ_t v_t`, where `v_t` is the [projection](Self::project) of `shares_t e_t`,
    /// for `shares ≥ 0` `[K]`.
    ///
    /// Many rows' projections are held by the same rows. So the active sets are found one from another, by pivots on one
    /// swept matrix (a principal pivoting method for these linear complementarity problems), and each solution is checked;
    /// where rounding or dependent rows stand in the way, [`project`](Self::project) has the word.
    ///
    /// # Errors
    /// An active set does not settle.
    pub fn project_rows(&self, shares: &[f64]) -> Result<Vec<f64>, Unsolved> {
        let norms = &self.unit.norms;
        let mut sum = vec![0.0; self.unit.size()];
        let mut swept = Swept::new(&self.unit.cosines, self.unit.size());
        for (row, share) in shares.iter().enumerate().filter(|(row, share)| *share * norms[*row] > 0.0) {
            if let Some(point) = self.project_row(row, &mut swept) {
                let factor = share * norms[row];
                let each = sum.iter_mut().zip(&point).zip(norms).filter(|(_, norm)| **norm > 0.0);
                each.for_each(|((sum, value), norm)| *sum += factor * value / norm);
                continue;
            }
            let mut alone = vec![0.0; sum.len()];
            alone[row] = *share;
            sum.iter_mut().zip(self.project(&alone)?).for_each(|(sum, value)| *sum += value);
            swept = Swept::new(&self.unit.cosines, self.unit.size());
        }
        Ok(sum)
    }

    /// The projection of a unit row, as coefficients of the unit rows; `None` where the pivots do not settle it.
    fn project_row(&self, row: usize, swept: &mut Swept) -> Option<Vec<f64>> {
        if swept.holds(row) {
            swept.turn(row);
        }
        let size = self.unit.size();
        let mut point = settle(swept, row)?;
        let mut products = self.unit.products(&point);
        let mut terms: f64 = point.iter().sum();
        let held = |products: &[f64]| {
            let off =
                products.iter().zip(swept.signs()).map(|(product, sign)| if *sign < 0.0 { product.abs() } else { 0.0 });
            off.fold(0.0, f64::max)
        };
        if held(&products) > 2.0 * f64::EPSILON * terms {
            // Once more, on what the products still say: pivots add up their rounding.
            for member in (0..size).filter(|&entry| swept.holds(entry)) {
                let others = (0..size).filter(|&entry| swept.holds(entry));
                point[member] += others.map(|other| swept.at(member, other) * products[other]).sum::<f64>();
            }
            products = self.unit.products(&point);
            terms = point.iter().sum();
        }
        let noise = rounding(size) * terms;
        let conflicts = (0..size).any(|at| !swept.holds(at) && products[at] < -noise);
        if conflicts || held(&products) > noise || point.iter().any(|value| *value < 0.0) {
            return None;
        }
        if self.unit.length(&point, &products).is_none() {
            point.fill(0.0);
        }
        Some(point)
    }
}

/// Turns entries until the swept matrix has the projection of `row`, which is not among those held: no coefficient below
/// zero, and no other row in conflict with it. Gives the coefficients `[K]`.
fn settle(swept: &mut Swept, row: usize) -> Option<Vec<f64>> {
    let size = swept.signs().len();
    let mut values = vec![0.0; size];
    for _ in 0..3 * size {
        swept.row(row, &mut values);
        values[row] = 0.0;
        let (mut terms, mut most, mut entry) = (1.0, 0.0, 0);
        for (at, (value, sign)) in values.iter().zip(swept.signs()).enumerate() {
            // Minus the coefficient of a row held, minus the product with another.
            let below = -sign * value;
            terms += if *sign < 0.0 { value.abs() } else { 0.0 };
            if below > most {
                (most, entry) = (below, at);
            }
        }
        if most <= rounding(size) * terms {
            let coefficient = |(value, sign): (&f64, &f64)| if *sign < 0.0 { (-value).max(0.0) } else { 0.0 };
            let mut point: Vec<f64> = values.iter().zip(swept.signs()).map(coefficient).collect();
            point[row] = 1.0;
            return Some(point);
        }
        if !swept.turn(entry) {
            return None;
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::methods::hard::{degenerate, gramian, random};

    /// Optimal for unit rows: `v - u ≥ 0`, `Gv ≥ 0`, and at each entry one of the two is zero.
    fn assert_optimal(name: &str, gramian: &Matrix, u: &[f64], v: &[f64], tolerance: f64) {
        let unit = UnitGramian::new(gramian).unwrap();
        let scaled: Vec<f64> = v.iter().zip(&unit.norms).map(|(v, norm)| v * norm).collect();
        let (products, terms) = (unit.products(&scaled), scaled.iter().sum::<f64>());
        for i in 0..u.len() {
            assert!(v[i].is_finite() && products[i] >= -tolerance * terms, "{name}: {i} conflicts, {}", products[i]);
            assert!(v[i] >= u[i] * (1.0 - 1e-15), "{name}: {i} below its bound");
            let free = v[i] > u[i] * (1.0 + 1e-15) && unit.norms[i] > 0.0;
            assert!(!free || products[i] <= tolerance * terms, "{name}: {i} is above its bound for nothing");
        }
    }

    fn units(rows: usize) -> Vec<Vec<f64>> {
        let mut all: Vec<Vec<f64>> =
            (0..rows).map(|t| (0..rows).map(|i| f64::from(u8::from(i == t))).collect()).collect();
        all.push(vec![1.0 / rows as f64; rows]);
        all
    }

    /// How many projections vanish; the others are checked, and those of single rows made together too.
    fn check(name: &str, jacobian: &Matrix, tolerance: f64) -> usize {
        let gramian = gramian(jacobian);
        let cone = DualCone::new(&gramian).unwrap();
        let mut vanished = 0;
        for (row, u) in units(gramian.nrows()).into_iter().enumerate() {
            let v = cone.project(&u).unwrap_or_else(|failure| panic!("{name}: {failure}"));
            if row < gramian.nrows() {
                let v = cone.project_rows(&u).unwrap_or_else(|failure| panic!("{name}: {failure}"));
                if v.iter().any(|v| *v != 0.0) {
                    assert_optimal(&format!("{name}, by pivots"), &gramian, &u, &v, tolerance);
                }
            }
            if v.iter().all(|v| *v == 0.0) {
                vanished += 1;
            } else {
                assert_optimal(name, &gramian, &u, &v, tolerance);
            }
        }
        vanished
    }

    #[test]
    fn projections_of_random_rows_are_optimal() {
        for (name, jacobian) in random() {
            let vanished = check(&name, &jacobian, 1e-13);
            let independent = jacobian.nrows() <= jacobian.ncols();
            assert!(vanished == 0 || !independent, "{name}: {vanished} vanish");
        }
    }

    #[test]
    fn projections_of_degenerate_rows_are_optimal_as_far_as_products_tell() {
        for (name, jacobian) in degenerate() {
            check(&name, &jacobian, 1e-7);
        }
    }

    #[test]
    fn rows_are_projected_together_as_they_are_alone() {
        for (name, jacobian) in random().into_iter().chain(degenerate()) {
            let cone = DualCone::new(&gramian(&jacobian)).unwrap();
            let rows = jacobian.nrows();
            let norms = &cone.unit.norms;
            let shares: Vec<f64> = (0..rows).map(|row| row as f64 / norms[row].max(f64::MIN_POSITIVE)).collect();
            let mut gap = vec![0.0; rows];
            for (row, &share) in shares.iter().enumerate() {
                let u: Vec<f64> = (0..rows).map(|other| if other == row { share } else { 0.0 }).collect();
                gap.iter_mut().zip(cone.project(&u).unwrap()).for_each(|(gap, alone)| *gap += alone);
            }
            let terms: f64 = gap.iter().zip(norms).map(|(value, norm)| value * norm).sum();
            gap.iter_mut().zip(cone.project_rows(&shares).unwrap()).for_each(|(gap, together)| *gap -= together);
            // Where rows depend on each other the directions are equal, not the coefficients.
            let gap: Vec<f64> = gap.iter().zip(norms).map(|(gap, norm)| gap * norm).collect();
            let square: f64 = gap.iter().zip(cone.unit.products(&gap)).map(|(a, b)| a * b).sum();
            assert!(square <= 1e-13 * terms * terms, "{name}: {square}, {terms}");
        }
    }

    #[test]
    fn where_the_rows_leave_no_direction_the_projection_is_zero() {
        let rows = Matrix::from_row_slice(3, 2, &[1.0, 0.0, -1.0, 2.0, -1.0, -3.0]);
        assert_eq!(check("a triangle around zero", &rows, 0.0), 4);
        let rows = Matrix::from_row_slice(3, 2, &[1.0, 0.0, -1.0, 0.0, 0.0, 1e-10]);
        assert_eq!(check("two opposed, one free", &rows, 0.0), 3, "the free row's does not");
    }

    #[test]
    fn products_that_are_not_finite_are_refused() {
        let gramian = Matrix::from_row_slice(2, 2, &[1.0, f64::NAN, f64::NAN, 1.0]);
        assert_eq!(DualCone::new(&gramian).map(drop), Err(Unsolved::NotFinite));
    }
}
