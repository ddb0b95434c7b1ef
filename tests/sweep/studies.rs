//! Real runs, and what is made of them: verdicts, early looks, chosen trials, and settings that changed on the way.

use super::common::{fail, polytask, stderr, succeed, text, write};
use super::{TRAIN, assert_says, compared, complete, experiment, finish, start, sweep};
use serde_json::Value;
use std::fs;
use std::path::Path;

/// Two tasks whose metrics differ, so that ranks are the score.
const RANKED: &str = "data: {name: synthetic, train: 160, validation: 64, test: 320, correlation: 0.5}
tasks:
  - {name: task1, loss: {name: cross_entropy, classes: 2}, metrics: [accuracy, auc]}
  - {name: task2, loss: {name: cross_entropy, classes: 2}, metrics: [accuracy]}
model: {backbone: {name: mlp, hidden: [20]}}
optimizer: {name: adam, learning_rate: 0.01}
train: {epochs: 8, batch_size: 32}
";

fn row<'a>(told: &'a Value, name: &str) -> &'a Value {
    told["rows"].as_array().expect("rows").iter().find(|row| row["name"] == name).unwrap_or_else(|| panic!("{name}"))
}

#[test]
fn an_arm_that_wins_at_every_seed_is_told_apart_and_an_early_look_ranks_what_has_run() {
    let folder = tempfile::tempdir().expect("a folder");
    let more = "compare: {optimizer.learning_rate: [0.00001, 0.03]}\nseeds: 8\n";
    let file = write(folder.path(), "rates.yaml", &sweep(RANKED, more));
    let out = folder.path().join("out");
    // One shard of two holds every run of the first arm and none of the second.
    assert!(finish(&file, &out, &["--shard", "1/2"]).status.success());
    let told = compared(&out);
    assert!(told["ranking"].is_null() && row(&told, "learning_rate=0.03")["mean_rank"].is_null());
    assert_says(&told["conclusion"].to_string(), &["learning_rate=1e-5 has no result on mean rank yet"]);

    complete(&file, &out);
    let told = compared(&out);
    let difference = &told["differences"][0][0];
    assert_eq!((difference["mean"].as_f64(), &difference["verdict"]), (Some(-1.0), &Value::from("better")));
    assert_eq!(difference["p"].as_f64(), Some(2_f64.powi(-7)), "the same rank at each of eight seeds");
    assert_says(&told["conclusion"].to_string(), &["told apart from every other"]);
}

#[test]
fn each_arm_is_chosen_by_the_metric_that_chose_its_weights() {
    let folder = tempfile::tempdir().expect("a folder");
    let more = "arms: [{name: by_loss}, {name: by_accuracy, set: {select.metric: task1/accuracy}}]
tune: {optimizer.learning_rate: [0.00001, 0.03]}
seeds: 2
";
    let file = write(folder.path(), "rules.yaml", &sweep(RANKED, more));
    let out = folder.path().join("out");
    complete(&file, &out);
    let told = compared(&out);
    for arm in ["by_loss", "by_accuracy"] {
        assert_eq!(row(&told, arm)["trial"], "learning_rate=0.03", "{arm}");
    }
}

#[test]
fn a_run_that_outlives_its_entry_does_not_come_back_under_other_settings() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("out");
    let refused = |out: &Path, more: &str, parts: &[&str]| {
        let file = write(folder.path(), "try.yaml", &sweep(&experiment(TRAIN), more));
        let output = finish(&file, out, &[]);
        assert!(!output.status.success(), "{more}");
        assert_says(&stderr(&output), &[parts, &["hint: ", "--out"]].concat());
    };
    let trained = |out: &Path, more: &str| {
        let file = write(folder.path(), "try.yaml", &sweep(&experiment(TRAIN), more));
        complete(&file, out);
    };
    // A value is taken out, and comes back as another.
    trained(&out, "compare: {method: [sum, {name: cagrad, c: 0.4}]}\nseeds: 2\n");
    trained(&out, "compare: {method: [sum]}\nseeds: 2\n");
    refused(
        &out,
        "compare: {method: [sum, {name: cagrad, c: 5}]}\nseeds: 2\n",
        &["cagrad/seed0", "was trained with method.c: 0.4, and the sweep says 5"],
    );
    // Two names of one folder.
    let arms = folder.path().join("arms");
    trained(&arms, "arms: [{name: sum}, {name: lr low, set: {optimizer.learning_rate: 0.00001}}]\nseeds: 2\n");
    refused(
        &arms,
        "arms: [{name: sum}, {name: lr-low, set: {optimizer.learning_rate: 0.02}}]\nseeds: 2\n",
        &["lr-low/seed0", "optimizer.learning_rate: ", "the sweep says 0.02"],
    );
    // The sweep's own file, edited.
    let path = out.join("sweep.yaml");
    let stored = fs::read_to_string(&path).expect("the sweep");
    fs::write(&path, stored.replace("epochs: 2", "epochs: 9")).expect("written");
    let output = start(&path, &out, &[]).output().expect("runs");
    assert_says(&stderr(&output), &["sum/seed0", "train.epochs: 2, and the sweep says 9"]);
    assert_says(&fail(&["compare", text(&out)]), &["sum/seed0", "train.epochs: 2, the sweep says 9"]);
    fs::write(&path, stored).expect("written");
    complete(&path, &out);
}

#[test]
fn seeds_that_were_trained_one_by_one_with_other_settings_are_not_pooled() {
    let folder = tempfile::tempdir().expect("a folder");
    write(folder.path(), "mine.yaml", &experiment(TRAIN));
    let train = |seed: &str, from: &str, to: &str| {
        write(folder.path(), "mine.yaml", &experiment(TRAIN).replace(from, to));
        let output = polytask().current_dir(&folder).args(["train", "mine.yaml", "--quiet", "--seed", seed]).output();
        assert!(output.expect("runs").status.success());
    };
    train("0", "", "");
    train("1", "threads", "");
    let runs = folder.path().join("runs/mine");
    assert_eq!(compared(&runs)["runs"]["finished"], 2);
    train("2", "epochs: 2", "epochs: 3");
    assert_says(&fail(&["compare", text(&runs)]), &["sum/seed2", "train.epochs: 3", "sum/seed0 with 2"]);
    assert_says(&succeed(&["compare", text(&runs), "--across-settings"]), &["sum ¶", "Compared across settings"]);
}

#[test]
fn a_data_file_may_be_moved_and_hides_no_other_setting() {
    let folder = tempfile::tempdir().expect("a folder");
    let run = |place: &str, epochs: u32, seed: &str| {
        let here = folder.path().join(place);
        fs::create_dir_all(&here).expect("a folder");
        table(&here);
        let yaml = format!(
            "data: {{name: csv, file: rare.csv, fractions: {{train: 0.8, test: 0.2}}, split_seed: 1}}
tasks: [{{name: price, loss: {{name: mse}}, metrics: [mae]}}]
model: {{backbone: {{name: mlp, hidden: [8]}}}}
optimizer: {{name: adam}}
train: {{epochs: {epochs}}}
"
        );
        let file = write(&here, "mine.yaml", &yaml);
        let out = folder.path().join(format!("runs/sum/seed{seed}"));
        succeed(&["train", text(&file), "--quiet", "--seed", seed, "--out", text(&out)]);
        folder.path().join("runs")
    };
    run("one", 2, "0");
    let runs = run("other", 2, "1");
    assert_eq!(compared(&runs)["runs"]["finished"], 2, "the same rows lie elsewhere");
    run("third", 40, "2");
    assert_says(&fail(&["compare", text(&runs)]), &["sum/seed2", "train.epochs: 40", "sum/seed0 with 2"]);

    // A whole project, moved: the sweep goes on with the same rows, and with no others.
    let project = |name: &str| folder.path().join(name);
    fs::create_dir_all(project("old")).expect("a folder");
    table(&project("old"));
    let mine = "data: {name: csv, file: rare.csv, fractions: {train: 0.8, test: 0.2}, split_seed: 1}
tasks: [{name: price, loss: {name: mse}, metrics: [mae]}]
model: {backbone: {name: mlp, hidden: [8]}}
optimizer: {name: adam}
train: {epochs: 2}
";
    let file = write(&project("old"), "rates.yaml", &sweep(mine, "compare: {method: [sum]}\nseeds: 2\n"));
    complete(&file, &project("old").join("out"));
    fs::rename(project("old"), project("new")).expect("moved");
    let (file, out) = (project("new").join("rates.yaml"), project("new").join("out"));
    let output = finish(&file, &out, &["--set", "seeds=3"]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(compared(&out)["runs"]["finished"], 3);
    // A copy of one seed is no other.
    fs::remove_dir_all(out.join("sum/seed1")).expect("a folder");
    fs::rename(out.join("sum/seed0"), out.join("sum/seed1")).expect("moved");
    assert_says(&stderr(&finish(&file, &out, &[])), &["sum/seed1", "was trained with seed: 0", "its folder says 1"]);
    assert_says(&fail(&["compare", text(&out)]), &["sum/seed1", "seed 0"]);
}

#[test]
fn notes_of_a_plan_are_told_before_it_runs() {
    let folder = tempfile::tempdir().expect("a folder");
    let planned = |more: &str| {
        let file = write(folder.path(), "try.yaml", &sweep(&experiment(TRAIN), more));
        succeed(&["sweep", text(&file), "--dry-run"])
    };
    assert_says(
        &planned("compare: {method: [cagrad, {name: cagrad, c: 0.4}]}\nseeds: 1\n"),
        &["note: arms cagrad and cagrad-c=0.4 train with the same settings"],
    );
    assert_says(&planned("compare: {method: [sum]}\ntrials: 5\nseeds: 1\n"), &["note: trials: 5 changes nothing"]);
    let few = "compare: {method: [sum]}\ntrials: 5\ntune: {train.batch_size: [16, 32]}\nseeds: 1\n";
    assert_says(&planned(few), &["note: arm sum: 2 trials of the 5 asked for"]);
}

/// A table of a rare label and two numbers, one in thousands and one in hundredths.
fn table(folder: &Path) {
    let row = |row: u32| {
        let x = f64::from((row * 37) % 100) / 100.0;
        format!("{x},{},{},{}", u32::from(row.is_multiple_of(20)), 1000.0 * x + f64::from(row % 3), x / 100.0)
    };
    let rows: Vec<String> = (0..80).map(row).collect();
    write(folder, "rare.csv", &format!("x,rare,price,share\n{}\n", rows.join("\n")));
}

#[test]
fn an_undefined_metric_and_a_mean_over_units_of_real_runs() {
    let folder = tempfile::tempdir().expect("a folder");
    table(folder.path());
    let fractions = "{train: 0.7, validation: 0.2, test: 0.1}";
    let mine = |tasks: &str| {
        format!(
            "data: {{name: csv, file: {}, fractions: {fractions}}}\ntasks:\n{tasks}model: {{backbone: {{name: mlp, hidden: [8]}}}}
optimizer: {{name: adam, learning_rate: 0.01}}\ntrain: {{epochs: 2}}\n",
            text(&folder.path().join("rare.csv"))
        )
    };
    let run = |name: &str, tasks: &str| {
        let more = "compare: {method: [sum, uw]}\nseeds: 6\n";
        let file = write(folder.path(), &format!("{name}.yaml"), &sweep(&mine(tasks), more));
        let out = folder.path().join(name);
        complete(&file, &out);
        out
    };
    // Four positives in eighty rows: a test split of eight often holds none, and has no AUC.
    let out = run("rare", "  - {name: rare, loss: {name: binary_cross_entropy}, metrics: [auc]}\n");
    let told = compared(&out);
    let values = row(&told, "sum")["values"][0]["values"].as_array().expect("values").clone();
    let defined = values.iter().filter(|value| !value.is_null()).count();
    assert!(0 < defined && defined < 6, "{values:?}");
    assert_says(
        &succeed(&["compare", text(&out)]),
        &[
            &format!("(over {defined} of 6)"),
            &format!("rare/auc of sum at {} of 6 seeds", 6 - defined),
            &format!("Ranks are over the {defined} of 6 seeds"),
        ],
    );
    assert_eq!(told["differences"][0][0]["pairs"], defined);

    let tasks =
        "  - {name: price, loss: {name: mse}, metrics: [mae]}\n  - {name: share, loss: {name: mse}, metrics: [mae]}\n";
    assert_eq!(compared(&run("units", tasks))["score"]["name"], "mean rank");
}
