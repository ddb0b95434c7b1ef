//! libtorch's own unsafe code: a small C++ shim and safe wrappers.
//!
//! What `tch` does not offer: TorchScript modules that take part in training ([`Module`]) or are built layer by layer
//! ([`Script`]), PyTorch checkpoints ([`read_state_dict`], [`write_state_dict`]), CUDA loaded only when it is asked for
//! ([`DeviceChoice`]), and libtorch's process-wide switches.

mod archive;
mod device;
mod ffi;
mod inputs;
mod module;
mod numbers;
mod pickle;
mod script;
mod switches;
mod unpickle;

pub use archive::{Content, extra_file, recognise};
pub use device::DeviceChoice;
pub use inputs::{InputOrder, Inputs};
pub use module::{Argument, Module, Node, Outputs};
pub use numbers::{Element, is_alone, length, numbers, numbers_mut};
pub use pickle::{describe, read_state_dict, write_state_dict};
pub use script::{Script, access_path, is_part_name};
pub use switches::{
    flush_denormals, keep_memory, release_memory, seed_global, set_deterministic, set_threads, version,
};
