//! Objectives of a point alone: the toy problems on which the field draws what its methods do.

mod dtlz;
mod fonseca;
mod toy;
mod zdt;

pub use dtlz::Dtlz2;
pub use fonseca::Fonseca;
pub use toy::Toy;
pub use zdt::{Zdt1, Zdt2};

use super::{Mode, Model, Node};
use crate::error::BadSetting;
use crate::libtorch::Script;
use crate::pareto::lattice;
use crate::random::generator;
use crate::registry;
use anyhow::Result;
use rand::RngExt;
use std::path::Path;
use tch::{Device, Kind, Tensor};

/// Objectives of one vector `x` `[n]`, two or more, all to be made small.
///
/// The vector that is trained need not be the point itself: where the point lives in a box, the parameter is an angle,
/// and [`point`](Self::point) is in the box wherever training goes.
pub trait Problem {
    /// The number of objectives T.
    fn objectives(&self) -> usize {
        2
    }

    /// The point at which training starts `[n]`; one that is not given is drawn from `seed`.
    fn start(&self, seed: u64) -> Vec<f64>;

    /// Whether the settings fit each other.
    ///
    /// # Errors
    /// The path of the setting that does not fit, relative to the section.
    fn check(&self) -> Result<(), BadSetting>;

    /// The parameter `[n]` of a point.
    fn parameter(&self, point: &[f64]) -> Vec<f64> {
        point.to_vec()
    }

    /// The point `[n]` of a parameter `[n]`, differentiable.
    fn point(&self, parameter: &Tensor) -> Tensor {
        parameter.shallow_clone()
    }

    /// All objectives `[T]`, scalars, of a point `[n]`.
    fn values(&self, point: &Tensor) -> Vec<Tensor>;

    /// TorchScript lines that turn the parameter `x` `[n]` into the list `values` of scalars `[T]`.
    fn script(&self) -> String;

    /// The Pareto-optimal point `[n]` that leaves each objective its share `[T]`, numbers of 0 or above that sum to 1: an
    /// objective whose share is 0 is at its best.
    fn optimal(&self, shares: &[f64]) -> Vec<f64>;

    /// From where to where each coordinate of a point goes, where there is a box.
    fn bounds(&self) -> Option<[f64; 2]> {
        None
    }

    /// The point of objective space that bounds the hypervolume of a front, where the field has agreed on one.
    fn reference(&self) -> Option<Vec<f64>>;

    /// The hypervolume of the whole front below that point, where there is a formula and no curve to follow.
    fn hypervolume(&self) -> Option<f64> {
        None
    }
}

registry! {
    /// A problem whose objectives are functions of the parameters alone.
    pub ProblemKind as dyn Problem {
        "toy" => Toy,
        "fonseca" => Fonseca,
        "zdt1" => Zdt1,
        "zdt2" => Zdt2,
        "dtlz2" => Dtlz2,
    }
}

impl ProblemKind {
    /// All objectives `[T]` at a parameter `[n]`.
    pub fn at(&self, parameter: &[f64]) -> Vec<f64> {
        let point = self.point(&Tensor::from_slice(parameter));
        self.values(&point).iter().map(|value| value.double_value(&[])).collect()
    }

    /// The whole front: for two objectives `steps + 1` points from the first one's best to the second one's, for more all
    /// those whose shares are whole steps.
    pub fn front(&self, steps: usize) -> Vec<Vec<f64>> {
        lattice(self.objectives(), steps)
            .into_iter()
            .map(|whole| {
                let shares: Vec<f64> = whole.into_iter().map(|part| part as f64 / steps as f64).collect();
                self.at(&self.parameter(&self.optimal(&shares)))
            })
            .collect()
    }
}

/// The names under which the coordinates of a point are recorded: a point of more dimensions makes no picture.
const COORDINATES: [&str; 3] = ["x0", "x1", "x2"];

/// A model that is a point: its only parameter is `x`, its outputs are the objectives, whatever it reads.
pub struct Objectives {
    problem: ProblemKind,
    x: Tensor,
    tasks: Vec<String>,
}

impl Objectives {
    /// A point at the problem's start, on the CPU; `tasks` are the names of the objectives.
    pub fn new(problem: &ProblemKind, tasks: Vec<String>, precision: Kind, seed: u64) -> Self {
        let start = problem.parameter(&problem.start(seed));
        let x = Tensor::from_slice(&start).to_kind(precision).to_device(Device::Cpu).set_requires_grad(true);
        Self { problem: problem.clone(), x, tasks }
    }

    /// As TorchScript: the parameter `x`; `forward(rows)` gives the tuple of objectives, each `[N, 1]`.
    pub fn script(&self) -> Script {
        let each = |of: fn(usize) -> String| (0..self.problem.objectives()).map(of).collect::<Vec<_>>().join(", ");
        let kinds = each(|_| "Tensor".into());
        let mut source = format!("def forward(self, rows: Tensor) -> Tuple[{kinds}]:\n    x = self.x\n");
        for line in self.problem.script().lines() {
            source += &format!("    {line}\n");
        }
        let values = each(|task| format!("values[{task}].expand([N, 1])"));
        source += &format!("    N = rows.size(0)\n    return ({values})\n");
        Script::new("polytask.Objectives", source).parameter("x", &self.x)
    }
}

impl Model for Objectives {
    fn forward(&self, inputs: &[(String, Tensor)], tasks: &[usize], _: Mode) -> Result<Vec<Tensor>> {
        let rows = inputs[0].1.size()[0];
        let values = self.problem.values(&self.problem.point(&self.x));
        Ok(tasks.iter().map(|&task| values[task].expand([rows, 1], false)).collect())
    }

    fn parameters(&self) -> Vec<(String, Tensor)> {
        vec![("x".into(), self.x.shallow_clone())]
    }

    fn buffers(&self) -> Vec<(String, Tensor)> {
        vec![]
    }

    fn outputs(&self) -> Vec<String> {
        self.tasks.clone()
    }

    fn coordinates(&self) -> Vec<(&'static str, f64)> {
        let point = self.problem.point(&self.x.detach()); // [n]
        let dimension = point.size()[0];
        if dimension > COORDINATES.len() as i64 {
            return vec![];
        }
        (0..dimension).map(|at| (COORDINATES[at as usize], point.double_value(&[at]))).collect()
    }

    fn graph(&self) -> Vec<Node> {
        let point =
            Node { name: "x".into(), operation: "Parameter".into(), inputs: vec![], shape: vec![self.x.size()[0]] };
        let objectives = self.tasks.iter().map(|task| Node {
            name: format!("heads/{task}/objective"),
            operation: self.problem.name().into(),
            inputs: vec!["x".into()],
            shape: vec![-1, 1],
        });
        std::iter::once(point).chain(objectives).collect()
    }

    fn save(&self, path: &Path, extra: &[(&str, &str)]) -> Result<()> {
        self.script().save(path, extra)
    }
}

/// `n` numbers, evenly distributed from `low` to `high`.
fn drawn(seed: u64, n: u64, low: f64, high: f64) -> Vec<f64> {
    let mut random = generator(seed, "objectives.start", 0, 0);
    (0..n).map(|_| low + (high - low) * random.random::<f64>()).collect()
}

/// A start that is given must have as many coordinates as the problem, each within the range.
fn check_start(start: &[f64], dimension: u64, low: f64, high: f64) -> Result<(), BadSetting> {
    if start.len() as u64 != dimension {
        let what = format!("has {} numbers, the problem has {dimension} dimensions", start.len());
        return Err(BadSetting::new("start", what).remedy("give one number per dimension"));
    }
    match start.iter().position(|x| !(*x >= low && *x <= high && x.is_finite())) {
        Some(at) if low == f64::NEG_INFINITY => {
            Err(BadSetting::new(format!("start[{at}]"), format!("{} is not finite", start[at]))
                .remedy("give a finite number"))
        }
        Some(at) => {
            Err(BadSetting::new(format!("start[{at}]"), format!("{} lies outside the problem's box", start[at]))
                .remedy(format!("give a number from {low} to {high}")))
        }
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
