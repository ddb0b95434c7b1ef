//! Arrays of every type of number, of every kind of input, by every backbone: the same digits, or a
//! refusal that says what to write.

mod common;

use common::{fail, metrics, run, stderr, succeed, text};
use polytask::error::report;
use polytask::experiment::{Beginning, Loaded};
use polytask::models::backbones::BackboneKind;
use polytask::tensor_file::write_plain;
use polytask::train::{Options, train};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use tch::{Device, Kind, Tensor};

/// Every type that array files hold.
const TYPES: [Kind; 9] =
    [Kind::Uint8, Kind::Int8, Kind::Int16, Kind::Int, Kind::Int64, Kind::Bool, Kind::Half, Kind::Float, Kind::Double];
const KINDS: [&str; 4] = ["", "image", "ids", "numbers"];
const ROWS: i64 = 8;

/// How a backbone is written, and the shapes of rows that it reads.
fn backbones(name: &str) -> Vec<(String, Vec<i64>)> {
    let module = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/backbones/module.pt");
    let (settings, shapes): (String, &[&[i64]]) = match name {
        "mlp" => ("hidden: [4]".into(), &[&[5], &[4, 5], &[3, 5, 6]]),
        "tabular" => ("hidden: [4]".into(), &[&[5]]),
        "lenet" => (String::new(), &[&[1, 20, 20], &[20, 20]]),
        "conv" => ("channels: [4]".into(), &[&[3, 5, 6]]),
        "unet" => ("channels: [4, 4]".into(), &[&[3, 6, 6]]),
        "transformer" => ("width: 8, heads: 2, layers: 1, dropout: 0".into(), &[&[5, 3]]),
        "bilstm" => ("hidden: 4".into(), &[&[5, 3]]),
        "torchscript" => (format!("file: {}", module.display()), &[&[2, 5, 6]]),
        _ => ("width: 2".into(), &[&[3, 33, 33]]),
    };
    let written = |more: &str| format!("{{name: {name}, {settings}{more}}}");
    let mut all: Vec<_> = shapes.iter().map(|shape| (written(""), shape.to_vec())).collect();
    if ["transformer", "bilstm"].contains(&name) {
        all.push((written(", vocabulary: 101"), vec![5]));
    }
    all
}

/// Whole numbers from 0 to `most` in rows of a shape, in no order.
fn whole(shape: &[i64], most: i64) -> Tensor {
    let count = ROWS * shape.iter().product::<i64>();
    let i = Tensor::arange(count, (Kind::Int64, Device::Cpu));
    (&i * &i * 7 + i * 13).remainder(97).remainder(most + 1).view([&[ROWS], shape].concat().as_slice())
}

fn save(path: &Path, tensor: &Tensor) {
    write_plain(path, &[("array".into(), tensor.shallow_clone())]).expect("written");
}

/// An experiment of one task on the arrays `x` and `y`.
fn experiment(backbone: &str, data: &str, loss: &str) -> String {
    format!(
        "data: {{name: arrays, train: {{inputs: x.safetensors, labels: {{y: y.safetensors}}}}{data}}}
tasks: [{{name: y, loss: {loss}}}]
model: {{backbone: {backbone}}}
optimizer: {{name: adam, learning_rate: 0.01}}
train: {{steps: 2, batch_size: 4}}
record: {{every: 1, tensorboard: false}}
"
    )
}

/// What a run measured, or how it was refused.
fn outcome(folder: &Path, yaml: &str) -> Result<Vec<String>, String> {
    let (file, out) = (folder.join("run.yaml"), folder.join("run"));
    fs::write(&file, yaml).expect("written");
    let _ = fs::remove_dir_all(&out);
    let options = Options { out: Some(out.clone()), quiet: true, ..Options::default() };
    match train(&file, &options, &AtomicBool::new(false)) {
        Ok(_) => Ok(measured(&out)),
        Err(error) => Err(report(&error)),
    }
}

/// The values in a run's metrics.jsonl, without what depends on the clock.
fn measured(run: &Path) -> Vec<String> {
    let of_task = |line: &&serde_json::Value| line["task"].is_string() && line["value"].is_f64();
    let value = |line: &serde_json::Value| format!("{} {} {}", line["step"], line["metric"], line["value"]);
    metrics(run).iter().filter(of_task).map(value).collect()
}

/// Trains on `x` in each of `types`: the digits of float32, where bytes of an image are those of
/// `x / 255`, or a refusal that says what to write. Gives the types that trained.
fn equal_or_refused(folder: &Path, (yaml, is_image): (&str, bool), x: &Tensor, types: &[Kind]) -> Vec<Kind> {
    let of = |x: &Tensor| {
        save(&folder.join("x.safetensors"), x);
        outcome(folder, yaml)
    };
    let plain = of(&x.to_kind(Kind::Float));
    let divided = if is_image { of(&(x.to_kind(Kind::Float) / 255.0)) } else { plain.clone() };
    let trains = |&kind: &Kind| match (of(&x.to_kind(kind)), if kind == Kind::Uint8 { &divided } else { &plain }) {
        (Ok(found), expected) => {
            assert_eq!(Some(&found), expected.as_ref().ok(), "{kind:?} {x:?} of\n{yaml}");
            true
        }
        (Err(said), _) => {
            let helps = said.contains("hint: ") && (said.contains("`kind: ") || said.contains("reads images"));
            assert!(helps, "{kind:?} {x:?}: {said} of\n{yaml}");
            false
        }
    };
    types.iter().copied().filter(trains).collect()
}

#[test]
fn every_type_of_number_gives_the_digits_of_float32_by_every_backbone() {
    // Most of a run's time goes by until its files are on the disk: many wait side by side.
    std::thread::scope(|scope| {
        for name in BackboneKind::NAMES {
            for (at, (backbone, shape)) in backbones(name).into_iter().enumerate() {
                scope.spawn(move || try_backbone(name, &backbone, &shape, at > 0));
            }
        }
    });
}

/// Tries one backbone on rows of a shape: every type and every kind, or some where `few`.
fn try_backbone(name: &str, backbone: &str, shape: &[i64], few: bool) {
    let folder = tempfile::tempdir().expect("a folder");
    save(&folder.path().join("y.safetensors"), &whole(&[], 2));
    let reads_images = name.starts_with("resnet") || ["conv", "lenet", "unet"].contains(&name);
    let reads_vectors = ["transformer", "bilstm", "tabular"].contains(&name);
    let reads_ids = backbone.contains("vocabulary");
    let few = few && !reads_ids || name.starts_with("resnet");
    let types = if few { vec![Kind::Uint8, Kind::Int64] } else { TYPES.to_vec() };
    let (bits, wide): (Vec<Kind>, Vec<Kind>) = types.into_iter().partition(|kind| *kind == Kind::Bool);
    for &kind in if few { &["", "numbers"][..] } else { &KINDS } {
        let said = if kind.is_empty() { String::new() } else { format!(", kind: {kind}") };
        let yaml = experiment(backbone, &format!(", channels: first{said}"), "{name: cross_entropy, classes: 3}");
        let is_image = kind == "image" || kind.is_empty() && reads_images;
        let tried =
            |most: i64, types: &[Kind]| equal_or_refused(folder.path(), (&yaml, is_image), &whole(shape, most), types);
        let found = [tried(100, &wide), tried(1, &bits)].concat();
        let integers = [Kind::Uint8, Kind::Int8, Kind::Int16, Kind::Int, Kind::Int64];
        let trains = |stored: &&Kind| match kind {
            "ids" => reads_ids,
            "image" => !(reads_ids || reads_vectors && shape.len() > 1),
            "numbers" => !reads_images || shape.len() == 3,
            _ if name == "torchscript" => !integers.contains(stored),
            _ => name != "mlp" || shape.len() == 1 || **stored != Kind::Uint8,
        };
        let expected: Vec<Kind> = wide.iter().chain(&bits).filter(trains).copied().collect();
        assert_eq!(found, expected, "{backbone} {shape:?} {kind:?}");
    }
}

#[test]
fn labels_of_every_type_give_the_digits_of_float32() {
    let folder = tempfile::tempdir().expect("a folder");
    let (mlp, unet) = ("{name: mlp, hidden: [4]}", "{name: unet, channels: [4]}");
    for (backbone, row, labels) in
        [(mlp, &[5][..], &[][..]), (unet, &[1, 4, 4], &[4, 4]), (unet, &[1, 4, 4], &[1, 4, 4])]
    {
        save(&folder.path().join("x.safetensors"), &whole(row, 9).to_kind(Kind::Float));
        for (loss, most) in
            [("{name: cross_entropy, classes: 2}", 1), ("{name: binary_cross_entropy}", 1), ("{name: mse}", 100)]
        {
            let yaml = experiment(backbone, "", loss);
            let of = |kind: Kind| {
                save(&folder.path().join("y.safetensors"), &whole(labels, most).to_kind(kind));
                outcome(folder.path(), &yaml).unwrap_or_else(|said| panic!("{kind:?}: {said} of\n{yaml}"))
            };
            let expected = of(Kind::Float);
            for kind in TYPES.into_iter().filter(|kind| *kind != Kind::Bool || most == 1) {
                assert_eq!(of(kind), expected, "{kind:?} {loss} {labels:?}");
            }
        }
    }
}

/// Writes `NAME.yaml` and the arrays that it reads, and gives its path.
fn prepared(folder: &Path, name: &str, yaml: &str, x: &Tensor, y: &Tensor) -> PathBuf {
    save(&folder.join(format!("{name}-x.safetensors")), x);
    save(&folder.join("y.safetensors"), y);
    let yaml = yaml.replace("inputs: x.safetensors", &format!("inputs: {name}-x.safetensors"));
    common::write(folder, &format!("{name}.yaml"), &yaml)
}

fn scores(run: &Path, yaml: &Path) -> serde_json::Value {
    serde_json::from_str(&succeed(&["evaluate", text(run), text(yaml), "--json", "--train"])).expect("json")
}

/// Trains to the end in a folder of the YAML's name, and gives the folder.
fn trained(yaml: &Path, more: &[&str]) -> PathBuf {
    let out = yaml.with_extension("run");
    succeed(&[&["train", text(yaml), "--out", text(&out), "--quiet"], more].concat());
    out
}

#[test]
fn a_model_keeps_what_its_inputs_are() {
    let folder = tempfile::tempdir().expect("a folder");
    let (x, y) = (whole(&[5], 100), whole(&[], 2));
    let yaml = |kind: &str| {
        experiment("{name: mlp, hidden: [4]}", kind, "{name: cross_entropy, classes: 3}")
            + "evaluate: {batch_size: 3}\n"
    };
    let numbers = prepared(folder.path(), "bytes", &yaml(", validation: 0.5"), &x.to_kind(Kind::Uint8), &y);
    let float = prepared(folder.path(), "float", &yaml(", validation: 0.5"), &x.to_kind(Kind::Float), &y);
    let run = trained(&numbers, &[]);
    assert_eq!(scores(&run, &numbers), scores(&run, &float), "the same numbers on disk");

    // An image to the model, although the YAML does not say so again.
    let image = prepared(folder.path(), "image", &yaml(", validation: 0.5, kind: image"), &x.to_kind(Kind::Uint8), &y);
    let divided = prepared(folder.path(), "divided", &yaml(", validation: 0.5"), &(x.to_kind(Kind::Float) / 255.0), &y);
    let run = trained(&image, &[]);
    let own = scores(&run, &image);
    assert_eq!((own.clone(), own.clone()), (scores(&run, &numbers), scores(&run, &divided)));
    let summary: serde_json::Value =
        serde_json::from_slice(&fs::read(run.join("summary.json")).expect("a summary")).expect("json");
    assert_eq!(own["validation"], summary["best"]["validation"]);
    let said = fail(&["evaluate", text(&run), text(&numbers), "--set", "data.kind=numbers"]);
    assert!(said.contains("input x is numbers here, and image to the model"), "{said}");
    assert!(said.contains("--set data.kind=numbers") && said.contains("leave it out"), "{said}");

    // A run that starts from it goes on by its rule, and its own model keeps it.
    let initial = format!("model.initial={}", run.join("model.pt").display());
    let again = folder.path().join("again");
    succeed(&["train", text(&numbers), "--out", text(&again), "--quiet", "--set", &initial]);
    let said = fail(&["evaluate", text(&again), text(&numbers), "--set", "data.kind=numbers"]);
    assert!(said.contains("image to the model"), "{said}");
}

/// The number by which version 0.1 knew the rows of a run.
fn first_fingerprint(run: &Path) -> i64 {
    let experiment = polytask::experiment::read_file(&run.join("config.yaml"), &[]).expect("settings").settings;
    let mut loaded = Loaded::default();
    experiment.assemble_from(&mut loaded, run, Device::Cpu, Beginning::New).expect("parts");
    loaded.dataset().expect("rows").first_fingerprint()
}

/// Takes from a run's files what version 0.1 did not write: `whole` all of the model's facts, else
/// what its inputs are.
fn age(run: &Path, whole: bool) {
    let fingerprint = first_fingerprint(run);
    let config = fs::read_to_string(run.join("config.yaml")).expect("config.yaml");
    let kept = config.lines().filter(|line| !line.starts_with("polytask: ") && line.trim() != "kind: by_dtype");
    fs::write(run.join("config.yaml"), kept.collect::<Vec<_>>().join("\n")).expect("written");
    let path = run.join("checkpoints/last.safetensors");
    let mut stored = polytask::tensor_file::read(&path).expect("a checkpoint");
    let mut facts = stored.facts.expect("facts");
    match whole {
        true => {
            stored.tensors.push(("data.fingerprint".into(), Tensor::from_slice(&[fingerprint])));
            let facts = facts.as_object_mut().expect("facts");
            facts.retain(|key, _| !["model", "layout", "polytask"].contains(&key.as_str()));
        }
        false => drop(facts["model"]["features"].as_object_mut().and_then(|features| features.remove("inputs"))),
    }
    polytask::tensor_file::write(&path, &stored.tensors, &facts).expect("written");
}

#[test]
fn a_run_that_divided_every_byte_goes_on_so_and_says_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let yaml = experiment("{name: mlp, hidden: [4]}", "", "{name: cross_entropy, classes: 3}");
    let (x, y) = (whole(&[5], 100).to_kind(Kind::Uint8), whole(&[], 2));
    let yaml = prepared(folder.path(), "bytes", &yaml, &x, &y);
    let train =
        |out: &Path, more: &[&str]| run(&[&["train", text(&yaml), "--out", text(out), "--quiet"], more].concat());
    let by_dtype = ["--set", "data.kind=by_dtype"];
    let expected = folder.path().join("expected");
    assert!(train(&expected, &[&by_dtype[..], &["--set", "train.steps=6"]].concat()).status.success());
    for whole in [true, false] {
        let old = folder.path().join(format!("old-{whole}"));
        assert!(train(&old, &by_dtype).status.success());
        age(&old, whole);
        for steps in ["train.steps=4", "train.steps=6"] {
            let output = train(&old, &["--resume", "--set", steps]);
            let said = stderr(&output);
            assert!(output.status.success() && said.contains("by the rule of Polytask 0.1"), "{said}");
        }
        assert_eq!(measured(&old), measured(&expected), "{whole}");
        assert!(fs::read_to_string(old.join("config.yaml")).expect("config.yaml").contains("kind: by_dtype"));
        assert_eq!(scores(&old, &yaml), scores(&expected, &yaml));
    }
    let more = ["--resume", "--quiet", "--set", "data.kind=numbers"];
    let said = fail(&[&["train", text(&yaml), "--out", text(&expected)], &more[..]].concat());
    assert!(said.contains("input x is numbers here, and image to the model"), "{said}");
}

#[test]
fn ids_that_an_old_run_divided_are_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let backbone = "{name: transformer, width: 8, heads: 2, layers: 1, vocabulary: 101}";
    let yaml = experiment(backbone, "", "{name: cross_entropy, classes: 3}");
    let yaml = prepared(folder.path(), "ids", &yaml, &whole(&[5], 100).to_kind(Kind::Uint8), &whole(&[], 2));
    let said = fail(&["check", text(&yaml), "--set", "data.kind=by_dtype"]);
    assert!(said.contains("input x is image, and transformer with a vocabulary reads ids"), "{said}");
    assert!(said.contains("trained anew"), "{said}");
    assert!(succeed(&["check", text(&yaml)]).contains("input       x [5] uint8, 0 to 96: ids"));
}

#[test]
fn check_tells_how_maps_are_read_and_the_settings_say_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let yaml = experiment("{name: conv, channels: [4], pool: 1}", "", "{name: mse}");
    let (x, y) = (whole(&[16, 4, 4], 9).to_kind(Kind::Float), whole(&[4, 4], 9));
    let yaml = prepared(folder.path(), "maps", &yaml, &x, &y);
    let checked = |more: &[&str]| {
        let output = run(&[&["check", text(&yaml)], more].concat());
        (String::from_utf8_lossy(&output.stdout).into_owned(), stderr(&output))
    };
    let said = checked(&[]).1;
    assert!(said.contains("has [4, 4] pixels, the images have [16, 4]"), "{said}");
    let (found, said) = checked(&["--set", "data.channels=first"]);
    assert!(
        found.contains("maps        x [16, 4, 4] on disk: maps of 4 by 4 with 16 channels, channels first"),
        "{found}"
    );
    assert!(found.contains("x [16, 4, 4] float, 0 to 9: image, as it is") && !said.contains("note"), "{found} {said}");
    // Of the whole rows of `y` any shape of maps is right, and the guess is told.
    save(&folder.path().join("y.safetensors"), &whole(&[], 9));
    let (found, said) = checked(&[]);
    assert!(found.contains("maps of 16 by 4 with 4 channels, channels last (a guess)"), "{found}");
    assert!(said.contains("`channels: first` would make it maps of 4 by 4 with 16 channels"), "{said}");
    let (found, said) = checked(&["--set", "data.channels={x: first}"]);
    assert!(found.contains("channels first (as `channels` says)") && !said.contains("note"), "{found} {said}");
    for (set, expected) in [
        ("data.channels={z: first}", "data.channels: \"z\" is not an input or a task"),
        ("data.channels=middle", "data.channels: unknown name \"middle\" (allowed: first, last)"),
        ("data.kind={z: ids}", "data.kind: \"z\" is not an input"),
        ("data.kind={x: picture}", "data.kind.x: "),
        ("data.standardize=[z]", "data.standardize: \"z\" is not an input"),
        ("data.standardize=high", "data.standardize: "),
    ] {
        let said = fail(&["check", text(&yaml), "--set", set]);
        assert!(said.contains(expected) && !said.contains("note:"), "{set}: {said}");
    }
}

/// The arrays of the first batches that training would read, by name.
fn batches(yaml: &Path, more: &[&str]) -> impl Fn(&str) -> Tensor + use<> {
    let file = yaml.with_extension("npz");
    succeed(&[&["check", text(yaml), "--batches", text(&file)], more].concat());
    let arrays = Tensor::read_npz(&file).expect("arrays");
    move |name| arrays.iter().find(|(own, _)| own == name).expect("an array").1.shallow_clone()
}

#[test]
fn labels_of_tokens_are_read_as_labels_of_rows_and_pixels_are() {
    let folder = tempfile::tempdir().expect("a folder");
    let x = whole(&[5], 100).to_kind(Kind::Int);
    let backbone = "{name: bilstm, hidden: 4, vocabulary: 101}";
    let of = |y: &Tensor, loss: &str, more: &str| {
        let yaml = experiment(backbone, &format!("{more}, validation: 0.5"), loss)
            .replace("batch_size: 4", "batch_size: 4, shuffle: false");
        let yaml = prepared(folder.path(), "tokens", &yaml, &x, y);
        let _ = fs::remove_dir_all(trained(&yaml, &[]));
        batches(&yaml, &[])
    };
    let classes = "{name: cross_entropy, classes: 3}, metrics: [accuracy]";
    for kind in [Kind::Uint8, Kind::Int8, Kind::Int64, Kind::Float] {
        let y = whole(&[5], 2).to_kind(kind);
        let read = of(&y, classes, ", split_seed: 1");
        assert_eq!(read("0/0/labels/y").size(), [4, 5], "{kind:?}");
        // Of the token 2 no label is known.
        let read = of(&y, classes, ", split_seed: 1, ignore: {y: 2}");
        let (labels, weights) = (read("0/0/labels/y"), read("0/0/weights/y"));
        assert_eq!(labels.eq(-100), weights.eq(0.0), "{kind:?}");
        assert!(labels.eq(-100).any().int64_value(&[]) == 1 && labels.le(1).all().int64_value(&[]) == 1);
    }
    let read = of(&whole(&[5], 1), "{name: binary_cross_entropy}, metrics: [accuracy]", "");
    assert_eq!(read("0/0/labels/y").size(), [4, 1, 5]);
    let read = of(&whole(&[2, 5], 9), "{name: mse}, target: [a, b], metrics: [mae]", "");
    assert_eq!(read("0/0/labels/y").size(), [4, 2, 5]);

    // Of two columns each has labels of its own.
    let y = whole(&[2, 5], 3);
    let read = of(&y, "{name: mse}, target: [a, b]", ", split_seed: 1, ignore: {y: 0}");
    let (labels, weights) = (read("0/0/labels/y"), read("0/0/weights/y"));
    assert_eq!((labels.size(), labels.eq(0.0)), (vec![4, 2, 5], weights.eq(0.0)));
    assert!(weights.select(1, 0).ne_tensor(&weights.select(1, 1)).any().int64_value(&[]) == 1);

    let flat = experiment("{name: mlp, hidden: [4]}", "", "{name: mse}");
    let yaml = prepared(folder.path(), "flat", &flat, &x, &whole(&[5], 9));
    let said = fail(&["check", text(&yaml)]);
    assert!(said.contains("features of shape [4] per row, and y has labels of shape [5] per row"), "{said}");
    assert!(said.contains("features per token; of labels of several columns name each in `target`"), "{said}");
    for (shape, needs) in [(vec![3, 5], "needs [N, 2], [N, 2, L] or [N, 2, H, W]"), (vec![2, 5, 5, 5], "needs [N, 2]")]
    {
        let yaml = experiment(backbone, "", "{name: mse}, target: [a, b]");
        let said = fail(&["check", text(&prepared(folder.path(), "wrong", &yaml, &x, &whole(&shape, 9)))]);
        assert!(said.contains(needs), "{said}");
    }
}

#[test]
fn a_model_that_goes_on_reads_arrays_by_its_own_means_unless_the_data_says_refit() {
    let folder = tempfile::tempdir().expect("a folder");
    let settings = experiment("{name: mlp, hidden: [4]}", ", standardize: [x]", "{name: mse}, standardize: true")
        .replace("batch_size: 4", "batch_size: 8, shuffle: false");
    let (x, y) = (whole(&[5], 90).to_kind(Kind::Double), whole(&[], 90).to_kind(Kind::Double));
    let first = prepared(folder.path(), "first", &settings, &x, &y);
    let initial = format!("model.initial={}", trained(&first, &[]).join("model.pt").display());
    let known = batches(&first, &[]);
    let other = prepared(folder.path(), "other", &settings, &(&x * 3.0 + 7.0), &(&y * 3.0 + 7.0));
    let (own, anew) =
        (batches(&other, &["--set", &initial]), batches(&other, &["--set", &initial, "--set", "data.refit=true"]));
    for (name, raw) in [("0/0/inputs/x", &x), ("0/0/labels/y", &y.unsqueeze(1))] {
        let (mean, std) =
            (raw.mean_dim([0i64].as_slice(), true, Kind::Double), raw.std_dim([0i64].as_slice(), false, true));
        let close = |found: Tensor, expected: Tensor| (found - expected).abs().max().double_value(&[]) < 1e-5;
        assert!(close(own(name), (raw * 3.0 + 7.0 - &mean) / &std), "{name} by the model's means");
        assert!(close(anew(name), known(name)), "{name} by those of these rows");
    }
    // By a YAML that does not say so labels are standardized too, and lose no digit before.
    let far = prepared(folder.path(), "far", &settings, &x, &(&y + 1e7));
    let far_run = trained(&far, &[]);
    let unsaid = fs::read_to_string(&far).expect("a YAML").replace(", standardize: true", "");
    let unsaid = common::write(folder.path(), "unsaid.yaml", &unsaid);
    assert_eq!(scores(&far_run, &unsaid), scores(&far_run, &far));
    let huge = prepared(folder.path(), "huge", &settings, &(&x + 1e200), &y);
    let said = fail(&["check", text(&huge)]);
    assert!(said.contains("row 1: 1e200 is beyond the run's precision"), "{said}");
    let huge = prepared(folder.path(), "huge", &settings, &(&x * 1e200), &y);
    let said = fail(&["check", text(&huge), "--set", "precision=float64"]);
    assert!(said.contains("input x is too large to be standardized") && said.contains("scale the array"), "{said}");
    let huge = prepared(folder.path(), "huge", &settings, &x, &(&y * 1e200));
    let said = fail(&["check", text(&huge)]);
    assert!(said.contains("the labels of \"y\" are too large to be standardised"), "{said}");
    save(&folder.path().join("y.safetensors"), &(&y * 3.0 + 7.0));

    let out = folder.path().join("refit");
    let anew = ["train", text(&other), "--out", text(&out), "--set", &initial, "--set", "data.refit=true"];
    let output = run(&anew);
    let said = stderr(&output);
    assert!(output.status.success() && said.contains("means and deviations are those of these rows"), "{said}");
    // What it has learned by is what it keeps.
    let kept = format!("model.initial={}", out.join("model.pt").display());
    let batches = batches(&other, &["--set", &kept]);
    assert_eq!(batches("0/0/inputs/x"), self::batches(&other, &[])("0/0/inputs/x"));
}

#[test]
fn a_module_with_an_embedding_is_given_ids() {
    let folder = tempfile::tempdir().expect("a folder");
    let module = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/backbones/embedding.pt");
    let backbone = format!("{{name: torchscript, file: {}}}", module.display());
    save(&folder.path().join("y.safetensors"), &whole(&[], 2));
    let of = |stored: Kind, kind: &str| {
        save(&folder.path().join("x.safetensors"), &whole(&[5], 100).to_kind(stored));
        outcome(folder.path(), &experiment(&backbone, kind, "{name: cross_entropy, classes: 3}"))
    };
    let expected = of(Kind::Int64, "").expect("trains");
    for stored in [Kind::Uint8, Kind::Int8, Kind::Int16, Kind::Int] {
        assert_eq!(of(stored, "").as_ref(), Ok(&expected), "{stored:?}");
    }
    assert_eq!(of(Kind::Float, ", kind: ids").as_ref(), Ok(&expected));
    for (stored, kind) in [(Kind::Float, ""), (Kind::Int64, ", kind: numbers")] {
        let said = of(stored, kind).expect_err("an embedding of numbers");
        assert!(said.contains("write `kind: ids` in `data`"), "{said}");
    }
}

#[test]
fn standardized_numbers_of_every_type_give_the_same_digits() {
    let folder = tempfile::tempdir().expect("a folder");
    save(&folder.path().join("y.safetensors"), &whole(&[], 2));
    let yaml = experiment("{name: mlp, hidden: [4]}", ", standardize: [x]", "{name: cross_entropy, classes: 3}");
    let of = |stored: Kind| {
        save(&folder.path().join("x.safetensors"), &whole(&[5], 100).to_kind(stored));
        outcome(folder.path(), &yaml).expect("trains")
    };
    let expected = of(Kind::Float);
    for stored in TYPES.into_iter().filter(|stored| *stored != Kind::Bool) {
        assert_eq!(of(stored), expected, "{stored:?}");
    }
}
