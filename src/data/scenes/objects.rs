//! Real objects: images of Fashion-MNIST.

use flate2::read::GzDecoder;
use std::io::Read;

/// The classes of Fashion-MNIST, in its order.
pub const CLASSES: usize = 10;
/// Rows and columns of an image.
pub const SIDE: usize = 28;
/// Images per class.
const IMAGES: usize = 40;
/// What of each class's images a split draws from: no object of one split is in another.
const SPLITS: [std::ops::Range<usize>; 3] = [0..24, 24..32, 32..40];
/// A brighter pixel is part of the object.
const DARKEST: u8 = 8;

/// The first 40 training images of every class, `[class, image, row, column]`; `objects.py` made the file, under the
/// licence in `objects.LICENSE`.
static FILE: &[u8] = include_bytes!("objects.gz");

/// The images, unpacked.
pub struct Objects(Vec<u8>);

impl Objects {
    pub fn load() -> Self {
        let mut pixels = Vec::new();
        GzDecoder::new(FILE).read_to_end(&mut pixels).expect("the program's own file");
        assert_eq!(pixels.len(), CLASSES * IMAGES * SIDE * SIDE, "the program's own file");
        Self(pixels)
    }

    /// The number of images of each class that a split draws from.
    pub fn in_split(split: usize) -> usize {
        SPLITS[split].len()
    }

    /// Image `index` of a class among those of a split.
    pub fn image(&self, split: usize, class: usize, index: usize) -> &[u8] {
        let image = class * IMAGES + SPLITS[split].start + index;
        &self.0[image * SIDE * SIDE..][..SIDE * SIDE]
    }
}

/// The brightness at a pixel of an image, from 0 to 1, where the object is.
pub fn brightness(image: &[u8], row: usize, column: usize) -> Option<f64> {
    let pixel = image[row * SIDE + column];
    (pixel > DARKEST).then(|| f64::from(pixel) / 255.0)
}
