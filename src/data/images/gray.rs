//! Colors made gray.

use image::{DynamicImage, GrayImage};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How colors become gray.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Grayscale {
    /// `0.299 R + 0.587 G + 0.114 B` (ITU-R BT.601), as `convert("L")` of PIL and `Grayscale` of
    /// torchvision, before resizing.
    #[default]
    Rec601,
    /// `0.2126 R + 0.7152 G + 0.0722 B` (ITU-R BT.709), after resizing: the rule of version 0.1.
    Rec709,
}

impl Grayscale {
    /// The image in gray, where this rule turns colors into gray before an image is resized.
    pub(super) fn before_resizing(self, image: DynamicImage) -> DynamicImage {
        if self == Self::Rec709 || !image.color().has_color() {
            return image;
        }
        let image = image.into_rgb8();
        // PIL's fixed-point weights, which sum to 2^16.
        let gray = |pixel: &[u8]| {
            let [red, green, blue] = [0, 1, 2].map(|channel| u32::from(pixel[channel]));
            ((19_595 * red + 38_470 * green + 7_471 * blue + 0x8000) >> 16) as u8
        };
        let bytes = image.as_raw().chunks_exact(3).map(gray).collect();
        GrayImage::from_raw(image.width(), image.height(), bytes).expect("a byte per pixel").into()
    }
}
