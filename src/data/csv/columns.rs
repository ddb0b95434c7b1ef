//! What the input columns of a table hold, and what of it a person should hear about.

use super::fit::Loaded;
use super::inputs::Input;
use crate::data::{Column, Features, SPLITS};
use crate::error::{Mistake, note};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::path::PathBuf;

/// What becomes of a category that no training row holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum UnseenPolicy {
    /// A warning with count and examples; the cell is all zeros (index 0).
    #[default]
    Warn,
    /// A mistake.
    Error,
}

/// What was seen in an input column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ColumnFacts {
    /// The header.
    pub name: String,
    /// What its cells are, in the training rows.
    pub content: Content,
    /// Share of empty cells among the training rows.
    pub missing: f64,
    /// Where rows hold a category that no training row holds.
    pub unseen: Vec<Unseen>,
}

/// What the cells of a column are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Content {
    /// Numbers from the first to the second.
    Numbers(f64, f64),
    /// Texts: how many different ones.
    Categories(usize),
}

/// Rows of one split whose category is not known.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Unseen {
    /// `train`, `validation`, `test`; `input` for rows to predict.
    pub split: String,
    /// So many rows hold one …
    pub rows: usize,
    /// … of so many.
    pub of: usize,
    /// The first different ones, at most three.
    pub examples: Vec<String>,
}

impl Unseen {
    /// Whether more than half of the split is concerned.
    pub fn is_most(&self) -> bool {
        2 * self.rows > self.of
    }
}

/// Columns of fewer rows are not called counters.
const FEWEST_COUNTED: usize = 10;
/// So many unseen categories are told as examples.
const EXAMPLES: usize = 3;

/// Looks at every input column of the files, for categories that are not known in the splits from `first` on.
pub(super) fn look(inputs: &[Input], features: &Features, files: &[Loaded], first: usize) -> Vec<ColumnFacts> {
    let column = |(index, input): (usize, &Input)| {
        let empty = |file: &Loaded, row: usize| match input.categorical {
            true => file.text(index, row).is_empty(),
            false => file.table.columns[index][row].is_nan(),
        };
        let train = || files.iter().flat_map(|file| file.rows[0].iter().map(move |&row| (file, row)));
        let content = match &features.columns[index] {
            Column::Categorical { levels, .. } => Content::Categories(levels.len()),
            Column::Numeric { .. } => {
                let numbers = train().map(|(file, row)| file.table.columns[index][row]).filter(|x| !x.is_nan());
                let (least, most) =
                    numbers.fold((f64::INFINITY, f64::NEG_INFINITY), |(least, most), x| (least.min(x), most.max(x)));
                Content::Numbers(least, most)
            }
        };
        let splits = SPLITS.iter().enumerate().skip(first);
        let unseen = match &features.columns[index] {
            Column::Categorical { levels, .. } => {
                splits.filter_map(|(split, name)| unseen(index, levels, files, split, name)).collect()
            }
            Column::Numeric { .. } => vec![],
        };
        let missing = train().filter(|(file, row)| empty(file, *row)).count() as f64 / train().count().max(1) as f64;
        ColumnFacts { name: input.name.clone(), content, missing, unseen }
    };
    inputs.iter().enumerate().map(column).collect()
}

/// The rows of a split that hold a text which is not among `levels`, if any do.
fn unseen(column: usize, levels: &[String], files: &[Loaded], split: usize, name: &str) -> Option<Unseen> {
    let known: HashSet<&String> = levels.iter().collect();
    let (mut rows, mut of, mut examples) = (0, 0, Vec::new());
    for file in files {
        let texts = &file.table.levels[column];
        let is_known: Vec<bool> = texts.iter().map(|text| known.contains(text)).collect();
        of += file.rows[split].len();
        for &row in &file.rows[split] {
            let code = file.table.columns[column][row] as usize;
            if is_known[code] {
                continue;
            }
            rows += 1;
            if examples.len() < EXAMPLES && !examples.contains(&texts[code]) {
                examples.push(texts[code].clone());
            }
        }
    }
    (rows > 0).then(|| Unseen { split: name.to_string(), rows, of, examples })
}

/// Warns of categories that are not known, or refuses them.
///
/// # Errors
/// There are some, and `policy` refuses them.
pub(super) fn tell_unseen(
    columns: &[ColumnFacts],
    policy: UnseenPolicy,
    fitted: bool,
    file: impl Fn(&str) -> PathBuf,
) -> Result<(), Mistake> {
    for column in columns {
        for Unseen { split, rows, of, examples } in &column.unseen {
            let share = 100.0 * *rows as f64 / *of as f64;
            let by = if fitted { "the model has not seen" } else { "no training row holds" };
            let examples = examples.iter().map(|text| format!("\"{text}\"")).collect::<Vec<_>>().join(", ");
            let what = format!("{rows} of {of} {split} rows ({share:.0} %) hold a text that {by}, such as {examples}");
            let place = format!("{}, column \"{}\"", file(split).display(), column.name);
            let remedy = match split.as_str() {
                "input" => "write them as the training file does",
                _ => "write the column alike everywhere; one of unique texts is no category: name it in `exclude`",
            };
            if policy == UnseenPolicy::Error {
                return Err(Mistake::new(place, what).remedy(format!("{remedy}; `unseen: warn` takes them as unknown")));
            }
            note(format!("warning: {place}: {what}\n  hint: {remedy}"));
        }
    }
    Ok(())
}

/// Warns of columns that can teach nothing, or teach what a new row will not have: constants, and counters of the rows.
///
/// # Errors
/// A column without a name counts the rows: it is the index that a program wrote along.
pub(super) fn check(inputs: &[Input], columns: &[ColumnFacts], files: &[Loaded]) -> Result<(), Mistake> {
    for (index, (input, facts)) in inputs.iter().zip(columns).enumerate() {
        let place = format!("{}, column {} \"{}\"", files[0].table.path.display(), index + 1, input.name);
        let remedy = format!("leave it out: `exclude: [\"{}\"]` in `data`", input.name);
        let counts = !input.categorical && files.iter().all(|file| counts_rows(&file.table.columns[index]));
        let what = match facts.content {
            _ if counts && is_unnamed(&input.name) => {
                return Err(Mistake::new(place, "has no name and counts the rows: it is no input").remedy(remedy));
            }
            _ if counts => "counts the rows: what a model learns from it holds for no other row",
            _ if is_unnamed(&input.name) => "has no name",
            Content::Numbers(least, most) if least == most => {
                "holds one number in every training row that is not empty"
            }
            Content::Categories(1) => "holds one text in every training row",
            _ => continue,
        };
        note(format!("warning: {place}: {what}\n  hint: {remedy}"));
    }
    Ok(())
}

/// Whether a header is empty, or what pandas makes of an empty one (`Unnamed: 0`).
fn is_unnamed(name: &str) -> bool {
    let number = name.strip_prefix("Unnamed: ");
    name.is_empty() || number.is_some_and(|number| !number.is_empty() && number.chars().all(|c| c.is_ascii_digit()))
}

/// Whether a column is its first number, and one more from row to row.
fn counts_rows(column: &[f64]) -> bool {
    column.len() >= FEWEST_COUNTED && column.iter().zip(0..).all(|(value, row)| value - column[0] == f64::from(row))
}
