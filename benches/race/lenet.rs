//! LeNet with a head per task, by libtorch's own layers.

use anyhow::{Result, bail};
use polytask::models::{Mode, Model, Node, linear};
use std::path::Path;
use tch::{Device, Tensor, nn, nn::Module};

pub struct LeNet {
    store: nn::VarStore,
    first: nn::Conv2D,
    second: nn::Conv2D,
    wide: nn::Linear,
    narrow: nn::Linear,
    heads: Vec<nn::Linear>,
}

impl LeNet {
    pub fn new(tasks: &[(String, i64)]) -> Self {
        let store = nn::VarStore::new(Device::Cpu);
        let root = store.root();
        let padded = nn::ConvConfig { padding: 2, ..Default::default() };
        Self {
            first: nn::conv2d(&root / "first", 1, 6, 5, padded),
            second: nn::conv2d(&root / "second", 6, 16, 5, Default::default()),
            wide: linear(&(&root / "wide"), 400, 120, 0),
            narrow: linear(&(&root / "narrow"), 120, 84, 0),
            heads: tasks.iter().map(|(name, width)| linear(&(&root / name), 84, *width, 0)).collect(),
            store,
        }
    }
}

impl Model for LeNet {
    fn forward(&self, inputs: &[(String, Tensor)], tasks: &[usize], _mode: Mode) -> Result<Vec<Tensor>> {
        let x = self.first.forward(&inputs[0].1).relu().max_pool2d_default(2);
        let x = self.second.forward(&x).relu().max_pool2d_default(2).flatten(1, -1);
        let z = self.narrow.forward(&self.wide.forward(&x).relu()).relu(); // [N, 84]
        Ok(tasks.iter().map(|&task| self.heads[task].forward(&z)).collect())
    }

    fn parameters(&self) -> Vec<(String, Tensor)> {
        let named = self.store.variables();
        let of = |tensor: Tensor| named.iter().find(|(_, known)| known.data_ptr() == tensor.data_ptr());
        let names = self.store.trainable_variables().into_iter().filter_map(of);
        names.map(|(name, tensor)| (name.clone(), tensor.shallow_clone())).collect()
    }

    fn buffers(&self) -> Vec<(String, Tensor)> {
        vec![]
    }

    fn outputs(&self) -> Vec<String> {
        vec![]
    }

    fn graph(&self) -> Vec<Node> {
        vec![]
    }

    fn save(&self, _path: &Path, _extra: &[(&str, &str)]) -> Result<()> {
        bail!("it is raced, not saved")
    }
}
