//! What people get wrong in a sweep, and where they are told.

use super::common::{fail, run, stderr, text, write};
use super::{BASE, TRAIN, assert_says, experiment, sweep};

#[test]
fn mistakes_are_told_with_line_column_path_value_and_remedy() {
    let folder = tempfile::tempdir().expect("a folder");
    let base = sweep(&experiment(TRAIN), &format!("set: {{train.epochs: 3}}\n{BASE}"));
    let (epochs, rates, divisions) = ("{train.epochs: 3}", "[0.001, 0.01]", "{divisions: 4}");
    for (from, to, parts) in [
        // Names.
        ("tune: {o", "tunes: {o", &["try.yaml:14:1: unknown setting \"tunes\"", "did you mean tune?"][..]),
        ("name: hot", "nam: hot", &["try.yaml:12:9: arms[0]: unknown setting \"nam\"", "did you mean name?"]),
        ("mgda]", "mgad]", &["try.yaml:11:25: compare.method[1].name: unknown name \"mgad\"", "did you mean mgda?"]),
        (
            "mgda]",
            "{name: mgda, c: 1}]",
            &["try.yaml:11:38: compare.method[1]: unknown setting \"c\" (allowed: normalize"],
        ),
        (
            epochs,
            "{train.epoch: 3}",
            &["try.yaml:10:7: set.\"train.epoch\": unknown setting \"epoch\"", "did you mean epochs?"],
        ),
        (
            "sgd, momentum",
            "sgd, momentun",
            &["try.yaml:12:49: arms[0].set.optimizer: unknown setting \"momentun\"", "did you mean momentum?"],
        ),
        (
            "{optimizer.learning_rate",
            "{optimizer.lr",
            &["try.yaml:14:23: tune.\"optimizer.lr\"[0]: unknown setting \"lr\"", "did you mean learning_rate?"],
        ),
        (
            "name: adam",
            "name: adm",
            &["try.yaml:8:21: experiment.optimizer.name: unknown name \"adm\"", "did you mean adam?"],
        ),
        (
            "{backbone",
            "{bakbone",
            &["try.yaml:7:11: experiment.model: unknown setting \"bakbone\"", "did you mean backbone?"],
        ),
        (
            "seeds: 3",
            "seeds: 3\nbaseline: sun",
            &[
                "try.yaml:16:11: baseline: there is no arm \"sun\" (there are: sum, mgda, hot, constant)",
                "did you mean sum?",
            ],
        ),
        (
            "seeds: 3",
            "seeds: 3\nreference: mgd",
            &["try.yaml:16:12: reference: there is no arm \"mgd\"", "did you mean mgda?"],
        ),
        (
            "seeds: 3",
            "seeds: 3\nselect: {metric: task1/acc}",
            &[
                "try.yaml:16:18: select.metric: \"task1/acc\" is not measured (allowed: loss, task1/loss",
                "did you mean task1/accuracy?",
            ],
        ),
        (
            "seeds: 3",
            "seeds: 3\nselect: {metric: delta_m}",
            &["try.yaml:16:18: select.metric: delta_m", "hint: name it under `baseline`"],
        ),
        ("seeds: 3\n", "", &["try.yaml:1:1: setting \"seeds\" is missing", "hint: add"]),
        // Values.
        (
            epochs,
            "{train.epochs: many}",
            &["try.yaml:10:21: set.\"train.epochs\": string \"many\" is not a whole number"],
        ),
        (
            rates,
            "[0.001, fast]",
            &["try.yaml:14:41: tune.\"optimizer.learning_rate\"[1]: string \"fast\" is not a number"],
        ),
        (rates, "[0.001, -1]", &["try.yaml:14:41: tune.\"optimizer.learning_rate\"[1]: -1 is not a number above 0"]),
        ("[1, 10]", "[1, -10]", &["try.yaml:12:94: arms[0].tune.\"train.clip_norm\"[1]: -10 is not a number above 0"]),
        (
            "hidden: [8]",
            "hidden: [0]",
            &["try.yaml:7:42: experiment.model.backbone.hidden[0]: 0 is not a whole number"],
        ),
        (
            "mgda]",
            "1]",
            &["try.yaml:11:25: compare.method[1]: 1 is not a section of settings", "hint: write {name: …}"],
        ),
        (
            "[sum, mgda]",
            "sum",
            &["try.yaml:11:19: compare.method: string \"sum\" is not a list", "hint: write [sum, mgda]"],
        ),
        (
            divisions,
            "{weights: [[1, 1], [1]]}",
            &["try.yaml:13:29: control.weights[1]: 1 numbers for 2 tasks", "hint: "],
        ),
        (divisions, "{weights: [[1, 1], [1, -1]]}", &["try.yaml:13:33: control.weights[1][1]: -1", "0 or above"]),
        ("seeds: 3", "seeds: 0", &["try.yaml:15:8: seeds: 0 is not a number of seeds of 1 or above"]),
        ("seeds: 3", "seeds: [1, 1]", &["try.yaml:15:8: seeds: seed 1 stands twice", "hint: "]),
        ("name: try", "name: ../up", &["try.yaml:1:7: name: \"../up\"", "hint: "]),
        // Paths.
        (
            epochs,
            "{train..epochs: 3}",
            &["try.yaml:10:22: set.\"train..epochs\": \"train..epochs\" is not the path of a setting", "hint: "],
        ),
        (
            epochs,
            "{train.epochs.x: 3}",
            &["try.yaml:10:23: set.\"train.epochs.x\": train.epochs is 2, so it has no setting \"x\""],
        ),
        (
            "{optimizer.learning_rate: [0.001, 0.01]}",
            "{seed: [1, 2]}",
            &["try.yaml:14:14: tune.seed: `seed` is the sweep's own", "hint: list seeds under `seeds`"],
        ),
        // Arms, axes, ranges.
        (
            "name: hot",
            "name: sum",
            &["try.yaml:12:15: arms[0].name: two arms are called \"sum\"", "hint: name one of them otherwise"],
        ),
        ("[sum, mgda]", "[sum, sum]", &["try.yaml:11:10: compare: two arms are called \"sum\"", "hint: "]),
        ("[sum, mgda]", "[]", &["try.yaml:11:19: compare.method: an empty list", "hint: name at least one value"]),
        (
            rates,
            "[]",
            &["try.yaml:14:33: tune.\"optimizer.learning_rate\": an empty list", "hint: name at least one value"],
        ),
        (
            rates,
            "[0.1, 0.1]",
            &[
                "try.yaml:14:39: tune.\"optimizer.learning_rate\"[1]: two trials are called sum__learning_rate=0.1",
                "hint: ",
            ],
        ),
        (
            rates,
            "0.01",
            &["try.yaml:14:33: tune.\"optimizer.learning_rate\": 0.01 is not a list", "hint: write [0.001"],
        ),
        (
            rates,
            "{from: 1e-3, to: 1}",
            &[
                "try.yaml:14:33: tune.\"optimizer.learning_rate\": a range needs to know how many",
                "hint: add `count: 4`",
            ],
        ),
        (
            rates,
            "{from: 1, to: 1e-3, count: 3}",
            &["try.yaml:14:47: tune.\"optimizer.learning_rate\".to: 0.001 is not above from: 1", "hint: "],
        ),
        (
            rates,
            "{from: 0, to: 1, scale: log, count: 3}",
            &["try.yaml:14:40: tune.\"optimizer.learning_rate\".from: 0 has no logarithm", "hint: start above 0"],
        ),
        (
            "[0.001, 0.01]}",
            "{from: 1, to: 2, count: 3}}\ntrials: 4",
            &["try.yaml:14:57: tune.\"optimizer.learning_rate\".count: `trials` draws", "hint: leave `count` out"],
        ),
        (
            divisions,
            "{divisions: 1}",
            &["try.yaml:13:22: control.divisions: 1 parts do not reach 2 tasks", "hint: give at least 2"],
        ),
        (
            divisions,
            "{divisions: 4, weights: [[1, 1]]}",
            &["try.yaml:13:10: control: it needs `divisions` or `weights`", "hint: "],
        ),
        (divisions, "{}", &["try.yaml:13:10: control: it needs `divisions` or `weights`", "hint: "]),
        (BASE, "seeds: 3\n", &["compare: the sweep has no arm", "hint: list what is compared"]),
    ] {
        assert!(base.contains(from), "{from}");
        let file = write(folder.path(), "try.yaml", &base.replacen(from, to, 1));
        let out = folder.path().join("out");
        assert_says(&fail(&["sweep", text(&file), "--out", text(&out)]), parts);
        assert!(!out.exists(), "{to}: a refused sweep left a folder");
    }
}

#[test]
fn mistakes_of_the_experiments_file_and_of_the_command_line_are_told_in_their_places() {
    let folder = tempfile::tempdir().expect("a folder");
    let more = "compare: {method: [sum]}\nseeds: 1\n";
    let file = write(folder.path(), "try.yaml", &format!("experiment: basis.yaml\n{more}"));
    write(folder.path(), "basic.yaml", "");
    assert_says(&fail(&["sweep", text(&file)]), &["basis.yaml: there is no such file", "did you mean", "basic.yaml?"]);
    write(folder.path(), "basis.yaml", &experiment(&TRAIN.replace("adam", "adm")));
    assert_says(
        &fail(&["sweep", text(&file)]),
        &["basis.yaml:6:19: optimizer.name: unknown name \"adm\"", "did you mean adam?"],
    );
    write(folder.path(), "basis.yaml", &experiment(TRAIN));
    let said = fail(&["sweep", text(&file), "--set", "compare.method=[sam]"]);
    assert_says(
        &said,
        &["--set compare.method=[sam]: compare.method[0].name: unknown name \"sam\"", "did you mean sum?"],
    );
    let file = write(folder.path(), "three.yaml", &format!("experiment: 3\n{more}"));
    assert_says(&fail(&["sweep", text(&file)]), &["three.yaml:1:13: experiment: 3 is not a YAML file"]);
    let usage = stderr(&run(&["sweep", text(&file), "--shard", "3/2"]));
    assert_says(&usage, &["3/2", "--shard", "expected I/N with I from 1 to N, such as 2/8"]);
}
