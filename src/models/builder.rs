//! Where parameters are registered, and the seed that their first values are drawn from.

use crate::random::generator;
use rand::RngExt;
use rand_distr::{Distribution, StandardNormal};
use std::fmt::Display;
use tch::{Kind, Tensor, nn};

/// A place in the model's tree of names. Values are a function of the seed and the parameter's name; they are drawn in f64
/// and then cast.
#[derive(Debug)]
pub struct Builder<'a> {
    path: nn::Path<'a>,
    seed: u64,
    levels: &'a [Option<i64>],
    ids: bool,
}

impl<'a> Builder<'a> {
    /// A place at `path`.
    pub fn new(path: nn::Path<'a>, seed: u64) -> Self {
        Self { path, seed, levels: &[], ids: false }
    }

    /// With what is known of the input's columns.
    #[must_use]
    pub fn with_levels(self, levels: &'a [Option<i64>]) -> Self {
        Self { levels, ..self }
    }

    /// With inputs that are ids, or not.
    #[must_use]
    pub fn with_ids(self, ids: bool) -> Self {
        Self { ids, ..self }
    }

    /// The kind of inputs: int64 where they are ids, else that of parameters.
    pub fn input_kind(&self) -> Kind {
        if self.ids { Kind::Int64 } else { self.kind() }
    }

    /// Of each column of the input: the number of levels, where it holds indices of categories. Empty where nothing is known.
    pub fn levels(&self) -> &'a [Option<i64>] {
        self.levels
    }

    /// The place `name` below this one; dots in it go down further.
    pub fn at(&self, name: impl Display) -> Self {
        let name = name.to_string();
        let parts = name.split('.').filter(|part| !part.is_empty());
        Self { path: parts.fold(self.path.clone(), |path, part| path / part), ..*self }
    }

    /// The kind of parameters.
    pub fn kind(&self) -> Kind {
        self.path.kind()
    }

    /// A parameter of given values.
    ///
    /// # Panics
    /// They are not as many as `shape` says.
    pub fn values(&self, name: &str, shape: &[i64], values: &[f64]) -> Tensor {
        self.path.add(name, Tensor::from_slice(values).view(shape).to_kind(self.kind()), true)
    }

    /// A parameter of one value everywhere.
    pub fn constant(&self, name: &str, shape: &[i64], value: f64) -> Tensor {
        self.values(name, shape, &vec![value; count(shape)])
    }

    /// A parameter ~ U(-bound, bound).
    pub fn uniform(&self, name: &str, shape: &[i64], bound: f64) -> Tensor {
        let mut generator = generator(self.seed, &format!("initial.{}", self.path.path(name)), 0, 0);
        let values: Vec<f64> = (0..count(shape)).map(|_| generator.random_range(-bound..bound)).collect();
        self.values(name, shape, &values)
    }

    /// A parameter ~ N(0, deviation²).
    pub fn normal(&self, name: &str, shape: &[i64], deviation: f64) -> Tensor {
        let mut generator = generator(self.seed, &format!("initial.{}", self.path.path(name)), 0, 0);
        let mut draw = || -> f64 { StandardNormal.sample(&mut generator) };
        let values: Vec<f64> = (0..count(shape)).map(|_| draw() * deviation).collect();
        self.values(name, shape, &values)
    }

    /// State that is no parameter, such as running statistics.
    pub fn buffer(&self, name: &str, value: Tensor) -> Tensor {
        let value = if value.is_floating_point() { value.to_kind(self.kind()) } else { value };
        self.path.add(name, value, false)
    }

    /// A tensor that a module from outside has under the path `name` below this place; it is a parameter if it requires a
    /// gradient.
    pub fn adopt(&self, name: &str, tensor: Tensor) {
        let (place, own) = name.rsplit_once('.').unwrap_or(("", name));
        let trainable = tensor.requires_grad();
        let _ = self.at(place).path.add(own, tensor, trainable);
    }

    /// `torch.nn.Linear` here, with PyTorch's default distribution: weight and bias ~ U(-1/√inputs, 1/√inputs).
    pub fn linear(&self, inputs: i64, outputs: i64) -> nn::Linear {
        self.linear_within(inputs, outputs, 1.0 / (inputs as f64).sqrt())
    }

    /// The same with weight and bias ~ U(-bound, bound).
    pub fn linear_within(&self, inputs: i64, outputs: i64, bound: f64) -> nn::Linear {
        let weight = self.uniform("weight", &[outputs, inputs], bound);
        nn::Linear { ws: weight, bs: Some(self.uniform("bias", &[outputs], bound)) }
    }

    /// The name of this place, for what is drawn there in training.
    pub fn name(&self) -> String {
        let probe = self.path.path("x");
        probe.strip_suffix('x').unwrap_or(&probe).trim_end_matches('.').to_string()
    }
}

/// The number of elements of a shape.
fn count(shape: &[i64]) -> usize {
    shape.iter().product::<i64>() as usize
}
