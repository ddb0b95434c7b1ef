//! `metrics.jsonl`: every recorded number at full precision, one JSON object a line.

use super::{Event, Header, Recorder, SplitName, StepRecord, UpdateRecord};
use crate::error::{Mistake, note};
use anyhow::Result;
use serde_json::to_writer;
use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::iter;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Writes lines such as `{"step":12,"epoch":0,"split":"train","task":"task1","metric":"loss","value":0.6931471805599453}`.
///
/// The keys come in this order. `value` is the shortest decimal that reads back to the same f64; `null` where there is no
/// value (an absent task, an undefined metric); and, since JSON has no word for them, the strings `"NaN"`, `"Infinity"`
/// and `"-Infinity"`.
///
/// A recorded step gives, all with the split `train`: `loss` per task, `weight` per task, and for the task `total`
/// `loss`, `learning_rate` and `gradient_norm`. Unless every task is absent, it goes on with `total`'s `update_norm` (of
/// the direction that the method gave the shared parameters), `update_cosine` (to the mean of the tasks' gradients) and
/// `backward_passes`. Where the tasks' gradients were looked at, there follow `gradient_norm` per task,
/// `gradient_cosines` per task, whose value is a list with the cosine to every task in order, and `total`'s
/// `conflicting_pairs` (the share of negative cosines among the pairs of present tasks).
///
/// Times are left out: two equal runs write equal files, byte by byte.
#[derive(Debug)]
pub struct JsonLines {
    path: PathBuf,
    file: BufWriter<File>,
    /// Task names as JSON strings, quotes included.
    tasks: Vec<Vec<u8>>,
    bytes: u64,
    lines: Vec<u8>,
}

impl JsonLines {
    /// The file's name in a run's folder.
    pub const FILE: &str = "metrics.jsonl";

    /// Looks whether the file can be cut back to `keep_bytes`; changes nothing.
    ///
    /// # Errors
    /// The file is missing, shorter than that, or its lines do not end there, because they are others.
    pub fn look(path: &Path, keep_bytes: u64) -> Result<()> {
        if keep_bytes == 0 {
            return Ok(());
        }
        let mut file = File::open(path).map_err(|error| unopened(path, &error))?;
        let length = file.metadata()?.len();
        let what = if length < keep_bytes {
            format!("holds {length} bytes, but the checkpoint was made when it held {keep_bytes}")
        } else if byte(&mut file, keep_bytes - 1)? != b'\n' {
            format!("was changed: no line ends at byte {keep_bytes}, where it ended when the checkpoint was made")
        } else {
            return Ok(());
        };
        Err(Mistake::new(path.display(), what).remedy(BRING_BACK).into())
    }

    /// Opens the file: a new one, or, with `keep_bytes`, the one that is there, cut back to that length.
    ///
    /// # Errors
    /// The file cannot be opened, it exists although a new one is wanted, or it is shorter than `keep_bytes`.
    pub fn create(path: &Path, header: &Header, keep_bytes: Option<u64>) -> Result<Self> {
        let file = match keep_bytes {
            None => {
                let opened = OpenOptions::new().read(true).append(true).create_new(true).open(path);
                opened.map_err(|error| unopened(path, &error))?
            }
            Some(keep) => cut_back(path, keep)?,
        };
        Self::over(file, path, header, keep_bytes.unwrap_or(0))
    }

    fn over(file: File, path: &Path, header: &Header, bytes: u64) -> Result<Self> {
        Ok(Self {
            path: path.to_path_buf(),
            file: BufWriter::with_capacity(CAPACITY, file),
            tasks: header.tasks.iter().map(serde_json::to_vec).collect::<Result<_, _>>()?,
            bytes,
            lines: Vec::new(),
        })
    }

    /// The length of the file once all that was recorded is written. A checkpoint stores it, and resuming cuts back to it.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    fn step(&mut self, record: &StepRecord) -> io::Result<()> {
        let start = line_start(record.step, record.epoch, SplitName::Train);
        self.per_task(&start, "loss", record.losses)?;
        self.per_task(&start, "weight", record.weights)?;
        self.total(&start, "loss", record.total)?;
        self.total(&start, "learning_rate", Some(record.learning_rate))?;
        self.total(&start, "gradient_norm", Some(record.gradient_norm))?;
        record.update.as_ref().map_or(Ok(()), |update| self.update(&start, update))
    }

    fn update(&mut self, start: &[u8], update: &UpdateRecord) -> io::Result<()> {
        self.total(start, "update_norm", Some(update.norm))?;
        self.total(start, "update_cosine", update.cosine_to_mean)?;
        self.total(start, "backward_passes", Some(update.backward_passes as f64))?;
        let Some(gradients) = &update.gradients else { return Ok(()) };
        self.per_task(start, "gradient_norm", &gradients.norms)?;
        for (task, cosines) in self.tasks.iter().zip(&gradients.cosines) {
            line(&mut self.lines, start, task, "gradient_cosines", |lines| list(lines, cosines))?;
        }
        self.total(start, "conflicting_pairs", gradients.conflicting_pairs)
    }

    fn per_task(&mut self, start: &[u8], metric: &str, values: &[Option<f64>]) -> io::Result<()> {
        let mut tasks = self.tasks.iter().zip(values);
        tasks.try_for_each(|(task, value)| line(&mut self.lines, start, task, metric, |lines| number(lines, *value)))
    }

    fn total(&mut self, start: &[u8], metric: &str, value: Option<f64>) -> io::Result<()> {
        line(&mut self.lines, start, b"\"total\"", metric, |lines| number(lines, value))
    }

    /// Looks whether the file is still there as it was written. One that was removed is written anew.
    fn refuse_changes(&mut self) -> Result<()> {
        let own = self.file.get_ref().metadata()?;
        let Ok(found) = fs::metadata(&self.path) else {
            self.bring_back().map_err(|error| unwritten(&self.path, &error))?;
            note(format!("warning: {} was removed while the run wrote it; it was written anew", self.path.display()));
            return Ok(());
        };
        let what = if found.ino() != own.ino() {
            "was replaced by another file while the run wrote it".to_string()
        } else if own.is_file() && own.len() != self.bytes {
            format!("holds {} bytes, but the run has written {}: something else writes it", own.len(), self.bytes)
        } else {
            return Ok(());
        };
        Err(Mistake::new(self.path.display(), what).remedy(BRING_BACK).into())
    }

    /// Writes the file anew from what is still open.
    fn bring_back(&mut self) -> io::Result<()> {
        let mut own = self.file.get_ref();
        own.seek(SeekFrom::Start(0))?;
        let mut file = OpenOptions::new().read(true).append(true).create_new(true).open(&self.path)?;
        io::copy(&mut own, &mut file)?;
        file.sync_data()?;
        self.file = BufWriter::with_capacity(CAPACITY, file);
        Ok(())
    }

    fn write(&mut self) -> io::Result<()> {
        self.bytes += self.lines.len() as u64;
        self.file.write_all(&self.lines)?;
        self.lines.clear();
        Ok(())
    }
}

impl Recorder for JsonLines {
    fn record(&mut self, event: &Event) -> Result<()> {
        match event {
            Event::Step(record) => self.step(record)?,
            Event::Scores { step, epoch, split, scores } => {
                let start = line_start(*step, *epoch, *split);
                for score in *scores {
                    let task = serde_json::to_vec(&score.task)?;
                    line(&mut self.lines, &start, &task, score.metric, |lines| number(lines, score.value))?;
                }
            }
            Event::Cosines { .. } | Event::Parameters { .. } | Event::EpochEnd { .. } | Event::End { .. } => {
                return Ok(());
            }
        }
        self.write().map_err(|error| unwritten(&self.path, &error).into())
    }

    fn flush(&mut self) -> Result<()> {
        let flushed = self.file.flush().and_then(|()| self.file.get_ref().sync_data());
        flushed.map_err(|error| unwritten(&self.path, &error))?;
        self.refuse_changes()
    }

    fn positions(&self) -> BTreeMap<String, u64> {
        BTreeMap::from([(Self::FILE.to_string(), self.bytes())])
    }
}

/// Bytes that are held back until they are written.
const CAPACITY: usize = 1 << 16;

/// The way on where the file is not what the run wrote.
const BRING_BACK: &str = "bring the file back as it was, or start the run anew in another folder";

/// What the lines of one event share.
fn line_start(step: i64, epoch: i64, split: SplitName) -> Vec<u8> {
    format!("{{\"step\":{step},\"epoch\":{epoch},\"split\":\"{}\",\"task\":", split.name()).into_bytes()
}

/// One line; `task` is a JSON string already, a metric's name needs no escapes.
fn line(
    lines: &mut Vec<u8>,
    start: &[u8],
    task: &[u8],
    metric: &str,
    value: impl FnOnce(&mut Vec<u8>) -> io::Result<()>,
) -> io::Result<()> {
    for part in [start, task, b",\"metric\":\"", metric.as_bytes(), b"\",\"value\":"] {
        lines.extend_from_slice(part);
    }
    value(lines)?;
    lines.extend_from_slice(b"}\n");
    Ok(())
}

fn list(lines: &mut Vec<u8>, values: &[Option<f64>]) -> io::Result<()> {
    for (value, separator) in values.iter().zip(iter::once(b'[').chain(iter::repeat(b','))) {
        lines.push(separator);
        number(lines, *value)?;
    }
    lines.push(b']');
    Ok(())
}

fn number(lines: &mut Vec<u8>, value: Option<f64>) -> io::Result<()> {
    match value {
        None => lines.extend_from_slice(b"null"),
        Some(value) if value.is_finite() => to_writer(lines, &value)?,
        Some(value) if value.is_nan() => lines.extend_from_slice(b"\"NaN\""),
        Some(value) if value > 0.0 => lines.extend_from_slice(b"\"Infinity\""),
        Some(_) => lines.extend_from_slice(b"\"-Infinity\""),
    }
    Ok(())
}

fn cut_back(path: &Path, keep: u64) -> Result<File> {
    JsonLines::look(path, keep)?;
    let opened = OpenOptions::new().read(true).append(true).create(keep == 0).open(path);
    let file = opened.map_err(|error| unopened(path, &error))?;
    file.set_len(keep).map_err(|error| unwritten(path, &error))?;
    Ok(file)
}

/// The byte at a place of a file.
fn byte(file: &mut File, at: u64) -> io::Result<u8> {
    let mut byte = [0];
    file.seek(SeekFrom::Start(at))?;
    file.read_exact(&mut byte)?;
    Ok(byte[0])
}

fn unopened(path: &Path, error: &io::Error) -> Mistake {
    let mistake = Mistake::new(path.display(), format!("cannot be opened: {error}"));
    match error.kind() {
        io::ErrorKind::AlreadyExists => mistake.remedy("go on with that run by --resume, or choose another folder"),
        io::ErrorKind::NotFound => mistake.remedy(BRING_BACK),
        _ => mistake.remedy("see that the folder is there and that you may write into it"),
    }
}

fn unwritten(path: &Path, error: &io::Error) -> Mistake {
    Mistake::new(path.display(), format!("cannot be written: {error}"))
        .remedy("make room on the disk, then go on from the last checkpoint with --resume")
}

#[cfg(test)]
mod tests {
    use super::super::GradientRecord;
    use super::super::example::{Example, score, step, update};
    use super::*;

    fn recorded(path: &Path, keep: Option<u64>, events: &[Event]) -> Result<u64> {
        let example = Example::new(2);
        let mut lines = JsonLines::create(path, &example.header(), keep)?;
        events.iter().try_for_each(|event| lines.record(event))?;
        lines.flush()?;
        Ok(lines.bytes())
    }

    #[test]
    fn a_step_and_scores_give_exactly_these_lines() -> Result<()> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("metrics.jsonl");
        let scores = [
            score("task1", "loss", Some(f64::INFINITY)),
            score("task2", "accuracy", None),
            score("task2", "rmse", Some(-f64::INFINITY)),
        ];
        let record = step(112, &[Some(std::f64::consts::LN_2), None], &[Some(1.0), None]);
        let bytes = recorded(
            &path,
            None,
            &[
                Event::Step(&record),
                Event::Step(&step(113, &[Some(f64::NAN), Some(1e-300)], &[Some(0.1 + 0.2), Some(0.0)])),
                Event::Scores { step: 200, epoch: 1, split: SplitName::Validation, scores: &scores },
                Event::EpochEnd { step: 200, epoch: 1, seconds: 3.0 },
            ],
        )?;
        let text = std::fs::read_to_string(&path)?;
        assert_eq!(
            text,
            r#"{"step":112,"epoch":1,"split":"train","task":"task1","metric":"loss","value":0.6931471805599453}
{"step":112,"epoch":1,"split":"train","task":"task2","metric":"loss","value":null}
{"step":112,"epoch":1,"split":"train","task":"task1","metric":"weight","value":1.0}
{"step":112,"epoch":1,"split":"train","task":"task2","metric":"weight","value":null}
{"step":112,"epoch":1,"split":"train","task":"total","metric":"loss","value":0.6931471805599453}
{"step":112,"epoch":1,"split":"train","task":"total","metric":"learning_rate","value":0.001}
{"step":112,"epoch":1,"split":"train","task":"total","metric":"gradient_norm","value":0.5}
{"step":113,"epoch":1,"split":"train","task":"task1","metric":"loss","value":"NaN"}
{"step":113,"epoch":1,"split":"train","task":"task2","metric":"loss","value":1e-300}
{"step":113,"epoch":1,"split":"train","task":"task1","metric":"weight","value":0.30000000000000004}
{"step":113,"epoch":1,"split":"train","task":"task2","metric":"weight","value":0.0}
{"step":113,"epoch":1,"split":"train","task":"total","metric":"loss","value":"NaN"}
{"step":113,"epoch":1,"split":"train","task":"total","metric":"learning_rate","value":0.001}
{"step":113,"epoch":1,"split":"train","task":"total","metric":"gradient_norm","value":0.5}
{"step":200,"epoch":1,"split":"validation","task":"task1","metric":"loss","value":"Infinity"}
{"step":200,"epoch":1,"split":"validation","task":"task2","metric":"accuracy","value":null}
{"step":200,"epoch":1,"split":"validation","task":"task2","metric":"rmse","value":"-Infinity"}
"#
        );
        assert_eq!(bytes, text.len() as u64);
        assert!(text.lines().all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()));
        Ok(())
    }

    #[test]
    fn what_became_of_the_gradients_follows_the_losses() -> Result<()> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("metrics.jsonl");
        let record = |number, update| StepRecord { update: Some(update), ..step(number, &[None, None], &[None, None]) };
        let alone =
            GradientRecord { norms: vec![Some(0.0), None], cosines: vec![vec![None; 2]; 2], conflicting_pairs: None };
        let alone = UpdateRecord { cosine_to_mean: None, gradients: Some(alone), ..update() };
        let unseen = UpdateRecord { gradients: None, ..update() };
        let records = [record(7, update()), record(8, alone), record(9, unseen)];
        recorded(&path, None, &records.each_ref().map(Event::Step))?;
        let text = std::fs::read_to_string(&path)?;
        let lines: Vec<&str> =
            text.lines().filter_map(|line| line.split_once(r#""split":"train","task":"#)).map(|(_, end)| end).collect();
        assert_eq!(
            lines[7..15].join("\n"),
            r#""total","metric":"update_norm","value":0.5}
"total","metric":"update_cosine","value":0.75}
"total","metric":"backward_passes","value":2.0}
"task1","metric":"gradient_norm","value":2.0}
"task2","metric":"gradient_norm","value":0.5}
"task1","metric":"gradient_cosines","value":[1.0,-0.25]}
"task2","metric":"gradient_cosines","value":[-0.25,1.0]}
"total","metric":"conflicting_pairs","value":1.0}"#
        );
        assert_eq!(
            lines[22..30].join("\n"),
            r#""total","metric":"update_norm","value":0.5}
"total","metric":"update_cosine","value":null}
"total","metric":"backward_passes","value":2.0}
"task1","metric":"gradient_norm","value":0.0}
"task2","metric":"gradient_norm","value":null}
"task1","metric":"gradient_cosines","value":[null,null]}
"task2","metric":"gradient_cosines","value":[null,null]}
"total","metric":"conflicting_pairs","value":null}"#
        );
        assert_eq!(
            lines[37..].join("\n"),
            r#""total","metric":"update_norm","value":0.5}
"total","metric":"update_cosine","value":0.75}
"total","metric":"backward_passes","value":2.0}"#
        );
        assert!(text.lines().all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()));
        Ok(())
    }

    #[test]
    fn resuming_cuts_back_to_the_checkpoint_and_goes_on_behind_it() -> Result<()> {
        let folder = tempfile::tempdir()?;
        let (broken, whole) = (folder.path().join("broken.jsonl"), folder.path().join("whole.jsonl"));
        let losses = [[Some(1.0), Some(2.0)], [Some(0.5), None], [Some(0.25), Some(1.0)]];
        let records: Vec<StepRecord> = losses.iter().zip(0..).map(|(loss, number)| step(number, loss, loss)).collect();
        let events: Vec<Event> = records.iter().map(Event::Step).collect();

        let kept = recorded(&broken, None, &events[..1])?;
        assert_eq!(recorded(&broken, Some(kept), &events[1..2])?, std::fs::metadata(&broken)?.len());
        recorded(&broken, Some(kept), &events[1..])?;
        recorded(&whole, Some(0), &events)?;
        assert_eq!(std::fs::read_to_string(&broken)?, std::fs::read_to_string(&whole)?);
        Ok(())
    }

    #[test]
    fn a_file_shorter_than_at_the_checkpoint_is_a_mistake() -> Result<()> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("metrics.jsonl");
        std::fs::write(&path, "{}\n")?;
        let error = recorded(&path, Some(4), &[]).expect_err("three bytes are not four");
        assert!(error.to_string().ends_with("holds 3 bytes, but the checkpoint was made when it held 4"), "{error}");
        assert_eq!(std::fs::read_to_string(&path)?, "{}\n");
        Ok(())
    }

    #[test]
    fn a_file_whose_lines_are_others_than_at_the_checkpoint_is_a_mistake() -> Result<()> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("metrics.jsonl");
        std::fs::write(&path, "{\"a\":1}\n{\"step\":2}\n")?;
        let error = recorded(&path, Some(12), &[]).expect_err("a line is missing");
        assert!(error.to_string().contains("no line ends at byte 12"), "{error}");
        assert!(crate::error::report(&error).contains("hint: bring the file back"), "{error}");
        Ok(())
    }

    #[test]
    fn a_file_that_is_removed_replaced_or_cut_while_it_is_written_is_noticed() -> Result<()> {
        let folder = tempfile::tempdir()?;
        let (path, example) = (folder.path().join("metrics.jsonl"), Example::new(2));
        let record = |lines: &mut JsonLines, number| -> Result<()> {
            lines.record(&Event::Step(&step(number, &[Some(1.0), None], &[Some(1.0), None])))?;
            lines.flush()
        };
        let mut lines = JsonLines::create(&path, &example.header(), None)?;
        record(&mut lines, 0)?;
        std::fs::remove_file(&path)?;
        record(&mut lines, 1)?;
        record(&mut lines, 2)?;
        let text = std::fs::read_to_string(&path)?;
        let steps = text.lines().filter(|line| line.contains("learning_rate")).count();
        assert_eq!((steps, text.len() as u64), (3, lines.bytes()), "removed: it is written anew, whole");

        let cut = OpenOptions::new().write(true).open(&path)?;
        cut.set_len(10)?;
        let error = record(&mut lines, 3).expect_err("it was cut");
        assert!(error.to_string().contains("something else writes it"), "{error}");
        assert!(!std::fs::read(&path)?.contains(&0), "no hole");

        std::fs::write(folder.path().join("other"), "{}")?;
        std::fs::rename(folder.path().join("other"), &path)?;
        let error = record(&mut lines, 4).expect_err("it was replaced");
        assert!(error.to_string().contains("was replaced by another file"), "{error}");
        Ok(())
    }

    #[test]
    fn a_file_that_is_there_is_never_overwritten() -> Result<()> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("metrics.jsonl");
        std::fs::write(&path, "precious")?;
        let error = recorded(&path, None, &[]).expect_err("the file exists");
        assert!(crate::error::report(&error).contains("--resume"));
        assert_eq!(std::fs::read_to_string(&path)?, "precious");
        Ok(())
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_stops_the_run_and_names_the_file() -> Result<()> {
        let example = Example::new(2);
        let path = Path::new("/dev/full");
        let file = OpenOptions::new().write(true).open(path)?;
        let mut lines = JsonLines::over(file, path, &example.header(), 0)?;
        lines.record(&Event::Step(&step(0, &[Some(1.0), None], &[Some(1.0), None])))?;
        let error = lines.flush().expect_err("nothing can be written to /dev/full");
        let report = crate::error::report(&error);
        assert!(report.starts_with("error: /dev/full: cannot be written: No space left on device"), "{report}");
        assert!(report.contains("hint: make room on the disk"), "{report}");
        Ok(())
    }
}
