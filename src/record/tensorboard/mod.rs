//! Event files for TensorBoard.

mod earlier;
mod file;
mod graph;
mod histogram;
mod hparams;
mod summaries;
#[cfg(test)]
mod tests;
mod update;

use super::{Event, Header, Recorder, Score, SplitName, StepRecord};
use crate::error::note;
use crate::picture::Heatmap;
use anyhow::Result;
pub use earlier::EarlierEvents;
use file::EventFile;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use std::{fs, io};
use summaries::{image, scalar};
use tch::Tensor;
use tensorboard_proto::summary::Summary_Value;
use update::UpdateTags;

/// What was recorded is on disk after so long, at the latest with the next event.
const PATIENCE: Duration = Duration::from_secs(5);

/// Writes one event file per process into the run's folder.
///
/// | tag | what | when |
/// |---|---|---|
/// | `train/loss/TASK`, `train/loss/total` | loss of the batch before the update | recorded steps |
/// | `train/weight/TASK` | weight in the update | recorded steps |
/// | `train/learning_rate` | after the schedule | recorded steps |
/// | `gradients/norm/total` | norm of the whole gradient, before clipping | recorded steps |
/// | `time/step_ms` | wall time of a step | recorded steps |
/// | `update/norm` | norm of the direction that the method gave the shared parameters | recorded steps |
/// | `update/cosine_to_mean` | its cosine to the mean of the tasks' gradients | recorded steps |
/// | `method/milliseconds` | wall time of the method alone | recorded steps |
/// | `method/backward_passes` | backward passes of a step | recorded steps |
/// | `gradients/norm/TASK` | norm of the task's gradient | steps whose gradients are looked at |
/// | `gradients/cosine/TASK1/TASK2` | cosine of two tasks' gradients; with up to eight tasks | the same steps |
/// | `gradients/conflicting_pairs` | share of the pairs with a negative cosine | the same steps |
/// | `gradients/cosines` | picture of all cosines, means over the epoch | epoch ends |
/// | `memory/rss_mb` | resident memory of the process, 10⁶ bytes | epoch ends |
/// | `SPLIT/TASK/METRIC` | measured on whole splits | evaluations |
/// | `parameters/NAME` | histogram of the finite values | epoch ends |
/// | `config`, `environment` | texts | start; of a resumed run, its first recorded step |
///
/// The first file of a run also records hyper-parameters, a layout of custom scalars and the model's graph. A value that is
/// not there (an absent task) is not written; NaN is. TensorBoard holds scalars as f32; `metrics.jsonl` has every digit.
///
/// A write error ends these records, not the training: it is told once on stderr.
pub struct TensorBoard {
    path: PathBuf,
    file: Option<EventFile>,
    /// How much of the file is written, without what waits in its buffer.
    bytes: u64,
    warning: Option<String>,
    flushed: Instant,
    /// What a resumed run tells of itself as soon as it makes a step, and the step where it goes on.
    texts: (i64, Vec<Summary_Value>),
    tasks: Vec<String>,
    loss_tags: Vec<String>,
    weight_tags: Vec<String>,
    update_tags: UpdateTags,
}

impl TensorBoard {
    /// Opens a new file in `folder` and writes what is known from the start. Only the `first` file of a run tells what is the
    /// same for all of them.
    ///
    /// # Errors
    /// The file cannot be made or written.
    pub fn create(folder: &Path, header: &Header, first: bool) -> io::Result<Self> {
        let (file, path) = EventFile::create(folder)?;
        let mut board = Self::over(file, path, header);
        board.start(header, first)?;
        Ok(board)
    }

    fn over(file: EventFile, path: PathBuf, header: &Header) -> Self {
        let tags = |kind| header.tasks.iter().map(|task| format!("train/{kind}/{task}")).collect();
        Self {
            path,
            file: Some(file),
            bytes: 0,
            warning: None,
            flushed: Instant::now(),
            texts: (header.start_step, vec![]),
            tasks: header.tasks.to_vec(),
            loss_tags: tags("loss"),
            weight_tags: tags("weight"),
            update_tags: UpdateTags::new(header.tasks),
        }
    }

    /// What was told when the event file could no longer be written; `None` while all is well.
    pub fn warning(&self) -> Option<&str> {
        self.warning.as_deref()
    }

    fn start(&mut self, header: &Header, first: bool) -> io::Result<()> {
        let Some(file) = &mut self.file else { return Ok(()) };
        file.version()?;
        if header.start_step > 0 {
            // The files themselves are cut back to the checkpoint, but a TensorBoard that runs has read what stood behind it.
            // One later than where the run goes on: the measurements made just before the checkpoint bear its step, and
            // nobody makes them again. A step recorded twice at that place has the same values both times.
            file.restart(header.start_step + 1)?;
        }
        let texts = vec![summaries::config(header.config), summaries::environment(header.environment)];
        if first {
            file.values(0, vec![hparams::experiment(header)?, hparams::start(header)?, summaries::layout(header)?])?;
            file.values(header.start_step, texts)?;
            file.graph(&graph::graph(header.graph))?;
        } else {
            // Not yet: where no step is made, the next process starts at the same one.
            self.texts.1 = texts;
        }
        file.flush()?;
        self.bytes = fs::metadata(&self.path)?.len();
        Ok(())
    }

    /// Lets `write` write; after its first error the file is given up.
    fn write(&mut self, write: impl FnOnce(&mut EventFile) -> io::Result<()>) {
        let Some(file) = &mut self.file else { return };
        if let Err(error) = write(file) {
            self.file = None;
            let warning = format!(
                "warning: {}: cannot be written: {error}; training goes on without TensorBoard records\n  \
                 hint: make room on the disk; metrics.jsonl holds the same numbers",
                self.path.display()
            );
            note(&warning);
            self.warning = Some(warning);
        }
    }

    fn step(&mut self, record: &StepRecord) {
        let mut values = Vec::with_capacity(2 * self.loss_tags.len() + 4);
        for (tags, of_tasks) in [(&self.loss_tags, record.losses), (&self.weight_tags, record.weights)] {
            let present = tags.iter().zip(of_tasks).filter_map(|(tag, value)| Some(scalar(tag, (*value)?)));
            values.extend(present);
        }
        values.extend(record.total.map(|total| scalar("train/loss/total", total)));
        values.extend([
            scalar("train/learning_rate", record.learning_rate),
            scalar("gradients/norm/total", record.gradient_norm),
            scalar("time/step_ms", record.milliseconds),
        ]);
        values.extend(record.update.iter().flat_map(|update| self.update_tags.scalars(update)));
        let (start, texts) = (self.texts.0, std::mem::take(&mut self.texts.1));
        if !texts.is_empty() {
            self.write(|file| file.values(start, texts));
        }
        self.write(|file| file.values(record.step, values));
    }

    fn scores(&mut self, step: i64, split: SplitName, scores: &[Score]) {
        let tag = |score: &Score| format!("{}/{}/{}", split.name(), score.task, score.metric);
        let values: Vec<_> = scores.iter().filter_map(|score| Some(scalar(&tag(score), score.value?))).collect();
        if !values.is_empty() {
            self.write(|file| file.values(step, values));
        }
    }

    fn parameters(&mut self, step: i64, tensors: &[(String, Tensor)]) {
        if self.file.is_none() {
            return;
        }
        for (name, tensor) in tensors {
            if let Some(histogram) = histogram::histogram(&format!("parameters/{name}"), tensor) {
                self.write(|file| file.values(step, vec![histogram]));
            }
        }
    }

    fn cosines(&mut self, step: i64, mean: &[Vec<Option<f64>>]) -> Result<()> {
        if self.file.is_none() {
            return Ok(());
        }
        let picture = Heatmap::new(&self.tasks, mean, "mean cosines of the tasks' gradients")?.png()?;
        self.write(|file| file.values(step, vec![image("gradients/cosines", picture)]));
        Ok(())
    }

    fn end(&mut self, finished: bool) {
        // An interrupted run may go on later, and TensorBoard believes the first end that it reads.
        if finished {
            self.write(|file| file.values(0, vec![hparams::end()?]));
        }
        self.flush_file();
    }

    fn flush_file(&mut self) {
        self.write(EventFile::flush);
        if self.file.is_some() {
            self.bytes = fs::metadata(&self.path).map_or(self.bytes, |file| file.len());
        }
        self.flushed = Instant::now();
    }
}

impl Recorder for TensorBoard {
    fn record(&mut self, event: &Event) -> Result<()> {
        match event {
            Event::Step(record) => self.step(record),
            Event::Scores { step, split, scores, .. } => self.scores(*step, *split, scores),
            Event::Parameters { step, tensors } => self.parameters(*step, tensors),
            Event::EpochEnd { step, .. } => {
                if let Some(megabytes) = resident_megabytes() {
                    self.write(|file| file.values(*step, vec![scalar("memory/rss_mb", megabytes)]));
                }
            }
            Event::Cosines { step, mean } => self.cosines(*step, mean)?,
            Event::End { finished } => self.end(*finished),
        }
        if self.flushed.elapsed() >= PATIENCE {
            self.flush_file();
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        self.flush_file();
        Ok(())
    }

    fn positions(&self) -> BTreeMap<String, u64> {
        let name = self.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        BTreeMap::from([(name, self.bytes)])
    }
}

/// Memory of this process that is in RAM, in 10⁶ bytes; `None` where the system does not tell (anywhere but Linux).
pub fn resident_megabytes() -> Option<f64> {
    // Not `statm`: its pages have another size on other machines.
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024.0 / 1e6)
}
