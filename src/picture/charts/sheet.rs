//! What a chart is made of: lines, areas, discs and words in colours that have a role, not yet a value.

use crate::picture::page::{Side, shortened, width};

/// Of tick labels and of what stands beside marks.
pub const SMALL_EM: f64 = 11.0;
/// Of names.
pub const EM: f64 = 12.0;
/// Of the title.
pub const TITLE_EM: f64 = 14.0;
/// Around everything.
pub const MARGIN: f64 = 14.0;

/// Of a mark.
pub const RADIUS: f64 = 4.0;
/// Of the ground around a mark, which sets it off.
pub const RIM: f64 = 1.2;

/// Across and down, in units from the upper left corner: a unit is a pixel of the page as it is meant.
pub type Spot = (f64, f64);

/// What a colour is for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Tint {
    /// The page itself: what is hollow, and the space around words.
    Ground,
    /// Words and what is sure.
    Ink,
    /// Axes, tick labels and what steps back.
    Muted,
    /// Lines that guide the eye.
    Grid,
    /// One of those that are compared, by its place; from [`DISTINCT_COLORS`](crate::picture::DISTINCT_COLORS) on the
    /// colours come again.
    Series(usize),
}

/// What is drawn, later over earlier, words over all.
#[derive(Debug, Clone, PartialEq)]
pub enum Shape {
    /// Through points, with round corners.
    Line { points: Vec<Spot>, tint: Tint, width: f64, dash: Option<Dash> },
    /// Inside points, in so much of the colour.
    Area { points: Vec<Spot>, tint: Tint, opacity: f64 },
    /// A full circle.
    Disc { at: Spot, radius: f64, tint: Tint },
    /// As [`Page::text`](crate::picture::page::Page::text); `apart`: with the ground around it.
    Words { text: String, at: Spot, side: Side, em: f64, tint: Tint, apart: bool },
}

/// Units drawn, and left out.
pub type Dash = [f64; 2];

/// Of series that share a colour.
const DASHES: [Option<Dash>; 4] = [None, Some([6.0, 3.5]), Some([2.0, 2.5]), Some([12.0, 3.0])];

/// A chart as shapes: what comes between its numbers and a file.
#[derive(Debug, Clone)]
pub struct Sheet {
    pub(super) title: String,
    pub(super) width: f64,
    pub(super) height: f64,
    pub(super) shapes: Vec<Shape>,
}

impl Sheet {
    /// An empty one; the title is no part of its height.
    pub(super) fn new(title: &str, width: f64, height: f64) -> Self {
        Self { title: one_line(title), width, height, shapes: vec![] }
    }

    pub(super) fn line(&mut self, points: Vec<Spot>, tint: Tint, width: f64) {
        self.dashed(points, tint, width, None);
    }

    pub(super) fn dashed(&mut self, points: Vec<Spot>, tint: Tint, width: f64, dash: Option<Dash>) {
        if points.len() > 1 {
            self.shapes.push(Shape::Line { points, tint, width, dash });
        }
    }

    pub(super) fn area(&mut self, points: Vec<Spot>, tint: Tint, opacity: f64) {
        if points.len() > 2 {
            self.shapes.push(Shape::Area { points, tint, opacity });
        }
    }

    pub(super) fn disc(&mut self, at: Spot, radius: f64, tint: Tint) {
        self.shapes.push(Shape::Disc { at, radius, tint });
    }

    /// The form that belongs to a place: a circle, square, diamond or triangle.
    pub(super) fn mark(&mut self, (x, y): Spot, place: usize, radius: f64, tint: Tint) {
        let corners: &[Spot] = match place % 4 {
            0 => return self.disc((x, y), radius, tint),
            1 => &[(-0.86, -0.86), (0.86, -0.86), (0.86, 0.86), (-0.86, 0.86)],
            2 => &[(0.0, -1.25), (1.25, 0.0), (0.0, 1.25), (-1.25, 0.0)],
            _ => &[(0.0, -1.2), (1.15, 0.85), (-1.15, 0.85)],
        };
        self.area(corners.iter().map(|(right, down)| (x + right * radius, y + down * radius)).collect(), tint, 1.0);
    }

    pub(super) fn words(&mut self, text: &str, at: Spot, side: Side, em: f64, tint: Tint) {
        self.shapes.push(Shape::Words { text: one_line(text), at, side, em, tint, apart: false });
    }

    /// Words that stand over lines.
    pub(super) fn words_apart(&mut self, text: &str, at: Spot, side: Side, em: f64, tint: Tint) {
        self.shapes.push(Shape::Words { text: one_line(text), at, side, em, tint, apart: true });
    }
}

/// The dash of a series, by its place.
pub fn dash(place: usize) -> Option<Dash> {
    DASHES[place / crate::picture::DISTINCT_COLORS % DASHES.len()]
}

/// How much wider than the crate's own font those are that browsers choose, at most.
const WIDER: f64 = 1.2;

/// The room that a text needs whatever font shows it.
pub fn room(text: &str, em: f64) -> f64 {
    WIDER * f64::from(width(text, em))
}

/// The text in one line, or its two ends where it needs more than `most` units.
pub fn fitted(text: &str, em: f64, most: f64) -> String {
    shortened(&one_line(text), em, (most.max(0.0) / WIDER) as u32)
}

/// Without what no line holds and no SVG allows.
fn one_line(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect()
}
