//! Which tasks to train together: the partition with the most affinity inside its groups.

/// Up to so many tasks the best partition is found for sure.
pub const EXACT: usize = 12;

/// A partition of the tasks.
#[derive(Debug, Clone, PartialEq)]
pub struct Grouping {
    /// Disjoint, together all tasks; each ascending, in the order of their first tasks.
    pub groups: Vec<Vec<usize>>,
    /// The sum of the groups' scores.
    pub score: f64,
    /// Whether no partition into as many groups has a higher score.
    pub exact: bool,
}

/// Splits tasks into at most `most` groups such that [`score`], summed over the groups, is highest. `affinity` `[T, T]` is of
/// a row's task onto a column's.
///
/// Up to [`EXACT`] tasks by dynamic programming over all subsets: exact, and among equals the one with the fewest groups.
/// Above, greedily: from all tasks alone, the two groups whose union gains most are merged while there are too many groups
/// or a merger gains; then, from there and from all tasks in one group, the best of all moves of one task, swaps of two and
/// mergers of two groups, while one gains; the better end is taken.
///
/// Deviations from Fifty et al. 2021: groups are disjoint, as a person trains them, where theirs may share tasks, each
/// served by the group that is best for it; and a task may be alone, at 0 (see [`score`]), which their code rules out.
///
/// # Panics
/// `most` is 0.
pub fn group(affinity: &[Vec<f64>], most: usize) -> Grouping {
    assert!(most > 0, "tasks need a group");
    let exact = affinity.len() <= EXACT;
    let mut groups = if exact { best(affinity, most) } else { searched(affinity, most) };
    groups.iter_mut().for_each(|group| group.sort_unstable());
    groups.sort_unstable();
    let score = total(affinity, &groups);
    Grouping { groups, score, exact }
}

/// The sum over a group's tasks of the mean affinity onto each from the others. A task alone scores 0: nobody helps it,
/// nobody harms it. (Its affinity onto itself is left out: it is nearly always the highest, and would leave every task
/// alone.)
pub fn score(affinity: &[Vec<f64>], group: &[usize]) -> f64 {
    group.iter().map(|&task| onto(affinity, group, task)).sum()
}

/// The mean affinity onto a task from the others in its group; 0 for a task alone.
pub fn onto(affinity: &[Vec<f64>], group: &[usize], task: usize) -> f64 {
    let others = group.iter().filter(|other| **other != task).map(|&other| affinity[other][task]);
    if group.len() < 2 { 0.0 } else { others.sum::<f64>() / (group.len() - 1) as f64 }
}

fn total(affinity: &[Vec<f64>], groups: &[Vec<usize>]) -> f64 {
    groups.iter().map(|group| score(affinity, group)).sum()
}

/// `table[S]`, per set of tasks the best score of a partition of S and the part of it that holds its lowest task, grows
/// from partitions into one group to those into at most `most`.
fn best(affinity: &[Vec<f64>], most: usize) -> Vec<Vec<usize>> {
    let tasks = affinity.len();
    let members = |set: usize| (0..tasks).filter(|task| set >> task & 1 == 1).collect::<Vec<_>>();
    let alone: Vec<f64> = (0..1 << tasks).map(|set| score(affinity, &members(set))).collect();
    let mut tables = vec![alone.iter().enumerate().map(|(set, score)| (*score, set)).collect::<Vec<_>>()];
    for _ in 1..most.min(tasks) {
        let fewer = tables.last().expect("there is the first");
        let table = (0..1 << tasks).map(|set| better(set, fewer, &alone)).collect();
        tables.push(table);
    }
    let (mut left, mut groups) = ((1 << tasks) - 1, Vec::new());
    while let (Some(table), true) = (tables.pop(), left != 0) {
        let part = table[left].1;
        groups.push(members(part));
        left &= !part;
    }
    groups
}

/// The best of the partition into fewer groups and those that split off a part with the set's lowest task.
fn better(set: usize, fewer: &[(f64, usize)], alone: &[f64]) -> (f64, usize) {
    let mut best = fewer[set];
    let lowest = set & set.wrapping_neg();
    let rest = set ^ lowest;
    let mut others = rest;
    while others != 0 {
        others = (others - 1) & rest; // every proper subset of the rest
        let part = lowest | others;
        let score = alone[part] + fewer[set ^ part].0;
        if score > best.0 {
            best = (score, part);
        }
    }
    best
}

fn searched(affinity: &[Vec<f64>], most: usize) -> Vec<Vec<usize>> {
    let together = vec![(0..affinity.len()).collect()];
    let starts = [merged(affinity, most), together].map(|groups| improved(affinity, groups, most));
    let [one, other] = starts;
    if total(affinity, &other) >= total(affinity, &one) { other } else { one }
}

/// What a change of some groups must gain to count: more than rounding.
fn least_gain(affinity: &[Vec<f64>]) -> f64 {
    1e-12 * affinity.iter().flatten().fold(0.0, |most: f64, value| most.max(value.abs()))
}

fn merged(affinity: &[Vec<f64>], most: usize) -> Vec<Vec<usize>> {
    let mut groups: Vec<Vec<usize>> = (0..affinity.len()).map(|task| vec![task]).collect();
    loop {
        let Some((gain, next)) = highest(affinity, &groups, mergers(groups.len())) else { return groups };
        if groups.len() <= most && gain <= least_gain(affinity) {
            return groups;
        }
        groups = next;
    }
}

fn improved(affinity: &[Vec<f64>], mut groups: Vec<Vec<usize>>, most: usize) -> Vec<Vec<usize>> {
    loop {
        let place = |task: usize| groups.iter().position(|group| group.contains(&task)).expect("in a group");
        let places: Vec<usize> = (0..affinity.len()).map(place).collect();
        let mut changes = mergers(groups.len());
        let targets = groups.len() + usize::from(groups.len() < most); // the last one is new
        for (task, &from) in places.iter().enumerate() {
            changes.extend((0..targets).filter(|to| *to != from).map(|to| Change::Move { task, from, to }));
            let others = (0..task).filter(|other| places[*other] != from);
            changes.extend(others.map(|other| Change::Swap { tasks: (task, other), places: (from, places[other]) }));
        }
        match highest(affinity, &groups, changes) {
            Some((gain, next)) if gain > least_gain(affinity) => groups = next,
            _ => return groups,
        }
    }
}

/// A change of two groups, by their places.
#[derive(Debug, Clone, Copy)]
enum Change {
    Move { task: usize, from: usize, to: usize },
    Swap { tasks: (usize, usize), places: (usize, usize) },
    Merge { one: usize, other: usize },
}

fn mergers(groups: usize) -> Vec<Change> {
    (0..groups).flat_map(|other| (0..other).map(move |one| Change::Merge { one, other })).collect()
}

impl Change {
    /// The two groups' places, and what becomes of them.
    fn made(self, groups: &[Vec<usize>]) -> ([usize; 2], [Vec<usize>; 2]) {
        let of = |place: usize| groups.get(place).cloned().unwrap_or_default();
        let exchanged = |place: usize, out: usize, new: usize| {
            of(place).into_iter().map(|task| if task == out { new } else { task }).collect()
        };
        match self {
            Self::Move { task, from, to } => {
                let left = of(from).into_iter().filter(|other| *other != task).collect();
                ([from, to], [left, [of(to), vec![task]].concat()])
            }
            Self::Swap { tasks: (a, b), places: (of_a, of_b) } => {
                ([of_a, of_b], [exchanged(of_a, a, b), exchanged(of_b, b, a)])
            }
            Self::Merge { one, other } => ([one, other], [[of(one), of(other)].concat(), vec![]]),
        }
    }
}

/// The change that gains most, with its gain; the first of equals.
fn highest(affinity: &[Vec<f64>], groups: &[Vec<usize>], changes: Vec<Change>) -> Option<(f64, Vec<Vec<usize>>)> {
    let mut best: Option<(f64, Change)> = None;
    for change in changes {
        let (places, made) = change.made(groups);
        let before = places.iter().filter_map(|place| groups.get(*place)).map(|group| score(affinity, group));
        let gain = total(affinity, &made) - before.sum::<f64>();
        if best.is_none_or(|(most, _)| gain > most) {
            best = Some((gain, change));
        }
    }
    let (gain, change) = best?;
    let mut next = groups.to_vec();
    next.resize(groups.len() + 1, vec![]); // room for a new group
    let (places, made) = change.made(groups);
    for (place, group) in places.into_iter().zip(made) {
        next[place] = group;
    }
    next.retain(|group| !group.is_empty());
    Some((gain, next))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::generator;
    use rand::RngExt;

    fn random(tasks: usize, number: u64) -> Vec<Vec<f64>> {
        let mut generator = generator(number, "affinity", tasks as u64, 0);
        (0..tasks).map(|_| (0..tasks).map(|_| generator.random_range(-1.0..1.0)).collect()).collect()
    }

    /// The highest score of all partitions: every task goes into each group that is there, or into a new one.
    fn brute_force(affinity: &[Vec<f64>], groups: &mut Vec<Vec<usize>>, most: usize) -> f64 {
        let task = groups.iter().map(Vec::len).sum();
        if task == affinity.len() {
            return total(affinity, groups);
        }
        let mut highest = f64::NEG_INFINITY;
        for place in 0..groups.len() {
            groups[place].push(task);
            highest = highest.max(brute_force(affinity, groups, most));
            groups[place].pop();
        }
        if groups.len() < most {
            groups.push(vec![task]);
            highest = highest.max(brute_force(affinity, groups, most));
            groups.pop();
        }
        highest
    }

    fn is_partition(groups: &[Vec<usize>], tasks: usize, most: usize) -> bool {
        let mut all = groups.concat();
        all.sort_unstable();
        all == (0..tasks).collect::<Vec<_>>() && groups.len() <= most && !groups.iter().any(Vec::is_empty)
    }

    #[test]
    fn no_partition_beats_the_proposed_one() {
        for number in 0..20 {
            for tasks in 1..=8 {
                let affinity = random(tasks, number);
                for most in 1..=tasks + 1 {
                    let found = group(&affinity, most);
                    let highest = brute_force(&affinity, &mut vec![], most);
                    assert!(is_partition(&found.groups, tasks, most), "{found:?}");
                    assert!((found.score - highest).abs() < 1e-12, "{tasks} {most}: {found:?}, there is {highest}");
                    assert!(found.exact);
                }
            }
        }
    }

    #[test]
    fn local_search_is_near_the_best_and_never_above() {
        let (mut found, mut highest) = (0.0, 0.0);
        for number in 0..20 {
            for (tasks, most) in [(5, 2), (8, 3), (11, 4), (12, 12)] {
                let affinity = random(tasks, number);
                let groups = searched(&affinity, most);
                assert!(is_partition(&groups, tasks, most), "{groups:?}");
                let best = group(&affinity, most).score;
                assert!(total(&affinity, &groups) <= best + 1e-12);
                found += total(&affinity, &groups);
                highest += best;
            }
        }
        assert!(found > 0.97 * highest, "{found} of {highest}");
    }

    #[test]
    fn blocks_of_many_tasks_are_found() {
        // Tasks that leave the same remainder help each other, others harm.
        for (tasks, blocks) in [(13, 3), (40, 5)] {
            let affinity: Vec<Vec<f64>> = (0..tasks)
                .map(|i| (0..tasks).map(|j| if i % blocks == j % blocks { 1.0 } else { -0.1 }).collect())
                .collect();
            let found = group(&affinity, blocks);
            let expected: Vec<Vec<usize>> = (0..blocks).map(|b| (b..tasks).step_by(blocks).collect()).collect();
            assert_eq!(found, Grouping { groups: expected, score: tasks as f64, exact: false });
        }
    }

    #[test]
    fn a_group_scores_the_mean_affinity_onto_each_of_its_tasks_from_the_others() {
        let affinity = [vec![9.0, 2.0, -1.0], vec![4.0, 9.0, -3.0], vec![6.0, -8.0, 9.0]];
        assert_eq!(score(&affinity, &[0, 1]), 4.0 + 2.0);
        assert_eq!(score(&affinity, &[0, 1, 2]), (4.0 + 6.0) / 2.0 + (2.0 - 8.0) / 2.0 + (-1.0 - 3.0) / 2.0);
        assert_eq!(score(&affinity, &[1]), 0.0);
        assert_eq!(onto(&affinity, &[0, 1, 2], 0), 5.0);
        assert_eq!(group(&affinity, 3).groups, [vec![0, 1], vec![2]]);
        assert_eq!(group(&affinity, 1).groups, [vec![0, 1, 2]]);
    }

    #[test]
    fn where_nothing_is_gained_there_is_one_group() {
        for tasks in [3, 15] {
            let affinity = vec![vec![0.0; tasks]; tasks];
            assert_eq!(group(&affinity, 3).groups, [(0..tasks).collect::<Vec<_>>()]);
        }
    }
}
