//! Where an architecture is built: the flow, the names, the backbone, the tasks.

use crate::error::BadSetting;
use crate::models::Builder;
use crate::models::backbones::BackboneKind;
use crate::models::flow::{Flatten, Flow, MeanOverPositions, Mixture, Named, Softmax, Stack, Value};
use std::collections::VecDeque;

/// What an architecture wires with.
pub struct Site<'a> {
    /// What is wired.
    pub flow: Flow,
    /// Where parameters are registered.
    pub builder: Builder<'a>,
    /// What towers are made of.
    pub backbone: &'a BackboneKind,
    /// The tasks' names.
    pub tasks: &'a [String],
}

/// A backbone that is applied stage by stage.
pub struct Tower {
    name: String,
    stages: VecDeque<Vec<Named>>,
}

impl Tower {
    /// The stages that are not yet applied.
    pub fn stages(&self) -> usize {
        self.stages.len()
    }
}

impl Site<'_> {
    /// The input as numbers that towers and gates read: that of the backbone's stem (embeddings), where it has one.
    ///
    /// # Errors
    /// The backbone cannot take the input.
    pub fn stem(&mut self, name: &str) -> Result<Value, BadSetting> {
        let input = self.flow.shape(Flow::INPUT).to_vec();
        let layers = self.backbone.stem(&self.builder.at(name), &input).map_err(under_backbone)?;
        Ok(self.flow.chain(name, layers, Flow::INPUT))
    }

    /// A backbone called `name` that reads values like `x`.
    ///
    /// # Errors
    /// It cannot take them.
    pub fn tower(&mut self, name: impl Into<String>, x: Value) -> Result<Tower, BadSetting> {
        let name = name.into();
        let chain = self.backbone.build(&self.builder.at(&name), self.flow.shape(x)).map_err(under_backbone)?;
        Ok(Tower { name, stages: chain.stages.into() })
    }

    /// A backbone per task, `TASK_tower`.
    ///
    /// # Errors
    /// As [`tower`](Self::tower).
    pub fn task_towers(&mut self, x: Value) -> Result<Vec<Tower>, BadSetting> {
        self.tasks.iter().map(|task| self.tower(format!("{task}_tower"), x)).collect()
    }

    /// So many backbones `NAME.0`, `NAME.1`, … that read values like `x`.
    ///
    /// # Errors
    /// As [`tower`](Self::tower).
    pub fn expert_towers(&mut self, name: &str, count: u64, x: Value) -> Result<Vec<Tower>, BadSetting> {
        (0..count).map(|expert| self.tower(format!("{name}.{expert}"), x)).collect()
    }

    /// The same, applied to `x`.
    ///
    /// # Errors
    /// As [`tower`](Self::tower).
    pub fn experts(&mut self, name: &str, count: u64, x: Value) -> Result<Vec<Value>, BadSetting> {
        let towers = self.expert_towers(name, count, x)?;
        Ok(towers.into_iter().map(|tower| self.whole(tower, x)).collect())
    }

    /// The next stage of several towers that read one value.
    pub fn level(&mut self, towers: &mut [Tower], x: Value) -> Vec<Value> {
        towers.iter_mut().map(|tower| self.stage(tower, x)).collect()
    }

    /// The next stage of a tower.
    ///
    /// # Panics
    /// There is none.
    pub fn stage(&mut self, tower: &mut Tower, x: Value) -> Value {
        let layers = tower.stages.pop_front().expect("a tower has a stage left");
        self.flow.chain(&tower.name, layers, x)
    }

    /// The next stage of a tower: what its last layer reads, where that has the shape of the result (else the result), and
    /// the result.
    ///
    /// # Panics
    /// There is none.
    pub fn stage_in_two(&mut self, tower: &mut Tower, x: Value) -> (Value, Value) {
        let mut layers = tower.stages.pop_front().expect("a tower has a stage left");
        let last = layers.split_off(layers.len().saturating_sub(1));
        let before = self.flow.chain(&tower.name, layers, x);
        let after = self.flow.chain(&tower.name, last, before);
        let is_inside = before != x && self.flow.shape(before) == self.flow.shape(after);
        (if is_inside { before } else { after }, after)
    }

    /// All stages of a tower.
    pub fn whole(&mut self, mut tower: Tower, x: Value) -> Value {
        let mut value = x;
        while tower.stages() > 0 {
            value = self.stage(&mut tower, value);
        }
        value
    }

    /// A value as a vector per row, for gates: an input image all of it, feature maps and sequences their mean.
    pub fn vector(&mut self, name: &str, value: Value) -> Value {
        match self.flow.shape(value).len() {
            1 => value,
            3 if value == Flow::INPUT => self.flow.operation(format!("{name}_input"), Flatten, &[value]),
            rank => self.flow.operation(format!("{name}_input"), MeanOverPositions { maps: rank == 3 }, &[value]),
        }
    }

    /// `softmax(W x + b)` `[N, E]` with the linear layer `name`; `x` is a [`vector`](Self::vector).
    pub fn gate(&mut self, name: &str, x: Value, experts: usize) -> Value {
        let features = self.flow.shape(x)[0];
        let linear = self.builder.at(name).linear(features, experts as i64);
        let scores = self.flow.layer(name, Box::new(linear), x);
        self.flow.operation(format!("{name}_shares"), Softmax, &[scores])
    }

    /// Values of one shape side by side, for [`mixture`](Self::mixture).
    pub fn stack(&mut self, name: &str, values: &[Value]) -> Value {
        self.flow.operation(name, Stack, values)
    }

    /// The mean of values by the shares of a gate.
    pub fn blend(&mut self, name: &str, gate: Value, values: &[Value]) -> Value {
        let stack = self.stack(&format!("{name}_stack"), values);
        self.mixture(name, gate, stack)
    }

    /// A learned matrix `[count, count]`, `NAME.STAGE`, by which `count` values mix: `own` of themselves at first, the rest in
    /// equal parts of the others.
    pub fn mixing(&mut self, name: &str, stage: usize, count: i64, own: f64) -> Value {
        let (own, other) = if count == 1 { (1.0, 0.0) } else { (own, (1.0 - own) / (count as f64 - 1.0)) };
        let weight = |at: i64| if at / count == at % count { own } else { other };
        let weights: Vec<f64> = (0..count * count).map(weight).collect();
        let matrix = self.builder.at(name).values(&stage.to_string(), &[count, count], &weights);
        self.flow.parameter(format!("{name}.{stage}"), matrix)
    }

    /// The mean of a stack by the shares of a gate.
    pub fn mixture(&mut self, name: &str, gate: Value, stack: Value) -> Value {
        self.flow.operation(name, Mixture, &[gate, stack])
    }
}

fn under_backbone(bad: BadSetting) -> BadSetting {
    bad.under("backbone")
}
