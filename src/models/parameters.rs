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
        let names: Vec<&str> = named.iter().map(|(name, _)| name.as_str()).collect();
        let frozen = matching(&names, freeze, "model.freeze")?;
        if !frozen.is_empty() && frozen.iter().all(|frozen| *frozen) {
            let bad = BadSetting::new("model.freeze", "every parameter is frozen");
            return Err(bad.remedy("leave at least one to train").into());
        }
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

    /// The gradients of a sum of scalars by the parameters `spans`, one behind another; zero where it does not reach.
    pub fn gradient(&self, of: &[Tensor], spans: &[usize]) -> Tensor {
        self.gradients(of, &[], spans).1
    }

    /// The gradients of a sum of scalars by other tensors on their tape, and, one behind another, by the parameters
    /// `spans`. The tape is kept.
    pub fn gradients(&self, of: &[Tensor], others: &[&Tensor], spans: &[usize]) -> (Vec<Tensor>, Tensor) {
        let mut sources = others.to_vec();
        sources.extend(spans.iter().map(|&span| &self.leaves[span]));
        // A scalar that depends on nothing that is learned has no tape: libtorch would refuse it.
        let of: Vec<&Tensor> = of.iter().filter(|scalar| scalar.requires_grad()).collect();
        let found = match of.is_empty() || sources.is_empty() {
            true => vec![],
            false => Tensor::run_backward(&of, &sources, true, false),
        };
        let mut found = found.into_iter();
        let others: Vec<Tensor> = others
            .iter()
            .map(|other| found.next().filter(Tensor::defined).unwrap_or_else(|| other.zeros_like()))
            .collect();
        let pieces: Vec<Tensor> = spans
            .iter()
            .map(|&span| match found.next().filter(Tensor::defined) {
                Some(gradient) => gradient.reshape([-1]),
                None => self.zeros.narrow(0, self.spans[span].start, self.spans[span].length),
            })
            .collect();
        let flat = if pieces.is_empty() { self.zeros.narrow(0, 0, 0) } else { Tensor::cat(&pieces, 0) };
        (others, flat)
    }

    /// The parameters that are learned.
    pub fn learned(&self) -> Vec<usize> {
        (0..self.spans.len()).filter(|&span| !self.spans[span].frozen).collect()
    }

    /// Adds `values`, the pieces of `spans` (in any order) one behind another, into a flat buffer.
    pub fn add_into(&self, flat: &Tensor, spans: &[usize], values: &Tensor) {
        let mut at = 0;
        for (start, length) in runs(&self.spans, spans) {
            let _ = flat.narrow(0, start, length).g_add_(&values.narrow(0, at, length));
            at += length;
        }
    }

    /// The pieces of `spans` of a flat buffer, one behind another.
    pub fn extract(&self, flat: &Tensor, spans: &[usize]) -> Tensor {
        let pieces: Vec<Tensor> =
            runs(&self.spans, spans).into_iter().map(|(start, length)| flat.narrow(0, start, length)).collect();
        match pieces.as_slice() {
            [] => flat.narrow(0, 0, 0),
            [only] => only.shallow_clone(),
            pieces => Tensor::cat(pieces, 0),
        }
    }

    /// Runs `look` with other values in the parameters; puts the present ones back.
    pub fn with<R>(&self, values: &Tensor, look: impl FnOnce() -> R) -> R {
        let kept = self.flat.copy();
        no_grad(|| self.flat.shallow_clone().copy_(values));
        let result = look();
        no_grad(|| self.flat.shallow_clone().copy_(&kept));
        result
    }

    /// Runs `look`; puts buffers (running statistics) back as they were.
    pub fn with_buffers_kept<R>(&self, look: impl FnOnce() -> R) -> R {
        let kept: Vec<Tensor> = self.buffers.iter().map(|(_, buffer)| buffer.copy()).collect();
        let result = look();
        no_grad(|| {
            for ((_, buffer), kept) in self.buffers.iter().zip(&kept) {
                buffer.shallow_clone().copy_(kept);
            }
        });
        result
    }

    /// Which parameters a scalar reaches, in order; frozen ones count as not reached.
    pub fn reached(&self, of: &Tensor) -> Vec<bool> {
        let learned = self.learned();
        let leaves: Vec<&Tensor> = learned.iter().map(|&span| &self.leaves[span]).collect();
        let found = if of.requires_grad() { Tensor::run_backward(&[of], &leaves, true, false) } else { vec![] };
        let mut reached = vec![false; self.spans.len()];
        for (span, gradient) in learned.into_iter().zip(found) {
            reached[span] = gradient.defined();
        }
        reached
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
        self.load_only(values, &[], place).map(drop)
    }

    /// Copies in those of `values` whose names match one of the patterns `only`, all where there are none; gives how many.
    /// With patterns, other values are no fault.
    ///
    /// # Errors
    /// As [`load`](Self::load), for the parameters and buffers that match; a pattern matches none (path
    /// `model.initial.only[i]`).
    pub fn load_only(&mut self, values: &[(String, Tensor)], only: &[String], place: &str) -> Result<usize> {
        let given: HashMap<&str, &Tensor> = values.iter().map(|(name, tensor)| (name.as_str(), tensor)).collect();
        let mut own = self.named();
        if !only.is_empty() {
            let names: Vec<&str> = own.iter().map(|(name, _)| name.as_str()).collect();
            let mut wanted = matching(&names, only, "model.initial.only")?.into_iter();
            own.retain(|_| wanted.next().unwrap_or_default());
        }
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
                Some(value) if value.is_floating_point() != tensor.is_floating_point() => {
                    faults.push(format!("{name} is of kind {:?}, the model needs {:?}", value.kind(), tensor.kind()));
                }
                // A buffer may hold an infinity on purpose, such as an attention mask.
                Some(value) if !is_buffer(name) && value.isfinite().all().int64_value(&[]) == 0 => {
                    faults.push(format!("{name} holds numbers that are not finite"));
                }
                Some(_) => {}
            }
        }
        let strange = given.keys().filter(|key| only.is_empty() && !own.iter().any(|(name, _)| name == **key));
        for name in strange {
            let near = nearest(name, own.iter().map(|(name, _)| name.as_str()));
            faults.push(format!(
                "{name} is not in the model{}",
                near.map(|n| format!(" (nearest: {n})")).unwrap_or_default()
            ));
        }
        if !faults.is_empty() {
            faults.sort();
            return Err(Mistake::new(place, format!("does not fit the model: {}", faults.join("; ")))
                .remedy(
                    "make model and file the same, or take what fits: \
                     `initial: {file: PATH, strip: \"module.\", rename: {…}, only: [\"shared_layers.*\"]}`",
                )
                .into());
        }
        let count = own.len();
        no_grad(|| {
            for (name, mut tensor) in own {
                tensor.copy_(&given[name.as_str()].to_kind(tensor.kind()).to_device(tensor.device()));
            }
        });
        Ok(count)
    }
}

/// Where `spans` lie in the buffer, in their order, neighbours as one: (start, length).
fn runs(all: &[Span], spans: &[usize]) -> Vec<(i64, i64)> {
    let mut runs: Vec<(i64, i64)> = Vec::new();
    for span in spans.iter().map(|&span| &all[span]) {
        match runs.last_mut() {
            Some((start, length)) if *start + *length == span.start => *length += span.length,
            _ => runs.push((span.start, span.length)),
        }
    }
    runs
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

/// Which names match one of `patterns`, the list under `setting`.
///
/// # Errors
/// A pattern is no pattern or matches no name.
pub(super) fn matching(names: &[&str], patterns: &[String], setting: &str) -> Result<Vec<bool>, BadSetting> {
    let mut chosen = vec![false; names.len()];
    for (index, pattern) in patterns.iter().enumerate() {
        let path = format!("{setting}[{index}]");
        let glob = Glob::new(pattern).map_err(|error| BadSetting::new(&path, error.to_string()))?.compile_matcher();
        let mut matched = false;
        for (_, chosen) in names.iter().zip(&mut chosen).filter(|(name, _)| glob.is_match(name)) {
            *chosen = true;
            matched = true;
        }
        if !matched {
            let near = nearest(pattern, names.iter().copied()).unwrap_or(names.first().copied().unwrap_or("nothing"));
            return Err(BadSetting::new(path, format!("\"{pattern}\" matches no parameter")).remedy(format!(
                "name parameters as `polytask check` lists them, such as {near}; * stands for any letters"
            )));
        }
    }
    Ok(chosen)
}
