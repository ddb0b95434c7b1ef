//! Only what exists counts: seeds that have not begun, undefined metrics, failed runs, arms without a run.

use super::common::{succeed, text};
use super::{assert_agrees, assert_says, compared, entry, list, put, put_run, put_sweep, summary};
use serde_json::{Value, json};
use std::path::Path;

fn put_failure(root: &Path, arm: &str, seed: u64) {
    let failure = json!({ "kind": "diverged", "error": "error: loss of a is NaN" });
    put(&root.join(arm).join(format!("seed{seed}")), "failed.json", &failure);
}

/// A run of two tasks; `None` is an undefined metric.
fn put_aucs(root: &Path, arm: &str, seed: u64, values: [Option<f64>; 2]) {
    let test = json!({ "a": { "auc": values[0] }, "b": { "auc": values[1] } });
    put(&root.join(arm).join(format!("seed{seed}")), "summary.json", &summary(arm, seed, 0.5, test));
}

#[test]
fn a_seed_that_has_not_begun_is_no_last_place() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path();
    // The best arm where it has run, at three of ten seeds.
    for seed in 0..10 {
        let luck = ((seed * 7) % 5) as f64 / 1000.0;
        put_run(root, "sum", seed, 0.80 + luck);
        put_run(root, "uw", seed, 0.81 - luck / 3.0);
        put_run(root, "mgda", seed, 0.82 + luck / 2.0);
        if seed < 3 {
            put_run(root, "pcgrad", seed, 0.90 - luck);
        }
    }
    let told = compared(&[text(root)]);
    assert_eq!(told["ranked_seeds"], 3);
    for (arm, rank) in [("pcgrad", 1.0), ("mgda", 2.0), ("uw", 3.0), ("sum", 4.0)] {
        assert_agrees(arm, entry(&told["rows"], "name", arm), &json!({ "mean_rank": rank }));
    }
    assert_agrees("ranking", &told["ranking"], &json!({ "blocks": 3, "mean_ranks": [1.0, 2.0, 3.0, 4.0] }));
    assert_eq!(told["ranking"]["rows"], json!(["pcgrad", "mgda", "uw", "sum"]));
    assert_eq!(entry(&told["differences"][0], "row", "pcgrad")["pairs"], 3);
    assert_says(&told["notes"].to_string(), &["Ranks are over the 3 of 10 seeds"]);
    let said = succeed(&["compare", text(root)]);
    assert_says(&said, &["3 of 10  0.89"]);
}

#[test]
fn an_arm_without_a_run_has_no_rank_and_no_verdict() {
    let folder = tempfile::tempdir().expect("a folder");
    put_sweep(folder.path(), "shard", "compare: {method: [sum, uw, mgda]}\nseeds: 6\n");
    (0..6).for_each(|seed| put_run(folder.path(), "sum", seed, 0.5 + seed as f64 / 100.0));
    let told = compared(&[text(folder.path())]);
    for arm in ["sum", "uw", "mgda"] {
        assert_agrees(arm, entry(&told["rows"], "name", arm), &json!({ "mean_rank": null }));
    }
    assert!(told["ranking"].is_null(), "{}", told["ranking"]);
    assert_says(&told["conclusion"].to_string(), &["no result: uw and mgda"]);
    assert_says(
        &told["notes"].to_string(),
        &["No run has ended, so there is no rank: uw, mgda", "Preliminary: 6 of 18"],
    );
    // Once another has begun, the two are ranked among themselves.
    (0..2).for_each(|seed| put_run(folder.path(), "uw", seed, 0.9));
    let told = compared(&[text(folder.path())]);
    assert_agrees("uw", entry(&told["rows"], "name", "uw"), &json!({ "mean_rank": 1.0 }));
    assert_eq!((&told["ranked_seeds"], &told["ranking"]["blocks"]), (&json!(2), &json!(2)));
    assert_says(&told["conclusion"].to_string(), &["too few seeds to tell: uw", "no result: mgda"]);
}

#[test]
fn failed_runs_alone_come_last() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path();
    for seed in 0..4 {
        put_run(root, "sum", seed, 0.5);
        put_run(root, "mgda", seed, 0.4);
        if seed == 3 { put_failure(root, "uw", seed) } else { put_run(root, "uw", seed, 0.9) }
    }
    let told = compared(&[text(root)]);
    assert_eq!(told["ranked_seeds"], 4);
    for (arm, rank) in [("uw", (3.0 + 3.0) / 4.0), ("sum", (6.0 + 1.0) / 4.0), ("mgda", (9.0 + 2.0) / 4.0)] {
        assert_agrees(arm, entry(&told["rows"], "name", arm), &json!({ "mean_rank": rank }));
    }
    assert_says(&told["notes"].to_string(), &["1 of 12 runs failed (uw 1)", "in ranks a failed run comes last"]);
}

#[test]
fn an_undefined_metric_counts_for_nothing_and_its_cell_says_over_how_many() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path();
    for seed in 0..6 {
        let luck = seed as f64 / 500.0;
        put_aucs(root, "sum", seed, [Some(0.70 + luck), Some(0.7 - luck)]);
        put_aucs(root, "mgda", seed, [Some(0.9 - luck).filter(|_| seed > 1), Some(0.9 + luck)]);
    }
    let told = compared(&[text(root)]);
    // First wherever it has a value; the pairs are those of four seeds.
    assert_agrees("mgda", entry(&told["rows"], "name", "mgda"), &json!({ "mean_rank": 1.0, "finished": 6 }));
    let families = list(&told["differences"]);
    assert_eq!(families.iter().map(|family| &family[0]["pairs"]).collect::<Vec<_>>(), [4, 4, 6]);
    assert_says(&told["notes"].to_string(), &["Undefined", "a/auc of mgda at 2 of 6 seeds"]);
    assert_says(&succeed(&["compare", text(root)]), &["(over 4 of 6)"]);
}

#[test]
fn a_baseline_undefined_at_a_seed_stands_by_its_other_seeds() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path();
    for seed in 0..4 {
        put_aucs(root, "single", seed, [Some(0.5).filter(|_| seed > 0), Some(0.5)]);
        put_aucs(root, "sum", seed, [Some(0.6), Some(0.75)]);
    }
    let told = compared(&[text(root)]);
    assert_agrees("sum", entry(&told["rows"], "name", "sum"), &json!({ "delta_m": { "mean": -35.0 } }));
    let values = &entry(&told["rows"], "name", "single")["delta_m"]["values"];
    assert_agrees("single", values, &json!([null, 0.0, 0.0, 0.0]));
}

#[test]
fn delta_m_warns_of_a_baseline_near_zero() {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, single, warns) in [("small", 1e-5, true), ("plain", 0.09, false)] {
        let root = folder.path().join(name);
        for seed in 0..5 {
            let luck = 1.0 + seed as f64 / 100.0;
            for (arm, r2) in [("single", single), ("sum", 0.1), ("mgda", 0.2)] {
                let test = json!({ "a": { "r2": r2 * luck }, "b": { "mae": 0.7 * luck } });
                put(&root.join(arm).join(format!("seed{seed}")), "summary.json", &summary(arm, seed, 0.5, test));
            }
        }
        let notes = compared(&[text(&root)])["notes"].to_string();
        assert_eq!(notes.contains("near zero (a/r2 1.02e-5)"), warns, "{notes}");
    }
}

#[test]
fn a_mean_over_units_is_no_headline() {
    let folder = tempfile::tempdir().expect("a folder");
    let put_tasks = |root: &Path, arm: &str, seed: u64, metric: &str, values: [f64; 3]| {
        let task = |at: usize| json!({ metric: values[at] });
        let test = json!({ "price": task(0), "share": task(1), "age": task(2) });
        put(&root.join(arm).join(format!("seed{seed}")), "summary.json", &summary(arm, seed, 0.5, test));
    };
    let score = |metric: &str, tasks: &[[f64; 3]; 2]| -> Value {
        let root = folder.path().join(metric);
        for seed in 0..8 {
            let luck = 1.0 + ((seed * 5) % 8) as f64 / 100.0;
            put_tasks(&root, "sum", seed, metric, tasks[0].map(|value| value * luck));
            put_tasks(&root, "mgda", seed, metric, tasks[1].map(|value| value * (2.05 - luck)));
        }
        compared(&[text(&root)])
    };
    // Half the error on two tasks of three; the price, in its own unit, is noise.
    let told = score("mae", &[[1e5, 0.02, 2.0], [1.01e5, 0.01, 1.0]]);
    assert_eq!((&told["score"]["name"], &told["rows"][0]["name"]), (&json!("mean rank"), &json!("mgda")));
    for metric in ["rmse", "r2", "relative_error", "loss"] {
        assert_eq!(score(metric, &[[0.3, 0.4, 0.5]; 2])["score"]["name"], "mean rank", "{metric}");
    }
    for metric in ["accuracy", "auc", "iou", "angle_mean"] {
        assert_eq!(score(metric, &[[0.3, 0.4, 0.5]; 2])["score"]["name"], format!("mean {metric}"));
    }
}
