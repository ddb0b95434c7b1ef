//! Which rows make which split.

use super::*;
use crate::data::csv::Files;

#[test]
fn one_file_is_cut_into_disjoint_parts_that_cover_it_and_follow_the_seed() {
    let folder = folder(&[("a.csv", &counting(101))]);
    let tasks = [task("y", Form::Classes(2))];
    let cut = |seed: u64, settings: &str| {
        let data = load(settings, &Request { seed, ..request(&tasks, folder.path()) }).unwrap();
        [Some(data.train), data.validation, data.test].map(|groups| groups.map(|groups| x(&groups)).unwrap_or_default())
    };
    let settings = "file: a.csv, fractions: {train: 0.8, validation: 0.1, test: 0.1}, standardize: false";
    let parts = cut(1, settings);
    assert_eq!(parts.each_ref().map(Vec::len), [81, 10, 10]);
    let mut all = parts.concat();
    all.sort_by(f64::total_cmp);
    assert_eq!(all, (0..101).map(f64::from).collect::<Vec<_>>());
    assert_ne!(parts[0], (0..81).map(f64::from).collect::<Vec<_>>(), "the rows are shuffled before they are cut");
    assert_eq!(parts, cut(1, settings));
    assert_ne!(parts, cut(2, settings));
    let own_seed = format!("{settings}, split_seed: 1");
    assert_eq!(parts, cut(2, &own_seed));
    let part = cut(1, "file: a.csv, fractions: {train: 0.5, test: 0.2}, standardize: false");
    assert_eq!(part.each_ref().map(Vec::len), [51, 0, 20]);
    let written_out = "train: {file: a.csv, fraction: 0.8}, validation: {file: ./a.csv, fraction: 0.1}, \
                       test: {file: a.csv, fraction: 0.1}, standardize: false";
    assert_eq!(parts, cut(1, written_out));
}

#[test]
fn a_test_file_is_cut_into_validation_and_test() {
    let data = good(
        "train: a.csv, validation: {file: t.csv, fraction: 0.5}, test: {file: t.csv, fraction: 0.5}, standardize: false",
        &[task("y", Form::Classes(2))],
        &[("a.csv", &counting(5)), ("t.csv", &counting(11))],
    );
    let (validation, test) = (x(data.validation.as_ref().unwrap()), x(data.test.as_ref().unwrap()));
    assert_eq!((x(&data.train).len(), validation.len(), test.len()), (5, 6, 5));
    assert!(validation.iter().all(|row| !test.contains(row)));
    let parity: Vec<f64> = validation.iter().map(|row| row % 2.0).collect();
    assert_eq!(numbers(&data.validation.unwrap()[0].targets[0].values), parity, "labels follow their rows");
}

#[test]
fn statistics_come_from_the_training_part_alone() {
    let tasks = [task("y", Form::Classes(2))];
    let data = good("file: a.csv, fractions: {train: 0.5, test: 0.5}", &tasks, &[("a.csv", &counting(40))]);
    let sum: f64 = x(&data.train).iter().sum();
    assert!(sum.abs() < 1e-9, "{sum}");
    assert!(x(data.test.as_ref().unwrap()).iter().sum::<f64>().abs() > 1e-3);
}

#[test]
fn tasks_may_have_their_own_inputs() {
    let tasks = [task("a", Form::Classes(2)), task("b", Form::Real(1))];
    let files = [("a.csv", "x,a\n0,1\n2,0\n"), ("b.csv", "b,x\n0.5,4\n1.5,6\n2.5,8\n")];
    let data = good("train: {b: b.csv, a: a.csv}, test: {a: a.csv, b: b.csv}", &tasks, &files);
    conforms(&data, &tasks);
    assert_eq!(data.features.columns, [numeric("x", 4.0, 8f64.sqrt())], "all training files together");
    for groups in [&data.train, data.test.as_ref().unwrap()] {
        assert_eq!(
            groups.iter().map(|group| (group.tasks.clone(), group.rows())).collect::<Vec<_>>(),
            [(vec![0], 2), (vec![1], 3)]
        );
    }
    assert_eq!(classes(&data.train[0].targets[0].values), [1, 0]);
    assert_eq!(numbers(&data.train[1].targets[0].values), [0.5, 1.5, 2.5]);
}

#[test]
fn tasks_that_name_the_same_file_have_a_group_each_and_count_its_rows_once() {
    let tasks = [task("a", Form::Classes(2)), task("b", Form::Real(1)), task("c", Form::Real(1))];
    let files = [("ab.csv", "x,a,b\n0,1,0.5\n2,0,1.5\n"), ("c.csv", "x,c\n10,1\n")];
    let data = good("train: {a: ab.csv, b: ab.csv, c: c.csv}", &tasks, &files);
    conforms(&data, &tasks);
    let Column::Numeric { mean, .. } = data.features.columns[0] else { panic!() };
    assert_eq!(mean, 4.0);
    assert_eq!(data.train.iter().map(|group| group.tasks.clone()).collect::<Vec<_>>(), [vec![0], vec![1], vec![2]]);
    let cut = good(
        "file: {a: ab.csv, b: ab.csv, c: ab.csv}, fractions: {train: 0.5, test: 0.5}",
        &tasks,
        &[("ab.csv", "x,a,b,c\n0,1,0.5,1\n2,0,1.5,1\n")],
    );
    conforms(&cut, &tasks);
    assert_eq!((cut.train.len(), cut.train[2].rows(), cut.test.unwrap()[1].rows()), (3, 1, 1));
}

#[test]
fn absolute_paths_survive_a_round_trip_through_yaml() {
    let yaml = "{name: csv, train: {a: x/a.csv, b: /data/b.csv}, test: {a: {file: x/a.csv, fraction: 0.5}, b: b.csv}}";
    let data: Data = serde_yaml::from_str(yaml).unwrap();
    let written = serde_yaml::to_value(data.absolute(Path::new("/home/me"))).unwrap();
    let expected = "{name: csv, train: {a: /home/me/x/a.csv, b: /data/b.csv}, \
                    test: {a: {file: /home/me/x/a.csv, fraction: 0.5}, b: /home/me/b.csv}, standardize: true, missing: error, unseen: warn}";
    assert_eq!(written, serde_yaml::from_str::<serde_yaml::Value>(expected).unwrap());
    serde_yaml::from_value::<Data>(written).unwrap();
    let whole: Data = serde_yaml::from_str("{name: csv, file: a.csv, fractions: {train: 0.5}}").unwrap();
    let Data::Csv(whole) = whole.absolute(Path::new("relative")) else { panic!() };
    assert!(whole.file.is_some_and(|files| matches!(files, Files::Shared(part) if part.file().is_absolute())));
}
