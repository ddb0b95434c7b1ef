//! From runs to numbers that can be trusted: what each arm came to over its seeds, and which differences are real.
//!
//! Everything but the times is a pure function of the runs' summaries, so that two readings agree to the last bit.

mod collect;
mod conclusion;
mod front;
mod measures;
mod notes;
mod ranks;
mod rows;
mod runs;
mod same_rows;
mod same_settings;
mod select;
#[cfg(test)]
mod simulation;
mod tables;
mod verdicts;
mod words;

pub use collect::{CollectedArm, Collection, collect};
pub use front::{Front, FrontPoint};
pub use measures::{Measure, measures, split};
pub use ranks::Ranking;
pub use rows::{Budget, Cost, Estimate, Row};
pub use runs::{Entry, RunSummary, Trial};
pub use tables::{Tables, family, tidy};
pub use verdicts::{Decisive, Difference, Verdict};
pub use words::{called, fixed, number, percent, plus_minus, probability};

use crate::error::Mistake;
use crate::statistics::largest;
use measures::Baseline;
use select::Rule;
use serde::Serialize;
use verdicts::Family;

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
    /// Seeds that every ranked arm has, or failed at: those of the mean ranks.
    pub ranked_seeds: usize,
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
    /// Pairs of arms that were tested on the score, and that Holm corrects together.
    pub tests: usize,
    /// Best score first.
    pub rows: Vec<Row>,
    /// Every row but the reference against it: by the score, then by each measure.
    pub differences: Vec<Vec<Difference>>,
    /// Of the arms at equal budget, by the score.
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

/// The score of tasks whose metrics have no common range.
const MEAN_RANK: &str = "mean rank";

impl Score {
    /// Whether its values are ranks, which a rank test compares.
    pub fn is_rank(&self) -> bool {
        self.name == MEAN_RANK
    }
}

/// Level of all intervals and tests: 95 %, 5 %.
pub const LEVEL: f64 = 0.95;

/// Compares the arms of a collection.
///
/// # Errors
/// The trials of an arm were chosen by several metrics.
pub fn compare(collection: &Collection) -> Result<Comparison, Mistake> {
    let split = split(collection);
    let measures = measures(collection, split);
    let rules = collection.arms.iter().map(|arm| Rule::new(arm, collection)).collect::<Result<Vec<_>, _>>()?;
    let judged = || collection.arms.iter().zip(&rules);
    let baseline = judged().find(|(arm, _)| collection.baseline.as_ref() == Some(&arm.name));
    let baseline = baseline.map(|(arm, rule)| &arm.trials[rule.order(arm)[0]]);
    let baseline = baseline.filter(|trial| trial.finished().next().is_some());
    let baseline = baseline.map(|trial| Baseline::of(trial, &measures, split));
    // Preferences that nothing chooses among are a front, and no row.
    let arms = || judged().filter(|(arm, rule)| rule.can_choose(arm));
    let budget = arms().map(|(arm, _)| arm.trials.len()).min().unwrap_or(1);
    let mut rows: Vec<Row> = arms()
        .flat_map(|(arm, rule)| Row::of_arm(arm, rule, budget, collection, &measures, split, baseline.as_ref()))
        .collect();
    let seeds = collection.seeds.len();
    let ranked_seeds = ranks::rank(&mut rows, &measures, seeds);
    let score = score(&mut rows, &measures, baseline.is_some());
    sort(&mut rows, &score);
    let reference = reference(collection, &rows);
    rows::gains(&mut rows, reference, &score);
    let by_score = Family::of_score(&rows, &score);
    let differences = reference.map(|at| verdicts::differences(&rows, at, &by_score, &measures)).unwrap_or_default();
    let ranking = ranks::ranking(&rows, &score, &by_score, seeds);
    let tests = by_score.tests;
    let size = |at: usize| largest(rows.iter().filter_map(|row| row.values[at].mean));
    let sizes: Vec<f64> = (0..measures.len()).map(size).collect();
    let unsteady = baseline.as_ref().map(|baseline| baseline.near_zero(&measures, &sizes)).unwrap_or_default();
    let mut comparison = Comparison {
        name: collection.name.clone(),
        runs: counts(collection),
        split,
        fronts: front::fronts(collection, &rules, &measures, split),
        measures,
        seeds: collection.seeds.clone(),
        ranked_seeds,
        rule: format!("{} {}", select::sentence(&rules, &collection.arms), what_is_read(split)),
        budget,
        baseline: baseline.is_some().then(|| collection.baseline.clone()).flatten(),
        reference: reference.map(|at| rows[at].name.clone()),
        score,
        tests,
        rows,
        differences,
        ranking,
        conclusion: vec![],
        notes: collection.notes.clone(),
    };
    comparison.notes.extend(notes::notes(&comparison, collection.baseline.as_deref(), &unsteady));
    comparison.notes.extend(judged().filter_map(|(arm, rule)| rule.passed_over(arm)));
    comparison.conclusion = conclusion::sentences(&comparison);
    Ok(comparison)
}

/// Gives every row its score per seed: Δm; without a baseline the mean of the metric that all tasks share, where its values
/// mean the same for each; else the mean rank over the measures.
fn score(rows: &mut [Row], measures: &[Measure], has_baseline: bool) -> Score {
    if has_baseline && rows.iter().any(|row| row.delta_m.mean.is_some()) {
        for row in rows.iter_mut() {
            row.score = row.delta_m.clone();
        }
        return Score { name: "delta_m".into(), higher_is_better: false };
    }
    if let Some(first) = measures.first()
        && measures.iter().all(|it| it.metric == first.metric)
        && (measures.len() == 1 || first.has_common_range())
    {
        for row in rows.iter_mut() {
            row.score = row.average.clone();
        }
        return Score { name: format!("mean {}", first.metric), higher_is_better: first.higher_is_better };
    }
    for row in rows.iter_mut() {
        row.score = Estimate::of(row.ranks.clone());
    }
    Score { name: MEAN_RANK.into(), higher_is_better: false }
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

/// Which rows the values are of, in a sentence.
fn what_is_read(split: &str) -> &'static str {
    match split {
        "test" => {
            "Test was measured once per run, on the weights that validation chose, and is read here for the chosen trial only."
        }
        "validation" => "There are no test rows: the values are those of validation, which also chose.",
        _ => "There are no rows to test or validate: the values are the training losses at the end.",
    }
}
