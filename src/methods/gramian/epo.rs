//! Exact Pareto optimal search: towards the point of the front at which the preference makes all losses equal.

use super::unsolved::unsolved;
use crate::error::BadSetting;
use crate::methods::per_task::{check_preference, present_or};
use crate::methods::solvers::{UnitGramian, Unsolved, linear_program, min_norm};
use crate::methods::{Balancing, GramianMethod, Heads, Matrix, Reads, State, Step};
use anyhow::Result;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Moves to the point of the front where all losses, times a preference, are equal.
///
/// ```text
/// l̂ = p ∘ L / Σ_t p_t L_t,    μ = Σ_t l̂_t log(T l̂_t)
/// a = p ∘ (log(T l̂) - μ),    c = G a
/// w ≥ 0, Σ_t w_t = 1
/// where μ > tolerance, w maximises cᵀw such that
///     (G w)_t ≥ 0      of the tasks with the largest p_t L_t
///     (G w)_t ≥ c_t    of the others with c_t ≤ 0;    0 where all c_t are
/// else w maximises Σ_t (G w)_t such that G w ≥ 0
/// d = Jᵀ w
/// ```
///
/// `J [T, P]` are the tasks' gradients by the shared parameters, `G = J Jᵀ [T, T]` their Gramian, `L [T]` the losses, `p [T]` the
/// preference with sum 1, μ the non-uniformity (the divergence of `l̂ [T]` from an even share), `a [T]` how much each loss has to
/// fall for it to fall, `c [T]` how much each falls along `Jᵀ a` and `w [T]` the weights. Where μ is large the update balances: losses
/// that are small may rise, no faster than along `Jᵀ a`, and the largest does not. Where it is small the update descends for every
/// task. So it ends where the ray with all `p_t L_t` equal meets the front, also where that is not convex. Only ratios of losses
/// count; losses must not be below 0, and a share `l̂_t` below 2e-16 counts as that.
///
/// The linear programs are solved exactly (dual simplex). All weights are zero where the update is zero to rounding.
///
/// Reads: Gramian.
///
/// Cost: T backward passes, and a linear program of size T.
///
/// Absent tasks: left out, so that T is the number of those present.
///
/// Deviations: the authors' code, but for its option `relax`, descends under one constraint more, `cᵀw ≥ min(max_t c_t, 0)`, which
/// can contradict the others; it is left out here. Their training loop multiplies the weights by T, that of their toy problems the
/// step by `10 max(μ, 0.1)`, and their preferences have length 1 where here the sum is 1, which leaves losses less room to rise.
///
/// Reference: Mahapatra and Rajan, "Multi-Task Learning with User Preferences: Gradient Descent with Controlled Ascent in Pareto
/// Optimization", ICML 2020; "Exact Pareto Optimal Search for Multi-Task Learning and Multi-Criteria Decision-Making", 2021 (arXiv
/// 2108.00597).
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Epo {
    /// p: one number above 0 per task, in the order of `tasks`, of which only the ratios count: the larger, the lower the loss.
    /// Left out: the same for all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preference: Option<Vec<f64>>,
    /// The non-uniformity μ above which the update balances. The authors' code: 1e-4, which is where two losses differ by 3 %.
    #[serde(with = "crate::settings::NonNegative")]
    pub tolerance: f64,
}

impl Default for Epo {
    fn default() -> Self {
        Self { preference: None, tolerance: 1e-4 }
    }
}

impl Balancing for Epo {
    fn reads(&self) -> Reads<'_> {
        Reads::Gramian(self)
    }
    fn heads(&self) -> Heads {
        Heads::Weighted
    }
    fn check(&self, tasks: &[String]) -> Result<(), BadSetting> {
        check_preference("preference", self.preference.as_ref(), tasks)?;
        match self.preference.iter().flatten().position(|value| *value == 0.0) {
            Some(at) => Err(BadSetting::new(format!("preference[{at}]"), "0, expected a number above 0").remedy(
                "a loss that does not count is none to be balanced: leave the task out, or give it a small number",
            )),
            None => Ok(()),
        }
    }
}

impl GramianMethod for Epo {
    fn weights(&self, step: &Step, gramian: &Matrix, _: &mut State) -> Result<Vec<f64>> {
        let ray = self.ray(step)?;
        let failed = |failure: Unsolved| unsolved(step, gramian, failure);
        let unit = UnitGramian::new(gramian).map_err(failed)?;
        match ray.weigh(&unit, self.tolerance) {
            // A shortest vector satisfies every row: to rounding it is zero.
            Err(Unsolved::Contradiction) => min_norm(gramian).map_err(failed),
            solved => solved.map_err(failed),
        }
    }
}

/// Where the losses are, beside the ray on which they are balanced.
struct Ray {
    /// l̂ `[K]`
    shares: Vec<f64>,
    /// μ
    nonuniformity: f64,
    /// a `[K]`
    anchor: Vec<f64>,
}

impl Epo {
    fn ray(&self, step: &Step) -> Result<Ray> {
        if !step.losses.iter().all(|loss| *loss >= 0.0 && loss.is_finite()) {
            let remedy = "give losses that stay at 0 or above, or use another method";
            return Err(step.failure(
                "it balances the ratios of losses, which must not be below 0",
                step.losses,
                remedy,
            ));
        }
        let preference = normalized(&present_or(self.preference.as_ref(), 1.0, step));
        let scaled: Vec<f64> = preference.iter().zip(step.losses).map(|(p, loss)| p * loss).collect();
        let shares = normalized(&scaled);
        let logarithm = |share: &f64| (share.max(f64::EPSILON) * shares.len() as f64).ln();
        let nonuniformity = shares.iter().map(|share| share * logarithm(share)).sum();
        let anchor = preference.iter().zip(&shares).map(|(p, share)| p * (logarithm(share) - nonuniformity)).collect();
        Ok(Ray { shares, nonuniformity, anchor })
    }
}

/// Scaled to the sum 1; even where all are zero.
fn normalized(values: &[f64]) -> Vec<f64> {
    let largest = values.iter().copied().fold(0.0, f64::max);
    if largest == 0.0 {
        return vec![1.0 / values.len() as f64; values.len()];
    }
    let sum: f64 = values.iter().map(|value| value / largest).sum(); // which does not overflow
    values.iter().map(|value| value / largest / sum).collect()
}

impl Ray {
    /// The linear program, for gradients of length 1: with s their lengths, its unknowns are `x = w ∘ s` up to scale, and a row is
    /// divided by its length.
    fn weigh(&self, unit: &UnitGramian, tolerance: f64) -> Result<Vec<f64>, Unsolved> {
        let size = unit.size();
        let above_zero = || unit.norms.iter().copied().filter(|norm| *norm > 0.0);
        let (largest, least) = (above_zero().fold(0.0, f64::max), above_zero().fold(f64::INFINITY, f64::min));
        if largest == 0.0 {
            return Ok(vec![0.0; size]);
        }
        let balances = self.nonuniformity > tolerance;
        let wanted = |task: usize| if balances { self.anchor[task] } else { 1.0 };
        let pull: Vec<f64> = (0..size).map(|task| wanted(task) * unit.norms[task] / least).collect();
        let gains = unit.products(&pull); // of Jᵀa, or of the sum
        let bounds = if balances { self.bounds(&gains) } else { vec![Some(0.0); size] };
        let kept: Vec<usize> = (0..size).filter(|task| bounds[*task].is_some()).collect();
        let rows = Matrix::from_fn(kept.len(), size, |row, task| unit.cosines[kept[row] * size + task]);
        // A zero gradient may weigh as much as it likes.
        let shares: Vec<f64> = unit.norms.iter().map(|norm| if *norm > 0.0 { least / norm } else { 1.0 }).collect();
        let bounds: Vec<f64> = bounds.into_iter().flatten().collect();
        let point = linear_program(&gains, &shares, &rows, &bounds)?;
        if unit.length(&point, &unit.products(&point)).is_none() {
            return Ok(vec![0.0; size]);
        }
        Ok(point.iter().zip(&shares).map(|(x, share)| x * share).collect())
    }

    /// What each loss has to fall by at least in balancing `[K]`; nothing is asked of one that falls along `Jᵀa`.
    fn bounds(&self, gains: &[f64]) -> Vec<Option<f64>> {
        let largest = self.shares.iter().copied().fold(0.0, f64::max);
        let any = gains.iter().any(|gain| *gain > 0.0);
        let bound = |(share, gain): (&f64, &f64)| match (*share == largest, *gain > 0.0) {
            (true, _) => Some(0.0),
            (false, true) => None,
            (false, false) => Some(if any { *gain } else { 0.0 }),
        };
        self.shares.iter().zip(gains).map(bound).collect()
    }
}

#[cfg(test)]
mod tests {
    use crate::methods::hard::{self, gramian};
    use crate::methods::trial::{Trial, assert_near, matrix, refused, two_rows, weights};
    use crate::methods::{Matrix, Vector};

    #[test]
    fn balanced_losses_descend_together_as_fast_as_they_can() {
        // max 16 w2 - 4 w1 on the simplex with 18 w1 ≥ 22 w2 and 38 w2 ≥ 22 w1: the first task holds.
        assert_near(&weights("{name: epo}", &two_rows()), &[0.55, 0.45], 1e-14);
        assert_eq!(weights("{name: epo}", &matrix([[1.0, 2.0], [-3.0, -6.0]])), [0.0, 0.0]);
    }

    /// On the front of two losses every update goes along it: as far as the anchoring direction `Jᵀa` does.
    #[test]
    fn on_the_front_it_moves_along_the_anchoring_direction() {
        let mut trial = Trial::wide("{name: epo}", 2, 1);
        let found = trial.step([2.0, 1.0], &matrix([[1.0], [-2.0]])).expect("an answer").direction;
        let shares = [2.0 / 3.0, 1.0 / 3.0_f64];
        let nonuniformity: f64 = shares.iter().map(|share| share * (2.0 * share).ln()).sum();
        let anchor = shares.map(|share| 0.5 * ((2.0 * share).ln() - nonuniformity));
        assert_near(&found, &[anchor[0] - 2.0 * anchor[1]], 1e-14);
        // Beyond the tolerance it is balanced, and nothing descends for both.
        let mut trial = Trial::wide("{name: epo, tolerance: 0.1}", 2, 1);
        assert_eq!(trial.step([2.0, 1.0], &matrix([[1.0], [-2.0]])).expect("an answer").direction, [0.0]);
    }

    #[test]
    fn the_largest_loss_never_rises_and_balanced_ones_none() {
        let mut jacobians: Vec<hard::Hard> = [2, 3, 5, 40].into_iter().flat_map(hard::kinds).collect();
        jacobians.extend(hard::random());
        jacobians.extend(hard::degenerate());
        for (what, jacobian) in jacobians {
            let tasks = jacobian.nrows();
            let apart: Vec<f64> = (0..tasks).map(|task| 0.5 + (task * 7919 % 13) as f64).collect();
            let top = (0..tasks).max_by(|a, b| apart[*a].total_cmp(&apart[*b])).expect("a task");
            for (losses, held) in [(vec![1.0; tasks], (0..tasks).collect()), (apart, vec![top])] {
                let mut trial = Trial::new("{name: epo}", tasks);
                let found =
                    trial.weigh(losses, &gramian(&jacobian)).unwrap_or_else(|error| panic!("{what}: {error:#}"));
                let sum: f64 = found.iter().sum();
                let zero = found.iter().all(|weight| *weight == 0.0);
                assert!(
                    found.iter().all(|weight| *weight >= 0.0) && (zero || (sum - 1.0).abs() < 1e-9),
                    "{what}: {found:?}"
                );
                let direction = jacobian.tr_mul(&Vector::from_column_slice(&found));
                let terms: f64 = found.iter().zip(jacobian.row_iter()).map(|(weight, row)| weight * row.norm()).sum();
                for row in held.into_iter().map(|task: usize| jacobian.row(task)) {
                    let product = row.transpose().dot(&direction);
                    assert!(product >= -1e-7 * row.norm() * terms, "{what}: {product}");
                }
            }
        }
    }

    #[test]
    fn only_ratios_of_losses_preferences_and_gradients_count() {
        let rows = hard::draw(5, 4, 6);
        let weigh = |preference: [f64; 4], losses: [f64; 4], scale: f64| {
            let mut trial = Trial::new(&format!("{{name: epo, preference: {preference:?}}}"), 4);
            trial.weigh(losses, &(gramian(&rows) * scale)).expect("weights")
        };
        let plain = weigh([1.0, 2.0, 0.5, 1.5], [1.0, 0.3, 2.0, 0.7], 1.0);
        for (preference, loss, scale) in [(1e-9, 1.0, 1.0), (1.0, 1e-300, 1.0), (1.0, 1e300, 1.0), (1.0, 1.0, 1e-20)] {
            let preferences = [1.0, 2.0, 0.5, 1.5].map(|p| preference * p);
            assert_near(&weigh(preferences, [1.0, 0.3, 2.0, 0.7].map(|l| loss * l), scale), &plain, 1e-10);
        }
    }

    #[test]
    fn losses_of_zero_are_far_from_balance_and_those_below_are_refused() {
        let level = Matrix::identity(2, 2);
        assert_eq!(Trial::new("{name: epo}", 2).weigh([0.0, 1.0], &level).expect("weights"), [0.0, 1.0]);
        // All at 0 are balanced, and the longer gradient gains more.
        let longer = Matrix::from_diagonal(&Vector::from_vec(vec![1.0, 4.0]));
        assert_eq!(Trial::new("{name: epo}", 2).weigh([0.0, 0.0], &longer).expect("weights"), [0.0, 1.0]);
        for loss in [-1.0, f64::NAN, f64::INFINITY] {
            let error = Trial::new("{name: epo}", 2).weigh([1.0, loss], &level).expect_err("no ratio").to_string();
            assert!(error.ends_with(&format!("which must not be below 0: task1 1, task2 {loss}")), "{error}");
        }
    }

    #[test]
    fn settings_that_do_not_fit_are_refused() {
        assert_eq!(refused("{name: epo, preference: [1]}", 2).path, "preference");
        assert_eq!(refused("{name: epo, preference: [1, -1]}", 2).path, "preference[1]");
        assert_eq!(refused("{name: epo, preference: [1, 0]}", 2).path, "preference[1]");
        assert_eq!(refused("{name: epo, tolerance: -1}", 2).path, "tolerance");
    }
}
