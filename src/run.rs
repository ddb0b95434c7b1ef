//! A run's folder: who owns it, what it holds, how it resumes.

use crate::error::Mistake;
use crate::files;
use crate::tensor_file::{self, TensorFile};
use anyhow::{Context, Result};
use std::ffi::OsStr;
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use tch::Tensor;

/// A run's folder, owned by this process as long as the value lives.
#[derive(Debug)]
pub struct Run {
    folder: PathBuf,
    _lock: File,
}

impl Run {
    /// Looks whether a folder can be taken, before anything heavy happens; takes nothing.
    ///
    /// # Errors
    /// As [`create`](Self::create), or with `resume` as [`reopen`](Self::reopen).
    pub fn look(folder: &Path, resume: bool) -> Result<()> {
        let holds_run = folder.join("config.yaml").exists();
        if holds_run {
            drop(lock(folder)?); // a run of another process is told as such
        }
        if resume {
            return if holds_run { Ok(()) } else { Err(no_run(folder).into()) };
        }
        let holds = |what: &str| Mistake::new(folder.display(), format!("holds {what}"));
        if holds_run {
            let state = if is_finished(folder) { "a finished run" } else { "a run" };
            return Err(holds(state).remedy("continue it with --resume, or name another folder with --out").into());
        }
        if let Ok(mut entries) = fs::read_dir(folder) {
            let foreign =
                entries.find_map(|entry| entry.ok().map(|e| e.file_name()).filter(|name| !is_ours(folder, name)));
            if let Some(name) = foreign {
                return Err(holds(&format!("{}, which is no run", name.display()))
                    .remedy("name another folder with --out: nothing here is overwritten")
                    .into());
            }
        } else if folder.exists() {
            return Err(Mistake::new(folder.display(), "is no folder").remedy("name another with --out").into());
        }
        Ok(())
    }

    /// Takes a folder for a fresh run.
    ///
    /// # Errors
    /// It holds a run already, or something that is none; or another process trains in it.
    pub fn create(folder: &Path) -> Result<Self> {
        Self::look(folder, false)?;
        fs::create_dir_all(folder.join("checkpoints")).map_err(|e| {
            Mistake::new(folder.display(), format!("cannot be created ({e})"))
                .remedy("name a writable folder with --out")
        })?;
        Ok(Self { _lock: lock(folder)?, folder: folder.to_path_buf() })
    }

    /// Takes the folder of a run to continue it.
    ///
    /// # Errors
    /// It holds no run; or another process trains in it.
    pub fn reopen(folder: &Path) -> Result<Self> {
        Self::look(folder, true)?;
        let run = Self { _lock: lock(folder)?, folder: folder.to_path_buf() };
        let checkpoints = run.folder.join("checkpoints");
        fs::create_dir_all(&checkpoints)?;
        // What a kill in the middle of a write has left.
        for entry in fs::read_dir(&checkpoints)?.flatten() {
            if entry.file_name().to_string_lossy().ends_with(".tmp") {
                let _ = fs::remove_file(entry.path());
            }
        }
        Ok(run)
    }

    /// Removes what says that the run has ended, because it goes on: whoever looks at the folder from here on finds an
    /// unfinished run.
    ///
    /// # Errors
    /// A file cannot be removed.
    pub fn forget_end(&self) -> Result<()> {
        // The summary was written last, and where it is, everything is: it goes first.
        for path in [SUMMARY, MODEL].map(|name| self.path(name)) {
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(Mistake::new(
                        path.display(),
                        format!("cannot be removed, as the run goes on: {error}"),
                    )
                    .remedy("check the permissions of the run's folder")
                    .into());
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Whether another process trains in the folder.
    pub fn is_taken(folder: &Path) -> bool {
        let locked = |file: File| matches!(file.try_lock(), Err(TryLockError::WouldBlock));
        File::options().write(true).open(folder.join(LOCK)).is_ok_and(locked)
    }

    /// Whether this is what is said of a folder that another process trains in, or looked at in this moment.
    pub fn was_taken(error: &anyhow::Error) -> bool {
        error.downcast_ref::<Mistake>().is_some_and(|mistake| mistake.what == TAKEN)
    }

    /// The folder, or a file in it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Writes a file of the folder, whole or not at all.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write(&self, name: &str, text: &str) -> Result<()> {
        files::replace_with(&self.path(name), text.as_bytes())
    }

    /// Writes the checkpoint called `name` (`last`, `best`), whole or not at all.
    ///
    /// # Errors
    /// The disk is full or gone; the previous one is intact then.
    pub fn save(&self, name: &str, tensors: &[(String, Tensor)], facts: &serde_json::Value) -> Result<()> {
        let path = checkpoint(&self.folder, name);
        tensor_file::write(&path, tensors, facts).with_context(|| {
            let kept =
                if path.exists() { "the previous checkpoint is intact" } else { "there is no earlier checkpoint" };
            format!("the checkpoint could not be written; {kept}")
        })
    }

    /// Reads the checkpoint to resume from; `None` if none was written yet.
    ///
    /// # Errors
    /// It is damaged.
    pub fn last(&self) -> Result<Option<TensorFile>> {
        let path = checkpoint(&self.folder, "last");
        if !path.exists() {
            return Ok(None);
        }
        tensor_file::read_own(&path, kind("last")).map(Some).with_context(|| {
            Mistake::new(self.folder.display(), "the run cannot be resumed: its last checkpoint is damaged")
                .remedy("start anew in another folder; `model.initial: checkpoints/best.safetensors` takes over the best weights")
        })
    }
}

/// What a run came to. It is written last, when all else is there.
pub const SUMMARY: &str = "summary.json";

/// The model of a finished run, as TorchScript.
pub const MODEL: &str = "model.pt";

/// Whether the run in a folder has come to its end, and does not go on.
pub fn is_finished(folder: &Path) -> bool {
    folder.join(SUMMARY).exists()
}

/// Where a run keeps the checkpoint called `name`.
pub fn checkpoint(folder: &Path, name: &str) -> PathBuf {
    folder.join("checkpoints").join(format!("{name}.safetensors"))
}

/// What the checkpoint called `name` is, among what Polytask writes.
fn kind(name: &str) -> &'static str {
    if name == "last" { "checkpoint" } else { "weights" }
}

/// The model's weights in the checkpoint called `name` (`last`, `best`) of the run in a folder.
///
/// # Errors
/// It is missing or damaged, has no checksum, or holds numbers that are not finite.
pub fn weights(folder: &Path, name: &str) -> Result<Vec<(String, Tensor)>> {
    let path = checkpoint(folder, name);
    let tensors = tensor_file::read_own(&path, kind(name))?.weights();
    match tensors.iter().find(|(_, tensor)| tensor.isnan().any().int64_value(&[]) != 0) {
        None => Ok(tensors),
        Some((name, _)) => Err(Mistake::new(path.display(), format!("{name} holds NaN"))
            .remedy("use the run's other checkpoint: best or last")
            .into()),
    }
}

/// Whether a file is the checkpoint `last` or `best` of a run, whose folder and name are given then.
pub fn is_checkpoint(file: &Path) -> Option<(&Path, &'static str)> {
    let folder = file.parent().filter(|folder| folder.ends_with("checkpoints"))?.parent()?;
    let name = ["last", "best"].into_iter().find(|name| checkpoint(folder, name) == file)?;
    folder.join("config.yaml").exists().then_some((folder, name))
}

/// What a run that was stopped in its first moment leaves behind is in nobody's way.
fn is_ours(folder: &Path, name: &OsStr) -> bool {
    let empty = || fs::read_dir(folder.join(name)).is_ok_and(|mut entries| entries.next().is_none());
    name == LOCK || name.to_string_lossy().starts_with(".config.yaml.") || (name == "checkpoints" && empty())
}

fn no_run(folder: &Path) -> Mistake {
    Mistake::new(folder.display(), "holds no run to resume")
        .remedy("leave --resume out to start it, or name the run's folder with --out")
}

const LOCK: &str = ".lock";

const TAKEN: &str = "another process trains in this folder";

fn lock(folder: &Path) -> Result<File> {
    let path = folder.join(LOCK);
    let file = File::options().create(true).truncate(false).write(true).open(&path).map_err(|e| {
        Mistake::new(path.display(), format!("cannot be written ({e})")).remedy("name a writable folder with --out")
    })?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Mistake::new(folder.display(), TAKEN)
            .remedy("wait for it, stop it, or name another folder with --out")
            .into()),
        Err(TryLockError::Error(error)) => Err(Mistake::new(path.display(), format!("cannot be locked ({error})"))
            .remedy("use a file system that knows locks")
            .into()),
    }
}
