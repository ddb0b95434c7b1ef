//! What is tuned: settings, each with a list of values or a range of numbers.

mod combinations;
mod whole;

pub use combinations::{Tried, draws, grid};

use super::change::{Change, chosen, setting, tidy};
use super::settings::{Axis, Range};
use crate::error::BadSetting;
use crate::path::SettingPath;
use crate::random::generator;
use crate::registry;
use rand::RngExt;
use serde_yaml::{Mapping, Value};
use std::collections::HashSet;

/// A tuned setting.
#[derive(Debug, Clone)]
pub struct Tuned {
    /// The setting.
    pub path: SettingPath,
    /// Its values.
    pub axis: Axis,
    /// Where it stands in the sweep's YAML.
    pub origin: SettingPath,
    /// Its path as written, which the draws depend on.
    written: String,
    /// Whether the setting takes whole numbers alone.
    whole: bool,
}

/// What a section tunes.
///
/// # Errors
/// A path is none; what stands there is neither a list nor a range.
pub fn axes(section: &Mapping, here: &SettingPath) -> Result<Vec<Tuned>, BadSetting> {
    let axis = |(path, value): (&Value, &Value)| {
        let written = registry::key_text(path);
        let origin = here.clone().key(&written);
        let path = setting(&written, &origin)?;
        let axis = Axis::read(value).map_err(|bad| bad.under(&origin.to_string()))?;
        Ok(Tuned { path, axis, origin, written, whole: false })
    };
    section.iter().map(axis).collect()
}

/// Lets the settings of an arm decide which ranges give whole numbers.
///
/// # Errors
/// An end of such a range is not whole; a value of one axis says what another tunes.
pub fn fit(axes: &mut [Tuned], settings: &Value) -> Result<(), BadSetting> {
    let mut paths = Vec::new();
    for (at, axis) in axes.iter().enumerate() {
        let others = axes.iter().enumerate().filter(|(other, _)| *other != at).map(|(_, other)| other);
        for lower in others.filter(|other| axis.path.holds(&other.path)) {
            if let Some(value) = axis.changes().iter().find(|change| change.names(&lower.path)) {
                return Err(value.overridden(&lower.path, &lower.origin));
            }
        }
        paths.push(axis.path.clone());
    }
    for axis in axes {
        let Axis::Range(range) = &axis.axis else { continue };
        // What a choice that is itself tuned holds, is not known yet.
        let above = paths.iter().filter(|path| **path != axis.path && path.holds(&axis.path));
        let known = above.map(|path| path.steps.len()).min().unwrap_or(usize::MAX);
        axis.whole = whole::is_whole(settings, &axis.path, known);
        let ends = [("from", range.from), ("to", range.to)];
        if let Some((key, end)) = ends.into_iter().find(|(_, end)| axis.whole && end.fract() != 0.0) {
            let what = format!("{end} is not a whole number, as {} has to be", axis.path);
            let remedy = format!("write {} or {}", end.floor(), end.ceil());
            return Err(BadSetting::new(axis.origin.clone().key(key).to_string(), what).remedy(remedy));
        }
    }
    Ok(())
}

impl Tuned {
    /// Whether its values are numbers of a range.
    pub fn is_range(&self) -> bool {
        matches!(self.axis, Axis::Range(_))
    }

    /// The setting at each value of the list; for a range, at its lower end.
    pub fn changes(&self) -> Vec<Change> {
        match &self.axis {
            Axis::List(values) => {
                values.iter().enumerate().map(|(index, value)| self.listed_at(index, value)).collect()
            }
            Axis::Range(range) => vec![self.at(range.from)],
        }
    }

    fn listed_at(&self, index: usize, value: &Value) -> Change {
        let origin = self.origin.clone().index(index);
        Change { path: self.path.clone(), value: chosen(&self.path, value), origin }
    }

    /// The setting at a number of the range: whole where it has to be, else to six digits.
    fn at(&self, number: f64) -> Change {
        let value = match &self.axis {
            Axis::Range(range) if self.whole => (tidy(number.round()).clamp(range.from, range.to) as i64).into(),
            _ => tidy(number).into(),
        };
        Change { path: self.path.clone(), value, origin: self.origin.clone() }
    }

    /// Every value of a grid, and what to say where numbers of a range became equal.
    fn grid(&self, most: u64) -> Result<(Vec<Change>, Option<String>), BadSetting> {
        let Axis::Range(range) = &self.axis else { return Ok((self.changes(), None)) };
        let bad = |at: SettingPath, what: &str| BadSetting::new(at.to_string(), what);
        let Some(count) = range.count else {
            return Err(bad(self.origin.clone(), "a range needs to know how many numbers to take from it")
                .remedy("add `count: 4`, or draw at random with `trials`"));
        };
        if count > most {
            let place = self.origin.clone().key("count");
            return Err(bad(place, &format!("{count} numbers are too many")).remedy(format!("take at most {most}")));
        }
        let share = |at: u64| if count == 1 { 0.5 } else { at as f64 / (count - 1) as f64 };
        let values = distinct((0..count).map(|at| self.at(range.at(share(at)))));
        let few = (values.len() as u64) < count;
        let note = || {
            format!("{}: {} numbers of the {count} asked for: rounded, the others are equal", self.origin, values.len())
        };
        let note = few.then(note);
        Ok((values, note))
    }

    /// Its different values: of a list, or of a range that gives no more than `most` whole numbers.
    fn listed(&self, most: u64) -> Option<Vec<Change>> {
        match &self.axis {
            Axis::List(_) => Some(distinct(self.changes())),
            Axis::Range(range) if self.whole && range.to - range.from < most as f64 => {
                Some(distinct((0..=(range.to - range.from) as u64).map(|step| self.at(range.from + step as f64))))
            }
            Axis::Range(_) => None,
        }
    }

    /// The value of a trial that is drawn. The same draws in every arm: no arm has the luckier ones.
    fn drawn(&self, seed: u64, trial: u64) -> Result<Change, BadSetting> {
        let mut random = generator(seed, &format!("sweep.{}", self.written), trial, 0);
        match &self.axis {
            Axis::List(values) => {
                let index = random.random_range(0..values.len());
                Ok(self.listed_at(index, &values[index]))
            }
            Axis::Range(Range { count: Some(_), .. }) => Err(BadSetting::new(
                self.origin.clone().key("count").to_string(),
                "`trials` draws from the range, so it has no count",
            )
            .remedy("leave `count` out, or `trials`")),
            Axis::Range(range) => {
                // Rounding would leave half as much to the whole numbers at the ends.
                let half = if self.whole { 0.5 } else { 0.0 };
                let wide = Range { from: range.from - half, to: range.to + half, ..range.clone() };
                Ok(self.at(wide.at(random.random::<f64>())))
            }
        }
    }
}

/// The changes that names tell apart.
fn distinct(changes: impl IntoIterator<Item = Change>) -> Vec<Change> {
    let mut seen = HashSet::new();
    changes.into_iter().filter(|change| seen.insert(change.called(true))).collect()
}
