//! The arms of a sweep, each with its trials.

use super::super::arm::{Arm, Trial};
use super::super::change::{Change, changes, named};
use super::super::preferences::Grid;
use super::super::settings::{Control, Preferences, Sweep};
use super::super::tuning::{Tried, Tuned, axes, draws, fit, grid};
use super::SINGLE;
use super::compared::compared;
use crate::error::BadSetting;
use crate::files::folder_name;
use crate::path::SettingPath;
use serde_yaml::Value;

/// The arms that the settings ask for, and what a person should know about them. `base` are the
/// settings that every run starts from, with what `set` changed in them.
///
/// # Errors
/// A path or a value that does not fit; two places that say what one setting is.
pub fn arms(sweep: &Sweep, base: &Value, set: &[Change]) -> Result<(Vec<Arm>, Vec<String>), BadSetting> {
    let tuned = axes(&sweep.tune, &section("tune"))?;
    for axis in &tuned {
        if let Some(change) = set.iter().find(|change| change.names(&axis.path)) {
            return Err(change.overridden(&axis.path, &axis.origin));
        }
    }
    let mut planner = Planner { sweep, base, set, tuned, arms: vec![], notes: vec![] };
    planner.compared()?;
    planner.own()?;
    planner.control()?;
    planner.preferences()?;
    planner.single()?;
    if planner.arms.is_empty() {
        return Err(BadSetting::new("compare", "the sweep has no arm")
            .remedy("list what is compared, such as `compare: {method: [sum, mgda]}`"));
    }
    planner.check_axes()?;
    Ok((planner.arms, planner.notes))
}

fn section(name: &str) -> SettingPath {
    SettingPath::default().key(name)
}

/// The arms so far.
struct Planner<'a> {
    sweep: &'a Sweep,
    base: &'a Value,
    set: &'a [Change],
    /// What is tuned in every arm that does not say it itself.
    tuned: Vec<Tuned>,
    arms: Vec<Arm>,
    notes: Vec<String>,
}

impl Planner<'_> {
    /// The arms of `compare`.
    fn compared(&mut self) -> Result<(), BadSetting> {
        for (name, changes) in compared(&self.sweep.compare)? {
            check_name(&name, &section("compare"))?;
            for (change, axis) in changes.iter().flat_map(|change| self.tuned.iter().map(move |axis| (change, axis))) {
                if axis.path.holds(&change.path) {
                    return Err(change.overridden(&axis.path, &axis.origin));
                }
            }
            self.keep_set(&changes)?;
            self.add(name, &changes, &[])?;
        }
        Ok(())
    }

    /// The arms of `arms`.
    fn own(&mut self) -> Result<(), BadSetting> {
        for (index, arm) in self.sweep.arms.iter().enumerate() {
            let here = section("arms").index(index);
            check_name(&arm.name, &here.clone().key("name"))?;
            let own = axes(&arm.tune, &here.clone().key("tune"))?;
            let changes = changes(&arm.set, &here.key("set"))?;
            for axis in &own {
                if let Some(change) = changes.iter().find(|change| change.names(&axis.path)) {
                    return Err(change.overridden(&axis.path, &axis.origin));
                }
                self.keep_set(&axis.changes())?;
            }
            self.keep_set(&changes)?;
            self.add(arm.name.clone(), &changes, &own)?;
        }
        Ok(())
    }

    /// The control arm.
    fn control(&mut self) -> Result<(), BadSetting> {
        let Some(Control { divisions, weights }) = &self.sweep.control else { return Ok(()) };
        let grid = Grid::new(*divisions, weights.as_deref(), self.tasks(), section("control"))?;
        let method = Change { path: section("method"), value: named("constant"), origin: section("control") };
        self.add_grid("constant".into(), true, &grid, &method)
    }

    /// The arms of `preferences`.
    fn preferences(&mut self) -> Result<(), BadSetting> {
        let Some(Preferences { methods, divisions, weights }) = &self.sweep.preferences else { return Ok(()) };
        let here = section("preferences");
        let grid = Grid::new(*divisions, weights.as_deref(), self.tasks(), here.clone())?;
        let change = |(index, method): (usize, &Value)| Change {
            path: section("method"),
            value: method.as_str().map_or_else(|| method.clone(), named),
            origin: here.clone().key("methods").index(index),
        };
        let methods: Vec<Change> = methods.iter().enumerate().map(change).collect();
        for method in &methods {
            // Two of one name are told apart by their settings.
            let alike = methods.iter().filter(|other| other.called(false) == method.called(false)).count() > 1;
            self.add_grid(method.called(alike), false, &grid, method)?;
        }
        Ok(())
    }

    /// The arm that `baseline: single` makes.
    fn single(&mut self) -> Result<(), BadSetting> {
        if self.sweep.baseline.as_deref() != Some(SINGLE) || self.arms.iter().any(|arm| arm.name == SINGLE) {
            return Ok(());
        }
        let choice = |path: SettingPath, name: &str| Change { path, value: named(name), origin: section("baseline") };
        let changes = [choice(section("model").key("architecture"), SINGLE), choice(section("method"), "sum")];
        self.add(SINGLE.into(), &changes, &[])
    }

    fn tasks(&self) -> usize {
        self.base["tasks"].as_sequence().map_or(0, Vec::len)
    }

    /// An arm with these settings, which tunes its own axes beside the common ones.
    fn add(&mut self, name: String, changes: &[Change], own: &[Tuned]) -> Result<(), BadSetting> {
        let axes = self.axes(changes, own)?;
        let tried = self.tried(&axes, self.sweep.trials)?;
        let trials = tried.combinations.iter().map(|tuned| Trial {
            label: tuned.label.clone(),
            weights: None,
            changes: [changes, &tuned.changes].concat(),
        });
        let arm = Arm { name, control: false, trials: trials.collect() };
        self.note(&tried, &arm.name, "");
        self.arms.push(arm);
        Ok(())
    }

    /// An arm of a method that is given every preference of a grid, times what is tuned.
    fn add_grid(&mut self, name: String, control: bool, grid: &Grid, method: &Change) -> Result<(), BadSetting> {
        let points = grid.points(method)?;
        let axes = self.axes(points.first().map_or(&[], |point| &point.changes), &[])?;
        // The whole grid, also where others draw from lists: a front has no holes.
        let asked = self.sweep.trials.filter(|_| axes.iter().any(Tuned::is_range));
        let tried = self.tried(&axes, asked)?;
        let mut trials = Vec::new();
        for point in points {
            trials.extend(tried.combinations.iter().map(|tuned| Trial {
                label: match tuned.label.as_str() {
                    "" => point.label.clone(),
                    label => format!("{},{label}", point.label),
                },
                weights: Some(point.weights.clone()),
                changes: [&point.changes[..], &tuned.changes].concat(),
            }));
        }
        self.note(&tried, &name, ", with each of its weights");
        self.arms.push(Arm { name, control, trials });
        Ok(())
    }

    /// What an arm tunes: its own axes, and the common ones that it does not say itself.
    fn axes(&self, changes: &[Change], own: &[Tuned]) -> Result<Vec<Tuned>, BadSetting> {
        let said = |axis: &&Tuned| {
            own.iter().any(|own| own.path == axis.path) || changes.iter().any(|change| change.names(&axis.path))
        };
        let common = self.tuned.iter().filter(|axis| !said(axis));
        let mut axes: Vec<Tuned> = common.chain(own).cloned().collect();
        let mut settings = self.base.clone();
        for change in changes {
            change.apply(&mut settings)?;
        }
        fit(&mut axes, &settings)?;
        Ok(axes)
    }

    fn tried(&self, axes: &[Tuned], trials: Option<u64>) -> Result<Tried, BadSetting> {
        match trials {
            Some(asked) if !axes.is_empty() => draws(axes, asked, self.sweep.draw),
            _ => grid(axes),
        }
    }

    fn note(&mut self, tried: &Tried, arm: &str, more: &str) {
        let shortage = tried.shortage.iter().map(|shortage| format!("arm {arm}{more}: {shortage}"));
        for note in tried.merged.iter().cloned().chain(shortage) {
            if !self.notes.contains(&note) {
                self.notes.push(note);
            }
        }
    }

    /// What `set` says below a section must not be lost where an arm replaces the section.
    fn keep_set(&self, changes: &[Change]) -> Result<(), BadSetting> {
        for (set, change) in self.set.iter().flat_map(|set| changes.iter().map(move |change| (set, change))) {
            if change.drops(&set.path) {
                return Err(set.lost(change));
            }
        }
        Ok(())
    }

    /// What is tuned must be tuned in one arm at least.
    fn check_axes(&self) -> Result<(), BadSetting> {
        let tunes = |axis: &Tuned| {
            let mut trials = self.arms.iter().flat_map(|arm| &arm.trials);
            trials.any(|trial| trial.changes.iter().any(|change| axis.origin.holds(&change.origin)))
        };
        match self.tuned.iter().find(|axis| !tunes(axis)) {
            None => Ok(()),
            Some(axis) => Err(BadSetting::new(
                axis.origin.to_string(),
                format!("nothing is tuned: every arm says itself what {} is", axis.path),
            )
            .remedy("take it out of `tune`, or out of an arm")),
        }
    }
}

/// A name must give a folder of its own, below the sweep's.
fn check_name(name: &str, place: &SettingPath) -> Result<(), BadSetting> {
    if name.trim().is_empty() {
        return Err(
            BadSetting::new(place.to_string(), "an arm needs a name").remedy("write what it is called in tables")
        );
    }
    let folder = folder_name(name.trim());
    if ["", ".", ".."].contains(&folder.as_str()) {
        return Err(BadSetting::new(place.to_string(), format!("\"{name}\" cannot be the name of a folder"))
            .remedy("name the arm with letters or digits"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The arms of a sweep and its notes.
    fn planned(more: &str) -> (Vec<Arm>, Vec<String>) {
        let sweep: Sweep = serde_yaml::from_str(&format!("experiment: a.yaml\nseeds: 1\n{more}")).unwrap();
        let base = serde_yaml::from_str("{tasks: [1, 2], method: {name: sum}, train: {batch_size: 16}}").unwrap();
        arms(&sweep, &base, &[]).unwrap()
    }

    #[test]
    fn a_plan_tells_why_there_are_fewer_trials_than_were_asked_for() {
        let (arms, notes) = planned(
            "compare: {method: [sum]}\narms: [{name: fixed, set: {train.batch_size: 8}}]\n\
             control: {divisions: 2}\ntune: {train.batch_size: {from: 1, to: 4}}\ntrials: 8",
        );
        assert_eq!(arms.iter().map(|arm| arm.trials.len()).collect::<Vec<_>>(), [4, 1, 4]);
        let why = "4 trials of the 8 asked for: there are no more combinations";
        assert_eq!(notes, [format!("arm sum: {why}"), format!("arm constant, with each of its weights: {why}")]);
    }

    #[test]
    fn numbers_that_were_merged_are_told_once() {
        let (arms, notes) =
            planned("compare: {method: [sum, uw]}\ntune: {train.batch_size: {from: 1, to: 2, count: 3}}");
        assert!(arms.iter().all(|arm| arm.trials.len() == 2));
        let note = "tune.\"train.batch_size\": 2 numbers of the 3 asked for: rounded, the others are equal";
        assert_eq!(notes, [note]);
    }

    #[test]
    fn a_trial_holds_the_changes_of_its_arm_and_then_what_is_tuned() {
        let (arms, _) = planned("arms: [{name: a, set: {threads: 2}, tune: {method.c: [0.1], method: [cagrad]}}]");
        let changes = arms[0].trials[0].changes.iter().map(|change| change.path.to_string());
        assert_eq!(changes.collect::<Vec<_>>(), ["threads", "method", "method.c"]);
        assert_eq!(arms[0].trials[0].label, "c=0.1,method=cagrad");
    }
}
