//! From runs to numbers that can be trusted: what each arm came to over its seeds, and which differences are real.
//!
//! Everything but the times is a pure function of the runs' summaries, so that two readings agree to the last bit.

mod collect;
mod conclusion;
mod front;
mod measures;
mod rows;
mod same_rows;
mod select;
mod tables;
mod verdicts;
mod words;

pub use collect::{CollectedArm, Collection, Entry, RunSummary, Trial, collect};
pub use front::{Front, FrontPoint};
pub use measures::{Measure, measures, split};
pub use rows::{Budget, Cost, Estimate, Row};
pub use select::Rule;
pub use tables::{Tables, family, tidy};
pub use verdicts::{Difference, Ranking, Verdict};
pub use words::{called, fixed, number, plus_minus, probability};

use crate::statistics::{mean, mean_ranks, ranks};
use measures::Baseline;
use serde::Serialize;

/// What came of a collection of runs.
#[derive(Debug, Serialize)]
pub struct Comparison {
    /// Of the sweep or the experiment.
    pub name: String,
    /// How the runs stand.
    pub runs: Counts,
    /// The rows that the measures are of: `test`, `validation` or `train`.
    pub split: &'static str,
    /// The columns.
    pub measures: Vec<Measure>,
    /// The seeds of all values, in order.
    pub seeds: Vec<u64>,
    /// How trials were chosen, in a sentence.
    pub rule: String,
    /// Trials of an arm at equal budget.
    pub budget: usize,
    /// The arm of Δm and Δp.
    pub baseline: Option<String>,
    /// The row that the others are tested against.
    pub reference: Option<String>,
    /// The one number that rows are compared by.
    pub score: Score,
    /// Best score first.
    pub rows: Vec<Row>,
    /// Every row but the reference against it: by the score, then by each measure.
    pub differences: Vec<Vec<Difference>>,
    /// Over all rows at equal budget, by the score.
    pub ranking: Option<Ranking>,
    /// Of the arms that sweep a preference.
    pub fronts: Vec<Front>,
    /// What a reader should take home, in sentences.
    pub conclusion: Vec<String>,
    /// What a reader should know.
    pub notes: Vec<String>,
}

/// How the runs of a comparison stand.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// In all.
    pub planned: usize,
    /// With a summary.
    pub finished: usize,
    /// Diverged or crashed.
    pub failed: usize,
    /// Not done yet.
    pub unfinished: usize,
}

/// The one number that rows are compared by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Score {
    /// `delta_m`, `mean METRIC` or `mean rank`.
    pub name: String,
    /// Whether more is better.
    pub higher_is_better: bool,
}

/// Level of all intervals and tests: 95 %, 5 %.
pub const LEVEL: f64 = 0.95;

/// Compares the arms of a collection.
pub fn compare(collection: &Collection) -> Comparison {
    let split = split(collection);
    let measures = measures(collection, split);
    let rule = Rule::of(collection);
    let baseline = baseline(collection, &rule, &measures, split);
    // Preferences that nothing chooses among are a front, and no row.
    let arms = || collection.arms.iter().filter(|arm| rule.can_choose(arm));
    let budget = arms().map(|arm| arm.trials.len()).min().unwrap_or(1);
    let mut rows: Vec<Row> = arms()
        .flat_map(|arm| Row::of_arm(arm, &rule, budget, collection, &measures, split, baseline.as_ref()))
        .collect();
    let score = score(&mut rows, &measures, baseline.is_some());
    rank(&mut rows, &measures);
    sort(&mut rows, &score);
    let reference = reference(collection, &rows);
    let differences = reference.map(|at| verdicts::differences(&rows, at, &score, &measures)).unwrap_or_default();
    rows::gains(&mut rows, reference, &score);
    let ranking = verdicts::ranking(&rows, &score);
    let fronts = front::fronts(collection, &rule, &measures, split);
    let mut comparison = Comparison {
        name: collection.name.clone(),
        runs: counts(collection),
        split,
        measures,
        seeds: collection.seeds.clone(),
        rule: sentence(&rule, collection, split),
        budget,
        baseline: baseline.is_some().then(|| collection.baseline.clone()).flatten(),
        reference: reference.map(|at| rows[at].name.clone()),
        score,
        rows,
        differences,
        ranking,
        fronts,
        conclusion: vec![],
        notes: collection.notes.clone(),
    };
    comparison.notes.extend(conclusion::notes(&comparison));
    comparison.conclusion = conclusion::sentences(&comparison);
    comparison
}

/// The values that Δm is measured against.
fn baseline(collection: &Collection, rule: &Rule, measures: &[Measure], split: &str) -> Option<Baseline> {
    let name = collection.baseline.as_ref()?;
    let arm = collection.arms.iter().find(|arm| arm.name == *name)?;
    let trial = &arm.trials[*rule.order(arm).first()?];
    trial.finished().next()?;
    Some(Baseline::of(trial, measures, split))
}

/// Gives every row its score per seed: Δm; without a baseline the mean of the metric that all tasks share; else the mean
/// rank over the measures, among all rows.
fn score(rows: &mut [Row], measures: &[Measure], has_baseline: bool) -> Score {
    if has_baseline && rows.iter().any(|row| row.delta_m.mean.is_some()) {
        for row in rows.iter_mut() {
            row.score = row.delta_m.clone();
        }
        return Score { name: "delta_m".into(), higher_is_better: false };
    }
    let seeds = rows.first().map_or(0, |row| row.seeds());
    if let Some(first) = measures.first()
        && measures.iter().all(|it| it.metric == first.metric)
    {
        for row in rows.iter_mut() {
            let at = |seed: usize| mean(&row.values.iter().map(|of| of.values[seed]).collect::<Option<Vec<f64>>>()?);
            row.score = Estimate::of((0..seeds).map(at).collect());
        }
        return Score { name: format!("mean {}", first.metric), higher_is_better: first.higher_is_better };
    }
    let ranked: Vec<Vec<Option<f64>>> = (0..seeds).map(|seed| mean_rank_at(rows, measures, seed)).collect();
    for (at, row) in rows.iter_mut().enumerate() {
        row.score = Estimate::of(ranked.iter().map(|of_seed| of_seed[at]).collect());
    }
    Score { name: "mean rank".into(), higher_is_better: false }
}

/// Each row's mean rank over the measures at one seed; a row without a value comes last.
fn mean_rank_at(rows: &[Row], measures: &[Measure], seed: usize) -> Vec<Option<f64>> {
    let of_measure = |(at, measure): (usize, &Measure)| {
        let last = if measure.higher_is_better { f64::NEG_INFINITY } else { f64::INFINITY };
        let values: Vec<f64> = rows.iter().map(|row| row.values[at].values[seed].unwrap_or(last)).collect();
        ranks(&values, measure.higher_is_better)
    };
    let blocks: Vec<Vec<f64>> = measures.iter().enumerate().map(of_measure).collect();
    mean_ranks(&blocks).map_or_else(|| vec![None; rows.len()], |ranks| ranks.into_iter().map(Some).collect())
}

/// The field's mean rank: over all seeds and measures, among the rows at equal budget.
fn rank(rows: &mut [Row], measures: &[Measure]) {
    let equal: Vec<usize> = (0..rows.len()).filter(|&at| rows[at].is_equal_budget()).collect();
    let among: Vec<Row> = equal.iter().map(|&at| rows[at].clone()).collect();
    let seeds = rows.first().map_or(0, |row| row.seeds());
    let by_seed: Vec<Vec<Option<f64>>> = (0..seeds).map(|seed| mean_rank_at(&among, measures, seed)).collect();
    for (place, at) in equal.into_iter().enumerate() {
        rows[at].mean_rank = mean(&by_seed.iter().filter_map(|of_seed| of_seed[place]).collect::<Vec<_>>());
    }
}

fn sort(rows: &mut [Row], score: &Score) {
    let key =
        |row: &Row| row.score.mean.map_or(f64::INFINITY, |mean| if score.higher_is_better { -mean } else { mean });
    rows.sort_by(|a, b| key(a).total_cmp(&key(b)));
}

/// The row that others are tested against: the one that was named, `sum`, the baseline, or any.
fn reference(collection: &Collection, rows: &[Row]) -> Option<usize> {
    let called = |name: &str| rows.iter().position(|row| row.arm == name && row.is_equal_budget());
    let named = collection.reference.as_deref().and_then(called);
    let first = || collection.arms.first().and_then(|arm| called(&arm.name));
    named.or_else(|| called("sum")).or_else(|| collection.baseline.as_deref().and_then(called)).or_else(first)
}

fn counts(collection: &Collection) -> Counts {
    let mut counts = Counts::default();
    for run in collection.arms.iter().flat_map(|arm| &arm.trials).flat_map(|trial| trial.runs.values()) {
        counts.planned += 1;
        match run {
            Entry::Finished(_) => counts.finished += 1,
            Entry::Failed(_) => counts.failed += 1,
            Entry::Unfinished => counts.unfinished += 1,
        }
    }
    counts
}

/// How trials were chosen.
fn sentence(rule: &Rule, collection: &Collection, split: &str) -> String {
    let read = match split {
        "test" => {
            "Test was measured once per run, on the weights that validation chose, and is read here for the chosen trial only."
        }
        "validation" => "There are no test rows: the values are those of validation, which also chose.",
        _ => "There are no rows to test or validate: the values are the training losses at the end.",
    };
    if collection.arms.iter().all(|arm| arm.trials.len() == 1) {
        return format!("Nothing was tuned: every arm has one trial. {read}");
    }
    format!(
        "An arm's trial is the one with {} on validation, mean over its seeds; trials with failed runs come after those without. {read}",
        rule.words
    )
}
