//! By hand equals libtorch's tape, over shapes, losses, precisions and instruction sets.

use super::{DenseOptions, dense};
use crate::data::{Batch, Group, Slice};
use crate::engine::{Autograd, Engine, Request, ownership};
use crate::kernels::Instructions;
use crate::methods::{Evaluation, Shared};
use crate::models::{Mode, Model, Network, Parameters, Sharing};
use crate::tasks::{Form, NO_CLASS, Target, Task, TaskSettings};
use std::rc::Rc;
use tch::{Device, Kind, Tensor};

/// A model, its tasks and some rows.
struct Setting {
    tasks: Vec<Task>,
    model: Network,
    parameters: Parameters,
    sharing: Sharing,
    rows: Rc<Group>,
}

/// What labels there are.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Labels {
    All,
    /// Some rows lack some tasks' labels, and rows weigh differently.
    Some,
    /// The last task has none at all.
    NoLast,
}

/// Every loss that heads have, with its settings.
const LOSSES: [&str; 9] = [
    "{name: cross_entropy, classes: 2}",
    "{name: cross_entropy, classes: 5, class_weights: [1, 2, 0.5, 0, 3]}",
    "{name: cross_entropy, classes: 3, label_smoothing: 0.1}",
    "{name: cross_entropy, classes: 3, class_weights: [1, 2, 0.5], label_smoothing: 0.2}",
    "{name: binary_cross_entropy}",
    "{name: binary_cross_entropy, positive_weight: [0.5]}",
    "{name: mse}",
    "{name: l1}",
    "{name: huber, delta: 0.4}",
];

fn numbers(rows: i64, columns: i64, phase: f64) -> Tensor {
    let plain = Tensor::arange(rows * columns, (Kind::Double, Device::Cpu));
    ((plain * 12.9898 + phase).sin() * 43758.5453).fmod(2.0).view([rows, columns])
}

fn target(task: usize, form: Form, rows: i64, labels: Labels, last: bool, kind: Kind) -> Target {
    let phase = task as f64 + 0.37;
    let columns = if matches!(form, Form::Classes(_)) { 1 } else { form.width() };
    let weights = match labels {
        Labels::All => None,
        Labels::NoLast if last => Some(Tensor::zeros([rows, columns], (Kind::Double, Device::Cpu))),
        _ => Some(numbers(rows, columns, phase * 3.0).clamp_min(0.0)),
    };
    let raw = numbers(rows, columns, phase);
    let values = match form {
        Form::Classes(classes) => (raw.abs() * 1000.0).floor().remainder(classes as f64),
        Form::Binary(_) => raw.gt(0.0).to_kind(Kind::Double),
        Form::Real(_) => raw,
    };
    let missing = if matches!(form, Form::Classes(_)) { NO_CLASS as f64 } else { 0.0 };
    let values = match &weights {
        Some(weights) => values.where_scalarother(&weights.gt(0.0), missing),
        None => values,
    };
    match form {
        Form::Classes(_) => Target {
            values: values.squeeze_dim(1).to_kind(Kind::Int64),
            weights: weights.map(|weights| weights.squeeze_dim(1).to_kind(kind)),
        },
        _ => Target { values: values.to_kind(kind), weights: weights.map(|weights| weights.to_kind(kind)) },
    }
}

impl Setting {
    fn new(kind: Kind, inputs: i64, backbone: &str, losses: &[&str], rows: i64, labels: Labels) -> Self {
        Self::frozen(kind, inputs, backbone, losses, rows, labels, &[])
    }

    fn frozen(
        kind: Kind,
        inputs: i64,
        backbone: &str,
        losses: &[&str],
        rows: i64,
        labels: Labels,
        freeze: &[String],
    ) -> Self {
        let task = |(at, loss): (usize, &&str)| {
            let target = if loss.contains("[0.5]") || !loss.contains("binary") { "[a]" } else { "[a, b, c]" };
            let yaml = format!("{{name: t{at}, target: {target}, loss: {loss}}}");
            serde_yaml::from_str::<TaskSettings>(&yaml).expect("a task").checked().expect("a task")
        };
        let tasks: Vec<Task> = losses.iter().enumerate().map(task).collect();
        let widths: Vec<(String, i64)> = tasks.iter().map(|task| (task.name.clone(), task.form.width())).collect();
        let backbone = serde_yaml::from_str(backbone).expect("a backbone");
        let model = Network::shared(&backbone, inputs, &widths, kind, 1);
        let parameters = Parameters::flatten(&model, Device::Cpu, kind, freeze).expect("parameters");
        let count = tasks.len();
        let target = |at: usize| target(at, tasks[at].form, rows, labels, at + 1 == count, kind);
        let rows = Rc::new(Group {
            inputs: vec![("x".into(), numbers(rows, inputs, 0.1).to_kind(kind))],
            tasks: (0..count).collect(),
            targets: (0..count).map(target).collect(),
        });
        let probe: Batch = vec![Slice::new(&rows, 0, 1)];
        let owners = ownership(&model, &probe, &parameters).expect("owners");
        let sharing = Sharing::new(&model, &parameters.spans, &owners, count, &[]).expect("sharing");
        Self { tasks, model, parameters, sharing, rows }
    }

    fn portions(&self, cuts: &[i64]) -> Vec<Batch> {
        let mut start = 0;
        let cut = |length: &i64| {
            start += length;
            vec![Slice::new(&self.rows, start - length, *length)]
        };
        cuts.iter().map(cut).collect()
    }

    fn dense(&self, instructions: Instructions) -> Result<Box<dyn Engine + '_>, String> {
        let options = DenseOptions { instructions, threads: 1 };
        dense(&self.model, &self.tasks, &self.parameters, &self.sharing, &[Rc::clone(&self.rows)], options)
    }

    /// Everything that an evaluation gives, by both engines.
    fn compare(&self, cuts: &[i64], tolerance: f64) {
        let autograd = Autograd::new(&self.model, &self.tasks, &self.sharing);
        let portions = self.portions(cuts);
        for instructions in sets() {
            let dense = self.dense(instructions).expect("computed by hand");
            // Where nothing shared is learned, nobody may ask for gradients.
            let forms = [(false, false), (true, false), (true, true)];
            let forms = if self.sharing.width() > 0 { &forms[..] } else { &forms[..1] };
            for &(gradients, representation) in forms {
                let request = Request {
                    mode: Mode::Train { seed: 0, step: 0, group: 0 },
                    batch: 0,
                    gradients,
                    representation,
                    accuracies: true,
                };
                // Twice, for what is kept from one evaluation to the next.
                for _ in 0..2 {
                    let mut taped = autograd.evaluate(&portions, &self.parameters, request).expect("a tape");
                    let mut made = dense.evaluate(&portions, &self.parameters, request).expect("by hand");
                    compare(&mut *made, &mut *taped, gradients, tolerance);
                }
                let found = dense.losses(&portions, &self.parameters, request).expect("losses");
                let expected = autograd.losses(&portions, &self.parameters, request).expect("losses");
                all_near("losses again", &found, &expected, tolerance);
            }
        }
    }
}

fn sets() -> impl Iterator<Item = Instructions> {
    Instructions::ALL.into_iter().filter(|instructions| instructions.available())
}

fn all_near(what: &str, found: &[Option<f64>], expected: &[Option<f64>], tolerance: f64) {
    let near = |(a, b): (&Option<f64>, &Option<f64>)| match (a, b) {
        (Some(a), Some(b)) => (a - b).abs() <= tolerance * b.abs().max(1.0),
        (a, b) => a == b,
    };
    assert!(
        found.len() == expected.len() && found.iter().zip(expected).all(near),
        "{what}: {found:?}, not {expected:?}"
    );
}

fn close(what: &str, found: &Tensor, expected: &Tensor, tolerance: f64) {
    assert_eq!((found.size(), found.kind()), (expected.size(), expected.kind()), "{what}");
    if expected.numel() == 0 {
        return;
    }
    let scale = expected.abs().max().double_value(&[]).max(1e-30);
    let apart = (found - expected).abs().max().double_value(&[]);
    assert!(apart <= tolerance * scale, "{what}: {apart} apart at a scale of {scale}");
}

fn compare(made: &mut dyn Evaluation, taped: &mut dyn Evaluation, gradients: bool, tolerance: f64) {
    all_near("losses", made.losses(), taped.losses(), tolerance);
    all_near("accuracies", made.accuracies(), taped.accuracies(), 1e-12);
    let normalizers = |of: &dyn Evaluation| of.normalizers().iter().map(|n| Some(*n)).collect::<Vec<_>>();
    all_near("normalizers", &normalizers(made), &normalizers(taped), tolerance);
    let count = made.losses().iter().flatten().count();
    let weights: Vec<f64> = (0..count).map(|at| 0.4 + at as f64 * 0.3).collect();
    let ones = vec![1.0; count];
    for (shared, heads) in [(&ones, &ones), (&weights, &weights), (&weights, &ones)] {
        let found = made.pull_back(Shared::Weights(shared), heads);
        close("pulled back", &found, &taped.pull_back(Shared::Weights(shared), heads), tolerance);
    }
    if !gradients {
        return;
    }
    let (jacobian, rows) = (made.jacobian(), taped.jacobian());
    close("jacobian", &jacobian, &rows, tolerance);
    let (gramian, expected) = (made.gramian(), taped.gramian());
    if count > 0 {
        let apart = (gramian - &expected).abs().max();
        assert!(apart <= 4.0 * tolerance * expected.abs().max(), "gramian: {apart} at {}", expected.abs().max());
    }
    close("combined", &made.combine(&weights), &taped.combine(&weights), tolerance);
    let direction = taped.combine(&weights) * 0.7;
    let found = made.pull_back(Shared::Direction(&direction), &ones);
    close("along a direction", &found, &taped.pull_back(Shared::Direction(&direction), &ones), tolerance);
}

const PRECISIONS: [(Kind, f64); 2] = [(Kind::Float, 3e-6), (Kind::Double, 2e-13)];

#[test]
fn every_loss_and_label_is_as_on_the_tape() {
    for (kind, tolerance) in PRECISIONS {
        for labels in [Labels::All, Labels::Some, Labels::NoLast] {
            Setting::new(kind, 4, "{name: mlp, hidden: [6, 5]}", &LOSSES, 37, labels).compare(&[37], tolerance);
        }
    }
}

#[test]
fn every_activation_is_as_on_the_tape() {
    for (kind, tolerance) in PRECISIONS {
        for activation in ["relu", "tanh", "gelu", "sigmoid", "silu", "elu", "leaky_relu", "identity"] {
            let backbone = format!("{{name: mlp, hidden: [7, 9], activation: {activation}}}");
            Setting::new(kind, 5, &backbone, &LOSSES[..5], 19, Labels::Some).compare(&[19], tolerance);
        }
    }
}

#[test]
fn every_shape_is_as_on_the_tape() {
    let two = LOSSES[0];
    for (kind, tolerance) in PRECISIONS {
        for (inputs, hidden, tasks, rows) in [
            (10, "[20, 20]", 2, 64),
            (10, "[64, 64]", 40, 33),
            (1, "[1]", 1, 1),
            (3, "[17]", 1, 5),
            (3, "[]", 2, 7),
            (200, "[150, 40]", 3, 6), // inner products between rows, large products
            (33, "[65, 31, 129]", 5, 16),
        ] {
            let backbone = format!("{{name: mlp, hidden: {hidden}}}");
            Setting::new(kind, inputs, &backbone, &vec![two; tasks], rows, Labels::All).compare(&[rows], tolerance);
        }
    }
}

#[test]
fn portions_are_one_batch_and_parts_of_a_group_are_themselves() {
    for (kind, tolerance) in PRECISIONS {
        let setting = Setting::new(kind, 4, "{name: mlp, hidden: [6, 5]}", &LOSSES, 40, Labels::Some);
        setting.compare(&[16, 16, 8], tolerance);
        setting.compare(&[5], tolerance);
    }
}

#[test]
fn frozen_parameters_have_no_gradient() {
    for freeze in ["shared_layers.0.*", "shared_layers.2.weight", "t1_layer.*", "shared_layers.*"] {
        let backbone = "{name: mlp, hidden: [6, 5], activation: tanh}";
        let rows = 12;
        let freeze = [freeze.to_string()];
        Setting::frozen(Kind::Double, 4, backbone, &LOSSES[..3], rows, Labels::All, &freeze).compare(&[rows], 1e-12);
    }
}

/// A task whose gradient vanishes may get a weight that f32 cannot hold.
#[test]
fn a_weight_beyond_f32_multiplies_what_it_was_made_for() {
    let setting = Setting::new(Kind::Float, 4, "{name: mlp, hidden: [6]}", &[LOSSES[6], LOSSES[6]], 5, Labels::All);
    let target = &setting.rows.targets[1];
    let outputs = setting.model.forward(&setting.rows.inputs, &[1], Mode::Evaluate).expect("outputs");
    tch::no_grad(|| target.values.shallow_clone().copy_(&outputs[0]));
    let portions = setting.portions(&[5]);
    let request = Request {
        mode: Mode::Train { seed: 0, step: 0, group: 0 },
        batch: 0,
        gradients: true,
        representation: false,
        accuracies: false,
    };
    let engine = setting.dense(Instructions::Portable).expect("by hand");
    let mut made = engine.evaluate(&portions, &setting.parameters, request).expect("an evaluation");
    let found = made.combine(&[1.0, 1e39]);
    assert_eq!(found.isfinite().all().int64_value(&[]), 1);
}

#[test]
fn what_it_cannot_compute_is_told() {
    let two = [LOSSES[0], LOSSES[0]];
    let dropout = Setting::new(Kind::Float, 4, "{name: mlp, hidden: [6], dropout: 0.1}", &two, 5, Labels::All);
    let why = dropout.dense(Instructions::Portable).err().expect("refused");
    assert!(why.contains("Dropout"), "{why}");
    let setting = Setting::new(Kind::Float, 4, "{name: mlp, hidden: [6, 5]}", &two, 5, Labels::All);
    let options = DenseOptions { instructions: Instructions::Portable, threads: 1 };
    let groups = [Rc::clone(&setting.rows), Rc::clone(&setting.rows)];
    let why = dense(&setting.model, &setting.tasks, &setting.parameters, &setting.sharing, &groups, options).err();
    assert!(why.is_some_and(|why| why.contains("inputs of their own")));
    let patterns = ["shared_layers.0.*".to_string()];
    let owners = vec![vec![0, 1]; 4].into_iter().chain([vec![0], vec![0], vec![1], vec![1]]).collect::<Vec<_>>();
    let sharing = Sharing::new(&setting.model, &setting.parameters.spans, &owners, 2, &patterns).expect("sharing");
    let why = dense(&setting.model, &setting.tasks, &setting.parameters, &sharing, &groups[..1], options).err();
    assert!(why.as_ref().is_some_and(|why| why.contains("shared_layers.2.weight is not shared")), "{why:?}");
}
