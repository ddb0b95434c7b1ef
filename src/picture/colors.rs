//! The colours that tell methods apart.

use plotters::prelude::RGBColor;

/// On white, far apart, for the red-blind and the green-blind too.
pub const COLORS: [RGBColor; 10] = [
    RGBColor(10, 123, 214),
    RGBColor(192, 60, 0),
    RGBColor(19, 150, 110),
    RGBColor(201, 146, 180),
    RGBColor(82, 180, 238),
    RGBColor(133, 36, 54),
    RGBColor(230, 159, 0),
    RGBColor(72, 34, 154),
    RGBColor(120, 149, 72),
    RGBColor(89, 86, 121),
];

/// The number of labels that a picture tells apart by colour.
pub const DISTINCT_COLORS: usize = COLORS.len();
