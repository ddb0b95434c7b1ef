//! The page and the pictures of a comparison: whole, alone, and true to the runs.

mod common;

use common::{fail, small, succeed, text, write};
use polytask::comparison::{collect, compare};
use polytask::report::{Averaged, Quantity, Records};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

const HOSTILE: &str = "<b>&\"x";

/// A finished sweep of 5 methods (one diverges), fixed weights and single-task networks; trained once for all tests.
fn sweep() -> &'static Path {
    static SWEEP: OnceLock<PathBuf> = OnceLock::new();
    SWEEP.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("report");
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).expect("a folder");
        let experiment = small("optimizer: {name: sgd, learning_rate: 0.1}\ntrain: {epochs: 2, batch_size: 50}\n");
        write(&folder, "small.yaml", &(experiment + "record: {every: 1, gradients: 2, tensorboard: false}\n"));
        let yaml = write(
            &folder,
            "sweep.yaml",
            r#"
experiment: small.yaml
compare: {method: [sum, famo, pcgrad]}
arms:
  - {name: '<b>&"x', set: {method: uw}}
  - {name: wild, set: {optimizer.learning_rate: 1e30}}
control: {divisions: 3}
baseline: single
seeds: 3
"#,
        );
        let out = folder.join("runs");
        let arguments = ["sweep", text(&yaml), "--out", text(&out), "--quiet"];
        let output = common::run(&arguments);
        assert_eq!(output.status.code(), Some(1), "wild diverges: {}", common::stderr(&output));
        out
    })
}

/// The page of some runs.
fn page(runs: &Path) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("page.html");
    succeed(&["report", text(runs), "--out", text(&out)]);
    fs::read_to_string(out).expect("the page")
}

/// Insists that every tag is closed in order, every attribute quoted, every name defined once, no letter left bare that
/// must be written as an entity; gives the tags that were opened.
fn well_formed(page: &str) -> Vec<String> {
    const VOID: [&str; 3] = ["meta", "br", "img"];
    let mut rest = page.strip_prefix("<!DOCTYPE html>").expect("a doctype");
    let (mut open, mut seen, mut names) = (Vec::<String>::new(), Vec::new(), Vec::<String>::new());
    while let Some(at) = rest.find('<') {
        bare(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(closing) = rest.strip_prefix('/') {
            let (name, after) = closing.split_once('>').expect("the end of a tag");
            assert_eq!(open.pop().as_deref(), Some(name), "closed after {seen:?}");
            rest = after;
            continue;
        }
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric()).expect("the end of a name");
        let name = rest[..end].to_string();
        assert!(!name.is_empty(), "a bare < before {:?}", &rest[..rest.len().min(40)]);
        rest = &rest[end..];
        let closed = loop {
            rest = rest.trim_start();
            if let Some(after) = rest.strip_prefix("/>") {
                rest = after;
                break true;
            }
            if let Some(after) = rest.strip_prefix('>') {
                rest = after;
                break VOID.contains(&name.as_str());
            }
            let (attribute, after) = rest.split_once("=\"").expect("an attribute with a quoted value");
            assert!(attribute.chars().all(|c| c.is_ascii_alphanumeric() || "-:".contains(c)), "{attribute:?}");
            let (value, after) = after.split_once('"').expect("the end of a value");
            bare(value);
            assert!(!value.contains('<'), "{value:?}");
            if attribute == "id" {
                assert!(!names.contains(&value.to_string()), "two elements are called {value}");
                assert!(!value.contains(char::is_whitespace), "{value:?}");
                names.push(value.into());
            }
            rest = after;
        };
        seen.push(name.clone());
        if name == "style" || name == "script" {
            let (_, after) = rest.split_once(&format!("</{name}>")).expect("the end of what is raw");
            rest = after;
        } else if !closed {
            open.push(name);
        }
    }
    assert!(open.is_empty() && rest.trim().is_empty(), "left open: {open:?}, left over: {rest:?}");
    for link in page.split("href=\"#").skip(1) {
        let target = link.split('"').next().unwrap_or_default();
        assert!(names.iter().any(|name| name == target), "a link to #{target}, which is nowhere");
    }
    seen
}

/// Text in which `&` starts an entity and `>` does not stand.
fn bare(text: &str) {
    assert!(!text.contains('>'), "{text:?}");
    for after in text.split('&').skip(1) {
        let entity = after.split(';').next().unwrap_or_default();
        assert!(["amp", "lt", "gt", "quot"].contains(&entity), "a bare & in {text:?}");
    }
}

/// Insists that a page reads nothing but itself.
fn stands_alone(page: &str) {
    let without_namespace = page.replace("http://www.w3.org/2000/svg", "");
    for outside in ["http://", "https://", "src=", "url(", "@import", "<link", "<img", "<iframe", "fetch(", "xlink"] {
        assert!(!without_namespace.contains(outside), "{outside}");
    }
    assert!(page.split("href=\"").skip(1).all(|link| link.starts_with('#')));
    assert_eq!((page.matches("<style>").count(), page.matches("<script>").count()), (1, 1));
}

/// The words of each row's first cell in the table of a section.
fn row_heads(page: &str, section: &str) -> Vec<String> {
    let section = page.split(&format!("<section id=\"{section}\">")).nth(1).expect("the section");
    let table = section.split("</section>").next().unwrap_or_default();
    let heads = table.split("<th scope=\"row\">").skip(1);
    heads.map(|head| head.split("</th>").next().unwrap_or_default().to_string()).collect()
}

#[test]
fn the_page_of_a_sweep_is_whole_and_stands_alone() {
    let page = page(sweep());
    let tags = well_formed(&page);
    stands_alone(&page);
    let place = |part: &str| page.find(part).unwrap_or_else(|| panic!("{part} is missing"));
    let order =
        ["<h2>Conclusion", "<h2>Every arm", "<h2>Is the difference real", "<h2>Ranks", "<h2>Fronts", "<h2>Cost"];
    let order =
        [&order[..], &["<h2>While they trained", "<h2>Failed runs", "<h2>How it was made", "<script>"]].concat();
    let places: Vec<usize> = order.iter().map(|part| place(part)).collect();
    assert!(places.is_sorted(), "{places:?}");
    assert!(place("Against sum on Δm") < place("<table"));

    // Constant weights have two trials where the others have one: a row for all, one at equal budget.
    let mut heads = row_heads(&page, "table");
    heads.sort();
    let arms =
        ["&lt;b&gt;&amp;&quot;x", "constant ‡", "constant, all 2 trials †", "famo", "pcgrad", "single", "sum", "wild"];
    assert_eq!(heads, arms);
    let charts = tags.iter().filter(|tag| *tag == "svg").count();
    let titles: Vec<&str> =
        page.split("<svg ").skip(1).filter_map(|svg| svg.split("<title>").nth(1)?.split("</title>").next()).collect();
    assert!(charts >= 10 && titles.len() == charts && titles.iter().all(|title| !title.is_empty()), "{titles:?}");
    for title in [
        "Δm against sum",
        "Average place by Δm, seed by seed",
        "task1: accuracy on validation",
        "task2: weight in the update",
    ] {
        assert!(titles.contains(&title), "{title} is not in {titles:?}");
    }
    for part in ["21 of 24 runs finished, 3 failed; 7 arms, 3 seeds; measured on test.", "3 runs without a result"] {
        assert!(page.contains(part), "{part}");
    }
    assert_eq!(row_heads(&page, "failed"), ["wild"; 3]);
    let failed = &page[place("<h2>Failed runs")..place("<h2>How it was made")];
    assert!(failed.matches("<td>diverged</td>").count() == 3 && failed.contains("NaN at step 1"), "{failed}");
    // The sweep, as a reader could run it again, and the settings of the chosen trials.
    assert!(page.contains("divisions: 3\n") && page.contains("seeds: [0, 1, 2]\n"));
    assert!(page.contains("polytask sweep ") && page.contains("name: famo"));
    assert!(
        page.contains(r"name: &quot;&lt;b&gt;&amp;\&quot;x&quot;") && !page.contains("<b>&"),
        "a name from YAML is not trusted"
    );
}

#[test]
fn two_readings_write_the_same_bytes() {
    assert!(page(sweep()) == page(sweep()));
}

#[test]
fn every_chart_is_written_as_svg_and_as_png() {
    let folder = tempfile::tempdir().expect("a folder");
    let plot = |more: &[&str]| {
        let out = folder.path().join("plots");
        let _ = fs::remove_dir_all(&out);
        let said = succeed(&[&["plot", text(sweep()), "--out", text(&out)], more].concat());
        let mut files: Vec<PathBuf> = said.lines().map(PathBuf::from).collect();
        files.sort();
        let mut there: Vec<PathBuf> = fs::read_dir(&out).expect("plots").flatten().map(|entry| entry.path()).collect();
        there.sort();
        assert_eq!(files, there, "what is said is what is written");
        files
    };
    let stems = |files: &[PathBuf]| -> Vec<String> {
        files.iter().map(|file| file.file_stem().expect("a name").to_string_lossy().into_owned()).collect()
    };
    let svg = plot(&[]);
    let names = stems(&svg);
    for name in
        ["cost", "differences", "ranks", "front-task1-task2", "conflict", "validation-task1-accuracy", "loss-task2"]
    {
        assert!(names.iter().any(|it| it == name), "{name} is not in {names:?}");
    }
    for file in &svg {
        let svg = fs::read_to_string(file).expect("a picture");
        well_formed(&format!("<!DOCTYPE html>{svg}"));
        assert!(svg.starts_with("<svg xmlns=\"http://www.w3.org/2000/svg\"") && !svg.contains("var(--"));
    }
    let png = plot(&["--format", "png"]);
    assert_eq!(stems(&png), names);
    for file in &png {
        let picture = image::open(file).expect("a picture").to_rgb8();
        let ground = picture.get_pixel(0, 0);
        assert!(picture.pixels().any(|pixel| pixel != ground), "{} is blank", file.display());
    }
    assert_eq!(stems(&plot(&["--only", "ranks", "--only", "cost"])), ["cost", "ranks"]);

    let out = folder.path().join("none");
    let said = fail(&["plot", text(sweep()), "--out", text(&out), "--only", "rank"]);
    assert!(said.contains("no chart \"rank\"") && said.contains("ranks, front-task1-task2, cost"), "{said}");
    assert!(!out.exists());
}

#[test]
fn runs_without_records_or_a_sweep_make_a_page() {
    let folder = tempfile::tempdir().expect("a folder");
    // As `polytask train` leaves them; the records of one were deleted.
    for (seed, has_records) in [(0, true), (1, false)] {
        let (from, to) = (sweep().join(format!("famo/seed{seed}")), folder.path().join(format!("famo/seed{seed}")));
        fs::create_dir_all(&to).expect("a folder");
        for file in ["summary.json", "config.yaml", "metrics.jsonl"] {
            if has_records || file != "metrics.jsonl" {
                fs::copy(from.join(file), to.join(file)).expect("a file");
            }
        }
    }
    let with_records = page(folder.path());
    well_formed(&with_records);
    assert!(
        with_records.contains("<h2>While they trained") && with_records.contains("config.yaml runs again as it is")
    );
    fs::remove_file(folder.path().join("famo/seed0/metrics.jsonl")).expect("the records");
    let without = page(folder.path());
    well_formed(&without);
    assert!(!without.contains("<h2>While they trained") && without.contains("1 arm, 2 seeds"));
    // One run alone.
    assert!(page(&folder.path().join("famo/seed0")).contains("1 of 1 run finished, 0 failed; 1 arm, 1 seed;"));

    let said = fail(&["report", text(&folder.path().join("nothing"))]);
    assert!(said.contains("nothing: there is no such file"), "{said}");
    let said = fail(&["report", text(folder.path()), "--out", text(&folder.path().join("no/such/page.html"))]);
    assert!(said.contains("no/such"), "{said}");
    fs::write(folder.path().join("famo/seed0/metrics.jsonl"), b"\"loss\" \xff\xfe\n").expect("a file");
    let said = fail(&["report", text(folder.path()), "--out", text(&folder.path().join("page.html"))]);
    assert!(said.contains("metrics.jsonl: cannot be read") && said.contains("hint: "), "{said}");
}

/// A finished run, as far as a comparison reads it.
fn summary(group: &str, seed: u64, accuracies: [Value; 2]) -> Value {
    let tasks = |[first, second]: [Value; 2]| json!({ "a": { "loss": 1, "accuracy": first }, "b/ c": { "loss": 1, "accuracy": second } });
    json!({
        "experiment": "made", "group": group, "seed": seed, "ended": "1 epoch", "steps": 10, "parameters": 7,
        "select": { "metric": "loss", "mode": "min", "value": 0.5 },
        "final": {}, "best": { "validation": tasks(accuracies.clone()), "test": tasks(accuracies) },
        "gradients": { "conflicting_pairs": null },
        "cost": { "seconds": 1.5, "backward_passes": 10, "method_seconds": 0.1, "peak_memory_mib": null },
        "versions": { "polytask": "0", "libtorch": null }, "device": null, "git_commit": null,
    })
}

/// Writes the folder of a run.
fn make(runs: &Path, group: &str, seed: u64, accuracies: [Value; 2], records: &str) {
    let folder = runs.join(group.replace(['/', '"', '<', '>'], "-")).join(format!("seed{seed}"));
    fs::create_dir_all(&folder).expect("a folder");
    fs::write(folder.join("summary.json"), summary(group, seed, accuracies).to_string()).expect("a summary");
    if !records.is_empty() {
        fs::write(folder.join("metrics.jsonl"), records).expect("records");
    }
}

#[test]
fn any_number_of_arms_and_seeds_makes_a_page() {
    for (arms, seeds) in [(40, 5), (40, 1), (1, 5), (1, 1), (2, 2)] {
        let folder = tempfile::tempdir().expect("a folder");
        for (arm, seed) in (0..arms).flat_map(|arm| (0..seeds).map(move |seed| (arm, seed))) {
            let value = |task: u64| json!(0.5 + ((7 * arm + 13 * seed + 5 * task) % 23) as f64 / 50.0);
            make(folder.path(), &format!("{HOSTILE}{arm}"), seed, [value(0), value(1)], "");
        }
        let page = page(folder.path());
        well_formed(&page);
        stands_alone(&page);
        assert_eq!(row_heads(&page, "table").len() as u64, arms, "{arms} arms, {seeds} seeds");
        assert!(!page.contains(HOSTILE));
        assert_eq!(page.contains("<section id=\"ranks\">"), arms > 1);
    }
}

#[test]
fn values_that_are_missing_or_all_equal_make_a_page() {
    let folder = tempfile::tempdir().expect("a folder");
    for (arm, accuracy) in
        [("none", json!(null)), ("words", json!("NaN")), ("same", json!(0.5)), ("huge", json!(1e300))]
    {
        for seed in 0..3 {
            make(folder.path(), arm, seed, [accuracy.clone(), json!(0.5)], "");
        }
    }
    let page = page(folder.path());
    well_formed(&page);
    assert_eq!(row_heads(&page, "table").len(), 4);
}

#[test]
fn an_unfinished_sweep_makes_a_page_that_says_so() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::copy(sweep().join("sweep.yaml"), folder.path().join("sweep.yaml")).expect("the sweep");
    // None of the runs, one, and two of one arm.
    let nothing = page(folder.path());
    well_formed(&nothing);
    assert!(nothing.contains("0 of 24 runs finished") && nothing.contains("Preliminary"), "{nothing}");
    for seed in 0..2 {
        let run = format!("famo/seed{seed}");
        fs::create_dir_all(folder.path().join(&run)).expect("a folder");
        fs::copy(sweep().join(&run).join("summary.json"), folder.path().join(&run).join("summary.json"))
            .expect("a run");
        let page = page(folder.path());
        well_formed(&page);
        assert!(page.contains(&format!("{} of 24 runs finished", seed + 1)), "{page}");
        assert!(page.contains(&format!("{} runs are to come", 23 - seed)) || page.contains("are to come"));
    }
    // Runs of no sweep that have begun have nothing to compare.
    let folder = tempfile::tempdir().expect("a folder");
    fs::create_dir_all(folder.path().join("odd")).expect("a folder");
    fs::write(folder.path().join("odd/config.yaml"), "").expect("a file");
    let said = fail(&["report", text(folder.path()), "--out", text(&folder.path().join("page.html"))]);
    assert!(said.contains("holds no run that has ended"), "{said}");
}

/// The curves of a folder of runs.
fn records(runs: &Path) -> Records {
    let collection = collect(&[runs.to_path_buf()]).expect("runs");
    Records::read(&collection, &compare(&collection).expect("a comparison")).expect("records")
}

fn line(step: u64, split: &str, task: &str, metric: &str, value: &str) -> String {
    format!(
        "{{\"step\":{step},\"epoch\":0,\"split\":\"{split}\",\"task\":\"{task}\",\"metric\":\"{metric}\",\"value\":{value}}}\n"
    )
}

#[test]
fn curves_are_means_over_the_seeds_with_a_standard_error_to_both_sides() {
    let folder = tempfile::tempdir().expect("a folder");
    let values = [["0.1", "0.2", "null"], ["0.3", "\"NaN\"", "0.9"], ["0.8", "0.6", "\"Infinity\""]];
    for (seed, values) in values.iter().enumerate() {
        let lines: String =
            (1..4).zip(values).map(|(step, value)| line(step, "validation", "a", "accuracy", value)).collect();
        // What no chart shows, what is cut off, and a word of interest in a line of none.
        let more = line(3, "validation", "total", "loss", "7") + &line(3, "train", "total", "loss", "7");
        let more = more + &line(3, "train", "loss", "gradient_cosines", "[1,0.5]") + "{\"step\":4,\"metric\":\"loss\"";
        make(folder.path(), "sum", seed as u64, [json!(0.5), json!(0.5)], &(lines + &more));
    }
    let records = records(folder.path());
    let [only] = records.charts.as_slice() else { panic!("{records:?}") };
    assert_eq!((only.quantity, only.task.as_str(), only.metric.as_str()), (Quantity::Validation, "a", "accuracy"));
    let [(name, points)] = only.curves.as_slice() else { panic!("{only:?}") };
    assert_eq!((name.as_str(), points.len()), ("sum", 3));
    // Where a run tells no number it has its last one: 0.1, 0.3, 0.8; then 0.2, 0.3, 0.6; then 0.2,
    // 0.9, 0.6.
    let near = |a: f64, b: f64| (a - b).abs() < 1e-12;
    for (point, (step, values)) in
        points.iter().zip([(1.0, [0.1, 0.3, 0.8]), (2.0, [0.2, 0.3, 0.6]), (3.0, [0.2, 0.9, 0.6])])
    {
        let mean = values.iter().sum::<f64>() / 3.0;
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        let (error, [low, high]) = ((squares / 6.0).sqrt(), point.band.expect("three seeds"));
        assert!(near(point.step, step) && near(point.mean, mean), "{point:?}");
        assert!(near(low, mean - error) && near(high, mean + error), "{point:?}");
    }
    assert!(!only.ended_early, "the last record of all is at step 3");
}

/// Records of three runs at every tenth step: two that end with a good value, one that goes on with
/// a bad one.
fn make_runs_that_end_early(folder: &Path) {
    for (seed, last, value) in [(0, 40, "0.9"), (1, 60, "0.7"), (2, 100, "0.2")] {
        let lines = |step| {
            let more = line(step, "train", "a", "loss", value) + &line(step, "train", "a", "weight", value);
            line(step, "validation", "a", "accuracy", value) + &more
        };
        let lines: String = (10..=last).step_by(10).map(lines).collect();
        make(folder, "sum", seed, [json!(0.5), json!(0.5)], &lines);
    }
}

#[test]
fn a_run_that_ended_early_keeps_its_last_validation_value() {
    let folder = tempfile::tempdir().expect("a folder");
    make_runs_that_end_early(folder.path());
    let records = records(folder.path());
    let chart = records.charts.iter().find(|it| it.quantity == Quantity::Validation).expect("a chart");
    let points = &chart.curves[0].1;
    let steps: Vec<f64> = points.iter().map(|point| point.step).collect();
    assert_eq!(steps, [10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 70.0, 80.0, 90.0, 100.0]);
    // 0.9, 0.7, 0.2 all the way: mean 0.6, squares 0.09 + 0.01 + 0.16.
    let error = (0.26f64 / 6.0).sqrt();
    for point in points {
        let [low, high] = point.band.expect("three runs");
        assert!((point.mean - 0.6).abs() < 1e-12, "{point:?}");
        assert!((low - (0.6 - error)).abs() < 1e-12 && (high - (0.6 + error)).abs() < 1e-12, "{point:?}");
    }
    assert!(chart.ended_early);
}

#[test]
fn a_curve_of_updates_ends_where_the_first_run_does() {
    let folder = tempfile::tempdir().expect("a folder");
    make_runs_that_end_early(folder.path());
    for quantity in [Quantity::Loss, Quantity::Weight] {
        let records = records(folder.path());
        let chart = records.charts.iter().find(|it| it.quantity == quantity).expect("a chart");
        let points = &chart.curves[0].1;
        assert_eq!(points.last().expect("points").step, 40.0);
        assert!(points.iter().all(|point| (point.mean - 0.6).abs() < 1e-12) && chart.ended_early, "{points:?}");
    }
}

#[test]
fn a_run_counts_from_its_first_value_on() {
    let folder = tempfile::tempdir().expect("a folder");
    for (seed, from, value) in [(0, 1, "0.9"), (1, 3, "0.5")] {
        let lines: String = (from..5).map(|step| line(step, "validation", "a", "accuracy", value)).collect();
        make(folder.path(), "sum", seed, [json!(0.5), json!(0.5)], &lines);
    }
    let records = records(folder.path());
    let means: Vec<f64> = records.charts[0].curves[0].1.iter().map(|point| point.mean).collect();
    assert_eq!(means, [0.9, 0.9, 0.7, 0.7]);
}

#[test]
fn a_caption_tells_of_runs_that_ended_early_where_there_are_any() {
    let folder = tempfile::tempdir().expect("a folder");
    make_runs_that_end_early(folder.path());
    let page = page(folder.path());
    assert_eq!(page.matches("A run that ended early keeps its last value.").count(), 1);
    assert_eq!(page.matches("An arm's curve ends where its first run ended.").count(), 2, "of the loss, of the weight");
    let even = self::page(sweep());
    assert!(!even.contains("ended early") && !even.contains("its first run ended"));
}

#[test]
fn neighbouring_steps_are_averaged_within_each_run_before_the_seeds_are() {
    let folder = tempfile::tempdir().expect("a folder");
    // 240 steps in 120 bins of two; the second run recorded every other step only, so that its bins hold one value each.
    for (seed, every) in [(0, 1), (1, 2)] {
        let steps = (0..=240).step_by(every);
        let lines: String =
            steps.map(|step| line(step, "train", "a", "loss", &(step * (seed + 1)).to_string())).collect();
        make(folder.path(), "sum", seed, [json!(0.5), json!(0.5)], &lines);
    }
    let records = records(folder.path());
    let [only] = records.charts.as_slice() else { panic!("{records:?}") };
    let points: &[Averaged] = &only.curves[0].1;
    assert_eq!((only.quantity, points.len()), (Quantity::Loss, 121));
    for (bin, point) in points[..120].iter().enumerate() {
        let first = 2.0 * bin as f64;
        // Of the first run (s + s + 1) / 2, of the second 2 s; recorded were the steps s and s + 1.
        let (one, other) = (first + 0.5, 2.0 * first);
        let mean = (one + other) / 2.0;
        assert!((point.step - (first + 0.5)).abs() < 1e-9 && (point.mean - mean).abs() < 1e-9, "{point:?}");
        // The standard error of two values is half their distance.
        let half = (other - one).abs() / 2.0;
        let [low, high] = point.band.expect("two seeds");
        assert!((low - (mean - half)).abs() < 1e-9 && (high - (mean + half)).abs() < 1e-9, "{point:?}");
    }
    assert_eq!((points[120].step, points[120].mean), (240.0, 360.0));
}

#[test]
fn an_arm_has_its_place_in_every_chart() {
    let folder = tempfile::tempdir().expect("a folder");
    for (arm, metric) in [("first", "loss"), ("second", "weight"), ("third", "loss")] {
        make(folder.path(), arm, 0, [json!(0.5), json!(0.5)], &line(1, "train", "a", metric, "1"));
    }
    let records = records(folder.path());
    assert_eq!(records.charts.len(), 2);
    for chart in &records.charts {
        let names: Vec<&str> = chart.curves.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["first", "second", "third"]);
        let drawn: Vec<bool> = chart.curves.iter().map(|(_, points)| !points.is_empty()).collect();
        let is_loss = chart.quantity == Quantity::Loss;
        assert_eq!(drawn, [is_loss, !is_loss, is_loss]);
    }
}
