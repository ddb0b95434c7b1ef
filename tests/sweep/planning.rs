//! Which trials a sweep plans: whose setting wins, what is drawn, which numbers a range gives.

use super::common::{fail, succeed, text, write};
use super::{TRAIN, assert_says, experiment, sweep};
use std::path::Path;

/// What a dry run says of a sweep of the tiny experiment.
fn planned(folder: &Path, more: &str) -> String {
    let file = write(folder, "try.yaml", &sweep(&experiment(TRAIN), more));
    succeed(&["sweep", text(&file), "--out", text(&folder.join("out")), "--dry-run"])
}

/// The trials of an arm as a dry run lists them, at most six.
fn trials<'a>(said: &'a str, arm: &str) -> Vec<&'a str> {
    let line = said.lines().skip(1).find(|line| line[..20].trim_end() == arm);
    let line = line.unwrap_or_else(|| panic!("no arm {arm} in:\n{said}"));
    line[20..].split(';').map(str::trim).filter(|trial| !trial.is_empty() && !trial.starts_with('…')).collect()
}

const RATES: &str = "tune: {optimizer.learning_rate: [0.01, 0.03]}\nseeds: 1\n";

#[test]
fn an_arm_does_not_tune_what_it_sets_itself() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let both = ["learning_rate=0.01", "learning_rate=0.03"];
    let said = planned(
        folder,
        &format!("arms: [{{name: tuned}}, {{name: fixed, set: {{optimizer.learning_rate: 1e-5}}}}]\n{RATES}"),
    );
    assert_says(&said, &["3 runs = 3 trials of 2 arms"]);
    assert!(trials(&said, "tuned") == both && trials(&said, "fixed").is_empty(), "{said}");

    // A choice that holds the setting; one that does not is tuned, in `compare` and in `arms`.
    let said = planned(folder, &format!("compare: {{optimizer: [{{name: sgd, learning_rate: 0.1}}, adam]}}\n{RATES}"));
    assert!(trials(&said, "sgd").is_empty() && trials(&said, "adam") == both, "{said}");
    let said = planned(folder, &format!("compare: {{optimizer: [sgd, adam]}}\n{RATES}"));
    assert!(trials(&said, "sgd") == both && trials(&said, "adam") == both, "{said}");
    let arms = "arms: [{name: a, set: {optimizer: {name: sgd, learning_rate: 1}}}, {name: b, set: {optimizer: sgd}}]";
    let said = planned(folder, &format!("{arms}\n{RATES}"));
    assert!(trials(&said, "a").is_empty() && trials(&said, "b") == both, "{said}");
    let said = planned(folder, &format!("set: {{optimizer: adam}}\ncompare: {{method: [sum]}}\n{RATES}"));
    assert!(trials(&said, "sum") == both, "{said}");

    // A setting above the one that an arm sets, and an axis beside it.
    let tune = "tune: {optimizer: [adam, sgd], train.batch_size: [16, 32]}\nseeds: 1\n";
    let arms = "arms: [{name: a}, {name: b, set: {optimizer.learning_rate: 1}}]";
    let said = planned(folder, &format!("{arms}\n{tune}"));
    assert!(trials(&said, "a").len() == 4 && trials(&said, "b") == ["batch_size=16", "batch_size=32"], "{said}");
}

#[test]
fn what_makes_an_arm_is_not_tuned_away() {
    let folder = tempfile::tempdir().expect("a folder");
    let more = "control: {weights: [[1, 1], [1, 3]]}\npreferences: {methods: [epo], divisions: 2}\n\
        baseline: single\ncompare: {train.batch_size: [16]}\ntune: {method: [sum, mgda]}\nseeds: 1\n";
    let said = planned(folder.path(), more);
    assert_eq!(trials(&said, "batch_size=16"), ["method=sum", "method=mgda"]);
    assert_eq!(trials(&said, "constant"), ["weights=1,1", "weights=1,3"]);
    assert_eq!(trials(&said, "epo"), ["preference=1,1"]);
    assert!(trials(&said, "single").is_empty(), "{said}");
}

#[test]
fn the_runs_of_an_arm_that_sets_a_tuned_setting_train_with_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let more = format!("arms: [{{name: fixed, set: {{optimizer.learning_rate: 1e-5}}}}, {{name: tuned}}]\n{RATES}");
    let file = write(folder.path(), "try.yaml", &sweep(&experiment(TRAIN), &more));
    let out = folder.path().join("out");
    super::complete(&file, &out);
    assert_eq!(
        super::runs(&out),
        ["fixed/seed0", "tuned__learning_rate=0.01/seed0", "tuned__learning_rate=0.03/seed0"]
    );
    let config = std::fs::read_to_string(out.join("fixed/seed0/config.yaml")).expect("config.yaml");
    assert_says(&config, &["learning_rate: 1.0e-5"]);
}

#[test]
fn sections_are_laid_before_what_lies_in_them() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = |more: &str| write(folder.path(), "try.yaml", &sweep(&experiment(TRAIN), more));
    let train = |more: &str, run: &str| {
        let out = folder.path().join(run.split('/').next().expect("an arm"));
        super::complete(&file(more), &out);
        std::fs::read_to_string(out.join(run).join("config.yaml")).expect("config.yaml")
    };
    let set = train("set: {method.c: 0.9, method: cagrad}\narms: [{name: a}]\nseeds: 1\n", "a/seed0");
    assert_says(&set, &["name: cagrad", "c: 0.9"]);
    let tune = "arms: [{name: b, tune: {method.c: [0.9], method: [cagrad]}}]\nseeds: 1\n";
    assert_says(&train(tune, "b__c=0.9,method=cagrad/seed0"), &["name: cagrad", "c: 0.9"]);
    let compare = "compare: {method.c: [0.9], method: [cagrad]}\nseeds: 1\n";
    assert_says(&train(compare, "c=0.9+cagrad/seed0"), &["name: cagrad", "c: 0.9"]);
}

#[test]
fn trials_of_lists_are_distinct_and_as_many_as_there_are() {
    let folder = tempfile::tempdir().expect("a folder");
    let axes = "compare: {method: [sum, uw]}\nseeds: 1\n\
        tune: {optimizer.learning_rate: [0.01, 0.03], train.batch_size: [16, 32]}\n";
    for (asked, given) in [(1, 1), (3, 3), (4, 4), (9, 4)] {
        let said = planned(folder.path(), &format!("{axes}trials: {asked}\n"));
        assert_says(&said, &[&format!("{} runs = {} trials of 2 arms", 2 * given, 2 * given)]);
        assert_eq!(trials(&said, "sum"), trials(&said, "uw"));
    }
    // A larger number keeps the trials of a smaller one.
    let of = |asked: u64| {
        let more = format!(
            "arms: [{{name: a}}]\ntune: {{train.batch_size: {{from: 1, to: 64}}}}\ntrials: {asked}\nseeds: 1\n"
        );
        trials(&planned(folder.path(), &more), "a").iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(of(3), of(6)[..3]);
}

#[test]
fn ranges_give_whole_numbers_to_settings_that_take_no_others() {
    let folder = tempfile::tempdir().expect("a folder");
    let of = |path: &str, range: &str, more: &str| {
        let more = format!("arms: [{{name: a}}]\ntune: {{{path}: {range}}}\nseeds: 1\n{more}");
        let said = planned(folder.path(), &more);
        trials(&said, "a")
            .iter()
            .map(|trial| trial.rsplit('=').next().expect("a value").to_string())
            .collect::<Vec<_>>()
    };
    assert_eq!(of("train.batch_size", "{from: 16, to: 64, count: 3}", ""), ["16", "40", "64"]);
    assert_eq!(of("train.batch_size", "{from: 1, to: 64, scale: log, count: 4}", ""), ["1", "4", "16", "64"]);
    assert_eq!(of("train.batch_size", "{from: 1, to: 3, count: 5}", ""), ["1", "2", "3"]);
    assert_eq!(of("\"model.backbone.hidden[0]\"", "{from: 4, to: 9, count: 3}", ""), ["4", "7", "9"]);
    assert_eq!(of("model.backbone.dropout", "{from: 0, to: 0.8, count: 3}", ""), ["0", "0.4", "0.8"]);
    assert_eq!(of("optimizer.learning_rate", "{from: 1, to: 2, count: 3}", ""), ["1", "1.5", "2"]);
    // Below a choice that the sweep, the arm or another axis makes.
    let experts = "model.architecture.experts";
    let mmoe = "set: {model.architecture: {name: mmoe}}\n";
    assert_eq!(of(experts, "{from: 2, to: 6, count: 3}", mmoe), ["2", "4", "6"]);
    let arms = "compare: {model.architecture: [mmoe, omoe]}\n";
    let said = planned(folder.path(), &format!("{arms}tune: {{{experts}: {{from: 2, to: 6, count: 3}}}}\nseeds: 1\n"));
    assert_eq!(trials(&said, "mmoe"), ["experts=2", "experts=4", "experts=6"]);
    let own = format!("set: {{model.architecture: mmoe}}, tune: {{{experts}: {{from: 2, to: 6, count: 2}}}}");
    let said = planned(folder.path(), &format!("arms: [{{name: a, {own}}}]\nseeds: 1\n"));
    assert_eq!(trials(&said, "a"), ["experts=2", "experts=6"]);
    let axes =
        format!("tune: {{model.architecture: [mmoe, omoe], {experts}: {{from: 2, to: 6, count: 2}}}}\nseeds: 1\n");
    let said = planned(folder.path(), &format!("compare: {{method: [sum]}}\n{axes}"));
    assert_eq!(trials(&said, "sum").len(), 4, "{said}");
    // Draws: both ends too.
    for scale in ["linear", "log"] {
        let range = format!("{{from: 16, to: 19, scale: {scale}}}");
        let mut drawn = of("train.batch_size", &range, "trials: 4\n");
        drawn.sort();
        assert_eq!(drawn, ["16", "17", "18", "19"]);
    }
}

#[test]
fn two_places_that_say_one_setting_are_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let rate = "tune: {optimizer.learning_rate: [0.01, 0.03]}";
    let (again, hint) =
        ("would be overridden by tune.\"optimizer.learning_rate\"", "hint: take the setting out of one");
    for (more, parts) in [
        // What is compared or set for all, and tuned.
        (
            format!("compare: {{optimizer.learning_rate: [1e-5, 0.1]}}\n{rate}"),
            &["compare.\"optimizer.learning_rate\"[0]: 1.0e-5 ", again, hint][..],
        ),
        (
            "compare: {optimizer.learning_rate: [0.1]}\ntune: {optimizer: [sgd, adam]}".into(),
            &["compare.\"optimizer.learning_rate\"[0]: 0.1 would be overridden by tune.optimizer", hint],
        ),
        (
            format!("set: {{optimizer.learning_rate: 0.5}}\ncompare: {{method: [sum]}}\n{rate}"),
            &["try.yaml:10:32: set.\"optimizer.learning_rate\": 0.5 ", again, hint],
        ),
        (
            format!("set: {{optimizer: {{name: sgd, learning_rate: 0.5}}}}\ncompare: {{method: [sum]}}\n{rate}"),
            &["try.yaml:10:45: set.optimizer.learning_rate: 0.5 ", again, hint],
        ),
        (
            "set: {optimizer.learning_rate: 0.5}\ncompare: {method: [sum]}\ntune: {optimizer: [sgd, adam]}".into(),
            &["set.\"optimizer.learning_rate\": 0.5 would be overridden by tune.optimizer", hint],
        ),
        // Within an arm, and within a section.
        (
            "arms: [{name: a, set: {method.c: 0.5}, tune: {method: [sum]}}]".into(),
            &["arms[0].set.\"method.c\": 0.5 would be overridden by arms[0].tune.method", hint],
        ),
        (
            "arms: [{name: a, set: {method: {name: cagrad, c: 0.5}}, tune: {method.c: [0.1]}}]".into(),
            &["arms[0].set.method.c: 0.5 would be overridden by arms[0].tune.\"method.c\"", hint],
        ),
        (
            "arms: [{name: a, set: {method.c: 0.9, method: {name: cagrad, c: 0.5}}}]".into(),
            &["arms[0].set.method.c: 0.5 would be overridden by arms[0].set.\"method.c\"", hint],
        ),
        (
            "arms: [{name: a}]\ntune: {method: [cagrad, {name: cagrad, c: 0.5}], method.c: [0.1]}".into(),
            &["tune.method[1].c: 0.5 would be overridden by tune.\"method.c\"", hint],
        ),
        (
            "compare: {method: [cagrad, {name: cagrad, c: 0.5}], method.c: [0.1, 0.2]}".into(),
            &["compare.method[1].c: 0.5 would be overridden by compare.\"method.c\"[0]", hint],
        ),
        (
            "preferences: {methods: [{name: constant, weights: [1, 1]}], divisions: 3}".into(),
            &["preferences.methods[0].weights: [1, 1] would be overridden by preferences", hint],
        ),
        // A setting of all that an arm would lose with the choice that held it.
        (
            "set: {method.c: 0.9}\ncompare: {method: [sum, cagrad]}".into(),
            &[
                "try.yaml:10:17: set.\"method.c\": 0.9 would be lost: compare.method[0] replaces method as a whole",
                "hint: write it there: {name: sum, c: 0.9}",
            ],
        ),
        (
            "set: {optimizer.weight_decay: 0.1}\narms: [{name: a, set: {optimizer: sgd}}]".into(),
            &[
                "0.1 would be lost: arms[0].set.optimizer replaces",
                "hint: write it there: {name: sgd, weight_decay: 0.1}",
            ],
        ),
        (
            "set: {optimizer.weight_decay: 0.1}\narms: [{name: a, tune: {optimizer: [sgd]}}]".into(),
            &["0.1 would be lost: arms[0].tune.optimizer[0] replaces", "hint: write it there: {name: sgd"],
        ),
        // An axis that is left to no arm.
        (
            format!("arms: [{{name: a, set: {{optimizer.learning_rate: 1}}}}]\n{rate}"),
            &[
                "tune.\"optimizer.learning_rate\": nothing is tuned: every arm says itself",
                "hint: take it out of `tune`",
            ],
        ),
    ] {
        let file = write(folder.path(), "try.yaml", &sweep(&experiment(TRAIN), &format!("{more}\nseeds: 1\n")));
        assert_says(&fail(&["sweep", text(&file), "--dry-run"]), parts);
    }
    // An arm that replaces the choice and says the setting itself loses nothing.
    let more = "set: {optimizer.weight_decay: 0.1}\ncompare: {optimizer: [{name: sgd, weight_decay: 0}]}\nseeds: 1\n";
    planned(folder.path(), more);
}

#[test]
fn names_numbers_and_weights_that_cannot_be_meant_are_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let dots = "cannot be the name of a folder";
    let weights = |section: &str, weights: &str| match section {
        "control" => format!("control: {{weights: {weights}}}"),
        _ => format!("preferences: {{methods: [constant, epo], weights: {weights}}}"),
    };
    let refused = |more: &str, parts: &[&str]| {
        let file = write(folder.path(), "try.yaml", &sweep(&experiment(TRAIN), &format!("{more}\nseeds: 1\n")));
        assert_says(&fail(&["sweep", text(&file), "--dry-run"]), parts);
    };
    for name in [".", "..", " .. ", ". "] {
        let said = ["try.yaml:10:15: arms[0].name: ", dots, "hint: name the arm with letters or digits"];
        refused(&format!("arms: [{{name: \"{name}\"}}]"), &said);
    }
    refused("arms: [{name: \" \"}]", &["arms[0].name: an arm needs a name"]);
    refused("compare: {model.initial: [{}]}", &["compare: an arm needs a name"]);

    let range = |range: &str| format!("compare: {{method: [sum]}}\ntune: {{train.batch_size: {range}}}");
    let place = "tune.\"train.batch_size\"";
    for (more, parts) in [
        (
            range("{from: 16.5, to: 64, count: 3}"),
            [".from: 16.5 is not a whole number, as train.batch_size has to be", "hint: write 16 or 17"],
        ),
        (range("{from: 1, to: 9.5}") + "\ntrials: 2", [".to: 9.5 is not a whole number", "hint: write 9 or 10"]),
        (range("{from: 0, to: 9, count: 2}"), [": 0 is not a whole number from 1", ""]),
        (range("{from: 1, to: 9, count: 2000000}"), [".count: 2000000 numbers are too many", "hint: take at most"]),
        (range("[1, 2]") + "\ntrials: 2000000", ["trials: 2000000 trials of an arm are too many", "hint: "]),
    ] {
        let place = if parts[0].starts_with("trials") { "" } else { place };
        refused(&more, &[&format!("{place}{}", parts[0]), parts[1]]);
    }

    for section in ["control", "preferences"] {
        for (list, place, said, hint) in [
            ("[[0, 0]]", "[0]", "every weight is 0", "give one above 0"),
            ("[[1, 2], [1, -1]]", "[1][1]", "-1 is not a number of 0 or above", "write how much"),
            ("[[1, .inf]]", "[0][1]", "inf is not a number of 0 or above", "write how much"),
            ("[[1, .nan]]", "[0][1]", "NaN is not a number of 0 or above", "write how much"),
            ("[[1, 2, 3]]", "[0]", "3 numbers for 2 tasks", "give one number per task"),
            ("[[1, 1], [1, 2], [2, 2]]", "[2]", "[2, 2] weighs the tasks as [1, 1] in [0] does", "take one of the two"),
            ("[[0.1, 0.3], [0.2, 0.6]]", "[1]", "weighs the tasks as [0.1, 0.3] in [0] does", "take one of the two"),
            ("[[0, 2], [0, 3]]", "[1]", "[0, 3] weighs the tasks as [0, 2]", "take one of the two"),
        ] {
            refused(&weights(section, list), &[&format!("{section}.weights{place}: "), said, &format!("hint: {hint}")]);
        }
    }
}
