//! What a reader should take home, in sentences.

use super::verdicts::is_real;
use super::words::{called, fixed};
use super::{Budget, Comparison, Row, Verdict};

/// The conclusion: what is told apart from the reference, what from the best, and what fixed weights do.
pub fn sentences(comparison: &Comparison) -> Vec<String> {
    let mut sentences = Vec::new();
    sentences.extend(against_reference(comparison));
    sentences.extend(against_best(comparison));
    sentences.extend(control(comparison));
    sentences.extend(fronts(comparison));
    sentences
}

/// Which front dominates most.
fn fronts(comparison: &Comparison) -> Option<String> {
    let mut fronts: Vec<(&str, f64)> =
        comparison.fronts.iter().filter_map(|front| Some((front.arm.as_str(), front.dominated?))).collect();
    fronts.sort_by(|a, b| b.1.total_cmp(&a.1));
    let told: Vec<String> = fronts.iter().map(|(arm, share)| format!("{arm} {}", fixed(*share, 4))).collect();
    (fronts.len() > 1).then(|| format!("Fronts by the area that they dominate, most first: {}.", told.join(", ")))
}

/// Names in a sentence: at most so many.
const NAMED: usize = 16;

fn list(names: &[String]) -> String {
    match names {
        [] => "none".into(),
        _ if names.len() > NAMED => format!("{} and {} more", names[..NAMED].join(", "), names.len() - NAMED),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

fn against_reference(comparison: &Comparison) -> Option<String> {
    let reference = comparison.reference.as_ref()?;
    let family = comparison.differences.first().filter(|family| !family.is_empty())?;
    let has_score = |name: &str| comparison.rows.iter().any(|row| row.name == name && row.score.mean.is_some());
    let score = called(&comparison.score.name);
    if !has_score(reference) {
        return Some(format!("{reference} has no result on {score} yet, and nothing is held against it."));
    }
    let is_equal = |name: &str| comparison.rows.iter().any(|row| row.name == name && row.is_equal_budget());
    let of = |verdict: Verdict, scored: bool| -> Vec<String> {
        let is = |name: &str| is_equal(name) && has_score(name) == scored;
        family.iter().filter(|it| it.verdict == verdict && is(&it.row)).map(|it| comparison.marked(&it.row)).collect()
    };
    let parts = [
        (of(Verdict::Better, true), "better"),
        (of(Verdict::Worse, true), "worse"),
        (of(Verdict::NotDistinguishable, true), "not distinguishable"),
        (of(Verdict::TooFewSeeds, true), "too few seeds to tell"),
        (of(Verdict::TooFewSeeds, false), "no result"),
    ];
    let told = parts.iter().filter(|(names, _)| !names.is_empty());
    let told: Vec<String> = told.map(|(names, words)| format!("{words}: {}", list(names))).collect();
    let reference = comparison.marked(reference);
    Some(format!("Against {reference} on {score} ({}): {}.", how(comparison), told.join("; ")))
}

/// How rows are told apart.
fn how(comparison: &Comparison) -> String {
    let test = if comparison.score.is_rank() { "signed-rank test" } else { "paired t-test" };
    let pairs = comparison.tests;
    let holm = if pairs > 1 { format!(", Holm over all {pairs} pairs of arms") } else { String::new() };
    format!("{test} over the seeds{holm}")
}

fn against_best(comparison: &Comparison) -> Option<String> {
    let ranking = comparison.ranking.as_ref()?;
    let best = comparison.rows.iter().find(|row| row.is_equal_budget())?;
    let at = ranking.rows.iter().position(|name| *name == best.name)?;
    let others = || ranking.rows.iter().zip(&ranking.pairs[at]).filter(|(name, _)| **name != best.name);
    let open = |is: fn(&Option<f64>) -> bool| -> Vec<String> {
        others().filter(|(_, p)| is(p)).map(|(name, _)| comparison.marked(name)).collect()
    };
    let (alike, untested) = (open(|p| p.is_some_and(|p| !is_real(p))), open(Option::is_none));
    let (name, value) = (comparison.marked(&best.name), fixed(best.score.mean?, 4));
    let score = called(&comparison.score.name);
    if alike.is_empty() && untested.is_empty() {
        // Others may have no result yet.
        let all = comparison.rows.iter().filter(|row| row.is_equal_budget()).count() == ranking.rows.len();
        let whom = if all { "every other" } else { "every other that has a result" };
        return Some(format!("{name} is best on {score} ({value}) and told apart from {whom}."));
    }
    let mut parts = Vec::new();
    if !alike.is_empty() {
        parts.push(format!("not distinguishable from it: {}", list(&alike)));
    }
    if !untested.is_empty() {
        parts.push(format!("too few seeds to tell it from {}", list(&untested)));
    }
    let mean = if score.starts_with("mean ") { "" } else { "mean " };
    Some(format!("{name} has the best {mean}{score} ({value}); {}.", parts.join("; ")))
}

/// How the constant weights do, at equal budget and with all of theirs.
fn control(comparison: &Comparison) -> Option<String> {
    let find = |budget: Budget| comparison.rows.iter().find(|row| row.control && row.budget == budget);
    let (equal, whole) = (find(Budget::Expected).or_else(|| find(Budget::Equal))?, find(Budget::Whole));
    let methods: Vec<&Row> = comparison
        .rows
        .iter()
        .filter(|row| row.is_equal_budget() && !row.control && Some(&row.arm) != comparison.baseline.as_ref())
        .collect();
    let better = |than: &Row| {
        let ahead = |row: &&&Row| match (row.score.mean, than.score.mean) {
            (Some(a), Some(b)) if comparison.score.higher_is_better => a > b,
            (Some(a), Some(b)) => a < b,
            _ => false,
        };
        methods.iter().filter(ahead).count()
    };
    let place = |row: &Row| format!("{} of {} other arms have a better mean", better(row), methods.len());
    let score = |row: &Row| row.score.mean.map_or("undefined".into(), |mean| fixed(mean, 4));
    let mut text = format!(
        "Constant weights at equal budget (the best of {} trials drawn from {}) come to {} in expectation: {}.",
        comparison.budget,
        equal.trials,
        score(equal),
        place(equal)
    );
    if equal.budget == Budget::Equal {
        text = format!("Constant weights, tuned as every arm, come to {}: {}.", score(equal), place(equal));
    }
    if let Some(whole) = whole {
        text += &format!(" The best of all {}: {}; {}.", whole.trials, score(whole), place(whole));
    }
    Some(text)
}
