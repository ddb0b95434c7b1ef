//! Arrays of `.npy`, `.npz` and `.safetensors` files, and of folders of numbered `.npy` files, piece by piece.

use super::number::Number;
use crate::error::{Mistake, nearest};
use crate::files;
use crate::tensor_file;
use anyhow::Result;
use npyz::{DType, NpyHeader, Order};
use rayon::prelude::*;
use std::fs;
use std::io::{Cursor, Read};
use std::path::{Path, PathBuf};
use tch::{Kind, Tensor};
use zip::ZipArchive;

/// Rows per piece of one array, and files per piece of a folder.
const ROWS: i64 = 256;
const FILES: usize = 32;

/// An array whose first dimension is the rows.
#[derive(Debug)]
pub(super) enum Array {
    /// In memory.
    Whole { tensor: Tensor, file: String },
    /// One file per row, read when it is wanted.
    Files { folder: PathBuf, numbers: Vec<Number>, files: Vec<PathBuf> },
}

impl Array {
    /// Opens `FILE.npy`, `FILE.npz` or `FILE.npz:KEY`, `FILE.safetensors:KEY`, or a folder of `.npy` files.
    ///
    /// # Errors
    /// It is missing or of none of these kinds; a key that it does not hold.
    pub fn open(path: &Path) -> Result<Self> {
        if path.is_dir() {
            let (numbers, files) = numbered(path)?.into_iter().unzip();
            return Ok(Self::Files { folder: path.to_path_buf(), numbers, files });
        }
        let (file, key) = keyed(path);
        let tensor = match extension(&file).as_str() {
            "npy" => npy(&files::read(&file)?, &file.display().to_string())?,
            "npz" => npz(&file, key.as_deref())?,
            "safetensors" => {
                let mut tensors = tensor_file::read(&file)?.tensors;
                let names: Vec<String> = tensors.iter().map(|(name, _)| name.clone()).collect();
                let name = chosen(&file, key.as_deref(), &names)?;
                tensors.swap_remove(name).1
            }
            _ => {
                let mistake = Mistake::new(path.display(), "is no array");
                let remedy = "name a .npy, a .npz or .safetensors file (with :KEY), or a folder of .npy files";
                return Err(if file.exists() {
                    mistake.remedy(remedy).into()
                } else {
                    files::read(&file).expect_err("missing")
                });
            }
        };
        let file = path.display().to_string();
        if tensor.dim() == 0 || tensor.size()[0] == 0 {
            let what = format!("has no rows: its shape is {:?}", tensor.size());
            return Err(Mistake::new(file, what).remedy("name an array whose first dimension is the rows").into());
        }
        Ok(Self::Whole { tensor, file })
    }

    /// The number of rows.
    pub fn rows(&self) -> i64 {
        match self {
            Self::Whole { tensor, .. } => tensor.size()[0],
            Self::Files { files, .. } => files.len() as i64,
        }
    }

    /// What the files of a folder are called, ascending.
    pub fn numbers(&self) -> Option<&[Number]> {
        match self {
            Self::Whole { .. } => None,
            Self::Files { numbers, .. } => Some(numbers),
        }
    }

    /// Where a row stands, from 0.
    pub fn place(&self, row: i64) -> String {
        match self {
            Self::Whole { file, .. } => format!("{file}, row {}", row + 1),
            Self::Files { files, .. } => files[row as usize].display().to_string(),
        }
    }

    /// The file or folder.
    pub fn name(&self) -> String {
        match self {
            Self::Whole { file, .. } => file.clone(),
            Self::Files { folder, .. } => folder.display().to_string(),
        }
    }

    /// All rows, changed piece by piece: `change` sees a piece and its first row. The results are joined by [`Tensor::cat`]
    /// where the caller wants them.
    ///
    /// # Errors
    /// A file that cannot be read or differs in shape from the first, and those of `change`.
    pub fn pieces<T>(&self, mut change: impl FnMut(Tensor, i64) -> Result<T>) -> Result<Vec<T>> {
        match self {
            Self::Whole { tensor, .. } => {
                let rows = tensor.size()[0];
                let piece = |start: i64| change(tensor.narrow(0, start, ROWS.min(rows - start)), start);
                (0..rows).step_by(ROWS as usize).map(piece).collect()
            }
            Self::Files { files, .. } => {
                let mut first: Option<Vec<i64>> = None;
                let mut pieces = Vec::new();
                for (at, files) in files.chunks(FILES).enumerate() {
                    let read = |path: &PathBuf| npy(&files::read(path)?, &path.display().to_string());
                    let rows = files.par_iter().map(read).collect::<Result<Vec<_>>>()?;
                    let first = first.get_or_insert_with(|| rows[0].size());
                    if let Some(odd) = rows.iter().position(|row| row.size() != *first) {
                        let what = format!("has shape {:?}, the first file {first:?}", rows[odd].size());
                        let mistake = Mistake::new(files[odd].display(), what);
                        return Err(mistake.remedy("bring all files to one shape").into());
                    }
                    pieces.push(change(Tensor::stack(&rows, 0), (at * FILES) as i64)?);
                }
                Ok(pieces)
            }
        }
    }
}

/// A path's extension in small letters; empty without one.
pub(in crate::data) fn extension(path: &Path) -> String {
    path.extension().and_then(|it| it.to_str()).unwrap_or_default().to_lowercase()
}

/// A path and the key behind its colon.
pub(in crate::data) fn keyed(path: &Path) -> (PathBuf, Option<String>) {
    let text = path.to_string_lossy();
    match text.rsplit_once(':') {
        Some((file, key)) if file.ends_with(".npz") || file.ends_with(".safetensors") => {
            (file.into(), Some(key.into()))
        }
        _ => (path.to_path_buf(), None),
    }
}

/// The position of the array that is meant.
fn chosen(file: &Path, key: Option<&str>, names: &[String]) -> Result<usize, Mistake> {
    let listed = || names.join(", ");
    match key {
        Some(key) => names.iter().position(|name| name == key).ok_or_else(|| {
            let near = nearest(key, names.iter().map(String::as_str));
            let mistake = Mistake::new(file.display(), format!("has no array \"{key}\""));
            mistake.remedy(near.map_or(format!("it holds {}", listed()), |near| format!("did you mean \"{near}\"?")))
        }),
        None if names.len() == 1 => Ok(0),
        None => Err(Mistake::new(file.display(), format!("holds {} arrays", names.len())).remedy(format!(
            "write {}:KEY with one of {}",
            file.display(),
            listed()
        ))),
    }
}

/// The `.npy` files of a folder with the numbers that they are called, ascending.
fn numbered(folder: &Path) -> Result<Vec<(Number, PathBuf)>> {
    let entries = fs::read_dir(folder).map_err(|error| files::unreadable(folder, &error))?;
    let all = entries.flatten().map(|entry| entry.path()).filter(|path| extension(path) == "npy");
    let mut numbered = all
        .map(|path| match path.file_stem().and_then(|stem| stem.to_str()).and_then(Number::parse) {
            Some(number) => Ok((number, path)),
            None => Err(Mistake::new(path.display(), "is not called by a number")
                .remedy("call the files of a folder 0.npy, 1.npy, …: the number says which rows belong together")),
        })
        .collect::<Result<Vec<_>, _>>()?;
    numbered.sort();
    if numbered.is_empty() {
        return Err(Mistake::new(folder.display(), "holds no .npy file").remedy("name another folder").into());
    }
    if let Some([(_, first), (_, second)]) = numbered.array_windows().find(|[first, second]| first.0 == second.0) {
        let what = format!("has the number of {}", first.display());
        let remedy = "keep one of them: the number says which rows belong together";
        return Err(Mistake::new(second.display(), what).remedy(remedy).into());
    }
    Ok(numbered)
}

/// The array of a `.npy` file.
///
/// # Errors
/// It is no whole `.npy` file, or its numbers are of a kind that tensors do not have.
pub(in crate::data) fn npy(bytes: &[u8], place: &str) -> Result<Tensor> {
    let damaged = |what: String| Mistake::new(place, what).remedy("write it again by numpy.save");
    let mut rest = bytes;
    let header = NpyHeader::from_reader(&mut rest).map_err(|error| damaged(format!("is no .npy file ({error})")))?;
    let unknown = |what: &str| {
        let remedy = "write it again as bool, int8 to int64, uint8, float16, float32 or float64";
        Mistake::new(place, format!("holds {what}")).remedy(remedy)
    };
    let DType::Plain(kind) = header.dtype() else { return Err(unknown("records").into()) };
    let kind_text = kind.to_string();
    let tensor_kind = match kind_text.trim_start_matches(['<', '|', '=']) {
        "b1" => Kind::Bool,
        "i1" => Kind::Int8,
        "u1" => Kind::Uint8,
        "i2" => Kind::Int16,
        "i4" => Kind::Int,
        "i8" => Kind::Int64,
        "f2" => Kind::Half,
        "f4" => Kind::Float,
        "f8" => Kind::Double,
        _ => return Err(unknown(&format!("numbers of type {kind_text}")).into()),
    };
    let mut shape: Vec<i64> = header.shape().iter().map(|&size| size as i64).collect();
    let turned = header.order() == Order::Fortran;
    if turned {
        shape.reverse();
    }
    let needed = shape.iter().map(|&size| i128::from(size)).product::<i128>() * tensor_kind.elt_size_in_bytes() as i128;
    if rest.len() as i128 != needed {
        return Err(damaged(format!("has {} bytes of data, its header needs {needed}", rest.len())).into());
    }
    let tensor = Tensor::f_from_data_size(rest, &shape, tensor_kind)?;
    Ok(if turned { tensor.permute((0..shape.len() as i64).rev().collect::<Vec<_>>()).contiguous() } else { tensor })
}

/// An array of a `.npz` archive.
fn npz(file: &Path, key: Option<&str>) -> Result<Tensor> {
    let damaged = |error: &dyn std::fmt::Display| {
        Mistake::new(file.display(), format!("is no whole .npz file ({error})")).remedy("write it again by numpy.savez")
    };
    let bytes = files::read(file)?;
    let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(|error| damaged(&error))?;
    let names: Vec<String> = archive.file_names().map(|name| name.trim_end_matches(".npy").to_string()).collect();
    let mut sorted = names;
    sorted.sort();
    let name = &sorted[chosen(file, key, &sorted)?];
    let mut entry = archive.by_name(&format!("{name}.npy")).map_err(|error| damaged(&error))?;
    let mut bytes = Vec::new();
    entry.read_to_end(&mut bytes).map_err(|error| damaged(&error))?;
    npy(&bytes, &format!("{}:{name}", file.display()))
}
