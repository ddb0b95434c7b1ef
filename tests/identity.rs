//! A run knows its rows, and whatever meets it later checks against them: evaluate, predict, initial, compare, sweeps.

mod common;

use common::{fail, polytask, stderr, succeed, text, write};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;
use tch::{Kind, Tensor};

const REST: &str = "model: {backbone: {name: mlp, hidden: [16]}}\noptimizer: {name: adam, learning_rate: 0.01}\n";

/// Draws the same numbers everywhere: 0 up to, not including, 1.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 40) as f64 / f64::from(1 << 24)
    }
}

/// Rows of a ward that decides `y`, and of `x`, which `z` follows.
fn wards(rows: usize, write: impl Fn(&str, f64, &str, f64) -> String) -> String {
    let mut numbers = Numbers(5);
    (0..rows)
        .map(|_| {
            let (ward, x) = (["north", "south", "east"][(numbers.next() * 3.0) as usize], numbers.next() * 10.0);
            write(ward, x, if ward == "north" { "yes" } else { "no" }, 3.0 * x + 40.0) + "\n"
        })
        .collect()
}

fn summary(run: &Path) -> Value {
    serde_json::from_slice(&fs::read(run.join("summary.json")).expect("summary.json")).expect("json")
}

/// Runs the binary, insists on success; what it said on stderr.
fn told(arguments: &[&str]) -> String {
    let output: Output = polytask().args(arguments).output().expect("the binary starts");
    assert!(output.status.success(), "{arguments:?}: {}", stderr(&output));
    stderr(&output)
}

fn evaluate(model: &Path, yaml: &Path, more: &[&str]) -> Value {
    let said = succeed(&[&["evaluate", text(model), text(yaml), "--json"], more].concat());
    serde_json::from_str(&said).expect("json")
}

#[test]
fn a_model_is_measured_on_rows_that_it_has_not_trained_on_whatever_seed_the_yaml_has() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut numbers = Numbers(1);
    let mut coin = || {
        let x: Vec<String> = (0..12).map(|_| format!("{:.4}", numbers.next())).collect();
        format!("{},{}\n", x.join(","), u8::from(numbers.next() > 0.5))
    };
    let rows: String = (0..200).map(|_| coin()).collect();
    let header: Vec<String> = (0..12).map(|at| format!("x{at}")).collect();
    write(folder.path(), "coins.csv", &format!("{},y\n{rows}", header.join(",")));
    let tasks = "tasks: [{name: y, loss: {name: cross_entropy, classes: 2}, metrics: [accuracy]}]";
    for (name, data) in [
        ("fractions", "{name: csv, file: coins.csv, fractions: {train: 0.5, validation: 0.25, test: 0.25}}"),
        ("cut", "{name: csv, train: {file: coins.csv, fraction: 0.6}, test: {file: coins.csv, fraction: 0.4}}"),
        ("split-seed", "{name: csv, file: coins.csv, fractions: {train: 0.7, test: 0.3}, split_seed: 1}"),
        ("synthetic", "{name: synthetic, train: 100, validation: 50, test: 50, label_noise: 0.5}"),
    ] {
        let yaml = write(
            folder.path(),
            &format!("{name}.yaml"),
            &format!("data: {data}\n{tasks}\n{REST}train: {{epochs: 60}}\n"),
        );
        let run = folder.path().join(name);
        succeed(&["train", text(&yaml), "--seed", "1", "--out", text(&run), "--quiet"]);
        let expected = &summary(&run)["best"]["test"]["y"];
        let found = evaluate(&run, &yaml, &[]);
        assert_eq!(&found["test"]["y"], expected, "{name}: to the last digit");
        let said = told(&["evaluate", text(&run), text(&yaml)]);
        assert_eq!(said.contains("drawn by seed 1, not 0"), name != "split-seed", "{name}: {said}");
        if name != "split-seed" {
            let own = evaluate(&run, &yaml, &["--split", "yaml"]);
            assert_ne!(&own["test"]["y"], expected, "{name}: the experiment's own split");
        }
    }
}

#[test]
fn other_data_is_said_and_measured() {
    let folder = tempfile::tempdir().expect("a folder");
    let rows = |change: f64| wards(90, |ward, x, y, z| format!("{ward},{},{y},{z}", x + change));
    write(folder.path(), "a.csv", &format!("ward,x,y,z\n{}", rows(0.0)));
    write(folder.path(), "b.csv", &format!("ward,x,y,z\n{}", rows(0.5)));
    let yaml = write(folder.path(), "a.yaml", &table("a.csv", "no, yes", "train: {epochs: 30}"));
    let run = folder.path().join("run");
    succeed(&["train", text(&yaml), "--out", text(&run), "--quiet"]);
    let other = write(folder.path(), "b.yaml", &table("b.csv", "no, yes", "train: {epochs: 30}"));
    assert!(!told(&["evaluate", text(&run), text(&yaml)]).contains("other data"));
    assert!(told(&["evaluate", text(&run), text(&other)]).contains("other data"));
    assert!(evaluate(&run, &other, &[])["validation"]["z"]["mae"].as_f64() > Some(0.5));
}

fn table(file: &str, labels: &str, more: &str) -> String {
    format!(
        "data: {{name: csv, train: {file}, validation: {file}, categorical: [ward]}}
tasks:
  - {{name: y, labels: [{labels}], loss: {{name: cross_entropy, classes: 2}}, metrics: [accuracy]}}
  - {{name: z, standardize: true, loss: {{name: mse}}, metrics: [mae]}}
{REST}{more}
"
    )
}

/// A model of wards, and the folder that holds it.
fn trained() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    write(
        folder.path(),
        "a.csv",
        &format!("ward,x,y,z\n{}", wards(120, |ward, x, y, z| format!("{ward},{x},{y},{z}"))),
    );
    let yaml = write(folder.path(), "a.yaml", &table("a.csv", "no, yes", "train: {epochs: 60}"));
    let run = folder.path().join("run");
    succeed(&["train", text(&yaml), "--out", text(&run), "--quiet"]);
    assert_eq!(summary(&run)["best"]["validation"]["y"]["accuracy"], 1.0);
    (folder, run)
}

/// Scores of a run that starts from weights and does not move: `(accuracy of y, mae of z)`.
fn started(folder: &Path, yaml: &str, initial: &str) -> (f64, f64) {
    let yaml = write(folder, "started.yaml", &yaml.replace("learning_rate: 0.01", "learning_rate: 1.0e-12"));
    let out = folder.join(format!("started-{}", fs::read_dir(folder).expect("a folder").count()));
    succeed(&["train", text(&yaml), "--out", text(&out), "--quiet", "--set", &format!("model.initial={initial}")]);
    let scores = &summary(&out)["best"]["validation"];
    (scores["y"]["accuracy"].as_f64().expect("accuracy"), scores["z"]["mae"].as_f64().expect("mae"))
}

#[test]
fn weights_are_taken_over_with_columns_classes_and_statistics_by_name() {
    let (folder, run) = trained();
    let expected = summary(&run)["best"]["validation"]["z"]["mae"].as_f64().expect("mae");
    let moved = wards(120, |ward, x, y, z| format!("{z},{y},{x},{ward}"));
    write(folder.path(), "b.csv", &format!("z,y,x,ward\n{moved}"));
    let plain = table("a.csv", "no, yes", "train: {epochs: 1}").replace("standardize: true", "standardize: false");
    for (what, yaml) in [
        ("the same", table("a.csv", "no, yes", "train: {epochs: 1}")),
        ("columns in another order", table("b.csv", "no, yes", "train: {epochs: 1}")),
        ("classes in another order", table("a.csv", "yes, no", "train: {epochs: 1}")),
        ("labels in their own unit", plain),
    ] {
        for file in ["model.pt", "checkpoints/best.safetensors"] {
            let (accuracy, mae) = started(folder.path(), &yaml, text(&run.join(file)));
            assert_eq!(accuracy, 1.0, "{what}, {file}");
            assert!((mae - expected).abs() < 1e-4 * (1.0 + expected), "{what}, {file}: {mae} for {expected}");
        }
        let path = write(folder.path(), "e.yaml", &yaml);
        assert_eq!(evaluate(&run, &path, &[])["validation"]["y"]["accuracy"], 1.0, "{what}, evaluated");
    }
}

#[test]
fn fine_tuning_a_module_of_ours_goes_by_name_too() {
    let (folder, run) = trained();
    let moved = wards(120, |ward, x, y, z| format!("{z},{y},{x},{ward}"));
    write(folder.path(), "b.csv", &format!("z,y,x,ward\n{moved}"));
    let model = format!("model: {{torchscript: {}}}", run.join("model.pt").display());
    let yaml = table("b.csv", "yes, no", "train: {epochs: 1}")
        .replace("model: {backbone: {name: mlp, hidden: [16]}}", &model)
        .replace("0.01", "1.0e-12");
    let (yaml, out) = (write(folder.path(), "tune.yaml", &yaml), folder.path().join("tuned"));
    succeed(&["train", text(&yaml), "--out", text(&out), "--quiet"]);
    assert_eq!(summary(&out)["best"]["validation"]["y"]["accuracy"], 1.0);
}

/// The first batch that training would read: its input's array and its labels of `task`.
fn first_batch(folder: &Path, yaml: &Path, task: &str, more: &[&str]) -> [Tensor; 2] {
    let file = folder.join("batches.npz");
    succeed(&[&["check", text(yaml), "--batches", text(&file)], more].concat());
    let arrays = Tensor::read_npz(&file).expect("arrays");
    let named = |name: String| arrays.iter().find(|(own, _)| *own == name).expect("an array").1.shallow_clone();
    [named("0/0/inputs/x".into()), named(format!("0/0/labels/{task}"))].map(|array| array.to_kind(Kind::Double))
}

#[test]
fn statistics_are_the_models_unless_the_data_says_refit() {
    let (folder, run) = trained();
    let large = wards(120, |ward, x, y, z| format!("{},{y},{},{ward}", 1e3 * z, 1e3 * x + 5e3));
    write(folder.path(), "large.csv", &format!("z,y,x,ward\n{large}")); // in another order
    let more = "train: {epochs: 1, batch_size: 1000}";
    let model = run.join("model.pt");
    let module = format!("model: {{torchscript: {}}}", model.display());
    let network = "model: {backbone: {name: mlp, hidden: [16]}}";
    let initial = format!("model: {{backbone: {{name: mlp, hidden: [16]}}, initial: {}}}", model.display());
    for labels in ["no, yes", "yes, no"] {
        let of = |file: &str, model: &str, refit: &[&str]| {
            let yaml = write(folder.path(), "tune.yaml", &table(file, labels, more).replace(network, model));
            ["y", "z"].map(|task| {
                let [x, y] = first_batch(folder.path(), &yaml, task, refit);
                (x.mean_dim([0i64].as_slice(), false, Kind::Double), y.mean(Kind::Double).double_value(&[]))
            })
        };
        let known = of("a.csv", network, &[]);
        for model in [&module, &initial] {
            let [(x, classes), (_, z)] = of("large.csv", model, &[]);
            assert!(x.abs().max().double_value(&[]) > 1e3 && z.abs() > 1e2, "{x:?} {z}: the model's own statistics");
            let [(x, anew), (_, z)] = of("large.csv", model, &["--set", "data.refit=true"]);
            let apart = |a: &Tensor, b: &Tensor| (a - b).abs().max().double_value(&[]);
            assert!(apart(&x, &known[0].0) < 1e-5 && (z - known[1].1).abs() < 1e-5, "those of these rows");
            assert!((anew - classes).abs() < 1e-12, "classes keep the model's order: {labels}: {anew} {classes}");
        }
    }
}

#[test]
fn what_cannot_be_matched_is_refused_by_name() {
    let (folder, run) = trained();
    let rows = wards(120, |ward, x, y, z| format!("{ward},{x},1,{y},{z}"));
    write(folder.path(), "more.csv", &format!("ward,x,extra,y,z\n{rows}"));
    write(folder.path(), "other.csv", &format!("ward,u,extra,y,z\n{rows}"));
    for (yaml, parts) in [
        (table("more.csv", "no, yes", "train: {epochs: 1}"), ["\"extra\"", "does not read"]),
        (table("other.csv", "no, yes", "train: {epochs: 1}"), ["\"x\"", "which the model reads"]),
        (table("a.csv", "no, maybe", "train: {epochs: 1}"), ["\"maybe\" has no partner", "labels: [no, yes]"]),
        (
            table("a.csv", "no, yes", "train: {epochs: 1}").replace("name: z,", "name: z, target: x,"),
            ["was trained on z, not x", "call the task otherwise"],
        ),
    ] {
        let yaml = write(folder.path(), "b.yaml", &yaml);
        let set = format!("model.initial={}", run.join("model.pt").display());
        let said = fail(&["train", text(&yaml), "--out", text(&folder.path().join("b")), "--quiet", "--set", &set]);
        parts.iter().for_each(|part| assert!(said.contains(part), "{part} is missing in: {said}"));
    }
}

#[test]
fn a_part_of_a_file_is_taken_under_other_names() {
    let (folder, run) = trained();
    let yaml = table("a.csv", "no, yes", "train: {epochs: 1}");
    let state = folder.path().join("weights.safetensors");
    succeed(&["export", text(&run), "-o", text(&state), "--format", "safetensors"]);
    let own = |bytes: &[u8], rename: &dyn Fn(&str) -> Option<String>| -> Vec<u8> {
        let file = safetensors::SafeTensors::deserialize(bytes).expect("safetensors");
        let views: Vec<_> = file.iter().filter_map(|(name, view)| Some((rename(name)?, view))).collect();
        safetensors::serialize(views, None).expect("bytes")
    };
    let bytes = fs::read(&state).expect("bytes");
    let write_as = |name: &str, rename: &dyn Fn(&str) -> Option<String>| {
        let path = folder.path().join(name);
        fs::write(&path, own(&bytes, rename)).expect("written");
        path
    };
    let prefixed = write_as("module.safetensors", &|name| Some(format!("module.{name}")));
    let renamed = write_as("renamed.safetensors", &|name| Some(name.replace("shared_layers", "net.encoder")));
    let trunk = write_as("trunk.safetensors", &|name| name.starts_with("shared_layers").then(|| name.into()));
    for (file, more) in [(&prefixed, "strip: module."), (&renamed, "rename: {net.encoder: shared_layers}")] {
        let (accuracy, _) = started(folder.path(), &yaml, &format!("{{file: {}, {more}}}", file.display()));
        assert_eq!(accuracy, 1.0, "{more}");
    }
    let expected = summary(&run)["best"]["validation"]["z"]["mae"].as_f64().expect("mae");
    let (_, mae) =
        started(folder.path(), &yaml, &format!("{{file: {}, only: [\"shared_layers.*\"]}}", trunk.display()));
    assert!(mae > 2.0 * expected, "its heads start anew: {mae} for {expected}");
    let path = write(folder.path(), "b.yaml", &yaml);
    for (initial, parts) in [
        (format!("{{file: {}, only: [\"y_layer.*\"]}}", trunk.display()), ["y_layer.weight", "is missing"]),
        (format!("{{file: {}, only: [\"trunk.*\"]}}", trunk.display()), ["only[0]", "matches no parameter"]),
        (format!("{{file: {}, rename: {{nosuch: y_layer}}}}", trunk.display()), ["is nosuch", "model.initial.rename"]),
        (format!("{{file: {}, strip: net.}}", trunk.display()), ["begins with \"net.\"", "its first is shared_layers"]),
        (text(&prefixed).to_string(), ["module.shared_layers", "strip: \"module.\""]),
    ] {
        let set = format!("model.initial={initial}");
        let said = fail(&["train", text(&path), "--out", text(&folder.path().join("b")), "--quiet", "--set", &set]);
        parts.iter().for_each(|part| assert!(said.contains(part), "{part} is missing in: {said}"));
    }
}

#[test]
fn weights_of_classes_go_with_their_names() {
    let (folder, run) = trained();
    let weighted = |labels: &str, weights: &str| {
        let yaml = table("a.csv", labels, "train: {epochs: 1}")
            .replace("classes: 2", &format!("classes: 2, class_weights: {weights}"));
        let path = write(folder.path(), "w.yaml", &yaml);
        let found = evaluate(&run, &path, &[])["validation"]["y"]["loss"].as_f64().expect("a loss");
        let (accuracy, _) = started(folder.path(), &yaml, text(&run.join("model.pt")));
        (found, accuracy)
    };
    let (one, other) = (weighted("no, yes", "[1, 50]"), weighted("yes, no", "[50, 1]"));
    assert_eq!(one, other, "they mean the same");
    let precise = table("a.csv", "yes, no", "train: {epochs: 1}").replace("[accuracy]", "[average_precision]");
    let said = fail(&["evaluate", text(&run), text(&write(folder.path(), "p.yaml", &precise))]);
    assert!(said.contains("labels: [no, yes]") && said.contains("second class"), "{said}");
}

#[test]
fn a_run_goes_on_with_its_own_columns_whatever_the_files_and_initial_weights_have_become() {
    let (folder, trained) = trained();
    let initial = folder.path().join("initial.pt");
    fs::copy(trained.join("model.pt"), &initial).expect("copied");
    let yaml = write(
        folder.path(),
        "b.yaml",
        &table("b.csv", "no, yes", "train: {epochs: 6}").replace("hidden: [16]}", "hidden: [16]}, initial: initial.pt"),
    );
    let rows = |header: &str, row: &dyn Fn(&str, f64, &str, f64) -> String| {
        write(folder.path(), "b.csv", &format!("{header}\n{}", wards(120, row)))
    };
    let (whole, parts) = (folder.path().join("whole"), folder.path().join("parts"));
    rows("ward,x,y,z", &|ward, x, y, z| format!("{ward},{x},{y},{z}"));
    succeed(&["train", text(&yaml), "--out", text(&whole), "--quiet"]);
    succeed(&["train", text(&yaml), "--out", text(&parts), "--quiet", "--set", "train.epochs=3"]);
    rows("z,y,x,ward", &|ward, x, y, z| format!("{z},{y},{x},{ward}"));
    fs::remove_file(&initial).expect("removed");
    succeed(&["train", text(&yaml), "--out", text(&parts), "--quiet", "--resume"]);
    assert_eq!(summary(&whole)["best"], summary(&parts)["best"], "to the last digit");
    assert_eq!(summary(&whole)["data"]["features"], summary(&parts)["data"]["features"]);
}

#[test]
fn rows_that_a_model_was_trained_on_are_told_where_they_are_measured() {
    let folder = tempfile::tempdir().expect("a folder");
    let rows = |more: &str| {
        let rows = wards(100, |ward, x, y, z| format!("{ward},{x},{y},{z}"));
        write(folder.path(), "a.csv", &format!("ward,x,y,z\n{rows}{more}"))
    };
    rows("");
    let yaml = |shares: &str| {
        let yaml = table("", "no, yes", "train: {epochs: 3}")
            .replace("train: , validation: ", &format!("file: a.csv, fractions: {shares}"));
        write(folder.path(), "a.yaml", &yaml)
    };
    let shares = "{train: 0.6, validation: 0.2, test: 0.2}";
    let run = folder.path().join("run");
    succeed(&["train", text(&yaml(shares)), "--seed", "1", "--out", text(&run), "--quiet"]);
    let warned = |shares: &str, more: &[&str]| {
        let yaml = yaml(shares);
        told(&[&["evaluate", text(&run), text(&yaml)], more].concat()).contains("marked training rows of the model")
    };
    assert!(!warned(shares, &[]), "its own split");
    assert!(warned(shares, &["--split", "yaml"]) && warned("{train: 0.2, test: 0.8}", &[]));
    let initial = format!("model.initial={}", run.join("model.pt").display());
    let tuned = |seed: &str, out: &str| {
        let (yaml, out) = (yaml(shares), folder.path().join(out));
        let said = told(&["train", text(&yaml), "--seed", seed, "--out", text(&out), "--quiet", "--set", &initial]);
        said.contains("are among the validation and test rows here")
    };
    assert!(!tuned("1", "same") && tuned("5", "other"));
    rows("east,3.25,no,49.75\n");
    assert!(warned(shares, &[]), "a row more moves all others");
}

#[test]
fn categories_that_no_training_row_holds_are_counted_and_shown() {
    let folder = tempfile::tempdir().expect("a folder");
    let rows = |ward: &dyn Fn(&str) -> String| wards(60, |w, x, y, z| format!("{},{x},{y},{z}", ward(w)));
    write(folder.path(), "train.csv", &format!("ward,x,y,z\n{}", rows(&|ward| ward.into())));
    write(folder.path(), "val.csv", &format!("ward,x,y,z\n{}", rows(&|ward| format!("{ward}.0"))));
    write(folder.path(), "new.csv", &format!("ward,x\n{}", wards(30, |_, x, _, _| format!("west,{x}"))));
    let yaml = table("train.csv", "no, yes", "train: {epochs: 2}").replace("validation: train", "validation: val");
    let yaml = write(folder.path(), "e.yaml", &yaml);
    let run = folder.path().join("run");
    let said = told(&["train", text(&yaml), "--out", text(&run), "--quiet"]);
    for part in ["column \"ward\"", "60 of 60 validation rows (100 %)", "no training row holds", ".0\""] {
        assert!(said.contains(part), "{part} is missing in: {said}");
    }
    let told_of = &summary(&run)["data"]["unseen"]["ward"][0];
    assert_eq!((&told_of["split"], &told_of["rows"], &told_of["of"]), (&"validation".into(), &60.into(), &60.into()));
    assert!(told(&["check", text(&yaml)]).contains("60 of 60 validation rows"));
    assert!(told(&["evaluate", text(&run), text(&yaml)]).contains("60 of 60 validation rows"));
    let out = folder.path().join("out.csv");
    let said = told(&["predict", text(&run), text(&folder.path().join("new.csv")), "-o", text(&out)]);
    assert!(said.contains("30 of 30 input rows") && said.contains("the model has not seen"), "{said}");
    let refused = fail(&["train", text(&yaml), "--out", text(&folder.path().join("b")), "--set", "data.unseen=error"]);
    assert!(refused.contains("60 of 60 validation rows") && refused.contains("unseen: warn"), "{refused}");
}

#[test]
fn columns_that_teach_nothing_or_what_no_other_row_has_are_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut numbers = Numbers(3);
    let rows: String = (0..30).map(|row| format!("{row},7,{:.3},{}\n", numbers.next(), row % 2)).collect();
    let yaml = |header: &str, more: &str| {
        write(folder.path(), "rows.csv", &format!("{header}\n{rows}"));
        let text = format!(
            "data: {{name: csv, train: rows.csv{more}}}\n\
             tasks: [{{name: y, loss: {{name: cross_entropy, classes: 2}}}}]\n{REST}train: {{epochs: 1}}\n"
        );
        write(folder.path(), "a.yaml", &text)
    };
    let said = told(&["check", text(&yaml("id,unit,x,y", ""))]);
    assert!(said.contains("\"id\": counts the rows") && said.contains("\"unit\": holds one number"), "{said}");
    assert!(!said.contains("\"x\""), "{said}");
    let said = fail(&["check", text(&yaml(",unit,x,y", ""))]);
    assert!(said.contains("has no name and counts the rows") && said.contains("exclude: [\"\"]"), "{said}");
    assert!(fail(&["check", text(&yaml("Unnamed: 0,unit,x,y", ""))]).contains("has no name and counts the rows"));
    let listed = succeed(&["check", text(&yaml(",unit,x,y", ", exclude: [\"\"]"))]);
    assert!(listed.contains("unit  numbers    7 to 7") && listed.contains("x     numbers    0."), "{listed}");
    let said = told(&["check", text(&yaml("id,unit,,y", ", exclude: [id]"))]);
    assert!(said.contains("column 2 \"\": has no name"), "{said}");
}

#[test]
fn check_lists_every_input_column() {
    let folder = tempfile::tempdir().expect("a folder");
    write(folder.path(), "rows.csv", "age,ward,y\n31,a,0\n,b,1\n47,a,1\n20,,0\n");
    let yaml = format!(
        "data: {{name: csv, train: rows.csv, categorical: [ward], missing: mean}}\n\
         tasks: [{{name: y, loss: {{name: cross_entropy, classes: 2}}}}]\n{REST}train: {{epochs: 1}}\n"
    );
    let listed = succeed(&["check", text(&write(folder.path(), "a.yaml", &yaml))]);
    assert!(listed.contains("column      age   numbers    20 to 47, 25.0 % missing"), "{listed}");
    assert!(listed.contains("column      ward  categories 3, 25.0 % missing"), "{listed}");
}

/// Trains `arm` with seeds 0 to 2 on `rows.csv`.
fn train_arm(folder: &Path, arm: &str, more: &[&str]) {
    let yaml = folder.join("e.yaml");
    for seed in ["0", "1", "2"] {
        let out = folder.join("runs").join(arm).join(format!("seed{seed}"));
        let method = format!("method={{name: {arm}}}");
        let base = ["train", text(&yaml), "--seed", seed, "--out", text(&out), "--quiet", "--set", &method];
        succeed(&[&base, more].concat());
    }
}

#[test]
fn runs_on_other_rows_are_not_compared_unless_they_are_marked() {
    for data in ["file: rows.csv, fractions: {train: 0.6, test: 0.4}", "train: rows.csv, test: rows.csv"] {
        let folder = tempfile::tempdir().expect("a folder");
        let rows = |more: f64| format!("x,y,z\n{}", wards(80, |_, x, y, z| format!("{x},{y},{}", z + more)));
        write(folder.path(), "rows.csv", &rows(0.0));
        let yaml = table("", "no, yes", "train: {epochs: 2}")
            .replace("train: , validation: , categorical: [ward]", data)
            .replace("standardize: true, ", "");
        write(folder.path(), "e.yaml", &yaml);
        train_arm(folder.path(), "sum", &[]);
        train_arm(folder.path(), "pcgrad", &["--set", "train.epochs=4"]);
        let runs = folder.path().join("runs");
        let said = succeed(&["compare", text(&runs)]);
        assert!(said.contains("Budgets differ: from") && said.contains("rows) of sum"), "{said}");
        write(folder.path(), "rows.csv", &rows(1.0));
        train_arm(folder.path(), "mgda", &[]);
        for command in [&["compare"][..], &["report", "-o", "x.html"], &["plot", "-o", "x"]] {
            let said = fail(&[command, &[text(&runs)]].concat());
            assert!(said.contains("read other rows") && said.contains("--across-data"), "{said}");
        }
        let said = succeed(&["compare", text(&runs), "--across-data"]);
        assert!(said.contains(" §") && said.contains("Compared across data: runs of"), "{said}");
    }
}

#[test]
fn a_sweep_grows_only_on_the_rows_of_its_finished_runs() {
    for data in ["file: rows.csv, fractions: {train: 0.6, validation: 0.4}", "train: rows.csv, validation: rows.csv"] {
        let folder = tempfile::tempdir().expect("a folder");
        let rows = |more: f64| format!("x,y,z\n{}", wards(80, |_, x, y, z| format!("{x},{y},{}", z + more)));
        write(folder.path(), "rows.csv", &rows(0.0));
        let yaml =
            table("", "no, yes", "train: {epochs: 2}").replace("train: , validation: , categorical: [ward]", data);
        write(folder.path(), "e.yaml", &yaml);
        let sweep = write(folder.path(), "grow.yaml", "experiment: e.yaml\ncompare: {method: [sum, mgda]}\nseeds: 2\n");
        let out = folder.path().join("grown");
        let base = ["sweep", text(&sweep), "--out", text(&out), "--quiet"];
        succeed(&base);
        succeed(&[&base[..], &["--set", "seeds=3"]].concat());
        write(folder.path(), "rows.csv", &rows(1.0));
        let said = fail(&[&base[..], &["--set", "seeds=4"]].concat());
        assert!(said.contains("read other rows") && said.contains("--across-data"), "{said}");
        succeed(&[&base[..], &["--set", "seeds=3"]].concat()); // there is nothing to train
        succeed(&[&base[..], &["--set", "seeds=4", "--across-data"]].concat());
        assert!(fail(&["compare", text(&out)]).contains("read other rows"));
        assert!(succeed(&["compare", text(&out), "--across-data"]).contains(" §"));
    }
}

#[test]
fn labels_far_from_zero_are_measured_and_predicted_in_double_precision() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut numbers = Numbers(9);
    let rows: Vec<(f64, f64)> = (0..60).map(|_| (numbers.next(), 1.7e12 + (numbers.next() * 2e6).floor())).collect();
    let text_of: String = rows.iter().map(|(x, t)| format!("{x},{t:.0}\n")).collect();
    let file = write(folder.path(), "rows.csv", &format!("x,time\n{text_of}"));
    let yaml = write(
        folder.path(),
        "a.yaml",
        &format!(
            "data: {{name: csv, train: rows.csv, validation: rows.csv}}\n\
             tasks: [{{name: time, standardize: true, loss: {{name: mse}}, metrics: [mae, r2]}}]\n{REST}train: {{epochs: 3}}\n"
        ),
    );
    let (run, out) = (folder.path().join("run"), folder.path().join("out.csv"));
    succeed(&["train", text(&yaml), "--out", text(&run), "--quiet"]);
    let scores = &summary(&run)["best"]["validation"]["time"];
    // With the labels' own deviation, 1 - r² is the loss itself.
    let (loss, r2) = (scores["loss"].as_f64().expect("loss"), scores["r2"].as_f64().expect("r2"));
    assert!((1.0 - r2 - loss).abs() < 1e-6, "r2 {r2}, loss {loss}");
    succeed(&["predict", text(&run), text(&file), "-o", text(&out)]);
    let told = fs::read_to_string(&out).expect("predictions");
    let told =
        told.lines().skip(1).map(|line| line.split(',').next().expect("a cell").parse::<f64>().expect("a number"));
    let error: f64 = told.zip(&rows).map(|(told, (_, time))| (told - time).abs()).sum::<f64>() / rows.len() as f64;
    let mae = scores["mae"].as_f64().expect("mae");
    // Outputs in single precision leave a ten-millionth of the deviation; a time in single precision is off by 65 thousand.
    assert!((error - mae).abs() < 1.0, "mean error of the predictions {error}, mae {mae}");
}
