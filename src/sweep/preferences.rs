//! Arms that sweep a preference between the tasks.

use super::change::{Change, short_number, tidy};
use crate::error::{BadSetting, nearest};
use crate::methods::Method;
use crate::pareto::lattice;
use crate::path::SettingPath;
use serde_yaml::Value;

/// Preferences that methods are given, one after the other.
pub struct Grid {
    weights: Vec<Vec<f64>>,
    /// The section that names them, and whether it lists them one by one.
    section: SettingPath,
    listed: bool,
}

/// A method with one of the preferences.
pub struct Point {
    /// `preference=0.5,1.5`.
    pub label: String,
    /// The preference itself.
    pub weights: Vec<f64>,
    /// The method and its preference.
    pub changes: [Change; 2],
}

impl Grid {
    /// From a number of parts, or from a list.
    ///
    /// # Errors
    /// Both or neither are given; the parts do not reach all tasks; the list holds no weights, or
    /// the same ones twice.
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
                check(weights, tasks, &section.clone().key("weights"))?;
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

    /// A method with every preference.
    ///
    /// # Errors
    /// The method takes no preference or has one already, or there is none of that name.
    pub fn points(&self, method: &Change) -> Result<Vec<Point>, BadSetting> {
        let name = method.value.get("name").and_then(Value::as_str).unwrap_or_default();
        let Some(key) = preference_key(name) else { return Err(no_preference(name, &method.origin)) };
        let path = method.path.clone().key(key);
        if method.names(&path) {
            return Err(method.overridden(&path, &self.section));
        }
        let point = |(index, weights): (usize, &Vec<f64>)| {
            let section = self.section.clone();
            let origin = if self.listed { section.key("weights").index(index) } else { section };
            let values = weights.iter().copied().map(Value::from).collect::<Vec<_>>().into();
            let shown: Vec<String> = weights.iter().copied().map(short_number).collect();
            Point {
                label: format!("{key}={}", shown.join(",")),
                weights: weights.clone(),
                changes: [method.clone(), Change { path: path.clone(), value: values, origin }],
            }
        };
        Ok(self.weights.iter().enumerate().map(point).collect())
    }
}

/// Refuses lists that are no weights of so many tasks, and two that mean the same.
fn check(weights: &[Vec<f64>], tasks: usize, section: &SettingPath) -> Result<(), BadSetting> {
    for (index, list) in weights.iter().enumerate() {
        let place = section.clone().index(index);
        if list.len() != tasks {
            return Err(BadSetting::new(place.to_string(), format!("{} numbers for {tasks} tasks", list.len()))
                .remedy("give one number per task, in the order of `tasks`"));
        }
        if let Some(at) = list.iter().position(|weight| !(weight.is_finite() && *weight >= 0.0)) {
            let what = format!("{} is not a number of 0 or above", list[at]);
            return Err(BadSetting::new(place.index(at).to_string(), what)
                .remedy("write how much the task weighs beside the others"));
        }
        if list.iter().all(|weight| *weight == 0.0) {
            return Err(
                BadSetting::new(place.to_string(), "every weight is 0, so no task counts").remedy("give one above 0")
            );
        }
        if let Some(earlier) = weights[..index].iter().position(|other| proportional(other, list)) {
            let show = |list: &[f64]| list.iter().copied().map(short_number).collect::<Vec<_>>().join(", ");
            let what =
                format!("[{}] weighs the tasks as [{}] in [{earlier}] does", show(list), show(&weights[earlier]));
            return Err(BadSetting::new(place.to_string(), what)
                .remedy("take one of the two out: a common factor does not change the balance"));
        }
    }
    Ok(())
}

/// Whether two lists of weights are the same but for a factor.
fn proportional(one: &[f64], other: &[f64]) -> bool {
    let most = |list: &[f64]| list.iter().copied().fold(0.0, f64::max);
    let (a, b) = (most(one), most(other));
    one.len() == other.len() && one.iter().zip(other).all(|(x, y)| (x / a - y / b).abs() <= 1e-9)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_that_are_the_same_but_for_a_factor_are_told_apart_from_others() {
        for (one, other, same) in [
            ([1.0, 1.0], [2.0, 2.0], true),
            ([0.1, 0.3], [0.2, 0.6], true),
            ([0.0, 2.0], [0.0, 3.0], true),
            ([1e308, 1e308], [1e-300, 1e-300], true),
            ([1.0, 2.0], [2.0, 1.0], false),
            ([0.0, 1.0], [1e-6, 1.0], false),
        ] {
            assert_eq!(proportional(&one, &other), same, "{one:?} {other:?}");
        }
    }
}
