//! Lines of equal height through a grid, by marching squares.

use std::collections::HashMap;

/// Heights at the crossings of a grid over a rectangle.
pub struct Grid {
    /// From, to.
    pub x: [f64; 2],
    /// From, to.
    pub y: [f64; 2],
    /// `[rows][columns]`, both at least two; a row has one y, from the first to the last.
    pub heights: Vec<Vec<f64>>,
}

/// A side of a cell: from crossing (row, column) to the right, or up.
type Side = (usize, usize, bool);

impl Grid {
    /// Looks at `columns` times `rows` crossings.
    pub fn sample(x: [f64; 2], y: [f64; 2], columns: usize, rows: usize, height: &dyn Fn([f64; 2]) -> f64) -> Self {
        let at = |range: [f64; 2], index: usize, count: usize| {
            range[0] + (range[1] - range[0]) * index as f64 / (count - 1) as f64
        };
        let row = |r| (0..columns).map(|c| height([at(x, c, columns), at(y, r, rows)])).collect();
        Self { x, y, heights: (0..rows).map(row).collect() }
    }

    /// The lines on which the height is `level`; a closed one ends where it starts.
    pub fn lines(&self, level: f64) -> Vec<Vec<(f64, f64)>> {
        let mut next: HashMap<Side, Vec<Side>> = HashMap::new();
        let mut order = Vec::new();
        for row in 0..self.heights.len() - 1 {
            for column in 0..self.heights[0].len() - 1 {
                for [a, b] in self.cell(row, column, level) {
                    next.entry(a).or_default().push(b);
                    next.entry(b).or_default().push(a);
                    order.extend([a, b]);
                }
            }
        }
        // Open lines first, each from an end: begun in its middle it would fall in two.
        order.sort_by_key(|side| next[side].len());
        let mut lines = Vec::new();
        for start in order {
            let line = follow(start, &mut next);
            if line.len() > 1 {
                lines.push(line.into_iter().map(|side| self.crossing(side, level)).collect());
            }
        }
        lines
    }

    /// Which sides of a cell the level joins.
    fn cell(&self, row: usize, column: usize, level: f64) -> Vec<[Side; 2]> {
        let h = |r: usize, c: usize| self.heights[row + r][column + c];
        let corners = [h(0, 0), h(0, 1), h(1, 1), h(1, 0)];
        if corners.iter().any(|height| !height.is_finite()) {
            return vec![];
        }
        let sides = [(row, column, false), (row, column + 1, true), (row + 1, column, false), (row, column, true)];
        let above = corners.map(|height| height > level);
        let crossed: Vec<usize> = (0..4).filter(|&side| above[side] != above[(side + 1) % 4]).collect();
        match crossed.as_slice() {
            [a, b] => vec![[sides[*a], sides[*b]]],
            // A saddle: the height of its middle says which corners belong together.
            [_, _, _, _] if (corners.iter().sum::<f64>() / 4.0 > level) == above[0] => {
                vec![[sides[0], sides[1]], [sides[2], sides[3]]]
            }
            [_, _, _, _] => vec![[sides[3], sides[0]], [sides[1], sides[2]]],
            _ => vec![],
        }
    }

    /// Where a side has the height `level`.
    fn crossing(&self, (row, column, up): Side, level: f64) -> (f64, f64) {
        let (to_row, to_column) = if up { (row + 1, column) } else { (row, column + 1) };
        let (from, to) = (self.heights[row][column], self.heights[to_row][to_column]);
        let share = (level - from) / (to - from);
        let at =
            |range: [f64; 2], index: f64, count: usize| range[0] + (range[1] - range[0]) * index / (count - 1) as f64;
        let (c, r) = if up { (column as f64, row as f64 + share) } else { (column as f64 + share, row as f64) };
        (at(self.x, c, self.heights[0].len()), at(self.y, r, self.heights.len()))
    }
}

/// Walks from side to side as long as there is a way on, and takes up the way behind it.
fn follow(start: Side, next: &mut HashMap<Side, Vec<Side>>) -> Vec<Side> {
    let mut line = vec![start];
    let mut here = start;
    while let Some(there) = next.get_mut(&here).and_then(Vec::pop) {
        if let Some(back) = next.get_mut(&there)
            && let Some(at) = back.iter().position(|side| *side == here)
        {
            back.swap_remove(at);
        }
        line.push(there);
        here = there;
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bowl_has_one_closed_line_at_its_radius() {
        let grid = Grid::sample([-2.0, 2.0], [-2.0, 2.0], 81, 81, &|[x, y]| x * x + y * y);
        let lines = grid.lines(2.0);
        assert_eq!(lines.len(), 1);
        let line = &lines[0];
        assert_eq!(line.first(), line.last());
        assert!(line.len() > 100);
        for (x, y) in line {
            assert!((x.hypot(*y) - 2.0f64.sqrt()).abs() < 1e-3, "({x}, {y})");
        }
        assert!(grid.lines(9.0).is_empty());
    }

    #[test]
    fn a_slope_has_one_open_line_across() {
        let grid = Grid::sample([0.0, 1.0], [0.0, 2.0], 11, 6, &|[x, y]| x + y);
        let lines = grid.lines(1.25);
        assert_eq!(lines.len(), 1);
        assert!(lines[0].iter().all(|(x, y)| (x + y - 1.25).abs() < 1e-12));
        let ends = [lines[0][0].0, lines[0][lines[0].len() - 1].0];
        assert!(ends.contains(&0.0) && ends.contains(&1.0), "{ends:?}");
    }

    #[test]
    fn a_saddle_has_two_lines_that_do_not_cross() {
        let heights = vec![vec![1.0, 0.0], vec![0.0, 1.0]];
        let lines = |level: f64| Grid { x: [0.0, 1.0], y: [0.0, 1.0], heights: heights.clone() }.lines(level);
        for (level, sum) in [(0.4, [0.4, 1.6]), (0.6, [0.4, 1.6])] {
            let found = lines(level);
            assert_eq!(found.len(), 2, "{level}");
            // With a high middle the low corners are cut off, else the high ones.
            for line in found {
                let value = |(x, y): &(f64, f64)| if level < 0.5 { x + (1.0 - y) } else { x + y };
                assert!(sum.iter().any(|sum| line.iter().all(|point| (value(point) - sum).abs() < 1e-9)), "{line:?}");
            }
        }
    }

    #[test]
    fn cells_without_a_height_have_no_line() {
        let grid = Grid { x: [0.0, 1.0], y: [0.0, 1.0], heights: vec![vec![0.0, f64::NAN], vec![1.0, 1.0]] };
        assert!(grid.lines(0.5).is_empty());
    }
}
