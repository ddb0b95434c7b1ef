//! An array of inputs alone, for a model that is trained already.

use super::read::Array;
use super::rows::SameRows;
use super::{MapLayout, input};
use anyhow::Result;
use std::path::Path;
use tch::{Kind, Tensor};

/// Rows of one input as training reads them.
#[derive(Debug)]
pub(in crate::data) struct UnlabelledArray {
    /// `[N, …]`, channels first: real numbers in the precision, all else in its own type.
    pub tensor: Tensor,
    /// The shape `[N, …]` in which it is stored.
    pub stored: Vec<i64>,
}

/// Reads the array at `path`, doubles in their own precision where it `keeps_digits`; `layout` says
/// of a shape `[N, …]` where its channels are, if it is one of maps.
///
/// # Errors
/// It is missing or no array, holds a number that is not finite, or has other rows than the arrays
/// that `same` has seen.
pub(in crate::data) fn unlabelled(
    path: &Path,
    precision: Kind,
    keeps_digits: bool,
    same: &mut SameRows,
    mut layout: impl FnMut(&[i64]) -> Option<MapLayout>,
) -> Result<UnlabelledArray> {
    let array = Array::open(path)?;
    same.check(&array)?;
    let mut row = Vec::new();
    let tensor = input(&array, precision, keeps_digits, |size| {
        row = size[1..].to_vec();
        layout(size)
    })?;
    let stored = [&[array.rows()], &row[..]].concat();
    Ok(UnlabelledArray { tensor, stored })
}
