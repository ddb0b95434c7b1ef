//! A comparison as tables.

use super::words::{called, fixed, interval, number, percent, plus_minus, probability, shown};
use super::{Budget, Comparison, Decisive, Difference, Estimate, Front, Row};
use crate::table::Table;

/// The tables of a comparison, in the order of reading.
pub struct Tables {
    /// Every row at its chosen trial.
    pub rows: Table,
    /// Against the reference, by the score.
    pub differences: Option<Table>,
    /// The arms that sweep a preference.
    pub fronts: Option<Table>,
    /// What rows cost.
    pub cost: Table,
}

impl Tables {
    /// Of a comparison.
    pub fn of(comparison: &Comparison) -> Self {
        let fronts = (!comparison.fronts.is_empty()).then(|| fronts(comparison));
        Self { rows: rows(comparison), differences: differences(comparison), fronts, cost: cost(comparison) }
    }

    /// All of them.
    pub fn all(&self) -> Vec<&Table> {
        std::iter::once(&self.rows).chain(&self.differences).chain(&self.fronts).chain([&self.cost]).collect()
    }
}

impl Comparison {
    /// A row's name with what marks it as read across data (§) or settings (¶).
    pub fn marked(&self, name: &str) -> String {
        let row = self.rows.iter().find(|row| row.name == name);
        let marks = row.map_or("", |row| across(row.other_rows, row.other_settings));
        format!("{name}{marks}")
    }
}

fn across(rows: bool, settings: bool) -> &'static str {
    match (rows, settings) {
        (false, false) => "",
        (true, false) => " §",
        (false, true) => " ¶",
        (true, true) => " § ¶",
    }
}

fn mark(row: &Row) -> String {
    let budget = match row.budget {
        Budget::Equal => "",
        Budget::Whole => " †",
        Budget::Expected => " ‡",
    };
    format!("{budget}{}", across(row.other_rows, row.other_settings))
}

fn rows(comparison: &Comparison) -> Table {
    let has_baseline = comparison.score.name == "delta_m";
    let mut columns = vec!["arm".to_string(), "chosen".into(), "runs".into()];
    columns.extend(comparison.measures.iter().map(super::Measure::name));
    columns.push("mean rank".into());
    if has_baseline {
        columns.extend(["Δm %".into(), "Δp %".into()]);
    } else if !comparison.score.is_rank() {
        columns.push(called(&comparison.score.name).into());
    }
    let cells = |row: &Row| {
        let seeds = comparison.seeds.len();
        let runs = if row.finished < seeds { format!("{} of {seeds}", row.finished) } else { row.finished.to_string() };
        // A metric may be undefined at some of the seeds that finished.
        let cell = |estimate: &Estimate| match (estimate.count(), row.seeds()) {
            (count, seeds) if 0 < count && count < seeds => {
                format!("{} (over {count} of {seeds})", plus_minus(estimate))
            }
            _ => plus_minus(estimate),
        };
        let trial = if row.budget == Budget::Expected { "expectation".into() } else { row.trial.clone() };
        let mut cells = vec![format!("{}{}", row.name, mark(row)), trial, runs];
        cells.extend(row.values.iter().map(cell));
        cells.push(shown(row.mean_rank, |rank| format!("{rank:.2}")));
        if has_baseline {
            cells.extend([cell(&row.delta_m), cell(&row.delta_p)]);
        } else if !comparison.score.is_rank() {
            cells.push(cell(&row.score));
        }
        cells
    };
    let title = format!(
        "{}: {} over {} seeds, mean ± standard error, best {} first",
        comparison.name,
        comparison.split,
        comparison.seeds.len(),
        called(&comparison.score.name)
    );
    Table { title, columns, rows: comparison.rows.iter().map(cells).collect() }
}

fn differences(comparison: &Comparison) -> Option<Table> {
    let first = comparison.differences.first().filter(|family| !family.is_empty())?;
    Some(family(comparison, first))
}

/// Rows against the reference, by the score or one measure.
pub fn family(comparison: &Comparison, family: &[Difference]) -> Table {
    let ranks = family.first().is_some_and(|it| it.test == Decisive::SignedRank);
    let level = family.first().map_or(super::LEVEL, |it| it.level);
    let interval_column = format!("{} % interval", percent(level));
    // Ranks have no unit and no interval, and the signed-rank test is Wilcoxon's.
    let columns: &[&str] = if ranks {
        &["arm", "seeds", "difference", "Wilcoxon p", "Holm", "sign-flip p", "verdict"]
    } else {
        &["arm", "seeds", "difference", &interval_column, "t-test p", "Holm", "sign-flip p", "Wilcoxon p", "verdict"]
    };
    let cells = |it: &Difference| {
        let [p, holm, sign_flip, wilcoxon] =
            [it.p, it.p_holm, it.sign_flip_p, it.wilcoxon_p].map(|p| shown(p, probability));
        let (difference, verdict) = (shown(it.mean, number), it.verdict.words().to_string());
        let (row, seeds) = (comparison.marked(&it.row), it.pairs.to_string());
        if ranks {
            vec![row, seeds, difference, p, holm, sign_flip, verdict]
        } else {
            vec![row, seeds, difference, interval(it.interval), p, holm, sign_flip, wilcoxon, verdict]
        }
    };
    let on = family.first().map_or("score", |it| it.on.as_str());
    let on = if on == "score" { called(&comparison.score.name) } else { on };
    let reference = comparison.reference.as_deref().unwrap_or_default();
    let mut title = format!("{on} against {reference}, paired by seed");
    if let Some(tests) = family.first().map(|it| it.tests).filter(|tests| *tests > 1) {
        title += &format!(", Holm over all {tests} pairs of arms");
    }
    if family.iter().any(|it| it.interval.is_some()) {
        title += "; Student's intervals, which agree with the verdicts";
    }
    let steps = family.iter().map(|it| it.step).filter(|step| *step > 0.0);
    if let Some(step) = steps.reduce(f64::min) {
        title += &format!("; values in steps of {} and more, which the test takes into account", number(step));
    }
    Table {
        title,
        columns: columns.iter().map(ToString::to_string).collect(),
        rows: family.iter().map(cells).collect(),
    }
}

fn fronts(comparison: &Comparison) -> Table {
    let columns = ["arm", "preferences", "on the front", "dominated area", "spread", "spacing"];
    let cells = |front: &Front| {
        vec![
            front.arm.clone(),
            front.points.len().to_string(),
            front.size.to_string(),
            shown(front.dominated, |share| fixed(share, 4)),
            shown(front.spread, |spread| fixed(spread, 4)),
            shown(front.spacing, |spacing| fixed(spacing, 4)),
        ]
    };
    let objectives =
        comparison.fronts.first().map(|front| front.objectives.iter().map(super::Measure::name).collect::<Vec<_>>());
    Table {
        title: format!(
            "Fronts over {}, in the box that holds all points",
            objectives.unwrap_or_default().join(" and ")
        ),
        columns: columns.map(String::from).to_vec(),
        rows: comparison.fronts.iter().map(cells).collect(),
    }
}

fn cost(comparison: &Comparison) -> Table {
    let score = called(&comparison.score.name);
    let columns = [
        "arm".to_string(),
        "trials".into(),
        "updates".into(),
        "backward passes".into(),
        "seconds a run".into(),
        "of the method".into(),
        "peak MiB".into(),
        "parameters".into(),
        format!("{score} gained per pass"),
        "per time".into(),
    ];
    let cells = |row: &Row| {
        let share = match (row.cost.method_seconds, row.cost.seconds) {
            (Some(method), Some(all)) if all > 0.0 => Some(100.0 * method / all),
            _ => None,
        };
        vec![
            format!("{}{}", row.name, mark(row)),
            row.trials.to_string(),
            shown(row.steps, |steps| format!("{steps:.0}")),
            shown(row.backward_passes, |passes| format!("{passes:.0}")),
            shown(row.cost.seconds, |seconds| format!("{seconds:.2}")),
            shown(share, |share| format!("{share:.0} %")),
            shown(row.cost.peak_memory_mib, |memory| format!("{memory:.0}")),
            shown(row.parameters, |count| format!("{count:.0}")),
            shown(row.gain_per_pass, number),
            shown(row.cost.gain_per_time, number),
        ]
    };
    let unit = comparison
        .reference
        .as_ref()
        .map_or(String::new(), |name| format!("; gains are over {name}, per what {name} costs"));
    Table {
        title: format!("Cost, means over the seeds{unit}"),
        columns: columns.to_vec(),
        rows: comparison.rows.iter().map(cells).collect(),
    }
}

/// One line per row and measure, every digit, for programs.
pub fn tidy(comparison: &Comparison) -> Table {
    let columns = [
        "arm",
        "trial",
        "trials",
        "budget",
        "split",
        "task",
        "metric",
        "mean",
        "standard_error",
        "low",
        "high",
        "finished",
        "failed",
        "other_rows",
        "other_settings",
        "reference",
        "difference",
        "difference_low",
        "difference_high",
        "difference_level",
        "test",
        "p",
        "p_holm",
        "t_p",
        "sign_flip_p",
        "wilcoxon_p",
        "verdict",
    ];
    let text = |value: Option<f64>| value.map(|value| value.to_string()).unwrap_or_default();
    let mut rows = Vec::new();
    for row in &comparison.rows {
        let relative = [(-1, "delta_m", &row.delta_m), (-1, "delta_p", &row.delta_p), (0, "score", &row.score)];
        let measured = row.values.iter().zip(&comparison.measures).zip(1..);
        let all = relative
            .into_iter()
            .map(|(family, name, value)| (family, String::new(), name.to_string(), value))
            .chain(measured.map(|((value, of), family)| (family, of.task.clone(), of.metric.clone(), value)));
        for (family, task, metric, value) in all.filter(|(.., value)| value.mean.is_some()) {
            let family = usize::try_from(family).ok().and_then(|at| comparison.differences.get(at));
            let tested = family.and_then(|family| family.iter().find(|it| it.row == row.name));
            let budget = serde_json::to_value(row.budget).ok().and_then(|it| it.as_str().map(String::from));
            let interval = |interval: Option<[f64; 2]>, at: usize| text(interval.map(|ends| ends[at]));
            let of = |value: fn(&Difference) -> Option<f64>| text(tested.and_then(value));
            rows.push(vec![
                row.arm.clone(),
                row.trial.clone(),
                row.trials.to_string(),
                budget.unwrap_or_default(),
                comparison.split.into(),
                task,
                metric,
                text(value.mean),
                text(value.standard_error),
                interval(value.interval, 0),
                interval(value.interval, 1),
                row.finished.to_string(),
                row.failed.to_string(),
                row.other_rows.to_string(),
                row.other_settings.to_string(),
                comparison.reference.clone().unwrap_or_default(),
                of(|it| it.mean),
                interval(tested.and_then(|it| it.interval), 0),
                interval(tested.and_then(|it| it.interval), 1),
                of(|it| it.mean.map(|_| it.level)),
                tested.map_or("", |it| it.test.words()).into(),
                of(|it| it.p),
                of(|it| it.p_holm),
                of(|it| it.t_p),
                of(|it| it.sign_flip_p),
                of(|it| it.wilcoxon_p),
                tested.map_or("", |it| it.verdict.words()).into(),
            ]);
        }
    }
    Table { title: comparison.name.clone(), columns: columns.map(String::from).to_vec(), rows }
}
