//! Polytask trains multi-task models from a YAML file.

pub mod data;
pub mod engine;
pub mod error;
pub mod files;
pub mod interval;
pub mod libtorch;
pub mod manual;
pub mod memory;
pub mod methods;
pub mod models;
pub mod optim;
pub mod path;
pub mod random;
pub mod record;
pub mod registry;
pub mod settings;
pub mod tasks;
pub mod tensor_file;
pub mod weights;
pub mod yaml;
