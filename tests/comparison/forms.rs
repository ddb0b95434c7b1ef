//! The forms of a comparison, held against each other.

use super::common::{succeed, text};
use super::{assert_agrees, assert_says, compared, list, names, put_fixture};
use serde_json::{Value, json};
use std::collections::BTreeMap;

fn number(cell: &str) -> Value {
    cell.parse::<f64>().map_or(Value::Null, |number| json!(number))
}

#[test]
fn csv_holds_what_json_holds() {
    let folder = tempfile::tempdir().expect("a folder");
    put_fixture(folder.path());
    let json = compared(&[text(folder.path())]);
    let said = succeed(&["compare", text(folder.path()), "--format", "csv"]);
    let mut reader = csv::Reader::from_reader(said.as_bytes());
    let lines: Vec<BTreeMap<String, String>> = reader.deserialize().map(|line| line.expect("a line")).collect();
    // Per row: its score, Δm, Δp and the three measures.
    assert_eq!(lines.len(), 6 * list(&json["rows"]).len());
    for line in &lines {
        let is_line = |row: &&Value| row["arm"] == line["arm"] && row["budget"] == line["budget"];
        let row = list(&json["rows"]).iter().find(is_line).expect("its row");
        let is_measure = |it: &Value| it["task"] == line["task"] && it["metric"] == line["metric"];
        let at = list(&json["measures"]).iter().position(is_measure);
        let estimate = at.map_or_else(|| &row[&line["metric"]], |at| &row["values"][at]);
        for (column, value) in [
            ("mean", &estimate["mean"]),
            ("standard_error", &estimate["standard_error"]),
            ("low", &estimate["interval"][0]),
            ("high", &estimate["interval"][1]),
            ("trials", &row["trials"]),
            ("finished", &row["finished"]),
            ("failed", &row["failed"]),
        ] {
            assert_agrees(column, &number(&line[column]), value);
        }
        assert!(row["trial"] == line["trial"] && line["split"] == "test" && line["reference"] == "sum");
        let tested = match (line["metric"].as_str(), at) {
            ("delta_m" | "delta_p", _) => None,
            (_, at) => list(&json["differences"][at.map_or(0, |at| at + 1)]).iter().find(|it| it["row"] == row["name"]),
        };
        assert_eq!(line["verdict"].is_empty(), tested.is_none());
        let null = Value::Null;
        let tested = tested.unwrap_or(&null);
        for (column, value) in [
            ("difference", &tested["mean"]),
            ("difference_low", &tested["interval"][0]),
            ("difference_high", &tested["interval"][1]),
            ("difference_level", &tested["level"]),
            ("p", &tested["p"]),
            ("p_holm", &tested["p_holm"]),
            ("t_p", &tested["t_p"]),
            ("sign_flip_p", &tested["sign_flip_p"]),
            ("wilcoxon_p", &tested["wilcoxon_p"]),
        ] {
            assert_agrees(column, &number(&line[column]), value);
        }
    }
}

#[test]
fn tables_for_people_have_every_row_and_escape_what_they_must() {
    let folder = tempfile::tempdir().expect("a folder");
    put_fixture(folder.path());
    let json = compared(&[text(folder.path())]);
    let said = |form: &str| succeed(&["compare", text(folder.path()), "--format", form]);
    let rows = names(&json["rows"], "name");

    let markdown = said("markdown");
    let tables: Vec<Vec<&str>> = markdown
        .split("\n\n")
        .map(|part| part.lines().take_while(|line| line.starts_with('|')).collect::<Vec<_>>())
        .filter(|lines| !lines.is_empty())
        .collect();
    // Head and rule; then all rows, all but the reference, the control's front, all rows.
    assert_eq!(
        tables.iter().map(|lines| lines.len() - 2).collect::<Vec<_>>(),
        [rows.len(), rows.len() - 1, 1, rows.len()]
    );
    for lines in &tables {
        assert!(lines.iter().all(|line| line.matches('|').count() == lines[0].matches('|').count()), "{lines:?}");
    }
    for (line, name) in tables[0][2..].iter().zip(&rows) {
        assert!(line.starts_with(&format!("| {name}")), "{line}: {name}");
    }
    // The sentences stand before the tables, as comments.
    let latex = said("latex");
    let comments = latex.lines().take_while(|line| line.starts_with("% ")).count();
    assert!(comments > 3 && latex.contains("% † chosen from all of its trials"), "{latex}");
    let latex: String = latex.lines().skip(comments).map(|line| format!("{line}\n")).collect();
    for from in ["\\begin{table}", "\\end{table}", "\\toprule", "\\bottomrule"] {
        assert_eq!(latex.matches(from).count(), tables.len(), "{from}");
    }
    let bare = latex.char_indices().any(|(at, letter)| "_%#".contains(letter) && !latex[..at].ends_with('\\'));
    assert!(!bare && latex.is_ascii(), "{latex}");

    let plain = said("text");
    assert_says(
        &plain,
        &json["conclusion"].as_array().expect("sentences").iter().filter_map(Value::as_str).collect::<Vec<_>>(),
    );
    assert_says(
        &plain,
        &["constant, all 9 trials †", "constant ‡", "expectation", "5 of 6", "Wilcoxon p", "backward passes"],
    );
}
