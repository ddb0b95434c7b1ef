//! Images alone, for a model that is trained already: read when they are wanted.

use super::decode::{self, Format, Owner};
use super::{Grayscale, Images, Read};
use crate::data::csv::fit::Loaded;
use crate::data::csv::table::{Opened, Role, Wanted, listed};
use crate::error::{Mistake, note};
use crate::files;
use anyhow::Result;
use std::path::{Path, PathBuf};
use tch::Tensor;

/// Whether a path's extension is that of a picture.
pub(in crate::data) fn is_image(path: &Path) -> bool {
    decode::kind(path).is_some_and(|kind| kind != "npy")
}

/// Files of images that come to one shape, each with the words for its place.
#[derive(Debug)]
pub(in crate::data) struct ImageFiles {
    files: Vec<(PathBuf, String)>,
    format: Format,
}

impl ImageFiles {
    /// Images as a model reads them that was trained with `settings` on rows of `shape` `[C, H,
    /// W]`; without a shape the first image tells the size.
    ///
    /// # Errors
    /// A file that is not there, or a first image that does not decode.
    pub fn of_settings(files: Vec<(PathBuf, String)>, settings: &Images, shape: Option<&[i64]>) -> Result<Self> {
        let size = match (settings.size, shape) {
            (Some(size), _) => size,
            (None, Some(&[_, height, width])) => [height as u32, width as u32],
            (None, _) => decode::size(&files[0].0, &files[0].1)?,
        };
        Self::new(files, settings.format(size, Owner::Model))
    }

    /// Images that have the shape already.
    ///
    /// # Errors
    /// A file that is not there.
    pub fn of_shape(files: Vec<(PathBuf, String)>, [channels, height, width]: [i64; 3]) -> Result<Self> {
        let size = [height as u32, width as u32];
        let grayscale = Grayscale::default();
        Self::new(files, Format { channels, grayscale, size, fit: None, owner: Owner::Model })
    }

    /// All are looked for at once: one that is missing would be met after many were read.
    fn new(all: Vec<(PathBuf, String)>, format: Format) -> Result<Self> {
        if let Some((path, place)) = all.iter().find(|(path, _)| !path.is_file()) {
            return Err(files::read(path).err().map_or_else(
                || Mistake::new(place, format!("{} is no file", path.display())).into(),
                |error| error.context(place.clone()),
            ));
        }
        Ok(Self { files: all, format })
    }

    /// The number of rows.
    pub fn rows(&self) -> i64 {
        self.files.len() as i64
    }

    /// Channels, height and width of a row.
    pub fn shape(&self) -> [i64; 3] {
        self.format.shape()
    }

    /// `length` rows from row `start` on, as bytes `[length, C, H, W]`.
    ///
    /// # Errors
    /// One does not decode, or is of another size than it must have.
    pub fn read(&self, start: i64, length: i64) -> Result<Tensor> {
        let files = &self.files[start as usize..(start + length) as usize];
        Ok(decode::stack(files, &self.format)?.0)
    }
}

impl Images {
    /// The images that a table without labels names, each with the words for its place.
    ///
    /// # Errors
    /// A table that cannot be read, or that does not name an image in every row.
    pub(in crate::data) fn files(&self, table: &Path) -> Result<Vec<(PathBuf, String)>> {
        let opened = Opened::new(table)?;
        if !opened.header.contains(&self.column) {
            let what = format!("has no column \"{}\", which names the images that the model reads", self.column);
            let remedy = format!("its columns are {}; a folder of images will do too", listed(&opened.header));
            return Err(Mistake::new(table.display(), what).remedy(remedy).into());
        }
        let rows = Loaded::whole(opened.read(&[Wanted { name: &self.column, role: Role::Category }])?);
        // Beside the table, as everywhere else; where they are not there, where they were in training.
        let beside = table.parent().unwrap_or(Path::new("."));
        let mut read = Read { rows, folder: beside.to_path_buf() };
        read.check_files(&self.column)?;
        let is_there = |read: &Read| read.path(0, 0).is_none_or(|path| path.is_file());
        if let (Some(trained), false) = (&self.folder, is_there(&read)) {
            read.folder.clone_from(trained);
            let (table, trained) = (table.display(), trained.display());
            note(format!("note: the images of {table} are read from {trained}, as in training"));
        }
        Ok((0..read.rows.table.rows).map(|row| read.file(&self.column, row)).collect())
    }
}
