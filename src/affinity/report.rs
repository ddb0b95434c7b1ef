//! What came of it: tables for the terminal, JSON for machines, a picture.

use super::grouping::{self, Grouping};
use super::means::Means;
use crate::files;
use crate::picture::Heatmap;
use anyhow::Result;
use serde_json::{Map, Value, json};
use std::path::Path;

/// Affinities, cosines and the proposed groups.
#[derive(Debug, Clone)]
pub struct Findings {
    tasks: Vec<String>,
    means: Means,
    every: u64,
    most: usize,
    /// Per task `[T]` the columns that would become inputs, were the task left out of the YAML.
    leaks: Vec<Vec<String>>,
    /// `[T, T]`; what was never measured counts as 0.
    known: Vec<Vec<f64>>,
    grouping: Grouping,
}

impl Findings {
    /// Proposes at most `most` groups.
    pub(super) fn new(tasks: Vec<String>, means: Means, every: u64, most: usize, leaks: Vec<Vec<String>>) -> Self {
        let known: Vec<Vec<f64>> =
            means.affinity().iter().map(|row| row.iter().map(|value| value.unwrap_or(0.0)).collect()).collect();
        let grouping = grouping::group(&known, most);
        Self { tasks, means, every, most, leaks, known, grouping }
    }

    /// What was measured.
    pub fn means(&self) -> &Means {
        &self.means
    }

    /// What is proposed.
    pub fn grouping(&self) -> &Grouping {
        &self.grouping
    }

    /// Writes `affinity.json`, and the affinities as a picture, `affinity.svg` and `affinity.png`.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub(super) fn write(&self, folder: &Path) -> Result<()> {
        let json = serde_json::to_string_pretty(&self.json())? + "\n";
        let values = self.scaled();
        let is_beyond = values.iter().flatten().flatten().any(|value| value.abs() > 1.0);
        let end = if is_beyond { "; colours end at 1" } else { "" };
        let title = format!("affinity of rows onto columns{}{end}", self.told_unit());
        let picture = Heatmap::new(&self.tasks, &values, &title)?;
        for (name, bytes) in [
            ("affinity.json", json.into_bytes()),
            ("affinity.svg", picture.svg()?.into_bytes()),
            ("affinity.png", picture.png()?.bytes),
        ] {
            files::replace_with(&folder.join(name), &bytes)?;
        }
        Ok(())
    }

    /// Everything; a matrix is `{FROM: {ONTO: value}}`.
    pub fn json(&self) -> Value {
        let score = |group: &Vec<usize>| {
            json!({
                "tasks": self.names(group),
                "score": grouping::score(&self.known, group),
                "onto": self.by_task(group, |task| json!(grouping::onto(&self.known, group, task))),
                "exclude": self.leaks(group),
            })
        };
        json!({
            "tasks": self.tasks,
            "measured_steps": self.means.steps(),
            "every": self.every,
            "mean_learning_rate": self.means.learning_rate(),
            "affinity": self.matrix(&self.means.affinity()),
            "cosine": self.matrix(&self.means.cosines()),
            "steps": self.matrix(&self.means.counts()),
            "left_out": self.matrix(&self.means.left_out()),
            "at_most": self.most,
            "exact": self.grouping.exact,
            "score": self.grouping.score,
            "groups": self.grouping.groups.iter().map(score).collect::<Vec<_>>(),
        })
    }

    /// The same for a person.
    pub fn text(&self) -> String {
        let mut lines = vec![format!(
            "affinity of a row's task onto a column's{}: above 0, a step on the one lowers the loss of the other",
            self.told_unit()
        )];
        lines.extend(self.table(&self.scaled()));
        lines.push("\ncosine of the tasks' gradients by the shared parameters".into());
        lines.extend(self.table(&self.means.cosines()));
        lines.push(format!("\n{}", self.heading()));
        for (number, group) in (1..).zip(&self.grouping.groups) {
            lines.push(format!("  {number}  {}", self.described(group)));
        }
        lines.extend(self.remarks());
        lines.join("\n")
    }

    fn heading(&self) -> String {
        let Grouping { groups, score, exact } = &self.grouping;
        let found = if *exact { "the best of all partitions" } else { "found by local search" };
        let count = if groups.len() == 1 { "one group".into() } else { format!("{} groups", groups.len()) };
        format!("{count} of at most {}, {found}, score {:.3}", self.most, score / self.unit())
    }

    fn described(&self, group: &[usize]) -> String {
        if let [task] = group {
            return format!("{} alone", self.tasks[*task]);
        }
        let onto = |task: &usize| grouping::onto(&self.known, group, *task) / self.unit();
        let each: Vec<String> = group.iter().map(|task| format!("{} {:+.3}", self.tasks[*task], onto(task))).collect();
        format!("{} (onto each from the others: {})", self.names(group).join(", "), each.join(", "))
    }

    /// How much was measured, what was not, and how to go on.
    fn remarks(&self) -> Vec<String> {
        let (steps, rate) = (self.means.steps(), self.means.learning_rate());
        let steps = if steps == 1 { "one step".into() } else { format!("{steps} steps") };
        let mut lines = vec![format!("\n{steps} measured, one of {}, mean learning rate {rate:.3e}", self.every)];
        let left_out: u64 = self.means.left_out().iter().flatten().sum();
        if left_out > 0 {
            lines.push(format!("{left_out} affinities left out: a loss was 0 before, or not finite after the probe"));
        }
        if self.means.affinity().iter().flatten().any(Option::is_none) {
            lines.push("a pair with - was never measured together, and counts as 0".into());
        }
        if self.grouping.groups.len() > 1 {
            lines.push("to train a group, keep only its tasks under `tasks:` in the YAML".into());
            for (number, group) in (1..).zip(&self.grouping.groups) {
                let leaks = self.leaks(group);
                if !leaks.is_empty() {
                    lines.push(format!(
                        "  for group {number} also name the columns of the others, or they become inputs: data.exclude: [{}]",
                        leaks.join(", ")
                    ));
                }
            }
        }
        lines
    }

    fn names(&self, group: &[usize]) -> Vec<&str> {
        group.iter().map(|&task| self.tasks[task].as_str()).collect()
    }

    /// The columns that would become inputs of a group trained by itself.
    fn leaks(&self, group: &[usize]) -> Vec<&str> {
        let outside = (0..self.tasks.len()).filter(|task| !group.contains(task));
        let own: Vec<&String> = group.iter().flat_map(|&task| &self.leaks[task]).collect();
        let mut columns: Vec<&str> = Vec::new();
        for column in outside.flat_map(|task| &self.leaks[task]).filter(|column| !own.contains(column)) {
            if !columns.contains(&column.as_str()) {
                columns.push(column);
            }
        }
        columns
    }

    /// The power of ten that is nearest to the largest affinity between two tasks; 1 where all are 0.
    fn unit(&self) -> f64 {
        let pairs = self.known.iter().enumerate().flat_map(|(from, row)| {
            row.iter().enumerate().filter(move |(onto, _)| *onto != from).map(|(_, value)| value.abs())
        });
        match pairs.fold(0.0, f64::max) {
            0.0 => 1.0,
            largest => format!("1e{}", largest.log10().round()).parse().unwrap_or(1.0),
        }
    }

    fn told_unit(&self) -> String {
        let unit = self.unit();
        if unit == 1.0 { String::new() } else { format!(", in units of {unit:e}") }
    }

    /// The affinities in that unit.
    fn scaled(&self) -> Vec<Vec<Option<f64>>> {
        let scaled = |value: Option<f64>| value.map(|value| value / self.unit());
        self.means.affinity().into_iter().map(|row| row.into_iter().map(scaled).collect()).collect()
    }

    fn by_task(&self, group: &[usize], value: impl Fn(usize) -> Value) -> Map<String, Value> {
        group.iter().map(|&task| (self.tasks[task].clone(), value(task))).collect()
    }

    fn matrix<A: serde::Serialize>(&self, rows: &[Vec<A>]) -> Map<String, Value> {
        let all: Vec<usize> = (0..self.tasks.len()).collect();
        self.by_task(&all, |from| self.by_task(&all, |onto| json!(rows[from][onto])).into())
    }

    /// Lines with the tasks' names before the rows and above the columns.
    fn table(&self, values: &[Vec<Option<f64>>]) -> Vec<String> {
        let longest = self.tasks.iter().map(|name| name.len()).max().unwrap_or(0);
        let width = longest.max(6) + 2;
        let cell = |value: &Option<f64>| value.map_or(format!("{:>width$}", "-"), |value| format!("{value:>width$.3}"));
        let head = self.tasks.iter().map(|name| format!("{name:>width$}"));
        let mut lines = vec![format!("  {:<longest$}{}", "", head.collect::<String>())];
        for (name, row) in self.tasks.iter().zip(values) {
            lines.push(format!("  {name:<longest$}{}", row.iter().map(cell).collect::<String>()));
        }
        lines
    }
}
