//! The size of the pieces in which a split is measured changes nothing.

use super::*;
use crate::random::generator;
use crate::tasks::{Form, MetricKind, NO_CLASS, TaskSettings};
use rand::RngExt;
use tch::Kind;

const ROWS: i64 = 30;
/// Every piece of three rows from here on holds nothing but class 0, weights of 0 or missing
/// labels.
const SORTED: i64 = 15;

const LOSSES: [&str; 10] = [
    "{name: cross_entropy, classes: 3}",
    "{name: cross_entropy, classes: 3, class_weights: [0, 1, 0.5]}",
    "{name: cross_entropy, classes: 3, class_weights: [0, 1, 0.5], label_smoothing: 0.3}",
    "{name: cross_entropy, classes: 2, class_weights: [0, 2]}",
    "{name: binary_cross_entropy}",
    "{name: binary_cross_entropy, positive_weight: [0]}",
    "{name: mse}",
    "{name: l1}",
    "{name: huber}",
    "{name: cosine}",
];

/// What a cell weighs.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Weighing {
    Nothing,
    Rows,
    Missing,
}

/// A task of the loss with every metric that fits it.
fn task(loss: &str, columns: i64) -> Task {
    let read = |metrics: &str| {
        let text = format!("{{name: a, channels: {columns}, loss: {loss}, metrics: [{metrics}]}}");
        let text = if columns == 1 { text.replace("channels: 1, ", "") } else { text };
        serde_yaml::from_str::<TaskSettings>(&text).expect("a task").checked().expect("fits")
    };
    let form = read("").form;
    let fitting = MetricKind::ALL.into_iter().filter(|metric| metric.fits(form));
    read(&fitting.map(MetricKind::name).collect::<Vec<_>>().join(", "))
}

/// Outputs `[N, width, …positions]` and labels, the second half sorted so that pieces without
/// weight come.
fn rows(form: Form, positions: &[i64], weighing: Weighing, seed: u64) -> (Tensor, Target) {
    let mut random = generator(seed, "pieces", 0, 0);
    let mut draw = |shape: &[i64]| {
        let numbers: Vec<f64> = (0..shape.iter().product::<i64>()).map(|_| random.random::<f64>()).collect();
        Tensor::from_slice(&numbers).view(shape)
    };
    let shape = [&[ROWS, form.width()], positions].concat();
    let labels = if matches!(form, Form::Classes(_)) { [&[ROWS], positions].concat() } else { shape.clone() };
    let output: Tensor = draw(&shape) * 4.0 - 2.0;
    let values = match form {
        Form::Classes(classes) => (draw(&labels) * classes as f64).floor().to_kind(Kind::Int64),
        Form::Binary(_) => draw(&labels).gt(0.5).to_kind(Kind::Double),
        Form::Real(_) => draw(&labels) * 6.0 - 3.0,
    };
    let sorted = |tensor: &Tensor| tensor.narrow(0, SORTED, ROWS - SORTED);
    let weights = match weighing {
        Weighing::Nothing => {
            if !matches!(form, Form::Real(_)) {
                let _ = sorted(&values).zero_();
            }
            return (output, Target { values, weights: None });
        }
        Weighing::Rows => {
            let of_row = (draw(&[ROWS]) * 3.0).floor(); // 0, 1 or 2
            let shape = [vec![ROWS], vec![1; labels.len() - 1]].concat();
            of_row.view(&shape[..]).expand(&labels, false).contiguous()
        }
        Weighing::Missing => draw(&labels).gt(0.3).to_kind(Kind::Double),
    };
    let _ = sorted(&weights).narrow(0, 0, 6).zero_();
    let missing = weights.eq(0.0);
    let nothing = if matches!(form, Form::Classes(_)) { NO_CLASS as f64 } else { 0.0 };
    let values = if weighing == Weighing::Missing { values.masked_fill(&missing, nothing) } else { values };
    (output, Target { values, weights: Some(weights) })
}

/// Every score, measured in pieces of so many rows.
fn measured(
    task: &Task,
    standardization: Option<&Standardization>,
    output: &Tensor,
    target: &Target,
    piece: i64,
) -> Vec<Score> {
    let mut tally = Tally::new(task);
    for start in (0..ROWS).step_by(piece as usize) {
        let length = piece.min(ROWS - start);
        tally.update(task, standardization, &output.narrow(0, start, length), &target.narrow(start, length));
    }
    scores(std::slice::from_ref(task), &[tally])
}

/// Calls `check` with every loss, form, kind of weights and unit.
fn every(mut check: impl FnMut(&str, &Task, Option<&Standardization>, &Tensor, &Target)) {
    for (number, loss) in LOSSES.into_iter().enumerate() {
        for columns in if loss.contains("cross_entropy, classes") { 1..2 } else { 1..4 } {
            if loss.contains("cosine") && columns == 1 || loss.contains("positive_weight") && columns > 1 {
                continue;
            }
            let task = task(loss, columns);
            let unit = Standardization { mean: vec![-3.5; columns as usize], scale: vec![0.25; columns as usize] };
            for positions in [&[][..], &[2, 2]] {
                for weighing in [Weighing::Nothing, Weighing::Rows, Weighing::Missing] {
                    let (output, target) = rows(task.form, positions, weighing, number as u64);
                    let case = format!("{loss}, {columns} columns, positions {positions:?}, weights {weighing:?}");
                    check(&case, &task, None, &output, &target);
                    if matches!(task.form, Form::Real(_)) {
                        check(&case, &task, Some(&unit), &output, &target);
                    }
                }
            }
        }
    }
}

#[test]
fn the_size_of_the_pieces_changes_no_loss_and_no_metric() {
    every(|case, task, unit, output, target| {
        let whole = measured(task, unit, output, target, 4096);
        assert!(whole.len() > 2 && whole[0].value.is_some(), "{case}");
        for piece in [1, 3, 4] {
            for (part, whole) in measured(task, unit, output, target, piece).iter().zip(&whole) {
                let equal = match (part.value, whole.value) {
                    (Some(part), Some(whole)) => (part - whole).abs() <= 1e-12 * whole.abs().max(1.0),
                    (part, whole) => part == whole,
                };
                assert!(equal, "{case}, pieces of {piece}: {}, {:?} and {:?}", whole.metric, part.value, whole.value);
            }
        }
    });
}

#[test]
fn weights_of_classes_change_no_metric() {
    let (plain, weighted) = (task(LOSSES[0], 1), task(LOSSES[1], 1));
    for weighing in [Weighing::Nothing, Weighing::Rows, Weighing::Missing] {
        let (output, target) = rows(plain.form, &[2, 2], weighing, 7);
        for piece in [1, 4096] {
            let metrics = |task: &Task| measured(task, None, &output, &target, piece)[1..=task.metrics.len()].to_vec();
            assert_eq!(metrics(&plain), metrics(&weighted), "{weighing:?}, pieces of {piece}");
        }
    }
}

#[test]
fn without_any_weight_there_is_a_metric_but_no_loss() {
    let task = task(LOSSES[2], 1);
    let target = || Target { values: Tensor::from_slice(&[0i64, 0]), weights: None };
    let output = Tensor::from_slice(&[1.0, 0.0, 0.0, 0.0, 1.0, 0.0]).view([2, 3]);
    let mut tally = Tally::new(&task);
    tally.update(&task, None, &output, &target());
    let scores = scores(std::slice::from_ref(&task), &[tally]);
    let value = |metric: &str| scores.iter().find(|score| score.metric == metric).expect("a score").value;
    assert_eq!((value("loss"), value("accuracy")), (None, Some(0.5)));
}
