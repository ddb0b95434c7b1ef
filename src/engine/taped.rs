//! What one batch gives: losses at once, gradients when asked for.

use super::autograd::{Autograd, Tape, add_losses};
use super::passes::Passes;
use super::{Engine, EngineChoice, Request};
use crate::data::Batch;
use crate::methods::rows;
use crate::methods::{Evaluation, Matrix, Shared};
use crate::models::{Parameters, Sharing};
use anyhow::Result;
use tch::{Device, Kind, Tensor, no_grad};

/// A batch on libtorch's tape. Read in one portion, the tape is held; read in several, each portion is run again when its
/// gradients are wanted, so that the memory is that of one portion.
pub(super) struct Taped<'a> {
    engine: &'a Autograd<'a>,
    portions: &'a [Batch],
    parameters: &'a Parameters,
    request: Request,
    losses: Vec<Option<f64>>,
    normalizers: Vec<f64>,
    accuracies: Vec<Option<f64>>,
    /// The present tasks, ascending.
    present: Vec<usize>,
    held: Option<Tape>,
    rows: Option<Rows>,
    passes: Passes,
}

/// The present tasks' gradients.
struct Rows {
    /// `[K, P]`, or `[K, entries of z]`.
    jacobian: Tensor,
    /// Per present task the gradient by its own parameters.
    own: Vec<Tensor>,
    /// `J Jᵀ` `[K, K]`, once it was asked for.
    gramian: Option<Matrix>,
}

/// Per present task a row's pieces and the gradient by its own parameters, as the portions give them.
struct Gathered {
    rows: Vec<Vec<Tensor>>,
    own: Vec<Option<Tensor>>,
}

impl<'a> Taped<'a> {
    pub fn new(
        engine: &'a Autograd<'a>,
        portions: &'a [Batch],
        parameters: &'a Parameters,
        request: Request,
    ) -> Result<Self> {
        let normalizers = engine.normalizers(portions);
        let present: Vec<usize> = (0..engine.tasks()).filter(|&task| normalizers[task] > 0.0).collect();
        let mut this = Self {
            engine,
            portions,
            parameters,
            request,
            losses: vec![None; engine.tasks()],
            normalizers,
            accuracies: vec![],
            passes: Passes::new(request, present.len()),
            present,
            held: None,
            rows: None,
        };
        this.first_pass()?;
        Ok(this)
    }

    /// The forward pass that counts: it moves running statistics, and tells losses and accuracies.
    fn first_pass(&mut self) -> Result<()> {
        let mut accuracies = self.engine.accuracies(self.request);
        let mut gathered = self.gathered();
        for at in 0..self.portions.len() {
            let mut forward =
                || self.engine.forward(self.portions, at, &self.normalizers, self.request, &mut accuracies);
            let whole = self.portions.len() == 1;
            let tape = if whole || self.request.gradients { forward()? } else { no_grad(forward)? };
            add_losses(&mut self.losses, &tape);
            if whole {
                self.held = Some(tape);
            } else if self.request.gradients {
                self.gather(&tape, &mut gathered);
            }
        }
        if self.held.is_none() && self.request.gradients {
            self.rows = Some(self.stack(gathered));
        }
        self.accuracies = accuracies.into_iter().map(|accuracy| accuracy?.value()).collect();
        Ok(())
    }

    fn sharing(&self) -> &'a Sharing {
        self.engine.sharing
    }

    /// Shows every portion's tape, in order.
    fn each(&mut self, mut show: impl FnMut(&mut Self, usize, &Tape)) {
        if let Some(tape) = self.held.take() {
            show(self, 0, &tape);
            self.held = Some(tape);
            return;
        }
        let parameters = self.parameters;
        parameters.with_buffers_kept(|| {
            for at in 0..self.portions.len() {
                let mut uncounted = self.engine.accuracies(Request { accuracies: false, ..self.request });
                let tape = self
                    .engine
                    .forward(self.portions, at, &self.normalizers, self.request, &mut uncounted)
                    .expect("the model took this portion before");
                show(self, at, &tape);
            }
        });
    }

    fn gathered(&self) -> Gathered {
        Gathered {
            rows: self.present.iter().map(|_| vec![]).collect(),
            own: self.present.iter().map(|_| None).collect(),
        }
    }

    /// One backward pass per present task.
    fn gather(&mut self, tape: &Tape, gathered: &mut Gathered) {
        let sharing = self.sharing();
        for (at, &task) in self.present.iter().enumerate() {
            // A task without a row in this portion has a loss of zero there.
            let loss = tape.losses[task].as_ref().map(std::slice::from_ref);
            let (row, own) = match (&tape.representation, loss) {
                (Some(z), Some(loss)) => {
                    let (mut by_z, own) = self.parameters.gradients(loss, &[z], &sharing.own[task]);
                    (by_z.swap_remove(0).reshape([-1]), own)
                }
                (Some(z), None) => (z.zeros_like().reshape([-1]), self.zeros(&sharing.own[task])),
                (None, Some(loss)) => {
                    let spans: Vec<usize> = sharing.shared.iter().chain(&sharing.own[task]).copied().collect();
                    let flat = self.parameters.gradient(loss, &spans);
                    let width = sharing.width();
                    (flat.narrow(0, 0, width), flat.narrow(0, width, flat.size()[0] - width))
                }
                (None, None) => (self.zeros(&sharing.shared), self.zeros(&sharing.own[task])),
            };
            match (gathered.rows[at].first_mut(), tape.representation.is_some()) {
                (Some(sum), false) => *sum = &*sum + row,
                _ => gathered.rows[at].push(row),
            }
            gathered.own[at] = Some(match gathered.own[at].take() {
                Some(sum) => sum + own,
                None => own,
            });
        }
    }

    fn zeros(&self, spans: &[usize]) -> Tensor {
        let length: i64 = spans.iter().map(|&span| self.parameters.spans[span].length).sum();
        Tensor::zeros([length], (self.parameters.flat.kind(), self.parameters.flat.device()))
    }

    fn stack(&self, gathered: Gathered) -> Rows {
        if gathered.rows.is_empty() {
            let of = (self.parameters.flat.kind(), self.parameters.flat.device());
            return Rows { jacobian: Tensor::zeros([0, self.sharing().width()], of), own: vec![], gramian: None };
        }
        let whole = |mut pieces: Vec<Tensor>| match pieces.len() {
            1 => pieces.swap_remove(0),
            _ => Tensor::cat(&pieces, 0),
        };
        let rows: Vec<Tensor> = gathered.rows.into_iter().map(whole).collect();
        Rows { jacobian: Tensor::stack(&rows, 0), own: gathered.own.into_iter().flatten().collect(), gramian: None }
    }

    /// The tasks' gradients; computed once.
    fn rows(&mut self) -> &mut Rows {
        if self.rows.is_none() {
            let mut gathered = self.gathered();
            self.each(|this, _, tape| this.gather(tape, &mut gathered));
            self.rows = Some(self.stack(gathered));
        }
        self.rows.as_mut().expect("made above")
    }

    /// The gradient by `spans` of `Σ_t w_t L_t`: one backward pass.
    fn weighted(&mut self, weights: &[f64], spans: &[usize]) -> Tensor {
        let mut sum: Option<Tensor> = None;
        self.each(|this, _, tape| {
            let losses = this.present.iter().zip(weights).filter_map(|(&task, weight)| {
                let loss = tape.losses[task].as_ref()?;
                Some(if *weight == 1.0 { loss.shallow_clone() } else { loss * *weight })
            });
            let losses: Vec<Tensor> = losses.collect();
            if !losses.is_empty() {
                let gradient = this.parameters.gradient(&losses, spans);
                sum = Some(match sum.take() {
                    Some(sum) => sum + gradient,
                    None => gradient,
                });
            }
        });
        sum.unwrap_or_else(|| self.zeros(spans))
    }

    /// The gradient by the shared parameters of what the representation's entries follow: one backward pass.
    fn through_trunk(&mut self, cotangent: &Tensor) -> Tensor {
        let spans = &self.sharing().shared;
        let mut sum: Option<Tensor> = None;
        let mut start = 0;
        self.each(|this, _, tape| {
            let z = tape.representation.as_ref().expect("asked for by the request");
            let length = z.numel() as i64;
            let part = cotangent.narrow(0, start, length).view_as(z);
            start += length;
            let gradient = this.parameters.gradient(&[(z * part).sum(z.kind())], spans);
            sum = Some(match sum.take() {
                Some(sum) => sum + gradient,
                None => gradient,
            });
        });
        sum.unwrap_or_else(|| self.zeros(spans))
    }

    /// `Jᵀ w`, without the tasks' own parameters.
    fn combined(&mut self, weights: &[f64]) -> Tensor {
        if self.request.gradients || self.rows.is_some() {
            let jacobian = &self.rows().jacobian;
            let kind = wide_enough(jacobian, weights);
            let weights = Tensor::from_slice(weights).to_kind(kind).to_device(jacobian.device());
            return weights.matmul(&jacobian.to_kind(kind)).to_kind(jacobian.kind());
        }
        let spans = &self.sharing().shared;
        self.weighted(weights, spans)
    }

    /// What the shared parameters follow; made of the tasks' gradients where the request says so.
    fn shared(&mut self, shared: Shared) -> Tensor {
        let direction = match shared {
            Shared::Direction(direction) => direction.shallow_clone(),
            Shared::Weights(weights) => self.combined(weights),
        };
        if self.request.representation { self.through_trunk(&direction) } else { direction }
    }

    /// What the tasks' own parameters follow, put into `flat`.
    fn add_own(&mut self, heads: &[f64], flat: &Tensor) {
        let sharing = self.sharing();
        if self.request.gradients {
            // All at once: of many tasks each has little, and most lie side by side.
            let spans: Vec<usize> = self.present.iter().flat_map(|&task| sharing.own[task].clone()).collect();
            let parameters = self.parameters;
            let own = &self.rows().own;
            if !own.is_empty() {
                let kind = wide_enough(flat, heads);
                let scales: Vec<f64> = heads.iter().zip(own).flat_map(|(&head, own)| vec![head; own.numel()]).collect();
                let scales = Tensor::from_slice(&scales).to_kind(kind).to_device(flat.device());
                let scaled = Tensor::cat(own, 0).to_kind(kind) * scales;
                parameters.add_into(flat, &spans, &scaled.to_kind(flat.kind()));
            }
            return;
        }
        let mut spans: Vec<usize> = self.present.iter().flat_map(|&task| sharing.own[task].clone()).collect();
        spans.sort_unstable();
        spans.dedup();
        if !spans.is_empty() {
            let own = self.weighted(heads, &spans);
            self.parameters.add_into(flat, &spans, &own);
        }
    }
}

impl Engine for Autograd<'_> {
    fn choice(&self) -> EngineChoice {
        EngineChoice::Autograd
    }

    fn evaluate<'a>(
        &'a self,
        portions: &'a [Batch],
        parameters: &'a Parameters,
        request: Request,
    ) -> Result<Box<dyn Evaluation + 'a>> {
        Ok(Box::new(Taped::new(self, portions, parameters, request)?))
    }

    fn losses(&self, portions: &[Batch], parameters: &Parameters, request: Request) -> Result<Vec<Option<f64>>> {
        let normalizers = self.normalizers(portions);
        let request = Request { accuracies: false, representation: false, ..request };
        let mut sums = vec![None; self.tasks()];
        let mut look = || -> Result<()> {
            for at in 0..portions.len() {
                let tape = self.forward(portions, at, &normalizers, request, &mut self.accuracies(request))?;
                add_losses(&mut sums, &tape);
            }
            Ok(())
        };
        parameters.with_buffers_kept(|| no_grad(&mut look))?;
        Ok(sums)
    }
}

impl Evaluation for Taped<'_> {
    fn losses(&self) -> &[Option<f64>] {
        &self.losses
    }

    fn normalizers(&self) -> &[f64] {
        &self.normalizers
    }

    fn accuracies(&self) -> &[Option<f64>] {
        &self.accuracies
    }

    fn jacobian(&mut self) -> Tensor {
        self.passes.take_apart();
        self.rows().jacobian.shallow_clone()
    }

    fn gramian(&mut self) -> Matrix {
        self.passes.take_apart();
        let rows = self.rows();
        rows.gramian.get_or_insert_with(|| rows::gramian(&rows.jacobian)).clone()
    }

    fn combine(&mut self, weights: &[f64]) -> Tensor {
        self.passes.add_up();
        self.combined(weights)
    }

    fn pull_back(&mut self, shared: Shared, heads: &[f64]) -> Tensor {
        self.passes.pull_back(matches!(shared, Shared::Direction(_)));
        if let (Shared::Weights(weights), false) = (shared, self.request.gradients)
            && weights == heads
        {
            let learned = self.parameters.learned();
            let gradient = self.weighted(weights, &learned);
            if learned.len() == self.parameters.spans.len() {
                return gradient;
            }
            let flat = self.parameters.flat.zeros_like();
            self.parameters.add_into(&flat, &learned, &gradient);
            return flat;
        }
        let flat = self.parameters.flat.zeros_like();
        let direction = match (shared, self.request.gradients) {
            (Shared::Weights(weights), false) => {
                let spans = &self.sharing().shared;
                self.weighted(weights, spans)
            }
            _ => self.shared(shared),
        };
        self.parameters.add_into(&flat, &self.sharing().shared, &direction);
        self.add_own(heads, &flat);
        flat
    }

    fn backward_passes(&self) -> u64 {
        self.passes.taken()
    }
}

/// The kind in which rows are multiplied by `factors`: their own, or f64 where a factor lies outside of f32, as that of a
/// vanishing gradient may.
fn wide_enough(rows: &Tensor, factors: &[f64]) -> Kind {
    let fit = factors.iter().all(|factor| factor.abs() <= f64::from(f32::MAX));
    if fit || rows.device() == Device::Mps { rows.kind() } else { Kind::Double }
}
