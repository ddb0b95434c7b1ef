//! Every architecture of the table: equal to its PyTorch twin, exported as it is, trained and resumed.

mod common;

use common::{run, succeed, tensors, text, write};
use polytask::data::{Batch, Group, Slice};
use polytask::engine::ownership;
use polytask::libtorch::Module;
use polytask::models::architectures::ArchitectureKind;
use polytask::models::{Mode, Model, Network, Output, Parameters, Plan};
use polytask::tasks::Target;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use tch::{Device, Kind, Tensor, no_grad};

const TASKS: [(&str, i64); 3] = [("a", 3), ("b", 1), ("c", 2)];
const ROWS: i64 = 5;
const FEATURES: i64 = 6;
/// How the names of cases over images end.
const MAPS: &str = " over maps";

/// Made by tests/fixtures/architectures/make.py, which tells how weights and inputs follow from numbers.
fn twins() -> BTreeMap<String, Value> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/architectures/twins.json");
    serde_json::from_str(&std::fs::read_to_string(file).expect("twins.json")).expect("JSON")
}

fn range(count: i64) -> Tensor {
    Tensor::arange(count, (Kind::Double, Device::Cpu))
}

/// What a case reads: rows of numbers, or images.
fn shape(name: &str) -> Vec<i64> {
    if name.ends_with(MAPS) { vec![2, 8, 8] } else { vec![FEATURES] }
}

fn input(name: &str) -> Vec<(String, Tensor)> {
    let shape = [&[ROWS], shape(name).as_slice()].concat();
    vec![("x".into(), (range(shape.iter().product()) * 0.9).sin().view(shape.as_slice()))]
}

fn network(name: &str, settings: &Value) -> Network {
    let mut section = settings.clone();
    section["name"] = name.trim_end_matches(MAPS).into();
    let section = &section;
    let architecture: ArchitectureKind = serde_json::from_value(section.clone()).expect("an architecture");
    let backbone = serde_json::from_str(match name.ends_with(MAPS) {
        false => r#"{"name": "mlp", "hidden": [8, 8], "activation": "tanh"}"#,
        true => r#"{"name": "conv", "channels": [4, 4], "activation": "tanh"}"#,
    });
    let output = |(task, width): (&str, i64)| Output { task: task.into(), width, positions: vec![] };
    let plan = Plan {
        architecture: &architecture,
        backbone: &backbone.expect("a backbone"),
        head: &Default::default(),
        input: &shape(name),
        levels: &[],
        ids: false,
        outputs: &TASKS.map(output),
        precision: Kind::Double,
        seed: 3,
    };
    Network::new(&plan).expect("a network")
}

/// The twin's network with the twin's weights, its parameters by name.
fn twin(name: &str, twin: &Value) -> (Network, BTreeMap<String, Tensor>) {
    let network = network(name, &twin["settings"]);
    let parameters: BTreeMap<String, Tensor> = network.parameters().into_iter().collect();
    for (k, mut parameter) in parameters.values().map(Tensor::shallow_clone).enumerate() {
        let i = range(parameter.numel() as i64);
        let values: Tensor = (i * 0.37 + (k as f64 + 1.0)).sin() * 0.6;
        no_grad(|| parameter.copy_(&values.view_as(&parameter)));
    }
    (network, parameters)
}

fn difference(tensor: &Tensor, expected: &Value) -> f64 {
    let expected: Vec<f64> = serde_json::from_value(expected.clone()).expect("numbers");
    let expected = Tensor::from_slice(&expected);
    assert_eq!(tensor.numel(), expected.numel());
    (tensor.detach().reshape([-1]) - expected).abs().max().double_value(&[])
}

#[test]
fn every_architecture_has_the_outputs_and_gradients_of_its_twin_in_pytorch() {
    let twins = twins();
    for name in ArchitectureKind::NAMES {
        assert!(twins.contains_key(*name), "{name} has no twin: add it to make.py");
    }
    for (name, expected) in &twins {
        let (network, parameters) = twin(name, expected);
        let outputs = network.forward(&input(name), &[0, 1, 2], Mode::Evaluate).expect("outputs");
        let mut total = Tensor::zeros([], (Kind::Double, Device::Cpu));
        for (t, output) in outputs.iter().enumerate() {
            let away = difference(output, &expected["outputs"][t]);
            assert!(away < 1e-11, "{name}: output {t} is off by {away}");
            let cotangent = (range(output.numel() as i64) * 0.3 + t as f64).cos().view_as(output);
            total += (output * cotangent).sum(Kind::Double);
        }
        let names: Vec<&String> = expected["gradients"].as_object().expect("gradients").keys().collect();
        assert_eq!(parameters.keys().collect::<Vec<_>>(), names, "{name}");
        let leaves: Vec<&Tensor> = parameters.values().collect();
        let gradients = Tensor::run_backward(&[&total], &leaves, false, false);
        for (parameter, gradient) in parameters.keys().zip(gradients) {
            let away = difference(&gradient, &expected["gradients"][parameter]);
            assert!(away < 1e-11, "{name}: the gradient of {parameter} is off by {away}");
        }
    }
}

/// The tasks that reach each parameter, by name.
fn owners(name: &str, network: &Network) -> BTreeMap<String, Vec<usize>> {
    let parameters = Parameters::flatten(network, Device::Cpu, Kind::Double, &[]).expect("parameters");
    let target =
        |width: &i64| Target { values: Tensor::zeros([ROWS, *width], (Kind::Double, Device::Cpu)), weights: None };
    let group = Group {
        inputs: input(name),
        tasks: vec![0, 1, 2],
        targets: TASKS.iter().map(|(_, width)| target(width)).collect(),
    };
    let batch: Batch = vec![Slice::from(group)];
    let owners = ownership(network, &batch, &parameters).expect("owners");
    parameters.spans.iter().map(|span| span.name.clone()).zip(owners).collect()
}

#[test]
fn a_parameter_is_shared_by_the_tasks_that_reach_it_and_a_gate_of_zero_changes_nothing() {
    for (name, expected) in &twins() {
        let (network, parameters) = twin(name, expected);
        let expect: BTreeMap<String, Vec<usize>> = expected["owners"]
            .as_object()
            .expect("owners")
            .iter()
            .map(|(parameter, tasks)| {
                let place = |task: &Value| TASKS.iter().position(|(name, _)| task == name).expect("a task");
                (parameter.clone(), tasks.as_array().expect("tasks").iter().map(place).collect())
            })
            .collect();
        assert_eq!(owners(name, &network), expect, "{name}");
        // Biases of ±1000 shut all gates but one: their shares are exactly zero.
        for (parameter, tensor) in &parameters {
            let is_gate =
                ["gate", "gates", "code", "share"].iter().any(|part| parameter.split(['.', '_']).any(|p| p == *part));
            if is_gate && parameter.ends_with("bias") {
                let shut = (range(tensor.numel() as i64) * -2.0 + 1.0) * 1000.0;
                no_grad(|| tensor.shallow_clone().copy_(&shut));
            }
        }
        assert_eq!(owners(name, &network), expect, "{name} with gates shut");
    }
}

#[test]
fn every_architecture_reads_back_from_torchscript_as_it_was() {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, expected) in &twins() {
        let (network, parameters) = twin(name, expected);
        let file = folder.path().join(format!("{name}.pt"));
        network.save(&file, &[]).expect("saved");
        let module = Module::load(&file, Device::Cpu).expect("loaded");
        let names: BTreeMap<String, Tensor> = module.parameters().into_iter().collect();
        assert_eq!(names.keys().collect::<Vec<_>>(), parameters.keys().collect::<Vec<_>>(), "{name}");
        let ours = network.forward(&input(name), &[0, 1, 2], Mode::Evaluate).expect("outputs");
        let theirs = module.forward(&[input(name).remove(0).1]).expect("outputs").tensors;
        for (ours, theirs) in ours.iter().zip(&theirs) {
            assert!((ours - theirs).abs().max().double_value(&[]) < 1e-14, "{name}");
        }
    }
}

#[test]
fn a_task_read_alone_gives_what_it_gives_among_others() {
    for (name, expected) in &twins() {
        let (network, _) = twin(name, expected);
        let mode = Mode::Train { seed: 1, step: 7, group: 0 };
        let all = network.forward(&input(name), &[0, 1, 2], mode).expect("outputs");
        for (task, output) in all.iter().enumerate() {
            let alone = network.forward(&input(name), &[task], mode).expect("an output");
            assert_eq!(&alone[0], output, "{name}");
        }
        for tasks in [[2, 0], [1, 2]] {
            let some = network.forward(&input(name), &tasks, mode).expect("outputs");
            assert_eq!((&some[0], &some[1]), (&all[tasks[0]], &all[tasks[1]]), "{name}");
        }
    }
}

#[test]
fn branches_are_read_alike_in_the_warm_up_and_one_by_one_when_it_is_cold() {
    let settings =
        serde_json::json!({"branches": 4, "warm_up": 5, "temperature": 10.0, "final_temperature": 1e-3, "anneal": 10});
    let (name, network) = ("ltb", network("ltb", &settings));
    let outputs =
        |step| network.forward(&input(name), &[0, 1, 2], Mode::Train { seed: 1, step, group: 0 }).expect("outputs");
    let same = |a: &[Tensor], b: &[Tensor]| a.iter().zip(b).all(|(a, b)| a == b);
    assert!(same(&outputs(0), &outputs(4)), "the warm-up draws nothing");
    assert!(!same(&outputs(6), &outputs(7)), "every step draws anew");
    assert!(same(&outputs(6), &outputs(6)), "a step repeats itself");
    // Cold, a step reads single branches: over many steps the outputs are few.
    let distinct: std::collections::BTreeSet<String> =
        (100..160).map(|step| format!("{:.6}", outputs(step)[1].double_value(&[0, 0]))).collect();
    assert!(distinct.len() > 4 && distinct.len() <= 16 * 4, "{}", distinct.len());
}

/// The document's data and two tasks with own rows, trained, interrupted and resumed.
#[test]
fn every_architecture_trains_resumes_bit_for_bit_and_evaluates_from_its_model() {
    let folder = tempfile::tempdir().expect("a folder");
    for name in ArchitectureKind::NAMES {
        let yaml = format!(
            "data: {{name: synthetic, train: 200, validation: 60, test: 60}}
tasks:
  - {{name: task1, loss: {{name: cross_entropy, classes: 2}}, metrics: [accuracy]}}
  - {{name: task2, loss: {{name: cross_entropy, classes: 2}}, metrics: [accuracy]}}
model: {{architecture: {{name: {name}}}, backbone: {{name: mlp, hidden: [12, 12]}}}}
method: {{name: {}}}
optimizer: {{name: adam}}
train: {{epochs: 2, batch_size: 32}}",
            if *name == "single" { "sum" } else { "upgrad" }
        );
        let yaml = write(folder.path(), &format!("{name}.yaml"), &yaml);
        let out = folder.path().join(name);
        let summary: Value =
            serde_json::from_str(&succeed(&["train", text(&yaml), "--out", text(&out), "--quiet", "--json"]))
                .expect("JSON");
        let evaluated: Value =
            serde_json::from_str(&succeed(&["evaluate", text(&out), text(&yaml), "--json"])).expect("JSON");
        assert_eq!(evaluated, summary["best"], "{name}");

        let parts = folder.path().join(format!("{name}-in-parts"));
        let first = ["train", text(&yaml), "--out", text(&parts), "--quiet", "--set", "train.steps=5"];
        assert!(run(&first).status.success());
        succeed(&["train", text(&yaml), "--out", text(&parts), "--quiet", "--resume"]);
        let weights = |run: &Path| tensors(&run.join("checkpoints/last.safetensors"));
        let moments = |run: &Path| {
            weights(run).into_iter().filter(|(name, _)| !name.contains("seconds")).collect::<BTreeMap<_, _>>()
        };
        let (whole, parts) = (moments(&out), moments(&parts));
        for (tensor, bytes) in &whole {
            if tensor.starts_with("model.") || tensor.starts_with("optimizer") {
                assert!(parts[tensor] == *bytes, "{name}: {tensor} differs after a resume");
            }
        }
    }
}
