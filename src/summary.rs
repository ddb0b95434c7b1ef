//! `summary.json`: what a run came to, and what it cost.

use crate::data::ColumnFacts;
use crate::environment::{Environment, peak_memory_mib};
use crate::experiment::{self, Experiment};
use crate::metadata::{Budget, ModelFacts};
use crate::record::Score;
use crate::trainer::Results;
use serde_json::{Map, Value, json};

/// The content of `summary.json`.
pub fn of(
    experiment: &Experiment,
    name: &str,
    group: &str,
    ended: &str,
    results: &Results,
    rows: (&ModelFacts, &[ColumnFacts]),
    environment: &Environment,
) -> Value {
    let gradients = &results.gradients;
    let tasks: Vec<String> = experiment.tasks.iter().map(|task| task.name.clone()).collect();
    let named = |values: &[Option<f64>]| -> Value {
        tasks.iter().cloned().zip(values.iter().map(|value| json!(value))).collect::<Map<_, _>>().into()
    };
    json!({
        "experiment": name,
        "method": experiment.method.name(),
        "group": group,
        "seed": experiment.seed,
        "ended": ended,
        "steps": results.steps,
        "epochs": results.epochs,
        "budget": Budget { updates: results.steps, rows: results.rows },
        "parameters": results.parameters,
        "select": {
            "metric": experiment.select.metric,
            "mode": results.direction,
            "value": results.best_value,
            "step": results.best_step,
            "epoch": results.best_epoch,
        },
        "final": { "train": by_task(&results.train), "validation": by_task(&results.validation) },
        "best": { "validation": by_task(&results.best_validation), "test": by_task(&results.best_test) },
        "gradients": {
            "norm": named(&gradients.norms),
            "cosine": tasks.iter().zip(&gradients.cosines).map(|(t, row)| (t.clone(), named(row))).collect::<Map<_, _>>(),
            "conflicting_pairs": gradients.conflicting_pairs,
            "update_norm": gradients.update_norm,
            "update_cosine": gradients.update_cosine,
            "stationary_steps": gradients.stationary_steps,
        },
        "cost": {
            "seconds": results.seconds,
            "steps_per_second": results.steps as f64 / results.seconds,
            "backward_passes": gradients.backward_passes,
            "method_seconds": gradients.method_seconds,
            "peak_memory_mib": peak_memory_mib(),
        },
        "definitions": experiment::definitions(experiment),
        "versions": { "polytask": environment.get("polytask"), "libtorch": environment.get("libtorch") },
        "device": environment.get("device"),
        "data": data(rows.0, rows.1),
        "git_commit": environment.get("git_commit"),
    })
}

/// Which rows the run read and how, and what of them a reader must know.
fn data(facts: &ModelFacts, columns: &[ColumnFacts]) -> Value {
    let mut data = json!(facts.data);
    data["features"] = json!(facts.features);
    data["tasks"] = json!(facts.tasks);
    let most = |column: &ColumnFacts| {
        let splits: Vec<_> = column.unseen.iter().filter(|unseen| unseen.is_most()).cloned().collect();
        (!splits.is_empty()).then(|| (column.name.clone(), json!(splits)))
    };
    let unseen: Map<String, Value> = columns.iter().filter_map(most).collect();
    if !unseen.is_empty() {
        data["unseen"] = unseen.into();
    }
    data
}

/// Scores as `{task: {metric: value}}`; nothing where the split does not exist.
pub fn by_task(scores: &Option<Vec<Score>>) -> Value {
    let Some(scores) = scores else { return Value::Null };
    let mut tasks = Map::new();
    for Score { task, metric, value } in scores {
        let metrics = tasks.entry(task.clone()).or_insert_with(|| json!({}));
        metrics[metric] = json!(value);
    }
    Value::Object(tasks)
}
