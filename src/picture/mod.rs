//! Pictures of runs: PNG for TensorBoard and for slides, SVG for a report.
//!
//! Nothing of the system is needed: the letters of a PNG are those of the font Ubuntu Light, which the crate
//! `epaint_default_fonts` carries into the program (© 2011 Canonical Ltd., Ubuntu Font Licence 1.0). It has Latin,
//! Greek and Cyrillic letters; others become boxes. An SVG only names fonts, and whoever shows it sets the letters.

pub mod charts;
mod colors;
mod contour;
mod file;
mod font;
mod heatmap;
mod page;
mod png;
mod trajectory;

pub use colors::DISTINCT_COLORS;
pub use heatmap::Heatmap;
pub use png::Png;
pub use trajectory::{Route, Scene, draw};
