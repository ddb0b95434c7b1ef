//! Elementary functions on vectors, to a few units in the last place.

use super::{Lanes, Real};

/// Terms of a series that a precision needs.
fn terms<T: Real>(single: usize, double: usize) -> usize {
    if size_of::<T>() == 4 { single } else { double }
}

/// `Σ_k c_k x^k` for `k < count`, by Horner's rule.
#[inline(always)]
fn series<T: Real, S: Lanes<T>>(simd: S, x: S::Vector, count: usize, coefficient: impl Fn(usize) -> f64) -> S::Vector {
    let mut sum = simd.splat(T::of(coefficient(count - 1)));
    for k in (0..count - 1).rev() {
        sum = simd.mul_add(sum, x, simd.splat(T::of(coefficient(k))));
    }
    sum
}

/// `1/k!`
const FACTORIALS: [f64; 15] = {
    let mut all = [1.0; 15];
    let mut k = 1;
    while k < 15 {
        all[k] = all[k - 1] / k as f64;
        k += 1;
    }
    all
};

/// `e^x`; where that is no normal number, the nearest that is.
///
/// `x = n ln 2 + r` with `|r| ≤ ln 2 / 2`, and the exponential series of r.
#[inline(always)]
pub fn exp<T: Real, S: Lanes<T>>(simd: S, x: S::Vector) -> S::Vector {
    let (low, high) = if size_of::<T>() == 4 { (-87.3, 88.3) } else { (-708.3, 709.3) };
    // ln 2 in two parts: n times the first is exact.
    let (first, second) = if size_of::<T>() == 4 {
        (0.693_359_375, -2.121_944_400_546_905_7e-4)
    } else {
        (0.693_147_180_369_123_8, 1.908_214_929_270_587_7e-10)
    };
    let x = simd.min(simd.splat(T::of(high)), simd.max(simd.splat(T::of(low)), x));
    let n = simd.round(simd.mul(x, simd.splat(T::of(std::f64::consts::LOG2_E))));
    let r = simd.mul_add(n, simd.splat(T::of(-first)), x);
    let r = simd.mul_add(n, simd.splat(T::of(-second)), r);
    simd.scale(series(simd, r, terms::<T>(8, 14), |k| FACTORIALS[k]), n)
}

/// `2 artanh s`, the logarithm of `(1+s)/(1-s)`, for `|s| ≤ 1/3`.
#[inline(always)]
fn twice_artanh<T: Real, S: Lanes<T>>(simd: S, s: S::Vector, count: usize) -> S::Vector {
    let sum = series(simd, simd.mul(s, s), count, |k| 2.0 / (2 * k + 1) as f64);
    simd.mul(s, sum)
}

/// `ln x` for normal `x > 0`.
#[inline(always)]
pub fn ln<T: Real, S: Lanes<T>>(simd: S, x: S::Vector) -> S::Vector {
    let (one, half, root) =
        (simd.splat(T::of(1.0)), simd.splat(T::of(0.5)), simd.splat(T::of(std::f64::consts::SQRT_2)));
    let (e, m) = simd.split(x);
    // The mantissa nearer to 1 than √2: fewer terms.
    let e = simd.where_greater(m, root, simd.add(e, one), e);
    let m = simd.where_greater(m, root, simd.mul(m, half), m);
    let s = simd.div(simd.sub(m, one), simd.add(m, one));
    simd.mul_add(e, simd.splat(T::of(std::f64::consts::LN_2)), twice_artanh(simd, s, terms::<T>(6, 11)))
}

/// `ln(1 + u)` for `0 ≤ u ≤ 1`.
#[inline(always)]
pub fn ln_1p<T: Real, S: Lanes<T>>(simd: S, u: S::Vector) -> S::Vector {
    let s = simd.div(u, simd.add(u, simd.splat(T::of(2.0))));
    twice_artanh(simd, s, terms::<T>(8, 17))
}

/// The coefficients of `(tanh x - x) / x³` by powers of `x²`, numerator and denominator (Cephes, `tanh.c`).
const NUMERATOR: [f64; 3] = [-1.614_687_684_417_084_4e3, -9.928_772_310_019_185e1, -9.643_991_794_250_523e-1];
const DENOMINATOR: [f64; 4] = [4.844_063_053_251_255e3, 2.235_488_390_601_009e3, 1.128_116_784_916_329_3e2, 1.0];

/// `tanh x`
///
/// By `e^{2|x|}` away from zero, and by a rational function near it, where the former would lose digits.
#[inline(always)]
pub fn tanh<T: Real, S: Lanes<T>>(simd: S, x: S::Vector) -> S::Vector {
    let (one, two) = (simd.splat(T::of(1.0)), simd.splat(T::of(2.0)));
    let size = simd.abs(x);
    let grown = exp(simd, simd.add(size, size));
    let far = simd.sub(one, simd.div(two, simd.add(grown, one)));
    let far = simd.where_greater(simd.zero(), x, simd.sub(simd.zero(), far), far);
    let square = simd.mul(x, x);
    let numerator = series(simd, square, 3, |k| NUMERATOR[k]);
    let denominator = series(simd, square, 4, |k| DENOMINATOR[k]);
    let near = simd.mul_add(simd.mul(x, square), simd.div(numerator, denominator), x);
    simd.where_greater(size, simd.splat(T::of(0.625)), far, near)
}

/// The rational functions of Cephes' `ndtr.c`: `erf x / x` in `x²` below 1, and `e^{x²} erfc x` in `x` up to 8.
const ERF_NUMERATOR: [f64; 5] = [
    5.559_230_130_103_95e4,
    7.003_325_141_128_051e3,
    2.232_005_345_946_843e3,
    9.002_601_972_038_427e1,
    9.604_973_739_870_516,
];
const ERF_DENOMINATOR: [f64; 6] = [
    4.926_739_426_086_359e4,
    2.262_900_006_138_909e4,
    4.594_323_829_709_801e3,
    5.213_579_497_801_527e2,
    3.356_171_416_475_031e1,
    1.0,
];
const ERFC_NUMERATOR: [f64; 9] = [
    5.575_353_353_693_994e2,
    1.027_551_886_895_157_2e3,
    9.345_285_271_719_576e2,
    5.264_451_949_954_774e2,
    1.965_208_329_560_770_8e2,
    4.863_719_709_856_814e1,
    7.463_210_564_422_699,
    5.641_895_648_310_688e-1,
    2.461_969_814_735_305e-10,
];
const ERFC_DENOMINATOR: [f64; 9] = [
    5.575_353_408_177_277e2,
    1.656_663_091_941_613_5e3,
    2.246_337_608_187_11e3,
    1.823_909_166_879_097_3e3,
    9.757_085_017_432_055e2,
    3.549_377_788_878_199e2,
    8.670_721_408_859_897e1,
    1.322_819_511_547_449_9e1,
    1.0,
];

/// `erf x`, and `e^{-x²}`, which it is made of.
#[inline(always)]
pub fn erf<T: Real, S: Lanes<T>>(simd: S, x: S::Vector) -> (S::Vector, S::Vector) {
    let one = simd.splat(T::of(1.0));
    let square = simd.mul(x, x);
    let decay = exp(simd, simd.sub(simd.zero(), square));
    let near = simd.div(
        simd.mul(x, series(simd, square, 5, |k| ERF_NUMERATOR[k])),
        series(simd, square, 6, |k| ERF_DENOMINATOR[k]),
    );
    let size = simd.min(simd.abs(x), simd.splat(T::of(8.0)));
    let rest = simd.div(series(simd, size, 9, |k| ERFC_NUMERATOR[k]), series(simd, size, 9, |k| ERFC_DENOMINATOR[k]));
    let far = simd.sub(one, simd.mul(decay, rest));
    let far = simd.where_greater(simd.zero(), x, simd.sub(simd.zero(), far), far);
    (simd.where_greater(simd.abs(x), one, far, near), decay)
}
