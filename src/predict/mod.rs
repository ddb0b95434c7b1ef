//! A TorchScript model on rows without labels.

mod arrays;
mod format;
mod inputs;
mod model;
mod outputs;
mod table;

pub use inputs::GivenRows;

use crate::error::Mistake;
use crate::files;
use anyhow::Result;
use format::OutputFormat;
use model::Predictor;
use outputs::Answer;
use std::path::Path;
use tch::Device;

/// Rows per forward pass, at most.
const ROWS: i64 = 4096;
/// Bytes of inputs per forward pass, at most, where a row has not more.
const BYTES: i64 = 16 << 20;

/// Runs a model on the rows of `given` and writes what it says of each, whole or not at all; gives
/// the number of rows.
///
/// Inputs are prepared as they were in training, by what the model's file keeps of it. A model
/// without our metadata reads the columns of a table in file order, and arrays, as they are;
/// integers as int64. Outputs are called by their dictionary keys, else by the model's tasks, else
/// `output0`, ….
///
/// `output` is a CSV: per output `NAME_0 … NAME_k` (the model's raw outputs: logits, or values in
/// the label's own unit; with `probabilities` softmax or sigmoid of the logits) and `NAME` (the
/// decision). Or it is `FILE.npz`, for outputs of any shape: arrays `NAME` `[N, …]` (the raw
/// outputs) and `NAME.decision`, the classes `[N, …positions]` as int64 or yes and no as uint8 in
/// the shape of the output; values have none, since it would be the same.
///
/// # Errors
/// A file that cannot be read or written, rows that do not fit the model, outputs that have no
/// place in a CSV.
pub fn predict(model: &Path, given: &[GivenRows], output: &Path, device: Device, probabilities: bool) -> Result<i64> {
    let format = OutputFormat::of(output)?;
    check_is_no_input(output, model, given)?;
    let model = Predictor::load(model, device)?;
    let rows = model.open(given)?;
    let count = rows.rows();
    let piece = (BYTES / rows.row_bytes().max(1)).clamp(1, ROWS);
    files::replace(output, |temporary| {
        let mut writer = format.writer(temporary, count, &model.place)?;
        for start in (0..count).step_by(piece as usize) {
            let length = piece.min(count - start);
            let outputs = model.forward(&rows.read(start, length, device)?)?;
            let answer = |(facts, output)| Answer::new(facts, output, length, probabilities, &model.place);
            let answers = outputs.iter().map(|(facts, output)| answer((facts, output)));
            writer.write(start, &answers.collect::<Result<Vec<_>, Mistake>>()?)?;
        }
        writer.finish()
    })?;
    Ok(count)
}

/// Predictions replace nothing that they are made of.
fn check_is_no_input(output: &Path, model: &Path, given: &[GivenRows]) -> Result<(), Mistake> {
    let whole = |path: &Path| path.canonicalize().ok();
    let same = |path: &Path| whole(output).is_some_and(|output| whole(path) == Some(output));
    if same(model) || given.iter().any(|rows| same(rows.file())) {
        let what = "is read here, and predictions would replace it";
        return Err(Mistake::new(output.display(), what).remedy("name another file with -o"));
    }
    Ok(())
}
