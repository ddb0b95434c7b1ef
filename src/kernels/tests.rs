//! Every kernel, with every instruction set that this processor has, against plain loops.

use super::*;

fn sets() -> impl Iterator<Item = Instructions> {
    Instructions::ALL.into_iter().filter(|instructions| instructions.available())
}

/// Numbers without a pattern, from -1 to 1.
fn numbers<T: Real>(count: usize, phase: f64) -> Vec<T> {
    (0..count).map(|at| T::of((at as f64 * 12.9898 + phase).sin() * 43758.5453 % 1.0)).collect()
}

struct Elementary;

impl<T: Real> Map<T, 1, 5> for Elementary {
    #[inline(always)]
    fn map<S: Lanes<T>>(&self, simd: S, [x]: [S::Vector; 1], _: [S::Vector; 5]) -> [S::Vector; 5] {
        let size = simd.abs(x);
        let one = simd.splat(T::of(1.0));
        [
            exp(simd, x),
            ln(simd, simd.add(size, simd.splat(T::of(1e-30)))),
            ln_1p(simd, simd.min(size, one)),
            tanh(simd, x),
            erf(simd, x).0,
        ]
    }
}

fn elementary_functions<T: Real>(tolerance: f64) {
    let mut inputs: Vec<T> =
        [-80.0, -20.0, -1e-6, 0.0, 1e-20, 1e-6, 0.6249, 0.6251, 1.0, 9.0, 80.0].map(T::of).to_vec();
    inputs.extend(numbers::<T>(300, 0.1).iter().map(|x| T::of(x.wide() * 5.0)));
    for instructions in sets() {
        let mut found: [Vec<T>; 5] = std::array::from_fn(|_| vec![T::default(); inputs.len()]);
        zip_map(instructions, Elementary, [&inputs], found.each_mut().map(|found| &mut found[..]));
        for (at, x) in inputs.iter().map(|x| x.wide()).enumerate() {
            let expected = [
                x.exp(),
                (T::of(x.abs()) + T::of(1e-30)).wide().ln(),
                x.abs().min(1.0).ln_1p(),
                x.tanh(),
                libm::erf(x),
            ];
            for (which, expected) in expected.into_iter().enumerate() {
                let found = found[which][at].wide();
                let scale = expected.abs().max(if which == 1 { 0.1 } else { 0.0 });
                assert!(
                    (found - expected).abs() <= tolerance * scale,
                    "{instructions:?}, function {which} of {x}: {found} is not {expected}"
                );
            }
        }
    }
}

#[test]
fn elementary_functions_are_those_of_the_standard_library() {
    elementary_functions::<f32>(6e-7);
    elementary_functions::<f64>(2e-15);
}

#[test]
fn broken_numbers_stay_broken() {
    for instructions in sets() {
        let mut found: [Vec<f32>; 5] = std::array::from_fn(|_| vec![0.0; 1]);
        zip_map(instructions, Elementary, [&[f32::NAN]], found.each_mut().map(|found| &mut found[..]));
        assert!(found[0][0].is_nan() && found[3][0].is_nan() && found[4][0].is_nan(), "{instructions:?}: {found:?}");
    }
}

fn products<T: Real>(tolerance: f64) {
    let shapes =
        [[1, 1, 1], [64, 10, 20], [7, 3, 33], [13, 20, 4], [20, 64, 20], [5, 130, 150], [33, 17, 65], [3, 0, 5]];
    for ([m, k, n], instructions) in shapes.into_iter().flat_map(|shape| sets().map(move |set| (shape, set))) {
        let (a, b) = (numbers::<T>(m * k, 0.3), numbers::<T>(k * n, 0.7));
        let (bias, mask) = (numbers::<T>(n, 0.5), numbers::<T>(m * n, 0.9));
        for transposed in [false, true] {
            // The same numbers, read down the columns.
            let of = |i: usize, p: usize| if transposed { a[p * m + i] } else { a[i * k + p] };
            let left = if transposed { Matrix::rows(&a, m).transposed() } else { Matrix::rows(&a, k) };
            for (start, finish) in [
                (Start::Zero, Finish::Keep),
                (Start::Row(&bias[..]), Finish::Relu),
                (Start::Zero, Finish::WherePositive(Matrix::rows(&mask, n))),
            ] {
                let wide = n + 3;
                let mut c = vec![T::of(7.0); m * wide];
                let to = MatrixMut { numbers: &mut c, row: wide };
                product(instructions, 1, [m, k, n], left, Matrix::rows(&b, n), to, start, finish);
                for (i, j) in (0..m).flat_map(|i| (0..wide).map(move |j| (i, j))) {
                    let sum = || -> f64 { (0..k).map(|p| of(i, p).wide() * b[p * n + j].wide()).sum() };
                    let expected = match (finish, j < n) {
                        (_, false) => 7.0,
                        (Finish::Keep, _) => sum(),
                        (Finish::Relu, _) => (sum() + bias[j].wide()).max(0.0),
                        (Finish::WherePositive(_), _) => {
                            if mask[i * n + j].wide() > 0.0 {
                                sum()
                            } else {
                                0.0
                            }
                        }
                    };
                    let found = c[i * wide + j].wide();
                    assert!(
                        (found - expected).abs() < tolerance * (k as f64 + 1.0).sqrt(),
                        "{instructions:?} [{m}, {k}, {n}] at ({i}, {j}): {found} is not {expected}"
                    );
                }
            }
        }
    }
}

#[test]
fn products_of_every_shape_are_sums_of_products() {
    products::<f32>(2e-6);
    products::<f64>(1e-14);
}

#[test]
fn sums_gramians_and_transposes_are_plain_loops() {
    for instructions in sets() {
        for (rows, columns) in [(1, 1), (3, 5), (9, 600), (40, 33), (64, 20)] {
            let left = numbers::<f32>(rows * columns, 0.2);
            let at = |of: &[f32], i: usize, j: usize| f64::from(of[i * columns + j]);
            let (mut by_column, mut by_row) = (vec![0.0; columns], vec![0.0; rows]);
            column_sums(instructions, &left, &mut by_column);
            row_sums(instructions, &left, columns, &mut by_row);
            for (j, found) in by_column.iter().enumerate() {
                let expected: f64 = (0..rows).map(|i| at(&left, i, j)).sum();
                assert!((f64::from(*found) - expected).abs() < 1e-5, "{instructions:?}");
            }
            for (i, found) in by_row.iter().enumerate() {
                let expected: f64 = (0..columns).map(|j| at(&left, i, j)).sum();
                assert!((f64::from(*found) - expected).abs() < 1e-5, "{instructions:?}");
            }
            // The right side as it is, and scaled, which leaves the products symmetric.
            let twice: Vec<f32> = left.iter().map(|number| 2.0 * number).collect();
            for right in [&left, &twice] {
                let mut found = vec![1.0; rows * rows];
                gramian(instructions, &left, right, columns, &mut found, &mut Default::default());
                for (i, j) in (0..rows).flat_map(|i| (0..rows).map(move |j| (i, j))) {
                    let expected: f64 = 1.0 + (0..columns).map(|c| at(&left, i, c) * at(right, j, c)).sum::<f64>();
                    assert!((found[i * rows + j] - expected).abs() < 1e-12 * columns as f64, "{instructions:?}");
                }
            }
            let mut turned = vec![0.0; rows * columns];
            transpose(rows, columns, &left, &mut turned);
            assert!((0..rows * columns).all(|k| turned[(k % columns) * rows + k / columns] == left[k]));
        }
    }
}
