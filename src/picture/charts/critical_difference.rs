//! Mean ranks on a line, and bars over those that a test does not tell apart.

use super::Chart;
use super::scale::Scale;
use super::sheet::{EM, MARGIN, SMALL_EM, Sheet, Tint, fitted, room};
use crate::picture::page::Side;
use anyhow::{Result, bail};

/// The most that a name takes.
const NAME: f64 = 170.0;
/// From the lowest to the highest rank.
const WIDTH: f64 = 360.0;
const ROW: f64 = 19.0;
/// Between bars.
const BAR: f64 = 7.0;
/// Between a name and its line.
const GAP: f64 = 6.0;
/// From the outermost rank to the names.
const REACH: f64 = 46.0;

/// Demšar's diagram (2006, "Statistical Comparisons of Classifiers over Multiple Data Sets", figure 1): the best rank is
/// on the left, as the first in reading; a bar joins those that are not told apart.
#[derive(Debug, Clone, Default)]
pub struct CriticalDifference {
    /// Above the picture.
    pub title: String,
    /// Names with their mean ranks, in any order; 1 is the best. Without a number they are named below.
    pub ranks: Vec<(String, f64)>,
    /// Those that are not told apart, by their places in `ranks`; a clique within another need not be there.
    pub cliques: Vec<Vec<usize>>,
    /// The least difference of ranks that the test tells apart, if it has one: a ruler on top.
    pub difference: Option<f64>,
}

impl CriticalDifference {
    fn rank(&self, place: usize) -> Option<f64> {
        self.ranks.get(place).map(|(_, rank)| *rank).filter(|rank| rank.is_finite())
    }

    /// The whole rank before the best and that after the worst.
    fn ends(&self) -> [f64; 2] {
        let ranks = || (0..self.ranks.len()).filter_map(|place| self.rank(place));
        let low = ranks().fold(f64::INFINITY, f64::min).floor();
        [low, ranks().fold(f64::NEG_INFINITY, f64::max).ceil().max(low + 1.0)]
    }

    /// From the one end to the other, and wide enough for the ruler.
    fn scale(&self) -> Option<Scale> {
        let [low, high] = self.ends();
        let ruler = self.ruler().map(|difference| low + difference.ceil());
        Scale::over([low, high].into_iter().chain(ruler), false, 0.0)
    }

    fn ruler(&self) -> Option<f64> {
        self.difference.filter(|difference| difference.is_finite() && *difference > 0.0)
    }

    /// The bars, each in the first row where it touches no other.
    fn bars(&self, scale: &Scale) -> Vec<([f64; 2], usize)> {
        let mut ends: Vec<[f64; 2]> = vec![];
        for clique in &self.cliques {
            let shares = || clique.iter().filter_map(|place| scale.share(self.rank(*place)?));
            let (low, high) = (shares().fold(f64::INFINITY, f64::min), shares().fold(f64::NEG_INFINITY, f64::max));
            if shares().count() > 1 {
                ends.push([low, high]);
            }
        }
        ends.sort_by(|a, b| a[0].total_cmp(&b[0]).then(b[1].total_cmp(&a[1])));
        let mut rows: Vec<f64> = vec![];
        let row = |[from, to]: [f64; 2]| {
            let row = rows.iter().position(|taken| *taken + 12.0 / WIDTH < from).unwrap_or(rows.len());
            rows.resize(rows.len().max(row + 1), to);
            rows[row] = to;
            ([from, to], row)
        };
        ends.into_iter().map(row).collect()
    }
}

/// The places of what has a rank, the best first.
fn order(ranks: &[(String, f64)]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..ranks.len()).filter(|place| ranks[*place].1.is_finite()).collect();
    order.sort_by(|a, b| ranks[*a].1.total_cmp(&ranks[*b].1));
    order
}

impl Chart for CriticalDifference {
    fn sheet(&self) -> Result<Sheet> {
        let Some(scale) = self.scale() else {
            bail!("critical difference: none of {} names has a rank to draw", self.ranks.len());
        };
        let order = order(&self.ranks);
        let bars = self.bars(&scale);
        let names = self.ranks.iter().map(|(name, _)| room(&fitted(name, EM, NAME), EM)).fold(0.0, f64::max);
        let numbers = order.iter().map(|place| room(&number(self.ranks[*place].1), SMALL_EM)).fold(0.0, f64::max);
        let side = MARGIN + names + 2.0 * GAP + numbers + REACH;
        let axis = MARGIN + if self.ruler().is_some() { 34.0 } else { 0.0 } + 22.0;
        let names_top = axis + 14.0 + BAR * bars.iter().map(|(_, row)| row + 1).max().unwrap_or(0) as f64 + 6.0;
        let plot = Plot { left: side, axis, names_top, scale };
        let unranked: Vec<&str> =
            self.ranks.iter().filter(|(_, rank)| !rank.is_finite()).map(|(name, _)| name.as_str()).collect();
        let end = names_top + order.len().div_ceil(2) as f64 * ROW;
        let below = if unranked.is_empty() { 0.0 } else { ROW };
        let mut sheet = Sheet::new(&self.title, 2.0 * side + WIDTH, end + below + MARGIN);

        plot.draw_axis(&mut sheet);
        self.draw_ruler(&mut sheet, &plot);
        for (number, place) in order.iter().enumerate() {
            self.draw_arm(&mut sheet, &plot, *place, (number, order.len()));
        }
        for ([from, to], row) in bars {
            let y = axis + 14.0 + BAR * row as f64;
            sheet.line(vec![(plot.across(from) - 3.0, y), (plot.across(to) + 3.0, y)], Tint::Ink, 3.0);
        }
        if !unranked.is_empty() {
            let text =
                fitted(&format!("without a rank: {}", unranked.join(", ")), SMALL_EM, sheet.width - 2.0 * MARGIN);
            sheet.words(&text, (MARGIN, end + ROW / 2.0), Side::Right, SMALL_EM, Tint::Muted);
        }
        Ok(sheet)
    }
}

/// Where ranks and names lie.
struct Plot {
    left: f64,
    axis: f64,
    names_top: f64,
    scale: Scale,
}

impl Plot {
    fn across(&self, share: f64) -> f64 {
        self.left + share * WIDTH
    }

    fn draw_axis(&self, sheet: &mut Sheet) {
        sheet.line(vec![(self.across(0.0), self.axis), (self.across(1.0), self.axis)], Tint::Muted, 1.0);
        for (share, name) in self.scale.ticks_along(WIDTH, 32.0, |name| room(name, SMALL_EM)) {
            let x = self.across(share);
            sheet.line(vec![(x, self.axis - 5.0), (x, self.axis)], Tint::Muted, 1.0);
            sheet.words(&name, (x, self.axis - 13.0), Side::Middle, SMALL_EM, Tint::Muted);
        }
    }
}

impl CriticalDifference {
    fn draw_ruler(&self, sheet: &mut Sheet, plot: &Plot) {
        let Some(difference) = self.ruler() else { return };
        let Some(share) = plot.scale.share(self.ends()[0] + difference) else { return };
        let (from, to, y) = (plot.across(0.0), plot.across(share), MARGIN + 22.0);
        sheet.line(vec![(from, y), (to, y)], Tint::Ink, 1.5);
        for x in [from, to] {
            sheet.line(vec![(x, y - 4.0), (x, y + 4.0)], Tint::Ink, 1.5);
        }
        let text = format!("critical difference {}", number(difference));
        sheet.words(&text, (from, y - 14.0), Side::Right, SMALL_EM, Tint::Ink);
    }

    /// The better half on the left, the best on top; the others on the right, the worst on top: no two lines cross.
    fn draw_arm(&self, sheet: &mut Sheet, plot: &Plot, place: usize, (number, count): (usize, usize)) {
        let (name, rank) = &self.ranks[place];
        let Some(share) = plot.scale.share(*rank) else { return };
        let is_left = number < count.div_ceil(2);
        let row = if is_left { number } else { count - 1 - number };
        let (x, y) = (plot.across(share), plot.names_top + (row as f64 + 0.5) * ROW);
        let (end, out, side) = if is_left {
            (plot.across(0.0) - REACH, -1.0, Side::Left)
        } else {
            (plot.across(1.0) + REACH, 1.0, Side::Right)
        };
        let written = self::number(*rank);
        sheet.line(vec![(x, plot.axis), (x, y), (end, y)], Tint::Muted, 1.0);
        sheet.words(&written, (end + out * GAP, y), side, SMALL_EM, Tint::Muted);
        let beside = end + out * (2.0 * GAP + room(&written, SMALL_EM));
        sheet.words(&fitted(name, EM, NAME), (beside, y), side, EM, Tint::Ink);
    }
}

fn number(rank: f64) -> String {
    if rank.abs() < 1e4 { format!("{rank:.2}").replace('-', "−") } else { format!("{rank:.1e}") }
}
