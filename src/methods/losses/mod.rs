//! Methods that read losses.

mod constant;
mod cosmos;
mod dtp;
mod dwa;
mod famo;
mod gls;
mod imtl_l;
mod mean;
mod pbi;
mod rlw;
mod stch;
mod sum;
mod uw;

mod polar;

pub use constant::Constant;
pub use cosmos::Cosmos;
pub use dtp::Dtp;
pub use dwa::Dwa;
pub use famo::Famo;
pub use gls::Gls;
pub use imtl_l::ImtlL;
pub use mean::Mean;
pub use pbi::Pbi;
pub use rlw::{Distribution, Rlw};
pub use stch::Stch;
pub use sum::Sum;
pub use uw::Uw;
