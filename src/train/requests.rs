//! What is asked of a run from outside while it trains.

use super::Watcher;
use crate::experiment::{Assembly, Experiment};
use crate::trainer::Trainer;
use anyhow::Result;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Flags that anyone may set, such as a signal's handler, and that training looks at before
/// every step.
#[derive(Debug, Clone, Default)]
pub struct Requests {
    /// End with a checkpoint.
    pub stop: Arc<AtomicBool>,
    /// Write a checkpoint, and go on. It is taken back when it is met.
    pub checkpoint: Arc<AtomicBool>,
}

impl Requests {
    /// Whether the process is asked to stop.
    pub fn stops(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Whether a checkpoint is asked for. The request counts as met from here on.
    pub fn take_checkpoint(&self) -> bool {
        self.checkpoint.swap(false, Ordering::Relaxed)
    }
}

/// Writes a checkpoint whenever one is requested. The run goes on, and comes to what it would
/// have come to.
impl Watcher for Requests {
    fn begin(&mut self, _experiment: &Experiment, _assembly: &Assembly) -> Result<()> {
        Ok(())
    }

    fn before_step(&mut self, trainer: &mut Trainer) -> Result<()> {
        if self.take_checkpoint() { trainer.save() } else { Ok(()) }
    }
}
