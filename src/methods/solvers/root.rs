//! The positive root of `G a = a^{-1/α}`: what Nash-MTL and FairGrad solve.

use super::barrier::{Barrier, Minimum};
use crate::methods::{Matrix, Vector};

/// A squared norm below which a gradient counts as zero: the products of so short a row are not normal numbers any more.
const ZERO: f64 = f64::MIN_POSITIVE / f64::EPSILON;

/// A root, or why there is none.
#[derive(Debug, Clone, PartialEq)]
pub enum Root {
    /// The root `a [K]`, above zero; zero for a task whose gradient is zero.
    Found(Vec<f64>),
    /// No root: to rounding, zero is in the convex hull of the gradients that are not zero (or all of them are).
    Stationary,
    /// The search ended before its equations held.
    Missed {
        /// The largest residual, relative to the right-hand side.
        residual: f64,
    },
}

/// The unique `a > 0 [K]` with `G a = a^{-1/α}`, for `G = J Jᵀ [K, K]` and `α > 0`; tasks with a zero gradient are left out.
///
/// It is the minimiser of the strictly convex `½ aᵀGa - Σ φ(a_i)`, `φ'(a) = a^{-1/α}`, found by Newton's method in
/// `b = D a`, D = diag(‖g_i‖): `C b = ‖g_i‖^{1/α - 1} b^{-1/α}` with the cosines `C = D⁻¹ G D⁻¹`. So the gradients' lengths
/// never meet in one matrix. Rows that are parallel to rounding are one unknown; their shares have a closed form.
///
/// A root exists if and only if zero is not in the hull of the rows: whatever α is, so α = 1 decides. Its root has
/// `bᵀCb = K`, so `m`, the distance of the hull of the unit rows from zero, obeys `1/(√K max b) ≤ m ≤ √K/Σb`: the iterates
/// run away exactly if `m = 0`. `b/Σb` is a point of that hull; when its squared norm is at most `64 K ε`, which is about
/// what the rounding of `C` makes of zero, the step is stationary (for two tasks: cosine below `-1 + 6e-14`).
pub fn convex_root(gramian: &Matrix, alpha: f64) -> Root {
    if !gramian.iter().all(|entry| entry.is_finite()) {
        return Root::Missed { residual: f64::INFINITY };
    }
    let kept: Vec<usize> = (0..gramian.nrows()).filter(|&task| gramian[(task, task)] >= ZERO).collect();
    if kept.is_empty() {
        return Root::Stationary;
    }
    let norms = Vector::from_iterator(kept.len(), kept.iter().map(|&task| gramian[(task, task)].sqrt()));
    let correlation = Matrix::from_fn(kept.len(), kept.len(), |i, j| match i == j {
        true => 1.0,
        false => f64::midpoint(gramian[(kept[i], kept[j])], gramian[(kept[j], kept[i])]) / norms[i] / norms[j],
    });
    let directions = Directions::of(correlation);
    let power = alpha.recip();
    let fair = norms.map(|norm| (power - 1.0) * norm.ln());
    let even = norms.map(|_| 0.0);
    let solved = match directions.solve(&even, 1.0, &even, 64.0 * kept.len() as f64 * f64::EPSILON) {
        Minimum::At(root) if power != 1.0 => directions.solve(&fair, power, &root, -1.0),
        solved => solved,
    };
    let logarithms = match solved {
        Minimum::At(logarithms) => logarithms,
        Minimum::Vanishing => return Root::Stationary,
        Minimum::Missed(residual) => return Root::Missed { residual },
    };
    let mut root = vec![0.0; gramian.nrows()];
    for (i, &task) in kept.iter().enumerate() {
        root[task] = (logarithms[i] - norms[i].ln()).exp();
    }
    if root.iter().all(|a| a.is_finite()) { Root::Found(root) } else { Root::Missed { residual: f64::INFINITY } }
}

/// Rows by direction.
struct Directions {
    /// The cosines between the different directions `[D, D]`.
    correlation: Matrix,
    /// For each row the number of its direction `[K]`.
    of: Vec<usize>,
}

impl Directions {
    fn of(correlation: Matrix) -> Self {
        // Parallel, and no other row tells them apart: a cosine of 1 to rounding alone allows angles of 6e-8.
        let same = |i: usize, j: usize| {
            let close = |k: usize| (correlation[(i, k)] - correlation[(j, k)]).abs() <= 16.0 * f64::EPSILON;
            close(i) && (0..correlation.nrows()).all(close)
        };
        let (mut first, mut of) = (vec![], vec![]);
        for row in 0..correlation.nrows() {
            of.push(first.iter().position(|&known| same(row, known)).unwrap_or(first.len()));
            if of[row] == first.len() {
                first.push(row);
            }
        }
        Self { correlation: correlation.select_rows(&first).select_columns(&first), of }
    }

    /// `ln b [K]` for `C b = w b^{-p}`, given `ln w [K]` and the `ln u [K]` of some `u > 0` with `C u` about `1/u`.
    ///
    /// Rows of one direction share the left side `s`, so `b_i = (w_i/s)^{1/p}`, and their sum is that of one row with
    /// `w = (Σ w_i^{1/p})^p`. The search starts as if C were `diag(1/u²)`, which is what it does to `u`.
    fn solve(&self, log_weights: &Vector, power: f64, log_even: &Vector, vanishing: f64) -> Minimum {
        let together = self.together(log_weights, power);
        // b → e^c b turns ln w into ln w - (p+1) c: the largest b of the identity's solution shall be 1.
        let shift = together.max();
        let log_weights = log_weights.add_scalar(-shift);
        let together = together.add_scalar(-shift);
        let start = (&together + self.together(log_even, 1.0) * 2.0) / (power + 1.0);
        let barrier = Barrier { correlation: self.correlation.clone(), log_weights: together.clone(), power };
        match barrier.minimise(&start, vanishing) {
            Minimum::At(b) => {
                let shares = self
                    .of
                    .iter()
                    .zip(log_weights.iter())
                    .map(|(&at, weight)| b[at].ln() + (weight - together[at]) / power + shift / (power + 1.0));
                Minimum::At(Vector::from_iterator(self.of.len(), shares))
            }
            other => other,
        }
    }

    /// `ln (Σ w_i^{1/p})^p [D]` over the rows of each direction, given `ln w [K]`.
    fn together(&self, logarithms: &Vector, power: f64) -> Vector {
        let count = self.correlation.nrows();
        let mut largest = Vector::from_element(count, f64::NEG_INFINITY);
        self.of.iter().zip(logarithms.iter()).for_each(|(&at, &one)| largest[at] = largest[at].max(one));
        let mut summed = Vector::zeros(count);
        for (&at, one) in self.of.iter().zip(logarithms.iter()) {
            summed[at] += ((one - largest[at]) / power).exp();
        }
        summed.zip_map(&largest, |sum: f64, largest: f64| largest + power * sum.ln())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::generator;
    use rand::RngExt;
    use rand_chacha::ChaCha8Rng;
    use rand_distr::{Distribution, StandardNormal};

    const ALPHAS: [f64; 6] = [0.1, 0.5, 1.0, 1.3, 2.0, 10.0];

    fn draw(rows: usize, columns: usize, random: &mut ChaCha8Rng) -> Matrix {
        Matrix::from_fn(rows, columns, |_, _| StandardNormal.sample(random))
    }

    /// Multiplies rows by factors over `±decades`.
    fn scale(jacobian: &mut Matrix, decades: f64, random: &mut ChaCha8Rng) {
        for mut row in jacobian.row_iter_mut() {
            row *= 10_f64.powf(decades * random.random_range(-1.0..=1.0));
        }
    }

    /// The largest `|a^{1/α} G a - 1|`, beyond what rounding in the product alone makes of it.
    fn residual(gramian: &Matrix, alpha: f64, root: &[f64]) -> f64 {
        let root = Vector::from_column_slice(root);
        let (left, sizes) = (gramian * &root, gramian.abs() * &root);
        let off = |i: usize| {
            let factor = root[i].powf(alpha.recip());
            (factor * left[i] - 1.0).abs() - 16.0 * root.len() as f64 * f64::EPSILON * factor * sizes[i]
        };
        (0..root.len()).map(off).fold(0.0, f64::max)
    }

    #[test]
    fn roots_of_gradients_with_a_common_descent_direction_are_found() {
        let mut random = generator(1, "roots", 0, 0);
        for (tasks, columns) in [(1, 2), (2, 3), (3, 10), (6, 5), (20, 12), (40, 5), (40, 100)] {
            for decades in [0.0, 2.0, 10.0] {
                for margin in [1.0, 1e-2, 1e-4] {
                    // Every row has the product `margin` with the first axis, before it is scaled.
                    let mut jacobian = draw(tasks, columns, &mut random);
                    jacobian.column_mut(0).fill(margin);
                    scale(&mut jacobian, decades, &mut random);
                    let gramian = &jacobian * jacobian.transpose();
                    for alpha in ALPHAS {
                        let what = format!("{tasks} x {columns}, {decades} decades, margin {margin}, alpha {alpha}");
                        let Root::Found(root) = convex_root(&gramian, alpha) else { panic!("{what}: not found") };
                        assert!(root.iter().all(|a| *a > 0.0 && a.is_finite()), "{what}: {root:?}");
                        assert!(residual(&gramian, alpha, &root) <= 1e-10, "{what}: {root:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn zero_in_the_hull_is_stationary_whatever_alpha_and_scale() {
        let mut random = generator(2, "hulls", 0, 0);
        for (tasks, columns, in_hull) in [(2, 3, 2), (5, 20, 2), (5, 20, 3), (8, 40, 8), (40, 100, 2), (40, 60, 40)] {
            for decades in [0.0, 2.0, 10.0] {
                let mut jacobian = draw(tasks, columns, &mut random);
                // Row 0 becomes minus a positive combination of rows 1 ..= in_hull - 1.
                let mut row = jacobian.row(0) * 0.0;
                (1..in_hull).for_each(|other| row -= jacobian.row(other) * random.random_range(0.1..1.0));
                jacobian.set_row(0, &row);
                scale(&mut jacobian, decades, &mut random);
                let gramian = &jacobian * jacobian.transpose();
                for alpha in ALPHAS {
                    let what = format!("{tasks} x {columns}, {in_hull} in the hull, {decades} decades, alpha {alpha}");
                    assert_eq!(convex_root(&gramian, alpha), Root::Stationary, "{what}");
                }
            }
        }
    }

    #[test]
    fn what_is_nearly_stationary_still_has_its_root() {
        for gap in [1e-2, 1e-6, 1e-10, 1e-12] {
            let cosine = -1.0 + gap;
            let gramian = Matrix::from_row_slice(2, 2, &[1.0, cosine, cosine, 1.0]);
            let Root::Found(root) = convex_root(&gramian, 1.0) else { panic!("gap {gap}") };
            let exact = (1.0 + cosine).sqrt().recip();
            // Ga = a₁ + cos a₂ is off by about ε a, and 1/a is `gap` of a.
            let tolerance = 1e-11 + 8.0 * f64::EPSILON / gap;
            assert!((root[0] / exact - 1.0).abs() < tolerance, "gap {gap}: {root:?} for {exact}");
            assert!((root[1] / exact - 1.0).abs() < tolerance, "gap {gap}: {root:?} for {exact}");
        }
        let gramian = Matrix::from_row_slice(2, 2, &[1.0, -1.0 + 1e-15, -1.0 + 1e-15, 1.0]);
        assert_eq!(convex_root(&gramian, 1.0), Root::Stationary);
    }

    #[test]
    fn parallel_rows_share_as_their_closed_form_says() {
        // Rows c_i u with ‖u‖ = 1: c_i s = a_i^{-1/α}, so a_i = (c_i s)^{-α} and s^{α+1} = Σ c_j^{1-α}.
        for scales in [vec![1.0, 1.0, 1.0], vec![1.0, 2.0, 3.0], vec![1e-10, 1.0, 1e10], vec![0.3; 40]] {
            let column = Vector::from_vec(scales.clone());
            let gramian = &column * column.transpose();
            for alpha in ALPHAS {
                let Root::Found(root) = convex_root(&gramian, alpha) else { panic!("{scales:?}, alpha {alpha}") };
                let s = scales.iter().map(|c| c.powf(1.0 - alpha)).sum::<f64>().powf((alpha + 1.0).recip());
                for (a, c) in root.iter().zip(&scales) {
                    let exact = (c * s).powf(-alpha);
                    assert!((a / exact - 1.0).abs() < 1e-9, "{scales:?}, alpha {alpha}: {a} instead of {exact}");
                }
            }
        }
    }

    #[test]
    fn permuted_rows_have_permuted_roots() {
        let mut random = generator(3, "permuted", 0, 0);
        let mut jacobian = draw(8, 30, &mut random);
        scale(&mut jacobian, 3.0, &mut random);
        let order = [3, 7, 0, 1, 6, 2, 5, 4];
        let shuffled = jacobian.select_rows(&order);
        for alpha in ALPHAS {
            let root = |jacobian: &Matrix| match convex_root(&(jacobian * jacobian.transpose()), alpha) {
                Root::Found(root) => root,
                other => panic!("alpha {alpha}: {other:?}"),
            };
            let (plain, permuted) = (root(&jacobian), root(&shuffled));
            for (at, &from) in order.iter().enumerate() {
                assert!((permuted[at] / plain[from] - 1.0).abs() < 1e-9, "alpha {alpha}");
            }
        }
    }

    #[test]
    fn zero_rows_are_left_out_and_broken_numbers_are_missed() {
        let gramian = Matrix::from_diagonal(&Vector::from_vec(vec![0.0, 4.0, 1e-320]));
        assert_eq!(convex_root(&Matrix::zeros(2, 2), 1.0), Root::Stationary);
        let Root::Found(root) = convex_root(&gramian, 1.0) else { panic!("not found") };
        assert!(root[0] == 0.0 && root[2] == 0.0 && (root[1] - 0.5).abs() < 1e-15, "{root:?}");
        for broken in [f64::NAN, f64::INFINITY] {
            let gramian = Matrix::from_row_slice(2, 2, &[1.0, 0.0, 0.0, broken]);
            assert!(matches!(convex_root(&gramian, 1.0), Root::Missed { .. }), "{broken}");
        }
    }
}
