//! What a person sees while a sweep runs.

use crate::error::note;
use indicatif::{ProgressBar, ProgressStyle};
use std::io::IsTerminal;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// How far a sweep is: a bar on a terminal, a line every tenth elsewhere.
pub struct Progress {
    bar: Option<ProgressBar>,
    total: u64,
    start: Instant,
    counts: Mutex<Counts>,
}

#[derive(Default)]
struct Counts {
    /// Runs that this process saw end.
    ended: u64,
    failed: u64,
    told: u64,
}

impl Progress {
    /// `done` of `total` runs had ended before.
    pub fn new(total: usize, done: usize, quiet: bool) -> Self {
        let (total, done) = (total as u64, done as u64);
        let bar = (!quiet && std::io::stderr().is_terminal()).then(|| {
            let style = ProgressStyle::with_template("{bar:30} {pos}/{len} runs  {msg}")
                .unwrap_or_else(|_| ProgressStyle::default_bar());
            let bar = ProgressBar::new(total).with_style(style);
            bar.set_position(done);
            bar.enable_steady_tick(Duration::from_secs(1));
            bar
        });
        if !quiet && done > 0 {
            note(format!("{done} of {total} runs had ended before"));
        }
        let told = if quiet { u64::MAX } else { 0 };
        let counts = Mutex::new(Counts { told, ..Counts::default() });
        Self { bar, total: total - done, start: Instant::now(), counts }
    }

    /// A run came to an end.
    pub fn ended(&self, failed: bool) {
        let Ok(mut counts) = self.counts.lock() else { return };
        counts.ended += 1;
        counts.failed += u64::from(failed);
        let failed = if counts.failed > 0 { format!("{} failed, ", counts.failed) } else { String::new() };
        let words = format!("{failed}{} left", self.left(counts.ended));
        match &self.bar {
            Some(bar) => {
                bar.inc(1);
                bar.set_message(words);
            }
            None if counts.told != u64::MAX && counts.ended * 10 / self.total.max(1) > counts.told => {
                counts.told = counts.ended * 10 / self.total.max(1);
                note(format!("{} of {} runs, {words}", counts.ended, self.total));
            }
            None => {}
        }
    }

    /// Says something beside the bar.
    pub fn say(&self, words: &str) {
        match &self.bar {
            Some(bar) => bar.println(words),
            None => note(words),
        }
    }

    /// Takes the bar away.
    pub fn close(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    fn left(&self, ended: u64) -> String {
        let seconds = self.start.elapsed().as_secs_f64() / ended as f64 * (self.total.saturating_sub(ended)) as f64;
        let seconds = seconds.round() as u64;
        match seconds {
            0..60 => format!("{seconds} s"),
            60..3600 => format!("{}:{:02} min", seconds / 60, seconds % 60),
            _ => format!("{}:{:02} h", seconds / 3600, seconds / 60 % 60),
        }
    }
}
