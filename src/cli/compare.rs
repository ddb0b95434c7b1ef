//! `polytask compare`

use super::words::say;
use crate::comparison::{Collection, Comparison, Tables, collect, compare, tidy};
use crate::error::{Mistake, nearest};
use crate::table::{Form, Table, literal, visible};
use anyhow::Result;
use clap::Args;
use std::path::PathBuf;

/// Which runs, and what they are held against.
#[derive(Debug, Args)]
pub struct Runs {
    /// Folders of sweeps, or folders that hold runs
    #[arg(required = true, value_name = "RUNS")]
    runs: Vec<PathBuf>,
    /// The arm that Δm and Δp are measured against (default: that of the sweep, or `single`)
    #[arg(long, value_name = "ARM")]
    baseline: Option<String>,
    /// The arm that every other is tested against (default: that of the sweep, or `sum`)
    #[arg(long, value_name = "ARM")]
    reference: Option<String>,
    /// Compare runs on different rows too, and mark them
    #[arg(long)]
    across_data: bool,
    /// Compare arms whose seeds were trained with different settings too, and mark them
    #[arg(long)]
    across_settings: bool,
}

impl Runs {
    /// Reads the runs back from their folders.
    pub fn collect(&self) -> Result<Collection> {
        let mut collection = collect(&self.runs)?;
        collection.check_rows(self.across_data)?;
        collection.check_settings(self.across_settings)?;
        let names: Vec<String> = collection.arms.iter().map(|arm| arm.name.clone()).collect();
        for (flag, name) in [("--baseline", &self.baseline), ("--reference", &self.reference)] {
            if let Some(name) = name.as_ref().filter(|name| !names.contains(name)) {
                let what = format!("there is no arm \"{name}\" (there are: {})", names.join(", "));
                let mistake = Mistake::new(flag, what);
                return Err(match nearest(name, names.iter().map(String::as_str)) {
                    Some(near) => mistake.remedy(format!("did you mean {near}?")),
                    None => mistake,
                }
                .into());
            }
        }
        let single = || names.iter().find(|name| *name == "single").cloned();
        collection.baseline = self.baseline.clone().or(collection.baseline).or_else(single);
        collection.reference = self.reference.clone().or(collection.reference);
        Ok(collection)
    }
}

/// Compares arms over their seeds: means with intervals, paired tests, ranks, Δm and Δp, cost.
///
/// Per arm the trial that validation chose is read, and its test. Tests are paired by seed (the paired t-test; of ranks the
/// signed-rank test) and corrected by Holm over all pairs of arms; where they do not reach 5 % a difference is called not
/// distinguishable, and its interval holds 0. Runs are held against each other by the rows that they read and the settings in
/// their config.yaml. Everything but times and memory is the same in every reading.
#[derive(Debug, Args)]
pub struct Compare {
    #[command(flatten)]
    runs: Runs,
    /// How to print
    #[arg(long, short, value_enum, default_value = "text")]
    format: Form,
}

impl Compare {
    /// Reads, compares, prints.
    pub fn run(&self) -> Result<()> {
        let comparison = compare(&self.runs.collect()?)?;
        match self.format {
            Form::Json => say(serde_json::to_string_pretty(&comparison)?),
            Form::Csv => say(tidy(&comparison).csv()?.trim_end()),
            Form::Text => say(words(&comparison, Table::text, visible).trim_end()),
            Form::Markdown => say(words(&comparison, Table::markdown, literal).trim_end()),
            Form::Latex => {
                let tables = Tables::of(&comparison);
                let texts: Vec<String> = tables.all().into_iter().map(Table::latex).collect();
                // What marks mean and what a reader should know, as comments: a paper says it in its own words.
                let told = sentences(&comparison).into_iter().map(|told| format!("% {}\n", visible(&told)));
                say(format!("{}{}", told.collect::<String>(), texts.join("\n").trim_end()))
            }
        }
    }
}

/// Conclusion, tables, notes; sentences hold names of arms as tables do.
fn words(comparison: &Comparison, form: fn(&Table) -> String, sentence: fn(&str) -> String) -> String {
    let joined = |all: &[String]| all.iter().map(|it| sentence(it)).collect::<Vec<_>>().join("\n");
    let mut parts = vec![joined(&comparison.conclusion)];
    parts.extend(Tables::of(comparison).all().into_iter().map(form));
    parts.push(joined(&notes(comparison)));
    parts.join("\n")
}

/// Conclusion and notes.
fn sentences(comparison: &Comparison) -> Vec<String> {
    comparison.conclusion.iter().cloned().chain(notes(comparison)).collect()
}

/// How trials were chosen, what marks mean, and what a reader should know.
fn notes(comparison: &Comparison) -> Vec<String> {
    let marks = comparison.rows.iter().any(|row| !row.is_equal_budget()).then(|| {
        format!(
            "† chosen from all of its trials, where the others have {0}; it stands outside the ranks. ‡ what the best of {0} of its trials comes to in expectation.",
            comparison.budget
        )
    });
    std::iter::once(comparison.rule.clone()).chain(marks).chain(comparison.notes.iter().cloned()).collect()
}
