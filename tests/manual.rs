//! The manual's page of every method, and the README's table of them.

mod common;

use common::{succeed, text, write};
use polytask::balance::MethodSettings;
use polytask::manual;
use polytask::methods::{Heads, Method, Reads};
use polytask::registry::Entry;
use serde_json::Value;

const README: &str = include_str!("../README.md");

/// A method with what it requires.
fn method(name: &str) -> Method {
    let required = match name {
        "constant" => ", weights: [1, 2]",
        "stch" => ", mu: 1",
        "pbi" => ", theta: 1",
        "cosmos" => ", lambda: 1",
        "krum" => ", n_byzantine: 0",
        "trimmed_mean" => ", trim_number: 1",
        "cr_mogm" => ", inner: {name: mgda}",
        "weighted" => ", weighting: {name: uw}, inner: {name: mgda}",
        "grouped" => ", by: layer, inner: {name: mgda}",
        _ => "",
    };
    serde_yaml::from_str(&format!("{{name: {name}{required}}}")).expect("a method")
}

fn is_made_of_others(name: &str) -> bool {
    ["cr_mogm", "weighted", "grouped"].contains(&name)
}

/// The doc comment of a method's struct.
fn description(entry: &Entry) -> &str {
    entry.schema.get("description").and_then(Value::as_str).expect("a description")
}

#[test]
fn every_methods_page_has_a_sentence_a_formula_with_shapes_and_its_facts_in_order() {
    for entry in Method::entries() {
        let (name, said) = (entry.name, description(&entry));
        assert!(said.starts_with(&manual::sentence(&entry)), "{name}: the first paragraph is one sentence");
        assert!(said.contains("\n\n```text\n"), "{name}: the formula stands in a block of its own, opened by ```text");
        let shapes = ["[T]", "[K]", "[P]", "[T, P]", "[T, P_g]"];
        assert!(shapes.iter().any(|shape| said.contains(shape)), "{name}: symbols have shapes");
        let mut from = 0;
        for label in ["Reads: ", "Cost: ", "Absent tasks: ", "Deviations: ", "Reference: "] {
            let at = said[from..].find(&format!("\n\n{label}"));
            from += at.unwrap_or_else(|| panic!("{name}: no paragraph \"{label}…\" where it belongs"));
        }
        let reference = &said[from..];
        let year = |word: &str| word.len() == 4 && word.starts_with("20") && word.parse::<u16>().is_ok();
        assert!(reference.contains(", \""), "{name}: a reference is written: Author, \"Title\", Venue Year");
        assert!(reference.split(|c: char| !c.is_alphanumeric()).any(year), "{name}: a reference has a year");
    }
}

#[test]
fn every_methods_page_says_what_it_reads() {
    for entry in Method::entries() {
        let expected = match method(entry.name).reads() {
            _ if is_made_of_others(entry.name) => "what `inner` reads",
            Reads::Losses(_) => "losses",
            Reads::Gramian(_) => "Gramian",
            Reads::Jacobian(_) => "Jacobian",
        };
        assert_eq!(manual::reads(&entry).as_deref(), Some(expected), "{}", entry.name);
    }
}

#[test]
fn the_list_of_methods_is_grouped_by_what_they_read() {
    let list = manual::list("method", &Method::entries());
    let groups: Vec<&str> = list.lines().filter(|line| line.starts_with("  reads ")).collect();
    assert_eq!(groups, ["  reads losses", "  reads Gramian", "  reads Jacobian", "  reads what `inner` reads"]);
    let line = |start: &str| list.lines().position(|line| line.trim_start().starts_with(start));
    let (gramian, jacobian) = (line("reads Gramian"), line("reads Jacobian"));
    assert!(gramian < line("cagrad ") && line("cagrad ") < jacobian && jacobian < line("moco "), "{list}");
}

#[test]
fn pages_fit_the_terminal_and_explain_every_setting() {
    let shared = MethodSettings::common();
    for entry in Method::entries() {
        let page = manual::page(&entry, Some(&shared));
        for line in page.lines() {
            assert!(line.chars().count() <= 96, "{}: {line}", entry.name);
            assert_eq!(line.matches('`').count() % 2, 0, "{}: broken code: {line}", entry.name);
        }
        let own = page.find("\nsettings\n").expect("the method's settings");
        let all = page.find("\nsettings of every method\n").expect("the settings of every method");
        assert!(own < all && page[all..].contains("\n  every: "), "{page}");
        for (name, setting) in properties(&entry) {
            assert!(setting["description"].is_string(), "{}.{name} is not explained", entry.name);
        }
    }
}

#[test]
fn the_page_of_heads_names_the_methods_whose_heads_follow_the_weights() {
    let shared = MethodSettings::common();
    let heads = shared.schema.get("properties").map(|all| all["heads"]["description"].to_string()).expect("heads");
    let (weighted, _) = heads.split_once("`own`").expect("the default");
    for name in Method::NAMES.iter().filter(|name| !is_made_of_others(name)) {
        let method = method(name);
        let listed = matches!(method.reads(), Reads::Losses(_))
            || weighted.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == *name);
        assert_eq!(listed, method.heads() == Heads::Weighted, "{name}");
    }
}

#[test]
fn the_readmes_table_has_the_row_of_every_method() {
    let rows: Vec<String> = Method::entries().iter().map(row).collect();
    let missing = rows.iter().any(|row| !README.lines().any(|line| line == row));
    assert!(!missing, "README.md, section Methods: its table shall have these rows:\n\n{}\n", rows.join("\n"));
}

/// A method's row: name, sentence, what it reads, settings with their defaults.
fn row(entry: &Entry) -> String {
    let required = entry.schema.get("required").and_then(Value::as_array).cloned().unwrap_or_default();
    let setting = |(name, setting): (&str, &Value)| match &setting["default"] {
        _ if required.contains(&name.into()) => format!("`{name}` required"),
        Value::Null => format!("`{name}` optional"),
        Value::Number(number) => format!("`{name}` {}", number.as_f64().expect("a number")),
        Value::String(text) => format!("`{name}` {text}"),
        other => format!("`{name}` {other}"),
    };
    let settings: Vec<String> = properties(entry).into_iter().map(setting).collect();
    let settings = if settings.is_empty() { "–".to_string() } else { settings.join(", ") };
    let reads = manual::reads(entry).expect("what it reads");
    format!("| `{}` | {} | {reads} | {settings} |", entry.name, manual::sentence(entry))
}

/// A method's own settings with their schemas.
fn properties(entry: &Entry) -> Vec<(&str, &Value)> {
    let all = entry.schema.get("properties").and_then(Value::as_object).expect("properties");
    all.iter().map(|(name, setting)| (name.as_str(), setting)).filter(|(name, _)| *name != "name").collect()
}

#[test]
fn the_readmes_example_of_balance_prints_what_it_shows() {
    let case = r#"{"steps": [{"losses": [0.4, 1.2], "jacobian": [[-4, 1, 1], [6, 1, 1]]}]}"#;
    let method = "{name: upgrad}";
    assert!(README.contains(&format!("echo '{case}' > case.json\npolytask balance case.json --method '{method}'\n")));
    let folder = tempfile::tempdir().expect("a folder");
    let file = write(folder.path(), "case.json", case);
    let numbers = |line: &str| -> Vec<f64> {
        let said: Value = serde_json::from_str(line).expect("json");
        let step = &said["steps"][0];
        let both = step["weights"].as_array().into_iter().chain(step["direction"].as_array()).flatten();
        both.map(|number| number.as_f64().expect("a number")).collect()
    };
    let shown = README.lines().find(|line| line.starts_with(r#"{"steps":[{"weights""#)).expect("an output");
    let (shown, said) = (numbers(shown), numbers(&succeed(&["balance", text(&file), "--method", method])));
    assert_eq!((shown.len(), said.len()), (5, 5));
    assert!(shown.iter().zip(&said).all(|(shown, said)| (shown - said).abs() < 1e-9), "{shown:?} {said:?}");
}
