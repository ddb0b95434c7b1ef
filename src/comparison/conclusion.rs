//! What a reader should take home, and what to be careful about, in sentences.

use super::words::{called, fixed};
use super::{Budget, Comparison, Counts, Row, Verdict};
use crate::statistics::smallest_wilcoxon_p;

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
    Some(format!(
        "Against {reference} on {} (paired by seed, Holm over the rows): {}.",
        called(&comparison.score.name),
        parts.join("; ")
    ))
}

fn against_best(comparison: &Comparison) -> Option<String> {
    let ranking = comparison.ranking.as_ref()?;
    let best = comparison.rows.iter().find(|row| row.is_equal_budget())?;
    let at = ranking.rows.iter().position(|name| *name == best.name)?;
    let open: Vec<&str> = ranking
        .rows
        .iter()
        .zip(&ranking.pairs[at])
        .filter(|(name, p)| **name != best.name && p.is_none_or(|p| p >= 1.0 - super::LEVEL))
        .map(|(name, _)| name.as_str())
        .collect();
    let value = best.score.mean?;
    let score = called(&comparison.score.name);
    Some(match open.as_slice() {
        [] => format!(
            "{} is best on {score} ({}) and told apart from every other (Holm over all pairs).",
            best.name,
            fixed(value, 4)
        ),
        _ => format!(
            "{} has the best {}{score} ({}); not distinguishable from it (Holm over all pairs): {}.",
            best.name,
            if score.starts_with("mean ") { "" } else { "mean " },
            fixed(value, 4),
            list(&open)
        ),
    })
}

/// Arms that trained for more or less than others.
fn budgets(comparison: &Comparison) -> Option<String> {
    let mut rows: Vec<(&Row, f64)> = comparison.rows.iter().filter_map(|row| Some((row, row.steps?))).collect();
    rows.sort_by(|a, b| a.1.total_cmp(&b.1));
    let ((least, few), (most, many)) = (rows.first()?, rows.last()?);
    if *many <= few * 1.001 {
        return None;
    }
    let told = |row: &Row, updates: f64| {
        let rows = row.rows_read.map_or(String::new(), |rows| format!(" ({rows:.0} rows)"));
        format!("{updates:.0} updates{rows} of {}", row.name)
    };
    Some(format!(
        "Budgets differ: from {} to {} on average (other limits, early stops, or methods that read several batches a step).",
        told(least, *few),
        told(most, *many)
    ))
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

/// What a reader should be careful about.
pub fn notes(comparison: &Comparison) -> Vec<String> {
    let mut notes = Vec::new();
    let Counts { planned, finished, failed, unfinished } = comparison.runs;
    if failed > 0 {
        let whose: Vec<String> = comparison
            .rows
            .iter()
            .filter(|row| row.failed_of_arm > 0 && row.budget != Budget::Expected)
            .map(|row| format!("{} {}", row.arm, row.failed_of_arm))
            .collect();
        notes.push(format!("{failed} of {planned} runs failed ({}). Means are over the seeds that finished, which flatters an arm with failures; in ranks a failed run comes last.", whose.join(", ")));
    }
    if unfinished > 0 {
        notes.push(format!("Preliminary: {finished} of {planned} runs have finished, {unfinished} are to come."));
    }
    let seeds = comparison.seeds.len();
    let least = smallest_wilcoxon_p(seeds);
    if comparison.rows.is_empty() && !comparison.fronts.is_empty() {
        return notes;
    }
    if seeds < 3 {
        notes.push(format!(
            "{seeds} seed{} cannot tell rows apart: use five or more.",
            if seeds == 1 { "" } else { "s" }
        ));
    } else if least >= 1.0 - super::LEVEL {
        notes.push(format!("With {seeds} seeds Wilcoxon's test cannot reach 5 %: its smallest p is {least:.4}."));
    }
    if comparison.baseline.is_none() {
        notes.push(
            "Δm and Δp are left out: no baseline was named (`baseline: single` in a sweep, --baseline for runs)."
                .into(),
        );
    } else if comparison.score.name != "delta_m" {
        notes.push("Δm and Δp are left out: a value of the baseline is zero or missing.".into());
    }
    notes.extend(budgets(comparison));
    notes
}
