//! Settings with one number per task, in the order of `tasks`.

use super::Step;
use crate::error::BadSetting;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One number for all tasks, or a list with one per task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "invalid value, expected a number or a list with one number per task")]
pub enum PerTask {
    /// The same for every task.
    All(f64),
    /// One per task, in the order of `tasks`.
    Each(Vec<f64>),
}

impl PerTask {
    /// Refuses what does not fit the tasks, or is not finite.
    pub(super) fn check(&self, setting: &str, tasks: &[String]) -> Result<(), BadSetting> {
        match self {
            Self::All(value) if value.is_finite() => Ok(()),
            Self::All(value) => Err(BadSetting::new(setting, format!("{value}, expected a finite number"))),
            Self::Each(list) => check_finite(setting, list, tasks),
        }
    }

    /// The numbers of the present tasks `[K]`.
    pub(super) fn present(&self, step: &Step) -> Vec<f64> {
        match self {
            Self::All(value) => vec![*value; step.count()],
            Self::Each(list) => step.of(list),
        }
    }
}

/// The numbers of the present tasks `[K]`, `default` where there is no list.
pub(super) fn present_or(list: Option<&Vec<f64>>, default: f64, step: &Step) -> Vec<f64> {
    list.map_or_else(|| vec![default; step.count()], |list| step.of(list))
}

/// A preference between the present tasks `[K]`, scaled to the sum that it has over all; 1/K each where there is no list. So
/// a mean by preference does not shrink with the number of tasks. Zero where all that are present have a preference of 0.
pub(super) fn preference(list: Option<&Vec<f64>>, step: &Step) -> Vec<f64> {
    let Some(list) = list else { return vec![1.0 / step.count() as f64; step.count()] };
    let present = step.of(list);
    let (all, here): (f64, f64) = (list.iter().sum(), present.iter().sum());
    if here == 0.0 || present.len() == list.len() {
        return present;
    }
    present.iter().map(|weight| weight * (all / here)).collect()
}

/// Refuses a list of weights that is not one number of 0 or above per task.
pub(super) fn check_weights(setting: &str, list: &[f64], tasks: &[String]) -> Result<(), BadSetting> {
    check(setting, list, tasks, "a number of 0 or above", |value| value >= 0.0)
}

/// The same for an optional list, of which one entry at least must be above 0.
pub(super) fn check_preference(setting: &str, list: Option<&Vec<f64>>, tasks: &[String]) -> Result<(), BadSetting> {
    let Some(list) = list else { return Ok(()) };
    check_weights(setting, list, tasks)?;
    match list.iter().any(|weight| *weight > 0.0) {
        true => Ok(()),
        false => Err(BadSetting::new(setting, "every weight is 0, so no task counts").remedy("give one above 0")),
    }
}

/// Refuses a list that is not one finite number per task.
pub(super) fn check_finite(setting: &str, list: &[f64], tasks: &[String]) -> Result<(), BadSetting> {
    check(setting, list, tasks, "a finite number", |_| true)
}

fn check(
    setting: &str,
    list: &[f64],
    tasks: &[String],
    allowed: &str,
    good: fn(f64) -> bool,
) -> Result<(), BadSetting> {
    if list.len() != tasks.len() {
        let what = format!("{} numbers for {} tasks ({})", list.len(), tasks.len(), tasks.join(", "));
        return Err(BadSetting::new(setting, what).remedy("give one number per task, in the order of `tasks`"));
    }
    match list.iter().position(|value| !(value.is_finite() && good(*value))) {
        Some(at) => Err(BadSetting::new(format!("{setting}[{at}]"), format!("{}, expected {allowed}", list[at]))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use crate::methods::Matrix;
    use crate::methods::trial::{Trial, refused};

    #[test]
    fn a_preference_keeps_its_sum_when_tasks_are_absent() {
        for name in ["upgrad", "dualproj"] {
            let mut trial = Trial::new(&format!("{{name: {name}, preference: [1, 2, 3, 0]}}"), 4);
            let mut weigh = |present: [bool; 4]| {
                let count = present.iter().filter(|there| **there).count();
                let losses = present.map(|there| there.then_some(1.0));
                trial.weigh(losses, &Matrix::identity(count, count)).expect("weights")
            };
            assert_eq!(weigh([true, false, true, false]), [1.5, 4.5], "{name}");
            assert_eq!(weigh([false, true, false, true]), [6.0, 0.0], "{name}");
            assert_eq!(weigh([false, false, false, true]), [0.0], "{name}");
        }
    }

    #[test]
    fn a_preference_that_does_not_fit_the_tasks_is_refused() {
        for name in ["upgrad", "dualproj"] {
            let path = |list: &str| refused(&format!("{{name: {name}, preference: {list}}}"), 2).path;
            assert_eq!([path("[1]"), path("[1, -1]"), path("[0, 0]")], ["preference", "preference[1]", "preference"]);
        }
    }
}
