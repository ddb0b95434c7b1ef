//! The mathematics of comparing methods over seeds: how far a mean can be trusted, which differences are real, who ranks first.
//!
//! | question | answer |
//! |---|---|
//! | how far does the mean of these seeds reach? | [`mean_interval`] |
//! | do two methods differ on paired seeds? | [`paired_t`], [`wilcoxon`], [`sign_flip`]; many pairs at once: [`holm`] |
//! | and where the metric is coarse? | [`fn@resolution`], [`paired_t_in_steps`], [`student_interval`] |
//! | could so few seeds tell at all? | [`smallest_sign_flip_p`] |
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
mod resolution;
#[cfg(test)]
mod tests;

pub use bootstrap::{FEWEST_TO_RESAMPLE, mean_interval};
pub use moments::{mean, standard_deviation, standard_error};
pub use nemenyi::{cliques, nemenyi_critical_difference};
pub use outcome::{Interval, Test};
pub use paired::{holm, paired_t, paired_t_in_steps, sign_flip, smallest_sign_flip_p, student_interval, wilcoxon};
pub use ranking::{friedman, mean_ranks, ranks};
pub use relative::{Measure, delta_m, delta_p};
pub use resolution::{center, largest, merge_equal, resolution, without_rounding};
