//! Labels of pixels in pngs that store them as they are: indices of a palette, or single bits.

use png::{BitDepth, ColorType, Decoder};
use std::io::Cursor;
use tch::Tensor;

/// Larger maps than of so many bytes are not read here: a header may claim any size.
const MOST_BYTES: usize = 1 << 28;

/// The numbers `[H, W]` (int32) of a png with a palette, or of 1 bit per pixel. `None` where `bytes`
/// are not whole, or are anything else: gray of more bits, colors, another format.
pub(super) fn read(bytes: &[u8]) -> Option<Tensor> {
    let mut reader = Decoder::new(Cursor::new(bytes)).read_info().ok()?;
    let (color, depth) = reader.output_color_type();
    let is_gray_bit = (color, depth) == (ColorType::Grayscale, BitDepth::One);
    if !(is_gray_bit || color == ColorType::Indexed) || reader.output_buffer_size() > MOST_BYTES {
        return None;
    }
    let mut packed = vec![0; reader.output_buffer_size()];
    let frame = reader.next_frame(&mut packed).ok()?;
    let rows = packed.chunks_exact(frame.line_size).take(frame.height as usize);
    let numbers: Vec<i32> = rows.flat_map(|row| unpacked(row, depth as usize, frame.width as usize)).collect();
    Some(Tensor::from_slice(&numbers).view([i64::from(frame.height), i64::from(frame.width)]))
}

/// The first `count` numbers of `bits` bits, 8 or fewer, of a row; the first stands in the highest bits.
fn unpacked(row: &[u8], bits: usize, count: usize) -> impl Iterator<Item = i32> + '_ {
    let mask = ((1u16 << bits) - 1) as u8;
    (0..count).map(move |at| {
        let place = at * bits;
        i32::from(row[place / 8] >> (8 - bits - place % 8) & mask)
    })
}
