//! Which settings take whole numbers alone: what the schema of an experiment says about them.

use crate::experiment::Experiment;
use crate::path::{SettingPath, Step};
use schemars::schema_for;
use serde_json::Value as Json;
use serde_yaml::Value;
use std::sync::LazyLock;

static EXPERIMENT: LazyLock<Json> = LazyLock::new(|| schema_for!(Experiment).to_value());

/// Whether the setting at `path` takes no other numbers than whole ones. `settings` tell which
/// choices were made on the way there; below the first `known` steps every choice is possible.
pub fn is_whole(settings: &Value, path: &SettingPath, known: usize) -> bool {
    let mut here = Some(settings);
    let mut schemas = vec![&*EXPERIMENT];
    for (depth, step) in path.steps.iter().enumerate() {
        here = here.filter(|_| depth < known);
        schemas = forms(&schemas, here).into_iter().filter_map(|form| below(form, step)).collect();
        here = here.and_then(|value| match step {
            Step::Key(key) => value.get(key.as_str()),
            Step::Index(index) => value.get(*index),
        });
    }
    let kinds: Vec<&str> = forms(&schemas, None).into_iter().flat_map(kinds).collect();
    kinds.contains(&"integer") && !kinds.contains(&"number")
}

/// The forms that a value may have, without references and alternatives; of a table, the entry that
/// `value` chooses.
fn forms<'a>(schemas: &[&'a Json], value: Option<&Value>) -> Vec<&'a Json> {
    let name = value.and_then(|value| value.get("name")).and_then(Value::as_str);
    let mut found = Vec::new();
    let mut open = schemas.to_vec();
    while let Some(schema) = open.pop() {
        if let Some(definition) = schema["$ref"].as_str().and_then(|path| path.strip_prefix('#')) {
            open.extend(EXPERIMENT.pointer(definition));
        }
        open.extend(["anyOf", "oneOf"].iter().filter_map(|key| schema[*key].as_array()).flatten());
        let own = schema.pointer("/properties/name/const").and_then(Json::as_str);
        if own.is_none() || name.is_none() || own == name {
            found.push(schema);
        }
    }
    found
}

/// What stands at a step below a section or a list.
fn below<'a>(schema: &'a Json, step: &Step) -> Option<&'a Json> {
    match step {
        Step::Key(key) => schema["properties"].get(key).or(schema.get("additionalProperties")),
        Step::Index(index) => schema["prefixItems"].get(index).or(schema.get("items")),
    }
}

/// The types that a form names.
fn kinds(form: &Json) -> Vec<&str> {
    match &form["type"] {
        Json::Array(kinds) => kinds.iter().filter_map(Json::as_str).collect(),
        kind => kind.as_str().into_iter().collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether the setting at `path` is whole in an experiment with these settings.
    fn whole(settings: &str, path: &str) -> bool {
        is_whole(&serde_yaml::from_str(settings).unwrap(), &path.parse().unwrap(), usize::MAX)
    }

    #[test]
    fn the_setting_decides_whether_numbers_are_whole() {
        let experiment = "
            data: {name: synthetic}
            tasks: [{name: a, loss: {name: cross_entropy, classes: 2}}]
            model:
              architecture: {name: mmoe, experts: 3}
              backbone: {name: mlp, hidden: [8, 8], dropout: 0.1}
            method: {name: weighted, weighting: {name: dwa, temperature: 2}, inner: {name: cagrad}}
            optimizer: {name: adam}
            schedule: {name: step, step_size: 3}
            train: {epochs: 2, batch_size: 16}";
        for path in [
            "train.epochs",
            "train.batch_size",
            "threads",
            "data.train",
            "data.features",
            "data.seed",
            "tasks[0].loss.classes",
            "model.architecture.experts",
            "model.backbone.hidden[0]",
            "schedule.step_size",
            "method.every",
            "stop.patience",
        ] {
            assert!(whole(experiment, path), "{path}");
        }
        for path in [
            "optimizer.learning_rate",
            "optimizer.betas[0]",
            "model.backbone.dropout",
            "method.inner.c",
            "method.weighting.temperature",
            "train.clip_norm",
            "data.correlation",
            "data.name",
            "no.such[3].setting",
            "train.epochs.below",
        ] {
            assert!(!whole(experiment, path), "{path}");
        }
    }

    #[test]
    fn the_choice_that_was_made_decides_and_without_one_all_of_them_do() {
        // A number of rows in one source, a share of them or a section in another.
        assert!(whole("data: {name: synthetic}", "data.validation"));
        assert!(!whole("data: {name: idx}", "data.validation"));
        assert!(!whole("{}", "data.validation"));
        assert!(whole("{}", "model.architecture.experts"));
        let open = |known| {
            let settings = serde_yaml::from_str("data: {name: synthetic}").unwrap();
            is_whole(&settings, &"data.validation".parse().unwrap(), known)
        };
        assert!(open(2) && !open(1));
    }
}
