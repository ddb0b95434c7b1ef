//! Scenes from YAML through a small convolutional network: every dense task learns, and is measured position by position.

use polytask::data::{Batch, Data, Dataset, Group, Request};
use polytask::engine::{Autograd, Engine, Request as Asked, ownership};
use polytask::methods::Shared;
use polytask::models::{Mode, Model, Node, Parameters, Sharing};
use polytask::tasks::{Task, TaskSettings};
use polytask::trainer::measure;
use std::path::Path;
use tch::{Device, Kind, Tensor};

const TASKS: &str = "
- {name: segmentation, loss: {name: cross_entropy, classes: 11}, metrics: [iou, accuracy]}
- {name: depth, loss: {name: l1}, standardize: true, metrics: [mae, relative_error]}
- {name: normals, channels: 3, loss: {name: cosine}, metrics: [angle_mean, angle_median, angle_within_30]}
- {name: nearest, loss: {name: cross_entropy, classes: 10}, metrics: [accuracy]}
";
const DATA: &str = "{name: scenes, size: [16, 24], train: 96, validation: 32, test: 0, standardize: true, seed: 2}";

/// A convolution that all tasks read, and one per task; the last task reads the mean over all pixels.
struct Convolutions(Vec<(String, Tensor)>);

impl Convolutions {
    fn new() -> Self {
        let weight = |name: &str, out: i64, of: i64, side: i64| {
            let count = out * of * side * side;
            // Irregular numbers around 0, the same on every machine.
            let numbers =
                (0..count).map(|n| ((n * 7919 % 1009) as f64 / 504.0 - 1.0) / ((of * side * side) as f64).sqrt());
            let weight = Tensor::from_slice(&numbers.collect::<Vec<_>>()).to_kind(Kind::Float);
            (format!("{name}.weight"), weight.view([out, of, side, side]).set_requires_grad(true))
        };
        Self(vec![
            weight("trunk", 16, 3, 5),
            weight("segmentation", 11, 16, 3),
            weight("depth", 1, 16, 3),
            weight("normals", 3, 16, 3),
            weight("nearest", 10, 16, 3),
        ])
    }
}

impl Model for Convolutions {
    fn forward(&self, inputs: &[(String, Tensor)], tasks: &[usize], _: Mode) -> anyhow::Result<Vec<Tensor>> {
        let convolve = |x: &Tensor, at: usize, padding: i64| {
            x.conv2d(&self.0[at].1, None::<&Tensor>, [1, 1], [padding, padding], [1, 1], 1)
        };
        let z = convolve(&inputs[0].1, 0, 2).relu(); // [N, 16, H, W]
        let output = |&task: &usize| {
            let output = convolve(&z, task + 1, 1);
            if task == 3 { output.mean_dim([2, 3].as_slice(), false, Kind::Float) } else { output }
        };
        Ok(tasks.iter().map(output).collect())
    }

    fn parameters(&self) -> Vec<(String, Tensor)> {
        self.0.iter().map(|(name, tensor)| (name.clone(), tensor.shallow_clone())).collect()
    }

    fn buffers(&self) -> Vec<(String, Tensor)> {
        vec![]
    }

    fn outputs(&self) -> Vec<String> {
        vec![]
    }

    fn graph(&self) -> Vec<Node> {
        vec![]
    }

    fn save(&self, _: &Path, _: &[(&str, &str)]) -> anyhow::Result<()> {
        anyhow::bail!("is not written")
    }
}

fn tasks() -> Vec<Task> {
    let tasks: Vec<TaskSettings> = serde_yaml::from_str(TASKS).expect("tasks");
    tasks.iter().map(|task| task.checked().expect("a task")).collect()
}

fn scores(model: &Convolutions, tasks: &[Task], data: &Dataset) -> Vec<(String, f64)> {
    let split = data.validation.as_ref().expect("validation");
    let scores = measure(model, tasks, data, split, 10).expect("scores");
    scores.iter().map(|it| (format!("{}/{}", it.task, it.metric), it.value.expect("defined"))).collect()
}

#[test]
fn dense_tasks_learn() {
    let tasks = tasks();
    let data: Data = serde_yaml::from_str(DATA).expect("data");
    let request = Request::new(&tasks, 1, Kind::Float, Path::new("."));
    let data = data.load(&request).expect("scenes");
    let model = Convolutions::new();
    let mut parameters = Parameters::flatten(&model, Device::Cpu, Kind::Float, &[]).expect("parameters");
    let train: Group = data.preparation().apply(data.train[0].narrow(0, 96));
    let batch = || -> Vec<Batch> { vec![vec![train.narrow(0, 96).into()]] };
    let owners = ownership(&model, &batch()[0], &parameters).expect("owners");
    let sharing = Sharing::new(&model, &parameters.spans, &owners, 4, &[]).expect("sharing");
    let engine = Autograd::new(&model, &tasks, &sharing);
    let before = scores(&model, &tasks, &data);
    for step in 0..30 {
        let mode = Mode::Train { seed: 1, step, group: 0 };
        let asked = Asked { mode, batch: 0, gradients: false, representation: false, accuracies: false };
        let portions = batch();
        let mut evaluation = engine.evaluate(&portions, &parameters, asked).expect("losses");
        assert_eq!(evaluation.normalizers(), [96.0 * 384.0, 96.0 * 384.0, 96.0 * 384.0, 96.0]);
        let gradient = evaluation.pull_back(Shared::Weights(&[1.0; 4]), &[1.0; 4]);
        drop(evaluation);
        tch::no_grad(|| parameters.flat -= gradient * 0.05);
    }
    let after = scores(&model, &tasks, &data);
    // What object is in front, so small a network cannot tell from so few images.
    let dense = |name: &str| ["segmentation", "depth", "normals"].iter().any(|task| name.starts_with(task));
    for ((name, before), (_, after)) in before.iter().zip(&after).filter(|((name, _), _)| dense(name)) {
        let higher = ["iou", "accuracy", "angle_within_30"].iter().any(|metric| name.ends_with(metric));
        let better = if higher { after >= before } else { after < before };
        assert!(better, "{name}: {before} became {after}");
    }
}
