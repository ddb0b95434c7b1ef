//! Architectures: how tasks share a backbone.

mod adatt;
mod cgc;
mod cross_stitch;
mod dselect_k;
mod hard_sharing;
mod ltb;
mod mmoe;
mod mtan;
mod omoe;
mod ple;
mod single;
mod site;
mod sluice;

pub use adatt::AdaTt;
pub use cgc::Cgc;
pub use cross_stitch::CrossStitch;
pub use dselect_k::DSelectK;
pub use hard_sharing::HardSharing;
pub use ltb::Ltb;
pub use mmoe::Mmoe;
pub use mtan::Mtan;
pub use omoe::Omoe;
pub use ple::Ple;
pub use single::Single;
pub use site::{Site, Tower};
pub use sluice::Sluice;

use super::flow::Value;
use crate::error::BadSetting;
use crate::registry;

/// How tasks share.
pub trait Architecture {
    /// Wires the way from the input to one representation per task, in their order.
    ///
    /// # Errors
    /// The backbone cannot take the input (path `backbone`), or a setting does not fit the tasks (path `architecture.…`).
    fn wire(&self, site: &mut Site) -> Result<Vec<Value>, BadSetting>;
}

registry! {
    /// How tasks share the backbone.
    pub ArchitectureKind as dyn Architecture {
        "single" => Single,
        "hard_sharing" => HardSharing,
        "cross_stitch" => CrossStitch,
        "sluice" => Sluice,
        "omoe" => Omoe,
        "mmoe" => Mmoe,
        "cgc" => Cgc,
        "ple" => Ple,
        "adatt" => AdaTt,
        "dselect_k" => DSelectK,
        "mtan" => Mtan,
        "ltb" => Ltb,
    }
}

impl Default for ArchitectureKind {
    fn default() -> Self {
        Self::HardSharing(HardSharing {})
    }
}
