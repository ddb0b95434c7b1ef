//! Arrays as numpy writes them.

use super::*;
use crate::tasks::{Task, TaskSettings};
use std::fs;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/arrays")
}

fn tasks(settings: &[&str]) -> Vec<Task> {
    let task = |text: &&str| serde_yaml::from_str::<TaskSettings>(text).expect("a task").checked().expect("fits");
    settings.iter().map(task).collect()
}

fn load(text: &str, tasks: &[Task], folder: &Path) -> Result<Dataset> {
    let request = Request::new(tasks, 1, Kind::Float, folder);
    serde_yaml::from_str::<Data>(&format!("{{name: arrays, {text}}}"))?.load(&request)
}

fn numbers(tensor: &Tensor) -> Vec<f64> {
    Vec::try_from(tensor.to_kind(Kind::Double).reshape([-1])).expect("numbers")
}

const WHOLE: &str = "{name: whole, loss: {name: cross_entropy, classes: 4}}";
const REAL: &str = "{name: real, standardize: true, loss: {name: mse}}";
const NYU: [&str; 3] = [
    "{name: segmentation, loss: {name: cross_entropy, classes: 3}}",
    "{name: depth, loss: {name: l1}}",
    "{name: normal, target: [x, y, z], loss: {name: mse}}",
];

#[test]
fn files_and_archives_give_the_same_rows() {
    let tasks = tasks(&[WHOLE, REAL]);
    let labels = "labels: {whole: \"all.npz:whole\", real: \"all.npz:real\"}";
    let all =
        |image: &str| load(&format!("train: {{inputs: \"{image}\", {labels}}}"), &tasks, &fixtures()).expect("loads");
    let (last, first) = (all("image.npy"), all("all.npz:image"));
    assert_eq!(last.fingerprint, first.fingerprint);
    let group = &last.train[0];
    assert_eq!((group.inputs[0].1.size(), group.inputs[0].1.kind()), (vec![6, 3, 5, 7], Kind::Uint8));
    // np.arange % 251: row 2, y 3, x 4, channel 1 is number 2 * 105 + 3 * 21 + 4 * 3 + 1.
    assert_eq!(group.inputs[0].1.int64_value(&[2, 1, 3, 4]), 286 % 251);
    assert_eq!(numbers(&group.targets[0].values), [0., 1., 2., 3., 0., 1.]);
    let standardization = last.standardizations[1].as_ref().expect("standardised");
    assert!((standardization.mean[0] - 0.25).abs() < 1e-7 && (standardization.scale[0] - 0.853_912_56).abs() < 1e-7);
    let back = numbers(&standardization.undo(&group.targets[1].values));
    assert!(back.iter().zip([-1., -0.5, 0., 0.5, 1., 1.5]).all(|(a, b)| (a - b).abs() < 1e-6), "{back:?}");
    let held =
        load(&format!("train: {{inputs: image.npy, {labels}}}, validation: 0.34"), &tasks, &fixtures()).expect("loads");
    assert_eq!((held.train[0].rows(), held.validation.expect("a split")[0].rows()), (4, 2));
}

#[test]
fn safetensors_and_fortran_order_are_read() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::copy(fixtures().join("turned.npy"), folder.path().join("x.npy")).expect("copied");
    let rows = Tensor::from_slice(&[0i64, 1, 2, 3, 0, 1]);
    crate::tensor_file::write_plain(&folder.path().join("y.safetensors"), &[("y".into(), rows)]).expect("written");
    let tasks = tasks(&[WHOLE]);
    let text = "train: {inputs: {b: x.npy, a: x.npy}, labels: {whole: y.safetensors}}";
    let data = load(text, &tasks, folder.path()).expect("loads");
    let names: Vec<&str> = data.train[0].inputs.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["a", "b"]);
    assert_eq!(data.train[0].inputs[0].1.kind(), Kind::Float);
    assert_eq!(numbers(&data.train[0].inputs[1].1), [0., 0., 1., 10., 2., 20., 3., 30., 4., 40., 5., 50.]);
}

#[test]
fn the_layout_of_libmtl_is_read_as_it_is() {
    let tasks = tasks(&NYU);
    let rows = |split: &str| {
        format!(
            "{{inputs: nyuv2/{split}/image, labels: {{segmentation: nyuv2/{split}/label, depth: nyuv2/{split}/depth, normal: nyuv2/{split}/normal}}}}"
        )
    };
    let text =
        format!("train: {}, test: {}, ignore: {{segmentation: -1, depth: 0, normal: 0}}", rows("train"), rows("val"));
    let data = load(&text, &tasks, &fixtures()).expect("loads");
    let group = &data.train[0];
    assert_eq!((group.rows(), data.test.as_ref().expect("a split")[0].rows()), (5, 3));
    assert_eq!(group.inputs[0].1.size(), [5, 3, 6, 8]);
    assert_eq!(
        group.targets.iter().map(|it| it.values.size()).collect::<Vec<_>>(),
        [vec![5, 6, 8], vec![5, 1, 6, 8], vec![5, 3, 6, 8]]
    );
    let read = data.preparation().apply(group.narrow(0, 5));
    for row in 0..5 {
        let number = row + 8;
        for (y, x) in [(0, 0), (3, 5), (5, 7)] {
            let pixel = y * 8 + x + number;
            let (image, of) = (&read.inputs[0].1, &read.targets);
            assert!((image.double_value(&[row, 2, y, x]) - (pixel * 3) as f64 / 200.0).abs() < 1e-6, "file {number}");
            let weight = |task: usize, at: &[i64]| of[task].weights.as_ref().expect("weights").double_value(at);
            let class = if pixel % 4 == 0 { (-100, 0.0) } else { (pixel % 4 - 1, 1.0) };
            assert_eq!((of[0].values.int64_value(&[row, y, x]), weight(0, &[row, y, x])), class);
            let depth = pixel % 5;
            let known = f64::from(u8::from(depth > 0));
            assert_eq!((of[1].values.double_value(&[row, 0, y, x]), weight(1, &[row, 0, y, x])), (depth as f64, known));
            let known = f64::from(u8::from(pixel % 3 > 0));
            let normal = (of[2].values.double_value(&[row, 2, y, x]), weight(2, &[row, 1, y, x]));
            assert_eq!(normal, ((pixel % 3 * 3) as f64, known), "no label where all channels are 0");
        }
    }
    assert_eq!((group.targets[0].values.kind(), read.targets[0].values.kind()), (Kind::Int8, Kind::Int64));
}

#[test]
fn what_does_not_fit_is_named_with_its_file_and_row() {
    let folder = tempfile::tempdir().expect("a folder");
    for name in ["image.npy", "all.npz", "big_endian.npy", "turned.npy"] {
        fs::copy(fixtures().join(name), folder.path().join(name)).expect("copied");
    }
    let cut = |name: &str, to: &str, keep: usize| {
        let bytes = fs::read(folder.path().join(name)).expect("read");
        fs::write(folder.path().join(to), &bytes[..bytes.len() - keep]).expect("written");
    };
    cut("image.npy", "cut.npy", 1);
    cut("all.npz", "cut.npz", 40);
    fs::write(folder.path().join("no.npy"), "no array").expect("written");
    fs::create_dir(folder.path().join("odd")).expect("a folder");
    fs::copy(fixtures().join("image.npy"), folder.path().join("odd/first.npy")).expect("copied");
    fs::create_dir(folder.path().join("mixed")).expect("a folder");
    for (row, part) in ["label", "label", "label", "label", "label", "depth"].into_iter().enumerate() {
        let from = fixtures().join("nyuv2/train").join(part).join("8.npy");
        fs::copy(from, folder.path().join(format!("mixed/{row}.npy"))).expect("copied");
    }
    let few = "{name: whole, loss: {name: cross_entropy, classes: 3}}";
    for (inputs, label, task, expected) in [
        ("cut.npy", "\"all.npz:whole\"", WHOLE, "cut.npy: has 629 bytes of data, its header needs 630"),
        ("\"cut.npz:image\"", "\"all.npz:whole\"", WHOLE, "cut.npz: is no whole .npz file"),
        ("no.npy", "\"all.npz:whole\"", WHOLE, "no.npy: is no .npy file"),
        ("image.npy", "all.npz", WHOLE, "all.npz: holds 3 arrays"),
        ("image.npy", "\"all.npz:hole\"", WHOLE, "all.npz: has no array \"hole\""),
        ("image.npy", "big_endian.npy", WHOLE, "big_endian.npy: holds numbers of type >i4"),
        ("image.npy", "\"all.npz:whole\"", few, "all.npz:whole, row 4: 3 is not a class of task \"whole\": 0 to 2 are"),
        ("image.npy", "\"all.npz:real\"", WHOLE, "all.npz:real, row 1: -1 is not a class of task \"whole\""),
        (
            "image.npy",
            "turned.npy",
            WHOLE,
            "turned.npy, row 2 token 1: 10 is not a class of task \"whole\": 0 to 3 are",
        ),
        (
            "image.npy",
            "image.npy",
            WHOLE,
            "image.npy, row 1: has shape [6, 3, 5, 7], task \"whole\" needs [N], [N, L] or [N, H, W]",
        ),
        ("image.npy", "mixed", WHOLE, "mixed/5.npy: has shape [6, 8, 1], the first file [6, 8]"),
        ("odd", "\"all.npz:whole\"", WHOLE, "odd/first.npy: is not called by a number"),
        ("missing.npy", "\"all.npz:whole\"", WHOLE, "missing.npy: there is no such file"),
    ] {
        let tasks = tasks(&[task]);
        let text = format!("train: {{inputs: {inputs}, labels: {{whole: {label}}}}}");
        let error = load(&text, &tasks, folder.path()).expect_err(expected).to_string();
        assert!(error.contains(expected), "{error}, expected {expected}");
    }
    let tasks = tasks(&[WHOLE]);
    let rows = fixtures().join("nyuv2/train/depth");
    let text = format!("train: {{inputs: image.npy, labels: {{whole: {}}}}}", rows.display());
    let error = load(&text, &tasks, folder.path()).expect_err("other rows").to_string();
    assert!(error.contains("depth: has 5 rows beside the 6 of"), "{error}");
}

/// A folder with one number in every file: what the file is called, without its extension, and the
/// number.
fn folder_of(place: &Path, name: &str, files: &[(&str, i64)]) {
    fs::create_dir(place.join(name)).expect("a folder");
    for (stem, number) in files {
        Tensor::from(*number).write_npy(place.join(name).join(format!("{stem}.npy"))).expect("written");
    }
}

#[test]
fn folders_pair_their_rows_by_the_number_that_files_are_called() {
    let place = tempfile::tempdir().expect("a folder");
    let huge = "123456789012345678901234567890";
    folder_of(place.path(), "x", &[("7", 10), (huge, 12), ("010", 11), ("2", 9)]);
    folder_of(place.path(), "y", &[(huge, 3), ("0002", 0), ("10", 2), ("07", 1)]);
    let tasks = tasks(&[WHOLE]);
    let data = load("train: {inputs: x, labels: {whole: y}}", &tasks, place.path()).expect("loads");
    let group = &data.train[0];
    assert_eq!(numbers(&group.inputs[0].1), [9., 10., 11., 12.]);
    assert_eq!(numbers(&group.targets[0].values), [0., 1., 2., 3.]);
}

#[test]
fn folders_of_other_numbers_are_refused() {
    let place = tempfile::tempdir().expect("a folder");
    folder_of(place.path(), "x", &[("1", 0), ("2", 0), ("3", 0), ("4", 0), ("5", 0)]);
    folder_of(place.path(), "shifted", &[("0", 0), ("1", 0), ("2", 0), ("3", 0), ("4", 0)]);
    folder_of(place.path(), "fewer", &[("01", 0), ("3", 0), ("4", 0), ("5", 0)]);
    folder_of(place.path(), "far", &[("11", 0), ("12", 0), ("13", 0), ("14", 0), ("15", 0)]);
    folder_of(place.path(), "twice", &[("1", 0), ("01", 0), ("2", 0), ("3", 0), ("4", 0)]);
    folder_of(place.path(), "signed", &[("+1", 0)]);
    Tensor::zeros([5], (Kind::Int64, tch::Device::Cpu)).write_npy(place.path().join("plain.npy")).expect("written");
    let error = |inputs: &str, first: &str, second: &str| {
        let tasks = tasks(&[WHOLE, "{name: other, loss: {name: cross_entropy, classes: 4}}"]);
        let text = format!("train: {{inputs: {inputs}, labels: {{whole: {first}, other: {second}}}}}");
        load(&text, &tasks, place.path()).expect_err("other numbers").to_string().replace(&in_folder(&place), "")
    };
    let shifted = "shifted: has no file of number 5, which x has, and x none of number 0";
    assert_eq!(error("x", "shifted", "x"), shifted);
    assert_eq!(error("{a: x, b: shifted}", "x", "x"), shifted, "inputs among themselves");
    assert_eq!(error("plain.npy", "x", "shifted"), shifted, "labels among themselves");
    assert_eq!(error("x", "plain.npy", "shifted"), shifted, "with an array between");
    assert_eq!(error("x", "fewer", "x"), "fewer: has no file of number 2, which x has");
    assert_eq!(error("fewer", "x", "x"), "fewer: has no file of number 2, which x has");
    assert_eq!(
        error("x", "far", "x"),
        "far: has no file of number 1, 2, 3, … (5 in all), which x has, and x none of number 11, 12, 13, … (5 in all)"
    );
    assert_eq!(error("x", "twice", "x"), "twice/1.npy: has the number of twice/01.npy");
    assert_eq!(error("signed", "x", "x"), "signed/+1.npy: is not called by a number");
}

/// How the files of a folder begin in a message.
fn in_folder(place: &tempfile::TempDir) -> String {
    format!("{}/", place.path().display())
}

#[test]
fn labels_of_pixels_are_as_large_as_the_image() {
    let tasks = tasks(&[NYU[0]]);
    let small = tempfile::tempdir().expect("a folder");
    let pixels = Tensor::zeros([6, 4, 7], (Kind::Int64, tch::Device::Cpu));
    crate::tensor_file::write_plain(&small.path().join("y.safetensors"), &[("y".into(), pixels)]).expect("written");
    let text = format!(
        "train: {{inputs: image.npy, labels: {{segmentation: {}}}}}",
        small.path().join("y.safetensors").display()
    );
    let error = load(&text, &tasks, &fixtures()).expect_err("another size").to_string();
    assert!(error.contains("has [4, 7] pixels, the images have [5, 7]"), "{error}");
}

/// Two inputs, `photo` of three channels and `table` of so many columns, as uint8.
fn photo_and_table(folder: &Path, columns: i64) -> [Tensor; 2] {
    let numbers = |size: &[i64], least: i64| {
        let count = size.iter().product::<i64>();
        let i = Tensor::arange(count, (Kind::Int64, tch::Device::Cpu));
        ((&i * &i * 7 + i).remainder(90) + least).view(size).to_kind(Kind::Uint8)
    };
    let both = [numbers(&[6, 3, 8, 8], 0), numbers(&[6, columns], 100)];
    for (name, tensor) in ["photo", "table"].into_iter().zip(&both) {
        let file = folder.join(format!("{name}.safetensors"));
        crate::tensor_file::write_plain(&file, &[(name.into(), tensor.shallow_clone())]).expect("written");
    }
    both
}

const BOTH: &str = "train: {inputs: {photo: photo.safetensors, table: table.safetensors}, \
                    labels: {whole: \"all.npz:whole\"}}, kind: {photo: image, table: numbers}";

#[test]
fn a_table_beside_an_image_is_scaled_by_its_own_columns_or_not_at_all() {
    let tasks = tasks(&[WHOLE]);
    for columns in [1, 3, 5] {
        let folder = tempfile::tempdir().expect("a folder");
        fs::copy(fixtures().join("all.npz"), folder.path().join("all.npz")).expect("copied");
        let [_, table] = photo_and_table(folder.path(), columns);
        let read = |standardize: &str| {
            let data = load(&format!("{BOTH}, standardize: {standardize}"), &tasks, folder.path()).expect("loads");
            let read = data.preparation().apply(data.train[0].narrow(0, 6));
            read.inputs.into_iter().map(|(_, x)| x).collect::<Vec<_>>()
        };
        let moments = |x: &Tensor| (x.mean(Kind::Double).double_value(&[]), x.std(false).double_value(&[]));
        let all = read("true");
        let (mean, std) = moments(&all[0].select(1, 2));
        assert!(mean.abs() < 1e-5 && (std - 1.0).abs() < 1e-5, "{mean} {std}");
        assert_eq!(numbers(&all[1]), numbers(&table), "true is for images");
        let named = read("[table]");
        assert!(named[0].max().double_value(&[]) <= 1.0, "x / 255");
        for column in 0..columns {
            let (mean, std) = moments(&named[1].select(1, column));
            assert!(mean.abs() < 1e-5 && (std - 1.0).abs() < 1e-5, "{column}: {mean} {std}");
        }
    }
}

#[test]
fn a_model_without_the_key_divides_every_byte() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::copy(fixtures().join("all.npz"), folder.path().join("all.npz")).expect("copied");
    let _ = photo_and_table(folder.path(), 3);
    let tasks = tasks(&[WHOLE]);
    let features: Features =
        serde_json::from_str(r#"{"columns": [], "pixels": {"mean": [0.1, 0.2, 0.3], "std": [1.0, 2.0, 4.0]}}"#)
            .expect("features of version 0.1");
    let fitted = super::super::Fitted {
        features,
        standardizations: vec![None],
        shapes: vec![],
        refit: false,
        all_inputs: false,
    };
    let text = BOTH.replace(", kind: {photo: image, table: numbers}", "");
    let source: Data = serde_yaml::from_str(&format!("{{name: arrays, {text}}}")).expect("settings");
    let own = Request::new(&tasks, 1, Kind::Double, folder.path());
    let data = source.load(&Request { fitted: Some(&fitted), ..own }).expect("loads");
    let stored = &data.train[0];
    let read = data.preparation().apply(stored.narrow(0, 6));
    for at in 0..2 {
        let (before, after) = (&stored.inputs[at].1.select(1, 1), &read.inputs[at].1.select(1, 1));
        let expected: Vec<f64> = numbers(before).into_iter().map(|x| (x / 255.0 - 0.2) / 2.0).collect();
        assert!(numbers(after).iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-12), "as that version did");
    }
    let said: Data = serde_yaml::from_str(&format!("{{name: arrays, {BOTH}}}")).expect("settings");
    let own = Request::new(&tasks, 1, Kind::Double, folder.path());
    let error = said.load(&Request { fitted: Some(&fitted), ..own }).expect_err("another kind").to_string();
    assert!(error.contains("input table is numbers here, and image to the model"), "{error}");
}
