//! What was measured, as a table in Markdown.

use criterion::Bencher;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// A group, a name and a number of tasks.
type Measured = (&'static str, String, usize);

thread_local! {
    /// The seconds of each sample.
    static SEEN: RefCell<BTreeMap<Measured, Vec<f64>>> = RefCell::default();
    /// Per method the hard Gramian that took longest.
    static HARDEST: RefCell<BTreeMap<String, String>> = RefCell::default();
}

/// Keeps the name of a method's hardest Gramian.
pub fn note(method: &str, hardest: &str) {
    HARDEST.with_borrow_mut(|all| all.insert(method.to_string(), hardest.to_string()));
}

/// Measures for criterion, and keeps what it saw.
pub fn measure<R>(bencher: &mut Bencher, key: (&'static str, &str, usize), mut run: impl FnMut() -> R) {
    measure_within(bencher, key, |times| {
        let start = Instant::now();
        for _ in 0..times {
            std::hint::black_box(run());
        }
        start.elapsed()
    });
}

/// The same for a `run` that takes its own time, given how often to run. A sample is the median of up to 1000 parts, so that
/// other programs, which now and then take the processor, hardly count.
pub fn measure_within(
    bencher: &mut Bencher,
    (group, name, tasks): (&'static str, &str, usize),
    mut run: impl FnMut(u64) -> Duration,
) {
    bencher.iter_custom(|times| {
        let each = times.div_ceil(1000);
        let mut parts: Vec<Duration> = (0..times.div_ceil(each)).map(|_| run(each)).collect();
        parts.sort();
        let median = parts[parts.len() / 2].as_secs_f64() / each as f64;
        SEEN.with_borrow_mut(|seen| seen.entry((group, name.to_string(), tasks)).or_default().push(median));
        Duration::from_secs_f64(median * times as f64)
    });
}

/// The median of a cell, scaled; nothing where it was not measured.
fn cell(group: &'static str, method: &str, tasks: usize, scale: f64) -> String {
    SEEN.with_borrow(|seen| {
        let Some(samples) = seen.get(&(group, method.to_string(), tasks)) else { return String::new() };
        let mut sorted = samples.clone();
        sorted.sort_by(f64::total_cmp);
        let median = sorted[sorted.len() / 2] * scale;
        format!("{median:.*}", if median < 10.0 { 2 } else { usize::from(median < 100.0) })
    })
}

/// Prints the group `part` (µs), and the groups `step` (ms), `solver` and `worst` (µs), a line per method.
pub fn print(methods: &[String], tasks: &[usize]) {
    let each = |text: &dyn Fn(usize) -> String| tasks.iter().map(|&tasks| text(tasks)).collect::<Vec<_>>().join(" | ");
    println!("\n| part of a step | {} |", each(&|tasks| format!("T={tasks} [µs]")));
    println!("|---|{}", "---:|".repeat(tasks.len()));
    let parts: BTreeSet<String> = SEEN.with_borrow(|seen| {
        seen.keys().filter(|(group, ..)| *group == "part").map(|(_, part, _)| part.clone()).collect()
    });
    for part in parts {
        println!("| {part} | {} |", each(&|tasks| cell("part", &part, tasks, 1e6)));
    }
    let heads = [each(&|tasks| format!("step T={tasks} [ms]")), each(&|tasks| format!("own T={tasks} [µs]"))];
    println!("\n| method | {} | {} | worst [µs] | on |", heads[0], heads[1]);
    println!("|---|{}", "---:|".repeat(2 * tasks.len() + 1) + "---|");
    for method in methods {
        let steps = each(&|tasks| cell("step", method, tasks, 1e3));
        let own = each(&|tasks| cell("solver", method, tasks, 1e6));
        let worst = cell("worst", method, super::hard::TASKS, 1e6);
        let of = HARDEST.with_borrow(|all| all.get(method).cloned().unwrap_or_default());
        println!("| {method} | {steps} | {own} | {worst} | {of} |");
    }
}
