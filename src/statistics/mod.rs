//! The mathematics of comparing methods over seeds: how far a mean can be trusted, which differences are real, who ranks first.
//!
//! | question | answer |
//! |---|---|
//! | how far does the mean of these seeds reach? | [`bootstrap_interval`] |
//! | do two methods differ on paired seeds? | [`wilcoxon`], [`paired_t`]; many pairs at once: [`holm`] |
//! | could so few seeds tell at all? | [`smallest_wilcoxon_p`] |
//! | do many methods differ over many seeds and metrics? | [`ranks`], [`friedman`], then [`nemenyi_critical_difference`] and [`cliques`] |
//! | what did multi-task learning gain over single tasks? | [`delta_m`], [`delta_p`] |
//!
//! Every function is pure: slices in, numbers out; `None` where a number is not defined.

mod bootstrap;
mod moments;
mod nemenyi;
mod outcome;
mod paired;
mod ranking;
mod relative;
#[cfg(test)]
mod tests;

pub use bootstrap::{Interval, bootstrap_interval};
pub use moments::{mean, standard_deviation, standard_error};
pub use nemenyi::{cliques, nemenyi_critical_difference};
pub use outcome::Test;
pub use paired::{holm, paired_t, smallest_wilcoxon_p, wilcoxon};
pub use ranking::{friedman, mean_ranks, ranks};
pub use relative::{Measure, delta_m, delta_p};
