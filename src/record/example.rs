//! A small run to record, for the tests of the recorders.

use super::{GradientRecord, GraphNode, Header, Hyperparameter, Score, StepRecord, UpdateRecord};

/// What a [`Header`] borrows.
pub struct Example {
    pub tasks: Vec<String>,
    pub metrics: Vec<Vec<&'static str>>,
    pub environment: Vec<(String, String)>,
    pub hyperparameters: Vec<(String, Hyperparameter)>,
    pub graph: Vec<GraphNode>,
    pub start_step: i64,
}

impl Example {
    /// `count` tasks called `task1`, `task2`, …, each measured by its accuracy.
    pub fn new(count: usize) -> Self {
        let tasks: Vec<String> = (1..=count).map(|number| format!("task{number}")).collect();
        let node = |name: &str, operation: &str, inputs: &[&str], shape: &[i64]| GraphNode {
            name: name.into(),
            operation: operation.into(),
            inputs: inputs.iter().map(|input| input.to_string()).collect(),
            shape: shape.to_vec(),
        };
        let mut graph = vec![
            node("input", "Placeholder", &[], &[-1, 10]),
            node("shared_layers/0", "Linear", &["input"], &[-1, 20]),
            node("shared_layers/1", "ReLU", &["shared_layers/0"], &[-1, 20]),
        ];
        for task in &tasks {
            graph.push(node(&format!("heads/{task}/{task}_layer"), "Linear", &["shared_layers/1"], &[-1, 2]));
        }
        Self {
            metrics: vec![vec!["accuracy"]; count],
            environment: vec![("device".into(), "cpu".into()), ("command".into(), "polytask train a|b.yaml".into())],
            hyperparameters: vec![
                ("method".into(), Hyperparameter::Text("sum".into())),
                ("learning_rate".into(), Hyperparameter::Number(1e-3)),
                ("deterministic".into(), Hyperparameter::Flag(true)),
            ],
            graph,
            start_step: 0,
            tasks,
        }
    }

    pub fn header(&self) -> Header<'_> {
        Header {
            experiment: "document",
            group: "sum",
            tasks: &self.tasks,
            metrics: &self.metrics,
            config: "name: document\nseed: 0\n",
            environment: &self.environment,
            hyperparameters: &self.hyperparameters,
            graph: &self.graph,
            start_step: self.start_step,
            epochs: Some(50),
            total_steps: Some(5000),
        }
    }
}

/// A step of two tasks.
pub fn step<'a>(step: i64, losses: &'a [Option<f64>], weights: &'a [Option<f64>]) -> StepRecord<'a> {
    StepRecord {
        step,
        epoch: step / 100,
        losses,
        total: Some(losses.iter().flatten().sum()),
        weights,
        learning_rate: 1e-3,
        gradient_norm: 0.5,
        milliseconds: 0.25,
        update: None,
    }
}

/// What became of two tasks' gradients that conflict.
pub fn update() -> UpdateRecord {
    UpdateRecord {
        norm: 0.5,
        cosine_to_mean: Some(0.75),
        backward_passes: 2,
        milliseconds: 0.125,
        gradients: Some(GradientRecord {
            norms: vec![Some(2.0), Some(0.5)],
            cosines: vec![vec![Some(1.0), Some(-0.25)], vec![Some(-0.25), Some(1.0)]],
            conflicting_pairs: Some(1.0),
        }),
    }
}

pub fn score(task: &str, metric: &'static str, value: Option<f64>) -> Score {
    Score { task: task.into(), metric, value }
}
