//! One flat buffer that holds every parameter; the model's tensors are views of it.

use super::Model;
use crate::error::{BadSetting, Mistake, nearest};
use anyhow::Result;
use globset::Glob;
use std::collections::HashMap;
use tch::{Device, Kind, Tensor, no_grad};

/// Where a parameter lies in the buffer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// Its PyTorch name.
    pub name: String,
    /// Its shape.
    pub shape: Vec<i64>,
    /// Its first element in the buffer.
    pub start: i64,
    /// Its number of elements.
    pub length: i64,
    /// Whether it never changes.
    pub frozen: bool,
}

/// All parameters of a model, flat, in the order of registration, and its buffers.
pub struct Parameters {
    /// `[P]`, outside any graph. Changing it changes the model.
    pub flat: Tensor,
    /// One per parameter, in order.
    pub spans: Vec<Span>,
    /// State that is no parameter, by name.
    pub buffers: Vec<(String, Tensor)>,
    /// Second names of tied parameters, each with the number of its span.
    aliases: Vec<(String, usize)>,
    leaves: Vec<Tensor>,
    zeros: Tensor,
}

impl Parameters {
    /// Moves the model's parameters into one buffer on `device`; names that match a pattern of `freeze` stand still.
    ///
    /// # Errors
    /// A pattern is no pattern or matches no parameter (path `model.freeze[i]`).
    pub fn flatten(model: &dyn Model, device: Device, precision: Kind, freeze: &[String]) -> Result<Self> {
        let (named, aliases) = untie(model.parameters());
        let frozen = frozen(&named.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), freeze)?;
        let pieces: Vec<Tensor> =
            named.iter().map(|(_, t)| t.detach().to_kind(precision).to_device(device).reshape([-1])).collect();
        let flat = if pieces.is_empty() { Tensor::zeros([0], (precision, device)) } else { Tensor::cat(&pieces, 0) };
        let (mut spans, mut leaves, mut start) = (Vec::new(), Vec::new(), 0);
        for ((name, mut tensor), frozen) in named.into_iter().zip(frozen) {
            let (shape, length) = (tensor.size(), tensor.numel() as i64);
            tensor.set_data(&flat.narrow(0, start, length).view(shape.as_slice()));
            // What Python froze stays frozen.
            let frozen = frozen || !tensor.requires_grad();
            let tensor = tensor.set_requires_grad(!frozen);
            spans.push(Span { name, shape, start, length, frozen });
            leaves.push(tensor);
            start += length;
        }
        let buffers = model.buffers();
        for (_, buffer) in &buffers {
            let moved = buffer.to_device(device);
            let moved = if buffer.is_floating_point() { moved.to_kind(precision) } else { moved };
            buffer.shallow_clone().set_data(&moved);
        }
        if spans.iter().all(|span| span.frozen) {
            let what = if spans.is_empty() { "has no parameter to train" } else { "has every parameter frozen" };
            return Err(BadSetting::new("model", what).remedy("leave at least one parameter to train").into());
        }
        Ok(Self { zeros: flat.zeros_like(), flat, spans, buffers, aliases, leaves })
    }

    /// The gradient `[P]` of a scalar, zero where it does not reach and where parameters are frozen.
    pub fn gradient(&self, of: &Tensor, keep_graph: bool) -> Tensor {
        let parts = self.partial_gradients(of, keep_graph);
        let flat: Vec<Tensor> = self
            .spans
            .iter()
            .zip(parts)
            .map(|(span, part)| match part {
                Some(gradient) => gradient.reshape([-1]),
                None => self.zeros.narrow(0, span.start, span.length),
            })
            .collect();
        Tensor::cat(&flat, 0)
    }

    /// Which parameters a scalar reaches, in order; frozen ones count as not reached.
    pub fn reached(&self, of: &Tensor) -> Vec<bool> {
        self.partial_gradients(of, true).iter().map(Option::is_some).collect()
    }

    fn partial_gradients(&self, of: &Tensor, keep_graph: bool) -> Vec<Option<Tensor>> {
        let learned: Vec<&Tensor> =
            self.leaves.iter().zip(&self.spans).filter(|(_, span)| !span.frozen).map(|(leaf, _)| leaf).collect();
        // A scalar that depends on no parameter has no tape: libtorch would refuse it.
        let gradients =
            if of.requires_grad() { Tensor::run_backward(&[of], &learned, keep_graph, false) } else { vec![] };
        let mut gradients = gradients.into_iter();
        self.spans
            .iter()
            .map(|span| if span.frozen { None } else { gradients.next().filter(Tensor::defined) })
            .collect()
    }

    /// Per parameter its name, its length and whether it is frozen, in the order of the buffer.
    pub fn layout(&self) -> Vec<(String, i64, bool)> {
        self.spans.iter().map(|span| (span.name.clone(), span.length, span.frozen)).collect()
    }

    /// Parameters and buffers by name; views, not copies.
    pub fn named(&self) -> Vec<(String, Tensor)> {
        let view =
            |span: &Span| (span.name.clone(), self.flat.narrow(0, span.start, span.length).view(span.shape.as_slice()));
        let aliases = self.aliases.iter().map(|(name, span)| (name.clone(), view(&self.spans[*span]).1));
        let buffers = self.buffers.iter().map(|(name, buffer)| (name.clone(), buffer.shallow_clone()));
        self.spans.iter().map(view).chain(aliases).chain(buffers).collect()
    }

    /// Second names of tied parameters, each with the name under which the parameter is kept.
    pub fn aliases(&self) -> impl Iterator<Item = (&str, &str)> {
        self.aliases.iter().map(|(name, span)| (name.as_str(), self.spans[*span].name.as_str()))
    }

    /// Copies `values` in by name; every parameter and buffer must be there, with its shape.
    ///
    /// # Errors
    /// Names that are missing or too many (the nearest is named), or a shape that does not fit. Nothing is changed then.
    pub fn load(&mut self, values: &[(String, Tensor)], place: &str) -> Result<()> {
        let given: HashMap<&str, &Tensor> = values.iter().map(|(name, tensor)| (name.as_str(), tensor)).collect();
        let own = self.named();
        let is_buffer = |name: &String| self.buffers.iter().any(|(buffer, _)| buffer == name);
        let mut faults = Vec::new();
        for (name, tensor) in &own {
            match given.get(name.as_str()) {
                None => {
                    let others = given.keys().copied().filter(|key| !own.iter().any(|(name, _)| name == key));
                    let near = nearest(name, others).map(|near| format!(" (nearest: {near})")).unwrap_or_default();
                    faults.push(format!("{name} {:?} is missing{near}", tensor.size()));
                }
                Some(value) if value.size() != tensor.size() => {
                    faults.push(format!("{name} has shape {:?}, the model needs {:?}", value.size(), tensor.size()));
                }
                // A buffer may hold an infinity on purpose, such as an attention mask.
                Some(value) if !is_buffer(name) && value.isfinite().all().int64_value(&[]) == 0 => {
                    faults.push(format!("{name} holds numbers that are not finite"));
                }
                Some(_) => {}
            }
        }
        for name in given.keys().filter(|key| !own.iter().any(|(name, _)| name == **key)) {
            let near = nearest(name, own.iter().map(|(name, _)| name.as_str()));
            faults.push(format!(
                "{name} is not in the model{}",
                near.map(|n| format!(" (nearest: {n})")).unwrap_or_default()
            ));
        }
        if !faults.is_empty() {
            faults.sort();
            return Err(Mistake::new(place, format!("does not fit the model: {}", faults.join("; ")))
                .remedy("make model and file the same, names and shapes")
                .into());
        }
        no_grad(|| {
            for (name, mut tensor) in own {
                tensor.copy_(&given[name.as_str()].to_kind(tensor.kind()).to_device(tensor.device()));
            }
        });
        Ok(())
    }
}

/// Tensors by name, in order.
type Named = Vec<(String, Tensor)>;

/// Parameters that are one tensor under two names count once, as PyTorch's `parameters()` does.
fn untie(named: Named) -> (Named, Vec<(String, usize)>) {
    let mut own: Named = Vec::new();
    let mut aliases = Vec::new();
    for (name, tensor) in named {
        let same = |(_, other): &(String, Tensor)| {
            tensor.numel() > 0 && other.data_ptr() == tensor.data_ptr() && other.size() == tensor.size()
        };
        match own.iter().position(same) {
            Some(span) => aliases.push((name, span)),
            None => own.push((name, tensor)),
        }
    }
    (own, aliases)
}

fn frozen(names: &[&str], patterns: &[String]) -> Result<Vec<bool>, BadSetting> {
    let mut frozen = vec![false; names.len()];
    for (index, pattern) in patterns.iter().enumerate() {
        let path = format!("model.freeze[{index}]");
        let glob = Glob::new(pattern).map_err(|error| BadSetting::new(&path, error.to_string()))?.compile_matcher();
        let mut matched = false;
        for (_, frozen) in names.iter().zip(&mut frozen).filter(|(name, _)| glob.is_match(name)) {
            *frozen = true;
            matched = true;
        }
        if !matched {
            let near = nearest(pattern, names.iter().copied()).unwrap_or(names.first().copied().unwrap_or("nothing"));
            return Err(BadSetting::new(path, format!("\"{pattern}\" matches no parameter")).remedy(format!(
                "name parameters as `polytask check` lists them, such as {near}; * stands for any letters"
            )));
        }
    }
    if !names.is_empty() && frozen.iter().all(|frozen| *frozen) {
        return Err(BadSetting::new("model.freeze", "every parameter is frozen").remedy("leave at least one to train"));
    }
    Ok(frozen)
}
