//! What a rule gets to work on where the parameters lie in the host's memory: one pass, all operations at once.

use crate::kernels::{Instructions, Lanes, Map, Real, zip_map};
use crate::libtorch::{Element, numbers, numbers_mut};
use std::ops::Range;
use tch::{Kind, Tensor};

/// What one update does to a vector of parameters. Its constants are those of this update, computed in f64 and rounded to
/// `T` once.
pub trait Formula {
    /// The parameters after the update. `state` has a vector per name of [`Optimizer::state`](super::Optimizer::state),
    /// changed in place. Must be `#[inline(always)]`.
    fn apply<T: Real, S: Lanes<T>>(
        &self,
        simd: S,
        parameter: S::Vector,
        gradient: S::Vector,
        state: &mut [S::Vector],
    ) -> S::Vector;
}

/// One update of a run of parameters that share their settings, in single or double precision on the CPU.
///
/// It runs on one thread: small models are what it is for, and a large one is bound by the memory.
pub struct FusedUpdate<'a> {
    /// The number of this update, from 1.
    pub step: i64,
    /// After the schedule.
    pub learning_rate: f64,
    /// The segment's own.
    pub weight_decay: f64,
    pub(super) instructions: Instructions,
    /// Where the run lies in `parameters` and `gradient` `[P]`.
    pub(super) range: Range<usize>,
    pub(super) parameters: &'a mut Tensor,
    pub(super) gradient: &'a Tensor,
    /// One tensor per name of the rule's state, of the run alone.
    pub(super) state: &'a mut [Tensor],
}

impl FusedUpdate<'_> {
    /// Changes the parameters and what is remembered of them, `CHANGED` numbers per parameter in all.
    ///
    /// # Panics
    /// The rule remembers another number of values.
    pub fn apply<const CHANGED: usize>(self, formula: impl Formula) {
        assert_eq!(self.state.len() + 1, CHANGED, "numbers that an update changes per parameter");
        match self.parameters.kind() {
            Kind::Float => self.run::<f32, CHANGED>(formula),
            _ => self.run::<f64, CHANGED>(formula),
        }
    }

    fn run<T: Real + Element, const CHANGED: usize>(self, formula: impl Formula) {
        let gradient = &numbers::<T>(self.gradient)[self.range.clone()];
        let parameters = &mut numbers_mut::<T>(self.parameters)[self.range];
        let mut changed = std::iter::once(parameters).chain(self.state.iter_mut().map(numbers_mut::<T>));
        let changed: [&mut [T]; CHANGED] = std::array::from_fn(|_| changed.next().expect("as many as `apply` counted"));
        zip_map(self.instructions, Each(formula), [gradient], changed);
    }
}

/// A formula over the parameter and what is remembered of it.
struct Each<F>(F);

impl<T: Real, F: Formula, const CHANGED: usize> Map<T, 1, CHANGED> for Each<F> {
    #[inline(always)]
    fn map<S: Lanes<T>>(
        &self,
        simd: S,
        [gradient]: [S::Vector; 1],
        mut changed: [S::Vector; CHANGED],
    ) -> [S::Vector; CHANGED] {
        let (parameter, state) = changed.split_first_mut().expect("a parameter");
        *parameter = self.0.apply(simd, *parameter, gradient, state);
        changed
    }
}

/// A constant of a formula in each lane.
#[inline(always)]
pub fn number<T: Real, S: Lanes<T>>(simd: S, constant: f64) -> S::Vector {
    simd.splat(T::of(constant))
}

/// The gradient plus `weight_decay · parameter` (an L2 penalty).
#[inline(always)]
pub fn penalized<T: Real, S: Lanes<T>>(
    simd: S,
    weight_decay: f64,
    parameter: S::Vector,
    gradient: S::Vector,
) -> S::Vector {
    if weight_decay == 0.0 { gradient } else { simd.mul_add(parameter, number(simd, weight_decay), gradient) }
}

/// `start + weight · (end − start)`, as PyTorch computes it from the nearer end.
#[inline(always)]
pub fn lerp<T: Real, S: Lanes<T>>(simd: S, start: S::Vector, end: S::Vector, weight: f64) -> S::Vector {
    let way = simd.sub(end, start);
    if weight < 0.5 {
        simd.mul_add(way, number(simd, weight), start)
    } else {
        simd.mul_add(way, number(simd, weight - 1.0), end)
    }
}
