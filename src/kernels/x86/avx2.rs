//! Vectors of 256 bits.

use super::Avx2;
use crate::kernels::Lanes;
use std::arch::x86_64::*;

/// Ones for the first `count` lanes of so many, as read from a row of ones and zeros.
const FIRST: [i32; 16] = [-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0];

macro_rules! avx2 {
    ($real:ty, $vector:ty, $count:literal, $words:literal, ($($common:ident),*), $load:ident, $store:ident,
     $round:ident, $compare:ident, $blend:ident, $scale:ident, $split:ident, $sum:ident) => {
        impl Lanes<$real> for Avx2 {
            type Vector = $vector;
            type Half = Self;
            const COUNT: usize = $count;
            const REGISTERS: usize = 16;

            #[inline(always)]
            fn half(self) -> Self {
                self
            }
            common!($real, $($common),*);

            #[inline(always)]
            unsafe fn load_first(self, from: *const $real, count: usize) -> Self::Vector {
                // SAFETY: as promised by the caller; masked lanes are not touched.
                unsafe { $load(from, first(count * $words)) }
            }
            #[inline(always)]
            unsafe fn store_first(self, to: *mut $real, vector: Self::Vector, count: usize) {
                // SAFETY: as promised by the caller.
                unsafe { $store(to, vector, count) }
            }
            #[inline(always)]
            fn round(self, a: Self::Vector) -> Self::Vector {
                // SAFETY: see `splat`.
                unsafe { $round::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(a) }
            }
            #[inline(always)]
            fn where_greater(
                self,
                a: Self::Vector,
                b: Self::Vector,
                then: Self::Vector,
                other: Self::Vector,
            ) -> Self::Vector {
                // SAFETY: see `splat`.
                unsafe { $blend(other, then, $compare::<_CMP_GT_OQ>(a, b)) }
            }
            #[inline(always)]
            fn where_equal(
                self,
                a: Self::Vector,
                b: Self::Vector,
                then: Self::Vector,
                other: Self::Vector,
            ) -> Self::Vector {
                // SAFETY: see `splat`.
                unsafe { $blend(other, then, $compare::<_CMP_EQ_OQ>(a, b)) }
            }
            #[inline(always)]
            fn scale(self, a: Self::Vector, n: Self::Vector) -> Self::Vector {
                // SAFETY: see `splat`.
                unsafe { $scale(a, n) }
            }
            #[inline(always)]
            fn split(self, a: Self::Vector) -> (Self::Vector, Self::Vector) {
                // SAFETY: see `splat`.
                unsafe { $split(a) }
            }
            #[inline(always)]
            fn sum(self, a: Self::Vector) -> $real {
                // SAFETY: see `splat`.
                unsafe { $sum(a) }
            }
        }
    };
}

avx2!(
    f32,
    __m256,
    8,
    1,
    (
        _mm256_set1_ps,
        _mm256_loadu_ps,
        _mm256_storeu_ps,
        _mm256_add_ps,
        _mm256_sub_ps,
        _mm256_mul_ps,
        _mm256_div_ps,
        _mm256_fmadd_ps,
        _mm256_max_ps,
        _mm256_min_ps,
        _mm256_sqrt_ps
    ),
    _mm256_maskload_ps,
    store_first_ps,
    _mm256_round_ps,
    _mm256_cmp_ps,
    _mm256_blendv_ps,
    scale_ps,
    split_ps,
    sum_ps
);
avx2!(
    f64,
    __m256d,
    4,
    2,
    (
        _mm256_set1_pd,
        _mm256_loadu_pd,
        _mm256_storeu_pd,
        _mm256_add_pd,
        _mm256_sub_pd,
        _mm256_mul_pd,
        _mm256_div_pd,
        _mm256_fmadd_pd,
        _mm256_max_pd,
        _mm256_min_pd,
        _mm256_sqrt_pd
    ),
    _mm256_maskload_pd,
    store_first_pd,
    _mm256_round_pd,
    _mm256_cmp_pd,
    _mm256_blendv_pd,
    scale_pd,
    split_pd,
    sum_pd
);

/// Ones in the first so many 32-bit words.
///
/// # Safety
/// The processor has AVX2, `words ≤ 8`.
#[inline(always)]
unsafe fn first(words: usize) -> __m256i {
    // SAFETY: eight words from there on are inside the row.
    unsafe { _mm256_loadu_si256(FIRST.as_ptr().add(8 - words).cast()) }
}

/// Piece by piece: the instruction that stores under a mask is slow on some processors.
///
/// # Safety
/// The processor has AVX2, `count < 8` numbers can be written there.
#[inline(always)]
unsafe fn store_first_ps(mut to: *mut f32, vector: __m256, count: usize) {
    // SAFETY: as promised by the caller.
    unsafe {
        let mut rest = _mm256_castps256_ps128(vector);
        if count & 4 != 0 {
            _mm_storeu_ps(to, rest);
            rest = _mm256_extractf128_ps::<1>(vector);
            to = to.add(4);
        }
        if count & 2 != 0 {
            _mm_storel_pd(to.cast(), _mm_castps_pd(rest));
            rest = _mm_movehl_ps(rest, rest);
            to = to.add(2);
        }
        if count & 1 != 0 {
            _mm_store_ss(to, rest);
        }
    }
}

/// See [`store_first_ps`].
///
/// # Safety
/// The processor has AVX2, `count < 4` numbers can be written there.
#[inline(always)]
unsafe fn store_first_pd(mut to: *mut f64, vector: __m256d, count: usize) {
    // SAFETY: as promised by the caller.
    unsafe {
        let mut rest = _mm256_castpd256_pd128(vector);
        if count & 2 != 0 {
            _mm_storeu_pd(to, rest);
            rest = _mm256_extractf128_pd::<1>(vector);
            to = to.add(2);
        }
        if count & 1 != 0 {
            _mm_store_sd(to, rest);
        }
    }
}

/// `a 2^n`: n becomes the exponent of a number.
///
/// # Safety
/// The processor has AVX2.
#[inline(always)]
unsafe fn scale_ps(a: __m256, n: __m256) -> __m256 {
    // SAFETY: as promised by the caller.
    unsafe {
        let exponent = _mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127));
        _mm256_mul_ps(a, _mm256_castsi256_ps(_mm256_slli_epi32::<23>(exponent)))
    }
}

/// Whole numbers sit in the last digits of a double at this distance from zero: `1.5 2^52`.
const WHOLE: f64 = 6_755_399_441_055_744.0;

/// See [`scale_ps`]; the whole numbers are read from the last digits of a sum, for want of an instruction.
///
/// # Safety
/// The processor has AVX2.
#[inline(always)]
unsafe fn scale_pd(a: __m256d, n: __m256d) -> __m256d {
    // SAFETY: as promised by the caller.
    unsafe {
        let whole = _mm256_add_pd(n, _mm256_set1_pd(WHOLE + 1023.0));
        _mm256_mul_pd(a, _mm256_castsi256_pd(_mm256_slli_epi64::<52>(_mm256_castpd_si256(whole))))
    }
}

/// # Safety
/// The processor has AVX2.
#[inline(always)]
unsafe fn split_ps(a: __m256) -> (__m256, __m256) {
    // SAFETY: as promised by the caller.
    unsafe {
        let bits = _mm256_castps_si256(a);
        let exponent = _mm256_sub_epi32(_mm256_srli_epi32::<23>(bits), _mm256_set1_epi32(127));
        let digits = _mm256_and_si256(bits, _mm256_set1_epi32((1 << 23) - 1));
        let mantissa = _mm256_or_si256(digits, _mm256_set1_epi32(127 << 23));
        (_mm256_cvtepi32_ps(exponent), _mm256_castsi256_ps(mantissa))
    }
}

/// # Safety
/// The processor has AVX2.
#[inline(always)]
unsafe fn split_pd(a: __m256d) -> (__m256d, __m256d) {
    // SAFETY: as promised by the caller.
    unsafe {
        let bits = _mm256_castpd_si256(a);
        let whole = _mm256_or_si256(_mm256_srli_epi64::<52>(bits), _mm256_castpd_si256(_mm256_set1_pd(WHOLE)));
        let exponent = _mm256_sub_pd(_mm256_castsi256_pd(whole), _mm256_set1_pd(WHOLE + 1023.0));
        let digits = _mm256_and_si256(bits, _mm256_set1_epi64x((1 << 52) - 1));
        let mantissa = _mm256_or_si256(digits, _mm256_set1_epi64x(1023 << 52));
        (exponent, _mm256_castsi256_pd(mantissa))
    }
}

/// # Safety
/// The processor has AVX2.
#[inline(always)]
unsafe fn sum_ps(a: __m256) -> f32 {
    // SAFETY: as promised by the caller.
    unsafe {
        let four = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps::<1>(a));
        let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
        _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps::<1>(two, two)))
    }
}

/// # Safety
/// The processor has AVX2.
#[inline(always)]
unsafe fn sum_pd(a: __m256d) -> f64 {
    // SAFETY: as promised by the caller.
    unsafe {
        let two = _mm_add_pd(_mm256_castpd256_pd128(a), _mm256_extractf128_pd::<1>(a));
        _mm_cvtsd_f64(_mm_add_sd(two, _mm_unpackhi_pd(two, two)))
    }
}
