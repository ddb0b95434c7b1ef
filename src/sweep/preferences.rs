//! Arms that sweep a preference between the tasks.

use super::arm::{Arm, Trial};
use super::change::{Change, short_number, tidy};
use super::settings::{Axis, Sweep};
use super::tuning::{Tuned, trials};
use crate::error::{BadSetting, nearest};
use crate::methods::Method;
use crate::pareto::lattice;
use crate::path::SettingPath;
use serde_yaml::Value;

/// Preferences that methods are given, one after the other.
pub struct Grid {
    weights: Vec<Vec<f64>>,
    /// The section that names them, and whether it lists them one by one.
    pub section: SettingPath,
    listed: bool,
}

impl Grid {
    /// From a number of parts, or from a list.
    ///
    /// # Errors
    /// Both or neither are given; the parts do not reach all tasks.
    pub fn new(
        divisions: Option<u64>,
        weights: Option<&[Vec<f64>]>,
        tasks: usize,
        section: SettingPath,
    ) -> Result<Self, BadSetting> {
        let weights = match (divisions, weights) {
            (Some(divisions), None) => {
                if divisions < tasks as u64 {
                    let at = section.key("divisions").to_string();
                    return Err(BadSetting::new(at, format!("{divisions} parts do not reach {tasks} tasks"))
                        .remedy(format!("give at least {tasks}")));
                }
                // One part is every task's own.
                let free = lattice(tasks, divisions as usize - tasks);
                let weight = |part: &usize| tidy((*part + 1) as f64 * tasks as f64 / divisions as f64);
                free.iter().map(|parts| parts.iter().map(weight).collect()).collect()
            }
            (None, Some(weights)) if !weights.is_empty() => {
                return Ok(Self { weights: weights.to_vec(), section, listed: true });
            }
            _ => {
                let remedy = format!("write `{section}: {{divisions: 8, …}}`, or list the weights");
                let what = "it needs `divisions` or `weights`, one of the two";
                return Err(BadSetting::new(section.to_string(), what).remedy(remedy));
            }
        };
        Ok(Self { weights, section, listed: false })
    }

    /// A method, which stands at `origin`, with every preference, times what is tuned.
    ///
    /// # Errors
    /// The method takes no preference, or there is none of that name.
    pub fn arm(&self, sweep: &Sweep, method: &Value, origin: &SettingPath, axes: &[Tuned]) -> Result<Arm, BadSetting> {
        let name = method.get("name").and_then(Value::as_str).unwrap_or_default();
        let Some(key) = preference_key(name) else { return Err(no_preference(name, origin)) };
        // The whole grid, also where others draw from lists: a front has no holes.
        let draws = axes.iter().any(|axis| matches!(axis.axis, Axis::Range(_)));
        let sweep = Sweep { trials: sweep.trials.filter(|_| draws), ..sweep.clone() };
        let mut tried = Vec::new();
        for (index, weights) in self.weights.iter().enumerate() {
            let section = self.section.clone();
            let listed = if self.listed { section.key("weights").index(index) } else { section };
            let path = SettingPath::default().key("method");
            let values = weights.iter().copied().map(Value::from).collect::<Vec<_>>().into();
            let changes = [
                Change { path: path.clone(), value: method.clone(), origin: origin.clone() },
                Change { path: path.key(key), value: values, origin: listed },
            ];
            let shown: Vec<String> = weights.iter().copied().map(short_number).collect();
            let given = format!("{key}={}", shown.join(","));
            for trial in trials(&sweep, &changes, axes)? {
                let label = if trial.label.is_empty() { given.clone() } else { format!("{given},{}", trial.label) };
                tried.push(Trial { label, weights: Some(weights.clone()), ..trial });
            }
        }
        Ok(Arm { name: name.to_string(), control: false, trials: tried })
    }
}

/// What is wrong with a method that was to have a preference.
fn no_preference(name: &str, origin: &SettingPath) -> BadSetting {
    let takers: Vec<&str> = Method::NAMES.iter().copied().filter(|name| preference_key(name).is_some()).collect();
    let choose = format!("choose among {}", takers.join(", "));
    if Method::NAMES.contains(&name) {
        return BadSetting::new(origin.to_string(), format!("the method {name:?} takes no preference")).remedy(choose);
    }
    let near = nearest(name, takers).map(|near| format!("did you mean {near}?"));
    BadSetting::new(origin.to_string(), format!("there is no method {name:?}")).remedy(near.unwrap_or(choose))
}

/// What a method calls the preference that it takes, if it takes one.
fn preference_key(method: &str) -> Option<&'static str> {
    let entry = Method::entries().into_iter().find(|entry| entry.name == method)?;
    let settings = entry.schema.get("properties")?.as_object()?.clone();
    ["preference", "weights"].into_iter().find(|key| settings.contains_key(*key))
}
