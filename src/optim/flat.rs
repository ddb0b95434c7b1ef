//! Drives a rule over a flat parameter buffer, segment by segment.

use super::{Numbers, OptimizerKind, Segment, Update};
use crate::memory::{Handle, Memory};
use anyhow::Result;
use tch::{Device, Tensor};

/// The names in [`Memory`] of what a rule remembers under `scope`. Each is a tensor laid out as the parameter buffer, so a
/// checkpoint can cut it by parameter.
pub fn moment_names(rule: &OptimizerKind, scope: &str) -> Vec<String> {
    rule.state().iter().map(|(name, _)| format!("{scope}.{name}")).collect()
}

/// A rule over a flat parameter buffer. What it remembers lives in [`Memory`].
#[derive(Debug)]
pub struct Flat {
    rule: OptimizerKind,
    step: Handle,
    length: i64,
    pieces: Vec<Piece>,
    numbers: Numbers,
}

/// What is updated at once, with the views that every step needs.
#[derive(Debug)]
struct Piece {
    segment: Segment,
    state: Vec<Tensor>,
    scratch: [Tensor; 2],
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
        let longest = longest_piece(parameters.device());
        Self::claim_in_pieces(rule, segments, parameters, scope, memory, longest)
    }

    fn claim_in_pieces(
        rule: OptimizerKind,
        segments: Vec<Segment>,
        parameters: &Tensor,
        scope: &str,
        memory: &mut Memory,
        longest: i64,
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
        let cut: Vec<Segment> = segments.into_iter().flat_map(|segment| cut(segment, longest)).collect();
        let room = cut.iter().map(|piece| piece.length).max().unwrap_or(0);
        let scratch = [Tensor::zeros([room], options), Tensor::zeros([room], options)];
        let pieces = cut
            .into_iter()
            .map(|segment| Piece {
                segment,
                state: moments.iter().map(|moment| moment.narrow(0, segment.start, segment.length)).collect(),
                scratch: scratch.each_ref().map(|scratch| scratch.narrow(0, 0, segment.length)),
            })
            .collect();
        Ok(Self { rule, step, length, pieces, numbers: Numbers::new(options.0, options.1) })
    }

    /// One update of `parameters` `[P]` in place by `gradient` `[P]`; `factor` is the schedule's, on every learning rate.
    ///
    /// # Panics
    /// A buffer has another length than at the claim.
    pub fn step(&mut self, parameters: &mut Tensor, gradient: &Tensor, factor: f64, memory: &mut Memory) {
        assert!(
            parameters.size() == [self.length] && gradient.size() == [self.length],
            "an update of {} parameters got {:?} and gradient {:?}",
            self.length,
            parameters.size(),
            gradient.size()
        );
        let step = &mut memory.count_mut(self.step)[0];
        *step += 1;
        let _no_grad = tch::no_grad_guard();
        for Piece { segment, state, scratch } in &mut self.pieces {
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
                numbers: &mut self.numbers,
            });
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
    use tch::Kind;

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
            let mut flat =
                Flat::claim_in_pieces(rule, segments.to_vec(), &parameters, "optimizer", &mut memory, longest)?;
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
