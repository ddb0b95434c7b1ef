//! Checkpoints that are not what the run wrote: refused by file and tensor, with what is there and
//! what is needed.

mod common;

use common::{fail, small, succeed, text, write};
use polytask::error::report;
use polytask::tensor_file::{self, TensorFile};
use polytask::train::{Options, train};
use polytask::yaml::Override;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use tch::{Device, Kind, Tensor};

const MORE: &str = "method: {name: famo}\noptimizer: {name: adam}\nschedule: {name: plateau}\n\
    train: {steps: 12, batch_size: 32}\ncheckpoint: {every: 5 steps}\n";

/// A run that ended, and its experiment.
fn trained(folder: &Path) -> (PathBuf, PathBuf) {
    let yaml = write(folder, "a.yaml", &small(MORE));
    let run = folder.join("run");
    succeed(&["train", text(&yaml), "--out", text(&run), "--quiet"]);
    (yaml, run)
}

/// Trains in this process, where a panic fails the test; what went wrong, if anything did.
fn trains(yaml: &Path, out: &Path, resume: bool, set: &str) -> Result<(), String> {
    let overrides = vec![set.parse::<Override>().expect("an override")];
    let options = Options { overrides, out: Some(out.to_path_buf()), resume, quiet: true, ..Options::default() };
    train(yaml, &options, &AtomicBool::new(false)).map(drop).map_err(|error| report(&error))
}

/// The content of a run's folder, but for the checkpoint that is tampered with.
fn rest(run: &Path) -> BTreeMap<String, Vec<u8>> {
    let names = ["config.yaml", "metrics.jsonl", "summary.json", "model.pt"];
    names.map(|name| (name.to_string(), fs::read(run.join(name)).expect("a file of the run"))).into()
}

/// A tensor of another shape or kind, and what is said of it.
fn changed(name: &str, tensor: &Tensor) -> Vec<(String, Tensor, String)> {
    let kind = if tensor.is_floating_point() { Kind::Int64 } else { Kind::Float };
    let finite = tensor.nan_to_num(0.0, 0.0, 0.0);
    let shapes = [
        ("scalar", tensor.mean(Kind::Double)),
        ("row", tensor.unsqueeze(0)),
        ("empty", Tensor::zeros([0], (Kind::Float, Device::Cpu))),
    ];
    let named = |(what, other): (&str, Tensor)| {
        let other = other.to_kind(tensor.kind());
        let said = format!(
            "{name} is {:?} {:?}, {:?} {:?} is needed",
            other.kind(),
            other.size(),
            tensor.kind(),
            tensor.size()
        );
        (what.to_string(), other, said)
    };
    let mut all: Vec<_> = shapes.map(|(what, other)| (what, other.nan_to_num(0.0, 0.0, 0.0))).map(named).into();
    let said = format!("{name} is {kind:?} {:?}, {:?} {0:?} is needed", tensor.size(), tensor.kind());
    all.push(("kind".into(), finite.to_kind(kind), said));
    all
}

/// What was done to a file, the tensors that it holds then, and what is said.
type Tampered = (String, Vec<(String, Tensor)>, String);

/// Every way in which one tensor of a file can be another.
fn tampered(file: &TensorFile) -> Vec<Tampered> {
    let copy = || -> Vec<(String, Tensor)> {
        file.tensors.iter().map(|(name, tensor)| (name.clone(), tensor.shallow_clone())).collect()
    };
    let mut all = Vec::new();
    for (at, (name, tensor)) in file.tensors.iter().enumerate() {
        let mut without = copy();
        drop(without.remove(at));
        all.push((format!("{name} dropped"), without, format!("{name} is missing")));
        for (what, other, said) in changed(name, tensor) {
            let mut with = copy();
            with[at].1 = other;
            all.push((format!("{name} {what}"), with, said));
        }
    }
    for name in ["model.extra.weight", "best.extra", "optimizer.extra", "method.extra", "data.fingerprint", "extra"] {
        let mut more = copy();
        more.push((name.into(), Tensor::from_slice(&[1i64])));
        all.push((format!("{name} added"), more, format!("{name} (Int64 [1]) is not known")));
    }
    all
}

/// Files that are not as they were written: what was done, the bytes, what is said.
fn broken(path: &Path, file: &TensorFile) -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let good = fs::read(path).expect("a checkpoint");
    let (mut flipped, middle) = (good.clone(), good.len() - 3);
    flipped[middle] ^= 1;
    let beside = path.with_extension("crafted");
    let written = |facts: Value| {
        tensor_file::write(&beside, &file.tensors, &facts).expect("written");
        fs::read(&beside).expect("a file")
    };
    let other_facts = [json!({}), json!(null), json!({"kind": "other"})].map(written);
    tensor_file::write_plain(&beside, &file.tensors).expect("written");
    let plain = fs::read(&beside).expect("a file");
    let key = good.windows(8).position(|bytes| bytes == b"\"sha256\"").expect("the checksum's key");
    let mut renamed = good.clone();
    renamed[key + 1] = b'S';
    let mut all = vec![
        ("a flipped byte", flipped, "its checksum differs from its content"),
        ("cut in half", good[..good.len() / 2].to_vec(), "is no whole safetensors file"),
        ("emptied", vec![], "is empty"),
        ("saved by another program", plain, "has no checksum"),
        ("without the checksum alone", renamed, "its checksum is missing"),
    ];
    all.extend(other_facts.map(|bytes| ("other facts", bytes, "is of kind")));
    all
}

#[test]
fn a_checkpoint_that_holds_other_tensors_than_the_run_writes_is_not_resumed() {
    let folder = tempfile::tempdir().expect("a folder");
    let (yaml, run) = trained(folder.path());
    let last = run.join("checkpoints/last.safetensors");
    let (good, before) = (tensor_file::read(&last).expect("a checkpoint"), rest(&run));
    let bytes = fs::read(&last).expect("a checkpoint");
    let facts = good.facts.clone().expect("facts");
    for (what, tensors, said) in tampered(&good) {
        tensor_file::write(&last, &tensors, &facts).expect("written");
        let error = trains(&yaml, &run, true, "train.steps=20").expect_err(&what);
        for part in ["last.safetensors: does not fit the run", &said, "hint: "] {
            assert!(error.contains(part), "{what}: \"{part}\" is missing in {error}");
        }
    }
    for (what, bytes, said) in broken(&last, &good) {
        fs::write(&last, bytes).expect("written");
        let error = trains(&yaml, &run, true, "train.steps=20").expect_err(what);
        for part in ["last.safetensors", said, "hint: "] {
            assert!(error.contains(part), "{what}: \"{part}\" is missing in {error}");
        }
    }
    assert!(rest(&run) == before, "a refused resume changes nothing");
    fs::write(&last, bytes).expect("written");
    trains(&yaml, &run, true, "train.steps=20").expect("as it was written, it goes on");
}

#[test]
fn a_checkpoint_whose_place_or_facts_cannot_be_the_runs_is_not_resumed() {
    let folder = tempfile::tempdir().expect("a folder");
    let (yaml, run) = trained(folder.path());
    let last = run.join("checkpoints/last.safetensors");
    let good = tensor_file::read(&last).expect("a checkpoint");
    let facts = good.facts.clone().expect("facts");
    let refused = |tensors: &[(String, Tensor)], facts: &Value, said: &str| {
        tensor_file::write(&last, tensors, facts).expect("written");
        let error = trains(&yaml, &run, true, "train.steps=20").expect_err(said);
        assert!(
            error.contains(said) && error.contains("last.safetensors") && error.contains("hint: "),
            "{said}: {error}"
        );
    };
    let at = good.tensors.iter().position(|(name, _)| name == "progress.place").expect("the place");
    for place in [[12, 1, -2, 10, 0, 0, 10], [-12, 1, 2, 10, 0, 0, 10], [12, 1, 1000, 10, 0, 0, 10]] {
        let mut tensors: Vec<_> = good.tensors.iter().map(|(name, it)| (name.clone(), it.shallow_clone())).collect();
        tensors[at].1 = Tensor::from_slice(&place.map(i64::from));
        refused(&tensors, &facts, "progress.place is [");
    }
    let with = |key: &str, value: Value| {
        let mut facts = facts.clone();
        facts[key] = value;
        facts
    };
    refused(&good.tensors, &with("layout", json!(99)), "its layout is 99");
    let mut rowless = facts.clone();
    rowless.as_object_mut().expect("facts").remove("model");
    refused(&good.tensors, &rowless, "does not say which rows the run reads");
    refused(&good.tensors, &with("model", json!({"tasks": 3})), "its facts about the model cannot be read");
}

#[test]
fn export_refuses_weights_that_are_not_those_of_the_run() {
    let folder = tempfile::tempdir().expect("a folder");
    let (_, run) = trained(folder.path());
    let out = folder.path().join("out");
    let export = |name: &str, format: &str| {
        fail(&["export", text(&run), "-o", text(&out), "--checkpoint", name, "--format", format])
    };
    for (name, prefix) in [("best", ""), ("last", "model.")] {
        let path = run.join(format!("checkpoints/{name}.safetensors"));
        let (good, bytes) = (tensor_file::read(&path).expect("a checkpoint"), fs::read(&path).expect("a checkpoint"));
        let facts = good.facts.clone().expect("facts");
        let weight = format!("{prefix}task1_layer.weight");
        let of_weight = |what: &str| what.starts_with(&weight) || what.starts_with("model.extra");
        let some = tampered(&good)
            .into_iter()
            .filter(|(what, ..)| of_weight(what) && (name == "last" || !what.contains("added")));
        for ((what, tensors, said), format) in
            some.zip(["torchscript", "state-dict", "safetensors"].into_iter().cycle())
        {
            tensor_file::write(&path, &tensors, &facts).expect("written");
            let (error, said) = (export(name, format), said.trim_start_matches("model."));
            assert!(error.contains("does not fit the run's model.pt") && error.contains(said), "{what}: {error}");
        }
        for (what, bytes, said) in broken(&path, &good) {
            fs::write(&path, bytes).expect("written");
            let error = export(name, "safetensors");
            assert!(error.contains(said) && error.contains(&format!("{name}.safetensors")), "{what}: {error}");
        }
        let mut tensors: Vec<_> = good.tensors.iter().map(|(name, it)| (name.clone(), it.shallow_clone())).collect();
        let at = tensors.iter().position(|(name, _)| *name == weight).expect("a weight");
        tensors[at].1 = tensors[at].1.full_like(f64::NAN);
        tensor_file::write(&path, &tensors, &facts).expect("written");
        assert!(export(name, "safetensors").contains("task1_layer.weight holds NaN"));
        assert!(!out.exists(), "nothing is written");
        fs::write(&path, bytes).expect("written");
        succeed(&["export", text(&run), "-o", text(&out), "--checkpoint", name, "--format", "safetensors"]);
        fs::remove_file(&out).expect("it was written");
    }
}

#[test]
fn another_run_does_not_start_from_a_checkpoint_that_is_not_what_its_run_wrote() {
    let folder = tempfile::tempdir().expect("a folder");
    let (yaml, run) = trained(folder.path());
    let again = folder.path().join("again");
    for name in ["best", "last"] {
        let path = run.join(format!("checkpoints/{name}.safetensors"));
        let (good, bytes) = (tensor_file::read(&path).expect("a checkpoint"), fs::read(&path).expect("a checkpoint"));
        let initial = format!("model.initial={}", path.display());
        for (what, bytes, said) in broken(&path, &good) {
            fs::write(&path, bytes).expect("written");
            let error = trains(&yaml, &again, false, &initial).expect_err(what);
            assert!(error.contains(said) && error.contains("hint: "), "{what}: {error}");
        }
        let facts = good.facts.clone().expect("facts");
        let of_model =
            |what: &String| if name == "best" { !what.contains("added") } else { what.starts_with("model.") };
        for (what, tensors, _) in tampered(&good).into_iter().filter(|(what, ..)| of_model(what)) {
            tensor_file::write(&path, &tensors, &facts).expect("written");
            let error = trains(&yaml, &again, false, &initial).expect_err(&what);
            let tensor = what.split(' ').next().expect("a name").trim_start_matches("model.");
            assert!(error.contains(tensor) && error.contains("does not fit the model"), "{what}: {error}");
        }
        assert!(!again.exists(), "nothing is written");
        fs::write(&path, bytes).expect("written");
        trains(&yaml, &folder.path().join(name), false, &initial).expect("as it was written, it starts a run");
    }
}
