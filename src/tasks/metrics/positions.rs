//! Dense outputs and labels, whose every position is a row.

use crate::libtorch::{Element, numbers};
use crate::tasks::{NO_CLASS, Target};
use std::cell::OnceCell;
use tch::{Device, Kind, Tensor};

/// A batch of dense outputs `[N, width, …positions]` and labels, where the model left them.
#[derive(Debug)]
pub(super) struct Positions {
    output: Tensor,
    values: Tensor,
    weights: Option<Tensor>,
    decided: OnceCell<Decided>,
}

/// What a labelled position was decided to be.
pub(super) struct Decision {
    pub label: usize,
    pub predicted: usize,
    /// Above zero.
    pub weight: f64,
}

/// Labels, decisions and weights, position by position.
#[derive(Debug)]
struct Decided {
    labels: Vec<i64>,
    predicted: Vec<i64>,
    /// Empty: all weigh 1.
    weights: Vec<f64>,
}

impl Positions {
    pub fn new(output: &Tensor, target: &Target) -> Self {
        let positions = |tensor: &Tensor| tensor.size()[tensor.dim() - (output.dim() - 2)..].to_vec();
        assert_eq!(positions(output), positions(&target.values), "outputs and labels differ in their positions");
        Self {
            output: output.detach(),
            values: target.values.shallow_clone(),
            weights: target.weights.as_ref().map(Tensor::shallow_clone),
            decided: OnceCell::new(),
        }
    }

    /// All numbers, position by position: outputs, labels, weights.
    pub fn pack(&self, columns: usize) -> Vec<f64> {
        let columns = columns as i64;
        let rows = self.output.numel() as i64 / self.output.size()[1].max(1);
        // `[N, C, …positions]` to `[N * positions, columns]`; a shared mask stands for every column.
        let by_row = |tensor: &Tensor| {
            let tensor = tensor.to_device(Device::Cpu).to_kind(Kind::Double);
            if tensor.dim() < self.output.dim() { tensor.reshape([rows, 1]) } else { last(&tensor).reshape([rows, -1]) }
        };
        let mut parts = vec![by_row(&self.output), by_row(&self.values)];
        parts.extend(self.weights.as_ref().map(|weights| by_row(weights).expand([rows, columns], false)));
        Vec::try_from(Tensor::cat(&parts, 1).view([-1])).expect("a flat tensor of doubles on the host")
    }

    /// Whether all outputs are finite, where that shows at a glance: a finite sum has finite terms only.
    pub fn are_finite(&self) -> bool {
        self.output.sum(self.output.kind()).double_value(&[]).is_finite()
    }

    /// What each labelled position was decided to be: its highest output, the first one among equals.
    pub fn decisions(&self) -> impl Iterator<Item = Decision> {
        let Decided { labels, predicted, weights } = self.decided.get_or_init(|| self.decide());
        labels.iter().zip(predicted).enumerate().filter_map(|(at, (&label, &predicted))| {
            let weight = weights.get(at).copied().unwrap_or(1.0);
            let decision = || Decision { label: label as usize, predicted: predicted as usize, weight };
            (weight > 0.0 && label != NO_CLASS).then(decision)
        })
    }

    fn decide(&self) -> Decided {
        let host = |tensor: &Tensor, kind| tensor.to_device(Device::Cpu).to_kind(kind).reshape([-1]);
        let whole = |tensor: &Tensor| Vec::try_from(host(tensor, Kind::Int64)).expect("whole numbers on the host");
        let real = |tensor: &Tensor| Vec::try_from(host(tensor, Kind::Double)).expect("doubles on the host");
        Decided {
            labels: whole(&self.values),
            predicted: match (self.output.device(), self.output.kind()) {
                (Device::Cpu, Kind::Float) => highest::<f32>(&self.output),
                (Device::Cpu, Kind::Double) => highest::<f64>(&self.output),
                _ => whole(&self.output.argmax(1, false)), // [N, …positions]
            },
            weights: self.weights.as_ref().map(real).unwrap_or_default(),
        }
    }
}

/// The index of the highest column at every position, the first one among equals, `[N * positions]`. libtorch's argmax over a
/// dimension that is not the last goes through memory in large steps, and takes several times as long.
fn highest<T: Element + PartialOrd>(output: &Tensor) -> Vec<i64> {
    /// Positions at a time: they stay in the nearest cache.
    const BLOCK: usize = 1024;
    let output = output.contiguous();
    let columns = output.size()[1] as usize;
    let of_row: usize = output.size()[1..].iter().product::<i64>() as usize;
    let (positions, mut best) = (of_row / columns.max(1), Vec::with_capacity(BLOCK));
    let mut indices = vec![0; output.numel() / columns.max(1)];
    if indices.is_empty() {
        return indices;
    }
    for (row, indices) in numbers::<T>(&output).chunks_exact(of_row).zip(indices.chunks_exact_mut(positions)) {
        for (block, indices) in indices.chunks_mut(BLOCK).enumerate() {
            let length = indices.len();
            let column = |column: usize| &row[column * positions + block * BLOCK..][..length];
            best.clear();
            best.extend_from_slice(column(0));
            for index in 1..columns {
                for ((best, number), at) in best.iter_mut().zip(column(index)).zip(indices.iter_mut()) {
                    let higher = *number > *best;
                    *best = if higher { *number } else { *best };
                    *at = if higher { index as i64 } else { *at };
                }
            }
        }
    }
    indices
}

/// `[N, C, …positions]` with its columns last.
fn last(tensor: &Tensor) -> Tensor {
    tensor.movedim_int(1, -1)
}
