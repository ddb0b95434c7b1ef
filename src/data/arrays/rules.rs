//! What each input is, the shape in which it is read, and how it is scaled.

use super::super::{Group, InputKind, InputRule, InputRules, Request, Scaling};
use super::{ArrayRows, Arrays, Standardize, same_pixels};
use crate::error::{BadSetting, Mistake, note};
use anyhow::Result;
use std::path::Path;
use tch::{Kind, Tensor};

impl Arrays {
    /// How each input is read: as the model reads it that was trained before, as the settings say,
    /// or as what reads it tells.
    pub(super) fn rules(&self, group: &Group, request: &Request) -> Result<InputRules, BadSetting> {
        let mut rules = InputRules::new();
        for (at, (name, x)) in group.inputs.iter().enumerate() {
            let said = self.kind.as_ref().and_then(|kind| kind.get(name)).map(|kind| kind.of(x.kind()));
            let told = request.reader.kind(name, at == 0, x);
            let by_model = request.fitted.and_then(|fitted| {
                let rule = fitted.features.rule(name, x)?;
                Some(if fitted.refit { InputRule::new(rule.kind) } else { rule })
            });
            let rule = match (by_model, said) {
                (Some(rule), said) => {
                    check_same_kind(name, x.kind(), rule.kind, said)?;
                    rule
                }
                (None, Some(kind)) => InputRule::new(kind),
                (None, None) => InputRule::new(told.clone()?),
            };
            let by_first_rule = match self.kind.as_ref().and_then(|kind| kind.get(name)) {
                Some(kind) => kind == InputKind::ByDtype,
                None => request.fitted.is_some_and(|fitted| fitted.features.inputs.is_none()),
            };
            let divides = |kind: InputKind| kind.divides(x.kind());
            if by_first_rule && divides(rule.kind) && told.is_ok_and(|told| !divides(told)) {
                note(format!("note: input {name} is uint8: by the rule of Polytask 0.1 it is divided by 255"));
            }
            rules.insert(name.clone(), rule);
        }
        Ok(rules)
    }

    /// The rows in the shapes in which they are read: an image of one channel has that channel, and
    /// labels of pixels fit it.
    pub(super) fn shaped(
        &self,
        group: Group,
        files: &ArrayRows,
        rules: &InputRules,
        request: &Request,
    ) -> Result<Group> {
        let inputs = group.inputs.into_iter().map(|(name, x)| {
            let is_image = rules.get(&name).is_some_and(|rule| rule.kind == InputKind::Image);
            let x = if is_image && x.dim() == 3 { x.unsqueeze(1) } else { x };
            (name, x)
        });
        let group = Group { inputs: inputs.collect(), ..group };
        for ((name, x), (_, path)) in group.inputs.iter().zip(files.inputs()) {
            if let Some(rule) = rules.get(name) {
                check_ids(rule.kind, x, name, path)?;
                check_channels(rule, x, name)?;
            }
        }
        same_pixels(&group, files, request)?;
        Ok(group)
    }

    /// Fits the scaling of what is to be standardized to the training rows, where no model brings
    /// its own.
    pub(super) fn standardize(
        &self,
        rules: &mut InputRules,
        train: &Group,
        request: &Request,
    ) -> Result<(), BadSetting> {
        let bad = |what: String| BadSetting::new("data.standardize", what);
        let mut images = 0;
        for (name, x) in &train.inputs {
            let Some(rule) = rules.get_mut(name) else { continue };
            images += usize::from(rule.kind == InputKind::Image);
            let wanted = match &self.standardize {
                Standardize::Images(all) => *all && rule.kind == InputKind::Image,
                Standardize::Named(names) => names.contains(name),
            };
            if !wanted || request.statistics().is_some_and(|fitted| fitted.features.rule(name, x).is_some()) {
                continue;
            }
            if rule.kind == InputKind::Ids || ![2, 4].contains(&x.dim()) {
                let what = format!("input {name} is {} of shape {:?}", rule.kind.name(), &x.size()[1..]);
                return Err(bad(what).remedy("name images, maps, and tables of numbers [N, columns]"));
            }
            let scaling = match rule.kind.divides(x.kind()) {
                true => Scaling::of_bytes(&[(x, None)]),
                false => Scaling::of_numbers(x),
            };
            if !scaling.is_finite() {
                return Err(bad(format!("input {name} is too large to be standardized")).remedy("scale the array"));
            }
            rule.scaling = Some(scaling);
        }
        if images == 0 && self.standardize == Standardize::Images(true) {
            let what = "true is for images, and no input is one".to_string();
            let names: Vec<&str> = train.inputs.iter().map(|(name, _)| name.as_str()).collect();
            return Err(bad(what).remedy(format!("name the inputs: `standardize: [{}]`", names.join(", "))));
        }
        Ok(())
    }
}

/// What the settings say must not contradict the model that was trained before.
fn check_same_kind(name: &str, stored: Kind, model: InputKind, said: Option<InputKind>) -> Result<(), BadSetting> {
    match said.filter(|said| said.divides(stored) != model.divides(stored)) {
        None => Ok(()),
        Some(said) => {
            let what = format!("input {name} is {} here, and {} to the model", said.name(), model.name());
            Err(BadSetting::new("data.kind", what)
                .remedy("leave it out: an input stays what it was to the model when it was trained"))
        }
    }
}

/// Ids are whole numbers.
///
/// # Errors
/// One has a fraction; the first is named.
pub(in crate::data) fn check_ids(kind: InputKind, x: &Tensor, name: &str, path: &Path) -> Result<(), Mistake> {
    if kind != InputKind::Ids || !x.is_floating_point() {
        return Ok(());
    }
    let broken = x.ne_tensor(&x.floor());
    if broken.any().int64_value(&[]) == 0 {
        return Ok(());
    }
    let at = Vec::<i64>::try_from(broken.nonzero().select(0, 0)).expect("a place");
    let place = format!("{}, row {}", path.display(), at[0] + 1);
    let what = format!("{} is not an id, and input {name} holds ids", x.double_value(&at));
    Err(Mistake::new(place, what).remedy("give whole numbers, or write `kind: numbers` in `data`"))
}

/// A model that scales channels or columns was trained on as many.
///
/// # Errors
/// The input has more or fewer (path `data`).
pub(in crate::data) fn check_channels(rule: &InputRule, x: &Tensor, name: &str) -> Result<(), BadSetting> {
    let Some(scaling) = rule.scaling.as_ref().filter(|scaling| !scaling.fits(x)) else { return Ok(()) };
    let what = format!(
        "input {name} has rows of shape {:?}, and the model standardizes {} channels or columns",
        &x.size()[1..],
        scaling.mean.len()
    );
    Err(BadSetting::new("data", what).remedy("give rows of the shape that the model was trained on"))
}
