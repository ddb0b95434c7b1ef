//! A trained model on rows without labels: from every source, prepared as in training, or a refusal
//! that says why.

mod common;

use common::{fail, fixture, stderr, succeed, text, write};
use polytask::data::Request;
use polytask::environment;
use polytask::error::report;
use polytask::experiment;
use polytask::libtorch::{Inputs, Module, Script};
use polytask::metadata;
use polytask::predict::{GivenRows, predict};
use polytask::tensor_file::write_plain;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use tch::{Device, Kind, Tensor};

/// Whole numbers from 0 to 250 in rows of a shape, in no order.
fn bytes(shape: &[i64]) -> Tensor {
    let i = Tensor::arange(shape.iter().product::<i64>(), (Kind::Int64, Device::Cpu));
    (&i * &i * 7 + i * 13).remainder(251).view(shape).to_kind(Kind::Uint8)
}

fn floats(shape: &[i64]) -> Tensor {
    bytes(shape).to_kind(Kind::Float) / 50.0 - 2.0
}

fn classes(shape: &[i64], count: i64) -> Tensor {
    bytes(shape).to_kind(Kind::Int64).remainder(count)
}

/// Writes an array, in the format that the name says.
fn save(folder: &Path, name: &str, array: &Tensor) -> PathBuf {
    let path = folder.join(name);
    match path.extension().and_then(|it| it.to_str()) {
        Some("npy") => array.write_npy(&path).expect("written"),
        Some("npz") => Tensor::write_npz(&[("a", &array.zeros_like()), ("b", array)], &path).expect("written"),
        _ => write_plain(&path, &[("a".into(), array.shallow_clone())]).expect("written"),
    }
    path
}

/// The rows of an array in a folder of numbered files, the first called 8.
fn save_folder(folder: &Path, name: &str, array: &Tensor) -> PathBuf {
    let path = folder.join(name);
    fs::create_dir(&path).expect("a folder");
    for row in 0..array.size()[0] {
        array.get(row).write_npy(path.join(format!("{}.npy", row + 8))).expect("written");
    }
    path
}

/// An experiment on data of a source, trained for two steps.
fn experiment_on(folder: &Path, name: &str, data: &str, tasks: &str, model: &str) -> PathBuf {
    let yaml = format!(
        "data: {{{data}}}
tasks: [{tasks}]
model: {model}
optimizer: {{name: adam, learning_rate: 0.05}}
train: {{steps: 2, batch_size: 4, shuffle: false}}
record: {{tensorboard: false}}
"
    );
    write(folder, &format!("{name}.yaml"), &yaml)
}

fn trained(yaml: &Path) -> PathBuf {
    let out = yaml.with_extension("run");
    succeed(&["train", text(yaml), "--out", text(&out), "--quiet"]);
    out
}

const Y: &str = "{name: y, loss: {name: cross_entropy, classes: 3}, metrics: [accuracy]}";
const MLP: &str = "{backbone: {name: mlp, hidden: [4]}}";
const CONV: &str = "{backbone: {name: conv, channels: [4]}}";

/// A run on the arrays `x` and `y`, whose `data` has `more` keys.
fn array_run(folder: &Path, x: &Tensor, more: &str, model: &str) -> (PathBuf, PathBuf) {
    save(folder, "x.safetensors", x);
    save(folder, "y.safetensors", &classes(&[x.size()[0]], 3));
    let rows = "{inputs: x.safetensors, labels: {y: y.safetensors}}";
    let data = format!("name: arrays, train: {rows}, test: {rows}{more}");
    let yaml = experiment_on(folder, "arrays", &data, Y, model);
    let run = trained(&yaml);
    (yaml, run)
}

/// Predicts as the binary does, but for its start.
fn predict_into(out: &Path, model: &Path, inputs: &[&str], probabilities: bool) -> anyhow::Result<i64> {
    environment::prepare(1, Device::Cpu);
    let model = if model.is_dir() { model.join("model.pt") } else { model.to_path_buf() };
    let given: Vec<GivenRows> = inputs.iter().map(|input| GivenRows::new(input.as_ref())).collect();
    predict(&model, &given, out, Device::Cpu, probabilities)
}

/// Predicts into `FILE.npz` and reads its arrays.
fn predicted(model: &Path, inputs: &[&str], probabilities: bool) -> Vec<(String, Tensor)> {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("out.npz");
    predict_into(&out, model, inputs, probabilities).unwrap_or_else(|error| panic!("{inputs:?}: {}", report(&error)));
    assert_eq!(fs::read_dir(&folder).expect("a folder").count(), 1, "the file alone");
    Tensor::read_npz(&out).expect("arrays")
}

fn array<'a>(arrays: &'a [(String, Tensor)], name: &str) -> &'a Tensor {
    let found = arrays.iter().find(|(other, _)| other == name || *other == format!("{name}.npy"));
    &found.unwrap_or_else(|| panic!("no {name} among {:?}", arrays.iter().map(|it| &it.0).collect::<Vec<_>>())).1
}

/// What predicting says when it is refused; it leaves no file.
fn refused(model: &Path, inputs: &[&str], out: &str) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    let refusal = predict_into(&folder.path().join(out), model, inputs, false);
    let said = report(&refusal.expect_err("a refusal"));
    assert_eq!(fs::read_dir(&folder).expect("a folder").count(), 0, "no file is left");
    assert!(said.contains("hint: "), "{said}");
    said
}

/// What the model gives for the training rows, read by the experiment's own source.
fn from_source(yaml: &Path, run: &Path) -> Vec<Tensor> {
    let document = experiment::read_file(yaml, &[]).expect("an experiment");
    let (experiment, folder) = (&document.settings, yaml.parent().expect("a folder"));
    let tasks = experiment.tasks().expect("tasks");
    let request = Request::new(&tasks, experiment.seed, experiment.precision.kind(), folder);
    let dataset = experiment.data.load(&Request { reader: experiment.reader(), ..request }).expect("rows");
    let group = dataset.preparation().apply(dataset.train[0].narrow(0, dataset.train[0].rows()));
    let file = run.join("model.pt");
    environment::prepare(1, Device::Cpu);
    let module = Module::load(&file, Device::Cpu).expect("a module");
    let facts =
        metadata::Metadata::parse(&module.extra(metadata::FILE).expect("facts"), "model.pt").expect("facts").facts;
    let outputs = tch::no_grad(|| Inputs::new(&module, &file, facts.input_order()).forward(&module, &group.inputs));
    outputs.expect("outputs").tensors
}

/// The training rows, given as `inputs`, come out as evaluation sees them, to the last bit.
fn equals_its_source(yaml: &Path, run: &Path, inputs: &[&str]) {
    let found = predicted(run, inputs, false);
    let expected = from_source(yaml, run);
    let found = array(&found, "y");
    assert!(found.kind() == expected[0].kind() && *found == expected[0], "{inputs:?}: {found:?}");
}

#[test]
fn a_table_of_as_many_columns_as_the_model_of_arrays_reads_is_taken_in_file_order() {
    let folder = tempfile::tempdir().expect("a folder");
    let x = floats(&[30, 64]);
    let (_, run) = array_run(folder.path(), &x, ", standardize: [x]", MLP);
    let rows = Vec::<Vec<f32>>::try_from(&x).expect("numbers");
    let line = |cells: Vec<String>| cells.join(",") + "\n";
    let table = |columns: usize| {
        let header = line((0..columns).map(|column| format!("f{column}")).collect());
        let rows = rows.iter().map(|row| line(row[..columns].iter().map(f32::to_string).collect()));
        write(folder.path(), "x.csv", &(header + &rows.collect::<String>()))
    };
    let (csv, out) = (table(64), folder.path().join("out.csv"));
    let output = common::run(&["predict", text(&run), text(&csv), "-o", text(&out)]);
    let said = stderr(&output);
    assert!(output.status.success() && said.contains("taken in the order of the file"), "{said}");
    assert_eq!(fs::read_to_string(&out).expect("rows").lines().count(), 31);
    let npy = save(folder.path(), "x.npy", &x);
    let (a, b) = (predicted(&run, &[text(&csv)], false), predicted(&run, &[text(&npy)], false));
    // Decimals of a cell are read in double precision.
    assert!((array(&a, "y") - array(&b, "y")).abs().max().double_value(&[]) < 1e-5);
    let said = refused(&run, &[text(&table(63))], "out.csv");
    assert!(said.contains("x.csv: has 63 columns, and the model, trained on `arrays`, reads rows of 64"), "{said}");
    assert!(said.contains("hint: give 64 in the order of training"), "{said}");
}

#[test]
fn arrays_of_every_form_give_what_evaluation_measures() {
    let folder = tempfile::tempdir().expect("a folder");
    let x = floats(&[20, 5]);
    let (yaml, run) = array_run(folder.path(), &x, ", standardize: [x]", MLP);
    save(folder.path(), "rows.npz", &x);
    let forms = [
        text(&save(folder.path(), "rows.npy", &x)).to_string(),
        format!("{}:b", folder.path().join("rows.npz").display()),
        format!("{}:a", folder.path().join("x.safetensors").display()),
        text(&folder.path().join("x.safetensors")).to_string(),
        text(&save_folder(folder.path(), "rows", &x)).to_string(),
        format!("x={}", folder.path().join("rows.npy").display()),
        text(&save(folder.path(), "double.npy", &x.to_kind(Kind::Double))).to_string(),
    ];
    forms.iter().for_each(|form| equals_its_source(&yaml, &run, &[form]));

    // The decisions are those that evaluation counts.
    let scores: Value = serde_json::from_str(&succeed(&["evaluate", text(&run), text(&yaml), "--json"])).expect("json");
    let found = predicted(&run, &[&forms[0]], false);
    let right = array(&found, "y.decision").eq_tensor(&classes(&[20], 3)).to_kind(Kind::Double).mean(Kind::Double);
    let accuracy = scores["test"]["y"]["accuracy"].as_f64().expect("accuracy");
    assert!((right.double_value(&[]) - accuracy).abs() < 1e-12, "{right:?} {accuracy}");
    assert_eq!(array(&found, "y.decision").kind(), Kind::Int64);

    // So are those of a table, which writes the same scores.
    let out = folder.path().join("out.tsv");
    succeed(&["predict", text(&run), &forms[0], "-o", text(&out)]);
    let written = fs::read_to_string(&out).expect("rows");
    assert!(written.starts_with("y_0\ty_1\ty_2\ty\n"), "{written}");
    for (line, row) in written.lines().skip(1).zip(0..) {
        let cells: Vec<f64> = line.split('\t').map(|cell| cell.parse().expect("a number")).collect();
        let own = |class: i64| array(&found, "y").double_value(&[row, class]);
        assert_eq!(cells, [own(0), own(1), own(2), array(&found, "y.decision").double_value(&[row])]);
    }
    // What exists as a path is one, whatever stands before a `=` in it.
    fs::copy(folder.path().join("rows.npz"), folder.path().join("x2=1.npz")).expect("copied");
    let mut command = common::polytask();
    let output = command.current_dir(&folder).args(["predict", text(&run), "x2=1.npz:b", "-o", "again.npz"]).output();
    let output = output.expect("the binary starts");
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(array(&Tensor::read_npz(folder.path().join("again.npz")).expect("arrays"), "y"), array(&found, "y"));
    let said = refused(&run, &[&forms[1].replace(":b", "")], "out.csv");
    assert!(said.contains("rows.npz: holds 2 arrays") && said.contains("rows.npz:KEY"), "{said}");
}

#[test]
fn bytes_are_an_image_or_ids_as_they_were_in_training() {
    let folder = tempfile::tempdir().expect("a folder");
    let place = |name: &str| {
        let place = folder.path().join(name);
        fs::create_dir(&place).expect("a folder");
        place
    };
    let (grey, last, ids) = (place("grey"), place("last"), place("ids"));
    let (yaml, run) = array_run(&grey, &bytes(&[12, 6, 5]), "", CONV);
    equals_its_source(&yaml, &run, &[text(&grey.join("x.safetensors"))]);
    let channel = save(&grey, "channel.npy", &bytes(&[12, 6, 5]).unsqueeze(1));
    equals_its_source(&yaml, &run, &[text(&channel)]);
    let divided = save(&grey, "divided.npy", &(bytes(&[12, 6, 5]).to_kind(Kind::Float) / 255.0));
    equals_its_source(&yaml, &run, &[text(&divided)]);

    // Standardized, and stored with its channels behind or in front: the model's shape tells.
    let x = bytes(&[12, 7, 6, 3]);
    let (yaml, run) = array_run(&last, &x, ", standardize: true", CONV);
    equals_its_source(&yaml, &run, &[text(&last.join("x.safetensors"))]);
    let first = save(&last, "first.npy", &x.permute([0, 3, 1, 2]).contiguous());
    equals_its_source(&yaml, &run, &[text(&first)]);
    equals_its_source(&yaml, &run, &[text(&save_folder(&last, "rows", &x))]);
    // Both readings fit: the settings decide.
    let cube = place("cube");
    let (yaml, run) = array_run(&cube, &bytes(&[12, 4, 4, 4]), ", channels: last", CONV);
    equals_its_source(&yaml, &run, &[text(&cube.join("x.safetensors"))]);

    let tokens = "{backbone: {name: transformer, width: 8, heads: 2, layers: 1, dropout: 0, vocabulary: 251}}";
    let (yaml, run) = array_run(&ids, &bytes(&[12, 5]), "", tokens);
    equals_its_source(&yaml, &run, &[text(&ids.join("x.safetensors"))]);
    let whole = save(&ids, "whole.npy", &bytes(&[12, 5]).to_kind(Kind::Float));
    equals_its_source(&yaml, &run, &[text(&whole)]);
    let cells = Vec::<Vec<i64>>::try_from(&bytes(&[12, 5]).to_kind(Kind::Int64)).expect("numbers");
    let line = |row: &Vec<i64>| row.iter().map(i64::to_string).collect::<Vec<_>>().join(",") + "\n";
    let csv = write(&ids, "ids.csv", &("a,b,c,d,e\n".to_string() + &cells.iter().map(line).collect::<String>()));
    equals_its_source(&yaml, &run, &[text(&csv)]);
    let broken = save(&ids, "broken.npy", &(bytes(&[12, 5]).to_kind(Kind::Float) + 0.5));
    let said = refused(&run, &[text(&broken)], "out.csv");
    assert!(said.contains("broken.npy, row 1") && said.contains("is not an id") && said.contains("whole"), "{said}");
}

#[test]
fn rows_that_do_not_fit_are_refused_with_what_is_needed() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str, array: &Tensor| text(&save(folder.path(), name, array)).to_string();
    let (_, run) = array_run(folder.path(), &bytes(&[8, 6, 5, 3]), "", CONV);
    let infinite = floats(&[8, 3, 6, 5]) / floats(&[8, 3, 6, 5]).clamp(0.0, 1.0);
    fs::create_dir(folder.path().join("empty")).expect("a folder");
    let csv = text(&write(folder.path(), "rows.csv", "a,b\n1,2\n")).to_string();
    for (input, parts) in [
        (
            at("wide.npy", &bytes(&[8, 6, 6, 3])),
            &["wide.npy: has shape [8, 6, 6, 3]", "[N, 3, 6, 5] or [N, 6, 5, 3]"][..],
        ),
        (at("flat.npy", &bytes(&[8, 90])), &["flat.npy: has shape [8, 90]", "hint: give rows of the shape"]),
        (at("row.npy", &bytes(&[3, 6, 5])), &["row.npy: has shape [3, 6, 5]", "x[None]"]),
        (at("last.npy", &bytes(&[6, 5, 3])), &["last.npy: has shape [6, 5, 3]", "x[None]"]),
        (at("infinite.npy", &infinite), &["infinite.npy, row 1: holds a number that is not finite"]),
        (csv, &["rows.csv: is a table", "trained on `arrays`", "[3, 6, 5]", "FILE.npy"]),
        (text(&folder.path().join("empty")).into(), &["empty: holds no .npy file"]),
        (text(&folder.path().join("infinit.npy")).into(), &["there is no such file", "did you mean", "infinite.npy"]),
        (format!("image={}", at("x.npy", &bytes(&[8, 6, 5, 3]))), &["has no input \"image\"", "it reads x"]),
    ] {
        let said = refused(&run, &[&input], "out.csv");
        assert!(parts.iter().all(|part| said.contains(part)), "{input}: {said}");
    }
    // What a model reads as numbers has a scale that bytes of a picture need not have.
    let numbers = folder.path().join("numbers");
    fs::create_dir(&numbers).expect("a folder");
    let (_, of_numbers) = array_run(&numbers, &floats(&[8, 3, 6, 5]), "", MLP);
    picture(&numbers.join("1.png"), &bytes(&[3, 6, 5]));
    let said = refused(&of_numbers, &[text(&numbers.join("1.png"))], "out.csv");
    assert!(
        said.contains("1.png: holds images, and the model, trained on `arrays`, reads input x as numbers"),
        "{said}"
    );

    let rows = text(&folder.path().join("x.npy")).to_string();
    assert!(refused(&run, &[&rows, &rows], "out.csv").contains("reads one input, x"));
    let said = refused(&run, &[&rows], "out.safetensors");
    assert!(said.contains("not written as .safetensors") && said.contains(".npz"), "{said}");
}

#[test]
fn a_model_of_tables_reads_tables_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let rows: String = (0..30).map(|row| format!("{},{},{}\n", row % 7, (row * 5) % 11, row % 3)).collect();
    let csv = write(folder.path(), "rows.csv", &format!("age,height,y\n{rows}"));
    let data = "name: csv, train: rows.csv, test: rows.csv";
    let yaml = experiment_on(folder.path(), "table", data, &Y.replace("loss", "labels: [a, b, c], loss"), MLP);
    fs::write(
        &csv,
        fs::read_to_string(&csv).expect("rows").replace(",0\n", ",a\n").replace(",1\n", ",b\n").replace(",2\n", ",c\n"),
    )
    .expect("written");
    let run = trained(&yaml);
    equals_its_source(&yaml, &run, &[text(&csv)]);
    assert!(succeed(&["inspect", text(&run.join("model.pt"))]).contains("labels: a, b, c"));
    let npy = save(folder.path(), "x.npy", &floats(&[8, 2]));
    let said = refused(&run, &[text(&npy)], "out.csv");
    assert!(
        said.contains("x.npy: is an array, and the model reads the columns of a table: \"age\", \"height\""),
        "{said}"
    );
    assert!(said.contains("hint: give a .csv"), "{said}");
}

/// A network whose inputs `image` `[N, 1, 4, 4]` and `table` `[N, 3]` make three scores.
#[test]
fn predictions_replace_nothing_that_they_are_made_of() {
    let folder = tempfile::tempdir().expect("a folder");
    let (_, run) = array_run(folder.path(), &floats(&[6, 5]), "", "{backbone: {name: mlp, hidden: [4]}}");
    let rows = Tensor::write_npz(&[("x", &floats(&[6, 5]))], folder.path().join("rows.npz"));
    rows.expect("written");
    let (rows, table) = (folder.path().join("rows.npz"), write(folder.path(), "t.csv", "a,b,c,d,e\n1,2,3,4,5\n"));
    for (input, out) in [(format!("{}:x", rows.display()), &rows), (text(&table).to_string(), &table)] {
        let before = fs::read(out).expect("a file");
        let said = refused(&run, &[&input], text(out));
        assert!(said.contains("predictions would replace it"), "{said}");
        assert_eq!(fs::read(out).expect("a file"), before);
    }
}

fn two_inputs(path: &Path) {
    let source = "def forward(self, table: Tensor, image: Tensor) -> Tensor:\n    \
                  return torch.matmul(image.flatten(1), self.a) + torch.matmul(table, self.b)\n";
    let script = Script::new("a.Two", source).parameter("a", &floats(&[16, 3])).parameter("b", &floats(&[3, 3]));
    script.save(path, &[]).expect("written");
}

#[test]
fn several_inputs_are_given_by_name_in_any_order() {
    let folder = tempfile::tempdir().expect("a folder");
    two_inputs(&folder.path().join("two.pt"));
    let (image, table) = (bytes(&[12, 4, 4]), floats(&[12, 3]));
    let image_file = save(folder.path(), "image.npy", &image);
    let table_file = save(folder.path(), "table.npy", &table);
    save(folder.path(), "y.npy", &classes(&[12], 3));
    let rows = "{inputs: {image: image.npy, table: table.npy}, labels: {y: y.npy}}";
    let data = format!("name: arrays, train: {rows}, kind: {{image: image}}, standardize: [table]");
    let yaml = experiment_on(folder.path(), "two", &data, Y, "{torchscript: two.pt}");
    let run = trained(&yaml);
    let (image, table) = (format!("image={}", image_file.display()), format!("table={}", table_file.display()));
    equals_its_source(&yaml, &run, &[&image, &table]);
    equals_its_source(&yaml, &run, &[&table, &image]);
    let few = format!("table={}", save(folder.path(), "few.npy", &floats(&[11, 3])).display());
    for (inputs, parts) in [
        (vec![text(&image_file)], ["reads the inputs image, table", "image=PATH table=PATH"]),
        (vec![image.as_str()], ["reads the inputs image, table, and table is not given", "add table=PATH"]),
        (vec!["tabel=t.npy", &image], ["has no input \"tabel\"", "did you mean \"table\"?"]),
        (vec![&image, &image], ["is given twice", "once"]),
        (vec![&image, &few], ["few.npy: has 11 rows beside the 12 of", "same rows"]),
    ] {
        let said = refused(&run, &inputs, "out.csv");
        assert!(parts.iter().all(|part| said.contains(part)), "{inputs:?}: {said}");
    }
    // A table may hold one of them.
    let cells = |row: Vec<f32>| row.iter().map(f32::to_string).collect::<Vec<_>>().join(",") + "\n";
    let numbers = Vec::<Vec<f32>>::try_from(&floats(&[12, 3])).expect("numbers");
    let csv =
        write(folder.path(), "t.csv", &("a,b,c\n".to_string() + &numbers.into_iter().map(cells).collect::<String>()));
    let found = predicted(&run, &[&image, &format!("table={}", csv.display())], false);
    let apart = (array(&found, "y") - &from_source(&yaml, &run)[0]).abs().max().double_value(&[]);
    assert!(apart < 1e-5, "decimals of a cell are read in double precision: {apart}");

    // A module without our facts takes arrays as they are.
    let plain = folder.path().join("two.pt");
    let float = format!("image={}", save(folder.path(), "float.npy", &floats(&[12, 4, 4])).display());
    let found = predicted(&plain, &[&float, &table], false);
    let module = Module::load(&plain, Device::Cpu).expect("a module");
    let expected = module.forward(&[floats(&[12, 3]), floats(&[12, 4, 4])]).expect("outputs").tensors.swap_remove(0);
    assert_eq!(*array(&found, "output0"), expected);
    assert!(refused(&plain, &[&float], "out.csv").contains("reads the inputs table, image, and table is not given"));
}

#[test]
fn outputs_of_every_pixel_are_arrays_and_have_no_place_in_a_table() {
    let folder = tempfile::tempdir().expect("a folder");
    let x = save(folder.path(), "x.npy", &bytes(&[6, 8, 8, 3]));
    save(folder.path(), "classes.npy", &classes(&[6, 8, 8], 3));
    save(folder.path(), "edge.npy", &classes(&[6, 8, 8], 2));
    save(folder.path(), "depth.npy", &floats(&[6, 8, 8]));
    let rows = "{inputs: x.npy, labels: {y: classes.npy, edge: edge.npy, depth: depth.npy}}";
    let tasks =
        format!("{}, {{name: edge, loss: {{name: binary_cross_entropy}}}}, {{name: depth, loss: {{name: l1}}}}", Y);
    let data = format!("name: arrays, train: {rows}, test: {rows}");
    let yaml = experiment_on(folder.path(), "maps", &data, &tasks, "{backbone: {name: unet, channels: [4]}}");
    let run = trained(&yaml);
    equals_its_source(&yaml, &run, &[text(&x)]);
    let found = predicted(&run, &[text(&x)], false);
    let facts = |name: &str| (array(&found, name).kind(), array(&found, name).size());
    assert_eq!(facts("y"), (Kind::Float, vec![6, 3, 8, 8]));
    assert_eq!(facts("y.decision"), (Kind::Int64, vec![6, 8, 8]));
    assert_eq!(facts("edge.decision"), (Kind::Uint8, vec![6, 1, 8, 8]));
    assert_eq!(facts("depth"), (Kind::Float, vec![6, 1, 8, 8]));
    assert_eq!(found.len(), 5, "a value is its own decision: {:?}", found.iter().map(|it| &it.0).collect::<Vec<_>>());
    assert_eq!(*array(&found, "y.decision"), array(&found, "y").argmax(1, false));

    let likely = predicted(&run, &[text(&x)], true);
    let sums = array(&likely, "y").sum_dim_intlist([1i64].as_slice(), false, Kind::Float);
    assert!((sums - 1.0).abs().max().double_value(&[]) < 1e-5);
    assert!((array(&likely, "edge") - array(&found, "edge").sigmoid()).abs().max().double_value(&[]) < 1e-6);
    assert_eq!(array(&likely, "y.decision"), array(&found, "y.decision"));
    assert_eq!(array(&likely, "depth"), array(&found, "depth"));

    let likely_by_binary = folder.path().join("likely.npz");
    succeed(&["predict", text(&run), text(&x), "-o", text(&likely_by_binary), "--probabilities"]);
    assert_eq!(array(&Tensor::read_npz(&likely_by_binary).expect("arrays"), "y"), array(&likely, "y"));

    let said = fail(&["predict", text(&run), text(&x), "-o", text(&folder.path().join("out.csv"))]);
    assert!(!folder.path().join("out.csv").exists());
    assert!(said.contains("its output y has [8, 8] positions in every row") && said.contains("-o OUT.npz"), "{said}");
    let scores: Value = serde_json::from_str(&succeed(&["evaluate", text(&run), text(&yaml), "--json"])).expect("json");
    let right = array(&found, "y.decision").eq_tensor(&classes(&[6, 8, 8], 3)).to_kind(Kind::Double).mean(Kind::Double);
    let accuracy = scores["test"]["y"]["accuracy"].as_f64().expect("accuracy");
    assert!((right.double_value(&[]) - accuracy).abs() < 1e-12);
}

/// Writes an image of bytes `[C, H, W]`.
fn picture(path: &Path, pixels: &Tensor) {
    let [channels, height, width] = pixels.size()[..] else { panic!("an image") };
    let bytes = Vec::<u8>::try_from(pixels.permute([1, 2, 0]).reshape([-1])).expect("bytes");
    let colour = if channels == 1 { image::ColorType::L8 } else { image::ColorType::Rgb8 };
    image::save_buffer(path, &bytes, width as u32, height as u32, colour).expect("written");
}

#[test]
fn images_come_from_a_table_a_folder_or_a_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let faces = folder.path().join("faces");
    fs::create_dir(&faces).expect("a folder");
    let x = bytes(&[12, 3, 9, 7]);
    (0..12).for_each(|row| picture(&faces.join(format!("{row}.png")), &x.get(row)));
    let rows: String = (0..12).map(|row| format!("{row}.png,{}\n", row % 3)).collect();
    let table = write(&faces, "rows.csv", &format!("photo,y\n{rows}"));
    for (name, more) in [("sized", ", size: [4, 6], channels: 1, standardize: true"), ("plain", "")] {
        let data = format!("name: images, train: faces/rows.csv, test: faces/rows.csv, column: photo{more}");
        let yaml = experiment_on(folder.path(), name, &data, Y, CONV);
        let run = trained(&yaml);
        equals_its_source(&yaml, &run, &[text(&table)]);
        equals_its_source(&yaml, &run, &[text(&faces)]);
        let one = predicted(&run, &[text(&faces.join("10.png"))], false);
        let all = predicted(&run, &[text(&faces)], false);
        let apart = (array(&one, "y") - array(&all, "y").narrow(0, 10, 1)).abs().max().double_value(&[]);
        assert!(apart < 1e-5, "{apart}");
        let bad = folder.path().join(format!("bad-{name}"));
        fs::create_dir(&bad).expect("a folder");
        picture(&bad.join("1.png"), &bytes(&[3, 5, 5]));
        if name == "sized" {
            predicted(&run, &[text(&bad)], false);
        } else {
            let said = refused(&run, &[text(&bad)], "out.csv");
            assert!(said.contains("row 1") && said.contains("5 x 5 pixels, the model's images 9 x 7"), "{said}");
        }
        fs::write(bad.join("2.png"), "no picture").expect("written");
        assert!(refused(&run, &[text(&bad.join("2.png"))], "out.csv").contains("does not decode"));
        let other = write(folder.path(), "other.csv", "a,b\n1,2\n");
        let said = refused(&run, &[text(&other)], "out.csv");
        assert!(said.contains("has no column \"photo\", which names the images"), "{said}");
        let missing = write(&faces, "missing.csv", "photo\n1.png\n13.png\n");
        let said = refused(&run, &[text(&missing)], "out.csv");
        assert!(said.contains("row 2, column \"photo\"") && said.contains("there is no such file"), "{said}");
    }
    // Bytes of an array are those of the images.
    equals_its_source(
        &folder.path().join("plain.yaml"),
        &folder.path().join("plain.run"),
        &[text(&save(folder.path(), "x.npy", &x))],
    );
}

#[test]
fn an_idx_file_gives_the_images_of_its_source() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str, shape: &[u32], array: &Tensor| {
        let mut content = vec![0, 0, 8, shape.len() as u8];
        shape.iter().for_each(|size| content.extend(size.to_be_bytes()));
        content.extend(Vec::<u8>::try_from(array.reshape([-1])).expect("bytes"));
        fs::write(folder.path().join(name), content).expect("written");
    };
    let x = bytes(&[12, 6, 5]);
    file("images", &[12, 6, 5], &x);
    file("t10k-images-idx3-ubyte", &[12, 6, 5], &x);
    file("labels", &[12], &classes(&[12], 3).to_kind(Kind::Uint8));
    let data = "name: idx, train: {images: images, labels: {y: labels}}, standardize: true";
    let yaml = experiment_on(folder.path(), "idx", data, Y, CONV);
    let run = trained(&yaml);
    for name in ["images", "t10k-images-idx3-ubyte"] {
        equals_its_source(&yaml, &run, &[text(&folder.path().join(name))]);
    }
    equals_its_source(&yaml, &run, &[text(&save(folder.path(), "x.npy", &x))]);
    let png = folder.path().join("5.png");
    picture(&png, &x.narrow(0, 5, 1));
    let apart = array(&predicted(&run, &[text(&png)], false), "y") - from_source(&yaml, &run)[0].narrow(0, 5, 1);
    assert!(apart.abs().max().double_value(&[]) < 1e-5);
    let csv = write(folder.path(), "rows.csv", "a,b\n1,2\n");
    let said = refused(&run, &[text(&csv)], "out.csv");
    assert!(said.contains("is a table, and the model, trained on `idx`, reads input x of shape [1, 6, 5]"), "{said}");
}

#[test]
fn a_module_from_elsewhere_takes_arrays_as_they_are() {
    let folder = tempfile::tempdir().expect("a folder");
    let x = floats(&[7, 10]);
    environment::prepare(1, Device::Cpu);
    let model = fixture("model_scripted.pt");
    let module = Module::load(&model, Device::Cpu).expect("a module");
    module.set_training(false).expect("a mode");
    let expected = tch::no_grad(|| module.forward(&[x.shallow_clone()])).expect("outputs").tensors;
    for kind in [Kind::Float, Kind::Double] {
        let found = predicted(&model, &[text(&save(folder.path(), "x.npy", &x.to_kind(kind)))], false);
        assert_eq!((array(&found, "output0"), array(&found, "output1")), (&expected[0], &expected[1]));
        assert_eq!(*array(&found, "output1.decision"), expected[1].argmax(1, false));
    }
    // Integers of every type are int64.
    let ids = folder.path().join("ids.pt");
    let source =
        "def forward(self, tokens: Tensor) -> Tensor:\n    return torch.embedding(self.table, tokens).sum(1)\n";
    Script::new("a.Ids", source).parameter("table", &floats(&[251, 3])).save(&ids, &[]).expect("written");
    let tokens = bytes(&[6, 4]);
    let expected = floats(&[251, 3]).index_select(0, &tokens.to_kind(Kind::Int64).reshape([-1])).view([6, 4, 3]);
    let expected = expected.sum_dim_intlist([1i64].as_slice(), false, Kind::Float);
    for kind in [Kind::Uint8, Kind::Int, Kind::Int64] {
        let found = predicted(&ids, &[text(&save(folder.path(), "ids.safetensors", &tokens.to_kind(kind)))], false);
        assert!((array(&found, "output0") - &expected).abs().max().double_value(&[]) < 1e-5, "{kind:?}");
    }
    // An output of every token.
    let tagger = folder.path().join("tagger.pt");
    let source = "def forward(self, tokens: Tensor) -> Tensor:\n    \
                  return torch.embedding(self.table, tokens).transpose(1, 2)\n";
    Script::new("a.Tagger", source).parameter("table", &floats(&[251, 3])).save(&tagger, &[]).expect("written");
    let found = predicted(&tagger, &[text(&folder.path().join("ids.safetensors"))], false);
    assert_eq!(array(&found, "output0").size(), [6, 3, 4]);
    assert_eq!(*array(&found, "output0.decision"), array(&found, "output0").argmax(1, false));

    let png = folder.path().join("1.png");
    picture(&png, &bytes(&[1, 4, 4]));
    let said = refused(&model, &[text(&png)], "out.csv");
    assert!(said.contains("1.png: holds images, and the model does not say how it reads them"), "{said}");
}

/// Takes from a model what version 0.1 did not write of its inputs.
fn aged(run: &Path, scaling: bool) -> PathBuf {
    let module = Module::load(&run.join("model.pt"), Device::Cpu).expect("a module");
    let mut facts: Value = serde_json::from_str(&module.extra(metadata::FILE).expect("facts")).expect("json");
    let rule = facts["features"]["inputs"]["x"].clone();
    for (section, key) in [("", "data"), ("", "inputs"), ("/features", "inputs")] {
        facts.pointer_mut(section).and_then(Value::as_object_mut).expect("a section").remove(key);
    }
    if scaling {
        facts["features"]["pixels"] = rule["scaling"].clone();
    }
    let path = run.join("old.pt");
    module.save(&path, &[(metadata::FILE, &facts.to_string())]).expect("written");
    path
}

#[test]
fn an_older_model_takes_bytes_for_an_image_and_names_from_its_settings() {
    let folder = tempfile::tempdir().expect("a folder");
    let x = bytes(&[12, 7, 6, 3]);
    for more in ["", ", standardize: true"] {
        let (_, run) = array_run(folder.path(), &x, more, CONV);
        let file = save(folder.path(), "x.npy", &x);
        let (old, new) = (aged(&run, !more.is_empty()), run.join("model.pt"));
        let [found, expected] = [&old, &new].map(|model| predicted(model, &[text(&file)], false));
        assert_eq!(array(&found, "y"), array(&expected, "y"), "{more}");
        fs::remove_dir_all(run).expect("removed");
    }
    let rows = save(folder.path(), "table.csv.npy", &floats(&[12, 6]));
    let (_, run) = array_run(folder.path(), &floats(&[12, 6]), "", MLP);
    let [found, expected] = [aged(&run, false), run].map(|model| predicted(&model, &[text(&rows)], false));
    assert_eq!(array(&found, "y"), array(&expected, "y"));
}

#[test]
fn many_rows_go_through_piece_by_piece() {
    let folder = tempfile::tempdir().expect("a folder");
    let x = floats(&[9000, 3]);
    let (_, run) = array_run(folder.path(), &x.narrow(0, 0, 40), "", MLP);
    let out = folder.path().join("out.csv");
    let file = save(folder.path(), "x.npy", &x);
    succeed(&["predict", text(&run), text(&file), "-o", text(&out)]);
    assert_eq!(fs::read_to_string(&out).expect("rows").lines().count(), 9001);
    let found = predicted(&run, &[text(&file)], false);
    let module = Module::load(&run.join("model.pt"), Device::Cpu).expect("a module");
    let expected = module.forward(&[x]).expect("outputs").tensors.swap_remove(0);
    assert!((array(&found, "y") - expected).abs().max().double_value(&[]) < 1e-5);
    let output = common::run(&["predict", text(&run), text(&file), "-o", "/dev/null", "--device", "cpu"]);
    assert!(stderr(&output).contains("9000 rows written to /dev/null"), "{}", stderr(&output));
}
