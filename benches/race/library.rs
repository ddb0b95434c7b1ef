//! Polytask's parts in the order in which the trainer uses them.

use super::Contender;
use super::lenet::LeNet;
use super::problem::Problem;
use polytask::balance::{Balancer, MethodSettings};
use polytask::data::{Combine, Loader, LoaderSettings, Preparation};
use polytask::engine::{Autograd, DenseOptions, Engine, Request, dense, ownership};
use polytask::kernels::Instructions;
use polytask::memory::Memory;
use polytask::methods::Size;
use polytask::models::{Mode, Model, Network, Parameters, Sharing};
use polytask::optim::{Flat, OptimizerKind, segments};
use polytask::tasks::Task;
use tch::{Device, Kind};

pub struct Library {
    loader: Loader,
    engine: Box<dyn Engine>,
    parameters: Parameters,
    method: &'static MethodSettings,
    balancer: Balancer<'static>,
    optimizer: Flat,
    memory: Memory,
    step: i64,
}

/// For as long as the process lives.
fn kept<T: ?Sized>(value: Box<T>) -> &'static T {
    Box::leak(value)
}

impl Library {
    /// By hand where that can be, unless the `tape` is asked for.
    pub fn new(problem: &Problem, threads: usize, tape: bool) -> Self {
        let tasks: &[Task] = kept(problem.tasks().into_boxed_slice());
        let widths: Vec<(String, i64)> = tasks.iter().map(|task| (task.name.clone(), problem.classes)).collect();
        let model: Box<dyn Model> = if problem.images {
            Box::new(LeNet::new(&widths))
        } else {
            let backbone = serde_yaml::from_str(&format!("{{name: mlp, hidden: {:?}}}", problem.hidden));
            let backbone = backbone.expect("a backbone");
            Box::new(Network::shared(&backbone, problem.features, &widths, Kind::Float, 0))
        };
        let model = kept(model);
        let parameters = Parameters::flatten(model, Device::Cpu, Kind::Float, &[]).expect("parameters");
        let method: &MethodSettings =
            kept(Box::new(serde_yaml::from_str(&format!("{{name: {}}}", problem.method)).expect("a method")));
        let settings = LoaderSettings {
            batch_size: problem.batch,
            shuffle: true,
            drop_last: false,
            combine: Combine::default(),
            accumulate: 1,
            batches: method.batches() as i64,
            prefetch: 0,
        };
        let loader = Loader::new(vec![problem.rows()], settings, Preparation::new(Kind::Float), 0).expect("a loader");
        let owners = ownership(model, &loader.probe(), &parameters).expect("owners");
        let sharing = Sharing::new(model, &parameters.spans, &owners, tasks.len(), &[]);
        let sharing = kept(Box::new(sharing.expect("sharing")));
        let options = DenseOptions { instructions: Instructions::best(), threads };
        let autograd = || Box::new(Autograd::new(model, tasks, sharing));
        let engine: Box<dyn Engine> = match dense(model, tasks, &parameters, sharing, loader.groups(), options) {
            Ok(engine) if !tape => engine,
            _ => autograd(),
        };
        let names: Vec<String> = tasks.iter().map(|task| task.name.clone()).collect();
        let size =
            Size { tasks: tasks.len(), columns: sharing.columns.clone(), kind: Kind::Float, device: Device::Cpu };
        let mut memory = Memory::default();
        let balancer = Balancer::claim(method, &names, 0, &size, &mut memory).expect("a balancer");
        let rule: OptimizerKind = serde_yaml::from_str("{name: adam}").expect("an optimizer");
        let segments = segments(&parameters.layout(), &rule).expect("segments");
        let optimizer = Flat::claim(rule, segments, &parameters.flat, "optimizer", &mut memory).expect("an optimizer");
        Self { loader, engine, parameters, method, balancer, optimizer, memory, step: 0 }
    }
}

impl Contender for Library {
    fn train(&mut self, steps: usize) -> f64 {
        let mut last = 0.0;
        for _ in 0..steps {
            let per_epoch = self.loader.steps_per_epoch();
            let batches = self.loader.step(self.step / per_epoch, self.step % per_epoch);
            let request = |batch| Request {
                mode: Mode::Train { seed: 0, step: self.step as u64, group: 0 },
                batch,
                gradients: self.method.reads_gradients(),
                representation: false,
                accuracies: false,
            };
            let evaluate = |(portions, batch)| self.engine.evaluate(portions, &self.parameters, request(batch));
            let portions = batches.iter().map(Vec::as_slice).zip(0..);
            let mut evaluations: Vec<_> = portions.map(evaluate).collect::<Result<_, _>>().expect("losses");
            let update = self.balancer.update(&mut evaluations, self.step as u64, &mut self.memory).expect("an update");
            last = evaluations[0].losses().iter().flatten().sum();
            drop(evaluations);
            self.optimizer.step(&mut self.parameters.flat, &update.gradient, 1.0, &mut self.memory);
            self.step += 1;
        }
        last
    }
}
