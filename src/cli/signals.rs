//! Signals that ask a training process for something instead of ending it at once.

use crate::train::Requests;
use anyhow::Result;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2, SIGXCPU};
use signal_hook::flag;
use std::fs;
use std::sync::Arc;

/// The exit code of a process that a signal ended.
pub const INTERRUPTED: i32 = 130;

/// Signals that end training with a checkpoint: Ctrl-C, a batch system's end of time, a closed
/// terminal, the same by choice, and a limit of CPU time.
const ENDING: [i32; 5] = [SIGINT, SIGTERM, SIGHUP, SIGUSR2, SIGXCPU];

/// Those that kill where one of [`ENDING`] came before. The others are sent twice without
/// meaning it: both the shell and the system tell of a closed terminal, and a limit of CPU time
/// is told every second.
const KILLING: [i32; 2] = [SIGINT, SIGTERM];

/// Has signals set the flags of the requests that are returned: SIGINT, SIGTERM, SIGHUP, SIGUSR2
/// and SIGXCPU ask the process to stop, SIGUSR1 asks for a checkpoint. SIGINT or SIGTERM after
/// one of the former kills. A process that was started to ignore SIGHUP, as by `nohup`, goes on
/// ignoring it.
///
/// # Errors
/// The system takes no handler.
pub fn requests() -> Result<Requests> {
    let requests = Requests::default();
    for signal in KILLING {
        flag::register_conditional_shutdown(signal, INTERRUPTED, Arc::clone(&requests.stop))?;
    }
    let ignored = ignored(&fs::read_to_string("/proc/self/status").unwrap_or_default());
    for signal in ENDING.into_iter().filter(|&signal| signal != SIGHUP || !ignored(signal)) {
        flag::register(signal, Arc::clone(&requests.stop))?;
    }
    flag::register(SIGUSR1, Arc::clone(&requests.checkpoint))?;
    Ok(requests)
}

/// Which signals a process ignores, from its `/proc/self/status`. Where a system has no such
/// file, none counts as ignored.
fn ignored(status: &str) -> impl Fn(i32) -> bool + use<> {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    move |signal| mask >> (signal - 1) & 1 == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ignored_signals_are_read_from_the_process_status() {
        let nohup = ignored("Name:\tpolytask\nSigBlk:\t0000000000000003\nSigIgn:\t0000000000001001\n");
        assert!(nohup(SIGHUP) && !nohup(SIGINT) && !nohup(SIGTERM));
        assert!(!ignored("")(SIGHUP), "a system without the file");
    }
}
