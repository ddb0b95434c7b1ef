//! Methods: how the tasks' losses and gradients become one update.
//!
//! A method is its settings and its mathematics. It reads one of three things ([`Reads`]), sees a step through [`Step`],
//! and remembers through [`State`]; it knows neither model nor trainer.
//!
//! To add one: a file in the folder of what it reads, named as YAML names the method, whose struct has the paper's own name
//! (acronyms are words: `PCGrad` is `PcGrad`); a line in that folder's `mod.rs`; a line in the table below. What every method
//! must bear (`conformance.rs`) is then asked of it too.

mod adam;
mod combinators;
#[cfg(test)]
mod conformance;
mod evaluation;
mod finite;
mod gramian;
#[cfg(test)]
mod hard;
mod jacobian;
mod losses;
mod per_task;
pub(crate) mod rows;
mod share;
pub mod solvers;
mod state;
mod step;
mod traits;
#[cfg(test)]
mod trial;

pub use combinators::*;
pub use evaluation::{Evaluation, Shared};
pub use finite::refuse_lost_gradients;
pub use gramian::*;
pub use jacobian::*;
pub use losses::*;
pub use per_task::PerTask;
pub use state::{Initial, Size, Slot, State};
pub use step::Step;
pub use traits::{Balancing, Direction, GramianMethod, Heads, JacobianMethod, LossMethod, Reads};

use crate::registry;

/// A small matrix on the CPU, in f64: Gramians, and what is computed from them.
pub type Matrix = nalgebra::DMatrix<f64>;

/// A column of a [`Matrix`].
pub type Vector = nalgebra::DVector<f64>;

registry! {
    /// How task losses become one update.
    pub Method as dyn Balancing {
        // They read losses.
        "sum" => Sum,
        "mean" => Mean,
        "constant" => Constant,
        "rlw" => Rlw,
        "uw" => Uw,
        "imtl_l" => ImtlL,
        "dwa" => Dwa,
        "dtp" => Dtp,
        "gls" => Gls,
        "stch" => Stch,
        "famo" => Famo,
        "pbi" => Pbi,
        "cosmos" => Cosmos,
        // They read the Gramian.
        "mgda" => Mgda,
        "pcgrad" => PcGrad,
        "gradvac" => GradVac,
        "cagrad" => CaGrad,
        "nash_mtl" => NashMtl,
        "fairgrad" => FairGrad,
        "imtl_g" => ImtlG,
        "aligned_mtl" => AlignedMtl,
        "upgrad" => UpGrad,
        "dualproj" => DualProj,
        "epo" => Epo,
        "gradnorm" => GradNorm,
        "krum" => Krum,
        "sdmgrad" => SdmGrad,
        "modo" => MoDo,
        "pcd" => Pcd,
        "random" => Random,
        // They read the Jacobian.
        "graddrop" => GradDrop,
        "con_fig" => ConFig,
        "moco" => MoCo,
        "db_mtl" => DbMtl,
        "excess_mtl" => ExcessMtl,
        "trimmed_mean" => TrimmedMean,
        // They are made of others.
        "cr_mogm" => CrMogm,
        "weighted" => Weighted,
        "grouped" => Grouped,
    }
}

impl Default for Method {
    fn default() -> Self {
        Self::Sum(Sum {})
    }
}
