//! Rows without labels, as a trained model reads them.

mod format;
mod input;

use super::arrays::SameRows;
use super::images::ImageFiles;
use super::{Data, Features, Group, InputFacts, InputRules, Preparation};
use anyhow::Result;
use input::Input;
use std::path::PathBuf;
use tch::{Device, Kind, Tensor};

/// What is known of the inputs of a model.
#[derive(Debug)]
pub struct KnownInputs {
    /// How raw inputs become the model's; `None` of a module that Polytask did not train: numbers
    /// are taken as they are, integers as int64.
    pub features: Option<Features>,
    /// What it was trained on; `None` where that does not matter or is not known.
    pub source: Option<Data>,
    /// The shapes of its rows; none where they are not known.
    pub shapes: Vec<InputFacts>,
    /// The type of real numbers that it reads.
    pub precision: Kind,
}

impl KnownInputs {
    /// The names of the inputs of a model that Polytask trained.
    pub fn names(&self) -> Vec<String> {
        match &self.source {
            _ if !self.shapes.is_empty() => self.shapes.iter().map(|facts| facts.name.clone()).collect(),
            Some(Data::Arrays(arrays)) => arrays.train.inputs().into_iter().map(|(name, _)| name).collect(),
            _ => vec!["x".to_string()],
        }
    }

    /// The rows of files, given with the inputs that they are for: tables (`.csv`, `.tsv`, either
    /// also as `.gz`, `.parquet`), arrays (`FILE.npy`, `FILE.npz:KEY`, `FILE.safetensors:KEY`, a
    /// folder of numbered `.npy` files), idx files, and images: a file, a folder, or a table that
    /// names them, for a model that was trained on such a table.
    ///
    /// # Errors
    /// A file that cannot be read; rows that are not what the model reads, or not as many in one
    /// file as in another.
    pub fn open(&self, files: &[(String, PathBuf)]) -> Result<UnlabelledRows> {
        let (mut inputs, mut rules, mut same) = (Vec::new(), InputRules::new(), SameRows::default());
        for (name, path) in files {
            let (stored, rule) = Input { name, path, known: self }.read(&mut same)?;
            rules.insert(name.clone(), rule);
            inputs.push((name.clone(), stored));
        }
        Ok(UnlabelledRows { inputs, preparation: Preparation { precision: self.precision, inputs: rules } })
    }
}

/// The rows of one input.
#[derive(Debug)]
enum Stored {
    /// In memory, `[N, …]`.
    Whole(Tensor),
    /// Read when they are wanted.
    Images(ImageFiles),
}

impl Stored {
    fn rows(&self) -> i64 {
        match self {
            Self::Whole(tensor) => tensor.size()[0],
            Self::Images(files) => files.rows(),
        }
    }

    /// Cells of a row.
    fn cells(&self) -> i64 {
        match self {
            Self::Whole(tensor) => tensor.size()[1..].iter().product(),
            Self::Images(files) => files.shape().iter().product(),
        }
    }

    fn read(&self, start: i64, length: i64) -> Result<Tensor> {
        match self {
            Self::Whole(tensor) => Ok(tensor.narrow(0, start, length)),
            Self::Images(files) => files.read(start, length),
        }
    }
}

/// Rows of every input of a model, stored compactly.
#[derive(Debug)]
pub struct UnlabelledRows {
    inputs: Vec<(String, Stored)>,
    preparation: Preparation,
}

impl UnlabelledRows {
    /// The number of rows `N`.
    pub fn rows(&self) -> i64 {
        self.inputs.first().map_or(0, |(_, stored)| stored.rows())
    }

    /// The bytes of a row of all inputs together, as the model reads it.
    pub fn row_bytes(&self) -> i64 {
        let cells: i64 = self.inputs.iter().map(|(_, stored)| stored.cells()).sum();
        cells * self.preparation.precision.elt_size_in_bytes() as i64
    }

    /// `length` rows from row `start` on as the model reads them, `[length, …]` by name, on a
    /// device.
    ///
    /// # Errors
    /// An image that cannot be read.
    pub fn read(&self, start: i64, length: i64, device: Device) -> Result<Vec<(String, Tensor)>> {
        let input = |(name, stored): &(String, Stored)| Ok((name.clone(), stored.read(start, length)?));
        let inputs = self.inputs.iter().map(input).collect::<Result<_>>()?;
        // Prepared where training prepares them: a device may round a division otherwise than the
        // CPU.
        let group = Group { inputs, tasks: vec![], targets: vec![] }.to_device(device);
        Ok(self.preparation.apply(group).inputs)
    }
}
