//! Losses of dense outputs against PyTorch.

use super::tests::{assert_near, parse};
use super::*;

// The program that made the numbers (torch 2.13):
//
// import torch, torch.nn.functional as F
// torch.set_default_dtype(torch.float64)
// x = ((torch.arange(24) * 7 % 11 - 5) / 4).reshape(2, 3, 2, 2).requires_grad_()
// v = ((torch.arange(24) * 5 % 7 - 3) / 2).reshape(2, 3, 2, 2); b = (v > 0).double()
// y = torch.tensor([0, 2, 1, -100, 2, 0, -100, 1]).reshape(2, 2, 2)
// r = torch.tensor([0.5, 2.0, 1.0, 0.0, 3.0, 1.0, 0.0, 0.5]).reshape(2, 1, 2, 2)
// w = torch.tensor([1.0, 2.0, 0.5]); p = torch.tensor([0.5, 2.0, 3.0]).reshape(3, 1, 1)
// def show(name, loss):  # the value, and the gradient's product with 1, 4, 9, … 576
//     g, = torch.autograd.grad(loss, x)
//     print(name, f"{loss.item():.14f}, {(g.flatten() @ torch.arange(1.0, 25.0) ** 2).item():.14f}")
// def positions(e, cw):  # weighted, by the plain formula
//     lp = torch.log_softmax(x, 1); k = y >= 0; t = y[k]; q = r.squeeze(1)[k]
//     nll = -lp.movedim(1, -1)[k]; l = (1 - e) * cw[t] * nll.gather(1, t[:, None])[:, 0] + e / 3 * (nll @ cw)
//     return (q * l).sum() / (q * cw[t]).sum()
// for name, e, cw in [("plain", 0, None), ("both", 0.1, w)]:
//     show(f"cross_entropy {name}", F.cross_entropy(x, y, weight=cw, label_smoothing=e))
//     show(f"cross_entropy {name} weighted", positions(e, torch.ones(3) if cw is None else cw))
// for name, f, t in [("bce pos", lambda a, c, **k: F.binary_cross_entropy_with_logits(a, c, pos_weight=p, **k), b),
//                    ("mse", F.mse_loss, v), ("l1", F.l1_loss, v), ("huber 0.4", lambda a, c, **k: F.huber_loss(a, c, delta=0.4, **k), v)]:
//     show(name, f(x, t)); show(name + " weighted", (r * f(x, t, reduction="none")).sum() / (3 * r.sum()))
// cosine = lambda: 1 - ((x * v).sum(1) / x.norm(dim=1) / v.norm(dim=1)).flatten()
// show("cosine", cosine().mean()); show("cosine weighted", (r.flatten() * cosine()).sum() / r.sum())

/// YAML, whether positions are weighted, the loss, the gradient's product with 1, 4, 9, … 576.
const GOLDEN: [(&str, bool, f64, f64); 14] = [
    ("{name: cross_entropy, classes: 3}", false, 1.3029900288385, 7.15651151089447),
    ("{name: cross_entropy, classes: 3}", true, 0.98091083792478, -34.81765427486465),
    (
        "{name: cross_entropy, classes: 3, class_weights: [1, 2, 0.5], label_smoothing: 0.1}",
        false,
        1.38306003715178,
        23.85627930343844,
    ),
    (
        "{name: cross_entropy, classes: 3, class_weights: [1, 2, 0.5], label_smoothing: 0.1}",
        true,
        1.17103866148748,
        0.3855927064962,
    ),
    ("{name: binary_cross_entropy, positive_weight: [0.5, 2, 3]}", false, 1.39425106013189, -49.96448986307064),
    ("{name: binary_cross_entropy, positive_weight: [0.5, 2, 3]}", true, 0.91334509347459, 62.15220720574241),
    ("{name: mse}", false, 2.1484375, -24.89583333333333),
    ("{name: mse}", true, 1.00390625, 176.97916666666666),
    ("{name: l1}", false, 1.23958333333333, 11.125),
    ("{name: l1}", true, 0.83854166666667, 60.52083333333333),
    ("{name: huber, delta: 0.4}", false, 0.42296875, 4.44375),
    ("{name: huber, delta: 0.4}", true, 0.268984375, 24.20520833333333),
    ("{name: cosine}", false, 1.22491423387608, 37.65235875526136),
    ("{name: cosine}", true, 1.07060251877726, 104.83184793008368),
];

/// `[2, 3, 2, 2]` of quarters or halves, from whole numbers that wrap.
fn numbers(step: i64, wrap: i64, middle: i64, parts: f64, kind: Kind) -> Tensor {
    let number = |index: i64| ((index * step % wrap) - middle) as f64 / parts;
    Tensor::from_slice(&(0..24).map(number).collect::<Vec<_>>()).view([2, 3, 2, 2]).to_kind(kind)
}

fn outputs(kind: Kind) -> Tensor {
    numbers(7, 11, 5, 4.0, kind).set_requires_grad(true)
}

fn target(form: Form, weighted: bool, kind: Kind) -> Target {
    let weights = Tensor::from_slice(&[0.5, 2.0, 1.0, 0.0, 3.0, 1.0, 0.0, 0.5]).to_kind(kind).view([2, 1, 2, 2]);
    let values = numbers(5, 7, 3, 2.0, kind);
    let (values, weights) = match form {
        Form::Classes(_) => {
            (Tensor::from_slice(&[0i64, 2, 1, NO_CLASS, 2, 0, NO_CLASS, 1]).view([2, 2, 2]), weights.squeeze_dim(1))
        }
        Form::Binary(_) => (values.gt(0.0).to_kind(kind), weights),
        Form::Real(_) => (values, weights),
    };
    Target { values, weights: weighted.then_some(weights) }
}

fn mean(loss: &LossKind, output: &Tensor, target: &Target) -> f64 {
    loss.total(output, target).double_value(&[]) / loss.normalizer(target)
}

#[test]
fn dense_losses_and_gradients_are_pytorchs() {
    for (yaml, weighted, loss, slope) in GOLDEN {
        let it = parse(yaml).unwrap();
        for (kind, tolerance) in [(Kind::Double, 1e-12), (Kind::Float, 2e-5)] {
            let (output, target) = (outputs(kind), target(it.form(3), weighted, kind));
            let total = it.total(&output, &target);
            assert_eq!((total.size(), total.kind()), (vec![], kind), "{yaml}");
            let mean = total / it.normalizer(&target);
            assert_near(mean.double_value(&[]), loss, tolerance, yaml);
            let gradient = Tensor::run_backward(&[mean], &[&output], false, false).remove(0).to_kind(Kind::Double);
            let probe = Tensor::arange_start(1, 25, (Kind::Double, Device::Cpu)).square();
            assert_near(gradient.flatten(0, -1).dot(&probe).double_value(&[]), slope, tolerance, yaml);
        }
    }
}

#[test]
fn narrow_classes_are_classes() {
    for (yaml, weighted, loss, _) in GOLDEN.into_iter().filter(|(yaml, ..)| yaml.contains("cross_entropy, classes")) {
        let it = parse(yaml).unwrap();
        let Target { values, weights } = target(it.form(1), weighted, Kind::Double);
        let target = Target { values: values.to_kind(Kind::Int8), weights };
        assert_near(mean(&it, &outputs(Kind::Double), &target), loss, 1e-12, yaml);
        assert_eq!(target.labelled_rows(), 2);
    }
}

#[test]
fn a_mask_stands_for_all_columns() {
    for (yaml, ..) in GOLDEN.into_iter().filter(|(yaml, weighted, ..)| *weighted && !yaml.contains("classes")) {
        let (it, output) = (parse(yaml).unwrap(), outputs(Kind::Double));
        let shared = target(it.form(3), true, Kind::Double);
        let weights = shared.weights.as_ref().map(|weights| weights.expand([2, 3, 2, 2], false).contiguous());
        let each = Target { values: shared.values.copy(), weights };
        assert_near(mean(&it, &output, &each), mean(&it, &output, &shared), 1e-14, yaml);
        assert_eq!(it.normalizer(&each), it.normalizer(&shared), "{yaml}");
    }
}

#[test]
fn a_label_sequence_is_dense_in_one_dimension() {
    for (yaml, weighted, loss, _) in GOLDEN {
        let it = parse(yaml).unwrap();
        let flat = |tensor: &Tensor| tensor.flatten(-2, -1); // […, H, W] to […, L]
        let Target { values, weights } = target(it.form(3), weighted, Kind::Double);
        let target = Target { values: flat(&values), weights: weights.as_ref().map(flat) };
        assert_near(mean(&it, &flat(&outputs(Kind::Double)), &target), loss, 1e-12, yaml);
    }
}

#[test]
fn no_label_gives_no_normalizer_and_no_gradient() {
    for (yaml, ..) in GOLDEN {
        let it = parse(yaml).unwrap();
        let Target { values, weights } = target(it.form(3), true, Kind::Double);
        let nothing = match it.form(3) {
            Form::Classes(_) => Target { values: values.full_like(NO_CLASS), weights: None },
            _ => Target { values: values.zeros_like(), weights: weights.map(|weights| weights.zeros_like()) },
        };
        let output = outputs(Kind::Double);
        let total = it.total(&output, &nothing);
        assert_eq!(
            (total.double_value(&[]), it.normalizer(&nothing), nothing.labelled_rows()),
            (0.0, 0.0, 0),
            "{yaml}"
        );
        let gradient = Tensor::run_backward(&[total], &[&output], false, false).remove(0);
        assert_eq!(gradient.abs().max().double_value(&[]), 0.0, "{yaml}");
    }
}

#[test]
fn the_cosine_of_a_vector_without_length_is_nothing_and_its_gradient_finite() {
    let output = Tensor::zeros([2, 3, 4], (Kind::Float, Device::Cpu)).set_requires_grad(true);
    let target = Target { values: Tensor::ones([2, 3, 4], (Kind::Float, Device::Cpu)), weights: None };
    let it = parse("{name: cosine}").unwrap();
    let total = it.total(&output, &target);
    assert_eq!((total.double_value(&[]), it.normalizer(&target)), (8.0, 8.0));
    let gradient = Tensor::run_backward(&[total], &[&output], false, false).remove(0);
    assert_eq!(gradient.isfinite().all().int64_value(&[]), 1);
}

#[test]
#[should_panic(expected = "do not belong to cells")]
fn weights_of_another_shape_are_refused() {
    let weights = Some(Tensor::ones([2, 1, 1, 2], (Kind::Double, Device::Cpu)));
    let it = parse("{name: mse}").unwrap();
    let _ = it.total(&outputs(Kind::Double), &Target { weights, ..target(Form::Real(3), false, Kind::Double) });
}
