//! The first batches of a training, written to a file.

use crate::data::{Group, Loader};
use crate::files;
use crate::tasks::Task;
use anyhow::Result;
use std::path::Path;
use tch::{Device, Tensor};

/// The batches that are written.
pub const COUNT: usize = 3;

/// Writes the first [`COUNT`] batches to `file`, in NumPy's `.npz`. The arrays of group `g` in batch
/// `b`, both from 0: `b/g/rows` `[M]`, the places of the rows among the group's training rows;
/// `b/g/inputs/NAME`; `b/g/labels/TASK`; and `b/g/weights/TASK` where a label is missing or weighed.
///
/// # Errors
/// The file cannot be written.
pub fn write(loader: &mut Loader, tasks: &[Task], file: &Path) -> Result<()> {
    let mut arrays = Vec::new();
    for (number, batch) in loader.batches().take(COUNT).enumerate() {
        for (group, places, rows) in batch {
            arrays.push((format!("{number}/{group}/rows"), places));
            let of_rows = by_name(&rows, tasks).into_iter();
            arrays.extend(of_rows.map(|(name, array)| (format!("{number}/{group}/{name}"), array)));
        }
    }
    files::replace(file, |temporary| Ok(Tensor::write_npz(&arrays, temporary)?))
}

/// Inputs, labels and weights of rows, on the host.
fn by_name(rows: &Group, tasks: &[Task]) -> Vec<(String, Tensor)> {
    let host = |tensor: &Tensor| tensor.to_device(Device::Cpu);
    let inputs = rows.inputs.iter().map(|(name, input)| (format!("inputs/{name}"), host(input)));
    let mut arrays: Vec<(String, Tensor)> = inputs.collect();
    for (&task, target) in rows.tasks.iter().zip(&rows.targets) {
        let name = &tasks[task].name;
        arrays.push((format!("labels/{name}"), host(&target.values)));
        arrays.extend(target.weights.iter().map(|weights| (format!("weights/{name}"), host(weights))));
    }
    arrays
}
