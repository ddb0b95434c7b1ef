//! The angle between an output and a label.

/// The angle at one row.
#[derive(Debug, Clone, Copy)]
pub(super) struct Angle {
    pub degrees: f64,
    /// Above zero.
    pub weight: f64,
}

impl Angle {
    /// Between an output and the labelled cells (column, label, weight) of its row; `None` where a column has no label, or
    /// the label no direction.
    ///
    /// A row weighs what the least of its columns weighs. An output of length 0 is as far off as it is near: 90 degrees.
    pub fn between(output: &[f64], label: impl Iterator<Item = (usize, f64, f64)> + Clone) -> Option<Self> {
        let (columns, weight) =
            label.clone().fold((0, f64::INFINITY), |(n, least), (_, _, weight)| (n + 1, least.min(weight)));
        let of_label = label.clone().map(|(_, label, _)| label * label).sum::<f64>().sqrt();
        if columns < output.len() || of_label == 0.0 {
            return None;
        }
        let of_output = output.iter().map(|x| x * x).sum::<f64>().sqrt();
        if of_output == 0.0 {
            return Some(Self { degrees: 90.0, weight });
        }
        // Of two sides of a rhombus, the halves of its diagonals give half the angle; unlike the arc cosine, to the last digit.
        let unit = label.map(|(column, label, _)| (output[column] / of_output, label / of_label));
        let (apart, along) =
            unit.fold((0.0, 0.0), |(apart, along), (x, y)| (apart + (x - y) * (x - y), along + (x + y) * (x + y)));
        Some(Self { degrees: 2.0 * f64::atan2(apart.sqrt(), along.sqrt()).to_degrees(), weight })
    }
}
