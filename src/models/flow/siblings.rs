//! Linear layers side by side: one product computes those that read one value and serve the same results.

use super::{Flow, Part, Value};
use std::collections::{BTreeMap, BTreeSet};
use tch::Tensor;

impl Flow {
    /// Finds them in a flow whose results are `outputs`. Layers that serve different results stay apart: a pass back from one
    /// result must not reach, nor cost, what only another needs.
    pub fn join_siblings(&mut self, outputs: &[Value]) {
        let mut serves: Vec<BTreeSet<usize>> = vec![BTreeSet::new(); self.steps.len()];
        for (result, output) in outputs.iter().enumerate() {
            serves[output.0].insert(result);
        }
        for at in (0..self.steps.len()).rev() {
            for input in &self.steps[at].inputs {
                let more = serves[at].clone();
                serves[input.0].extend(more);
            }
        }
        let mut groups: BTreeMap<(usize, &BTreeSet<usize>), Vec<usize>> = BTreeMap::new();
        for (at, step) in self.steps.iter().enumerate() {
            if let Part::Layer(layer) = &step.part
                && layer.linear().is_some()
            {
                groups.entry((step.inputs[0].0, &serves[at])).or_default().push(at);
            }
        }
        self.siblings = groups.into_values().filter(|group| group.len() > 1).collect();
    }

    /// The layers that are computed with step `at`, itself first among them, if all of them are still to be computed.
    pub(super) fn siblings_from(&self, at: usize, uses: &[usize], values: &[Option<Tensor>]) -> Option<&[usize]> {
        let group = self.siblings.iter().find(|group| group[0] == at)?;
        group.iter().all(|&step| uses[step] > 0 && values[step].is_none()).then_some(group)
    }

    /// The results of several linear layers on `x` `[N, …, F]`.
    pub(super) fn together(&self, group: &[usize], x: &Tensor) -> Vec<Tensor> {
        let linear = |&at: &usize| match &self.steps[at].part {
            Part::Layer(layer) => layer.linear().expect("siblings are linear layers"),
            _ => unreachable!("siblings are layers"),
        };
        let (weights, biases): (Vec<&Tensor>, Vec<&Tensor>) = group.iter().map(linear).unzip();
        let widths: Vec<i64> = weights.iter().map(|weight| weight.size()[0]).collect();
        let all = x.linear(&Tensor::cat(&weights, 0), Some(&Tensor::cat(&biases, 0))); // [N, …, Σ widths]
        all.split_with_sizes(widths, -1)
    }
}
