//! Vectors of 256 and 512 bits on x86-64.

use super::{Kernel, Lanes, Real};

/// The operations that both widths and precisions have under one name.
macro_rules! common {
    ($real:ty, $set:ident, $load:ident, $store:ident, $add:ident, $sub:ident, $mul:ident, $div:ident, $fma:ident,
     $max:ident, $min:ident, $sqrt:ident) => {
        #[inline(always)]
        fn splat(self, number: $real) -> Self::Vector {
            // SAFETY: `self` proves that the processor has the instruction; so in every function of this file.
            unsafe { $set(number) }
        }
        #[inline(always)]
        unsafe fn load(self, from: *const $real) -> Self::Vector {
            // SAFETY: as promised by the caller.
            unsafe { $load(from) }
        }
        #[inline(always)]
        unsafe fn store(self, to: *mut $real, vector: Self::Vector) {
            // SAFETY: as promised by the caller.
            unsafe { $store(to, vector) }
        }
        #[inline(always)]
        fn add(self, a: Self::Vector, b: Self::Vector) -> Self::Vector {
            // SAFETY: see `splat`.
            unsafe { $add(a, b) }
        }
        #[inline(always)]
        fn sub(self, a: Self::Vector, b: Self::Vector) -> Self::Vector {
            // SAFETY: see `splat`.
            unsafe { $sub(a, b) }
        }
        #[inline(always)]
        fn mul(self, a: Self::Vector, b: Self::Vector) -> Self::Vector {
            // SAFETY: see `splat`.
            unsafe { $mul(a, b) }
        }
        #[inline(always)]
        fn div(self, a: Self::Vector, b: Self::Vector) -> Self::Vector {
            // SAFETY: see `splat`.
            unsafe { $div(a, b) }
        }
        #[inline(always)]
        fn mul_add(self, a: Self::Vector, b: Self::Vector, c: Self::Vector) -> Self::Vector {
            // SAFETY: see `splat`.
            unsafe { $fma(a, b, c) }
        }
        #[inline(always)]
        fn max(self, a: Self::Vector, b: Self::Vector) -> Self::Vector {
            // SAFETY: see `splat`.
            unsafe { $max(a, b) }
        }
        #[inline(always)]
        fn min(self, a: Self::Vector, b: Self::Vector) -> Self::Vector {
            // SAFETY: see `splat`.
            unsafe { $min(a, b) }
        }
        #[inline(always)]
        fn sqrt(self, a: Self::Vector) -> Self::Vector {
            // SAFETY: see `splat`.
            unsafe { $sqrt(a) }
        }
    };
}

mod avx2;
mod avx512;

/// A proof that the processor has some instructions: how to come by it, and kernels compiled for them.
macro_rules! proof {
    ($(#[$doc:meta])* $proof:ident, $features:literal, $there:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy)]
        pub struct $proof(());

        impl $proof {
            #[inline(always)]
            pub fn new() -> Option<Self> {
                $there.then_some(Self(()))
            }

            #[inline(always)]
            pub fn run<T: Real, K: Kernel<T>>(self, kernel: K) -> K::Output
            where
                Self: Lanes<T>,
            {
                #[target_feature(enable = $features)]
                fn inside<T: Real, K: Kernel<T>>(simd: $proof, kernel: K) -> K::Output
                where
                    $proof: Lanes<T>,
                {
                    kernel.run(simd)
                }
                // SAFETY: `self` proves that the processor has them.
                unsafe { inside(self, kernel) }
            }
        }
    };
}

proof!(
    /// A proof that the processor has AVX2 and FMA.
    Avx2,
    "avx2,fma",
    (is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma"))
);
proof!(
    /// A proof that the processor has AVX-512 (its foundation and `dq`), and what [`Avx2`] stands for.
    Avx512,
    "avx512f,avx512dq,avx2,fma",
    (is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512dq") && Avx2::new().is_some())
);
