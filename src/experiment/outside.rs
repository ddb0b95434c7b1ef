//! What a TorchScript module from outside must keep to, tried on a few rows of the data.

use super::ModelSettings;
use crate::data::{Batch, Group, Preparation};
use crate::error::{BadSetting, note};
use crate::libtorch::{InputOrder, Inputs, Module};
use crate::models::backbones::BackboneKind;
use crate::models::{Mode, Model, Parameters};
use crate::tasks::Task;
use anyhow::Result;
use std::borrow::Borrow;
use std::path::{Path, PathBuf};
use tch::{Device, Kind, Tensor, no_grad};

/// Rows of each group that a module is tried on: so many that the dropout of a small layer shows.
const ROWS: i64 = 16;

/// The module that the model is, or that its backbone is.
pub struct Outside {
    /// The setting that names the file.
    path: &'static str,
    file: PathBuf,
}

impl Outside {
    /// The module that `model` names, if it names one; relative paths start at `folder`.
    pub fn new(model: &ModelSettings, folder: &Path) -> Option<Self> {
        match (&model.torchscript, &model.backbone) {
            (Some(file), _) => Some(Self { path: "model.torchscript", file: folder.join(file) }),
            (None, Some(BackboneKind::TorchScript(backbone))) => {
                Some(Self { path: "model.backbone.file", file: folder.join(&backbone.file) })
            }
            _ => None,
        }
    }

    /// Where the module comes from.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// Refuses a module that changes in a forward pass what no checkpoint holds. A copy from the file makes the passes.
    ///
    /// # Errors
    /// It does, or it cannot take `rows` in training mode.
    pub fn check_state(&self, rows: &Batch, device: Device, precision: Kind, order: InputOrder) -> Result<()> {
        let module = Module::load(&self.file, device)?;
        let inputs = Inputs::new(&module, &self.file, order);
        module.to(device, precision)?;
        let tensors = || module.parameters().into_iter().chain(module.buffers()).collect::<Vec<_>>();
        let (attributes, before) = (module.attributes(), tensors());
        for training in [true, true, false] {
            module.set_training(training)?;
            for group in rows {
                no_grad(|| inputs.forward(&module, &group.inputs))?;
            }
        }
        let (after, file) = (module.attributes(), self.file.display());
        let changed: Vec<String> =
            attributes.into_iter().filter(|one| !after.contains(one)).map(|(name, _)| name).collect();
        if !changed.is_empty() {
            let what = format!(
                "forward of {file} changes attributes that are neither parameters nor buffers ({}): no checkpoint would \
                 hold them, and a resumed run would differ",
                changed.join(", ")
            );
            return Err(BadSetting::new(self.path, what)
                .remedy("keep what changes in a tensor, register it with register_buffer, and change it in place (add_, copy_)")
                .into());
        }
        // The model, its optimizer and its checkpoints hold the tensors that were there at the start.
        let replaced =
            before.iter().zip(tensors()).find(|((_, before), (_, after))| before.data_ptr() != after.data_ptr());
        if let Some(((name, _), _)) = replaced {
            let what = format!(
                "forward of {file} puts another tensor in the place of {name}: checkpoints would hold the old one, and a \
                 resumed run would differ"
            );
            let remedy = format!("change it in place, as in `self.{name}.copy_(…)`");
            return Err(BadSetting::new(self.path, what).remedy(remedy).into());
        }
        Ok(())
    }
}

/// The first rows of each group, as a step would read them.
pub fn first_rows<G: Borrow<Group>>(groups: &[G], preparation: &Preparation) -> Batch {
    let some = groups.iter().map(Borrow::borrow).filter(|group| group.rows() > 0);
    some.map(|group| preparation.apply(group.narrow(0, ROWS.min(group.rows()))).into()).collect()
}

/// Warns of a module in `file` whose outputs are others each time that the same rows are evaluated.
///
/// # Errors
/// The model cannot take the rows.
pub fn warn_of_draws(model: &dyn Model, rows: &Batch, file: &Path) -> Result<()> {
    let pass = |group: &Group| no_grad(|| model.forward(&group.inputs, &group.tasks, Mode::Evaluate));
    let close =
        |(a, b): (&Tensor, &Tensor)| (a.size(), a.kind()) == (b.size(), b.kind()) && a.allclose(b, 1e-4, 1e-6, true);
    for group in rows {
        if !pass(group)?.iter().zip(&pass(group)?).all(close) {
            note(format!(
                "warning: {}: evaluating the same rows twice gives different outputs, so losses and metrics are random\n  \
                 hint: tracing in training mode keeps dropout on: call eval() before torch.jit.trace, or use \
                 torch.jit.script",
                file.display()
            ));
            break;
        }
    }
    Ok(())
}

/// A task whose output reaches no learned parameter (`owners` tells which tasks reach each) is not trained. Where
/// parameters are frozen that may be meant, and is a warning.
///
/// # Errors
/// It cannot be meant: nothing is frozen, or no task at all is trained.
pub fn check_reached(
    outside: Option<&Outside>,
    tasks: &[Task],
    parameters: &Parameters,
    owners: &[Vec<usize>],
) -> Result<(), BadSetting> {
    let is_reached = |task: &usize| owners.iter().any(|owners| owners.contains(task));
    let (trained, measured): (Vec<usize>, Vec<usize>) = (0..tasks.len()).partition(is_reached);
    let is_frozen = parameters.spans.iter().any(|span| span.frozen);
    for task in measured {
        let name = &tasks[task].name;
        if is_frozen && !trained.is_empty() {
            note(format!("warning: {name} reaches no parameter that is learned: it is measured, not trained"));
            continue;
        }
        let of = outside.map_or_else(|| "the model".into(), |outside| outside.file.display().to_string());
        let what = format!("the output of {of} for {name} reaches no learned parameter: training would not change it");
        let remedy = if is_frozen {
            "leave a parameter on its way unfrozen"
        } else {
            "take detach(), no_grad() and argmax off the way from the parameters to this output, or leave the task out"
        };
        return Err(BadSetting::new(outside.map_or("model", |outside| outside.path), what).remedy(remedy));
    }
    Ok(())
}
