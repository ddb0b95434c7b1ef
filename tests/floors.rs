//! The floors of the house: `use crate::` only points down.

use std::fs;
use std::path::{Path, PathBuf};

/// From the ground up; parts on one line do not use each other.
const FLOORS: &[&[&str]] = &[
    &["error", "kernels", "random"],
    &["files", "path", "pareto", "statistics", "table"],
    &["registry", "picture"],
    &["settings", "interval", "memory", "libtorch", "tensor_file"],
    &["yaml", "manual", "tasks", "weights"],
    &["data", "models", "methods", "optim", "record"],
    &["engine", "balance", "run", "metadata", "environment"],
    &["trainer", "inspect"],
    &["experiment"],
    &["summary", "trajectory", "predict"],
    &["train"],
    &["affinity", "sweep"],
    &["comparison"],
    &["report", "tradeoff"],
    &["cli"],
    &["main", "lib"],
];

fn floor(part: &str) -> usize {
    FLOORS
        .iter()
        .position(|parts| parts.contains(&part))
        .unwrap_or_else(|| panic!("{part} has no floor: give it one in tests/floors.rs"))
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("src").flatten() {
        let path = entry.path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn use_lines_only_point_down() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    let mut upward = Vec::new();
    for file in &files {
        let inside = file.strip_prefix(&root).expect("below src");
        let part = inside.iter().next().expect("a name").to_string_lossy();
        let part = part.trim_end_matches(".rs");
        for (number, line) in fs::read_to_string(file).expect("a source").lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            assert!(!code.contains("crate::{"), "{}:{}: one `use` line per part", inside.display(), number + 1);
            let names = code.match_indices("crate::").filter(|(at, _)| !code[..*at].ends_with('$'));
            for (at, found) in names {
                let used: String =
                    code[at + found.len()..].chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                let is_type = used.starts_with(char::is_uppercase); // in a text, not a path to a part
                let is_macro = code[at + found.len() + used.len()..].starts_with('!');
                if used.is_empty() || used == part || is_macro || is_type {
                    continue;
                }
                if floor(&used) >= floor(part) {
                    upward.push(format!("{}:{}: {part} uses {used}", inside.display(), number + 1));
                }
            }
        }
    }
    assert!(upward.is_empty(), "arrows that do not point down:\n{}", upward.join("\n"));
}
