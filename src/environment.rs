//! The process and the machine: threads, device, and what a reader should know about both.

use crate::libtorch;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use tch::Device;

/// Makes the process ready to train: so many threads, deterministic algorithms, memory kept from step to step; and numbers below 1e-38, at which Adam's
/// moments of dead units end, are zero: arithmetic on them is many times slower.
pub fn prepare(threads: u64, device: Device) {
    libtorch::keep_memory();
    libtorch::flush_denormals(true);
    libtorch::set_threads(threads as usize);
    libtorch::set_deterministic(device);
}

/// Facts about where a run takes place.
#[derive(Debug, Clone)]
pub struct Environment {
    facts: Vec<(&'static str, String)>,
}

impl Environment {
    /// Looks around; `source` is the folder of the YAML, whose git commit is noted.
    pub fn look(threads: u64, device: Device, source: &Path) -> Self {
        let mut facts = vec![
            ("polytask", env!("CARGO_PKG_VERSION").to_string()),
            ("libtorch", libtorch::version()),
            ("device", format!("{device:?}").to_lowercase()),
            ("threads", threads.to_string()),
            ("host", gethostname::gethostname().to_string_lossy().into_owned()),
            ("system", format!("{} {}", std::env::consts::OS, std::env::consts::ARCH)),
            (
                "command",
                std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" "),
            ),
        ];
        facts.extend(processor().map(|name| ("processor", name)));
        facts.extend(commit(source).map(|commit| ("git_commit", commit)));
        Self { facts }
    }

    /// As rows of a table.
    pub fn table(&self) -> Vec<(String, String)> {
        self.facts.iter().map(|(name, value)| (name.to_string(), value.clone())).collect()
    }

    /// One fact.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.facts.iter().find(|(n, _)| *n == name).map(|(_, value)| value.as_str())
    }
}

/// Lets [`peak_memory_mib`] count from here on, where the system can: a process that trains run after run tells each one's,
/// without the memory that an earlier one has freed.
pub fn forget_peak_memory() {
    libtorch::release_memory();
    let _ = fs::write("/proc/self/clear_refs", "5");
}

/// The highest memory use of this process so far, in MiB, where the system tells.
pub fn peak_memory_mib() -> Option<f64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse::<f64>().ok().map(|kib| kib / 1024.0)
}

fn processor() -> Option<String> {
    let info = fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = info.lines().find(|line| line.starts_with("model name"))?;
    line.split_once(':').map(|(_, name)| name.trim().to_string())
}

/// The commit of the folder's git repository, as it was when this process first asked: a worker trains run after run from one
/// folder, and git may take longer than a small run.
fn commit(folder: &Path) -> Option<String> {
    static ASKED: Mutex<Option<(PathBuf, Option<String>)>> = Mutex::new(None);
    let mut asked = ASKED.lock().unwrap_or_else(PoisonError::into_inner);
    if asked.as_ref().is_none_or(|(of, _)| of != folder) {
        *asked = Some((folder.to_path_buf(), ask_git(folder)));
    }
    asked.as_ref().and_then(|(_, commit)| commit.clone())
}

/// The commit of the folder's git repository, `+` behind it where something is not committed.
fn ask_git(folder: &Path) -> Option<String> {
    let git = |arguments: &[&str]| {
        let output = Command::new("git").arg("-C").arg(folder).args(arguments).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_string())
    };
    let commit = git(&["rev-parse", "HEAD"])?;
    let clean = git(&["status", "--porcelain", "--untracked-files=no"])?.is_empty();
    Some(if clean { commit } else { format!("{commit}+") })
}
