//! The charts of a comparison, by name.

use super::curves::{Quantity, Recorded, Records};
use crate::comparison::{Comparison, Decisive, Estimate, Front, Verdict, called, number, percent};
use crate::files::folder_name;
use crate::picture::charts::{
    Chart, CriticalDifference, Curve, CurvePoint, Curves, Group, Interval, Intervals, Joined, Plane, Point,
};

/// A chart, and where it belongs.
pub struct Named {
    /// In file names: `differences`, `validation-task1-loss`.
    pub name: String,
    /// The section of the report.
    pub section: Section,
    /// What it shows, for who cannot see it, and under it.
    pub caption: String,
    /// The chart.
    pub chart: Box<dyn Chart>,
}

/// A section of the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Section {
    /// Against the reference.
    Differences,
    /// Mean ranks.
    Ranks,
    /// Preferences.
    Fronts,
    /// Cost against quality.
    Cost,
    /// Over the steps.
    Curves,
}

/// All charts that a comparison can have; one without a number to draw has nothing to say and is left out.
pub fn charts(comparison: &Comparison, records: &Records) -> Vec<Named> {
    let mut charts: Vec<Named> = Vec::new();
    charts.extend(differences(comparison));
    charts.extend(ranks(comparison));
    charts.extend(fronts(comparison));
    charts.extend(cost(comparison));
    charts.extend(records.charts.iter().map(curves));
    charts.retain(|it| it.chart.sheet().is_ok());
    for it in &mut charts {
        it.name = folder_name(&it.name);
    }
    charts
}

/// Minus signs as a reader expects them.
fn signed(value: f64) -> String {
    let text = number(value).replace('-', "−");
    if value > 0.0 { format!("+{text}") } else { text }
}

fn differences(comparison: &Comparison) -> Option<Named> {
    let reference = comparison.reference.as_ref()?;
    let family = comparison.differences.first().filter(|family| !family.is_empty())?;
    let score = called(&comparison.score.name);
    let row = |it: &crate::comparison::Difference| {
        let interval = it.interval.unwrap_or([f64::NAN; 2]);
        let words = match (it.mean, it.interval) {
            (Some(mean), Some([low, high])) => format!("{} [{}, {}]", signed(mean), signed(low), signed(high)),
            (Some(mean), None) => signed(mean),
            _ => "no pairs".into(),
        };
        Interval {
            label: comparison.marked(&it.row),
            estimate: it.mean.unwrap_or(f64::NAN),
            interval,
            told_apart: matches!(it.verdict, Verdict::Better | Verdict::Worse),
            words,
        }
    };
    let better = if comparison.score.higher_is_better { "right" } else { "left" };
    let first = &family[0];
    let intervals = match first.test {
        Decisive::PairedT => format!(", with Student's {} % intervals", percent(first.level)),
        Decisive::SignedRank => String::new(),
    };
    let holm = if first.tests > 1 { format!(", Holm over all {} pairs of arms", first.tests) } else { String::new() };
    let chart = Intervals {
        title: format!("{score} against {reference}"),
        name: format!("difference in {score}, better to the {better}"),
        reference: 0.0,
        rows: family.iter().map(row).collect(),
    };
    Some(Named {
        name: "differences".into(),
        section: Section::Differences,
        caption: format!(
            "Mean difference to {reference} over paired seeds{intervals}. A full mark is told apart ({}{holm}).",
            first.test.words()
        ),
        chart: Box::new(chart),
    })
}

fn ranks(comparison: &Comparison) -> Option<Named> {
    let ranking = comparison.ranking.as_ref()?;
    let score = called(&comparison.score.name);
    let chart = CriticalDifference {
        title: format!("Average place by {score}, seed by seed"),
        ranks: ranking.rows.iter().cloned().zip(ranking.mean_ranks.iter().copied()).collect(),
        cliques: ranking.cliques.clone(),
        difference: ranking.critical_difference,
    };
    Some(Named {
        name: "ranks".into(),
        section: Section::Ranks,
        caption: format!(
            "Arms in order of {score} at each of {} seeds, averaged, best left. A bar joins arms whose average ranks lie closer than Nemenyi's critical difference (5 %); it looks at the order alone, the verdicts above at the values.",
            ranking.blocks
        ),
        chart: Box::new(chart),
    })
}

/// A point of two estimates.
fn point(label: &str, x: &Estimate, y: &Estimate) -> Option<Point> {
    let around = |of: &Estimate| of.mean.zip(of.standard_error).map(|(mean, error)| [mean - error, mean + error]);
    Some(Point { label: label.into(), x: x.mean?, y: y.mean?, x_interval: around(x), y_interval: around(y) })
}

/// The fronts of every pair of objectives, and among them the arms that have one point.
fn fronts(comparison: &Comparison) -> Vec<Named> {
    let Some(first) = comparison.fronts.first() else { return vec![] };
    let count = first.objectives.len();
    let pairs = (0..count).flat_map(|a| (a + 1..count).map(move |b| (a, b)));
    pairs.map(|(a, b)| front(comparison, a, b)).collect()
}

fn front(comparison: &Comparison, a: usize, b: usize) -> Named {
    let objectives = &comparison.fronts[0].objectives;
    let of_front = |front: &Front| Group {
        label: front.arm.clone(),
        joined: if objectives.len() == 2 { Joined::Front } else { Joined::Not },
        points: front.points.iter().filter_map(|it| point("", &it.values[a], &it.values[b])).collect(),
    };
    let column = |at: usize| comparison.measures.iter().position(|measure| *measure == objectives[at]);
    let swept = |arm: &str| comparison.fronts.iter().any(|front| front.arm == arm);
    let rest = comparison.rows.iter().filter(|row| !swept(&row.arm)).filter_map(|row| {
        let point = point(&row.name, &row.values[column(a)?], &row.values[column(b)?])?;
        Some(Group { label: row.name.clone(), joined: Joined::Not, points: vec![point] })
    });
    let worst = |at: usize| {
        let values = comparison.fronts.iter().flat_map(|front| &front.points).filter_map(|it| it.values[at].mean);
        let higher = objectives[at].higher_is_better;
        values.reduce(|x, y| if (x > y) == higher { y } else { x }).unwrap_or(f64::NAN)
    };
    let shown = if objectives.len() == 2 {
        "; the staircase joins those that no other dominates, and the area that they dominate is shaded".to_string()
    } else {
        format!(", by two of {} objectives", objectives.len())
    };
    let chart = Plane {
        title: format!("Fronts over {} and {}", objectives[a].name(), objectives[b].name()),
        names: [objectives[a].name(), objectives[b].name()],
        more_is_better: [objectives[a].higher_is_better, objectives[b].higher_is_better],
        log_x: false,
        reference: (objectives.len() == 2).then(|| [worst(a), worst(b)]),
        groups: comparison.fronts.iter().map(of_front).chain(rest).collect(),
    };
    Named {
        name: format!("front-{}-{}", objectives[a].task, objectives[b].task),
        section: Section::Fronts,
        caption: format!(
            "Each preference at the trial that validation chose, means over the seeds ± standard error{shown}. Other arms stand as points."
        ),
        chart: Box::new(chart),
    }
}

fn cost(comparison: &Comparison) -> Option<Named> {
    let score = called(&comparison.score.name);
    let groups: Vec<Group> = comparison
        .rows
        .iter()
        .filter_map(|row| {
            let seconds = Estimate { mean: row.cost.seconds, ..Estimate::default() };
            let point = point(&row.name, &seconds, &row.score)?;
            Some(Group { label: row.name.clone(), joined: Joined::Not, points: vec![point] })
        })
        .collect();
    if groups.is_empty() {
        return None;
    }
    let chart = Plane {
        title: format!("{score} against training time"),
        names: [
            "seconds a run".into(),
            format!("{score}, {} is better", if comparison.score.higher_is_better { "more" } else { "less" }),
        ],
        more_is_better: [false, comparison.score.higher_is_better],
        log_x: true,
        reference: None,
        groups,
    };
    Some(Named {
        name: "cost".into(),
        section: Section::Cost,
        caption: format!("{score} ± standard error against the mean training time of a run."),
        chart: Box::new(chart),
    })
}

fn curves(recorded: &Recorded) -> Named {
    let Recorded { quantity, task, metric, curves, ended_early } = recorded;
    let (name, title, y_name, caption) = match quantity {
        Quantity::Validation => (
            format!("validation-{task}-{metric}"),
            format!("{task}: {metric} on validation"),
            metric.clone(),
            "Mean over the seeds; the band is one standard error to both sides.",
        ),
        Quantity::Loss => (
            format!("loss-{task}"),
            format!("{task}: training loss"),
            "loss of the batch".into(),
            "Recorded batches, averaged over neighbouring steps and over the seeds; one standard error to both sides.",
        ),
        Quantity::Weight => (
            format!("weight-{task}"),
            format!("{task}: weight in the update"),
            "weight".into(),
            "As recorded, averaged over neighbouring steps and over the seeds; one standard error to both sides.",
        ),
        Quantity::Conflict => (
            "conflict".into(),
            "Pairs of tasks whose gradients conflict".into(),
            "share of pairs".into(),
            "Share of the pairs of tasks whose gradients have a negative cosine, at the steps that looked.",
        ),
    };
    let ends = match (ended_early, quantity.outlasts_training()) {
        (false, _) => "",
        (true, true) => " A run that ended early keeps its last value.",
        (true, false) => " An arm's curve ends where its first run ended.",
    };
    let positive = curves.iter().flat_map(|(_, points)| points).all(|point| point.mean > 0.0);
    let spread = || {
        let means = || curves.iter().flat_map(|(_, points)| points).map(|point| point.mean);
        means().fold(0.0, f64::max) / means().fold(f64::INFINITY, f64::min)
    };
    let curve = |(label, points): &(String, Vec<super::curves::Averaged>)| Curve {
        label: label.clone(),
        points: points.iter().map(|it| CurvePoint { x: it.step, y: it.mean, band: it.band }).collect(),
    };
    let is_loss = metric.starts_with("loss");
    let chart = Curves {
        title,
        x_name: "updates".into(),
        y_name,
        log_y: is_loss && positive && spread() > 10.0,
        curves: curves.iter().map(curve).collect(),
    };
    Named { name, section: Section::Curves, caption: format!("{caption}{ends}"), chart: Box::new(chart) }
}
