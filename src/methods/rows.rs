//! Few numbers on the host, from and for the Jacobian's rows of many on the device.

use super::{Matrix, Step};
use anyhow::Result;
use tch::{Device, Kind, Tensor};

/// Columns whose products are summed at once, so that the copy in f64 stays small.
const BLOCK: i64 = 1 << 20;

/// A tensor's numbers, row by row.
pub fn host(of: &Tensor) -> Vec<f64> {
    let on_host = of.to_device(Device::Cpu).to_kind(Kind::Double); // a device may lack f64
    Vec::try_from(on_host.contiguous().view([-1])).expect("a dense tensor")
}

/// A matrix on any device as one on the host, in f64.
pub fn matrix(of: &Tensor) -> Matrix {
    let (rows, columns) = of.size2().expect("a matrix");
    Matrix::from_row_slice(rows as usize, columns as usize, &host(of))
}

/// `values [K]` as a column [K, 1] in the kind and place of `rows`.
pub fn column(values: &[f64], rows: &Tensor) -> Tensor {
    Tensor::from_slice(values).to_kind(rows.kind()).to_device(rows.device()).view([-1, 1])
}

/// The rows' norms `[K]`, summed in f64.
///
/// # Errors
/// One is not finite.
pub fn norms(step: &Step, rows: &Tensor) -> Result<Vec<f64>> {
    finite(step, host(&rows.linalg_norm(2.0, [1].as_slice(), false, Kind::Double)))
}

/// The rows' norms `[K]`, from their Gramian.
///
/// # Errors
/// One is not finite.
pub fn norms_of(step: &Step, gramian: &Matrix) -> Result<Vec<f64>> {
    finite(step, gramian.diagonal().iter().map(|square| square.sqrt()).collect())
}

fn finite(step: &Step, norms: Vec<f64>) -> Result<Vec<f64>> {
    if norms.iter().all(|norm| norm.is_finite()) {
        return Ok(norms);
    }
    let remedy = "lower the learning rate, clip, or look for rows of the data that make a loss overflow";
    Err(step.failure("the norm of a task's gradient is not finite", &norms, remedy))
}

/// `R Rᵀ` `[K, K]` of the rows `R [K, P]`. Multiplied and summed in f64, where the device has it: the solvers tell conflict
/// from rounding.
pub fn gramian(rows: &Tensor) -> Matrix {
    let (count, width) = rows.size2().expect("rows");
    let kind = if rows.device() == Device::Mps { rows.kind() } else { Kind::Double };
    let mut sum = Tensor::zeros([count, count], (kind, rows.device()));
    for start in (0..width).step_by(BLOCK as usize) {
        let block = rows.narrow(1, start, BLOCK.min(width - start)).to_kind(kind); // [K, B]
        sum += block.matmul(&block.transpose(0, 1));
    }
    matrix(&sum)
}

/// `Σ_k weights_k rows_k` `[P]`.
pub fn combine(weights: &[f64], rows: &Tensor) -> Tensor {
    rows.transpose(0, 1).matmul(&column(weights, rows)).squeeze_dim(1)
}

/// Changes the rows of the `present` tasks in `all [T, P]`, and gives them back `[K, P]`. The others stand still.
pub fn change(all: &Tensor, present: &[usize], change: impl Fn(&Tensor) -> Tensor) -> Tensor {
    tch::no_grad(|| {
        let mut all = all.shallow_clone();
        if present.len() as i64 == all.size()[0] {
            all.copy_(&change(&all));
            return all;
        }
        let tasks: Vec<i64> = present.iter().map(|&task| task as i64).collect();
        let tasks = Tensor::from_slice(&tasks).to_device(all.device());
        let changed = change(&all.index_select(0, &tasks));
        let _ = all.index_copy_(0, &tasks, &changed);
        changed
    })
}

/// Counts one more step for each present task; their counts `[K]`.
pub fn count(steps: &mut [i64], present: &[usize]) -> Vec<f64> {
    present.iter().for_each(|&task| steps[task] += 1);
    present.iter().map(|&task| steps[task] as f64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::methods::trial;

    #[test]
    fn the_gramian_of_single_precision_rows_is_that_of_double_precision() {
        let rows = Tensor::from_slice(&[1e10_f32, 3.0, 1e-10, 1.0, -1.0, 2.0]).view([2, 3]);
        let found = gramian(&rows);
        assert_eq!((found[(0, 0)], found[(1, 1)]), (rows.double_value(&[0, 0]).powi(2) + 9.0, 6.0));
        assert_eq!(found[(0, 1)], found[(1, 0)]);
        let wide = Tensor::ones([2, BLOCK + 5], (Kind::Float, tch::Device::Cpu));
        assert_eq!(gramian(&wide)[(0, 1)], (BLOCK + 5) as f64);
    }

    #[test]
    fn only_the_present_rows_change() {
        let all = Tensor::zeros([3, 2], (Kind::Double, tch::Device::Cpu));
        assert_eq!(host(&change(&all, &[0, 2], |rows| rows + 1.0)), [1.0; 4]);
        assert_eq!(host(&all), [1.0, 1.0, 0.0, 0.0, 1.0, 1.0]);
        let _ = change(&all, &[0, 1, 2], |rows| rows + 1.0);
        assert_eq!(host(&all), [2.0, 2.0, 1.0, 1.0, 2.0, 2.0]);
    }

    #[test]
    fn a_gradient_that_is_not_finite_is_an_error_that_names_its_task() {
        for name in ["con_fig", "moco", "db_mtl", "excess_mtl"] {
            for bad in [f64::NAN, f64::INFINITY] {
                let mut method = trial::Trial::wide(&format!("{{name: {name}}}"), 2, 2);
                let error = method.on(&trial::matrix([[1.0, 0.0], [bad, 0.0]])).expect_err(name).to_string();
                assert!(error.contains("is not finite: task1 ") && error.contains(&format!("task2 {bad}")), "{error}");
            }
        }
    }
}
