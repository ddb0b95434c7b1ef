//! One idx file: a magic number, sizes, bytes.

use crate::error::Mistake;
use crate::files;
use anyhow::Result;
use flate2::read::MultiGzDecoder;
use std::io::Read;
use std::path::{Path, PathBuf};
use tch::{Kind, Tensor};

/// Reads an idx file of unsigned bytes, plain or `.gz`: as many dimensions as `dimensions` allows.
///
/// # Errors
/// It is missing, no idx file, of another type or number of dimensions, or shorter or longer than its header says.
pub fn idx(path: &Path, dimensions: std::ops::RangeInclusive<usize>) -> Result<Tensor> {
    let bytes = bytes(path)?;
    let refuse = |what: String, remedy: &str| Err(Mistake::new(path.display(), what).remedy(remedy).into());
    if bytes.len() < 4 {
        return refuse(format!("is no idx file: it has {} bytes", bytes.len()), "fetch it again");
    }
    if bytes[..2] != [0, 0] {
        let magic = &bytes[..4];
        return refuse(format!("is no idx file: it begins with {magic:02x?}, not 00 00"), "name an idx file");
    }
    if bytes[2] != 8 {
        let what = format!("holds numbers of type 0x{:02x}, expected 0x08 (unsigned bytes)", bytes[2]);
        return refuse(what, "write it again as bytes");
    }
    let count = usize::from(bytes[3]);
    if !dimensions.contains(&count) {
        let (low, high) = (dimensions.start(), dimensions.end());
        let expected = if low == high { format!("{low}") } else { format!("{low} to {high}") };
        let what = format!("has {count} dimensions, expected {expected}");
        return refuse(what, "images have 3 (rows, height, width) or 4, labels 1: are they swapped?");
    }
    let header = 4 + 4 * count;
    let Some(sizes) = bytes.get(4..header) else {
        return refuse(format!("ends in its header, after {} bytes", bytes.len()), "fetch it again");
    };
    let shape: Vec<i64> =
        sizes.chunks_exact(4).map(|size| i64::from(u32::from_be_bytes(size.try_into().expect("four bytes")))).collect();
    let (found, expected) =
        ((bytes.len() - header) as i128, shape.iter().map(|&size| i128::from(size)).product::<i128>());
    if found != expected {
        let what = format!("has {found} bytes of data, {shape:?} needs {expected}");
        return refuse(what, "fetch it again: it is not whole");
    }
    if found == 0 {
        return refuse(format!("has no rows: {shape:?}"), "name another file");
    }
    Ok(Tensor::f_from_data_size(&bytes[header..], &shape, Kind::Uint8)?)
}

/// The bytes of a file, unpacked where they are gzip.
fn bytes(path: &Path) -> Result<Vec<u8>> {
    let bytes = files::read(path)?;
    if !bytes.starts_with(&[0x1f, 0x8b]) {
        return Ok(bytes);
    }
    let mut plain = Vec::new();
    MultiGzDecoder::new(bytes.as_slice()).read_to_end(&mut plain).map_err(|error| {
        Mistake::new(path.display(), format!("is not a whole gzip file: {error}")).remedy("fetch it again")
    })?;
    Ok(plain)
}

/// The images `[N, C, H, W]` of a file of three dimensions (one channel) or four.
///
/// # Errors
/// As [`idx`].
pub fn images(path: &Path) -> Result<Tensor> {
    let images = idx(path, 3..=4)?;
    Ok(if images.dim() == 3 { images.unsqueeze(1) } else { images })
}

/// The file of MNIST's family in a folder: `part` is `train` or `t10k`, `what` `images` or `labels`.
///
/// # Errors
/// There is none under any of its names.
pub fn family(folder: &Path, part: &str, what: &str) -> Result<PathBuf, Mistake> {
    let dimensions = if what == "images" { 3 } else { 1 };
    let names = ["-", "."].map(|dash| format!("{part}-{what}{dash}idx{dimensions}-ubyte"));
    let names = names.iter().flat_map(|name| [name.clone(), format!("{name}.gz")]);
    let all: Vec<String> = names.collect();
    all.iter().map(|name| folder.join(name)).find(|path| path.is_file()).ok_or_else(|| {
        let what = format!("has no {}, plain or .gz", all[0]);
        Mistake::new(folder.display(), what).remedy("fetch one by `scripts/data mnist` or `scripts/data fashion_mnist`")
    })
}
