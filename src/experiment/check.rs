//! What takes more than one section to see, before any data is loaded.

use super::{Experiment, ModelSettings};
use crate::data::Data;
use crate::error::{BadSetting, nearest};
use crate::interval::Interval;
use crate::tasks::{MetricKind, Task};
use crate::trainer::{Direction, SelectSettings};

/// Beyond it libtorch would fail to start them.
const MOST_THREADS: u64 = 1024;

impl Experiment {
    /// The tasks, checked.
    ///
    /// # Errors
    /// A name that is taken or no name, a loss, metric or label list that does not fit.
    pub fn tasks(&self) -> Result<Vec<Task>, BadSetting> {
        if self.tasks.is_empty() {
            return Err(BadSetting::new("tasks", "there is no task")
                .remedy("list at least one: `- {name: …, loss: {name: …}}`"));
        }
        let tasks = self
            .tasks
            .iter()
            .enumerate()
            .map(|(index, settings)| settings.checked().map_err(|bad| bad.under(&format!("tasks[{index}]"))))
            .collect::<Result<Vec<_>, _>>()?;
        for (index, task) in tasks.iter().enumerate() {
            if let Some(first) = tasks[..index].iter().position(|other| other.name == task.name) {
                return Err(BadSetting::new(
                    format!("tasks[{index}].name"),
                    format!("\"{}\" is the name of tasks[{first}] too", task.name),
                ));
            }
            // `predict` calls a task's outputs TASK_0, TASK_1, …
            let column = |of: &Task, name: &str| (0..of.form.width()).any(|at| format!("{}_{at}", of.name) == name);
            if let Some(other) = tasks.iter().find(|other| column(other, &task.name)) {
                return Err(BadSetting::new(
                    format!("tasks[{index}].name"),
                    format!("\"{}\" is what an output of {} is called in predictions", task.name, other.name),
                )
                .remedy("give the task another name"));
            }
        }
        Ok(tasks)
    }

    /// Checks what takes more than one section to see, before anything heavy happens.
    ///
    /// # Errors
    /// The first setting that does not fit.
    pub fn check(&self) -> Result<(), BadSetting> {
        let tasks = self.tasks()?;
        let names: Vec<String> = tasks.iter().map(|task| task.name.clone()).collect();
        self.check_method(&tasks, &names).map_err(|bad| bad.under("method"))?;
        self.optimizer.check().map_err(|bad| bad.under("optimizer"))?;
        if self.train.epochs.is_none() && self.train.steps.is_none() {
            self.schedule.check(None).map_err(|bad| bad.under("schedule"))?;
        }
        self.check_process()?;
        self.check_model()?;
        self.check_labels(&tasks)?;
        self.check_limits()?;
        self.selection(&tasks).map(drop)
    }

    fn check_method(&self, tasks: &[Task], names: &[String]) -> Result<(), BadSetting> {
        self.method.check(names)?;
        let without = tasks.iter().find(|task| !MetricKind::Accuracy.fits(task.form));
        match without.filter(|_| self.method.reads_accuracies()) {
            Some(task) => {
                let what = format!("{} weighs tasks by their accuracy, and {} has none", self.method.name(), task.name);
                Err(BadSetting::new("name", what).remedy("use it where every task has classes or binary labels"))
            }
            None => Ok(()),
        }
    }

    /// Where the run goes and how it runs.
    fn check_process(&self) -> Result<(), BadSetting> {
        let is_no_folder = |name: &&String| name.contains(['/', '\\']) || [".", "..", ""].contains(&name.as_str());
        if let Some(name) = self.name.as_ref().filter(is_no_folder) {
            return Err(BadSetting::new("name", format!("\"{name}\" is no name of a folder"))
                .remedy("use a plain name; --out says where a run goes"));
        }
        if self.threads > MOST_THREADS {
            return Err(BadSetting::new("threads", format!("{} threads, expected 1 to {MOST_THREADS}", self.threads))
                .remedy("use at most as many as the machine has cores"));
        }
        self.instructions.resolve().map(drop)
    }

    fn check_model(&self) -> Result<(), BadSetting> {
        let model = &self.model;
        let beside = |path: &str, other: &str| {
            Err(BadSetting::new(path, format!("stands beside `{other}`")).remedy("keep one of the two"))
        };
        let whole = match (&model.torchscript, &model.objectives, &model.backbone) {
            (None, None, None) => {
                return Err(BadSetting::new("model", "has none of `backbone`, `torchscript` and `objectives`")
                    .remedy("add `backbone: {name: mlp, hidden: [20, 20]}`"));
            }
            (None, None, Some(_)) => return Ok(()),
            (Some(_), Some(_), _) => return beside("model.objectives", "torchscript"),
            (Some(_), None, _) => "torchscript",
            (None, Some(_), _) => "objectives",
        };
        match model {
            ModelSettings { backbone: Some(_), .. } => beside("model.backbone", whole),
            ModelSettings { architecture: Some(_), .. } => beside("model.architecture", whole),
            ModelSettings { head: Some(_), .. } => beside("model.head", whole),
            ModelSettings { objectives: Some(problem), .. } => {
                problem.check().map_err(|bad| bad.under("model.objectives"))
            }
            _ => Ok(()),
        }
    }

    /// A model that reads no rows goes with data that has none, and with losses that read no labels.
    fn check_labels(&self, tasks: &[Task]) -> Result<(), BadSetting> {
        let no_rows = matches!(self.data, Data::NoRows(_));
        if let Some(problem) = &self.model.objectives {
            if !no_rows {
                let what = format!("{} reads no rows, and data {} gives some", problem.name(), self.data.name());
                return Err(BadSetting::new("data", what).remedy("write `data: {name: none}`"));
            }
            let objectives = problem.objectives();
            if tasks.len() != objectives {
                let what = format!("{} tasks for the {objectives} objectives of {}", tasks.len(), problem.name());
                return Err(BadSetting::new("tasks", what)
                    .remedy("list one task per objective, in order: `- {name: …, loss: {name: value}}`"));
            }
        }
        if no_rows && self.model.backbone.is_some() {
            return Err(BadSetting::new("model.backbone", "there are no columns to read: data none has none")
                .remedy("give rows in `data`, or a model of `objectives`"));
        }
        match tasks.iter().position(|task| !task.loss.reads_labels()) {
            Some(task) if !no_rows => {
                let what =
                    format!("{} reads no labels, and data {} gives some", tasks[task].loss.name(), self.data.name());
                Err(BadSetting::new(format!("tasks[{task}].loss"), what)
                    .remedy("choose a loss that reads labels, such as mse, or write `data: {name: none}`"))
            }
            _ => Ok(()),
        }
    }

    fn check_limits(&self) -> Result<(), BadSetting> {
        let train = &self.train;
        if train.epochs.is_none() && train.steps.is_none() && train.time.is_none() {
            return Err(BadSetting::new("train", "has no limit").remedy("set `epochs`, `steps` or `time`"));
        }
        if let Some(time) = train.time.filter(|time| !matches!(time, Interval::Seconds(_))) {
            return Err(BadSetting::new("train.time", format!("\"{time}\" is no time"))
                .remedy("write `10 min`, or use `epochs` or `steps`"));
        }
        if matches!(self.evaluate.every, Interval::Seconds(_)) {
            return Err(BadSetting::new("evaluate.every", format!("\"{}\" is a time", self.evaluate.every))
                .remedy("write epochs or steps: evaluation is part of the result, and must not depend on the clock"));
        }
        Ok(())
    }

    /// The selection metric as (task, metric), `None` for the mean loss; and which value is better.
    ///
    /// # Errors
    /// There is no such task or metric.
    pub fn selection(&self, tasks: &[Task]) -> Result<(Option<(String, String)>, Direction), BadSetting> {
        let SelectSettings { metric, mode } = &self.select;
        if metric == "loss" {
            return Ok((None, mode.unwrap_or(Direction::Min)));
        }
        let all: Vec<(String, String, bool)> = tasks
            .iter()
            .flat_map(|task| {
                let loss = std::iter::once((task.name.clone(), "loss".to_string(), false));
                let own =
                    |metric: &MetricKind| (task.name.clone(), metric.name().to_string(), metric.higher_is_better());
                loss.chain(task.metrics.iter().map(own)).collect::<Vec<_>>()
            })
            .collect();
        let written: Vec<String> = all.iter().map(|(task, metric, _)| format!("{task}/{metric}")).collect();
        match written.iter().position(|path| path == metric) {
            Some(at) => {
                let (task, name, higher) = all[at].clone();
                let own = if higher { Direction::Max } else { Direction::Min };
                Ok((Some((task, name)), mode.unwrap_or(own)))
            }
            None => {
                let bad = BadSetting::new(
                    "select.metric",
                    format!("\"{metric}\" is not measured (allowed: loss, {})", written.join(", ")),
                );
                let near = nearest(metric, written.iter().map(String::as_str));
                Err(bad
                    .remedy(near.map_or("list the metric at its task".into(), |near| format!("did you mean {near}?"))))
            }
        }
    }
}
