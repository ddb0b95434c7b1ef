//! The gradients that have the nearest neighbours.

use crate::error::BadSetting;
use crate::methods::{Balancing, GramianMethod, Heads, Matrix, Reads, State, Step};
use anyhow::Result;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The mean of the gradients that lie nearest to their neighbours (Multi-Krum).
///
/// ```text
/// score_i = the sum of the K - n_byzantine - 2 smallest ‖g_i - g_j‖², j ≠ i
/// w_i = 1/n_selected for the n_selected tasks of lowest score, 0 for the others
/// ```
///
/// `g_i [P]` is the gradient of task i's loss by the shared parameters and `w [K]` are the weights of the K present tasks;
/// the distances come from the Gramian. Among equal scores the task that stands first in `tasks` is taken, as in the paper;
/// with one neighbour the two nearest tasks always have equal scores.
///
/// Reads: Gramian.
///
/// Cost: T backward passes.
///
/// Absent tasks: left out. A step with fewer than `n_byzantine + 3` or `n_selected` present tasks is an error.
///
/// Deviations: none from the paper, whose distances are squared; TorchJD sums distances that are not.
///
/// Reference: Blanchard et al., "Machine Learning with Adversaries: Byzantine Tolerant Gradient Descent", NeurIPS 2017
/// (arXiv 1703.02757).
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Krum {
    /// How many tasks' gradients may be far off; at most T - 3.
    #[serde(with = "crate::settings::Count")]
    pub n_byzantine: u64,
    /// How many gradients are averaged; at most T. The paper's Krum: 1.
    #[serde(default = "one", with = "crate::settings::AtLeastOne")]
    pub n_selected: u64,
}

fn one() -> u64 {
    1
}

impl Balancing for Krum {
    fn reads(&self) -> Reads<'_> {
        Reads::Gramian(self)
    }
    fn heads(&self) -> Heads {
        Heads::Own
    }
    fn check(&self, tasks: &[String]) -> Result<(), BadSetting> {
        let count = tasks.len() as u64;
        if self.n_byzantine + 3 > count {
            let what = format!("{} for {count} tasks, expected at most the number of tasks less 3", self.n_byzantine);
            let remedy = if count < 3 { "krum needs 3 tasks: choose another method" } else { "lower it" };
            return Err(BadSetting::new("n_byzantine", what).remedy(remedy));
        }
        if self.n_selected > count {
            let what = format!("{} for {count} tasks, expected at most the number of tasks", self.n_selected);
            return Err(BadSetting::new("n_selected", what).remedy("lower it"));
        }
        Ok(())
    }
}

impl GramianMethod for Krum {
    fn weights(&self, step: &Step, gramian: &Matrix, _: &mut State) -> Result<Vec<f64>> {
        let (count, byzantine, selected) = (step.count(), self.n_byzantine as usize, self.n_selected as usize);
        if count < byzantine + 3 || count < selected {
            let what = format!(
                "{count} present tasks are too few for n_byzantine {byzantine} and n_selected {selected}, which need {}; \
                 their losses",
                selected.max(byzantine + 3)
            );
            let remedy = "lower them, or enlarge the batch so that it has labels of more tasks";
            return Err(step.failure(&what, step.losses, remedy));
        }
        let scores = scores(gramian, count - byzantine - 2);
        let mut ranked: Vec<usize> = (0..count).collect();
        ranked.sort_by(|&a, &b| scores[a].total_cmp(&scores[b])); // stable: the first of equals stays first
        let mut weights = vec![0.0; count];
        ranked[..selected].iter().for_each(|&row| weights[row] = 1.0 / selected as f64);
        Ok(weights)
    }
}

/// Per row the sum of its `neighbours` smallest squared distances to others `[K]`.
fn scores(gramian: &Matrix, neighbours: usize) -> Vec<f64> {
    let count = gramian.nrows();
    // From both halves of the Gramian, so that rounding does not make a distance depend on its direction.
    let distance =
        |i: usize, j: usize| (gramian[(i, i)] + gramian[(j, j)] - (gramian[(i, j)] + gramian[(j, i)])).max(0.0);
    let score = |row: usize| {
        let mut distances: Vec<f64> =
            (0..count).filter(|&other| other != row).map(|other| distance(row, other)).collect();
        distances.sort_by(f64::total_cmp);
        distances[..neighbours].iter().sum()
    };
    (0..count).map(score).collect()
}

#[cfg(test)]
mod tests {
    use crate::methods::Matrix;
    use crate::methods::trial::{Trial, matrix, refused, weights};

    #[test]
    fn gradients_that_are_far_off_are_left_out() {
        let mut rows = Matrix::from_fn(6, 3, |task, at| (at as f64 - 0.5) * (1.0 + 0.01 * task as f64));
        rows.row_mut(1).scale_mut(-1e6);
        rows.row_mut(4).scale_mut(50.0);
        assert_eq!(weights("{name: krum, n_byzantine: 2, n_selected: 4}", &rows), [0.25, 0.0, 0.25, 0.25, 0.0, 0.25]);
    }

    #[test]
    fn of_equal_scores_the_first_is_taken() {
        assert_eq!(weights("{name: krum, n_byzantine: 0}", &matrix([[1.0, 1.0]; 3])), [1.0, 0.0, 0.0]);
    }

    #[test]
    fn settings_that_leave_no_neighbour_are_refused() {
        let bad = refused("{name: krum, n_byzantine: 2}", 4);
        assert_eq!((bad.path.as_str(), bad.what.starts_with("2 for 4 tasks")), ("n_byzantine", true));
        assert_eq!(refused("{name: krum, n_byzantine: 0, n_selected: 5}", 4).path, "n_selected");
        let remedy = refused("{name: krum, n_byzantine: 0}", 1).remedy.expect("a remedy");
        assert_eq!(remedy, "krum needs 3 tasks: choose another method");
    }

    #[test]
    fn a_step_with_too_few_tasks_names_them() {
        let mut trial = Trial::new("{name: krum, n_byzantine: 1}", 5);
        trial.weigh([Some(1.0), Some(1.0), None, Some(1.0), Some(1.0)], &Matrix::identity(4, 4)).expect("weights");
        let few = trial.weigh([Some(1.0), Some(2.0), None, None, Some(3.0)], &Matrix::identity(3, 3));
        let error = few.expect_err("too few").to_string();
        let expected = "3 present tasks are too few for n_byzantine 1 and n_selected 1, which need 4";
        assert!(error.contains(expected) && error.ends_with("task1 1, task2 2, task5 3"), "{error}");
    }
}
