//! Methods made of other methods.

mod cr_mogm;
mod grouped;
#[cfg(test)]
mod tests;
mod weighted;

pub use cr_mogm::CrMogm;
pub use grouped::{Grouped, Grouping};
pub use weighted::Weighted;

use super::{Initial, Method, Size, Slot};
use tch::{Device, Kind};

/// The slots of an inner method, named so that they stay unique beside others.
fn prefixed(prefix: &str, slots: Vec<Slot>) -> impl Iterator<Item = Slot> {
    slots.into_iter().map(move |slot| Slot { name: format!("{prefix}.{}", slot.name), ..slot })
}

/// The slots of a method whose number of slots is the same at every size: any but [`Grouped`].
fn slots(method: &Method) -> Vec<Slot> {
    method.state(&Size { tasks: 1, columns: vec![], kind: Kind::Double, device: Device::Cpu })
}

/// Whether the run's optimizer trains parameters of the method.
fn learns(method: &Method) -> bool {
    slots(method).iter().any(|slot| matches!(slot.initial, Initial::Learned(_)))
}
