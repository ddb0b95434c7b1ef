//! Fronts of preferences on the field's problems, beside the fronts that are known.

mod common;

use common::{fail, polytask, succeed, text};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};

fn experiment(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("experiments").join(format!("{name}.yaml"))
}

/// A sweep of preferences in `out`, without what takes time and tells nothing here; `more` ends the command line.
fn pareto<'a>(name: &str, out: &'a Path, methods: &'a [&'a str], more: &'a [&'a str]) -> Vec<String> {
    let mut words: Vec<String> =
        vec!["pareto".into(), text(&experiment(name)).into(), "--out".into(), text(out).into()];
    words.extend(methods.iter().flat_map(|method| ["--method".to_string(), method.to_string()]));
    for set in ["record.tensorboard=false", "record.every=1000"] {
        words.extend(["--set".to_string(), set.into()]);
    }
    words.extend(more.iter().map(|word| word.to_string()));
    words.push("--quiet".into());
    words
}

fn words(words: &[String]) -> Vec<&str> {
    words.iter().map(String::as_str).collect()
}

/// The fronts of the methods, in their order.
fn fronts(name: &str, methods: &[&str], more: &[&str]) -> Vec<Front> {
    let folder = tempfile::tempdir().expect("a folder");
    let more = [more, &["--json"]].concat();
    let said = succeed(&words(&pareto(name, folder.path(), methods, &more)));
    let json: Vec<Value> = serde_json::from_str(&said).expect("JSON");
    assert_eq!(json.len(), methods.len());
    json.into_iter().map(Front).collect()
}

struct Front(Value);

impl Front {
    fn points(&self) -> Vec<Vec<f64>> {
        let means = |point: &Value| {
            let values = point["values"].as_array().expect("values");
            values.iter().map(|value| value["mean"].as_f64().expect("a mean")).collect()
        };
        self.0["points"].as_array().expect("points").iter().map(means).collect()
    }

    fn number(&self, key: &str) -> f64 {
        self.0[key].as_f64().unwrap_or_else(|| panic!("no {key} in {}", self.0))
    }

    /// Of the hypervolume of the known front.
    fn share(&self) -> f64 {
        self.number("hypervolume") / self.number("known_hypervolume")
    }

    fn assert_on(&self, distance: impl Fn(&[f64]) -> f64, tolerance: f64) {
        for point in self.points() {
            assert!(distance(&point).abs() < tolerance, "{point:?} lies {} off the front", distance(&point));
        }
    }

    /// Insists that every point is the best that one objective can be.
    fn assert_in_corners(&self) {
        let corner = |point: &Vec<f64>| point.iter().all(|value| !(0.01..=0.99).contains(value));
        assert!(self.points().iter().all(corner), "{:?}", self.points());
    }
}

#[test]
fn on_a_convex_front_constant_weights_find_most_of_it() {
    let methods = ["constant", "{name: stch, mu: 0.1}", "epo"];
    let fronts = fronts("zdt1", &methods, &["--divisions", "8", "--set", "train.steps=1500"]);
    for (front, least) in fronts.iter().zip([0.75, 0.85, 0.85]) {
        assert!((front.number("known_hypervolume") - 2.0 / 3.0).abs() < 1e-4);
        assert!((least..1.0).contains(&front.share()), "{}", front.0);
        front.assert_on(|point| point[1] - (1.0 - point[0].sqrt()), 1e-3);
        assert!(front.number("inverted_generational_distance") < 0.15 && front.number("deb_spread") < 1.0);
        let samples = &front.0["inverted_generational_distance_samples"];
        let placement = "at equal steps of the front's parameter, from one end to the other";
        assert_eq!(samples, &serde_json::json!({ "count": 2001, "placement": placement }));
    }
    // Weights are minus the slope of the front: f1 = (w2 / 2 w1)² where that is below 1.
    let (first, weights) = (fronts[0].points(), 1..8);
    for (point, weight) in first.iter().zip(weights.map(|part| f64::from(part) / 8.0)) {
        let expected = ((1.0 - weight) / (2.0 * weight)).powi(2).min(1.0);
        assert!((point[0] - expected).abs() < 0.01, "weight {weight}: {point:?}, expected {expected}");
    }
}

#[test]
fn on_a_concave_front_constant_weights_find_the_ends_alone() {
    let methods = ["constant", "{name: stch, mu: 0.05}", "epo"];
    let fronts = fronts("zdt2", &methods, &["--divisions", "8", "--set", "train.steps=1500"]);
    fronts[0].assert_in_corners();
    assert!(fronts[0].share() < 1e-3, "{}", fronts[0].0);
    for front in &fronts[1..] {
        assert!((front.number("known_hypervolume") - 1.0 / 3.0).abs() < 1e-4);
        assert!(front.share() > 0.75, "{}", front.0);
        front.assert_on(|point| point[1] - (1.0 - point[0].powi(2)), 1e-3);
        assert!(front.0["size"].as_u64() >= Some(6), "{}", front.0);
    }
    // Where the preference makes both objectives equal: p1 f1 = p2 f2.
    for (point, part) in fronts[2].points().iter().zip(1..8).filter(|(point, _)| point[0] < 0.99) {
        let ratio = point[0] * f64::from(part) / (point[1] * f64::from(8 - part));
        assert!((ratio - 1.0).abs() < 0.05, "{part}: {point:?}");
    }
}

#[test]
fn fonsecas_ends_hold_little_and_its_middle_needs_a_method() {
    let methods = ["constant", "{name: stch, mu: 0.05}", "epo"];
    let set = ["--divisions", "8", "--set", "train.steps=1000", "--set", "optimizer.learning_rate=0.1"];
    let fronts = fronts("fonseca", &methods, &set);
    // Along the front by s: f1 = 1 - exp(-(s - 1)²), f2 = 1 - exp(-(s + 1)²), s from -1 to 1.
    let distance = |point: &[f64]| {
        let objectives = |s: f64| [1.0 - (-(s - 1.0).powi(2)).exp(), 1.0 - (-(s + 1.0).powi(2)).exp()];
        let all = (0..=2000).map(|step| objectives(f64::from(step) / 1000.0 - 1.0));
        all.map(|on| (on[0] - point[0]).hypot(on[1] - point[1])).fold(f64::INFINITY, f64::min)
    };
    for front in &fronts {
        assert!((front.number("known_hypervolume") - 0.342116).abs() < 1e-5);
        front.assert_on(distance, 5e-3);
    }
    assert!(fronts[0].share() < 0.25, "{}", fronts[0].0);
    assert!(fronts[1..].iter().all(|front| front.share() > 0.8), "{} {}", fronts[1].0, fronts[2].0);
}

#[test]
fn on_a_sphere_constant_weights_find_the_corners_alone() {
    let methods = ["constant", "{name: stch, mu: 0.05}", "epo"];
    let fronts = fronts("dtlz2", &methods, &["--divisions", "6"]);
    fronts[0].assert_in_corners();
    assert!(fronts[0].share() < 1e-3, "{}", fronts[0].0);
    for front in &fronts {
        assert_eq!(front.points().len(), 10);
        assert!((front.number("known_hypervolume") - (1.0 - std::f64::consts::PI / 6.0)).abs() < 1e-12);
        assert!(front.0["deb_spread"].is_null(), "two objectives only");
        // All (80 + 2 choose 2) ways to give 80 equal parts to three objectives.
        let samples = &front.0["inverted_generational_distance_samples"];
        let placement = "at all shares of the 3 objectives in whole 80ths";
        assert_eq!(samples, &serde_json::json!({ "count": 3321, "placement": placement }));
        front.assert_on(|point| point.iter().map(|value| value * value).sum::<f64>().sqrt() - 1.0, 1e-3);
    }
    assert!(fronts[1..].iter().all(|front| front.share() > 0.45), "{} {}", fronts[1].0, fronts[2].0);
}

#[test]
fn what_was_asked_for_wrongly_is_told_with_the_way_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("none");
    for (methods, more, parts) in [
        (&["pcgrad"][..], &[][..], &["\"pcgrad\" takes no preference", "constant", "stch", "pbi", "cosmos", "epo"][..]),
        (&["constnat"], &[], &["constnat", "did you mean constant?"]),
        (&["{name: stch"], &[], &["--method {name: stch: is not YAML", "'{name: stch, mu: 0.1}'"]),
        (&["{name: stch, nu: 1}"], &[], &["preferences.methods[0].nu", "`mu`"]),
        (&["[1, 2]"], &[], &["there is no method \"\"", "choose among constant"]),
        (&["epo", "epo"], &[], &["two arms are called \"epo\""]),
        (&["constant"], &["--divisions", "1"], &["divisions", "1 parts do not reach 2 tasks", "give at least 2"]),
        (&["constant"], &["--set", "train.steps=0"], &["train.steps", "0"]),
        (&["constant"], &["--tune", "optimizer.rate=[1]"], &["optimizer.rate"]),
    ] {
        let said = fail(&words(&pareto("zdt1", &out, methods, more)));
        for part in parts {
            assert!(said.contains(part), "{methods:?} {more:?}: \"{part}\" is missing in:\n{said}");
        }
        assert!(!out.exists(), "{methods:?} {more:?} left a folder");
    }
    for flag in [["--divisions", "0"], ["--divisions", "1000000000"], ["--seeds", "0"]] {
        let output = common::run(&words(&pareto("zdt1", &out, &["constant"], &flag)));
        assert_eq!(output.status.code(), Some(2), "{flag:?}");
    }
    let said = fail(&["pareto", text(&folder.path().join("absent.yaml"))]);
    assert!(said.contains("absent.yaml"), "{said}");
}

#[test]
fn a_sweep_in_which_every_run_fails_is_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let more = ["--divisions", "3", "--set", "optimizer.learning_rate=1e300", "--set", "precision=float32"];
    let output = common::run(&words(&pareto("zdt1", folder.path(), &["constant"], &more)));
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.code() == Some(1) && !common::stderr(&output).contains("panicked"),
        "{}",
        common::stderr(&output)
    );
    assert!(said.contains("2 of 2 runs failed"), "{said}");
}

#[test]
fn a_method_may_stand_twice_with_other_settings() {
    let methods = ["constant", "{name: stch, mu: 0.1}", "{name: stch, mu: 0.02}"];
    let fronts = fronts("zdt1", &methods, &["--divisions", "3", "--set", "train.steps=5"]);
    let names: Vec<&str> = fronts.iter().map(|front| front.0["arm"].as_str().expect("a name")).collect();
    assert_eq!(names, ["constant", "stch-mu=0.1", "stch-mu=0.02"]);
}

#[test]
fn a_second_call_trains_nothing_and_reports_read_the_folder() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::copy(experiment("zdt1"), folder.path().join("mine.yaml")).expect("the experiment");
    let call = |more: &[&str]| {
        let base = ["pareto", "mine.yaml", "--method", "constant", "--method", "epo", "--divisions", "4", "--quiet"];
        let set = ["--set", "train.steps=20", "--set", "record.tensorboard=false"];
        let output = polytask().current_dir(&folder).args(base).args(set).args(more).output().expect("runs");
        assert!(output.status.success(), "{}", common::stderr(&output));
        String::from_utf8(output.stdout).expect("text")
    };
    let first = call(&[]);
    for part in [
        "What each preference came to",
        "0.500, 1.500",
        "Beside the known front, whose hypervolume is 0.6666",
        "; IGD is the mean over 2001 of its points, at equal steps of the front's parameter, from one end to the other",
        "runs/mine-pareto",
    ] {
        assert!(first.contains(part), "{part} is missing in:\n{first}");
    }
    let runs = folder.path().join("runs/mine-pareto");
    let summaries = || {
        let groups = fs::read_dir(&runs).expect("the sweep").flatten().filter(|entry| entry.path().is_dir());
        let mut files: Vec<PathBuf> = groups.map(|entry| entry.path().join("seed0/summary.json")).collect();
        files.sort();
        files.into_iter().map(|file| fs::read(file).expect("a summary")).collect::<Vec<_>>()
    };
    let trained = summaries();
    assert_eq!(trained.len(), 6);
    assert!(call(&[]) == first && summaries() == trained, "the times in a summary tell that a run was trained again");
    let json: Value = serde_json::from_str(&call(&["--json"])).expect("JSON");
    assert_eq!(json.as_array().map(Vec::len), Some(2));
    assert_eq!(json[1]["points"][0]["preference"], serde_json::json!([0.5, 1.5]));

    // A change of what a run is called by would mix two sweeps.
    let mut other = polytask();
    other.current_dir(&folder).args(["pareto", "mine.yaml", "--method", "constant", "--divisions", "4"]);
    let other = other.args(["--set", "train.steps=30"]).output().expect("runs");
    assert_eq!(other.status.code(), Some(1));
    let said = common::stderr(&other);
    assert!(said.contains("was trained with train.steps: 20, and the sweep says 30"), "{said}");

    let page = folder.path().join("page.html");
    succeed(&["report", text(&runs), "--out", text(&page)]);
    let page = fs::read_to_string(page).expect("the page");
    assert!(
        page.contains("<section id=\"fronts\">")
            && page.contains("Fronts by the area that they dominate, most first: ")
    );
    assert!(!page.contains("<section id=\"table\">"), "no trial stands for an arm: a table would be empty");
    let plots = folder.path().join("plots");
    let said = succeed(&["plot", text(&runs), "--out", text(&plots), "--only", "front-first-second"]);
    assert!(said.trim_end().ends_with("front-first-second.svg"), "{said}");
}
