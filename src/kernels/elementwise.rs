//! One pass over slices of one length.

use super::{Instructions, Kernel, Lanes, Real};

/// What is done to each place of `IN` slices that are read and `OUT` slices that are changed.
pub trait Map<T: Real, const IN: usize, const OUT: usize> {
    /// The new values of the changed ones. Must be `#[inline(always)]`.
    fn map<S: Lanes<T>>(&self, simd: S, read: [S::Vector; IN], changed: [S::Vector; OUT]) -> [S::Vector; OUT];
}

struct Pass<'a, 'b, T, M, const IN: usize, const OUT: usize> {
    map: M,
    read: [&'a [T]; IN],
    changed: [&'b mut [T]; OUT],
}

impl<T: Real, M: Map<T, IN, OUT>, const IN: usize, const OUT: usize> Kernel<T> for Pass<'_, '_, T, M, IN, OUT> {
    type Output = ();

    #[inline(always)]
    fn run<S: Lanes<T>>(self, simd: S) {
        let length = self.changed[0].len();
        let read = self.read.map(<[T]>::as_ptr);
        let changed = self.changed.map(<[T]>::as_mut_ptr);
        let mut at = 0;
        while at < length {
            let count = S::COUNT.min(length - at);
            // SAFETY: all slices are `length` long, checked by `zip_map`; `at + count` is within.
            unsafe {
                let inputs = read.map(|slice| simd.read(slice.add(at), count));
                let before = changed.map(|slice| simd.read(slice.add(at), count));
                let after = self.map.map(simd, inputs, before);
                for (slice, vector) in changed.into_iter().zip(after) {
                    simd.write(slice.add(at), vector, count);
                }
            }
            at += count;
        }
    }
}

/// Maps every place of slices. The map comes by value: behind a reference its constants could be among what is changed, and
/// would be read again at every place.
///
/// # Panics
/// The slices differ in length.
pub fn zip_map<T: Real, M: Map<T, IN, OUT>, const IN: usize, const OUT: usize>(
    instructions: Instructions,
    map: M,
    read: [&[T]; IN],
    changed: [&mut [T]; OUT],
) {
    let length = changed[0].len();
    let fits = read.iter().all(|slice| slice.len() == length) && changed.iter().all(|slice| slice.len() == length);
    assert!(fits, "slices of different lengths");
    instructions.run(Pass { map, read, changed });
}
