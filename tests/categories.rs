//! Backbones at work from YAML to predictions: categories, ids, statistics, modules from Python's kind of file.

mod common;

use common::{fail, succeed, text, write};
use polytask::libtorch::{Module, Script};
use std::fs;
use std::path::Path;
use tch::{Device, Kind};

const TINTS: [&str; 4] = ["red", "green", "blue", ""];

/// Rows whose labels are functions of a category, a number and ids.
fn rows(folder: &Path) {
    let mut text = "tint,size,first,second,warm,large\n".to_string();
    for row in 0..120usize {
        let (tint, size) = (row * 7 / 3 % 4, ((row * 37 + 11) % 50) as f64 / 25.0 - 1.0);
        let (warm, large) = (u8::from(tint == 0 || tint == 3), u8::from(size > 0.0));
        text += &format!("{},{size},{},{},{warm},{large}\n", TINTS[tint], tint + 1, row % 5);
    }
    write(folder, "rows.csv", &text);
}

fn experiment(folder: &Path, name: &str, data: &str, backbone: &str, more: &str) -> std::path::PathBuf {
    let text = format!(
        "data: {{name: csv, train: rows.csv, test: rows.csv, {data}}}
tasks:
  - {{name: warm, loss: {{name: cross_entropy, classes: 2}}, metrics: [accuracy]}}
  - {{name: large, loss: {{name: cross_entropy, classes: 2}}, metrics: [accuracy]}}
model: {{backbone: {backbone}{more}}}
method: {{name: upgrad}}
optimizer: {{name: adam, learning_rate: 0.02}}
train: {{epochs: 20, batch_size: 20}}
record: {{tensorboard: false}}
"
    );
    write(folder, name, &text)
}

const TABULAR: &str = "{name: tabular, hidden: [16], normalization: batch}";

#[test]
fn categories_are_embedded_from_csv_to_prediction() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    rows(folder.path());
    let yaml = experiment(folder.path(), "a.yaml", "inputs: [tint, size], categorical: [tint]", TABULAR, "");
    let out = at("run");
    succeed(&["train", text(&yaml), "--out", text(&out), "-q"]);

    // As many rows as levels and the unseen one; as many batches as steps, however many gradients a step takes.
    let module = Module::load(&out.join("model.pt"), Device::Cpu).expect("a module");
    let named: std::collections::BTreeMap<_, _> = module.parameters().into_iter().chain(module.buffers()).collect();
    assert_eq!(named["shared_stem.embeddings.0.weight"].size(), [5, 2]);
    assert_eq!(named["shared_layers.0.weight"].size(), [16, 3]);
    assert_eq!(named["shared_layers.1.num_batches_tracked"].int64_value(&[]), 20 * 6);

    // What was learned is found again, and a text not seen in training has an embedding of its own.
    let said = succeed(&["evaluate", text(&out), text(&yaml), "--json"]);
    let said: serde_json::Value = serde_json::from_str(&said).expect("json");
    let accuracy = said["test"]["warm"]["accuracy"].as_f64().unwrap_or_else(|| panic!("{said}"));
    assert!(accuracy > 0.95, "{said}");
    let unknown = write(folder.path(), "new.csv", "size,tint\n0.5,red\n0.5,green\n0.5,mauve\n0.5,beige\n");
    succeed(&["predict", text(&out), text(&unknown), "-o", text(&at("p.csv"))]);
    let predictions = fs::read_to_string(at("p.csv")).expect("predictions");
    let lines: Vec<&str> = predictions.lines().skip(1).collect();
    assert_eq!(lines[2], lines[3], "unseen texts are alike");
    assert!(lines[0] != lines[1] && lines[0] != lines[2] && lines[1] != lines[2], "{predictions}");
}

#[test]
fn columns_of_ids_are_a_sequence_and_ids_beyond_the_vocabulary_are_told() {
    let folder = tempfile::tempdir().expect("a folder");
    rows(folder.path());
    let data = "inputs: [first, second], standardize: false";
    for backbone in ["transformer, width: 8, heads: 2, layers: 1", "bilstm, hidden: 4, embedding: 8"] {
        let backbone = |ids: i64| format!("{{name: {backbone}, vocabulary: {ids}, padding: 0}}");
        let yaml = experiment(folder.path(), "a.yaml", data, &backbone(5), "");
        let out = folder.path().join(&backbone(5)[7..11]);
        succeed(&["train", text(&yaml), "--out", text(&out), "-q", "--set", "train.epochs=2"]);
        let yaml = experiment(folder.path(), "b.yaml", data, &backbone(3), "");
        let said = fail(&["check", text(&yaml)]);
        assert!(said.contains("model.backbone.vocabulary") && said.contains("up to, not including, 3"), "{said}");
    }
}

#[test]
fn a_module_from_a_file_is_a_backbone_of_each_task() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    rows(folder.path());
    // One task's model is a module of one output.
    let data = "inputs: [size, first], standardize: false";
    let yaml = experiment(folder.path(), "body.yaml", data, TABULAR, "");
    let one = "tasks=[{name: warm, loss: {name: cross_entropy, classes: 2}}]";
    let method = "method={name: sum}";
    succeed(&["train", text(&yaml), "--out", text(&at("body")), "-q", "--set", one, "--set", method]);
    fs::copy(at("body").join("model.pt"), at("body.pt")).expect("a copy");

    let more = ", architecture: {name: cross_stitch}, head: {name: mlp, hidden: [4]}";
    let yaml = experiment(folder.path(), "a.yaml", data, "{name: torchscript, file: body.pt}", more);
    succeed(&["train", text(&yaml), "--out", text(&at("run")), "-q", "--set", "train.epochs=3"]);
    let module = Module::load(&at("run").join("model.pt"), Device::Cpu).expect("a module");
    let body = Module::load(&at("body.pt"), Device::Cpu).expect("a module");
    let parameters: std::collections::BTreeMap<_, _> = module.parameters().into_iter().collect();
    for tower in ["warm_tower", "large_tower"] {
        for (name, before) in body.parameters() {
            let after = &parameters[&format!("{tower}.module.{name}")];
            assert!((after - before).abs().sum(Kind::Float).double_value(&[]) > 0.0, "{tower} {name} did not move");
        }
    }
    // config.yaml stands alone: its path is whole.
    let config = at("run").join("config.yaml");
    assert!(fs::read_to_string(&config).expect("config").contains(text(&at("body.pt"))));
    succeed(&["check", text(&config)]);
    succeed(&["evaluate", text(&at("run")), text(&yaml)]);
}

#[test]
fn a_module_that_refuses_the_rows_is_told_and_no_panic() {
    let folder = tempfile::tempdir().expect("a folder");
    rows(folder.path());
    let source = "def forward(self, input: Tensor) -> Tensor:\n    \
                  assert bool((input == 0).all()), \"only zeros here\"\n    return input\n";
    Script::new("a.Picky", source).save(&folder.path().join("picky.pt"), &[]).expect("saved");
    let data = "inputs: [size, first], standardize: false";
    let yaml = experiment(folder.path(), "picky.yaml", data, "{name: torchscript, file: picky.pt}", "");
    let said = fail(&["check", text(&yaml)]);
    assert!(said.contains("TorchScript") && said.contains("only zeros here"), "{said}");
}
