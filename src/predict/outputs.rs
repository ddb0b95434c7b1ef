//! What a model says of some rows: scores and decisions, and the file that they go to.

use super::arrays::ArrayFile;
use super::table::TableFile;
use crate::error::Mistake;
use crate::metadata::TaskFacts;
use crate::tasks::Form;
use anyhow::Result;
use std::path::Path;
use tch::{Device, Kind, Tensor};

/// Endings of files that are neither a CSV nor an `.npz`.
const OTHERS: [&str; 8] = ["npy", "safetensors", "parquet", "gz", "pt", "json", "yaml", "xlsx"];

/// The kind of file that is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OutputFormat {
    /// Commas, or tabs.
    Table { delimiter: u8 },
    /// An archive of arrays.
    Arrays,
}

/// A file that takes answers, piece by piece.
pub(super) trait AnswerFile {
    /// Writes what the model says of the rows from `start` on: the same outputs, in the same order,
    /// each time.
    ///
    /// # Errors
    /// An output has no place in this file, or the file cannot be written.
    fn write(&mut self, start: i64, answers: &[Answer]) -> Result<()>;

    /// Ends the file.
    ///
    /// # Errors
    /// It cannot be written.
    fn finish(self: Box<Self>) -> Result<()>;
}

impl OutputFormat {
    /// What a path's ending says; anything that is no other format is a CSV.
    ///
    /// # Errors
    /// The ending of a format that is not written.
    pub fn of(path: &Path) -> Result<Self, Mistake> {
        let extension = path.extension().and_then(|it| it.to_str()).unwrap_or_default().to_lowercase();
        match extension.as_str() {
            "npz" => Ok(Self::Arrays),
            "tsv" => Ok(Self::Table { delimiter: b'\t' }),
            other if OTHERS.contains(&other) => {
                let what = format!("predictions are not written as .{other}");
                Err(Mistake::new(path.display(), what).remedy("write -o FILE.csv, or -o FILE.npz for arrays"))
            }
            _ => Ok(Self::Table { delimiter: b',' }),
        }
    }

    /// Begins the file at `path` for answers of `rows` rows; `place` names the model.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn writer(self, path: &Path, rows: i64, place: &str) -> Result<Box<dyn AnswerFile>> {
        Ok(match self {
            Self::Table { delimiter } => Box::new(TableFile::new(path, delimiter, place)?),
            Self::Arrays => Box::new(ArrayFile::new(path, rows, place)?),
        })
    }
}

/// One output for some rows, on the CPU.
pub(super) struct Answer<'a> {
    /// How it is read.
    pub facts: &'a TaskFacts,
    /// `[N, width, …positions]` or `[N]`: logits, their probabilities, or values in the label's own
    /// unit.
    pub scores: Tensor,
    /// Classes `[N, …positions]` (int64), or yes and no in the shape of the scores (bool); `None`
    /// for values, which are their own decision.
    pub decision: Option<Tensor>,
}

impl<'a> Answer<'a> {
    /// Reads an output for `rows` rows; `place` names the model.
    ///
    /// # Errors
    /// It has not one entry of the width for every row.
    pub fn new(
        facts: &'a TaskFacts,
        output: &Tensor,
        rows: i64,
        probabilities: bool,
        place: &str,
    ) -> Result<Self, Mistake> {
        let (shape, width) = (output.size(), facts.form.width());
        let fits = shape == [rows] && width == 1 || shape.len() >= 2 && shape[..2] == [rows, width];
        if !fits {
            let what =
                format!("its output {} has shape {shape:?} for {rows} rows, expected [{rows}, {width}]", facts.name);
            return Err(
                Mistake::new(place, what).remedy("a model's outputs are [N], [N, width] or [N, width, …positions]")
            );
        }
        if matches!(output.kind(), Kind::ComplexHalf | Kind::ComplexFloat | Kind::ComplexDouble) {
            let what = format!("its output {} is complex", facts.name);
            return Err(Mistake::new(place, what).remedy("give real numbers, such as `torch.view_as_real` of it"));
        }
        let output = if output.kind() == Kind::Bool { &output.to_kind(Kind::Uint8) } else { output };
        let wide = if shape.len() == 1 { output.unsqueeze(1) } else { output.shallow_clone() }; // [N, width, …]
        let wide = facts.standardization.as_ref().map_or(wide.shallow_clone(), |it| it.undo(&wide));
        let decision = match facts.form {
            Form::Classes(_) => Some(wide.argmax(1, false)), // [N, …]
            Form::Binary(_) => Some(wide.gt(0.0).reshape(shape.as_slice())),
            Form::Real(_) => None,
        };
        let kind = if wide.is_floating_point() { wide.kind() } else { Kind::Float };
        let scores = match (probabilities, facts.form) {
            (true, Form::Classes(_)) => wide.softmax(1, kind),
            (true, Form::Binary(_)) => wide.sigmoid(),
            _ => wide,
        };
        let scores = scores.reshape(shape.as_slice()).to_device(Device::Cpu);
        Ok(Self { facts, scores, decision: decision.map(|decision| decision.to_device(Device::Cpu)) })
    }
}
