//! Polytask trains multi-task models from a YAML file and answers one question honestly: which way of sharing and
//! balancing tasks works here, and is the difference real?
//!
//! A tour of the floors, from the ground up. `use crate::` only points down; `tests/floors.rs` keeps it so.
//!
//! | floor | parts |
//! |---|---|
//! | what a person can fix, and arithmetic | [`error`], [`random`], [`kernels`], [`files`], [`path`], [`pareto`], [`statistics`] |
//! | tables of choices, pictures, and values with names | [`mod@registry`], [`picture`], [`settings`], [`interval`], [`memory`], [`libtorch`], [`tensor_file`] |
//! | YAML with places, its manual, what a task is | [`yaml`], [`manual`], [`tasks`], [`weights`] |
//! | the parts of a run | [`data`], [`models`], [`methods`], [`optim`], [`record`] |
//! | what differentiates, what balances, what a folder holds, where a run takes place | [`engine`], [`balance`], [`run`], [`metadata`], [`environment`] |
//! | the loop, and what a model's file holds | [`trainer`], [`inspect`] |
//! | YAML to checked parts, what came of them, and models at work | [`experiment`], [`summary`], [`trajectory`], [`predict`] |
//! | one run from YAML to summary, and what is seen on the way | [`train`], [`affinity`] |
//! | many runs, and what they came to | [`sweep`], [`comparison`], [`report`], [`tradeoff`] |
//! | the commands | [`cli`] |
//!
//! One batch's way: [`data::Loader`] → [`data::Batch`] → [`engine::Engine`] → [`methods::Evaluation`] →
//! [`balance::Balancer`] asks the [`methods::Method`] for weights or a direction, and the evaluation pulls them back to one flat
//! gradient → clip → [`optim::Flat`] → [`record::Recorder`].
//!
//! Two tasks, trained by the same parts that the command line uses:
//!
//! ```
//! use polytask::train::{Options, train};
//! use std::sync::atomic::AtomicBool;
//!
//! let folder = tempfile::tempdir()?;
//! let yaml = folder.path().join("two.yaml");
//! std::fs::write(&yaml, "
//! data: {name: synthetic, train: 256, validation: 64, test: 64}
//! tasks:
//!   - {name: task1, loss: {name: cross_entropy, classes: 2}, metrics: [accuracy]}
//!   - {name: task2, loss: {name: cross_entropy, classes: 2}, metrics: [accuracy]}
//! model: {backbone: {name: mlp, hidden: [20, 20]}}
//! optimizer: {name: adam, learning_rate: 0.01}
//! train: {epochs: 5}
//! ")?;
//! let options = Options { out: Some(folder.path().join("run")), quiet: true, ..Options::default() };
//! let report = train(&yaml, &options, &AtomicBool::new(false))?;
//! let summary = report.summary.expect("nothing interrupted it");
//! assert!(summary["best"]["test"]["task1"]["accuracy"].as_f64() > Some(0.5));
//! assert!(report.folder.join("model.pt").exists());
//! # anyhow::Ok(())
//! ```

pub mod affinity;
pub mod balance;
pub mod cli;
pub mod comparison;
pub mod data;
pub mod engine;
pub mod environment;
pub mod error;
pub mod experiment;
pub mod files;
pub mod inspect;
pub mod interval;
pub mod kernels;
pub mod libtorch;
pub mod manual;
pub mod memory;
pub mod metadata;
pub mod methods;
pub mod models;
pub mod optim;
pub mod pareto;
pub mod path;
pub mod picture;
pub mod predict;
pub mod random;
pub mod record;
pub mod registry;
pub mod report;
pub mod run;
pub mod settings;
pub mod statistics;
pub mod summary;
pub mod sweep;
pub mod table;
pub mod tasks;
pub mod tensor_file;
pub mod tradeoff;
pub mod train;
pub mod trainer;
pub mod trajectory;
pub mod weights;
pub mod yaml;
