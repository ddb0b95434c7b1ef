//! Products of matrices: small ones from registers, large ones by the `gemm` crate.

use super::{Instructions, Kernel, Lanes, Real};
use gemm::{Parallelism, gemm};

/// A matrix to read: numbers with a step from row to row and from column to column.
#[derive(Debug, Clone, Copy)]
pub struct Matrix<'a, T> {
    /// Where it begins.
    pub numbers: &'a [T],
    /// From a row to the next.
    pub row: usize,
    /// From a column to the next.
    pub column: usize,
}

impl<'a, T> Matrix<'a, T> {
    /// Rows of `columns` numbers, one behind another.
    pub fn rows(numbers: &'a [T], columns: usize) -> Self {
        Self { numbers, row: columns, column: 1 }
    }

    /// The transpose.
    #[must_use]
    pub fn transposed(self) -> Self {
        Self { row: self.column, column: self.row, ..self }
    }

    /// Whether `rows` by `columns` of it lie within its numbers.
    fn holds(&self, rows: usize, columns: usize) -> bool {
        rows == 0 || columns == 0 || (rows - 1) * self.row + (columns - 1) * self.column < self.numbers.len()
    }
}

/// A matrix to write: rows of neighbouring numbers, with a step between rows.
#[derive(Debug)]
pub struct MatrixMut<'a, T> {
    /// Where it begins.
    pub numbers: &'a mut [T],
    /// From a row to the next.
    pub row: usize,
}

/// What a product is added to.
#[derive(Debug, Clone, Copy)]
pub enum Start<'a, T> {
    /// Nothing.
    Zero,
    /// A row of numbers, the same for every row of the result.
    Row(&'a [T]),
}

/// What is done to a product at last.
#[derive(Debug, Clone, Copy)]
pub enum Finish<'a, T> {
    /// Nothing.
    Keep,
    /// Negative numbers become 0.
    Relu,
    /// Numbers become 0 where this one, of the result's shape, is not above 0.
    WherePositive(Matrix<'a, T>),
}

/// Whether a right factor `[k, n]` is so small that it stays in the first caches: such a product is not packed, and needs
/// its columns to be neighbours.
pub fn stays_in_cache(k: usize, n: usize) -> bool {
    k * n <= 1 << 14
}

/// Columns that are computed at once, at most, in vectors.
const WIDEST: usize = 4;

/// `C [m, n] = finish(start + A [m, k] B [k, n])`; the columns of B are neighbours, or the product is a large one.
/// `threads` share a large product.
///
/// # Panics
/// A matrix does not lie within its numbers.
#[allow(clippy::too_many_arguments)]
pub fn product<T: Real>(
    instructions: Instructions,
    threads: usize,
    [m, k, n]: [usize; 3],
    a: Matrix<T>,
    b: Matrix<T>,
    c: MatrixMut<T>,
    start: Start<T>,
    finish: Finish<T>,
) {
    let whole = Matrix { numbers: &*c.numbers, row: c.row, column: 1 };
    assert!(a.holds(m, k) && b.holds(k, n) && whole.holds(m, n), "[{m}, {k}] [{k}, {n}]");
    if let Start::Row(row) = start {
        assert!(row.len() >= n, "a row of {n}");
    }
    if let Finish::WherePositive(mask) = finish {
        assert!(mask.holds(m, n) && mask.column == 1, "a mask of [{m}, {n}]");
    }
    if b.column == 1 && stays_in_cache(k, n) {
        instructions.run(Small { m, k, n, a, b, c, start, finish });
    } else {
        large(instructions, threads, [m, k, n], a, b, c, start, finish);
    }
}

/// By the `gemm` crate, which packs both factors; start and finish are passes of their own.
#[allow(clippy::too_many_arguments)]
fn large<T: Real>(
    instructions: Instructions,
    threads: usize,
    [m, k, n]: [usize; 3],
    a: Matrix<T>,
    b: Matrix<T>,
    c: MatrixMut<T>,
    start: Start<T>,
    finish: Finish<T>,
) {
    let add = match start {
        Start::Zero => false,
        Start::Row(row) => {
            for to in c.numbers.chunks_mut(c.row).take(m) {
                to[..n].copy_from_slice(&row[..n]);
            }
            true
        }
    };
    let parallelism = if threads > 1 { Parallelism::Rayon(threads) } else { Parallelism::None };
    let one = T::of(1.0);
    let (row, [a_steps, b_steps]) = (c.row as isize, [a, b].map(|of| [of.column as isize, of.row as isize]));
    // SAFETY: the caller checked that all three lie within their numbers; C is borrowed alone.
    unsafe {
        gemm(
            m,
            n,
            k,
            c.numbers.as_mut_ptr(),
            1,
            row,
            add,
            a.numbers.as_ptr(),
            a_steps[0],
            a_steps[1],
            b.numbers.as_ptr(),
            b_steps[0],
            b_steps[1],
            one,
            one,
            false,
            false,
            false,
            parallelism,
        );
    }
    instructions.run(Finishing { m, n, c, finish });
}

/// A pass over a result.
struct Finishing<'a, T> {
    m: usize,
    n: usize,
    c: MatrixMut<'a, T>,
    finish: Finish<'a, T>,
}

impl<T: Real> Kernel<T> for Finishing<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Lanes<T>>(self, simd: S) {
        if matches!(self.finish, Finish::Keep) {
            return;
        }
        for i in 0..self.m {
            let to = self.c.numbers[i * self.c.row..].as_mut_ptr();
            for j in (0..self.n).step_by(S::COUNT) {
                let count = S::COUNT.min(self.n - j);
                // SAFETY: row i and columns j to j + count lie within C, and within the mask, as `product` checked.
                unsafe {
                    let vector = simd.read(to.add(j), count);
                    simd.write(to.add(j), finished(simd, vector, self.finish, i, j, count), count);
                }
            }
        }
    }
}

/// # Safety
/// Row `i` and columns `j` to `j + count` lie within the mask.
#[inline(always)]
unsafe fn finished<T: Real, S: Lanes<T>>(
    simd: S,
    vector: S::Vector,
    finish: Finish<T>,
    i: usize,
    j: usize,
    count: usize,
) -> S::Vector {
    match finish {
        Finish::Keep => vector,
        // NaN stays NaN.
        Finish::Relu => simd.max(simd.zero(), vector),
        Finish::WherePositive(mask) => {
            // SAFETY: as promised by the caller.
            let mask = unsafe { simd.read(mask.numbers.as_ptr().add(i * mask.row + j), count) };
            simd.where_greater(mask, simd.zero(), vector, simd.zero())
        }
    }
}

/// A product whose right factor stays in the first caches: no packing.
struct Small<'a, T> {
    m: usize,
    k: usize,
    n: usize,
    a: Matrix<'a, T>,
    b: Matrix<'a, T>,
    c: MatrixMut<'a, T>,
    start: Start<'a, T>,
    finish: Finish<'a, T>,
}

impl<T: Real> Kernel<T> for Small<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Lanes<T>>(mut self, simd: S) {
        // So that the accumulators and a row of B fit into registers.
        let (roomy, widest) = if S::REGISTERS >= 32 { (true, WIDEST) } else { (false, 2) };
        let half = <S::Half as Lanes<T>>::COUNT;
        let mut j = 0;
        while j < self.n {
            let left = self.n - j;
            if left <= half && half < S::COUNT {
                return self.columns::<S::Half, 8, 1>(simd.half(), j);
            }
            // What is left for the half vectors is left to them.
            let vectors =
                if half < S::COUNT && left % S::COUNT <= half { left / S::COUNT } else { left.div_ceil(S::COUNT) };
            let vectors = vectors.clamp(1, widest);
            match (vectors, roomy) {
                (1, _) => self.columns::<S, 8, 1>(simd, j),
                (2, true) => self.columns::<S, 8, 2>(simd, j),
                (3, true) => self.columns::<S, 8, 3>(simd, j),
                (4, true) => self.columns::<S, 6, 4>(simd, j),
                _ => self.columns::<S, 6, 2>(simd, j),
            }
            j += vectors * S::COUNT;
        }
    }
}

impl<T: Real> Small<'_, T> {
    /// `VECTORS` vectors of columns from column j on, `ROWS` rows at a time.
    #[inline(always)]
    fn columns<S: Lanes<T>, const ROWS: usize, const VECTORS: usize>(&mut self, simd: S, j: usize) {
        let last = (self.n - j).min(VECTORS * S::COUNT) - (VECTORS - 1) * S::COUNT;
        let mut i = 0;
        while i + ROWS <= self.m {
            self.tile::<S, ROWS, VECTORS>(simd, i, j, last);
            i += ROWS;
        }
        while i + 4 <= self.m {
            self.tile::<S, 4, VECTORS>(simd, i, j, last);
            i += 4;
        }
        while i + 2 <= self.m {
            self.tile::<S, 2, VECTORS>(simd, i, j, last);
            i += 2;
        }
        if i < self.m {
            self.tile::<S, 1, VECTORS>(simd, i, j, last);
        }
    }

    #[inline(always)]
    fn tile<S: Lanes<T>, const ROWS: usize, const VECTORS: usize>(&mut self, simd: S, i: usize, j: usize, last: usize) {
        match (self.a.row == 1, last == S::COUNT) {
            (false, false) => self.exact_tile::<S, ROWS, VECTORS, false, true>(simd, i, j, last),
            (false, true) => self.exact_tile::<S, ROWS, VECTORS, false, false>(simd, i, j, last),
            (true, false) => self.exact_tile::<S, ROWS, VECTORS, true, true>(simd, i, j, last),
            (true, true) => self.exact_tile::<S, ROWS, VECTORS, true, false>(simd, i, j, last),
        }
    }

    /// Where A is `TURNED`, its rows are neighbours; the last vector is `CUT` to its first `last` lanes.
    #[inline(always)]
    fn exact_tile<S: Lanes<T>, const ROWS: usize, const VECTORS: usize, const TURNED: bool, const CUT: bool>(
        &mut self,
        simd: S,
        i: usize,
        j: usize,
        last: usize,
    ) {
        let mut sums = [[simd.zero(); VECTORS]; ROWS];
        // SAFETY: `product` checked that A, B, C, start and mask hold all rows and columns; i + ROWS ≤ m, and columns
        // beyond n are cut off.
        unsafe {
            let read = |from: *const T, v: usize| match CUT && v == VECTORS - 1 {
                true => simd.load_first(from.add(v * S::COUNT), last),
                false => simd.load(from.add(v * S::COUNT)),
            };
            if let Start::Row(row) = self.start {
                for v in 0..VECTORS {
                    let vector = read(row.as_ptr().add(j), v);
                    sums.iter_mut().for_each(|sums| sums[v] = vector);
                }
            }
            // Each row has a pointer of its own: fewer registers than offsets from one.
            let rows: [*const T; ROWS] =
                std::array::from_fn(|r| self.a.numbers.as_ptr().wrapping_add((i + r) * self.a.row));
            let (mut at, mut b) = (0, self.b.numbers.as_ptr().wrapping_add(j));
            for _ in 0..self.k {
                let row: [S::Vector; VECTORS] = std::array::from_fn(|v| read(b, v));
                for (r, sums) in sums.iter_mut().enumerate() {
                    let factor = if TURNED { rows[0].add(at + r) } else { rows[r].add(at) };
                    let factor = simd.splat(*factor);
                    for (sum, vector) in sums.iter_mut().zip(row) {
                        *sum = simd.mul_add(factor, vector, *sum);
                    }
                }
                at += self.a.column;
                b = b.wrapping_add(self.b.row);
            }
            for (r, sums) in sums.iter().enumerate() {
                let to = self.c.numbers.as_mut_ptr().add((i + r) * self.c.row + j);
                for (v, sum) in sums.iter().enumerate() {
                    let count = if CUT && v == VECTORS - 1 { last } else { S::COUNT };
                    let done = finished(simd, *sum, self.finish, i + r, j + v * S::COUNT, count);
                    simd.write(to.add(v * S::COUNT), done, count);
                }
            }
        }
    }
}
