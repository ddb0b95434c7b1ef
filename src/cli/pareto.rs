//! `polytask pareto`

use super::signals::INTERRUPTED;
use super::sweep::Spread;
use super::words::say;
use super::{FAILURE, SUCCESS};
use crate::comparison::{Tables, collect, compare};
use crate::error::Mistake;
use crate::path::SettingPath;
use crate::sweep::{Opened, Preferences, Seeds, Shard, Sweep};
use crate::tradeoff::{Known, Tradeoff, coverage, points};
use crate::yaml::Override;
use anyhow::Result;
use clap::Args;
use serde_yaml::{Mapping, Value};
use std::path::PathBuf;

/// Sweeps the preference between tasks, and says how well the front is covered.
///
/// Every method trains with every preference (all ways to give N equal parts to the tasks, at least one to each), as a sweep
/// in runs/NAME-pareto, which goes on where it was when started again. Told are the points, which of them no other
/// dominates, the dominated area, spread and spacing; for a toy problem with a known front also the hypervolume below the
/// field's reference point, its share of the front's, the inverted generational distance and Deb's spread. `polytask
/// report` and `polytask plot` draw the same folder.
#[derive(Debug, Args)]
pub struct Pareto {
    /// The experiment's YAML file
    experiment: PathBuf,
    /// A method that takes a preference: constant, '{name: stch, mu: 0.1}', '{name: pbi, theta: 1}', '{name: cosmos, lambda: 1}',
    /// epo, upgrad, …; may be repeated
    #[arg(long = "method", value_name = "METHOD", default_value = "constant")]
    methods: Vec<String>,
    /// Parts that are given to the tasks: with two tasks N - 1 preferences
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=1000))]
    divisions: u64,
    /// Seeds of each preference
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    seeds: u64,
    /// What is tuned for each preference, such as optimizer.learning_rate=[0.01,0.03]; may be repeated
    #[arg(long, value_name = "PATH=VALUES")]
    tune: Vec<String>,
    /// Override a setting of the experiment; may be repeated
    #[arg(long = "set", value_name = "PATH=VALUE")]
    set: Vec<String>,
    #[command(flatten)]
    spread: Spread,
    /// Print the fronts as JSON
    #[arg(long)]
    json: bool,
}

impl Pareto {
    /// Trains what is missing, and measures the fronts.
    pub fn run(&self) -> Result<i32> {
        let (settings, name) = self.sweep()?;
        let file = std::path::absolute(&self.experiment)?;
        let source = file.parent().unwrap_or(std::path::Path::new("."));
        let sweep = Opened::of(settings, &name, source, self.spread.out.as_deref());
        let sweep = sweep.map_err(|error| match error.downcast::<crate::error::BadSetting>() {
            Ok(bad) => Mistake {
                place: "pareto".into(),
                what: if bad.path.is_empty() { bad.what } else { bad.to_string() },
                remedy: bad.remedy,
            }
            .into(),
            Err(error) => error,
        })?;
        let outcome = self.spread.train(&sweep, Shard::default())?;
        if outcome.interrupted {
            return Ok(INTERRUPTED);
        }
        self.tell(&sweep)?;
        Ok(if outcome.failed > 0 { FAILURE } else { SUCCESS })
    }

    /// The sweep that the command line asks for, and its name.
    fn sweep(&self) -> Result<(Sweep, String)> {
        let stem = self.experiment.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let method = |text: &String| {
            serde_yaml::from_str::<Value>(text).map_err(|error| {
                Mistake::new(format!("--method {text}"), format!("is not YAML: {error}"))
                    .remedy("write a name, or a section such as '{name: stch, mu: 0.1}'")
            })
        };
        let settings = Sweep {
            name: None,
            experiment: std::path::absolute(&self.experiment)?.display().to_string().into(),
            source: None,
            set: section(&self.set)?,
            compare: Mapping::new(),
            arms: vec![],
            control: None,
            preferences: Some(Preferences {
                methods: self.methods.iter().map(method).collect::<Result<_, _>>()?,
                divisions: Some(self.divisions),
                weights: None,
            }),
            baseline: None,
            reference: None,
            tune: section(&self.tune)?,
            trials: None,
            draw: 0,
            seeds: Seeds((0..self.seeds).collect()),
            select: None,
        };
        Ok((settings, format!("{stem}-pareto")))
    }

    fn tell(&self, sweep: &Opened) -> Result<()> {
        let mut collection = collect(std::slice::from_ref(&sweep.folder))?;
        collection.check_rows(self.spread.across_data)?;
        let comparison = compare(&collection)?;
        let first = sweep.plan.cells().next().map(|cell| sweep.plan.experiment(cell)).transpose()?;
        let known = first.and_then(|experiment| experiment.model.objectives).and_then(|problem| Known::of(&problem));
        let tradeoffs: Vec<Tradeoff> =
            comparison.fronts.iter().map(|front| Tradeoff::of(front, known.as_ref())).collect();
        if self.json {
            return say(serde_json::to_string_pretty(&tradeoffs)?);
        }
        say(points(&comparison.fronts).text())?;
        if let Some(fronts) = Tables::of(&comparison).fronts {
            say(fronts.text())?;
        }
        if known.is_some() {
            say(coverage(&tradeoffs).text())?;
        }
        if comparison.runs.failed > 0 {
            say(format!(
                "{} of {} runs failed; their points are of the seeds that finished",
                comparison.runs.failed, comparison.runs.planned
            ))?;
        }
        say(sweep.folder.display())
    }
}

/// `PATH=VALUE`s as a section of paths.
fn section(texts: &[String]) -> Result<Mapping> {
    let one = |text: &String| {
        let change: Override = text.parse()?;
        let path: &SettingPath = &change.path;
        Ok((path.to_string().into(), change.value))
    };
    texts.iter().map(one).collect()
}
