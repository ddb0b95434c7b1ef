//! The engine's gradients against libtorch's own `backward`, whatever way they are asked for.

use super::{Autograd, Engine, Request, ownership};
use crate::data::{Batch, Group};
use crate::methods::Shared;
use crate::methods::rows::matrix;
use crate::models::{Mode, Network, Parameters, Sharing};
use crate::tasks::{Target, Task, TaskSettings};
use tch::{Device, Kind, Tensor};

const MODE: Mode = Mode::Train { seed: 3, step: 5, group: 0 };

fn request(gradients: bool) -> Request {
    Request { mode: MODE, batch: 0, gradients, representation: false, accuracies: true }
}

/// Three tasks of three kinds over one trunk; every second row lacks the label of task `b`.
struct Setting {
    tasks: Vec<Task>,
    model: Network,
    parameters: Parameters,
    sharing: Sharing,
    batch: Vec<Group>,
}

impl Setting {
    fn new(kind: Kind, backbone: &str, own_inputs: bool) -> Self {
        Self::shared(kind, backbone, own_inputs, &[])
    }

    /// With the parameters that `patterns` name as the shared ones.
    fn shared(kind: Kind, backbone: &str, own_inputs: bool, patterns: &[String]) -> Self {
        let yaml = "
            [{name: a, loss: {name: cross_entropy, classes: 3}},
             {name: b, loss: {name: binary_cross_entropy}, target: [b1, b2]},
             {name: c, loss: {name: mse}}]";
        let tasks: Vec<TaskSettings> = serde_yaml::from_str(yaml).expect("tasks");
        let tasks: Vec<Task> = tasks.iter().map(|task| task.checked().expect("a task")).collect();
        let widths: Vec<(String, i64)> = tasks.iter().map(|task| (task.name.clone(), task.form.width())).collect();
        let backbone = serde_yaml::from_str(backbone).expect("a backbone");
        let model = Network::shared(&backbone, 4, &widths, kind, 1);
        let parameters = Parameters::flatten(&model, Device::Cpu, kind, &[]).expect("parameters");
        let batch: Vec<Group> = if own_inputs {
            (0..3).map(|task| group(kind, 5 + task as i64, &[task])).collect()
        } else {
            vec![group(kind, 12, &[0, 1, 2])]
        };
        let probe: Batch = batch.iter().map(|group| group.narrow(0, 1).into()).collect();
        let owners = ownership(&model, &probe, &parameters).expect("owners");
        let sharing = Sharing::new(&model, &parameters.spans, &owners, 3, patterns).expect("sharing");
        Self { tasks, model, parameters, sharing, batch }
    }

    fn engine(&self) -> Autograd<'_> {
        Autograd::new(&self.model, &self.tasks, &self.sharing)
    }

    /// Each task's whole gradient `[P]`, by libtorch's `backward` into `.grad`, one pass per task over a fresh tape.
    fn separate(&self) -> Vec<Tensor> {
        let engine = self.engine();
        let normalizers = engine.normalizers(&self.portions());
        let leaves = crate::models::Model::parameters(&self.model);
        let gradient = |task: usize| {
            leaves.iter().for_each(|(_, leaf)| leaf.shallow_clone().zero_grad());
            let tape = engine
                .forward(&self.portions(), 0, &normalizers, request(false), &mut [None, None, None])
                .expect("a forward pass");
            tape.losses[task].as_ref().expect("present").backward();
            let piece = |(_, leaf): &(String, Tensor)| {
                let gradient = leaf.grad();
                if gradient.defined() { gradient.reshape([-1]) } else { leaf.zeros_like().reshape([-1]) }
            };
            Tensor::cat(&leaves.iter().map(piece).collect::<Vec<_>>(), 0).copy()
        };
        (0..3).map(gradient).collect()
    }

    fn portions(&self) -> Vec<Batch> {
        vec![self.batch.iter().map(|group| group.narrow(0, group.rows()).into()).collect()]
    }

    /// The batch in portions of four rows.
    fn cut(&self) -> Vec<Batch> {
        (0..3).map(|at| self.batch.iter().map(|group| group.narrow(4 * at, 4).into()).collect()).collect()
    }
}

fn group(kind: Kind, rows: i64, tasks: &[usize]) -> Group {
    let numbers = |columns: i64, phase: f64| {
        ((Tensor::arange(rows * columns, (Kind::Double, Device::Cpu)) * 1.7 + phase).sin() * 2.0).view([rows, columns])
    };
    let labelled =
        Tensor::arange(rows, (Kind::Int64, Device::Cpu)).remainder(2).view([rows, 1]).expand([rows, 2], false);
    let target = |task: &usize| match task {
        0 => Target { values: Tensor::arange(rows, (Kind::Int64, Device::Cpu)).remainder(3), weights: None },
        1 => Target {
            values: numbers(2, 0.3).gt(0.0).to_kind(kind) * labelled.to_kind(kind),
            weights: Some(labelled.to_kind(kind)),
        },
        _ => Target { values: numbers(1, 0.9).to_kind(kind), weights: None },
    };
    Group {
        inputs: vec![("x".into(), numbers(4, tasks[0] as f64).to_kind(kind))],
        tasks: tasks.to_vec(),
        targets: tasks.iter().map(target).collect(),
    }
}

fn close(what: &str, found: &Tensor, expected: &Tensor, tolerance: f64) {
    let scale = expected.abs().max().double_value(&[]).max(1e-30);
    let apart = (found - expected).abs().max().double_value(&[]);
    assert!(apart <= tolerance * scale, "{what}: {apart} apart at a scale of {scale}");
}

const PLAIN: &str = "{name: mlp, hidden: [6, 5], activation: tanh}";
const DROPOUT: &str = "{name: mlp, hidden: [6, 5], dropout: 0.4}";

#[test]
fn the_jacobian_and_the_gramian_are_those_of_a_backward_pass_per_task() {
    for (kind, tolerance) in [(Kind::Float, 1e-6), (Kind::Double, 1e-12)] {
        for (backbone, own_inputs) in [(PLAIN, false), (DROPOUT, false), (PLAIN, true)] {
            let setting = Setting::new(kind, backbone, own_inputs);
            let (portions, engine) = (setting.portions(), setting.engine());
            let mut evaluation = engine.evaluate(&portions, &setting.parameters, request(true)).expect("an evaluation");
            let separate = setting.separate();
            let shared = |of: &Tensor| setting.parameters.extract(of, &setting.sharing.shared);
            let rows = Tensor::stack(&separate.iter().map(shared).collect::<Vec<_>>(), 0);
            close("jacobian", &evaluation.jacobian(), &rows, tolerance);
            let rows = rows.to_kind(Kind::Double);
            let gramian = evaluation.gramian();
            let expected = matrix(&rows.matmul(&rows.transpose(0, 1)));
            let largest = expected.abs().max();
            assert!((gramian - expected).abs().max() <= 2.0 * tolerance * largest);
            assert_eq!(evaluation.backward_passes(), 3);
        }
    }
}

#[test]
fn weights_and_heads_pull_back_to_the_weighted_sum_of_the_tasks_gradients() {
    for (gradients, portions_of_four) in [(false, false), (true, false), (false, true), (true, true)] {
        let setting = Setting::new(Kind::Double, PLAIN, false);
        let portions = if portions_of_four { setting.cut() } else { setting.portions() };
        let engine = setting.engine();
        let separate = setting.separate();
        for (weights, heads) in [([0.2, 1.0, -3.0], [0.2, 1.0, -3.0]), ([0.2, 1.0, -3.0], [1.0, 1.0, 1.0])] {
            let mut evaluation =
                engine.evaluate(&portions, &setting.parameters, request(gradients)).expect("an evaluation");
            let found = evaluation.pull_back(Shared::Weights(&weights), &heads);
            let expected = setting.parameters.flat.zeros_like();
            let all = (0..3).map(|task| (&setting.sharing.shared, task, weights[task]));
            for (spans, task, weight) in all.chain((0..3).map(|task| (&setting.sharing.own[task], task, heads[task]))) {
                let piece = setting.parameters.extract(&separate[task], spans) * weight;
                setting.parameters.add_into(&expected, spans, &piece);
            }
            close(&format!("gradients {gradients}, cut {portions_of_four}"), &found, &expected, 1e-12);
        }
    }
}

#[test]
fn a_parameter_that_is_not_named_shared_follows_every_task_that_reaches_it() {
    let setting = Setting::shared(Kind::Double, PLAIN, false, &["shared_layers.0.*".into()]);
    let (portions, engine) = (setting.portions(), setting.engine());
    let separate = setting.separate();
    let second: Vec<usize> = (0..setting.parameters.spans.len())
        .filter(|&span| setting.parameters.spans[span].name.starts_with("shared_layers.2."))
        .collect();
    for gradients in [false, true] {
        let mut evaluation =
            engine.evaluate(&portions, &setting.parameters, request(gradients)).expect("an evaluation");
        assert_eq!(evaluation.jacobian().size(), [3, 4 * 6 + 6]);
        let heads = [0.5, 2.0, -1.0];
        let found = evaluation.pull_back(Shared::Weights(&[1.0, 0.0, 0.0]), &heads);
        let of = |all: &Tensor, spans: &[usize]| setting.parameters.extract(all, spans);
        let expected = separate.iter().zip(heads).map(|(row, head)| of(row, &second) * head).reduce(|a, b| a + b);
        close("own of three", &of(&found, &second), &expected.expect("three tasks"), 1e-12);
        close("shared", &of(&found, &setting.sharing.shared), &of(&separate[0], &setting.sharing.shared), 1e-12);
    }
}

/// A task whose gradient vanishes may get a weight that f32 cannot hold, such as 1/‖g‖ at a norm of 1e-40.
#[test]
fn a_weight_beyond_f32_multiplies_what_it_was_made_for() {
    let setting = Setting::new(Kind::Float, PLAIN, false);
    let (portions, engine) = (setting.portions(), setting.engine());
    let mut evaluation = engine.evaluate(&portions, &setting.parameters, request(true)).expect("an evaluation");
    let rows = evaluation.jacobian();
    let _ = rows.get(1).zero_();
    let combined = evaluation.combine(&[1.0, 1e39, 0.0]);
    close("combined", &combined, &rows.get(0), 1e-6);
}

fn assert_portions_are_one_batch(setting: &Setting) {
    let (whole, cut, engine) = (setting.portions(), setting.cut(), setting.engine());
    for gradients in [false, true] {
        let mut one = engine.evaluate(&whole, &setting.parameters, request(gradients)).expect("an evaluation");
        let mut three = engine.evaluate(&cut, &setting.parameters, request(gradients)).expect("an evaluation");
        assert_eq!(one.normalizers(), three.normalizers());
        assert_eq!(one.accuracies(), three.accuracies());
        for (one, three) in one.losses().iter().zip(three.losses()) {
            assert!((one.expect("present") - three.expect("present")).abs() < 1e-12);
        }
        close("jacobian", &three.jacobian(), &one.jacobian(), 1e-12);
    }
}

#[test]
fn several_portions_are_one_batch() {
    assert_portions_are_one_batch(&Setting::new(Kind::Double, PLAIN, false));
}

/// The normalizer of such a portion is 0, yet label smoothing gives its rows a loss, and accuracy
/// counts them.
#[test]
fn a_portion_of_a_class_of_weight_0_counts_as_its_rows_do_in_one_batch() {
    let mut setting = Setting::new(Kind::Double, PLAIN, false);
    let loss = "{name: cross_entropy, classes: 3, class_weights: [0, 1, 2], label_smoothing: 0.3}";
    let task: TaskSettings = serde_yaml::from_str(&format!("{{name: a, loss: {loss}}}")).expect("a task");
    setting.tasks[0] = task.checked().expect("a task");
    let _ = setting.batch[0].targets[0].values.narrow(0, 4, 4).zero_();
    assert_portions_are_one_batch(&setting);
}

#[test]
fn gradients_of_the_representation_lead_through_the_trunk_to_those_of_the_parameters() {
    let setting = Setting::new(Kind::Double, DROPOUT, false);
    let (whole, cut, engine) = (setting.portions(), setting.cut(), setting.engine());
    let weights = [0.5, -1.0, 2.0];
    for portions in [&whole, &cut] {
        let through = Request { representation: true, ..request(true) };
        let mut by_z = engine.evaluate(portions, &setting.parameters, through).expect("an evaluation");
        assert_eq!(by_z.jacobian().size(), [3, 12 * 5], "all entries of z, of 12 rows and 5 features");
        let found = by_z.pull_back(Shared::Weights(&weights), &weights);
        let mut direct = engine.evaluate(portions, &setting.parameters, request(false)).expect("an evaluation");
        close("by z", &found, &direct.pull_back(Shared::Weights(&weights), &weights), 1e-12);
        assert_eq!(by_z.backward_passes(), 1, "one through the trunk");
    }
}

#[test]
fn a_second_look_repeats_the_draws_and_looking_at_gradients_changes_no_update() {
    let setting = Setting::new(Kind::Float, DROPOUT, false);
    for portions in [setting.portions(), setting.cut()] {
        let engine = setting.engine();
        let mut evaluation = engine.evaluate(&portions, &setting.parameters, request(false)).expect("an evaluation");
        let again = engine.losses(&portions, &setting.parameters, request(false)).expect("losses");
        assert_eq!(evaluation.losses(), again);
        let weights = [1.0, 0.5, 0.25];
        let first = evaluation.pull_back(Shared::Weights(&weights), &weights);
        evaluation.gramian();
        assert_eq!(evaluation.pull_back(Shared::Weights(&weights), &weights), first);
        let mut unseen = engine.evaluate(&portions, &setting.parameters, request(false)).expect("an evaluation");
        assert_eq!(unseen.pull_back(Shared::Weights(&weights), &weights), first);
    }
}

/// Draws that two groups of a step had in common would tie what must be independent.
#[test]
fn no_two_groups_of_a_step_draw_alike_though_a_portion_lacks_some() {
    let setting = Setting::new(Kind::Double, "{name: mlp, hidden: [40], dropout: 0.5}", true);
    let engine = setting.engine();
    // The first portion has all three groups, the second only that of task b, with the rows of the first.
    let five = |at: usize| setting.batch[at].narrow(0, 5).into();
    let portions = vec![vec![five(0), five(1), five(2)], vec![five(1)]];
    let normalizers = engine.normalizers(&portions);
    let loss = |at: usize| {
        let tape = engine.forward(&portions, at, &normalizers, request(false), &mut [None, None, None]);
        tape.expect("a forward pass").losses[1].as_ref().expect("present").double_value(&[])
    };
    assert!((loss(0) - loss(1)).abs() > 1e-9, "the same rows under the same mask");
}

#[test]
fn a_task_without_a_label_is_absent_and_its_own_parameters_stand_still() {
    let mut setting = Setting::new(Kind::Double, PLAIN, false);
    let targets = &mut setting.batch[0].targets[1];
    targets.weights = targets.weights.as_ref().map(Tensor::zeros_like);
    let (portions, engine) = (setting.portions(), setting.engine());
    for gradients in [false, true] {
        let mut evaluation =
            engine.evaluate(&portions, &setting.parameters, request(gradients)).expect("an evaluation");
        assert!(evaluation.losses()[1].is_none() && evaluation.jacobian().size()[0] == 2);
        let gradient = evaluation.pull_back(Shared::Weights(&[1.0, 2.0]), &[1.0, 2.0]);
        let own = |task: usize| setting.parameters.extract(&gradient, &setting.sharing.own[task]).abs().max();
        assert!(own(1).double_value(&[]) == 0.0 && own(0).double_value(&[]) > 0.0 && own(2).double_value(&[]) > 0.0);
    }
}
