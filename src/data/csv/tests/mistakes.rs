//! Every mistake is named by its place, the value and a remedy.

use super::*;

#[test]
fn a_category_of_too_many_texts_is_a_mistake() {
    let rows = (0..10_001).fold("c,y\n".to_string(), |text, row| text + &format!("level{row},1\n"));
    let most = rows.trim_end().rsplit_once('\n').unwrap().0;
    let tasks = [task("y", Form::Real(1))];
    assert_eq!(
        bad("train: a.csv, categorical: [c]", &tasks, &[("a.csv", &rows)]),
        "a.csv, column \"c\": holds 10001 different texts: a category may have 10000; \
         take it out of `categorical` or of `inputs`"
    );
    let data = good("train: {file: a.csv, fraction: 0.01}, categorical: [c]", &tasks, &[("a.csv", most)]);
    assert_eq!(data.train[0].inputs[0].1.size(), [100, 100], "the training rows count, not the file's");
}

#[test]
fn a_bad_cell_is_named_by_file_line_column_and_value() {
    let classes = [task("y", Form::Classes(2))];
    let mut named = [task("y", Form::Classes(2))];
    named[0].labels = Some(vec!["no".into(), "yes".into()]);
    let (bits, real) = ([task("y", Form::Binary(1))], [task("y", Form::Real(1))]);
    let cases: [(&[Task], &str, &str); 11] = [
        (
            &classes,
            "1,0\nn/a,1\n",
            "3, column \"x\": \"n/a\" is not a number; mend the cell, name the column in `categorical`, or leave it out of `inputs`",
        ),
        (
            &classes,
            "nan,0\n",
            "2, column \"x\": \"nan\" is not a finite number; mend the cell, or leave it empty and set `missing: mean`",
        ),
        (
            &classes,
            "1,0\n\n\n-inf,0\n",
            "5, column \"x\": \"-inf\" is not a finite number; mend the cell, or leave it empty and set `missing: mean`",
        ),
        (
            &classes,
            "1,0\r\n1,2\r\n",
            "3, column \"y\": \"2\" is not a class of task \"y\": 0 to 1 are; mend the cell or the loss's `classes`; where the column holds names, list them in the task's `labels`",
        ),
        (
            &classes,
            "1,-1\n",
            "2, column \"y\": \"-1\" is not a class of task \"y\": 0 to 1 are; mend the cell or the loss's `classes`; where the column holds names, list them in the task's `labels`",
        ),
        (
            &classes,
            "1,0.5\n",
            "2, column \"y\": \"0.5\" is not a class of task \"y\": 0 to 1 are; mend the cell or the loss's `classes`; where the column holds names, list them in the task's `labels`",
        ),
        (
            &named,
            "1,no\n\"1\n\",yes\n1,yess\n",
            "5, column \"y\": \"yess\" is not among the labels of task \"y\"; did you mean \"yes\"?",
        ),
        (
            &named,
            "1,unknown\n",
            "2, column \"y\": \"unknown\" is not among the labels of task \"y\"; add it to the task's `labels`: \"no\", \"yes\"",
        ),
        (
            &bits,
            "1,2\n",
            "2, column \"y\": \"2\" is not a yes-or-no label of task \"y\"; write 0 or 1, true or false, or leave the cell empty where there is no label",
        ),
        (
            &real,
            "1,inf\n",
            "2, column \"y\": \"inf\" is not a finite number, as task \"y\" needs; mend the cell, or leave it empty where there is no label",
        ),
        (
            &real,
            "1,2\n1,2,3\n",
            "3: has 3 cells where the header has 2; a cell that holds the separator, a quote or a line break stands in double quotes",
        ),
    ];
    for (tasks, rows, message) in cases {
        let end = if rows.contains('\r') { "\r\n" } else { "\n" };
        assert_eq!(bad("train: a.csv", tasks, &[("a.csv", &format!("x,y{end}{rows}"))]), format!("a.csv:{message}"));
    }
}

#[test]
fn a_bad_file_is_named() {
    let tasks = [task("y", Form::Classes(2))];
    let one = |text: &str| bad("train: a.csv", &tasks, &[("a.csv", text)]);
    let folder = folder(&[("adult.csv", "")]);
    let missing = |settings: &str| text(&load(settings, &request(&tasks, folder.path())).unwrap_err(), folder.path());
    let near = missing("train: adlut.csv");
    assert_eq!(near, "adlut.csv: there is no such file; did you mean adult.csv?");
    assert_eq!(missing("train: zebra.csv"), "zebra.csv: there is no such file; check the path");
    let no_folder =
        format!("none/a.csv: there is no such file; there is no folder {}/none either", folder.path().display());
    assert_eq!(missing("train: none/a.csv"), no_folder.replace(&format!("{}/", folder.path().display()), ""));
    assert_eq!(missing("train: adult.csv"), "adult.csv: is empty; its first line names the columns");
    assert_eq!(one("x,y\n"), "a.csv: has a header, but no rows");
    assert_eq!(one("x,y,x\n1,1,1\n"), "a.csv:1: columns 1 and 3 are both called \"x\"; give every column its own name");
    assert_eq!(one("x,z\n1,1\n"), "a.csv: has no column \"y\"; its columns are \"x\", \"z\"");
    assert_eq!(
        one("x,y\n1,\n2,\n"),
        "a.csv: no training row has a label for task \"y\"; fill \"y\" in some rows (weights above 0), or take the task out"
    );
    std::fs::write(folder.path().join("cell.csv"), b"x,y\n1,0\n\xff1,0\n").unwrap();
    std::fs::write(folder.path().join("head.csv"), b"x,\xff\n1,0\n").unwrap();
    assert_eq!(
        missing("train: cell.csv"),
        "cell.csv:3, column \"x\": \"\u{fffd}1\" is not UTF-8; save the file as UTF-8"
    );
    assert_eq!(missing("train: head.csv"), "head.csv:1, column 2: \"\u{fffd}\" is not UTF-8; save the file as UTF-8");
    assert!(missing("train: .").contains("cannot be read"));
}

#[test]
fn every_file_needs_the_same_columns() {
    let tasks = [task("y", Form::Classes(2))];
    let files = [("a.csv", "x,z,y\n1,1,1\n"), ("b.csv", "x,y\n1,1\n"), ("c.csv", "x,z,y,id\n1,1,1,1\n")];
    assert_eq!(
        bad("train: a.csv, test: b.csv", &tasks, &files),
        "b.csv: has no column \"z\"; its columns are \"x\", \"y\""
    );
    assert_eq!(
        bad("train: a.csv, test: c.csv", &tasks, &files),
        "c.csv: has a column \"id\" that the training file lacks; name the `inputs`, or name it in `exclude`"
    );
    good("train: a.csv, test: c.csv, exclude: [id]", &tasks, &files);
    good("train: a.csv, test: c.csv, inputs: [z, x]", &tasks, &files);
}

#[test]
fn a_bad_setting_is_named_by_its_path() {
    let tasks = [task("y", Form::Classes(2)), task("z", Form::Classes(2))];
    let files = [("a.csv", "x,age,w,y,z\n1,1,1,1,1\n1,1,1,1,1\n1,1,1,1,1\n"), ("b.csv", "x,age,w,y,z\n1,1,1,1,1\n")];
    let cases = [
        (
            "train: a.csv, inputs: [x, agee]",
            "data.inputs[1]: \"agee\" matches no column of a.csv; did you mean \"age\"?",
        ),
        (
            "train: a.csv, inputs: ['q*']",
            "data.inputs[0]: \"q*\" matches no column of a.csv; its columns are \"x\", \"age\", \"w\", \"y\", \"z\"",
        ),
        (
            "train: a.csv, inputs: [x, 'x[']",
            "data.inputs[1]: is no pattern: error parsing glob 'x[': unclosed character class; missing ']'",
        ),
        ("train: a.csv, inputs: [x, x]", "data.inputs[1]: \"x\" is an input already"),
        ("train: a.csv, inputs: []", "data.inputs: leaves no input column of a.csv; name at least one column"),
        (
            "train: a.csv, inputs: [x, y]",
            "data.inputs: \"y\" is an input and the target of task \"y\"; leave it out of `inputs`, or name it in `exclude`: a model that reads its answer learns nothing",
        ),
        (
            "train: a.csv, inputs: ['*']",
            "data.inputs: \"y\" is an input and the target of task \"y\"; leave it out of `inputs`, or name it in `exclude`: a model that reads its answer learns nothing",
        ),
        (
            "train: a.csv, weight: w, inputs: [w]",
            "data.inputs: \"w\" is an input and the weight of the rows; leave it out of `inputs`, or name it in `exclude`: a model that reads its answer learns nothing",
        ),
        (
            "train: a.csv, exclude: [aged]",
            "data.exclude[0]: \"aged\" matches no column of a.csv; did you mean \"age\"?",
        ),
        (
            "train: a.csv, inputs: [x], categorical: [age]",
            "data.categorical[0]: \"age\" is no input; name it in `inputs` too",
        ),
        (
            "train: a.csv, categorical: [ages]",
            "data.categorical[0]: \"ages\" matches no column of a.csv; did you mean \"age\"?",
        ),
        (
            "test: a.csv",
            "data: names no rows to train on; give `train: PATH`, or `file: PATH` with `fractions: {train: 0.8, validation: 0.1, test: 0.1}`",
        ),
        (
            "file: a.csv",
            "data.file: is not said how to cut; add `fractions: {train: 0.8, validation: 0.1, test: 0.1}`, or call the file `train`",
        ),
        (
            "train: a.csv, fractions: {train: 0.5}",
            "data.fractions: has no `file` to cut; add `file: PATH`; a split's own file is cut by `test: {file: PATH, fraction: 0.5}`",
        ),
        (
            "file: a.csv, fractions: {train: 0.5}, test: b.csv",
            "data.test: stands beside `file` and `fractions`; name the splits by files or cut one file, not both",
        ),
        ("file: a.csv, fractions: {train: 0.9, test: 0.2}", "data: the fractions of a.csv sum to 1.1, more than 1"),
        (
            "file: a.csv, fractions: {train: 0.9, test: 0.01}",
            "a.csv: has 3 rows: its fraction for test is none; give it a larger fraction",
        ),
        (
            "train: a.csv, test: {file: a.csv, fraction: 0.5}",
            "data.train: reads all of a.csv, of which another split is a part; give it a fraction too: parts of one file are disjoint",
        ),
        ("train: {y: a.csv}", "data.train: has no file for task \"z\"; add `z: PATH`"),
        (
            "train: {y: a.csv, z: b.csv}, test: a.csv",
            "data.test: is one file, but data.train has one per task; write every split in the same way: PATH, or {TASK: PATH, …}",
        ),
        (
            "train: a.csv, test: {y: a.csv, z: b.csv}",
            "data.test: is a file per task, but data.train is one file; write every split in the same way: PATH, or {TASK: PATH, …}",
        ),
        (
            "train: {y: {file: a.csv, fraction: 0.5}, z: {file: a.csv, fraction: 0.4}}",
            "data.train.z: another task takes another fraction of the same file; give every task of that file the same fraction, so that no row lands in two splits",
        ),
    ];
    for (settings, message) in cases {
        assert_eq!(bad(settings, &tasks, &files), message, "{settings}");
    }
}

#[test]
fn a_task_and_its_columns_must_agree() {
    let files = [("a.csv", "x,y,z\n1,1,1\n")];
    let mut two = task("y", Form::Classes(2));
    two.targets = vec!["y".into(), "z".into()];
    let message = "tasks[0].target: names 2 columns where the loss of task \"y\" needs 1";
    assert_eq!(bad("train: a.csv", &[two], &files), message);
    let mut named = task("y", Form::Classes(2));
    named.labels = Some(vec!["a".into(), "b".into(), "c".into()]);
    let message = "tasks[0].labels: has 3 names, but task \"y\" has 2 classes; name every class, in order";
    assert_eq!(bad("train: a.csv", &[named], &files), message);
}

#[test]
fn a_malformed_section_says_what_may_stand_there() {
    let parse = |settings: &str| {
        let error = serde_yaml::from_str::<Data>(&format!("{{name: csv, {settings}}}")).unwrap_err().to_string();
        let bad = crate::registry::unpack(&error);
        format!("{}: {}", bad.path, bad.what)
    };
    let cases = [
        ("train: 3", "train: invalid type: number `3`, expected a path or {file: PATH, fraction: SHARE}"),
        ("train: {y: [a]}", "train.y: invalid type: a list, expected a path or {file: PATH, fraction: SHARE}"),
        (
            "train: {file: a.csv, fraction: 2}",
            "train.fraction: invalid value: number `2`, expected a number above 0, at most 1",
        ),
        ("train: {fraction: 0.5}", "train: missing field `file`"),
        (
            "train: {file: a.csv, fraction: 0.5, seed: 1}",
            "train: unknown field string \"seed\", expected `file` or `fraction`",
        ),
        ("file: a.csv, fractions: {train: 0}", "fractions.train: invalid value: number `0`, expected a number above 0"),
        ("train: a.csv, missing: skip", "missing: unknown variant `skip`, expected `error` or `mean`"),
    ];
    for (settings, message) in cases {
        assert_eq!(parse(settings), message, "{settings}");
    }
}
