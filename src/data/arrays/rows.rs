//! Which rows of several arrays belong together: those of one place, and in folders those of one
//! number.

use super::number::Number;
use super::read::Array;
use crate::error::Mistake;

/// Arrays that hold the same rows, looked at one by one.
#[derive(Default)]
pub(in crate::data) struct SameRows {
    first: Option<(i64, String)>,
    numbered: Option<(Vec<Number>, String)>,
}

impl SameRows {
    /// Takes in one more array.
    ///
    /// # Errors
    /// It has more or fewer rows than the first, or, as a folder, other numbers than the first
    /// folder.
    pub(super) fn check(&mut self, array: &Array) -> Result<(), Mistake> {
        if let Some(numbers) = array.numbers() {
            let (expected, first) = self.numbered.get_or_insert_with(|| (numbers.to_vec(), array.name()));
            if numbers != expected.as_slice() {
                return Err(other_numbers(&array.name(), numbers, first, expected));
            }
        }
        self.check_rows(&array.name(), array.rows())
    }

    /// Takes in `rows` rows of a file or folder called `name`.
    ///
    /// # Errors
    /// The first had more or fewer.
    pub fn check_rows(&mut self, name: &str, rows: i64) -> Result<(), Mistake> {
        let (expected, first) = self.first.get_or_insert_with(|| (rows, name.to_string()));
        if rows == *expected {
            return Ok(());
        }
        let what = format!("has {rows} rows beside the {expected} of {first}");
        Err(Mistake::new(name, what).remedy("name arrays of the same rows"))
    }
}

fn other_numbers(folder: &str, numbers: &[Number], first: &str, expected: &[Number]) -> Mistake {
    let lacks = |own: &[Number], other: &[Number]| {
        let missing: Vec<&str> =
            other.iter().filter(|number| own.binary_search(number).is_err()).map(|number| number.digits()).collect();
        match missing.len() {
            0 => None,
            1..=3 => Some(missing.join(", ")),
            count => Some(format!("{}, … ({count} in all)", missing[..3].join(", "))),
        }
    };
    let (place, what) = match (lacks(numbers, expected), lacks(expected, numbers)) {
        (Some(here), None) => (folder, format!("has no file of number {here}, which {first} has")),
        (Some(here), Some(there)) => {
            (folder, format!("has no file of number {here}, which {first} has, and {first} none of number {there}"))
        }
        (None, there) => (first, format!("has no file of number {}, which {folder} has", there.unwrap_or_default())),
    };
    Mistake::new(place, what)
        .remedy("add the missing files, or take those of the same number out of every folder: numbers pair the rows")
}
