//! Methods that read the Jacobian.

mod con_fig;
mod db_mtl;
mod excess_mtl;
mod graddrop;
mod moco;
mod trimmed_mean;

pub use con_fig::ConFig;
pub use db_mtl::DbMtl;
pub use excess_mtl::ExcessMtl;
pub use graddrop::GradDrop;
pub use moco::MoCo;
pub use trimmed_mean::TrimmedMean;
