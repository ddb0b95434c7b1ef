//! Vectors of 512 bits.

#![allow(clippy::cast_possible_wrap)] // masks are small constants

use super::{Avx2, Avx512};
use crate::kernels::Lanes;
use std::arch::x86_64::*;

macro_rules! avx512 {
    ($real:ty, $vector:ty, $count:literal, $mask:ty, ($($common:ident),*), $load:ident, $store:ident, $round:ident,
     $compare:ident, $blend:ident, $scale:ident, $exponent:ident, $mantissa:ident, $sum:ident) => {
        impl Lanes<$real> for Avx512 {
            type Vector = $vector;
            type Half = Avx2;
            const COUNT: usize = $count;
            const REGISTERS: usize = 32;

            #[inline(always)]
            fn half(self) -> Avx2 {
                Avx2(()) // `new` saw it too
            }
            common!($real, $($common),*);

            #[inline(always)]
            unsafe fn load_first(self, from: *const $real, count: usize) -> Self::Vector {
                // SAFETY: as promised by the caller; masked lanes are not touched.
                unsafe { $load(((1u32 << count) - 1) as $mask, from) }
            }
            #[inline(always)]
            unsafe fn store_first(self, to: *mut $real, vector: Self::Vector, count: usize) {
                // SAFETY: as promised by the caller; masked lanes are not touched.
                unsafe { $store(to, ((1u32 << count) - 1) as $mask, vector) }
            }
            #[inline(always)]
            fn round(self, a: Self::Vector) -> Self::Vector {
                // SAFETY: see `splat`.
                unsafe { $round::<0>(a) }
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
                unsafe { $blend($compare::<_CMP_GT_OQ>(a, b), other, then) }
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
                unsafe { $blend($compare::<_CMP_EQ_OQ>(a, b), other, then) }
            }
            #[inline(always)]
            fn scale(self, a: Self::Vector, n: Self::Vector) -> Self::Vector {
                // SAFETY: see `splat`.
                unsafe { $scale(a, n) }
            }
            #[inline(always)]
            fn split(self, a: Self::Vector) -> (Self::Vector, Self::Vector) {
                // SAFETY: see `splat`.
                unsafe { ($exponent(a), $mantissa::<_MM_MANT_NORM_1_2, _MM_MANT_SIGN_SRC>(a)) }
            }
            #[inline(always)]
            fn sum(self, a: Self::Vector) -> $real {
                // SAFETY: see `splat`.
                unsafe { $sum(a) }
            }
        }
    };
}

avx512!(
    f32,
    __m512,
    16,
    __mmask16,
    (
        _mm512_set1_ps,
        _mm512_loadu_ps,
        _mm512_storeu_ps,
        _mm512_add_ps,
        _mm512_sub_ps,
        _mm512_mul_ps,
        _mm512_div_ps,
        _mm512_fmadd_ps,
        _mm512_max_ps,
        _mm512_min_ps,
        _mm512_sqrt_ps
    ),
    _mm512_maskz_loadu_ps,
    _mm512_mask_storeu_ps,
    _mm512_roundscale_ps,
    _mm512_cmp_ps_mask,
    _mm512_mask_blend_ps,
    _mm512_scalef_ps,
    _mm512_getexp_ps,
    _mm512_getmant_ps,
    _mm512_reduce_add_ps
);
avx512!(
    f64,
    __m512d,
    8,
    __mmask8,
    (
        _mm512_set1_pd,
        _mm512_loadu_pd,
        _mm512_storeu_pd,
        _mm512_add_pd,
        _mm512_sub_pd,
        _mm512_mul_pd,
        _mm512_div_pd,
        _mm512_fmadd_pd,
        _mm512_max_pd,
        _mm512_min_pd,
        _mm512_sqrt_pd
    ),
    _mm512_maskz_loadu_pd,
    _mm512_mask_storeu_pd,
    _mm512_roundscale_pd,
    _mm512_cmp_pd_mask,
    _mm512_mask_blend_pd,
    _mm512_scalef_pd,
    _mm512_getexp_pd,
    _mm512_getmant_pd,
    _mm512_reduce_add_pd
);
