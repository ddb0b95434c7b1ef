//! Arithmetic on slices with the widest vectors that the processor has, chosen at run time.
//!
//! A kernel is written once, over [`Lanes`], and compiled for each of [`Instructions`]; [`Instructions::run`] picks. The
//! zero-sized types that implement [`Lanes`] are proofs: they exist only where the processor has the instructions.

mod elementwise;
mod functions;
mod portable;
mod product;
mod sums;
#[cfg(test)]
mod tests;
mod transpose;
#[cfg(target_arch = "x86_64")]
mod x86;

pub use elementwise::{Map, zip_map};
pub use functions::{erf, exp, ln, ln_1p, tanh};
pub use product::{Finish, Matrix, MatrixMut, Start, product, stays_in_cache};
pub use sums::{column_sums, gramian, row_sums};
pub use transpose::transpose;

use self::portable::Portable;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt::Debug;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Div, Mul, Neg, Sub};

/// Single or double precision.
pub trait Real:
    Copy
    + Debug
    + Default
    + PartialOrd
    + Add<Output = Self>
    + AddAssign
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
    + Sum
    + Send
    + Sync
    + 'static
{
    /// The nearest number.
    fn of(number: f64) -> Self;

    /// Exact.
    fn wide(self) -> f64;

    /// Runs a kernel of this precision with the given instructions.
    fn run<K: Kernel<Self>>(instructions: Instructions, kernel: K) -> K::Output;
}

/// Vectors of `T`, and what the processor does to them. Comparisons with NaN are false.
pub trait Lanes<T: Real>: Copy {
    /// A vector.
    type Vector: Copy;

    /// Vectors of half the size, where these are quicker for few numbers; else the same.
    type Half: Lanes<T>;

    /// Numbers in a vector.
    const COUNT: usize;

    /// Vectors that fit into registers.
    const REGISTERS: usize;

    /// The proof that there are vectors of half the size.
    fn half(self) -> Self::Half;

    /// The same number in each lane.
    fn splat(self, number: T) -> Self::Vector;

    /// # Safety
    /// `COUNT` numbers can be read from there.
    unsafe fn load(self, from: *const T) -> Self::Vector;

    /// Reads the first `count < COUNT` lanes; the others are 0.
    ///
    /// # Safety
    /// `count` numbers can be read from there.
    unsafe fn load_first(self, from: *const T, count: usize) -> Self::Vector;

    /// # Safety
    /// `COUNT` numbers can be written there.
    unsafe fn store(self, to: *mut T, vector: Self::Vector);

    /// Writes the first `count < COUNT` lanes.
    ///
    /// # Safety
    /// `count` numbers can be written there.
    unsafe fn store_first(self, to: *mut T, vector: Self::Vector, count: usize);

    /// `a + b`
    fn add(self, a: Self::Vector, b: Self::Vector) -> Self::Vector;

    /// `a - b`
    fn sub(self, a: Self::Vector, b: Self::Vector) -> Self::Vector;

    /// `a b`
    fn mul(self, a: Self::Vector, b: Self::Vector) -> Self::Vector;

    /// `a / b`
    fn div(self, a: Self::Vector, b: Self::Vector) -> Self::Vector;

    /// `a b + c`, rounded once where the processor can.
    fn mul_add(self, a: Self::Vector, b: Self::Vector, c: Self::Vector) -> Self::Vector;

    /// The larger one; `b` where either is NaN.
    fn max(self, a: Self::Vector, b: Self::Vector) -> Self::Vector;

    /// The smaller one; `b` where either is NaN.
    fn min(self, a: Self::Vector, b: Self::Vector) -> Self::Vector;

    /// `√a`
    fn sqrt(self, a: Self::Vector) -> Self::Vector;

    /// The nearest whole number.
    fn round(self, a: Self::Vector) -> Self::Vector;

    /// `then` where `a > b`, else `other`.
    fn where_greater(self, a: Self::Vector, b: Self::Vector, then: Self::Vector, other: Self::Vector) -> Self::Vector;

    /// `then` where `a = b`, else `other`.
    fn where_equal(self, a: Self::Vector, b: Self::Vector, then: Self::Vector, other: Self::Vector) -> Self::Vector;

    /// `a 2^n` for whole `n` such that the power is a normal number.
    fn scale(self, a: Self::Vector, n: Self::Vector) -> Self::Vector;

    /// `(e, m)` with `a = m 2^e` and `1 ≤ m < 2`, for normal `a > 0`.
    fn split(self, a: Self::Vector) -> (Self::Vector, Self::Vector);

    /// The sum of the lanes.
    fn sum(self, a: Self::Vector) -> T;

    /// Zero in each lane.
    #[inline(always)]
    fn zero(self) -> Self::Vector {
        self.splat(T::default())
    }

    /// `|a|`
    #[inline(always)]
    fn abs(self, a: Self::Vector) -> Self::Vector {
        self.max(self.sub(self.zero(), a), a)
    }

    /// Reads `count ≤ COUNT` numbers; further lanes are 0.
    ///
    /// # Safety
    /// `count` numbers can be read from there.
    #[inline(always)]
    unsafe fn read(self, from: *const T, count: usize) -> Self::Vector {
        // SAFETY: as promised by the caller.
        unsafe { if count == Self::COUNT { self.load(from) } else { self.load_first(from, count) } }
    }

    /// Writes the first `count ≤ COUNT` numbers.
    ///
    /// # Safety
    /// `count` numbers can be written there.
    #[inline(always)]
    unsafe fn write(self, to: *mut T, vector: Self::Vector, count: usize) {
        // SAFETY: as promised by the caller.
        unsafe { if count == Self::COUNT { self.store(to, vector) } else { self.store_first(to, vector, count) } }
    }
}

/// Something to compute with vectors. `run` and all that it calls must be `#[inline(always)]`, so that it is compiled for the
/// instructions that it runs on.
pub trait Kernel<T: Real> {
    /// What comes out.
    type Output;

    /// Computes it.
    fn run<S: Lanes<T>>(self, simd: S) -> Self::Output;
}

/// Vector instructions, the widest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Instructions {
    /// 512 bits, fused multiply-add.
    Avx512,
    /// 256 bits, fused multiply-add.
    Avx2,
    /// What every processor has.
    Portable,
}

impl Instructions {
    /// All there are, the widest first.
    pub const ALL: [Self; 3] = [Self::Avx512, Self::Avx2, Self::Portable];

    /// Whether this processor has them.
    pub fn available(self) -> bool {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => x86::Avx512::new().is_some(),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => x86::Avx2::new().is_some(),
            #[cfg(not(target_arch = "x86_64"))]
            Self::Avx512 | Self::Avx2 => false,
            Self::Portable => true,
        }
    }

    /// The widest that this processor has.
    pub fn best() -> Self {
        Self::ALL.into_iter().find(|instructions| instructions.available()).unwrap_or(Self::Portable)
    }

    /// Their name in YAML.
    pub fn name(self) -> &'static str {
        match self {
            Self::Avx512 => "avx512",
            Self::Avx2 => "avx2",
            Self::Portable => "portable",
        }
    }

    /// Runs a kernel with them.
    ///
    /// # Panics
    /// The processor does not have them.
    #[inline]
    pub fn run<T: Real, K: Kernel<T>>(self, kernel: K) -> K::Output {
        T::run(self, kernel)
    }
}

macro_rules! real {
    ($real:ty) => {
        impl Real for $real {
            #[inline(always)]
            fn of(number: f64) -> Self {
                number as Self
            }

            #[inline(always)]
            fn wide(self) -> f64 {
                f64::from(self)
            }

            #[inline]
            fn run<K: Kernel<Self>>(instructions: Instructions, kernel: K) -> K::Output {
                match instructions {
                    #[cfg(target_arch = "x86_64")]
                    Instructions::Avx512 => x86::Avx512::new().expect("a processor with AVX-512").run(kernel),
                    #[cfg(target_arch = "x86_64")]
                    Instructions::Avx2 => x86::Avx2::new().expect("a processor with AVX2").run(kernel),
                    _ => kernel.run(Portable),
                }
            }
        }
    };
}

real!(f32);
real!(f64);
