//! Initial weights of a backbone from a file.

use super::Chain;
use crate::error::{BadSetting, Mistake};
use crate::libtorch::Script;
use crate::weights;
use std::path::Path;
use tch::{Tensor, no_grad};

/// Copies the weights in `file` into a chain, by PyTorch's names; those that `ignored` names may be there too.
///
/// # Errors
/// The file cannot be read, or its names and shapes are not the chain's (path `weights`).
pub(super) fn load(chain: &Chain, file: &Path, ignored: impl Fn(&str) -> bool) -> Result<(), BadSetting> {
    let given = weights::read(file).map_err(|error| {
        let bad = BadSetting::new("weights", error.to_string());
        match error.downcast::<Mistake>() {
            Ok(Mistake { remedy: Some(remedy), .. }) => bad.remedy(remedy),
            _ => bad,
        }
    })?;
    let mut own = vec![];
    for (name, layer) in chain.stages.iter().flatten() {
        tensors(&layer.script(), name, &mut own);
    }
    let find = |name: &String| given.iter().find(|(other, _)| other == name).map(|(_, tensor)| tensor);
    let mut faults: Vec<String> = vec![];
    for (name, tensor) in &own {
        match find(name) {
            None => faults.push(format!("{name} {:?} is missing", tensor.size())),
            Some(value) if value.size() != tensor.size() => {
                faults.push(format!("{name} has shape {:?}, the backbone needs {:?}", value.size(), tensor.size()));
            }
            Some(_) => {}
        }
    }
    let strange = given.iter().filter(|(name, _)| !ignored(name) && !own.iter().any(|(other, _)| other == name));
    faults.extend(strange.map(|(name, _)| format!("{name} is not in the backbone")));
    if !faults.is_empty() {
        let more = if faults.len() > 5 { format!("; and {} more", faults.len() - 5) } else { String::new() };
        let what = format!("{} does not fit: {}{more}", file.display(), faults[..faults.len().min(5)].join("; "));
        return Err(BadSetting::new("weights", what).remedy("give the weights of this backbone at this width"));
    }
    no_grad(|| {
        for (name, tensor) in &own {
            let value = find(name).expect("checked above");
            tensor.shallow_clone().copy_(&value.to_kind(tensor.kind()));
        }
    });
    Ok(())
}

/// Every parameter and buffer of a module and those inside it, by path.
fn tensors(script: &Script, path: &str, into: &mut Vec<(String, Tensor)>) {
    for (name, tensor) in script.parameters.iter().chain(&script.buffers) {
        into.push((format!("{path}.{name}"), tensor.shallow_clone()));
    }
    for (name, child) in &script.children {
        tensors(child, &format!("{path}.{name}"), into);
    }
}
