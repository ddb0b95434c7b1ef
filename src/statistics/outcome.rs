//! What a test of a hypothesis comes to.

/// What a two-sided test found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Test {
    /// The test's own number: t, the smaller signed rank sum, χ².
    pub statistic: f64,
    /// How often chance alone would give a statistic this far out, in [0, 1].
    pub p: f64,
}
