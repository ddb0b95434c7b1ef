//! The document's model as the tch crate's examples write it.

use super::Contender;
use super::problem::{Problem, ROWS};
use tch::nn::{Module, OptimizerConfig};
use tch::{Device, Kind, Tensor, nn};

pub struct Plain {
    trunk: nn::Sequential,
    heads: [nn::Linear; 2],
    optimizer: nn::Optimizer,
    x: Tensor,
    labels: [Tensor; 2],
    batch: i64,
    _store: nn::VarStore,
}

impl Plain {
    pub fn new(problem: &Problem) -> Self {
        let store = nn::VarStore::new(Device::Cpu);
        let root = store.root();
        let linear = |name: &str, from, to| nn::linear(&root / name, from, to, Default::default());
        let trunk = nn::seq()
            .add(linear("first", 10, 20))
            .add_fn(|x| x.relu())
            .add(linear("second", 20, 20))
            .add_fn(|x| x.relu());
        let rows = problem.rows();
        Self {
            trunk,
            heads: ["a", "b"].map(|name| linear(name, 20, 2)),
            optimizer: nn::Adam::default().build(&store, 1e-3).expect("an optimizer"),
            x: rows.inputs[0].1.shallow_clone(),
            labels: [0, 1].map(|task: usize| rows.targets[task].values.shallow_clone()),
            batch: problem.batch,
            _store: store,
        }
    }
}

impl Contender for Plain {
    fn train(&mut self, steps: usize) -> f64 {
        let (mut last, mut order) = (0.0, Tensor::new());
        let per_epoch = (ROWS / self.batch) as usize;
        for step in 0..steps {
            if step % per_epoch == 0 {
                order = Tensor::randperm(ROWS, (Kind::Int64, Device::Cpu));
            }
            let index = order.narrow(0, (step % per_epoch) as i64 * self.batch, self.batch);
            let z = self.trunk.forward(&self.x.index_select(0, &index));
            let loss = |task: usize| {
                let labels = self.labels[task].index_select(0, &index);
                self.heads[task].forward(&z).cross_entropy_for_logits(&labels)
            };
            let loss = loss(0) + loss(1);
            self.optimizer.backward_step(&loss);
            last = loss.double_value(&[]);
        }
        last
    }
}
