//! What a reader should be careful about, in sentences.

use super::rows::Presence;
use super::words::number;
use super::{Budget, Comparison, Counts, LEVEL, Row};
use crate::statistics::smallest_sign_flip_p;

/// All notes; `named` is the arm that Δm was to be measured against, `unsteady` are its values that are near zero.
pub fn notes(comparison: &Comparison, named: Option<&str>, unsteady: &[(String, f64)]) -> Vec<String> {
    let mut notes = Vec::new();
    notes.extend(failures(comparison));
    let Counts { planned, finished, unfinished, .. } = comparison.runs;
    if unfinished > 0 {
        notes.push(format!("Preliminary: {finished} of {planned} runs have finished, {unfinished} are to come."));
    }
    if comparison.rows.is_empty() && !comparison.fronts.is_empty() {
        return notes;
    }
    notes.extend(absent(comparison));
    notes.extend(undefined(comparison));
    notes.extend(power(comparison));
    notes.extend(baseline(comparison, named, unsteady));
    notes.extend(budgets(comparison));
    notes
}

/// Runs that failed, and whose.
fn failures(comparison: &Comparison) -> Option<String> {
    let Counts { planned, failed, .. } = comparison.runs;
    let whose: Vec<String> = comparison
        .rows
        .iter()
        .filter(|row| row.failed_of_arm > 0 && row.budget != Budget::Expected)
        .map(|row| format!("{} {}", row.arm, row.failed_of_arm))
        .collect();
    (failed > 0).then(|| {
        format!(
            "{failed} of {planned} runs failed ({}). Means are over the seeds that finished, which flatters an arm with \
             failures; in ranks a failed run comes last.",
            whose.join(", ")
        )
    })
}

/// Arms and seeds that have not ended: they have no rank.
fn absent(comparison: &Comparison) -> Vec<String> {
    let has_ended = |row: &&Row| row.presence.iter().any(|presence| *presence != Presence::Absent);
    let equal = || comparison.rows.iter().filter(|row| row.is_equal_budget());
    let without: Vec<&str> = equal().filter(|row| !has_ended(row)).map(|row| row.name.as_str()).collect();
    let mut notes = Vec::new();
    if !without.is_empty() {
        notes.push(format!("No run has ended, so there is no rank: {}.", without.join(", ")));
    }
    let (ranked, seeds) = (comparison.ranked_seeds, comparison.seeds.len());
    if ranked < seeds && equal().filter(has_ended).count() > 1 {
        notes.push(match ranked {
            0 => "No seed has a value of every arm: there are no ranks.".into(),
            _ => format!("Ranks are over the {ranked} of {seeds} seeds at which every arm has a value or failed."),
        });
    }
    notes
}

/// Metrics that some finished runs have no value of.
fn undefined(comparison: &Comparison) -> Option<String> {
    let of_row = |row: &Row| -> Vec<String> {
        let short = row.values.iter().zip(&comparison.measures).filter_map(|(value, measure)| {
            let missing = row.seeds() - value.count();
            let (name, arm) = (measure.name(), &row.name);
            (missing > 0).then(|| format!("{name} of {arm} at {missing} of {} seeds", row.seeds()))
        });
        short.collect()
    };
    let told: Vec<String> = comparison.rows.iter().filter(|row| row.budget != Budget::Whole).flat_map(of_row).collect();
    (!told.is_empty())
        .then(|| format!("Undefined, and left out of the means, tests and ranks of the metric: {}.", told.join("; ")))
}

/// Whether so few seeds can tell rows apart.
fn power(comparison: &Comparison) -> Option<String> {
    if comparison.rows.len() < 2 {
        return None;
    }
    // The fewest that two arms with results have in common.
    let family = comparison.differences.iter().take(1).flatten();
    let seeds = family.map(|it| it.pairs).filter(|pairs| *pairs > 0).min().unwrap_or(comparison.seeds.len());
    if seeds < 3 {
        let s = if seeds == 1 { "" } else { "s" };
        return Some(format!("{seeds} seed{s} cannot tell rows apart: use five or more."));
    }
    let (least, pairs) = (smallest_sign_flip_p(seeds), comparison.tests.max(1));
    if comparison.score.is_rank() && least * pairs as f64 >= 1.0 - LEVEL {
        let enough = (seeds..).find(|seeds| smallest_sign_flip_p(*seeds) * (pairs as f64) < 1.0 - LEVEL)?;
        let over = if pairs > 1 { format!(" over {pairs} pairs of arms") } else { String::new() };
        return Some(format!(
            "Ranks are compared by a rank test, whose smallest p with {seeds} seeds is {least:.4}: after Holm{over} it cannot \
             reach 5 % at every pair; {enough} seeds can."
        ));
    }
    (least >= 1.0 - LEVEL).then(|| {
        format!(
            "With {seeds} seeds Wilcoxon's and the sign-flip test cannot reach 5 %: their smallest p is {least:.4}."
        )
    })
}

/// What Δm and Δp divide by, or why there are none.
fn baseline(comparison: &Comparison, named: Option<&str>, unsteady: &[(String, f64)]) -> Vec<String> {
    let without = |why: String| vec![format!("Δm and Δp are left out: {why}.")];
    let Some(name) = &comparison.baseline else {
        return without(match named {
            Some(name) => format!("{name}, which they are measured against, has no finished run"),
            None => "no baseline was named (`baseline: single` in a sweep, --baseline for runs)".into(),
        });
    };
    if comparison.score.name != "delta_m" {
        return without("a value of the baseline is zero or missing".into());
    }
    let mut notes = Vec::new();
    let row = comparison.rows.iter().find(|row| row.arm == *name && row.is_equal_budget());
    let (finished, seeds) = (row.map_or(0, |row| row.finished), comparison.seeds.len());
    if finished < seeds {
        notes.push(format!("Δm and Δp divide by what {name} comes to over {finished} of {seeds} seeds."));
    }
    if !unsteady.is_empty() {
        let told: Vec<String> =
            unsteady.iter().map(|(measure, value)| format!("{measure} {}", number(*value))).collect();
        notes.push(format!(
            "Δm and Δp divide by values of {name} near zero ({}): these alone decide them. Go by the columns, or leave the \
             metric out.",
            told.join(", ")
        ));
    }
    notes
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
