//! Toy problems: they train, resume and evaluate like any other experiment, and their paths become pictures.

mod common;

use common::{fail, metrics, run, stderr, succeed, text, write};
use std::fs;
use std::path::{Path, PathBuf};

/// A short run on a problem, with `more` at top level.
fn problem(folder: &Path, name: &str, objectives: &str, more: &str) -> PathBuf {
    let yaml = format!(
        "name: {name}
precision: float64
data: {{name: none, rows: 50}}
tasks:
  - {{name: first, loss: {{name: value}}}}
  - {{name: second, loss: {{name: value}}}}
model: {{objectives: {{{objectives}}}}}
record: {{every: 10}}
{more}"
    );
    write(folder, &format!("{name}.yaml"), &yaml)
}

const ADAM: &str = "optimizer: {name: adam, learning_rate: 0.01}\ntrain: {steps: 300, batch_size: 1}\n";

#[test]
fn the_toys_mean_ends_in_the_middle_of_the_pareto_set_from_its_second_start() {
    let folder = tempfile::tempdir().expect("a folder");
    let settings = "method: {name: mean}
optimizer: {name: adam, learning_rate: 0.05}
train: {steps: 4000, batch_size: 1}
";
    let yaml = problem(folder.path(), "toy", "name: toy, start: [-8.5, -5]", settings);
    let out = folder.path().join("run");
    succeed(&["train", text(&yaml), "--out", text(&out), "--quiet"]);
    let picture = folder.path().join("toy.svg");
    let table = succeed(&["trajectories", text(&out), "-o", text(&picture)]);
    let end: Vec<&str> = table.lines().nth(1).expect("a run").split_whitespace().collect();
    assert_eq!(end[1..], ["-15.0916"; 3], "{table}");

    let lines = metrics(&out);
    let at = |step: i64, metric: &str| {
        let is =
            |line: &&serde_json::Value| line["step"] == step && line["metric"] == metric && line["task"] == "total";
        lines.iter().find(is).and_then(|line| line["value"].as_f64()).expect("a value")
    };
    assert_eq!((at(0, "x0"), at(0, "x1")), (-8.5, -5.0));
    assert!(at(3990, "x0").abs() < 1e-3 && (at(3990, "x1") + 8.3551).abs() < 1e-3);
}

#[test]
fn a_run_on_a_problem_resumes_and_its_model_evaluates_and_predicts() {
    let folder = tempfile::tempdir().expect("a folder");
    let yaml = problem(folder.path(), "zdt", "name: zdt1, dimension: 4", ADAM);
    let (whole, broken) = (folder.path().join("whole"), folder.path().join("broken"));
    succeed(&["train", text(&yaml), "--out", text(&whole), "--quiet"]);
    succeed(&["train", text(&yaml), "--out", text(&broken), "--quiet", "--set", "train.steps=130"]);
    succeed(&["train", text(&yaml), "--out", text(&broken), "--quiet", "--resume"]);
    let records = |run: &Path| fs::read_to_string(run.join("metrics.jsonl")).expect("records");
    assert_eq!(records(&whole), records(&broken));

    let scores = succeed(&["evaluate", text(&whole), text(&yaml), "--train", "--json"]);
    let scores: serde_json::Value = serde_json::from_str(&scores).expect("json");
    let value = |task: &str| scores["train"][task]["loss"].as_f64().expect("a loss");
    let table = succeed(&["trajectories", text(&whole), "-o", text(&folder.path().join("zdt.svg"))]);
    let end: Vec<&str> = table.lines().nth(1).expect("a run").split_whitespace().collect();
    assert_eq!(end[1..3], [format!("{:.4}", value("first")), format!("{:.4}", value("second"))]);
    assert!(table.contains("the whole front      0.66666"), "{table}");
}

#[test]
fn trajectories_become_pictures_with_a_legend_by_method() {
    let folder = tempfile::tempdir().expect("a folder");
    let yaml = problem(folder.path(), "bells", "name: fonseca, dimension: 2", ADAM);
    let mut runs = vec![];
    for (name, method) in [
        ("a", "{name: mean}"),
        ("b", "{name: constant, weights: [0.2, 0.8]}"),
        ("c", "{name: constant, weights: [0.8, 0.2]}"),
    ] {
        let out = folder.path().join(name);
        succeed(&["train", text(&yaml), "--out", text(&out), "--quiet", "--set", &format!("method={method}")]);
        runs.push(text(&out).to_string());
    }
    let draw = |file: &Path| {
        let mut arguments = vec!["trajectories"];
        arguments.extend(runs.iter().map(String::as_str));
        arguments.extend(["-o", text(file)]);
        succeed(&arguments);
        fs::read(file).expect("a picture")
    };
    let svg = String::from_utf8(draw(&folder.path().join("bells.svg"))).expect("text");
    for word in ["bells", "mean", "constant weights [0.2,0.8]", "constant weights [0.8,0.2]", "Pareto set and front"] {
        assert!(svg.lines().any(|line| line.trim() == word), "{word} is not in the picture");
    }
    assert!(svg.starts_with("<svg width=\"1180\" height=\"640\" viewBox=\"0 0 4720 2560\""), "{}", &svg[..99]);
    assert!(draw(&folder.path().join("bells.png")).starts_with(b"\x89PNG\r\n"));

    let picture = folder.path().join("bells.gif");
    let said = fail(&["trajectories", &runs[0], "-o", text(&picture)]);
    assert!(said.contains("bells.gif: is no picture that can be written\n  hint: name it .svg or .png"), "{said}");
    let other = problem(folder.path(), "other", "name: fonseca, dimension: 3", ADAM);
    let out = folder.path().join("d");
    succeed(&["train", text(&other), "--out", text(&out), "--quiet"]);
    let said = fail(&["trajectories", &runs[0], text(&out), "-o", "unwritten.svg"]);
    assert!(said.contains("\"dimension\":3") && said.contains("hint: draw runs of one problem at a time"), "{said}");
    fs::remove_file(Path::new(&runs[0]).join("summary.json")).expect("the run ended");
    let output = run(&["trajectories", &runs[0], "-o", text(&folder.path().join("bells.svg"))]);
    assert!(stderr(&output).contains("a: has not finished: its path ends at its last record"), "{}", stderr(&output));
}

/// The losses at the end of a run of an experiment of the repository by exact Pareto optimal search, whose preference asks for
/// losses in the ratio of `ray`.
fn searched(run: &Path, name: &str, ray: &[f64]) -> Vec<f64> {
    let yaml = Path::new(env!("CARGO_MANIFEST_DIR")).join("experiments").join(name);
    let preference: Vec<f64> = ray.iter().map(|value| 1.0 / value).collect();
    let method = format!("method={{name: epo, preference: {preference:?}}}");
    succeed(&["train", text(&yaml), "--out", text(run), "--quiet", "--set", &method]);
    let scores = succeed(&["evaluate", text(run), text(&yaml), "--train", "--json"]);
    let scores: serde_json::Value = serde_json::from_str(&scores).expect("json");
    let tasks = ["first", "second", "third"].into_iter().take(ray.len());
    tasks.map(|task| scores["train"][task]["loss"].as_f64().expect("a loss")).collect()
}

/// The angle between two directions, in degrees.
fn angle(a: &[f64], b: &[f64]) -> f64 {
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    (dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()).min(1.0).acos().to_degrees()
}

#[test]
fn exact_pareto_optimal_search_ends_on_the_front_where_the_preference_points() {
    let folder = tempfile::tempdir().expect("a folder");
    for step in 0..5 {
        let slope = (f64::from(step) + 0.5) / 5.0 * std::f64::consts::FRAC_PI_2;
        let ray = [slope.cos(), slope.sin()];
        let losses = searched(&folder.path().join(format!("fonseca{step}")), "fonseca.yaml", &ray);
        assert!(angle(&losses, &ray) < 1.0, "{losses:?} is off {ray:?} by {}", angle(&losses, &ray));
        let distances = losses.iter().map(|loss| (-(1.0 - loss).ln()).sqrt()).sum::<f64>();
        assert!((distances - 2.0).abs() < 1e-3, "{losses:?} is not on the front");
    }
    for (number, ray) in [[1.0, 1.0, 1.0], [1.0, 2.0, 3.0], [0.9, 0.2, 0.3]].iter().enumerate() {
        let run = folder.path().join(format!("dtlz{number}"));
        let losses = searched(&run, "dtlz2.yaml", ray);
        assert!(angle(&losses, ray) < 1.5, "{losses:?} is off {ray:?} by {}", angle(&losses, ray));
        let length = losses.iter().map(|loss| loss * loss).sum::<f64>().sqrt();
        assert!((length - 1.0).abs() < 1e-3, "{losses:?} is not on the front");
    }
    let said = fail(&["trajectories", text(&folder.path().join("dtlz0")), "-o", "unwritten.svg"]);
    assert!(said.contains("dtlz2 has 3 objectives, and a picture shows two\n  hint: name runs of"), "{said}");
}

#[test]
fn combinations_that_make_no_sense_are_named_with_a_remedy() {
    let folder = tempfile::tempdir().expect("a folder");
    let yaml = problem(folder.path(), "toy", "name: toy", ADAM);
    let tasks = |first: &str| format!("tasks=[{{name: first, {first}}}, {{name: second, loss: {{name: value}}}}]");
    for (changes, expected, hint) in [
        (
            vec!["data={name: synthetic}".to_string()],
            "data: toy reads no rows, and data synthetic gives some",
            "write `data: {name: none}`",
        ),
        (
            vec!["tasks=[{name: first, loss: {name: value}}]".into()],
            "tasks: 1 tasks for the 2 objectives of toy",
            "list one task per objective, in order: `- {name: …, loss: {name: value}}`",
        ),
        (
            vec!["model={objectives: {name: dtlz2, objectives: 3}}".into()],
            "tasks: 2 tasks for the 3 objectives of dtlz2",
            "list one task per objective",
        ),
        (
            vec![tasks("loss: {name: mse}")],
            "tasks[0].loss: mse reads labels, and data none has none",
            "write `loss: {name: value}`",
        ),
        (
            vec![tasks("metrics: [mae], loss: {name: value}")],
            "tasks[0].metrics[0]: mae compares with labels, and data none has none",
            "leave it out",
        ),
        (
            vec![tasks("target: y, loss: {name: value}")],
            "tasks[0].target: y names columns of labels, and data none has none",
            "leave it out",
        ),
        (
            vec!["model={backbone: {name: mlp, hidden: [3]}}".into()],
            "model.backbone: there are no columns to read",
            "give rows in `data`",
        ),
        (
            vec!["model={backbone: {name: mlp, hidden: [3]}}".into(), "data={name: synthetic}".into()],
            "tasks[0].loss: value reads no labels, and data synthetic gives some",
            "choose a loss that reads labels",
        ),
        (
            vec!["model.backbone={name: mlp, hidden: [3]}".into()],
            "model.backbone: stands beside `objectives`",
            "keep one of the two",
        ),
        (vec!["model.torchscript=x.pt".into()], "model.objectives: stands beside `torchscript`", "keep one of the two"),
        (
            vec!["model.objectives.start=[1]".into()],
            "model.objectives.start: has 1 numbers, the problem has 2 dimensions",
            "give one number per dimension",
        ),
        (vec!["stop={patience: 3}".into()], "there are no validation rows to judge by", "name a validation split"),
    ] {
        let mut arguments = vec!["check", text(&yaml)];
        changes.iter().for_each(|change| arguments.extend(["--set", change.as_str()]));
        let said = fail(&arguments);
        assert!(said.contains(expected) && said.contains(&format!("hint: {hint}")), "{changes:?}: {said}");
    }
}
