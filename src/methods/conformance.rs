//! What every method of the table must bear; a new entry joins by itself.

use super::trial::{Answer, Trial, assert_near, near};
use super::{Matrix, Method, Reads, Vector, hard};
use anyhow::Result;
use tch::Kind;

/// The settings of methods that have none by default, or whose defaults alone show little. They fit any number of tasks;
/// `WEIGHTS` stands for one number per task.
const SETTINGS: [(&str, &[&str]); 20] = [
    ("constant", &["weights: WEIGHTS"]),
    ("rlw", &["distribution: normal", "distribution: dirichlet"]),
    ("stch", &["mu: 0.3", "mu: 0.3, weights: WEIGHTS"]),
    ("pbi", &["theta: 2", "theta: 2, weights: WEIGHTS"]),
    ("cosmos", &["lambda: 1.5", "lambda: 1.5, weights: WEIGHTS"]),
    ("mgda", &["normalize: none", "normalize: l2", "normalize: loss", "normalize: loss+"]),
    ("cagrad", &["c: 0.4", "c: 1.5", "c: 0.4, rescale: 1+c"]),
    ("nash_mtl", &["max_norm: 1", "max_norm: null"]),
    ("fairgrad", &["alpha: 0.02", "alpha: 0.5", "alpha: 1", "alpha: 2", "alpha: 50"]),
    ("aligned_mtl", &["scale_mode: min", "scale_mode: median", "scale_mode: rmse"]),
    ("epo", &["tolerance: 1e-4", "tolerance: 1, preference: WEIGHTS", "preference: WEIGHTS"]),
    ("krum", &["n_byzantine: 0", "n_byzantine: 1, n_selected: 2"]),
    ("pcd", &["tau: 0.02", "tau: 0.5"]),
    ("graddrop", &["leak: 0", "leak: 0.3"]),
    ("moco", &["beta_sigma: 0.5", "beta_sigma: 0, rho: 0.1"]),
    ("db_mtl", &["beta_sigma: 0", "beta_sigma: 0.5"]),
    ("trimmed_mean", &["trim_number: 0", "trim_number: 1"]),
    (
        "cr_mogm",
        &[
            "inner: {name: mean}",
            "alpha: 0.5, inner: {name: upgrad}",
            "inner: {name: weighted, weighting: {name: dwa}, inner: {name: mgda}}",
        ],
    ),
    (
        "weighted",
        &[
            "weighting: {name: uw}, inner: {name: sum}",
            "weighting: {name: famo}, inner: {name: cagrad}",
            "weighting: {name: mean}, inner: {name: con_fig}",
            "weighting: {name: cr_mogm, inner: {name: mean}}, inner: {name: excess_mtl}",
            "weighting: {name: mean}, inner: {name: grouped, by: layer, inner: {name: moco}}",
        ],
    ),
    (
        "grouped",
        &[
            "by: whole, inner: {name: upgrad}",
            "by: layer, inner: {name: cr_mogm, inner: {name: mgda}}",
            "by: parameter, inner: {name: db_mtl}",
            "by: layer, inner: {name: grouped, by: parameter, inner: {name: con_fig}}",
        ],
    ),
];

/// Methods that draw by a task's place or treat the first apart: permuting the tasks does not permute their weights.
const NOT_EQUIVARIANT: [&str; 3] = ["rlw", "random", "pcd"];

/// Methods whose update raises no task's loss, to first order.
const NEVER_CONFLICT: [&str; 7] = [
    "{name: upgrad}",
    "{name: dualproj}",
    "{name: mgda, normalize: none}",
    "{name: mgda, normalize: l2}",
    "{name: mgda, normalize: loss}",
    "{name: mgda, normalize: loss+}",
    "{name: cagrad, c: 1.5}",
];

/// Every method, in each of its settings.
fn all() -> Vec<String> {
    assert!(SETTINGS.iter().all(|(name, _)| Method::NAMES.contains(name)));
    let of = |name: &&str| match SETTINGS.iter().find(|(of, _)| of == name) {
        Some((_, settings)) => settings.iter().map(|settings| format!("{{name: {name}, {settings}}}")).collect(),
        None => vec![format!("{{name: {name}}}")],
    };
    Method::NAMES.iter().flat_map(of).collect()
}

fn method(yaml: &str) -> Method {
    serde_yaml::from_str(&yaml.replace("WEIGHTS", "[1, 2]")).unwrap_or_else(|error| panic!("{yaml}: {error}"))
}

/// The method on tasks with the numbers of `order`, which go with them: names, losses and weights are a task's own.
/// `None` where it takes no so few tasks.
fn trial(yaml: &str, order: &[usize], width: usize, kind: Kind) -> Option<Trial> {
    let weights: Vec<String> = order.iter().map(|task| format!("{}", 0.5 + *task as f64)).collect();
    let yaml = yaml.replace("WEIGHTS", &format!("[{}]", weights.join(", ")));
    let columns = match width as i64 {
        1 => vec![("a.weight", 1)],
        width => vec![("a.weight", width / 2), ("b.weight", width - width / 2)],
    };
    match Trial::on_columns(&yaml, order.len(), &columns, kind) {
        Ok(mut trial) => {
            trial.tasks = order.iter().map(|task| format!("task{task}")).collect();
            trial.accuracies = order.iter().map(|task| 0.3 + 0.6 / (task + 1) as f64).collect();
            Some(trial)
        }
        Err(bad) => {
            let few = order.len() < 4 && ["n_byzantine", "trim_number", "n_selected"].contains(&bad.path.as_str());
            assert!(few, "{yaml} on {} tasks: {bad:?}", order.len());
            None
        }
    }
}

/// Each task's loss `[T]` at a step: it falls at its own pace.
fn losses(order: &[usize], step: usize, scale: f64) -> Vec<Option<f64>> {
    let of = |&task: &usize| scale * (0.5 + 0.1 * task as f64) * (0.95 - 0.1 * (task % 4) as f64).powi(step as i32);
    order.iter().map(of).map(Some).collect()
}

/// The whole of a step of an epoch of one: what `losses` are before it, and after.
fn step(trial: &mut Trial, before: &[Option<f64>], after: &[Option<f64>], rows: &Matrix) -> Result<Answer> {
    let answer = trial.step(before.to_vec(), rows)?;
    let numbers = || answer.weights.iter().flatten().chain(&answer.direction);
    assert!(numbers().all(|value| value.is_finite()), "{:?}: {answer:?}", trial.method);
    let present = before.iter().flatten().count();
    assert!(answer.weights.iter().all(|weights| weights.len() == present), "{:?}: {answer:?}", trial.method);
    trial.look_again(before.to_vec(), after.to_vec())?;
    trial.end_epoch();
    Ok(answer)
}

/// The answers to Jacobians in turn, and losses as tasks have them; `absent` says which task is not there.
fn follow(
    trial: &mut Trial,
    order: &[usize],
    rows: impl IntoIterator<Item = Matrix>,
    absent: impl Fn(usize) -> Option<usize>,
) -> Result<Vec<Answer>> {
    rows.into_iter()
        .map(|rows| {
            let number = trial.step as usize;
            let of = |step: usize| {
                let mut losses = losses(order, step, 1.0);
                absent(number).into_iter().for_each(|task| losses[task] = None);
                losses
            };
            step(trial, &of(number), &of(number + 1), &rows)
        })
        .collect()
}

fn numbers(tasks: usize) -> Vec<usize> {
    (0..tasks).collect()
}

#[test]
fn methods_are_written_as_they_are_read() {
    for yaml in all() {
        let written = serde_yaml::to_string(&method(&yaml)).expect("yaml");
        let again = method(&written);
        assert_eq!(serde_yaml::to_string(&again).expect("yaml"), written);
        assert!(yaml.starts_with(&format!("{{name: {}", again.name())));
    }
}

#[test]
fn every_method_is_finite_on_hard_gradients() {
    let hard: Vec<Vec<hard::Hard>> = [1, 2, 3, 5, 40].map(hard::kinds).into();
    for yaml in all() {
        // The others know neither kind nor device: to them single precision is but other numbers.
        let tensors = matches!(method(&yaml).reads(), Reads::Jacobian(_));
        for kind in [Kind::Double, Kind::Float].into_iter().take(if tensors { 2 } else { 1 }) {
            for (what, jacobian) in hard.iter().flatten() {
                let order = numbers(jacobian.nrows());
                let Some(mut trial) = trial(&yaml, &order, jacobian.ncols(), kind) else { continue };
                let answers = follow(&mut trial, &order, vec![jacobian.clone(); 3], |_| None);
                let answers = answers.unwrap_or_else(|error| panic!("{yaml} on {what}, {kind:?}: {error:#}"));
                let zero = jacobian.iter().all(|value| *value == 0.0);
                let still = |answer: &Answer| answer.direction.iter().all(|value| *value == 0.0);
                assert!(!zero || answers.iter().all(still), "{yaml} on {what}: {answers:?}");
            }
        }
    }
}

#[test]
fn every_method_takes_hard_losses_or_says_what_is_wrong() {
    let spread = (0..40).map(|task| 10_f64.powi(task - 20)).collect();
    let far = (0..40).map(|task| if task == 0 { 1e-300 } else { 1e30 }).collect();
    let few: [&[f64]; 14] = [
        &[1.0],
        &[1e-300],
        &[1e30],
        &[0.0],
        &[-2.0],
        &[0.0, 0.0],
        &[0.0, 1.0],
        &[-1.0, 1.0],
        &[1e-300, 1e30],
        &[1e-300, 1e-300],
        &[1e30, 1e30],
        &[1e30, -1e30, 1.0],
        &[5e-324, f64::MAX],
        &[1.0; 40],
    ];
    let hard: Vec<Vec<f64>> = few.iter().map(|losses| losses.to_vec()).chain([spread, far]).collect();
    for yaml in all() {
        for losses in &hard {
            let Some(mut trial) = trial(&yaml, &numbers(losses.len()), 5, Kind::Double) else { continue };
            let given: Vec<Option<f64>> = losses.iter().copied().map(Some).collect();
            for _ in 0..3 {
                if let Err(error) = step(&mut trial, &given, &given, &hard::draw(1, losses.len(), 5)) {
                    // Inside a combinator it is the inner method that cannot take them.
                    let named =
                        Method::NAMES.iter().any(|name| error.to_string().contains(&format!("method {name} at step")));
                    assert!(named, "{yaml} on {losses:?}: {error}");
                    break;
                }
            }
        }
    }
}

#[test]
fn losses_and_gradients_of_any_one_scale_are_no_error() {
    for yaml in all() {
        for scale in [1e-10, 1e10] {
            let order = numbers(5);
            let mut trial = trial(&yaml, &order, 6, Kind::Double).expect("a trial");
            for number in 0..4 {
                let (before, after) = (losses(&order, number, scale), losses(&order, number + 1, scale));
                let made = step(&mut trial, &before, &after, &(hard::draw(number as u64, 5, 6) * scale));
                made.unwrap_or_else(|error| panic!("{yaml} at {scale}: {error:#}"));
            }
        }
    }
}

#[test]
fn one_task_alone_gives_its_gradient_up_to_scale() {
    for yaml in all() {
        for scale in [1e-10, 1.0, 1e10] {
            let width = if yaml.contains("grouped") { 1 } else { 6 }; // groups scale by themselves
            let Some(mut trial) = trial(&yaml, &[0], width, Kind::Double) else { continue };
            let row = hard::draw(3, 1, width) * scale;
            for answer in follow(&mut trial, &[0], vec![row.clone(); 3], |_| None).expect("an answer") {
                let at = row.iamax_full().1;
                let factor = answer.direction[at] / row[at];
                assert!(factor > 0.0, "{yaml}: {answer:?}");
                assert_near(&answer.direction, (&row * factor).as_slice(), 1e-9);
            }
        }
    }
}

#[test]
fn permuted_tasks_have_permuted_weights_and_the_same_update() {
    let order = [2, 0, 5, 3, 1, 4]; // with fewer, krum's nearest neighbours tie
    for yaml in all() {
        if NOT_EQUIVARIANT.iter().any(|name| yaml.contains(&format!("name: {name}"))) {
            continue;
        }
        let run = |order: &[usize]| {
            let mut trial = trial(&yaml, order, 7, Kind::Double).expect("a trial");
            let rows = (0..4).map(|number| hard::draw(number, 6, 7).select_rows(order));
            follow(&mut trial, order, rows, |_| None).unwrap_or_else(|error| panic!("{yaml}: {error:#}"))
        };
        for (plain, permuted) in run(&numbers(6)).iter().zip(run(&order)) {
            assert!(near(&permuted.direction, &plain.direction, 1e-6), "{yaml}: {plain:?} {permuted:?}");
            let expected = plain.weights.as_ref().map(|weights| order.map(|task| weights[task]));
            let same = expected.iter().zip(&permuted.weights).all(|(a, b)| near(b, a, 1e-6));
            assert!(same, "{yaml}: {plain:?} {permuted:?}");
        }
    }
}

/// Whether the shortest point of the rows' hull is zero, but for rounding.
fn on_front(jacobian: &Matrix) -> bool {
    let shortest = super::trial::first("{name: mgda}", jacobian).direction;
    let largest = jacobian.row_iter().map(|row| row.norm()).fold(0.0, f64::max);
    shortest.iter().map(|value| value * value).sum::<f64>().sqrt() <= 1e-6 * largest
}

#[test]
fn methods_that_promise_it_never_conflict_with_a_task() {
    for yaml in NEVER_CONFLICT {
        for tasks in [2, 3, 5, 40] {
            for (what, jacobian) in hard::kinds(tasks) {
                if yaml.contains("cagrad") && on_front(&jacobian) {
                    continue; // there it goes along the mean
                }
                let mut trial = trial(yaml, &numbers(tasks), jacobian.ncols(), Kind::Double).expect("a trial");
                let answered = follow(&mut trial, &numbers(tasks), [jacobian.clone()], |_| None).expect("an answer");
                let direction = Vector::from_vec(answered[0].direction.clone());
                let largest = jacobian.row_iter().map(|row| row.norm()).fold(0.0, f64::max);
                for row in jacobian.row_iter() {
                    let product = row.transpose().dot(&direction);
                    // The direction may be the small rest of large rows: its rounding is theirs.
                    let tolerance = row.norm() * (1e-7 * direction.norm() + 1e-13 * largest);
                    assert!(product >= -tolerance, "{yaml} on {what}: {product} < -{tolerance}");
                }
            }
        }
    }
}

#[test]
fn tasks_come_and_go() {
    for yaml in all() {
        let mut trial = trial(&yaml, &numbers(6), 4, Kind::Double).expect("a trial");
        let rows = (0..7).map(|number| hard::draw(number, 6, 4));
        let absent = |number: usize| [None, Some(1), Some(0), Some(5)][number % 4];
        follow(&mut trial, &numbers(6), rows, absent).unwrap_or_else(|error| panic!("{yaml}: {error:#}"));
    }
}

#[test]
fn a_task_that_is_always_absent_changes_nothing() {
    // These weigh each task by 1/T, or let it meet the present ones in an order of all.
    let know_of_it = ["{name: stch, mu: 0.3}", "{name: cosmos, lambda: 1.5}", "{name: pcgrad}", "{name: gradvac}"];
    for yaml in all().iter().filter(|yaml| !know_of_it.contains(&yaml.as_str())) {
        let run = |tasks: usize| {
            let mut trial = trial(yaml, &numbers(tasks), 7, Kind::Double).expect("a trial");
            let rows = (0..4).map(|number| hard::draw(number, 6, 7).rows(0, tasks).into_owned());
            follow(&mut trial, &numbers(tasks), rows, |_| Some(5).filter(|&task| task < tasks)).expect("an answer")
        };
        for (with, without) in run(6).iter().zip(run(5)) {
            assert!(near(&with.direction, &without.direction, 1e-9), "{yaml}: {with:?} {without:?}");
        }
    }
}

#[test]
fn what_is_remembered_is_all_there_is() {
    for yaml in all() {
        let run = |resume: bool| {
            let mut trial = trial(&yaml, &numbers(6), 4, Kind::Double).expect("a trial");
            let step = |number: u64| {
                if resume {
                    trial.resume();
                }
                let absent = |number: usize| [None, Some(1), Some(0)][number % 3];
                follow(&mut trial, &numbers(6), [hard::draw(number, 6, 4)], absent).expect("an answer").remove(0)
            };
            (0..6).map(step).collect::<Vec<Answer>>()
        };
        assert_eq!(run(true), run(false), "{yaml}");
    }
}
