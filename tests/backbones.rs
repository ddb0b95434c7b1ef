//! Every backbone and every head computes what PyTorch and torchvision compute, in both modes and as TorchScript.

use polytask::libtorch::Module;
use polytask::models::backbones::BackboneKind;
use polytask::models::flow::{Flow, Named, Value};
use polytask::models::heads::HeadKind;
use polytask::models::{Builder, Mode};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;
use tch::{Device, Kind, Tensor, nn, no_grad};

const TRAIN: Mode = Mode::Train { seed: 1, step: 1, group: 0 };

/// What make.py, beside the fixture, wrote of one backbone.
#[derive(Deserialize)]
struct Case {
    part: String,
    yaml: String,
    shape: Vec<i64>,
    rows: i64,
    input: Option<Vec<Vec<f64>>>,
    levels: Vec<Option<i64>>,
    state: Vec<(String, Vec<i64>)>,
    evaluate: Known,
    train: Option<Known>,
}

/// What one mode gives.
#[derive(Deserialize)]
struct Known {
    output: Facts,
    gradients: BTreeMap<String, Facts>,
    buffers: BTreeMap<String, Facts>,
}

/// A tensor's shape, two projections and its norm.
#[derive(Deserialize, Debug)]
struct Facts {
    shape: Vec<i64>,
    numbers: Vec<f64>,
}

fn folder() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/backbones"))
}

fn cases() -> Vec<Case> {
    let text = std::fs::read_to_string(folder().join("golden.json")).expect("the fixture");
    serde_json::from_str(&text).expect("json")
}

/// make.py's numbers from -1 to 1.
fn numbers(count: i64, k: i64) -> Tensor {
    let i = Tensor::arange(count, (Kind::Int64, Device::Cpu));
    let mixed: Tensor = &i * &i * 40503 + &i * 30011 + k * 7919;
    mixed.remainder(65521).to_kind(Kind::Double) / 65521.0 * 2.0 - 1.0
}

/// make.py's weights.
fn fill(state: &BTreeMap<String, Tensor>, padding: bool) {
    for (k, (name, tensor)) in (0..).zip(state) {
        let last = name.rsplit('.').next().expect("a name");
        if last == "num_batches_tracked" {
            continue;
        }
        let base = numbers(tensor.numel() as i64, k).view(tensor.size().as_slice());
        let base: Tensor = match last {
            "running_var" => base * 0.3 + 1.0,
            _ if tensor.dim() > 1 => base / (tensor.numel() as f64 / tensor.size()[0] as f64).sqrt() * 1.7,
            "weight" => base * 0.2 + 1.0,
            _ => base * 0.1,
        };
        if padding && name == "stem.embedding.weight" {
            let _ = base.select(0, 0).zero_();
        }
        no_grad(|| tensor.shallow_clone().copy_(&base));
    }
}

/// A stem and a tower, with make.py's weights.
struct Built {
    store: nn::VarStore,
    flow: Flow,
    output: Value,
}

fn backbone(yaml: &str) -> BackboneKind {
    let backbone: BackboneKind = serde_yaml::from_str(yaml).unwrap_or_else(|error| panic!("{yaml}: {error}"));
    backbone.below(folder())
}

fn head(yaml: &str) -> HeadKind {
    serde_yaml::from_str(yaml).unwrap_or_else(|error| panic!("{yaml}: {error}"))
}

fn build(case: &Case, kind: Kind) -> Built {
    let mut store = nn::VarStore::new(Device::Cpu);
    store.set_kind(kind);
    let builder = Builder::new(store.root(), 0).with_levels(&case.levels);
    let mut flow = Flow::new(&case.shape);
    let mut value = Flow::INPUT;
    if case.part == "head" {
        let layers = head(&case.yaml).build(&builder.at("tower"), &case.shape, 4).expect("a head");
        value = match <[Named; 1]>::try_from(layers) {
            Ok([(_, only)]) => flow.layer("tower", only, value),
            Err(layers) => flow.chain("tower", layers, value),
        };
    } else {
        let backbone = backbone(&case.yaml);
        value = flow.chain("stem", backbone.stem(&builder.at("stem"), &case.shape).expect("a stem"), value);
        for stage in backbone.build(&builder.at("tower"), flow.shape(value)).expect("a tower").stages {
            value = flow.chain("tower", stage, value);
        }
    }
    let built = Built { store, flow, output: value };
    // What was loaded from a file shows itself so.
    if !case.yaml.contains("weights") {
        fill(&built.state(), case.yaml.contains("padding: 0"));
    }
    built
}

impl Built {
    fn state(&self) -> BTreeMap<String, Tensor> {
        self.store.variables().into_iter().collect()
    }

    fn forward(&self, x: &Tensor, mode: Mode) -> Tensor {
        self.flow.run(&[(Flow::INPUT, x)], &[self.output], mode).swap_remove(0)
    }
}

fn input(case: &Case, kind: Kind) -> Tensor {
    let shape = [&[case.rows], case.shape.as_slice()].concat();
    let x = match &case.input {
        Some(rows) => Tensor::from_slice(&rows.concat()),
        None => numbers(shape.iter().product(), 1000),
    };
    x.view(shape.as_slice()).to_kind(kind).set_requires_grad(case.input.is_none())
}

/// Insists that `tensor` is as Python's, up to `tolerance` times its size and a tenth of `largest`.
fn compare(tensor: &Tensor, facts: &Facts, tolerance: f64, largest: f64, place: &str) {
    assert_eq!(tensor.size(), facts.shape, "{place}");
    let flat = tensor.detach().to_kind(Kind::Double).reshape([-1]);
    let project = |k: i64| (&flat * numbers(flat.numel() as i64, 500 + k)).sum(Kind::Double).double_value(&[]);
    let found = [project(0), project(1), flat.norm().double_value(&[])];
    let near = tolerance * (facts.numbers[2] + 0.1 * largest);
    for (found, expected) in found.iter().zip(&facts.numbers) {
        assert!((found - expected).abs() <= near, "{place}: {found} and {expected} of {facts:?}");
    }
}

/// Insists on output, gradients and buffers of a pass.
fn compare_all(y: &Tensor, state: &BTreeMap<String, Tensor>, x: &Tensor, known: &Known, tolerance: f64, place: &str) {
    compare(y, &known.output, tolerance, 0.0, place);
    (y * numbers(y.numel() as i64, 2000).view_as(y).to_kind(y.kind())).sum(y.kind()).backward();
    let largest = known.gradients.values().map(|facts| facts.numbers[2]).fold(0.0, f64::max);
    for (name, facts) in &known.gradients {
        let tensor = if name == "x" { x } else { &state[name] };
        compare(&tensor.grad(), facts, tolerance, largest, &format!("{place}, gradient of {name}"));
    }
    for (name, facts) in &known.buffers {
        compare(&state[name], facts, tolerance, 0.0, &format!("{place}, buffer {name}"));
    }
}

fn is_deep(case: &Case) -> bool {
    case.yaml.contains("resnet")
}

#[test]
fn every_backbone_is_pytorchs_in_both_modes() {
    for case in cases() {
        for (kind, tolerance) in [(Kind::Double, 1e-9), (Kind::Float, 1e-5)] {
            if kind == Kind::Float && (case.yaml.contains("resnet34") || case.yaml.contains("resnet50")) {
                continue; // the same blocks as in the others, and minutes of sums
            }
            let place = format!("{} in {kind:?}", case.yaml);
            let built = build(&case, kind);
            let state = built.state();
            let expected: BTreeMap<String, Vec<i64>> = case.state.iter().cloned().collect();
            let found: BTreeMap<String, Vec<i64>> = state.iter().map(|(name, t)| (name.clone(), t.size())).collect();
            assert_eq!(found, expected, "{place}");
            let x = input(&case, kind);
            let y = built.forward(&x, Mode::Evaluate);
            assert_eq!(y.size()[1..], *built.flow.shape(built.output), "{place}: the shape that it says");
            // Dozens of layers in float32 lose a digit or two of a gradient.
            let tolerance = if is_deep(&case) { 100.0 * tolerance } else { tolerance };
            compare_all(&y, &state, &x, &case.evaluate, tolerance, &format!("{place}, evaluation"));
            // Batch normalization over a few pixels magnifies float32's rounding layer by layer.
            let Some(known) = case.train.as_ref().filter(|_| kind == Kind::Double || !is_deep(&case)) else { continue };
            built.store.trainable_variables().into_iter().for_each(|mut tensor| tensor.zero_grad());
            let x = input(&case, kind);
            no_grad(|| drop(built.forward(&x, TRAIN)));
            let y = built.forward(&x, TRAIN);
            compare_all(&y, &state, &x, known, tolerance, &format!("{place}, training"));
        }
    }
}

#[test]
fn every_backbone_is_the_same_as_torchscript_and_trains_there() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("model.pt");
    for case in cases() {
        let built = build(&case, Kind::Double);
        built.flow.script("a.B", &[built.output]).save(&file, &[]).unwrap_or_else(|e| panic!("{}: {e}", case.yaml));
        let module = Module::load(&file, Device::Cpu).expect("a module");
        let mut state: BTreeMap<String, Tensor> = module.parameters().into_iter().collect();
        state.extend(module.buffers());
        let expected: BTreeMap<String, Vec<i64>> = case.state.iter().cloned().collect();
        let found: BTreeMap<String, Vec<i64>> = state.iter().map(|(name, t)| (name.clone(), t.size())).collect();
        assert_eq!(found, expected, "{}", case.yaml);
        let run = |x: &Tensor| module.forward(&[x.shallow_clone()]).expect("a pass").tensors.swap_remove(0);
        let (x, place) = (input(&case, Kind::Double), format!("{} as TorchScript", case.yaml));
        let tolerance = if is_deep(&case) { 1e-7 } else { 1e-9 };
        compare_all(&run(&x), &state, &x, &case.evaluate, tolerance, &format!("{place}, evaluation"));
        let Some(known) = &case.train else { continue };
        module.parameters().into_iter().for_each(|(_, mut tensor)| tensor.zero_grad());
        module.set_training(true).expect("a mode");
        let x = input(&case, Kind::Double);
        no_grad(|| drop(run(&x)));
        compare_all(&run(&x), &state, &x, known, tolerance, &format!("{place}, training"));
    }
}

#[test]
fn every_backbone_and_head_has_a_case() {
    let cases = cases();
    let of = |part: &'static str| cases.iter().filter(move |case| case.part == part);
    let backbones: Vec<&str> = of("backbone").map(|case| backbone(&case.yaml).name()).collect();
    let heads: Vec<&str> = of("head").map(|case| head(&case.yaml).name()).collect();
    for (names, cases) in [(BackboneKind::NAMES, backbones), (HeadKind::NAMES, heads)] {
        for name in names {
            assert!(cases.contains(name), "{name} has no case in tests/fixtures/backbones/make.py");
        }
    }
}
