//! Methods that read the Gramian.

mod aligned_mtl;
mod cagrad;
mod dualproj;
mod epo;
mod fairgrad;
mod gradnorm;
mod gradvac;
mod imtl_g;
mod krum;
mod mgda;
mod modo;
mod nash_mtl;
mod pcd;
mod pcgrad;
mod random;
mod sdmgrad;
mod upgrad;

mod order;
mod unsolved;

pub use aligned_mtl::{AlignedMtl, ScaleMode};
pub use cagrad::{CaGrad, Rescale};
pub use dualproj::DualProj;
pub use epo::Epo;
pub use fairgrad::FairGrad;
pub use gradnorm::GradNorm;
pub use gradvac::GradVac;
pub use imtl_g::ImtlG;
pub use krum::Krum;
pub use mgda::{Mgda, Normalize};
pub use modo::MoDo;
pub use nash_mtl::NashMtl;
pub use pcd::Pcd;
pub use pcgrad::PcGrad;
pub use random::Random;
pub use sdmgrad::SdmGrad;
pub use upgrad::UpGrad;
