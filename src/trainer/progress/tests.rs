//! Early stopping against a small program of Keras's rule.

use super::*;
use crate::models::Network;
use crate::random::generator;
use rand::RngExt;
use tch::{Device, Kind};

const ALWAYS: usize = 400;

/// `EarlyStopping` of Keras 3 (`on_epoch_end`, `_is_improvement`), Lightning's
/// `_evaluate_stopping_criteria` alike: the number of values seen when it stops.
fn keras(values: &[f64], patience: usize, min_delta: f64, direction: Direction) -> usize {
    let sign = if direction == Direction::Max { 1.0 } else { -1.0 };
    let (min_delta, mut best, mut wait) = (min_delta * sign, -sign * f64::INFINITY, 0);
    for (epoch, value) in values.iter().enumerate() {
        wait += 1;
        let moved = value - min_delta;
        if if sign > 0.0 { moved > best } else { moved < best } {
            (best, wait) = (*value, 0);
        } else if wait >= patience {
            return epoch + 1;
        }
    }
    values.len()
}

/// The number of values seen when `Progress` stops, and the best of them; the memory is saved and
/// restored on the way, as in a run that is resumed.
fn ours(values: &[f64], stop: &StopSettings, direction: Direction) -> (usize, f64) {
    let backbone = serde_yaml::from_str("{name: mlp, hidden: []}").expect("a backbone");
    let model = Network::shared(&backbone, 1, &[("a".into(), 1)], Kind::Float, 1);
    let parameters = Parameters::flatten(&model, Device::Cpu, Kind::Float, &[]).expect("parameters");
    let mut memory = Memory::default();
    let mut progress = Progress::claim(&mut memory, &parameters, 1).expect("memory");
    for (epoch, value) in values.iter().enumerate() {
        if epoch % 3 == 2 {
            memory = Memory::restore(memory.save());
            progress = Progress::claim(&mut memory, &parameters, 1).expect("memory");
        }
        progress.judge(&mut memory, &parameters, epoch as i64, *value, direction, stop);
        if progress.stop(&memory, stop, direction).is_some() {
            return (epoch + 1, progress.best(&memory).expect("a value"));
        }
    }
    (values.len(), progress.best(&memory).expect("a value"))
}

fn check(values: &[f64], patience: usize, min_delta: f64) -> usize {
    let stop = StopSettings { patience: Some(patience as u64), min_delta, target: None };
    let mirrored: Vec<f64> = values.iter().map(|value| -value).collect();
    let expected = keras(values, patience, min_delta, Direction::Min);
    let best = values[..expected].iter().copied().fold(f64::INFINITY, f64::min);
    let case = format!("patience {patience}, min_delta {min_delta}");
    assert_eq!(ours(values, &stop, Direction::Min), (expected, best), "{case}");
    assert_eq!(keras(&mirrored, patience, min_delta, Direction::Max), expected, "{case}, mirrored");
    assert_eq!(ours(&mirrored, &stop, Direction::Max), (expected, -best), "{case}, mirrored");
    expected
}

#[test]
fn small_gains_add_up_to_min_delta() {
    let slow: Vec<f64> = (0..ALWAYS).map(|epoch| 0.05 - 0.0004 * epoch as f64).collect();
    assert_eq!(check(&slow, 10, 0.003), ALWAYS, "0.0032 within 8 evaluations");
    assert_eq!(check(&slow, 7, 0.003), 8, "0.0028 within 7");
}

#[test]
fn patience_is_counted_as_keras_counts_it() {
    let mut random = generator(1, "curves", 0, 0);
    let mut stops = 0;
    for curve in 0..60 {
        let noise = [0.0, 0.01, 0.3][curve % 3];
        let mut value = |epoch: usize| 1.0 / (1.0 + epoch as f64) + noise * random.random::<f64>();
        let values: Vec<f64> = (0..60).map(&mut value).collect();
        for patience in [1, 3, 10] {
            for min_delta in [0.0, 0.001, 0.02, 0.2] {
                stops += usize::from(check(&values, patience, min_delta) < values.len());
            }
        }
    }
    assert!(stops > 300, "{stops}");
}
