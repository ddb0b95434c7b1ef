//! The document's experiment against PyTorch: every per-step loss and every final weight.
//!
//! The reference was made by PyTorch 2.13 with the class in `src/models/document.rs`, this loop, and `torch.optim`'s four
//! rules (`fixtures/document/losses.json` holds their settings):
//!
//! ```python
//! for epoch in range(3):
//!     for x, y1, y2 in batches_of_64_in_file_order:
//!         a, b = model(x)
//!         l1 = F.cross_entropy(a[y1 >= 0], y1[y1 >= 0]); l2 = F.cross_entropy(b[y2 >= 0], y2[y2 >= 0])
//!         optimizer.zero_grad(); (l1 + l2).backward(); optimizer.step()
//! ```

mod common;

use common::{fixture, metrics, polytask, stderr, tensors, text, write};
use polytask::models::{Model, MultiTaskModel, Network};
use std::fs;
use std::path::Path;
use tch::{Device, Kind, Tensor, nn};

fn experiment(optimizer: &str, precision: &str) -> String {
    format!(
        "data: {{name: csv, train: {data}, inputs: [\"x*\"], standardize: false}}
tasks:
  - {{name: task1, target: y1, loss: {{name: cross_entropy, classes: 2}}}}
  - {{name: task2, target: y2, loss: {{name: cross_entropy, classes: 2}}}}
model: {{backbone: {{name: mlp, hidden: [20, 20]}}, initial: {initial}}}
precision: {precision}
optimizer: {optimizer}
train: {{epochs: 3, batch_size: 64, shuffle: false}}
record: {{every: 1}}
",
        data = fixture("data.csv").display(),
        initial = fixture("init.safetensors").display(),
    )
}

fn losses(run: &Path) -> Vec<[f64; 2]> {
    let mut losses: Vec<[f64; 2]> = Vec::new();
    for line in metrics(run) {
        if line["split"] == "train" && line["metric"] == "loss" && line["task"] != "total" {
            let step = line["step"].as_i64().expect("a step") as usize;
            losses.resize(losses.len().max(step + 1), [f64::NAN; 2]);
            losses[step][usize::from(line["task"] == "task2")] = line["value"].as_f64().expect("a loss");
        }
    }
    losses
}

fn numbers(bytes: &[u8], size: usize) -> Vec<f64> {
    bytes
        .chunks(size)
        .map(|chunk| match size {
            4 => f32::from_le_bytes(chunk.try_into().expect("four bytes")).into(),
            _ => f64::from_le_bytes(chunk.try_into().expect("eight bytes")),
        })
        .collect()
}

/// `max|a - b| <= tolerance · max|b|`
fn assert_close(what: &str, found: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let scale = expected.iter().fold(0.0f64, |most, x| most.max(x.abs()));
    let worst = found.iter().zip(expected).fold(0.0f64, |most, (a, b)| most.max((a - b).abs()));
    assert!(worst <= tolerance * scale, "{what}: off by {worst:e} of {scale}");
}

#[test]
fn every_loss_and_every_final_weight_equals_pytorch() {
    let reference: serde_json::Value =
        serde_json::from_slice(&fs::read(fixture("losses.json")).expect("losses.json")).expect("json");
    let optimizers = [
        ("sgd", "{name: sgd, learning_rate: 0.1}"),
        ("sgd_momentum", "{name: sgd, learning_rate: 0.05, momentum: 0.9, weight_decay: 1e-4, nesterov: true}"),
        ("adam", "{name: adam, learning_rate: 0.01}"),
        ("adamw", "{name: adamw, learning_rate: 0.01, weight_decay: 0.05}"),
    ];
    let folder = tempfile::tempdir().expect("a folder");
    for (name, optimizer) in optimizers {
        let precisions = [("float32", 4, 1e-4), ("float64", 8, 1e-9)];
        let both = |engine| precisions.map(|precision| (engine, precision));
        for (engine, (precision, size, tolerance)) in ["dense", "autograd"].into_iter().flat_map(both) {
            let case = format!("{name}_{precision}");
            let text_of = format!("{}engine: {engine}\n", experiment(optimizer, precision));
            let yaml = write(folder.path(), &format!("{case}.yaml"), &text_of);
            let out = folder.path().join(format!("{case}-{engine}"));
            let output =
                polytask().args(["train", text(&yaml), "--out", text(&out), "--quiet"]).output().expect("runs");
            assert!(output.status.success(), "{case}: {}", stderr(&output));

            let expected = reference["per_step_losses"][&case].as_array().expect("reference losses");
            let found = losses(&out);
            assert_eq!(found.len(), expected.len(), "{case}");
            for task in 0..2 {
                let found: Vec<f64> = found.iter().map(|step| step[task]).collect();
                let expected: Vec<f64> = expected.iter().map(|step| step[task].as_f64().expect("a loss")).collect();
                for (step, (found, expected)) in found.iter().zip(&expected).enumerate() {
                    assert_close(&format!("{case} task {task} step {step}"), &[*found], &[*expected], tolerance);
                }
            }

            let found = tensors(&out.join("checkpoints/best.safetensors"));
            let expected = tensors(&fixture(&format!("final_{case}.safetensors")));
            assert_eq!(found.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>(), "{case}");
            for (name, bytes) in &expected {
                let what = format!("{case} {name}");
                assert_close(&what, &numbers(&found[name], size), &numbers(bytes, size), tolerance);
            }
        }
    }
}

/// The names of `state_dict()` of the PyTorch class, in its order.
const NAMES: [&str; 8] = [
    "shared_layers.0.weight",
    "shared_layers.0.bias",
    "shared_layers.2.weight",
    "shared_layers.2.bias",
    "task1_layer.weight",
    "task1_layer.bias",
    "task2_layer.weight",
    "task2_layer.bias",
];

#[test]
fn the_yaml_builds_the_documents_model_parameter_by_parameter() {
    let backbone = serde_yaml::from_str("{name: mlp, hidden: [20, 20]}").expect("a backbone");
    let tasks = [("task1".to_string(), 2), ("task2".to_string(), 2)];
    let network = Network::shared(&backbone, 10, &tasks, Kind::Float, 7);
    let parameters = network.parameters();
    assert_eq!(parameters.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), NAMES);

    let store = nn::VarStore::new(Device::Cpu);
    let model = MultiTaskModel::new(&store.root(), 7);
    let own = store.variables();
    assert_eq!(own.len(), NAMES.len());
    for (name, tensor) in &parameters {
        assert_eq!((tensor, tensor.size()), (&own[name], own[name].size()), "{name}");
    }
    let x = Tensor::arange(30, (Kind::Float, Device::Cpu)).view([3, 10]) / 10.0;
    let (first, second) = model.forward(&x);
    let outputs =
        network.forward(&[("x".into(), x)], &[0, 1], polytask::models::Mode::Evaluate).expect("a forward pass");
    assert_eq!((&outputs[0], &outputs[1]), (&first, &second));
}
