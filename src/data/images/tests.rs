//! Images as Pillow writes them, and what is no image.

use super::*;
use crate::tasks::TaskSettings;
use std::fs;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/images")
}

fn load(text: &str, table: &str, tasks: &[&str]) -> Result<Dataset> {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("rows.csv"), table).expect("written");
    let task = |text: &&str| serde_yaml::from_str::<TaskSettings>(text).expect("a task").checked().expect("fits");
    let tasks: Vec<Task> = tasks.iter().map(task).collect();
    let request = Request::new(&tasks, 1, Kind::Float, folder.path());
    let text = format!("{{name: images, folder: {}, {text}}}", fixtures().display());
    serde_yaml::from_str::<Data>(&text)?.load(&request)
}

const SMILE: &str = "{name: smile, loss: {name: binary_cross_entropy}}";
const MASK: &str = "{name: mask, loss: {name: cross_entropy, classes: 3}}";
const DEPTH: &str = "{name: depth, loss: {name: l1}}";
const ROWS: &str = "file,smile,mask,depth
1.png,1,mask1.png,depth1.npy
2.bmp,0,mask2.png,depth2.npy
3.webp,,mask3.png,
4.jpg,1,,depth4.npy
5.png,0,mask5.png,depth5.npy
";

#[test]
fn every_format_gives_its_pixels_and_every_kind_of_label() {
    let data = load("train: rows.csv, ignore: {mask: 255, depth: 0}", ROWS, &[SMILE, MASK, DEPTH]).expect("loads");
    let group = &data.train[0];
    let x = &group.inputs[0].1;
    assert_eq!((x.size(), x.kind()), (vec![5, 3, 8, 12], Kind::Uint8));
    for row in 0..5 {
        for (channel, colour) in [(0, 10), (1, 20), (2, 30)] {
            for (column, less) in [(1, if channel == 0 { 5 } else { 0 }), (10, 0)] {
                let (found, expected) = (x.int64_value(&[row, channel, 4, column]), colour * (row + 1) - less);
                let lossy = if row == 3 { 4 } else { 0 };
                assert!((found - expected).abs() <= lossy, "row {row} channel {channel}: {found} {expected}");
            }
        }
    }
    let read = data.preparation().apply(group.narrow(0, 5));
    let [smile, mask, depth] = read.targets.as_slice() else { unreachable!("three tasks") };
    let weight = |target: &Target, at: &[i64]| target.weights.as_ref().expect("weights").double_value(at);
    assert_eq!((smile.values.double_value(&[0, 0]), weight(smile, &[2, 0])), (1.0, 0.0));
    for row in 0..5 {
        let there = row != 3;
        let (class, known) = if there { ((row + 1) % 3, 1.0) } else { (-100, 0.0) };
        assert_eq!((mask.values.int64_value(&[row, 5, 5]), weight(mask, &[row, 5, 5])), (class, known), "row {row}");
        assert_eq!((mask.values.int64_value(&[row, 0, 5]), weight(mask, &[row, 0, 5])), (-100, 0.0), "255 is none");
        let there = row != 2;
        let expected = if there { (29 * (row + 1)) as f64 } else { 0.0 };
        let known = f64::from(u8::from(there));
        assert_eq!((depth.values.double_value(&[row, 0, 2, 5]), weight(depth, &[row, 0, 2, 5])), (expected, known));
        assert_eq!(weight(depth, &[row, 0, 0, 0]), 0.0);
    }
}

#[test]
fn images_and_maps_come_to_one_size_together() {
    let rows = "file,mask,depth\n1.png,mask1.png,depth1.npy\n";
    let of = |fit: &str| {
        let data =
            load(&format!("train: rows.csv, size: [4, 4], channels: 1, fit: {fit}"), rows, &[DEPTH]).expect("loads");
        let group = &data.train[0];
        let depth = Vec::<f64>::try_from(group.targets[0].values.to_kind(Kind::Double).view([-1])).expect("numbers");
        (group.inputs[0].1.size(), depth[..4].to_vec(), depth[12])
    };
    // Of columns 2 to 9 in steps of 2, the second of each pair (the nearest to the middle, rounded up); rows 1, 3, 5, 7.
    assert_eq!(of("cover"), (vec![1, 1, 4, 4], vec![15., 17., 19., 21.], 7.0 * 12.0 + 3.0));
    assert_eq!(of("stretch"), (vec![1, 1, 4, 4], vec![13., 16., 19., 22.], 7.0 * 12.0 + 1.0));
}

#[test]
fn sixteen_bits_are_numbers() {
    let data = load("train: rows.csv", "file,depth\n1.png,deep.png\n", &[DEPTH]).expect("loads");
    assert_eq!(data.train[0].targets[0].values.double_value(&[0, 0, 7, 11]), 47_500.0);
}

#[test]
fn single_bits_and_palettes_are_classes_by_their_numbers() {
    let classes = |file: &str, classes: i64| -> Vec<i64> {
        let task = format!("{{name: mask, loss: {{name: cross_entropy, classes: {classes}}}}}");
        let data = load("train: rows.csv", &format!("file,mask\n1.png,{file}\n"), &[&task]).expect("loads");
        Vec::try_from(data.train[0].targets[0].values.to_kind(Kind::Int64).view([-1])).expect("numbers")
    };
    let bits = classes("bits.png", 2);
    assert_eq!((bits.iter().sum::<i64>(), bits[0], bits[4 * 12 + 6]), (32, 0, 1));
    for (bits, most) in [(1, 2), (2, 4), (4, 16), (8, 200)] {
        let expected: Vec<i64> = (0..96).map(|pixel| pixel * 7 % most).collect();
        assert_eq!(classes(&format!("palette{bits}.png"), most), expected, "{bits} bits");
    }
}

#[test]
fn lossy_webp_has_the_pixels_of_libwebp() {
    let data = load("train: rows.csv", "file,smile\nlossy.webp,1\n", &[SMILE]).expect("loads");
    let expected = crate::data::arrays::npy(&fs::read(fixtures().join("lossy.npy")).expect("read"), "lossy.npy");
    let expected = expected.expect("an array").permute([2, 0, 1]).unsqueeze(0).to_kind(Kind::Int64);
    let apart = (data.train[0].inputs[0].1.to_kind(Kind::Int64) - expected).abs().max().int64_value(&[]);
    assert!(apart <= 2, "{apart}");
}

#[test]
fn colors_become_gray_as_pillow_makes_them() {
    for name in ["rgb", "rgba"] {
        let expected = crate::data::arrays::npy(&fs::read(fixtures().join(format!("{name}.npy"))).expect("read"), name);
        let gray = |more: &str| {
            let rows = format!("file,smile\n{name}.png,1\n");
            let data = load(&format!("train: rows.csv, channels: 1{more}"), &rows, &[SMILE]).expect("loads");
            data.train[0].inputs[0].1.view([8, 12])
        };
        assert_eq!(gray(""), expected.expect("an array"), "{name}");
        // The rule of version 0.1 gives green more and blue less.
        assert_ne!(gray(", grayscale: rec709"), gray(", grayscale: rec601"), "{name}");
    }
}

#[test]
fn pixels_of_all_training_rows_make_the_statistics_each_by_its_weight() {
    let scaling = |text: &str, table: &str, tasks: &[&str]| {
        let data = load(&format!("{text}, standardize: true"), table, tasks).expect("loads");
        data.features.inputs.expect("an image").remove("x").expect("the image").scaling.expect("standardized")
    };
    let close = |a: &[f64], b: &[f64]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-12);
    let table = "file,smile,weight\n1.png,1,2\n2.bmp,0,1\n5.png,1,0\n";
    let weighted = scaling("train: rows.csv, weight: weight", table, &[SMILE]);
    // Green is 20, 20 and 40 of 255 in all pixels; red is 5 less in half of them.
    assert!(close(&weighted.mean[1..2], &[80.0 / 3.0 / 255.0]), "{weighted:?}");
    let twice = scaling("train: rows.csv", "file,smile\n1.png,1\n1.png,1\n2.bmp,0\n", &[SMILE]);
    assert!(close(&weighted.mean, &twice.mean) && close(&weighted.std, &twice.std), "{weighted:?} {twice:?}");
    // A table for each task: the pixels of all of them, whatever task comes first.
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| {
        fs::write(folder.path().join(name), text).expect("written");
        folder.path().join(name).display().to_string()
    };
    let one = write("one.csv", "file,smile\n1.png,1\n1.png,0\n");
    let two = write("two.csv", "file,size\n2.bmp,1\n");
    let own = format!("train: {{smile: {one}, size: {two}}}");
    let size = SMILE.replace("smile", "size");
    for tasks in [[SMILE, &size], [&size, SMILE]] {
        let all = scaling(&own, "", &tasks);
        assert!(close(&all.mean, &twice.mean) && close(&all.std, &twice.std), "{all:?}");
    }
    // Tasks of one table see its pixels once.
    let shared = write("both.csv", "file,smile,size\n1.png,1,1\n1.png,0,0\n");
    let all = scaling(&format!("train: {{smile: {shared}, size: {shared}}}"), "", &[SMILE, &size]);
    assert!(close(&all.mean[1..2], &[20.0 / 255.0]), "{all:?}");
    let all = scaling(&format!("train: {{smile: {shared}, size: {two}}}"), "", &[SMILE, &size]);
    assert!(close(&all.mean, &twice.mean), "{all:?}");
}

#[test]
fn a_table_is_cut_by_fractions() {
    let text = "table: rows.csv, fractions: {train: 0.6, validation: 0.4}, standardize: true";
    let data = load(text, ROWS, &[SMILE]).expect("loads");
    assert_eq!((data.train[0].rows(), data.validation.expect("a split")[0].rows()), (3, 2));
    let rule = data.features.inputs.expect("an image").remove("x").expect("the image");
    assert!(rule.scaling.expect("standardized").mean[2] > 0.05);
}

#[test]
fn what_does_not_fit_is_named_with_its_file_and_row() {
    for (text, rows, task, expected) in [
        ("train: rows.csv", "file,smile\n1.png,1\nmake.py,0\n", SMILE, "rows.csv, row 2, column \"file\": "),
        ("train: rows.csv", "file,smile\n1.png,1\n9.png,0\n", SMILE, "rows.csv, row 2, column \"file\""),
        ("train: rows.csv", "file,smile\n1.png,1\n,0\n", SMILE, "rows.csv, row 2, column \"file\": the cell is empty"),
        (
            "train: rows.csv",
            "file,smile\n1.png,1\nsmall.png,0\n",
            SMILE,
            "small.png has 4 x 4 pixels, the first image 8 x 12",
        ),
        (
            "train: rows.csv, ignore: {mask: 255}",
            "file,mask\n1.png,mask1.png\n2.bmp,small.png\n",
            MASK,
            "rows.csv, row 2, column \"mask\": ",
        ),
        (
            "train: rows.csv",
            "file,mask\n1.png,mask1.png\n",
            MASK,
            "mask1.png pixel [0, 0]: 255 is not a class of task \"mask\": 0 to 2 are",
        ),
        ("train: rows.csv", "file,mask\n1.png,coloured.png\n", MASK, "coloured.png has colors"),
        (
            "train: rows.csv",
            "file,smile\n1.png,yes\n",
            SMILE,
            "rows.csv:2, column \"smile\": \"yes\" is not a yes-or-no label",
        ),
        ("train: rows.csv, column: image", "file,smile\n1.png,1\n", SMILE, "rows.csv: has no column \"image\""),
        ("train: rows.csv, ignore: {x: 1}", "file,smile\n1.png,1\n", SMILE, "data.ignore: \"x\" is not a task"),
        ("train: rows.csv, size: [0, 3]", "file,smile\n1.png,1\n", SMILE, "data.size: has a side of 0 pixels"),
        ("train: rows.csv", "file,mask\n1.png,\n", MASK, "no training row has a label for task \"mask\""),
    ] {
        let error = load(text, rows, &[task]).expect_err(expected);
        let error = format!("{error:#}");
        assert!(error.contains(expected), "{error}, expected {expected}");
    }
    let map = load("train: rows.csv", "file,mask\n1.png,small.png\n", &[MASK]).expect_err("too small").to_string();
    assert!(map.contains("small.png has 4 x 4 pixels, its image 8 x 12"), "{map}");
}

#[test]
fn the_images_size_tells_where_a_map_keeps_its_channels() {
    let folder = tempfile::tempdir().expect("a folder");
    let task = "{name: depth, channels: 6, loss: {name: mse}}";
    let map = Tensor::arange(6 * 8 * 12, (Kind::Float, tch::Device::Cpu)).view([6, 8, 12]);
    let read = |name: &str, map: Tensor| {
        let path = folder.path().join(name);
        map.contiguous().write_npy(&path).expect("written");
        let table = format!("file,depth\n1.png,{}\n", path.display());
        let data = load("train: rows.csv", &table, &[task]).expect("loads");
        Vec::<f64>::try_from(data.train[0].targets[0].values.to_kind(Kind::Double).view([-1])).expect("numbers")
    };
    let first = read("first.npy", map.shallow_clone());
    assert_eq!((first.len(), first[100]), (576, 100.0));
    assert_eq!(read("last.npy", map.permute([1, 2, 0])), first);
}
