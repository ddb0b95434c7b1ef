//! What a run remembers: every part claims its own, always in the same order.

use super::{Gradients, Parts, Plan, Progress, learned};
use crate::balance::Balancer;
use crate::memory::{Handle, Memory};
use crate::methods::Size;
use crate::optim::{Flat, Scheduler};
use anyhow::Result;

/// The parts of a run that remember something, with their memory claimed.
pub(super) struct Claims<'a> {
    pub balancer: Balancer<'a>,
    /// The method's own parameters, and what moves them.
    pub learned: Option<(Handle, Flat)>,
    pub optimizer: Flat,
    pub schedule: Scheduler,
    pub progress: Progress,
    pub gradients: Gradients,
    pub recorded_bytes: Handle,
}

impl<'a> Claims<'a> {
    /// Claims the memory of every part.
    ///
    /// # Errors
    /// What was restored has another shape.
    pub fn new(plan: &Plan, parts: &Parts<'a>, memory: &mut Memory) -> Result<Self> {
        let Parts { tasks, parameters, sharing, instructions, .. } = parts;
        let names: Vec<String> = tasks.iter().map(|task| task.name.clone()).collect();
        let size = Size {
            tasks: tasks.len(),
            columns: sharing.columns.clone(),
            kind: parameters.flat.kind(),
            device: parameters.flat.device(),
        };
        let balancer = Balancer::claim(parts.method, &names, plan.seed, &size, memory)?;
        let learned = learned(&balancer, &parts.optimizer, *instructions, memory)?;
        let (rule, segments) = (parts.optimizer.clone(), parts.segments.clone());
        let optimizer = Flat::claim(rule, segments, &parameters.flat, "optimizer", memory)?;
        Ok(Self {
            balancer,
            learned,
            optimizer: optimizer.with_instructions(*instructions),
            schedule: Scheduler::claim(parts.schedule.clone(), memory)?,
            progress: Progress::claim(memory, parameters, tasks.len())?,
            gradients: Gradients::claim(memory, tasks.len())?,
            recorded_bytes: memory.counts("record.bytes", &[0])?,
        })
    }
}
