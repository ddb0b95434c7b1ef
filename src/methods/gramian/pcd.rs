//! PCD: the primary task first.

use super::unsolved::unsolved;
use crate::methods::solvers::{UnitGramian, Unsolved, nonnegative};
use crate::methods::{Balancing, GramianMethod, Heads, Matrix, Reads, Size, Slot, State, Step};
use anyhow::Result;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The first task's gradient, bent until every other task progresses too.
///
/// ```text
/// d̃ minimises ½‖d - s_0 g_0‖² over the d with s_j g_j·d ≥ τ ‖s_j g_j‖² for every j > 0
/// d = ‖g_0‖ d̃ / ‖d̃‖
/// s_t = 1/√(v_t / (1 - β^k_t) + 1e-8),    v_t ← β v_t + (1 - β) ‖g_t‖² from 0
/// ```
///
/// `g_t [P]` is the gradient of task t's loss by the shared parameters, `s [T]` its scale, `v [T]` the moving average of
/// its squared norm and `k_t` how many steps it has been present. Task 0 is the primary. The quadratic program is solved
/// exactly (active set). If the constraints cannot hold together all are dropped, and the update is g_0; it is zero if g_0
/// or d̃ is.
///
/// Reads: Gramian.
///
/// Cost: T backward passes, and a quadratic program of size T - 1.
///
/// Absent tasks: their averages stand still. Where the first task is absent, the first of those present is the primary.
///
/// Deviations: none known; as TorchJD 0.18 computes it.
///
/// Reference: Varam and Alhajri, "Not All Objectives Are Born Equal: Priority-Constrained Descent for Hierarchical
/// Multi-Objective Optimization", TMLR 2026 (arXiv 2606.29521).
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Pcd {
    /// τ, the share of its own (scaled) gradient by which each other task shall at least progress. TorchJD: 0.02.
    #[serde(with = "crate::settings::NonNegative")]
    pub tau: f64,
    /// β, how much of the moving average is kept per step. TorchJD: 0.999.
    #[serde(with = "crate::settings::BelowOne")]
    pub beta: f64,
}

/// The moving averages `[T]` of the squared norms.
const AVERAGES: usize = 0;
/// How many steps `[T]` each average has seen.
const STEPS: usize = 1;

impl Default for Pcd {
    fn default() -> Self {
        Self { tau: 0.02, beta: 0.999 }
    }
}

impl Balancing for Pcd {
    fn reads(&self) -> Reads<'_> {
        Reads::Gramian(self)
    }
    fn heads(&self) -> Heads {
        Heads::Own
    }
    fn state(&self, size: &Size) -> Vec<Slot> {
        vec![Slot::reals("squared_norms", vec![0.0; size.tasks]), Slot::counts("steps", vec![0; size.tasks])]
    }
}

impl GramianMethod for Pcd {
    fn weights(&self, step: &Step, gramian: &Matrix, state: &mut State) -> Result<Vec<f64>> {
        let unsolved = |failure| unsolved(step, gramian, failure);
        let unit = UnitGramian::new(gramian).map_err(unsolved)?;
        let scales = self.scales(step, gramian, state); // [K]
        self.solve(&unit, &scales).map_err(unsolved)
    }
}

impl Pcd {
    /// `s [K]`; takes the step's norms into the averages.
    fn scales(&self, step: &Step, gramian: &Matrix, state: &mut State) -> Vec<f64> {
        let average = |(row, &task): (usize, &usize)| {
            state.count_mut(STEPS)[task] += 1;
            let steps = state.count(STEPS)[task];
            let average = &mut state.real_mut(AVERAGES)[task];
            *average = self.beta * *average + (1.0 - self.beta) * gramian[(row, row)];
            let corrected = *average / (1.0 - self.beta.powf(steps as f64));
            1.0 / (corrected + 1e-8).sqrt()
        };
        step.present.iter().enumerate().map(average).collect()
    }

    /// The weights `[K]`, for rows of length 1: `u_j·d ≥ τ n_j` with n = s‖g‖, and `d = n_0 u_0 + Σ_j x_j u_j` with x ≥ 0.
    fn solve(&self, unit: &UnitGramian, scales: &[f64]) -> Result<Vec<f64>, Unsolved> {
        let size = unit.size();
        let lengths: Vec<f64> = unit.norms.iter().zip(scales).map(|(norm, scale)| norm * scale).collect(); // n [K]
        if lengths[0] == 0.0 {
            return Ok(vec![0.0; size]);
        }
        let others: Vec<f64> = (1..size).flat_map(|row| &unit.cosines[row * size + 1..][..size - 1]).copied().collect();
        let linear: Vec<f64> = (1..size).map(|j| self.tau * lengths[j] - lengths[0] * unit.cosines[j]).collect();
        let conflicting: Vec<usize> = (0..size - 1).filter(|&j| linear[j] > 0.0).collect();
        let magnitude = lengths[0] + self.tau * lengths.iter().copied().fold(0.0, f64::max);
        let added = match nonnegative(&others, &linear, magnitude, &conflicting) {
            Ok(optimum) => optimum.point,
            Err(Unsolved::Contradiction) => vec![0.0; size - 1],
            Err(other) => return Err(other),
        };
        let mut point = vec![lengths[0]]; // [K], on the unit rows
        point.extend(added);
        let Some(length) = unit.length(&point, &unit.products(&point)) else { return Ok(vec![0.0; size]) };
        let factor = unit.norms[0] / length;
        let weight = |(value, norm): (&f64, &f64)| if *norm > 0.0 { factor * value / norm } else { 0.0 };
        Ok(point.iter().zip(&unit.norms).map(weight).collect())
    }
}

#[cfg(test)]
mod tests {
    use crate::methods::hard::{gramian, random};
    use crate::methods::trial::{Trial, first, matrix, weights};
    use crate::methods::{Matrix, Vector};

    #[test]
    fn the_update_is_optimal_and_as_long_as_the_primary_gradient() {
        for (name, jacobian) in random() {
            let gramian = gramian(&jacobian);
            let rows = gramian.nrows();
            let found = weights("{name: pcd, tau: 0.3}", &jacobian);
            if rows > jacobian.ncols() && found.iter().all(|weight| *weight == 0.0) {
                continue; // the constraints leave but zero, to rounding
            }
            let norms: Vec<f64> = gramian.diagonal().iter().map(|square| square.sqrt()).collect();
            let scales: Vec<f64> = norms.iter().map(|norm| 1.0 / (norm * norm + 1e-8).sqrt()).collect();
            let factor = found[0] / scales[0];
            let point: Vec<f64> = found.iter().zip(&norms).map(|(weight, norm)| weight / factor * norm).collect(); // of unit rows
            let product = |i: usize| (0..rows).map(|j| gramian[(i, j)] / norms[i] / norms[j] * point[j]).sum::<f64>();
            let length = (0..rows).map(|i| point[i] * product(i)).sum::<f64>().sqrt();
            assert!((factor * length / norms[0] - 1.0).abs() < 1e-6, "{name}: not as long as the primary gradient");
            let terms = point.iter().sum::<f64>() + 1.0;
            let gaps: Vec<f64> = (1..rows).map(|j| product(j) - 0.3 * scales[j] * norms[j]).collect();
            if rows > jacobian.ncols() && found[1..].iter().all(|weight| *weight == 0.0) {
                continue; // dropped constraints
            }
            for (gap, value) in gaps.iter().zip(&point[1..]) {
                assert!(*value >= 0.0 && *gap >= -1e-12 * terms, "{name}: {gap}, {terms}");
                assert!(*value == 0.0 || *gap <= 1e-12 * terms, "{name}: {gap}, {terms}");
            }
        }
    }

    #[test]
    fn constraints_that_cannot_hold_together_are_dropped() {
        assert_eq!(first("{name: pcd}", &matrix([[1.0, 1.0], [1.0, 0.0], [-2.0, 0.0]])).direction, [1.0, 1.0]);
        assert_eq!(first("{name: pcd}", &matrix([[0.0, 0.0], [1.0, 0.0]])).direction, [0.0, 0.0]);
    }

    #[test]
    fn averages_stand_still_for_the_absent() {
        let mut trial = Trial::new("{name: pcd, beta: 0.5}", 3);
        let gramian = Matrix::from_diagonal(&Vector::from_vec(vec![4.0, 9.0]));
        trial.weigh([Some(1.0), None, Some(1.0)], &gramian).expect("weights");
        trial.weigh([None, Some(1.0), Some(1.0)], &gramian).expect("weights");
        assert_eq!(trial.reals("squared_norms"), [2.0, 2.0, 6.75]);
        assert_eq!(trial.counts("steps"), [1, 1, 2]);
    }
}
