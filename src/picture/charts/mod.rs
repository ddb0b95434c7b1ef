//! Charts of a comparison of methods: curves, points in a plane, intervals, mean ranks.
//!
//! A chart is plain data. Drawn, it is first a [`Sheet`] of few shapes, then an SVG, or dots. It knows nothing of runs: who
//! reads them names, averages and sorts.

mod critical_difference;
mod curves;
mod dots;
mod intervals;
mod labels;
mod panel;
mod plane;
mod scale;
mod sheet;
mod svg;
#[cfg(test)]
mod tests;

pub use critical_difference::CriticalDifference;
pub use curves::{Curve, CurvePoint, Curves};
pub use intervals::{Interval, Intervals};
pub use plane::{Group, Joined, Plane, Point};
pub use sheet::Sheet;
pub use svg::{Appearance, PALETTE_CSS};

use super::Png;
use anyhow::Result;
use std::path::Path;

/// What can be drawn.
pub trait Chart {
    /// The shapes.
    ///
    /// # Errors
    /// There is nothing that could be drawn: no number, no row.
    fn sheet(&self) -> Result<Sheet>;

    /// As the text of an SVG.
    ///
    /// # Errors
    /// As [`sheet`](Self::sheet).
    fn svg(&self, appearance: Appearance) -> Result<String> {
        Ok(svg::text(&self.sheet()?, appearance))
    }

    /// As dots on white, two for each pixel of the SVG.
    ///
    /// # Errors
    /// As [`sheet`](Self::sheet).
    fn png(&self) -> Result<Png> {
        dots::png(&self.sheet()?)
    }
}

/// Writes a chart into a file `.svg` or `.png`, whole or not at all.
///
/// # Errors
/// The file has another ending or cannot be written; there is nothing to draw.
pub fn write(chart: &dyn Chart, file: &Path) -> Result<()> {
    super::file::write(file, || chart.svg(Appearance::Paper), || chart.png())
}
