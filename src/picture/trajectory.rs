//! Paths of a point over its objectives: where it went, and what that did to the two.

use super::Png;
use super::colors::COLORS;
use super::contour::Grid;
use super::file::write;
use super::font;
use anyhow::{Result, anyhow};
use plotters::coord::Shift;
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use std::collections::BTreeSet;
use std::path::Path;

/// The path of one run.
pub struct Route {
    /// Under which it stands in the legend; equal ones share a line and a colour.
    pub label: String,
    /// The point, step by step; empty where it has other than two dimensions.
    pub points: Vec<[f64; 2]>,
    /// Both objectives, step by step.
    pub objectives: Vec<[f64; 2]>,
}

/// What a picture shows.
pub struct Scene<'a> {
    /// Above the picture.
    pub title: String,
    /// The paths, in the order of the legend.
    pub routes: Vec<Route>,
    /// The names of both objectives.
    pub names: [String; 2],
    /// Both objectives of a point of two dimensions: the contours of their mean are drawn.
    pub height: &'a dyn Fn([f64; 2]) -> f64,
    /// The Pareto set, where the point has two dimensions.
    pub set: Vec<[f64; 2]>,
    /// The same in the space of objectives.
    pub front: Vec<[f64; 2]>,
    /// The box that holds every point, if there is one: from, to.
    pub bounds: Option<[f64; 2]>,
}

/// Draws a scene into a file `.svg` or `.png`, whole or not at all.
///
/// # Errors
/// The file has another ending or cannot be written.
pub fn draw(scene: &Scene, file: &Path) -> Result<()> {
    font::register();
    let (width, height) = if scene.has_points() { (1180, 640) } else { (660, 640) };
    let svg = || {
        // The library draws on whole pixels: a path is smooth only on a sheet of finer ones.
        let (fine_width, fine_height) = (4 * width, 4 * height);
        let mut text = String::new();
        Sheet { unit: 4.0 }.paint(scene, SVGBackend::with_string(&mut text, (fine_width, fine_height)))?;
        let size = |width, height| format!("<svg width=\"{width}\" height=\"{height}\"");
        Ok(text.replacen(&size(fine_width, fine_height), &size(width, height), 1))
    };
    let png = || {
        // Twice as fine: a line has no half pixels.
        let (width, height) = (2 * width, 2 * height);
        let mut pixels = vec![255; 3 * width as usize * height as usize];
        Sheet { unit: 2.0 }.paint(scene, BitMapBackend::with_buffer(&mut pixels, (width, height)))?;
        Ok(Png::of(&pixels, width, height)?)
    };
    write(file, svg, png)
}

/// Text and axes.
const INK: RGBColor = RGBColor(60, 64, 70);
/// The Pareto set and its front: there before any run.
const FRONT: RGBColor = RGBColor(30, 30, 34);
/// Contours, from the lowest to the highest.
const LOW: RGBColor = RGBColor(120, 148, 176);
const HIGH: RGBColor = RGBColor(226, 231, 237);
/// Levels of a contour map.
const LEVELS: usize = 24;
/// Crossings of the grid, along each axis.
const GRID: usize = 161;

impl Scene<'_> {
    fn has_points(&self) -> bool {
        self.routes.iter().any(|route| !route.points.is_empty())
    }

    fn labels(&self) -> Vec<&str> {
        let mut labels: Vec<&str> = Vec::new();
        for route in &self.routes {
            if !labels.contains(&route.label.as_str()) {
                labels.push(&route.label);
            }
        }
        labels
    }

    fn color(&self, label: &str) -> RGBColor {
        let place = self.labels().iter().position(|other| *other == label).unwrap_or_default();
        COLORS[place % COLORS.len()]
    }
}

/// How large things are.
struct Sheet {
    /// Pixels per unit of length.
    unit: f64,
}

type Panel<'a, B> = ChartContext<'a, B, Cartesian2d<RangedCoordf64, RangedCoordf64>>;

impl Sheet {
    fn px(&self, length: f64) -> i32 {
        (length * self.unit).round() as i32
    }

    fn text(&self, size: f64) -> TextStyle<'static> {
        // The library's sizes are those of the whole line.
        (font::FAMILY, self.px(size)).into_font().color(&INK)
    }

    fn paint<B: DrawingBackend>(&self, scene: &Scene, backend: B) -> Result<()>
    where
        B::ErrorType: 'static,
    {
        let root = backend.into_drawing_area();
        self.paint_all(scene, &root).and_then(|()| root.present()).map_err(|error| anyhow!("{error}"))
    }

    fn paint_all<B: DrawingBackend>(&self, scene: &Scene, root: &DrawingArea<B, Shift>) -> Drawn<B> {
        root.fill(&WHITE)?;
        let (_, height) = root.dim_in_pixel();
        let legend_rows = self.legend_rows(scene, root.dim_in_pixel().0 as i32).len() as f64;
        let (upper, legend) = root.split_vertically(height as i32 - self.px(22.0 + 26.0 * legend_rows));
        let (title, panels) = upper.split_vertically(self.px(44.0));
        title.draw_text(&scene.title, &self.text(23.0), (self.px(30.0), self.px(14.0)))?;
        if scene.has_points() {
            let (left, right) = panels.split_horizontally(panels.dim_in_pixel().0 as i32 / 2);
            self.space(scene, &left)?;
            self.objectives(scene, &right)?;
        } else {
            self.objectives(scene, &panels)?;
        }
        self.legend(scene, &legend)
    }

    /// The space in which the point moves.
    fn space<B: DrawingBackend>(&self, scene: &Scene, area: &DrawingArea<B, Shift>) -> Drawn<B> {
        let all = || scene.routes.iter().flat_map(|route| &route.points).chain(&scene.set);
        let inside = |[from, to]: [f64; 2]| match scene.bounds {
            Some([low, high]) => [from.max(low), to.min(high)],
            None => [from, to],
        };
        let (x, y) = (inside(range(all(), 0)), inside(range(all(), 1)));
        let mut panel = self.panel(area, x, y, ["x0", "x1"])?;
        let grid = Grid::sample(x, y, GRID, GRID, scene.height);
        let heights = || grid.heights.iter().flatten().copied().filter(|height| height.is_finite());
        let (low, high) = (heights().fold(f64::INFINITY, f64::min), heights().fold(f64::NEG_INFINITY, f64::max));
        for number in 1..LEVELS {
            let share = number as f64 / LEVELS as f64;
            let style = mixed(share).stroke_width(self.px(1.0) as u32);
            for line in grid.lines(low + share * (high - low)) {
                panel.draw_series([PathElement::new(line, style)])?;
            }
        }
        self.routes(scene, &mut panel, &scene.set, |route| &route.points)
    }

    /// The space of both objectives.
    fn objectives<B: DrawingBackend>(&self, scene: &Scene, area: &DrawingArea<B, Shift>) -> Drawn<B> {
        let all = || scene.routes.iter().flat_map(|route| &route.objectives).chain(&scene.front);
        let mut panel = self.panel(area, range(all(), 0), range(all(), 1), [&scene.names[0], &scene.names[1]])?;
        self.routes(scene, &mut panel, &scene.front, |route| &route.objectives)
    }

    fn panel<'a, B: DrawingBackend + 'a>(
        &self,
        area: &DrawingArea<B, Shift>,
        x: [f64; 2],
        y: [f64; 2],
        names: [&str; 2],
    ) -> Result<Panel<'a, B>, DrawingAreaErrorKind<B::ErrorType>> {
        let mut panel = ChartBuilder::on(area)
            .margin_left(self.px(8.0))
            .margin_right(self.px(26.0))
            .margin_top(self.px(6.0))
            .x_label_area_size(self.px(44.0))
            .y_label_area_size(self.px(62.0))
            .build_cartesian_2d(x[0]..x[1], y[0]..y[1])?;
        panel
            .configure_mesh()
            .disable_mesh()
            .axis_style(INK.mix(0.55))
            .set_all_tick_mark_size(self.px(4.0))
            .x_labels(7)
            .y_labels(7)
            .x_label_formatter(&|value| short(*value, x))
            .y_label_formatter(&|value| short(*value, y))
            .label_style(self.text(14.0))
            .axis_desc_style(self.text(16.0))
            .x_desc(names[0])
            .y_desc(names[1])
            .draw()?;
        Ok(panel)
    }

    /// What is optimal, then the paths, then where they start and end, so that no path hides an end, and an end is a ring
    /// around those that lie over it.
    fn routes<B: DrawingBackend>(
        &self,
        scene: &Scene,
        panel: &mut Panel<B>,
        optimal: &[[f64; 2]],
        path: impl Fn(&Route) -> &Vec<[f64; 2]>,
    ) -> Drawn<B> {
        let pairs = |points: &[[f64; 2]]| -> Vec<(f64, f64)> {
            points.iter().filter(|p| p.iter().all(|v| v.is_finite())).map(|p| (p[0], p[1])).collect()
        };
        self.line(panel, &pairs(optimal), FRONT, 4.0)?;
        for route in &scene.routes {
            self.line(panel, &pairs(path(route)), scene.color(&route.label), 2.0)?;
        }
        let mut ends: Vec<((f64, f64), RGBColor)> = vec![];
        for route in &scene.routes {
            let points = pairs(path(route));
            let (Some(start), Some(end)) = (points.first(), points.last()) else { continue };
            self.start(panel, *start)?;
            ends.push((*end, scene.color(&route.label)));
        }
        for (number, (end, color)) in ends.iter().enumerate() {
            let is_over = |(other, of): &&((f64, f64), RGBColor)| {
                let (here, there) = (panel.backend_coord(end), panel.backend_coord(other));
                of != color && here.0.abs_diff(there.0).max(here.1.abs_diff(there.1)) as i32 <= self.px(2.0)
            };
            let over: BTreeSet<(u8, u8, u8)> =
                ends[number + 1..].iter().filter(is_over).map(|(_, of)| (of.0, of.1, of.2)).collect();
            self.end(panel, *end, *color, over.len())?;
        }
        Ok(())
    }

    /// A line through points, without those that the eye cannot tell from the one before. It is broken where it turns
    /// sharply: the library draws a corner as long as it is acute. What only jumps to and fro is thinner, or it would be a
    /// blot.
    fn line<B: DrawingBackend>(
        &self,
        panel: &mut Panel<B>,
        points: &[(f64, f64)],
        color: RGBColor,
        width: f64,
    ) -> Drawn<B> {
        let pixel = |point: &(f64, f64)| panel.backend_coord(point);
        let apart = |a: (i32, i32), b: (i32, i32)| (f64::from(b.0 - a.0), f64::from(b.1 - a.1));
        let mut pieces: Vec<Vec<(f64, f64)>> = vec![];
        let (mut last, mut heading) = (None, None);
        for (number, point) in points.iter().enumerate() {
            let Some(from) = last else {
                pieces.push(vec![*point]);
                last = Some(pixel(point));
                continue;
            };
            let step = apart(from, pixel(point));
            let length = step.0.hypot(step.1);
            if length == 0.0 || (length < 3.0 * self.unit && number + 1 < points.len()) {
                continue;
            }
            let turned = |old: (f64, f64)| (old.0 * step.0 + old.1 * step.1) < 0.7 * length * old.0.hypot(old.1);
            let corner = pieces.last().and_then(|piece| piece.last().copied());
            if heading.is_some_and(turned) {
                pieces.push(corner.into_iter().collect());
            }
            pieces.last_mut().into_iter().for_each(|piece| piece.push(*point));
            (last, heading) = (Some(pixel(point)), Some(step));
        }
        let jumps = pieces.len() > 2;
        let style = |piece: &[(f64, f64)]| {
            let share = if jumps && piece.len() == 2 { 0.4 } else { 1.0 };
            color.stroke_width(self.px(share * width) as u32)
        };
        let drawn = pieces.into_iter().filter(|piece| piece.len() > 1);
        panel.draw_series(
            drawn.map(|piece| (style(&piece), piece)).map(|(style, piece)| PathElement::new(piece, style)),
        )?;
        Ok(())
    }

    fn start<B: DrawingBackend>(&self, panel: &mut Panel<B>, at: (f64, f64)) -> Drawn<B> {
        panel.draw_series([
            Circle::new(at, self.px(5.0), INK.filled()),
            Circle::new(at, self.px(3.4), WHITE.filled()),
        ])?;
        Ok(())
    }

    fn end<B: DrawingBackend>(
        &self,
        panel: &mut Panel<B>,
        at: (f64, f64),
        color: RGBColor,
        others_over: usize,
    ) -> Drawn<B> {
        let radius = 5.0 + 3.6 * others_over as f64;
        panel.draw_series([
            Circle::new(at, self.px(radius + 1.4), WHITE.filled()),
            Circle::new(at, self.px(radius), color.filled()),
        ])?;
        Ok(())
    }

    /// The entries of the legend, with the place of each from the left, row by row.
    fn legend_rows<'a>(&self, scene: &'a Scene, width: i32) -> Vec<Vec<(i32, Entry<'a>)>> {
        let optimal = if scene.has_points() { "Pareto set and front" } else { "Pareto front" };
        let mut fixed = vec![("start", Mark::Start), ("end", Mark::End), (optimal, Mark::Front)];
        if scene.has_points() {
            fixed.push(("equal means of both", Mark::Contour));
        }
        let fixed = fixed.into_iter().map(|(text, mark)| Entry { text, mark });
        let methods = scene.labels().into_iter().map(|text| Entry { text, mark: Mark::Method(scene.color(text)) });
        let (left, mut rows, mut at) = (self.px(34.0), vec![vec![]], self.px(34.0));
        for entry in methods.chain(fixed) {
            let (letters, _) = self.text(16.0).font.box_size(entry.text).unwrap_or_default();
            let needed = self.px(34.0) + letters as i32 + self.px(24.0);
            if at + needed > width && at > left {
                rows.push(vec![]);
                at = left;
            }
            if let Some(row) = rows.last_mut() {
                row.push((at, entry));
            }
            at += needed;
        }
        rows
    }

    fn legend<B: DrawingBackend>(&self, scene: &Scene, area: &DrawingArea<B, Shift>) -> Drawn<B> {
        for (number, row) in self.legend_rows(scene, area.dim_in_pixel().0 as i32).into_iter().enumerate() {
            let middle = self.px(16.0 + 26.0 * number as f64);
            for (left, entry) in row {
                let center = (left + self.px(12.0), middle);
                let line = |color: RGBColor, width: f64| {
                    let ends = vec![(left, middle), (left + self.px(24.0), middle)];
                    PathElement::new(ends, color.stroke_width(self.px(width) as u32))
                };
                let disc = |radius: f64, color: RGBColor| Circle::new(center, self.px(radius), color.filled());
                match entry.mark {
                    Mark::Method(color) => area.draw(&line(color, 3.0))?,
                    Mark::Front => area.draw(&line(FRONT, 4.0))?,
                    Mark::Contour => area.draw(&line(LOW, 1.0))?,
                    Mark::End => area.draw(&disc(5.0, INK))?,
                    Mark::Start => {
                        area.draw(&disc(5.0, INK))?;
                        area.draw(&disc(3.4, RGBColor(255, 255, 255)))?;
                    }
                }
                let text = self.text(16.0).pos(Pos::new(HPos::Left, VPos::Center));
                area.draw_text(entry.text, &text, (left + self.px(32.0), middle + self.px(2.0)))?;
            }
        }
        Ok(())
    }
}

/// What drawing gives.
type Drawn<B> = Result<(), DrawingAreaErrorKind<<B as DrawingBackend>::ErrorType>>;

/// A word of the legend and the mark before it.
struct Entry<'a> {
    text: &'a str,
    mark: Mark,
}

enum Mark {
    Method(RGBColor),
    Start,
    End,
    Front,
    Contour,
}

/// The color of a contour at a share of the way from the lowest to the highest level.
fn mixed(share: f64) -> RGBColor {
    let mix = |low: u8, high: u8| (f64::from(low) + (f64::from(high) - f64::from(low)) * share).round() as u8;
    RGBColor(mix(LOW.0, HIGH.0), mix(LOW.1, HIGH.1), mix(LOW.2, HIGH.2))
}

/// What the finite values of one coordinate span, and a little more.
fn range<'p>(points: impl Iterator<Item = &'p [f64; 2]>, coordinate: usize) -> [f64; 2] {
    let values = points.map(|point| point[coordinate]).filter(|value| value.is_finite());
    let (low, high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)));
    if low > high {
        return [0.0, 1.0];
    }
    let margin = if high > low { 0.07 * (high - low) } else { 0.5 };
    [low - margin, high + margin]
}

/// A number at an axis that spans `range`, without idle zeros.
fn short(value: f64, range: [f64; 2]) -> String {
    let decimals = (1.0 - ((range[1] - range[0]) / 2.0).log10().floor()).clamp(0.0, 6.0) as usize;
    let text = format!("{value:.decimals$}");
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    // A true minus, and no minus before nothing.
    if text == "-0" { "0".into() } else { text.replace('-', "−") }
}
