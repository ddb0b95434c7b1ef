//! What a model says of some rows: scores and decisions, and what takes them.

use crate::error::Mistake;
use crate::metadata::TaskFacts;
use crate::tasks::Form;
use anyhow::Result;
use tch::{Device, Kind, Tensor};

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
