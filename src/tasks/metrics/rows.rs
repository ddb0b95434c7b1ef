//! A batch of outputs and labels on the host, in double precision.

use super::angle::Angle;
use super::positions::{Decision, Positions};
use crate::tasks::{NO_CLASS, Target};
use std::cell::OnceCell;
use tch::{Device, Kind, Tensor};

/// A batch of outputs and labels on the host. Plain rows are fetched in one copy; of dense outputs every position is a row,
/// and what is fetched is what the metrics ask for.
#[derive(Debug)]
pub struct Rows {
    /// Row by row: outputs, labels, and weights where there are any.
    packed: OnceCell<Vec<f64>>,
    /// Where dense rows come from.
    positions: Option<Positions>,
    width: usize,
    columns: usize,
    weighted: bool,
    classes: bool,
    broken: OnceCell<bool>,
    angles: OnceCell<Vec<Angle>>,
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
    /// Fetches a batch: `output` is `[N, width]`, or dense: `[N, width, …positions]`.
    ///
    /// # Panics
    /// The shapes do not belong together.
    pub fn read(output: &Tensor, target: &Target) -> Self {
        assert!(output.dim() > 1, "outputs are [N, width] or [N, width, …positions], not {:?}", output.size());
        let (width, dense) = (output.size()[1], output.dim() > 2);
        let columns = if target.values.dim() == output.dim() { target.values.size()[1] } else { 1 };
        Self {
            packed: if dense { OnceCell::new() } else { pack(output, target, columns).into() },
            positions: dense.then(|| Positions::new(output, target)),
            width: width as usize,
            columns: columns as usize,
            weighted: target.weights.is_some(),
            classes: target.is_classes(),
            broken: OnceCell::new(),
            angles: OnceCell::new(),
        }
    }

    /// Row by row: the outputs and the labelled cells.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&[f64], impl Iterator<Item = Cell> + Clone)> {
        let stride = self.width + self.columns * (1 + usize::from(self.weighted));
        let packed = self.packed.get_or_init(|| match &self.positions {
            Some(positions) => positions.pack(self.columns),
            None => vec![],
        });
        packed.chunks_exact(stride).map(|row| {
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

    /// Of dense classes, what every labelled position was decided to be, without a copy of all its outputs.
    pub(super) fn decisions(&self) -> Option<impl Iterator<Item = Decision>> {
        self.positions.as_ref().filter(|_| self.classes).map(Positions::decisions)
    }

    /// The angles between outputs and labels, row by row. They are costly, and several metrics read them.
    pub(super) fn angles(&self) -> &[Angle] {
        self.angles.get_or_init(|| {
            let parts = |cell: Cell| (cell.column, cell.label, cell.weight);
            self.iter().filter_map(|(outputs, cells)| Angle::between(outputs, cells.map(parts))).collect()
        })
    }

    /// Whether a row with a label has an output that is infinite or not a number.
    pub(super) fn broken(&self) -> bool {
        let any = || {
            self.iter()
                .any(|(outputs, mut cells)| outputs.iter().any(|output| !output.is_finite()) && cells.next().is_some())
        };
        *self.broken.get_or_init(|| !self.positions.as_ref().is_some_and(Positions::are_finite) && any())
    }
}

/// Plain rows in one copy, `[N * (width + columns [+ columns])]`.
fn pack(output: &Tensor, target: &Target, columns: i64) -> Vec<f64> {
    let as_columns = |tensor: &Tensor| tensor.to_kind(output.kind()).view([-1, columns]);
    let mut parts = vec![output.detach(), as_columns(&target.values)];
    parts.extend(target.weights.as_ref().map(as_columns));
    let packed = Tensor::cat(&parts, 1).to_device(Device::Cpu).to_kind(Kind::Double).view([-1]);
    Vec::try_from(packed).expect("a flat tensor of doubles on the host")
}
