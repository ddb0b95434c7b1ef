//! What a picture is drawn on, dots or SVG, and the letters on it.

use super::Png;
use super::font::{FAMILY, register};
use anyhow::{Result, anyhow};
use plotters::coord::Shift;
use plotters::prelude::{
    BitMapBackend, Color, DrawingArea, DrawingBackend, FontDesc, FontFamily, FontStyle, FontTransform, IntoDrawingArea,
    PathElement, RGBColor, Rectangle, SVGBackend, TextStyle,
};
use plotters::style::text_anchor::{HPos, Pos, VPos};

pub const WHITE: RGBColor = RGBColor(255, 255, 255);
pub const INK: RGBColor = RGBColor(38, 38, 38);

/// Of Ubuntu Light: plotters calls the height of a line the size of letters that it draws itself.
const LINE_PER_EM: f64 = 1.121;
/// And in an SVG it divides the size by this.
const SVG_PER_EM: f64 = 1.24;
/// Half the height of capitals and digits, of Ubuntu and of those fonts.
pub const HALF_CAPITAL: f64 = 0.35;
/// plotters sets letters on whole dots, which spaces them badly; so they are set on finer ones, so many to a dot.
const FINE: i32 = 4;

/// Something that can be drawn on any page.
pub trait Draw {
    /// Width and height in dots.
    fn size(&self) -> (u32, u32);

    /// Draws on a white page of that size.
    fn draw<B: DrawingBackend>(&self, page: &Page<B>) -> Result<()>;
}

pub fn png(picture: &impl Draw) -> Result<Png> {
    let (width, height) = picture.size();
    Ok(Png::of(&pixels(picture)?, width, height)?)
}

/// Red, green and blue of every dot, row by row.
pub fn pixels(picture: &impl Draw) -> Result<Vec<u8>> {
    let (width, height) = picture.size();
    let mut pixels = vec![255; 3 * width as usize * height as usize];
    let area = BitMapBackend::with_buffer(&mut pixels, (width, height)).into_drawing_area();
    picture.draw(&Page { area, has_letters: false })?;
    Ok(pixels)
}

pub fn svg(picture: &impl Draw) -> Result<String> {
    let mut text = String::new();
    let page = Page { area: SVGBackend::with_string(&mut text, picture.size()).into_drawing_area(), has_letters: true };
    page.rectangle((0, 0), picture.size(), WHITE)?;
    picture.draw(&page)?;
    page.area.present().map_err(|error| undrawn(&error))?;
    drop(page);
    Ok(text)
}

/// A page over dots that are drawn already, three bytes each, for the letters on them.
pub fn over(pixels: &mut [u8], size: (u32, u32)) -> Page<BitMapBackend<'_>> {
    Page { area: BitMapBackend::with_buffer(pixels, size).into_drawing_area(), has_letters: false }
}

/// A page, measured in dots from its upper left corner.
pub struct Page<B: DrawingBackend> {
    area: DrawingArea<B, Shift>,
    /// Whether whoever shows the page sets the letters.
    has_letters: bool,
}

/// Where a text lies, seen from a point that is on its middle line.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Side {
    /// It starts there.
    Right,
    /// It has its middle there.
    Middle,
    /// It ends there.
    Left,
    /// It reads upwards and ends there.
    Below,
    /// It reads upwards and has its middle there.
    Upwards,
}

impl<B: DrawingBackend> Page<B> {
    pub fn rectangle(&self, (x, y): (i32, i32), (width, height): (u32, u32), colour: RGBColor) -> Result<()> {
        let corners = [(x, y), (x + width as i32, y + height as i32)];
        self.area.draw(&Rectangle::new(corners, colour.filled())).map_err(|error| undrawn(&error))
    }

    pub fn line(&self, from: (i32, i32), to: (i32, i32), colour: RGBColor) -> Result<()> {
        self.area.draw(&PathElement::new(vec![from, to], colour)).map_err(|error| undrawn(&error))
    }

    /// Letters whose em has `em` dots, on that side of a point.
    pub fn text(&self, text: &str, point: (i32, i32), side: Side, em: f64, colour: RGBColor) -> Result<()> {
        if self.has_letters { self.set(text, point, side, em, colour) } else { self.dot(text, point, side, em, colour) }
    }

    fn set(&self, text: &str, (x, y): (i32, i32), side: Side, em: f64, colour: RGBColor) -> Result<()> {
        // plotters puts the middle of small letters there, about 0.26 em above the line they stand on.
        let drop = ((HALF_CAPITAL - 0.26) * em).round() as i32;
        let (across, turn, point) = match side {
            Side::Right => (HPos::Left, FontTransform::None, (x, y + drop)),
            Side::Middle => (HPos::Center, FontTransform::None, (x, y + drop)),
            Side::Left => (HPos::Right, FontTransform::None, (x, y + drop)),
            Side::Below => (HPos::Right, FontTransform::Rotate270, (x + drop, y)),
            Side::Upwards => (HPos::Center, FontTransform::Rotate270, (x + drop, y)),
        };
        let font = font(SVG_PER_EM * em).transform(turn);
        let style = TextStyle::from(font).color(&colour).pos(Pos::new(across, VPos::Center));
        self.area.draw_text(text, &style, point).map_err(|error| undrawn(&error))
    }

    fn dot(&self, text: &str, (x, y): (i32, i32), side: Side, em: f64, colour: RGBColor) -> Result<()> {
        let start = match side {
            Side::Right => 0.0,
            Side::Middle | Side::Upwards => -0.5,
            Side::Left | Side::Below => -1.0,
        };
        for ((across, down), share) in covered(text, start, em)? {
            let (across, down) =
                if matches!(side, Side::Below | Side::Upwards) { (down, -1 - across) } else { (across, down) };
            // Thin letters, seen as they are printed: darker than their share of the paper.
            let dark = colour.mix(share.min(1.0).powf(0.75));
            self.area.draw_pixel((x + across, y + down), &dark).map_err(|error| undrawn(&error))?;
        }
        Ok(())
    }
}

/// The dots that a text covers at least partly, and their shares. It starts at `start`, in its own widths, and capitals
/// have their middle at 0.
fn covered(text: &str, start: f64, em: f64) -> Result<impl Iterator<Item = ((i32, i32), f64)>> {
    let fine_em = em * f64::from(FINE);
    let fine_width = f64::from(width(text, fine_em));
    let left = (start * fine_width).round() as i32;
    // The line that the letters stand on is half a size below the point that plotters is given.
    let top = ((HALF_CAPITAL - LINE_PER_EM / 2.0) * fine_em).round() as i32;

    // Room for what juts out on any side.
    let reach = (2.0 * em).ceil() as i32;
    let (columns, rows) = ((fine_width / f64::from(FINE)).ceil() as i32 + 2 * reach, 2 * reach);
    let (first_column, first_row) = (left.div_euclid(FINE) - reach, -reach);
    let mut shares = vec![0.0; (columns * rows) as usize];
    let drawn = font(LINE_PER_EM * fine_em).draw(text, (left, top), |across, down, share| {
        let (column, row) = (across.div_euclid(FINE) - first_column, down.div_euclid(FINE) - first_row);
        if (0..columns).contains(&column) && (0..rows).contains(&row) {
            shares[(row * columns + column) as usize] += f64::from(share) / f64::from(FINE * FINE);
        }
        Ok::<(), std::convert::Infallible>(())
    });
    let Ok(()) = drawn.map_err(|error| undrawn(&error))?;
    let dots = (0..).map(move |dot| (first_column + dot % columns, first_row + dot / columns));
    Ok(dots.zip(shares).filter(|(_, share)| *share > 0.0))
}

/// Dots from the start to the end of a text.
pub fn width(text: &str, em: f64) -> u32 {
    let ((left, _), (right, _)) = font(LINE_PER_EM * em).layout_box(text).expect("the font is registered");
    (right - left).unsigned_abs()
}

/// The text, or its two ends where it takes more than `most` dots: names often share their start.
pub fn shortened(text: &str, em: f64, most: u32) -> String {
    let letters: Vec<char> = text.chars().collect();
    let mut text = text.to_string();
    // No letter is so thin that more would fit.
    let mut kept = letters.len().min(most as usize);
    while width(&text, em) > most && kept > 2 {
        kept -= 1;
        let (head, tail) = (&letters[..kept.div_ceil(2)], &letters[letters.len() - kept / 2..]);
        text = head.iter().chain(&['…']).chain(tail).collect();
    }
    text
}

fn font(size: f64) -> FontDesc<'static> {
    register();
    FontDesc::new(FontFamily::Name(FAMILY), size, FontStyle::Normal)
}

/// plotters' errors may borrow.
fn undrawn(error: &impl std::fmt::Display) -> anyhow::Error {
    anyhow!("a picture cannot be drawn: {error}")
}
