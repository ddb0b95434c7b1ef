//! Fronts of preferences: how well they cover what can be reached, beside the known front where there is one.

use crate::comparison::{Front, fixed};
use crate::models::objectives::ProblemKind;
use crate::pareto::{self, inverted_generational_distance};
use crate::table::Table;
use serde::Serialize;

/// A front that is known, of a toy problem.
#[derive(Debug)]
pub struct Known {
    reference: Vec<f64>,
    points: Vec<Vec<f64>>,
    samples: Samples,
    /// Of all of it.
    hypervolume: f64,
}

/// How a known front was sampled: a distance from it depends on where its samples lie.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Samples {
    /// So many points.
    pub count: usize,
    /// How they lie on the front.
    pub placement: String,
}

impl Samples {
    /// Those of [`ProblemKind::front`]: `count` points in `steps` of the shares that the objectives
    /// have.
    fn new(objectives: usize, steps: usize, count: usize) -> Self {
        let placement = match objectives {
            2 => "at equal steps of the front's parameter, from one end to the other".into(),
            _ => format!("at all shares of the {objectives} objectives in whole {steps}ths"),
        };
        Self { count, placement }
    }
}

impl Known {
    /// That of a problem; `None` where the field has agreed on no reference point.
    pub fn of(problem: &ProblemKind) -> Option<Self> {
        let reference = problem.reference()?;
        // Thousands of points of two or three objectives, some hundreds of more.
        let steps = [2000, 2000, 2000, 80, 16].get(problem.objectives()).copied().unwrap_or(6);
        let points = problem.front(steps);
        let hypervolume = match pairs(&points) {
            Some(curve) => pareto::curve_hypervolume(&curve, [reference[0], reference[1]]),
            // Points of a surface leave much of it out.
            None => problem.hypervolume().unwrap_or_else(|| pareto::hypervolume(&points, &reference)),
        };
        let samples = Samples::new(problem.objectives(), steps, points.len());
        Some(Self { reference, points, samples, hypervolume })
    }
}

/// Points of two objectives.
fn pairs(points: &[Vec<f64>]) -> Option<Vec<[f64; 2]>> {
    points.iter().map(|point| point.as_slice().try_into().ok()).collect()
}

/// A front, measured.
#[derive(Debug, Serialize)]
pub struct Tradeoff<'a> {
    /// Its points.
    #[serde(flatten)]
    pub front: &'a Front,
    /// Below the problem's reference point, where one is known.
    pub hypervolume: Option<f64>,
    /// That of the whole known front.
    pub known_hypervolume: Option<f64>,
    /// The mean distance from a sample of the known front to the nearest point
    /// ([`inverted_generational_distance`]).
    pub inverted_generational_distance: Option<f64>,
    /// The samples of the known front that it is the mean over.
    pub inverted_generational_distance_samples: Option<&'a Samples>,
    /// Deb's Δ with the ends of the known front, two objectives only.
    pub deb_spread: Option<f64>,
}

impl<'a> Tradeoff<'a> {
    /// Measures a front.
    pub fn of(front: &'a Front, known: Option<&'a Known>) -> Self {
        let points: Vec<Vec<f64>> = front.points.iter().filter_map(|point| point.turned(&front.objectives)).collect();
        let ends = |known: &Known| {
            let end = |point: &Vec<f64>| <[f64; 2]>::try_from(point.as_slice()).ok();
            let (first, last) = (known.points.first().and_then(end)?, known.points.last().and_then(end)?);
            Some(if first[0] <= last[0] { [first, last] } else { [last, first] })
        };
        Self {
            front,
            hypervolume: known.map(|known| pareto::hypervolume(&points, &known.reference)),
            known_hypervolume: known.map(|known| known.hypervolume),
            inverted_generational_distance: known
                .map(|known| inverted_generational_distance(&points, &known.points))
                .filter(|distance| distance.is_finite()),
            inverted_generational_distance_samples: known.map(|known| &known.samples),
            deb_spread: known.and_then(ends).zip(pairs(&points)).and_then(|(ends, pairs)| pareto::spread(&pairs, ends)),
        }
    }
}

/// Every point of every front.
pub fn points(fronts: &[Front]) -> Table {
    let objectives = fronts.first().map(|front| front.objectives.iter().map(|it| it.name()).collect::<Vec<_>>());
    let columns = ["arm".to_string(), "preference".into()].into_iter().chain(objectives.unwrap_or_default());
    let columns: Vec<String> = columns.chain(["on the front".into()]).collect();
    let row = |front: &Front, point: &crate::comparison::FrontPoint| {
        let preference = point.preference.iter().map(|part| fixed(*part, 3)).collect::<Vec<_>>().join(", ");
        let values = point.values.iter().map(crate::comparison::plus_minus);
        let on_front = if point.on_front { "yes" } else { "no" };
        [front.arm.clone(), preference].into_iter().chain(values).chain([on_front.to_string()]).collect()
    };
    let rows = fronts.iter().flat_map(|front| front.points.iter().map(move |point| row(front, point))).collect();
    Table { title: "What each preference came to".into(), columns, rows }
}

/// How well the fronts cover the known one.
pub fn coverage(tradeoffs: &[Tradeoff]) -> Table {
    let columns = ["arm", "hypervolume", "of the known front", "distance from it (IGD)", "spread (Deb's Δ)"];
    let shown = |value: Option<f64>| value.map_or_else(|| "–".into(), |value| fixed(value, 4));
    let row = |it: &Tradeoff| {
        let share = it
            .hypervolume
            .zip(it.known_hypervolume)
            .map(|(mine, whole)| format!("{} %", fixed(100.0 * mine / whole, 2)));
        vec![
            it.front.arm.clone(),
            shown(it.hypervolume),
            share.unwrap_or_else(|| "–".into()),
            shown(it.inverted_generational_distance),
            shown(it.deb_spread),
        ]
    };
    let rows = tradeoffs.iter().map(row).collect();
    Table { title: beside(tradeoffs.first()), columns: columns.map(String::from).to_vec(), rows }
}

/// What the known front is, and where it was sampled.
fn beside(first: Option<&Tradeoff>) -> String {
    let mut title = String::from("Beside the known front");
    if let Some(whole) = first.and_then(|it| it.known_hypervolume) {
        title += &format!(", whose hypervolume is {whole:.6}");
    }
    if let Some(Samples { count, placement }) = first.and_then(|it| it.inverted_generational_distance_samples) {
        title += &format!("; IGD is the mean over {count} of its points, {placement}");
    }
    title
}
