//! The paths that runs took over a toy problem, read back from their folders.

use crate::error::Mistake;
use crate::experiment;
use crate::files;
use crate::models::objectives::ProblemKind;
use crate::pareto::{curve_hypervolume, hypervolume};
use crate::picture::{DISTINCT_COLORS, Route, Scene, draw};
use crate::run;
use crate::weights;
use anyhow::{Context, Result};
use serde_json::Value;
use serde_yaml::{Mapping, Value as Yaml};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use tch::{Kind, Tensor};

/// One run's way.
pub struct Trajectory {
    /// Its folder.
    pub folder: PathBuf,
    /// The method, by name.
    pub method: String,
    /// The method's other settings.
    arguments: Yaml,
    problem: ProblemKind,
    names: [String; 2],
    experiment: String,
    /// Updates made before each recorded step.
    pub steps: Vec<i64>,
    /// The point at each recorded step, and at the end; empty where it has other than two dimensions.
    pub points: Vec<[f64; 2]>,
    /// Both objectives at each recorded step, and at the end.
    pub objectives: Vec<[f64; 2]>,
}

impl Trajectory {
    /// Reads a run's folder: its configuration, its records, its last checkpoint.
    ///
    /// # Errors
    /// It holds no run, or one whose model is no toy problem of two objectives.
    pub fn read(folder: &Path) -> Result<Self> {
        let experiment = experiment::read_file(&folder.join("config.yaml"), &[])?.settings;
        let Some(problem) = experiment.model.objectives.clone() else {
            return Err(Mistake::new(folder.display(), "its model is no toy problem, so it has no path to draw")
                .remedy("name runs of experiments with `model: {objectives: …}`")
                .into());
        };
        if problem.objectives() != 2 {
            let what = format!("{} has {} objectives, and a picture shows two", problem.name(), problem.objectives());
            return Err(Mistake::new(folder.display(), what)
                .remedy("name runs of a problem with two objectives")
                .into());
        }
        let [first, second] = experiment.tasks.as_slice() else {
            return Err(Mistake::new(folder.display(), "its config.yaml has not two tasks").into());
        };
        let names = [first.name.clone(), second.name.clone()];
        let (steps, mut points, mut objectives) = records(folder, &names)?;
        if let Some(end) = end(folder)? {
            objectives.extend(pairs([problem.at(&end)]));
            let point = problem.point(&Tensor::from_slice(&end));
            points.extend(pairs([Vec::<f64>::try_from(&point)?]));
        }
        let mut arguments = serde_yaml::to_value(&experiment.method)?;
        arguments.as_mapping_mut().map(|section| section.remove("name"));
        Ok(Self {
            folder: folder.to_path_buf(),
            method: experiment.method.name().into(),
            arguments,
            problem,
            names,
            experiment: experiment.name.unwrap_or_default(),
            steps,
            points,
            objectives,
        })
    }
}

/// Steps, points and objectives of a run's records.
type Records = (Vec<i64>, Vec<[f64; 2]>, Vec<[f64; 2]>);

/// Of every recorded step the coordinates, where they are two, and the losses of both tasks.
fn records(folder: &Path, names: &[String; 2]) -> Result<Records> {
    let path = folder.join("metrics.jsonl");
    let text = String::from_utf8_lossy(&files::read(&path)?).into_owned();
    let mut steps: BTreeMap<i64, BTreeMap<String, f64>> = BTreeMap::new();
    for (number, line) in text.lines().enumerate() {
        let Ok(record) = serde_json::from_str::<Value>(line) else {
            // A run that goes on may be in the middle of its last line.
            if number + 1 == text.lines().count() {
                break;
            }
            return Err(Mistake::new(format!("{}:{}", path.display(), number + 1), "is no line of records").into());
        };
        let (Some(step), Some(task), Some(metric)) =
            (record["step"].as_i64(), record["task"].as_str(), record["metric"].as_str())
        else {
            continue;
        };
        if record["split"] == "train" {
            let value = record["value"].as_f64().unwrap_or(f64::NAN);
            steps.entry(step).or_default().insert(format!("{task}/{metric}"), value);
        }
    }
    let both =
        |values: &BTreeMap<String, f64>, keys: [String; 2]| Some([*values.get(&keys[0])?, *values.get(&keys[1])?]);
    let flat = |values: &&BTreeMap<String, f64>| !values.contains_key("total/x2");
    let points = steps.values().filter(flat).filter_map(|v| both(v, ["total/x0".into(), "total/x1".into()]));
    let losses = |name: &String| format!("{name}/loss");
    let objectives = steps.values().filter_map(|v| both(v, [losses(&names[0]), losses(&names[1])]));
    Ok((steps.keys().copied().collect(), points.collect(), objectives.collect()))
}

/// The parameter of the last checkpoint, if one was written yet.
fn end(folder: &Path) -> Result<Option<Vec<f64>>> {
    let file = run::checkpoint(folder, "last");
    if !file.exists() {
        return Ok(None);
    }
    let weights = weights::read(&file)?;
    let x = weights.into_iter().find(|(name, _)| name == "x").map(|(_, x)| x);
    let x = x.with_context(|| Mistake::new(file.display(), "holds no x").remedy("train the run anew"))?;
    Ok(Some(Vec::try_from(x.to_kind(Kind::Double))?))
}

/// The lists of two numbers among them.
fn pairs(lists: impl IntoIterator<Item = Vec<f64>>) -> Vec<[f64; 2]> {
    lists.into_iter().filter_map(|list| list.try_into().ok()).collect()
}

/// Some runs of one problem.
pub struct Trajectories(Vec<Trajectory>);

impl Trajectories {
    /// Reads the runs' folders.
    ///
    /// # Errors
    /// As [`Trajectory::read`]; or the runs are of different problems.
    pub fn read(folders: &[PathBuf]) -> Result<Self> {
        let runs = folders.iter().map(|folder| Trajectory::read(folder)).collect::<Result<Vec<_>>>()?;
        let problem = |run: &Trajectory| -> Result<Yaml> {
            let mut problem = serde_yaml::to_value(&run.problem)?;
            problem.as_mapping_mut().map(|section| section.remove("start"));
            Ok(problem)
        };
        for run in &runs {
            let (other, own) = (problem(&runs[0])?, problem(run)?);
            if own != other {
                let words = |problem: &Yaml| serde_json::to_string(problem).unwrap_or_default();
                let what = format!("is a run of {}, and {} of {}", words(&own), folders[0].display(), words(&other));
                return Err(Mistake::new(run.folder.display(), what)
                    .remedy("draw runs of one problem at a time")
                    .into());
            }
        }
        Ok(Self(runs))
    }

    /// Draws them.
    ///
    /// # Errors
    /// As [`draw`].
    pub fn draw(&self, file: &Path) -> Result<()> {
        let Some(first) = self.0.first() else { return Ok(()) };
        let problem = &first.problem;
        let route = |(run, label): (&Trajectory, String)| Route {
            label,
            points: run.points.clone(),
            objectives: run.objectives.clone(),
        };
        let share = |step: i32| f64::from(step) / 200.0;
        let optimal = (0..=200).map(|step| problem.optimal(&[share(step), 1.0 - share(step)]));
        let scene = Scene {
            title: first.experiment.clone(),
            routes: self.0.iter().zip(self.labels()).map(route).collect(),
            names: first.names.clone(),
            height: &|point| {
                problem.values(&Tensor::from_slice(&point)).iter().map(|v| v.double_value(&[])).sum::<f64>() / 2.0
            },
            set: pairs(optimal),
            front: pairs(problem.front(200)),
            bounds: problem.bounds(),
        };
        draw(&scene, file)
    }

    /// Under which each run is drawn: by its settings, as long as there are colours for all of them.
    fn labels(&self) -> Vec<String> {
        let labels: Vec<String> = self.0.iter().map(|run| self.label(run, &[])).collect();
        let different: BTreeSet<&String> = labels.iter().collect();
        if different.len() <= DISTINCT_COLORS { labels } else { self.0.iter().map(|run| self.family(run)).collect() }
    }

    /// Runs that differ in their preference alone sweep one front.
    fn family(&self, run: &Trajectory) -> String {
        self.label(run, &["weights", "preference"])
    }

    /// The method's name; with its other settings, but for those `left_out`, where another run of it has others.
    fn label(&self, run: &Trajectory, left_out: &[&str]) -> String {
        let section = |of: &Trajectory| -> Mapping {
            let all = of.arguments.as_mapping().cloned().unwrap_or_default();
            all.into_iter().filter(|(key, _)| !left_out.contains(&key.as_str().unwrap_or_default())).collect()
        };
        let own = section(run);
        let mut twins = self.0.iter().filter(|other| other.method == run.method).map(section);
        let Some(twin) = twins.find(|other| *other != own) else { return run.method.clone() };
        let changed = own.into_iter().filter(|(key, value)| twin.get(key) != Some(value));
        let words = |value: &Yaml| serde_json::to_string(value).unwrap_or_default();
        let told: Vec<String> =
            changed.map(|(key, value)| format!("{} {}", key.as_str().unwrap_or_default(), words(&value))).collect();
        format!("{} {}", run.method, told.join(", ")).trim_end().into()
    }

    /// Where each run ended, and what the ends of each method's runs dominate together.
    pub fn table(&self) -> String {
        let Some(run) = self.0.first() else { return String::new() };
        let [first, second] = &run.names;
        let width = self.0.iter().map(|run| run.folder.display().to_string().len()).max().unwrap_or(0).max(3);
        let mut lines = vec![format!("{:width$}  {first:>10}  {second:>10}  {:>10}", "end", "mean")];
        let mut ends: Vec<(String, Vec<[f64; 2]>)> = Vec::new();
        for run in &self.0 {
            let Some([a, b]) = run.objectives.last().copied() else { continue };
            lines.push(format!("{:width$}  {a:>10.4}  {b:>10.4}  {:>10.4}", run.folder.display(), (a + b) / 2.0));
            let label = self.family(run);
            match ends.iter_mut().find(|(other, _)| *other == label) {
                Some((_, ends)) => ends.push([a, b]),
                None => ends.push((label, vec![[a, b]])),
            }
        }
        if let Some(reference) = run.problem.reference().and_then(|point| <[f64; 2]>::try_from(point).ok()) {
            lines.push(format!("\nhypervolume of the ends, reference ({}, {})", reference[0], reference[1]));
            for (label, points) in ends {
                let runs = if points.len() == 1 { "run" } else { "runs" };
                lines.push(format!("  {label:20} {:.6}  ({} {runs})", hypervolume(&points, &reference), points.len()));
            }
            lines.push(format!(
                "  {:20} {:.6}",
                "the whole front",
                curve_hypervolume(&pairs(run.problem.front(2000)), reference)
            ));
        }
        lines.join("\n")
    }
}
