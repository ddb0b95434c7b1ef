//! Checkpoints: everything by parameter name, never by offset, although memory is flat.

use super::claims::Claims;
use super::{Parts, Plan, Trainer};
use crate::error::Mistake;
use crate::memory::Memory;
use crate::models::{Parameters, Sharing, Span};
use crate::record::JsonLines;
use crate::run::{self, Run};
use crate::tensor_file::{TensorFile, misfits};
use anyhow::Result;
use serde_json::json;
use std::collections::HashMap;
use std::time::Instant;
use tch::Tensor;

impl Trainer<'_> {
    /// Without validation the best is the last.
    pub(super) fn keep_as_best(&mut self) {
        let epoch = self.last_epoch();
        self.progress.keep(&mut self.memory, &self.parameters, epoch);
        self.best_is_new = true;
    }

    /// Writes the best weights, under the names of PyTorch's `state_dict`, if they are new.
    pub(super) fn save_best(&mut self) -> Result<()> {
        if self.best_is_new {
            let weights = below("best", self.memory.save(), &self.parameters, self.sharing);
            let facts = self.facts(json!({"kind": "weights", "step": self.progress.best_step(&self.memory)}));
            self.run.save("best", &weights, &facts)?;
            self.best_is_new = false;
        }
        Ok(())
    }

    /// Writes the checkpoint to resume from, and the best weights if they are new. It changes nothing of what comes after.
    ///
    /// # Errors
    /// A record or a checkpoint cannot be written; the previous checkpoint is intact then.
    pub fn save(&mut self) -> Result<()> {
        self.refuse_lost_parameters()?;
        let seconds = self.seconds();
        self.progress.set_seconds(&mut self.memory, seconds);
        self.recorder.flush()?;
        let mut events = self.recorder.positions();
        if let Some(bytes) = events.remove(JsonLines::FILE) {
            self.memory.count_mut(self.recorded_bytes)[0] = bytes as i64;
        }
        let (step, epoch) = (self.progress.step(&self.memory), self.progress.epoch(&self.memory));
        self.save_best()?;
        let tensors = contents(&self.parameters, self.sharing, &self.memory);
        let place = json!({"kind": "checkpoint", "layout": LAYOUT, "step": step, "epoch": epoch, "events": events});
        let facts = self.facts(place);
        self.run.save("last", &tensors, &facts)?;
        self.clock.checkpoint = Some(Instant::now());
        Ok(())
    }

    /// What a checkpoint tells of itself.
    fn facts(&self, place: serde_json::Value) -> serde_json::Value {
        let own = place.as_object().into_iter().flatten();
        own.chain(&self.facts)
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect::<serde_json::Map<_, _>>()
            .into()
    }
}

/// A name and shape per parameter, in the order in which a tensor of memory holds them in its last dimension.
struct Layout<'p>(Vec<&'p Span>);

impl<'p> Layout<'p> {
    /// All parameters: an optimizer's moments, the best weights.
    fn whole(parameters: &'p Parameters) -> Self {
        Self(parameters.spans.iter().collect())
    }

    /// The shared parameters: what a method remembers of gradients.
    fn shared(parameters: &'p Parameters, sharing: &Sharing) -> Self {
        Self(sharing.shared.iter().map(|&span| &parameters.spans[span]).collect())
    }

    fn length(&self) -> i64 {
        self.0.iter().map(|span| span.length).sum()
    }

    /// `NAME` `[…, P]` as one `NAME.PARAMETER` `[…, shape]` per parameter.
    fn split(&self, name: &str, tensor: &Tensor) -> Vec<(String, Tensor)> {
        let leading = tensor.size()[..tensor.dim() - 1].to_vec();
        let mut start = 0;
        let cut = |span: &&Span| {
            let shape = [leading.clone(), span.shape.clone()].concat();
            let piece = tensor.narrow(-1, start, span.length).reshape(shape);
            start += span.length;
            (format!("{name}.{}", span.name), piece)
        };
        self.0.iter().map(cut).collect()
    }

    /// Puts every `NAME.PARAMETER` for which all parameters are there together again.
    fn join(&self, prefix: &str, pieces: &mut HashMap<String, Tensor>) -> Vec<(String, Tensor)> {
        let Some(first) = self.0.first() else { return vec![] };
        let suffix = format!(".{}", first.name);
        let is_ours = |name: &&String| name.starts_with(prefix);
        let names: Vec<String> =
            pieces.keys().filter(is_ours).filter_map(|name| name.strip_suffix(&suffix).map(String::from)).collect();
        let mut whole = Vec::new();
        for name in names {
            let parts: Vec<String> = self.0.iter().map(|span| format!("{name}.{}", span.name)).collect();
            if parts.iter().all(|part| pieces.contains_key(part)) {
                let flat = |(span, part): (&&Span, &String)| {
                    let piece = pieces.remove(part).expect("it is there");
                    let leading = piece.size()[..piece.dim() - span.shape.len()].to_vec();
                    piece.reshape([leading, vec![span.length]].concat())
                };
                whole.push((name, Tensor::cat(&self.0.iter().zip(&parts).map(flat).collect::<Vec<_>>(), -1)));
            }
        }
        whole
    }
}

/// Memory as a checkpoint stores it: `optimizer.exp_avg` becomes `optimizer.exp_avg.PARAMETER`, one per parameter.
fn split(memory: Vec<(String, Tensor)>, parameters: &Parameters, sharing: &Sharing) -> Vec<(String, Tensor)> {
    let (whole, shared) = (Layout::whole(parameters), Layout::shared(parameters, sharing));
    let mut pieces = Vec::new();
    for (name, tensor) in memory {
        let is = |layout: &Layout| tensor.dim() > 0 && tensor.size().last() == Some(&layout.length());
        let of_numbers = tensor.kind() == parameters.flat.kind();
        if (name == "best" || name.starts_with("optimizer.")) && of_numbers && is(&whole) {
            pieces.extend(whole.split(&name, &tensor));
        } else if name.starts_with("method.") && of_numbers && is(&shared) {
            pieces.extend(shared.split(&name, &tensor));
        } else {
            pieces.push((name, tensor));
        }
    }
    pieces
}

/// The memory below `prefix`, by the names of parameters and buffers.
fn below(
    prefix: &str,
    memory: Vec<(String, Tensor)>,
    parameters: &Parameters,
    sharing: &Sharing,
) -> Vec<(String, Tensor)> {
    let prefix = format!("{prefix}.");
    let named = |(name, tensor): (String, Tensor)| name.strip_prefix(&prefix).map(|name| (name.to_string(), tensor));
    let mut found: Vec<(String, Tensor)> = split(memory, parameters, sharing).into_iter().filter_map(named).collect();
    for (alias, name) in parameters.aliases() {
        let tied = found.iter().find(|(n, _)| n == name).map(|(_, tensor)| (alias.to_string(), tensor.shallow_clone()));
        found.extend(tied);
    }
    found
}

/// The number of the form in which a checkpoint is written. Those before number 1 had none, and may lack what [`ADDED`]
/// names.
const LAYOUT: u64 = 1;

/// What version 0.1 did not remember; it starts as in a new run there.
const ADDED: [&str; 1] = ["progress.to_beat"];

/// Puts a checkpoint's weights into the model and gives its memory, flat again.
///
/// # Errors
/// It holds other names, kinds or shapes than the run needs; weights that are not finite; or a later version wrote it.
pub fn restore(archive: TensorFile, plan: &Plan, parts: &mut Parts, run: &Run) -> Result<Memory> {
    let place = run::checkpoint(run.folder(), "last").display().to_string();
    check_fit(&archive, plan, parts, &place)?;
    let (parameters, sharing) = (&mut parts.parameters, parts.sharing);
    let (weights, memory): (Vec<_>, Vec<_>) =
        archive.tensors.into_iter().partition(|(name, _)| name.starts_with("model."));
    let weights: Vec<(String, Tensor)> =
        weights.into_iter().map(|(name, tensor)| (name["model.".len()..].to_string(), tensor)).collect();
    parameters.load(&weights, &place)?;
    let mut pieces: HashMap<String, Tensor> = memory.into_iter().collect();
    let mut whole = Layout::whole(parameters).join("optimizer.", &mut pieces);
    whole.extend(Layout::whole(parameters).join("best", &mut pieces));
    whole.extend(Layout::shared(parameters, sharing).join("method.", &mut pieces));
    whole.extend(pieces);
    Ok(Memory::restore(whole))
}

/// Refuses a checkpoint that does not hold exactly what the run would write, name by name.
fn check_fit(archive: &TensorFile, plan: &Plan, parts: &Parts, place: &str) -> Result<()> {
    let layout = archive.facts.as_ref().and_then(|facts| facts.get("layout"));
    if let Some(layout) = layout.filter(|layout| **layout != LAYOUT) {
        let what = format!("its layout is {layout}, and this version reads {LAYOUT}");
        return Err(Mistake::new(place, what).remedy("resume with the version of Polytask that wrote it").into());
    }
    let mut fresh = Memory::default();
    Claims::new(plan, parts, &mut fresh)?;
    let mut needed = contents(&parts.parameters, parts.sharing, &fresh);
    let found = |name: &String| archive.tensors.iter().any(|(other, _)| other == name);
    needed.retain(|(name, _)| layout.is_some() || !ADDED.contains(&name.as_str()) || found(name));
    let misfits = misfits(&archive.tensors, &needed);
    if misfits.is_empty() {
        return Ok(());
    }
    let what = format!("does not fit the run: {}", misfits.join("; "));
    Err(Mistake::new(place, what)
        .remedy("bring back the file that the run wrote, and the settings that it was started with")
        .into())
}

/// What a checkpoint holds: the model's weights and all memory, by the names of parameters.
fn contents(parameters: &Parameters, sharing: &Sharing, memory: &Memory) -> Vec<(String, Tensor)> {
    let weights = parameters.named().into_iter().map(|(name, tensor)| (format!("model.{name}"), tensor));
    weights.chain(split(memory.save(), parameters, sharing)).collect()
}
