//! From what is compared and tuned to arms and trials: all combinations, or draws.

use super::arm::Trial;
use super::change::{Change, tidy};
use super::settings::{Axis, Sweep};
use crate::error::BadSetting;
use crate::path::SettingPath;
use crate::random::generator;
use crate::registry;
use rand::RngExt;
use serde_yaml::{Mapping, Value};
use std::collections::BTreeSet;

/// Names and changes of the arms of `compare`: all combinations.
///
/// # Errors
/// What stands at a path is no list of values.
pub fn compared(section: &Mapping) -> Result<Vec<(String, Vec<Change>)>, BadSetting> {
    let here = SettingPath::default().key("compare");
    let mut combinations: Vec<Vec<(String, Change)>> = if section.is_empty() { vec![] } else { vec![vec![]] };
    for (path, values) in section {
        let at = here.clone().key(registry::key_text(path)).to_string();
        let Some(values) = values.as_sequence() else {
            let what = format!("invalid type: {}, expected a list of the values to compare", registry::kind(values));
            return Err(BadSetting::new(at, what).remedy("write [sum, mgda], each value an arm"));
        };
        if values.is_empty() {
            return Err(BadSetting::new(at, "an empty list: nothing is compared")
                .remedy("name at least one value, or leave the path out"));
        }
        let values = values.iter().enumerate().map(|(index, value)| Change::new(path, value, &here, Some(index)));
        let values = values.collect::<Result<Vec<_>, _>>()?;
        let alone: Vec<String> = values.iter().map(|value| value.called(false)).collect();
        let names = values.iter().zip(&alone).map(|(value, name)| {
            let taken = alone.iter().filter(|other| *other == name).count() > 1;
            let called = value.called(taken);
            // A bare value needs the setting's name beside it.
            if value.value.is_mapping() {
                called
            } else {
                format!("{}={called}", value.path.last_key().unwrap_or_default())
            }
        });
        let named: Vec<(String, Change)> = names.zip(values.clone()).collect();
        combinations = combinations
            .iter()
            .flat_map(|arm| named.iter().map(move |value| arm.iter().chain([value]).cloned().collect()))
            .collect();
    }
    let arm = |parts: Vec<(String, Change)>| {
        let (names, changes): (Vec<String>, Vec<Change>) = parts.into_iter().unzip();
        (names.join("+"), changes)
    };
    Ok(combinations.into_iter().map(arm).collect())
}

/// A tuned setting.
#[derive(Debug, Clone)]
pub struct Tuned {
    /// Its path, as written.
    pub path: Value,
    /// Its values.
    pub axis: Axis,
    section: SettingPath,
}

impl Tuned {
    fn origin(&self) -> String {
        self.section.clone().key(registry::key_text(&self.path)).to_string()
    }

    fn change(&self, value: &Value, index: Option<usize>) -> Result<Change, BadSetting> {
        let index = index.filter(|_| matches!(self.axis, Axis::List(_)));
        Change::new(&self.path, value, &self.section, index)
    }

    /// Every value of a grid.
    fn grid(&self) -> Result<Vec<Change>, BadSetting> {
        let numbers;
        let values = match &self.axis {
            Axis::List(values) => values,
            Axis::Range(range) => {
                let Some(count) = range.count else {
                    return Err(BadSetting::new(
                        self.origin(),
                        "a range needs to know how many numbers to take from it",
                    )
                    .remedy("add `count: 4`, or draw at random with `trials`"));
                };
                let share = |at: u64| if count == 1 { 0.5 } else { at as f64 / (count - 1) as f64 };
                numbers = (0..count).map(|at| tidy(range.at(share(at))).into()).collect::<Vec<Value>>();
                &numbers
            }
        };
        values.iter().enumerate().map(|(index, value)| self.change(value, Some(index))).collect()
    }

    /// The value of a trial that is drawn. The same draws in every arm: no arm has the luckier ones.
    fn drawn(&self, seed: u64, trial: u64) -> Result<Change, BadSetting> {
        let mut random = generator(seed, &format!("sweep.{}", registry::key_text(&self.path)), trial, 0);
        match &self.axis {
            Axis::List(values) => {
                let index = random.random_range(0..values.len());
                self.change(&values[index], Some(index))
            }
            Axis::Range(range) if range.count.is_some() => Err(BadSetting::new(
                format!("{}.count", self.origin()),
                "`trials` draws from the range, so it has no count",
            )
            .remedy("leave `count` out, or `trials`")),
            Axis::Range(range) => self.change(&tidy(range.at(random.random::<f64>())).into(), None),
        }
    }
}

/// What a section tunes.
///
/// # Errors
/// What stands at a path is neither a list nor a range.
pub fn axes(section: &Mapping, here: &SettingPath) -> Result<Vec<Tuned>, BadSetting> {
    let axis = |(path, value): (&Value, &Value)| {
        let origin = here.clone().key(registry::key_text(path)).to_string();
        let axis = Axis::read(value).map_err(|bad| bad.under(&origin))?;
        Ok(Tuned { path: path.clone(), axis, section: here.clone() })
    };
    section.iter().map(axis).collect()
}

/// The trials of an arm: the grid, or so many draws.
///
/// # Errors
/// A range does not say how many numbers to take, or says it where draws are asked for.
pub fn trials(sweep: &Sweep, arm: &[Change], axes: &[Tuned]) -> Result<Vec<Trial>, BadSetting> {
    let mut tried: Vec<Vec<Change>> = vec![vec![]];
    if let Some(count) = sweep.trials.filter(|_| !axes.is_empty()) {
        let draw = |trial| axes.iter().map(|axis| axis.drawn(sweep.draw, trial)).collect::<Result<Vec<_>, _>>();
        tried = (0..count).map(draw).collect::<Result<_, _>>()?;
        // Few values drawn often repeat; a trial is worth its runs once.
        let mut seen = BTreeSet::new();
        tried.retain(|trial| seen.insert(label(trial)));
    } else {
        for axis in axes {
            let values = axis.grid()?;
            tried =
                tried.iter().flat_map(|t| values.iter().map(move |v| t.iter().chain([v]).cloned().collect())).collect();
        }
    }
    let trial = |tuned: Vec<Change>| Trial {
        label: label(&tuned),
        weights: None,
        changes: arm.iter().cloned().chain(tuned).collect(),
    };
    Ok(tried.into_iter().map(trial).collect())
}

/// `learning_rate=0.01,c=0.4`.
fn label(tuned: &[Change]) -> String {
    let one = |change: &Change| format!("{}={}", change.path.last_key().unwrap_or("value"), change.called(true));
    tuned.iter().map(one).collect::<Vec<_>>().join(",")
}
