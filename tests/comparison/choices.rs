//! Which trial stands for an arm: by the arm's own rule, and by more seeds before fewer.

use super::common::{fail, text};
use super::{assert_agrees, assert_says, compared, entry, list, put, put_sweep, summary};
use serde_json::json;
use std::path::Path;

/// A run of a trial whose weights `select` chose.
fn put_trial(root: &Path, group: &str, seed: u64, select: (&str, &str, f64), test: f64) {
    let mut run = summary(group, seed, 0.5, json!({ "a": { "accuracy": test } }));
    run["select"] = json!({ "metric": select.0, "mode": select.1, "value": select.2 });
    put(&root.join(group).join(format!("seed{seed}")), "summary.json", &run);
}

#[test]
fn each_arm_is_chosen_by_its_own_metric_and_direction_in_any_order() {
    let folder = tempfile::tempdir().expect("a folder");
    let put_arm = |root: &Path, arm: &str, metric: &str| {
        // The second rate is better by both rules.
        for (rate, loss, accuracy) in [("1", 0.7, 0.49), ("2", 0.3, 0.89)] {
            let select = if metric == "loss" { ("loss", "min", loss) } else { (metric, "max", accuracy) };
            (0..3).for_each(|seed| put_trial(root, &format!("{arm}__learning_rate={rate}"), seed, select, accuracy));
        }
    };
    let one = folder.path().join("one");
    put_sweep(
        &one,
        "one",
        "arms: [{name: by_loss}, {name: by_accuracy}]\ntune: {optimizer.learning_rate: [1, 2]}\nseeds: 3\n",
    );
    put_arm(&one, "by_loss", "loss");
    put_arm(&one, "by_accuracy", "a/accuracy");
    let told = compared(&[text(&one)]);
    for arm in ["by_loss", "by_accuracy"] {
        assert_eq!(entry(&told["rows"], "name", arm)["trial"], "learning_rate=2", "{arm}");
    }
    assert_says(
        told["rule"].as_str().expect("a sentence"),
        &["its own rule", "the lowest loss, averaged over the tasks (by_loss)", "the highest a/accuracy (by_accuracy)"],
    );

    // Two sweeps, one with a `select` of its own: neither rules the other.
    let [left, right] = ["left", "right"].map(|name| folder.path().join(name));
    put_sweep(&left, "left", "compare: {method: [sum]}\ntune: {optimizer.learning_rate: [1, 2]}\nseeds: 3\n");
    let select =
        "compare: {method: [uw]}\ntune: {optimizer.learning_rate: [1, 2]}\nseeds: 3\nselect: {metric: a/mae}\n";
    put_sweep(&right, "right", select);
    put_arm(&left, "sum", "loss");
    put_arm(&right, "uw", "a/accuracy");
    for rate in [1, 2] {
        for seed in 0..3 {
            let run = right.join(format!("uw__learning_rate={rate}/seed{seed}"));
            let mut found: serde_json::Value =
                serde_json::from_slice(&std::fs::read(run.join("summary.json")).expect("a file")).expect("JSON");
            found["best"]["validation"]["a"]["mae"] = json!(if rate == 1 { 0.1 } else { 0.2 });
            put(&run, "summary.json", &found);
        }
    }
    for order in [[&left, &right], [&right, &left]] {
        let told = compared(&order.map(|root| text(root)));
        for (arm, trial) in [("sum", "learning_rate=2"), ("uw", "learning_rate=1")] {
            assert_eq!(entry(&told["rows"], "name", arm)["trial"], trial, "{arm} of {order:?}");
        }
    }
}

#[test]
fn trials_of_one_arm_that_were_chosen_by_several_metrics_are_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let more = "compare: {method: [sum]}\ntune: {select.metric: [loss, a/accuracy]}\nseeds: 2\n";
    put_sweep(folder.path(), "units", more);
    for seed in 0..2 {
        put_trial(folder.path(), "sum__metric=loss", seed, ("loss", "min", 0.4), 0.8);
        put_trial(folder.path(), "sum__metric=a-accuracy", seed, ("a/accuracy", "max", 0.8), 0.8);
    }
    let said = fail(&["compare", text(folder.path())]);
    assert_says(&said, &["arm sum", "the lowest loss", "the highest a/accuracy", "hint: give the sweep one `select`"]);
    // With one rule for all of them there is a choice.
    put_sweep(folder.path(), "units", &format!("{more}select: {{metric: a/accuracy}}\n"));
    assert_eq!(list(&compared(&[text(folder.path())])["rows"]).len(), 1);
}

#[test]
fn a_sweep_that_chooses_by_delta_m_shows_its_arms_before_the_baseline_has_run() {
    let folder = tempfile::tempdir().expect("a folder");
    let more = "compare: {method: [sum, uw]}\nbaseline: single\ntune: {optimizer.learning_rate: [1, 2]}\nseeds: 3\n\
        select: {metric: delta_m}\n";
    put_sweep(folder.path(), "early", more);
    for (arm, rate, accuracy) in [("sum", 1, 0.6), ("sum", 2, 0.8), ("uw", 1, 0.5), ("uw", 2, 0.4)] {
        let group = format!("{arm}__learning_rate={rate}");
        (0..3).for_each(|seed| put_trial(folder.path(), &group, seed, ("a/accuracy", "max", accuracy), accuracy));
    }
    let told = compared(&[text(folder.path())]);
    for (arm, trial) in [("sum", "learning_rate=2"), ("uw", "learning_rate=1")] {
        assert_eq!(entry(&told["rows"], "name", arm)["trial"], trial, "{arm}");
    }
    assert_says(told["rule"].as_str().expect("a sentence"), &["Δm, once single has a run"]);
    assert_says(&told["notes"].to_string(), &["single, which they are measured against, has no finished run"]);
}

#[test]
fn an_expectation_waits_for_every_trial_that_counts() {
    let folder = tempfile::tempdir().expect("a folder");
    let more = "arms: [{name: sum}, {name: uw, tune: {optimizer.learning_rate: [1, 2, 3]}}]\nseeds: 6\n";
    put_sweep(folder.path(), "early", more);
    let run = |group: &str, seed: u64, value: f64| {
        put_trial(folder.path(), group, seed, ("a/accuracy", "max", value), value);
    };
    for seed in 0..6 {
        run("sum", seed, 0.63 + seed as f64 / 1000.0);
        // The good trial alone has run at all seeds, the bad ones at two.
        run("uw__learning_rate=1", seed, 0.65 + seed as f64 / 1000.0);
        if seed < 2 {
            run("uw__learning_rate=2", seed, 0.3);
            run("uw__learning_rate=3", seed, 0.4);
        }
    }
    let told = compared(&[text(folder.path())]);
    let values = &entry(&told["rows"], "name", "uw")["values"][0]["values"];
    assert_agrees("uw", values, &json!([0.45, (0.651 + 0.3 + 0.4) / 3.0, null, null, null, null]));
    assert_eq!(entry(&told["differences"][0], "row", "uw")["verdict"], "too_few_seeds");
}

#[test]
fn a_trial_with_fewer_seeds_beats_none_with_more_and_that_is_said() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path();
    for seed in 0..6 {
        let rate = |rate: u32| format!("sum__optimizer.learning_rate={rate}");
        put_trial(root, &rate(1), seed, ("a/accuracy", "max", 0.7), 0.70);
        put_trial(root, &rate(2), seed, ("a/accuracy", "max", 0.6), 0.60);
        if seed < 2 {
            put_trial(root, &rate(3), seed, ("a/accuracy", "max", 0.99), 0.99);
        }
    }
    let told = compared(&[text(root)]);
    assert_agrees("sum", &told["rows"][0], &json!({ "trial": "learning_rate=1", "trials": 3, "finished": 6 }));
    assert_says(
        &told["notes"].to_string(),
        &["sum: learning_rate=1 (6 seeds) was chosen", "fewer seeds, which does not count: learning_rate=3 (2 seeds)"],
    );
}
