//! What lies at a path of rows to predict: a table, an array, an idx file or images.

use crate::data::arrays::{Number, extension, keyed};
use crate::data::images::is_image;
use crate::files;
use anyhow::Result;
use std::fs;
use std::path::{Path, PathBuf};

/// Extensions of tables, before any `.gz`.
const TABLES: [&str; 3] = ["csv", "tsv", "parquet"];
/// Extensions of arrays, before any `:KEY`.
const ARRAYS: [&str; 3] = ["npy", "npz", "safetensors"];
/// Sources whose files are in the format idx, whatever they are called.
const IDX_SOURCES: [&str; 2] = ["idx", "multi_mnist"];

/// The source of files of images, beside which arrays may lie: maps of labels.
const IMAGES: &str = "images";

/// What lies at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum RowFormat {
    /// A table with a header.
    Table,
    /// An array, or a folder of arrays of one row each.
    Array,
    /// A file of images in the format idx.
    Idx,
    /// Files of images, one row each.
    Images(Vec<PathBuf>),
}

impl RowFormat {
    /// What lies at `path`, by its name, or by the names of a folder's files. Where they do not
    /// tell, what a model reads that was trained on `source`.
    ///
    /// # Errors
    /// A folder that cannot be read.
    pub fn of(path: &Path, source: Option<&str>) -> Result<Self> {
        if path.is_dir() {
            let images = images(path)?;
            let is_of_images = source == Some(IMAGES) || !images.is_empty() && !holds_arrays(path)?;
            return Ok(if is_of_images { Self::Images(images) } else { Self::Array });
        }
        let (file, _) = keyed(path);
        let name = file.file_name().map(|name| name.to_string_lossy().to_lowercase()).unwrap_or_default();
        let name = name.strip_suffix(".gz").unwrap_or(&name);
        let extension = extension(Path::new(name));
        let is_idx = name.ends_with("idx3-ubyte") || name.ends_with("idx4-ubyte") || extension == "idx";
        Ok(match extension.as_str() {
            known if TABLES.contains(&known) => Self::Table,
            known if ARRAYS.contains(&known) => Self::Array,
            _ if is_image(Path::new(name)) => Self::Images(vec![path.to_path_buf()]),
            _ if is_idx || source.is_some_and(|source| IDX_SOURCES.contains(&source)) => Self::Idx,
            _ => Self::Table,
        })
    }
}

/// The paths of a folder that a program did not hide.
fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).map_err(|error| files::unreadable(folder, &error))?;
    let is_hidden = |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
    Ok(entries.flatten().map(|entry| entry.path()).filter(|path| !is_hidden(path)).collect())
}

fn holds_arrays(folder: &Path) -> Result<bool> {
    Ok(entries(folder)?.iter().any(|path| extension(path) == "npy"))
}

/// The images of a folder: by number where every one is called by a number, else by name.
fn images(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut images: Vec<PathBuf> = entries(folder)?.into_iter().filter(|path| is_image(path)).collect();
    images.sort();
    let number = |path: &PathBuf| path.file_stem().and_then(|stem| stem.to_str()).and_then(Number::parse);
    if images.iter().all(|path| number(path).is_some()) {
        images.sort_by_key(number);
    }
    Ok(images)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_what_a_file_holds_and_the_source_where_they_do_not() {
        let of = |path: &str, source: &str| RowFormat::of(Path::new(path), Some(source)).expect("a file");
        for (path, expected) in [
            ("a.csv", RowFormat::Table),
            ("a.TSV.gz", RowFormat::Table),
            ("a.parquet", RowFormat::Table),
            ("a.npy", RowFormat::Array),
            ("a.npz:key", RowFormat::Array),
            ("folder=1/a.safetensors:a.b", RowFormat::Array),
            ("t10k-images-idx3-ubyte.gz", RowFormat::Idx),
            ("t10k-images.idx3-ubyte", RowFormat::Idx),
            ("rows.txt", RowFormat::Table),
            ("a.JPG", RowFormat::Images(vec!["a.JPG".into()])),
        ] {
            for source in ["csv", "arrays", "images"] {
                assert_eq!(of(path, source), expected, "{path} {source}");
            }
        }
        assert_eq!((of("images.gz", "idx"), of("images.gz", "csv")), (RowFormat::Idx, RowFormat::Table));
    }

    #[test]
    fn images_of_a_folder_come_by_number_or_by_name() {
        let order = |names: &[&str], source: &str| {
            let folder = tempfile::tempdir().expect("a folder");
            names.iter().for_each(|name| fs::write(folder.path().join(name), "").expect("written"));
            let names = |path: &PathBuf| path.file_name().expect("a name").to_string_lossy().into_owned();
            match RowFormat::of(folder.path(), Some(source)).expect("a folder") {
                RowFormat::Images(images) => images.iter().map(names).collect(),
                other => vec![format!("{other:?}")],
            }
        };
        assert_eq!(order(&["10.png", "9.jpg", "notes.txt", ".8.png"], "idx"), ["9.jpg", "10.png"]);
        assert_eq!(order(&["b10.png", "b9.png", "10.png"], "arrays"), ["10.png", "b10.png", "b9.png"]);
        assert_eq!(order(&["1.npy", "1.png"], "arrays"), ["Array"]);
        assert_eq!(order(&["1.npy", "1.png"], "images"), ["1.png"], "a map of labels beside its image");
    }
}
