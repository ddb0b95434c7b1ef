//! What a test of a hypothesis and an estimate of a mean come to.

/// What a two-sided test found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Test {
    /// The test's own number: t, the smaller signed rank sum, χ².
    pub statistic: f64,
    /// How often chance alone would give a statistic this far out, in [0, 1].
    pub p: f64,
}

/// Where a true mean probably lies, ends included.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// The lower end, in the values' unit.
    pub low: f64,
    /// The upper end, in the values' unit.
    pub high: f64,
}
