//! Lines over steps, each with a band around it.

use super::Chart;
use super::panel::{Legend, Panel, Sample};
use super::scale::Scale;
use super::sheet::{Sheet, Spot, Tint, dash};
use anyhow::{Result, bail};

/// Lines over steps: how losses or metrics went.
#[derive(Debug, Clone, Default)]
pub struct Curves {
    /// Above the picture.
    pub title: String,
    /// What the steps count.
    pub x_name: String,
    /// What the curves measure.
    pub y_name: String,
    /// Whether the measure is drawn by its logarithm; what has none is left out.
    pub log_y: bool,
    /// In the order of the legend, which leaves out those without a point.
    pub curves: Vec<Curve>,
}

/// One line.
#[derive(Debug, Clone, Default)]
pub struct Curve {
    /// In the legend.
    pub label: String,
    /// From left to right; the line has a gap where a value is no number.
    pub points: Vec<CurvePoint>,
}

/// A point of a line.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CurvePoint {
    /// The step.
    pub x: f64,
    /// The value, such as a mean over seeds.
    pub y: f64,
    /// From, to: such as the spread over seeds.
    pub band: Option<[f64; 2]>,
}

impl Chart for Curves {
    fn sheet(&self) -> Result<Sheet> {
        let points = || self.curves.iter().flat_map(|curve| &curve.points);
        // A band may leave the picture, or one that is wide hides all lines; it is as high as three times the lines.
        let lines = Scale::over(points().map(|point| point.y), self.log_y, 1.0);
        let inside =
            |value: &f64| lines.is_some_and(|lines| lines.share(*value).is_some_and(|s| (0.0..=1.0).contains(&s)));
        let bands = points().flat_map(|point| point.band.into_iter().flatten()).filter(inside);
        let x = Scale::over(points().map(|point| point.x), false, 0.0);
        let y = Scale::over(points().map(|point| point.y).chain(bands), self.log_y, 0.05);
        let both = x.zip(y).filter(|(x, y)| points().any(|p| x.share(p.x).is_some() && y.share(p.y).is_some()));
        let Some((x, y)) = both else { bail!("curves: none of {} series has a number to draw", self.curves.len()) };

        let panel = Panel::new(x, y, (520.0, 330.0));
        let drawn = self.curves.iter().enumerate().filter(|(_, curve)| !curve.points.is_empty());
        let legend = Legend::new(drawn.map(|(place, curve)| (place, curve.label.as_str(), Sample::Line)), &panel);
        let (width, height) = legend.sheet_size(&panel);
        let mut sheet = Sheet::new(&self.title, width, height);
        panel.draw(&mut sheet, [&self.x_name, &self.y_name]);
        // Many bands over each other are a blot unless each is faint.
        let opacity = (0.6 / self.curves.len() as f64).clamp(0.02, 0.15);
        for (place, curve) in self.curves.iter().enumerate() {
            curve.draw_band(&mut sheet, &panel, place, opacity);
        }
        for (place, curve) in self.curves.iter().enumerate() {
            curve.draw_line(&mut sheet, &panel, place);
        }
        legend.draw(&mut sheet, &panel);
        Ok(sheet)
    }
}

impl Curve {
    fn draw_line(&self, sheet: &mut Sheet, panel: &Panel, place: usize) {
        for piece in unbroken(self.points.iter().map(|point| panel.spot(point.x, point.y))) {
            match piece.as_slice() {
                [alone] => sheet.disc(*alone, 2.0, Tint::Series(place)),
                _ => sheet.dashed(thinned(&piece), Tint::Series(place), 1.75, dash(place)),
            }
        }
    }

    fn draw_band(&self, sheet: &mut Sheet, panel: &Panel, place: usize, opacity: f64) {
        let bound = |point: &CurvePoint| {
            let (x, _) = panel.x.share(point.x).zip(panel.y.share(point.y))?;
            let [low, high] = point.band?.map(|value| panel.y.bound(value));
            Some((panel.across(x), [panel.down(low?), panel.down(high?)]))
        };
        for piece in unbroken(self.points.iter().map(bound)) {
            let side = |side: usize| thinned(&piece.iter().map(|(x, band)| (*x, band[side])).collect::<Vec<Spot>>());
            let around: Vec<Spot> = side(1).into_iter().chain(side(0).into_iter().rev()).collect();
            match piece.as_slice() {
                [(x, [low, high])] => sheet.line(vec![(*x, *low), (*x, *high)], Tint::Series(place), 1.0),
                _ => sheet.area(around, Tint::Series(place), opacity),
            }
        }
    }
}

/// The runs of what is there.
fn unbroken<T>(items: impl Iterator<Item = Option<T>>) -> Vec<Vec<T>> {
    let mut pieces = vec![vec![]];
    for item in items {
        match (item, pieces.last_mut()) {
            (Some(item), Some(piece)) => piece.push(item),
            _ => pieces.push(vec![]),
        }
    }
    pieces.retain(|piece| !piece.is_empty());
    pieces
}

/// The first, the lowest, the highest and the last point of those in one column of half a unit: it looks the same.
fn thinned(points: &[Spot]) -> Vec<Spot> {
    let column = |point: &Spot| (2.0 * point.0).floor();
    let mut kept = vec![];
    for points in points.chunk_by(|a, b| column(a) == column(b)) {
        let by_height = |a: &&usize, b: &&usize| points[**a].1.total_cmp(&points[**b].1);
        let all: Vec<usize> = (0..points.len()).collect();
        let mut ends = vec![0, points.len() - 1];
        ends.extend(all.iter().min_by(by_height).into_iter().chain(all.iter().max_by(by_height)));
        ends.sort_unstable();
        ends.dedup();
        kept.extend(ends.into_iter().map(|number| points[number]));
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thinning_keeps_extremes_and_order() {
        let wave: Vec<Spot> = (0..10_000).map(|i| (f64::from(i) * 0.01, (f64::from(i) * 0.7).sin())).collect();
        let kept = thinned(&wave);
        assert!(kept.len() <= 4 * 201, "{}", kept.len());
        assert!(kept.windows(2).all(|pair| pair[0].0 < pair[1].0));
        assert_eq!((kept.first(), kept.last()), (wave.first(), wave.last()));
        let highest = |points: &[Spot]| points.iter().map(|point| point.1).fold(f64::NEG_INFINITY, f64::max);
        assert_eq!(highest(&kept), highest(&wave));
        let few = [(0.0, 1.0), (10.0, 2.0), (20.0, 0.0)];
        assert_eq!(thinned(&few), few);
    }
}
