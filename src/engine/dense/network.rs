//! The network's places in the flat buffer.

use super::DenseOptions;
use crate::models::{Activation, Parameters, Perceptron, Sharing, Stage};
use std::ops::Range;

/// Linear layers by their places in the flat buffer.
pub struct Network {
    /// In order.
    pub trunk: Vec<Linear>,
    /// One per task.
    pub heads: Vec<Linear>,
    /// Per task the number of its first output among those of all tasks.
    pub first: Vec<usize>,
    /// Outputs of all tasks together, `C`.
    pub outputs: usize,
    /// What a head reads, per row.
    pub width: usize,
    /// Columns of the Jacobian.
    pub columns: usize,
    pub options: DenseOptions,
}

/// A linear layer and what follows it.
pub struct Linear {
    pub inputs: usize,
    pub outputs: usize,
    pub activation: Activation,
    pub weight: Place,
    pub bias: Place,
}

/// Where a parameter lies.
pub struct Place {
    /// In the flat buffer.
    pub flat: Range<usize>,
    /// Whether it is learned.
    pub learned: bool,
    /// Its first column in the Jacobian, if it is shared.
    pub column: Option<usize>,
}

impl Network {
    /// # Errors
    /// Parameters are shared in another way than trunk and heads say.
    pub fn new(
        perceptron: &Perceptron,
        parameters: &Parameters,
        sharing: &Sharing,
        options: DenseOptions,
    ) -> Result<Self, String> {
        let place = |name: &str| -> Result<(usize, Place), String> {
            let span = parameters.spans.iter().position(|span| span.name == name);
            let span = span.ok_or_else(|| format!("the model has no parameter {name}"))?;
            let it = &parameters.spans[span];
            let before = |end: usize| sharing.shared[..end].iter().map(|&span| parameters.spans[span].length as usize);
            let column = sharing.shared.iter().position(|&shared| shared == span).map(|at| before(at).sum());
            let start = it.start as usize;
            Ok((span, Place { flat: start..start + it.length as usize, learned: !it.frozen, column }))
        };
        let linear = |stage: &Stage, task: Option<usize>| -> Result<Linear, String> {
            let Stage { inputs, outputs, activation, .. } = *stage;
            let mut places = vec![];
            for name in [&stage.weight, &stage.bias] {
                let (span, place) = place(name)?;
                let fits = match task {
                    None => place.column.is_some(),
                    Some(task) => sharing.own[task].contains(&span),
                };
                if place.learned && !fits {
                    let whose = if task.is_none() { "shared" } else { "its task's own" };
                    return Err(format!("{name} is not {whose}"));
                }
                places.push(place);
            }
            let (bias, weight) = (places.pop().expect("two places"), places.pop().expect("two places"));
            Ok(Linear { inputs, outputs, activation, weight, bias })
        };
        let trunk = perceptron.trunk.iter().map(|stage| linear(stage, None)).collect::<Result<Vec<_>, _>>()?;
        let heads = perceptron.heads.iter().enumerate().map(|(task, stage)| linear(stage, Some(task)));
        let heads = heads.collect::<Result<Vec<_>, _>>()?;
        let mut outputs = 0;
        let mut first = vec![];
        for head in &heads {
            first.push(outputs);
            outputs += head.outputs;
        }
        let width = heads[0].inputs;
        let columns = sharing.width() as usize;
        Ok(Self { trunk, heads, first, outputs, width, columns, options })
    }

    /// The numbers of a task's outputs among those of all tasks.
    pub fn outputs_of(&self, task: usize) -> Range<usize> {
        self.first[task]..self.first[task] + self.heads[task].outputs
    }

    /// The lowest layer that learns; `None` where none does.
    pub fn lowest(&self) -> Option<usize> {
        self.trunk.iter().position(|layer| layer.weight.learned || layer.bias.learned)
    }
}
