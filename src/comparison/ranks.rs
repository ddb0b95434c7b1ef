//! Who comes first: the field's mean rank over seeds and measures, and the arms by the score, seed by seed.

use super::rows::{Presence, Row};
use super::verdicts::Family;
use super::{LEVEL, Measure, Score};
use crate::statistics::{
    cliques, friedman, largest, mean, mean_ranks, merge_equal, nemenyi_critical_difference, ranks,
};
use serde::Serialize;

/// Arms by the ranks of their score, a block per seed; and which pairs differ.
#[derive(Debug, Clone, Serialize)]
pub struct Ranking {
    /// Names, best first.
    pub rows: Vec<String>,
    /// Their ranks by the score, averaged over the seeds.
    pub mean_ranks: Vec<f64>,
    /// Seeds that every arm has, or failed at.
    pub blocks: usize,
    /// Of Friedman's test that all rows are equal.
    pub friedman_p: Option<f64>,
    /// Nemenyi's: average ranks further apart differ at 5 %.
    pub critical_difference: Option<f64>,
    /// Rows whose average ranks lie closer than that, by their place in `rows`.
    pub cliques: Vec<Vec<usize>>,
    /// Per pair of rows, by their places: p of the test that decides on the score, after Holm over all pairs.
    pub pairs: Vec<Vec<Option<f64>>>,
}

/// The rows that have a rank: those at equal budget of which a run has ended.
fn ranked(rows: &[Row]) -> Vec<usize> {
    let ended = |row: &Row| row.presence.iter().any(|presence| *presence != Presence::Absent);
    (0..rows.len()).filter(|&at| rows[at].is_equal_budget() && ended(&rows[at])).collect()
}

/// Ranks of rows by one number at a seed, 1 for the best. A run that failed comes last. Nothing where another has no value,
/// as before it has begun and where a metric is undefined, or where all failed: ranks of some are no ranks.
fn block(rows: &[&Row], seed: usize, higher_is_better: bool, of: impl Fn(&Row) -> Option<f64>) -> Option<Vec<f64>> {
    let last = if higher_is_better { f64::NEG_INFINITY } else { f64::INFINITY };
    let value = |row: &&Row| of(row).or_else(|| (row.presence[seed] == Presence::Failed).then_some(last));
    let mut values = rows.iter().map(value).collect::<Option<Vec<f64>>>()?;
    // Arms that differ by rounding alone share a rank.
    let size = largest(values.iter().copied());
    merge_equal(&mut values, size);
    values.iter().any(|value| value.is_finite()).then(|| ranks(&values, higher_is_better))
}

/// Each row's mean rank at a seed, over the measures that every one of them has there.
fn at_seed(rows: &[&Row], measures: &[Measure], seed: usize) -> Option<Vec<f64>> {
    let of_measure =
        |(at, it): (usize, &Measure)| block(rows, seed, it.higher_is_better, |row| row.values[at].values[seed]);
    mean_ranks(&measures.iter().enumerate().filter_map(of_measure).collect::<Vec<_>>())
}

/// Gives every row its mean rank at each seed, over the measures and among the arms at equal budget, where there are
/// two or more; a row chosen from more trials stands there in its arm's place. Gives the number of seeds that have ranks.
pub fn rank(rows: &mut [Row], measures: &[Measure], seeds: usize) -> usize {
    let mut ranked = ranked(rows);
    if ranked.len() < 2 {
        ranked.clear();
    }
    let by_seed = |among: &[usize]| -> Vec<Option<Vec<f64>>> {
        let among: Vec<&Row> = among.iter().map(|&at| &rows[at]).collect();
        (0..seeds).map(|seed| at_seed(&among, measures, seed)).collect()
    };
    let column = |by_seed: &[Option<Vec<f64>>], place: usize| -> Vec<Option<f64>> {
        by_seed.iter().map(|ranks| ranks.as_ref().map(|ranks| ranks[place])).collect()
    };
    let all = by_seed(&ranked);
    let own = |at: usize| match ranked.iter().position(|&it| rows[it].arm == rows[at].arm) {
        Some(place) if ranked[place] == at => column(&all, place),
        Some(place) => {
            let mut among = ranked.clone();
            among[place] = at;
            column(&by_seed(&among), place)
        }
        None => vec![None; seeds],
    };
    let found: Vec<Vec<Option<f64>>> = (0..rows.len()).map(own).collect();
    for (row, ranks) in rows.iter_mut().zip(found) {
        row.ranks = ranks;
    }
    for &at in &ranked {
        rows[at].mean_rank = mean(&rows[at].ranks.iter().flatten().copied().collect::<Vec<_>>());
    }
    all.iter().flatten().count()
}

/// The arms that have a rank, ordered by the score at every seed that all of them have.
pub fn ranking(rows: &[Row], score: &Score, family: &Family, seeds: usize) -> Option<Ranking> {
    let ranked: Vec<usize> = ranked(rows).into_iter().filter(|&at| rows[at].score.mean.is_some()).collect();
    if ranked.len() < 2 {
        return None;
    }
    let among: Vec<&Row> = ranked.iter().map(|&at| &rows[at]).collect();
    let of_seed = |seed: usize| block(&among, seed, score.higher_is_better, |row| row.score.values[seed]);
    let blocks: Vec<Vec<f64>> = (0..seeds).filter_map(of_seed).collect();
    let means = mean_ranks(&blocks)?;
    let mut order: Vec<usize> = (0..ranked.len()).collect();
    order.sort_by(|a, b| means[*a].total_cmp(&means[*b]));
    let ordered: Vec<f64> = order.iter().map(|&at| means[at]).collect();
    let critical_difference =
        (blocks.len() > 1).then(|| nemenyi_critical_difference(ranked.len(), blocks.len(), 1.0 - LEVEL)).flatten();
    let places: Vec<usize> = order.iter().map(|&at| ranked[at]).collect();
    Some(Ranking {
        rows: places.iter().map(|&at| rows[at].name.clone()).collect(),
        blocks: blocks.len(),
        friedman_p: friedman(&blocks).map(|test| test.p),
        cliques: critical_difference.map(|critical| cliques(&ordered, critical)).unwrap_or_default(),
        critical_difference,
        mean_ranks: ordered,
        pairs: family.pairs(&places),
    })
}
