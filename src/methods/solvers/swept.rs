//! A symmetric matrix and the inverses of its parts, one pivot apart.

/// A matrix `C [n, n]` (row after row, symmetric, positive semi-definite, ones on the diagonal), swept by a set S of entries.
///
/// With R the rest, it is `[-C_SS⁻¹, C_SS⁻¹ C_SR; C_RS C_SS⁻¹, C_RR - C_RS C_SS⁻¹ C_SR]`, each number where its entry of C is.
/// An entry goes in or out by one pass over the matrix (Goodnight, "A Tutorial on the SWEEP Operator", 1979), so that
/// programs over one matrix, whose active sets are alike, share what they find. Rounding adds up from pass to pass: what is
/// read here is to be checked.
#[derive(Debug)]
pub struct Swept {
    size: usize,
    /// Row after row, each of length `size`; only what is left of the diagonal, and that, is kept up.
    lower: Vec<f64>,
    /// -1 for an entry in S, 1 for the others.
    signs: Vec<f64>,
    /// The row of the entry that goes in or out.
    pivotal: Vec<f64>,
}

/// Below this, what is left of a row's square beside the rows inside is too little to divide by.
const LEAST: f64 = 1e-10;

impl Swept {
    /// Swept by no entry.
    pub fn new(matrix: &[f64], size: usize) -> Self {
        Self { size, lower: matrix.to_vec(), signs: vec![1.0; size], pivotal: vec![0.0; size] }
    }

    /// Per entry -1 where it is in S, 1 where it is not.
    pub fn signs(&self) -> &[f64] {
        &self.signs
    }

    /// Whether an entry is in S.
    pub fn holds(&self, entry: usize) -> bool {
        self.signs[entry] < 0.0
    }

    /// A number of the swept matrix.
    pub fn at(&self, row: usize, column: usize) -> f64 {
        self.lower[row.max(column) * self.size + row.min(column)]
    }

    /// A row of it `[n]`, copied.
    pub fn row(&self, entry: usize, row: &mut [f64]) {
        let (before, rest) = row.split_at_mut(entry);
        before.copy_from_slice(&self.lower[entry * self.size..][..entry]);
        let column = self.lower[entry * self.size..].iter().skip(entry).step_by(self.size);
        rest.iter_mut().zip(column).for_each(|(to, from)| *to = *from);
    }

    /// Takes an entry in, or out; false, and nothing happens, where its row depends on those in S.
    pub fn turn(&mut self, entry: usize) -> bool {
        let (size, pivot) = (self.size, self.at(entry, entry));
        if !self.holds(entry) && pivot < LEAST {
            return false;
        }
        let mut pivotal = std::mem::take(&mut self.pivotal);
        self.row(entry, &mut pivotal);
        pivotal[entry] = 0.0;
        let (share, sign) = (1.0 / pivot, self.signs[entry]);
        for (at, row) in self.lower.chunks_exact_mut(size).enumerate() {
            let factor = pivotal[at] * share;
            row[..=at].iter_mut().zip(&pivotal).for_each(|(value, other)| *value -= factor * other);
        }
        for (other, value) in pivotal.iter().enumerate() {
            self.lower[entry.max(other) * size + entry.min(other)] = value * share * sign;
        }
        self.lower[entry * size + entry] = -share;
        self.signs[entry] = -sign;
        self.pivotal = pivotal;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turned_entries_give_inverses_and_what_is_left_and_turn_back() {
        let matrix = [1.0, -0.5, 0.25, -0.5, 1.0, 0.5, 0.25, 0.5, 1.0];
        let near = |found: &[f64], expected: &[f64]| {
            assert!(
                found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-15),
                "{found:?} instead of {expected:?}"
            );
        };
        let row = |swept: &Swept, entry: usize| {
            let mut row = vec![0.0; 3];
            swept.row(entry, &mut row);
            assert!((0..3).all(|column| swept.at(entry, column) == row[column]));
            row
        };
        let mut swept = Swept::new(&matrix, 3);
        assert!(swept.turn(1) && swept.turn(0));
        assert_eq!(swept.signs(), [-1.0, -1.0, 1.0]);
        // C_SS = [1, -½; -½, 1], its inverse [4, 2; 2, 4] / 3, times (¼, ½): (⅔, ⅚); 1 - (¼·⅔ + ½·⅚) = 5/12.
        near(&row(&swept, 0), &[-4.0 / 3.0, -2.0 / 3.0, 2.0 / 3.0]);
        near(&row(&swept, 2), &[2.0 / 3.0, 5.0 / 6.0, 5.0 / 12.0]);
        assert!(swept.turn(0) && swept.turn(1) && !swept.holds(0));
        (0..3).for_each(|entry| near(&row(&swept, entry), &matrix[3 * entry..][..3]));
        let mut swept = Swept::new(&[1.0, -1.0, -1.0, 1.0], 2);
        assert!(swept.turn(0) && !swept.turn(1), "it depends on the first");
    }
}
