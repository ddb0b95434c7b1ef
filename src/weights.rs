//! Weights by name, from any of the three kinds of file that hold them.

use crate::libtorch::{Content, Module, read_state_dict, recognise};
use crate::tensor_file;
use anyhow::Result;
use std::path::Path;
use tch::{Device, Tensor};

/// The parameters and buffers in a TorchScript, safetensors or PyTorch `.pt` file, by name. Of a Polytask checkpoint the
/// model's.
///
/// # Errors
/// The file is missing, damaged, or of no known kind.
pub fn read(path: &Path) -> Result<Vec<(String, Tensor)>> {
    match recognise(path)? {
        Content::TorchScript => {
            let module = Module::load(path, Device::Cpu)?;
            Ok(module.parameters().into_iter().chain(module.buffers()).collect())
        }
        Content::Safetensors => Ok(tensor_file::read(path)?.weights()),
        // It says what the file is, if it is anything else.
        _ => read_state_dict(path),
    }
}
