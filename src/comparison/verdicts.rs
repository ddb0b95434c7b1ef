//! Which differences are real: rows against the reference, paired by seed, and all rows by their ranks.

use super::rows::{RESAMPLES, Row};
use super::{Estimate, LEVEL, Measure, Score};
use crate::statistics::{
    Interval, bootstrap_interval, cliques, friedman, holm, mean, mean_ranks, nemenyi_critical_difference, paired_t,
    ranks, wilcoxon,
};
use serde::Serialize;

/// What the seeds say about a difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Better than the reference, and told apart from it.
    Better,
    /// Worse, and told apart.
    Worse,
    /// The paired t-test, corrected by Holm, does not reach the level.
    NotDistinguishable,
    /// Fewer than three pairs.
    TooFewSeeds,
}

impl Verdict {
    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Better => "better",
            Self::Worse => "worse",
            Self::NotDistinguishable => "not distinguishable",
            Self::TooFewSeeds => "too few seeds",
        }
    }
}

/// A row against the reference.
#[derive(Debug, Clone, Serialize)]
pub struct Difference {
    /// The row's name.
    pub row: String,
    /// `score`, or `TASK/METRIC`.
    pub on: String,
    /// Seeds at which both have a value.
    pub pairs: usize,
    /// Row minus reference, mean over the pairs.
    pub mean: Option<f64>,
    /// Where the true difference probably lies: bootstrap-t over the pairs, 95 %.
    pub interval: Option<[f64; 2]>,
    /// Of the paired t-test, two-sided.
    pub t_p: Option<f64>,
    /// The same after Holm, over all rows.
    pub t_p_holm: Option<f64>,
    /// Of Wilcoxon's signed-rank test, two-sided.
    pub wilcoxon_p: Option<f64>,
    /// The same after Holm.
    pub wilcoxon_p_holm: Option<f64>,
    /// What to make of it.
    pub verdict: Verdict,
}

/// Rows by their ranks on the score, a block per seed; and which pairs differ.
#[derive(Debug, Clone, Serialize)]
pub struct Ranking {
    /// Names, best mean rank first.
    pub rows: Vec<String>,
    /// Their mean ranks.
    pub mean_ranks: Vec<f64>,
    /// Seeds.
    pub blocks: usize,
    /// Of Friedman's test that all rows are equal.
    pub friedman_p: Option<f64>,
    /// Nemenyi's: mean ranks further apart differ at 5 %.
    pub critical_difference: Option<f64>,
    /// Rows that are not told apart by it, by their place in `rows`.
    pub cliques: Vec<Vec<usize>>,
    /// Per pair of rows, by their places: p of the paired t-test on the score, after Holm over all pairs.
    pub pairs: Vec<Vec<Option<f64>>>,
}

/// So many pairs can tell something.
const FEWEST_PAIRS: usize = 3;

/// Every row but the reference against it: by the score, then by each measure.
pub fn differences(rows: &[Row], reference: usize, score: &Score, measures: &[Measure]) -> Vec<Vec<Difference>> {
    let others: Vec<usize> = (0..rows.len()).filter(|&at| at != reference).collect();
    let family = |on: String, higher: bool, of: &dyn Fn(&Row) -> Estimate| {
        let base = of(&rows[reference]);
        let mut family: Vec<Difference> =
            others.iter().map(|&at| difference(&rows[at].name, &on, &of(&rows[at]), &base)).collect();
        correct(&mut family, higher);
        family
    };
    let by_score = family("score".into(), score.higher_is_better, &|row| row.score.clone());
    let by_measure = measures
        .iter()
        .enumerate()
        .map(|(at, measure)| family(measure.name(), measure.higher_is_better, &|row| row.values[at].clone()));
    std::iter::once(by_score).chain(by_measure).collect()
}

/// Differences at the seeds where both have a value.
fn paired(one: &Estimate, other: &Estimate) -> Vec<f64> {
    one.values.iter().zip(&other.values).filter_map(|(one, other)| Some((*one)? - (*other)?)).collect()
}

fn difference(row: &str, on: &str, one: &Estimate, base: &Estimate) -> Difference {
    let paired = paired(one, base);
    let enough = paired.len() >= FEWEST_PAIRS;
    let interval = bootstrap_interval(&paired, LEVEL, RESAMPLES, 0).map(|Interval { low, high }| [low, high]);
    Difference {
        row: row.into(),
        on: on.into(),
        pairs: paired.len(),
        mean: mean(&paired),
        interval,
        t_p: paired_t(&paired).map(|test| test.p).filter(|_| enough),
        t_p_holm: None,
        wilcoxon_p: wilcoxon(&paired).map(|test| test.p).filter(|_| enough),
        wilcoxon_p_holm: None,
        verdict: Verdict::TooFewSeeds,
    }
}

/// Holm over a family, and the verdicts.
fn correct(family: &mut [Difference], higher: bool) {
    let adjust = |of: &dyn Fn(&Difference) -> Option<f64>| -> Vec<Option<f64>> {
        let present: Vec<f64> = family.iter().filter_map(of).collect();
        let mut adjusted = holm(&present).into_iter();
        family.iter().map(|it| of(it).and_then(|_| adjusted.next())).collect()
    };
    let (by_t, by_rank) = (adjust(&|it| it.t_p), adjust(&|it| it.wilcoxon_p));
    for ((it, by_t), by_rank) in family.iter_mut().zip(by_t).zip(by_rank) {
        (it.t_p_holm, it.wilcoxon_p_holm) = (by_t, by_rank);
        let told_apart = by_t.is_some_and(|p| p < 1.0 - LEVEL);
        it.verdict = match it.mean {
            _ if it.pairs < FEWEST_PAIRS => Verdict::TooFewSeeds,
            Some(mean) if told_apart && (mean > 0.0) == higher => Verdict::Better,
            Some(_) if told_apart => Verdict::Worse,
            _ => Verdict::NotDistinguishable,
        };
    }
}

/// All rows at equal budget by their ranks; a row that failed at a seed comes last there.
pub fn ranking(rows: &[Row], score: &Score) -> Option<Ranking> {
    let rows: Vec<&Row> = rows.iter().filter(|row| row.is_equal_budget() && row.score.mean.is_some()).collect();
    if rows.len() < 2 {
        return None;
    }
    let last = if score.higher_is_better { f64::NEG_INFINITY } else { f64::INFINITY };
    let seeds = rows[0].seeds();
    let block = |seed: usize| {
        let values: Vec<f64> = rows.iter().map(|row| row.score.values[seed].unwrap_or(last)).collect();
        ranks(&values, score.higher_is_better)
    };
    let present = |seed: &usize| rows.iter().any(|row| row.score.values[*seed].is_some());
    let blocks: Vec<Vec<f64>> = (0..seeds).filter(present).map(block).collect();
    let means = mean_ranks(&blocks)?;
    let mut order: Vec<usize> = (0..rows.len()).collect();
    order.sort_by(|a, b| means[*a].total_cmp(&means[*b]));
    let ordered: Vec<f64> = order.iter().map(|&at| means[at]).collect();
    let critical_difference =
        (blocks.len() > 1).then(|| nemenyi_critical_difference(rows.len(), blocks.len(), 1.0 - LEVEL)).flatten();
    Some(Ranking {
        rows: order.iter().map(|&at| rows[at].name.clone()).collect(),
        blocks: blocks.len(),
        friedman_p: friedman(&blocks).map(|test| test.p),
        cliques: critical_difference.map(|critical| cliques(&ordered, critical)).unwrap_or_default(),
        critical_difference,
        mean_ranks: ordered,
        pairs: pairs(&order.iter().map(|&at| rows[at]).collect::<Vec<_>>()),
    })
}

/// p of every pair of rows, after Holm over all of them.
fn pairs(rows: &[&Row]) -> Vec<Vec<Option<f64>>> {
    let all: Vec<(usize, usize)> = (0..rows.len()).flat_map(|a| (a + 1..rows.len()).map(move |b| (a, b))).collect();
    let test = |&(a, b): &(usize, usize)| {
        let paired = paired(&rows[a].score, &rows[b].score);
        paired_t(&paired).map(|test| test.p).filter(|_| paired.len() >= FEWEST_PAIRS)
    };
    let tested: Vec<Option<f64>> = all.iter().map(test).collect();
    let mut adjusted = holm(&tested.iter().flatten().copied().collect::<Vec<_>>()).into_iter();
    let mut table = vec![vec![None; rows.len()]; rows.len()];
    for ((a, b), tested) in all.into_iter().zip(tested) {
        let p = tested.and_then(|_| adjusted.next());
        (table[a][b], table[b][a]) = (p, p);
    }
    table
}
