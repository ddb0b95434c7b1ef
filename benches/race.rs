//! Polytask's contenders in the race of `scripts/bench`: `race WORK CONTENDER` prints `ready`, then answers each line STEPS
//! with SECONDS LAST_LOSS.
//!
//! - `polytask`: loader, engine, method and optimizer as the trainer uses them, without records;
//! - `autograd`: the same by libtorch's tape;
//! - `kernels`: the document's model as a bare loop over the same kernels, the least that its steps can cost;
//! - `plain_tch`: the document's model as the tch crate's own examples write it.

#[path = "race/kernel_loop.rs"]
mod kernel_loop;
#[path = "race/lenet.rs"]
mod lenet;
#[path = "race/library.rs"]
mod library;
#[path = "race/plain.rs"]
mod plain;
#[path = "race/problem.rs"]
mod problem;

use std::io::{BufRead, Write, stdin, stdout};
use std::time::{Duration, Instant};

/// Trains so many steps; the summed loss of the last batch.
trait Contender {
    fn train(&mut self, steps: usize) -> f64;
}

/// As long as a processor takes to reach its speed.
const WARM: Duration = Duration::from_secs(1);

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let [work, contender] = arguments.as_slice() else {
        println!("race WORK CONTENDER; scripts/bench runs it");
        return;
    };
    let threads = std::env::var("OMP_NUM_THREADS").ok().and_then(|threads| threads.parse().ok()).unwrap_or(1);
    polytask::environment::prepare(threads, tch::Device::Cpu);
    let mut contender = contender_of(work, contender, threads as usize);
    let start = Instant::now();
    while start.elapsed() < WARM {
        contender.train(100);
    }
    say("ready");
    for line in stdin().lock().lines() {
        let steps = line.expect("a line").trim().parse().expect("a number of steps");
        let start = Instant::now();
        let loss = contender.train(steps);
        say(&format!("{} {loss}", start.elapsed().as_secs_f64()));
    }
}

fn say(line: &str) {
    println!("{line}");
    stdout().flush().expect("a reader");
}

fn contender_of(work: &str, contender: &str, threads: usize) -> Box<dyn Contender> {
    match (contender, work) {
        ("polytask", _) => Box::new(library::Library::new(&problem::Problem::of(work), threads, false)),
        ("autograd", _) => Box::new(library::Library::new(&problem::Problem::of(work), threads, true)),
        ("kernels", "document") => Box::new(kernel_loop::KernelLoop::new(&problem::Problem::of(work))),
        ("plain_tch", "document") => Box::new(plain::Plain::new(&problem::Problem::of(work))),
        _ => panic!("{contender} does not take part in {work}"),
    }
}
