//! One estimate a row with its interval: a forest plot.

use super::Chart;
use super::scale::Scale;
use super::sheet::{EM, MARGIN, RADIUS, SMALL_EM, Sheet, Tint, fitted, room};
use crate::picture::page::Side;
use anyhow::{Result, bail};

/// The most that names and words take.
const NAME: f64 = 220.0;
/// From the lowest to the highest number.
const WIDTH: f64 = 340.0;
const ROW: f64 = 22.0;
const HEADER: f64 = 24.0;
const GAP: f64 = 14.0;

/// Estimates with intervals, such as differences to one method over pairs of seeds.
#[derive(Debug, Clone, Default)]
pub struct Intervals {
    /// Above the picture.
    pub title: String,
    /// What is estimated.
    pub name: String,
    /// Where there is no difference: a line from top to bottom.
    pub reference: f64,
    /// From top to bottom.
    pub rows: Vec<Interval>,
}

/// An estimate with its interval.
#[derive(Debug, Clone, Default)]
pub struct Interval {
    /// Left of it.
    pub label: String,
    /// Its place; without a number the row has words only.
    pub estimate: f64,
    /// From, to; an end that is infinite has an arrow.
    pub interval: [f64; 2],
    /// Whether it is told apart from the reference: a full mark, else a hollow one.
    pub told_apart: bool,
    /// Right of it, such as `+1.2 [0.4, 2.0]`.
    pub words: String,
}

impl Chart for Intervals {
    fn sheet(&self) -> Result<Sheet> {
        if self.rows.is_empty() {
            bail!("intervals: there is no row to draw");
        }
        let numbers = self.rows.iter().flat_map(|row| [row.estimate, row.interval[0], row.interval[1]]);
        let Some(scale) = Scale::over(numbers.chain([self.reference]), false, 0.05) else {
            bail!("intervals: none of {} rows has a number to draw", self.rows.len());
        };
        let widest = |text: fn(&Interval) -> &str| {
            self.rows.iter().map(|row| room(&fitted(text(row), EM, NAME), EM)).fold(0.0, f64::max)
        };
        let plot = Plot {
            left: MARGIN + widest(|row| &row.label) + GAP,
            top: MARGIN + HEADER,
            bottom: MARGIN + HEADER + self.rows.len() as f64 * ROW,
            scale,
        };
        let right = plot.left + WIDTH + GAP + widest(|row| &row.words) + MARGIN;
        let mut sheet = Sheet::new(&self.title, right, plot.bottom + 24.0 + 1.5 * EM + MARGIN);
        self.draw_axis(&mut sheet, &plot);
        draw_legend(&mut sheet, &plot);
        for (number, row) in self.rows.iter().enumerate() {
            row.draw(&mut sheet, &plot, plot.top + (number as f64 + 0.5) * ROW);
        }
        Ok(sheet)
    }
}

/// Where rows and numbers lie.
struct Plot {
    left: f64,
    top: f64,
    bottom: f64,
    scale: Scale,
}

impl Plot {
    fn across(&self, share: f64) -> f64 {
        self.left + share * WIDTH
    }
}

impl Intervals {
    fn draw_axis(&self, sheet: &mut Sheet, plot: &Plot) {
        for (share, name) in plot.scale.ticks_along(WIDTH, 46.0, |name| room(name, SMALL_EM)) {
            let x = plot.across(share);
            sheet.line(vec![(x, plot.top), (x, plot.bottom)], Tint::Grid, 1.0);
            sheet.line(vec![(x, plot.bottom), (x, plot.bottom + 4.0)], Tint::Muted, 1.0);
            sheet.words(&name, (x, plot.bottom + 14.0), Side::Middle, SMALL_EM, Tint::Muted);
        }
        sheet.line(vec![(plot.left, plot.bottom), (plot.across(1.0), plot.bottom)], Tint::Muted, 1.0);
        if let Some(share) = plot.scale.share(self.reference) {
            let x = plot.across(share);
            sheet.dashed(vec![(x, plot.top - 2.0), (x, plot.bottom)], Tint::Ink, 1.25, Some([4.0, 3.0]));
        }
        let below = (plot.across(0.5), plot.bottom + 24.0 + EM / 2.0);
        sheet.words(&fitted(&self.name, EM, WIDTH + 2.0 * GAP), below, Side::Middle, EM, Tint::Ink);
    }
}

/// What full and hollow mean.
fn draw_legend(sheet: &mut Sheet, plot: &Plot) {
    let mut x = plot.left + RADIUS;
    for (told_apart, text) in [(true, "told apart"), (false, "not told apart")] {
        draw_mark(sheet, (x, MARGIN + SMALL_EM / 2.0), told_apart);
        sheet.words(text, (x + 9.0, MARGIN + SMALL_EM / 2.0), Side::Right, SMALL_EM, Tint::Muted);
        x += 9.0 + room(text, SMALL_EM) + 22.0;
    }
}

fn draw_mark(sheet: &mut Sheet, at: (f64, f64), told_apart: bool) {
    sheet.disc(at, RADIUS, tint(told_apart));
    if !told_apart {
        sheet.disc(at, RADIUS - 1.5, Tint::Ground);
    }
}

fn tint(told_apart: bool) -> Tint {
    if told_apart { Tint::Series(0) } else { Tint::Muted }
}

impl Interval {
    fn draw(&self, sheet: &mut Sheet, plot: &Plot, y: f64) {
        let tint = tint(self.told_apart);
        sheet.words(&fitted(&self.label, EM, NAME), (plot.left - GAP, y), Side::Left, EM, Tint::Ink);
        let words = fitted(&self.words, EM, NAME);
        let words_tint = if self.told_apart { Tint::Ink } else { Tint::Muted };
        sheet.words(&words, (plot.across(1.0) + GAP, y), Side::Right, EM, words_tint);
        if let [Some(from), Some(to)] = self.interval.map(|end| plot.scale.bound(end)) {
            sheet.line(vec![(plot.across(from), y), (plot.across(to), y)], tint, 1.75);
            for (end, share, back) in [(self.interval[0], from, 6.0), (self.interval[1], to, -6.0)] {
                if end.is_infinite() {
                    let tip = plot.across(share);
                    sheet.area(vec![(tip, y), (tip + back, y - 3.5), (tip + back, y + 3.5)], tint, 1.0);
                }
            }
        }
        if let Some(share) = plot.scale.share(self.estimate) {
            draw_mark(sheet, (plot.across(share), y), self.told_apart);
        }
    }
}
