//! A model built from YAML: an architecture over a backbone, and one head per task.

use super::architectures::{ArchitectureKind, Site};
use super::backbones::BackboneKind;
use super::flow::{Flow, Value};
use super::heads::{self, HeadKind, Output, head_name};
use super::{Activation, Builder, Mode, Model, Node, Perceptron, SharedRepresentation, Stage};
use crate::error::BadSetting;
use crate::libtorch::Script;
use anyhow::Result;
use std::collections::HashMap;
use std::path::Path;
use tch::{Device, Kind, Tensor, nn};

/// What a network is built of.
#[derive(Debug, Clone)]
pub struct Plan<'a> {
    /// How tasks share.
    pub architecture: &'a ArchitectureKind,
    /// What turns inputs into features.
    pub backbone: &'a BackboneKind,
    /// What turns features into outputs.
    pub head: &'a HeadKind,
    /// The shape of a row of the input, without `N`.
    pub input: &'a [i64],
    /// Of each column of a row: the number of levels, where it holds indices of categories. Empty where nothing is known.
    pub levels: &'a [Option<i64>],
    /// Whether rows are ids, int64, and not numbers.
    pub ids: bool,
    /// What each task needs.
    pub outputs: &'a [Output],
    /// `Float` or `Double`.
    pub precision: Kind,
    /// All first values are a function of it.
    pub seed: u64,
}

/// A flow from the input to one output per task.
pub struct Network {
    store: nn::VarStore,
    flow: Flow,
    /// Per task what its head reads.
    representations: Vec<Value>,
    /// Per task.
    outputs: Vec<Value>,
    tasks: Vec<String>,
}

impl Network {
    /// Builds it on the CPU.
    ///
    /// # Errors
    /// Parts that do not fit each other or the data; paths are relative to `model`.
    pub fn new(plan: &Plan) -> Result<Self, BadSetting> {
        let mut store = nn::VarStore::new(Device::Cpu);
        store.set_kind(plan.precision);
        let tasks: Vec<String> = plan.outputs.iter().map(|output| output.task.clone()).collect();
        let builder = Builder::new(store.root(), plan.seed).with_levels(plan.levels).with_ids(plan.ids);
        let mut site = Site { flow: Flow::new(plan.input), builder, backbone: plan.backbone, tasks: &tasks };
        let representations = plan.architecture.wire(&mut site)?;
        let Site { mut flow, builder, .. } = site;
        let head = |(&z, output)| heads::wire(plan.head, &mut flow, &builder, z, output);
        let outputs: Vec<Value> = representations.iter().zip(plan.outputs).map(head).collect::<Result<_, _>>()?;
        drop(builder);
        flow.join_siblings(&outputs);
        Ok(Self { store, flow, representations, outputs, tasks })
    }

    /// One backbone for all, on rows of `features` numbers, and a linear head for each task (name, width).
    ///
    /// # Panics
    /// The backbone cannot take such rows.
    pub fn shared(backbone: &BackboneKind, features: i64, tasks: &[(String, i64)], precision: Kind, seed: u64) -> Self {
        let output = |(task, width): &(String, i64)| Output { task: task.clone(), width: *width, positions: vec![] };
        let (architecture, head) = (&ArchitectureKind::default(), &HeadKind::default());
        let (input, outputs) = (&[features], &tasks.iter().map(output).collect::<Vec<_>>());
        let plan = Plan { architecture, backbone, head, input, levels: &[], ids: false, outputs, precision, seed };
        Self::new(&plan).expect("the backbone takes rows of numbers")
    }

    /// The whole as TorchScript: `forward(x)` returns the tuple of outputs in task order.
    pub fn script(&self) -> Script {
        self.flow.script("polytask.MultiTaskModel", &self.outputs)
    }

    fn named(&self, trainable: bool) -> Vec<(String, Tensor)> {
        // tch's map is unordered; the list of trainable variables is in the order of registration.
        let mut names: Vec<(String, Tensor)> = self.store.variables().into_iter().collect();
        names.sort_by(|a, b| a.0.cmp(&b.0));
        let trained = self.store.trainable_variables();
        let order: HashMap<_, usize> = trained.iter().enumerate().map(|(at, t)| (t.data_ptr(), at)).collect();
        let place = |tensor: &Tensor| order.get(&tensor.data_ptr()).copied();
        names.retain(|(_, tensor)| place(tensor).is_some() == trainable);
        names.sort_by_key(|(_, tensor)| place(tensor));
        names
    }

    fn pick(of: &[Value], tasks: &[usize]) -> Vec<Value> {
        tasks.iter().map(|&task| of[task]).collect()
    }
}

impl Model for Network {
    fn forward(&self, inputs: &[(String, Tensor)], tasks: &[usize], mode: Mode) -> Result<Vec<Tensor>> {
        self.flow.try_run(&[(Flow::INPUT, &inputs[0].1)], &Self::pick(&self.outputs, tasks), mode)
    }

    fn shared_representation(&self) -> Option<&dyn SharedRepresentation> {
        let first = self.representations[0];
        self.representations.iter().all(|z| *z == first).then_some(self)
    }

    fn perceptron(&self) -> Result<Perceptron, String> {
        let shared = self.shared_representation().and_then(|_| self.flow.path(self.representations[0]));
        let chain = shared.ok_or("does not share one chain of layers between all tasks")?;
        let trunk = Perceptron::trunk(&chain)?;
        let head = |output: &Value| {
            let (name, layer, before) = self.flow.source(*output).ok_or("has a head that is more than a layer")?;
            match layer.linear() {
                Some((weight, _)) if before == self.representations[0] => {
                    Ok(Stage::new(name, weight, Activation::Identity))
                }
                _ => Err(format!("has a head {name} that is more than a linear layer")),
            }
        };
        Ok(Perceptron { trunk, heads: self.outputs.iter().map(head).collect::<Result<_, String>>()? })
    }

    fn heads(&self) -> Vec<String> {
        self.tasks.iter().map(|task| head_name(task)).collect()
    }

    fn draws_globally(&self) -> bool {
        self.flow.draws_globally()
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
        let mut nodes = self.flow.graph();
        // What belongs to a head lies in one box per task.
        let heads: Vec<(String, String)> =
            self.tasks.iter().map(|task| (head_name(task), format!("heads/{task}/"))).collect();
        let rename = |name: &mut String| {
            let own = |(head, _): &&(String, String)| {
                name.strip_prefix(head.as_str()).is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric()))
            };
            if let Some((_, folder)) = heads.iter().find(own) {
                *name = format!("{folder}{name}");
            }
        };
        for node in &mut nodes {
            rename(&mut node.name);
            node.inputs.iter_mut().for_each(rename);
        }
        nodes
    }

    fn save(&self, path: &Path, extra: &[(&str, &str)]) -> Result<()> {
        self.script().save(path, extra)
    }
}

impl SharedRepresentation for Network {
    fn encode(&self, inputs: &[(String, Tensor)], mode: Mode) -> Result<Tensor> {
        Ok(self.flow.try_run(&[(Flow::INPUT, &inputs[0].1)], &self.representations[..1], mode)?.swap_remove(0))
    }

    fn decode(&self, z: &Tensor, tasks: &[usize], mode: Mode) -> Vec<Tensor> {
        self.flow.run(&[(self.representations[0], z)], &Self::pick(&self.outputs, tasks), mode)
    }
}
