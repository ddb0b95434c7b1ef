//! A TorchScript model on the rows of a CSV.

use crate::data::read_inputs;
use crate::error::Mistake;
use crate::files;
use crate::libtorch::{Module, Outputs};
use crate::metadata::{self, Metadata, TaskFacts};
use crate::tasks::Form;
use anyhow::Result;
use std::io::Write;
use std::path::Path;
use tch::{Device, Kind, Tensor, no_grad};

/// Rows per forward pass.
const ROWS: i64 = 4096;

/// Writes, per output, `NAME_0 … NAME_k` (the model's raw outputs: logits, or values in the label's own unit; with
/// `probabilities` softmax or sigmoid of the logits) and `NAME` (the decision) for every row of `input`; gives the
/// number of rows.
///
/// With our metadata inside the model the input's columns are found by name and standardised as in training. Without
/// it they are taken in file order, as they are; outputs are called by their dictionary keys, else `output0`, ….
///
/// # Errors
/// A file that cannot be read or written, inputs that do not fit the model.
pub fn predict(model: &Path, input: &Path, output: &Path, device: Device, probabilities: bool) -> Result<i64> {
    let module = Module::load(model, device)?;
    module.set_training(false)?;
    let place = model.display().to_string();
    let metadata = module.extra(metadata::FILE).map(|text| Metadata::parse(&text, &place)).transpose()?;
    let kind = module.parameters().first().map_or(Kind::Float, |(_, tensor)| tensor.kind());
    let (inputs, _) = read_inputs(input, metadata.as_ref().map(|metadata| &metadata.facts.features), kind)?;
    let rows = inputs.size()[0];
    files::replace(output, |temporary| {
        let mut writer = csv::Writer::from_path(temporary)?;
        let mut columns: Option<Vec<TaskFacts>> = None;
        for start in (0..rows).step_by(ROWS as usize) {
            let chunk = inputs.narrow(0, start, ROWS.min(rows - start)).to_device(device);
            let outputs = no_grad(|| module.forward(&[chunk]))?;
            if outputs.tensors.is_empty() {
                return Err(Mistake::new(&place, "gives no output").remedy("return at least one tensor").into());
            }
            if columns.is_none() {
                let facts = facts(&outputs, metadata.as_ref(), &place)?;
                writer.write_record(header(&facts))?;
                columns = Some(facts);
            }
            let facts = columns.as_deref().unwrap_or_default();
            check_shapes(&outputs.tensors, facts, ROWS.min(rows - start), &place)?;
            let blocks = facts.iter().zip(&outputs.tensors).map(|(facts, output)| block(facts, output, probabilities));
            write_rows(&mut writer, &blocks.collect::<Result<Vec<_>>>()?)?;
        }
        Ok(writer.flush()?)
    })?;
    Ok(rows)
}

/// How to read each output, in the order in which the model gives them: outputs go by their dictionary keys, else by the
/// names that the metadata gives them, else by position.
fn facts(outputs: &Outputs, metadata: Option<&Metadata>, place: &str) -> Result<Vec<TaskFacts>> {
    let count = outputs.tensors.len();
    let names = match (&outputs.names, metadata) {
        (Some(names), _) => names.clone(),
        (None, Some(metadata)) if metadata.outputs.len() == count => metadata.outputs.clone(),
        (None, Some(metadata)) => {
            let named = metadata.outputs.join(", ");
            let what = format!("gives {count} outputs, its {} names others ({named})", metadata::FILE);
            return Err(Mistake::new(place, what).remedy("export the model anew").into());
        }
        (None, None) => (0..count).map(|index| format!("output{index}")).collect(),
    };
    let task =
        |name: &String| metadata.and_then(|metadata| metadata.facts.tasks.iter().find(|task| task.name == *name));
    let read = |(name, output): (&String, &Tensor)| task(name).cloned().unwrap_or_else(|| plain(name, output));
    Ok(names.iter().zip(&outputs.tensors).map(read).collect())
}

/// An output of which nothing is known but its shape.
fn plain(name: &str, output: &Tensor) -> TaskFacts {
    let width = if output.dim() < 2 { 1 } else { output.size()[1] };
    TaskFacts {
        name: name.to_string(),
        targets: vec![],
        form: if width > 1 { Form::Classes(width) } else { Form::Real(1) },
        labels: None,
        standardization: None,
    }
}

/// Every output has one row per input row.
fn check_shapes(outputs: &[Tensor], facts: &[TaskFacts], rows: i64, place: &str) -> Result<()> {
    for (output, facts) in outputs.iter().zip(facts) {
        let (shape, width) = (output.size(), facts.form.width());
        if shape == [rows, width] || (width == 1 && shape == [rows]) {
            continue;
        }
        let what = format!("its output {} has shape {shape:?} for {rows} rows, expected [{rows}, {width}]", facts.name);
        let remedy = match shape.len() {
            0..=2 => "a model's outputs are [N] or [N, width]",
            _ => "a CSV has no place for an output of every position: read the module with a program of your own",
        };
        return Err(Mistake::new(place, what).remedy(remedy).into());
    }
    Ok(())
}

fn header(facts: &[TaskFacts]) -> Vec<String> {
    let columns = |facts: &TaskFacts| {
        let scores = (0..facts.form.width()).map(|column| format!("{}_{column}", facts.name));
        scores.chain(std::iter::once(facts.name.clone())).collect::<Vec<_>>()
    };
    facts.iter().flat_map(columns).collect()
}

/// One output for some rows: its scores and its decisions as texts.
struct Block {
    scores: Vec<f64>,
    width: usize,
    decisions: Vec<String>,
}

fn block(facts: &TaskFacts, output: &Tensor, probabilities: bool) -> Result<Block> {
    let width = facts.form.width();
    let output = if output.dim() < 2 { output.view([-1, 1]) } else { output.shallow_clone() }; // [N, width]
    let output = match &facts.standardization {
        Some(standardization) => standardization.undo(&output),
        None => output,
    };
    let decisions = decisions(facts, &output)?;
    let scores = match (probabilities, facts.form) {
        (true, Form::Classes(_)) => output.softmax(1, output.kind()),
        (true, Form::Binary(_)) => output.sigmoid(),
        _ => output,
    };
    let scores = Vec::<f64>::try_from(scores.to_kind(Kind::Double).to_device(Device::Cpu).reshape([-1]))?;
    Ok(Block { scores, width: width as usize, decisions })
}

/// The class (its name, where it has one), the yes or no of each column, or the value.
fn decisions(facts: &TaskFacts, output: &Tensor) -> Result<Vec<String>> {
    Ok(match facts.form {
        Form::Classes(_) => {
            let classes = Vec::<i64>::try_from(output.argmax(1, false))?;
            let name = |class: i64| match &facts.labels {
                Some(labels) => labels[class as usize].clone(),
                None => class.to_string(),
            };
            classes.into_iter().map(name).collect()
        }
        Form::Binary(columns) => {
            let yes = Vec::<i64>::try_from(output.gt(0.0).to_kind(Kind::Int64).reshape([-1]))?;
            yes.chunks(columns as usize)
                .map(|row| row.iter().map(i64::to_string).collect::<Vec<_>>().join(" "))
                .collect()
        }
        Form::Real(columns) => {
            let values = Vec::<f64>::try_from(output.to_kind(Kind::Double).reshape([-1]))?;
            values
                .chunks(columns as usize)
                .map(|row| row.iter().map(f64::to_string).collect::<Vec<_>>().join(" "))
                .collect()
        }
    })
}

fn write_rows(writer: &mut csv::Writer<impl Write>, blocks: &[Block]) -> Result<()> {
    let rows = blocks.first().map_or(0, |block| block.decisions.len());
    for row in 0..rows {
        for block in blocks {
            for score in &block.scores[row * block.width..(row + 1) * block.width] {
                writer.write_field(score.to_string())?;
            }
            writer.write_field(&block.decisions[row])?;
        }
        writer.write_record(None::<&[u8]>)?;
    }
    Ok(())
}
