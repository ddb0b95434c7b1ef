//! The letters of pictures: one font inside the binary, so that a picture looks the same on every machine.

use plotters::style::{FontStyle, register_font};
use std::sync::Once;

/// The family's name, a CSS list: in an SVG the viewer's choice, with dots no more than the name of what is registered.
pub const FAMILY: &str = "Ubuntu, Helvetica, Arial, sans-serif";

/// Makes the font known to the drawing library, once per process.
pub fn register() {
    static DONE: Once = Once::new();
    DONE.call_once(|| {
        for style in [FontStyle::Normal, FontStyle::Bold] {
            let font = register_font(FAMILY, style, epaint_default_fonts::UBUNTU_LIGHT);
            assert!(font.is_ok(), "the crate's font can be read");
        }
    });
}
