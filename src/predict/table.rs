//! Answers as the rows of a delimited table.

use super::outputs::{Answer, AnswerFile};
use crate::error::Mistake;
use crate::metadata::TaskFacts;
use crate::tasks::Form;
use anyhow::Result;
use std::fs::File;
use std::path::Path;
use tch::{Kind, Tensor};

/// Per output its scores `NAME_0 … NAME_k` and the decision `NAME`, a line per row.
pub(super) struct TableFile {
    writer: csv::Writer<File>,
    has_header: bool,
    /// The model.
    place: String,
}

impl TableFile {
    /// Begins the file at `path`; `place` names the model.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn new(path: &Path, delimiter: u8, place: &str) -> Result<Self> {
        let writer = csv::WriterBuilder::new().delimiter(delimiter).from_path(path)?;
        Ok(Self { writer, has_header: false, place: place.to_string() })
    }

    /// A row has one entry of every output.
    fn check(&self, answers: &[Answer]) -> Result<(), Mistake> {
        let Some(dense) = answers.iter().find(|answer| answer.scores.dim() > 2) else { return Ok(()) };
        let (name, shape) = (&dense.facts.name, dense.scores.size());
        let positions: Vec<String> = shape[2..].iter().map(i64::to_string).collect();
        let what = format!(
            "its output {name} has [{}] positions in every row, and a table has place for one",
            positions.join(", ")
        );
        Err(Mistake::new(&self.place, what).remedy("write -o OUT.npz, which takes outputs of any shape"))
    }
}

impl AnswerFile for TableFile {
    fn write(&mut self, _start: i64, answers: &[Answer]) -> Result<()> {
        self.check(answers)?;
        if !self.has_header {
            let columns: Vec<String> = answers.iter().flat_map(|answer| header(answer.facts)).collect();
            if let Some(at) = (1..columns.len()).find(|&at| columns[..at].contains(&columns[at])) {
                let what = format!("two columns would be called {}", columns[at]);
                return Err(Mistake::new(&self.place, what).remedy("give the outputs other names").into());
            }
            self.writer.write_record(columns)?;
            self.has_header = true;
        }
        let blocks = answers.iter().map(Block::new).collect::<Result<Vec<_>>>()?;
        let rows = blocks.first().map_or(0, |block| block.decisions.len());
        for row in 0..rows {
            for block in &blocks {
                for score in &block.scores[row * block.width..(row + 1) * block.width] {
                    self.writer.write_field(score.to_string())?;
                }
                self.writer.write_field(&block.decisions[row])?;
            }
            self.writer.write_record(None::<&[u8]>)?;
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<()> {
        Ok(self.writer.flush()?)
    }
}

fn header(facts: &TaskFacts) -> Vec<String> {
    let scores = (0..facts.form.width()).map(|column| format!("{}_{column}", facts.name));
    scores.chain(std::iter::once(facts.name.clone())).collect()
}

/// One output for some rows: its scores, row by row, and its decisions as texts.
struct Block {
    scores: Vec<f64>,
    width: usize,
    decisions: Vec<String>,
}

impl Block {
    fn new(answer: &Answer) -> Result<Self> {
        let scores = Vec::<f64>::try_from(answer.scores.to_kind(Kind::Double).reshape([-1]))?;
        let width = answer.facts.form.width() as usize;
        let decisions = match &answer.decision {
            Some(decision) => decided(answer.facts, decision, width)?,
            None => scores.chunks(width).map(joined).collect(),
        };
        Ok(Self { scores, width, decisions })
    }
}

/// The class (its name, where it has one), or the yes or no of each column.
fn decided(facts: &TaskFacts, decision: &Tensor, width: usize) -> Result<Vec<String>> {
    let numbers = Vec::<i64>::try_from(decision.to_kind(Kind::Int64).reshape([-1]))?;
    let name = |class: &i64| match &facts.labels {
        Some(labels) => labels[*class as usize].clone(),
        None => class.to_string(),
    };
    Ok(match facts.form {
        Form::Classes(_) => numbers.iter().map(name).collect(),
        Form::Binary(_) | Form::Real(_) => numbers.chunks(width).map(joined).collect(),
    })
}

fn joined<T: ToString>(row: &[T]) -> String {
    row.iter().map(T::to_string).collect::<Vec<_>>().join(" ")
}
