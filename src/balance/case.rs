//! A case: a method run on given losses and gradients, step by step, without any model.

use super::balancer::Balancer;
use super::settings::MethodSettings;
use crate::error::Mistake;
use crate::memory::Memory;
use crate::methods::rows;
use crate::methods::{Evaluation, Matrix, Shared, Size};
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Tensor};

/// What a method shall be run on.
#[derive(Debug, Clone, Deserialize)]
pub struct Case {
    /// The method of the file, where the command line names none.
    #[serde(default)]
    pub method: Option<String>,
    /// That method's settings.
    #[serde(default)]
    pub config: serde_json::Map<String, serde_json::Value>,
    /// The run's seed, for methods that draw.
    #[serde(default)]
    pub seed: u64,
    /// The tasks' names; `task1`, `task2`, … where absent.
    #[serde(default)]
    pub tasks: Option<Vec<String>>,
    /// One after another; the method remembers.
    pub steps: Vec<CaseStep>,
}

/// One step's numbers. A task without a loss (`null`) is absent, and its row is not read.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CaseStep {
    /// `[T]`
    pub losses: Vec<Option<f64>>,
    /// `[T][P]`: the gradients of the losses by the shared parameters.
    pub jacobian: Vec<Option<Vec<f64>>>,
    /// `[T][P]`: of a second batch, for methods that read three.
    #[serde(default)]
    pub jacobian_2: Option<Vec<Option<Vec<f64>>>>,
    /// `[T][P]`: of a third batch, on which the update is made.
    #[serde(default)]
    pub jacobian_3: Option<Vec<Option<Vec<f64>>>>,
    /// `[T]`: the losses of the same batch after the update.
    #[serde(default)]
    pub losses_after: Option<Vec<Option<f64>>>,
    /// `[T]`: the tasks' accuracies on the batch.
    #[serde(default)]
    pub accuracies: Option<Vec<Option<f64>>>,
    /// Whether the step is the last of an epoch.
    #[serde(default)]
    pub end_of_epoch: bool,
}

/// What the method said at a step.
#[derive(Debug, Clone, Serialize)]
pub struct Answered {
    /// `[T]`, `null` where absent; left out where the method forms none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weights: Option<Vec<Option<f64>>>,
    /// `[P]`
    pub direction: Vec<f64>,
}

/// What a step looks like, as a remedy.
const EXAMPLE: &str =
    "give losses [T] and gradients [T][P], such as {\"losses\": [1, 2], \"jacobian\": [[3, 4], [5, 6]]}";

impl Case {
    /// The method that the file names.
    ///
    /// # Errors
    /// It names none, or its settings do not fit.
    pub fn settings(&self) -> Result<MethodSettings> {
        let name = self
            .method
            .as_ref()
            .ok_or_else(|| Mistake::new("the case", "names no method").remedy("give one: --method '{name: mgda}'"))?;
        let mut section = self.config.clone();
        section.insert("name".into(), name.clone().into());
        Ok(serde_yaml::from_value(serde_yaml::to_value(section)?)?)
    }

    /// Runs the method over the steps, in float64.
    ///
    /// # Errors
    /// The numbers do not fit each other or the method; what the method cannot take or solve.
    pub fn run(&self, settings: &MethodSettings) -> Result<Vec<Answered>> {
        let first = self.steps.first().ok_or_else(|| Mistake::new("steps", "there is none").remedy(EXAMPLE))?;
        if first.losses.is_empty() {
            return Err(Mistake::new("steps[0].losses", "is empty: there is no task").remedy(EXAMPLE).into());
        }
        let tasks = match &self.tasks {
            Some(names) => names.clone(),
            None => (1..=first.losses.len()).map(|number| format!("task{number}")).collect(),
        };
        settings.check(&tasks).map_err(|bad| bad.under("method"))?;
        let width = first.jacobian.iter().flatten().map(Vec::len).next();
        if width == Some(0) {
            let what = "its first row is empty: there is no parameter";
            return Err(Mistake::new("steps[0].jacobian", what).remedy(EXAMPLE).into());
        }
        let width = width.unwrap_or(0);
        let shape = (tasks.len(), width);
        let size = Size {
            tasks: tasks.len(),
            columns: vec![("parameters".into(), width as i64)],
            kind: Kind::Double,
            device: Device::Cpu,
        };
        let mut memory = Memory::default();
        let balancer = Balancer::claim(settings, &tasks, self.seed, &size, &mut memory)?;
        let steps = self.steps.iter().enumerate();
        steps
            .map(|(at, step)| {
                let answered = step.run(settings, &balancer, at as u64, shape, &mut memory);
                answered.with_context(|| format!("steps[{at}]"))
            })
            .collect()
    }
}

impl CaseStep {
    fn run(
        &self,
        settings: &MethodSettings,
        balancer: &Balancer,
        step: u64,
        shape: (usize, usize),
        memory: &mut Memory,
    ) -> Result<Answered> {
        let mut batches = self.batches(settings, shape)?;
        let update = balancer.update(&mut batches, step, memory)?;
        if settings.method.looks_again() && update.computed {
            let after = self.losses_after.as_ref().ok_or_else(|| {
                Mistake::new("losses_after", format!("are missing: {} looks again after the update", settings.name()))
            })?;
            let (found, tasks) = (after.len(), shape.0);
            if found != tasks {
                return Err(Mistake::new("losses_after", format!("{found} entries for {tasks} tasks"))
                    .remedy("give one for each task, null where it is absent")
                    .into());
            }
            balancer.look_again(step, &self.losses, after, memory)?;
        }
        if self.end_of_epoch {
            balancer.end_epoch(memory);
        }
        let direction: Vec<f64> = Vec::try_from(update.gradient)?;
        if let Some(at) = direction.iter().position(|value| !value.is_finite()) {
            let what = format!("is {}: the gradients are too large for float64", direction[at]);
            return Err(Mistake::new(format!("direction[{at}]"), what).remedy("scale the jacobian down").into());
        }
        Ok(Answered { weights: settings.forms_weights().then_some(update.weights), direction })
    }

    /// The step's batches as a method reads them.
    fn batches(&self, settings: &MethodSettings, shape: (usize, usize)) -> Result<Vec<Box<dyn Evaluation>>> {
        if self.losses.iter().all(Option::is_none) {
            let remedy = "leave the step out, or give a loss";
            return Err(Mistake::new("losses", "no task is present").remedy(remedy).into());
        }
        let accuracies = self.accuracies.clone().unwrap_or_else(|| vec![None; shape.0]);
        let given = |name: &str, rows: &[Option<Vec<f64>>]| -> Result<Box<dyn Evaluation>> {
            Ok(Box::new(Given::new(name, &self.losses, rows, accuracies.clone(), shape)?))
        };
        let mut batches = vec![given("jacobian", &self.jacobian)?];
        if settings.method.batches() == 3 {
            for (name, rows) in [("jacobian_2", &self.jacobian_2), ("jacobian_3", &self.jacobian_3)] {
                let rows = rows.as_ref().ok_or_else(|| {
                    Mistake::new(name, format!("is missing: {} reads three batches", settings.name()))
                })?;
                batches.push(given(name, rows)?);
            }
        }
        if settings.method.reads_accuracies() && self.accuracies.is_none() {
            return Err(Mistake::new("accuracies", format!("are missing: {} reads them", settings.name())).into());
        }
        Ok(batches)
    }
}

/// Losses and gradients that were given, not computed. Every parameter is shared.
pub struct Given {
    losses: Vec<Option<f64>>,
    normalizers: Vec<f64>,
    accuracies: Vec<Option<f64>>,
    jacobian: Tensor,
}

impl Given {
    fn new(
        name: &str,
        losses: &[Option<f64>],
        rows: &[Option<Vec<f64>>],
        accuracies: Vec<Option<f64>>,
        (tasks, width): (usize, usize),
    ) -> Result<Self> {
        for (what, count) in [("losses", losses.len()), (name, rows.len()), ("accuracies", accuracies.len())] {
            if count != tasks {
                return Err(Mistake::new(what, format!("{count} entries for {tasks} tasks"))
                    .remedy("give one for each task, null where it is absent")
                    .into());
            }
        }
        let (mut values, mut present) = (Vec::new(), 0);
        for (task, row) in rows.iter().enumerate().filter(|(task, _)| losses[*task].is_some()) {
            let row = row.as_ref().ok_or_else(|| {
                Mistake::new(format!("{name}[{task}]"), "is null, but the task has a loss")
                    .remedy("give the row, or null for the loss of an absent task")
            })?;
            if row.len() != width {
                let what = format!("{} numbers, the first row has {width}", row.len());
                return Err(Mistake::new(format!("{name}[{task}]"), what)
                    .remedy("give every task a number for each shared parameter")
                    .into());
            }
            values.extend_from_slice(row);
            present += 1;
        }
        let jacobian = Tensor::from_slice(&values).view([present, width as i64]);
        let normalizers = losses.iter().map(|loss| f64::from(loss.is_some())).collect();
        Ok(Self { losses: losses.to_vec(), normalizers, accuracies, jacobian })
    }
}

impl Evaluation for Given {
    fn losses(&self) -> &[Option<f64>] {
        &self.losses
    }
    fn normalizers(&self) -> &[f64] {
        &self.normalizers
    }
    fn accuracies(&self) -> &[Option<f64>] {
        &self.accuracies
    }
    fn jacobian(&mut self) -> Tensor {
        self.jacobian.shallow_clone()
    }
    fn gramian(&mut self) -> Matrix {
        rows::gramian(&self.jacobian)
    }
    fn combine(&mut self, weights: &[f64]) -> Tensor {
        rows::combine(weights, &self.jacobian)
    }
    fn pull_back(&mut self, shared: Shared, _heads: &[f64]) -> Tensor {
        match shared {
            Shared::Weights(weights) => self.combine(weights),
            Shared::Direction(direction) => direction.shallow_clone(),
        }
    }
    fn backward_passes(&self) -> u64 {
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::methods::Method;
    use std::path::Path;

    #[derive(Deserialize)]
    struct Reference {
        #[serde(flatten)]
        case: Case,
        expect: Vec<Expected>,
        rtol: f64,
        source: String,
    }

    #[derive(Deserialize)]
    struct Expected {
        weights: Option<Vec<f64>>,
        direction: Vec<f64>,
    }

    fn compare(what: &str, found: &[f64], expected: &[f64], rtol: f64) {
        let largest = expected.iter().fold(0.0_f64, |largest, value| largest.max(value.abs()));
        assert_eq!(found.len(), expected.len(), "{what}");
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() <= rtol * largest, "{what}: {found} instead of {expected}");
        }
    }

    /// The reference cases of `tests/fixtures/methods`: exact optima, and the output of TorchJD 0.18.0 in float64.
    #[test]
    fn every_method_gives_what_its_reference_cases_say() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/methods");
        let only = std::env::var("POLYTASK_METHOD").ok();
        for entry in std::fs::read_dir(folder).expect("the fixtures").flatten() {
            let name = entry.path().file_stem().expect("a name").to_string_lossy().into_owned();
            if !Method::NAMES.contains(&name.as_str()) || only.as_ref().is_some_and(|only| *only != name) {
                continue;
            }
            let text = std::fs::read_to_string(entry.path()).expect("a fixture");
            let cases: Vec<Reference> = serde_json::from_str(&text).expect("cases");
            for (number, reference) in cases.iter().enumerate() {
                let settings = reference.case.settings().expect("settings");
                let answered =
                    reference.case.run(&settings).unwrap_or_else(|error| panic!("{name}[{number}]: {error:#}"));
                for (step, (answered, expected)) in answered.iter().zip(&reference.expect).enumerate() {
                    let what = |of: &str| format!("{name}[{number}], step {step}, {of} ({})", reference.source);
                    compare(&what("direction"), &answered.direction, &expected.direction, reference.rtol);
                    if let Some(expected) = &expected.weights {
                        let weights = answered.weights.as_ref().unwrap_or_else(|| panic!("{}", what("no weights")));
                        let weights: Vec<f64> = weights.iter().map(|weight| weight.expect("present")).collect();
                        compare(&what("weights"), &weights, expected, reference.rtol);
                    }
                }
            }
        }
    }

    /// Steps that no method can be run on, and what is said of them.
    const BAD_STEPS: [(&str, &str); 11] = [
        ("[]", "steps: there is none"),
        (r#"[{"losses": [], "jacobian": []}]"#, "steps[0].losses: is empty"),
        (r#"[{"losses": [], "jacobian": [[1, 2]]}]"#, "steps[0].losses: is empty"),
        (r#"[{"losses": [1, 2], "jacobian": [[], []]}]"#, "steps[0].jacobian: its first row is empty"),
        (r#"[{"losses": [1], "jacobian": [[]]}]"#, "steps[0].jacobian: its first row is empty"),
        (r#"[{"losses": [1, 2], "jacobian": [[1, 2], []]}]"#, "jacobian[1]: 0 numbers, the first row has 2"),
        (r#"[{"losses": [1, 2], "jacobian": [[1, 2], [3]]}]"#, "jacobian[1]: 1 numbers, the first row has 2"),
        (r#"[{"losses": [1, 2], "jacobian": []}]"#, "jacobian: 0 entries for 2 tasks"),
        (r#"[{"losses": [1, 2], "jacobian": [[1, 2]]}]"#, "jacobian: 1 entries for 2 tasks"),
        (r#"[{"losses": [1, 2], "jacobian": [null, null]}]"#, "jacobian[0]: is null, but the task has a loss"),
        (r#"[{"losses": [null, null], "jacobian": [null, null]}]"#, "losses: no task is present"),
    ];

    #[test]
    fn steps_that_no_method_can_be_run_on_are_refused_with_place_and_remedy() {
        for (steps, said) in BAD_STEPS {
            let steps = format!(r#"{{"method": "mgda", "steps": {steps}}}"#);
            let case: Case = serde_json::from_str(&steps).expect("a case");
            let error = case.run(&case.settings().expect("settings")).expect_err(said);
            assert!(format!("{error:#}").contains(said), "{steps}: {error:#}");
            let mistake = error.downcast_ref::<Mistake>().expect("a mistake");
            assert!(mistake.remedy.is_some(), "{steps}: {error:#}");
        }
    }

    #[test]
    fn losses_after_the_update_are_as_many_as_the_tasks() {
        let step = r#"{"losses": [1, 2], "jacobian": [[1, 0], [0, 1]], "losses_after": [1]}"#;
        let case: Case = serde_json::from_str(&format!(r#"{{"method": "famo", "steps": [{step}]}}"#)).expect("a case");
        let error = case.run(&case.settings().expect("settings")).expect_err("one is missing");
        assert!(format!("{error:#}").contains("steps[0]: losses_after: 1 entries for 2 tasks"), "{error:#}");
    }

    #[test]
    fn numbers_that_overflow_are_an_error_before_a_method_sees_them_or_after() {
        for (method, rows, said) in [
            (
                "upgrad",
                "[[1e200, 0], [0, 1]]",
                "method upgrad at step 0: products of the tasks' gradients are not finite: task1 inf, task2 1",
            ),
            (
                "sum",
                "[[1e308, 0], [1e308, 1]]",
                "steps[0]: direction[0]: is inf: the gradients are too large for float64",
            ),
            (
                "graddrop",
                "[[1e308, 0], [1e308, 1]]",
                "method graddrop at step 0: the direction is not finite; the losses are: task1 1, task2 1",
            ),
        ] {
            let text = format!(r#"{{"method": "{method}", "steps": [{{"losses": [1, 1], "jacobian": {rows}}}]}}"#);
            let case: Case = serde_json::from_str(&text).expect("a case");
            let error = case.run(&case.settings().expect("settings")).expect_err(method);
            assert!(format!("{error:#}").contains(said), "{error:#}");
        }
    }
}
