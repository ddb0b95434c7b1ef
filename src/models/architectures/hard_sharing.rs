//! One backbone for all tasks.

use super::{Architecture, Encoder};
use crate::libtorch::Script;
use crate::models::backbones::{BackboneKind, Chain};
use crate::models::{Mode, Node};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::{Tensor, nn};

/// One backbone, `shared_layers`, whose features every head reads (Caruana 1997).
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct HardSharing {}

const NAME: &str = "shared_layers";

impl Architecture for HardSharing {
    fn build(
        &self,
        root: &nn::Path,
        backbone: &BackboneKind,
        inputs: i64,
        tasks: usize,
        seed: u64,
    ) -> Box<dyn Encoder> {
        Box::new(Shared { chain: backbone.build(&(root / NAME), inputs, seed), inputs, tasks })
    }
}

struct Shared {
    chain: Chain,
    inputs: i64,
    tasks: usize,
}

impl Encoder for Shared {
    fn representations(&self, x: &Tensor, tasks: &[usize], mode: Mode) -> Vec<Tensor> {
        let z = self.chain.layers.iter().fold(x.shallow_clone(), |x, layer| layer.forward(&x, mode)); // [N, width]
        tasks.iter().map(|_| z.shallow_clone()).collect()
    }

    fn is_one_for_all(&self) -> bool {
        true
    }

    fn chain(&self) -> Option<(&'static str, &Chain)> {
        Some((NAME, &self.chain))
    }

    fn width(&self, _task: usize) -> i64 {
        self.chain.width(self.inputs)
    }

    fn graph(&self) -> (Vec<Node>, Vec<String>) {
        let mut before = "input".to_string();
        let mut nodes = Vec::new();
        for (index, (layer, &width)) in self.chain.layers.iter().zip(&self.chain.widths).enumerate() {
            let name = format!("{NAME}/{index}");
            nodes.push(Node {
                name: name.clone(),
                operation: layer.class().to_string(),
                inputs: vec![std::mem::replace(&mut before, name)],
                shape: vec![-1, width],
            });
        }
        (nodes, vec![before; self.tasks])
    }

    fn script(&self) -> (Vec<(String, Script)>, String) {
        let chain = Script::sequential(self.chain.layers.iter().map(|layer| layer.script()));
        let mut lines = format!("z = self.{NAME}.forward(x)\n");
        for task in 0..self.tasks {
            lines += &format!("z{task} = z\n");
        }
        (vec![(NAME.to_string(), chain)], lines)
    }
}
