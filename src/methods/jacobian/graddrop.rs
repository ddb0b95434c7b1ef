//! GradDrop: per coordinate only gradients of one, drawn sign.

use crate::methods::{Balancing, Direction, Heads, JacobianMethod, Reads, State, Step};
use anyhow::Result;
use rand::RngExt;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

/// In each coordinate only gradients of one sign survive, and the sign is drawn.
///
/// ```text
/// per coordinate:    p = ½ (1 + Σ_t g_t / Σ_t |g_t|),    u ~ U[0, 1)
///                    m_t = 1 where g_t > 0 and p > u, or g_t < 0 and p ≤ u; else 0
/// d = Σ_t (leak + (1 - leak) m_t) ∘ g_t
/// ```
///
/// `g_t [P]` is the gradient of task t's loss by the shared parameters, `m_t [P]` its mask and `p [P]` the purity of the
/// sign. In the mean over the draws an entry counts p if positive, 1 - p if negative. The draws are a function of the run's
/// seed and the step.
///
/// Reads: Jacobian.
///
/// Cost: T backward passes.
///
/// Absent tasks: left out of the sums.
///
/// Deviations: one leak for all tasks. The gradients are those by the parameters; the paper masks those of a batch's
/// activations, multiplied by the activations' signs.
///
/// Reference: Chen et al., "Just Pick a Sign: Optimizing Deep Multitask Models with Gradient Sign Dropout", NeurIPS 2020
/// (arXiv 2010.06808).
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct GradDrop {
    /// The share of every task's gradient that is let through unmasked; at 1 the method is `sum`. The paper's main
    /// experiments: 0.
    #[serde(with = "crate::settings::Unit")]
    pub leak: f64,
}

impl Balancing for GradDrop {
    fn reads(&self) -> Reads<'_> {
        Reads::Jacobian(self)
    }
    fn heads(&self) -> Heads {
        Heads::Own
    }
}

impl JacobianMethod for GradDrop {
    fn direction(&self, step: &Step, jacobian: &Tensor, _: &mut State) -> Result<Direction> {
        let uniform = uniform(step, jacobian); // [P]
        let sum = jacobian.sum_dim_intlist([0].as_slice(), false, None::<Kind>); // [P]
        let size = jacobian.abs().sum_dim_intlist([0].as_slice(), false, None::<Kind>); // [P]
        // p > u, without the division: a coordinate in which all gradients are zero has no purity.
        let positive = (&sum + &size).gt_tensor(&(uniform * 2.0 * size)); // [P]
        let survives = jacobian.gt(0.0).eq_tensor(&positive); // [K, P]
        let kept = (jacobian * survives).sum_dim_intlist([0].as_slice(), false, None::<Kind>);
        Ok(Direction { direction: kept * (1.0 - self.leak) + sum * self.leak, weights: None })
    }
}

/// One draw per coordinate `[P]`, the same on every device.
fn uniform(step: &Step, jacobian: &Tensor) -> Tensor {
    let mut random = step.generator("graddrop");
    let width = jacobian.size()[1];
    let drawn = match jacobian.kind() {
        // Drawn in the kind itself: rounded from doubles, a draw could become 1.
        Kind::Float => Tensor::from_slice(&(0..width).map(|_| random.random()).collect::<Vec<f32>>()),
        kind => Tensor::from_slice(&(0..width).map(|_| random.random()).collect::<Vec<f64>>()).to_kind(kind),
    };
    drawn.to_device(jacobian.device())
}

#[cfg(test)]
mod tests {
    use crate::methods::trial::{Trial, first, matrix};

    const ROWS: [[f64; 4]; 3] = [[1.0, -2.0, 0.0, 3.0], [-3.0, -1.0, 0.0, 1.0], [0.5, 2.0, 0.0, 0.0]];

    fn mean_direction(leak: f64, draws: u64) -> Vec<f64> {
        let mut sum = vec![0.0; 4];
        let mut trial = Trial::wide(&format!("{{name: graddrop, leak: {leak}}}"), 3, 4);
        for _ in 0..draws {
            let direction = trial.on(&matrix(ROWS)).expect("a direction").direction;
            sum.iter_mut().zip(direction).for_each(|(sum, value)| *sum += value / draws as f64);
        }
        sum
    }

    #[test]
    fn the_mean_over_many_draws_is_the_exact_expectation() {
        let purity = |at: usize| {
            let column = ROWS.map(|row| row[at]);
            0.5 * (1.0 + column.iter().sum::<f64>() / column.iter().map(|g| g.abs()).sum::<f64>())
        };
        for leak in [0.0, 0.25] {
            let found = mean_direction(leak, 20_000);
            for at in [0, 1, 3] {
                let share = |g: f64| leak + (1.0 - leak) * if g > 0.0 { purity(at) } else { 1.0 - purity(at) };
                let expected: f64 = ROWS.iter().map(|row| share(row[at]) * row[at]).sum();
                assert!((found[at] - expected).abs() < 0.1, "coordinate {at}: {} instead of {expected}", found[at]);
            }
            assert_eq!(found[2], 0.0, "all gradients are zero there");
            assert!((found[3] - 4.0).abs() < 1e-9, "a coordinate without conflict keeps all: {}", found[3]);
        }
    }

    #[test]
    fn each_coordinate_keeps_one_sign_and_each_step_draws_anew() {
        let mut trial = Trial::wide("{name: graddrop}", 3, 4);
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..50 {
            let direction = trial.on(&matrix(ROWS)).expect("a direction").direction;
            assert!(direction[0] == 1.5 || direction[0] == -3.0, "{direction:?}");
            assert!(direction[1] == 2.0 || direction[1] == -3.0, "{direction:?}");
            seen.insert((direction[0] > 0.0, direction[1] > 0.0));
        }
        assert_eq!(seen.len(), 4, "coordinates draw by themselves");
    }

    #[test]
    fn a_leak_of_one_is_the_sum() {
        assert_eq!(first("{name: graddrop, leak: 1}", &matrix(ROWS)).direction, [-1.5, -1.0, 0.0, 4.0]);
    }
}
