//! A run of a group's rows.

use super::Group;
use std::cell::OnceCell;
use std::ops::Deref;
use std::rc::Rc;

/// Rows `start` to `start + length` of a group. Reads as a [`Group`] of its own, whose tensors are views that are made when
/// somebody first looks: a reader of the whole group's memory needs none.
#[derive(Debug)]
pub struct Slice {
    whole: Rc<Group>,
    start: i64,
    length: i64,
    own: OnceCell<Group>,
}

impl Slice {
    /// `length` rows of `whole` from row `start` on.
    ///
    /// # Panics
    /// There are not so many.
    pub fn new(whole: &Rc<Group>, start: i64, length: i64) -> Self {
        assert!(start >= 0 && length >= 0 && start + length <= whole.rows(), "rows {start} to {}", start + length);
        Self { whole: Rc::clone(whole), start, length, own: OnceCell::new() }
    }

    /// The group that it is a part of.
    pub fn whole(&self) -> &Rc<Group> {
        &self.whole
    }

    /// Its first row in the whole group.
    pub fn start(&self) -> i64 {
        self.start
    }

    /// The number of rows `N`.
    pub fn rows(&self) -> i64 {
        self.length
    }
}

impl Deref for Slice {
    type Target = Group;

    fn deref(&self) -> &Group {
        self.own.get_or_init(|| self.whole.narrow(self.start, self.length))
    }
}

impl From<Group> for Slice {
    fn from(group: Group) -> Self {
        let length = group.rows();
        Self::new(&Rc::new(group), 0, length)
    }
}
