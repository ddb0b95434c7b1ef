//! What a file of weights holds, in words.

use crate::libtorch::{Content, Module, describe, recognise};
use crate::metadata::{self, Metadata};
use crate::tensor_file;
use anyhow::Result;
use std::path::Path;
use tch::{Device, Tensor};

/// Describes a TorchScript, safetensors or PyTorch `.pt` file.
///
/// # Errors
/// It is missing, damaged, or none of the three.
pub fn inspect(path: &Path) -> Result<String> {
    match recognise(path)? {
        Content::TorchScript => torchscript(path),
        Content::Safetensors => {
            let archive = tensor_file::read(path)?;
            let facts = archive.facts.map(|facts| format!("\nwritten by polytask: {facts}")).unwrap_or_default();
            Ok(format!("safetensors, {} tensors{facts}\n{}", archive.tensors.len(), tensors(&archive.tensors)))
        }
        _ => {
            let entries = describe(path)?;
            let width = entries.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
            let lines: Vec<String> = entries.iter().map(|(name, what)| format!("  {name:<width$}  {what}")).collect();
            Ok(format!("PyTorch checkpoint, {} entries\n{}", entries.len(), lines.join("\n")))
        }
    }
}

fn torchscript(path: &Path) -> Result<String> {
    let module = Module::load(path, Device::Cpu)?;
    let (parameters, buffers) = (module.parameters(), module.buffers());
    let count: usize = parameters.iter().map(|(_, tensor)| tensor.numel()).sum();
    let mut text = format!("TorchScript, {} parameters ({count} numbers), {} buffers", parameters.len(), buffers.len());
    if let Some(signature) = module.signature() {
        text += &format!("\n{signature}");
    }
    text += "\nmodules";
    for node in module.tree() {
        text += &format!("\n  {}  {}", if node.path.is_empty() { "(root)" } else { &node.path }, node.class);
    }
    text += &format!("\nparameters\n{}", tensors(&parameters));
    if !buffers.is_empty() {
        text += &format!("\nbuffers\n{}", tensors(&buffers));
    }
    if let Some(extra) = module.extra(metadata::FILE) {
        let metadata = Metadata::parse(&extra, &path.display().to_string())?;
        text +=
            &format!("\nwritten by polytask {}, {} input columns", metadata.polytask, metadata.facts.features.width());
        for task in &metadata.facts.tasks {
            let labels =
                task.labels.as_ref().map_or(String::new(), |labels| format!("  labels: {}", labels.join(", ")));
            text += &format!("\n  task {}  {:?}{labels}", task.name, task.form);
        }
    }
    Ok(text)
}

fn tensors(named: &[(String, Tensor)]) -> String {
    let width = named.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let line = |(name, tensor): &(String, Tensor)| format!("  {name:<width$}  {:?} {:?}", tensor.kind(), tensor.size());
    named.iter().map(line).collect::<Vec<_>>().join("\n")
}
