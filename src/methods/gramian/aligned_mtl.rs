//! Aligned-MTL: gradients made orthogonal and of one length.

use super::unsolved::unsolved;
use crate::methods::solvers::Eigen;
use crate::methods::{Balancing, GramianMethod, Heads, Matrix, Reads, State, Step, Vector};
use anyhow::Result;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The mean of the gradients after they were made orthogonal and of one length.
///
/// ```text
/// w = B 1/T,    B = √s V Λ^(-1/2) Vᵀ
/// d = Jᵀ w
/// ```
///
/// `J [T, P]` are the tasks' gradients by the shared parameters, `V [T, R]` and `Λ [R]` those eigenpairs of their Gramian
/// `G = J Jᵀ [T, T]` that exceed the largest eigenvalue times `T ε`, `B [T, T]` is the balance transformation, and `s` is
/// chosen from Λ by `scale_mode`. The principal components of the gradients get one length, so that the system of gradients
/// has condition number 1. The weights `w [T]` may be negative. If all gradients are zero, B is the identity.
///
/// Reads: Gramian.
///
/// Cost: T backward passes, and a decomposition of G.
///
/// Absent tasks: left out, so that T is the number of those present.
///
/// Deviations: none in the default; the modes other than `min` are those of the authors' code. Tasks are preferred equally.
///
/// Reference: Senushkin et al., "Independent Component Alignment for Multi-Task Learning", CVPR 2023 (arXiv 2305.19000).
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AlignedMtl {
    /// Which length the components are given. The paper: `min`.
    pub scale_mode: ScaleMode,
}

/// From the eigenvalues `λ [R]` of the Gramian to the squared length of the aligned components.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ScaleMode {
    /// The smallest: the update is stable, and short.
    #[default]
    Min,
    /// The median; of an even number, the lower one.
    Median,
    /// The mean, which is the square of the singular values' root mean square.
    Rmse,
}

impl ScaleMode {
    /// `s`, of eigenvalues in descending order.
    fn of(self, values: &[f64]) -> f64 {
        match self {
            Self::Min => values[values.len() - 1],
            Self::Median => values[values.len() / 2],
            Self::Rmse => values.iter().sum::<f64>() / values.len() as f64,
        }
    }
}

impl Balancing for AlignedMtl {
    fn reads(&self) -> Reads<'_> {
        Reads::Gramian(self)
    }
    fn heads(&self) -> Heads {
        Heads::Own
    }
}

impl GramianMethod for AlignedMtl {
    fn weights(&self, step: &Step, gramian: &Matrix, _: &mut State) -> Result<Vec<f64>> {
        let preference = Vector::from_element(step.count(), 1.0 / step.count() as f64);
        let eigen = Eigen::of(gramian).ok_or_else(|| unsolved(step, gramian, "no eigenvalues were found"))?;
        if eigen.values.is_empty() {
            return Ok(preference.as_slice().to_vec());
        }
        let scale = self.scale_mode.of(&eigen.values);
        Ok(eigen.apply(|value| (scale / value).sqrt(), &preference).as_slice().to_vec())
    }
}

#[cfg(test)]
mod tests {
    use crate::methods::trial::{assert_near, first, matrix, two_rows, weights};

    #[test]
    fn the_papers_two_rows_get_their_update() {
        assert_near(&first("{name: aligned_mtl}", &two_rows()).direction, &[0.2133, 0.9673, 0.9673], 1e-4);
    }

    #[test]
    fn orthogonal_gradients_get_the_length_that_the_mode_says() {
        // Lengths 1, 2, 3, 6: eigenvalues 1, 4, 9, 36.
        let rows = matrix([[2.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 6.0, 0.0], [0.0, 0.0, 0.0, 3.0]]);
        for (mode, length) in [("min", 1.0), ("median", 2.0), ("rmse", 12.5_f64.sqrt())] {
            let yaml = format!("{{name: aligned_mtl, scale_mode: {mode}}}");
            assert_near(&first(&yaml, &rows).direction, &[length / 4.0; 4], 1e-12);
        }
    }

    #[test]
    fn zero_gradients_weigh_alike() {
        assert_eq!(weights("{name: aligned_mtl}", &matrix([[0.0; 3]; 2])), [0.5, 0.5]);
    }
}
