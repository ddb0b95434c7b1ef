//! Two axes with a light grid, and the legend beside them.

use super::scale::Scale;
use super::sheet::{EM, MARGIN, RADIUS, RIM, SMALL_EM, Sheet, Spot, Tint, dash, fitted, room};
use crate::picture::page::Side;

/// The most that a name in a legend takes.
const NAME: f64 = 170.0;
/// Between lines of a legend.
const ROW: f64 = 18.0;
/// Before a name in a legend.
const SAMPLE: f64 = 30.0;

/// Where the numbers of a chart lie.
pub struct Panel {
    pub left: f64,
    pub top: f64,
    pub width: f64,
    pub height: f64,
    pub x: Scale,
    pub y: Scale,
}

impl Panel {
    /// Of that width and height, beside the numbers of the second axis.
    pub fn new(x: Scale, y: Scale, (width, height): (f64, f64)) -> Self {
        let numbers = y.ticks(rows(height)).iter().map(|(_, name)| room(name, SMALL_EM)).fold(0.0, f64::max);
        let left = MARGIN + 1.5 * EM + numbers.min(width / 2.0) + 8.0;
        Self { left, top: MARGIN, width, height, x, y }
    }

    pub fn right(&self) -> f64 {
        self.left + self.width
    }

    pub fn bottom(&self) -> f64 {
        self.top + self.height
    }

    /// Below the name of the first axis.
    pub fn end(&self) -> f64 {
        self.bottom() + 24.0 + 1.5 * EM
    }

    pub fn across(&self, share: f64) -> f64 {
        self.left + share * self.width
    }

    pub fn down(&self, share: f64) -> f64 {
        self.bottom() - share * self.height
    }

    /// Where a point lies, if it can be drawn.
    pub fn spot(&self, x: f64, y: f64) -> Option<Spot> {
        Some((self.across(self.x.share(x)?), self.down(self.y.share(y)?)))
    }

    /// The grid, the numbers, and what they count.
    pub fn draw(&self, sheet: &mut Sheet, names: [&str; 2]) {
        for (share, name) in self.y.ticks(rows(self.height)) {
            let y = self.down(share);
            sheet.line(vec![(self.left, y), (self.right(), y)], Tint::Grid, 1.0);
            sheet.words(&name, (self.left - 8.0, y), Side::Left, SMALL_EM, Tint::Muted);
        }
        for (share, name) in self.x.ticks_along(self.width, 56.0, |name| room(name, SMALL_EM)) {
            let x = self.across(share);
            sheet.line(vec![(x, self.top), (x, self.bottom())], Tint::Grid, 1.0);
            sheet.line(vec![(x, self.bottom()), (x, self.bottom() + 4.0)], Tint::Muted, 1.0);
            sheet.words(&name, (x, self.bottom() + 14.0), Side::Middle, SMALL_EM, Tint::Muted);
        }
        sheet.line(vec![(self.left, self.bottom()), (self.right(), self.bottom())], Tint::Muted, 1.0);
        let below = (self.left + self.width / 2.0, self.bottom() + 24.0 + EM / 2.0);
        sheet.words(&fitted(names[0], EM, self.width), below, Side::Middle, EM, Tint::Ink);
        let beside = (MARGIN + EM / 2.0, self.top + self.height / 2.0);
        sheet.words(&fitted(names[1], EM, self.height), beside, Side::Upwards, EM, Tint::Ink);
    }
}

/// As many numbers as an axis of that height has room for.
fn rows(height: f64) -> usize {
    (height / 44.0) as usize
}

/// What stands before a name in a legend.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Sample {
    /// A line.
    Line,
    /// A mark of a form.
    Mark,
    /// A mark on a line.
    Both,
}

/// The names of series, each with its place and its sample: right of the panel, or below it if they are many.
pub struct Legend {
    entries: Vec<(usize, String, Sample)>,
    /// Of each column.
    width: f64,
    rows: usize,
    is_beside: bool,
}

impl Legend {
    /// Of names with their places.
    pub fn new<'a>(names: impl Iterator<Item = (usize, &'a str, Sample)>, panel: &Panel) -> Self {
        let entries: Vec<(usize, String, Sample)> =
            names.map(|(place, name, sample)| (place, fitted(name, EM, NAME), sample)).collect();
        let longest = entries.iter().map(|(_, name, _)| room(name, EM)).fold(0.0, f64::max);
        let width = SAMPLE + longest + 16.0;
        let is_beside = entries.len() as f64 * ROW <= panel.height;
        let columns = ((panel.right() - MARGIN) / width).max(1.0) as usize;
        let rows = if is_beside { entries.len() } else { entries.len().div_ceil(columns) };
        Self { entries, width, rows, is_beside }
    }

    /// The size of a sheet that has room for both.
    pub fn sheet_size(&self, panel: &Panel) -> (f64, f64) {
        if self.entries.is_empty() {
            (panel.right() + MARGIN + 8.0, panel.end() + MARGIN)
        } else if self.is_beside {
            (panel.right() + 16.0 + self.width, panel.end() + MARGIN)
        } else {
            (panel.right() + MARGIN + 8.0, panel.end() + 12.0 + self.rows as f64 * ROW + MARGIN)
        }
    }

    pub fn draw(&self, sheet: &mut Sheet, panel: &Panel) {
        let start = if self.is_beside { (panel.right() + 16.0, panel.top) } else { (MARGIN, panel.end() + 12.0) };
        for (number, (place, name, sample)) in self.entries.iter().enumerate() {
            let (column, row) = (number / self.rows, number % self.rows);
            let (x, y) = (start.0 + column as f64 * self.width, start.1 + (row as f64 + 0.5) * ROW);
            if *sample != Sample::Mark {
                sheet.dashed(vec![(x, y), (x + 24.0, y)], Tint::Series(*place), 2.0, dash(*place));
            }
            if *sample != Sample::Line {
                sheet.mark((x + 12.0, y), *place, RIM + RADIUS, Tint::Ground);
                sheet.mark((x + 12.0, y), *place, RADIUS, Tint::Series(*place));
            }
            sheet.words(name, (x + SAMPLE, y), Side::Right, EM, Tint::Ink);
        }
    }
}
