//! What only loaded rows and a built model show: whether they fit each other and the settings.

use super::Experiment;
use crate::balance::Gradients;
use crate::data::{Dataset, Group, InputKind, Likeness, Loader, Reader};
use crate::error::{BadSetting, note};
use crate::metadata::ModelFacts;
use crate::models::{Model, Sharing};
use crate::tasks::Task;
use crate::trainer::SelectSettings;
use tch::Kind;

impl Experiment {
    /// A backbone reads one input; others would be left out in silence.
    pub(super) fn check_one_input(&self, dataset: &Dataset) -> Result<(), BadSetting> {
        let Some(backbone) = &self.model.backbone else { return Ok(()) };
        let names: Vec<&str> = dataset.train[0].inputs.iter().map(|(name, _)| name.as_str()).collect();
        if names.len() < 2 {
            return Ok(());
        }
        let what = format!("{} reads one input, and the data has {}", backbone.name(), names.join(", "));
        Err(BadSetting::new("model.backbone.name", what)
            .remedy("name one input in `data`, or a module of several by `model: {torchscript: FILE}`"))
    }

    /// A backbone that reads ids is given ids, and no other is; one that reads vectors is given no
    /// maps.
    pub(super) fn check_kind(&self, dataset: &Dataset) -> Result<(), BadSetting> {
        let (Some(backbone), Some(rules)) = (&self.model.backbone, &dataset.features.inputs) else { return Ok(()) };
        let name = &dataset.train[0].inputs[0].0;
        let (Some(rule), reader) = (rules.get(name), self.reader()) else { return Ok(()) };
        let (what, remedy) = match (rule.kind, reader) {
            (InputKind::Ids, Reader::Images | Reader::Flat | Reader::Vectors) => {
                ("reads numbers", "write `kind: numbers`, or choose a backbone with a `vocabulary`")
            }
            (InputKind::Image, Reader::Ids) => (
                "with a vocabulary reads ids",
                "write `kind: ids`; a run or a model that took uint8 ids for an image has to be trained anew",
            ),
            (InputKind::Image, Reader::Vectors) if dataset.train[0].inputs[0].1.dim() > 3 => {
                ("reads vectors", "write `kind: numbers`, or choose a backbone for images")
            }
            _ => return Ok(()),
        };
        let what = format!("input {name} is {}, and {} {what}", rule.kind.name(), backbone.name());
        Err(BadSetting::new("data.kind", what).remedy(remedy))
    }

    /// A backbone that reads ids has a row for each that occurs.
    pub(super) fn check_ids(&self, dataset: &Dataset) -> Result<(), BadSetting> {
        let Some(vocabulary) = self.model.backbone.as_ref().and_then(|backbone| backbone.vocabulary()) else {
            return Ok(());
        };
        let splits = [Some(&dataset.train), dataset.validation.as_ref(), dataset.test.as_ref()];
        for group in splits.into_iter().flatten().flatten() {
            let x = group.inputs[0].1.to_kind(Kind::Double);
            let strange = x.lt(0.0).logical_or(&x.ge(vocabulary as f64)).logical_or(&x.ne_tensor(&x.floor()));
            let strange = x.masked_select(&strange);
            if strange.numel() > 0 {
                let what = format!(
                    "the inputs hold {}, and ids are whole numbers from 0 up to, not including, {vocabulary}",
                    strange.double_value(&[0])
                );
                return Err(BadSetting::new("model.backbone.vocabulary", what)
                    .remedy("give the largest id and one, or leave vocabulary out where the inputs are no ids"));
            }
        }
        Ok(())
    }

    /// What is judged needs validation rows with labels.
    pub(super) fn check_validation(&self, tasks: &[Task], validation: Option<&[Group]>) -> Result<(), BadSetting> {
        let asked = [
            (self.stop.patience.is_some(), "stop.patience"),
            (self.stop.target.is_some(), "stop.target"),
            (self.schedule.observes(), "schedule"),
            (self.select.metric != SelectSettings::default().metric, "select.metric"),
        ];
        let Some(groups) = validation else {
            return match asked.iter().find(|(asked, _)| *asked) {
                Some((_, path)) => Err(BadSetting::new(*path, "there are no validation rows to judge by")
                    .remedy("name a validation split in `data`, or leave it out")),
                None => Ok(()),
            };
        };
        let labelled = |task: usize| {
            let targets = groups.iter().flat_map(|group| group.tasks.iter().zip(&group.targets));
            targets.filter(|(index, _)| **index == task).any(|(_, target)| target.labelled_rows() > 0)
        };
        let (with, without): (Vec<usize>, Vec<usize>) = (0..tasks.len()).partition(|task| labelled(*task));
        let selected = self.selection(tasks)?.0;
        for task in without {
            let name = &tasks[task].name;
            if selected.as_ref().is_some_and(|(selected, _)| selected == name) {
                return Err(BadSetting::new("select.metric", format!("{name} has no label in the validation rows"))
                    .remedy("select by another task, or give validation rows that are labelled"));
            }
            if !with.is_empty() {
                note(format!(
                    "warning: {name} has no label in the validation rows: the mean loss is that of the others"
                ));
            }
        }
        if with.is_empty() {
            return Err(BadSetting::new("data.validation", "no task has a label in the validation rows")
                .remedy("give validation rows that are labelled, or leave the split out"));
        }
        Ok(())
    }

    /// Where nothing is shared and learned, there is no gradient to read, and weights made of none would hold the heads still.
    pub(super) fn check_shared(&self, sharing: &Sharing) -> Result<(), BadSetting> {
        if sharing.width() > 0 || !self.method.reads_gradients() {
            return Ok(());
        }
        let what = format!("{} reads gradients by shared parameters, and no learned one is shared", self.method.name());
        Err(BadSetting::new("method.name", what)
            .remedy("choose a method that reads losses, such as sum, or look at model.freeze and model.shared"))
    }

    /// Gradients of the representation need one that all tasks read.
    pub(super) fn check_representation(&self, model: &dyn Model, loader: &Loader) -> Result<(), BadSetting> {
        if self.method.common.gradients == Gradients::Parameters {
            return Ok(());
        }
        let why = match loader.groups().len() {
            1 if model.shared_representation().is_some() => return Ok(()),
            1 => "the tasks of this model do not read one representation that Polytask can see",
            _ => "the tasks have inputs of their own, and so no representation in common",
        };
        Err(BadSetting::new("method.gradients", why).remedy("write `gradients: parameters`"))
    }
}

/// Warns where rows that a model was trained on are held out here: what is measured on them is too good.
pub(super) fn warn_of_seen_rows(facts: &ModelFacts, dataset: &Dataset, file: &str) {
    let Some(seen) = &facts.data else { return };
    let (met, marked) = seen.met_in(dataset);
    if met == 0 || seen.fingerprint.likeness(&dataset.fingerprint) != Likeness::Other {
        return;
    }
    let seed = seen.split_seed.map_or(String::new(), |seed| format!("; {seed} drew that of the file"));
    note(format!(
        "warning: {met} of {marked} marked rows that {file} was trained on are among the validation and test rows here: what \
         is measured on them is too good\n  hint: split the rows by the same seed (`data.split_seed`, `seed`{seed})"
    ));
}
