//! Which tasks should share: inter-task affinity, measured while an experiment trains as it stands.
//!
//! Before every N-th step, on that step's own batch, each present task i lends its gradient alone to the shared parameters:
//! `Z_{i→j} = 1 - L_j(θ_shared - η ∇L_i, θ_j) / L_j(θ_shared, θ_j)`, in training mode, with the step's own draws and
//! running statistics put back. Above 0, a step on task i lowers task j's loss. Means over the measured steps are the
//! inter-task affinities of Fifty et al., "Efficiently Identifying Task Groupings for Multi-Task Learning", NeurIPS 2021
//! (arXiv 2109.04617), and [`group`] proposes from them which tasks to train together.
//!
//! Deviations: the probe is a plain gradient step, whatever the optimizer; of groups, see [`group`].

mod grouping;
mod means;
mod measure;
mod report;
#[cfg(test)]
mod tests;

pub use grouping::{EXACT, Grouping, group, onto, score};
pub use means::Means;
pub use measure::{Measured, measure};
pub use report::Findings;

use crate::data::{Combine, Data};
use crate::error::BadSetting;
use crate::experiment::{Assembly, Experiment};
use crate::train::{Options, Report, Requests, Watcher, train_watched};
use crate::trainer::Trainer;
use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What to measure, and what to propose.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Measure every so many steps, from the first on; above 0.
    pub every: u64,
    /// Propose at most so many groups; `None`: as many as there are tasks, but not more than three.
    pub groups: Option<usize>,
    /// The size of the probing step; `None`: the learning rate that the step itself has.
    pub learning_rate: Option<f64>,
}

/// Trains the experiment in `file`, in `options.out` or in a temporary folder, and looks at its tasks on the way. With a
/// folder of its own the findings are written into it. `None` where no step was measured before
/// `requests` asked to stop.
///
/// # Errors
/// As [`train`](crate::train::train); fewer than two tasks, or nothing that they share.
pub fn affinity(
    file: &Path,
    mut options: Options,
    settings: &Settings,
    requests: &Requests,
) -> Result<(Report, Option<Findings>)> {
    let temporary = match options.out {
        Some(_) => None,
        None => Some(Temporary::create()?),
    };
    if let Some(temporary) = &temporary {
        options.out = Some(temporary.0.clone());
    }
    let (settings, requests) = (settings.clone(), requests.clone());
    let stop = &Arc::clone(&requests.stop);
    let mut watch = Watch { settings, requests, tasks: vec![], means: Means::new(0), leaks: vec![] };
    let report = train_watched(file, &options, stop, &mut watch)?;
    let findings = watch.findings();
    if let (Some(findings), None) = (&findings, &temporary) {
        findings.write(&report.folder)?;
    }
    Ok((report, findings))
}

/// Measures before every N-th step.
struct Watch {
    settings: Settings,
    requests: Requests,
    tasks: Vec<String>,
    means: Means,
    /// Per task `[T]` the columns that would become inputs, were the task left out of the YAML.
    leaks: Vec<Vec<String>>,
}

impl Watch {
    fn findings(self) -> Option<Findings> {
        let most = self.settings.groups.unwrap_or(3).min(self.tasks.len());
        (self.means.steps() > 0).then(|| Findings::new(self.tasks, self.means, self.settings.every, most, self.leaks))
    }
}

impl Watcher for Watch {
    fn begin(&mut self, experiment: &Experiment, assembly: &Assembly) -> Result<()> {
        let count = assembly.tasks.len();
        if count < 2 {
            let bad = BadSetting::new("tasks", "there is only one, and affinity is between two");
            return Err(bad.remedy("list a second task").into());
        }
        if assembly.sharing.width() == 0 {
            return Err(BadSetting::new("model", "the tasks share no parameter that is learned")
                .remedy("use an architecture with shared layers, and do not freeze them: `polytask check` shows whose each parameter is")
                .into());
        }
        let groups = assembly.loader.groups();
        if experiment.train.combine == Combine::Sequential && groups.iter().all(|group| group.tasks.len() == 1) {
            return Err(BadSetting::new("train.combine", "with `sequential` no two tasks have rows in one batch")
                .remedy("write `combine: max_size_cycle`")
                .into());
        }
        self.tasks = assembly.tasks.iter().map(|task| task.name.clone()).collect();
        self.means = Means::new(count);
        let all_columns = matches!(&experiment.data, Data::Csv(csv) if csv.inputs.is_none());
        let leak = |targets: &Vec<String>| if all_columns { targets.clone() } else { vec![] };
        self.leaks = assembly.tasks.iter().map(|task| leak(&task.targets)).collect();
        Ok(())
    }

    fn before_step(&mut self, trainer: &mut Trainer) -> Result<()> {
        self.requests.before_step(trainer)?;
        let ahead = trainer.ahead();
        if (ahead.step as u64).is_multiple_of(self.settings.every) {
            let rate = self.settings.learning_rate.unwrap_or(ahead.learning_rate);
            let (engine, sharing) = (trainer.engine(), trainer.sharing());
            let measured = measure(engine, &trainer.parameters, sharing, &ahead.portions, ahead.request, rate)?;
            self.means.add(&measured, rate);
        }
        Ok(())
    }
}

/// A folder that goes when the value goes.
struct Temporary(PathBuf);

impl Temporary {
    fn create() -> Result<Self> {
        let folder = std::env::temp_dir().join(format!("polytask-affinity-{}", std::process::id()));
        fs::create_dir(&folder).with_context(|| format!("{} cannot be made", folder.display()))?;
        Ok(Self(folder))
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
