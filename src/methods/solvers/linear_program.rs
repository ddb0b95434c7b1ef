//! Linear programs over a simplex, exactly, by the dual simplex method.

use super::nonnegative::{Unsolved, dot};
use crate::methods::{Matrix, Vector};

/// Relative to the terms that it was summed from, a number below it is rounding: bases of nearly dependent rows magnify that of
/// the products.
const ROUNDING: f64 = 1e-11;

/// `max cᵀx` over `x ≥ 0` with `sᵀx = 1` and `A x ≥ b`: `objective` c `[n]`, `shares` s `[n]` above 0, `rows` A `[m, n]`, `bounds` b
/// `[m]`. Gives x `[n]`, a vertex.
///
/// The dual simplex method (Lemke 1954), which starts from the vertex that is best without the rows and then restores one
/// constraint after the other, the most violated first. Only the few rows that hold with equality and as many entries make up a
/// basis, which is solved anew for every change, so that rounding does not add up.
///
/// # Errors
/// [`Unsolved::Contradiction`] where no x satisfies the rows, [`Unsolved::NotConverged`].
pub fn linear_program(objective: &[f64], shares: &[f64], rows: &Matrix, bounds: &[f64]) -> Result<Vec<f64>, Unsolved> {
    let best = (0..objective.len()).max_by(|&a, &b| (objective[a] / shares[a]).total_cmp(&(objective[b] / shares[b])));
    let program = Program { objective, shares, rows, bounds };
    let mut basis = Basis { entries: best.into_iter().collect(), rows: vec![] };
    let limit = 20 + 10 * (rows.nrows() + rows.ncols());
    let mut residual = 0.0;
    for _ in 0..limit {
        let Some(vertex) = program.vertex(&basis) else { break };
        let Some((broken, violation)) = program.most_violated(&basis, &vertex) else {
            return Ok(program.whole(&basis, &vertex));
        };
        residual = violation;
        let entering = program.entering(&basis, &vertex, broken).ok_or(Unsolved::Contradiction)?;
        basis.exchange(broken, entering);
    }
    Err(Unsolved::NotConverged { iterations: limit, residual })
}

/// What is maximised, and under which conditions.
struct Program<'a> {
    objective: &'a [f64],
    shares: &'a [f64],
    rows: &'a Matrix,
    bounds: &'a [f64],
}

/// One of the two kinds of numbers that are 0 or above: an entry of x, or what a row has above its bound.
#[derive(Clone, Copy, PartialEq)]
enum Unknown {
    Entry(usize),
    Row(usize),
}

/// The entries that may be above 0, and the rows, one fewer, that are at their bounds.
struct Basis {
    entries: Vec<usize>,
    rows: Vec<usize>,
}

impl Basis {
    /// Lets one unknown be 0 and another one above it.
    fn exchange(&mut self, leaving: Unknown, entering: Unknown) {
        for unknown in [leaving, entering] {
            let (list, at) = match unknown {
                Unknown::Entry(at) => (&mut self.entries, at),
                Unknown::Row(at) => (&mut self.rows, at),
            };
            match list.iter().position(|held| *held == at) {
                Some(place) => drop(list.swap_remove(place)),
                None => list.push(at),
            }
        }
    }
}

/// A basis, solved.
struct Vertex {
    /// The inverse of the basis `[p, p]`: of the shares, then of the rows at their bounds, by its entries.
    inverse: Matrix,
    /// The basis' entries of x `[p]`.
    point: Vector,
}

impl Program<'_> {
    /// The column of an entry: its share, and its places in the rows of the basis `[p]`.
    fn column(&self, basis: &Basis, entry: usize) -> Vector {
        let places = basis.rows.iter().map(|&row| self.rows[(row, entry)]);
        Vector::from_iterator(basis.rows.len() + 1, std::iter::once(self.shares[entry]).chain(places))
    }

    fn vertex(&self, basis: &Basis) -> Option<Vertex> {
        let columns: Vec<Vector> = basis.entries.iter().map(|&entry| self.column(basis, entry)).collect();
        let inverse = Matrix::from_columns(&columns).try_inverse()?;
        let right = std::iter::once(1.0).chain(basis.rows.iter().map(|&row| self.bounds[row]));
        let point = &inverse * Vector::from_iterator(columns.len(), right);
        Some(Vertex { inverse, point })
    }

    /// The unknown that is most below 0, beside the terms it was made of, and how far.
    fn most_violated(&self, basis: &Basis, vertex: &Vertex) -> Option<(Unknown, f64)> {
        let largest = vertex.point.amax();
        let entries =
            basis.entries.iter().zip(&vertex.point).map(|(&at, value)| (Unknown::Entry(at), -value / largest));
        let others = (0..self.rows.nrows()).filter(|row| !basis.rows.contains(row));
        let rows = others.map(|row| {
            let terms = || basis.entries.iter().zip(&vertex.point).map(|(&entry, x)| self.rows[(row, entry)] * x);
            let magnitude = terms().map(f64::abs).sum::<f64>() + self.bounds[row].abs();
            let short = self.bounds[row] - terms().sum::<f64>();
            (Unknown::Row(row), if magnitude > 0.0 { short / magnitude } else { 0.0 })
        });
        entries.chain(rows).filter(|(_, below)| *below > ROUNDING).max_by(|a, b| a.1.total_cmp(&b.1))
    }

    /// What shall be above 0 instead of the unknown that is below: of all that raise it, the one that costs least.
    fn entering(&self, basis: &Basis, vertex: &Vertex, broken: Unknown) -> Option<Unknown> {
        let across = |row: usize| basis.entries.iter().map(move |&entry| self.rows[(row, entry)]);
        let weights = match broken {
            Unknown::Entry(at) => {
                let place = basis.entries.iter().position(|entry| *entry == at)?;
                vertex.inverse.row(place).transpose()
            }
            Unknown::Row(row) => vertex.inverse.tr_mul(&Vector::from_iterator(basis.entries.len(), across(row))),
        }; // [p]
        let costs = Vector::from_iterator(basis.entries.len(), basis.entries.iter().map(|&at| self.objective[at]));
        let prices = vertex.inverse.tr_mul(&costs); // [p]
        let own = |entry: usize| match broken {
            Unknown::Entry(_) => 0.0,
            Unknown::Row(row) => self.rows[(row, entry)],
        };
        let entries = (0..self.objective.len()).filter(|entry| !basis.entries.contains(entry)).map(|entry| {
            let column = self.column(basis, entry);
            let cost = dot(prices.as_slice(), column.as_slice()) - self.objective[entry];
            (Unknown::Entry(entry), own(entry) - dot(weights.as_slice(), column.as_slice()), cost)
        });
        let rows =
            basis.rows.iter().enumerate().map(|(at, &row)| (Unknown::Row(row), weights[at + 1], -prices[at + 1]));
        let all: Vec<(Unknown, f64, f64)> = entries.chain(rows).collect();
        let steepest = all.iter().map(|(_, rise, _)| rise.abs()).fold(0.0, f64::max);
        let rising = all.into_iter().filter(|(_, rise, _)| *rise > ROUNDING * steepest);
        let price = |(_, rise, cost): &(Unknown, f64, f64)| cost.max(0.0) / rise;
        rising.min_by(|a, b| price(a).total_cmp(&price(b)).then(b.1.total_cmp(&a.1))).map(|(unknown, ..)| unknown)
    }

    /// All entries `[n]`, without what rounding left below 0.
    fn whole(&self, basis: &Basis, vertex: &Vertex) -> Vec<f64> {
        let mut point = vec![0.0; self.objective.len()];
        basis.entries.iter().zip(&vertex.point).for_each(|(&at, value)| point[at] = value.max(0.0));
        let sum = dot(&point, self.shares);
        point.iter_mut().for_each(|value| *value /= sum);
        point
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::methods::hard::draw;

    /// The best of all vertices: every choice of as many rows and entries at their bounds as there are entries less one.
    fn best_vertex(program: &Program) -> Option<Vec<f64>> {
        let (rows, entries) = program.rows.shape();
        let feasible = |x: &[f64]| {
            let ends =
                (program.rows * Vector::from_column_slice(x)).iter().zip(program.bounds).all(|(a, b)| *a > b - 1e-10);
            ends && x.iter().all(|value| *value > -1e-10)
        };
        let mut best: Option<Vec<f64>> = None;
        for chosen in (0..1_u32 << (rows + entries)).filter(|chosen| chosen.count_ones() as usize == entries - 1) {
            let tight: Vec<usize> = (0..rows + entries).filter(|at| chosen >> at & 1 == 1).collect();
            let matrix = Matrix::from_fn(entries, entries, |equation, entry| match tight.get(equation) {
                Some(&at) if at < rows => program.rows[(at, entry)],
                Some(&at) => f64::from(u8::from(at - rows == entry)),
                None => program.shares[entry],
            });
            let right = tight.iter().map(|&at| if at < rows { program.bounds[at] } else { 0.0 }).chain([1.0]);
            let Some(x) = matrix.lu().solve(&Vector::from_iterator(entries, right)) else { continue };
            let value = |x: &[f64]| dot(program.objective, x);
            if feasible(x.as_slice()) && best.as_ref().is_none_or(|best| value(x.as_slice()) > value(best)) {
                best = Some(x.as_slice().to_vec());
            }
        }
        best
    }

    #[test]
    fn optima_are_the_best_of_all_vertices_or_there_is_none() {
        let (mut solved, mut contradictions) = (0, 0);
        for seed in 0..400 {
            let (entries, rows) = (1 + seed as usize % 5, seed as usize / 5 % 5);
            let numbers = draw(seed, rows + 2, entries + 1);
            let row = |at: usize| numbers.row(at).columns(0, entries).iter().copied().collect::<Vec<f64>>();
            let (objective, shares) = (row(0), row(1).iter().map(|value| value.exp()).collect::<Vec<_>>());
            let bounds: Vec<f64> = (0..rows).map(|at| numbers[(2 + at, entries)] - 0.5).collect();
            let conditions = numbers.view((2, 0), (rows, entries)).into_owned();
            let program = Program { objective: &objective, shares: &shares, rows: &conditions, bounds: &bounds };
            match (linear_program(&objective, &shares, &conditions, &bounds), best_vertex(&program)) {
                (Ok(found), Some(best)) => {
                    solved += 1;
                    let near = found.iter().zip(&best).all(|(a, b)| (a - b).abs() < 1e-9);
                    assert!(near, "{seed}: {found:?} instead of {best:?}");
                }
                (Err(Unsolved::Contradiction), None) => contradictions += 1,
                (found, best) => panic!("{seed}: {found:?} instead of {best:?}"),
            }
        }
        assert!(solved > 100 && contradictions > 50, "{solved}, {contradictions}");
    }

    #[test]
    fn ties_and_rows_at_their_bounds_from_the_start_do_not_cycle() {
        for entries in [2, 3, 8, 40] {
            // Every vertex of the simplex is as good; every difference of neighbours must not be below 0.
            let differences = Matrix::from_fn(entries, entries, |row, entry| {
                f64::from(u8::from(entry == row)) - f64::from(u8::from(entry == (row + 1) % entries))
            });
            let ones = vec![1.0; entries];
            let found = linear_program(&ones, &ones, &differences, &vec![0.0; entries]).expect("an optimum");
            assert!(found.iter().all(|value| (value * entries as f64 - 1.0).abs() < 1e-12), "{found:?}");
        }
    }
}
