//! Gramians of 40 tasks on which programs take long.

use polytask::methods::Matrix;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

/// The number of tasks.
pub const TASKS: usize = 40;

/// How rows of normal numbers are bent.
const KINDS: [&str; 4] = ["random", "leaning", "conflicting", "near the front"];

/// Names and `J Jᵀ [40, 40]`, for J of 5 to 160 columns, and so of full and of low rank; the rows' lengths lie within twice
/// the given decades.
pub fn gramians() -> Vec<(String, Matrix)> {
    let mut all = vec![];
    for seed in 0..2 {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        for columns in [5, 20, 36, 40, 43, 60, 160] {
            for kind in KINDS {
                for decades in [0.0, 3.0, 10.0] {
                    let mut rows =
                        bent(Matrix::from_fn(TASKS, columns, |_, _| StandardNormal.sample(&mut random)), kind);
                    for mut row in rows.row_iter_mut() {
                        row *= 10_f64.powf(decades * random.random_range(-1.0..1.0));
                    }
                    all.push((format!("{kind} P={columns} 1e±{decades}"), &rows * rows.transpose()));
                }
            }
        }
    }
    all
}

fn bent(mut rows: Matrix, kind: &str) -> Matrix {
    let mean = rows.row_mean();
    for mut row in rows.row_iter_mut() {
        match kind {
            "leaning" => row[0] += 0.5,
            "conflicting" => row -= &mean * 0.9,
            "near the front" => row -= &mean * (1.0 - 1e-5),
            _ => {}
        }
    }
    rows
}
