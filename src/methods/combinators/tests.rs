//! What combinators make of the methods inside them.

use crate::methods::trial::{Trial, assert_near, matrix, refused};
use crate::methods::{Method, Reads};

#[test]
fn methods_that_do_not_go_together_are_refused_with_their_place() {
    for (yaml, path, words) in [
        ("{name: cr_mogm, inner: {name: con_fig}}", "inner", "con_fig makes a direction"),
        ("{name: cr_mogm, inner: {name: moco}}", "inner", "moco makes a direction"),
        ("{name: cr_mogm, inner: {name: constant, weights: [1]}}", "inner.weights", "for 3 tasks"),
        ("{name: weighted, weighting: {name: moco}, inner: {name: sum}}", "weighting", "moco reads gradients"),
        ("{name: weighted, weighting: {name: upgrad}, inner: {name: sum}}", "weighting", "upgrad reads gradients"),
        (
            "{name: weighted, weighting: {name: constant, weights: [1]}, inner: {name: sum}}",
            "weighting.weights",
            "for 3 tasks",
        ),
        (
            "{name: weighted, weighting: {name: sum}, inner: {name: trimmed_mean, trim_number: 2}}",
            "inner.trim_number",
            "leave none of 3 tasks",
        ),
        ("{name: grouped, by: layer, inner: {name: sum}}", "inner", "sum reads losses"),
        ("{name: grouped, by: layer, inner: {name: modo}}", "inner", "modo reads 3 batches"),
        (
            "{name: grouped, by: layer, inner: {name: grouped, by: whole, inner: {name: mean}}}",
            "inner.inner",
            "mean reads losses",
        ),
        ("{name: weighted, weighting: {name: mean}, inner: {name: uw}}", "inner", "uw learns"),
    ] {
        let bad = refused(yaml, 3);
        assert_eq!(bad.path, path, "{yaml}");
        assert!(bad.what.contains(words), "{yaml}: {}", bad.what);
    }
}

#[test]
fn a_mistake_inside_an_inner_method_is_found_at_its_place() {
    let wrong = |yaml: &str| refused(yaml, 3);
    assert_eq!(wrong("{name: cr_mogm, inner: {name: moco, beta: 2}}").path, "inner.beta");
    assert_eq!(wrong("{name: cr_mogm, alpha: 1, inner: {name: sum}}").path, "alpha");
    assert_eq!(wrong("{name: grouped, by: layers, inner: {name: moco}}").path, "by");
    assert!(wrong("{name: cr_mogm}").what.contains("missing field `inner`"));
    let deep = "{name: grouped, by: layer, inner: {name: weighted, weighting: {name: mena}, inner: {name: moco}}}";
    assert_eq!(wrong(deep).path, "inner.weighting.name");
}

#[test]
fn a_combinator_reads_what_its_inner_method_reads_and_asks_for_what_it_needs() {
    let method = |yaml: &str| serde_yaml::from_str::<Method>(yaml).expect("a method");
    let averaged = method("{name: cr_mogm, inner: {name: modo}}");
    assert!(matches!(averaged.reads(), Reads::Gramian(_)) && averaged.batches() == 3);
    let weighted = method("{name: weighted, weighting: {name: dtp}, inner: {name: modo}}");
    assert!(weighted.batches() == 3 && weighted.reads_accuracies() && !weighted.looks_again());
    let grouped = method("{name: grouped, by: layer, inner: {name: upgrad}}");
    assert!(matches!(grouped.reads(), Reads::Jacobian(_)) && grouped.follows_parameters());
    assert!(!method("{name: grouped, by: whole, inner: {name: upgrad}}").follows_parameters());
    let follows = method("{name: weighted, weighting: {name: famo}, inner: {name: moco}}");
    assert!(follows.follows_parameters() && follows.looks_again());
}

#[test]
fn looks_after_the_update_and_ends_of_epochs_reach_the_methods_inside() {
    let scales = [2.0, 0.5];
    let rows = matrix([[1.0, 0.0], [0.5, 1.0]]);
    let times = |losses: [f64; 2]| [losses[0] * scales[0], losses[1] * scales[1]];
    let constant = "{name: constant, weights: [2, 0.5]}";
    for (inner, combined, scaled) in [
        ("famo", "{name: cr_mogm, alpha: 0, inner: {name: famo}}".to_string(), false),
        ("famo", "{name: weighted, weighting: {name: famo}, inner: {name: sum}}".to_string(), false),
        ("famo", format!("{{name: weighted, weighting: {constant}, inner: {{name: famo}}}}"), true),
        ("dwa", "{name: cr_mogm, alpha: 0, inner: {name: dwa}}".to_string(), false),
        ("dwa", "{name: weighted, weighting: {name: dwa}, inner: {name: sum}}".to_string(), false),
        ("dwa", format!("{{name: weighted, weighting: {constant}, inner: {{name: dwa}}}}"), true),
    ] {
        let mut plain = Trial::wide(&format!("{{name: {inner}}}"), 2, 2);
        let mut trial = Trial::wide(&combined, 2, 2);
        let mut moved = false;
        for step in 0..6 {
            let losses = [1.0 / f64::from(step + 1), 3.0 - 0.1 * f64::from(step * step)];
            let after = losses.map(|loss| 0.9 * loss * loss);
            let (seen, seen_after) = if scaled { (times(losses), times(after)) } else { (losses, after) };
            let expected = plain.step(seen, &rows).expect("weights").weights.expect("weights");
            let found = trial.step(losses, &rows).expect("weights").weights.expect("weights");
            moved |= (expected[0] - expected[1]).abs() > 1e-3;
            let expected = if scaled { times([expected[0], expected[1]]).to_vec() } else { expected };
            assert_near(&found, &expected, 1e-12);
            plain.look_again(seen, seen_after).expect("losses that it takes");
            trial.look_again(losses, after).expect("losses that it takes");
            plain.end_epoch();
            trial.end_epoch();
        }
        assert!(moved, "{combined}: the weights would be the same without");
    }
}

#[test]
fn the_gradient_of_learned_weights_passes_through() {
    let losses = [0.5, 3.0];
    for learned in ["uw", "imtl_l"] {
        let expected = Trial::wide(&format!("{{name: {learned}}}"), 2, 1).learned_gradient(losses);
        assert!(expected.is_some());
        for yaml in [
            format!("{{name: cr_mogm, inner: {{name: {learned}}}}}"),
            format!("{{name: weighted, weighting: {{name: {learned}}}, inner: {{name: gls}}}}"),
        ] {
            assert_eq!(Trial::wide(&yaml, 2, 1).learned_gradient(losses), expected, "{yaml}");
        }
    }
}
