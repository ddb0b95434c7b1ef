//! Ranges of settings, checked where the value is read, so that an error knows its line and column.
//!
//! Written `#[serde(with = "crate::settings::Positive")]`, which checks the value and puts the range into the manual and
//! the schema; the functions of the same names (`with = "crate::settings::Positive"`) only check. A field with
//! a default needs `#[serde(default = …)]` too, or `#[serde(default)]` on the struct.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, Error};
use serde::ser::{Serialize, Serializer};
use std::borrow::Cow;
use std::fmt::Display;

fn checked<E: Error, T: Display + Copy>(value: T, allowed: &str, good: bool) -> Result<T, E> {
    if good { Ok(value) } else { Err(E::custom(format!("invalid value: number `{value}`, expected {allowed}"))) }
}

/// For each range a type for `with`, and one for optional settings.
macro_rules! ranges {
    ($($(#[$doc:meta])* $range:ident: $number:ty, $allowed:literal, $good:expr, $schema:tt;)+) => {
        $(
            $(#[$doc])*
            #[derive(Debug)]
            pub struct $range;

            impl $range {
                #[doc = concat!("Reads ", $allowed, ".\n\n# Errors\nThe value is anything else.")]
                pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<$number, D::Error> {
                    let value = <$number>::deserialize(deserializer)?;
                    checked(value, $allowed, ($good)(value))
                }

                /// Writes the number as it is.
                ///
                /// # Errors
                /// Those of the serializer.
                pub fn serialize<S: Serializer>(value: &$number, serializer: S) -> Result<S::Ok, S::Error> {
                    value.serialize(serializer)
                }
            }

            impl JsonSchema for $range {
                fn inline_schema() -> bool { true }
                fn schema_name() -> Cow<'static, str> { stringify!($range).into() }
                fn json_schema(_: &mut SchemaGenerator) -> Schema { json_schema! $schema }
            }
        )+

        /// The same for an optional setting: `null` and absence give `None`.
        pub mod optional {
            use super::*;
            $(
                $(#[$doc])*
                #[derive(Debug)]
                pub struct $range;

                impl $range {
                    #[doc = concat!("Reads ", $allowed, ", or nothing.\n\n# Errors\nThe value is anything else.")]
                    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<$number>, D::Error> {
                        match Option::<$number>::deserialize(deserializer)? {
                            Some(value) => checked(value, $allowed, ($good)(value)).map(Some),
                            None => Ok(None),
                        }
                    }

                    /// Writes the number as it is, or null.
                    ///
                    /// # Errors
                    /// Those of the serializer.
                    pub fn serialize<S: Serializer>(value: &Option<$number>, serializer: S) -> Result<S::Ok, S::Error> {
                        value.serialize(serializer)
                    }
                }

                impl JsonSchema for $range {
                    fn inline_schema() -> bool { true }
                    fn schema_name() -> Cow<'static, str> { concat!("Optional", stringify!($range)).into() }
                    fn json_schema(_: &mut SchemaGenerator) -> Schema {
                        json_schema!({ "anyOf": [json_schema! $schema, { "type": "null" }] })
                    }
                }
            )+
        }
    };
}

ranges! {
    /// A finite number above zero.
    Positive: f64, "a number above 0", |v: f64| v > 0.0 && v.is_finite(),
        ({ "type": "number", "exclusiveMinimum": 0 });
    /// A finite number, zero or above.
    NonNegative: f64, "a number of 0 or above", |v: f64| v >= 0.0 && v.is_finite(),
        ({ "type": "number", "minimum": 0 });
    /// Any finite number.
    Finite: f64, "a finite number", |v: f64| v.is_finite(),
        ({ "type": "number" });
    /// A number from 0 to 1, both included.
    Unit: f64, "a number from 0 to 1", |v: f64| (0.0..=1.0).contains(&v),
        ({ "type": "number", "minimum": 0, "maximum": 1 });
    /// A number from 0 up to, but not including, 1.
    BelowOne: f64, "a number from 0 up to, not including, 1", |v: f64| (0.0..1.0).contains(&v),
        ({ "type": "number", "minimum": 0, "exclusiveMaximum": 1 });
    /// A whole number from one to a billion: beyond it is a slip of the finger.
    AtLeastOne: u64, "a whole number from 1 to 1000000000", |v: u64| (1..=1_000_000_000).contains(&v),
        ({ "type": "integer", "minimum": 1 });
    /// A whole number up to a billion.
    Count: u64, "a whole number from 0 to 1000000000", |v: u64| v <= 1_000_000_000,
        ({ "type": "integer", "minimum": 0 });
}

/// One name or a list of names.
#[derive(schemars::JsonSchema)]
#[schemars(untagged)]
#[allow(dead_code)] // only its schema is used
pub enum OneOrMany {
    /// One name.
    One(String),
    /// Several names.
    Many(Vec<String>),
}

/// One name or a list of names; `null` is nothing.
///
/// # Errors
/// The value, or an entry of the list, is no text.
pub fn one_or_many<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<String>>, D::Error> {
    use crate::registry::{at, kind};
    use serde_yaml::Value;
    match Value::deserialize(deserializer)? {
        Value::Null => Ok(None),
        Value::String(one) => Ok(Some(vec![one])),
        Value::Sequence(many) => many
            .into_iter()
            .enumerate()
            .map(|(index, item)| match item {
                Value::String(name) => Ok(name),
                other => Err(at(&format!("[{index}]"), format!("invalid type: {}, expected a string", kind(&other)))),
            })
            .collect::<Result<Vec<_>, _>>()
            .map(Some),
        other => Err(at("", format!("invalid type: {}, expected a name or a list of names", kind(&other)))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::{Deserialize, Serialize};

    #[derive(Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
    #[serde(default)]
    struct Ranges {
        #[serde(with = "Positive")]
        positive: f64,
        #[serde(with = "NonNegative")]
        non_negative: f64,
        #[serde(with = "Finite")]
        finite: f64,
        #[serde(with = "Unit")]
        unit: f64,
        #[serde(with = "BelowOne")]
        below_one: f64,
        #[serde(with = "AtLeastOne")]
        at_least_one: u64,
        #[serde(with = "optional::Positive")]
        optional: Option<f64>,
    }

    #[test]
    fn ranges_hold_at_their_edges() {
        for (key, good, bad) in [
            ("positive", vec!["5e-324", "1"], vec!["0", "-1", ".nan", ".inf"]),
            ("non_negative", vec!["0", "1e300"], vec!["-1e-9", ".nan", ".inf"]),
            ("finite", vec!["-1e300", "0"], vec![".nan", ".inf", "-.inf"]),
            ("unit", vec!["0", "1"], vec!["1.0000001", "-0.1", ".nan"]),
            ("below_one", vec!["0", "0.9999999"], vec!["1", "-0.1", ".nan"]),
            ("at_least_one", vec!["1", "1000000000"], vec!["0", "-1", "1.5", "18446744073709551615"]),
            ("optional", vec!["1", "~"], vec!["0", ".inf"]),
        ] {
            for value in good {
                let ranges: Ranges = serde_yaml::from_str(&format!("{key}: {value}")).unwrap();
                let again: Ranges =
                    serde_yaml::from_str(&serde_yaml::to_string(&OnlyWritten(&ranges, key)).unwrap()).unwrap();
                assert_eq!(again, ranges, "{key}: {value}");
            }
            for value in bad {
                let error = serde_yaml::from_str::<Ranges>(&format!("{key}: {value}")).unwrap_err().to_string();
                assert!(error.contains("invalid"), "{key}: {value}: {error}");
            }
        }
    }

    /// One field alone: the others' defaults are out of range.
    struct OnlyWritten<'a>(&'a Ranges, &'a str);

    impl Serialize for OnlyWritten<'_> {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            let whole = serde_yaml::to_value(self.0).map_err(serde::ser::Error::custom)?;
            std::collections::BTreeMap::from([(self.1, &whole[self.1])]).serialize(serializer)
        }
    }

    #[test]
    fn ranges_stand_in_the_schema() {
        let schema = schemars::schema_for!(Ranges).to_value();
        let range = |name: &str| schema["properties"][name].clone();
        assert_eq!(range("positive")["exclusiveMinimum"], 0);
        assert_eq!((&range("unit")["minimum"], &range("unit")["maximum"]), (&0.into(), &1.into()));
        assert_eq!(range("below_one")["exclusiveMaximum"], 1);
        assert_eq!(range("at_least_one")["minimum"], 1);
        assert_eq!(range("optional")["anyOf"][1]["type"], "null");
    }

    #[test]
    fn one_name_is_a_list_of_one() {
        #[derive(Deserialize)]
        struct Names {
            #[serde(default, deserialize_with = "one_or_many")]
            names: Option<Vec<String>>,
        }
        let names = |text: &str| serde_yaml::from_str::<Names>(text).map(|names| names.names);
        assert_eq!(names("names: a").unwrap(), Some(vec!["a".to_string()]));
        assert_eq!(names("names: [a, b]").unwrap(), Some(vec!["a".to_string(), "b".to_string()]));
        assert_eq!(names("names: ~").unwrap(), None);
        assert_eq!(names("{}").unwrap(), None);
        assert!(names("names: 3").is_err() && names("names: [a, 3]").is_err());
    }
}
