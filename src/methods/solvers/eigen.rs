//! Eigenpairs of Gramians, above a cut.

use crate::methods::{Matrix, Vector};
use nalgebra::SymmetricEigen;

/// The eigenpairs of a symmetric positive semi-definite matrix `[K, K]` that are not rounding.
#[derive(Debug, Clone)]
pub struct Eigen {
    /// The `R` eigenvalues above the largest times `K ε`, in descending order.
    pub values: Vec<f64>,
    /// Their eigenvectors, unit columns `[K, R]`.
    pub vectors: Matrix,
}

impl Eigen {
    /// Decomposes; `None` for a matrix that is not finite.
    pub fn of(matrix: &Matrix) -> Option<Self> {
        if !matrix.iter().all(|entry| entry.is_finite()) {
            return None;
        }
        let count = matrix.nrows();
        let all = SymmetricEigen::try_new(matrix.clone(), f64::EPSILON, 100 * count.max(1))?;
        let cut = all.eigenvalues.max() * count as f64 * f64::EPSILON;
        let mut above: Vec<usize> = (0..count).filter(|&at| all.eigenvalues[at] > cut.max(0.0)).collect();
        above.sort_by(|&a, &b| all.eigenvalues[b].total_cmp(&all.eigenvalues[a]));
        let values = above.iter().map(|&at| all.eigenvalues[at]).collect();
        Some(Self { values, vectors: all.eigenvectors.select_columns(&above) })
    }

    /// `f(M) x [K]`: the function of the kept eigenvalues, zero on the rest of the space.
    /// A coordinate of `x` that is rounding beside `‖x‖` is zero, and no `f` makes it large.
    pub fn apply(&self, function: impl Fn(f64) -> f64, x: &Vector) -> Vector {
        let mut coordinates = self.vectors.tr_mul(x); // [R]
        let rounding = x.len() as f64 * f64::EPSILON * x.norm();
        for (coordinate, &value) in coordinates.iter_mut().zip(&self.values) {
            *coordinate = if coordinate.abs() <= rounding { 0.0 } else { *coordinate * function(value) };
        }
        &self.vectors * coordinates
    }

    /// `M⁺ x [K]`, with the Moore-Penrose inverse.
    pub fn pseudo_inverse(&self, x: &Vector) -> Vector {
        self.apply(f64::recip, x)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::generator;
    use rand_distr::{Distribution, StandardNormal};

    #[test]
    fn eigenpairs_above_the_cut_make_up_the_matrix() {
        let mut random = generator(3, "eigen", 0, 0);
        for (tasks, columns, rank) in [(1, 3, 1), (5, 9, 5), (40, 5, 5), (40, 100, 40), (6, 5, 5)] {
            let factor = Matrix::from_fn(tasks, columns, |_, _| StandardNormal.sample(&mut random));
            let matrix = &factor * factor.transpose();
            let eigen = Eigen::of(&matrix).expect("finite");
            assert_eq!(eigen.values.len(), rank, "{tasks} x {columns}");
            assert!(eigen.values.is_sorted_by(|a, b| a >= b));
            let values = Matrix::from_diagonal(&Vector::from_vec(eigen.values.clone()));
            let built = &eigen.vectors * values * eigen.vectors.transpose();
            assert!((built - &matrix).norm() < 1e-13 * matrix.norm(), "{tasks} x {columns}");
            // M M⁺ M x = M x
            let x = Vector::from_fn(tasks, |at, _| 1.0 + at as f64);
            let image = &matrix * &x;
            let again = &matrix * eigen.pseudo_inverse(&image);
            assert!((again - &image).norm() < 1e-9 * image.norm(), "{tasks} x {columns}");
        }
    }

    #[test]
    fn a_zero_matrix_has_no_eigenpairs_and_one_without_numbers_is_refused() {
        assert!(Eigen::of(&Matrix::zeros(3, 3)).expect("finite").values.is_empty());
        assert!(Eigen::of(&Matrix::from_element(2, 2, f64::NAN)).is_none());
    }
}
