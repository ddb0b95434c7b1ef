//! The numbers that files are called.

/// The whole number that a file is called, of any length: the count of its digits without leading
/// zeros, then these digits, so that numbers sort by their size.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::data) struct Number(usize, String);

impl Number {
    /// Reads `7`, `007` or `20240131235959000000001`; `None` where anything but digits is found.
    pub fn parse(text: &str) -> Option<Self> {
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let digits = text.trim_start_matches('0');
        let digits = if digits.is_empty() { "0" } else { digits };
        Some(Self(digits.len(), digits.to_string()))
    }

    /// Its digits, without leading zeros.
    pub fn digits(&self) -> &str {
        &self.1
    }
}
