//! One event file: records of protobuf messages, written through a buffer.

use protobuf::Message;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter};
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};
use tensorboard_proto::event::{Event, SessionLog, SessionLog_SessionStatus};
use tensorboard_proto::graph::GraphDef;
use tensorboard_proto::summary::{Summary, Summary_Value};
use tensorboard_rs::record_writer::RecordWriter;

/// How the name of an event file starts; TensorBoard looks for it.
const PREFIX: &str = "events.out.tfevents.";

/// Numbers the files of this process, so that two in the same second have two names.
static COUNTER: AtomicU32 = AtomicU32::new(0);

/// tensorboard-rs's own writers lose events and panic on a full disk; its record format is all that is used of it.
pub struct EventFile {
    records: RecordWriter<BufWriter<File>>,
    /// A message on its way, kept for its memory.
    bytes: Vec<u8>,
}

impl EventFile {
    /// A new file in `folder`, which is made if need be.
    pub fn create(folder: &Path) -> io::Result<(Self, std::path::PathBuf)> {
        fs::create_dir_all(folder)?;
        let host = gethostname::gethostname().to_string_lossy().replace('/', "_");
        loop {
            let counter = COUNTER.fetch_add(1, Ordering::Relaxed);
            let process = std::process::id();
            let path = folder.join(format!("{PREFIX}{:010}.{host}.{process}.{counter}", now() as u64));
            match OpenOptions::new().write(true).create_new(true).open(&path) {
                Ok(file) => return Ok((Self::over(file), path)),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
    }

    pub fn over(file: File) -> Self {
        Self { records: RecordWriter::new(BufWriter::with_capacity(1 << 16, file)), bytes: Vec::new() }
    }

    /// What every event file starts with.
    pub fn version(&mut self) -> io::Result<()> {
        let mut event = Event::new();
        event.set_file_version("brain.Event:2".into());
        self.event(event)
    }

    /// Tells readers to forget what older files say of `step` and later.
    pub fn restart(&mut self, step: i64) -> io::Result<()> {
        let mut log = SessionLog::new();
        log.set_status(SessionLog_SessionStatus::START);
        let mut event = Event::new();
        event.set_step(step);
        event.set_session_log(log);
        self.event(event)
    }

    pub fn graph(&mut self, graph: &GraphDef) -> io::Result<()> {
        let mut event = Event::new();
        event.set_graph_def(graph.write_to_bytes().map_err(io::Error::other)?);
        self.event(event)
    }

    /// All values of a step in one event.
    pub fn values(&mut self, step: i64, values: Vec<Summary_Value>) -> io::Result<()> {
        let mut summary = Summary::new();
        summary.set_value(values.into());
        let mut event = Event::new();
        event.set_step(step);
        event.set_summary(summary);
        self.event(event)
    }

    fn event(&mut self, mut event: Event) -> io::Result<()> {
        event.set_wall_time(now());
        self.bytes.clear();
        event.write_to_vec(&mut self.bytes).map_err(io::Error::other)?;
        self.records.write(&self.bytes)
    }

    pub fn flush(&mut self) -> io::Result<()> {
        self.records.flush()
    }
}

/// The event files in `folder`, by name.
pub fn event_files(folder: &Path) -> io::Result<Vec<String>> {
    let names = fs::read_dir(folder)?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
    names.filter(|name| name.as_ref().map_or(true, |name| name.starts_with(PREFIX))).collect()
}

/// Seconds since 1970.
pub fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}
