//! Drives a rule over a flat parameter buffer, segment by segment.

use super::{FusedUpdate, Numbers, OptimizerKind, Segment, Update};
use crate::kernels::Instructions;
use crate::libtorch::length;
use crate::memory::{Handle, Memory};
use anyhow::Result;
use tch::{Device, Kind, Tensor};

/// The names in [`Memory`] of what a rule remembers under `scope`. Each is a tensor laid out as the parameter buffer, so a
/// checkpoint can cut it by parameter.
pub fn moment_names(rule: &OptimizerKind, scope: &str) -> Vec<String> {
    rule.state().iter().map(|(name, _)| format!("{scope}.{name}")).collect()
}

/// A rule over a flat parameter buffer. What it remembers lives in [`Memory`].
///
/// In single or double precision on the CPU a step is one pass over the numbers, on one thread; elsewhere it is a chain of
/// libtorch's operations.
#[derive(Debug)]
pub struct Flat {
    rule: OptimizerKind,
    step: Handle,
    length: i64,
    pieces: Vec<Piece>,
    means: Means,
}

/// What is updated at once, with the views that every step needs.
#[derive(Debug)]
struct Piece {
    segment: Segment,
    state: Vec<Tensor>,
}

/// How a step is computed.
#[derive(Debug, Clone, Copy)]
pub(super) enum Way {
    /// In one pass over the numbers.
    Fused(Instructions),
    /// By operations on tensors, so many elements at once at most.
    Operations { longest: i64 },
}

/// What a step needs beside the pieces.
#[derive(Debug)]
enum Means {
    Fused(Instructions),
    /// Room for every piece, shared.
    Operations {
        numbers: Numbers,
        scratch: Vec<[Tensor; 2]>,
    },
}

impl Flat {
    /// Claims `SCOPE.step` (the number of finished updates) and [`moment_names`] for a buffer such as `parameters` `[P]`.
    ///
    /// The moments keep their storage for as long as this and the memory live; nothing else may replace it.
    ///
    /// # Errors
    /// What was restored has another shape.
    ///
    /// # Panics
    /// A segment reaches outside the buffer.
    pub fn claim(
        rule: OptimizerKind,
        segments: Vec<Segment>,
        parameters: &Tensor,
        scope: &str,
        memory: &mut Memory,
    ) -> Result<Self> {
        let fits = parameters.device() == Device::Cpu && matches!(parameters.kind(), Kind::Float | Kind::Double);
        let way = match fits && parameters.is_contiguous() {
            true => Way::Fused(Instructions::best()),
            false => Way::Operations { longest: longest_piece(parameters.device()) },
        };
        Self::claim_by(way, rule, segments, parameters, scope, memory)
    }

    /// [`claim`](Self::claim) takes the widest vector instructions; others move the last digits.
    #[must_use]
    pub fn with_instructions(mut self, instructions: Instructions) -> Self {
        if let Means::Fused(chosen) = &mut self.means {
            *chosen = instructions;
        }
        self
    }

    pub(super) fn claim_by(
        way: Way,
        rule: OptimizerKind,
        segments: Vec<Segment>,
        parameters: &Tensor,
        scope: &str,
        memory: &mut Memory,
    ) -> Result<Self> {
        let (length, options) = (parameters.size1()?, (parameters.kind(), parameters.device()));
        assert!(
            segments.iter().all(|s| s.start >= 0 && s.length > 0 && s.start + s.length <= length),
            "segments outside a buffer of {length}: {segments:?}"
        );
        let step = memory.counts(&format!("{scope}.step"), &[0])?;
        let mut moments = Vec::new();
        for (name, (_, initial)) in moment_names(&rule, scope).iter().zip(rule.state()) {
            let handle = memory.tensor(name, Tensor::full([length], initial, options))?;
            moments.push(memory.get(handle).shallow_clone());
        }
        let (means, cut) = match way {
            Way::Fused(instructions) => (Means::Fused(instructions), segments),
            Way::Operations { longest } => {
                let cut: Vec<Segment> = segments.into_iter().flat_map(|segment| cut(segment, longest)).collect();
                let room = cut.iter().map(|piece| piece.length).max().unwrap_or(0);
                let scratch = [Tensor::zeros([room], options), Tensor::zeros([room], options)];
                let part = |piece: &Segment| scratch.each_ref().map(|scratch| scratch.narrow(0, 0, piece.length));
                let scratch = cut.iter().map(part).collect();
                (Means::Operations { numbers: Numbers::new(options.0, options.1), scratch }, cut)
            }
        };
        let state = |of: &Segment| moments.iter().map(|moment| moment.narrow(0, of.start, of.length)).collect();
        let pieces = cut.into_iter().map(|segment| Piece { state: state(&segment), segment }).collect();
        Ok(Self { rule, step, length, pieces, means })
    }

    /// One update of `parameters` `[P]` in place by `gradient` `[P]`; `factor` is the schedule's, on every learning rate.
    ///
    /// # Panics
    /// A buffer has another length than at the claim, or another precision.
    pub fn step(&mut self, parameters: &mut Tensor, gradient: &Tensor, factor: f64, memory: &mut Memory) {
        assert!(
            [&*parameters, gradient].iter().all(|buffer| length(buffer) as i64 == self.length),
            "an update of {} parameters got {:?} and gradient {:?}",
            self.length,
            parameters.size(),
            gradient.size()
        );
        let step = &mut memory.count_mut(self.step)[0];
        *step += 1;
        match &mut self.means {
            Means::Fused(instructions) => {
                let packed = (!gradient.is_contiguous()).then(|| gradient.contiguous());
                for Piece { segment, state } in &mut self.pieces {
                    self.rule.fused(FusedUpdate {
                        step: *step,
                        learning_rate: segment.learning_rate * factor,
                        weight_decay: segment.weight_decay,
                        instructions: *instructions,
                        range: segment.start as usize..(segment.start + segment.length) as usize,
                        parameters,
                        gradient: packed.as_ref().unwrap_or(gradient),
                        state,
                    });
                }
            }
            Means::Operations { numbers, scratch } => {
                let _no_grad = tch::no_grad_guard();
                for (Piece { segment, state }, scratch) in self.pieces.iter_mut().zip(scratch) {
                    let view = |whole: &Tensor| match segment.length == self.length {
                        true => whole.shallow_clone(),
                        false => whole.narrow(0, segment.start, segment.length),
                    };
                    self.rule.step(&mut Update {
                        step: *step,
                        learning_rate: segment.learning_rate * factor,
                        weight_decay: segment.weight_decay,
                        parameters: &mut view(parameters),
                        gradient: &view(gradient),
                        state,
                        scratch,
                        numbers,
                    });
                }
            }
        }
    }

    /// The number of finished updates.
    pub fn steps(&self, memory: &Memory) -> i64 {
        memory.count(self.step)[0]
    }
}

/// On a CPU a piece stays in the cache between the operations of a rule, and yet fills every thread (libtorch gives
/// a thread at least 32768 elements); elsewhere it only bounds the scratch memory.
fn longest_piece(device: Device) -> i64 {
    if device == Device::Cpu { 32768 * i64::from(tch::get_num_threads().max(1)) } else { 1 << 24 }
}

fn cut(segment: Segment, longest: i64) -> impl Iterator<Item = Segment> {
    let end = segment.start + segment.length;
    (segment.start..end).step_by(usize::try_from(longest).expect("a positive length")).map(move |start| Segment {
        start,
        length: longest.min(end - start),
        ..segment
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_a_buffer_is_cut_into_pieces_does_not_matter() -> Result<()> {
        let segments = [(0, 37, 0.1), (40, 21, 0.2)].map(|(start, length, learning_rate)| Segment {
            start,
            length,
            learning_rate,
            weight_decay: 0.3,
        });
        let train = |longest: i64| -> Result<Tensor> {
            let (mut memory, mut parameters) =
                (Memory::default(), Tensor::linspace(-1, 1, 64, (Kind::Double, Device::Cpu)));
            let rule: OptimizerKind = serde_yaml::from_str("{name: adam, amsgrad: true}")?;
            let way = Way::Operations { longest };
            let mut flat = Flat::claim_by(way, rule, segments.to_vec(), &parameters, "optimizer", &mut memory)?;
            for step in 0..5 {
                let gradient = (&parameters * f64::from(step)).cos();
                flat.step(&mut parameters, &gradient, 1.0, &mut memory);
            }
            assert_eq!(flat.steps(&memory), 5);
            Ok(parameters)
        };
        let (whole, pieces) = (train(1 << 20)?, train(8)?);
        assert!((&whole - &pieces).abs().max().double_value(&[]) < 1e-15);
        let start = Tensor::linspace(-1, 1, 64, (Kind::Double, Device::Cpu));
        let still = |from: i64, length: i64| whole.narrow(0, from, length).equal(&start.narrow(0, from, length));
        assert!(still(37, 3) && still(61, 3), "what is in no segment does not move");
        assert_eq!(whole.eq_tensor(&start).sum(Kind::Int64).int64_value(&[]), 6);
        Ok(())
    }
}
