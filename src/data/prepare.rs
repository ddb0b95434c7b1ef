//! Rows as a model reads them, made of rows that are stored compactly.

use super::{Augmentation, Group, InputKind, InputRule, InputRules};
use crate::tasks::Target;
use tch::{Kind, Tensor};

/// How stored rows become those that a model reads. Rows that are so already pass as they are, without a copy.
///
/// Inputs: uint8 images become `x / 255`, ids int64, all else the run's precision. What is
/// standardized is scaled before that, in double precision: numbers of every type, and images of a
/// type whose digits single precision does not hold. Labels: whole numbers (classes, in kinds as
/// narrow as they fit) become int64, real ones and bools the run's precision; weights too.
#[derive(Debug, Clone)]
pub struct Preparation {
    /// The run's, `Float` or `Double`.
    pub precision: Kind,
    /// How inputs are read, by name; one that is not named is read by the type of its numbers.
    pub inputs: InputRules,
}

/// How an input of which nothing is said is read.
const UNSAID: InputRule = InputRule { kind: InputKind::ByDtype, scaling: None };

impl Preparation {
    /// Of rows of which nothing is said.
    pub fn new(precision: Kind) -> Self {
        Self { precision, inputs: InputRules::new() }
    }

    /// How an input is read.
    pub fn rule(&self, name: &str) -> &InputRule {
        self.inputs.get(name).unwrap_or(&UNSAID)
    }

    /// Whether anything of the group is stored otherwise than it is read.
    pub fn changes(&self, group: &Group) -> bool {
        let input = |(name, input): &(String, Tensor)| {
            let (rule, stored) = (self.rule(name), input.kind());
            rule.scaling.is_some() || rule.kind.divides(stored) || rule.kind.read_as(stored, self.precision) != stored
        };
        let target = |target: &Target| {
            let weights = target.weights.as_ref().is_some_and(|weights| weights.kind() != self.precision);
            weights || target.values.kind() != self.label_kind(target.values.kind())
        };
        group.inputs.iter().any(input) || group.targets.iter().any(target)
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
        if self.changes(&group) { self.normalized(self.widened(&group), &group) } else { group }
    }

    /// The rows as they are read, changed at random on the way; `draws` gives the draw of the i-th
    /// row.
    pub fn augment(
        &self,
        group: &Group,
        augmentation: &Augmentation,
        draws: &mut dyn FnMut(i64) -> super::Draw,
    ) -> Group {
        let mut changed = augmentation.apply(self.widened(group), draws);
        // Labels that a crop has moved in got weights.
        for weights in changed.targets.iter_mut().filter_map(|target| target.weights.as_mut()) {
            *weights = weights.to_kind(self.precision);
        }
        self.normalized(changed, group)
    }

    /// Everything in the type in which it is read, or in double precision until it is scaled; pixels
    /// from 0 to 255.
    fn widened(&self, group: &Group) -> Group {
        let inputs = group.inputs.iter().map(|(name, input)| {
            let (rule, stored) = (self.rule(name), input.kind());
            // So that a table of integers gives the digits of the same table in float32.
            let has_digits =
                rule.kind.of(stored) != InputKind::Image || matches!(stored, Kind::Int | Kind::Int64 | Kind::Double);
            let in_double = rule.scaling.is_some() && has_digits;
            let kind = if in_double { Kind::Double } else { rule.kind.read_as(stored, self.precision) };
            (name.clone(), input.to_kind(kind))
        });
        let target = |target: &Target| Target {
            values: target.values.to_kind(self.label_kind(target.values.kind())),
            weights: target.weights.as_ref().map(|weights| weights.to_kind(self.precision)),
        };
        Group {
            inputs: inputs.collect(),
            tasks: group.tasks.clone(),
            targets: group.targets.iter().map(target).collect(),
        }
    }

    /// Pixels brought from 0 to 255 to what the model reads, and what is standardized scaled.
    fn normalized(&self, mut group: Group, stored: &Group) -> Group {
        for ((name, input), (_, stored)) in group.inputs.iter_mut().zip(&stored.inputs) {
            let rule = self.rule(name);
            if rule.kind.divides(stored.kind()) {
                let _ = input.g_div_scalar_(255.0);
            }
            if let Some(scaling) = &rule.scaling {
                if input.data_ptr() == stored.data_ptr() {
                    *input = input.copy(); // what is stored stays
                }
                scaling.apply(input);
                *input = input.to_kind(rule.kind.read_as(stored.kind(), self.precision));
            }
        }
        group
    }

    fn label_kind(&self, stored: Kind) -> Kind {
        if super::kinds::is_integer(stored) { Kind::Int64 } else { self.precision }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Scaling;
    use super::*;
    use tch::Device;

    fn group(inputs: Tensor, values: Tensor, weights: Option<Tensor>) -> Group {
        Group { inputs: vec![("x".into(), inputs)], tasks: vec![0], targets: vec![Target { values, weights }] }
    }

    fn preparation(precision: Kind, kind: InputKind, scaling: Option<Scaling>) -> Preparation {
        Preparation { precision, inputs: [("x".to_string(), InputRule { kind, scaling })].into() }
    }

    fn numbers(tensor: &Tensor) -> Vec<f64> {
        Vec::try_from(tensor.to_kind(Kind::Double).reshape([-1])).expect("numbers")
    }

    #[test]
    fn stored_rows_become_numbers_by_the_formula() {
        let images = Tensor::from_slice(&[0u8, 51, 102, 255, 10, 20, 30, 40]).view([1, 2, 2, 2]);
        let scaling = Scaling { mean: vec![0.5, 0.1], std: vec![0.25, 2.0] };
        let stored = group(images, Tensor::from_slice(&[-100i8]), Some(Tensor::from_slice(&[false])));
        for precision in [Kind::Float, Kind::Double] {
            let it = preparation(precision, InputKind::Image, Some(scaling.clone()));
            assert!(it.changes(&stored));
            let read = it.apply(stored.narrow(0, 1));
            let found = numbers(&read.inputs[0].1);
            let expected =
                [-2.0, -1.2, -0.4, 2.0].into_iter().chain([10.0, 20.0, 30.0, 40.0].map(|x| (x / 255.0 - 0.1) / 2.0));
            assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6), "{found:?}");
            let target = &read.targets[0];
            let weights = target.weights.as_ref().expect("weights");
            assert_eq!((target.values.kind(), weights.kind()), (Kind::Int64, precision));
            assert_eq!((target.values.int64_value(&[0]), weights.double_value(&[0])), (-100, 0.0));
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
    fn ids_and_numbers_of_every_type_are_read_as_they_are() {
        for stored in [Kind::Uint8, Kind::Int8, Kind::Int16, Kind::Int, Kind::Int64, Kind::Half, Kind::Double] {
            let x = Tensor::from_slice(&[0.0, 1.0, 100.0, 127.0]).to_kind(stored).view([2, 2]);
            for (kind, read_as) in [(InputKind::Ids, Kind::Int64), (InputKind::Numbers, Kind::Float)] {
                let rows = group(x.shallow_clone(), Tensor::from_slice(&[1i64, 2]), None);
                let read = &preparation(Kind::Float, kind, None).apply(rows).inputs[0].1;
                assert_eq!((read.kind(), numbers(read)), (read_as, vec![0.0, 1.0, 100.0, 127.0]), "{stored:?}");
            }
        }
    }

    #[test]
    fn a_standardized_table_is_scaled_and_stays_what_it_was_where_it_is_stored() {
        let table = Tensor::from_slice(&[1.0f32, 10.0, 3.0, 30.0]).view([2, 2]);
        let scaling = Scaling::of_numbers(&table);
        let rows = || group(table.shallow_clone(), Tensor::from_slice(&[1i64, 2]), None);
        let it = preparation(Kind::Float, InputKind::Numbers, Some(scaling));
        for _ in 0..2 {
            assert_eq!(numbers(&it.apply(rows()).inputs[0].1), [-1.0, -1.0, 1.0, 1.0]);
        }
        assert_eq!(numbers(&table), [1.0, 10.0, 3.0, 30.0]);
    }

    #[test]
    fn large_numbers_keep_their_digits_until_they_are_scaled() {
        let rows = Tensor::arange(15, (Kind::Int64, Device::Cpu)) + 100_000_000;
        for stored in [Kind::Int, Kind::Int64, Kind::Double] {
            let table = rows.to_kind(stored).view([15, 1]);
            let it = preparation(Kind::Float, InputKind::Numbers, Some(Scaling::of_numbers(&table)));
            let read = it.apply(group(table, Tensor::zeros([15], (Kind::Int64, Device::Cpu)), None));
            let expected = (0..15).map(|row| (f64::from(row) - 7.0) / (56.0f64 / 3.0).sqrt());
            let found = numbers(&read.inputs[0].1);
            assert_eq!(read.inputs[0].1.kind(), Kind::Float);
            assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6), "{stored:?} {found:?}");
        }
    }

    #[test]
    fn fitted_scaling_gives_each_channel_mean_0_and_deviation_1() {
        let images = (Tensor::arange(1500 * 2 * 9, (Kind::Int64, Device::Cpu)) * 7).remainder(251).to_kind(Kind::Uint8);
        let images = images.view([1500, 2, 3, 3]);
        let it = preparation(Kind::Double, InputKind::Image, Some(Scaling::of_bytes(&[(&images, None)])));
        let read = it.apply(group(images, Tensor::zeros([1500], (Kind::Int64, Device::Cpu)), None));
        let x = &read.inputs[0].1;
        for channel in 0..2 {
            let x = x.select(1, channel);
            assert!(x.mean(Kind::Double).double_value(&[]).abs() < 1e-9);
            assert!((x.std(false).double_value(&[]) - 1.0).abs() < 1e-9);
        }
    }
}
