//! Which input of the data goes to which argument of a module's `forward`.

use super::{Argument, Module, Outputs};
use crate::error::Mistake;
use anyhow::Result;
use std::path::{Path, PathBuf};
use tch::Tensor;

/// By what several inputs find their arguments. A single one goes to the argument of its name, else
/// to the first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InputOrder {
    /// By name: a module made by Python.
    ByName,
    /// As given, the first to the first argument: what Polytask 0.1 trained.
    AsGiven,
    /// The inputs of these names to the first, second, … argument: what a run trained so.
    Known(Vec<String>),
}

/// Gives named inputs to a module.
#[derive(Debug)]
pub struct Inputs {
    file: PathBuf,
    arguments: Vec<Argument>,
    order: InputOrder,
}

impl Inputs {
    /// To the module of `file`.
    pub fn new(module: &Module, file: &Path, order: InputOrder) -> Self {
        Self { file: file.to_path_buf(), arguments: module.arguments(), order }
    }

    /// Runs `forward`.
    ///
    /// # Errors
    /// Inputs and arguments do not belong together, and as [`Module::forward`].
    pub fn forward(&self, module: &Module, inputs: &[(String, Tensor)]) -> Result<Outputs> {
        let (names, tensors): (Vec<&str>, Vec<Tensor>) =
            inputs.iter().map(|(name, input)| (name.as_str(), input.shallow_clone())).unzip();
        let places = self.places(&names)?;
        let arguments: Vec<&str> = places.iter().map(|&place| self.arguments[place].name.as_str()).collect();
        module.forward_by_name(&tensors, &arguments)
    }

    /// The names of inputs in the order of the arguments that they go to.
    ///
    /// # Errors
    /// Inputs and arguments do not belong together.
    pub fn in_order(&self, names: &[&str]) -> Result<Vec<String>, Mistake> {
        let mut placed: Vec<_> = self.places(names)?.into_iter().zip(names).collect();
        placed.sort();
        Ok(placed.into_iter().map(|(_, name)| (*name).to_string()).collect())
    }

    /// Of each input the position of its argument.
    fn places(&self, names: &[&str]) -> Result<Vec<usize>, Mistake> {
        let called = |name: &&str| self.arguments.iter().position(|argument| argument.name == **name);
        let places: Option<Vec<usize>> = match &self.order {
            InputOrder::ByName => names.iter().map(called).collect(),
            InputOrder::AsGiven => Some((0..names.len()).collect()),
            InputOrder::Known(known) if known.len() == names.len() => {
                names.iter().map(|name| known.iter().position(|known| known == name)).collect()
            }
            InputOrder::Known(_) => None,
        };
        let alone = || (names.len() == 1).then(|| vec![0]);
        let complete = |places: &Vec<usize>| {
            let given = |(at, argument): (usize, &Argument)| argument.has_default || places.contains(&at);
            self.arguments.iter().enumerate().all(given) && places.iter().all(|&at| at < self.arguments.len())
        };
        places.or_else(alone).filter(complete).ok_or_else(|| self.strange(names))
    }

    fn strange(&self, names: &[&str]) -> Mistake {
        let texts = |argument: &Argument| argument.name.clone() + if argument.has_default { "=…" } else { "" };
        let arguments = self.arguments.iter().map(texts).collect::<Vec<_>>().join(", ");
        let known = match &self.order {
            InputOrder::Known(known) => format!(", which a run gave {}", known.join(", ")),
            _ => String::new(),
        };
        let what = format!("its forward reads ({arguments}){known}; the data has the inputs {}", names.join(", "));
        Mistake::new(self.file.display(), what).remedy(match &self.order {
            InputOrder::Known(known) => format!("give the inputs the names {}", known.join(", ")),
            _ => "give the inputs of `data` the names of its arguments, `inputs: {NAME: PATH, …}`".into(),
        })
    }
}
