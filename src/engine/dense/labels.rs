//! Labels in the form that the losses read: column by column, classes as numbers. Made once per pass over a group.

use super::Number;
use crate::data::Group;
use crate::libtorch::numbers;
use crate::tasks::{Form, Target, Task};
use std::cell::RefCell;
use std::rc::{Rc, Weak};

/// The labels of all rows of a group.
pub struct Labels<T> {
    rows: usize,
    tasks: Vec<OfTask<T>>,
}

struct OfTask<T> {
    /// `[columns, rows]`; the class for a task of classes.
    values: Vec<T>,
    /// The same shape: what each label weighs, 0 where there is none. `None`: all weigh 1.
    weights: Option<Vec<T>>,
}

/// A task's labels for some rows.
#[derive(Clone, Copy)]
pub struct LabelRows<'a, T> {
    values: &'a [T],
    weights: Option<&'a [T]>,
    /// From a column to the next.
    stride: usize,
    start: usize,
    /// The number of rows.
    pub rows: usize,
    /// The number of columns.
    pub columns: usize,
}

impl<'a, T> LabelRows<'a, T> {
    /// The labels of a column.
    pub fn values(&self, column: usize) -> &'a [T] {
        &self.values[column * self.stride + self.start..][..self.rows]
    }

    /// What they weigh, if not all weigh 1.
    pub fn weights(&self, column: usize) -> Option<&'a [T]> {
        Some(&self.weights?[column * self.stride + self.start..][..self.rows])
    }
}

impl<T: Number> Labels<T> {
    fn new(group: &Group, tasks: &[Task]) -> Self {
        let rows = group.rows() as usize;
        let mut all: Vec<OfTask<T>> = tasks.iter().map(|_| OfTask { values: vec![], weights: None }).collect();
        for (&task, target) in group.tasks.iter().zip(&group.targets) {
            all[task] = OfTask::new(target, tasks[task].form, rows);
        }
        Self { rows, tasks: all }
    }

    /// A task's labels for `(start, rows)` rows.
    pub fn task(&self, task: usize, (start, rows): (usize, usize)) -> LabelRows<'_, T> {
        let OfTask { values, weights } = &self.tasks[task];
        let columns = values.len() / self.rows.max(1);
        LabelRows { values, weights: weights.as_deref(), stride: self.rows, start, rows, columns }
    }
}

impl<T: Number> OfTask<T> {
    fn new(target: &Target, form: Form, rows: usize) -> Self {
        let by_column = |of: &[T]| -> Vec<T> {
            let columns = of.len() / rows.max(1);
            (0..columns).flat_map(|column| (0..rows).map(move |row| of[row * columns + column])).collect()
        };
        let values = match form {
            Form::Classes(_) => numbers::<i64>(&target.values).iter().map(|&class| T::of(class as f64)).collect(),
            _ => by_column(numbers(&target.values)),
        };
        Self { values, weights: target.weights.as_ref().map(|weights| by_column(numbers(weights))) }
    }
}

/// A group and its labels.
type Known<T> = (Weak<Group>, Rc<Labels<T>>);

/// The labels of the groups that are in use.
pub struct Shelf<T>(RefCell<Vec<Known<T>>>);

impl<T> Default for Shelf<T> {
    fn default() -> Self {
        Self(RefCell::default())
    }
}

impl<T: Number> Shelf<T> {
    /// The labels of a group; those of groups that are gone make room.
    pub fn of(&self, group: &Rc<Group>, tasks: &[Task]) -> Rc<Labels<T>> {
        let mut shelf = self.0.borrow_mut();
        // The group's memory is not given to another as long as a weak reference to it stands.
        if let Some((_, labels)) = shelf.iter().find(|(known, _)| std::ptr::eq(known.as_ptr(), Rc::as_ptr(group))) {
            return Rc::clone(labels);
        }
        shelf.retain(|(known, _)| known.strong_count() > 0);
        let labels = Rc::new(Labels::new(group, tasks));
        shelf.push((Rc::downgrade(group), Rc::clone(&labels)));
        labels
    }
}
