//! What files may hold, and what becomes of it.

mod mistakes;
mod splits;

use super::{read_inputs, read_numbers};
use crate::data::{Column, Data, Dataset, Features, Fitted, Request};
use crate::error::{BadSetting, Mistake};
use crate::random::generator;
use crate::tasks::{Form, NO_CLASS, Standardization, Target, Task};
use flate2::{Compression, write::GzEncoder};
use rand::RngExt;
use std::io::Write;
use std::path::Path;
use tch::{Kind, Tensor};
use tempfile::TempDir;

fn task(name: &str, form: Form) -> Task {
    Task {
        name: name.into(),
        targets: vec![name.into()],
        labels: None,
        standardize: false,
        form,
        loss: serde_yaml::from_str("{name: mse}").unwrap(),
        metrics: vec![],
    }
}

/// A folder with the files given as (name, text).
fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

fn request<'a>(tasks: &'a [Task], folder: &'a Path) -> Request<'a> {
    Request::new(tasks, 7, Kind::Double, folder)
}

/// Loads the section `{name: csv, SETTINGS}`.
fn load(settings: &str, request: &Request) -> anyhow::Result<Dataset> {
    let data: Data = serde_yaml::from_str(&format!("{{name: csv, {settings}}}"))?;
    data.load(request)
}

fn good(settings: &str, tasks: &[Task], files: &[(&str, &str)]) -> Dataset {
    let folder = folder(files);
    load(settings, &request(tasks, folder.path())).unwrap_or_else(|error| panic!("{settings}: {error}"))
}

/// The mistake as `PLACE: WHAT; REMEDY`, with the folder's path taken out.
fn bad(settings: &str, tasks: &[Task], files: &[(&str, &str)]) -> String {
    let folder = folder(files);
    let error = load(settings, &request(tasks, folder.path())).expect_err(settings);
    text(&error, folder.path())
}

fn text(error: &anyhow::Error, folder: &Path) -> String {
    let remedy = error
        .downcast_ref::<Mistake>()
        .map(|mistake| mistake.remedy.clone())
        .or_else(|| error.downcast_ref::<BadSetting>().map(|bad| bad.remedy.clone()))
        .expect("a person's mistake is a Mistake or a BadSetting");
    let text = format!("{error}{}", remedy.map(|remedy| format!("; {remedy}")).unwrap_or_default());
    text.replace(&format!("{}/", folder.display()), "")
}

fn numbers(tensor: &Tensor) -> Vec<f64> {
    Vec::<f64>::try_from(tensor.to_kind(Kind::Double).flatten(0, -1)).unwrap()
}

fn classes(tensor: &Tensor) -> Vec<i64> {
    Vec::<i64>::try_from(tensor).unwrap()
}

fn x(groups: &[crate::data::Group]) -> Vec<f64> {
    numbers(&groups[0].inputs[0].1)
}

fn numeric(name: &str, mean: f64, scale: f64) -> Column {
    Column::Numeric { name: name.into(), mean, scale, missing: None }
}

/// One row per number from 0 on: `x` is the row, `y` its parity.
fn counting(rows: usize) -> String {
    (0..rows).fold("x,y\n".into(), |text, row| text + &format!("{row},{}\n", row % 2))
}

#[test]
fn inputs_are_all_columns_but_targets_and_weight_and_are_standardised_by_the_training_rows() {
    // numpy: a = [1, 2, 6]; w = [1, 0.5, 2]; m = average(a, weights=w) = 4, average((a - m)**2,
    // weights=w) = 38/7; constant b has scale 1.
    let data = good(
        "train: a.csv, validation: b.csv, weight: w",
        &[task("y", Form::Classes(3))],
        &[("a.csv", "a,y,b,w\n1,0,5,1\n 2 ,1.0,5,0.5\n6,2,5,2\n"), ("b.csv", "w,b,y,a\n1,6,0,3\n")],
    );
    let scale = (38.0f64 / 7.0).sqrt();
    assert_eq!(data.features.columns, [numeric("a", 4.0, scale), numeric("b", 5.0, 1.0)]);
    assert_eq!(data.features.width(), 2);
    assert_eq!(x(&data.train), [-3.0 / scale, 0.0, -2.0 / scale, 0.0, 2.0 / scale, 0.0]);
    assert_eq!(x(data.validation.as_ref().unwrap()), [-1.0 / scale, 1.0]);
    assert!(data.test.is_none());
    let group = &data.train[0];
    assert_eq!(
        (group.inputs[0].0.as_str(), group.inputs[0].1.size(), group.tasks.as_slice()),
        ("x", vec![3, 2], &[0][..])
    );
    assert_eq!(classes(&group.targets[0].values), [0, 1, 2]);
    assert_eq!(numbers(group.targets[0].weights.as_ref().unwrap()), [1.0, 0.5, 2.0]);
}

/// A table of two inputs, one with gaps, and two labels, one with gaps; row by row how often it
/// stands there, by its weight or written so many times.
fn weighed(seed: u64, weights: impl Fn(f64) -> f64, written: bool) -> String {
    let mut random = generator(seed, "weights", 0, 0);
    let mut text = "a,b,y,z,w\n".to_string();
    for row in 0..40 {
        let mut draw = || (random.random::<f64>() * 1e4).round() / 1e4;
        let (a, b, y, z, weight) = (1e3 + draw(), draw(), draw() * 5.0 - 2.0, draw(), weights(draw()));
        let gap = |number: f64, every: usize| if row % every == 1 { String::new() } else { number.to_string() };
        let cells = format!("{a},{},{y},{}", gap(b, 5), gap(z, 3));
        match written {
            true => text += &format!("{cells},1\n").repeat(weight as usize),
            false => text += &format!("{cells},{weight}\n"),
        }
    }
    text
}

fn standardized_tasks() -> [Task; 2] {
    ["y", "z"].map(|name| Task { standardize: true, ..task(name, Form::Real(1)) })
}

/// Every mean, deviation and filled number that a run stores.
fn statistics(data: &Dataset) -> Vec<f64> {
    let of_column = |column: &Column| match column {
        Column::Numeric { mean, scale, missing, .. } => [Some(*mean), Some(*scale), *missing],
        Column::Categorical { .. } => [None; 3],
    };
    let of_labels = |it: &Standardization| [it.mean[0], it.scale[0]];
    let inputs = data.features.columns.iter().flat_map(of_column).flatten();
    inputs.chain(data.standardizations.iter().flatten().flat_map(of_labels)).collect()
}

#[test]
fn a_row_of_weight_2_is_standardized_as_one_that_stands_there_twice() {
    let settings = "train: a.csv, weight: w, missing: mean";
    let load = |text: &str| statistics(&good(settings, &standardized_tasks(), &[("a.csv", text)]));
    for seed in 0..20 {
        let whole = |share: f64| (share * 4.0).floor(); // 0, 1, 2 or 3
        let (weighted, written) = (load(&weighed(seed, whole, false)), load(&weighed(seed, whole, true)));
        assert_eq!(weighted.len(), 2 * 3 + 2 * 2);
        let halves = load(&weighed(seed, |share| whole(share) / 2.0, false));
        for ((weighted, written), half) in weighted.iter().zip(&written).zip(&halves) {
            assert!((weighted - written).abs() < 1e-12 * written.abs().max(1.0), "seed {seed}: {weighted}, {written}");
            assert!((weighted - half).abs() < 1e-12 * half.abs().max(1.0), "seed {seed}: only their ratio counts");
        }
        let plain = load(&weighed(seed, |_| 1.0, false));
        assert!(plain.iter().zip(&weighted).all(|(plain, weighted)| plain != weighted), "weights change them all");
    }
}

#[test]
fn a_column_without_a_cell_of_weight_above_0_is_empty() {
    let text = "a,b,y,w\n1,,1,1\n2,5,2,0\n3,,3,2\n";
    let said = bad("train: a.csv, weight: w, missing: mean", &[task("y", Form::Real(1))], &[("a.csv", text)]);
    assert!(said.starts_with("a.csv, column \"b\": is empty in every training row of a weight above 0"), "{said}");
}

/// Version 0.1 stored no statistics in the checkpoints of its runs: they are taken again as it took
/// them.
#[test]
fn a_run_of_version_0_1_counts_every_row_once() {
    let of_weights = |weights: fn(f64) -> f64, plain_statistics: bool| {
        let folder = folder(&[("a.csv", &weighed(3, weights, false))]);
        let tasks = standardized_tasks();
        let request = Request { plain_statistics, ..request(&tasks, folder.path()) };
        statistics(&load("train: a.csv, weight: w, missing: mean", &request).unwrap())
    };
    let weighted = |share: f64| 0.1 + share;
    assert_eq!(of_weights(weighted, true), of_weights(|_| 1.0, false));
    assert_ne!(of_weights(weighted, false), of_weights(|_| 1.0, false));
}

#[test]
fn a_constant_column_that_no_float_holds_exactly_keeps_scale_one() {
    let rows = "0.1,1\n".repeat(1000);
    let data = good("train: a.csv", &[task("y", Form::Real(1))], &[("a.csv", &format!("x,y\n{rows}"))]);
    assert_eq!(data.features.columns, [numeric("x", 0.1, 1.0)]);
}

#[test]
fn tensors_come_in_the_precision_of_the_run() {
    let folder = folder(&[("a.csv", "x,y,z\n1,0.5,1\n2,,1\n")]);
    let tasks = [task("y", Form::Real(1)), task("z", Form::Classes(2))];
    for precision in [Kind::Float, Kind::Double] {
        let data = load("train: a.csv", &Request { precision, ..request(&tasks, folder.path()) }).unwrap();
        assert_eq!(data.train[0].inputs[0].1.kind(), precision);
        assert_eq!(data.train[0].targets[0].values.kind(), precision);
        assert_eq!(data.train[0].targets[0].weights.as_ref().unwrap().kind(), precision);
        assert_eq!(data.train[0].targets[1].values.kind(), Kind::Int64);
    }
    let big = self::folder(&[("a.csv", "x,y\n1e300,1\n2,1\n")]);
    let tasks = [task("y", Form::Real(1))];
    let request = Request { precision: Kind::Float, ..request(&tasks, big.path()) };
    let error = load("train: a.csv, standardize: false", &request).unwrap_err();
    assert_eq!(
        text(&error, big.path()),
        "a.csv, column \"x\": 1e300 is beyond the run's precision; set `precision: float64`, or scale the column in the file"
    );
}

#[test]
fn names_and_patterns_choose_inputs_in_order_and_exclude_takes_away() {
    let files = [("a.csv", "x1,x2,id,x10,y\n1,2,3,4,0\n")];
    let tasks = [task("y", Form::Binary(1))];
    let names = |settings: &str| {
        let data = good(&format!("train: a.csv, {settings}"), &tasks, &files);
        let name = |column: &Column| match column {
            Column::Numeric { name, .. } | Column::Categorical { name, .. } => name.clone(),
        };
        data.features.columns.iter().map(name).collect::<Vec<_>>()
    };
    assert_eq!(names("inputs: ['x1*', x2]"), ["x1", "x10", "x2"]);
    assert_eq!(names("inputs: [id, 'x?', 'x*']"), ["id", "x1", "x2", "x10"]);
    assert_eq!(names("exclude: [id, 'x1*']"), ["x2"]);
    assert_eq!(names("inputs: ['*'], exclude: ['y', 'id']"), ["x1", "x2", "x10"]);
}

#[test]
fn categories_are_one_hot_over_sorted_training_levels_and_unseen_ones_are_zeros() {
    let data = good(
        "train: a.csv, test: b.csv, categorical: [c], standardize: false",
        &[task("y", Form::Real(1))],
        &[("a.csv", "c,n,y\nred,1,0\nblue,2,0\n,3,0\nred,4,0\n"), ("b.csv", "c,n,y\ngreen,5,0\n blue ,6,0\n")],
    );
    let levels = ["", "blue", "red"].map(String::from).to_vec();
    assert_eq!(
        data.features.columns,
        [Column::Categorical { name: "c".into(), levels, indices: false }, numeric("n", 0.0, 1.0)]
    );
    assert_eq!(x(&data.train), [0., 0., 1., 1., 0., 1., 0., 2., 1., 0., 0., 3., 0., 0., 1., 4.]);
    assert_eq!(x(data.test.as_ref().unwrap()), [0., 0., 0., 5., 0., 1., 0., 6.]);
}

#[test]
fn categories_are_indices_from_one_on_where_a_backbone_reads_them_and_unseen_ones_are_0() {
    let folder = folder(&[("a.csv", "c,n,y\nred,1,0\nblue,2,0\n,3,0\n"), ("b.csv", "c,n,y\ngreen,5,0\nred,6,0\n")]);
    let tasks = [task("y", Form::Real(1))];
    let settings = "train: a.csv, test: b.csv, categorical: [c], standardize: false";
    let data = load(settings, &Request { indices: true, ..request(&tasks, folder.path()) }).unwrap();
    assert_eq!(x(&data.train), [3., 1., 2., 2., 1., 3.]);
    assert_eq!(x(data.test.as_ref().unwrap()), [0., 5., 3., 6.]);
    assert_eq!((data.features.width(), data.features.levels()), (2, vec![Some(3), None]));
    // It travels inside the model; what was written before there were indices reads as one-hot.
    let text = serde_json::to_string(&data.features).unwrap();
    assert_eq!(serde_json::from_str::<Features>(&text).unwrap(), data.features);
    let old: Column = serde_json::from_str(r#"{"kind": "categorical", "name": "c", "levels": ["red"]}"#).unwrap();
    assert_eq!(old, Column::Categorical { name: "c".into(), levels: vec!["red".into()], indices: false });
    let fitted = Fitted {
        features: data.features.clone(),
        standardizations: vec![Some(None)],
        shapes: vec![],
        refit: false,
        all_inputs: false,
    };
    let fitted = Request { fitted: Some(&fitted), ..request(&tasks, folder.path()) };
    assert_eq!(x(load(settings, &fitted).unwrap().test.as_ref().unwrap()), [0., 5., 3., 6.]);
}

#[test]
fn an_empty_input_cell_is_a_mistake_or_the_training_mean() {
    let files = [("a.csv", "x,y\n1,0\n,0\n3,0\n"), ("b.csv", "x,y\n,0\n")];
    let tasks = [task("y", Form::Real(1))];
    assert_eq!(
        bad("train: a.csv", &tasks, &files),
        "a.csv:3, column \"x\": the cell is empty; fill it, or set `missing: mean`"
    );
    let data = good("train: a.csv, test: b.csv, missing: mean", &tasks, &files);
    assert_eq!(x(&data.train), [-1.0, 0.0, 1.0]);
    let data = good("train: a.csv, test: b.csv, missing: mean, standardize: false", &tasks, &files);
    assert_eq!((x(&data.train), x(data.test.as_ref().unwrap())), (vec![1.0, 2.0, 3.0], vec![2.0]));
    let column = Column::Numeric { name: "x".into(), mean: 0.0, scale: 1.0, missing: Some(2.0) };
    assert_eq!(data.features.columns, [column]);
    let nothing = bad("train: a.csv, missing: mean", &tasks, &[("a.csv", "x,y\n,0\n")]);
    assert_eq!(nothing, "a.csv, column \"x\": is empty in every training row; leave it out of `inputs`");
}

#[test]
fn labels_fit_each_form() {
    let mut named = task("n", Form::Classes(2));
    named.labels = Some(vec!["<=50K".into(), ">50K".into()]);
    let mut bits = task("b", Form::Binary(2));
    bits.targets = vec!["b1".into(), "b2".into()];
    let mut real = task("r", Form::Real(2));
    real.targets = vec!["r1".into(), "r2".into()];
    let tasks = [task("c", Form::Classes(3)), named, bits, real];
    let table = "x,c,n,b1,b2,r1,r2\n0,2,>50K,1,true,-1.5,3\n1,1.0,<=50K,False,0,2,1e3\n";
    let data = good("train: a.csv", &tasks, &[("a.csv", table)]);
    let targets = &data.train[0].targets;
    conforms(&data, &tasks);
    assert!(targets.iter().all(|target| target.weights.is_none()));
    assert_eq!((classes(&targets[0].values), classes(&targets[1].values)), (vec![2, 1], vec![1, 0]));
    assert_eq!(
        (numbers(&targets[2].values), numbers(&targets[3].values)),
        (vec![1., 1., 0., 0.], vec![-1.5, 3., 2., 1e3])
    );

    let sparse = "x,c,n,b1,b2,r1,r2\n0,,>50K,1,,,3\n1,1,,0,0,2,\n";
    let data = good("train: a.csv", &tasks, &[("a.csv", sparse)]);
    let targets = &data.train[0].targets;
    conforms(&data, &tasks);
    let weights: Vec<_> = targets.iter().map(|target| numbers(target.weights.as_ref().unwrap())).collect();
    assert_eq!(weights, [vec![0., 1.], vec![1., 0.], vec![1., 0., 1., 1.], vec![0., 1., 1., 0.]]);
    assert_eq!((classes(&targets[0].values), classes(&targets[1].values)), (vec![NO_CLASS, 1], vec![1, NO_CLASS]));
    assert_eq!(
        (numbers(&targets[2].values), numbers(&targets[3].values)),
        (vec![1., 0., 0., 0.], vec![0., 3., 2., 0.])
    );
}

/// Shapes, kinds and the meaning of weight 0 are as [`Target`] says.
fn conforms(data: &Dataset, tasks: &[Task]) {
    for group in [Some(&data.train), data.validation.as_ref(), data.test.as_ref()].into_iter().flatten().flatten() {
        assert_eq!(group.tasks.len(), group.targets.len());
        assert_eq!(group.inputs[0].1.size(), [group.rows(), data.features.width()]);
        for (task, Target { values, weights }) in group.tasks.iter().map(|task| &tasks[*task]).zip(&group.targets) {
            let (shape, absent) = match task.form {
                Form::Classes(_) => (vec![group.rows()], NO_CLASS as f64),
                Form::Binary(columns) | Form::Real(columns) => (vec![group.rows(), columns], 0.0),
            };
            assert_eq!(
                (values.size(), values.kind() == Kind::Int64),
                (shape.clone(), shape.len() == 1),
                "{}",
                task.name
            );
            if let Some(weights) = weights {
                assert_eq!(weights.size(), shape, "{}", task.name);
                let pairs = numbers(values).into_iter().zip(numbers(weights));
                assert!(pairs.into_iter().all(|(value, weight)| weight > 0.0 || value == absent), "{}", task.name);
            }
        }
    }
}

#[test]
fn row_weights_multiply_and_zero_is_no_label() {
    let mut real = task("r", Form::Real(2));
    real.targets = vec!["r1".into(), "r2".into()];
    let tasks = [real, task("c", Form::Classes(2))];
    let data = good("train: a.csv, weight: w", &tasks, &[("a.csv", "x,w,r1,r2,c\n1,2.5,1,,1\n2,0,3,4,1\n")]);
    conforms(&data, &tasks);
    assert_eq!(numbers(data.train[0].targets[0].weights.as_ref().unwrap()), [2.5, 0., 0., 0.]);
    assert_eq!(classes(&data.train[0].targets[1].values), [1, NO_CLASS]);
    for (weight, shown) in [("-1", "\"-1\""), ("nan", "\"nan\""), ("", "\"\""), ("inf", "\"inf\""), ("x", "\"x\"")] {
        assert_eq!(
            bad(
                "train: a.csv, weight: w",
                &[task("y", Form::Real(1))],
                &[("a.csv", &format!("x,w,y\n1,{weight},1\n"))]
            ),
            format!("a.csv:2, column \"w\": {shown} is not a weight; a row's weight is a number of 0 or above")
        );
    }
}

#[test]
fn regression_labels_are_standardised_over_labelled_training_rows() {
    let mut real = task("y", Form::Real(1));
    real.standardize = true;
    let tasks = [real, task("z", Form::Real(1))];
    let files = [("a.csv", "x,y,z\n1,10,5\n2,,6\n3,14,7\n"), ("b.csv", "x,y,z\n1,16,5\n")];
    let data = good("train: a.csv, test: b.csv", &tasks, &files);
    assert_eq!(data.standardizations, [Some(Standardization { mean: vec![12.0], scale: vec![2.0] }), None]);
    assert_eq!(numbers(&data.train[0].targets[0].values), [-1.0, 0.0, 1.0]);
    let test = &data.test.as_ref().unwrap()[0].targets;
    assert_eq!((numbers(&test[0].values), numbers(&test[1].values)), (vec![2.0], vec![5.0]));
    let restored = data.standardizations[0].as_ref().unwrap().undo(&test[0].values);
    assert_eq!(numbers(&restored), [16.0]);
}

#[test]
fn tsv_and_gzip_go_by_their_extension() {
    let folder = folder(&[("a.tsv", "x\ty\n1,5\t0\n")]);
    let gzip = |text: &str| {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    };
    let tasks = [task("y", Form::Classes(2))];
    let error = load("train: a.tsv", &request(&tasks, folder.path())).unwrap_err();
    assert!(text(&error, folder.path()).starts_with("a.tsv:2, column \"x\": \"1,5\" is not a number"));
    // Two members, as `cat a.gz b.gz` makes them.
    std::fs::write(folder.path().join("a.tsv.gz"), [gzip("x\ty\n1\t0\n"), gzip("2\t1\n")].concat()).unwrap();
    std::fs::write(folder.path().join("a.csv.gz"), gzip("x,y\n1,0\n2,1\n3,1\n")).unwrap();
    for (file, rows) in [("a.tsv.gz", 2), ("a.csv.gz", 3)] {
        let data = load(&format!("train: {file}"), &request(&tasks, folder.path())).unwrap();
        assert_eq!(data.train[0].rows(), rows, "{file}");
    }
    let whole = gzip(&counting(5000));
    for broken in [&whole[..whole.len() / 2], b"x,y\n1,0\n".as_slice()] {
        std::fs::write(folder.path().join("b.csv.gz"), broken).unwrap();
        let error = load("train: b.csv.gz", &request(&tasks, folder.path())).unwrap_err();
        assert!(text(&error, folder.path()).starts_with("b.csv.gz: is not a whole gzip file: "), "{error}");
    }
}

#[test]
fn a_fitted_model_brings_its_own_statistics() {
    let folder = folder(&[("a.csv", "c,extra,x,y\nred,?,5,8\nblue,?,7,10\n")]);
    let features = Features {
        columns: vec![
            numeric("x", 1.0, 2.0),
            Column::Categorical { name: "c".into(), levels: vec!["red".into()], indices: false },
        ],
        ..Features::default()
    };
    let standardizations = [Some(Standardization { mean: vec![8.0], scale: vec![4.0] })];
    let tasks = [task("y", Form::Real(1))];
    let known = standardizations.iter().cloned().map(Some).collect();
    let fitted =
        Fitted { features: features.clone(), standardizations: known, shapes: vec![], refit: false, all_inputs: false };
    let fitted = Some(&fitted);
    let data = load("train: a.csv, inputs: [extra]", &Request { fitted, ..request(&tasks, folder.path()) }).unwrap();
    assert_eq!(x(&data.train), [2.0, 1.0, 3.0, 0.0]);
    assert_eq!(numbers(&data.train[0].targets[0].values), [0.0, 0.5]);
    assert_eq!((data.features, data.standardizations.as_slice()), (features.clone(), &standardizations[..]));
}

#[test]
fn predictions_read_inputs_alone() {
    let folder = folder(&[("a.csv", "b,skip,a\n4,text,red\n,text,green\n"), ("raw.csv", "b,a\n4,1\n5,2\n")]);
    let column = Column::Numeric { name: "b".into(), mean: 2.0, scale: 2.0, missing: Some(8.0) };
    let levels = vec!["blue".into(), "red".into()];
    let features = Features {
        columns: vec![Column::Categorical { name: "a".into(), levels, indices: false }, column],
        ..Features::default()
    };
    let (matrix, names) = read_inputs(&folder.path().join("a.csv"), &features, Kind::Float).unwrap();
    assert_eq!(
        (matrix.kind(), matrix.size(), names),
        (Kind::Float, vec![2, 3], vec!["a".to_string(), "b".to_string()])
    );
    assert_eq!(numbers(&matrix), [0., 1., 1., 0., 0., 3.]);
    let (matrix, names) = read_numbers(&folder.path().join("raw.csv"), Kind::Double, |_| Ok(())).unwrap();
    assert_eq!((numbers(&matrix), names), (vec![4., 1., 5., 2.], vec!["b".to_string(), "a".to_string()]));
    let lacking = read_inputs(
        &folder.path().join("raw.csv"),
        &Features { columns: vec![numeric("bb", 0., 1.)], ..Features::default() },
        Kind::Float,
    );
    assert_eq!(
        text(&lacking.unwrap_err(), folder.path()),
        "raw.csv: has no column \"bb\"; its columns are \"b\", \"a\""
    );
}
