//! One image or one map of labels from a file, brought to a size.

use super::gray::Grayscale;
use super::indices;
use crate::data::arrays::npy;
use crate::error::Mistake;
use crate::files;
use anyhow::Result;
use image::imageops::FilterType;
use image::{DynamicImage, ImageFormat, RgbImage, RgbaImage};
use image_webp::{DecodingError, WebPDecoder};
use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::io::Cursor;
use std::path::{Path, PathBuf};
use tch::{Kind, Tensor};

/// How an image of another shape comes to the size.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Fit {
    /// Cut in the middle to the same proportions, then resized.
    #[default]
    Cover,
    /// Resized, each side by itself.
    Stretch,
}

/// The kinds of files that a cell may name.
pub(super) const KINDS: [&str; 6] = ["png", "jpg", "jpeg", "bmp", "webp", "npy"];

/// What a path's extension says, if it is one of [`KINDS`].
pub(super) fn kind(path: &Path) -> Option<&'static str> {
    let extension = path.extension()?.to_str()?.to_lowercase();
    KINDS.into_iter().find(|kind| *kind == extension)
}

/// The part of an image `(height, width)` that comes to a size of the same order: top, left, height, width.
fn part((height, width): (u32, u32), [to_height, to_width]: [u32; 2], fit: Fit) -> [u32; 4] {
    if fit == Fit::Stretch {
        return [0, 0, height, width];
    }
    let (h, w) = (u64::from(height) * u64::from(to_width), u64::from(width) * u64::from(to_height));
    if h > w {
        let kept = ((w as f64 / f64::from(to_width)).round() as u32).clamp(1, height);
        [(height - kept) / 2, 0, kept, width]
    } else {
        let kept = ((h as f64 / f64::from(to_height)).round() as u32).clamp(1, width);
        [0, (width - kept) / 2, height, kept]
    }
}

fn read(path: &Path, place: &str) -> Result<Vec<u8>> {
    files::read(path).map_err(|error| error.context(place.to_string()))
}

fn decode(path: &Path, bytes: &[u8], place: &str) -> Result<DynamicImage> {
    let refuse = |error: &dyn std::fmt::Display| {
        let what = format!("{} does not decode ({error})", path.display());
        Mistake::new(place, what).remedy("use png, jpeg, bmp or webp, and look whether the file is whole")
    };
    let named = match kind(path) {
        Some("png") => Some(ImageFormat::Png),
        Some("jpg" | "jpeg") => Some(ImageFormat::Jpeg),
        Some("bmp") => Some(ImageFormat::Bmp),
        Some("webp") => Some(ImageFormat::WebP),
        _ => None,
    };
    // What the bytes say comes first: many a file is called otherwise than it is.
    let format = image::guess_format(bytes).ok().or(named);
    let format = format.ok_or_else(|| refuse(&"it is of none of the known formats"))?;
    if format == ImageFormat::WebP {
        return Ok(webp(bytes).map_err(|error| refuse(&error))?);
    }
    Ok(image::load_from_memory_with_format(bytes, format).map_err(|error| refuse(&error))?)
}

fn webp(bytes: &[u8]) -> Result<DynamicImage, DecodingError> {
    let mut decoder = WebPDecoder::new(Cursor::new(bytes))?;
    let (width, height) = decoder.dimensions();
    let mut pixels = vec![0; decoder.output_buffer_size().ok_or(DecodingError::ImageTooLarge)?];
    decoder.read_image(&mut pixels)?;
    let image = match decoder.has_alpha() {
        true => RgbaImage::from_raw(width, height, pixels).map(DynamicImage::from),
        false => RgbImage::from_raw(width, height, pixels).map(DynamicImage::from),
    };
    Ok(image.expect("as many bytes as pixels"))
}

/// The shape to which images come, and how.
#[derive(Debug, Clone)]
pub(super) struct Format {
    /// 1 (gray) or 3 (red, green, blue).
    pub channels: i64,
    /// How colors become gray.
    pub grayscale: Grayscale,
    /// Height and width.
    pub size: [u32; 2],
    /// How an image of another size comes to it; `None` where all must have it.
    pub fit: Option<Fit>,
    /// What has this size.
    pub owner: Owner,
}

/// What has the size that all images must have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Owner {
    /// The first image of the training rows.
    FirstImage,
    /// Every image that a model was trained on.
    Model,
}

impl Format {
    /// Channels, height and width.
    pub fn shape(&self) -> [i64; 3] {
        [self.channels, i64::from(self.size[0]), i64::from(self.size[1])]
    }

    fn refuse(&self, path: &Path, place: &str, found: (u32, u32)) -> Mistake {
        let [height, width] = self.size;
        let (owner, remedy) = match self.owner {
            Owner::FirstImage => ("the first image", "set `size: [HEIGHT, WIDTH]`: all are brought to it"),
            Owner::Model => ("the model's images", "bring it to that size: the model was trained without `size`"),
        };
        let what = format!("{} has {} x {} pixels, {owner} {height} x {width}", path.display(), found.0, found.1);
        Mistake::new(place, what).remedy(remedy)
    }
}

/// Images as bytes `[N, channels, height, width]`, and the `(height, width)` that each had before resizing; every file
/// comes with the words for its place.
///
/// # Errors
/// One is missing, does not decode, or is of another size where none is given to bring it to.
pub(super) fn stack(files: &[(PathBuf, String)], format: &Format) -> Result<(Tensor, Vec<(u32, u32)>)> {
    let [channels, height, width] = format.shape();
    let cells = (channels * height * width) as usize;
    let mut bytes = vec![0u8; files.len() * cells];
    let read = |(image, (path, place)): (&mut [u8], &(PathBuf, String))| {
        let (pixels, found) = pixels(path, place, format)?;
        image.copy_from_slice(&pixels);
        Ok(found)
    };
    let found = (bytes.par_chunks_exact_mut(cells), files).into_par_iter().map(read).collect::<Result<Vec<_>>>()?;
    Ok((Tensor::from_slice(&bytes).view([files.len() as i64, channels, height, width]), found))
}

/// An image as bytes, `channels × height × width`; `place` is the row. Before resizing it had `(height, width)`.
fn pixels(path: &Path, place: &str, format: &Format) -> Result<(Vec<u8>, (u32, u32))> {
    let image = decode(path, &read(path, place)?, place)?;
    let image = if format.channels == 1 { format.grayscale.before_resizing(image) } else { image };
    let (found, size) = ((image.height(), image.width()), format.size);
    let image = match format.fit {
        _ if found == (size[0], size[1]) => image,
        None => return Err(format.refuse(path, place, found).into()),
        Some(fit) => {
            let [top, left, height, width] = part(found, size, fit);
            image.crop_imm(left, top, width, height).resize_exact(size[1], size[0], FilterType::Triangle)
        }
    };
    let bytes = if format.channels == 1 {
        image.into_luma8().into_raw()
    } else {
        let pixels = image.into_rgb8().into_raw(); // [H, W, 3]
        (0..3).flat_map(|channel| pixels.iter().skip(channel).step_by(3).copied()).collect()
    };
    Ok((bytes, found))
}

/// The height and width of an image.
///
/// # Errors
/// As those of [`stack`].
pub(super) fn size(path: &Path, place: &str) -> Result<[u32; 2]> {
    let image = decode(path, &read(path, place)?, place)?;
    Ok([image.height(), image.width()])
}

/// Labels of pixels `[H, W]` or `[C, H, W]`: a gray image's numbers (8 or 16 bits; of 1 bit, 0 and 1), the indices of a png
/// with a palette, or the numbers of a `.npy` file (`[H, W]`, `[H, W, C]` or `[C, H, W]`); brought to the size by the nearest
/// pixel.
///
/// # Errors
/// It is missing, does not decode, has colors, or is of another size than its image `(height, width)`.
pub(super) fn map(path: &Path, place: &str, image: (u32, u32), size: [u32; 2], fit: Option<Fit>) -> Result<Tensor> {
    let bytes = read(path, place)?;
    let map = if kind(path) == Some("npy") {
        let map = npy(&bytes, &path.display().to_string())?;
        let shape = map.size();
        let size = [i64::from(image.0), i64::from(image.1)];
        match shape.as_slice() {
            // Where the channels are, the image's size tells; of maps with as many channels as
            // pixels a side, they are first.
            [height, width, _] if [*height, *width] == size && shape[1..] != size => map.permute([2, 0, 1]),
            [_, _] | [_, _, _] => map,
            _ => {
                let what = format!("{} has shape {shape:?}, expected [H, W] or [C, H, W]", path.display());
                return Err(Mistake::new(place, what).remedy("write one map per file").into());
            }
        }
    } else if let Some(indices) = indices::read(&bytes) {
        indices
    } else {
        let (numbers, found) = match decode(path, &bytes, place)? {
            DynamicImage::ImageLuma8(gray) => {
                (gray.iter().map(|&n| i32::from(n)).collect::<Vec<_>>(), gray.dimensions())
            }
            DynamicImage::ImageLuma16(gray) => (gray.iter().map(|&n| i32::from(n)).collect(), gray.dimensions()),
            other => {
                let what =
                    format!("{} has colors ({:?}), and labels of pixels are numbers", path.display(), other.color());
                return Err(Mistake::new(place, what).remedy("write it as a gray image, or as .npy").into());
            }
        };
        Tensor::from_slice(&numbers).view([i64::from(found.1), i64::from(found.0)])
    };
    let shape = map.size();
    let found = [shape[shape.len() - 2], shape[shape.len() - 1]];
    if found != [i64::from(image.0), i64::from(image.1)] {
        let what =
            format!("{} has {} x {} pixels, its image {} x {}", path.display(), found[0], found[1], image.0, image.1);
        return Err(Mistake::new(place, what).remedy("a map of labels is as large as its image").into());
    }
    if image == (size[0], size[1]) {
        return Ok(map.contiguous());
    }
    let [top, left, height, width] = part(image, size, fit.unwrap_or_default());
    let nearest = |start: u32, from: u32, to: u32| {
        let at = |at: u32| i64::from(start) + ((f64::from(at) + 0.5) * f64::from(from) / f64::from(to)) as i64;
        Tensor::from_slice(&(0..to).map(at).collect::<Vec<i64>>())
    };
    let map = map.index_select(-2, &nearest(top, height, size[0])).index_select(-1, &nearest(left, width, size[1]));
    Ok(if map.kind() == Kind::Half { map.to_kind(Kind::Float) } else { map })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_part_has_the_proportions_of_the_size_and_lies_in_the_middle() {
        assert_eq!(part((100, 200), [50, 50], Fit::Cover), [0, 50, 100, 100]);
        assert_eq!(part((200, 100), [50, 50], Fit::Cover), [50, 0, 100, 100]);
        assert_eq!(part((218, 178), [64, 64], Fit::Cover), [20, 0, 178, 178]);
        assert_eq!(part((60, 90), [20, 30], Fit::Cover), [0, 0, 60, 90]);
        assert_eq!(part((1, 1000), [10, 10], Fit::Cover), [0, 499, 1, 1]);
        assert_eq!(part((100, 200), [50, 50], Fit::Stretch), [0, 0, 100, 200]);
    }
}
