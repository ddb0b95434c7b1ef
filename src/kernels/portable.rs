//! Vectors of 128 bits as arrays, which every compiler turns into what its processor has.

use super::Lanes;

/// What every processor has.
#[derive(Debug, Clone, Copy)]
pub struct Portable;

macro_rules! lanes {
    ($real:ty, $count:literal, $bits:ty, $mantissa:literal, $bias:literal) => {
        impl Lanes<$real> for Portable {
            type Vector = [$real; $count];
            type Half = Self;
            const COUNT: usize = $count;
            const REGISTERS: usize = 16;

            #[inline(always)]
            fn half(self) -> Self {
                self
            }

            #[inline(always)]
            fn splat(self, number: $real) -> Self::Vector {
                [number; $count]
            }
            #[inline(always)]
            unsafe fn load(self, from: *const $real) -> Self::Vector {
                // SAFETY: as promised by the caller; an array needs no more alignment than its numbers.
                unsafe { from.cast::<Self::Vector>().read() }
            }
            #[inline(always)]
            unsafe fn load_first(self, from: *const $real, count: usize) -> Self::Vector {
                // SAFETY: as promised by the caller.
                std::array::from_fn(|lane| if lane < count { unsafe { *from.add(lane) } } else { 0.0 })
            }
            #[inline(always)]
            unsafe fn store(self, to: *mut $real, vector: Self::Vector) {
                // SAFETY: as promised by the caller.
                unsafe { to.cast::<Self::Vector>().write(vector) };
            }
            #[inline(always)]
            unsafe fn store_first(self, to: *mut $real, vector: Self::Vector, count: usize) {
                for (lane, number) in vector.into_iter().enumerate().take(count) {
                    // SAFETY: as promised by the caller.
                    unsafe { *to.add(lane) = number };
                }
            }
            #[inline(always)]
            fn add(self, a: Self::Vector, b: Self::Vector) -> Self::Vector {
                std::array::from_fn(|lane| a[lane] + b[lane])
            }
            #[inline(always)]
            fn sub(self, a: Self::Vector, b: Self::Vector) -> Self::Vector {
                std::array::from_fn(|lane| a[lane] - b[lane])
            }
            #[inline(always)]
            fn mul(self, a: Self::Vector, b: Self::Vector) -> Self::Vector {
                std::array::from_fn(|lane| a[lane] * b[lane])
            }
            #[inline(always)]
            fn div(self, a: Self::Vector, b: Self::Vector) -> Self::Vector {
                std::array::from_fn(|lane| a[lane] / b[lane])
            }
            #[inline(always)]
            fn mul_add(self, a: Self::Vector, b: Self::Vector, c: Self::Vector) -> Self::Vector {
                // Not `mul_add` of the standard library: without the instruction that is a slow function call.
                std::array::from_fn(|lane| a[lane] * b[lane] + c[lane])
            }
            #[inline(always)]
            fn max(self, a: Self::Vector, b: Self::Vector) -> Self::Vector {
                std::array::from_fn(|lane| if a[lane] > b[lane] { a[lane] } else { b[lane] })
            }
            #[inline(always)]
            fn min(self, a: Self::Vector, b: Self::Vector) -> Self::Vector {
                std::array::from_fn(|lane| if a[lane] < b[lane] { a[lane] } else { b[lane] })
            }
            #[inline(always)]
            fn sqrt(self, a: Self::Vector) -> Self::Vector {
                a.map(|a| a.sqrt())
            }
            #[inline(always)]
            fn round(self, a: Self::Vector) -> Self::Vector {
                // Adding and taking away a number whose last digit is 1 rounds to whole numbers.
                let whole = 1.5 * (1u64 << $mantissa) as $real;
                a.map(|a| if a.abs() < whole / 2.0 { (a + whole) - whole } else { a })
            }
            #[inline(always)]
            fn where_greater(
                self,
                a: Self::Vector,
                b: Self::Vector,
                then: Self::Vector,
                other: Self::Vector,
            ) -> Self::Vector {
                std::array::from_fn(|lane| if a[lane] > b[lane] { then[lane] } else { other[lane] })
            }
            #[inline(always)]
            fn where_equal(
                self,
                a: Self::Vector,
                b: Self::Vector,
                then: Self::Vector,
                other: Self::Vector,
            ) -> Self::Vector {
                std::array::from_fn(|lane| if a[lane] == b[lane] { then[lane] } else { other[lane] })
            }
            #[inline(always)]
            fn scale(self, a: Self::Vector, n: Self::Vector) -> Self::Vector {
                let power = |n: $real| <$real>::from_bits(((n as i32 + $bias) as $bits) << $mantissa);
                std::array::from_fn(|lane| a[lane] * power(n[lane]))
            }
            #[inline(always)]
            fn split(self, a: Self::Vector) -> (Self::Vector, Self::Vector) {
                let low: $bits = (1 << $mantissa) - 1;
                let exponent = |a: $real| ((a.to_bits() >> $mantissa) as i32 - $bias) as $real;
                let mantissa = |a: $real| <$real>::from_bits(a.to_bits() & low | $bias << $mantissa);
                (a.map(exponent), a.map(mantissa))
            }
            #[inline(always)]
            fn sum(self, a: Self::Vector) -> $real {
                a.into_iter().sum()
            }
        }
    };
}

lanes!(f32, 4, u32, 23, 127);
lanes!(f64, 2, u64, 52, 1023);
