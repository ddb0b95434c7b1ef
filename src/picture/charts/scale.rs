//! Numbers along an axis: where they lie and which are written.

/// What an axis spans, and how.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scale {
    from: f64,
    to: f64,
    logarithmic: bool,
}

/// Sizes beyond these, and below their inverse, leave no room for arithmetic.
const LARGEST: f64 = 1e300;

impl Scale {
    /// Spans what can be drawn of `values`, and `margin` of that on both sides; `None` where nothing can.
    pub fn over(values: impl IntoIterator<Item = f64>, logarithmic: bool, margin: f64) -> Option<Self> {
        let whole = Self { from: 0.0, to: 1.0, logarithmic };
        let inner = values.into_iter().filter_map(|value| whole.inner(value));
        let (low, high) = inner.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)));
        if low > high {
            return None;
        }
        let size = low.abs().max(high.abs());
        // What is all alike gets room around it; so does what only differs by rounding.
        let alike = high - low <= (1e-9 * size).max(1.0 / LARGEST);
        let room = match (alike, logarithmic) {
            (false, _) => margin * (high - low),
            (true, true) => 0.5,
            (true, false) if size < 1.0 / LARGEST => 1.0,
            (true, false) => 0.1 * size,
        };
        Some(Self { from: low - room, to: high + room, logarithmic })
    }

    /// From 0 at the start to 1 at the end; `None` for what is no number, or none that a logarithm has.
    pub fn share(&self, value: f64) -> Option<f64> {
        self.inner(value).map(|inner| (inner - self.from) / (self.to - self.from))
    }

    /// The same for a bound: what lies outside, infinitely far or below all logarithms is at the end of the axis.
    pub fn bound(&self, value: f64) -> Option<f64> {
        if value.is_nan() {
            return None;
        }
        let share = self.share(value).unwrap_or(if value > 0.0 { 1.0 } else { 0.0 });
        Some(share.clamp(0.0, 1.0))
    }

    /// The value as the axis counts it.
    fn inner(&self, value: f64) -> Option<f64> {
        let is_drawn = value.abs() <= LARGEST && (!self.logarithmic || value >= 1.0 / LARGEST);
        is_drawn.then(|| if self.logarithmic { value.log10() } else { value })
    }

    /// At most `most` values with their names, where they lie from 0 to 1; two at least unless `most` is less.
    pub fn ticks(&self, most: usize) -> Vec<(f64, String)> {
        let ticks = if self.logarithmic { self.powers(most) } else { self.multiples(most) };
        ticks.into_iter().filter_map(|(value, name)| Some((self.share(value)?, name))).collect()
    }

    /// As many ticks as have their names side by side along `length` units, one to `each` units or fewer.
    pub fn ticks_along(&self, length: f64, each: f64, room: impl Fn(&str) -> f64) -> Vec<(f64, String)> {
        let fits = |ticks: &[(f64, String)]| {
            ticks.windows(2).all(|pair| {
                let apart = (pair[1].0 - pair[0].0) * length;
                (room(&pair[0].1) + room(&pair[1].1)) / 2.0 + 14.0 < apart
            })
        };
        let mut tried = (2..=(length / each).max(2.0) as usize).rev().map(|most| self.ticks(most));
        tried.find(|ticks| fits(ticks)).unwrap_or_else(|| self.ticks(1))
    }

    /// Multiples of 1, 2 or 5 times a power of ten.
    fn multiples(&self, most: usize) -> Vec<(f64, String)> {
        self.multiples_between(self.from, self.to, most)
    }

    fn multiples_between(&self, from: f64, to: f64, most: usize) -> Vec<(f64, String)> {
        let rough = (to - from) / most.max(1) as f64;
        let exponent = rough.log10().floor() as i32;
        let steps = [(1.0, exponent), (2.0, exponent), (5.0, exponent), (1.0, exponent + 1), (2.0, exponent + 1)];
        let numbers = |(digit, exponent): (f64, i32)| {
            let step = digit * 10f64.powi(exponent);
            ((from / step - 1e-9).ceil() as i64, (to / step + 1e-9).floor() as i64)
        };
        let fits = |step: &(f64, i32)| {
            let (first, last) = numbers(*step);
            last - first < most.max(1) as i64
        };
        let step = steps.into_iter().find(fits).unwrap_or((5.0, exponent + 1));
        let (first, last) = numbers(step);
        let largest = first.unsigned_abs().max(last.unsigned_abs()) as f64 * step.0;
        let name = |number: i64| name(number as f64 * step.0, step.1, largest);
        // A parsed decimal is the nearest number there is; a product need not be.
        let value = |number: i64| format!("{}e{}", number as f64 * step.0, step.1).parse().unwrap_or(f64::NAN);
        (first..=last).map(|number| (value(number), name(number))).collect()
    }

    /// Powers of ten, or every second, third, … ; within a few of them also twice and five times.
    fn powers(&self, most: usize) -> Vec<(f64, String)> {
        let (low, high) = ((self.from - 1e-9).ceil() as i32, (self.to + 1e-9).floor() as i32);
        let stride = (high - low + 1).max(1) as usize / most.max(1) + 1;
        let of = |digits: &[u32], stride: usize| -> Vec<(u32, i32)> {
            let exponents = (low - 1..=high).filter(|exponent| exponent.rem_euclid(stride as i32) == 0);
            let all = exponents.flat_map(|exponent| digits.iter().map(move |digit| (*digit, exponent)));
            let inside = |(digit, exponent): &(u32, i32)| {
                let at = f64::from(*digit).log10() + f64::from(*exponent);
                (self.from - 1e-9..=self.to + 1e-9).contains(&at)
            };
            all.filter(inside).collect()
        };
        let tens = of(&[1], stride.max(1));
        let finer = [of(&[1, 2, 5], 1), of(&[1, 3], 1)].into_iter().find(|ticks| (2..=most).contains(&ticks.len()));
        let ticks = if tens.len() > 3 || stride > 1 { Some(tens) } else { finer.or((tens.len() > 1).then_some(tens)) };
        let Some(ticks) = ticks else {
            return self.multiples_between(10f64.powf(self.from), 10f64.powf(self.to), most);
        };
        let plain = ticks.iter().all(|(_, exponent)| (-2..=3).contains(exponent));
        let named = ticks.into_iter().map(|(digit, exponent)| {
            let text = format!("{digit}e{exponent}");
            let value: f64 = text.parse().unwrap_or(f64::NAN);
            (value, if plain { value.to_string() } else { text })
        });
        named.collect()
    }
}

/// `digits` times ten to the `exponent`, beside others of which `largest` has the most digits.
fn name(digits: f64, exponent: i32, largest: f64) -> String {
    let magnitude = largest.max(1.0).log10().floor() as i32 + exponent;
    let text = if digits == 0.0 {
        "0".into()
    } else if !(-4..9).contains(&magnitude) {
        // As many decimals as tell neighbours apart.
        let size = digits.abs().log10().floor() as i32;
        let mantissa = digits / 10f64.powi(size);
        format!("{mantissa:.decimals$}e{}", size + exponent, decimals = size.max(0) as usize)
    } else if magnitude >= 4 && exponent >= 2 {
        let (unit, letter) = if magnitude >= 6 && exponent >= 5 { (6, "M") } else { (3, "k") };
        fixed(digits, exponent - unit) + letter
    } else {
        fixed(digits, exponent)
    };
    // A true minus; that of an exponent is code.
    text.strip_prefix('-').map(|size| format!("−{size}")).unwrap_or(text)
}

/// A decimal fraction without idle digits.
fn fixed(digits: f64, exponent: i32) -> String {
    let decimals = (-exponent).max(0) as usize;
    // Exact up to the last digit shown, since it is rounded to it.
    format!("{:.decimals$}", digits * 10f64.powi(exponent))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(values: &[f64], logarithmic: bool) -> String {
        let scale = Scale::over(values.iter().copied(), logarithmic, 0.0).expect("numbers");
        let ticks = scale.ticks(6);
        assert!(ticks.iter().all(|(share, _)| (-0.001..=1.001).contains(share)), "{ticks:?}");
        assert!(ticks.windows(2).all(|pair| pair[0].0 < pair[1].0), "{ticks:?}");
        ticks.into_iter().map(|(_, name)| name).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn ticks_are_round_numbers_that_read_well() {
        for (values, expected) in [
            (&[0.0, 0.5][..], "0 0.1 0.2 0.3 0.4 0.5"),
            (&[-1.0, 1.0], "−1.0 −0.5 0 0.5 1.0"),
            (&[0.0, 100.0], "0 20 40 60 80 100"),
            (&[0.0, 50_000.0], "0 10k 20k 30k 40k 50k"),
            (&[1_000_000.0, 3_000_000.0], "1.0M 1.5M 2.0M 2.5M 3.0M"),
            (&[100_000.0, 100_001.0], "100000.0 100000.2 100000.4 100000.6 100000.8 100001.0"),
            (&[0.0, 2.5e-9], "0 5e-10 1.0e-9 1.5e-9 2.0e-9 2.5e-9"),
            (&[3.0], "2.8 3.0 3.2"),
            (&[0.0], "−1.0 −0.5 0 0.5 1.0"),
            (&[0.7, f64::NAN, 0.9, f64::INFINITY], "0.70 0.75 0.80 0.85 0.90"),
        ] {
            assert_eq!(names(values, false), expected, "{values:?}");
        }
    }

    #[test]
    fn ticks_of_logarithms_are_powers_of_ten_or_few_more() {
        for (values, expected) in [
            (&[1e-4, 1.0][..], "1e-4 1e-3 1e-2 1e-1 1e0"),
            (&[1.0, 1000.0], "1 10 100 1000"),
            (&[1.0, 20.0], "1 2 5 10 20"),
            (&[1e-12, 1.0], "1e-12 1e-9 1e-6 1e-3 1e0"),
            (&[2.1, 2.4], "2.1 2.2 2.3 2.4"),
            (&[5.0, 0.0, -1.0], "2 5 10"),
        ] {
            assert_eq!(names(values, true), expected, "{values:?}");
        }
    }

    #[test]
    fn no_number_is_too_large_small_or_near_another() {
        for logarithmic in [false, true] {
            for values in
                [[1e300, -1e300], [1e-320, 0.0], [1.0, 1.0 + 1e-15], [5e-324, 1e300], [-7.0, -7.0], [1e17, 1e17 + 64.0]]
            {
                if let Some(scale) = Scale::over(values, logarithmic, 0.05) {
                    for most in 0..12 {
                        let ticks = scale.ticks(most);
                        assert!(ticks.len() <= most.max(3), "{values:?} {most}: {ticks:?}");
                        assert!(ticks.iter().all(|(at, name)| at.is_finite() && name.len() < 24), "{ticks:?}");
                    }
                }
            }
        }
        assert_eq!(Scale::over([f64::NAN, f64::INFINITY], false, 0.0), None);
        assert_eq!(Scale::over([0.0, -1.0], true, 0.0), None);
    }

    #[test]
    fn bounds_stay_on_the_axis() {
        let scale = Scale::over([1.0, 100.0], true, 0.0).expect("numbers");
        assert_eq!([0.0, -3.0, 1e9, f64::INFINITY].map(|value| scale.bound(value)), [0.0, 0.0, 1.0, 1.0].map(Some));
        assert_eq!((scale.share(10.0), scale.share(0.0), scale.bound(f64::NAN)), (Some(0.5), None, None));
    }
}
