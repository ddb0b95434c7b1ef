//! libtorch's process-wide switches: version, threads, seed, determinism.

use super::device::cuda_devices_in_use;
use super::ffi;
use std::ffi::CStr;
use tch::Device;

/// libtorch's version, such as `2.13.0`.
pub fn version() -> String {
    // SAFETY: the shim gives a text that lives as long as the process.
    unsafe { CStr::from_ptr(ffi::polytask_version()) }.to_string_lossy().into_owned()
}

/// How many threads one operation may use. May be called more than once; the last call holds.
///
/// # Panics
/// `count` is 0.
pub fn set_threads(count: usize) {
    let count = i32::try_from(count).unwrap_or(i32::MAX);
    // SAFETY: a plain call.
    ffi::call(|error| unsafe { ffi::polytask_threads(count, error) })
        .expect("libtorch takes any number of threads above 0");
}

/// Re-seeds libtorch's global generators: the CPU's, and those of all CUDA devices once CUDA is in use.
///
/// Polytask draws from private generators only; this is for TorchScript modules that draw (dropout).
pub fn seed_global(seed: u64) {
    let devices = i32::try_from(cuda_devices_in_use()).unwrap_or(i32::MAX);
    // SAFETY: a plain call.
    ffi::call(|error| unsafe { ffi::polytask_seed(seed, devices, error) }).expect("a generator takes any seed");
}

/// Makes the same run on the same device give the same bits: deterministic algorithms, no benchmarking of kernels,
/// no TF32. The CPU needs nothing.
///
/// An operation that has no deterministic form prints a warning and goes on.
pub fn set_deterministic(device: Device) {
    if matches!(device, Device::Cuda(_)) {
        // SAFETY: a plain call.
        ffi::call(|error| unsafe { ffi::polytask_deterministic_cuda(error) }).expect("these are switches only");
    }
}

/// Whether the calling thread's CPU arithmetic takes denormal numbers (below 1e-38 in single precision) for zero.
///
/// They are rare in training but slow. Returns false where the processor has no such mode. Other threads keep theirs.
pub fn flush_denormals(on: bool) -> bool {
    // SAFETY: a plain call.
    unsafe { ffi::polytask_flush_denormals(on.into()) != 0 }
}

/// Lets the C library keep the memory of tensors up to some size (256 MiB; 32 on older ones) for the next ones, where it is
/// glibc: else every feature map of some megabytes is mapped, zeroed and unmapped anew at each step, a quarter of LeNet's
/// time. Gives the size in MiB, 0 where the library has no such switch.
pub fn keep_memory() -> i32 {
    // SAFETY: a plain call.
    unsafe { ffi::polytask_keep_memory() }
}

/// Gives the memory that [`keep_memory`] has kept, and nothing uses, back to the system, where the C library is glibc.
pub fn release_memory() {
    // SAFETY: a plain call.
    unsafe { ffi::polytask_release_memory() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::{Kind, Tensor};

    #[test]
    fn the_version_is_one_that_tch_accepts() {
        let version = version();
        let minor: u32 = version.split('.').nth(1).and_then(|minor| minor.parse().ok()).expect("MAJOR.MINOR.PATCH");
        assert!(version.starts_with("2.") && (11..=13).contains(&minor), "{version}");
    }

    #[test]
    fn threads_may_be_set_again_and_again() {
        set_threads(2);
        set_threads(1);
        assert_eq!(tch::get_num_threads(), 1);
    }

    #[test]
    fn denormals_are_flushed_on_demand() {
        let tiny =
            || f64::try_from(Tensor::from_slice(&[1e-30_f32]) * Tensor::from_slice(&[1e-10_f32])).expect("one number");
        let before = tiny();
        if flush_denormals(true) {
            assert_eq!((before > 0.0, tiny()), (true, 0.0));
            flush_denormals(false);
            assert_eq!(tiny(), before);
        }
    }

    #[test]
    fn determinism_on_the_cpu_is_no_change() {
        set_deterministic(Device::Cpu);
        let sum = Tensor::ones([3], (Kind::Float, Device::Cpu)).sum(Kind::Float);
        assert_eq!(f64::try_from(sum).expect("one number"), 3.0);
    }
}
