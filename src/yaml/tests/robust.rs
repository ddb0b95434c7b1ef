//! Places are right for every scalar; broken texts never panic; what is written reads back the same.

use super::*;
use std::fmt::Debug;

/// Every scalar's path and text.
fn leaves(value: &Value, path: SettingPath, found: &mut Vec<SettingPath>) {
    match value {
        Value::Mapping(section) => {
            section.iter().for_each(|(key, value)| leaves(value, path.clone().key(registry::key_text(key)), found));
        }
        Value::Sequence(entries) => {
            entries.iter().enumerate().for_each(|(index, value)| leaves(value, path.clone().index(index), found));
        }
        _ => found.push(path),
    }
}

#[test]
fn a_wrong_value_is_named_by_path_line_and_column_wherever_it_stands() {
    let places = read::<Experiment>(SAMPLE, "a.yaml", &[]).unwrap().places;
    let mut paths = Vec::new();
    leaves(&serde_yaml::from_str(SAMPLE).unwrap(), SettingPath::default(), &mut paths);
    assert_eq!(paths.len(), 26);
    for path in paths {
        let place = places.of(&path.to_string());
        let numbers: Vec<usize> = place.rsplitn(3, ':').take(2).map(|number| number.parse().unwrap()).collect();
        let (column, line) = (numbers[0], numbers[1]);
        let mut lines: Vec<String> = SAMPLE.lines().map(str::to_string).collect();
        let (before, scalar) = lines[line - 1].split_at(column - 1);
        let after = scalar.find([',', '}', ']']).unwrap_or(scalar.len());
        lines[line - 1] = format!("{before}{{wrong: 1}}{}", &scalar[after..]);
        let mistake = read::<Experiment>(&lines.join("\n"), "a.yaml", &[]).unwrap_err();
        let expected = format!("a.yaml:{line}:{column}: {path}: a section is not ");
        assert!(mistake.to_string().starts_with(&expected), "{expected:?} in {mistake}");
    }
}

/// Reads a broken text; a mistake must name a line that the text has.
fn read_broken(bytes: Vec<u8>) -> Option<Mistake> {
    let lines = bytes.iter().filter(|byte| **byte == b'\n').count() + 1;
    let result = utf8(bytes, "a.yaml").and_then(|text| read::<Experiment>(&text, "a.yaml", &[]));
    let mistake = result.err()?;
    if mistake.what != "holds no settings" {
        let place: Vec<usize> = mistake.place.split(':').skip(1).map(|number| number.parse().unwrap()).collect();
        assert!(place.len() == 2 && (1..=lines).contains(&place[0]) && place[1] >= 1, "{mistake}");
    }
    assert!(!mistake.what.is_empty() && !mistake.what.contains(['\u{1f}', '\n']), "{mistake:?}");
    Some(mistake)
}

/// The sample and more of YAML's syntax.
fn broad_sample() -> Vec<u8> {
    let more = "note: &note \"caf\u{e9}\\n\" # end\ntext: |\n  a\n  b\nother: 'it''s'\nmerge: {<<: {a: 1}, b: *note}\n";
    format!("%YAML 1.2\n---\n{SAMPLE}{more}...\n").into_bytes()
}

#[test]
fn every_truncation_and_deletion_is_read_or_refused_with_a_place() {
    for sample in [SAMPLE.as_bytes().to_vec(), broad_sample()] {
        for at in 0..sample.len() {
            read_broken(sample[..at].to_vec());
            read_broken([&sample[..at], &sample[at + 1..]].concat());
        }
    }
}

#[test]
fn every_replaced_byte_is_read_or_refused_with_a_place() {
    for sample in [SAMPLE.as_bytes().to_vec(), broad_sample()] {
        for at in 0..sample.len() {
            for byte in *b":{}[]&*!|>'\"%@`#,-?~. \t\r\n0a\\\x00\xff" {
                let mut broken = sample.clone();
                broken[at] = byte;
                read_broken(broken);
            }
        }
    }
}

#[test]
fn aliases_that_blow_up_and_depth_are_refused() {
    let mut bomb = "a: &a [x, x, x, x, x, x, x, x, x]\n".to_string();
    for (name, of) in "bcdefghijk".chars().zip("abcdefghij".chars()) {
        bomb += &format!("{name}: &{name} [{}]\n", vec![format!("*{of}"); 9].join(", "));
    }
    for text in [bomb, format!("a: {}", "[".repeat(1000)), "a: &a {<<: *a}".into(), "- ".repeat(1000)] {
        assert!(read_broken(text.into_bytes()).is_some());
    }
}

fn same<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: &T) {
    let text = to_yaml(value).unwrap();
    assert_eq!(&serde_yaml::from_str::<T>(&text).unwrap(), value, "{text}");
}

#[test]
fn numbers_read_back_bit_by_bit() {
    let floats = [
        1e-3,
        1e-45,
        1e300,
        -0.0,
        0.1,
        1.0,
        5e-324,
        f64::MAX,
        f64::MIN_POSITIVE,
        1e-5,
        123_456_789.0,
        1e16,
        f64::INFINITY,
    ];
    for float in floats {
        let text = to_yaml(&BTreeMap::from([("x", float)])).unwrap();
        let back = serde_yaml::from_str::<BTreeMap<String, f64>>(&text).unwrap()["x"];
        assert_eq!(back.to_bits(), float.to_bits(), "{text}");
    }
    assert!(serde_yaml::from_str::<f64>(&to_yaml(&f64::NAN).unwrap()).unwrap().is_nan());
    assert_eq!(to_yaml(&1e-5).unwrap(), "1.0e-5\n");
    assert_eq!(to_yaml(&2.5e300).unwrap(), "2.5e+300\n");
    same(&vec![u64::MAX, 0]);
    same(&vec![i64::MIN, i64::MAX]);
}

#[test]
fn texts_read_back_as_texts() {
    let texts = [
        "1",
        "1e3",
        "0x1f",
        "007",
        "1_000",
        ".5",
        ".nan",
        "yes",
        "no",
        "on",
        "y",
        "N",
        "true",
        "null",
        "~",
        "",
        " a",
        "a ",
        "a: b",
        "a #b",
        "- a",
        "[a]",
        "{a}",
        "*a",
        "&a",
        "!a",
        "|",
        "'",
        "\"",
        "\\",
        "two\nlines\n",
        "tab\t",
        "caf\u{e9}",
        "\u{1}",
        "\u{85}\u{2028}",
        "\u{feff}",
        "2024-01-01",
        "1 epoch",
        "<<",
        "=",
        "%",
        "@",
        "`",
        "a/b.csv",
        "x,y",
        "?",
        ":",
        "---",
        "\u{1f600}",
    ];
    for text in texts {
        same(&text.to_string());
        same(&BTreeMap::from([(text.to_string(), vec![vec![text.to_string()], vec![]])]));
    }
    assert_eq!(to_yaml(&["1", "yes", "mlp", "a/b.csv"]).unwrap(), "[\"1\", \"yes\", mlp, a/b.csv]\n");
}

#[test]
fn settings_are_written_in_block_style_in_the_order_of_their_fields() {
    let document = read::<Experiment>(SAMPLE, "a.yaml", &[]).unwrap();
    let text = to_yaml(&document.settings).unwrap();
    let expected = "\
seed: 3
verbose: true
small: 200
shift: -4
clip: 0.001
pair: [0.5, 1.0]
hidden: [20, 20]
tasks:
  - name: a
    target: [income]
    classes: 2
    weights: {}
  - name: b
    target: [x, \"y\"]
    classes: 3
    weights:
      u.v: 0.5
method:
  name: blend
  first:
    name: cagrad
    c: 0.2
    rescale: tasks
  others:
    - name: sum
    - name: forgetful
      rank: 3
    - name: blend
      first:
        name: sum
      others: []
";
    assert_eq!(text, expected);
    let again = read::<Experiment>(&text, "b.yaml", &[]).unwrap();
    assert_eq!(to_yaml(&again.settings).unwrap(), text);
}

#[test]
fn two_documents_differ_in_their_leaves() {
    let value = |text: &str| serde_yaml::from_str::<Value>(text).unwrap();
    let a = value(
        "{seed: 1, c: 1, same: [1, {x: 2}], list: [1, 2], method: {name: sum}, none: ~, big: 18446744073709551615}",
    );
    let b = value(
        "{seed: 2, c: 1.0, same: [1, {x: 2}], list: [1], method: {name: m, c: 0.5}, new: {a: 1}, big: 18446744073709551614}",
    );
    let expected = [
        ("seed", "1", "2"),
        ("list[1]", "2", "(none)"),
        ("method.name", "sum", "m"),
        ("method.c", "(none)", "0.5"),
        ("big", "18446744073709551615", "18446744073709551614"),
        ("new", "(none)", "{a: 1}"),
    ];
    assert_eq!(difference(&a, &b), expected.map(|(path, a, b)| (path.into(), a.into(), b.into())));
    assert_eq!(difference(&a, &a), []);
}

#[test]
fn overrides_change_what_they_name_and_no_more() {
    let overrides = [
        "seed=18446744073709551615",
        "method.first.c=1e-3",
        "tasks[1].name=c",
        "tasks[0].weights.\"a.b\"=2",
        "method.others[1]={name: cagrad, rescale: none}",
        "clip=",
        "hidden=[1]",
        "seed=7",
    ];
    let overrides: Vec<Override> = overrides.iter().map(|text| text.parse().unwrap()).collect();
    let changed = read::<Experiment>(SAMPLE, "a.yaml", &overrides).unwrap().settings;
    let plain = read::<Experiment>(SAMPLE, "a.yaml", &[]).unwrap().settings;
    let value = |settings: &Experiment| serde_yaml::to_value(settings).unwrap();
    let paths: Vec<_> = difference(&value(&plain), &value(&changed)).into_iter().map(|(path, ..)| path).collect();
    let expected = [
        "seed",
        "clip",
        "hidden[0]",
        "hidden[1]",
        "tasks[0].weights.\"a.b\"",
        "tasks[1].name",
        "method.first.c",
        "method.others[1].name",
        "method.others[1].rank",
        "method.others[1].c",
        "method.others[1].rescale",
    ];
    assert_eq!(paths, expected);
    assert_eq!(changed.seed, 7);
}

#[test]
fn sections_that_are_missing_are_made() {
    let overrides = ["method.name=cagrad", "method.c=0.1"].map(|text| text.parse().unwrap());
    let document = read::<Experiment>("seed: 1", "a.yaml", &overrides).unwrap();
    assert_eq!(to_yaml(&document.settings.method).unwrap(), "name: cagrad\nc: 0.1\nrescale: none\n");
}

#[test]
fn mistakes_found_later_name_the_nearest_place() {
    let set = ["method.first.c=0.9".parse().unwrap()];
    let places = read::<Experiment>(SAMPLE, "a.yaml", &set).unwrap().places;
    for (path, place) in [
        ("tasks[0].target", "a.yaml:11:13"),
        ("tasks[0].loss.classes", "a.yaml:10:5"),
        ("tasks[1].weights.\"u.v\"", "a.yaml:13:60"),
        ("tasks", "a.yaml:9:1"),
        ("method.others[1]", "a.yaml:19:7"),
        ("schedule", "a.yaml:2:1"),
        ("", "a.yaml:2:1"),
        ("method.first.c", "--set method.first.c=0.9"),
        ("method.first.rescale", "a.yaml:16:42"),
        ("not [a path", "a.yaml:2:1"),
    ] {
        let mistake = places.mistake(&BadSetting::new(path, "does not fit").remedy("fit it"));
        let what = if path.is_empty() { "does not fit".to_string() } else { format!("{path}: does not fit") };
        assert_eq!(mistake, Mistake::new(place, what).remedy("fit it"));
    }
}

#[test]
fn a_file_is_read_or_the_reason_given() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("document.yaml");
    std::fs::write(&path, format!("\u{feff}{}", SAMPLE.replace('\n', "\r\n"))).unwrap();
    assert_eq!(
        read_file::<Experiment>(&path, &[]).unwrap().places.of("method.first.c"),
        format!("{}:16:28", path.display())
    );

    let wrong = folder.path().join("documnet.yaml");
    let mistake = read_file::<Experiment>(&wrong, &[]).unwrap_err();
    let expected =
        Mistake::new(wrong.display(), "there is no such file").remedy(format!("did you mean {}?", path.display()));
    assert_eq!(mistake, expected);
    let mistake = read_file::<Experiment>(folder.path(), &[]).unwrap_err();
    assert_eq!(mistake, Mistake::new(folder.path().display(), "is a folder, not a file").remedy("name a file"));

    std::fs::write(&path, b"seed: 1\nname: \"caf\xc3\xa9 caf\xe9\"\n").unwrap();
    let mistake = read_file::<Experiment>(&path, &[]).unwrap_err();
    let expected = Mistake::new(format!("{}:2:16", path.display()), "byte 0xe9 is not UTF-8 text")
        .remedy("save the file as UTF-8");
    assert_eq!(mistake, expected);
}
