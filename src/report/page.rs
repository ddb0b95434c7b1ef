//! The page: HTML that needs nothing but itself.

use super::Report;
use super::charts::{Named, Section, charts};
use super::curves::drawn;
use crate::comparison::{Budget, Comparison, Entry, Tables, called, probability};
use crate::picture::charts::{Appearance, PALETTE_CSS};
use crate::sweep;
use crate::table::Table;
use anyhow::Result;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use std::collections::BTreeMap;
use std::fs;

const STYLE: &str = "
:root{--link:#0863ad}@media screen and (prefers-color-scheme:dark){:root{--link:#7db3f0}}
body{max-width:72rem;margin:0 auto;padding:1.5rem;background:var(--ground);color:var(--ink);font:1rem/1.5 system-ui,sans-serif}
h1{font-size:1.6rem;margin:0}h2{font-size:1.2rem;margin:2.2rem 0 .6rem;border-bottom:1px solid var(--grid)}
h1+p,figcaption,.notes,#table tbody th+td{color:var(--muted)}
.conclusion{border-left:.25rem solid var(--series-1);padding:.2rem 1rem;font-size:1.05rem}
.scroll{overflow-x:auto}
table{border-collapse:collapse;font-variant-numeric:tabular-nums;font-size:.88rem}
caption{text-align:left;color:var(--muted);padding:.3rem 0}
th,td{padding:.2rem .6rem;text-align:right;white-space:nowrap;border-bottom:1px solid var(--grid)}
th:first-child{text-align:left;padding-left:0;position:sticky;left:0;background:var(--ground)}tbody th{font-weight:400}
thead th{white-space:normal;vertical-align:bottom}
th button{all:unset;cursor:pointer}th button:focus-visible{outline:2px solid var(--series-1)}
th[aria-sort=ascending] button::after{content:' ↑'}th[aria-sort=descending] button::after{content:' ↓'}
td.apart{font-weight:600}
figure{margin:1rem 0;overflow-x:auto}figure svg{min-width:min(28rem,170vw)}figcaption{font-size:.88rem}summary{cursor:pointer}
.charts{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(32rem,100%),1fr));gap:1rem}
pre{overflow-x:auto;background:color-mix(in srgb,var(--grid) 40%,var(--ground));padding:.7rem;font-size:.82rem}
nav{display:flex;flex-wrap:wrap;gap:.2rem 1rem}a{color:var(--link)}p,li,code{overflow-wrap:anywhere}
@page{margin:12mm}
@media print{body{max-width:none;padding:0;font-size:10pt}nav{display:none}figure,tr{break-inside:avoid}h2,caption{break-after:avoid}
.scroll,figure{overflow:visible}th:first-child{position:static}table{font-size:7.5pt}th,td{padding:.1rem .3rem}
#table tbody th+td{white-space:normal;overflow-wrap:anywhere}figure svg{min-width:0}}
";

/// A click on a column's head sorts by it; numbers by their value, intervals by their lower end, what has none comes last.
const SCRIPT: &str = "
for(const button of document.querySelectorAll('th button'))button.onclick=()=>{
const head=button.parentElement,table=head.closest('table'),body=table.tBodies[0],at=head.cellIndex;
const up=head.getAttribute('aria-sort')!=='ascending';
const text=row=>row.cells[at].textContent.trim();
const value=row=>parseFloat(text(row).replace(/^[<[] ?/,'').replace('−','-'));
for(const other of head.parentElement.cells)other.removeAttribute('aria-sort');
head.setAttribute('aria-sort',up?'ascending':'descending');
const rows=[...body.rows],numbers=rows.filter(row=>!isNaN(value(row)));
const words=at===0||numbers.length===0;
const order=(a,b)=>words?text(a).localeCompare(text(b)):value(a)-value(b);
const sorted=words?rows:numbers,rest=words?[]:rows.filter(row=>isNaN(value(row)));
sorted.sort((a,b)=>up?order(a,b):order(b,a));
body.append(...sorted,...rest)};
";

/// The page of a report.
///
/// # Errors
/// A chart cannot be drawn.
pub fn page(report: &Report) -> Result<String> {
    let comparison = &report.comparison;
    let tables = Tables::of(comparison);
    let charts = charts(comparison, &report.records);
    let figures = |section: Section| figures(&charts, section);
    let counts = comparison.runs;
    let arms = report.collection.arms.len();
    // A sweep of preferences alone has fronts, and no trial that stands for an arm.
    let has_rows = !comparison.rows.is_empty();
    let markup = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width,initial-scale=1";
                title { (comparison.name) }
                style { (PreEscaped(PALETTE_CSS)) (PreEscaped(STYLE)) }
            }
            body { main {
                h1 { (comparison.name) }
                p { (counts.finished) " of " (counted(counts.planned, "run")) " finished, " (counts.failed) " failed; "
                    (counted(arms, "arm")) ", " (counted(comparison.seeds.len(), "seed")) "; measured on " (comparison.split) "." }
                nav { (links(comparison, &charts)) }
                section #conclusion {
                    h2 { "Conclusion" }
                    @if !comparison.conclusion.is_empty() {
                        div.conclusion { @for sentence in &comparison.conclusion { p { (sentence) } } }
                    }
                    div.notes { @for note in &comparison.notes { p { (note) } } }
                }
                @if has_rows {
                    section #table {
                        h2 { "Every arm" }
                        (sortable(&tables.rows))
                        p.notes { (comparison.rule) " " (budget(comparison)) }
                    }
                }
                @if let Some(table) = &tables.differences {
                    section #differences {
                        h2 { "Is the difference real?" }
                        (figures(Section::Differences)?)
                        (sortable(table))
                        (by_measure(comparison))
                    }
                }
                @if comparison.ranking.is_some() {
                    section #ranks {
                        h2 { "Ranks" }
                        (figures(Section::Ranks)?)
                        (ranking(comparison))
                    }
                }
                @if let Some(table) = &tables.fronts {
                    section #fronts {
                        h2 { "Fronts: preferences against methods" }
                        (figures(Section::Fronts)?)
                        (sortable(table))
                        p.notes { "The dominated area, spread and spacing are those inside the box from the best to the worst value of any point of a front: 1 would be a point that is best in everything." }
                    }
                }
                @if has_rows {
                    section #cost {
                        h2 { "Cost against quality" }
                        (figures(Section::Cost)?)
                        (sortable(&tables.cost))
                    }
                }
                @if charts.iter().any(|chart| chart.section == Section::Curves) {
                    section #curves {
                        h2 { "While they trained" }
                        p.notes { (shown(comparison)) }
                        (figures(Section::Curves)?)
                    }
                }
                (failures(report))
                (made(report))
                script { (PreEscaped(SCRIPT)) }
            } }
        }
    };
    Ok(markup.into_string())
}

fn links(comparison: &Comparison, charts: &[Named]) -> Markup {
    let has = |section: Section| charts.iter().any(|chart| chart.section == section);
    html! {
        @if !comparison.rows.is_empty() { a href="#table" { "Table" } }
        @if has(Section::Differences) { a href="#differences" { "Differences" } }
        @if comparison.ranking.is_some() { a href="#ranks" { "Ranks" } }
        @if has(Section::Fronts) { a href="#fronts" { "Fronts" } }
        @if !comparison.rows.is_empty() { a href="#cost" { "Cost" } }
        @if has(Section::Curves) { a href="#curves" { "Curves" } }
        a href="#made" { "How it was made" }
    }
}

fn figures(charts: &[Named], section: Section) -> Result<Markup> {
    let mut drawn = Vec::new();
    for chart in charts.iter().filter(|chart| chart.section == section) {
        drawn.push((chart, chart.chart.svg(Appearance::Page)?));
    }
    let many = drawn.len() > 1;
    Ok(html! {
        div class=[many.then_some("charts")] {
            @for (chart, svg) in &drawn {
                figure id={ "chart-" (chart.name) } { (PreEscaped(svg)) figcaption { (title(svg)) (chart.caption) } }
            }
        }
    })
}

/// The title of a chart, which it does not draw itself on a page.
fn title(svg: &str) -> Markup {
    let title =
        svg.split_once("<title>").and_then(|(_, rest)| rest.split_once("</title>")).map_or("", |(title, _)| title);
    html! { b { (PreEscaped(title)) ". " } }
}

fn sortable(table: &Table) -> Markup {
    html! {
        div.scroll { table {
            caption { (table.title) }
            thead { tr { @for column in &table.columns { th scope="col" { button type="button" { (column) } } } } }
            tbody { @for row in &table.rows { tr { @for (column, cell) in row.iter().enumerate() {
                @if column == 0 { th scope="row" { (cell) } }
                @else { td class=[(cell == "better" || cell == "worse").then_some("apart")] { (cell) } }
            } } } }
        } }
    }
}

/// `1 arm`, `2 arms`.
fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

fn budget(comparison: &Comparison) -> String {
    let equal = format!(
        "At equal budget every arm has {}, planned over {} each.",
        counted(comparison.budget, "trial"),
        counted(comparison.seeds.len(), "seed")
    );
    if comparison.rows.iter().all(crate::comparison::Row::is_equal_budget) {
        return equal;
    }
    format!(
        "{equal} † was chosen from all trials of an arm that has more, and stands outside the ranks; ‡ is what the best of {} of them, drawn at random, comes to in expectation.",
        comparison.budget
    )
}

fn by_measure(comparison: &Comparison) -> Markup {
    html! {
        @for family in comparison.differences.iter().skip(1).filter(|family| !family.is_empty()) {
            details {
                summary { (family[0].on) }
                (sortable(&crate::comparison::family(comparison, family)))
            }
        }
    }
}

/// A p-value in a sentence.
fn p_value(p: Option<f64>) -> String {
    match p.map(probability) {
        None => "undefined".into(),
        Some(text) if text.starts_with('<') => format!("p {text}"),
        Some(text) => format!("p = {text}"),
    }
}

fn ranking(comparison: &Comparison) -> Markup {
    let Some(ranking) = &comparison.ranking else { return html! {} };
    let columns = std::iter::once("arm".to_string()).chain(ranking.rows.iter().cloned()).collect();
    let row = |(name, row): (&String, &Vec<Option<f64>>)| {
        let cells = row.iter().map(|p| p.map_or_else(|| "–".to_string(), probability));
        std::iter::once(name.clone()).chain(cells).collect()
    };
    let pairs = Table {
        title: format!("p of every pair on {}, Holm over all of them", called(&comparison.score.name)),
        columns,
        rows: ranking.rows.iter().zip(&ranking.pairs).map(row).collect(),
    };
    html! {
        p { "Friedman's test that all arms rank alike, over " (counted(ranking.blocks, "seed")) " at which every arm has a score or failed: "
            (p_value(ranking.friedman_p)) "." }
        details { summary { "Every pair" } (sortable(&pairs)) }
    }
}

fn shown(comparison: &Comparison) -> String {
    let rows = drawn(comparison);
    let all = comparison.rows.iter().filter(|row| row.budget != Budget::Expected).count();
    if rows.len() == all {
        "Every arm at its chosen trial.".into()
    } else {
        format!("The {} best of {all} arms, reference and baseline among them, at their chosen trials.", rows.len())
    }
}

fn failures(report: &Report) -> Markup {
    let mut failed = Vec::new();
    for arm in &report.collection.arms {
        for trial in &arm.trials {
            for (seed, run) in &trial.runs {
                if let Entry::Failed(failure) = run {
                    let first = failure.error.lines().next().unwrap_or_default().trim_start_matches("error: ");
                    failed.push(
                        [
                            arm.name.clone(),
                            trial.label.clone(),
                            seed.to_string(),
                            failure.kind.name().into(),
                            first.into(),
                        ]
                        .to_vec(),
                    );
                }
            }
        }
    }
    if failed.is_empty() {
        return html! {};
    }
    let columns = ["arm", "trial", "seed", "end", "what was said"].map(String::from).to_vec();
    let table = Table { title: format!("{} without a result", counted(failed.len(), "run")), columns, rows: failed };
    html! { section #failed { h2 { "Failed runs" } (sortable(&table)) } }
}

/// Settings, versions, and how to do it again.
fn made(report: &Report) -> Markup {
    let mut versions: BTreeMap<String, usize> = BTreeMap::new();
    for (_, run) in report.collection.arms.iter().flat_map(|arm| &arm.trials).flat_map(|trial| trial.finished()) {
        let named = run.versions.iter().map(|(part, version)| format!("{part} {}", version.as_deref().unwrap_or("?")));
        let device = run.device.clone().into_iter();
        let commit = run.git_commit.iter().map(|commit| format!("git {commit}"));
        *versions.entry(named.chain(device).chain(commit).collect::<Vec<_>>().join(", ")).or_default() += 1;
    }
    let sweeps: Vec<(String, Option<String>)> = report
        .collection
        .sources
        .iter()
        .map(|source| (source.display().to_string(), fs::read_to_string(source.join(sweep::FILE)).ok()))
        .collect();
    let again = |source: &str| format!("polytask sweep {source}/{} --out ANOTHER_FOLDER", sweep::FILE);
    html! {
        section #made {
            h2 { "How it was made" }
            ul { @for (version, count) in &versions { li { (version) ": " (counted(*count, "run")) } } }
            @for (source, yaml) in &sweeps {
                @if let Some(yaml) = yaml {
                    p { "Again: " code { (again(source)) } }
                    details { summary { "The sweep, resolved" } pre { (yaml) } }
                } @else {
                    p { "Runs from " code { (source) } "; each folder's config.yaml runs again as it is." }
                }
            }
            @if !report.comparison.rows.is_empty() {
                details {
                    summary { "The chosen trial of every arm, resolved" }
                    @for row in report.comparison.rows.iter().filter(|row| row.budget != Budget::Expected) {
                        (config(report, row))
                    }
                }
            }
        }
    }
}

fn config(report: &Report, row: &crate::comparison::Row) -> Markup {
    let arm = report.collection.arms.iter().find(|arm| arm.name == row.arm);
    let folder = arm.and_then(|arm| arm.trials[row.chosen].folders.values().next());
    let yaml = folder.and_then(|folder| fs::read_to_string(folder.join("config.yaml")).ok());
    html! {
        @if let Some(yaml) = yaml { details { summary { (row.name) " " (row.trial) } pre { (yaml) } } }
    }
}
