//! Preferences at equal distances.

/// All lists of so many whole numbers with this sum, in order.
pub fn lattice(parts: usize, sum: usize) -> Vec<Vec<usize>> {
    match parts {
        0 => return vec![],
        1 => return vec![vec![sum]],
        _ => {}
    }
    let with = |first: usize| lattice(parts - 1, sum - first).into_iter().map(move |rest| [vec![first], rest].concat());
    (0..=sum).flat_map(with).collect()
}
