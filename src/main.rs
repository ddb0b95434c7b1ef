//! Parse, run, print the error and its causes.

use clap::Parser;
use polytask::cli::{Command, FAILURE};
use signal_hook::consts::SIGXFSZ;
use std::io::{Write, stdout};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

fn main() {
    // Beyond a limit on the size of files a write fails, as on a full disk, instead of killing the process. Registering
    // fails only where there is no such signal.
    let _ = signal_hook::flag::register(SIGXFSZ, Arc::new(AtomicBool::new(false)));
    let code = Command::parse().run().unwrap_or_else(|error| {
        polytask::error::note(polytask::error::report(&error));
        FAILURE
    });
    // All files are closed. What was said is flushed; if nobody listens any more, nobody misses it.
    let _ = stdout().flush();
    // At once: libtorch would take itself apart, piece by piece, for as long as a short run trains.
    signal_hook::low_level::exit(code);
}
