//! Batches made ready ahead, by a thread of its own.

use super::Augmentation;
use super::{Batch, Group, Loader, LoaderSettings, Preparation};
use crate::libtorch;
use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{Builder, JoinHandle};

/// An (epoch, step).
type Place = (i64, i64);
/// What a step reads, in a form that may change threads.
type Made = Vec<Vec<Vec<Group>>>;

/// What a loader is made of.
pub(super) struct Parts {
    pub groups: Vec<Group>,
    pub settings: LoaderSettings,
    pub preparation: Preparation,
    pub augmentation: Option<Augmentation>,
    pub seed: u64,
}

/// A thread with a loader of its own, which makes the steps that it is asked for, in that order. A step is a function of its
/// place, so what it makes is what the asking loader would have made.
#[derive(Debug)]
pub(super) struct Prefetch {
    /// `None` only while it ends.
    channels: Option<(Sender<Place>, Receiver<Made>)>,
    thread: Option<JoinHandle<()>>,
    /// Asked for, and not taken yet.
    asked: VecDeque<Place>,
    /// Taken last.
    last: Option<Place>,
}

impl Prefetch {
    /// Starts the thread; `None` where the system gives none.
    pub fn start(parts: Parts) -> Option<Self> {
        let (ask, asks) = channel::<Place>();
        let (answer, answers) = channel();
        let work = move || {
            // What numbers below 1e-38 are is each thread's own. The number of threads of an operation is not: a new thread
            // takes the process's, and setting it here would change it elsewhere.
            libtorch::flush_denormals(true);
            let Parts { groups, settings, preparation, augmentation, seed } = parts;
            let loader = Loader::new(groups, settings, preparation, seed);
            let mut loader = loader.expect("as the loader that asks").with_augmentation(augmentation);
            while let Ok((epoch, step)) = asks.recv() {
                if answer.send(loader.make(epoch, step).into_iter().map(owned).collect()).is_err() {
                    break;
                }
            }
        };
        let thread = Builder::new().name("prefetch".into()).spawn(work).ok()?;
        Some(Self { channels: Some((ask, answers)), thread: Some(thread), asked: VecDeque::new(), last: None })
    }

    /// The step at `place`, if it was asked for and the thread lives.
    pub fn take(&mut self, place: Place) -> Option<Vec<Vec<Batch>>> {
        if self.asked.front() != Some(&place) {
            // Whoever looks at a step again goes on behind it; whoever goes elsewhere needs nothing of what was asked for.
            if self.last != Some(place) {
                self.forget();
            }
            return None;
        }
        let made = self.receive()?;
        self.last = Some(place);
        let batch = |groups: Vec<Group>| groups.into_iter().map(Into::into).collect();
        Some(made.into_iter().map(|portions| portions.into_iter().map(batch).collect()).collect())
    }

    /// Asks for the steps behind `place`, so that `ahead` of them are on their way.
    pub fn ask_behind(&mut self, place: Place, steps_per_epoch: i64, ahead: u64) {
        let next = |(epoch, step): Place| if step + 1 < steps_per_epoch { (epoch, step + 1) } else { (epoch + 1, 0) };
        self.last = Some(place);
        while (self.asked.len() as u64) < ahead {
            let place = next(self.asked.back().copied().unwrap_or(place));
            let Some((ask, _)) = &self.channels else { return };
            if ask.send(place).is_err() {
                return;
            }
            self.asked.push_back(place);
        }
    }

    fn receive(&mut self) -> Option<Made> {
        self.asked.pop_front();
        self.channels.as_ref()?.1.recv().ok()
    }

    fn forget(&mut self) {
        while !self.asked.is_empty() {
            self.receive();
        }
    }
}

impl Drop for Prefetch {
    /// Nobody listens any more: the thread ends after the step that it is at.
    fn drop(&mut self) {
        self.channels = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join(); // its panic is not ours: the asking loader makes the step itself
        }
    }
}

fn owned(portions: Vec<Batch>) -> Vec<Vec<Group>> {
    let group = |slice: super::Slice| slice.narrow(0, slice.rows());
    portions.into_iter().map(|batch| batch.into_iter().map(group).collect()).collect()
}
