//! What a task's settings mean together.

use super::*;
use tch::Device;

fn checked(yaml: &str) -> Result<Task, BadSetting> {
    serde_yaml::from_str::<TaskSettings>(yaml).unwrap().checked()
}

#[test]
fn channels_are_the_width_of_one_target() {
    let form = |yaml: &str| checked(yaml).unwrap().form;
    assert_eq!(form("{name: normals, channels: 3, loss: {name: cosine}}"), Form::Real(3));
    assert_eq!(form("{name: a, target: [x, y, z], loss: {name: cosine}, metrics: [angle_mean]}"), Form::Real(3));
    assert_eq!(form("{name: a, channels: 4, loss: {name: binary_cross_entropy}, metrics: [iou]}"), Form::Binary(4));
    assert_eq!(form("{name: depth, loss: {name: l1}, metrics: [mae, relative_error]}"), Form::Real(1));
    assert_eq!(checked("{name: a, channels: 3, loss: {name: mse}}").unwrap().targets, ["a"]);
}

#[test]
fn settings_that_do_not_fit_each_other_name_their_path() {
    for (yaml, path, part) in [
        ("{name: a, loss: {name: cosine}}", "loss.name", "this task has 1"),
        ("{name: a, channels: 3, loss: {name: cross_entropy, classes: 13}}", "channels", "one class per position"),
        ("{name: a, channels: 2, target: [x, y], loss: {name: mse}}", "channels", "beside 2 targets"),
        ("{name: a, channels: 3, standardize: true, loss: {name: cosine}}", "standardize", "no numbers to standardise"),
        ("{name: a, loss: {name: l1}, metrics: [mae, angle_mean]}", "metrics[1]", "the task has 1 channel"),
        ("{name: a, loss: {name: l1}, metrics: [iou]}", "metrics[0]", "iou does not fit l1 (allowed: mae, rmse"),
        (
            "{name: a, loss: {name: cross_entropy, classes: 3}, metrics: [angle_median]}",
            "metrics[0]",
            "angle_median does not fit cross_entropy (allowed: accuracy",
        ),
    ] {
        let bad = checked(yaml).unwrap_err();
        assert_eq!(bad.path, path, "{yaml}");
        assert!(bad.what.contains(part), "{yaml}: {}", bad.what);
    }
}

#[test]
fn standardised_labels_come_back_column_by_column_at_every_position() {
    let standardization = Standardization { mean: vec![1.0, -1.0], scale: vec![2.0, 10.0] };
    let rows = Tensor::from_slice(&[0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]).view([4, 2]);
    let plain = standardization.undo(&rows);
    assert_eq!(Vec::<f64>::try_from(plain.view(-1)).unwrap(), [1.0, 9.0, 5.0, 29.0, 9.0, 49.0, 13.0, 69.0]);
    let dense = |rows: &Tensor| rows.view([2, 1, 2, 2]).movedim_int(-1, 1); // [2, 2, 1, 2]
    assert_eq!(standardization.undo(&dense(&rows)), dense(&plain));
    assert_eq!(standardization.apply(&dense(&plain)), dense(&rows));
}

#[test]
fn a_row_is_labelled_where_any_of_its_positions_is() {
    let values = Tensor::from_slice(&[0, NO_CLASS, NO_CLASS, NO_CLASS, 1, 2]).view([3, 2]);
    let rows =
        |values: &Tensor, weights: Option<Tensor>| Target { values: values.shallow_clone(), weights }.labelled_rows();
    assert_eq!(rows(&values, None), 2);
    assert_eq!(rows(&values, Some(Tensor::from_slice(&[1.0, 1.0, 1.0, 1.0, 0.0, 0.0]).view([3, 2]))), 1);
    let depth = Tensor::zeros([3, 1, 2, 2], (Kind::Float, Device::Cpu));
    let mask = depth.copy();
    let _ = mask.select(0, 1).fill_(0.5);
    assert_eq!((rows(&depth, None), rows(&depth, Some(mask))), (3, 1));
}
