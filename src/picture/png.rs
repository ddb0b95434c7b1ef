//! Pixels as the bytes of a PNG file.

use flate2::write::ZlibEncoder;
use flate2::{Compression, Crc};
use std::io::{self, Write};

/// A picture of dots.
#[derive(Debug, Clone, PartialEq)]
pub struct Png {
    /// The file's content.
    pub bytes: Vec<u8>,
    /// Dots in a row.
    pub width: u32,
    /// Dots in a column.
    pub height: u32,
}

impl Png {
    /// Of `pixels`, red, green and blue of each, row by row: 3 `width` `height` bytes.
    pub fn of(pixels: &[u8], width: u32, height: u32) -> io::Result<Self> {
        let mut header = [width.to_be_bytes(), height.to_be_bytes()].concat();
        // Eight bits a channel, three channels, the only compression, the only set of filters, rows in order.
        header.extend([8, 2, 0, 0, 0]);
        let mut bytes = b"\x89PNG\r\n\x1a\n".to_vec();
        chunk(&mut bytes, *b"IHDR", &header);
        chunk(&mut bytes, *b"IDAT", &deflated(pixels, 3 * width as usize)?);
        chunk(&mut bytes, *b"IEND", &[]);
        Ok(Self { bytes, width, height })
    }
}

/// Each row as its difference to the row above, which is mostly nothing in a drawing.
fn deflated(pixels: &[u8], row: usize) -> io::Result<Vec<u8>> {
    const DIFFERENCE_TO_ABOVE: u8 = 2;
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
    let mut above = vec![0; row];
    let mut line = vec![DIFFERENCE_TO_ABOVE; row + 1];
    for pixels in pixels.chunks_exact(row) {
        for ((difference, pixel), above) in line[1..].iter_mut().zip(pixels).zip(&above) {
            *difference = pixel.wrapping_sub(*above);
        }
        encoder.write_all(&line)?;
        above.copy_from_slice(pixels);
    }
    encoder.finish()
}

/// Length, kind, content, and the checksum of the last two.
fn chunk(bytes: &mut Vec<u8>, kind: [u8; 4], content: &[u8]) {
    bytes.extend((content.len() as u32).to_be_bytes());
    let start = bytes.len();
    bytes.extend(kind);
    bytes.extend(content);
    let mut crc = Crc::new();
    crc.update(&bytes[start..]);
    bytes.extend(crc.sum().to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::read::ZlibDecoder;
    use std::io::Read;

    #[test]
    fn a_file_is_the_signature_and_three_chunks_that_hold_the_pixels() -> io::Result<()> {
        let pixels = [255, 0, 0, 0, 255, 0, 1, 2, 3, 250, 251, 252]; // two rows of two
        let png = Png::of(&pixels, 2, 2)?;
        assert_eq!(&png.bytes[..16], b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR");
        // The header's checksum and the whole last chunk, computed by zlib:
        // python -c "import zlib, struct; h = b'IHDR' + struct.pack('>IIBBBBB', 2, 2, 8, 2, 0, 0, 0);
        //            print(hex(zlib.crc32(h)), hex(zlib.crc32(b'IEND')))"
        assert_eq!(png.bytes[29..33], 0xfdd4_9a73u32.to_be_bytes());
        assert!(png.bytes.ends_with(b"\0\0\0\0IEND\xae\x42\x60\x82"));

        let length = u32::from_be_bytes([png.bytes[33], png.bytes[34], png.bytes[35], png.bytes[36]]) as usize;
        assert_eq!((&png.bytes[37..41], png.bytes.len()), (&b"IDAT"[..], 41 + length + 4 + 12));
        let mut rows = Vec::new();
        ZlibDecoder::new(&png.bytes[41..41 + length]).read_to_end(&mut rows)?;
        assert_eq!(rows, [2, 255, 0, 0, 0, 255, 0, 2, 2, 2, 3, 250, 252, 252]);
        Ok(())
    }
}
