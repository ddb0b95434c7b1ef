//! Heavy proofs: what the field's toy problems do to its methods. `scripts/prove` runs them; minutes on two cores.
//!
//! The runs are those of `experiments/`, from the papers' starts, with the papers' numbers of steps as the limit: one that
//! has arrived, and stayed, ends there.

use polytask::experiment::{Assembly, Experiment};
use polytask::models::objectives::{Fonseca, Problem, ProblemKind, Toy};
use polytask::pareto::hypervolume;
use polytask::train::{Options, Watcher, train, train_watched};
use polytask::trainer::Trainer;
use polytask::trajectory::Trajectory;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

const FIRST: [f64; 2] = [-8.5, 7.5];
const CAGRAD_STARTS: [[f64; 2]; 3] = [FIRST, [-8.5, -5.0], [9.0, 9.0]];
const NASH_STARTS: [[f64; 2]; 5] = [FIRST, [0.0, 0.0], [9.0, 9.0], [-7.5, -0.5], [9.0, -1.0]];
/// The middle of the Pareto set, where the mean of both objectives is lowest.
const MIDDLE: [f64; 2] = [0.0, -8.3551];

fn experiment(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("experiments").join(name)
}

fn options(folder: &Path, changes: &[String]) -> Options {
    let quick = ["record.tensorboard=false", "record.every=1000"].map(String::from);
    let overrides = quick.iter().chain(changes).map(|change| change.parse().expect("an override")).collect();
    Options { overrides, out: Some(folder.join("run")), quiet: true, ..Options::default() }
}

/// Ends a run once it has been where it shall go for so many steps.
struct Arrival<'a> {
    goal: fn([f64; 2]) -> bool,
    steps: u32,
    point: [f64; 2],
    interrupt: &'a AtomicBool,
}

/// Steps after which an arrival counts: a point that only passes by is gone by then.
const STAY: u32 = 2000;

impl Watcher for Arrival<'_> {
    fn begin(&mut self, _: &Experiment, _: &Assembly) -> anyhow::Result<()> {
        Ok(())
    }

    fn before_step(&mut self, trainer: &mut Trainer) -> anyhow::Result<()> {
        self.point = [0, 1].map(|at| trainer.parameters.flat.double_value(&[at]));
        self.steps = if (self.goal)(self.point) { self.steps + 1 } else { 0 };
        if self.steps >= STAY {
            self.interrupt.store(true, Ordering::Relaxed);
        }
        Ok(())
    }
}

/// Where a run from `start` arrived, or where it was at the end of its steps.
fn end(name: &str, method: &str, start: [f64; 2], goal: fn([f64; 2]) -> bool) -> Result<[f64; 2], [f64; 2]> {
    let folder = tempfile::tempdir().expect("a folder");
    let changes = [format!("method={method}"), format!("model.objectives.start={start:?}")];
    let interrupt = AtomicBool::new(false);
    let mut watcher = Arrival { goal, steps: 0, point: start, interrupt: &interrupt };
    train_watched(&experiment(name), &options(folder.path(), &changes), &interrupt, &mut watcher).expect("it trains");
    if watcher.steps >= STAY { Ok(watcher.point) } else { Err(watcher.point) }
}

fn is_in_the_middle([x, y]: [f64; 2]) -> bool {
    (x - MIDDLE[0]).abs() < 0.01 && (y - MIDDLE[1]).abs() < 0.001
}

fn is_pareto_optimal([x, y]: [f64; 2]) -> bool {
    x.abs() < 7.01
        && (y + 8.36).abs() < 0.1
        && (y - Toy::default().optimal(&[(7.0 - x) / 14.0, (7.0 + x) / 14.0])[1]).abs() < 0.01
}

#[test]
#[ignore = "heavy"]
fn the_mean_sticks_in_the_valley_from_two_of_three_starts() {
    let ends = CAGRAD_STARTS.map(|start| end("toy.yaml", "{name: mean}", start, is_in_the_middle));
    for stuck in [ends[0], ends[2]] {
        let stuck = stuck.expect_err("it has not arrived");
        let problem = ProblemKind::Toy(Toy::default());
        assert!(stuck[1] > 0.0 && problem.at(&stuck).iter().sum::<f64>() > 0.0, "{ends:?}");
    }
    assert!(ends[1].is_ok(), "{ends:?}");
}

#[test]
#[ignore = "heavy"]
fn cagrad_ends_where_the_mean_is_lowest_from_every_start() {
    let method = "{name: cagrad, c: 0.5, rescale: 1+c}";
    let ends = CAGRAD_STARTS.map(|start| end("toy.yaml", method, start, is_in_the_middle));
    assert!(ends.iter().all(Result::is_ok), "{ends:?}");
}

#[test]
#[ignore = "heavy"]
fn mgda_and_pcgrad_reach_the_pareto_set_from_every_start() {
    for method in ["{name: mgda}", "{name: pcgrad}"] {
        let ends = CAGRAD_STARTS.map(|start| end("toy.yaml", method, start, is_pareto_optimal));
        assert!(ends.iter().all(Result::is_ok), "{method}: {ends:?}");
        assert!(ends.iter().all(|end| !end.is_ok_and(is_in_the_middle)), "{method}: {ends:?}");
    }
}

#[test]
#[ignore = "heavy"]
fn the_sum_misses_the_pareto_set_from_one_of_five_starts_where_one_objective_is_smaller() {
    let ends = NASH_STARTS.map(|start| end("toy_nash.yaml", "{name: sum}", start, is_pareto_optimal));
    assert_eq!(ends.map(|end| end.is_ok()), [true, true, false, true, true], "{ends:?}");
    // It looks after the larger objective, whose best is at -7.
    assert!(ends.iter().flatten().all(|[x, _]| *x < -5.0), "{ends:?}");
}

#[test]
#[ignore = "heavy"]
fn nash_mtl_reaches_the_pareto_set_from_all_five_starts() {
    let ends = NASH_STARTS.map(|start| end("toy_nash.yaml", "{name: nash_mtl}", start, is_pareto_optimal));
    assert!(ends.iter().all(Result::is_ok), "{ends:?}");
    // From (0, 0) neither objective is favoured: their gradients are parallel there.
    assert!(ends[1].is_ok_and(|[x, y]| x.abs() < 0.01 && (y - MIDDLE[1]).abs() < 0.01), "{ends:?}");
}

#[test]
#[ignore = "heavy"]
fn famo_reaches_the_pareto_set_from_all_five_starts() {
    let method = "{name: famo, learning_rate: 0.025, weight_decay: 0, min_losses: [-2.1, -21]}";
    let ends = NASH_STARTS.map(|start| end("toy_nash.yaml", method, start, is_pareto_optimal));
    assert!(ends.iter().all(Result::is_ok), "{ends:?}");
}

/// Where ten runs on Fonseca's problem end, each from its own start and with its own preference of the first objective.
fn ends_on_fonseca(method: impl Fn(f64) -> String) -> Vec<[f64; 2]> {
    let run = |seed: i32| {
        let folder = tempfile::tempdir().expect("a folder");
        let method = method((f64::from(seed) + 0.5) / 10.0);
        let changes = [format!("method={method}"), format!("seed={seed}")];
        let report = train(&experiment("fonseca.yaml"), &options(folder.path(), &changes), &AtomicBool::new(false));
        let folder = report.expect("it trains").folder;
        *Trajectory::read(&folder).expect("a trajectory").objectives.last().expect("an end")
    };
    (0..10).map(run).collect()
}

/// Of the hypervolume of the exact front. No ten points have more than 0.876 of it.
fn share(ends: &[[f64; 2]]) -> f64 {
    hypervolume(ends, &Fonseca::default().reference().expect("the field agrees on one")) / 0.342116
}

#[test]
#[ignore = "heavy"]
fn preferences_reach_between_the_ends_of_a_concave_front_and_weighted_means_do_not() {
    let weighted =
        |name: &str, preference: f64| format!("{{name: {name}, weights: [{preference:.2}, {:.2}]}}", 1.0 - preference);
    let stch = ends_on_fonseca(|preference| weighted("stch, mu: 0.05", preference));
    assert!(share(&stch) > 0.8, "{} of {stch:?}", share(&stch));
    let epo =
        ends_on_fonseca(|preference| format!("{{name: epo, preference: [{preference:.2}, {:.2}]}}", 1.0 - preference));
    assert!(share(&epo) > 0.8, "{} of {epo:?}", share(&epo));
    let constant = ends_on_fonseca(|preference| weighted("constant", preference));
    assert!(share(&constant) < 0.15, "{} of {constant:?}", share(&constant));
    let mean = ends_on_fonseca(|_| "{name: mean}".into());
    assert!(share(&mean) < 0.15, "{} of {mean:?}", share(&mean));
    // Without a preference a common descent ends wherever it meets the front.
    let mgda = ends_on_fonseca(|_| "{name: mgda}".into());
    assert!((0.15..0.8).contains(&share(&mgda)), "{} of {mgda:?}", share(&mgda));
    for [first, second] in [&stch[..], &epo, &mgda].concat() {
        let distances = [first, second].map(|loss: f64| (-(1.0 - loss).ln()).max(0.0).sqrt());
        assert!((distances[0] + distances[1] - 2.0).abs() < 0.01, "({first}, {second}) is not on the front");
    }
}
