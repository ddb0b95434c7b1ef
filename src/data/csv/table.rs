//! One delimited file, read in one pass into numbers, column by column.

use super::parquet;
use crate::error::{Mistake, nearest};
use crate::files;
use crate::tasks::{Form, Task};
use anyhow::Result;
use csv::{ByteRecord, ErrorKind, Position, Reader, ReaderBuilder};
use flate2::read::MultiGzDecoder;
use std::collections::HashMap;
use std::fmt::Display;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

/// What the cells of a column stand for.
#[derive(Debug, Clone, Copy)]
pub(in crate::data) enum Role<'a> {
    /// A finite number; an empty cell is `NaN` where it may be missing, else a mistake.
    Number { may_miss: bool },
    /// A text, stored as its index into [`Table::levels`].
    Category,
    /// A label of the task; an empty cell is no label: `NaN`.
    Label(&'a Task),
    /// A row's weight.
    Weight,
}

/// A column to read.
#[derive(Debug, Clone, Copy)]
pub(in crate::data) struct Wanted<'a> {
    pub name: &'a str,
    pub role: Role<'a>,
}

/// The columns that were wanted, in their order.
#[derive(Debug)]
pub(in crate::data) struct Table {
    pub path: PathBuf,
    pub rows: usize,
    /// Per wanted column, one number per row.
    pub columns: Vec<Vec<f64>>,
    /// Per wanted column: the texts of a category, in order of appearance.
    pub levels: Vec<Vec<String>>,
}

/// A file whose header has been read.
pub(in crate::data) struct Opened {
    pub path: PathBuf,
    pub header: Vec<String>,
    reader: Reader<Box<dyn Read>>,
}

impl Opened {
    /// Opens `.csv`, `.tsv` (tabs), either also as `.gz`, or `.parquet`, and reads the header.
    pub fn new(path: &Path) -> Result<Self> {
        let source = source(path)?;
        let mut reader = ReaderBuilder::new()
            .delimiter(if kind(path).0 == "tsv" { b'\t' } else { b',' })
            .buffer_capacity(1 << 18)
            .from_reader(source);
        let record = reader.byte_headers().map_err(|error| unreadable(path, error))?;
        if record.is_empty() {
            return Err(Mistake::new(path.display(), "is empty").remedy("its first line names the columns").into());
        }
        let header = record
            .iter()
            .enumerate()
            .map(|(field, name)| match std::str::from_utf8(name.trim_ascii()) {
                Ok(name) => Ok(name.to_string()),
                Err(_) => Err(not_utf8(format!("{}:1, column {}", path.display(), field + 1), name)),
            })
            .collect::<Result<Vec<_>, Mistake>>()?;
        check_distinct(path, &header)?;
        Ok(Self { path: path.to_path_buf(), header, reader })
    }

    /// The position of a column.
    pub fn field(&self, name: &str) -> Result<usize, Mistake> {
        self.header.iter().position(|header| header == name).ok_or_else(|| {
            let mistake = Mistake::new(self.path.display(), format!("has no column \"{name}\""));
            mistake.remedy(hint(name, &self.header))
        })
    }

    /// Reads every row.
    pub fn read(mut self, wanted: &[Wanted]) -> Result<Table> {
        let fields = wanted.iter().map(|column| self.field(column.name)).collect::<Result<Vec<_>, _>>()?;
        let mut columns: Vec<Vec<f64>> = vec![Vec::new(); wanted.len()];
        let mut dictionaries: Vec<HashMap<String, usize>> = vec![HashMap::new(); wanted.len()];
        let mut record = ByteRecord::new();
        while self.reader.read_byte_record(&mut record).map_err(|error| unreadable(&self.path, error))? {
            for (index, column) in wanted.iter().enumerate() {
                let cell = record[fields[index]].trim_ascii();
                let number =
                    std::str::from_utf8(cell).map_err(|_| Refusal::NotText).and_then(|text| match column.role {
                        Role::Number { may_miss } => number(text, may_miss),
                        Role::Category => Ok(code(text, &mut dictionaries[index])),
                        Role::Label(task) => label(text, task),
                        Role::Weight => weight(text),
                    });
                match number {
                    Ok(number) => columns[index].push(number),
                    Err(refusal) => return Err(self.refuse(refusal, &record, column, cell).into()),
                }
            }
        }
        let rows = columns.first().map_or(0, Vec::len);
        if rows == 0 {
            return Err(Mistake::new(self.path.display(), "has a header, but no rows").into());
        }
        let levels = dictionaries.into_iter().map(in_order).collect();
        Ok(Table { path: self.path, rows, columns, levels })
    }

    fn refuse(&self, refusal: Refusal, record: &ByteRecord, column: &Wanted, cell: &[u8]) -> Mistake {
        let line = line(&self.path, record.position());
        let place = format!("{}:{line}, column \"{}\"", self.path.display(), column.name);
        match refusal {
            Refusal::NotText => not_utf8(place, cell),
            Refusal::Bad { what, remedy } => Mistake { place, what, remedy: Some(remedy) },
        }
    }
}

/// Why a cell is not taken.
enum Refusal {
    NotText,
    Bad { what: String, remedy: String },
}

fn refused(what: impl Into<String>, remedy: impl Into<String>) -> Refusal {
    Refusal::Bad { what: what.into(), remedy: remedy.into() }
}

fn number(text: &str, may_miss: bool) -> Result<f64, Refusal> {
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() => Ok(number),
        Ok(_) => Err(refused(
            format!("{} is not a finite number", quoted(text)),
            "mend the cell, or leave it empty and set `missing: mean`",
        )),
        Err(_) if text.is_empty() && may_miss => Ok(f64::NAN),
        Err(_) if text.is_empty() => Err(refused("the cell is empty", "fill it, or set `missing: mean`")),
        Err(_) => Err(refused(
            format!("{} is not a number", quoted(text)),
            "mend the cell, name the column in `categorical`, or leave it out of `inputs`",
        )),
    }
}

fn code(text: &str, dictionary: &mut HashMap<String, usize>) -> f64 {
    if let Some(code) = dictionary.get(text) {
        return *code as f64;
    }
    let code = dictionary.len();
    dictionary.insert(text.to_string(), code);
    code as f64
}

fn weight(text: &str) -> Result<f64, Refusal> {
    match text.parse::<f64>() {
        Ok(weight) if weight >= 0.0 && weight.is_finite() => Ok(weight),
        _ => Err(refused(format!("{} is not a weight", quoted(text)), "a row's weight is a number of 0 or above")),
    }
}

fn label(text: &str, task: &Task) -> Result<f64, Refusal> {
    if text.is_empty() {
        return Ok(f64::NAN);
    }
    let value = text.parse::<f64>().ok().filter(|value| value.is_finite());
    match (task.form, &task.labels) {
        (Form::Classes(_), Some(names)) => {
            names.iter().position(|name| name == text).map(|class| class as f64).ok_or_else(|| {
                let remedy = match nearest(text, names.iter().map(String::as_str)) {
                    Some(near) => format!("did you mean \"{near}\"?"),
                    None => format!("add it to the task's `labels`: {}", listed(names)),
                };
                refused(format!("{} is not among the labels of task \"{}\"", quoted(text), task.name), remedy)
            })
        }
        (Form::Classes(classes), None) => {
            value.filter(|class| class.fract() == 0.0 && (0.0..classes as f64).contains(class)).ok_or_else(|| {
                refused(
                    format!("{} is not a class of task \"{}\": 0 to {} are", quoted(text), task.name, classes - 1),
                    "mend the cell or the loss's `classes`; where the column holds names, list them in the task's `labels`",
                )
            })
        }
        (Form::Binary(_), _) => match value {
            Some(bit) if bit == 0.0 || bit == 1.0 => Ok(bit),
            _ if text.eq_ignore_ascii_case("true") => Ok(1.0),
            _ if text.eq_ignore_ascii_case("false") => Ok(0.0),
            _ => Err(refused(
                format!("{} is not a yes-or-no label of task \"{}\"", quoted(text), task.name),
                "write 0 or 1, true or false, or leave the cell empty where there is no label",
            )),
        },
        (Form::Real(_), _) => value.ok_or_else(|| {
            refused(
                format!("{} is not a finite number, as task \"{}\" needs", quoted(text), task.name),
                "mend the cell, or leave it empty where there is no label",
            )
        }),
    }
}

fn in_order(dictionary: HashMap<String, usize>) -> Vec<String> {
    let mut texts: Vec<(usize, String)> = dictionary.into_iter().map(|(text, code)| (code, text)).collect();
    texts.sort_unstable();
    texts.into_iter().map(|(_, text)| text).collect()
}

fn check_distinct(path: &Path, header: &[String]) -> Result<(), Mistake> {
    let mut seen = HashMap::new();
    for (field, name) in header.iter().enumerate() {
        if let Some(first) = seen.insert(name, field) {
            let what = format!("columns {} and {} are both called \"{name}\"", first + 1, field + 1);
            return Err(Mistake::new(format!("{}:1", path.display()), what).remedy("give every column its own name"));
        }
    }
    Ok(())
}

/// What a file's name says: the extension before any `.gz`, and whether there is one.
fn kind(path: &Path) -> (String, bool) {
    let extension = |path: &Path| path.extension().and_then(|it| it.to_str()).unwrap_or_default().to_lowercase();
    match extension(path).as_str() {
        "gz" => (extension(Path::new(path.file_stem().unwrap_or_default())), true),
        other => (other.to_string(), false),
    }
}

/// The text of a table; that of a `.parquet` file is written here.
fn source(path: &Path) -> Result<Box<dyn Read>> {
    let file = File::open(path).map_err(|error| files::unreadable(path, &error))?;
    if kind(path).0 == "parquet" {
        return Ok(Box::new(io::Cursor::new(parquet::text(path, file)?)));
    }
    if kind(path).1 {
        return Ok(Box::new(MultiGzDecoder::new(BufReader::with_capacity(1 << 16, file))));
    }
    Ok(Box::new(file))
}

/// The line on which a record starts. Counted anew: the crate's own count stops at blank lines and before a `\n` after `\r`.
fn line(path: &Path, position: Option<&Position>) -> u64 {
    let start = position.map_or(0, Position::byte);
    let Ok(source) = source(path) else { return 0 };
    let (mut line, mut last) = (1, 0);
    for (at, byte) in BufReader::with_capacity(1 << 18, source).bytes().map_while(io::Result::ok).enumerate() {
        // A line ends with `\n`, `\r\n` or `\r`.
        line += u64::from(last == b'\n' || (last == b'\r' && byte != b'\n'));
        last = byte;
        if at as u64 >= start && !matches!(byte, b'\r' | b'\n') {
            break;
        }
    }
    line
}

fn unreadable(path: &Path, error: csv::Error) -> Mistake {
    let file = path.display();
    match error.into_kind() {
        ErrorKind::UnequalLengths { pos, expected_len, len } => {
            let line = line(path, pos.as_ref());
            Mistake::new(format!("{file}:{line}"), format!("has {len} cells where the header has {expected_len}"))
                .remedy("a cell that holds the separator, a quote or a line break stands in double quotes")
        }
        ErrorKind::Io(error) if path.extension().is_some_and(|it| it.eq_ignore_ascii_case("gz")) => {
            Mistake::new(file, format!("is not a whole gzip file: {error}")).remedy("fetch or write it again")
        }
        ErrorKind::Io(error) => Mistake::new(file, format!("cannot be read: {error}")),
        other => Mistake::new(file, format!("cannot be read: {other:?}")),
    }
}

fn not_utf8(place: impl Display, cell: &[u8]) -> Mistake {
    Mistake::new(place, format!("{} is not UTF-8", quoted(&String::from_utf8_lossy(cell))))
        .remedy("save the file as UTF-8")
}

/// A cell's text as a message shows it.
fn quoted(text: &str) -> String {
    const SHOWN: usize = 40;
    if text.chars().count() <= SHOWN {
        return format!("\"{text}\"");
    }
    format!("\"{}…\"", text.chars().take(SHOWN).collect::<String>())
}

/// What a column called `wrong` may have meant.
pub(in crate::data) fn hint(wrong: &str, header: &[String]) -> String {
    // Of names this short, any is near any other.
    let near = nearest(wrong, header.iter().map(String::as_str)).filter(|_| wrong.chars().count() > 2);
    near.map_or_else(|| format!("its columns are {}", listed(header)), |near| format!("did you mean \"{near}\"?"))
}

/// The first few names of a list.
pub(in crate::data) fn listed(names: &[String]) -> String {
    const SHOWN: usize = 12;
    let more = if names.len() > SHOWN { format!(" and {} more", names.len() - SHOWN) } else { String::new() };
    let shown: Vec<String> = names.iter().take(SHOWN).map(|name| format!("\"{name}\"")).collect();
    shown.join(", ") + &more
}
