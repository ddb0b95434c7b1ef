//! How often, and how long: `500 steps`, `1 epoch`, `30 s`.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

/// A distance between two events of a run, written as a number and a unit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Interval {
    /// So many updates.
    Steps(i64),
    /// So many passes over the training rows.
    Epochs(i64),
    /// So much wall time, in seconds.
    Seconds(f64),
}

const ALLOWED: &str = "a number and a unit: steps, epochs, s, min or h (such as `500 steps`, `1 epoch`, `30 s`)";

impl FromStr for Interval {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("invalid value: \"{text}\", expected {ALLOWED}");
        let split = text.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(wrong)?;
        let (number, unit) = (&text[..split], text[split..].trim());
        let whole = || number.parse::<i64>().ok().filter(|n| *n >= 1).ok_or_else(wrong);
        let seconds = |factor: f64| {
            let seconds = number.parse::<f64>().ok().map(|n| n * factor).filter(|s| *s > 0.0 && s.is_finite());
            seconds.map(Self::Seconds).ok_or_else(wrong)
        };
        match unit {
            "step" | "steps" => whole().map(Self::Steps),
            "epoch" | "epochs" => whole().map(Self::Epochs),
            "s" | "second" | "seconds" => seconds(1.0),
            "min" | "minute" | "minutes" => seconds(60.0),
            "h" | "hour" | "hours" => seconds(3600.0),
            _ => Err(wrong()),
        }
    }
}

impl fmt::Display for Interval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Steps(1) => write!(f, "1 step"),
            Self::Steps(n) => write!(f, "{n} steps"),
            Self::Epochs(1) => write!(f, "1 epoch"),
            Self::Epochs(n) => write!(f, "{n} epochs"),
            Self::Seconds(s) => write!(f, "{s} s"),
        }
    }
}

impl Serialize for Interval {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Interval {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match serde_yaml::Value::deserialize(deserializer)? {
            serde_yaml::Value::String(text) => text.parse().map_err(D::Error::custom),
            other => {
                Err(D::Error::custom(format!("invalid type: {}, expected {ALLOWED}", crate::registry::kind(&other))))
            }
        }
    }
}

impl JsonSchema for Interval {
    fn schema_name() -> Cow<'static, str> {
        "Interval".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "pattern": "^[0-9.]+ *(steps?|epochs?|s|seconds?|min|minutes?|h|hours?)$",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_read_as_people_write_them() {
        for (text, expected) in [
            ("500 steps", Interval::Steps(500)),
            ("1 epoch", Interval::Epochs(1)),
            ("30 s", Interval::Seconds(30.0)),
            ("1.5min", Interval::Seconds(90.0)),
            ("2 h", Interval::Seconds(7200.0)),
        ] {
            let interval: Interval = text.parse().expect(text);
            assert_eq!(interval, expected);
            assert_eq!(interval.to_string().parse(), Ok(expected));
        }
        for wrong in ["", "5", "steps", "0 steps", "1.5 steps", "-1 s", "3 days", "1e9999 s", "nan s"] {
            assert!(wrong.parse::<Interval>().is_err(), "{wrong}");
        }
    }
}
