//! What travels inside `model.pt` beside the weights: enough to feed it raw rows and to read its outputs.

use crate::data::{Column, Dataset, Features, Fitted, Identity};
use crate::error::{Mistake, note};
use crate::libtorch::InputOrder;
use crate::tasks::{CrossEntropy, Form, LossKind, MetricKind, Standardization, Task};
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
    /// The names of the outputs, in the order in which the model gives them.
    pub outputs: Vec<String>,
    /// How it is fed and read.
    #[serde(flatten)]
    pub facts: ModelFacts,
    /// What it was trained with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<Budget>,
}

/// How a model is fed and read, and which rows it has seen.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ModelFacts {
    /// How raw columns become the model's input.
    pub features: Features,
    /// How to read the outputs that are tasks, in the order of the experiment.
    pub tasks: Vec<TaskFacts>,
    /// The rows that it was trained on; `None` in what Polytask 0.1 wrote.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<Identity>,
    /// The names of the inputs, in the order in which the model takes them; `None` in what Polytask
    /// 0.1 wrote, which took them in the order of their names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inputs: Option<Vec<String>>,
}

/// How long a run trained.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Budget {
    /// Updates made.
    pub updates: i64,
    /// Training rows read by them, repetitions counted, summed over groups of tasks with their own inputs.
    pub rows: i64,
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

impl ModelFacts {
    /// Of a model that is trained on these tasks and rows.
    pub fn new(tasks: &[Task], dataset: &Dataset, identity: Identity) -> Self {
        let facts = |(task, standardization): (&Task, &Option<Standardization>)| TaskFacts {
            name: task.name.clone(),
            targets: task.targets.clone(),
            form: task.form,
            labels: task.labels.clone(),
            standardization: standardization.clone(),
        };
        Self {
            features: dataset.features.clone(),
            tasks: tasks.iter().zip(&dataset.standardizations).map(facts).collect(),
            data: Some(identity),
            inputs: None,
        }
    }

    /// How several inputs find the model's arguments.
    pub fn input_order(&self) -> InputOrder {
        self.inputs.clone().map_or(InputOrder::AsGiven, InputOrder::Known)
    }

    /// Reads `tasks` as this model does: their classes are put into its order, by name; `place` names the model.
    ///
    /// # Errors
    /// An output means something else than the task: other labels, other columns, or classes of other names.
    pub fn adopt(&self, tasks: &mut [Task], place: &str) -> Result<Fitted> {
        let mut standardizations = Vec::new();
        for task in tasks {
            let known = self.tasks.iter().find(|facts| facts.name == task.name);
            if let Some(facts) = known {
                facts.check(task, place)?;
                facts.adopt_classes(task, place)?;
            }
            standardizations.push(known.map(|facts| facts.standardization.clone()));
        }
        let shapes = self.data.as_ref().map_or(vec![], |data| data.inputs.clone());
        Ok(Fitted { features: self.features.clone(), standardizations, shapes, refit: false, all_inputs: false })
    }

    /// Like [`adopt`](Self::adopt), for a model that goes on training: the inputs must be the model's, no more and no fewer.
    /// Labels are standardized as the model's were, which is said where the experiment asks otherwise; with `refit` as the
    /// experiment says.
    ///
    /// # Errors
    /// As [`adopt`](Self::adopt).
    pub fn adopt_to_train(&self, tasks: &mut [Task], place: &str, refit: bool) -> Result<Fitted> {
        let fitted = Fitted { all_inputs: true, refit, ..self.adopt(tasks, place)? };
        for (task, standardization) in tasks.iter_mut().zip(&fitted.standardizations) {
            let Some(standardization) = standardization else { continue };
            let targets = self.tasks.iter().find(|facts| facts.name == task.name).map(|facts| &facts.targets);
            if let Some(targets) = targets.filter(|targets| !targets.is_empty() && **targets != task.targets) {
                let what = format!(
                    "its output {} was trained on {}, not {}",
                    task.name,
                    targets.join(", "),
                    task.targets.join(", ")
                );
                return Err(Mistake::new(place, what)
                    .remedy("name the column that the model was trained on, or call the task otherwise")
                    .into());
            }
            if !refit && task.standardize != standardization.is_some() {
                let not = if task.standardize { "not " } else { "" };
                note(format!("note: the labels of {} are {not}standardized: {place} was trained so", task.name));
                task.standardize = standardization.is_some();
            }
        }
        Ok(fitted)
    }

    /// Whether the rows of `dataset` have the inputs that the model reads, by name and shape.
    ///
    /// # Errors
    /// They have others.
    pub fn check_inputs(&self, dataset: &Dataset, place: &str) -> Result<(), Mistake> {
        let columns = |features: &Features| features.columns.iter().map(Column::name).collect::<Vec<_>>().join(", ");
        let (theirs, ours) = (columns(&self.features), columns(&dataset.features));
        if theirs.is_empty() != ours.is_empty() {
            let reads = if theirs.is_empty() { "no table" } else { "the columns of a table" };
            let what = format!("reads {reads} ({theirs}{ours})");
            return Err(Mistake::new(place, what).remedy("give data of the kind that the model was trained on"));
        }
        // Columns are matched one by one, and make as many features as the model's encoding has.
        let Some(identity) = self.data.as_ref().filter(|_| theirs.is_empty()) else { return Ok(()) };
        let theirs: Vec<String> = identity.inputs.iter().map(|it| format!("{} {:?}", it.name, it.shape)).collect();
        let group = dataset.train.first().or(dataset.test.as_ref().and_then(|groups| groups.first()));
        let ours = group.map_or(vec![], |group| group.inputs.iter().map(described).collect::<Vec<_>>());
        if theirs == ours {
            return Ok(());
        }
        let what = format!("reads the inputs {}; the data has {}", theirs.join(", "), ours.join(", "));
        Err(Mistake::new(place, what).remedy("give rows with the inputs that the model was trained on, by name"))
    }
}

fn described((name, input): &(String, tch::Tensor)) -> String {
    format!("{name} {:?}", &input.size()[1..])
}

impl TaskFacts {
    /// Whether `task` means this output.
    fn check(&self, task: &Task, place: &str) -> Result<(), Mistake> {
        let sorted = |columns: &[String]| {
            let mut columns = columns.to_vec();
            columns.sort();
            columns
        };
        let moved = self.targets != task.targets && sorted(&self.targets) == sorted(&task.targets);
        if self.form == task.form && !moved {
            return Ok(());
        }
        let what = format!(
            "its output {} was trained as {:?} on {}, the experiment has {:?} on {}",
            task.name,
            self.form,
            self.targets.join(", "),
            task.form,
            task.targets.join(", ")
        );
        Err(Mistake::new(place, what).remedy("give the task the loss and the columns that the model was trained with"))
    }

    /// Brings the task's classes into the model's order, and what the loss says of each with them.
    fn adopt_classes(&self, task: &mut Task, place: &str) -> Result<(), Mistake> {
        let Form::Classes(classes) = self.form else { return Ok(()) };
        let names = |labels: &Option<Vec<String>>| {
            labels.clone().unwrap_or_else(|| (0..classes).map(|class| class.to_string()).collect())
        };
        let (theirs, ours) = (names(&self.labels), names(&task.labels));
        if theirs == ours {
            return Ok(());
        }
        let strange = |of: &[String], among: &[String]| of.iter().find(|name| !among.contains(name)).cloned();
        let Some(strange) = strange(&ours, &theirs).or_else(|| strange(&theirs, &ours)) else {
            if classes == 2 && task.metrics.contains(&MetricKind::AveragePrecision) {
                let what = format!("its output {} has the classes {}, in this order", task.name, theirs.join(", "));
                return Err(Mistake::new(place, what).remedy(format!(
                    "write `labels: [{}]` at the task: average_precision is that of the second class",
                    theirs.join(", ")
                )));
            }
            if let LossKind::CrossEntropy(CrossEntropy { class_weights: Some(weights), .. }) = &mut task.loss {
                let place_of = |name: &String| ours.iter().position(|other| other == name).unwrap_or(0);
                *weights = theirs.iter().map(|name| weights[place_of(name)]).collect();
            }
            task.labels = Some(theirs);
            return Ok(());
        };
        let what = format!(
            "its output {} has the classes {}, the experiment has {}: \"{strange}\" has no partner",
            task.name,
            theirs.join(", "),
            ours.join(", ")
        );
        Err(Mistake::new(place, what).remedy(format!("write `labels: [{}]` at the task", theirs.join(", "))))
    }
}

impl Metadata {
    /// Of a model that a run has trained.
    pub fn new(config: String, outputs: Vec<String>, facts: ModelFacts, budget: Budget) -> Self {
        Self { polytask: env!("CARGO_PKG_VERSION").to_string(), config, outputs, facts, budget: Some(budget) }
    }

    /// As the text of the extra file.
    pub fn to_json(&self) -> Result<String> {
        Ok(serde_json::to_string(self)?)
    }

    /// From the text of the extra file; `place` names the model.
    ///
    /// # Errors
    /// The text is not what a Polytask of this version or an earlier one writes.
    pub fn parse(text: &str, place: &str) -> Result<Self> {
        serde_json::from_str(text).map_err(|error| {
            Mistake::new(place, format!("its {FILE} cannot be read ({error})"))
                .remedy("use the version of Polytask that wrote the model")
                .into()
        })
    }
}
