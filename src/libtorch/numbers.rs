//! A tensor's numbers as a slice, where they lie in the host's memory one behind another.

use super::ffi;
use tch::{Device, Kind, Tensor};

/// A number that tensors hold.
pub trait Element: Copy {
    /// As libtorch calls it.
    const KIND: Kind;
}

impl Element for f32 {
    const KIND: Kind = Kind::Float;
}
impl Element for f64 {
    const KIND: Kind = Kind::Double;
}
impl Element for i64 {
    const KIND: Kind = Kind::Int64;
}

/// The numbers of a tensor, row by row. As long as the slice is used, nobody may change them through another view.
///
/// # Panics
/// The tensor is of another kind, on a device, or has gaps.
pub fn numbers<T: Element>(tensor: &Tensor) -> &[T] {
    let (pointer, length) = place::<T>(tensor);
    // SAFETY: `place` saw so many numbers of this kind there; the tensor is borrowed.
    unsafe { std::slice::from_raw_parts(pointer, length) }
}

/// The numbers of a tensor, to change. As long as the slice is used, nobody may read or change them through another view.
///
/// # Panics
/// As [`numbers`].
pub fn numbers_mut<T: Element>(tensor: &mut Tensor) -> &mut [T] {
    let (pointer, length) = place::<T>(tensor);
    // SAFETY: as above; the tensor is borrowed alone.
    unsafe { std::slice::from_raw_parts_mut(pointer, length) }
}

fn place<T: Element>(tensor: &Tensor) -> (*mut T, usize) {
    let (kind, device) = (tensor.kind(), tensor.device());
    assert!(
        kind == T::KIND && device == Device::Cpu && tensor.is_contiguous(),
        "numbers of {:?} wanted, in one piece on the host; there are {kind:?} on {device:?}",
        T::KIND
    );
    let pointer = tensor.data_ptr().cast::<T>();
    // A tensor without numbers may have no place.
    let pointer = if pointer.is_null() { std::ptr::NonNull::dangling().as_ptr() } else { pointer };
    (pointer, length(tensor))
}

/// How many numbers a tensor holds. Unlike tch's `numel` it allocates nothing.
pub fn length(tensor: &Tensor) -> usize {
    const MOST: usize = 8;
    let dimensions = tensor.dim();
    if dimensions > MOST {
        return tensor.numel();
    }
    let mut shape = [0i64; MOST];
    // SAFETY: a plain look at a tensor that is borrowed; there is a place for each dimension.
    unsafe { torch_sys::at_shape(tensor.as_ptr().cast_mut(), shape.as_mut_ptr()) };
    shape[..dimensions].iter().product::<i64>() as usize
}

/// Whether nobody else holds the tensor or a view of it.
pub fn is_alone(tensor: &Tensor) -> bool {
    // SAFETY: a plain look at a tensor that is borrowed.
    unsafe { ffi::polytask_is_alone(tensor.as_ptr().cast_mut()) != 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tensor_is_alone_until_somebody_holds_it_or_a_view() {
        let mut tensor = Tensor::from_slice(&[1.0, 2.0, 3.0]);
        assert!(is_alone(&tensor));
        let (held, view) = (tensor.shallow_clone(), tensor.narrow(0, 1, 2));
        assert!(!is_alone(&tensor));
        drop(held);
        assert!(!is_alone(&tensor), "the view stands");
        drop(view);
        assert!(is_alone(&tensor));
        numbers_mut::<f64>(&mut tensor)[1] = 5.0;
        assert_eq!(numbers::<f64>(&tensor), [1.0, 5.0, 3.0]);
    }

    #[test]
    fn the_length_is_the_product_of_the_shape() {
        for shape in [&[][..], &[0], &[5], &[2, 3], &[1, 2, 3, 1, 2, 1, 2, 1], &[2, 1, 2, 1, 1, 1, 1, 1, 3]] {
            let tensor = Tensor::zeros(shape, (Kind::Float, Device::Cpu));
            assert_eq!(length(&tensor), tensor.numel(), "{shape:?}");
        }
    }

    #[test]
    #[should_panic(expected = "in one piece on the host")]
    fn a_tensor_with_gaps_has_no_slice() {
        numbers::<f64>(&Tensor::from_slice(&[1.0, 2.0, 3.0, 4.0]).view([2, 2]).select(1, 0));
    }
}
