//! A model built from YAML: an architecture over a backbone, and one head per task.

use super::architectures::{ArchitectureKind, Encoder};
use super::backbones::BackboneKind;
use super::heads::{head, head_name};
use super::{Activation, Layer, Mode, Model, Node, Perceptron, SharedRepresentation, Stage};
use crate::libtorch::{Script, access};
use anyhow::Result;
use std::path::Path;
use tch::{Device, Kind, Tensor, nn};

/// An encoder and one head per task.
pub struct Network {
    store: nn::VarStore,
    encoder: Box<dyn Encoder>,
    heads: Vec<nn::Linear>,
    tasks: Vec<String>,
}

impl Network {
    /// Builds it for `inputs` features and tasks of (name, output width), on the CPU; drawn from `seed`.
    pub fn new(
        architecture: &ArchitectureKind,
        backbone: &BackboneKind,
        inputs: i64,
        tasks: &[(String, i64)],
        precision: Kind,
        seed: u64,
    ) -> Self {
        let mut store = nn::VarStore::new(Device::Cpu);
        store.set_kind(precision);
        let encoder = architecture.build(&store.root(), backbone, inputs, tasks.len(), seed);
        let heads = tasks
            .iter()
            .enumerate()
            .map(|(task, (name, width))| head(&store.root(), name, encoder.width(task), *width, seed))
            .collect();
        Self { store, encoder, heads, tasks: tasks.iter().map(|(name, _)| name.clone()).collect() }
    }

    /// The whole as TorchScript: `forward(x)` returns the tuple of outputs in task order.
    pub fn script(&self) -> Script {
        let (mut children, lines) = self.encoder.script();
        let mut source = "def forward(self, x: Tensor) -> Tuple[".to_string();
        source += &vec!["Tensor"; self.tasks.len()].join(", ");
        source += "]:\n";
        for line in lines.lines() {
            source += &format!("    {line}\n");
        }
        source += "    return (";
        for (task, (name, head)) in self.tasks.iter().zip(&self.heads).enumerate() {
            source += &format!("{}.forward(z{task}), ", access(&head_name(name)));
            children.push((head_name(name), head.script()));
        }
        source += ")\n";
        Script { class: "polytask.MultiTaskModel".into(), parameters: vec![], buffers: vec![], children, source }
    }

    fn named(&self, trainable: bool) -> Vec<(String, Tensor)> {
        // tch's map is unordered; the list of trainable variables is in the order of registration.
        let mut names: Vec<(String, Tensor)> = self.store.variables().into_iter().collect();
        names.sort_by(|a, b| a.0.cmp(&b.0));
        let order: Vec<_> = self.store.trainable_variables().iter().map(Tensor::data_ptr).collect();
        let place = |tensor: &Tensor| order.iter().position(|pointer| *pointer == tensor.data_ptr());
        names.retain(|(_, tensor)| place(tensor).is_some() == trainable);
        names.sort_by_key(|(_, tensor)| place(tensor));
        names
    }
}

impl Model for Network {
    fn forward(&self, inputs: &[(String, Tensor)], tasks: &[usize], mode: Mode) -> Result<Vec<Tensor>> {
        let representations = self.encoder.representations(&inputs[0].1, tasks, mode);
        Ok(tasks.iter().zip(&representations).map(|(&task, z)| self.heads[task].forward(z, mode)).collect())
    }

    fn shared_representation(&self) -> Option<&dyn SharedRepresentation> {
        self.encoder.is_one_for_all().then_some(self)
    }

    fn perceptron(&self) -> Result<Perceptron, String> {
        let (name, chain) = self.encoder.chain().ok_or("does not share one chain of layers between all tasks")?;
        let trunk = Perceptron::trunk(name, chain)?;
        let head = |(task, head): (&String, &nn::Linear)| Stage::new(&head_name(task), &head.ws, Activation::Identity);
        Ok(Perceptron { trunk, heads: self.tasks.iter().zip(&self.heads).map(head).collect() })
    }

    fn heads(&self) -> Vec<String> {
        self.tasks.iter().map(|task| head_name(task)).collect()
    }

    fn parameters(&self) -> Vec<(String, Tensor)> {
        self.named(true)
    }

    fn buffers(&self) -> Vec<(String, Tensor)> {
        self.named(false)
    }

    fn outputs(&self) -> Vec<String> {
        self.tasks.clone()
    }

    fn graph(&self) -> Vec<Node> {
        let (mut nodes, representations) = self.encoder.graph();
        for ((name, head), z) in self.tasks.iter().zip(&self.heads).zip(representations) {
            nodes.push(Node {
                name: format!("heads/{name}/{}", head_name(name)),
                operation: "Linear".into(),
                inputs: vec![z],
                shape: vec![-1, head.ws.size()[0]],
            });
        }
        nodes
    }

    fn save(&self, path: &Path, extra: &[(&str, &str)]) -> Result<()> {
        self.script().save(path, extra)
    }
}

impl SharedRepresentation for Network {
    fn encode(&self, inputs: &[(String, Tensor)], mode: Mode) -> Tensor {
        self.encoder.representations(&inputs[0].1, &[0], mode).swap_remove(0)
    }

    fn decode(&self, z: &Tensor, tasks: &[usize], mode: Mode) -> Vec<Tensor> {
        tasks.iter().map(|&task| self.heads[task].forward(z, mode)).collect()
    }
}
