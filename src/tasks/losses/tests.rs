//! Losses against PyTorch.

use super::*;
use crate::tasks::NO_CLASS;

// The program that made the numbers (torch 2.13):
//
// import torch, torch.nn.functional as F
// torch.set_default_dtype(torch.float64)
// x = torch.tensor([[0.5, -1.2, 0.3], [2.0, 0.1, -0.7], [-0.4, 0.9, 1.1], [0.2, 0.0, 0.6], [1.5, -2.5, 3.0]], requires_grad=True)
// y = torch.tensor([0, 2, 1, 0, 2]); missing = torch.tensor([0, -100, 1, 0, 2]); w = torch.tensor([1.0, 2.0, 0.5])
// r = torch.tensor([0.5, 0.0, 2.0, 1.0, 3.0])
// v = torch.tensor([[1.0, 0.0, 1.0], [0.0, 0.0, 1.0], [1.0, 1.0, 0.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]])
// m = torch.tensor([[1.0, 0.0, 2.0], [0.5, 1.0, 0.0], [0.0, 0.0, 0.0], [3.0, 1.0, 1.0], [0.0, 2.0, 0.5]])
// p = torch.tensor([0.5, 2.0, 3.0])
// def show(name, loss):  # the value, and the gradient's product with 1, 4, 9, … 225
//     g, = torch.autograd.grad(loss, x)
//     print(name, f"{loss.item():.14f}, {(g.flatten() @ torch.arange(1.0, 16.0) ** 2).item():.14f}")
// def rows(e, cw):  # row weights and a missing label, by the plain formula
//     lp = torch.log_softmax(x, 1); n = torch.tensor([0, 2, 3, 4]); t = missing[n]
//     l = (1 - e) * cw[t] * -lp[n, t] + e / 3 * (cw * -lp[n]).sum(1)
//     return (r[n] * l).sum() / (r[n] * cw[t]).sum()
// for name, e, cw in [("plain", 0, None), ("weights", 0, w), ("smoothing", 0.1, None), ("both", 0.1, w)]:
//     show(f"cross_entropy {name}", F.cross_entropy(x, y, weight=cw, label_smoothing=e))
//     show(f"cross_entropy {name} rows", rows(e, torch.ones(3) if cw is None else cw))
// for name, f in [("bce", F.binary_cross_entropy_with_logits),
//                 ("bce pos", lambda a, b, **k: F.binary_cross_entropy_with_logits(a, b, pos_weight=p, **k)),
//                 ("mse", F.mse_loss), ("l1", F.l1_loss), ("huber", F.huber_loss),
//                 ("huber 0.4", lambda a, b, **k: F.huber_loss(a, b, delta=0.4, **k))]:
//     show(name, f(x, v)); show(name + " cells", (m * f(x, v, reduction="none")).sum() / m.sum())
// cosine, m1 = lambda: 1 - (x * v).sum(1) / x.norm(dim=1) / v.norm(dim=1), m.amin(1)
// show("cosine", cosine().mean()); show("cosine cells", (m1 * cosine()).sum() / m1.sum())
// show("value", x.mean()); show("value cells", (m * x).sum() / m.sum())

/// YAML, whether rows have weights and missing labels, the loss, the gradient's product with 1, 4, 9, … 225.
const GOLDEN: [(&str, bool, f64, f64); 24] = [
    ("{name: cross_entropy, classes: 3}", false, 1.18115676199046, 1.43732945019295),
    ("{name: cross_entropy, classes: 3}", true, 0.61323278061653, 1.43573560939537),
    ("{name: cross_entropy, classes: 3, class_weights: [1, 2, 0.5]}", false, 1.05383386775959, 5.58138680170433),
    ("{name: cross_entropy, classes: 3, class_weights: [1, 2, 0.5]}", true, 0.78665898001916, 5.44614246041467),
    ("{name: cross_entropy, classes: 3, label_smoothing: 0.1}", false, 1.22315676199046, 1.69066278352629),
    ("{name: cross_entropy, classes: 3, label_smoothing: 0.1}", true, 0.73605329343704, 2.3613766350364),
    (
        "{name: cross_entropy, classes: 3, class_weights: [1, 2, 0.5], label_smoothing: 0.1}",
        false,
        1.17358543654918,
        5.78093655738973,
    ),
    (
        "{name: cross_entropy, classes: 3, class_weights: [1, 2, 0.5], label_smoothing: 0.1}",
        true,
        0.97371234753641,
        6.41897100062913,
    ),
    ("{name: binary_cross_entropy}", false, 0.91769294883417, 19.90948889896469),
    ("{name: binary_cross_entropy}", true, 0.76648108518957, 28.87158200589312),
    ("{name: binary_cross_entropy, positive_weight: [0.5, 2, 3]}", false, 1.15470167448208, 12.94300814185091),
    ("{name: binary_cross_entropy, positive_weight: [0.5, 2, 3]}", true, 0.98927522405157, 22.56897375086135),
    ("{name: mse}", false, 1.944, 30.76000000000001),
    ("{name: mse}", true, 1.81, -101.94999999999999),
    ("{name: l1}", false, 1.10666666666667, 18.66666666666666),
    ("{name: l1}", true, 0.975, 4.79166666666667),
    ("{name: huber}", false, 0.707, 6.41333333333334),
    ("{name: huber}", true, 0.61333333333333, -21.39166666666666),
    ("{name: huber, delta: 0.4}", false, 0.37, 6.91333333333333),
    ("{name: huber, delta: 0.4}", true, 0.31875, -3.70833333333333),
    ("{name: cosine}", false, 0.86159177168911, -57.2443338748012),
    ("{name: cosine}", true, 1.0, -191.31779844018695),
    ("{name: value}", false, 0.36, 82.66666666666666),
    ("{name: value}", true, -0.00833333333333, 93.45833333333333),
];

fn matrix(numbers: [f64; 15], kind: Kind) -> Tensor {
    Tensor::from_slice(&numbers).view([5, 3]).to_kind(kind)
}

fn outputs(kind: Kind) -> Tensor {
    let x = [0.5, -1.2, 0.3, 2.0, 0.1, -0.7, -0.4, 0.9, 1.1, 0.2, 0.0, 0.6, 1.5, -2.5, 3.0];
    matrix(x, kind).set_requires_grad(true)
}

fn target(form: Form, weighted: bool, kind: Kind) -> Target {
    match (form, weighted) {
        (Form::Classes(_), false) => Target { values: Tensor::from_slice(&[0i64, 2, 1, 0, 2]), weights: None },
        (Form::Classes(_), true) => Target {
            values: Tensor::from_slice(&[0, NO_CLASS, 1, 0, 2]),
            weights: Some(Tensor::from_slice(&[0.5, 0.0, 2.0, 1.0, 3.0]).to_kind(kind)),
        },
        _ => {
            let v = [1.0, 0.0, 1.0, 0.0, 0.0, 1.0, 1.0, 1.0, 0.0, 0.0, 1.0, 0.0, 1.0, 0.0, 0.0];
            let m = [1.0, 0.0, 2.0, 0.5, 1.0, 0.0, 0.0, 0.0, 0.0, 3.0, 1.0, 1.0, 0.0, 2.0, 0.5];
            Target { values: matrix(v, kind), weights: weighted.then(|| matrix(m, kind)) }
        }
    }
}

pub(super) fn parse(yaml: &str) -> Result<LossKind, String> {
    serde_yaml::from_str(yaml).map_err(|error| crate::registry::unpack(&error.to_string()).what)
}

fn columns(form: Form) -> i64 {
    if matches!(form, Form::Classes(_)) { 1 } else { 3 }
}

pub(super) fn assert_near(left: f64, right: f64, tolerance: f64, place: &str) {
    assert!((left - right).abs() <= tolerance * right.abs().max(1.0), "{place}: {left} is not {right}");
}

#[test]
fn losses_and_gradients_are_pytorchs() {
    for (yaml, weighted, loss, slope) in GOLDEN {
        let it = parse(yaml).unwrap();
        for (kind, tolerance) in [(Kind::Double, 1e-12), (Kind::Float, 2e-5)] {
            let (output, target) = (outputs(kind), target(it.form(3), weighted, kind));
            it.check(columns(it.form(3))).unwrap();
            let total = it.total(&output, &target);
            assert_eq!((total.size(), total.kind()), (vec![], kind), "{yaml}");
            let mean = total / it.normalizer(&target);
            assert_near(mean.double_value(&[]), loss, tolerance, yaml);
            let gradient = Tensor::run_backward(&[mean], &[&output], false, false).remove(0).to_kind(Kind::Double);
            let probe = Tensor::arange_start(1, 16, (Kind::Double, Device::Cpu)).square();
            assert_near(gradient.flatten(0, -1).dot(&probe).double_value(&[]), slope, tolerance, yaml);
        }
    }
}

#[test]
fn every_loss_has_golden_numbers() {
    for name in LossKind::NAMES {
        assert!(GOLDEN.iter().any(|(yaml, ..)| parse(yaml).unwrap().name() == *name), "{name}");
    }
}

#[test]
fn numerators_and_normalizers_of_parts_add_up_to_the_whole() {
    for (yaml, weighted, loss, _) in GOLDEN {
        let it = parse(yaml).unwrap();
        let (output, target) = (outputs(Kind::Double), target(it.form(3), weighted, Kind::Double));
        for cut in 0..=5 {
            let part = |start, length| {
                let target = target.narrow(start, length);
                (it.total(&output.narrow(0, start, length), &target).double_value(&[]), it.normalizer(&target))
            };
            let ((a, b), (c, d)) = (part(0, cut), part(cut, 5 - cut));
            assert_near((a + c) / (b + d), loss, 1e-12, yaml);
        }
    }
}

#[test]
fn a_task_without_labels_has_no_normalizer_and_no_gradient() {
    for (yaml, ..) in GOLDEN {
        let it = parse(yaml).unwrap();
        let values = match it.form(3) {
            Form::Classes(_) => Tensor::full([5], NO_CLASS, (Kind::Int64, Device::Cpu)),
            _ => Tensor::zeros([5, 3], (Kind::Double, Device::Cpu)),
        };
        let weights = Some(values.zeros_like().to_kind(Kind::Double));
        let (output, target) = (outputs(Kind::Double), Target { values, weights });
        let total = it.total(&output, &target);
        assert_eq!((total.double_value(&[]), it.normalizer(&target)), (0.0, 0.0), "{yaml}");
        let gradient = Tensor::run_backward(&[total], &[&output], false, false).remove(0);
        assert_eq!(gradient.abs().max().double_value(&[]), 0.0, "{yaml}");
    }
}

#[test]
fn settings_out_of_range_are_refused_with_their_value() {
    for (yaml, part) in [
        ("{name: cross_entropy}", "missing field `classes`"),
        ("{name: cross_entropy, classes: 1}", "1, expected a whole number from 2"),
        ("{name: cross_entropy, classes: 2, label_smoothing: 1.5}", "`1.5`, expected a number from 0 to 1"),
        ("{name: cross_entropy, classes: 2, class_weights: [1, -3]}", "-3, expected a list of numbers of 0 or above"),
        ("{name: binary_cross_entropy, positive_weight: [.nan]}", "NaN, expected"),
        ("{name: huber, delta: 0}", "`0`, expected a number above 0"),
        ("{name: mse, delta: 1}", "unknown field `delta`"),
    ] {
        let error = parse(yaml).unwrap_err();
        assert!(error.contains(part), "{yaml}: {error}");
    }
}

#[test]
fn settings_that_do_not_fit_each_other_name_their_path() {
    for (yaml, columns, path) in [
        ("{name: cross_entropy, classes: 2}", 3, "name"),
        ("{name: cross_entropy, classes: 2, class_weights: [1]}", 1, "class_weights"),
        ("{name: cross_entropy, classes: 2, class_weights: [0, 0]}", 1, "class_weights"),
        ("{name: binary_cross_entropy, positive_weight: [1, 2]}", 1, "positive_weight"),
        ("{name: cosine}", 1, "name"),
    ] {
        assert_eq!(parse(yaml).unwrap().check(columns).unwrap_err().path, path, "{yaml}");
    }
}

#[test]
fn yaml_survives_a_round_trip() {
    for (yaml, ..) in GOLDEN {
        let written = serde_yaml::to_string(&parse(yaml).unwrap()).unwrap();
        assert_eq!(serde_yaml::to_string(&parse(&written).unwrap()).unwrap(), written);
    }
}
