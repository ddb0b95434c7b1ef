//! A Gramian as the lengths of its rows and the cosines between them, so that no solver sees scales apart.

use super::nonnegative::{Unsolved, rounding};
use crate::methods::Matrix;

/// `G_ij = norms_i cosines_ij norms_j`.
#[derive(Debug, Clone)]
pub struct UnitGramian {
    /// `[K]`: zero for a row that is zero (its square below 1e-290).
    pub norms: Vec<f64>,
    /// `[K, K]`, row after row; a zero row is a direction of its own, at right angles to all others.
    pub cosines: Vec<f64>,
}

impl UnitGramian {
    /// Of a Gramian `[K, K]`.
    ///
    /// # Errors
    /// [`Unsolved::NotFinite`].
    pub fn new(gramian: &Matrix) -> Result<Self, Unsolved> {
        if !gramian.iter().all(|entry| entry.is_finite()) {
            return Err(Unsolved::NotFinite);
        }
        let size = gramian.nrows();
        let norms: Vec<f64> = (0..size)
            .map(|row| gramian[(row, row)])
            .map(|square| if square > 1e-290 { square.sqrt() } else { 0.0 })
            .collect();
        let mut cosines = vec![0.0; size * size];
        for row in 0..size {
            cosines[row * size + row] = 1.0;
            for column in (0..row).filter(|&column| norms[row] > 0.0 && norms[column] > 0.0) {
                let cosine = (gramian[(row, column)] / norms[row] / norms[column]).clamp(-1.0, 1.0);
                cosines[row * size + column] = cosine;
                cosines[column * size + row] = cosine;
            }
        }
        Ok(Self { norms, cosines })
    }

    /// `K`, the number of rows.
    pub fn size(&self) -> usize {
        self.norms.len()
    }

    /// The products of each unit row with the combination of all: `cosines · coefficients` `[K]`.
    pub fn products(&self, coefficients: &[f64]) -> Vec<f64> {
        let mut products = vec![0.0; self.size()];
        for (row, &coefficient) in coefficients.iter().enumerate().filter(|(_, value)| **value != 0.0) {
            let cosines = &self.cosines[row * self.size()..][..self.size()];
            products.iter_mut().zip(cosines).for_each(|(product, cosine)| *product += coefficient * cosine);
        }
        products
    }

    /// The length of a combination of the unit rows, given its `products` with them; `None` where it is zero to rounding.
    pub fn length(&self, coefficients: &[f64], products: &[f64]) -> Option<f64> {
        let square: f64 = coefficients.iter().zip(products).map(|(a, b)| a * b).sum();
        let magnitude: f64 = coefficients.iter().map(|value| value.abs()).sum();
        (square > rounding(self.size()) * magnitude * magnitude).then(|| square.sqrt())
    }
}
