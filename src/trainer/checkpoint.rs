//! Checkpoints: everything by parameter name, never by offset, although memory is flat.

use super::Trainer;
use crate::memory::Memory;
use crate::models::Parameters;
use crate::tensor_file::TensorFile;
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
            let weights = below("best", self.memory.save(), &self.parameters);
            self.run.save(
                "best",
                &weights,
                &json!({"kind": "weights", "step": self.progress.best_step(&self.memory)}),
            )?;
            self.best_is_new = false;
        }
        Ok(())
    }

    /// Writes the checkpoint to resume from, and the best weights if they are new.
    pub(super) fn save(&mut self) -> Result<()> {
        self.refuse_lost_parameters()?;
        let seconds = self.seconds();
        self.progress.set_seconds(&mut self.memory, seconds);
        self.recorder.flush()?;
        if let Some(bytes) = self.recorder.position() {
            self.memory.count_mut(self.recorded_bytes)[0] = bytes as i64;
        }
        let (step, epoch) = (self.progress.step(&self.memory), self.progress.epoch(&self.memory));
        self.save_best()?;
        let mut tensors: Vec<(String, Tensor)> =
            self.parameters.named().into_iter().map(|(name, tensor)| (format!("model.{name}"), tensor)).collect();
        tensors.extend(split(self.memory.save(), &self.parameters));
        self.run.save("last", &tensors, &json!({"kind": "checkpoint", "step": step, "epoch": epoch}))?;
        self.clock.checkpoint = Some(Instant::now());
        Ok(())
    }
}

/// Memory that runs parallel to the flat parameters: an optimizer's moments, the best weights.
fn is_flat(name: &str, tensor: &Tensor, parameters: &Parameters) -> bool {
    (name == "best" || name.starts_with("optimizer."))
        && tensor.kind() == parameters.flat.kind()
        && tensor.size() == parameters.flat.size()
}

/// Memory as a checkpoint stores it: `optimizer.exp_avg` becomes `optimizer.exp_avg.PARAMETER`, one per parameter.
fn split(memory: Vec<(String, Tensor)>, parameters: &Parameters) -> Vec<(String, Tensor)> {
    let mut pieces = Vec::new();
    for (name, tensor) in memory {
        if !is_flat(&name, &tensor, parameters) {
            pieces.push((name, tensor));
            continue;
        }
        for span in &parameters.spans {
            let piece = tensor.narrow(0, span.start, span.length).view(span.shape.as_slice());
            pieces.push((format!("{name}.{}", span.name), piece));
        }
    }
    pieces
}

/// The memory below `prefix`, by the names of parameters and buffers.
fn below(prefix: &str, memory: Vec<(String, Tensor)>, parameters: &Parameters) -> Vec<(String, Tensor)> {
    let prefix = format!("{prefix}.");
    let named = |(name, tensor): (String, Tensor)| name.strip_prefix(&prefix).map(|name| (name.to_string(), tensor));
    let mut found: Vec<(String, Tensor)> = split(memory, parameters).into_iter().filter_map(named).collect();
    for (alias, name) in parameters.aliases() {
        let tied = found.iter().find(|(n, _)| n == name).map(|(_, tensor)| (alias.to_string(), tensor.shallow_clone()));
        found.extend(tied);
    }
    found
}

/// Puts a checkpoint's weights into the model and gives its memory, flat again.
///
/// # Errors
/// The weights do not fit the model.
pub fn restore(archive: TensorFile, parameters: &mut Parameters) -> Result<Memory> {
    let (weights, memory): (Vec<_>, Vec<_>) =
        archive.tensors.into_iter().partition(|(name, _)| name.starts_with("model."));
    let weights: Vec<(String, Tensor)> =
        weights.into_iter().map(|(name, tensor)| (name["model.".len()..].to_string(), tensor)).collect();
    parameters.load(&weights, "the checkpoint")?;
    Ok(Memory::restore(join(memory, parameters)))
}

fn join(memory: Vec<(String, Tensor)>, parameters: &Parameters) -> Vec<(String, Tensor)> {
    let Some(first) = parameters.spans.first() else { return memory };
    let mut pieces: HashMap<String, Tensor> = memory.into_iter().collect();
    let suffix = format!(".{}", first.name);
    let prefixes: Vec<String> = pieces.keys().filter_map(|name| name.strip_suffix(&suffix).map(String::from)).collect();
    let mut whole = Vec::new();
    for prefix in prefixes {
        let names: Vec<String> = parameters.spans.iter().map(|span| format!("{prefix}.{}", span.name)).collect();
        if names.iter().all(|name| pieces.contains_key(name)) {
            let parts: Vec<Tensor> =
                names.iter().filter_map(|name| pieces.remove(name)).map(|t| t.reshape([-1])).collect();
            whole.push((prefix, Tensor::cat(&parts, 0)));
        }
    }
    whole.extend(pieces);
    whole
}
