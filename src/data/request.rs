//! What a source is asked for.

use super::{Features, InputFacts, InputKind, InputRule, Reader, Scaling};
use crate::error::BadSetting;
use crate::tasks::{Standardization, Task};
use serde::Serialize;
use std::path::Path;
use tch::{Kind, Tensor};

/// What a source needs to know to load.
pub struct Request<'a> {
    /// The tasks whose labels are wanted.
    pub tasks: &'a [Task],
    /// The run's seed.
    pub seed: u64,
    /// `Float` or `Double`.
    pub precision: Kind,
    /// Relative paths start here: the folder of the YAML.
    pub folder: &'a Path,
    /// What a model that was trained before knows of its rows, to be applied instead of what these rows show.
    pub fitted: Option<&'a Fitted>,
    /// Draw by this seed instead of the run's or the source's own: that by which a model's rows were drawn.
    pub draw_seed: Option<u64>,
    /// Whether categories are wanted as indices, not one-hot.
    pub indices: bool,
    /// Whether means and deviations count every row once, whatever it weighs, and pixels of the first
    /// group of rows only: those of a run of Polytask 0.1, which did not store them.
    pub plain_statistics: bool,
    /// What reads the inputs.
    pub reader: Reader,
}

/// What a model knows of the rows that it was trained on.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Fitted {
    /// How raw inputs become the model's.
    pub features: Features,
    /// Per task how its labels are standardized; `None` for a task that the model does not know: its training labels tell.
    pub standardizations: Vec<Option<Option<Standardization>>>,
    /// The shapes of rows of its inputs by name, without `N`, as the model reads them.
    pub shapes: Vec<InputFacts>,
    /// Whether means and deviations are taken anew: only the order of columns, categories and classes,
    /// and what inputs are, is the model's.
    pub refit: bool,
    /// Whether the columns that the experiment names as inputs must be the model's, no more and no fewer.
    pub all_inputs: bool,
}

impl Fitted {
    /// The shape of a row of the input `name` to the model.
    pub(super) fn shape(&self, name: &str) -> Option<&[i64]> {
        self.shapes.iter().find(|input| input.name == name).map(|input| input.shape.as_slice())
    }
}

impl<'a> Request<'a> {
    /// A run's own: nothing is known beforehand.
    pub fn new(tasks: &'a [Task], seed: u64, precision: Kind, folder: &'a Path) -> Self {
        Self {
            tasks,
            seed,
            precision,
            folder,
            fitted: None,
            draw_seed: None,
            indices: false,
            plain_statistics: false,
            reader: Reader::default(),
        }
    }

    /// What a model that was trained before knows of its rows' means and deviations, unless they are
    /// taken anew.
    pub(super) fn statistics(&self) -> Option<&'a Fitted> {
        self.fitted.filter(|fitted| !fitted.refit)
    }

    /// The seed by which a source draws whose section has, or has not, one of its own.
    pub(super) fn draw_seed(&self, own: Option<u64>) -> u64 {
        self.draw_seed.or(own).unwrap_or(self.seed)
    }

    /// Whether a model that was trained before standardizes the labels of a task.
    pub(super) fn is_standardized(&self, task: usize) -> bool {
        self.statistics().is_some_and(|fitted| matches!(fitted.standardizations[task], Some(Some(_))))
    }

    /// Per task how its labels are standardized: as the model's, else as `fit` finds.
    pub(super) fn standardizations<E>(
        &self,
        fit: impl FnOnce() -> Result<Vec<Option<Standardization>>, E>,
    ) -> Result<Vec<Option<Standardization>>, E> {
        let known = |task: usize| self.statistics().and_then(|fitted| fitted.standardizations[task].clone());
        let all: Vec<_> = (0..self.tasks.len()).map(known).collect();
        if all.iter().all(Option::is_some) {
            return Ok(all.into_iter().flatten().collect());
        }
        Ok(all.into_iter().zip(fit()?).map(|(known, own)| known.unwrap_or(own)).collect())
    }

    /// How the training images `[N, C, …]` (uint8), called `x`, become numbers: as the model's did,
    /// at mean 0 and deviation 1, or 0 to 1. They are all of `parts`, of one shape, each with how
    /// often its rows count, once where nothing is said.
    pub(super) fn images(
        &self,
        standardize: bool,
        parts: &[(&Tensor, Option<Tensor>)],
    ) -> Result<Features, BadSetting> {
        let images = parts[0].0;
        let known = self.statistics().and_then(|fitted| fitted.features.rule("x", images));
        if let Some(scaling) = known.iter().filter_map(|rule| rule.scaling.as_ref()).find(|it| !it.fits(images)) {
            let (ours, theirs) = (images.size()[1], scaling.mean.len());
            let what = format!("images of {ours} channels, and the model standardizes {theirs}");
            return Err(BadSetting::new("data", what).remedy("give images of as many channels"));
        }
        let scaling = || match self.plain_statistics {
            true => Scaling::of_bytes(&[(images, None)]),
            false => Scaling::of_bytes(parts),
        };
        let rule = known.unwrap_or_else(|| InputRule { kind: InputKind::Image, scaling: standardize.then(scaling) });
        Ok(Features { inputs: Some([("x".to_string(), rule)].into()), ..Features::default() })
    }
}
