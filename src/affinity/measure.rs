//! One batch: what a step on one task's gradient alone would do to every task's loss.

use crate::data::Batch;
use crate::engine::{Engine, Request};
use crate::methods::Matrix;
use crate::models::{Parameters, Sharing};
use anyhow::Result;

/// What was seen on one batch. A pair of which a task is absent has no value.
#[derive(Debug, Clone)]
pub struct Measured {
    /// `[T, T]`: the affinity of a row's task onto a column's.
    pub affinity: Vec<Vec<Option<f64>>>,
    /// `[T, T]`: the cosine of two tasks' gradients by the shared parameters.
    pub cosines: Vec<Vec<Option<f64>>>,
    /// The tasks that are present, ascending.
    pub present: Vec<usize>,
}

/// Measures a batch, read in `portions`; parameters and running statistics are as before afterwards. It costs a forward and
/// a backward pass per present task, and one forward pass.
///
/// An affinity has no value where the loss is 0 before, or is not finite after the step.
///
/// # Errors
/// The model cannot take the batch.
pub fn measure(
    engine: &dyn Engine,
    parameters: &Parameters,
    sharing: &Sharing,
    portions: &[Batch],
    request: Request,
    learning_rate: f64,
) -> Result<Measured> {
    let request = Request { gradients: true, representation: false, accuracies: false, ..request };
    let look = || {
        let mut evaluation = engine.evaluate(portions, parameters, request)?;
        let before = evaluation.losses().to_vec();
        Ok::<_, anyhow::Error>((before, evaluation.jacobian(), evaluation.gramian()))
    };
    let (before, jacobian, gramian) = parameters.with_buffers_kept(look)?; // jacobian [K, P], gramian [K, K]
    let tasks = before.len();
    let present: Vec<usize> = (0..tasks).filter(|&task| before[task].is_some()).collect();
    let mut affinity = vec![vec![None; tasks]; tasks];
    for (row, &from) in (0..).zip(&present) {
        let moved = parameters.flat.copy(); // [all]
        parameters.add_into(&moved, &sharing.shared, &(jacobian.get(row) * -learning_rate));
        let after = parameters.with(&moved, || engine.losses(portions, parameters, request))?;
        for &onto in &present {
            affinity[from][onto] = gain(before[onto], after[onto]);
        }
    }
    Ok(Measured { affinity, cosines: cosines(&gramian, &present, tasks), present })
}

/// `1 - after / before`.
fn gain(before: Option<f64>, after: Option<f64>) -> Option<f64> {
    let gain = 1.0 - after? / before.filter(|before| *before != 0.0)?;
    Some(gain).filter(|gain| gain.is_finite())
}

/// Of the present tasks' gradients; none where one is zero.
fn cosines(gramian: &Matrix, present: &[usize], tasks: usize) -> Vec<Vec<Option<f64>>> {
    let norm = |at: usize| gramian[(at, at)].max(0.0).sqrt();
    let mut cosines = vec![vec![None; tasks]; tasks];
    for (i, &from) in present.iter().enumerate() {
        for (j, &onto) in present.iter().enumerate() {
            let cosine = if i == j { 1.0 } else { gramian[(i, j)] / norm(i) / norm(j) };
            let is_defined = norm(i) > 0.0 && norm(j) > 0.0 && cosine.is_finite();
            cosines[from][onto] = is_defined.then(|| cosine.clamp(-1.0, 1.0));
        }
    }
    cosines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_affinity_without_a_value_is_none() {
        assert_eq!(gain(Some(2.0), Some(1.5)), Some(0.25));
        assert_eq!(gain(Some(2.0), Some(3.0)), Some(-0.5));
        for (before, after) in [(Some(0.0), Some(1.0)), (Some(0.0), Some(0.0)), (Some(1.0), Some(f64::INFINITY))] {
            assert_eq!(gain(before, after), None, "{before:?} {after:?}");
        }
    }

    #[test]
    fn a_zero_gradient_has_no_cosine() {
        let gramian = Matrix::from_row_slice(3, 3, &[4.0, -3.0, 0.0, -3.0, 9.0, 0.0, 0.0, 0.0, 0.0]);
        let cosines = cosines(&gramian, &[0, 2, 3], 4);
        assert_eq!(cosines[0], [Some(1.0), None, Some(-0.5), None]);
        assert_eq!(cosines[2], [Some(-0.5), None, Some(1.0), None]);
        assert_eq!((&cosines[1], &cosines[3]), (&vec![None; 4], &vec![None; 4]));
    }
}
