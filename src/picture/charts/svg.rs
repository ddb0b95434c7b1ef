//! A sheet as the text of an SVG.

use super::sheet::{MARGIN, Shape, Sheet, Spot, TITLE_EM, Tint};
use crate::picture::colors::COLORS;
use crate::picture::font::FAMILY;
use crate::picture::page::{HALF_CAPITAL, Side};
use plotters::prelude::RGBColor;
use std::fmt::{Display, Write};

/// Where a chart will be seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Appearance {
    /// On white paper: a file of its own, its title above.
    Paper,
    /// Inside an HTML page that has [`PALETTE_CSS`]: every colour is a variable, the ground is the page's, the width is
    /// that of what holds it, and the title is only told to who cannot see.
    Page,
}

/// The colours of [`Appearance::Page`], light and dark; on paper they are light. Put it into the page's `<style>`, and
/// let `var(--ground)` be the ground that charts stand on.
pub const PALETTE_CSS: &str = "\
:root{color-scheme:light dark;--ground:#ffffff;--ink:#26282c;--muted:#6b7078;--grid:#e4e6ea;\
--series-1:#0a7bd6;--series-2:#c03c00;--series-3:#13966e;--series-4:#c992b4;--series-5:#52b4ee;\
--series-6:#852436;--series-7:#e69f00;--series-8:#48229a;--series-9:#789548;--series-10:#595679}
@media screen and (prefers-color-scheme:dark){:root{--ground:#16181c;--ink:#e6e8ec;--muted:#9ba1ab;--grid:#30343b;\
--series-1:#5284c8;--series-2:#e8771c;--series-3:#16e88d;--series-4:#cd90ba;--series-5:#76e1ff;\
--series-6:#cb546f;--series-7:#fcd95f;--series-8:#907aff;--series-9:#ae7c41;--series-10:#d2ded2}}
";

impl Tint {
    /// On white paper; the light values of [`PALETTE_CSS`].
    pub fn color(self) -> RGBColor {
        match self {
            Self::Ground => RGBColor(255, 255, 255),
            Self::Ink => RGBColor(38, 40, 44),
            Self::Muted => RGBColor(107, 112, 120),
            Self::Grid => RGBColor(228, 230, 234),
            Self::Series(place) => COLORS[place % COLORS.len()],
        }
    }

    fn css(self, appearance: Appearance) -> String {
        match (appearance, self) {
            (Appearance::Paper, _) => {
                let RGBColor(red, green, blue) = self.color();
                format!("#{red:02x}{green:02x}{blue:02x}")
            }
            (_, Self::Ground) => "var(--ground)".into(),
            (_, Self::Ink) => "var(--ink)".into(),
            (_, Self::Muted) => "var(--muted)".into(),
            (_, Self::Grid) => "var(--grid)".into(),
            (_, Self::Series(place)) => format!("var(--series-{})", place % COLORS.len() + 1),
        }
    }
}

/// Units above the sheet that the title takes.
pub fn title_height(sheet: &Sheet) -> f64 {
    if sheet.title.is_empty() { 0.0 } else { MARGIN + TITLE_EM }
}

/// The title, in its place above the sheet.
pub fn title(sheet: &Sheet) -> Shape {
    let at = (MARGIN, -0.5 * TITLE_EM);
    Shape::Words { text: sheet.title.clone(), at, side: Side::Right, em: TITLE_EM, tint: Tint::Ink, apart: false }
}

pub fn text(sheet: &Sheet, appearance: Appearance) -> String {
    let (width, height) = (sheet.width.ceil(), sheet.height.ceil());
    let above = if appearance == Appearance::Paper { title_height(sheet).ceil() } else { 0.0 };
    let size = match appearance {
        Appearance::Paper => format!(r#"width="{width}" height="{}" font-family="{FAMILY}""#, height + above),
        // No wider than meant, or the letters would outgrow the page's.
        Appearance::Page => {
            let most = width / 16.0;
            format!(r#"width="100%" style="max-width:{most}rem" font-family="system-ui, sans-serif""#)
        }
    };
    let mut svg = format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 {} {width} {}" {size} role="img">"#,
        0.0 - above,
        height + above
    );
    svg += &format!("\n<title>{}</title>\n", escaped(&sheet.title));
    if appearance == Appearance::Paper {
        let ground = Tint::Ground.css(appearance);
        svg += &format!("<rect y=\"{}\" width=\"{width}\" height=\"{}\" fill=\"{ground}\"/>\n", -above, height + above);
        if above > 0.0 {
            svg += &element(&title(sheet), appearance);
        }
    }
    let is_words = |shape: &&Shape| matches!(shape, Shape::Words { .. });
    for shape in sheet.shapes.iter().filter(|shape| !is_words(shape)).chain(sheet.shapes.iter().filter(is_words)) {
        svg += &element(shape, appearance);
    }
    svg + "</svg>\n"
}

fn element(shape: &Shape, appearance: Appearance) -> String {
    match shape {
        Shape::Line { points, tint, width, dash } => {
            let dash = dash.map(|[on, off]| format!(" stroke-dasharray=\"{on} {off}\"")).unwrap_or_default();
            let (points, tint) = (joined(points), tint.css(appearance));
            format!(
                "<polyline points=\"{points}\" fill=\"none\" stroke=\"{tint}\" stroke-width=\"{width}\" \
                 stroke-linejoin=\"round\"{dash}/>\n"
            )
        }
        Shape::Area { points, tint, opacity } => {
            let (points, tint) = (joined(points), tint.css(appearance));
            let opacity = if *opacity < 1.0 { format!(" fill-opacity=\"{opacity}\"") } else { String::new() };
            format!("<polygon points=\"{points}\" fill=\"{tint}\"{opacity}/>\n")
        }
        Shape::Disc { at, radius, tint } => {
            let (x, y, tint) = (short(at.0), short(at.1), tint.css(appearance));
            format!("<circle cx=\"{x}\" cy=\"{y}\" r=\"{radius}\" fill=\"{tint}\"/>\n")
        }
        Shape::Words { text, at: (x, y), side, em, tint, apart } => {
            let anchor = match side {
                Side::Right => "start",
                Side::Middle | Side::Upwards => "middle",
                Side::Left | Side::Below => "end",
            };
            // The line that letters stand on, seen from the middle of capitals.
            let drop = HALF_CAPITAL * em;
            let place = match side {
                Side::Below | Side::Upwards => {
                    let (x, y) = (short(x + drop), short(*y));
                    format!("x=\"{x}\" y=\"{y}\" transform=\"rotate(-90 {x} {y})\"")
                }
                _ => format!("x=\"{}\" y=\"{}\"", short(*x), short(y + drop)),
            };
            let around = if *apart {
                format!(" stroke=\"{}\" stroke-width=\"3\" paint-order=\"stroke\"", Tint::Ground.css(appearance))
            } else {
                String::new()
            };
            let (tint, text) = (tint.css(appearance), escaped(text));
            format!("<text {place} text-anchor=\"{anchor}\" font-size=\"{em}\" fill=\"{tint}\"{around}>{text}</text>\n")
        }
    }
}

fn joined(points: &[Spot]) -> String {
    let mut text = String::new();
    for (number, (x, y)) in points.iter().enumerate() {
        let space = if number == 0 { "" } else { " " };
        // Writing into a text does not fail.
        let _ = write!(text, "{space}{},{}", short(*x), short(*y));
    }
    text
}

/// Finer than any eye, and no longer.
fn short(value: f64) -> impl Display {
    let rounded = (value * 20.0).round() / 20.0;
    rounded + 0.0 // no minus before nothing
}

fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for letter in text.chars() {
        match letter {
            '&' => escaped += "&amp;",
            '<' => escaped += "&lt;",
            '>' => escaped += "&gt;",
            '"' => escaped += "&quot;",
            // The two that XML forbids and that are no control letters.
            '\u{fffe}' | '\u{ffff}' => escaped.push('\u{fffd}'),
            _ => escaped.push(letter),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The value of a variable in the light or the dark part of the palette.
    fn value(dark: bool, name: &str) -> [f64; 3] {
        let (light, dark_part) = PALETTE_CSS.split_once("@media").expect("two parts");
        let part = if dark { dark_part } else { light };
        let at = part.find(&format!("--{name}:#")).expect("every colour") + name.len() + 4;
        [0, 2, 4].map(|byte| f64::from(u8::from_str_radix(&part[at + byte..at + byte + 2], 16).expect("hexadecimal")))
    }

    fn all() -> Vec<(String, Tint)> {
        let mut all = vec![("ground".to_string(), Tint::Ground), ("ink".into(), Tint::Ink)];
        all.extend([("muted".into(), Tint::Muted), ("grid".into(), Tint::Grid)]);
        all.extend((0..COLORS.len()).map(|place| (format!("series-{}", place + 1), Tint::Series(place))));
        all
    }

    #[test]
    fn the_palette_has_each_colour_once_and_light_is_paper() {
        for (name, tint) in all() {
            assert_eq!(PALETTE_CSS.matches(&format!("--{name}:")).count(), 2, "{name}");
            let RGBColor(red, green, blue) = tint.color();
            assert_eq!(value(false, &name), [red, green, blue].map(f64::from), "{name}");
            assert_eq!(tint.css(Appearance::Page), format!("var(--{name})"));
        }
    }

    /// In [0, 1] of light, from 0..=255 of sRGB.
    fn linear(value: f64) -> f64 {
        let value = value / 255.0;
        if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
    }

    /// CIELAB of linear sRGB, white D65.
    fn lab([red, green, blue]: [f64; 3]) -> [f64; 3] {
        let f = |t: f64| if t > 0.008856 { t.cbrt() } else { 7.787 * t + 16.0 / 116.0 };
        let x = f((0.4124 * red + 0.3576 * green + 0.1805 * blue) / 0.9505);
        let y = f(0.2126 * red + 0.7152 * green + 0.0722 * blue);
        let z = f((0.0193 * red + 0.1192 * green + 0.9505 * blue) / 1.089);
        [116.0 * y - 16.0, 500.0 * (x - y), 200.0 * (y - z)]
    }

    #[test]
    fn no_two_series_look_alike_to_the_colour_blind() {
        // Machado, Oliveira and Fernandes 2009, severity 1: protanopia, deuteranopia.
        let eyes = [
            [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
            [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
            [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]],
        ];
        for dark in [false, true] {
            let ground = lab(value(dark, "ground").map(linear));
            for eye in eyes {
                let seen = |place: usize| {
                    let light = value(dark, &format!("series-{}", place + 1)).map(linear);
                    lab(eye.map(|row| row.iter().zip(light).map(|(a, b)| a * b).sum::<f64>().clamp(0.0, 1.0)))
                };
                let apart =
                    |a: [f64; 3], b: [f64; 3]| a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt();
                for first in 0..COLORS.len() {
                    assert!(apart(seen(first), ground) > 30.0, "{dark} {first}");
                    for second in 0..first {
                        let distance = apart(seen(first), seen(second));
                        assert!(distance > 20.0, "dark: {dark}, {first} and {second}: {distance}");
                    }
                }
            }
        }
    }
}
