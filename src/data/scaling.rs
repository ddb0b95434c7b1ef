//! Inputs brought to mean 0 and standard deviation 1, channel by channel or column by column.

use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

/// How the channels of an image, or the columns of a table, are scaled: `(x - mean) / std`. Travels
/// inside `model.pt`.
///
/// The numbers of uint8 images are `x / 255` here.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scaling {
    /// One number per channel or column.
    pub mean: Vec<f64>,
    /// One number above zero per channel or column.
    pub std: Vec<f64>,
}

impl Scaling {
    /// Mean and standard deviation of each channel over the uint8 images of all `parts`
    /// `[N, C, …]`, in units of 255; a channel of one value has the deviation 1. An image counts as
    /// often as its part's weights `[N]` say, once where it has none.
    pub fn of_bytes(parts: &[(&Tensor, Option<Tensor>)]) -> Self {
        Self::by_channel(parts[0].0, |channel| {
            let counts = parts.iter().map(|(images, weights)| counts(&images.select(1, channel), weights.as_ref()));
            let counts = added(counts);
            let total = counts.iter().sum::<f64>().max(f64::MIN_POSITIVE);
            let moment = |of: &dyn Fn(f64) -> f64| {
                counts.iter().enumerate().map(|(value, count)| count * of(value as f64 / 255.0)).sum::<f64>() / total
            };
            let mut occurring = (0..256).filter(|value| counts[*value] > 0.0);
            if let (Some(only), None) = (occurring.next(), occurring.next()) {
                return (only as f64 / 255.0, 0.0); // to the digit
            }
            let center = moment(&|x| x);
            (center, moment(&|x| (x - center).powi(2)).sqrt())
        })
    }

    /// Mean and standard deviation of each channel or column over numbers `[N, C, …]` of any kind,
    /// in double precision; one that is constant has the deviation 1.
    pub fn of_numbers(numbers: &Tensor) -> Self {
        Self::by_channel(numbers, |channel| {
            let x = numbers.select(1, channel).to_kind(Kind::Double).reshape([-1]);
            let first = x.narrow(0, 0, x.numel().min(1) as i64);
            if x.eq_tensor(&first).all().int64_value(&[]) != 0 {
                return (first.sum(Kind::Double).double_value(&[]), 0.0); // to the digit
            }
            let center = x.mean(Kind::Double);
            let variance = (x - &center).square().mean(Kind::Double);
            (center.double_value(&[]), variance.double_value(&[]).sqrt())
        })
    }

    /// What does not deviate is only moved.
    fn by_channel(x: &Tensor, moments: impl Fn(i64) -> (f64, f64)) -> Self {
        let all = (0..x.size()[1]).map(moments);
        let (mean, std) = all.map(|(mean, std)| (mean, if std > 0.0 { std } else { 1.0 })).unzip();
        Self { mean, std }
    }

    /// Whether all of it can be computed with: numbers whose squares are infinite have no deviation.
    pub fn is_finite(&self) -> bool {
        self.mean.iter().chain(&self.std).all(|number| number.is_finite())
    }

    /// Whether it has a number for each channel or column of `x` `[N, C, …]`.
    pub fn fits(&self, x: &Tensor) -> bool {
        x.dim() >= 2 && x.size()[1] == self.mean.len() as i64 && self.std.len() == self.mean.len()
    }

    /// Scales `x` `[N, C, …]` in place.
    pub fn apply(&self, x: &mut Tensor) {
        let mut shape = vec![1; x.dim()];
        shape[1] = self.mean.len() as i64;
        let like = |numbers: &[f64], x: &Tensor| {
            Tensor::from_slice(numbers).to_kind(x.kind()).to_device(x.device()).view(shape.as_slice())
        };
        if self.mean.iter().any(|&mean| mean != 0.0) {
            let _ = x.g_sub_(&like(&self.mean, x));
        }
        if self.std.iter().any(|&std| std != 1.0) {
            let _ = x.g_div_(&like(&self.std, x));
        }
    }
}

/// How often each of the 256 values occurs in `images` `[N, …]` (uint8), each image as often as its
/// weight says.
fn counts(images: &Tensor, weights: Option<&Tensor>) -> Vec<f64> {
    /// So many images at once are counted: a copy in int64 of all would not fit.
    const PIECE: i64 = 1024;
    let rows = images.size()[0];
    let pieces = (0..rows).step_by(PIECE as usize).map(|start| {
        let length = PIECE.min(rows - start);
        let piece = images.narrow(0, start, length).reshape([length, -1]); // [n, pixels]
        let weights = weights.map(|weights| {
            let weights = weights.narrow(0, start, length).to_kind(Kind::Double).unsqueeze(1);
            weights.expand(piece.size(), false).reshape([-1])
        });
        let counts = piece.reshape([-1]).to_kind(Kind::Int64).bincount(weights, 256);
        Vec::<f64>::try_from(counts.to_kind(Kind::Double)).expect("256 counts")
    });
    added(pieces)
}

fn added(counts: impl Iterator<Item = Vec<f64>>) -> Vec<f64> {
    counts.fold(vec![0.0; 256], |sum, more| sum.iter().zip(more).map(|(sum, more)| sum + more).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::Device;

    #[test]
    fn bytes_and_the_numbers_that_they_stand_for_have_the_same_moments() {
        let bytes = (Tensor::arange(1500 * 2 * 9, (Kind::Int64, Device::Cpu)) * 7).remainder(251).to_kind(Kind::Uint8);
        let bytes = bytes.view([1500, 2, 3, 3]);
        let (counted, summed) =
            (Scaling::of_bytes(&[(&bytes, None)]), Scaling::of_numbers(&(bytes.to_kind(Kind::Double) / 255.0)));
        let close = |a: &[f64], b: &[f64]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-12);
        assert!(close(&counted.mean, &summed.mean) && close(&counted.std, &summed.std), "{counted:?} {summed:?}");
    }

    #[test]
    fn what_is_constant_is_only_moved() {
        for value in [0, 1, 7, 100, 251] {
            let bytes = Tensor::full([1333, 1, 3, 7], value, (Kind::Uint8, Device::Cpu));
            let scaling = Scaling::of_bytes(&[(&bytes, None)]);
            assert_eq!((scaling.mean, scaling.std), (vec![value as f64 / 255.0], vec![1.0]));
        }
        let tiny = Tensor::from_slice(&[1e-200, 2e-200]).view([2, 1]);
        assert_eq!(Scaling::of_numbers(&tiny).std, [1.0], "a deviation that is beyond all digits");
        let none = Tensor::zeros([3, 1, 0], (Kind::Double, Device::Cpu));
        assert_eq!(Scaling::of_numbers(&none).std, [1.0], "maps without pixels");
        for value in [0.0, 0.1, 1e-3, 1e7 / 3.0] {
            let numbers = Tensor::full([1333, 1, 7], value, (Kind::Double, Device::Cpu));
            let scaling = Scaling::of_numbers(&numbers);
            assert_eq!((scaling.mean, scaling.std), (vec![value], vec![1.0]));
        }
    }

    #[test]
    fn parts_count_together_and_a_weight_of_2_is_the_row_twice() {
        let bytes = |start: i64, rows: i64| {
            let numbers = Tensor::arange_start(start, start + rows * 8, (Kind::Int64, Device::Cpu));
            (numbers * 37).remainder(256).to_kind(Kind::Uint8).view([rows, 2, 2, 2])
        };
        let (one, two) = (bytes(0, 5), bytes(3, 1100));
        let weights = (Tensor::arange(1100, (Kind::Int64, Device::Cpu))).remainder(3);
        let repeated = two.repeat_interleave_self_tensor(&weights, 0, None);
        let all = Tensor::cat(&[&one, &repeated], 0).to_kind(Kind::Double) / 255.0;
        let (weighted, expected) =
            (Scaling::of_bytes(&[(&one, None), (&two, Some(weights))]), Scaling::of_numbers(&all));
        let close = |a: &[f64], b: &[f64]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-12);
        assert!(close(&weighted.mean, &expected.mean) && close(&weighted.std, &expected.std), "{weighted:?}");
    }
}
