//! What every metric keeps to, whatever it measures: a new one joins by standing in `MetricKind::ALL`.

use super::golden::example;
use super::*;
use crate::tasks::NO_CLASS;
use tch::{Device, Kind};

const FORMS: [Form; 6] =
    [Form::Classes(2), Form::Classes(3), Form::Binary(1), Form::Binary(3), Form::Real(1), Form::Real(2)];

/// Every metric with every form that it fits.
fn every() -> impl Iterator<Item = (MetricKind, Form)> {
    MetricKind::ALL
        .into_iter()
        .flat_map(|metric| FORMS.into_iter().filter(move |form| metric.fits(*form)).map(move |form| (metric, form)))
}

fn value(metric: MetricKind, form: Form, output: &Tensor, target: &Target) -> Option<f64> {
    let mut accumulator = metric.accumulator(form);
    accumulator.update(output, target);
    accumulator.value()
}

#[test]
fn without_a_labelled_row_there_is_no_value() {
    for (metric, form) in every() {
        assert_eq!(metric.accumulator(form).value(), None, "{} {form:?}, nothing seen", metric.name());
        for weighted in [false, true] {
            let (output, target) = example(form, weighted, Kind::Float);
            let none = value(metric, form, &output.narrow(0, 0, 0), &target.narrow(0, 0));
            assert_eq!(none, None, "{} {form:?}, empty batch", metric.name());
        }
        let (output, target) = example(form, true, Kind::Float);
        let values = match form {
            Form::Classes(_) => target.values.full_like(NO_CLASS),
            _ => target.values.zeros_like(),
        };
        let unlabelled = Target { values, weights: target.weights.map(|weights| weights.zeros_like()) };
        assert_eq!(value(metric, form, &output, &unlabelled), None, "{} {form:?}, no label", metric.name());
    }
}

#[test]
fn hard_inputs_give_a_finite_value_or_none() {
    for (metric, form) in every() {
        for kind in [Kind::Float, Kind::Double] {
            let (output, target) = example(form, true, kind);
            let labels =
                |values: Tensor| Target { values, weights: target.weights.as_ref().map(Tensor::shallow_clone) };
            let as_it_is = || labels(target.values.shallow_clone());
            let cases = [
                ("labels all alike", output.shallow_clone(), labels(target.values.ones_like())),
                ("constant outputs", output.ones_like(), as_it_is()),
                ("huge outputs", &output * 1e10, as_it_is()),
                ("tiny outputs", &output * 1e-10, as_it_is()),
                ("one row", output.narrow(0, 0, 1), target.narrow(0, 1)),
            ];
            for (case, output, target) in cases {
                let value = value(metric, form, &output, &target);
                assert!(value.is_none_or(f64::is_finite), "{} {form:?}, {case}: {value:?}", metric.name());
                let undefined = matches!(metric, MetricKind::Auc) && matches!(form, Form::Classes(2) | Form::Binary(_));
                if undefined && case == "labels all alike" {
                    assert_eq!(value, None, "AUC of one class");
                }
            }
        }
    }
}

#[test]
fn outputs_that_are_not_finite_give_no_value_unless_their_row_has_no_label() {
    for (metric, form) in every() {
        let (output, target) = example(form, true, Kind::Double);
        let plain = value(metric, form, &output, &target);
        for bad in [f64::NAN, f64::INFINITY] {
            let at = |row| {
                let copy = output.copy();
                let _ = copy.narrow(0, row, 1).fill_(bad);
                copy
            };
            assert_eq!(value(metric, form, &at(0), &target), None, "{} {form:?}", metric.name());
            if target.narrow(1, 1).labelled_rows() == 0 {
                assert_eq!(value(metric, form, &at(1), &target), plain, "{} {form:?}", metric.name());
            }
        }
    }
}

#[test]
fn a_cell_of_weight_zero_is_not_there() {
    for (metric, form) in every() {
        let (output, target) = example(form, true, Kind::Double);
        let unlabelled = target.weights.as_ref().expect("weighted").eq(0.0);
        let other = target.values.masked_fill(&unlabelled, 1.0);
        let changed = Target { values: other, weights: target.weights.as_ref().map(Tensor::shallow_clone) };
        assert_eq!(
            value(metric, form, &output, &target),
            value(metric, form, &output, &changed),
            "{} {form:?}",
            metric.name()
        );
    }
}

#[test]
fn the_cut_into_batches_changes_no_bit() {
    for (metric, form) in every() {
        for weighted in [false, true] {
            let (output, target) = example(form, weighted, Kind::Float);
            let output = output * 0.1; // sums that round
            let whole = value(metric, form, &output, &target);
            assert!(whole.is_some());
            for size in 1..14 {
                let mut accumulator = metric.accumulator(form);
                for start in (0..14).step_by(size) {
                    let length = (size as i64).min(14 - start);
                    accumulator.update(&output.narrow(0, start, length), &target.narrow(start, length));
                }
                assert_eq!(accumulator.value(), whole, "{} {form:?} in batches of {size}", metric.name());
            }
        }
    }
}

/// The 14 rows as `[N, C, …]` of `shape` `[N, …positions]`.
fn dense(rows: &Tensor, shape: &[i64]) -> Tensor {
    let whole: Vec<i64> = shape.iter().copied().chain(rows.size().get(1).copied()).collect();
    let rows = rows.view(&whole[..]);
    if whole.len() > shape.len() { rows.movedim_int(-1, 1) } else { rows }
}

#[test]
fn every_position_of_a_dense_output_is_a_row() {
    for (metric, form) in every() {
        for weighted in [false, true] {
            let (output, target) = example(form, weighted, Kind::Float);
            let output = output * 0.1; // sums that round
            let plain = value(metric, form, &output, &target);
            for shape in [&[2, 7][..], &[14, 1], &[1, 2, 7], &[7, 1, 2]] {
                let values = dense(&target.values, shape);
                let values = if form == Form::Classes(3) { values.to_kind(Kind::Int8) } else { values };
                let weights = target.weights.as_ref().map(|weights| dense(weights, shape));
                let case = format!("{} {form:?} {shape:?}", metric.name());
                let (output, target) = (dense(&output, shape), Target { values, weights });
                assert_eq!(value(metric, form, &output, &target), plain, "{case}");
                let labelled = match (form, weighted) {
                    (_, false) => 14,
                    (Form::Binary(3) | Form::Real(2), true) => continue,
                    (_, true) => 8,
                };
                let by_position = |row| target.narrow(row, 1).labelled_rows();
                if shape[0] == 14 {
                    assert_eq!((0..14).map(by_position).sum::<i64>(), labelled, "{case}");
                }
            }
        }
    }
}

#[test]
fn dense_labels_may_lack_classes_and_share_a_mask() {
    for metric in [MetricKind::Accuracy, MetricKind::Iou, MetricKind::Auc] {
        let (output, target) = example(Form::Classes(3), true, Kind::Double);
        let ones = target.weights.as_ref().expect("weighted").gt(0.0).to_kind(Kind::Double);
        let known = value(metric, Form::Classes(3), &output, &Target { weights: Some(ones), ..target.narrow(0, 14) });
        let bare = Target { values: dense(&target.values, &[2, 7]), weights: None };
        assert_eq!(value(metric, Form::Classes(3), &dense(&output, &[2, 7]), &bare), known, "{}", metric.name());
        assert_eq!(bare.labelled_rows(), 2);
    }
    for (metric, form) in every().filter(|(_, form)| matches!(form, Form::Binary(3) | Form::Real(2))) {
        let (output, target) = example(form, false, Kind::Double);
        let mask = example(Form::Real(1), true, Kind::Double).1.weights.expect("weighted"); // [14, 1]
        let target = |weights| Target { values: dense(&target.values, &[2, 7]), weights: Some(weights) };
        let shared = target(dense(&mask, &[2, 7]));
        let each = target(dense(&mask.expand([14, form.width()], false).contiguous(), &[2, 7]));
        let of = |target| value(metric, form, &dense(&output, &[2, 7]), target);
        assert!(of(&each).is_some() && of(&each) == of(&shared), "{} {form:?}", metric.name());
    }
}

#[test]
fn a_direction_that_is_not_there_is_half_right() {
    let labels = Tensor::from_slice(&[1.0, 0.0, 0.0, 3.0, 0.0, 0.0, -2.0, -2.0]).view([4, 2]);
    let outputs = Tensor::from_slice(&[5.0, 0.0, 0.0, 0.0, 7.0, 7.0, 1.0, 1.0]).view([4, 2]);
    let target = Target { values: labels, weights: None };
    let of = |metric| value(metric, Form::Real(2), &outputs, &target);
    // 0, 90 (no output), nothing (no label), 180
    assert_eq!(of(MetricKind::AngleMedian), Some(90.0));
    assert_eq!(of(MetricKind::AngleMean), Some(90.0));
    assert_eq!(of(MetricKind::AngleWithin11), Some(1.0 / 3.0));
}

#[test]
fn perfect_outputs_are_best() {
    for (metric, form) in every() {
        let (_, target) = example(form, false, Kind::Double);
        let perfect = match form {
            Form::Classes(classes) => target.values.one_hot(classes).to_kind(Kind::Double),
            Form::Binary(_) => &target.values - 0.5,
            Form::Real(_) => target.values.copy(),
        };
        let best = if metric.higher_is_better() { 1.0 } else { 0.0 };
        assert_eq!(value(metric, form, &perfect, &target), Some(best), "{} {form:?}", metric.name());
    }
}

#[test]
fn labels_far_from_zero_keep_their_digits() {
    let labels = Tensor::from_slice(&[1e9 + 1.0, 1e9 + 2.0, 1e9 + 3.0]).view([3, 1]);
    let output = &labels + Tensor::from_slice(&[0.5, 0.0, -0.5]).view([3, 1]);
    let target = Target { values: labels, weights: None };
    assert_eq!(value(MetricKind::R2, Form::Real(1), &output, &target), Some(0.75));
}

#[test]
fn a_label_of_minus_100_is_a_label_where_labels_are_real() {
    let target = Target { values: Tensor::from_slice(&[-100.0, 0.0]).view([2, 1]), weights: None };
    let output = Tensor::zeros([2, 1], (Kind::Double, Device::Cpu));
    assert_eq!(value(MetricKind::Mae, Form::Real(1), &output, &target), Some(50.0));
}

#[test]
fn names_are_those_of_yaml() {
    let names: Vec<&str> = MetricKind::ALL.iter().map(|metric| metric.name()).collect();
    let yaml: Vec<MetricKind> = serde_yaml::from_str(&format!("[{}]", names.join(", "))).unwrap();
    assert_eq!(yaml, MetricKind::ALL);
    for metric in MetricKind::ALL {
        assert_eq!(serde_yaml::to_string(&metric).unwrap().trim(), metric.name());
        assert_eq!(MetricKind::from_name(metric.name()), Some(metric));
    }
}
