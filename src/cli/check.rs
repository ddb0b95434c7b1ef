//! `polytask check`

use super::batches;
use super::drawing::drawing;
use super::train::Changes;
use super::words::say;
use crate::balance::{Balancer, Gradients, MethodSettings, present};
use crate::data::{ColumnFacts, Content, Dataset, Group, Unseen};
use crate::engine::{EngineChoice, Request};
use crate::environment;
use crate::error::Mistake;
use crate::experiment::{self, Assembly, Experiment};
use crate::memory::Memory;
use crate::methods::{Evaluation, Reads, Size};
use crate::models::{Mode, Sharing, Span};
use crate::yaml::Document;
use anyhow::Result;
use clap::Args;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use tch::Tensor;

/// Builds everything an experiment names and makes the first step, without moving the model.
///
/// Prints the rows of each split, the data's fingerprint, what the inputs are, column by column,
/// the model's parameters with the tasks that each one serves, a drawing of what each part reads
/// and whom it serves, the losses of the first step, forward and back, and what the method reads
/// and costs: backward passes and the memory of the Jacobian. Nothing is written but what `--batches`
/// asks for.
#[derive(Debug, Args)]
pub struct Check {
    /// The experiment's YAML file
    experiment: PathBuf,
    #[command(flatten)]
    changes: Changes,
    /// Write the first three batches to FILE.npz, as training reads them: inputs, labels, weights
    ///
    /// The arrays of batch b and group g of rows, both from 0 (tasks with files of their own are
    /// groups): b/g/rows, the places of the rows among the training rows; b/g/inputs/NAME, the
    /// input called x where there is one; b/g/labels/TASK; b/g/weights/TASK, where a label is missing
    /// or rows have weights.
    #[arg(long, value_name = "FILE.npz")]
    batches: Option<PathBuf>,
}

impl Check {
    /// Builds and prints.
    pub fn run(&self) -> Result<()> {
        if let Some(file) = self.batches.as_ref().filter(|file| file.extension().is_none_or(|it| it != "npz")) {
            return Err(Mistake::new(file.display(), "is not called .npz").remedy("write --batches FILE.npz").into());
        }
        let document = experiment::read_file(&self.experiment, &self.changes.overrides()?)?;
        self.look(&document).map_err(|error| document.places.locate(error))
    }

    fn look(&self, document: &Document<Experiment>) -> Result<()> {
        let experiment = &document.settings;
        experiment.check()?;
        let device = experiment.device.resolve()?;
        environment::prepare(experiment.threads, device);
        let file = std::path::absolute(&self.experiment)?;
        let folder = file.parent().unwrap_or(Path::new("."));
        let mut assembly = experiment.assemble(folder, device)?;
        let Assembly { tasks, dataset, loader, parameters, sharing, .. } = &assembly;
        let train: Vec<String> = loader.groups().iter().map(|group| group.rows().to_string()).collect();
        let rows = |split: &[Group]| split.iter().map(|group| group.rows().to_string()).collect::<Vec<_>>().join(" + ");
        say(format!("rows        train {}", train.join(" + ")))?;
        for (name, split) in [("validation", &dataset.validation), ("test", &dataset.test)] {
            say(format!("            {name} {}", split.as_ref().map_or("none".into(), |split| rows(split))))?;
        }
        if let Some(identity) = &assembly.facts.data {
            say(format!("fingerprint {}", identity.fingerprint.short()))?;
        }
        say(inputs(dataset, loader.groups()))?;
        let names: Vec<&str> = tasks.iter().map(|task| task.name.as_str()).collect();
        say(format!("\n{}", parameter_table(&parameters.spans, sharing, &names)))?;
        say(format!("\n{}", drawing(&assembly.model.graph(), &parameters.spans, &names)))?;
        let engine = assembly.engine(experiment)?.choice();
        let device = format!("{device:?}").to_lowercase();
        say(format!("\nfirst step, forward and back on {device} by the {} engine:", engine.name()))?;
        if let (EngineChoice::Auto, EngineChoice::Autograd) = (experiment.engine, engine) {
            let by_hand = Experiment { engine: EngineChoice::Dense, ..experiment.clone() };
            assembly.engine(&by_hand).err().map_or(Ok(()), |why| say(format!("  {}", why.what)))?;
        }
        first_step(experiment, &mut assembly)?;
        if let Some(file) = &self.batches {
            batches::write(&mut assembly.loader, &assembly.tasks, file)?;
            say(format!("\nfirst {} batches written to {}", batches::COUNT, file.display()))?;
        }
        say(format!("\n{} steps per epoch; everything fits", assembly.loader.steps_per_epoch()))
    }
}

/// A line per input: of tables per column, with kind, range or levels, and share missing.
fn inputs(dataset: &Dataset, train: &[Rc<Group>]) -> String {
    let mut lines = Vec::new();
    if dataset.columns.is_empty() {
        for (name, x) in train.first().iter().flat_map(|group| &group.inputs).filter(|(_, x)| x.numel() > 0) {
            let (least, most) = (x.min().double_value(&[]), x.max().double_value(&[]));
            let kind = format!("{:?}", x.kind()).to_lowercase();
            let rule = dataset.features.inputs.as_ref().and_then(|rules| rules.get(name));
            let rule = rule.map_or(String::new(), |rule| format!(": {}", rule.describe(x.kind())));
            lines.push(format!("input       {name} {:?} {kind}, {least} to {most}{rule}", &x.size()[1..]));
        }
    }
    for layout in &dataset.layouts {
        lines.push(format!("maps        {} {:?} on disk: {}", layout.name, layout.stored, layout.describe()));
    }
    let width = dataset.columns.iter().map(|column| column.name.chars().count()).max().unwrap_or(0);
    for ColumnFacts { name, content, missing, unseen } in &dataset.columns {
        let content = match content {
            Content::Numbers(least, most) => format!("numbers    {least} to {most}"),
            Content::Categories(levels) => format!("categories {levels}"),
        };
        let missing = if *missing > 0.0 { format!(", {:.1} % missing", 100.0 * missing) } else { String::new() };
        let unseen =
            unseen.iter().map(|Unseen { split, rows, of, .. }| format!(", {rows} of {of} {split} rows unseen"));
        lines.push(format!("column      {name:<width$}  {content}{missing}{}", unseen.collect::<String>()));
    }
    lines.join("\n")
}

/// Makes the first step's update and tells losses, norm and cost.
fn first_step(experiment: &Experiment, assembly: &mut Assembly) -> Result<()> {
    let method = &experiment.method;
    let batches = assembly.loader.step(0, 0);
    let Assembly { tasks, parameters, sharing, .. } = &*assembly;
    let engine = assembly.engine(experiment)?;
    let request = |batch: usize| Request {
        mode: Mode::Train { seed: experiment.seed, step: 0, group: 0 },
        batch: batch as u64,
        gradients: method.reads_gradients(),
        representation: method.common.gradients == Gradients::Representation,
        accuracies: method.reads_accuracies(),
    };
    let evaluate = |(batch, portions)| engine.evaluate(portions, parameters, request(batch));
    let portions = batches.iter().map(Vec::as_slice).enumerate();
    let mut evaluations = portions.map(evaluate).collect::<Result<Vec<_>>>()?;
    let losses = evaluations.last().expect("a step reads a batch").losses();
    for (task, loss) in tasks.iter().zip(losses) {
        say(format!("  {:<20} {}", task.name, loss.map_or("no label".into(), |loss| format!("loss {loss:.6}"))))?;
    }
    if present(&evaluations).is_empty() {
        return Ok(());
    }
    let names: Vec<String> = tasks.iter().map(|task| task.name.clone()).collect();
    let (kind, device) = (parameters.flat.kind(), parameters.flat.device());
    let size = Size { tasks: tasks.len(), columns: sharing.columns.clone(), kind, device };
    let mut memory = Memory::default();
    let balancer = Balancer::claim(method, &names, experiment.seed, &size, &mut memory)?;
    let update = balancer.update(&mut evaluations, 0, &mut memory)?;
    say(format!("  {:<20} norm {:.6}", "update", update.gradient.norm().double_value(&[])))?;
    say(format!("\n{}", cost(method, engine.choice(), &mut evaluations)))
}

/// What the method reads, and what that costs in time and memory, as the first step has shown.
fn cost(method: &MethodSettings, engine: EngineChoice, evaluations: &mut [Box<dyn Evaluation + '_>]) -> String {
    let reads = match method.reads() {
        Reads::Losses(_) => "losses",
        Reads::Gramian(_) => "the Gramian of the tasks' gradients",
        Reads::Jacobian(_) => "the tasks' gradients",
    };
    let passes: u64 = evaluations.iter().map(|evaluation| evaluation.backward_passes()).sum();
    let again = if method.looks_again() { ", and the losses again after it" } else { "" };
    let every = match method.common.every {
        1 => String::new(),
        every => format!(", every {every} steps"),
    };
    let cost = format!("method {} reads {reads}{every}; backward passes per step: {passes}{again}", method.name());
    let layer_by_layer = engine == EngineChoice::Dense && matches!(method.reads(), Reads::Gramian(_));
    if !method.reads_gradients() || layer_by_layer && evaluations.len() == 1 {
        return format!("{cost}\nno Jacobian is held");
    }
    let jacobians: Vec<Tensor> = evaluations.iter_mut().map(|evaluation| evaluation.jacobian()).collect();
    let bytes: usize = jacobians.iter().map(|jacobian| jacobian.numel() * jacobian.kind().elt_size_in_bytes()).sum();
    let shapes: Vec<String> = jacobians.iter().map(|jacobian| format!("{:?}", jacobian.size())).collect();
    let of = match method.common.gradients {
        Gradients::Parameters => "tasks by shared parameters",
        Gradients::Representation => "tasks by entries of the representation",
    };
    format!("{cost}\nJacobian {} ({of}), {} in memory", shapes.join(" + "), readable(bytes))
}

/// Bytes in the unit that leaves one to three digits before the point.
fn readable(bytes: usize) -> String {
    let units = ["B", "kB", "MB", "GB", "TB"];
    let (mut value, mut unit) = (bytes as f64, 0);
    while value >= 999.5 && unit + 1 < units.len() {
        value /= 1e3;
        unit += 1;
    }
    format!("{value:.*} {}", usize::from(unit > 0 && value < 9.95), units[unit])
}

/// One line per parameter: name, shape, count, whose it is; then the sums.
fn parameter_table(spans: &[Span], sharing: &Sharing, tasks: &[&str]) -> String {
    let width = spans.iter().map(|span| span.name.len()).max().unwrap_or(0).max(9);
    let mut lines = vec![format!("{:<width$}  {:<12} {:>9}  whose", "parameter", "shape", "numbers")];
    for (number, span) in spans.iter().enumerate() {
        let owners = tasks.iter().zip(&sharing.own).filter(|(_, own)| own.contains(&number));
        let owners: Vec<&str> = owners.map(|(task, _)| *task).collect();
        let whose = match owners.as_slice() {
            _ if span.frozen => "frozen".to_string(),
            _ if sharing.shared.contains(&number) => "shared".to_string(),
            [] => "no task".to_string(),
            own => own.join(", "),
        };
        lines.push(format!("{:<width$}  {:<12} {:>9}  {whose}", span.name, format!("{:?}", span.shape), span.length));
    }
    let count = |numbers: &[usize]| numbers.iter().map(|&number| spans[number].length).sum::<i64>();
    let own: Vec<String> = tasks.iter().zip(&sharing.own).map(|(task, own)| format!("{task} {}", count(own))).collect();
    let frozen: i64 = spans.iter().filter(|span| span.frozen).map(|span| span.length).sum();
    let total: i64 = spans.iter().map(|span| span.length).sum();
    lines.push(format!("shared {}; own {}; frozen {frozen}; in all {total}", sharing.width(), own.join(", ")));
    lines.join("\n")
}
