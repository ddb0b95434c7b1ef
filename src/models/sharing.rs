//! Whose each parameter is: shared, or a task's own.

use super::parameters::matching;
use super::{Model, Span};
use crate::error::BadSetting;

/// Which parameters the tasks share, and which are a task's own. Frozen ones are neither.
#[derive(Debug, Clone, PartialEq)]
pub struct Sharing {
    /// The spans that are shared, ascending: the columns of the Jacobian.
    pub shared: Vec<usize>,
    /// Per task the spans that are its own, ascending. Where `model.shared` leaves out a parameter that several tasks reach,
    /// it is own to each of them.
    pub own: Vec<Vec<usize>>,
    /// The shared spans' names and lengths.
    pub columns: Vec<(String, i64)>,
}

impl Sharing {
    /// From the tasks that reach each span. Shared is what two tasks or more reach; with one task all but its head;
    /// `patterns` (`model.shared`), where there are any, decide instead.
    ///
    /// # Errors
    /// A pattern matches no parameter.
    pub fn new(
        model: &dyn Model,
        spans: &[Span],
        owners: &[Vec<usize>],
        tasks: usize,
        patterns: &[String],
    ) -> Result<Self, BadSetting> {
        let names: Vec<&str> = spans.iter().map(|span| span.name.as_str()).collect();
        let asked = matching(&names, patterns, "model.shared")?;
        let heads = model.heads();
        let is_shared = |span: usize| match owners[span].as_slice() {
            [] => false,
            _ if !patterns.is_empty() => asked[span],
            [_] => tasks == 1 && !heads.iter().any(|head| names[span].starts_with(&format!("{head}."))),
            _ => true,
        };
        let shared: Vec<usize> = (0..spans.len()).filter(|&span| !spans[span].frozen && is_shared(span)).collect();
        let own = (0..tasks)
            .map(|task| {
                let own =
                    |span: &usize| owners[*span].contains(&task) && !spans[*span].frozen && !shared.contains(span);
                (0..spans.len()).filter(own).collect()
            })
            .collect();
        let columns = shared.iter().map(|&span| (spans[span].name.clone(), spans[span].length)).collect();
        Ok(Self { shared, own, columns })
    }

    /// The number `P` of shared parameters.
    pub fn width(&self) -> i64 {
        self.columns.iter().map(|(_, length)| length).sum()
    }
}
