//! A batch of outputs and labels on the host, in double precision.

use crate::tasks::{NO_CLASS, Target};
use tch::{Device, Kind, Tensor};

/// A batch of outputs and labels on the host, fetched in one copy.
#[derive(Debug)]
pub struct Rows {
    /// Row by row: outputs, labels, and weights where there are any.
    packed: Vec<f64>,
    width: usize,
    columns: usize,
    weighted: bool,
    classes: bool,
}

/// One labelled cell.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cell {
    pub column: usize,
    pub label: f64,
    /// Above zero.
    pub weight: f64,
}

impl Rows {
    /// Fetches a batch: `output` is `[N, width]`.
    ///
    /// # Panics
    /// The shapes do not belong together.
    pub fn read(output: &Tensor, target: &Target) -> Self {
        let (rows, width) = output.size2().expect("outputs are [N, width]");
        let columns = if target.values.dim() == 1 { 1 } else { target.values.size()[1] };
        let as_columns = |tensor: &Tensor| tensor.to_kind(output.kind()).view([rows, columns]);
        let mut parts = vec![output.detach(), as_columns(&target.values)];
        parts.extend(target.weights.as_ref().map(as_columns));
        let packed = Tensor::cat(&parts, 1).to_device(Device::Cpu).to_kind(Kind::Double).view([-1]);
        Self {
            packed: Vec::try_from(packed).expect("a flat tensor of doubles on the host"),
            width: width as usize,
            columns: columns as usize,
            weighted: target.weights.is_some(),
            classes: target.values.kind() == Kind::Int64,
        }
    }

    /// Row by row: the outputs and the labelled cells.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&[f64], impl Iterator<Item = Cell>)> {
        let stride = self.width + self.columns * (1 + usize::from(self.weighted));
        self.packed.chunks_exact(stride).map(|row| {
            let (outputs, rest) = row.split_at(self.width);
            let (labels, weights) = rest.split_at(self.columns);
            let cell = |(column, &label): (usize, &f64)| {
                let weight = weights.get(column).copied().unwrap_or(1.0);
                let labelled = weight > 0.0 && !(self.classes && label == NO_CLASS as f64);
                labelled.then_some(Cell { column, label, weight })
            };
            (outputs, labels.iter().enumerate().filter_map(cell))
        })
    }

    /// Whether a row with a label has an output that is infinite or not a number.
    pub(super) fn broken(&self) -> bool {
        self.iter()
            .any(|(outputs, mut cells)| outputs.iter().any(|output| !output.is_finite()) && cells.next().is_some())
    }
}
