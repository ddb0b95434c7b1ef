//! What the drawn data promise.

use super::*;
use crate::data::Fitted;
use crate::tasks::LossKind;
use tch::Kind;

fn task(yaml: &str, columns: i64) -> Task {
    let loss: LossKind = serde_yaml::from_str(yaml).unwrap();
    let form = loss.form(columns);
    Task { name: "t".into(), targets: vec![], labels: None, standardize: false, form, loss, metrics: vec![] }
}

fn two_classes() -> Task {
    task("{name: cross_entropy, classes: 2}", 1)
}

fn real(columns: i64) -> Task {
    task("{name: mse}", columns)
}

fn every_form() -> Vec<Task> {
    vec![
        two_classes(),
        task("{name: cross_entropy, classes: 4}", 1),
        task("{name: binary_cross_entropy}", 3),
        real(1),
        real(2),
    ]
}

fn request(tasks: &[Task], seed: u64, precision: Kind) -> Request<'_> {
    Request::new(tasks, seed, precision, Path::new(""))
}

fn load(settings: &Synthetic, tasks: &[Task]) -> Dataset {
    settings.load(&request(tasks, 1, Kind::Double)).unwrap()
}

fn small() -> Synthetic {
    Synthetic { train: 400, validation: 100, test: 0, ..Default::default() }
}

fn doubles(tensor: &Tensor) -> Vec<f64> {
    Vec::try_from(tensor.to_kind(Kind::Double).contiguous().view([-1])).unwrap()
}

fn labels(groups: &[Group], task: usize) -> Vec<f64> {
    doubles(&groups[0].targets[task].values)
}

fn share(numbers: &[f64], of: impl Fn(f64) -> bool) -> f64 {
    numbers.iter().filter(|number| of(**number)).count() as f64 / numbers.len() as f64
}

#[test]
fn shapes_and_kinds_follow_the_forms() {
    let tasks = every_form();
    for precision in [Kind::Float, Kind::Double] {
        let data = small().load(&request(&tasks, 1, precision)).unwrap();
        assert!(data.test.is_none());
        assert_eq!(data.features.width(), 10);
        for (groups, rows) in [(&data.train, 400), (data.validation.as_ref().unwrap(), 100)] {
            let [group] = &groups[..] else { panic!("one group") };
            assert_eq!((group.inputs[0].0.as_str(), group.inputs[0].1.size()), ("x", vec![rows, 10]));
            assert_eq!((group.inputs[0].1.kind(), &group.tasks[..]), (precision, &[0, 1, 2, 3, 4][..]));
            let shapes: Vec<_> = group.targets.iter().map(|target| target.values.size()).collect();
            assert_eq!(shapes, [vec![rows], vec![rows], vec![rows, 3], vec![rows, 1], vec![rows, 2]]);
            assert!(group.targets.iter().all(|target| target.weights.is_none()));
            let kinds: Vec<_> = group.targets.iter().map(|target| target.values.kind()).collect();
            assert_eq!(kinds, [Kind::Int64, Kind::Int64, precision, precision, precision]);
        }
    }
}

#[test]
fn the_cosine_of_two_linear_teachers_is_the_correlation() {
    for (correlation, neighbours, two_apart) in
        [(0.5, 0.5, 0.5), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0), (-0.3, -0.3, 0.3), (-1.0, -1.0, 1.0)]
    {
        let tasks: Vec<Task> = (0..4).map(|_| two_classes()).collect();
        let teachers = Teachers::new(10, correlation, &tasks, 3);
        let cosine = |a, b| -> f64 {
            let (a, b): (Vec<f64>, Vec<f64>) = (teachers.direction(a), teachers.direction(b));
            a.iter().zip(&b).map(|(a, b)| a * b).sum()
        };
        for (a, b, expected) in [(0, 0, 1.0), (0, 1, neighbours), (2, 3, neighbours), (0, 2, two_apart)] {
            assert!((cosine(a, b) - expected).abs() < 1e-12, "{correlation}: {} of {a} and {b}", cosine(a, b));
        }
    }
}

#[test]
fn labels_of_related_tasks_correlate_so_in_expectation() {
    for correlation in [-0.8, 0.0, 0.8] {
        let (tasks, mut sum) = ([real(1), real(1)], 0.0);
        for seed in 0..40 {
            let settings = Synthetic { correlation, seed: Some(seed), ..small() };
            let data = load(&settings, &tasks);
            let (a, b) = (labels(&data.train, 0), labels(&data.train, 1));
            let product = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
            sum += product(&a, &b) / (product(&a, &a) * product(&b, &b)).sqrt();
        }
        assert!((sum / 40.0 - correlation).abs() < 0.1, "{} for {correlation}", sum / 40.0);
    }
}

#[test]
fn classes_are_balanced_and_a_line_explains_most_but_not_all() {
    let tasks = [two_classes(), real(1)];
    for seed in 0..5 {
        let data = load(&Synthetic { train: 20000, seed: Some(seed), ..Default::default() }, &tasks);
        let positive = share(&labels(&data.train, 0), |label| label == 1.0);
        assert!((positive - 0.5).abs() < 0.02, "{positive}");
        let (x, y) = (&data.train[0].inputs[0].1, &data.train[0].targets[1].values);
        let line = x.matmul(&(x.tr().matmul(y) / 20000.0)); // x is white, so this is least squares
        let variance = y.var(false).double_value(&[]);
        let unexplained = (y - line).var(false).double_value(&[]) / variance;
        assert!((0.08..0.4).contains(&unexplained), "{unexplained} of a variance of {variance}");
        assert!((0.5..2.0).contains(&variance), "{variance}");
    }
}

#[test]
fn the_data_hang_on_the_seed_alone() {
    let tasks = every_form();
    let first = |settings: &Synthetic, seed, precision| {
        let data = settings.load(&request(&tasks, seed, precision)).unwrap();
        let mut all = doubles(&data.train[0].inputs[0].1.to_kind(Kind::Float));
        all.extend((0..3).flat_map(|task| labels(&data.train, task)));
        all
    };
    let free = small();
    assert_eq!(first(&free, 1, Kind::Double), first(&free, 1, Kind::Float));
    assert_ne!(first(&free, 1, Kind::Double), first(&free, 2, Kind::Double));
    let fixed = Synthetic { seed: Some(1), ..small() };
    assert_eq!(first(&fixed, 2, Kind::Double), first(&free, 1, Kind::Double));
}

#[test]
fn the_first_row_is_the_one_that_it_always_was() {
    let data = load(&Synthetic { features: 2, ..small() }, &[two_classes(), real(1)]);
    let x = doubles(&data.train[0].inputs[0].1.narrow(0, 0, 1));
    let (class, value) = (labels(&data.train, 0)[0], labels(&data.train, 1)[0]);
    for (now, then) in [x[0], x[1], class, value].into_iter().zip([0.101983066161, 0.832054757335, 1.0, 0.493980516198])
    {
        assert!((now - then).abs() < 1e-12, "{now} was {then}");
    }
}

#[test]
fn splits_are_independent_and_a_longer_one_begins_alike() {
    let tasks = every_form();
    let (short, long) = (load(&small(), &tasks), load(&Synthetic { train: 500, missing: 0.2, ..small() }, &tasks));
    let validation = |data: &Dataset| doubles(&data.validation.as_ref().unwrap()[0].inputs[0].1);
    assert_eq!(validation(&short), validation(&long));
    assert_ne!(validation(&short)[..], doubles(&short.train[0].inputs[0].1)[..1000]);
    assert_eq!(doubles(&short.train[0].inputs[0].1), doubles(&long.train[0].inputs[0].1)[..4000]);
    assert_eq!(labels(&short.train, 3), {
        let known = &long.train[0].targets[3];
        let weights = doubles(known.weights.as_ref().unwrap());
        let kept = |i: usize| if weights[i] > 0.0 { labels(&long.train, 3)[i] } else { labels(&short.train, 3)[i] };
        (0..400).map(kept).collect::<Vec<_>>()
    });
}

#[test]
fn label_noise_replaces_that_share_of_labels_in_every_split() {
    let tasks = every_form();
    let rows = Synthetic { train: 8000, validation: 8000, ..small() };
    let (clean, noisy) = (load(&rows, &tasks), load(&Synthetic { label_noise: 0.2, ..rows }, &tasks));
    for (clean, noisy) in [(&clean.train, &noisy.train), (&clean.validation.unwrap(), &noisy.validation.unwrap())] {
        let change = |task| -> Vec<f64> {
            labels(noisy, task).iter().zip(labels(clean, task)).map(|(noisy, clean)| noisy - clean).collect()
        };
        for task in 0..3 {
            let changed = share(&change(task), |change| change != 0.0);
            assert!((changed - 0.2).abs() < 0.02, "task {task}: {changed}");
            let highest = labels(noisy, task).into_iter().fold(0.0, f64::max);
            assert_eq!(highest, [1.0, 3.0, 1.0][task]);
        }
        let spread = Tensor::from_slice(&change(4)).std(false).double_value(&[]);
        assert!((spread - 0.2).abs() < 0.02, "{spread}");
    }
}

#[test]
fn missing_drops_that_share_of_training_labels_only() {
    let tasks = every_form();
    let data = load(&Synthetic { train: 8000, missing: 0.3, ..small() }, &tasks);
    for (task, target) in data.train[0].targets.iter().enumerate() {
        let weights = target.weights.as_ref().expect("some labels are missing");
        assert_eq!(weights.size(), target.values.size());
        let weights = doubles(weights);
        let kept = share(&weights, |weight| weight == 1.0);
        assert!((kept - 0.7).abs() < 0.02, "task {task}: {kept}");
        let absent = if task < 2 { NO_CLASS as f64 } else { 0.0 };
        let values = labels(&data.train, task);
        assert!(values.iter().zip(&weights).all(|(value, weight)| *weight > 0.0 || *value == absent));
    }
    assert!(data.validation.unwrap()[0].targets.iter().all(|target| target.weights.is_none()));
}

#[test]
fn standardised_labels_have_mean_0_and_deviation_1_in_training() {
    let plain = [real(2)];
    let wanted = [Task { standardize: true, ..real(2) }];
    let settings = Synthetic { missing: 0.1, ..small() };
    let (raw, data) = (load(&settings, &plain), load(&settings, &wanted));
    assert_eq!(raw.standardizations, [None]);
    let of = data.standardizations[0].as_ref().unwrap();
    let target = &data.train[0].targets[0];
    let weights = target.weights.as_ref().unwrap();
    let count = weights.sum_dim_intlist([0i64].as_slice(), false, None::<Kind>);
    let mean = target.values.sum_dim_intlist([0i64].as_slice(), false, None::<Kind>) / &count;
    let square = target.values.square().sum_dim_intlist([0i64].as_slice(), false, None::<Kind>) / &count;
    assert!(mean.abs().max().double_value(&[]) < 1e-12);
    assert!((square - 1.0).abs().max().double_value(&[]) < 1e-12);
    let undone = of.undo(&data.validation.unwrap()[0].targets[0].values);
    let distance = (undone - &raw.validation.unwrap()[0].targets[0].values).abs().max().double_value(&[]);
    assert!(distance < 1e-12);
}

#[test]
fn a_models_statistics_take_the_place_of_the_datas() {
    let tasks = [Task { standardize: true, ..real(1) }];
    let of = |request: &Request| Synthetic { features: 2, ..small() }.load(request);
    let own = of(&request(&tasks, 1, Kind::Double)).unwrap();
    let column = |name: &str| Column::Numeric { name: name.into(), mean: 1.0, scale: 2.0, missing: None };
    let features = Features { columns: vec![column("x0"), column("x1")], ..Features::default() };
    let standardizations = [Some(Standardization { mean: vec![3.0], scale: vec![0.5] })];
    let known = |features: &Features| Fitted {
        features: features.clone(),
        standardizations: standardizations.iter().cloned().map(Some).collect(),
        shapes: vec![],
        refit: false,
        all_inputs: false,
    };
    let fitted = known(&features);
    let data = of(&Request { fitted: Some(&fitted), ..request(&tasks, 1, Kind::Double) }).unwrap();
    assert_eq!((&data.features, &data.standardizations[..]), (&features, &standardizations[..]));
    let x = (&own.train[0].inputs[0].1 - 1.0) / 2.0;
    assert_eq!(data.train[0].inputs[0].1, x);
    let raw = own.standardizations[0].as_ref().unwrap().undo(&own.train[0].targets[0].values);
    let distance = (&data.train[0].targets[0].values - (raw - 3.0) / 0.5).abs().max().double_value(&[]);
    assert!(distance < 1e-12);

    let other = Features { columns: vec![column("age")], ..Features::default() };
    let other = known(&other);
    let error = of(&Request { fitted: Some(&other), ..request(&tasks, 1, Kind::Double) }).unwrap_err().to_string();
    assert!(error.contains("the model reads age; the data has x0, x1"), "{error}");
    let unknown = Fitted { standardizations: vec![None], ..known(&features) };
    let data = of(&Request { fitted: Some(&unknown), ..request(&tasks, 1, Kind::Double) }).unwrap();
    assert_eq!(data.standardizations, own.standardizations, "a task that the model does not know is fitted");
}

#[test]
fn mistakes_name_the_setting() {
    let error = |settings: Synthetic, task: Task| {
        let error = settings.load(&request(&[task], 1, Kind::Float)).unwrap_err();
        error.downcast_ref::<BadSetting>().expect("a bad setting").path.clone()
    };
    assert_eq!(error(Synthetic { label_noise: 1.5, ..small() }, two_classes()), "data.label_noise");
    assert!(Synthetic { label_noise: 1.5, ..small() }.load(&request(&[real(1)], 1, Kind::Float)).is_ok());
    assert_eq!(error(Synthetic { train: 3, missing: 0.9999, ..small() }, two_classes()), "data.missing");
    for (yaml, part) in [
        ("{correlation: 1.5}", "1.5, expected a number from -1 to 1"),
        ("{train: 0}", "`0`, expected a whole number from 1"),
        ("{missing: 1}", "`1`, expected a number from 0 up to, not including, 1"),
        ("{conflict: 1}", "unknown field `conflict`"),
    ] {
        let error = serde_yaml::from_str::<Synthetic>(yaml).unwrap_err().to_string();
        assert!(error.contains(part), "{yaml}: {error}");
    }
}

#[test]
fn extreme_settings_still_give_finite_inputs_and_labels() {
    for (features, correlation) in [(1, 0.5), (1, -1.0), (2, 0.9), (50, 1.0)] {
        let data = load(&Synthetic { features, correlation, label_noise: 1.0, ..small() }, &every_form());
        let tensors = data.train[0].targets.iter().map(|target| &target.values).chain([&data.train[0].inputs[0].1]);
        for tensor in tensors {
            assert!(doubles(tensor).iter().all(|number| number.is_finite()));
        }
    }
}

#[test]
fn units_scale_real_labels_and_nothing_else() {
    let tasks = [real(1), two_classes(), real(2)];
    let scaled = Synthetic { label_noise: 0.1, units: Some(vec![10.0, 1.0, 0.5]), ..small() };
    let plain = Synthetic { units: None, ..scaled.clone() };
    let (scaled, plain) = (load(&scaled, &tasks), load(&plain, &tasks));
    for (task, unit) in [(0, 10.0), (1, 1.0), (2, 0.5)] {
        let expected: Vec<f64> = labels(&plain.train, task).iter().map(|label| unit * label).collect();
        assert_eq!(labels(&scaled.train, task), expected);
    }
    let path = |units: Vec<f64>| {
        let settings = Synthetic { units: Some(units), ..small() };
        settings.load(&request(&tasks, 1, Kind::Double)).unwrap_err().downcast::<BadSetting>().unwrap().path
    };
    assert_eq!(path(vec![1.0]), "data.units");
    assert_eq!(path(vec![1.0, 2.0, 1.0]), "data.units[1]");
    assert_eq!(path(vec![1.0, 1.0, 0.0]), "data.units[2]");
}
