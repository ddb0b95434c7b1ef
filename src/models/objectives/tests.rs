//! Values and gradients against PyTorch, fronts against their formulas, TorchScript against both.

use super::*;
use crate::libtorch::Module;
use tch::no_grad;

type Golden = (&'static str, Vec<f64>, Vec<f64>, Vec<Vec<f64>>);

/// Problem, parameter, values, gradients; made by PyTorch 2.13:
///
/// ```python
/// import torch
/// torch.set_default_dtype(torch.float64)
/// def toy(x, scale=1.0):
///     a, b = x[0], x[1]
///     least, zero = torch.tensor(5e-6), torch.tensor(0.0)
///     f1 = torch.maximum((0.5 * (-a - 7) - torch.tanh(-b)).abs(), least).log() + 6
///     f2 = torch.maximum((0.5 * (-a + 3) + torch.tanh(-b) + 2).abs(), least).log() + 6
///     c1, c2 = torch.maximum(torch.tanh(b * 0.5), zero), torch.maximum(torch.tanh(b * -0.5), zero)
///     q1 = ((-a + 7) ** 2 + 0.1 * (-b - 8) ** 2) / 10 - 20
///     q2 = ((-a - 7) ** 2 + 0.1 * (-b - 8) ** 2) / 10 - 20
///     return (f1 * c1 + q1 * c2) * scale, f2 * c1 + q2 * c2
/// def fonseca(x):
///     c = 1 / len(x) ** 0.5
///     return 1 - torch.exp(-((x - c) ** 2).sum()), 1 - torch.exp(-((x + c) ** 2).sum())
/// def zdt(x, second):
///     p = torch.sin(x) ** 2
///     g = 1 + 9 / (len(x) - 1) * p[1:].sum()
///     return p[0], second(p[0], g)
/// zdt1 = lambda x: zdt(x, lambda f, g: g * (1 - (f / g).sqrt()))
/// zdt2 = lambda x: zdt(x, lambda f, g: g * (1 - (f / g) ** 2))
/// def dtlz2(x, count):
///     p = torch.sin(x) ** 2
///     g = ((p[count - 1:] - 0.5) ** 2).sum()
///     angle = p[:count - 1] * torch.pi / 2
///     rows = [torch.cat([torch.cos(angle[:count - 1 - t]), torch.sin(angle[count - 1 - t:count - t])]) for t in range(count)]
///     return [(1 + g) * row.prod() for row in rows]
/// def show(name, problem, x):
///     x = torch.tensor(x, requires_grad=True)
///     values = problem(x)
///     rows = [torch.autograd.grad(v, x, retain_graph=True)[0].tolist() for v in values]
///     print(name, x.tolist(), [v.item() for v in values], rows)
/// for x in [-8.5, 7.5], [-8.5, -5.0], [9.0, 9.0], [0.0, 0.0]: show("toy", toy, x)
/// show("toy, first_scale: 0.1", lambda x: toy(x, 0.1), [-7.5, -0.5])
/// show("fonseca", fonseca, [0.3, -0.2, 0.1])
/// show("zdt1", zdt1, [0.4, 0.9, 0.2]); show("zdt2", zdt2, [0.4, 0.9, 0.2])
/// show("dtlz2, dimension: 5", lambda x: dtlz2(x, 3), [0.4, 0.9, 0.2, 1.3, 0.5])
/// show("dtlz2, objectives: 2, dimension: 2", lambda x: dtlz2(x, 2), [0.4, 0.9])
/// ```
#[rustfmt::skip]
fn golden() -> Vec<Golden> {
    vec![
        ("toy", vec![-8.5, 7.5], vec![6.552363407771327, 7.900798143172848], vec![vec![-0.28539851198351834, 0.007248720226029931], vec![-0.07399217423619772, 0.00873943752792188]]),
        ("toy", vec![-8.5, -5.0], vec![4.0599178368931375, -19.421502459110904], vec![vec![-3.058504324269434, 0.004483351488482924], vec![-0.2959842894454291, 0.32093084901809377]]),
        ("toy", vec![9.0, 9.0], vec![7.943949188978327, 6.691495369217006], vec![vec![0.07141094332126276, 0.0019607137553373883], vec![0.24993830651856216, 0.0016516227427198639]]),
        ("toy", vec![0.0, 0.0], vec![0.0, 0.0], vec![vec![0.0, 5.428190742123842], vec![0.0, 5.428190742123842]]),
        ("toy, first_scale: 0.1", vec![-7.5, -0.5], vec![0.03888083765658879, -4.754483533912004], vec![vec![-0.07102641209707565, -0.07093989868795054], vec![-0.02449186624037091, 9.160756925587464]]),
        ("fonseca, dimension: 3", vec![0.3, -0.2, 0.1], vec![0.5970971819219344, 0.7461318160953666], vec![vec![-0.2234904101024207, -0.6263932281804864, -0.38465153733364693], vec![0.4454626389748231, 0.19159445507018968, 0.34391536541296974]]),
        ("zdt1, dimension: 3", vec![0.4, 0.9, 0.2], vec![0.1516466453264173, 3.16596014374675], vec![vec![0.7173560908995228, 0.0, 0.0], vec![-1.8279794910448623, 3.9523751767944115, 1.5804601672041723]]),
        ("zdt2, dimension: 3", vec![0.4, 0.9, 0.2], vec![0.1516466453264173, 3.9329789970662423], vec![vec![0.7173560908995228, 0.0, 0.0], vec![-0.055237210323636377, 4.388810210498251, 1.7549800838333338]]),
        ("dtlz2, dimension: 5", vec![0.4, 0.9, 0.2, 1.3, 0.5], vec![0.8140092618425234, 1.1722574276378444, 0.3465385106216972], vec![vec![-0.22272115952160418, -1.7932212730982027, -0.1988018376898128, 0.2448329515855292, -0.2519947927575112], vec![-0.3207414777447864, 1.2452032210845883, -0.28629518334033527, 0.35258474255807326, -0.3628985336940796], vec![1.6081579657538454, 0.0, -0.0846335489917459, 0.10422982927923631, -0.10727875499714534]]),
        ("dtlz2, objectives: 2, dimension: 2", vec![0.4, 0.9], vec![0.9843036435547952, 0.23900476425284675], vec![vec![-0.269315423165633, 0.21501246393078918], vec![1.1091333393128235, 0.052208486263051426]]),
    ]
}

fn problem(settings: &str) -> ProblemKind {
    serde_yaml::from_str(&format!("{{name: {settings}}}")).unwrap()
}

fn numbers(tensor: &Tensor) -> Vec<f64> {
    Vec::try_from(tensor.to_kind(Kind::Double).reshape([-1])).unwrap()
}

fn assert_close(found: &[f64], expected: &[f64], what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let largest = expected.iter().fold(0.0f64, |most, value| most.max(value.abs()));
    for (a, b) in found.iter().zip(expected) {
        assert!((a - b).abs() <= 1e-13 * largest.max(1e-300), "{what}: {found:?} instead of {expected:?}");
    }
}

/// A model that stands at a parameter.
fn model_at(settings: &str, parameter: &[f64], precision: Kind) -> Objectives {
    let problem = problem(settings);
    let x = Tensor::from_slice(parameter).to_kind(precision).set_requires_grad(true);
    let tasks = (0..problem.objectives()).map(|task| format!("f{task}")).collect();
    Objectives { problem, x, tasks }
}

fn rows(count: i64, precision: Kind) -> Vec<(String, Tensor)> {
    vec![("x".into(), Tensor::zeros([count, 0], (precision, Device::Cpu)))]
}

#[test]
fn values_and_gradients_equal_those_of_pytorch() {
    for (settings, x, values, gradients) in golden() {
        let model = model_at(settings, &x, Kind::Double);
        let all: Vec<usize> = (0..model.problem.objectives()).collect();
        let outputs = model.forward(&rows(1, Kind::Double), &all, Mode::Evaluate).unwrap();
        assert_eq!((outputs.len(), gradients.len()), (values.len(), values.len()));
        for ((output, value), gradient) in outputs.iter().zip(values).zip(gradients) {
            assert_eq!(output.size(), [1, 1]);
            assert_close(&numbers(output), &[value], settings);
            let found = Tensor::run_backward(&[output], &[&model.x], true, false);
            assert_close(&numbers(&found[0]), &gradient, settings);
        }
    }
}

#[test]
fn the_torchscript_gives_the_same_for_any_number_of_rows_and_has_one_parameter() {
    let folder = tempfile::tempdir().unwrap();
    for precision in [Kind::Double, Kind::Float] {
        for (number, (settings, x, ..)) in golden().into_iter().enumerate() {
            let model = model_at(settings, &x, precision);
            let file = folder.path().join(format!("{number}{precision:?}.pt"));
            model.save(&file, &[]).unwrap();
            let module = Module::load(&file, Device::Cpu).unwrap();
            let found = no_grad(|| module.forward(&[rows(3, precision).remove(0).1])).unwrap().tensors;
            let all: Vec<usize> = (0..model.problem.objectives()).collect();
            let expected = model.forward(&rows(3, precision), &all, Mode::Evaluate).unwrap();
            assert_eq!(found.len(), expected.len());
            for (found, expected) in found.iter().zip(&expected) {
                assert_eq!((found.size(), found.kind()), (vec![3, 1], precision), "{settings}");
                // A factor of one costs the script nothing either.
                assert_eq!(numbers(found), numbers(expected), "{settings} {precision:?}");
            }
            let names: Vec<String> = module.parameters().into_iter().map(|(name, _)| name).collect();
            assert_eq!(names, ["x"]);
        }
    }
}

#[test]
fn the_middle_of_the_toys_pareto_set_is_where_its_authors_methods_end() {
    let toy = problem("toy");
    let middle = toy.optimal(&[0.5, 0.5]);
    assert!(middle[0] == 0.0 && (middle[1] + 8.3551).abs() < 5e-5, "{middle:?}");
    let mean = toy.at(&middle).iter().sum::<f64>() / 2.0;
    assert!((mean + 15.0916).abs() < 5e-5, "{mean}");
}

/// On a Pareto set some weighted mean of the gradients is zero.
#[test]
fn pareto_sets_are_stationary() {
    for settings in ["toy", "toy, first_scale: 0.1", "fonseca", "fonseca, dimension: 2"] {
        let problem = problem(settings);
        for step in 1..20 {
            let share = f64::from(step) / 20.0;
            let point = problem.optimal(&[share, 1.0 - share]);
            let model = model_at(settings, &point, Kind::Double);
            let values = problem.values(&problem.point(&model.x));
            let gradient = |value: &Tensor| Tensor::run_backward(&[value], &[&model.x], true, false).remove(0);
            let (a, b) = (gradient(&values[0]), gradient(&values[1]));
            let cosine = (&a * &b).sum(Kind::Double) / (a.norm() * b.norm());
            assert!((numbers(&cosine)[0] + 1.0).abs() < 1e-9, "{settings} at {point:?}: {cosine:?}");
        }
    }
}

#[test]
fn fronts_are_those_of_the_formulas() {
    let formula = |settings: &str, second: &dyn Fn(f64) -> f64| {
        let front = problem(settings).front(100);
        assert_eq!(front.len(), 101);
        for (a, b) in front.iter().map(|values| (values[0], values[1])) {
            // Near 0 the root makes a rounding of the first large in the second.
            assert!((b - second(a)).abs() < 1e-12, "{settings}: ({a}, {b})");
        }
    };
    formula("zdt1", &|a| 1.0 - a.sqrt());
    formula("zdt2", &|a| 1.0 - a * a);
    // On the segment the distances to both ends add up to 2.
    for settings in ["fonseca", "fonseca, dimension: 2"] {
        formula(settings, &|a| {
            let distance = (-(1.0 - a).ln()).max(0.0).sqrt();
            1.0 - (-(2.0 - distance).powi(2)).exp()
        });
    }
}

/// The front of DTLZ2 is where the squares of the objectives are the shares, and every gradient there points along the sphere's
/// normal or nowhere: the objectives weighted by their own values stand still.
#[test]
fn the_front_of_dtlz2_is_the_unit_sphere() {
    for (settings, count) in [("dtlz2", 66), ("dtlz2, objectives: 2, dimension: 2", 11), ("dtlz2, objectives: 4", 286)]
    {
        let problem = problem(settings);
        let front = problem.front(10);
        assert_eq!(front.len(), count);
        for values in &front {
            let shares: Vec<f64> = values.iter().map(|value| value * value).collect();
            assert!((shares.iter().sum::<f64>() - 1.0).abs() < 1e-14, "{values:?}");
            assert!(shares.iter().all(|share| (10.0 * share - (10.0 * share).round()).abs() < 1e-13), "{values:?}");
            let x = Tensor::from_slice(&problem.parameter(&problem.optimal(&shares))).set_requires_grad(true);
            let found = problem.values(&problem.point(&x));
            let weighted: Tensor = found.iter().zip(values).map(|(value, weight)| value * *weight).sum();
            let gradient = Tensor::run_backward(&[weighted], &[&x], false, false).remove(0);
            assert!(numbers(&gradient).iter().all(|g| g.abs() < 1e-14), "{values:?}: {gradient:?}");
        }
    }
    assert_close(
        &problem("dtlz2").optimal(&[0.0, 0.25, 0.75]),
        &{
            let mut point = [0.5; 12];
            (point[0], point[1]) = (2.0 / 3.0, 1.0);
            point
        },
        "an edge",
    );
}

#[test]
fn a_box_is_kept_whatever_the_step() {
    for name in ["zdt1", "dtlz2"] {
        let boxed = problem(&format!("{name}, dimension: 4, start: [0.2, 0, 1, 0.7]"));
        let start = boxed.start(0);
        let there_and_back = boxed.point(&Tensor::from_slice(&boxed.parameter(&start)));
        assert_close(&numbers(&there_and_back), &start, "there and back");
        let far = Tensor::from_slice(&[-1e3, 17.0, 0.0, 1e9]);
        assert!(numbers(&boxed.point(&far)).iter().all(|p| (0.0..=1.0).contains(p)));
        // At the corner itself gradients are finite.
        let x = Tensor::from_slice(&[0.0; 4]).set_requires_grad(true);
        for value in boxed.values(&boxed.point(&x)) {
            let gradient = Tensor::run_backward(&[value], &[&x], true, false).remove(0);
            assert!(numbers(&gradient).iter().all(|g| g.is_finite()));
        }
    }
}

#[test]
fn a_start_is_drawn_by_the_seed_where_none_is_given() {
    for (settings, low, high) in [("fonseca", -0.5, 0.5), ("zdt2", 0.0, 1.0), ("dtlz2", 0.0, 1.0)] {
        let problem = problem(settings);
        assert_eq!(problem.start(3), problem.start(3));
        assert_ne!(problem.start(3), problem.start(4));
        assert!(problem.start(3).iter().all(|x| (low..high).contains(x)));
    }
    assert_eq!(problem("toy").start(3), [-8.5, 7.5]);
}

#[test]
fn starts_that_do_not_fit_are_named() {
    for (settings, path, what) in [
        ("toy, start: [1]", "start", "has 1 numbers, the problem has 2 dimensions"),
        ("toy, start: [1, .nan]", "start[1]", "NaN is not finite"),
        ("fonseca, dimension: 2, start: [1, 2, 3]", "start", "has 3 numbers, the problem has 2 dimensions"),
        ("zdt1, dimension: 2, start: [0.5, 1.5]", "start[1]", "1.5 lies outside the problem's box"),
        ("zdt2, dimension: 1", "dimension", "1 dimension is too few"),
        ("dtlz2, objectives: 1", "objectives", "1 objective is too few"),
        ("dtlz2, dimension: 2", "dimension", "2 dimensions are too few for 3 objectives"),
        ("dtlz2, start: [0.5, 0.5]", "start", "has 2 numbers, the problem has 12 dimensions"),
    ] {
        let bad = problem(settings).check().unwrap_err();
        assert_eq!((bad.path.as_str(), bad.what.as_str()), (path, what));
        assert!(bad.remedy.is_some());
    }
}

#[test]
fn only_few_dimensions_are_recorded_as_coordinates() {
    let coordinates = |settings: &str| {
        let problem = problem(settings);
        Objectives::new(&problem, vec![], Kind::Double, 0).coordinates()
    };
    assert_eq!(coordinates("toy"), [("x0", -8.5), ("x1", 7.5)]);
    let box_of = coordinates("zdt1, dimension: 2, start: [0.25, 0.5]");
    assert!((box_of[0].1 - 0.25).abs() < 1e-15 && (box_of[1].1 - 0.5).abs() < 1e-15, "{box_of:?}");
    assert_eq!(coordinates("fonseca"), []);
}

#[test]
fn the_hypervolume_of_a_sphere_is_what_the_ball_leaves_of_the_cube() {
    let pi = std::f64::consts::PI;
    for (count, ball) in [(2, pi / 4.0), (3, pi / 6.0), (4, pi * pi / 32.0), (5, pi * pi / 60.0)] {
        let found = problem(&format!("dtlz2, objectives: {count}")).hypervolume().expect("a formula");
        assert!((found - (1.0 - ball)).abs() < 1e-15, "{count}: {found}");
    }
    assert_eq!(problem("toy").hypervolume(), None);
}
