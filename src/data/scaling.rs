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
    /// Mean and standard deviation of each channel over uint8 images `[N, C, …]`, in units of 255;
    /// a channel of one value has the deviation 1.
    pub fn of_bytes(images: &Tensor) -> Self {
        /// So many images at once are counted: a copy in int64 of all would not fit.
        const PIECE: i64 = 1024;
        let rows = images.size()[0];
        Self::by_channel(images, |channel| {
            // Counts of the 256 values: exact, whatever the number of pixels.
            let mut counts = vec![0.0; 256];
            for start in (0..rows).step_by(PIECE as usize) {
                let piece = images.narrow(0, start, PIECE.min(rows - start)).select(1, channel);
                let piece = piece.reshape([-1]).to_kind(Kind::Int64).bincount::<Tensor>(None, 256);
                let piece = Vec::<i64>::try_from(piece).expect("256 counts");
                counts.iter_mut().zip(piece).for_each(|(count, more)| *count += more as f64);
            }
            let total = counts.iter().sum::<f64>().max(1.0);
            let moment = |of: &dyn Fn(f64) -> f64| {
                counts.iter().enumerate().map(|(value, count)| count * of(value as f64 / 255.0)).sum::<f64>() / total
            };
            let center = moment(&|x| x);
            (center, moment(&|x| (x - center).powi(2)).sqrt())
        })
    }

    /// Mean and standard deviation of each channel or column over numbers `[N, C, …]` of any kind,
    /// in double precision; one that is constant has the deviation 1.
    pub fn of_numbers(numbers: &Tensor) -> Self {
        Self::by_channel(numbers, |channel| {
            let x = numbers.select(1, channel).to_kind(Kind::Double);
            let center = x.mean(Kind::Double);
            let variance = (x - &center).square().mean(Kind::Double);
            (center.double_value(&[]), variance.double_value(&[]).sqrt())
        })
    }

    fn by_channel(x: &Tensor, moments: impl Fn(i64) -> (f64, f64)) -> Self {
        let all = (0..x.size()[1]).map(moments);
        let (mean, std) = all.map(|(mean, std)| (mean, if std > 0.0 { std } else { 1.0 })).unzip();
        Self { mean, std }
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

#[cfg(test)]
mod tests {
    use super::*;
    use tch::Device;

    #[test]
    fn bytes_and_the_numbers_that_they_stand_for_have_the_same_moments() {
        let bytes = (Tensor::arange(1500 * 2 * 9, (Kind::Int64, Device::Cpu)) * 7).remainder(251).to_kind(Kind::Uint8);
        let bytes = bytes.view([1500, 2, 3, 3]);
        let (counted, summed) =
            (Scaling::of_bytes(&bytes), Scaling::of_numbers(&(bytes.to_kind(Kind::Double) / 255.0)));
        let close = |a: &[f64], b: &[f64]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-12);
        assert!(close(&counted.mean, &summed.mean) && close(&counted.std, &summed.std), "{counted:?} {summed:?}");
    }

    #[test]
    fn what_is_constant_is_only_moved() {
        let zeros = |kind: Kind| Tensor::zeros([2, 1, 2, 2], (kind, Device::Cpu));
        assert_eq!(Scaling::of_bytes(&zeros(Kind::Uint8)).std, [1.0]);
        assert_eq!(Scaling::of_numbers(&zeros(Kind::Float)).std, [1.0]);
    }
}
