//! `summary.json`: what a run came to, and what it cost.

use crate::environment::{Environment, peak_memory_mib};
use crate::experiment::Experiment;
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
    environment: &Environment,
) -> Value {
    json!({
        "experiment": name,
        "method": experiment.method.name(),
        "group": group,
        "seed": experiment.seed,
        "ended": ended,
        "steps": results.steps,
        "epochs": results.epochs,
        "parameters": results.parameters,
        "select": {
            "metric": experiment.select.metric,
            "value": results.best_value,
            "step": results.best_step,
            "epoch": results.best_epoch,
        },
        "final": { "train": by_task(&results.train), "validation": by_task(&results.validation) },
        "best": { "validation": by_task(&results.best_validation), "test": by_task(&results.best_test) },
        "cost": {
            "seconds": results.seconds,
            "steps_per_second": results.steps as f64 / results.seconds,
            "backward_passes": results.backward_passes,
            "peak_memory_mib": peak_memory_mib(),
        },
        "versions": { "polytask": environment.get("polytask"), "libtorch": environment.get("libtorch") },
        "device": environment.get("device"),
        "git_commit": environment.get("git_commit"),
    })
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
