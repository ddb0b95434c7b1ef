//! The numbers, held against SciPy and plain counting.

use super::common::text;
use super::{assert_agrees, assert_says, compared, entry, list, put, put_fixture, put_run, put_sweep, summary};
use rayon::prelude::*;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Instant;

#[test]
fn trials_means_tests_ranks_and_verdicts_are_those_of_scipy_and_plain_counting() {
    let folder = tempfile::tempdir().expect("a folder");
    let expected = put_fixture(folder.path());
    let found = compared(&[text(folder.path())]);
    assert_agrees("runs", &found["runs"], &json!({ "planned": 108, "failed": 8, "finished": 100, "unfinished": 0 }));
    assert_agrees("", &found, &json!({ "baseline": "single", "reference": "sum", "budget": 3, "split": "test" }));
    assert_agrees("score", &found["score"], &json!({ "name": "delta_m", "higher_is_better": false }));
    let places: BTreeMap<String, usize> = list(&found["measures"])
        .iter()
        .enumerate()
        .map(|(at, it)| (format!("{}/{}", it["task"].as_str().unwrap(), it["metric"].as_str().unwrap()), at))
        .collect();
    assert_eq!(places.len(), 3);
    for measure in list(&expected["measures"]) {
        assert!(list(&found["measures"]).contains(measure), "{measure}");
    }

    let rows = expected["rows"].as_object().expect("rows");
    assert_eq!(list(&found["rows"]).len(), rows.len());
    for (name, row) in rows {
        let mine = entry(&found["rows"], "name", name);
        for (key, value) in row.as_object().expect("a row") {
            match places.get(key) {
                Some(at) => assert_agrees(&format!("{name} {key}"), &mine["values"][at], value),
                None => assert_agrees(&format!("{name} {key}"), &mine[key], value),
            }
        }
        assert_agrees(name, &mine["score"], &row["delta_m"]);
    }
    let means: Vec<f64> =
        list(&found["rows"]).iter().map(|row| row["score"]["mean"].as_f64().expect("a mean")).collect();
    assert!(means.is_sorted(), "best first");

    let families = list(&found["differences"]);
    assert_eq!(families.len(), 4);
    for (at, family) in families.iter().enumerate() {
        let on = family[0]["on"].as_str().expect("what on");
        assert_eq!(at, places.get(on).map_or(0, |at| at + 1));
        let expected = expected["differences"][on].as_object().expect("a family");
        assert_eq!(list(family).len(), expected.len());
        for (name, difference) in expected {
            assert_agrees(&format!("{name} on {on}"), entry(family, "row", name), difference);
        }
    }
    let verdicts = found["differences"].to_string();
    assert_says(&verdicts, &["\"better\"", "\"worse\"", "\"not_distinguishable\""]);

    let (ranking, ranked) = (&found["ranking"], &expected["ranking"]);
    assert_agrees("p", &ranking["friedman_p"], &ranked["friedman_p"]);
    assert_agrees("critical", &ranking["critical_difference"], &ranked["critical_difference"]);
    let order: Vec<&str> = list(&ranking["rows"]).iter().filter_map(Value::as_str).collect();
    for (place, name) in order.iter().enumerate() {
        assert_agrees(name, &ranking["mean_ranks"][place], &ranked["mean_ranks"][name]);
    }
    for pair in list(&ranked["pairs"]) {
        let [one, other] = [0, 1].map(|at| order.iter().position(|name| pair["rows"][at] == *name).expect("a row"));
        assert_agrees("a pair", &ranking["pairs"][one][other], &pair["p"]);
        assert_eq!(ranking["pairs"][one][other], ranking["pairs"][other][one]);
    }
    assert_says(
        &found["notes"].to_string(),
        &["8 of 108 runs failed (", "uw 4", "constant 3", "single 1", "in ranks a failed run comes last"],
    );
    assert!(found == compared(&[text(folder.path())]), "two readings differ");
}

#[test]
fn too_few_seeds_are_told_as_such() {
    let folder = tempfile::tempdir().expect("a folder");
    for (seeds, words, verdict) in [
        (1, "1 seed cannot tell rows apart", "too_few_seeds"),
        (2, "2 seeds cannot tell rows apart", "too_few_seeds"),
        (5, "With 5 seeds Wilcoxon's and the sign-flip test cannot reach 5 %: their smallest p is 0.0625", "better"),
    ] {
        let root = folder.path().join(seeds.to_string());
        put_sweep(&root, "few", &format!("compare: {{method: [sum, uw]}}\nseeds: {seeds}\n"));
        for seed in 0..seeds {
            put_run(&root, "sum", seed, 0.5 + seed as f64 / 1000.0);
            put_run(&root, "uw", seed, 0.7 - seed as f64 / 900.0);
        }
        let told = compared(&[text(&root)]);
        assert_says(&told["notes"].to_string(), &[words, "no baseline was named"]);
        assert_agrees("uw", &told["differences"][0][0], &json!({ "row": "uw", "pairs": seeds, "verdict": verdict }));
        assert_agrees("score", &told["score"], &json!({ "name": "mean accuracy", "higher_is_better": true }));
    }
}

#[test]
fn a_sweep_says_what_chooses_trials_and_test_has_no_say() {
    let folder = tempfile::tempdir().expect("a folder");
    // Validation accuracy and error of the trials 1, 2, 3; test would have it the other way round.
    let trials = [(0.9, 0.30), (0.8, 0.10), (0.7, 0.29)];
    for (name, select, expected) in [
        ("own", "", "learning_rate=1"),
        ("metric", "select: {metric: a/mae}\n", "learning_rate=2"),
        ("mode", "select: {metric: a/mae, mode: max}\n", "learning_rate=1"),
        ("loss", "select: {metric: loss}\n", "learning_rate=3"),
        ("delta", "select: {metric: delta_m}\n", "learning_rate=2"),
    ] {
        let root = folder.path().join(name);
        let more = "compare: {method: [sum, uw]}\nbaseline: uw\ntune: {optimizer.learning_rate: [1, 2, 3]}\nseeds: 1\n";
        put_sweep(&root, name, &format!("{more}{select}"));
        for (arm, (trial, (accuracy, mae))) in
            ["sum", "uw"].iter().flat_map(|arm| (1..).zip(trials).map(move |it| (arm, it)))
        {
            let group = format!("{arm}__learning_rate={trial}");
            let mut run =
                summary(&group, 0, accuracy, json!({ "a": { "accuracy": 1.0 - accuracy, "mae": 1.0 - mae } }));
            let loss = 1.0 / f64::from(trial);
            run["best"]["validation"] = json!({ "a": { "accuracy": accuracy, "mae": mae }, "total": { "loss": loss } });
            put(&root.join(group).join("seed0"), "summary.json", &run);
        }
        assert_eq!(entry(&compared(&[text(&root)])["rows"], "name", "sum")["trial"], expected, "{name}");
    }
}

#[test]
fn ten_thousand_runs_give_their_table() {
    let folder = tempfile::tempdir().expect("a folder");
    let arms: Vec<String> = (0..50).map(|arm| format!("{{name: arm{arm:02}}}")).collect();
    let rates: Vec<String> = (1..=20).map(|trial| format!("{trial}")).collect();
    let more = format!(
        "arms: [{}]\nbaseline: arm00\ntune: {{optimizer.learning_rate: [{}]}}\nseeds: 10\n",
        arms.join(", "),
        rates.join(", ")
    );
    put_sweep(folder.path(), "large", &more);
    let put_group = |group: u64| {
        let (arm, trial) = (group / 20, 1 + group % 20);
        for seed in 0..10 {
            // The seventh trial is the best of every arm, later arms are better; seeds scatter.
            let luck = ((arm * 7919 + trial * 104_729 + seed * 1_299_709) % 1000) as f64 / 1e6;
            let value = 0.5 + arm as f64 / 500.0 - (trial as f64 - 7.0).abs() / 100.0 + luck;
            put_run(folder.path(), &format!("arm{arm:02}__learning_rate={trial}"), seed, value);
        }
    };
    (0..1000).into_par_iter().for_each(put_group);
    let start = Instant::now();
    let told = compared(&[text(folder.path())]);
    println!("polytask compare read and compared 10,000 runs in {:.2} s", start.elapsed().as_secs_f64());
    assert_agrees("runs", &told["runs"], &json!({ "planned": 10_000, "finished": 10_000, "failed": 0 }));
    let rows = list(&told["rows"]);
    assert_eq!(rows.len(), 50);
    assert!(rows.iter().all(|row| row["trial"] == "learning_rate=7" && row["trials"] == 20 && row["finished"] == 10));
    assert_eq!(rows[0]["name"], "arm49");
}
