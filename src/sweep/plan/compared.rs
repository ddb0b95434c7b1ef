//! The arms of `compare`: all combinations of the values that are listed.

use super::super::change::{Change, above_first};
use crate::error::BadSetting;
use crate::path::SettingPath;
use crate::registry;
use serde_yaml::{Mapping, Value};

/// A value that is compared, and what an arm with it is called.
type Compared = (String, Change);

/// Names and changes of the arms of `compare`: all combinations.
///
/// # Errors
/// What stands at a path is no list of values; a value says what another path compares.
pub fn compared(section: &Mapping) -> Result<Vec<(String, Vec<Change>)>, BadSetting> {
    let axes = section.iter().map(|(path, values)| axis(path, values)).collect::<Result<Vec<_>, _>>()?;
    check_axes(&axes)?;
    let mut combinations: Vec<Vec<Compared>> = if axes.is_empty() { vec![] } else { vec![vec![]] };
    for values in &axes {
        combinations = combinations
            .iter()
            .flat_map(|arm| values.iter().map(move |value| arm.iter().chain([value]).cloned().collect()))
            .collect();
    }
    let arm = |parts: Vec<Compared>| {
        let (names, mut changes): (Vec<String>, Vec<Change>) = parts.into_iter().unzip();
        above_first(&mut changes);
        (names.join("+"), changes)
    };
    Ok(combinations.into_iter().map(arm).collect())
}

/// The values at a path.
fn axis(path: &Value, values: &Value) -> Result<Vec<Compared>, BadSetting> {
    let here = SettingPath::default().key("compare");
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
    let named = values.into_iter().enumerate().map(|(index, value)| {
        let taken = alone.iter().filter(|other| **other == alone[index]).count() > 1;
        let called = value.called(taken);
        // A bare value needs the setting's name beside it.
        let name = match &value.value {
            Value::Mapping(_) => called,
            _ => format!("{}={called}", value.path.last_key().unwrap_or_default()),
        };
        (name, value)
    });
    Ok(named.collect())
}

/// No value may say what another path compares: the arms of that one would be the same.
fn check_axes(axes: &[Vec<Compared>]) -> Result<(), BadSetting> {
    for (at, upper) in axes.iter().enumerate() {
        let others = axes.iter().enumerate().filter(|(other, _)| *other != at).filter_map(|(_, other)| other.first());
        for (_, lower) in others.filter(|(_, lower)| upper[0].1.path.holds(&lower.path)) {
            if let Some((_, value)) = upper.iter().find(|(_, value)| value.names(&lower.path)) {
                return Err(value.overridden(&lower.path, &lower.origin));
            }
        }
    }
    Ok(())
}
