//! Rows as a model reads them, made of rows that are stored compactly.

use super::{Augmentation, Group};
use crate::tasks::Target;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

/// How the channels of uint8 images become numbers: `(x / 255 - mean) / std`. Travels inside `model.pt`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Pixels {
    /// Per channel, in units of the whole range.
    pub mean: Vec<f64>,
    /// Per channel, above zero.
    pub std: Vec<f64>,
}

impl Pixels {
    /// `0..1` per channel, as torchvision's `ToTensor`.
    pub fn plain(channels: i64) -> Self {
        Self { mean: vec![0.0; channels as usize], std: vec![1.0; channels as usize] }
    }

    /// Mean and standard deviation of each channel over `images` `[N, C, H, W]` (uint8); a channel of one value has 1.
    pub fn fit(images: &Tensor) -> Self {
        /// So many images at once are counted: a copy in int64 of all would not fit.
        const PIECE: i64 = 1024;
        let (rows, channels) = (images.size()[0], images.size()[1]);
        let (mut mean, mut std) = (Vec::new(), Vec::new());
        for channel in 0..channels {
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
            let scale = moment(&|x| (x - center).powi(2)).sqrt();
            mean.push(center);
            std.push(if scale > 0.0 { scale } else { 1.0 });
        }
        Self { mean, std }
    }

    /// In place, on `x` `[N, C, …]` in numbers from 0 to 255.
    fn apply(&self, x: &mut Tensor) {
        let _ = x.g_div_scalar_(255.0);
        let mut shape = vec![1; x.dim().max(2)];
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

/// How stored rows become those that a model reads. Rows that are so already pass as they are, without a copy.
///
/// Inputs: uint8 images `[N, C, …]` become `(x / 255 - mean) / std`, real numbers the run's precision. Labels: whole numbers
/// (classes, in kinds as narrow as they fit) become int64, real ones and bools the run's precision; weights too.
#[derive(Debug, Clone)]
pub struct Preparation {
    /// The run's, `Float` or `Double`.
    pub precision: Kind,
    /// Of the inputs that are uint8. `None`: 0 to 1.
    pub pixels: Option<Pixels>,
}

impl Preparation {
    /// Of rows without images.
    pub fn new(precision: Kind) -> Self {
        Self { precision, pixels: None }
    }

    /// Whether anything of the group is stored otherwise than it is read.
    pub fn changes(&self, group: &Group) -> bool {
        let input = |kind: Kind| kind == Kind::Uint8 || kind != self.kind(kind);
        let target = |target: &Target| {
            let weights = target.weights.as_ref().is_some_and(|weights| weights.kind() != self.precision);
            weights || target.values.kind() != self.kind(target.values.kind())
        };
        group.inputs.iter().any(|(_, tensor)| input(tensor.kind())) || group.targets.iter().any(target)
    }

    /// The bytes of a group's widest tensor, per row, once it is prepared.
    pub fn row_bytes(&self, group: &Group) -> usize {
        let targets = group.targets.iter().flat_map(|target| std::iter::once(&target.values).chain(&target.weights));
        let tensors = group.inputs.iter().map(|(_, input)| input).chain(targets);
        let cells = |tensor: &Tensor| tensor.size()[1..].iter().product::<i64>() as usize;
        tensors.map(cells).max().unwrap_or(0) * self.precision.elt_size_in_bytes()
    }

    /// The rows as they are read.
    pub fn apply(&self, group: Group) -> Group {
        if self.changes(&group) { self.normalized(&self.widened(&group), &group) } else { group }
    }

    /// The same, changed at random on the way; `places` are the rows' places in the pass.
    pub fn augment(
        &self,
        group: &Group,
        augmentation: &Augmentation,
        draws: &mut dyn FnMut(i64) -> super::Draw,
    ) -> Group {
        let augmented = augmentation.apply(self.widened(group), draws);
        self.normalized(&augmented, group)
    }

    /// Everything in the kind in which it is read; pixels from 0 to 255.
    fn widened(&self, group: &Group) -> Group {
        let input = |tensor: &Tensor| match tensor.kind() {
            Kind::Uint8 => tensor.to_kind(self.precision),
            kind => tensor.to_kind(self.kind(kind)),
        };
        let target = |target: &Target| Target {
            values: target.values.to_kind(self.kind(target.values.kind())),
            weights: target.weights.as_ref().map(|weights| weights.to_kind(self.precision)),
        };
        group.map(input, target)
    }

    /// What was stored as uint8 brought from 0 to 255 to what the model reads.
    fn normalized(&self, widened: &Group, stored: &Group) -> Group {
        let mut group = widened.map(Tensor::shallow_clone, |target| target.narrow(0, target.values.size()[0]));
        for ((_, input), (_, stored)) in group.inputs.iter_mut().zip(&stored.inputs) {
            if stored.kind() == Kind::Uint8 {
                match &self.pixels {
                    Some(pixels) => pixels.apply(input),
                    None => drop(input.g_div_scalar_(255.0)),
                }
            }
        }
        group
    }

    fn kind(&self, stored: Kind) -> Kind {
        match stored {
            Kind::Int8 | Kind::Uint8 | Kind::Int16 | Kind::Int | Kind::Int64 => Kind::Int64,
            _ => self.precision,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::Device;

    fn group(images: Tensor, values: Tensor, weights: Option<Tensor>) -> Group {
        Group { inputs: vec![("x".into(), images)], tasks: vec![0], targets: vec![Target { values, weights }] }
    }

    #[test]
    fn stored_rows_become_numbers_by_the_formula() {
        let images = Tensor::from_slice(&[0u8, 51, 102, 255, 10, 20, 30, 40]).view([1, 2, 2, 2]);
        let pixels = Pixels { mean: vec![0.5, 0.1], std: vec![0.25, 2.0] };
        let stored = group(images, Tensor::from_slice(&[-100i8]), Some(Tensor::from_slice(&[false])));
        for precision in [Kind::Float, Kind::Double] {
            let it = Preparation { precision, pixels: Some(pixels.clone()) };
            assert!(it.changes(&stored));
            let read = it.apply(stored.narrow(0, 1));
            let found = Vec::<f64>::try_from(read.inputs[0].1.to_kind(Kind::Double).view([-1])).expect("numbers");
            let expected =
                [-2.0, -1.2, -0.4, 2.0].into_iter().chain([10.0, 20.0, 30.0, 40.0].map(|x| (x / 255.0 - 0.1) / 2.0));
            assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6), "{found:?}");
            let target = &read.targets[0];
            let weights = target.weights.as_ref().expect("weights");
            assert_eq!((target.values.kind(), weights.kind()), (Kind::Int64, precision));
            assert_eq!((target.values.int64_value(&[0]), weights.double_value(&[0])), (-100, 0.0));
            assert!(!it.changes(&read));
        }
        assert_eq!(stored.inputs[0].1.int64_value(&[0, 0, 0, 1]), 51, "what is stored stays");
    }

    #[test]
    fn prepared_rows_pass_without_a_copy() {
        let rows = group(Tensor::ones([3, 2], (Kind::Float, Device::Cpu)), Tensor::from_slice(&[1i64, 2, 3]), None);
        let place = rows.inputs[0].1.data_ptr();
        let it = Preparation::new(Kind::Float);
        assert_eq!(it.apply(rows).inputs[0].1.data_ptr(), place);
    }

    #[test]
    fn fitted_pixels_give_each_channel_mean_0_and_deviation_1() {
        let images = (Tensor::arange(1500 * 2 * 9, (Kind::Int64, Device::Cpu)) * 7).remainder(251).to_kind(Kind::Uint8);
        let images = images.view([1500, 2, 3, 3]);
        let it = Preparation { precision: Kind::Double, pixels: Some(Pixels::fit(&images)) };
        let read = it.apply(group(images, Tensor::zeros([1500], (Kind::Int64, Device::Cpu)), None));
        let x = &read.inputs[0].1;
        for channel in 0..2 {
            let x = x.select(1, channel);
            assert!(x.mean(Kind::Double).double_value(&[]).abs() < 1e-9);
            assert!((x.std(false).double_value(&[]) - 1.0).abs() < 1e-9);
        }
        assert_eq!(Pixels::fit(&Tensor::zeros([2, 1, 2, 2], (Kind::Uint8, Device::Cpu))).std, [1.0]);
    }
}
