//! Numbers as a reader meets them.

use super::Estimate;

/// `delta_m` is Δm to a reader.
pub fn called(score: &str) -> &str {
    if score == "delta_m" { "Δm" } else { score }
}

/// Four digits that tell, without a leading zero's noise for large numbers.
pub fn number(value: f64) -> String {
    let size = value.abs();
    match size {
        _ if size == 0.0 => "0".into(),
        _ if !(1e-3..1e5).contains(&size) => format!("{value:.2e}"),
        _ if size >= 1000.0 => format!("{value:.0}"),
        _ if size >= 100.0 => format!("{value:.1}"),
        _ if size >= 10.0 => format!("{value:.2}"),
        _ => format!("{value:.4}"),
    }
}

/// With so many digits, and without a sign before nothing.
pub fn fixed(value: f64, digits: usize) -> String {
    let text = format!("{value:.digits$}");
    if text.trim_start_matches('-').chars().all(|c| matches!(c, '0' | '.')) { text.replace('-', "") } else { text }
}

/// A number that may be missing.
pub fn shown(value: Option<f64>, form: impl Fn(f64) -> String) -> String {
    value.map_or_else(|| "–".into(), form)
}

/// `mean ± standard error`, as many digits for both as the error needs.
pub fn plus_minus(estimate: &Estimate) -> String {
    let (Some(mean), Some(error)) = (estimate.mean, estimate.standard_error) else {
        return shown(estimate.mean, number);
    };
    if error == 0.0 {
        return format!("{} ± 0", number(mean));
    }
    if mean.abs().max(error) >= 1e5 || mean.abs().max(error) < 1e-3 {
        return format!("{mean:.2e} ± {error:.1e}");
    }
    let digits = (1 - error.log10().floor() as i32).clamp(0, 4) as usize;
    format!("{} ± {error:.digits$}", fixed(mean, digits))
}

/// A p-value.
pub fn probability(p: f64) -> String {
    if p < 1e-4 { "< 0.0001".into() } else { format!("{p:.4}") }
}

/// A level in percent, with the digits that tell it: `95`, `98.3`, `99.89`.
pub fn percent(level: f64) -> String {
    let rest = 100.0 * (1.0 - level);
    let digits = (2 - rest.log10().ceil() as i32).clamp(0, 6) as usize;
    let text = format!("{:.digits$}", 100.0 * level);
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_string() } else { text }
}

/// `[low, high]`.
pub fn interval(interval: Option<[f64; 2]>) -> String {
    interval.map_or_else(|| "–".into(), |[low, high]| format!("[{}, {}]", number(low), number(high)))
}
