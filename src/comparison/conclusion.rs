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

fn list(names: &[&str]) -> String {
    match names {
        [] => "none".into(),
        _ if names.len() > NAMED => format!("{} and {} more", names[..NAMED].join(", "), names.len() - NAMED),
        [one] => (*one).into(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

fn against_reference(comparison: &Comparison) -> Option<String> {
    let reference = comparison.reference.as_ref()?;
    let family = comparison.differences.first().filter(|family| !family.is_empty())?;
    let of = |verdict: Verdict| -> Vec<&str> {
        let equal = |name: &str| comparison.rows.iter().any(|row| row.name == name && row.is_equal_budget());
        family.iter().filter(|it| it.verdict == verdict && equal(&it.row)).map(|it| it.row.as_str()).collect()
    };
    let (better, worse) = (of(Verdict::Better), of(Verdict::Worse));
    let (equal, few) = (of(Verdict::NotDistinguishable), of(Verdict::TooFewSeeds));
    let has_score = |name: &&&str| comparison.rows.iter().any(|row| row.name == **name && row.score.mean.is_some());
    let (few, none): (Vec<&str>, Vec<&str>) = few.iter().partition(has_score);
    let mut parts = Vec::new();
    let mut part = |names: &[&str], words: &str| {
        if !names.is_empty() {
            parts.push(format!("{words}: {}", list(names)));
        }
    };
    part(&better, "better");
    part(&worse, "worse");
    part(&equal, "not distinguishable");
    part(&few, "too few seeds to tell");
    part(&none, "no result");
    Some(format!(
        "Against {reference} on {} ({}): {}.",
        called(&comparison.score.name),
        how(comparison),
        parts.join("; ")
    ))
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
    let open: Vec<&str> = ranking
        .rows
        .iter()
        .zip(&ranking.pairs[at])
        .filter(|(name, p)| **name != best.name && p.is_none_or(|p| !is_real(p)))
        .map(|(name, _)| name.as_str())
        .collect();
    let value = best.score.mean?;
    let score = called(&comparison.score.name);
    // No other has a result yet, or none of the same seeds.
    let whom = if ranking.rows.len() < comparison.rows.iter().filter(|row| row.is_equal_budget()).count() {
        "every other that has a result"
    } else {
        "every other"
    };
    Some(match open.as_slice() {
        [] => format!("{} is best on {score} ({}) and told apart from {whom}.", best.name, fixed(value, 4)),
        _ => format!(
            "{} has the best {}{score} ({}); not distinguishable from it: {}.",
            best.name,
            if score.starts_with("mean ") { "" } else { "mean " },
            fixed(value, 4),
            list(&open)
        ),
    })
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
