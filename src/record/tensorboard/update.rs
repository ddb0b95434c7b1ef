//! Scalars of what became of the tasks' gradients.

use super::summaries::{pairs_are_shown, scalar};
use crate::record::UpdateRecord;
use tensorboard_proto::summary::Summary_Value;

/// The tags, composed once.
pub struct UpdateTags {
    norms: Vec<String>,
    /// Two tasks, the first before the second, and their tag.
    pairs: Vec<(usize, usize, String)>,
}

impl UpdateTags {
    pub fn new(tasks: &[String]) -> Self {
        let norms = tasks.iter().map(|task| format!("gradients/norm/{task}")).collect();
        let paired = if pairs_are_shown(tasks.len()) { tasks } else { &[] };
        let pairs = paired.iter().enumerate().flat_map(|(second, to)| {
            let firsts = paired[..second].iter().enumerate();
            firsts.map(move |(first, from)| (first, second, format!("gradients/cosine/{from}/{to}")))
        });
        Self { norms, pairs: pairs.collect() }
    }

    /// Of what is there.
    pub fn scalars(&self, update: &UpdateRecord) -> Vec<Summary_Value> {
        let mut values = vec![scalar("update/norm", update.norm)];
        values.extend(update.cosine_to_mean.map(|cosine| scalar("update/cosine_to_mean", cosine)));
        values.push(scalar("method/milliseconds", update.milliseconds));
        values.push(scalar("method/backward_passes", update.backward_passes as f64));
        let Some(gradients) = &update.gradients else { return values };
        let norms = self.norms.iter().zip(&gradients.norms);
        values.extend(norms.filter_map(|(tag, norm)| Some(scalar(tag, (*norm)?))));
        let cosines = self.pairs.iter();
        values
            .extend(cosines.filter_map(|(first, second, tag)| Some(scalar(tag, gradients.cosines[*first][*second]?))));
        values.extend(gradients.conflicting_pairs.map(|share| scalar("gradients/conflicting_pairs", share)));
        values
    }
}
