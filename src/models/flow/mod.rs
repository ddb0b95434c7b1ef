//! A model as a flow of values: each step applies a layer or an operation to values before it.
//!
//! One description serves all: the forward pass, the TorchScript, the graph that TensorBoard draws, the table of `check`.

mod attention;
mod block;
mod operations;
mod script;
mod siblings;
#[cfg(test)]
mod tests;

pub use attention::*;
pub use block::Block;
pub use operations::*;

use super::{Layer, Mode, Node};
use anyhow::Result;
use std::rc::Rc;
use tch::Tensor;

/// A value in a flow: the result of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Value(usize);

/// A layer under its name in a chain.
pub type Named = (String, Box<dyn Layer>);

/// A function of values without parameters of its own, written inline in TorchScript.
pub trait Operation {
    /// `[N, …]` each to `[N, …]`.
    fn forward(&self, inputs: &[&Tensor], mode: Mode) -> Tensor;

    /// The shape of a row that comes out, of the shapes of those that go in; all without `N`.
    fn shape(&self, inputs: &[&[i64]]) -> Vec<i64> {
        inputs[0].to_vec()
    }

    /// What it is called in pictures, such as `Add`.
    fn class(&self) -> &'static str;

    /// TorchScript of the result, of that of the inputs.
    fn expression(&self, inputs: &[String]) -> String;
}

enum Part {
    Input,
    Parameter(Tensor),
    /// Held twice where one module is applied to several values.
    Layer(Rc<dyn Layer>),
    Operation(Box<dyn Operation>),
}

struct Step {
    /// Path with dots: that of the module or parameter; of an operation, its place in pictures.
    name: String,
    part: Part,
    inputs: Vec<Value>,
    /// Of a row; of a parameter, all of it.
    shape: Vec<i64>,
}

/// Steps in the order of computation; the first value is the input.
pub struct Flow {
    steps: Vec<Step>,
    /// Paths of containers whose children, one behind another, make a module of their own.
    sequences: Vec<String>,
    /// Linear layers that are computed together, ascending.
    siblings: Vec<Vec<usize>>,
}

impl Flow {
    /// The input of every flow.
    pub const INPUT: Value = Value(0);

    /// A flow that has its input, rows of `shape`, and nothing else yet.
    pub fn new(shape: &[i64]) -> Self {
        let input = Step { name: "input".into(), part: Part::Input, inputs: vec![], shape: shape.to_vec() };
        Self { steps: vec![input], sequences: vec![], siblings: vec![] }
    }

    /// The shape of a row of `value`.
    pub fn shape(&self, value: Value) -> &[i64] {
        &self.steps[value.0].shape
    }

    /// Applies a layer.
    pub fn layer(&mut self, name: impl Into<String>, layer: Box<dyn Layer>, x: Value) -> Value {
        let shape = layer.shape(self.shape(x));
        self.push(name.into(), Part::Layer(layer.into()), vec![x], shape)
    }

    /// Applies the layer that made `value` to another value of the shape that it was made for.
    ///
    /// # Panics
    /// `value` was not made by a layer.
    pub fn again(&mut self, value: Value, x: Value) -> Value {
        let Step { name, part: Part::Layer(layer), shape, .. } = &self.steps[value.0] else {
            panic!("no layer made this value")
        };
        let (name, layer, shape) = (name.clone(), Rc::clone(layer), shape.clone());
        self.push(name, Part::Layer(layer), vec![x], shape)
    }

    /// Applies layers one behind another, each called `name` and its own name.
    pub fn chain(&mut self, name: &str, layers: Vec<Named>, x: Value) -> Value {
        if !layers.is_empty() && !self.sequences.iter().any(|known| known == name) {
            self.sequences.push(name.to_string());
        }
        layers.into_iter().fold(x, |x, (own, layer)| self.layer(format!("{name}.{own}"), layer, x))
    }

    /// A parameter as a value.
    pub fn parameter(&mut self, name: impl Into<String>, tensor: Tensor) -> Value {
        let shape = tensor.size();
        self.push(name.into(), Part::Parameter(tensor), vec![], shape)
    }

    /// Applies an operation.
    pub fn operation(
        &mut self,
        name: impl Into<String>,
        operation: impl Operation + 'static,
        inputs: &[Value],
    ) -> Value {
        let shapes: Vec<&[i64]> = inputs.iter().map(|&value| self.shape(value)).collect();
        let shape = operation.shape(&shapes);
        self.push(name.into(), Part::Operation(Box::new(operation)), inputs.to_vec(), shape)
    }

    fn push(&mut self, name: String, part: Part, inputs: Vec<Value>, shape: Vec<i64>) -> Value {
        self.steps.push(Step { name, part, inputs, shape });
        Value(self.steps.len() - 1)
    }

    /// The values `wanted`, computed from those that are `given`; what they do not need is left out.
    ///
    /// # Panics
    /// A value is wanted that needs an input which is not given.
    pub fn run(&self, given: &[(Value, &Tensor)], wanted: &[Value], mode: Mode) -> Vec<Tensor> {
        self.try_run(given, wanted, mode).expect("layers take rows of the shape that they were built for")
    }

    /// The same of a flow with layers from outside.
    ///
    /// # Errors
    /// A layer refuses the rows.
    ///
    /// # Panics
    /// As [`run`](Self::run).
    pub fn try_run(&self, given: &[(Value, &Tensor)], wanted: &[Value], mode: Mode) -> Result<Vec<Tensor>> {
        let mut uses = self.uses(given, wanted);
        let mut values: Vec<Option<Tensor>> = self.steps.iter().map(|_| None).collect();
        for (value, tensor) in given {
            values[value.0] = Some(tensor.shallow_clone());
        }
        for (at, step) in self.steps.iter().enumerate() {
            if uses[at] == 0 || values[at].is_some() {
                continue;
            }
            if let Some(group) = self.siblings_from(at, &uses, &values) {
                let input = step.inputs[0].0;
                let results = self.together(group, values[input].as_ref().expect("computed before"));
                for (&sibling, result) in group.iter().zip(results) {
                    values[sibling] = Some(result);
                }
                release(input, group.len(), &mut uses, &mut values);
                continue;
            }
            let inputs: Vec<&Tensor> =
                step.inputs.iter().map(|value| values[value.0].as_ref().expect("computed before")).collect();
            let result = match &step.part {
                Part::Input => panic!("the input is not given"),
                Part::Parameter(tensor) => tensor.shallow_clone(),
                Part::Layer(layer) => layer.try_forward(inputs[0], mode)?,
                Part::Operation(operation) => operation.forward(&inputs, mode),
            };
            values[at] = Some(result);
            for input in &step.inputs {
                release(input.0, 1, &mut uses, &mut values);
            }
        }
        Ok(wanted.iter().map(|value| values[value.0].as_ref().expect("computed above").shallow_clone()).collect())
    }

    /// How often each value is read on the way from `given` to `wanted`; those wanted once more, so that they stay.
    fn uses(&self, given: &[(Value, &Tensor)], wanted: &[Value]) -> Vec<usize> {
        let mut uses = vec![0; self.steps.len()];
        for value in wanted {
            uses[value.0] += 1;
        }
        for at in (0..self.steps.len()).rev() {
            if uses[at] > 0 && !given.iter().any(|(value, _)| value.0 == at) {
                for input in &self.steps[at].inputs {
                    uses[input.0] += 1;
                }
            }
        }
        uses
    }

    /// The layers on the way from the input to `value`, where it is a plain chain of them.
    pub fn path(&self, value: Value) -> Option<Vec<(&str, &dyn Layer)>> {
        let mut path = vec![];
        let mut at = value;
        while at != Self::INPUT {
            let step = &self.steps[at.0];
            let Part::Layer(layer) = &step.part else { return None };
            path.push((step.name.as_str(), &**layer));
            at = step.inputs[0];
        }
        path.reverse();
        Some(path)
    }

    /// The layer that makes `value`, and what it reads.
    pub fn source(&self, value: Value) -> Option<(&str, &dyn Layer, Value)> {
        let step = &self.steps[value.0];
        match &step.part {
            Part::Layer(layer) => Some((step.name.as_str(), &**layer, step.inputs[0])),
            _ => None,
        }
    }

    /// The steps for pictures, inputs first: names with `/` for `.`, a module's second use numbered; and -1 for `N`.
    pub fn graph(&self) -> Vec<Node> {
        let mut names: Vec<String> = vec![];
        for step in &self.steps {
            let name = step.name.replace('.', "/");
            let again = (2..).map(|use_number| format!("{name}_{use_number}"));
            let free = std::iter::once(name.clone()).chain(again).find(|name| !names.contains(name));
            names.push(free.expect("numbers do not end"));
        }
        let node = |(at, step): (usize, &Step)| {
            let batched = !matches!(step.part, Part::Parameter(_));
            Node {
                name: names[at].clone(),
                operation: self.class(step).to_string(),
                inputs: step.inputs.iter().map(|value| names[value.0].clone()).collect(),
                shape: batched.then_some(-1).into_iter().chain(step.shape.iter().copied()).collect(),
            }
        };
        self.steps.iter().enumerate().skip(1).map(node).collect()
    }

    /// Whether training draws from libtorch's global generator.
    pub fn draws_globally(&self) -> bool {
        self.steps.iter().any(|step| matches!(&step.part, Part::Layer(layer) if layer.draws_globally()))
    }

    fn class(&self, step: &Step) -> &'static str {
        match &step.part {
            Part::Input => "Input",
            Part::Parameter(_) => "Parameter",
            Part::Layer(layer) => layer.class(),
            Part::Operation(operation) => operation.class(),
        }
    }
}

/// Counts readers of a value that are done; what nobody reads any more makes room.
fn release(value: usize, readers: usize, uses: &mut [usize], values: &mut [Option<Tensor>]) {
    uses[value] -= readers;
    if uses[value] == 0 {
        values[value] = None;
    }
}
