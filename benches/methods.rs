//! What a step costs with each method, on a 10-64-64 trunk with T = 2, 8 and 40 two-class tasks and 64 rows, one thread.
//!
//! `step/METHOD/T` is forward, backward and balancing by the dense engine; `solver/METHOD/T` the method's own mathematics alone, on the Gramian or
//! Jacobian of such a step; `worst/METHOD` the same on that of many hard Gramians of 40 tasks which takes it longest;
//! `part/PART/T` what the steps of `sum` and `mgda` are made of, by both engines. A table of medians comes last.
//! `cargo bench --bench methods -- solver/mgda` runs a part.

#[path = "methods/hard.rs"]
mod hard;
#[path = "methods/table.rs"]
mod table;

use criterion::{BenchmarkId, Criterion, criterion_group};
use polytask::balance::{Balancer, MethodSettings};
use polytask::data::{Batch, Group};
use polytask::engine::{Autograd, DenseOptions, Engine, Request, dense, ownership};
use polytask::kernels::Instructions;
use polytask::memory::{Handle, Memory};
use polytask::methods::{Evaluation, Matrix, Method, Reads, Shared, Size, State, Step};
use polytask::models::{Mode, Network, Parameters, Sharing};
use polytask::tasks::{Target, Task, TaskSettings};
use std::cell::OnceCell;
use std::time::{Duration, Instant};
use table::{measure, measure_within};
use tch::{Device, Kind, Tensor};

const ROWS: i64 = 64;

const TASKS: [usize; 3] = [2, 8, 40];

/// Settings beside the defaults whose solvers have more to do.
const HARDER: [&str; 6] = [
    "cagrad, c: 1.5",
    "fairgrad, alpha: 0.5",
    "fairgrad, alpha: 2",
    "fairgrad, alpha: 0.1",
    "fairgrad, alpha: 10",
    "pcd, tau: 0.5",
];

/// A method with what it requires, where it takes so many tasks.
fn settings(name: &str, tasks: usize) -> Option<MethodSettings> {
    let required = match name {
        "constant" => format!("weights: [{}]", vec!["0.5"; tasks].join(", ")),
        "stch" => "mu: 0.3".into(),
        "pbi" => "theta: 2".into(),
        "cosmos" => "lambda: 1.5".into(),
        "krum" => "n_byzantine: 1".into(),
        "trimmed_mean" => "trim_number: 1".into(),
        "cr_mogm" => "inner: {name: upgrad}".into(),
        "weighted" => "weighting: {name: uw}, inner: {name: cagrad}".into(),
        "grouped" => "by: layer, inner: {name: mgda}".into(),
        _ => String::new(),
    };
    let settings: MethodSettings = serde_yaml::from_str(&format!("{{name: {name}, {required}}}")).expect("a method");
    let names: Vec<String> = (0..tasks).map(|task| format!("t{task}")).collect();
    settings.check(&names).is_ok().then_some(settings)
}

/// A model with many tasks, and a batch for it.
struct Setting {
    names: Vec<String>,
    tasks: Vec<Task>,
    model: Network,
    parameters: Parameters,
    sharing: Sharing,
    portions: Vec<Batch>,
}

impl Setting {
    fn new(tasks: usize) -> Self {
        let names: Vec<String> = (0..tasks).map(|task| format!("t{task}")).collect();
        let task = |name: &String| {
            let yaml = format!("{{name: {name}, loss: {{name: cross_entropy, classes: 2}}}}");
            serde_yaml::from_str::<TaskSettings>(&yaml).expect("a task").checked().expect("a task")
        };
        let tasks: Vec<Task> = names.iter().map(task).collect();
        let widths: Vec<(String, i64)> = names.iter().map(|name| (name.clone(), 2)).collect();
        let backbone = serde_yaml::from_str("{name: mlp, hidden: [64, 64]}").expect("a backbone");
        let model = Network::shared(&backbone, 10, &widths, Kind::Float, 0);
        let parameters = Parameters::flatten(&model, Device::Cpu, Kind::Float, &[]).expect("parameters");
        let x = (Tensor::arange(ROWS * 10, (Kind::Float, Device::Cpu)) * 1.7).sin().view([ROWS, 10]);
        let label = |task: usize| {
            let direction = (Tensor::arange(10, (Kind::Float, Device::Cpu)) * (task as f64 + 0.6)).cos();
            Target { values: x.matmul(&direction).gt(0.0).to_kind(Kind::Int64), weights: None }
        };
        let group = Group {
            inputs: vec![("x".into(), x.shallow_clone())],
            tasks: (0..tasks.len()).collect(),
            targets: (0..tasks.len()).map(label).collect(),
        };
        let portions = vec![vec![group.into()]];
        let owners = ownership(&model, &portions[0], &parameters).expect("owners");
        let sharing = Sharing::new(&model, &parameters.spans, &owners, tasks.len(), &[]).expect("sharing");
        Self { names, tasks, model, parameters, sharing, portions }
    }

    /// The engine that users get.
    fn dense(&self) -> Box<dyn Engine + '_> {
        let options = DenseOptions { instructions: Instructions::best(), threads: 1 };
        let Self { model, tasks, parameters, sharing, portions, .. } = self;
        dense(model, tasks, parameters, sharing, &[portions[0][0].whole().clone()], options).expect("linear layers")
    }

    fn size(&self) -> Size {
        Size { tasks: self.tasks.len(), columns: self.sharing.columns.clone(), kind: Kind::Float, device: Device::Cpu }
    }
}

fn request(settings: &MethodSettings, batch: u64) -> Request {
    Request {
        mode: Mode::Train { seed: 0, step: 0, group: 0 },
        batch,
        gradients: settings.reads_gradients(),
        representation: false,
        accuracies: settings.reads_accuracies(),
    }
}

fn steps(criterion: &mut Criterion, setting: &Setting) {
    let mut group = criterion.benchmark_group("step");
    let engine = setting.dense();
    for name in Method::NAMES {
        let Some(settings) = settings(name, setting.tasks.len()) else { continue };
        let mut memory = Memory::default();
        let balancer = Balancer::claim(&settings, &setting.names, 0, &setting.size(), &mut memory).expect("a balancer");
        let mut step = 0;
        group.bench_function(BenchmarkId::new(*name, setting.tasks.len()), |bencher| {
            measure(bencher, ("step", name, setting.tasks.len()), || {
                let evaluate =
                    |batch| engine.evaluate(&setting.portions, &setting.parameters, request(&settings, batch));
                let mut evaluations: Vec<Box<dyn Evaluation>> =
                    (0..settings.batches() as u64).map(|batch| evaluate(batch).expect("losses")).collect();
                step += 1;
                balancer.update(&mut evaluations, step, &mut memory).expect("an update").gradient
            });
        });
    }
}

/// What a method reads.
enum Given {
    Losses,
    Gramian(Matrix),
    Jacobian(Tensor),
}

/// A method's own mathematics, and its memory.
struct Solver<'a> {
    settings: &'a MethodSettings,
    names: &'a [String],
    present: Vec<usize>,
    size: Size,
    memory: Memory,
    handles: Vec<Handle>,
    step: u64,
}

impl<'a> Solver<'a> {
    fn new(settings: &'a MethodSettings, names: &'a [String], size: Size) -> Self {
        let mut memory = Memory::default();
        let slots = settings.state(&size);
        let handles = slots.iter().map(|slot| slot.claim(&size, &mut memory).expect("a slot")).collect();
        Self { settings, names, present: (0..names.len()).collect(), size, memory, handles, step: 0 }
    }

    fn solve(&mut self, given: &Given, losses: &[f64], accuracies: &[f64]) {
        self.step += 1;
        let step = Step {
            method: self.settings.name(),
            seed: 0,
            step: self.step,
            tasks: self.names,
            present: &self.present,
            losses,
            accuracies,
            columns: &self.size.columns,
        };
        let mut state = State::new(&mut self.memory, &self.handles);
        match (self.settings.reads(), given) {
            (Reads::Losses(method), Given::Losses) => drop(method.weights(&step, &mut state).expect("weights")),
            (Reads::Gramian(method), Given::Gramian(gramian)) => {
                drop(method.weights(&step, gramian, &mut state).expect("weights"));
            }
            (Reads::Jacobian(method), Given::Jacobian(jacobian)) => {
                drop(method.direction(&step, jacobian, &mut state).expect("a direction"));
            }
            _ => unreachable!("given what it reads"),
        }
    }
}

fn solvers(criterion: &mut Criterion, setting: &Setting) {
    let mut group = criterion.benchmark_group("solver");
    let engine = Autograd::new(&setting.model, &setting.tasks, &setting.sharing);
    for name in Method::NAMES {
        let Some(settings) = settings(name, setting.tasks.len()) else { continue };
        let request = Request { gradients: true, accuracies: true, ..request(&settings, 0) };
        let mut evaluation = engine.evaluate(&setting.portions, &setting.parameters, request).expect("losses");
        let losses: Vec<f64> = evaluation.losses().iter().flatten().copied().collect();
        let accuracies: Vec<f64> = evaluation.accuracies().iter().flatten().copied().collect();
        let given = match settings.reads() {
            Reads::Losses(_) => Given::Losses,
            Reads::Gramian(_) => Given::Gramian(evaluation.gramian()),
            Reads::Jacobian(_) => Given::Jacobian(evaluation.jacobian()),
        };
        let mut solver = Solver::new(&settings, &setting.names, setting.size());
        group.bench_function(BenchmarkId::new(*name, setting.tasks.len()), |bencher| {
            measure(bencher, ("solver", name, setting.tasks.len()), || solver.solve(&given, &losses, &accuracies));
        });
    }
}

/// The methods that read the Gramian, each on the Gramian that takes it longest.
fn worst(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("worst");
    let names: Vec<String> = (0..hard::TASKS).map(|task| format!("t{task}")).collect();
    let size = Size { tasks: hard::TASKS, columns: vec![], kind: Kind::Float, device: Device::Cpu };
    let all: Vec<(String, Given)> =
        hard::gramians().into_iter().map(|(name, gramian)| (name, Given::Gramian(gramian))).collect();
    let losses = vec![1.0; hard::TASKS];
    for name in Method::NAMES.iter().chain(&HARDER) {
        let Some(settings) = settings(name, hard::TASKS) else { continue };
        if !matches!(settings.reads(), Reads::Gramian(_)) {
            continue;
        }
        let longest = |(_, gramian): &&(String, Given)| {
            let once = |_| {
                let mut solver = Solver::new(&settings, &names, size.clone());
                let start = Instant::now();
                solver.solve(gramian, &losses, &[]);
                start.elapsed()
            };
            (0..3).map(once).min()
        };
        let hardest = OnceCell::new();
        let mut solver = Solver::new(&settings, &names, size.clone());
        group.bench_function(*name, |bencher| {
            let (of, gramian) = hardest.get_or_init(|| all.iter().max_by_key(longest).expect("hard Gramians"));
            table::note(name, of);
            measure(bencher, ("worst", name, hard::TASKS), || solver.solve(gramian, &losses, &[]));
        });
    }
}

/// What a step is made of, beside the method's own mathematics and the optimizer.
fn parts(criterion: &mut Criterion, setting: &Setting, engine: &dyn Engine) {
    let mut group = criterion.benchmark_group("part");
    let count = setting.tasks.len();
    let weights = vec![1.0 / count as f64; count];
    let by = engine.choice().name();
    let mut part = |name: &str, gradients: bool, run: &dyn Fn(&mut dyn Evaluation) -> Duration| {
        let settings = settings(if gradients { "mgda" } else { "sum" }, count).expect("settings");
        let once = |_| {
            let start = Instant::now();
            let request = request(&settings, 0);
            let mut made = engine.evaluate(&setting.portions, &setting.parameters, request).expect("losses");
            if name == "forward" { start.elapsed() } else { run(&mut *made) }
        };
        let name = format!("{by}: {name}");
        group.bench_function(BenchmarkId::new(&name, count), |bencher| {
            measure_within(bencher, ("part", &name, count), |times| (0..times).map(once).sum());
        });
    };
    let time = |run: &mut dyn FnMut()| {
        let start = Instant::now();
        run();
        start.elapsed()
    };
    part("forward", false, &|_| Duration::ZERO);
    let ones = vec![1.0; count];
    part("one backward pass for all", false, &|made| time(&mut || drop(made.pull_back(Shared::Weights(&ones), &ones))));
    part("one backward pass for all, weighted", false, &|made| {
        time(&mut || drop(made.pull_back(Shared::Weights(&weights), &weights)))
    });
    part("a backward pass per task", true, &|made| time(&mut || drop(made.jacobian())));
    part("Gramian from the start", true, &|made| time(&mut || drop(made.gramian())));
    part("pulling back after that", true, &|made| {
        let _ = made.jacobian();
        time(&mut || drop(made.pull_back(Shared::Weights(&weights), &weights)))
    });
}

fn all(criterion: &mut Criterion) {
    tch::set_num_threads(1);
    for tasks in TASKS {
        let setting = Setting::new(tasks);
        steps(criterion, &setting);
        solvers(criterion, &setting);
        parts(criterion, &setting, &*setting.dense());
        parts(criterion, &setting, &Autograd::new(&setting.model, &setting.tasks, &setting.sharing));
    }
    worst(criterion);
}

criterion_group! {
    name = methods;
    config = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(100))
        .measurement_time(Duration::from_millis(400));
    targets = all
}
fn main() {
    methods();
    Criterion::default().configure_from_args().final_summary();
    let names: Vec<String> = Method::NAMES.iter().chain(&HARDER).map(|name| name.to_string()).collect();
    table::print(&names, &TASKS);
}
