//! Verdicts where a test is undefined, hangs on rounding, or is asked many times on one page.

use super::common::{succeed, text};
use super::{assert_agrees, assert_says, compared, entry, list, put, put_run, put_sweep, summary};
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};
use std::path::Path;

/// Lone runs of one task's accuracies, by arm.
fn put_arms(root: &Path, arms: &[(&str, &[f64])]) {
    for (arm, values) in arms {
        (0..).zip(*values).for_each(|(seed, value)| put_run(root, arm, seed, *value));
    }
}

#[test]
fn the_same_difference_at_every_seed_is_told_apart_however_it_is_rounded() {
    let folder = tempfile::tempdir().expect("a folder");
    let exact = ([0.5, 0.25, 0.375, 0.625, 0.75], [0.75, 0.5, 0.625, 0.875, 1.0]);
    let rounded = ([0.7, 0.8, 0.5, 0.6, 0.9], [0.8, 0.9, 0.6, 0.7, 1.0]);
    for (name, (sum, uw)) in [("exact", exact), ("rounded", rounded), ("level", ([0.7; 5], [0.8; 5]))] {
        let root = folder.path().join(name);
        put_arms(&root, &[("sum", &sum), ("uw", &uw)]);
        let told = compared(&[text(&root)]);
        let difference = &told["differences"][0][0];
        // SciPy: t is infinite; two of the 32 patterns of signs reach as far.
        let expected = json!({ "verdict": "better", "test": "paired_t", "t_p": null, "sign_flip_p": 0.0625 });
        assert_agrees(name, difference, &expected);
        assert!(difference["p"].as_f64() < Some(0.002), "{name}: {difference}");
        assert!(difference["interval"][0].as_f64() > Some(0.0), "{name}: {difference}");
        assert_says(&told["conclusion"].to_string(), &["better: uw", "uw is best", "told apart from every other"]);
    }
    // Results that are equal but for the order in which tasks were summed differ in nothing.
    let root = folder.path().join("noise");
    let value = |of: [f64; 3]| of.iter().sum::<f64>() / 3.0;
    let tasks = [[0.81, 0.72, 0.93], [0.74, 0.89, 0.77], [0.7, 0.86, 0.79], [0.88, 0.71, 0.83]];
    put_arms(&root, &[("sum", &tasks.map(value)), ("uw", &tasks.map(|[a, b, c]| value([c, b, a])))]);
    let difference = &compared(&[text(&root)])["differences"][0][0];
    assert_agrees("noise", difference, &json!({ "mean": 0.0, "p": 1.0, "verdict": "not_distinguishable" }));
}

#[test]
fn no_rank_hangs_on_rounding() {
    let folder = tempfile::tempdir().expect("a folder");
    // One trial against what three equal ones come to in expectation.
    let equal = folder.path().join("equal");
    let more = "arms: [{name: x, tune: {optimizer.learning_rate: [1, 2, 3]}}, {name: y}]\nseeds: 3\n";
    put_sweep(&equal, "equal", more);
    for seed in 0..3 {
        put_run(&equal, "y", seed, 0.84);
        (1..=3).for_each(|trial| put_run(&equal, &format!("x__learning_rate={trial}"), seed, 0.84));
    }
    let told = compared(&[text(&equal)]);
    for arm in ["x", "y"] {
        assert_agrees(arm, entry(&told["rows"], "name", arm), &json!({ "mean_rank": 1.5 }));
    }
    // Three tasks summed in another order, and a trial whose mean over the seeds is so.
    let order = folder.path().join("order");
    for seed in 0..3 {
        for (arm, [a, b, c]) in [("x", [0.1, 0.2, 0.3]), ("y", [0.3, 0.2, 0.1])] {
            let test = json!({ "a": { "auc": a }, "b": { "auc": b }, "c": { "auc": c } });
            put(&order.join(arm).join(format!("seed{seed}")), "summary.json", &summary(arm, seed, 0.5, test));
        }
    }
    assert_agrees("order", &compared(&[text(&order)])["ranking"], &json!({ "mean_ranks": [1.5, 1.5] }));
}

/// Two tasks whose metrics have no common range, so that ranks are the score.
fn put_pair(root: &Path, arm: &str, seed: u64, accuracy: f64, mae: f64) {
    let test = json!({ "a": { "accuracy": accuracy }, "b": { "mae": mae } });
    put(&root.join(arm).join(format!("seed{seed}")), "summary.json", &summary(arm, seed, accuracy, test));
}

#[test]
fn ranks_are_compared_by_a_rank_test() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path().join("runs");
    for seed in 0..12 {
        let luck = seed as f64 / 1000.0;
        for (at, arm) in ["sum", "uw", "mgda"].iter().enumerate() {
            put_pair(&root, arm, seed, 0.6 + 0.1 * at as f64 + luck, 3.0 - at as f64 + luck);
        }
    }
    let told = compared(&[text(&root)]);
    assert_eq!(told["score"]["name"], "mean rank");
    for (arm, mean) in [("uw", -1.0), ("mgda", -2.0)] {
        let p = 2_f64.powi(-11);
        let expected = json!({
            "test": "signed_rank", "mean": mean, "p": p, "p_holm": 3.0 * p, "sign_flip_p": p, "wilcoxon_p": p,
            "t_p": null, "interval": null, "verdict": "better", "tests": 3,
        });
        assert_agrees(arm, entry(&told["differences"][0], "row", arm), &expected);
    }
    assert_says(&told["conclusion"].to_string(), &["signed-rank test over the seeds", "better: mgda and uw"]);
    let said = succeed(&["compare", text(&root)]);
    assert!(!said.contains("% interval"), "ranks have no interval: {said}");
    assert!(said.contains("mean rank against sum") && said.matches("mean rank ").count() >= 2, "{said}");

    // Five seeds cannot tell ranks apart, and that is said, with a number that can.
    let few = folder.path().join("few");
    for seed in 0..5 {
        put_pair(&few, "sum", seed, 0.5, 2.0);
        put_pair(&few, "uw", seed, 0.9, 1.0);
    }
    let told = compared(&[text(&few)]);
    assert_eq!(told["differences"][0][0]["verdict"], "not_distinguishable");
    assert_says(&told["notes"].to_string(), &["smallest p with 5 seeds is 0.0625", "6 seeds can"]);
}

#[test]
fn no_page_says_two_things_of_one_pair() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(14);
    let mut kinds = std::collections::BTreeSet::new();
    for study in 0..40 {
        let root = folder.path().join(study.to_string());
        let (arms, seeds) = (2 + study % 5, 3 + study % 9);
        let rows = [10.0, 160.0, 1e9][study % 3];
        for arm in 0..arms {
            for seed in 0..seeds {
                let value: f64 = 0.5 + 0.03 * arm as f64 * (study as f64 % 4.0 - 1.0) + random.random_range(-0.1..0.1);
                let name = if arm == 0 { "sum".to_string() } else { format!("arm{arm}") };
                put_run(&root, &name, seed as u64, (value * rows).round() / rows);
            }
        }
        let told = compared(&[text(&root)]);
        let (family, ranking) = (list(&told["differences"][0]), &told["ranking"]);
        let place = |name: &str| list(&ranking["rows"]).iter().position(|row| row == name).expect("a row");
        let mut apart = Vec::new();
        for it in family {
            let (row, verdict) = (it["row"].as_str().expect("a name"), it["verdict"].as_str().expect("a verdict"));
            kinds.insert(verdict.to_string());
            let [low, high] = [0, 1].map(|at| it["interval"][at].as_f64().expect("an end"));
            assert_eq!(low > 0.0 || high < 0.0, verdict != "not_distinguishable", "{it}");
            assert_eq!(it["p_holm"], ranking["pairs"][place("sum")][place(row)], "{row}: one family");
            assert_eq!(it["tests"], arms * (arms - 1) / 2);
            if verdict != "not_distinguishable" {
                apart.push(row.to_string());
            }
        }
        let best = told["rows"][0]["name"].as_str().expect("a name");
        let alone = told["conclusion"].to_string().contains("told apart from every other");
        let pairs = list(&ranking["pairs"][place(best)]);
        let open = pairs.iter().filter_map(Value::as_f64).any(|p| p >= 0.05);
        assert_eq!(alone, !open, "{}", told["conclusion"]);
        if alone {
            assert!(best == "sum" && apart.len() == arms - 1 || apart.contains(&best.to_string()));
        }
    }
    assert_eq!(kinds.into_iter().collect::<Vec<_>>(), ["better", "not_distinguishable", "worse"]);
}

#[test]
fn a_test_of_two_arms_does_not_hang_on_a_third() {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, third) in [("near", 0.89), ("far", 0.2)] {
        let root = folder.path().join(name);
        // One row of ten thousand more, at each of three seeds.
        let sum = [0.8912, 0.8931, 0.8902];
        put_arms(
            &root,
            &[("sum", &sum), ("uw", &sum.map(|value| value + 1e-4)), ("dwa", &[third, third + 0.0103, third])],
        );
        let told = compared(&[text(&root)]);
        let expected = json!({ "step": 1e-4, "p": 0.026_671_473_215_424_77 });
        assert_agrees(name, entry(&told["differences"][0], "row", "uw"), &expected);
    }
}

#[test]
fn few_seeds_in_common_are_told_as_such() {
    let folder = tempfile::tempdir().expect("a folder");
    put_arms(folder.path(), &[("sum", &[0.5, 0.6, 0.7, 0.55, 0.65, 0.52]), ("uw", &[0.61, 0.68, 0.83])]);
    let told = compared(&[text(folder.path())]);
    assert_says(&told["notes"].to_string(), &["With 3 seeds Wilcoxon's and the sign-flip test cannot reach 5 %"]);
    let said = succeed(&["compare", text(folder.path())]);
    assert!(said.lines().any(|line| line.starts_with("uw ") && line.contains("    3  ")), "{said}");
    // Two seeds tell nothing, and no sentence says otherwise.
    let two = folder.path().join("two");
    put_arms(&two, &[("sum", &[0.5, 0.6]), ("uw", &[0.61, 0.68])]);
    let said = compared(&[text(&two)])["conclusion"].to_string();
    assert!(said.contains("too few seeds to tell") && !said.contains("not distinguishable"), "{said}");
}

#[test]
fn an_arm_with_more_trials_counts_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let more = "arms: [{name: sum}, {name: uw, tune: {optimizer.learning_rate: [1, 2, 3]}}, {name: mgda}]\nseeds: 5\n";
    put_sweep(folder.path(), "unequal", more);
    for seed in 0..5 {
        let luck = [0.0, 0.01, 0.005, 0.02, 0.012][seed as usize];
        put_run(folder.path(), "sum", seed, 0.5 + luck);
        put_run(folder.path(), "mgda", seed, 0.6 + luck * 0.7);
        for trial in 1..=3 {
            put_run(folder.path(), &format!("uw__learning_rate={trial}"), seed, 0.6 + luck / f64::from(trial));
        }
    }
    let told = compared(&[text(folder.path())]);
    let family = &told["differences"][0];
    assert_eq!(list(family).len(), 3, "both rows of uw, and mgda");
    for row in ["uw", "mgda"] {
        assert_agrees(row, entry(family, "row", row), &json!({ "tests": 3, "verdict": "better" }));
    }
    let whole = entry(family, "row", "uw, all 3 trials");
    assert_agrees("whole", whole, &json!({ "p_holm": null, "verdict": "more_trials" }));
    assert!(!told["conclusion"].to_string().contains("all 3 trials"), "{}", told["conclusion"]);
}

#[test]
fn intervals_of_few_seeds_are_those_of_student() {
    let folder = tempfile::tempdir().expect("a folder");
    let values = [0.5, 0.6, 0.55, 0.7, 0.62, 0.58, 0.66, 0.61, 0.57];
    put_arms(folder.path(), &[("sum", &values)]);
    let row = compared(&[text(folder.path())])["rows"][0].clone();
    let (mean, error) = (row["score"]["mean"].as_f64(), row["score"]["standard_error"].as_f64());
    let reach = 2.306_004_135_033_371 * error.expect("a number"); // t of 8 degrees of freedom at 97.5 %
    let mean = mean.expect("a number");
    assert_agrees("interval", &row["score"]["interval"], &json!([mean - reach, mean + reach]));
}
