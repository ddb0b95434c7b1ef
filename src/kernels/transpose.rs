//! Rows to columns.

use super::Real;

/// `to [columns, rows]` becomes the transpose of `from [rows, columns]`.
///
/// # Panics
/// The slices are not so long.
pub fn transpose<T: Real>(rows: usize, columns: usize, from: &[T], to: &mut [T]) {
    assert!(from.len() == rows * columns && to.len() == rows * columns, "[{rows}, {columns}]");
    for (row, from) in from.chunks_exact(columns.max(1)).enumerate() {
        for (column, number) in from.iter().enumerate() {
            // SAFETY: `row < rows` and `column < columns`, so it is one of the `rows * columns` numbers.
            unsafe { *to.get_unchecked_mut(column * rows + row) = *number };
        }
    }
}
