//! A method on each group of the shared parameters by itself.

use super::prefixed;
use crate::error::BadSetting;
use crate::methods::rows;
use crate::methods::{
    Balancing, Direction, Heads, JacobianMethod, Method, Reads, Size, Slot, State, Step, refuse_lost_gradients,
};
use crate::random::generator;
use anyhow::Result;
use rand::Rng;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::Tensor;

/// The inner method runs on each group of the shared parameters by itself.
///
/// ```text
/// d_g = inner(J_g) for each group g
/// ```
///
/// `J_g [T, P_g]` are the columns of the Jacobian that belong to group g, and `d_g [P_g]` is the group's part of the
/// update. Tasks may conflict in some layers and not in others. Each group has an inner memory and draws of its own. It
/// forms no weights, as those of different groups differ.
///
/// Reads: what `inner` reads, of each group: Gramian or Jacobian.
///
/// Cost: T backward passes, and the inner method once per group.
///
/// Absent tasks: as in the inner method.
///
/// Deviations: none.
///
/// Reference: Wang et al., "Gradient Vaccine: Investigating and Improving Multi-task Optimization in Massively Multilingual
/// Models", ICLR 2021 (arXiv 2010.05874), which compares these granularities.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Grouped {
    /// What makes a group.
    pub by: Grouping,
    /// The method that runs on each group, such as `{name: pcgrad}`: one that reads the Gramian or the Jacobian, of one
    /// batch.
    pub inner: Box<Method>,
}

/// What makes a group of shared parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Grouping {
    /// All of them are one.
    Whole,
    /// Those of one layer, such as its weight and bias: their names differ only behind the last dot.
    Layer,
    /// Each tensor is one.
    Parameter,
}

/// The slot that holds, per group, the number of its first slot.
const FIRST_SLOTS: usize = 0;

/// Some of the shared parameters.
struct Group {
    name: String,
    /// Name and length, as in [`Step::columns`].
    columns: Vec<(String, i64)>,
    /// Where they lie among the Jacobian's columns: start and length, each apart from the others.
    spans: Vec<(i64, i64)>,
}

impl Group {
    /// The group's columns of `all [K, P]`.
    fn of(&self, all: &Tensor) -> Tensor {
        let parts: Vec<Tensor> = self.spans.iter().map(|&(start, length)| all.narrow(1, start, length)).collect();
        match &parts[..] {
            [only] => only.shallow_clone(),
            _ => Tensor::cat(&parts, 1),
        }
    }

    /// Writes the group's `part` of the update into `all [P]`.
    fn put(&self, part: &Tensor, all: &Tensor) {
        let mut from = 0;
        for &(start, length) in &self.spans {
            all.narrow(0, start, length).copy_(&part.narrow(0, from, length));
            from += length;
        }
    }
}

impl Grouping {
    /// The groups of the shared parameters, in the order in which they first appear.
    fn groups(self, columns: &[(String, i64)]) -> Vec<Group> {
        let mut groups: Vec<Group> = vec![];
        let mut start = 0;
        for (column, length) in columns {
            let name = match self {
                Self::Whole => "",
                Self::Layer => column.rsplit_once('.').map_or(column.as_str(), |(layer, _)| layer),
                Self::Parameter => column,
            };
            let at = groups.iter().rposition(|group| group.name == name).unwrap_or_else(|| {
                groups.push(Group { name: name.into(), columns: vec![], spans: vec![] });
                groups.len() - 1
            });
            groups[at].columns.push((column.clone(), *length));
            match groups[at].spans.last_mut() {
                Some((from, long)) if *from + *long == start => *long += length,
                _ => groups[at].spans.push((start, *length)),
            }
            start += length;
        }
        groups
    }
}

impl Grouped {
    /// What the inner method sees of group number `at`. The first draws as it would alone.
    fn seen<'s>(&self, step: &Step<'s>, at: usize, group: &'s Group) -> Step<'s> {
        let seed = match at {
            0 => step.seed,
            _ => generator(step.seed, "grouped", 0, at as u64).next_u64(),
        };
        Step { seed, columns: &group.columns, ..step.within(&self.inner) }
    }

    fn first_slots(state: &State) -> Vec<usize> {
        state.count(FIRST_SLOTS).iter().map(|&slot| slot as usize).collect()
    }
}

impl Balancing for Grouped {
    fn reads(&self) -> Reads<'_> {
        Reads::Jacobian(self)
    }
    fn heads(&self) -> Heads {
        Heads::Own
    }
    fn state(&self, size: &Size) -> Vec<Slot> {
        let (mut first, mut slots) = (vec![], vec![]);
        for group in self.by.groups(&size.columns) {
            first.push(1 + slots.len() as i64);
            let prefix = if group.name.is_empty() { "inner".into() } else { format!("inner.{}", group.name) };
            slots.extend(prefixed(&prefix, self.inner.state(&Size { columns: group.columns, ..size.clone() })));
        }
        [Slot::counts("first_slots", first)].into_iter().chain(slots).collect()
    }
    fn check(&self, tasks: &[String]) -> Result<(), BadSetting> {
        let name = self.inner.name();
        if matches!(self.inner.reads(), Reads::Losses(_)) {
            let what = format!("{name} reads losses, and those are the same for every group");
            return Err(BadSetting::new("inner", what).remedy("choose a method that reads gradients"));
        }
        if self.inner.batches() > 1 {
            let what = format!("{name} reads {} batches in a step, a group one", self.inner.batches());
            return Err(BadSetting::new("inner", what).remedy("choose a method that reads one batch"));
        }
        self.inner.check(tasks).map_err(|bad| bad.under("inner"))
    }
    fn reads_accuracies(&self) -> bool {
        self.inner.reads_accuracies()
    }
    fn looks_again(&self) -> bool {
        self.inner.looks_again()
    }
    fn look_again(&self, step: &Step, after: &[f64], state: &mut State) -> Result<()> {
        let first = Self::first_slots(state);
        for (at, group) in self.by.groups(step.columns).iter().enumerate() {
            self.inner.look_again(&self.seen(step, at, group), after, &mut state.after(first[at]))?;
        }
        Ok(())
    }
    fn end_epoch(&self, state: &mut State) {
        Self::first_slots(state).into_iter().for_each(|first| self.inner.end_epoch(&mut state.after(first)));
    }
    fn follows_parameters(&self) -> bool {
        // A representation has no parameters to group.
        self.by != Grouping::Whole || self.inner.follows_parameters()
    }
}

impl JacobianMethod for Grouped {
    fn direction(&self, step: &Step, jacobian: &Tensor, state: &mut State) -> Result<Direction> {
        let first = Self::first_slots(state);
        let direction = jacobian.select(0, 0).zeros_like(); // [P]
        for (at, group) in self.by.groups(step.columns).iter().enumerate() {
            let (seen, rows) = (self.seen(step, at, group), group.of(jacobian)); // [K, P_g]
            let mut own = state.after(first[at]);
            let part = match self.inner.reads() {
                Reads::Gramian(inner) => {
                    let gramian = rows::gramian(&rows);
                    refuse_lost_gradients(&seen, &gramian)?;
                    rows::combine(&inner.weights(&seen, &gramian, &mut own)?, &rows)
                }
                Reads::Jacobian(inner) => inner.direction(&seen, &rows, &mut own)?.direction,
                Reads::Losses(_) => unreachable!("checked: the inner method reads gradients"),
            };
            group.put(&part, &direction);
        }
        Ok(Direction { direction, weights: None })
    }
}

#[cfg(test)]
mod tests {
    use crate::methods::Matrix;
    use crate::methods::hard::draw;
    use crate::methods::trial::{Trial, assert_near};
    use tch::Kind;

    /// A method on named parameters.
    fn on_columns(yaml: &str, tasks: usize, columns: &[(&str, i64)]) -> Trial {
        Trial::on_columns(yaml, tasks, columns, Kind::Double).unwrap_or_else(|bad| panic!("{yaml}: {bad:?}"))
    }

    #[test]
    fn grouped_by_whole_is_the_inner_method_itself() {
        for inner in [
            "{name: upgrad}",
            "{name: graddrop}",
            "{name: con_fig}",
            "{name: moco}",
            "{name: db_mtl}",
            "{name: excess_mtl}",
        ] {
            let columns = [("a.weight", 2), ("a.bias", 1), ("b.weight", 2)];
            let yaml = format!("{{name: grouped, by: whole, inner: {inner}}}");
            let mut grouped = on_columns(&yaml, 3, &columns);
            let mut plain = on_columns(inner, 3, &columns);
            for step in 0..3 {
                let rows = draw(step, 3, 5);
                let found = grouped.step([0.5, 1.0, 2.0], &rows).expect(inner);
                assert_eq!(found.direction, plain.step([0.5, 1.0, 2.0], &rows).expect(inner).direction, "{inner}");
                assert!(found.weights.is_none());
            }
        }
    }

    /// The updates of separate runs on some of the columns each, put together.
    fn separate(inner: &str, groups: &[&[usize]], steps: &[Matrix]) -> Vec<Vec<f64>> {
        let mut updates = vec![vec![0.0; steps[0].ncols()]; steps.len()];
        for group in groups {
            let mut trial = Trial::wide(inner, steps[0].nrows(), group.len());
            for (update, rows) in updates.iter_mut().zip(steps) {
                let direction = trial.on(&rows.select_columns(*group)).expect(inner).direction;
                group.iter().zip(direction).for_each(|(&at, value)| update[at] = value);
            }
        }
        updates
    }

    #[test]
    fn groups_are_separate_runs_put_together() {
        // The bias of `a` lies apart from its weight, and `c` has no layer.
        let columns = [("a.weight", 3), ("b.weight", 2), ("a.bias", 1), ("c", 2)];
        let by_parameter: [&[usize]; 4] = [&[0, 1, 2], &[3, 4], &[5], &[6, 7]];
        let by_layer: [&[usize]; 3] = [&[0, 1, 2, 5], &[3, 4], &[6, 7]];
        let steps: Vec<Matrix> = (0..4).map(|step| draw(step, 3, 8)).collect();
        for inner in ["{name: con_fig}", "{name: moco}", "{name: db_mtl}", "{name: excess_mtl}", "{name: upgrad}"] {
            for (by, groups) in [("parameter", &by_parameter[..]), ("layer", &by_layer[..])] {
                let yaml = format!("{{name: grouped, by: {by}, inner: {inner}}}");
                let mut trial = on_columns(&yaml, 3, &columns);
                for (rows, expected) in steps.iter().zip(separate(inner, groups, &steps)) {
                    assert_near(&trial.on(rows).expect(inner).direction, &expected, 1e-12);
                }
            }
        }
    }

    #[test]
    fn groups_draw_by_themselves() {
        let rows = Matrix::from_fn(2, 40, |task, at| [1.0, -1.0][task] * (at % 20 + 1) as f64);
        let yaml = "{name: grouped, by: parameter, inner: {name: graddrop}}";
        let found = on_columns(yaml, 2, &[("a", 20), ("b", 20)]).on(&rows).expect("a direction");
        assert_ne!(found.direction[..20], found.direction[20..]);
    }

    #[test]
    fn the_memory_of_each_group_has_its_own_name() {
        let columns = [("a.weight", 3), ("a.bias", 1), ("b.weight", 2)];
        let yaml =
            "{name: weighted, weighting: {name: mean}, inner: {name: grouped, by: layer, inner: {name: db_mtl}}}";
        let trial = on_columns(yaml, 2, &columns);
        let expected = [
            "scales",
            "inner.first_slots",
            "inner.inner.a.averaged",
            "inner.inner.a.seen",
            "inner.inner.b.averaged",
            "inner.inner.b.seen",
        ];
        assert_eq!(trial.slots(), expected);
        assert_eq!(trial.tensor("inner.inner.a.averaged").len(), 2 * 4);
    }

    #[test]
    fn the_end_of_an_epoch_reaches_every_group() {
        let inner = "{name: weighted, weighting: {name: dwa}, inner: {name: upgrad}}";
        let yaml = format!("{{name: grouped, by: parameter, inner: {inner}}}");
        let mut grouped = on_columns(&yaml, 2, &[("a", 2), ("b", 3)]);
        let (mut a, mut b) = (Trial::wide(inner, 2, 2), Trial::wide(inner, 2, 3));
        for step in 0..5 {
            let losses = [1.0 / (step + 1) as f64, 2.0];
            let rows = draw(step, 2, 5);
            let found = grouped.step(losses, &rows).expect("a direction").direction;
            let mut expected = a.step(losses, &rows.columns(0, 2).into_owned()).expect("a direction").direction;
            expected.extend(b.step(losses, &rows.columns(2, 3).into_owned()).expect("a direction").direction);
            assert_near(&found, &expected, 1e-12);
            [&mut grouped, &mut a, &mut b].into_iter().for_each(Trial::end_epoch);
        }
    }
}
