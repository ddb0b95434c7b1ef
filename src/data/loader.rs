//! The order of training: which rows a step reads, as a pure function of seed, epoch and step.

use super::prefetch::{Parts, Prefetch};
use super::{Augmentation, Batch, Group, Preparation, Slice};
use crate::error::BadSetting;
use crate::random::generator;
use rand::seq::SliceRandom;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::borrow::Borrow;
use std::rc::Rc;
use tch::{Device, Kind, Tensor};

/// How groups of unequal length make an epoch. The names are those of Lightning's `CombinedLoader`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Combine {
    /// An epoch lasts as long as the longest group; shorter ones start anew, newly shuffled.
    #[default]
    MaxSizeCycle,
    /// An epoch ends with the shortest group.
    MinSize,
    /// An epoch lasts as long as the longest group; shorter ones are absent after their end.
    MaxSize,
    /// One group after another, each with steps of its own.
    Sequential,
}

/// How rows become batches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoaderSettings {
    /// Rows per batch and group, above zero.
    pub batch_size: i64,
    /// A new order every epoch; else the order of the source.
    pub shuffle: bool,
    /// Leave out a group's last batch where it is not full.
    pub drop_last: bool,
    /// What an epoch is where groups differ in length.
    pub combine: Combine,
    /// Batches that make one update together, above zero.
    pub accumulate: i64,
    /// Independent batches (each of `accumulate`) that a step reads.
    pub batches: i64,
    /// Steps made ready ahead by another thread, where each is gathered or prepared on its own; 0: none.
    pub prefetch: u64,
}

/// A pass over a group in its order.
#[derive(Debug)]
enum Ordered {
    /// All rows, gathered and prepared: a step only makes views.
    Rows(Rc<Group>),
    /// Where each row lies `[rows]` int64: rows so wide that a step's own copy costs less than all at once would.
    Index(Tensor),
}

/// Rows of a group: of which pass of an epoch, and where in its order.
struct Place {
    group: usize,
    pass: i64,
    start: i64,
    rows: i64,
}

/// An (epoch, pass), and its order.
type Pass = ((i64, i64), Ordered);

/// From so many bytes a row on, a step gathers its own: they stay in the cache, and the rows are held but once.
const WIDE: usize = 512;

/// Gives the batch of any step of any epoch, prepared.
///
/// With `b_g` batches in group `g`, a step of a cycling epoch reads batch `step mod b_g` of pass `step div b_g`; a batch
/// never mixes two passes. A pass of narrow rows is gathered once, so that a step only makes views.
#[derive(Debug)]
pub struct Loader {
    groups: Vec<Rc<Group>>,
    /// Rows per group.
    rows: Vec<i64>,
    settings: LoaderSettings,
    preparation: Preparation,
    augmentation: Option<Augmentation>,
    seed: u64,
    /// Per group: the pass that is read now; none where the order is that of the source.
    passes: Vec<Option<Pass>>,
    steps: i64,
    /// From the first step on, where it is of use.
    prefetch: Option<Prefetch>,
}

impl Loader {
    /// Serves `groups`, which are on the device already, as `preparation` makes them.
    ///
    /// # Errors
    /// A group gives no batch at all: it has no rows, or `drop_last` drops its only one.
    pub fn new(
        groups: Vec<Group>,
        settings: LoaderSettings,
        preparation: Preparation,
        seed: u64,
    ) -> Result<Self, BadSetting> {
        let LoaderSettings { batch_size, drop_last, .. } = settings;
        if batch_size < 1 {
            let what = format!("invalid value: {batch_size}, expected a whole number of 1 or more");
            return Err(BadSetting::new("train.batch_size", what));
        }
        if let Some(group) = groups.iter().find(|group| batches(group.rows(), settings) == 0) {
            let rows = group.rows();
            return Err(if drop_last && rows > 0 {
                let what =
                    format!("{rows} training rows are less than one batch of {batch_size}, so an epoch has no step");
                BadSetting::new("train.drop_last", what).remedy("lower train.batch_size or set train.drop_last: false")
            } else {
                BadSetting::new("data", format!("tasks {:?} have no training rows", group.tasks))
            });
        }
        let rows: Vec<i64> = groups.iter().map(Group::rows).collect();
        let counts = rows.iter().map(|rows| batches(*rows, settings));
        let steps = match settings.combine {
            Combine::MaxSizeCycle | Combine::MaxSize => counts.max(),
            Combine::MinSize => counts.min(),
            Combine::Sequential => Some(counts.sum()),
        };
        let groups: Vec<Rc<Group>> = groups.into_iter().map(Rc::new).collect();
        let passes = groups.iter().map(|_| None).collect();
        let (steps, augmentation, prefetch) = (steps.unwrap_or(0), None, None);
        let loader = Self { groups, rows, settings, preparation, augmentation, seed, passes, steps, prefetch };
        if loader.steps_per_epoch() == 0 {
            let LoaderSettings { accumulate, batches, .. } = settings;
            let what = format!(
                "an epoch of {} batches is too short for a step, which reads {batches} times {accumulate} of them",
                loader.steps
            );
            let remedy = "lower train.batch_size or train.accumulate, or use a method that reads one batch";
            return Err(BadSetting::new("train", what).remedy(remedy));
        }
        Ok(loader)
    }

    /// The same; every step's images are changed at random.
    #[must_use]
    pub fn with_augmentation(mut self, augmentation: Option<Augmentation>) -> Self {
        self.augmentation = augmentation;
        self
    }

    /// All rows, in the order of the source, as they are stored.
    pub fn groups(&self) -> &[Rc<Group>] {
        &self.groups
    }

    /// The first row of each group, as a step would read it.
    pub fn probe(&self) -> Batch {
        self.groups.iter().map(|group| self.preparation.apply(group.narrow(0, 1)).into()).collect()
    }

    /// The number of steps in an epoch. With one batch a step, the last may read fewer portions than `accumulate`.
    pub fn steps_per_epoch(&self) -> i64 {
        let LoaderSettings { accumulate, batches, .. } = self.settings;
        if batches == 1 { (self.steps + accumulate - 1) / accumulate } else { self.steps / (accumulate * batches) }
    }

    /// Rows read by so many whole epochs and so many steps of the next, summed over the groups.
    pub fn rows_read(&self, epochs: i64, steps: i64) -> i64 {
        let LoaderSettings { accumulate, batches, .. } = self.settings;
        let portions = |steps: i64| (steps * accumulate * batches).min(self.steps);
        let rows = |portions: i64| (0..portions).flat_map(|portion| self.places(portion)).map(|place| place.rows).sum();
        let epoch: i64 = rows(portions(self.steps_per_epoch()));
        let rest: i64 = rows(portions(steps));
        epochs * epoch + rest
    }

    /// What step `step` of epoch `epoch` reads, both from 0: independent batches, each in portions that make one together.
    /// The same for the same seed, whatever was read before.
    ///
    /// # Panics
    /// The step is not in the epoch.
    pub fn step(&mut self, epoch: i64, step: i64) -> Vec<Vec<Batch>> {
        let ahead = self.settings.prefetch;
        if ahead == 0 || !(0..self.groups.len()).any(|group| self.is_made_by_step(group)) {
            return self.make(epoch, step);
        }
        let mut prefetch = self.prefetch.take().or_else(|| Prefetch::start(self.parts()));
        let ready = prefetch.as_mut().and_then(|prefetch| prefetch.take((epoch, step)));
        if let Some(prefetch) = &mut prefetch {
            prefetch.ask_behind((epoch, step), self.steps_per_epoch(), ahead);
        }
        self.prefetch = prefetch;
        ready.unwrap_or_else(|| self.make(epoch, step))
    }

    /// The batches of training from its beginning, one by one without end: of each group that has
    /// rows in it, its number, the places `[M]` (int64) of the rows among the group's, and the rows.
    pub fn batches(&mut self) -> impl Iterator<Item = Vec<(usize, Tensor, Slice)>> + '_ {
        (0..).map(move |at| {
            let (epoch, portion) = (at / self.steps, at % self.steps);
            let places = self.places(portion);
            let read = |place: Place| (place.group, self.order(&place, epoch), self.slice(place, epoch));
            places.into_iter().map(read).collect()
        })
    }

    /// Which rows of its group a place holds, `[M]` (int64).
    fn order(&self, &Place { group, pass, start, rows }: &Place, epoch: i64) -> Tensor {
        if self.settings.shuffle {
            return permutation(self.rows[group], self.seed, (epoch, pass), group).narrow(0, start, rows);
        }
        Tensor::arange_start(start, start + rows, (Kind::Int64, Device::Cpu))
    }

    /// What another thread needs to make the same steps.
    fn parts(&self) -> Parts {
        Parts {
            groups: self.groups.iter().map(|group| group.narrow(0, group.rows())).collect(),
            settings: LoaderSettings { prefetch: 0, ..self.settings },
            preparation: self.preparation.clone(),
            augmentation: self.augmentation.clone(),
            seed: self.seed,
        }
    }

    /// Makes a step, here and now.
    pub(super) fn make(&mut self, epoch: i64, step: i64) -> Vec<Vec<Batch>> {
        let LoaderSettings { accumulate, batches, .. } = self.settings;
        let first = step * accumulate * batches;
        (0..batches)
            .map(|batch| {
                let first = first + batch * accumulate;
                (first..(first + accumulate).min(self.steps)).map(|at| self.batch(epoch, at)).collect()
            })
            .collect()
    }

    /// The portion `step` of epoch `epoch`, both from 0.
    fn batch(&mut self, epoch: i64, step: i64) -> Batch {
        assert!((0..self.steps).contains(&step), "portion {step} of an epoch of {}", self.steps);
        self.places(step).into_iter().map(|place| self.slice(place, epoch)).collect()
    }

    /// The rows of each group that a portion of an epoch reads.
    fn places(&self, portion: i64) -> Vec<Place> {
        let size = self.settings.batch_size;
        let mut before = 0;
        let mut places = Vec::new();
        for (group, &all) in self.rows.iter().enumerate() {
            let count = batches(all, self.settings);
            let (pass, position) = match self.settings.combine {
                Combine::MaxSizeCycle => (portion / count, portion % count),
                Combine::MinSize | Combine::MaxSize => (0, portion),
                Combine::Sequential => (0, portion - before),
            };
            before += count;
            if (0..count).contains(&position) {
                let start = position * size;
                places.push(Place { group, pass, start, rows: size.min(all - start) });
            }
        }
        places
    }

    fn slice(&mut self, Place { group: index, pass, start, rows: length }: Place, epoch: i64) -> Slice {
        let pass = (epoch, pass);
        let rows = if self.settings.shuffle {
            match self.ordered(index, pass) {
                Ordered::Rows(rows) => return Slice::new(rows, start, length),
                Ordered::Index(order) => {
                    let order = order.narrow(0, start, length);
                    self.groups[index].gather(&order)
                }
            }
        } else if self.is_made_by_step(index) {
            self.groups[index].narrow(start, length)
        } else {
            return Slice::new(&self.groups[index], start, length);
        };
        let rows = match &self.augmentation {
            Some(augmentation) => {
                let mut draw = |row| augmentation.draw(self.seed, pass, index, start + row);
                self.preparation.augment(&rows, augmentation, &mut draw)
            }
            None => self.preparation.apply(rows),
        };
        rows.into()
    }

    /// Whether a step makes rows of its own, instead of views.
    fn is_made_by_step(&self, index: usize) -> bool {
        let group = &self.groups[index];
        self.augmentation.is_some()
            || if self.settings.shuffle {
                self.preparation.row_bytes(group) >= WIDE
            } else {
                self.preparation.changes(group)
            }
    }

    fn ordered(&mut self, index: usize, pass: (i64, i64)) -> &Ordered {
        let by_step = self.is_made_by_step(index);
        let group = &self.groups[index];
        let kept = &mut self.passes[index];
        if kept.as_ref().is_some_and(|(at, _)| *at != pass) {
            *kept = None; // the old pass makes room before the new one is gathered
        }
        let (_, ordered) = kept.get_or_insert_with(|| {
            let order = permutation(group.rows(), self.seed, pass, index).to_device(group.inputs[0].1.device());
            let gathered = |order: &Tensor| Rc::new(self.preparation.apply(group.gather(order)));
            (pass, if by_step { Ordered::Index(order) } else { Ordered::Rows(gathered(&order)) })
        });
        ordered
    }
}

/// The number of batches in one pass over so many rows.
fn batches(rows: i64, settings: LoaderSettings) -> i64 {
    let size = settings.batch_size;
    if settings.drop_last { rows / size } else { (rows + size - 1) / size }
}

/// The order of one pass over a group, `[rows]` int64.
fn permutation(rows: i64, seed: u64, (epoch, pass): (i64, i64), group: usize) -> Tensor {
    let mut order: Vec<i64> = (0..rows).collect();
    order.shuffle(&mut generator(seed, "shuffle", epoch as u64, ((group as u64) << 20) + pass as u64));
    Tensor::from_slice(&order)
}

/// A split in pieces of at most `rows` rows, for evaluation: group after group, in order, prepared; views where they can be.
pub fn chunks<'a, G: Borrow<Group>>(
    groups: &'a [G],
    rows: i64,
    preparation: &'a Preparation,
) -> impl Iterator<Item = Group> + 'a {
    assert!(rows > 0, "a piece has rows");
    groups.iter().map(G::borrow).flat_map(move |group| {
        (0..group.rows()).step_by(rows as usize).map(move |start| {
            let length = rows.min(group.rows() - start);
            preparation.apply(group.narrow(start, length))
        })
    })
}

#[cfg(test)]
mod tests;
