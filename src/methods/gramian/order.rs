//! The order in which a task's gradient meets those of the others.

use crate::methods::Step;
use rand::seq::SliceRandom;

/// For each present task `[K]` the rows of the others [K - 1], as it meets them in this step: uniform over all orders, and
/// independent from task to task.
///
/// A function of the seed, `purpose`, the step and the tasks' names: the tasks' numbers do not matter, and a task that is
/// absent leaves the others in their order.
pub fn orders(step: &Step, purpose: &str) -> Vec<Vec<usize>> {
    let mut named: Vec<usize> = (0..step.tasks.len()).collect();
    named.sort_by_key(|&task| &step.tasks[task]);
    let of = |task: usize| {
        let mut met = named.clone();
        met.shuffle(&mut step.generator(&format!("{purpose} {}", step.tasks[task])));
        let others = met.into_iter().filter(|&other| other != task);
        others.filter_map(|other| step.present.binary_search(&other).ok()).collect()
    };
    step.present.iter().map(|&task| of(task)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::methods::trial::Trial;
    use std::collections::BTreeMap;

    /// The orders of a step, given the tasks' names and who is present.
    fn drawn(number: u64, tasks: [&str; 4], present: [bool; 4]) -> Vec<Vec<usize>> {
        let mut trial = Trial::new("{name: pcgrad}", 4);
        trial.tasks = tasks.map(String::from).into();
        (trial.seed, trial.step) = (7, number);
        trial.ask(&present.map(|there| there.then_some(1.0)), |_, step, _| orders(step, "test"))
    }

    /// Per present task, by name, the names of those that it meets.
    fn met(number: u64, tasks: [&'static str; 4], present: [bool; 4]) -> BTreeMap<&'static str, Vec<&'static str>> {
        let there: Vec<&str> = (0..4).filter(|&task| present[task]).map(|task| tasks[task]).collect();
        let name = |row: usize| there[row];
        let orders = drawn(number, tasks, present).into_iter().enumerate();
        orders.map(|(row, order)| (name(row), order.into_iter().map(name).collect())).collect()
    }

    #[test]
    fn orders_follow_names_and_not_numbers() {
        for number in 0..20 {
            let straight = met(number, ["a", "b", "c", "d"], [true; 4]);
            assert_eq!(met(number, ["c", "a", "d", "b"], [true; 4]), straight);
            let mut without = straight.clone();
            without.remove("b");
            without.values_mut().for_each(|order| order.retain(|name| *name != "b"));
            assert_eq!(met(number, ["a", "b", "c", "d"], [true, false, true, true]), without);
        }
    }

    #[test]
    fn every_order_is_as_frequent_as_any_other() {
        let mut counts = BTreeMap::new();
        for number in 0..6000 {
            let orders = drawn(number, ["a", "b", "c", "d"], [true; 4]);
            // Tasks draw independently: all 36 pairs of orders occur.
            *counts.entry((orders[0].clone(), orders[2].clone())).or_insert(0_i64) += 1;
        }
        assert_eq!(counts.len(), 36);
        // 6000 / 36 = 167, standard deviation 13
        assert!(counts.values().all(|count| (count - 167).abs() < 60), "{counts:?}");
    }
}
