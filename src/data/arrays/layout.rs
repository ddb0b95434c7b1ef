//! Where maps keep their channels: said, told by the labels, or guessed.

use super::{Channels, PerName};
use tch::Tensor;

/// How the dimensions of an array of maps, of an input or of labels, are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MapLayout {
    /// The input's name or the task's.
    pub name: String,
    /// The shape of a row as it is stored.
    pub stored: [i64; 3],
    /// Where its channels are.
    pub channels: Channels,
    /// How that is known.
    pub known: Known,
}

/// How it is known where the channels are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Known {
    /// The settings say so.
    Said,
    /// So the model reads it that was trained before.
    Model,
    /// One of the two places has as many numbers as the task has columns, the other has not.
    Columns,
    /// The shape looks like it, and hardly like the other.
    Likely,
    /// The shape could be the other as well.
    Guessed,
}

impl MapLayout {
    /// The layout of the array `size` `[N, …]` called `name`; `None` where it is not of maps
    /// `[N, _, _, _]`. Labels have `columns` channels; `model` is the shape of a row, channels first,
    /// to the model that was trained before.
    pub(super) fn new(
        name: &str,
        size: &[i64],
        columns: Option<i64>,
        model: Option<&[i64]>,
        said: Option<&PerName<Channels>>,
    ) -> Option<Self> {
        let &[_, first, middle, last] = size else { return None };
        let layout =
            |channels, known| Some(Self { name: name.to_string(), stored: [first, middle, last], channels, known });
        if let Some(channels) = said.and_then(|said| said.get(name)) {
            return layout(channels, Known::Said);
        }
        match model.map(|row| (row == [first, middle, last], row == [last, first, middle])) {
            Some((true, false)) => return layout(Channels::First, Known::Model),
            Some((false, true)) => return layout(Channels::Last, Known::Model),
            _ => {}
        }
        match columns.map(|columns| (first == columns, last == columns)) {
            Some((true, false)) => return layout(Channels::First, Known::Columns),
            Some((false, true)) => return layout(Channels::Last, Known::Columns),
            _ => {}
        }
        let looks_square = |height: i64, width: i64| height.max(width) <= 2 * height.min(width);
        // The other reading is of no use where its maps would be long and thin.
        let (channels, other) = match last <= FEW && first > FEW {
            true => (Channels::Last, looks_square(middle, last)),
            false => (Channels::First, (first > FEW || last <= FEW) && looks_square(first, middle)),
        };
        layout(channels, if other { Known::Guessed } else { Known::Likely })
    }

    /// The layout of an array of inputs for a model that reads rows of `shape`: the reading that gives this shape, where
    /// only one of the two does; else as that of [`new`](Self::new).
    pub(in crate::data) fn for_model(
        name: &str,
        size: &[i64],
        shape: Option<&[i64]>,
        said: Option<&PerName<Channels>>,
    ) -> Option<Self> {
        let by_model = Self::new(name, size, None, shape, None).filter(|layout| layout.known == Known::Model);
        by_model.or_else(|| Self::new(name, size, None, None, said))
    }

    /// The array with its channels first.
    pub(super) fn apply(&self, array: Tensor) -> Tensor {
        match self.channels {
            Channels::First => array,
            Channels::Last => array.permute([0, 3, 1, 2]).contiguous(),
        }
    }

    /// The shape as it is read: channels, height and width, in words.
    pub fn describe(&self) -> String {
        let place = if self.channels == Channels::Last { "last" } else { "first" };
        let known = match self.known {
            Known::Said => "as `channels` says",
            Known::Model => "as the model reads it",
            Known::Columns => "as many as the task has columns",
            Known::Likely => "by its shape",
            Known::Guessed => "a guess",
        };
        format!("{}, channels {place} ({known})", words(self.stored, self.channels))
    }

    /// A line that tells the guess, where it could be otherwise.
    pub(super) fn doubt(&self) -> Option<String> {
        let (name, stored) = (&self.name, self.stored);
        let (place, other, another) = match self.channels {
            Channels::First => ("first", Channels::Last, "last"),
            Channels::Last => ("last", Channels::First, "first"),
        };
        (self.known == Known::Guessed).then(|| {
            format!(
                "note: {name}, stored as [N, {}, {}, {}], is taken for {}; `channels: {another}` would make it {}, \
                 `channels: {place}` leaves no doubt",
                stored[0],
                stored[1],
                stored[2],
                words(stored, self.channels),
                words(stored, other)
            )
        })
    }
}

/// Images have so many channels at most; maps of features have more.
const FEW: i64 = 4;

fn words([first, middle, last]: [i64; 3], channels: Channels) -> String {
    let (height, width, channels) = match channels {
        Channels::First => (middle, last, first),
        Channels::Last => (first, middle, last),
    };
    format!("maps of {height} by {width} with {channels} channel{}", if channels == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guess_is_told_where_the_shape_could_be_read_both_ways() {
        let read = |size: [i64; 4], columns: Option<i64>| {
            let layout = MapLayout::new("x", &size, columns, None, None).expect("maps");
            (layout.channels, layout.known)
        };
        for (size, channels, known) in [
            ([9, 224, 224, 3], Channels::Last, Known::Likely),
            ([9, 28, 28, 1], Channels::Last, Known::Likely),
            ([9, 480, 640, 4], Channels::Last, Known::Likely),
            ([9, 16, 4, 4], Channels::Last, Known::Guessed),
            ([9, 16, 8, 4], Channels::Last, Known::Guessed),
            ([9, 3, 224, 224], Channels::First, Known::Likely),
            ([9, 1, 28, 28], Channels::First, Known::Likely),
            ([9, 512, 7, 7], Channels::First, Known::Likely),
            ([9, 16, 8, 8], Channels::First, Known::Guessed),
            ([9, 64, 64, 8], Channels::First, Known::Guessed),
            ([9, 4, 4, 4], Channels::First, Known::Guessed),
            ([9, 3, 32, 4], Channels::First, Known::Likely),
        ] {
            assert_eq!(read(size, None), (channels, known), "{size:?}");
        }
        assert_eq!(read([9, 16, 4, 4], Some(16)), (Channels::First, Known::Columns));
        assert_eq!(read([9, 16, 8, 5], Some(5)), (Channels::Last, Known::Columns));
        assert_eq!(read([9, 3, 3, 3], Some(3)), (Channels::First, Known::Guessed));
        let by_model = |row: [i64; 3]| MapLayout::new("x", &[9, 16, 4, 4], None, Some(&row), None).expect("maps");
        for (row, channels, known) in [
            ([16, 4, 4], Channels::First, Known::Model),
            ([4, 16, 4], Channels::Last, Known::Model),
            ([3, 8, 8], Channels::Last, Known::Guessed),
        ] {
            assert_eq!((by_model(row).channels, by_model(row).known), (channels, known), "{row:?}");
        }
        let of_model = |size: [i64; 4], shape: [i64; 3], said: Option<&PerName<Channels>>| {
            MapLayout::for_model("x", &size, Some(&shape), said).expect("maps").channels
        };
        let first = PerName::All(Channels::First);
        assert_eq!(of_model([9, 16, 4, 4], [16, 4, 4], None), Channels::First, "the model's shape decides");
        assert_eq!(of_model([9, 4, 4, 16], [16, 4, 4], Some(&first)), Channels::Last);
        assert_eq!(of_model([9, 3, 3, 3], [3, 3, 3], Some(&PerName::All(Channels::Last))), Channels::Last);
        assert_eq!(of_model([9, 3, 3, 3], [3, 3, 3], None), Channels::First, "as a source guesses");
        let said = PerName::Named([("x".to_string(), Channels::First)].into());
        let layout = MapLayout::new("x", &[9, 16, 4, 4], None, Some(&[4, 16, 4]), Some(&said)).expect("maps");
        assert_eq!((layout.channels, layout.known, layout.doubt()), (Channels::First, Known::Said, None));
        assert_eq!(MapLayout::new("x", &[9, 16, 4], None, None, None), None);
    }
}
