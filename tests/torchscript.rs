//! TorchScript made here and by Python: loads, inspects, evaluates, predicts, fine-tunes.

mod common;

use common::{fail, fixture, metrics, run, small, stderr, succeed, tensors, text, write};
use polytask::libtorch::{Module, Script};
use std::fs;
use std::path::{Path, PathBuf};
use tch::{Device, Kind, Tensor};

/// The probe's rows as a csv, and the outputs that PyTorch gave for them.
fn probe(folder: &Path) -> (std::path::PathBuf, Vec<Vec<f64>>) {
    let probe = Tensor::read_safetensors(fixture("probe.safetensors")).expect("the probe");
    let find = |name: &str| {
        let (_, tensor) = probe.iter().find(|(n, _)| n == name).expect("in the probe");
        let (rows, columns) = tensor.size2().expect("a table");
        let numbers = Vec::<f64>::try_from(tensor.to_kind(Kind::Double).reshape([-1])).expect("numbers");
        assert_eq!(numbers.len() as i64, rows * columns);
        numbers.chunks(columns as usize).map(<[f64]>::to_vec).collect::<Vec<_>>()
    };
    let mut rows = (0..10).map(|column| format!("x{column}")).collect::<Vec<_>>().join(",") + "\n";
    for row in find("x") {
        rows += &(row.iter().map(f64::to_string).collect::<Vec<_>>().join(",") + "\n");
    }
    let outputs = find("task1").into_iter().zip(find("task2")).map(|(a, b)| [a, b].concat()).collect();
    (write(folder, "probe.csv", &rows), outputs)
}

/// The columns of a csv by name.
fn column(file: &Path, name: &str) -> Vec<f64> {
    let mut reader = csv::Reader::from_path(file).expect("a csv");
    let at = reader
        .headers()
        .expect("a header")
        .iter()
        .position(|header| header == name)
        .unwrap_or_else(|| panic!("no {name}"));
    reader.records().map(|row| row.expect("a row")[at].parse().expect("a number")).collect()
}

#[test]
fn models_made_by_python_predict_to_1e_6() {
    let folder = tempfile::tempdir().expect("a folder");
    let (rows, expected) = probe(folder.path());
    for model in ["model_scripted.pt", "model_traced.pt"] {
        let out = folder.path().join(format!("{model}.csv"));
        succeed(&["predict", text(&fixture(model)), text(&rows), "-o", text(&out)]);
        for (at, name) in ["output0_0", "output0_1", "output1_0", "output1_1"].iter().enumerate() {
            for (found, expected) in column(&out, name).iter().zip(&expected) {
                assert!((found - expected[at]).abs() <= 1e-6, "{model} {name}: {found} and {}", expected[at]);
            }
        }
        for (found, expected) in column(&out, "output1").iter().zip(&expected) {
            assert_eq!(*found, f64::from(u8::from(expected[3] > expected[2])), "{model}: the decision");
        }
        let said = succeed(&["inspect", text(&fixture(model))]);
        assert!(said.contains("shared_layers.2.weight") && said.contains("[20, 20]"), "{said}");
    }
    let said = succeed(&["inspect", text(&fixture("init_state_dict.pt"))]);
    assert!(said.contains("task2_layer.bias"), "{said}");
    let said = succeed(&["inspect", text(&fixture("init.safetensors"))]);
    assert!(said.contains("task2_layer.bias"), "{said}");
}

const TRAIN: &str = "optimizer: {name: adam, learning_rate: 0.01}\ntrain: {epochs: 3}\n";

#[test]
fn a_model_made_by_python_evaluates_and_fine_tunes() {
    let folder = tempfile::tempdir().expect("a folder");
    for model in ["model_scripted.pt", "model_traced.pt"] {
        let file = fixture(model);
        let scripted = small(TRAIN).replace(
            "{backbone: {name: mlp, hidden: [20, 20], dropout: 0.2}}",
            &format!("{{torchscript: {}}}", file.display()),
        );
        let yaml = write(folder.path(), &format!("{model}.yaml"), &scripted);
        let scores = |model: &Path| -> serde_json::Value {
            serde_json::from_str(&succeed(&["evaluate", text(model), text(&yaml), "--json"])).expect("json")
        };
        let before = scores(&file);
        let out = folder.path().join(format!("{model}-run"));
        succeed(&["train", text(&yaml), "--out", text(&out), "--quiet"]);
        let after = scores(&out.join("model.pt"));
        let loss = |scores: &serde_json::Value| scores["validation"]["total"]["loss"].as_f64().expect("a loss");
        assert!(loss(&after) < loss(&before), "{before} then {after}");
        let summary: serde_json::Value =
            serde_json::from_slice(&fs::read(out.join("summary.json")).expect("summary")).expect("json");
        assert_eq!(summary["best"]["test"], after["test"], "what the run measured is what its model does");
        // The same start as the network built from YAML with these weights, by the same engine.
        let native = small(&format!("engine: autograd\n{TRAIN}"))
            .replace("dropout: 0.2}}", &format!("dropout: 0.0}}, initial: {}}}", file.display()));
        let yaml = write(folder.path(), "native.yaml", &native);
        let other = folder.path().join(format!("{model}-native"));
        succeed(&["train", text(&yaml), "--out", text(&other), "--quiet"]);
        let (one, two) =
            (tensors(&out.join("checkpoints/best.safetensors")), tensors(&other.join("checkpoints/best.safetensors")));
        assert_eq!(one.keys().collect::<Vec<_>>(), two.keys().collect::<Vec<_>>());
        let first =
            |run: &Path| metrics(run).into_iter().take(2).map(|line| line["value"].as_f64()).collect::<Vec<_>>();
        assert_eq!(first(&out), first(&other));
    }
}

#[test]
fn a_run_s_model_gives_the_same_outputs_through_every_door() {
    let folder = tempfile::tempdir().expect("a folder");
    let rows: String = (0..120)
        .map(|row| format!("{},{},{},{}\n", row, (row * 37) % 11, ["no", "yes"][row % 2], f64::from(row as u32) * 1e3))
        .collect();
    write(folder.path(), "rows.csv", &format!("a,b,kind,price\n{rows}"));
    let yaml = write(
        folder.path(),
        "a.yaml",
        "data: {name: csv, file: rows.csv, fractions: {train: 0.6, validation: 0.2, test: 0.2}, inputs: [a, b]}
tasks:
  - {name: kind, labels: [no, yes], loss: {name: cross_entropy, classes: 2}, metrics: [accuracy, auc]}
  - {name: price, standardize: true, loss: {name: mse}, metrics: [mae, r2]}
model: {backbone: {name: mlp, hidden: [16]}}
optimizer: {name: adam, learning_rate: 0.01}
train: {epochs: 60, batch_size: 16}
",
    );
    let out = folder.path().join("run");
    succeed(&["train", text(&yaml), "--out", text(&out), "--quiet"]);
    let summary: serde_json::Value =
        serde_json::from_slice(&fs::read(out.join("summary.json")).expect("summary")).expect("json");
    let evaluated: serde_json::Value =
        serde_json::from_str(&succeed(&["evaluate", text(&out), text(&yaml), "--json"])).expect("json");
    assert_eq!(evaluated, summary["best"]);
    assert!(evaluated["test"]["price"]["r2"].as_f64().expect("r2") > 0.9, "{evaluated}");

    // Tasks find their outputs by name, in any order and alone.
    let tasks = |tasks: &str| {
        let change = format!("tasks={tasks}");
        let said = succeed(&["evaluate", text(&out), text(&yaml), "--json", "--set", &change]);
        serde_json::from_str::<serde_json::Value>(&said).expect("json")["test"].clone()
    };
    let kind = "{name: kind, labels: [no, yes], loss: {name: cross_entropy, classes: 2}, metrics: [accuracy, auc]}";
    let price = "{name: price, standardize: true, loss: {name: mse}, metrics: [mae, r2]}";
    let swapped = tasks(&format!("[{price}, {kind}]"));
    assert_eq!((&swapped["kind"], &swapped["price"]), (&evaluated["test"]["kind"], &evaluated["test"]["price"]));
    assert_eq!(tasks(&format!("[{price}]"))["price"], evaluated["test"]["price"]);
    // A model that goes on with its tasks in another order, or with one of them, still knows which output is which.
    let gone_on = fs::read_to_string(&yaml).expect("yaml");
    let (before, after) = (gone_on.find("tasks:").expect("tasks"), gone_on.find("model:").expect("model"));
    for (name, list) in [("swapped", format!("[{price}, {kind}]")), ("alone", format!("[{price}]"))] {
        let gone_on = format!("{}tasks: {list}\n{}", &gone_on[..before], &gone_on[after..])
            .replace("{backbone: {name: mlp, hidden: [16]}}", "{torchscript: run/model.pt}");
        let tuned = write(folder.path(), &format!("{name}.yaml"), &gone_on);
        let run = folder.path().join(name);
        succeed(&["train", text(&tuned), "--out", text(&run), "--quiet"]);
        let said = succeed(&["evaluate", text(&run), text(&tuned), "--json"]);
        let again: serde_json::Value = serde_json::from_str(&said).expect("json");
        assert!(again["test"]["price"]["r2"].as_f64().expect("r2") > 0.9, "{name}: {again}");
        let file = folder.path().join(format!("{name}.csv"));
        succeed(&["predict", text(&run), text(&folder.path().join("rows.csv")), "-o", text(&file)]);
        let header = fs::read_to_string(&file).expect("predictions");
        assert!(header.starts_with("kind_0,kind_1,kind,price_0,price\n"), "{name}: {header}");
        let found = column(&file, "price");
        let error = found.iter().enumerate().map(|(row, found)| (found - 1e3 * row as f64).abs()).sum::<f64>() / 120.0;
        assert!(error < 6000.0, "{name}: mean error {error}");
    }
    let other = price.replace("{name: price,", "{name: price, target: [price, a],");
    let said = fail(&["evaluate", text(&out), text(&yaml), "--set", &format!("tasks=[{other}]")]);
    assert!(said.contains("price was trained as Real(1)"), "{said}");

    // Predictions are in the label's own unit, and decisions carry the label's own name.
    let predictions = folder.path().join("predictions.csv");
    succeed(&["predict", text(&out), text(&folder.path().join("rows.csv")), "-o", text(&predictions)]);
    let error: f64 = column(&predictions, "price")
        .iter()
        .enumerate()
        .map(|(row, found)| (found - 1e3 * row as f64).abs())
        .sum::<f64>()
        / 120.0;
    assert!(error < 6000.0, "mean error {error}");
    let text_of = fs::read_to_string(&predictions).expect("predictions");
    assert!(text_of.starts_with("kind_0,kind_1,kind,price_0,price\n") && text_of.contains(",yes,"), "{text_of}");
    let probabilities = folder.path().join("probabilities.csv");
    succeed(&[
        "predict",
        text(&out),
        text(&folder.path().join("rows.csv")),
        "-o",
        text(&probabilities),
        "--probabilities",
    ]);
    for (no, yes) in column(&probabilities, "kind_0").iter().zip(column(&probabilities, "kind_1")) {
        assert!((no + yes - 1.0).abs() < 1e-6);
    }

    // Exports hold the same weights, and start another run.
    for (format, name) in [("torchscript", "m.pt"), ("state-dict", "w.pt"), ("safetensors", "w.safetensors")] {
        let file = folder.path().join(name);
        succeed(&["export", text(&out), "-o", text(&file), "--format", format]);
        let loaded = polytask::weights::read(&file).expect("weights");
        let best = tensors(&out.join("checkpoints/best.safetensors"));
        assert_eq!(loaded.len(), best.len(), "{format}");
        for (name, tensor) in loaded {
            let mut bytes = vec![0; tensor.numel() * 4];
            tensor.to_device(Device::Cpu).contiguous().copy_data_u8(&mut bytes, tensor.numel());
            assert!(bytes == best[&name], "{format} {name}");
        }
        let start = write(
            folder.path(),
            "again.yaml",
            &fs::read_to_string(&yaml)
                .expect("yaml")
                .replace("hidden: [16]}", &format!("hidden: [16]}}, initial: {name}")),
        );
        succeed(&["check", text(&start)]);
    }
}

#[test]
fn predictions_go_through_links_and_pipes_and_a_failure_names_the_model() {
    let folder = tempfile::tempdir().expect("a folder");
    let (rows, _) = probe(folder.path());
    let (target, link) = (folder.path().join("target.csv"), folder.path().join("link.csv"));
    fs::write(&target, "old").expect("written");
    std::os::unix::fs::symlink(&target, &link).expect("a link");
    let model = fixture("model_scripted.pt");
    succeed(&["predict", text(&model), text(&rows), "-o", text(&link)]);
    assert!(fs::symlink_metadata(&link).expect("the link").is_symlink());
    let written = fs::read_to_string(&target).expect("predictions");
    let script = format!(
        "{} predict {} {} -o /dev/stdout 2>/dev/null | cat",
        env!("CARGO_BIN_EXE_polytask"),
        text(&model),
        text(&rows)
    );
    let piped = std::process::Command::new("bash").args(["-c", &script]).output().expect("bash");
    assert_eq!(String::from_utf8_lossy(&piped.stdout), written);
}

#[test]
fn outputs_that_do_not_fit_the_tasks_are_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let three = small(TRAIN).replace("model:", "  - {name: task3, loss: {name: cross_entropy, classes: 2}}\nmodel:");
    let yaml = write(folder.path(), "three.yaml", &three);
    let said = fail(&["evaluate", text(&fixture("model_scripted.pt")), text(&yaml)]);
    assert!(said.contains("2 outputs") && said.contains("3 tasks"), "{said}");
    let classes = small(TRAIN).replace("classes: 2}, metrics: [accuracy]}\nmodel", "classes: 5}}\nmodel");
    let yaml = write(folder.path(), "five.yaml", &classes);
    let said = fail(&["evaluate", text(&fixture("model_scripted.pt")), text(&yaml)]);
    assert!(said.contains("task2") && said.contains("[N, 5, …]"), "{said}");
    let rows = write(folder.path(), "rows.csv", "a,b\n1,2\n");
    let out = folder.path().join("out.csv");
    let said = fail(&["predict", text(&fixture("model_scripted.pt")), text(&rows), "-o", text(&out)]);
    assert!(!out.exists() && said.contains("1x2") || said.contains("shapes"), "{said}");
}

/// A module that Python made (tests/fixtures/pytorch/make.py): four numbers in, two outputs of one number.
fn python(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/pytorch").join(name)
}

/// An experiment on rows of four numbers with the tasks a and b and this model; its learning rate moves no weight.
fn two_numbers(folder: &Path, model: &str, more: &str) -> PathBuf {
    let yaml = format!(
        "data: {{name: synthetic, features: 4, train: 64, validation: 32, test: 32}}
tasks:
  - {{name: a, loss: {{name: mse}}}}
  - {{name: b, loss: {{name: mse}}}}
model: {{{model}}}
optimizer: {{name: sgd, learning_rate: 1e-20}}
train: {{epochs: 3, batch_size: 16}}
record: {{tensorboard: false}}
{more}"
    );
    write(folder, "two.yaml", &yaml)
}

fn torchscript(file: &Path) -> String {
    format!("torchscript: {}", file.display())
}

fn backbone(file: &Path) -> String {
    format!("backbone: {{name: torchscript, file: {}}}", file.display())
}

/// Trains, and gives what was said on stderr.
fn said_in_training(yaml: &Path, out: &Path) -> String {
    let output = run(&["train", text(yaml), "--out", text(out), "--quiet"]);
    assert!(output.status.success(), "{}", stderr(&output));
    stderr(&output)
}

/// Every loss that a run recorded, with its place.
fn losses(run: &Path) -> Vec<(String, f64)> {
    let loss = |line: serde_json::Value| {
        let place = ["step", "split", "task"].map(|key| line[key].to_string().replace('"', "")).join(" ");
        let value = line["value"].as_f64().filter(|_| line["metric"] == "loss")?;
        Some((place, value))
    };
    metrics(run).into_iter().filter_map(loss).collect()
}

#[test]
fn a_module_that_writes_into_its_input_changes_no_row_of_the_data() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    for (name, method) in [("sum", "{name: sum}"), ("famo", "{name: famo}")] {
        let runs = ["inplace.pt", "not_inplace.pt"].map(|file| {
            let yaml = two_numbers(folder.path(), &torchscript(&python(file)), &format!("method: {method}\n"));
            let out = at(&format!("{name}-{file}"));
            succeed(&["train", text(&yaml), "--out", text(&out), "--quiet"]);
            losses(&out)
        });
        assert!(runs[0].len() > 10, "{:?}", runs[0]);
        assert_eq!(runs[0], runs[1], "{name}");
    }

    // As a backbone it is run twice on one input here: in training, and in the model that is exported.
    let double = "def forward(self, input: Tensor) -> Tensor:\n    input.mul_(2.0)\n    return input * 1.0\n";
    Script::new("a.Double", double).save(&at("double.pt"), &[]).expect("saved");
    let model = format!("{}, architecture: {{name: cross_stitch}}", backbone(&at("double.pt")));
    let yaml = two_numbers(folder.path(), &model, "");
    succeed(&["train", text(&yaml), "--out", text(&at("towers")), "--quiet"]);
    let losses = losses(&at("towers"));
    let validation = losses.iter().filter(|(place, _)| place.ends_with(" validation a")).collect::<Vec<_>>();
    assert!(validation.len() == 3 && validation.iter().all(|loss| loss.1 == validation[0].1), "{losses:?}");
    let summary: serde_json::Value =
        serde_json::from_slice(&fs::read(at("towers").join("summary.json")).expect("summary")).expect("json");
    let evaluated = succeed(&["evaluate", text(&at("towers")), text(&yaml), "--json"]);
    let evaluated: serde_json::Value = serde_json::from_str(&evaluated).expect("json");
    let loss = |scores: &serde_json::Value| scores["test"]["b"]["loss"].as_f64().expect("a loss");
    assert!((loss(&evaluated) - loss(&summary["best"])).abs() < 1e-6, "{evaluated} and {summary}");
}

#[test]
fn a_module_that_evaluates_the_same_rows_differently_is_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    let warns = |said: &str| said.contains("warning: ") && said.contains("evaluating the same rows twice");
    for (file, random) in [("traced_dropping.pt", true), ("dropping.pt", false)] {
        let yaml = two_numbers(folder.path(), &torchscript(&python(file)), "");
        let said = said_in_training(&yaml, &at(file));
        assert_eq!(warns(&said), random, "{file}: {said}");
        assert_eq!(said.contains("hint: ") && said.contains(file), random, "{said}");
        let said = stderr(&run(&["evaluate", text(&python(file)), text(&yaml)]));
        assert_eq!(warns(&said), random, "{file}: {said}");
    }
    for (mode, random) in [("True", true), ("self.training", false)] {
        let source =
            format!("def forward(self, input: Tensor) -> Tensor:\n    return torch.dropout(input, 0.3, {mode})\n");
        let file = at(&format!("{mode}.pt"));
        Script::new("a.Dropping", source).save(&file, &[]).expect("saved");
        let said = said_in_training(&two_numbers(folder.path(), &backbone(&file), ""), &at(mode));
        assert_eq!(warns(&said), random, "{mode}: {said}");
    }
}

#[test]
fn a_task_whose_output_reaches_no_parameter_is_refused_or_where_some_are_frozen_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    let model = torchscript(&python("detached.pt"));
    let yaml = two_numbers(folder.path(), &model, "");
    for command in [vec!["check", text(&yaml)], vec!["train", text(&yaml), "--out", text(&at("refused"))]] {
        let said = fail(&command);
        assert!(said.contains("model.torchscript") && said.contains("detached.pt for a reaches no learned"), "{said}");
        assert!(said.contains("hint: take detach()"), "{said}");
    }
    let yaml = two_numbers(folder.path(), &format!("{model}, freeze: [b.bias]"), "");
    let said = said_in_training(&yaml, &at("measured"));
    assert!(said.contains("warning: a reaches no parameter") && !said.contains("warning: b"), "{said}");
    // Whatever is frozen, a run of which no task learns is no run.
    let frozen = "def forward(self, input: Tensor) -> Tuple[Tensor, Tensor]:\n    \
                  z = torch.linear(input, self.used, None)\n    return (z, z)\n";
    let tensor = |rows| Tensor::ones([rows, 4], (Kind::Float, Device::Cpu));
    let frozen = Script::new("a.Frozen", frozen).parameter("used", &tensor(1)).parameter("unused", &tensor(2));
    frozen.save(&at("frozen.pt"), &[]).expect("saved");
    let model = format!("{}, freeze: [used]", torchscript(&at("frozen.pt")));
    let said = fail(&["check", text(&two_numbers(folder.path(), &model, ""))]);
    assert!(said.contains("for a reaches no learned parameter") && said.contains("unfrozen"), "{said}");
    // An output that is a bias alone is learned.
    let constant = "def forward(self, input: Tensor) -> Tuple[Tensor, Tensor]:\n    \
                    return (self.bias.expand([input.size(0), 1]), torch.linear(input, self.weight, None))\n";
    let bias = Tensor::zeros([1], (Kind::Float, Device::Cpu));
    let constant = Script::new("a.Constant", constant).parameter("bias", &bias).parameter("weight", &tensor(1));
    constant.save(&at("constant.pt"), &[]).expect("saved");
    let yaml = two_numbers(folder.path(), &torchscript(&at("constant.pt")), "");
    let said = said_in_training(&yaml, &at("constant"));
    assert!(!said.contains("warning"), "{said}");
}

#[test]
fn state_that_no_checkpoint_would_hold_is_refused_in_training_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    let yaml = two_numbers(folder.path(), &torchscript(&python("stateful.pt")), "");
    let said = fail(&["train", text(&yaml), "--out", text(&at("stateful")), "--quiet"]);
    assert!(said.contains("model.torchscript") && said.contains("two.yaml:5"), "{said}");
    for name in ["body.calls", "seen", "last"] {
        assert!(said.contains(name), "{name}: {said}");
    }
    assert!(!said.contains("names") && !said.contains("scale") && said.contains("register_buffer"), "{said}");
    let file = text(&python("stateful.pt")).to_string();
    succeed(&["evaluate", &file, text(&yaml)]);
    let rows = write(folder.path(), "rows.csv", "p,q,r,s\n1,2,3,4\n");
    succeed(&["predict", &file, text(&rows), "-o", text(&at("predictions.csv"))]);

    let yaml = two_numbers(folder.path(), &backbone(&python("counter.pt")), "");
    let said = fail(&["check", text(&yaml)]);
    assert!(said.contains("model.backbone.file") && said.contains("(calls)"), "{said}");
    let yaml = two_numbers(folder.path(), &torchscript(&python("replaced.pt")), "");
    let said = fail(&["check", text(&yaml)]);
    assert!(said.contains("in the place of mean") && said.contains("self.mean.copy_"), "{said}");

    // Buffers that are written in place are in the checkpoint: an interrupted run goes on as if it had not been.
    let more = "evaluate: {every: 1 steps}\n";
    let yaml = two_numbers(folder.path(), &torchscript(&python("buffered.pt")), more);
    let options = ["--set", "optimizer.learning_rate=0.01"];
    let train = |out: &Path, epochs: &str, resume: &[&str]| {
        let mut arguments = vec!["train", text(&yaml), "--out", text(out), "--quiet", "--set", epochs];
        arguments.extend(options.iter().chain(resume));
        succeed(&arguments);
    };
    train(&at("whole"), "train.epochs=4", &[]);
    train(&at("parts"), "train.epochs=2", &[]);
    train(&at("parts"), "train.epochs=4", &["--resume"]);
    let last = |run: &str| tensors(&at(run).join("checkpoints/last.safetensors"));
    assert_eq!(last("whole")["model.mean"], last("parts")["model.mean"]);
    assert_eq!(last("whole")["model.a.weight"], last("parts")["model.a.weight"]);
    let passes = &last("whole")["model.passes"];
    assert_eq!(passes[..], 16i64.to_le_bytes(), "a pass for each step of four epochs, and none for trials");
}

/// A folder with `before.npy`, `after.npy` `[40, 2]` and `y.npy` `[40]` =
/// `after · (1, 2) - before · (3, 1)`.
fn pairs() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let wave = |phase: f64| {
        let places = Tensor::arange(80, (Kind::Float, Device::Cpu));
        ((&places * &places * 0.37 + phase).sin() * 2.0).view([40, 2]) // [N, 2]
    };
    let (before, after) = (wave(0.4), wave(2.0));
    let y = after.matmul(&Tensor::from_slice(&[1f32, 2.0])) - before.matmul(&Tensor::from_slice(&[3f32, 1.0]));
    for (name, tensor) in [("before", &before), ("after", &after), ("y", &y)] {
        tensor.write_npy(folder.path().join(format!("{name}.npy"))).expect("written");
    }
    folder
}

const SIGNS: &str = "torch.matmul(after, self.a) - torch.matmul(before, self.b)";

/// A module of these arguments that gives `expression`; its weights fit the rows of [`pairs`] but
/// for `off`.
fn pair_module(path: &Path, arguments: &str, expression: &str, off: f32, extra: &[(&str, &str)]) {
    let source = format!("def forward(self, {arguments}) -> Tensor:\n    return {expression}\n");
    let weight = |numbers: &[f32]| Tensor::from_slice(numbers) + f64::from(off);
    let module = Script::new("a.Pair", source);
    let module = module.parameter("a", &weight(&[1.0, 2.0])).parameter("b", &weight(&[3.0, 1.0]));
    module.save(path, extra).expect("written");
}

fn pair_yaml(folder: &Path, inputs: &str, model: &str) -> PathBuf {
    let rows = format!("{{inputs: {inputs}, labels: {{y: y.npy}}}}");
    let text = format!(
        "data: {{name: arrays, train: {rows}, test: {rows}}}
tasks: [{{name: y, loss: {{name: mse}}, metrics: [r2]}}]
model: {model}
optimizer: {{name: sgd, learning_rate: 0.05}}
train: {{epochs: 60, batch_size: 40}}
"
    );
    write(folder, "pair.yaml", &text)
}

const BOTH: &str = "{before: before.npy, after: after.npy}";

fn measured(model: &Path, yaml: &Path) -> f64 {
    let said = succeed(&["evaluate", text(model), text(yaml), "--json"]);
    let scores: serde_json::Value = serde_json::from_str(&said).expect("json");
    scores["test"]["y"]["loss"].as_f64().expect("a loss")
}

#[test]
fn inputs_go_to_the_arguments_of_their_names() {
    let folder = pairs();
    let model = folder.path().join("m.pt");
    let optional = SIGNS.replace("(after", "((before if after is None else after)");
    for (arguments, expression) in [
        ("before: Tensor, after: Tensor", SIGNS),
        ("after: Tensor, before: Tensor", SIGNS),
        ("before: Tensor, gain: float=1.0, after: Optional[Tensor]=None", &optional),
    ] {
        pair_module(&model, arguments, expression, 0.0, &[]);
        for inputs in [BOTH, "{after: after.npy, before: before.npy}"] {
            let yaml = pair_yaml(folder.path(), inputs, "{torchscript: m.pt}");
            assert!(measured(&model, &yaml) < 1e-9, "{arguments} and {inputs}");
        }
    }
}

/// What is trained here is called in Python, where the arguments stand in the order of `forward`.
#[test]
fn a_module_trained_on_named_inputs_is_right_in_the_order_of_its_arguments() {
    let folder = pairs();
    let read = |name: &str| Tensor::read_npy(folder.path().join(name)).expect("an array");
    let (before, after) = (|| read("before.npy"), || read("after.npy"));
    let model = folder.path().join("m.pt");
    for (at, (arguments, rows)) in
        [("before: Tensor, after: Tensor", [before(), after()]), ("after: Tensor, before: Tensor", [after(), before()])]
            .into_iter()
            .enumerate()
    {
        pair_module(&model, arguments, SIGNS, 0.5, &[]);
        let yaml = pair_yaml(folder.path(), BOTH, "{torchscript: m.pt}");
        assert!(measured(&model, &yaml) > 0.1);
        let out = folder.path().join(format!("run{at}"));
        succeed(&["train", text(&yaml), "--out", text(&out), "--quiet"]);
        assert!(measured(&out.join("model.pt"), &yaml) < 1e-3, "{arguments}");
        let module = Module::load(&out.join("model.pt"), Device::Cpu).expect("a module");
        let apart = module.forward(&rows).expect("outputs").tensors.swap_remove(0) - read("y.npy");
        assert!(apart.square().mean(Kind::Float).double_value(&[]) < 1e-3, "{arguments}");
    }
}

#[test]
fn inputs_of_other_names_than_the_arguments_are_refused() {
    let folder = pairs();
    let model = folder.path().join("m.pt");
    pair_module(&model, "before: Tensor, after: Tensor", SIGNS, 0.0, &[]);
    for (inputs, listed) in [
        ("{old: before.npy, new: after.npy}", "new, old"),
        ("{before: before.npy, x: after.npy}", "before, x"),
        ("before.npy", "x"),
    ] {
        let yaml = pair_yaml(folder.path(), inputs, "{torchscript: m.pt}");
        for command in [&["evaluate", text(&model), text(&yaml)][..], &["check", text(&yaml)]] {
            let said = fail(command);
            let expected = format!("m.pt: its forward reads (before, after); the data has the inputs {listed}");
            assert!(said.contains(&expected) && said.contains("the names of its arguments"), "{said}");
        }
    }
    // A single input needs no name.
    pair_module(&model, "rows: Tensor", "torch.matmul(rows, self.a)", 0.0, &[]);
    succeed(&["evaluate", text(&model), text(&pair_yaml(folder.path(), "before.npy", "{torchscript: m.pt}"))]);
    // A backbone reads one.
    let said = fail(&["check", text(&pair_yaml(folder.path(), BOTH, "{backbone: {name: mlp, hidden: [2]}}"))]);
    assert!(said.contains("mlp reads one input, and the data has after, before"), "{said}");
}

#[test]
fn a_module_of_version_0_1_takes_its_inputs_in_the_order_of_their_names() {
    let folder = pairs();
    let model = folder.path().join("m.pt");
    let tasks = r#"[{"name": "y", "form": {"real": 1}}]"#;
    let first = format!(
        r#"{{"polytask": "0.1.0", "config": "", "outputs": ["y"], "features": {{"columns": []}}, "tasks": {tasks}}}"#
    );
    let swapped = SIGNS.replace("after", "first").replace("before", "after").replace("first", "before");
    pair_module(&model, "before: Tensor, after: Tensor", &swapped, 0.0, &[("polytask.json", &first)]);
    let yaml = pair_yaml(folder.path(), BOTH, "{torchscript: m.pt}");
    assert!(measured(&model, &yaml) < 1e-9);
    let out = folder.path().join("run");
    succeed(&["train", text(&yaml), "--out", text(&out), "--quiet"]);
    assert!(measured(&out.join("model.pt"), &yaml) < 1e-9, "and what is trained from it remembers it");
}
