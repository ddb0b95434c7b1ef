//! A method at work: its settings, its memory, and the one update that it makes of a batch.

mod balancer;
pub mod case;
mod settings;

pub use balancer::{Balancer, Update, present};
pub use settings::{Common, Gradients, MethodSettings, Scale};
