//! Gradients brought to a cosine that is usual for them.

use super::order::orders;
use crate::methods::solvers::dot;
use crate::methods::{Balancing, GramianMethod, Heads, Matrix, Reads, Size, Slot, State, Step};
use anyhow::Result;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Added to denominators, as in LibMTL.
const EPSILON: f64 = 1e-8;

/// As pcgrad, but gradients are brought up to the cosine they have had of late.
///
/// ```text
/// for each task i:    g_i' = g_i
///   for the other tasks j in random order:
///     φ = g_i'·g_j / (‖g_i'‖ ‖g_j‖ + 1e-8)
///     where φ < φ̂_ij:
///       g_i' ← g_i' + g_j ‖g_i'‖ (φ̂_ij √(1-φ²) - φ √(1-φ̂_ij²)) / (‖g_j‖ √(1-φ̂_ij²) + 1e-8)
///     φ̂_ij ← (1-β) φ̂_ij + β φ
/// d = Σ_i g_i'
/// ```
///
/// `g_i [P]` is the gradient of task i's loss by the shared parameters, and `φ̂ [T, T]`, from 0, the targets, of which
/// `φ̂_ij` and `φ̂_ji` are kept apart. Computed on coefficients, from the Gramian alone. The orders are drawn anew for each
/// task and step, from the seed, the step and the tasks' names. A gradient of zero has the cosine 0 to all and changes
/// nothing; so has what is left of a gradient when all of it but rounding has been taken away.
///
/// Reads: Gramian.
///
/// Cost: T backward passes.
///
/// Absent tasks: left out; the target of a pair of which one is absent stands still.
///
/// Deviations: all shared parameters are one group; `grouped` makes targets per layer or parameter, as the paper has them.
/// LibMTL moves a target only where the cosine is below it; here, as in the paper, each cosine moves it.
///
/// Reference: Wang et al., "Gradient Vaccine: Investigating and Improving Multi-task Optimization in Massively Multilingual
/// Models", ICLR 2021 (arXiv 2010.05874).
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct GradVac {
    /// β, the share of the newest cosine in the target; with 0 the targets stay at 0, and the method is `pcgrad`. LibMTL:
    /// 0.5. The paper: 0.01.
    #[serde(with = "crate::settings::Unit")]
    pub beta: f64,
}

impl Default for GradVac {
    fn default() -> Self {
        Self { beta: 0.5 }
    }
}

impl Balancing for GradVac {
    fn reads(&self) -> Reads<'_> {
        Reads::Gramian(self)
    }
    fn heads(&self) -> Heads {
        Heads::Own
    }
    fn state(&self, size: &Size) -> Vec<Slot> {
        vec![Slot::reals("targets", vec![0.0; size.tasks * size.tasks])]
    }
}

impl GramianMethod for GradVac {
    fn weights(&self, step: &Step, gramian: &Matrix, state: &mut State) -> Result<Vec<f64>> {
        let targets = state.real_mut(0); // [T * T]
        let norms: Vec<f64> = gramian.diagonal().iter().map(|square| square.sqrt()).collect();
        let mut weights = vec![0.0; step.count()];
        for (row, order) in orders(step, "gradvac").iter().enumerate() {
            let mut vaccinated = Vaccinated::new(gramian, &norms, row);
            for &other in order {
                let pair = step.present[row] * step.tasks.len() + step.present[other];
                let cosine = vaccinated.meet(other, targets[pair]);
                targets[pair] = (1.0 - self.beta) * targets[pair] + self.beta * cosine;
            }
            weights.iter_mut().zip(vaccinated.coefficients).for_each(|(weight, coefficient)| *weight += coefficient);
        }
        Ok(weights)
    }
}

/// A gradient `g' = Σ_k c_k g_k`.
struct Vaccinated<'g> {
    gramian: &'g Matrix,
    /// `‖g_k‖` `[K]`
    norms: &'g [f64],
    /// `c` `[K]`
    coefficients: Vec<f64>,
    /// `g'·g_k` `[K]`
    products: Vec<f64>,
    /// `Σ_k |c_k| ‖g_k‖`
    parts: f64,
}

impl<'g> Vaccinated<'g> {
    fn new(gramian: &'g Matrix, norms: &'g [f64], row: usize) -> Self {
        let mut coefficients = vec![0.0; gramian.nrows()];
        coefficients[row] = 1.0;
        Self { gramian, norms, coefficients, products: gramian.column(row).as_slice().to_vec(), parts: norms[row] }
    }

    /// `‖g'‖`; 0 where it is no more than the rounding of its parts.
    fn norm(&self) -> f64 {
        let square = dot(&self.coefficients, &self.products);
        let rounding = self.products.len() as f64 * f64::EPSILON * self.parts * self.parts;
        if square > rounding { square.sqrt() } else { 0.0 }
    }

    /// Brings the cosine to `g_other` up to `target`; gives what it was before.
    fn meet(&mut self, other: usize, target: f64) -> f64 {
        let (norm, other_norm) = (self.norm(), self.norms[other]);
        if norm == 0.0 || other_norm == 0.0 {
            return 0.0;
        }
        let cosine = (self.products[other] / (norm * other_norm + EPSILON)).clamp(-1.0, 1.0);
        if cosine < target {
            let (sine, target_sine) = ((1.0 - cosine * cosine).sqrt(), (1.0 - target * target).sqrt());
            let change = norm * (target * sine - cosine * target_sine) / (other_norm * target_sine + EPSILON);
            let before = self.coefficients[other].abs();
            self.coefficients[other] += change;
            self.parts += (self.coefficients[other].abs() - before) * other_norm;
            let column = self.gramian.column(other);
            self.products.iter_mut().zip(column.iter()).for_each(|(product, with)| *product += change * with);
        }
        cosine
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::methods::Vector;
    use crate::methods::hard::{draw, kinds};
    use crate::methods::trial::{Trial, assert_near, matrix, near, two_rows, weights};

    /// The paper's Algorithm 1 on the gradients themselves, in given orders: the update `[P]`.
    fn by_vectors(rows: &Matrix, orders: &[Vec<usize>], beta: f64, targets: &mut Matrix) -> Vec<f64> {
        let mut update = Vector::zeros(rows.ncols());
        for (task, order) in orders.iter().enumerate() {
            let mut gradient: Vector = rows.row(task).transpose();
            for &other in order {
                let (against, target): (Vector, f64) = (rows.row(other).transpose(), targets[(task, other)]);
                let cosine = gradient.dot(&against) / (gradient.norm() * against.norm() + 1e-8);
                if cosine < target {
                    let (sine, target_sine) = ((1.0 - cosine.powi(2)).sqrt(), (1.0 - target.powi(2)).sqrt());
                    let length = gradient.norm() * (target * sine - cosine * target_sine);
                    gradient += against.scale(length / (against.norm() * target_sine + 1e-8));
                }
                targets[(task, other)] = (1.0 - beta) * target + beta * cosine;
            }
            update += gradient;
        }
        update.iter().copied().collect()
    }

    /// The orders that the next step will draw, all tasks present.
    fn next(trial: &mut Trial) -> Vec<Vec<usize>> {
        let losses = vec![Some(1.0); trial.tasks.len()];
        trial.ask(&losses, |_, step, _| orders(step, "gradvac"))
    }

    #[test]
    fn coefficients_make_the_update_that_vectors_make() {
        let mut trial = Trial::wide("{name: gradvac, beta: 0.3}", 4, 6);
        let mut targets = Matrix::zeros(4, 4);
        for number in 0..8 {
            let rows = draw(number, 4, 6);
            let expected = by_vectors(&rows, &next(&mut trial), 0.3, &mut targets);
            assert_near(&trial.on(&rows).expect("an answer").direction, &expected, 1e-12);
        }
        assert_near(trial.reals("targets"), targets.transpose().as_slice(), 1e-12);
    }

    #[test]
    fn scales_far_apart_cost_no_precision() {
        let scaled = ["huge", "tiny", "one zero", "one huge", "of any scale"];
        for (name, rows) in kinds(5).into_iter().filter(|(name, _)| scaled.iter().any(|kind| name.starts_with(kind))) {
            let mut trial = Trial::wide("{name: gradvac}", rows.nrows(), rows.ncols());
            let mut targets = Matrix::zeros(rows.nrows(), rows.nrows());
            for _ in 0..5 {
                let expected = by_vectors(&rows, &next(&mut trial), 0.5, &mut targets);
                let found = trial.on(&rows).expect("an answer").direction;
                assert!(near(&found, &expected, 1e-9), "{name}: {found:?} instead of {expected:?}");
            }
        }
    }

    #[test]
    fn with_two_tasks_no_order_is_drawn() {
        let run = |seed| {
            let mut trial = Trial::wide("{name: gradvac}", 2, 3);
            trial.seed = seed;
            (0..5).map(|number| trial.on(&draw(number, 2, 3)).expect("an answer")).collect::<Vec<_>>()
        };
        assert_eq!(run(0), run(1));
    }

    #[test]
    fn targets_of_absent_pairs_stand_still() {
        let mut trial = Trial::wide("{name: gradvac, beta: 0.5}", 3, 4);
        trial.on(&draw(1, 3, 4)).expect("an answer");
        let before = trial.reals("targets").to_vec();
        trial.weigh([Some(1.0), None, Some(1.0)], &Matrix::identity(2, 2)).expect("weights");
        for (pair, (after, before)) in trial.reals("targets").iter().zip(before).enumerate() {
            let met = pair == 2 || pair == 6; // (0, 2), (2, 0): cosine 0
            assert_eq!(*after, if met { 0.5 * before } else { before }, "{pair}");
        }
    }

    #[test]
    fn without_a_moving_target_conflicts_are_removed_as_pcgrad_removes_them() {
        let found = weights("{name: gradvac, beta: 0}", &two_rows());
        assert_near(&found, &[1.0 + 22.0 / 18.0, 1.0 + 22.0 / 38.0], 1e-8);
    }

    #[test]
    fn nothing_is_added_of_a_gradient_of_zero_even_where_the_pair_had_a_target() {
        let mut trial = Trial::wide("{name: gradvac}", 2, 2);
        trial.on(&matrix([[1.0, 1.0], [1.0, 1.0]])).expect("an answer");
        let answer = trial.on(&matrix([[1.0, 1.0], [0.0, 0.0]])).expect("an answer");
        assert_eq!(answer.weights.expect("weights"), [1.0, 1.0]);
    }
}
