//! Metrics against scikit-learn.

use super::*;
use crate::tasks::NO_CLASS;
use tch::Kind;

// The program that made the numbers (scikit-learn 1.9.1, numpy 2, scipy 1):
//
// import numpy as np, sklearn.metrics as S
// from scipy.special import softmax
// g = np.random.default_rng(3); half = lambda *n: g.integers(-4, 5, n) / 2  # halves: many ties
// N, ONE = 14, np.ones(14)
// w = g.integers(0, 4, N) / 2; cells = g.integers(0, 4, (N, 3)) / 2  # 0: no label
// c3, c2, b3, r2 = g.integers(0, 3, N), g.integers(0, 2, N), g.integers(0, 2, (N, 3)), half(N, 2)
// x3, x2 = half(N, 3), half(N, 2); x3[:6] += 2 * np.eye(3)[c3[:6]]; x2 += r2
// def classes(y, x, w):
//     k, p = w > 0, x.argmax(1); y, x, p, w = y[k], x[k], p[k], w[k]; a = dict(sample_weight=w)
//     q = x[:, 1] - x[:, 0] if x.shape[1] == 2 else softmax(x, 1)
//     return [S.accuracy_score(y, p, **a), S.balanced_accuracy_score(y, p, **a), S.f1_score(y, p, average="macro", **a),
//             S.f1_score(y, p, average="micro", **a), S.roc_auc_score(y, q, multi_class="ovr", average="macro", **a),
//             S.average_precision_score(y, q, average="macro", **a), S.jaccard_score(y, p, average="macro", **a)]
// def binary(y, x, w):  # one column
//     k = w > 0; y, x, w = y[k], x[k], w[k]; a = dict(sample_weight=w); p = (x > 0).astype(int)
//     return [S.accuracy_score(y, p, **a), S.balanced_accuracy_score(y, p, **a), S.f1_score(y, p, average="macro", **a),
//             S.f1_score(y, p, average="micro", **a), S.roc_auc_score(y, x, **a), S.average_precision_score(y, x, **a),
//             S.jaccard_score(y, p, average="macro", **a)]
// def columns(y, x):  # all labelled
//     p = (x > 0).astype(int)
//     return [(y == p).mean(), np.mean([S.balanced_accuracy_score(y[:, i], p[:, i]) for i in range(3)]),
//             S.f1_score(y, p, average="macro"), S.f1_score(y, p, average="micro"),
//             S.roc_auc_score(y, x, average="macro"), S.average_precision_score(y, x, average="macro"),
//             S.jaccard_score(y, p, average="macro")]
// def columns_by_cell(y, x, m):  # column by column, on its labelled cells
//     p = (x > 0).astype(int); a, f = dict(sample_weight=m.ravel()), (y.ravel(), p.ravel())
//     each = lambda s, v: np.mean([s(y[m[:, i] > 0, i], v[m[:, i] > 0, i], sample_weight=m[m[:, i] > 0, i]) for i in range(3)])
//     return [S.accuracy_score(*f, **a), each(S.balanced_accuracy_score, p), each(S.f1_score, p), S.f1_score(*f, **a),
//             each(S.roc_auc_score, x), each(S.average_precision_score, x), each(S.jaccard_score, p)]
// def real(y, x, w):
//     a = dict(sample_weight=w); k = y != 0; return [S.mean_absolute_error(y, x, **a), S.root_mean_squared_error(y, x, **a),
//         S.r2_score(y, x, **a), S.mean_absolute_percentage_error(y[k], x[k], sample_weight=w[k])]
// def angles(y, x, m):  # the weight of a row is the least of its cells'
//     w = m.min(1); k = (w > 0) & (y != 0).any(1); y, x, w = y[k], x[k], w[k]
//     l = np.linalg.norm(x, axis=1) * np.linalg.norm(y, axis=1); p = (x * y).sum(1)
//     d = np.degrees(np.arccos(np.clip(np.divide(p, l, out=np.zeros_like(p), where=l > 0), -1, 1)))
//     median = np.median(np.repeat(d, (2 * w).astype(int)))  # weights are halves
//     return [(w * d).sum() / w.sum(), median] + [(w * (d < t)).sum() / w.sum() for t in (11.25, 22.5, 30)]
// def real_by_cell(y, x, m): return np.mean([real(y[:, i], x[:, i], m[:, i]) for i in range(2)], axis=0)
// for name, v in [("w", w), ("cells", cells), ("c3", c3), ("c2", c2), ("b3", b3), ("r2", r2), ("x3", x3), ("x2", x2)]: print(name, v.ravel().tolist())
// for name, v in [("c3", classes(c3, x3, ONE)), ("c3 w", classes(c3, x3, w)), ("c2", classes(c2, x2, ONE)), ("c2 w", classes(c2, x2, w)),
//                 ("b1", binary(c2, x2[:, 0], ONE)), ("b1 w", binary(c2, x2[:, 0], w)), ("b3", columns(b3, x3)), ("b3 cells", columns_by_cell(b3, x3, cells)),
//                 ("r1", real(r2[:, 0], x2[:, 0], ONE)), ("r1 w", real(r2[:, 0], x2[:, 0], w)),
//                 ("r2", [*real_by_cell(r2, x2, np.ones((N, 2))), *angles(r2, x2, np.ones((N, 2)))]),
//                 ("r2 cells", [*real_by_cell(r2, x2, cells[:, :2]), *angles(r2, x2, cells[:, :2])])]: print(name, [float(f"{a:.15g}") for a in v])

const WEIGHTS: [f64; 14] = [1.5, 0.0, 0.0, 0.0, 0.0, 1.5, 1.5, 1.0, 0.0, 0.0, 0.5, 0.5, 1.0, 0.5];
const CELL_WEIGHTS: [f64; 42] = [
    0.5, 0.0, 1.0, 1.0, 0.0, 0.0, 0.5, 0.5, 1.5, 1.0, 0.5, 0.5, 1.0, 1.0, 0.0, 1.0, 1.5, 1.5, 1.5, 0.5, 0.5, 1.0, 1.0,
    1.0, 1.5, 0.5, 1.5, 0.0, 0.0, 1.5, 1.5, 0.5, 0.0, 0.5, 0.0, 1.5, 1.0, 1.0, 0.0, 0.5, 0.0, 1.5,
];
const CLASSES_OF_3: [f64; 14] = [1.0, 0.0, 0.0, 2.0, 1.0, 1.0, 0.0, 0.0, 1.0, 1.0, 1.0, 2.0, 2.0, 0.0];
const CLASSES_OF_2: [f64; 14] = [1.0, 1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 1.0, 1.0, 0.0, 0.0, 1.0, 1.0, 1.0];
const BINARY_3: [f64; 42] = [
    0.0, 1.0, 0.0, 1.0, 1.0, 0.0, 1.0, 1.0, 0.0, 1.0, 0.0, 0.0, 1.0, 1.0, 1.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 1.0,
    0.0, 1.0, 1.0, 0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0, 1.0, 1.0, 0.0, 1.0, 0.0, 0.0, 1.0, 0.0, 1.0,
];
const REAL_2: [f64; 28] = [
    -1.0, 0.5, 2.0, 2.0, 0.0, -1.5, -1.0, 1.5, 0.5, -1.5, 1.5, 2.0, 2.0, 0.5, 2.0, 0.5, 0.0, 2.0, 0.5, 1.5, -0.5, 1.5,
    2.0, -2.0, 0.0, -0.5, -2.0, -2.0,
];
const OUTPUTS_3: [f64; 42] = [
    -1.0, 0.5, 1.0, 0.5, 0.5, 1.5, 2.0, -1.5, -2.0, -1.0, -0.5, 2.0, -1.0, 3.5, 0.5, 2.0, 4.0, 1.0, -2.0, -1.5, 1.0,
    0.0, 2.0, 1.0, 1.5, -2.0, -1.0, 1.0, 0.5, -0.5, -1.5, 0.5, -2.0, 1.0, 1.5, 1.0, -2.0, 0.0, -1.0, 0.0, 1.0, -1.5,
];
const OUTPUTS_2: [f64; 28] = [
    -3.0, 0.5, 2.5, 0.5, 2.0, -1.5, 1.0, 1.5, 1.5, -0.5, 1.5, 1.5, 3.0, -1.5, 2.5, 0.5, -1.5, 0.5, -1.5, 2.5, 0.5, 1.0,
    4.0, -2.5, -1.0, 1.5, -4.0, -2.5,
];

/// Form, whether rows (or cells, of several columns) are weighted and partly without label, and every metric that fits.
const GOLDEN: [(Form, bool, &[f64]); 12] = [
    (
        Form::Classes(3),
        false,
        &[
            0.357142857142857,
            0.344444444444444,
            0.332417582417582,
            0.357142857142857,
            0.677441077441078,
            0.575711572378239,
            0.203174603174603,
        ],
    ),
    (
        Form::Classes(3),
        true,
        &[0.25, 0.19047619047619, 0.156862745098039, 0.25, 0.494932844932845, 0.467489454989455, 0.102564102564103],
    ),
    (
        Form::Classes(2),
        false,
        &[0.5, 0.5, 0.497435897435897, 0.5, 0.583333333333333, 0.648227813852814, 0.331818181818182],
    ),
    (Form::Classes(2), true, &[0.5625, 0.625, 0.546558704453441, 0.5625, 0.8125, 0.940277777777778, 0.380769230769231]),
    (
        Form::Binary(1),
        false,
        &[
            0.357142857142857,
            0.333333333333333,
            0.32620320855615,
            0.357142857142857,
            0.4375,
            0.647664835164835,
            0.203846153846154,
        ],
    ),
    (Form::Binary(1), true, &[0.375, 0.25, 0.272727272727273, 0.375, 0.1875, 0.690277777777778, 0.1875]),
    (
        Form::Binary(3),
        false,
        &[
            0.523809523809524,
            0.51986531986532,
            0.497643097643098,
            0.545454545454545,
            0.526936026936027,
            0.570888062554729,
            0.366666666666667,
        ],
    ),
    (
        Form::Binary(3),
        true,
        &[
            0.492063492063492,
            0.521064814814815,
            0.461176470588235,
            0.466666666666667,
            0.577777777777778,
            0.63009010869305,
            0.362962962962963,
        ],
    ),
    (Form::Real(1), false, &[1.32142857142857, 1.48203528008903, -0.371019108280255, 1.36363636363636]),
    (Form::Real(1), true, &[1.0625, 1.28695376762338, 0.129363449691992, 0.857142857142857]),
    (
        Form::Real(2),
        false,
        &[
            1.05357142857143,
            1.26712192085367,
            0.0628962429613218,
            1.10741341991342,
            43.8681262027355,
            42.8006473225022,
            0.142857142857143,
            0.357142857142857,
            0.357142857142857,
        ],
    ),
    (
        Form::Real(2),
        true,
        &[
            0.980714285714286,
            1.20115205159172,
            0.097738921516284,
            1.08114035087719,
            53.7130368908211,
            53.130102354156,
            0.307692307692308,
            0.307692307692308,
            0.307692307692308,
        ],
    ),
];

fn columns(numbers: &[f64], of: i64, wanted: i64) -> Tensor {
    Tensor::from_slice(numbers).view([14, of]).narrow(1, 0, wanted).contiguous()
}

/// Outputs and labels in `kind`; an unlabelled cell holds what a data source puts there.
pub(super) fn example(form: Form, weighted: bool, kind: Kind) -> (Tensor, Target) {
    let by_row = || columns(&WEIGHTS, 1, 1);
    let (output, values, weights) = match form {
        Form::Classes(3) => (columns(&OUTPUTS_3, 3, 3), columns(&CLASSES_OF_3, 1, 1), by_row()),
        Form::Classes(_) => (columns(&OUTPUTS_2, 2, 2), columns(&CLASSES_OF_2, 1, 1), by_row()),
        Form::Binary(1) => (columns(&OUTPUTS_2, 2, 1), columns(&CLASSES_OF_2, 1, 1), by_row()),
        Form::Binary(_) => (columns(&OUTPUTS_3, 3, 3), columns(&BINARY_3, 3, 3), columns(&CELL_WEIGHTS, 3, 3)),
        Form::Real(1) => (columns(&OUTPUTS_2, 2, 1), columns(&REAL_2, 2, 1), by_row()),
        Form::Real(_) => (columns(&OUTPUTS_2, 2, 2), columns(&REAL_2, 2, 2), columns(&CELL_WEIGHTS, 3, 2)),
    };
    let missing = weights.eq(0.0).logical_and(&Tensor::from(weighted));
    let (values, weights) = match form {
        Form::Classes(_) => {
            (values.to_kind(Kind::Int64).masked_fill(&missing, NO_CLASS).squeeze_dim(1), weights.squeeze_dim(1))
        }
        _ => (values.masked_fill(&missing, 0.0).to_kind(kind), weights),
    };
    (output.to_kind(kind), Target { values, weights: weighted.then(|| weights.to_kind(kind)) })
}

#[test]
fn values_are_scikit_learns() {
    for (form, weighted, expected) in GOLDEN {
        let fitting: Vec<MetricKind> = MetricKind::ALL.into_iter().filter(|metric| metric.fits(form)).collect();
        assert_eq!(fitting.len(), expected.len());
        for (metric, expected) in fitting.into_iter().zip(expected) {
            for kind in [Kind::Float, Kind::Double] {
                let (output, target) = example(form, weighted, kind);
                let mut accumulator = metric.accumulator(form);
                accumulator.update(&output, &target);
                let value = accumulator.value().expect("defined");
                // The median stores single precision.
                let digits = if metric == MetricKind::AngleMedian { 1e-7 } else { 1e-13 };
                let tolerance = digits * expected.abs().max(1.0);
                let case = format!("{} {form:?} weighted {weighted}", metric.name());
                assert!((value - expected).abs() < tolerance, "{case}: {value} is not {expected}");
            }
        }
    }
}
