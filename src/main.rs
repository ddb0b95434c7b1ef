//! Parse, run, print the error and its causes.

use clap::Parser;
use signal_hook::consts::SIGXFSZ;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

fn main() -> ExitCode {
    // Beyond a limit on the size of files a write fails, as on a full disk, instead of killing the process. Registering
    // fails only where there is no such signal.
    let _ = signal_hook::flag::register(SIGXFSZ, Arc::new(AtomicBool::new(false)));
    match polytask::cli::Command::parse().run() {
        Ok(code) => code,
        Err(error) => {
            polytask::error::note(polytask::error::report(&error));
            ExitCode::FAILURE
        }
    }
}
