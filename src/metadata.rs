//! What travels inside `model.pt` beside the weights: enough to feed it raw rows and to read its outputs.

use crate::data::Features;
use crate::error::Mistake;
use crate::tasks::{Form, Standardization, Task};
use anyhow::Result;
use serde::{Deserialize, Serialize};

/// The name of the extra file inside the TorchScript archive.
pub const FILE: &str = "polytask.json";

/// The content of the extra file.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Metadata {
    /// The version of Polytask that wrote it.
    pub polytask: String,
    /// The resolved YAML of the run.
    pub config: String,
    /// How raw columns become the model's input.
    pub features: Features,
    /// The names of the outputs, in the order in which the model gives them.
    pub outputs: Vec<String>,
    /// How to read the outputs that are tasks, in the order of the experiment.
    pub tasks: Vec<TaskFacts>,
}

/// How to read one output.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TaskFacts {
    /// The task's name.
    pub name: String,
    /// The label columns, in the order of the output's columns.
    #[serde(default)]
    pub targets: Vec<String>,
    /// What its labels are.
    pub form: Form,
    /// Names of its classes, if they have any.
    #[serde(default)]
    pub labels: Option<Vec<String>>,
    /// How its labels were standardised, if they were.
    #[serde(default)]
    pub standardization: Option<Standardization>,
}

impl Metadata {
    /// Of a model of these tasks.
    pub fn new(
        config: String,
        features: Features,
        outputs: Vec<String>,
        tasks: &[Task],
        standardizations: &[Option<Standardization>],
    ) -> Self {
        let facts = |(task, standardization): (&Task, &Option<Standardization>)| TaskFacts {
            name: task.name.clone(),
            targets: task.targets.clone(),
            form: task.form,
            labels: task.labels.clone(),
            standardization: standardization.clone(),
        };
        Self {
            polytask: env!("CARGO_PKG_VERSION").to_string(),
            config,
            features,
            outputs,
            tasks: tasks.iter().zip(standardizations).map(facts).collect(),
        }
    }

    /// How `task` was trained, if the model knows it under that name.
    ///
    /// # Errors
    /// The experiment means another output than the model has: other labels, or the same columns in another order.
    pub fn facts(&self, task: &Task, place: &str) -> Result<Option<&TaskFacts>> {
        let Some(facts) = self.tasks.iter().find(|facts| facts.name == task.name) else { return Ok(None) };
        let sorted = |columns: &[String]| {
            let mut columns = columns.to_vec();
            columns.sort();
            columns
        };
        let moved = facts.targets != task.targets && sorted(&facts.targets) == sorted(&task.targets);
        if facts.form == task.form && !moved {
            return Ok(Some(facts));
        }
        let what = format!(
            "its output {} was trained as {:?} on {}, the experiment has {:?} on {}",
            task.name,
            facts.form,
            facts.targets.join(", "),
            task.form,
            task.targets.join(", ")
        );
        Err(Mistake::new(place, what)
            .remedy("give the task the loss and the columns that the model was trained with")
            .into())
    }

    /// As the text of the extra file.
    pub fn to_json(&self) -> Result<String> {
        Ok(serde_json::to_string(self)?)
    }

    /// From the text of the extra file; `place` names the model.
    ///
    /// # Errors
    /// The text is not what a Polytask of this version writes.
    pub fn parse(text: &str, place: &str) -> Result<Self> {
        serde_json::from_str(text).map_err(|error| {
            Mistake::new(place, format!("its {FILE} cannot be read ({error})"))
                .remedy("use the version of Polytask that wrote the model")
                .into()
        })
    }
}
