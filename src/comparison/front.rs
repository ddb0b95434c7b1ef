//! Fronts: arms that sweep a preference, as points of the tasks' measures.

use super::collect::{CollectedArm, Collection};
use super::measures::Measure;
use super::rows::Estimate;
use super::runs::Trial;
use super::select::Rule;
use crate::pareto::{front, hypervolume, maximum_spread, spacing};
use serde::Serialize;

/// The front of an arm that sweeps a preference.
#[derive(Debug, Clone, Serialize)]
pub struct Front {
    /// The arm's name.
    pub arm: String,
    /// Whether it is the control arm of constant weights.
    pub control: bool,
    /// What its points are of: the first measure of every task.
    pub objectives: Vec<Measure>,
    /// In the order of the preferences.
    pub points: Vec<FrontPoint>,
    /// Points that no other of the arm dominates.
    pub size: usize,
    /// The share of the box from the best to the worst value of any front that this one dominates.
    pub dominated: Option<f64>,
    /// The diagonal of the box that holds the front, in units of that box's edges.
    pub spread: Option<f64>,
    /// Schott's spacing, in the same units: 0 where the points lie evenly.
    pub spacing: Option<f64>,
}

/// One preference.
#[derive(Debug, Clone, Serialize)]
pub struct FrontPoint {
    /// Per task.
    pub preference: Vec<f64>,
    /// The trial that validation chose among those of this preference.
    pub trial: String,
    /// Per objective, over the seeds.
    pub values: Vec<Estimate>,
    /// Whether no other point of the arm dominates its means.
    pub on_front: bool,
}

impl FrontPoint {
    /// The means, turned so that less is better; `None` where one is missing, or no run tells what they are of.
    pub fn turned(&self, objectives: &[Measure]) -> Option<Vec<f64>> {
        let one = |(value, objective): (&Estimate, &Measure)| {
            value.mean.map(|mean| if objective.higher_is_better { -mean } else { mean })
        };
        (!objectives.is_empty()).then(|| self.values.iter().zip(objectives).map(one).collect())?
    }
}

/// The first measure of every task.
pub fn objectives(measures: &[Measure]) -> Vec<Measure> {
    let mut first: Vec<Measure> = Vec::new();
    for measure in measures {
        if !first.iter().any(|it| it.task == measure.task) {
            first.push(measure.clone());
        }
    }
    first
}

/// The fronts of all arms that sweep a preference.
pub fn fronts(collection: &Collection, rules: &[Rule], measures: &[Measure], split: &str) -> Vec<Front> {
    let objectives = objectives(measures);
    let swept = |arm: &CollectedArm| arm.trials.iter().all(|trial| trial.weights.is_some()) && !arm.trials.is_empty();
    let arms = collection.arms.iter().zip(rules).filter(|(arm, _)| swept(arm));
    let mut fronts: Vec<Front> = arms.map(|(arm, rule)| of_arm(arm, collection, rule, &objectives, split)).collect();
    let all: Vec<Vec<f64>> = fronts.iter().flat_map(|it| &it.points).filter_map(|it| it.turned(&objectives)).collect();
    for it in &mut fronts {
        it.measure(&all);
    }
    fronts
}

fn of_arm(arm: &CollectedArm, collection: &Collection, rule: &Rule, objectives: &[Measure], split: &str) -> Front {
    let order = rule.order(arm);
    let mut best: Vec<&Trial> = Vec::new();
    for trial in order.iter().map(|at| &arm.trials[*at]) {
        if !best.iter().any(|it| it.weights == trial.weights) {
            best.push(trial);
        }
    }
    best.sort_by(|a, b| a.weights.partial_cmp(&b.weights).unwrap_or(std::cmp::Ordering::Equal));
    let value = |trial: &Trial, objective: &Measure| {
        let of = |seed: &u64| trial.finished().find(|(s, _)| s == seed).and_then(|(_, run)| objective.of(run, split));
        Estimate::of(collection.seeds.iter().map(of).collect())
    };
    let point = |trial: &&Trial| FrontPoint {
        preference: trial.weights.clone().unwrap_or_default(),
        trial: trial.label.clone(),
        values: objectives.iter().map(|objective| value(trial, objective)).collect(),
        on_front: false,
    };
    Front {
        arm: arm.name.clone(),
        control: arm.control,
        objectives: objectives.to_vec(),
        points: best.iter().map(point).collect(),
        size: 0,
        dominated: None,
        spread: None,
        spacing: None,
    }
}

impl Front {
    /// Measures the front inside the box of `all` points.
    fn measure(&mut self, all: &[Vec<f64>]) {
        let ends = |objective: usize| {
            let values = all.iter().map(|point| point[objective]);
            values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)))
        };
        let ends: Vec<(f64, f64)> = (0..self.objectives.len()).map(ends).collect();
        let inside = |point: Vec<f64>| -> Vec<f64> {
            let share =
                |(value, (low, high)): (&f64, &(f64, f64))| if high > low { (value - low) / (high - low) } else { 0.0 };
            point.iter().zip(&ends).map(share).collect()
        };
        let turned: Vec<Option<Vec<f64>>> =
            self.points.iter().map(|point| point.turned(&self.objectives).map(inside)).collect();
        let points: Vec<Vec<f64>> = turned.iter().flatten().cloned().collect();
        let best = front(&points);
        for (point, turned) in self.points.iter_mut().zip(turned) {
            point.on_front = turned.is_some_and(|turned| best.contains(&turned));
        }
        self.size = best.len();
        if !points.is_empty() {
            self.dominated = Some(hypervolume(&points, &vec![1.0; self.objectives.len()]));
            self.spread = Some(maximum_spread(&points));
            self.spacing = spacing(&points);
        }
    }
}
