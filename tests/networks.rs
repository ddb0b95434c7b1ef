//! Every backbone under every architecture: it trains, exports and reads back; what does not fit is told.

use polytask::models::architectures::ArchitectureKind;
use polytask::models::backbones::BackboneKind;
use polytask::models::heads::HeadKind;
use polytask::models::{Mode, Model, Network, Output, Plan};
use std::path::Path;
use tch::{Device, Kind, Tensor};

const TRAIN: Mode = Mode::Train { seed: 1, step: 1, group: 0 };

/// A backbone's YAML, the shape of its rows, the levels of their columns.
struct Setting<'a> {
    yaml: &'a str,
    shape: &'a [i64],
    levels: &'a [Option<i64>],
}

const fn setting<'a>(yaml: &'a str, shape: &'a [i64]) -> Setting<'a> {
    Setting { yaml, shape, levels: &[] }
}

const SETTINGS: &[Setting] = &[
    setting("{name: mlp, hidden: [6, 6], normalization: layer, residual: true, dropout: 0.1}", &[4]),
    Setting { yaml: "{name: tabular, hidden: [6, 4]}", shape: &[3], levels: &[None, Some(4), Some(9)] },
    setting("{name: lenet}", &[1, 28, 28]),
    setting("{name: conv, channels: [2, 4], batch_norm: true}", &[2, 8, 8]),
    setting("{name: resnet18, width: 2}", &[3, 20, 20]),
    setting("{name: resnet34, width: 2, dilated: true}", &[3, 20, 20]),
    setting("{name: resnet50, width: 2}", &[3, 20, 20]),
    setting("{name: unet, channels: [2, 3]}", &[3, 7, 6]),
    setting("{name: transformer, vocabulary: 9, padding: 0, width: 8, heads: 2, norm_first: true}", &[5]),
    setting("{name: transformer, width: 8, heads: 2, pool: mean}", &[5, 3]),
    setting("{name: bilstm, hidden: 4, layers: 2, dropout: 0.1, vocabulary: 9}", &[5]),
    setting("{name: torchscript, file: module.pt}", &[2, 5, 6]),
];

fn backbone(yaml: &str) -> BackboneKind {
    let backbone: BackboneKind = serde_yaml::from_str(yaml).unwrap_or_else(|error| panic!("{yaml}: {error}"));
    backbone.below(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/backbones")))
}

fn output(task: &str, positions: &[i64]) -> Output {
    Output { task: task.into(), width: 3, positions: positions.to_vec() }
}

fn network(
    setting: &Setting,
    architecture: &str,
    head: &str,
    outputs: &[Output],
) -> Result<Network, polytask::error::BadSetting> {
    let architecture: ArchitectureKind = serde_yaml::from_str(architecture).expect("an architecture");
    let head: HeadKind = serde_yaml::from_str(head).expect("a head");
    Network::new(&Plan {
        architecture: &architecture,
        backbone: &backbone(setting.yaml),
        head: &head,
        input: setting.shape,
        levels: setting.levels,
        ids: false,
        outputs,
        precision: Kind::Double,
        seed: 3,
    })
}

/// Four rows of whole numbers from 0 to 3, which may be ids and levels.
fn rows(shape: &[i64]) -> Tensor {
    let shape = [&[4], shape].concat();
    let i = Tensor::arange(shape.iter().product::<i64>(), (Kind::Int64, Device::Cpu));
    (&i * &i * 3 + &i * 5).remainder(17).remainder(4).view(shape.as_slice()).to_kind(Kind::Double)
}

/// Trains a pass, and insists that the exported model computes the same as this one.
fn check(network: &Network, x: &Tensor, file: &Path, place: &str) {
    let inputs = [("x".to_string(), x.shallow_clone())];
    let trained = network.forward(&inputs, &[0, 1], TRAIN).expect("a pass");
    let loss: Tensor = trained.iter().map(|y| y.square().sum(Kind::Double)).sum();
    loss.backward();
    let reached = network.parameters().iter().filter(|(_, p)| p.grad().defined()).count();
    assert!(reached * 10 >= network.parameters().len() * 9, "{place}: gradients reach {reached} parameters");
    let outputs = network.forward(&inputs, &[0, 1], Mode::Evaluate).expect("a pass");
    network.save(file, &[]).unwrap_or_else(|error| panic!("{place}: {error}"));
    let module = polytask::libtorch::Module::load(file, Device::Cpu).expect("a module");
    let found = module.forward(&[x.shallow_clone()]).expect("a pass").tensors;
    assert_eq!(found.len(), outputs.len());
    for (found, output) in found.iter().zip(&outputs) {
        assert!((found - output).abs().max().double_value(&[]) < 1e-10, "{place}");
        assert!(output.isfinite().all().int64_value(&[]) == 1, "{place}");
    }
    let names = |named: Vec<(String, Tensor)>| {
        let mut names: Vec<String> = named.into_iter().map(|(name, _)| name).collect();
        names.sort();
        names
    };
    assert_eq!(names(module.parameters()), names(network.parameters()), "{place}");
    assert_eq!(names(module.buffers()), names(network.buffers()), "{place}");
}

#[test]
fn every_backbone_goes_with_every_architecture() {
    let folder = tempfile::tempdir().expect("a folder");
    for name in BackboneKind::NAMES {
        assert!(SETTINGS.iter().any(|setting| backbone(setting.yaml).name() == *name), "{name} has no setting here");
    }
    for setting in SETTINGS {
        // The deeper ones are made as resnet18 is, and take minutes.
        let is_deep = ["resnet34", "resnet50"].iter().any(|name| setting.yaml.contains(name));
        for architecture in &ArchitectureKind::NAMES[..if is_deep { 1 } else { ArchitectureKind::NAMES.len() }] {
            let place = format!("{} under {architecture}", setting.yaml);
            let outputs = [output("a", &[]), output("b", &[])];
            let network = network(setting, &format!("{{name: {architecture}}}"), "{name: linear}", &outputs);
            if *architecture == "sluice" && setting.yaml.contains("torchscript") {
                let bad = network.err().expect("three features have no halves");
                assert!(bad.path == "backbone" && bad.what.contains("gives 3 features"), "{bad}");
                continue;
            }
            let network = network.unwrap_or_else(|bad| panic!("{place}: {bad}"));
            check(&network, &rows(setting.shape), &folder.path().join("model.pt"), &place);
        }
    }
}

#[test]
fn maps_and_tokens_are_labelled_one_by_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("model.pt");
    let settings = [
        (setting("{name: unet, channels: [2, 3]}", &[3, 7, 6]), [7, 6].as_slice()),
        (setting("{name: resnet50, width: 1, dilated: true}", &[3, 20, 20]), &[20, 20]),
        (setting("{name: transformer, vocabulary: 9, padding: 0, width: 8, heads: 2}", &[5]), &[5]),
        (setting("{name: bilstm, hidden: 4}", &[5, 2]), &[5]),
    ];
    for (setting, positions) in &settings {
        let dense = ["{name: conv, channels: [4]}", "{name: aspp, channels: 4, rates: [2, 12]}"];
        let heads = ["{name: linear}", "{name: mlp, hidden: [4]}"].into_iter();
        for head in heads.chain(dense.into_iter().filter(|_| positions.len() == 2)) {
            let place = format!("{} with {head}", setting.yaml);
            let outputs = [output("a", positions), output("b", positions)];
            let network = network(setting, "{name: hard_sharing}", head, &outputs).expect("a network");
            check(&network, &rows(setting.shape), &file, &place);
            let inputs = [("x".to_string(), rows(setting.shape))];
            let y = network.forward(&inputs, &[0], Mode::Evaluate).expect("a pass").swap_remove(0);
            assert_eq!(y.size(), [&[4, 3], *positions].concat(), "{place}");
        }
    }
}

#[test]
fn what_a_backbone_cannot_take_is_told() {
    let cases: &[(&str, &[i64], &str, &str)] = &[
        ("{name: tabular, hidden: []}", &[3, 4], "backbone", "columns of a table"),
        ("{name: lenet}", &[28, 28], "backbone", "reads images [channels, height, width]"),
        ("{name: lenet}", &[1, 8, 28], "backbone", "too small: conv1 has a window of 9 pixels"),
        ("{name: lenet}", &[1, 14, 14], "backbone", "too small: conv2"),
        ("{name: lenet, channels: [3]}", &[1, 28, 28], "backbone.channels", "has 1 numbers"),
        ("{name: conv, channels: [2, 2, 2]}", &[1, 4, 4], "backbone", "too small: pool"),
        ("{name: conv, channels: [2], kernel_size: 4}", &[1, 4, 4], "backbone.kernel_size", "4 is even"),
        ("{name: conv, channels: [2]}", &[4], "backbone", "reads images"),
        ("{name: resnet18}", &[3, 10], "backbone", "reads images"),
        ("{name: resnet18, weights: none.pt}", &[3, 9, 9], "backbone.weights", "none.pt"),
        ("{name: resnet18, weights: make.py}", &[3, 9, 9], "backbone.weights", "make.py"),
        ("{name: resnet18, weights: resnet18.pt}", &[3, 9, 9], "backbone.weights", "shape [2, 3, 7, 7], the backbone"),
        ("{name: resnet50, width: 2, weights: resnet18.pt}", &[3, 9, 9], "backbone.weights", "is missing"),
        ("{name: unet}", &[3, 4, 9], "backbone", "too small: pool"),
        ("{name: unet, channels: []}", &[3, 4, 9], "backbone.channels", "is empty"),
        ("{name: transformer}", &[5], "backbone", "reads sequences of vectors [length, features]"),
        ("{name: transformer, vocabulary: 4}", &[5, 3], "backbone.vocabulary", "ids come as sequences"),
        ("{name: transformer, vocabulary: 4, padding: 4}", &[5], "backbone.padding", "4 is no id"),
        ("{name: transformer, heads: 5}", &[5, 3], "backbone.heads", "5 heads do not share a width of 64"),
        ("{name: bilstm}", &[1, 2, 3], "backbone", "reads sequences"),
        ("{name: bilstm, padding: 0}", &[2, 3], "backbone.padding", "is an id"),
        ("{name: bilstm, dropout: 0.5}", &[2, 3], "backbone.dropout", "there is one"),
        ("{name: torchscript, file: none.pt}", &[2, 5, 6], "backbone.file", "none.pt"),
        ("{name: torchscript, file: resnet18.pt}", &[2, 5, 6], "backbone.file", "resnet18.pt"),
        ("{name: torchscript, file: module.pt}", &[3, 5, 6], "backbone.file", "channels"),
    ];
    for (yaml, shape, path, what) in cases {
        let setting = Setting { yaml, shape, levels: &[] };
        let bad = network(&setting, "{name: hard_sharing}", "{name: linear}", &[output("a", &[])]).err();
        let bad = bad.unwrap_or_else(|| panic!("{yaml} took {shape:?}"));
        assert!(bad.path == *path && bad.what.contains(what), "{yaml}: {bad}");
        assert!(bad.remedy.is_some(), "{yaml}: no way on in {bad}");
    }
    for head in ["{name: conv, channels: [4]}", "{name: aspp}"] {
        let setting = setting("{name: mlp, hidden: [4]}", &[3]);
        let bad = network(&setting, "{name: hard_sharing}", head, &[output("a", &[])]).err().expect("no maps");
        assert!(bad.path == "head" && bad.what.contains("reads feature maps"), "{bad}");
    }
}

#[test]
fn weights_of_torchvision_start_every_tower_from_either_kind_of_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let pt = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/backbones/resnet18.pt"));
    let given = polytask::weights::read(pt).expect("weights");
    let safetensors = folder.path().join("resnet18.safetensors");
    polytask::tensor_file::write_plain(&safetensors, &given).expect("written");
    for file in [pt, &safetensors] {
        let yaml = format!("{{name: resnet18, width: 2, weights: '{}'}}", file.display());
        let setting = Setting { yaml: &yaml, shape: &[3, 9, 9], levels: &[] };
        let outputs = [output("a", &[]), output("b", &[])];
        let network = network(&setting, "{name: cross_stitch}", "{name: linear}", &outputs).expect("a network");
        let own: Vec<_> = network.parameters().into_iter().chain(network.buffers()).collect();
        for (name, expected) in given.iter().filter(|(name, _)| !name.starts_with("fc.")) {
            for task in ["a", "b"] {
                let found = own.iter().find(|(own, _)| *own == format!("{task}_tower.{name}"));
                let (_, found) = found.unwrap_or_else(|| panic!("{task} {name}"));
                assert_eq!(*found, expected.to_kind(found.kind()), "{task} {name}");
            }
        }
    }
}
