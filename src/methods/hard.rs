//! For tests: Jacobians that break careless code.

use super::Matrix;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

/// A name and a Jacobian [K, P].
pub type Hard = (String, Matrix);

/// `J Jᵀ`.
pub fn gramian(jacobian: &Matrix) -> Matrix {
    jacobian * jacobian.transpose()
}

/// Normal rows, a function of `seed`.
pub fn draw(seed: u64, rows: usize, columns: usize) -> Matrix {
    normal(&mut ChaCha8Rng::seed_from_u64(seed), rows, columns, 0.0)
}

/// Normal rows, and a `lean` that all share.
fn normal(rng: &mut ChaCha8Rng, rows: usize, columns: usize, lean: f64) -> Matrix {
    let mut matrix = Matrix::from_fn(rows, columns, |_, _| StandardNormal.sample(rng));
    matrix.column_mut(0).add_scalar_mut(lean);
    matrix
}

fn scaled(mut jacobian: Matrix, scale: impl Fn(usize) -> f64) -> Matrix {
    jacobian.row_iter_mut().enumerate().for_each(|(row, mut entries)| entries *= scale(row));
    jacobian
}

/// One of each kind, with so many rows.
pub fn kinds(rows: usize) -> Vec<Hard> {
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    let plain = normal(&mut rng, rows, rows + 3, 0.0);
    let exponents: Vec<f64> = (0..rows).map(|_| rng.random_range(-10.0..10.0)).collect();
    let mean = plain.row_mean();
    let from_mean = |share: f64| Matrix::from_fn(rows, rows + 3, |i, j| plain[(i, j)] - share * mean[j]);
    let on_a_line = |factor: &dyn Fn(usize) -> f64| Matrix::from_fn(rows, rows + 3, |i, j| factor(i) * plain[(0, j)]);
    let times = |scale: &dyn Fn(usize) -> f64| scaled(plain.clone(), scale);
    let sign = |row: usize| if row.is_multiple_of(2) { 1.0 } else { -1.0 };
    let kinds = [
        ("leaning", normal(&mut rng, rows, rows + 3, 3.0)),
        ("more tasks than parameters", normal(&mut rng, rows, rows.div_ceil(2), 0.0)),
        ("one parameter", normal(&mut rng, rows, 1, 0.0)),
        ("in conflict", from_mean(0.9)),
        ("nearly stationary", from_mean(1.0 - 1e-5)),
        ("all zero", times(&|_| 0.0)),
        ("one zero", times(&|row| f64::from(row != 0))),
        ("equal", on_a_line(&|_| 1.0)),
        ("parallel", on_a_line(&|row| (row + 1) as f64)),
        ("nearly parallel", on_a_line(&|row| (row + 1) as f64) + &plain * 1e-6),
        ("opposed", on_a_line(&sign)),
        ("nearly opposed", on_a_line(&|row| sign(row) + if row == 1 { 1e-9 } else { 0.0 })),
        ("repeated", Matrix::from_fn(rows, rows + 3, |i, j| plain[(i / 2, j)])),
        ("huge", times(&|_| 1e10)),
        ("tiny", times(&|_| 1e-10)),
        ("huge and tiny", times(&|row| 10_f64.powf(10.0 * sign(row)))),
        ("huge, zero and tiny", times(&|row| [1e10, 0.0, 1e-10][row % 3])),
        ("one huge", times(&|row| if row == 0 { 1e10 } else { 1.0 })),
        ("of any scale", times(&|row| 10_f64.powf(exponents[row]))),
        ("plain", plain.clone()),
    ];
    kinds.map(|(name, jacobian)| (format!("{name} rows, {rows}"), jacobian)).into()
}

/// Random rows of many shapes, leanings and scales.
pub fn random() -> Vec<Hard> {
    let mut all = vec![];
    for seed in 0..6 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        for rows in [1, 2, 3, 5, 8, 20, 40] {
            for columns in [5, rows + 3, 4 * rows] {
                for lean in [0.0, 0.5, 3.0, -1.0] {
                    let jacobian = normal(&mut rng, rows, columns, lean);
                    let exponents: Vec<f64> = (0..rows).map(|_| rng.random_range(-10.0..10.0)).collect();
                    let name = format!("seed {seed}, [{rows}, {columns}], lean {lean}");
                    for power in [-10, 10] {
                        all.push((format!("{name}, 1e{power}"), &jacobian * 10.0_f64.powi(power)));
                    }
                    all.push((format!("{name}, mixed"), scaled(jacobian.clone(), |row| 10.0_f64.powf(exponents[row]))));
                    all.push((name, jacobian));
                }
            }
        }
    }
    all
}

/// Rows that are zero, parallel, repeated, opposed, or nearly so.
pub fn degenerate() -> Vec<Hard> {
    let mut rng = ChaCha8Rng::seed_from_u64(100);
    let mut all = vec![];
    let mut push = |name: &str, jacobian: Matrix| all.push((name.to_string(), jacobian));
    push("one zero row", Matrix::zeros(1, 3));
    push("zero rows", Matrix::zeros(4, 3));
    for (rows, columns) in [(4, 6), (12, 20), (40, 60), (40, 5)] {
        for lean in [0.0, 2.0] {
            let base = normal(&mut rng, rows, columns, lean);
            let noise = normal(&mut rng, rows, columns, 0.0);
            let copied = |factor: f64, noisy: f64| {
                Matrix::from_fn(rows, columns, |i, j| match i % 4 {
                    3 => factor * base[(i - 3, j)] + noisy * noise[(i, j)],
                    _ => base[(i, j)],
                })
            };
            push("some zero rows", scaled(base.clone(), |row| if row % 3 == 1 { 0.0 } else { 1.0 }));
            for factor in [1.0, -1.0, 0.3, -0.3, 1e-10, -1e-10, 1e10, -1e10] {
                for noisy in [0.0, 1e-9, 1e-8, 1e-7, 1e-6, 1e-4] {
                    push(&format!("[{rows}, {columns}], lean {lean}, copies times {factor} but for {noisy}"), {
                        copied(factor, noisy * factor.abs())
                    });
                }
            }
            push("the same row", Matrix::from_fn(rows, columns, |_, j| base[(0, j)]));
            push("rows on a line", Matrix::from_fn(rows, columns, |i, j| base[(0, j)] * noise[(i, 0)]));
            push("rows nearly one", Matrix::from_fn(rows, columns, |i, j| base[(0, j)] + 1e-6 * noise[(i, j)]));
        }
    }
    push("orthogonal rows", Matrix::identity(40, 40));
    push("all against all", Matrix::from_fn(40, 40, |i, j| f64::from(u8::from(i == j)) - 1.0 / 40.0));
    push("nearly all against all", Matrix::from_fn(40, 40, |i, j| f64::from(u8::from(i == j)) - 1.0 / 41.0));
    all
}
