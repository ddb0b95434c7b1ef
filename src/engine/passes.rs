//! How many backward passes an evaluation stands for, counted alike by every engine.

use super::Request;

/// The count behind [`Evaluation::backward_passes`](crate::methods::Evaluation::backward_passes),
/// by what was asked of an evaluation and not by how its engine found the answer.
#[derive(Debug)]
pub struct Passes {
    request: Request,
    /// The present tasks, `K`.
    tasks: usize,
    /// Whether the tasks' gradients were asked for.
    apart: bool,
    taken: u64,
}

impl Passes {
    /// None so far, of a batch in which `tasks` are present.
    pub fn new(request: Request, tasks: usize) -> Self {
        Self { request, tasks, apart: false, taken: 0 }
    }

    /// The tasks' gradients, as Jacobian or Gramian: `K` cotangents once, through the shared part
    /// of the model. By the representation each is swept through its own head alone, which is part
    /// of the pass that goes on from there.
    pub fn take_apart(&mut self) {
        if !self.apart && !self.request.representation {
            self.taken += self.tasks as u64;
        }
        self.apart = true;
    }

    /// A weighted sum of the tasks' gradients: one cotangent, and none beside the tasks' own
    /// gradients, of which it is made.
    pub fn add_up(&mut self) {
        match self.request.gradients {
            true => self.take_apart(),
            false => self.taken += u64::from(!self.apart),
        }
    }

    /// What all parameters follow. From the representation on there is one pass through the trunk,
    /// whatever it carries; a `direction` of the shared parameters themselves needs none.
    pub fn pull_back(&mut self, direction: bool) {
        match (self.request.representation, direction) {
            (true, _) => self.taken += 1,
            (false, true) => {}
            (false, false) => self.add_up(),
        }
    }

    /// So many so far.
    pub fn taken(&self) -> u64 {
        self.taken
    }
}
