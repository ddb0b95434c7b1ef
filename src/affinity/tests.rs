//! A batch measured, against the same by hand.

use super::measure;
use crate::data::{Batch, Group};
use crate::engine::{Autograd, Request};
use crate::experiment::{Assembly, Experiment};
use crate::models::{Mode, Model, Node, Parameters, Sharing};
use crate::tasks::{Target, Task, TaskSettings};
use anyhow::Result;
use std::path::Path;
use tch::{Device, Kind, Tensor, no_grad};

const SEED: u64 = 5;

fn request(step: u64) -> Request {
    let mode = Mode::Train { seed: SEED, step, group: 0 };
    Request { mode, batch: 0, gradients: false, representation: false, accuracies: false }
}

/// Per task its loss on a tape, forward by hand.
fn losses(model: &dyn Model, tasks: &[Task], rows: &Group, step: u64) -> Result<Vec<Option<Tensor>>> {
    let outputs = model.forward(&rows.inputs, &rows.tasks, Mode::Train { seed: SEED, step, group: 0 })?;
    let loss = |(task, (output, target)): (&Task, (&Tensor, &Target))| {
        let normalizer = task.loss.normalizer(target);
        (normalizer > 0.0).then(|| task.loss.total(output, target) / normalizer)
    };
    Ok(tasks.iter().zip(outputs.iter().zip(&rows.targets)).map(loss).collect())
}

/// `[T, T]`: for each task two forward passes, with its gradient step in between.
fn by_hand(model: &dyn Model, shared: &[&str], tasks: &[Task], rows: &Group, step: u64, rate: f64) -> Result<Pairs> {
    let mut affinity = vec![vec![None; tasks.len()]; tasks.len()];
    let shared: Vec<Tensor> = model
        .parameters()
        .into_iter()
        .filter(|(name, _)| shared.iter().any(|start| name.starts_with(start)))
        .map(|(_, tensor)| tensor)
        .collect();
    for from in 0..tasks.len() {
        let before = losses(model, tasks, rows, step)?;
        let Some(loss) = &before[from] else { continue };
        let gradients = Tensor::run_backward(&[loss], &shared, false, false);
        let kept: Vec<Tensor> = shared.iter().map(|tensor| tensor.detach().copy()).collect();
        no_grad(|| {
            for (tensor, gradient) in shared.iter().zip(&gradients) {
                tensor.shallow_clone().copy_(&(tensor - gradient * rate));
            }
        });
        let after = losses(model, tasks, rows, step)?;
        no_grad(|| shared.iter().zip(&kept).for_each(|(tensor, kept)| tensor.shallow_clone().copy_(kept)));
        for onto in 0..tasks.len() {
            if let (Some(before), Some(after)) = (&before[onto], &after[onto]) {
                affinity[from][onto] = Some(1.0 - after.double_value(&[]) / before.double_value(&[]));
            }
        }
    }
    Ok(affinity)
}

type Pairs = Vec<Vec<Option<f64>>>;

fn assert_equal(found: &Pairs, expected: &Pairs, step: u64) {
    for (found, expected) in found.iter().flatten().zip(expected.iter().flatten()) {
        match (found, expected) {
            (None, None) => {}
            (Some(found), Some(expected)) => assert!((found - expected).abs() < 1e-13, "{step}: {found}, {expected}"),
            _ => panic!("step {step}: {found:?} is {expected:?} by hand"),
        }
    }
}

fn assemble(more: &str) -> Result<Assembly> {
    let yaml = format!(
        "{{seed: {SEED}, precision: float64,
        data: {{name: synthetic, train: 60, validation: 0, test: 0, missing: 0.6}},
        tasks: [{{name: a, loss: {{name: cross_entropy, classes: 3}}}}, {{name: b, loss: {{name: mse}}}},
                {{name: c, loss: {{name: binary_cross_entropy}}}}],
        model: {{backbone: {{name: mlp, hidden: [8, 6], dropout: 0.3}}}}, optimizer: {{name: adam}}, {more}}}"
    );
    serde_yaml::from_str::<Experiment>(&yaml)?.assemble(Path::new("."), Device::Cpu)
}

#[test]
fn an_affinity_is_that_of_two_forward_passes_with_a_step_between_them() -> Result<()> {
    let Assembly { tasks, mut loader, model, parameters, sharing, .. } = assemble("train: {epochs: 1, batch_size: 3}")?;
    let engine = Autograd::new(&*model, &tasks, &sharing);
    let before = parameters.flat.copy();
    let (mut whole, mut partial) = (0, 0);
    for step in 0..20 {
        let portions = loader.step(0, step as i64).remove(0);
        let measured = measure(&engine, &parameters, &sharing, &portions, request(step), 0.5)?;
        let expected = by_hand(&*model, &["shared_layers."], &tasks, &portions[0][0], step, 0.5)?;
        assert_equal(&measured.affinity, &expected, step);
        for (affinity, cosine) in measured.affinity.iter().flatten().zip(measured.cosines.iter().flatten()) {
            assert!(affinity.is_some() || cosine.is_none(), "an absent task has neither");
        }
        match measured.present.len() {
            3 => whole += 1,
            _ => partial += 1,
        }
    }
    assert!(whole > 0 && partial > 0, "{whole} {partial}");
    assert_eq!(parameters.flat, before);
    Ok(())
}

#[test]
fn a_batch_in_portions_is_measured_as_one() -> Result<()> {
    let measured = |train: &str| -> Result<super::Measured> {
        let Assembly { tasks, mut loader, model, parameters, sharing, .. } =
            assemble(&format!("train: {{epochs: 1, shuffle: false, {train}}}"))?;
        let engine = Autograd::new(&*model, &tasks, &sharing);
        let evaluate = Request { mode: Mode::Evaluate, ..request(0) }; // dropout draws per portion
        measure(&engine, &parameters, &sharing, &loader.step(0, 0).remove(0), evaluate, 0.5)
    };
    let (one, portions) = (measured("batch_size: 12")?, measured("batch_size: 3, accumulate: 4")?);
    assert_equal(&portions.affinity, &one.affinity, 0);
    assert_equal(&portions.cosines, &one.cosines, 0);
    assert!(one.affinity.iter().flatten().all(Option::is_some));
    Ok(())
}

/// `head_t (x θ - running)`, where every training pass moves `running`.
struct Drifting {
    theta: Tensor,
    heads: Vec<Tensor>,
    running: Tensor,
}

impl Model for Drifting {
    fn forward(&self, inputs: &[(String, Tensor)], tasks: &[usize], mode: Mode) -> Result<Vec<Tensor>> {
        let shared = inputs[0].1.matmul(&self.theta); // [N, 1]
        if mode != Mode::Evaluate {
            no_grad(|| {
                let moved = &self.running * 0.5 + shared.mean(Kind::Double) * 0.5;
                self.running.shallow_clone().copy_(&moved);
            });
        }
        Ok(tasks.iter().map(|&task| (&shared - self.running.copy()) * &self.heads[task]).collect())
    }
    fn parameters(&self) -> Vec<(String, Tensor)> {
        let own = self.heads.iter().enumerate().map(|(task, head)| (format!("head{task}"), head.shallow_clone()));
        std::iter::once(("theta".to_string(), self.theta.shallow_clone())).chain(own).collect()
    }
    fn buffers(&self) -> Vec<(String, Tensor)> {
        vec![("running".into(), self.running.shallow_clone())]
    }
    fn outputs(&self) -> Vec<String> {
        vec!["a".into(), "b".into()]
    }
    fn graph(&self) -> Vec<Node> {
        vec![]
    }
    fn save(&self, _path: &Path, _extra: &[(&str, &str)]) -> Result<()> {
        Ok(())
    }
}

#[test]
fn running_statistics_are_put_back_and_the_same_in_every_pass() -> Result<()> {
    let column = |values: &[f64]| Tensor::from_slice(values).view([-1, 1]);
    let model = Drifting {
        theta: column(&[0.5, -1.0]).set_requires_grad(true),
        heads: vec![column(&[2.0]).set_requires_grad(true), column(&[-1.0]).set_requires_grad(true)],
        running: column(&[0.25]),
    };
    let settings: Vec<TaskSettings> =
        serde_yaml::from_str("[{name: a, loss: {name: mse}}, {name: b, loss: {name: mse}}]")?;
    let tasks = settings.iter().map(TaskSettings::checked).collect::<Result<Vec<_>, _>>()?;
    let parameters = Parameters::flatten(&model, Device::Cpu, Kind::Double, &[])?;
    let owners = [vec![0, 1], vec![0], vec![1]];
    let sharing = Sharing::new(&model, &parameters.spans, &owners, 2, &[])?;
    let target = |values: &[f64]| Target { values: column(values), weights: None };
    let group = Group {
        inputs: vec![("x".into(), Tensor::from_slice(&[1.0, 2.0, 0.0, 1.0, -1.0, 3.0]).view([3, 2]))],
        tasks: vec![0, 1],
        targets: vec![target(&[1.0, 0.0, 2.0]), target(&[-1.0, 1.0, 0.5])],
    };
    let batch: Batch = vec![group.into()];
    let measured = measure(&Autograd::new(&model, &tasks, &sharing), &parameters, &sharing, &[batch], request(0), 0.1)?;
    // import numpy as np
    // x = np.array([[1, 2], [0, 1], [-1, 3.]]); heads = [2., -1.]; y = np.array([[1, 0, 2], [-1, 1, .5]])
    // def loss(theta, t):
    //     h = x @ theta
    //     return np.mean((heads[t] * (h - (.5 * .25 + .5 * h.mean())) - y[t]) ** 2)
    // def gradient(theta, t):  # running statistics are constants
    //     h = x @ theta
    //     r = heads[t] * (h - (.5 * .25 + .5 * h.mean())) - y[t]
    //     return x.T @ r * 2 * heads[t] / 3
    // theta = np.array([.5, -1])
    // for i in 0, 1: print([1 - loss(theta - .1 * gradient(theta, i), j) / loss(theta, j) for j in (0, 1)])
    let expected = [[-0.3817503310461061, -3.26171378479071], [0.5682340195016251, 0.6494674556213018]];
    assert_equal(&measured.affinity, &expected.map(|row| row.map(Some).to_vec()).to_vec(), 0);
    assert_eq!(model.running.double_value(&[0, 0]), 0.25);
    Ok(())
}
