//! Sums over rows and columns, and products of rows.

use super::{Instructions, Kernel, Lanes, Real};

/// `to [columns]` becomes the sum of the rows of `from [rows, columns]`.
pub fn column_sums<T: Real>(instructions: Instructions, from: &[T], to: &mut [T]) {
    instructions.run(ColumnSums { from, to });
}

struct ColumnSums<'a, T> {
    from: &'a [T],
    to: &'a mut [T],
}

impl<T: Real> Kernel<T> for ColumnSums<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Lanes<T>>(self, simd: S) {
        let columns = self.to.len();
        let rows = self.from.len() / columns.max(1);
        for column in (0..columns).step_by(S::COUNT) {
            let count = S::COUNT.min(columns - column);
            // SAFETY: the row lies within `from`, and columns beyond the last are cut off.
            let of = |row: usize| unsafe { simd.read(self.from.as_ptr().add(row * columns + column), count) };
            // Four sums, so that additions need not wait for each other.
            let mut sums = [simd.zero(); 4];
            for row in (0..rows / 4 * 4).step_by(4) {
                for (at, sum) in sums.iter_mut().enumerate() {
                    *sum = simd.add(*sum, of(row + at));
                }
            }
            for row in rows / 4 * 4..rows {
                sums[0] = simd.add(sums[0], of(row));
            }
            let sum = simd.add(simd.add(sums[0], sums[1]), simd.add(sums[2], sums[3]));
            // SAFETY: as above.
            unsafe { simd.write(self.to.as_mut_ptr().add(column), sum, count) };
        }
    }
}

/// `to [rows]` becomes the sum of each row of `from [rows, columns]`.
pub fn row_sums<T: Real>(instructions: Instructions, from: &[T], columns: usize, to: &mut [T]) {
    assert!(from.len() == to.len() * columns, "{} rows of {columns}", to.len());
    instructions.run(RowSums { from, columns, to });
}

struct RowSums<'a, T> {
    from: &'a [T],
    columns: usize,
    to: &'a mut [T],
}

impl<T: Real> Kernel<T> for RowSums<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Lanes<T>>(self, simd: S) {
        for (row, to) in self.from.chunks_exact(self.columns).zip(self.to) {
            let mut sum = simd.zero();
            for piece in row.chunks(S::COUNT) {
                // SAFETY: the piece is so long.
                sum = simd.add(sum, unsafe { simd.read(piece.as_ptr(), piece.len()) });
            }
            *to = simd.sum(sum);
        }
    }
}

/// Columns that are multiplied at once: what is read of all rows stays in the cache.
const COLUMNS: usize = 512;

/// Adds `⟨left_i, right_j⟩` to `to[i * rows + j]`, for rows of `columns` numbers, summed in double precision; `room` is kept
/// from call to call. The products must be those of a symmetric matrix: what is left of its diagonal is copied.
///
/// # Panics
/// The slices are not so long.
pub fn gramian<T: Real>(
    instructions: Instructions,
    left: &[T],
    right: &[T],
    columns: usize,
    to: &mut [f64],
    room: &mut [Vec<f64>; 2],
) {
    let rows = left.len() / columns.max(1);
    assert!(left.len() == right.len() && left.len() == rows * columns && to.len() == rows * rows, "{rows} rows");
    let same = std::ptr::eq(left, right);
    for start in (0..columns).step_by(COLUMNS) {
        let count = COLUMNS.min(columns - start);
        let sides: &[&[T]] = if same { &[left] } else { &[left, right] };
        for (side, wide) in sides.iter().zip(&mut *room) {
            wide.resize(rows * count, 0.0);
            instructions.run(Widen { from: side, columns, start, count, to: wide });
        }
        let [left, right] = &*room;
        instructions.run(RowProducts { left, right: if same { left } else { right }, rows, count, to });
    }
}

/// Columns `start` to `start + count` in double precision.
struct Widen<'a, T> {
    from: &'a [T],
    columns: usize,
    start: usize,
    count: usize,
    to: &'a mut [f64],
}

impl<T: Real> Kernel<T> for Widen<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Lanes<T>>(self, _: S) {
        // A plain loop, which the compiler makes vectors of.
        for (from, to) in self.from.chunks_exact(self.columns).zip(self.to.chunks_exact_mut(self.count)) {
            for (to, from) in to.iter_mut().zip(&from[self.start..self.start + self.count]) {
                *to = from.wide();
            }
        }
    }
}

struct RowProducts<'a> {
    left: &'a [f64],
    right: &'a [f64],
    rows: usize,
    count: usize,
    to: &'a mut [f64],
}

impl Kernel<f64> for RowProducts<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Lanes<f64>>(mut self, simd: S) {
        let mut i = 0;
        while i < self.rows {
            let mut j = i;
            let high = 4.min(self.rows - i);
            while j < self.rows {
                let wide = 4.min(self.rows - j);
                if high == 4 && wide == 4 {
                    self.block::<S, 4, 4>(simd, i, j);
                } else {
                    (i..i + high).for_each(|i| (j..j + wide).for_each(|j| self.block::<S, 1, 1>(simd, i, j)));
                }
                j += wide;
            }
            i += high;
        }
    }
}

impl RowProducts<'_> {
    /// Rows `i..i + ROWS` by rows `j..j + COLUMNS`.
    #[inline(always)]
    fn block<S: Lanes<f64>, const ROWS: usize, const COLUMNS: usize>(&mut self, simd: S, i: usize, j: usize) {
        let mut sums = [[simd.zero(); COLUMNS]; ROWS];
        let (left, right) = (self.left[i * self.count..].as_ptr(), self.right[j * self.count..].as_ptr());
        for at in (0..self.count).step_by(S::COUNT) {
            let lanes = S::COUNT.min(self.count - at);
            // SAFETY: all rows lie within the slices, and lanes beyond the last column are cut off.
            unsafe {
                let mut columns = [simd.zero(); COLUMNS];
                for (c, column) in columns.iter_mut().enumerate() {
                    *column = simd.read(right.add(c * self.count + at), lanes);
                }
                for (r, sums) in sums.iter_mut().enumerate() {
                    let row = simd.read(left.add(r * self.count + at), lanes);
                    for (sum, column) in sums.iter_mut().zip(columns) {
                        *sum = simd.mul_add(row, column, *sum);
                    }
                }
            }
        }
        for (r, sums) in sums.iter().enumerate() {
            for (c, sum) in sums.iter().enumerate() {
                let (row, column) = (i + r, j + c);
                if column < row {
                    continue; // its mirror is counted
                }
                let value = simd.sum(*sum);
                self.to[row * self.rows + column] += value;
                if column > row {
                    self.to[column * self.rows + row] += value;
                }
            }
        }
    }
}
