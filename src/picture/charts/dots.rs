//! A sheet as dots.

use super::sheet::{Dash, Shape, Sheet, Spot, Tint};
use super::svg::{title, title_height};
use crate::picture::Png;
use crate::picture::page;
use anyhow::{Result, anyhow};
use plotters::coord::Shift;
use plotters::prelude::{BitMapBackend, Circle, Color, DrawingArea, IntoDrawingArea, PathElement, Polygon, RGBColor};

/// Dots per unit, for screens and slides that are fine.
pub const DOTS: u32 = 2;
/// Lines are drawn on dots so many times finer, since the library's edges are rough …
const FINER: u32 = 3;
/// … unless these would be more than so many: a sheet may be long.
const FINE_DOTS: u64 = 40_000_000;

/// A sheet on white, below its title.
pub fn png(sheet: &Sheet) -> Result<Png> {
    let above = title_height(sheet).ceil();
    let size = (sheet.width.ceil() as u32 * DOTS, (sheet.height.ceil() + above) as u32 * DOTS);
    let dots = u64::from(size.0) * u64::from(size.1);
    let finer = (1..=FINER).rev().find(|finer| dots * u64::from(finer * finer) <= FINE_DOTS).unwrap_or(1);
    let fine_size = (size.0 * finer, size.1 * finer);
    let mut fine = vec![255; 3 * fine_size.0 as usize * fine_size.1 as usize];
    let canvas = Canvas { area: BitMapBackend::with_buffer(&mut fine, fine_size).into_drawing_area(), finer, above };
    for shape in &sheet.shapes {
        canvas.draw(shape)?;
    }
    drop(canvas);
    let mut pixels = averaged(&fine, size, finer);
    for shape in sheet.shapes.iter().chain((above > 0.0).then_some(&title(sheet))) {
        letter(&mut pixels, size, shape, above)?;
    }
    Ok(Png::of(&pixels, size.0, size.1)?)
}

struct Canvas<'a> {
    area: DrawingArea<BitMapBackend<'a>, Shift>,
    finer: u32,
    above: f64,
}

impl Canvas<'_> {
    fn dot(&self, (x, y): Spot) -> (i32, i32) {
        let scale = f64::from(DOTS * self.finer);
        ((x * scale).round() as i32, ((y + self.above) * scale).round() as i32)
    }

    fn draw(&self, shape: &Shape) -> Result<()> {
        let length = |units: f64| (units * f64::from(DOTS * self.finer)).round() as u32;
        match shape {
            Shape::Line { points, tint, width, dash } => {
                for piece in dash.map_or_else(|| vec![points.clone()], |dash| dashes(points, dash)) {
                    self.line(&piece, tint.color(), length(*width))?;
                }
                Ok(())
            }
            Shape::Area { points, tint, opacity } => {
                let corners: Vec<(i32, i32)> = points.iter().map(|point| self.dot(*point)).collect();
                self.area.draw(&Polygon::new(corners, tint.color().mix(*opacity))).map_err(|error| anyhow!("{error}"))
            }
            Shape::Disc { at, radius, tint } => {
                let circle = Circle::new(self.dot(*at), length(*radius), tint.color().filled());
                self.area.draw(&circle).map_err(|error| anyhow!("{error}"))
            }
            Shape::Words { .. } => Ok(()),
        }
    }

    /// Step by step, with a disc at each corner: the library draws a corner as long as it is acute.
    fn line(&self, points: &[Spot], color: RGBColor, width: u32) -> Result<()> {
        for (number, ends) in points.windows(2).enumerate() {
            let ends = vec![self.dot(ends[0]), self.dot(ends[1])];
            if number > 0 && width > 2 {
                let corner = Circle::new(ends[0], width / 2, color.filled());
                self.area.draw(&corner).map_err(|error| anyhow!("{error}"))?;
            }
            if ends[0] != ends[1] {
                let step = PathElement::new(ends, color.stroke_width(width));
                self.area.draw(&step).map_err(|error| anyhow!("{error}"))?;
            }
        }
        Ok(())
    }
}

/// The pieces of a line that are drawn.
fn dashes(points: &[Spot], [on, off]: Dash) -> Vec<Vec<Spot>> {
    let mut pieces: Vec<Vec<Spot>> = vec![];
    let (mut drawn, mut left) = (true, on);
    for ends in points.windows(2) {
        let (from, to) = (ends[0], ends[1]);
        let length = (to.0 - from.0).hypot(to.1 - from.1);
        let spot = |way: f64| (from.0 + (to.0 - from.0) * way / length, from.1 + (to.1 - from.1) * way / length);
        let mut way = 0.0;
        while way < length {
            let end = (way + left).min(length);
            if drawn {
                // A piece goes on round a corner.
                match pieces.last_mut().filter(|piece| way == 0.0 && piece.last() == Some(&from)) {
                    Some(piece) => piece.push(spot(end)),
                    None => pieces.push(vec![spot(way), spot(end)]),
                }
            }
            left -= end - way;
            if left <= 1e-9 {
                drawn = !drawn;
                left = if drawn { on } else { off };
            }
            way = end;
        }
    }
    pieces
}

/// The means of squares of fine dots.
fn averaged(fine: &[u8], (width, height): (u32, u32), finer: u32) -> Vec<u8> {
    let (finer, width) = (finer as usize, width as usize);
    let row = 3 * width * finer;
    let mut pixels = Vec::with_capacity(3 * width * height as usize);
    for rows in fine.chunks_exact(row * finer) {
        for byte in 0..3 * width {
            let (column, channel) = (byte / 3, byte % 3);
            let dots = (0..finer * finer)
                .map(|dot| u32::from(rows[dot / finer * row + 3 * (column * finer + dot % finer) + channel]));
            pixels.push((dots.sum::<u32>() / (finer * finer) as u32) as u8);
        }
    }
    pixels
}

fn letter(pixels: &mut [u8], size: (u32, u32), shape: &Shape, above: f64) -> Result<()> {
    let Shape::Words { text, at, side, em, tint, apart } = shape else { return Ok(()) };
    let page = page::over(pixels, size);
    let scale = f64::from(DOTS);
    let (x, y) = ((at.0 * scale).round() as i32, ((at.1 + above) * scale).round() as i32);
    let em = em * scale;
    if *apart {
        let ground = Tint::Ground.color();
        for (across, down) in (-1..=1).flat_map(|across| (-1..=1).map(move |down| (2 * across, 2 * down))) {
            page.text(text, (x + across, y + down), *side, em, ground)?;
        }
    }
    page.text(text, (x, y), *side, em, tint.color())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dashes_go_on_round_corners() {
        let line = [(0.0, 0.0), (3.0, 0.0), (3.0, 10.0)];
        let pieces = dashes(&line, [4.0, 2.0]);
        assert_eq!(
            pieces,
            [vec![(0.0, 0.0), (3.0, 0.0), (3.0, 1.0)], vec![(3.0, 3.0), (3.0, 7.0)], vec![(3.0, 9.0), (3.0, 10.0)]]
        );
        assert!(dashes(&[(1.0, 1.0), (1.0, 1.0)], [4.0, 2.0]).is_empty());
    }
}
