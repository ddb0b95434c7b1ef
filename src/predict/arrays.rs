//! Answers as the arrays of an `.npz` archive.

use super::outputs::{Answer, AnswerFile};
use crate::error::{Mistake, first_line};
use crate::tensor_file;
use anyhow::Result;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use tch::{Device, Kind, Tensor};
use zip::CompressionMethod;
use zip::write::{FileOptions, ZipWriter};

/// Rows of an array that are written at once.
const ROWS: i64 = 256;

/// Per output an array `NAME` of scores, and `NAME.decision` where it has decisions of its own; in
/// memory until its end.
pub(super) struct ArrayFile {
    file: File,
    rows: i64,
    /// By name, each `[N, …]`.
    arrays: Vec<(String, Tensor)>,
    /// The model.
    place: String,
}

impl ArrayFile {
    /// Begins the file at `path` for `rows` rows; `place` names the model.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn new(path: &Path, rows: i64, place: &str) -> Result<Self> {
        Ok(Self { file: File::create(path)?, rows, arrays: Vec::new(), place: place.to_string() })
    }

    /// An array for all rows, of the kind and the further dimensions of `piece` `[length, …]`.
    fn begin(&mut self, name: String, piece: &Tensor) -> Result<(), Mistake> {
        if self.arrays.iter().any(|(other, _)| *other == name) {
            let what = format!("two arrays would be called {name}");
            return Err(Mistake::new(&self.place, what).remedy("give the outputs other names"));
        }
        let mut shape = piece.size();
        shape[0] = self.rows;
        let array = Tensor::f_empty(&shape[..], (piece.kind(), Device::Cpu)).map_err(|error| {
            let what = format!("its output {name} of shape {shape:?} has no place in memory: {}", first_line(&error));
            Mistake::new(&self.place, what).remedy("give fewer rows at a time")
        })?;
        self.arrays.push((name, array));
        Ok(())
    }
}

impl AnswerFile for ArrayFile {
    fn write(&mut self, start: i64, answers: &[Answer]) -> Result<()> {
        let pieces: Vec<(String, Tensor)> = answers.iter().flat_map(pieces).collect();
        if start == 0 {
            pieces.iter().try_for_each(|(name, piece)| self.begin(name.clone(), piece))?;
        }
        for ((name, array), (_, piece)) in self.arrays.iter().zip(&pieces) {
            if array.size()[1..] != piece.size()[1..] {
                let what = format!(
                    "its output {name} has rows of shape {:?} and {:?}",
                    &array.size()[1..],
                    &piece.size()[1..]
                );
                return Err(Mistake::new(&self.place, what)
                    .remedy("give rows that it reads alike, one file after another")
                    .into());
            }
            array.narrow(0, start, piece.size()[0]).copy_(piece);
        }
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<()> {
        let mut archive = ZipWriter::new(BufWriter::new(self.file));
        for (name, array) in &self.arrays {
            let options = FileOptions::default().compression_method(CompressionMethod::Stored).large_file(true);
            archive.start_file(format!("{name}.npy"), options)?;
            archive.write_all(&header(array))?;
            let rows = array.size()[0];
            for start in (0..rows).step_by(ROWS as usize) {
                archive.write_all(&tensor_file::bytes(&array.narrow(0, start, ROWS.min(rows - start))))?;
            }
        }
        Ok(archive.finish()?.flush()?)
    }
}

/// The arrays that hold an answer, in types that NumPy has.
fn pieces(answer: &Answer) -> Vec<(String, Tensor)> {
    let kind = match answer.scores.kind() {
        Kind::Bool => Kind::Uint8,
        kind if descriptor(kind).is_some() => kind,
        _ => Kind::Float, // such as bfloat16
    };
    let decision = answer.decision.as_ref().map(|decision| {
        let kind = if decision.kind() == Kind::Bool { Kind::Uint8 } else { Kind::Int64 };
        (format!("{}.decision", answer.facts.name), decision.to_kind(kind))
    });
    std::iter::once((answer.facts.name.clone(), answer.scores.to_kind(kind))).chain(decision).collect()
}

/// The head of a `.npy` file: its version, the length of what follows, and type, order and shape,
/// as long in all as a multiple of 64.
fn header(array: &Tensor) -> Vec<u8> {
    let kind = descriptor(array.kind()).expect("a type that NumPy has");
    let shape: String = array.size().iter().map(|size| format!("{size}, ")).collect();
    let text = format!("{{'descr': '{kind}', 'fortran_order': False, 'shape': ({}), }}", shape.trim_end());
    let length = (10 + text.len() + 1).next_multiple_of(64) - 10;
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((length as u16).to_le_bytes());
    bytes.extend(format!("{text:<width$}\n", width = length - 1).into_bytes());
    bytes
}

/// How a `.npy` file names a type.
fn descriptor(kind: Kind) -> Option<&'static str> {
    Some(match kind {
        Kind::Half => "<f2",
        Kind::Float => "<f4",
        Kind::Double => "<f8",
        Kind::Uint8 => "|u1",
        Kind::Int8 => "|i1",
        Kind::Int16 => "<i2",
        Kind::Int => "<i4",
        Kind::Int64 => "<i8",
        _ => return None,
    })
}
