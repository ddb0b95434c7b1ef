//! One visible table per kind of choice: YAML name -> struct of settings.
//!
//! A choice is written `{name: adam, learning_rate: 1e-3}` everywhere. serde's own tagged enums lose the path of an
//! error inside the section and accept unknown keys in empty ones; [`registry!`](crate::registry!) does neither.

use crate::error::BadSetting;
use crate::path::SettingPath;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::{Deserialize, DeserializeOwned, Deserializer, Error, Visitor};
use serde_yaml::{Mapping, Value};

/// Parts the path, the hint and the message of a mistake that travels inside a serde error.
const MARK: char = '\u{1f}';

/// One entry of a table, for `polytask list`.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The name that YAML uses.
    pub name: &'static str,
    /// JSON Schema of its settings, descriptions included; whole, with the definitions that it refers to.
    pub schema: Schema,
}

/// A section that chooses an entry of a table: its `name`, and the settings beside it.
///
/// # Errors
/// It is not a section, `name` is missing or no text; `names` are those of the table.
pub fn choice<'de, D: Deserializer<'de>>(deserializer: D, names: &[&str]) -> Result<(String, Mapping), D::Error> {
    let mut section = match Value::deserialize(deserializer)? {
        Value::Mapping(section) => section,
        Value::Null => Mapping::new(),
        other => {
            let near = other.as_str().and_then(|text| crate::error::nearest(text, names.iter().copied()));
            let remedy = match near {
                Some(name) => format!("write {{name: {name}}}"),
                None => format!("write {{name: …}} with one of {}", names.join(", ")),
            };
            let bad = BadSetting::new("", format!("invalid type: {}, expected a map", kind(&other)));
            return Err(bad_setting(&bad.remedy(remedy)));
        }
    };
    match section.shift_remove("name") {
        Some(Value::String(name)) => Ok((name, section)),
        Some(other) => Err(at("name", format!("invalid type: {}, expected one of {}", kind(&other), names.join(", ")))),
        None => Err(at("", format!("missing field `name`, expected one of {}", quoted(names)))),
    }
}

/// Reads the settings of one entry and refuses every key that its struct lacks, whether or not the struct itself does.
///
/// # Errors
/// The first mistake, with its path inside the section and serde's own words.
pub fn settings<T: DeserializeOwned>(section: Mapping) -> Result<T, BadSetting> {
    serde_path_to_error::deserialize(Closed(section)).map_err(|error| {
        let path = SettingPath::from(error.path());
        let inner = unpack(&error.into_inner().to_string());
        match inner.path.parse() {
            Ok(rest) => BadSetting { path: path.join(rest).to_string(), ..inner },
            Err(_) => BadSetting { path: path.to_string(), ..inner },
        }
    })
}

/// A section that holds no other keys than the fields of the struct that is read from it.
struct Closed(Mapping);

impl Closed {
    fn refuse_keys_outside(&self, fields: &'static [&'static str]) -> Result<(), serde_yaml::Error> {
        let strange = self.0.keys().find(|key| !key.as_str().is_some_and(|key| fields.contains(&key)));
        let Some(strange) = strange else { return Ok(()) };
        let key = key_text(strange);
        let message = serde_yaml::Error::unknown_field(&key, fields).to_string();
        Err(at(&SettingPath::default().key(&key).to_string(), message))
    }
}

impl<'de> Deserializer<'de> for Closed {
    type Error = serde_yaml::Error;

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        self.refuse_keys_outside(fields)?;
        Value::Mapping(self.0).deserialize_struct(name, fields, visitor)
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Self::Error> {
        self.refuse_keys_outside(&[])?;
        visitor.visit_unit()
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Self::Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        Value::Mapping(self.0).deserialize_any(visitor)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit seq tuple
        tuple_struct map enum identifier ignored_any
    }
}

/// An error message that carries the path at which it arose, relative to the section being read.
pub fn at<E: Error>(path: &str, message: String) -> E {
    bad_setting(&BadSetting::new(path, message))
}

/// A mistake as a serde error: path, message and hint reach the person who wrote the YAML.
pub fn bad_setting<E: Error>(bad: &BadSetting) -> E {
    let remedy = bad.remedy.as_deref().unwrap_or_default();
    E::custom(format!("{MARK}{}{MARK}{remedy}{MARK}{}", bad.path, bad.what))
}

/// The mistake inside a serde error's message; one without path and hint if [`bad_setting`] did not make it.
pub fn unpack(message: &str) -> BadSetting {
    let mut parts = message.strip_prefix(MARK).map(|inner| inner.splitn(3, MARK)).into_iter().flatten();
    match (parts.next(), parts.next(), parts.next()) {
        (Some(path), Some(remedy), Some(what)) => BadSetting {
            path: path.into(),
            what: what.into(),
            remedy: Some(remedy.into()).filter(|r: &String| !r.is_empty()),
        },
        _ => BadSetting::new("", message),
    }
}

/// What a YAML value is, in words: `string "high"`, `a list`.
pub fn kind(value: &Value) -> String {
    match value {
        Value::Null => "nothing".into(),
        Value::Bool(b) => format!("boolean `{b}`"),
        Value::Number(n) => format!("number `{n}`"),
        Value::String(s) => format!("string {s:?}"),
        Value::Sequence(_) => "a list".into(),
        Value::Mapping(_) => "a section".into(),
        Value::Tagged(_) => "a tagged value".into(),
    }
}

/// A key as paths and messages write it.
pub fn key_text(key: &Value) -> String {
    match key {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Bool(truth) => truth.to_string(),
        Value::Null => "null".into(),
        Value::Sequence(_) => "[…]".into(),
        Value::Mapping(_) | Value::Tagged(_) => "{…}".into(),
    }
}

fn quoted(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// The schema of one entry: its settings plus the constant `name`. No other keys: [`settings`] refuses them.
pub fn named_schema<T: JsonSchema>(name: &str, generator: &mut SchemaGenerator) -> Schema {
    let mut schema = T::json_schema(generator);
    let object = schema.ensure_object();
    object.insert("type".into(), "object".into());
    object.insert("additionalProperties".into(), false.into());
    let mut properties = serde_json::Map::new();
    properties.insert("name".into(), serde_json::json!({ "const": name }));
    if let Some(serde_json::Value::Object(own)) = object.get("properties") {
        properties.extend(own.clone());
    }
    object.insert("properties".into(), properties.into());
    let mut required = vec![serde_json::Value::from("name")];
    if let Some(serde_json::Value::Array(own)) = object.get("required") {
        required.extend(own.iter().cloned());
    }
    object.insert("required".into(), required.into());
    schema
}

/// An entry that stands alone: its schema and all that it refers to.
pub fn entry<T: JsonSchema>(name: &'static str) -> Entry {
    let mut generator = SchemaGenerator::default();
    let mut schema = named_schema::<T>(name, &mut generator);
    let definitions = generator.take_definitions(true);
    if !definitions.is_empty() {
        schema.insert("$defs".into(), definitions.into());
    }
    Entry { name, schema }
}

/// Declares a table: an enum whose members are chosen by `name:` in YAML.
///
/// ```text
/// registry! {
///     /// How task losses become one update.
///     pub Method as dyn LossMethod {
///         "sum" => Sum,          // a struct of settings with serde (deny_unknown_fields), JsonSchema, LossMethod
///         "constant" => Constant,
///     }
/// }
/// ```
/// gives the enum with serde, JSON Schema, `NAMES`, `name()`, `entries()` and `Deref` to the trait. Keys that an entry's
/// struct lacks are refused even where the struct forgets `deny_unknown_fields`, and an entry without settings may be a
/// unit struct.
#[macro_export]
macro_rules! registry {
    ($(#[$meta:meta])* $visibility:vis $table:ident as dyn $role:path { $($name:literal => $entry:ident),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Debug, Clone)]
        #[allow(missing_docs, clippy::large_enum_variant)] // one value per run, however many settings it has
        $visibility enum $table { $($entry($entry)),+ }

        impl $table {
            /// Every name that YAML may use, in the table's order.
            pub const NAMES: &'static [&'static str] = &[$($name),+];

            /// The name by which YAML chose this one.
            pub fn name(&self) -> &'static str {
                match self { $(Self::$entry(_) => $name),+ }
            }

            /// Every entry with the schema of its settings.
            #[allow(dead_code)] // not every table is listed
            pub fn entries() -> Vec<$crate::registry::Entry> {
                vec![$($crate::registry::entry::<$entry>($name)),+]
            }
        }

        impl std::ops::Deref for $table {
            type Target = dyn $role;
            fn deref(&self) -> &Self::Target {
                match self { $(Self::$entry(it) => it),+ }
            }
        }

        impl serde::Serialize for $table {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                use serde::ser::Error;
                let own = match self { $(Self::$entry(it) => serde_yaml::to_value(it)),+ }.map_err(S::Error::custom)?;
                let mut section = serde_yaml::Mapping::new();
                section.insert("name".into(), self.name().into());
                if let serde_yaml::Value::Mapping(own) = own { section.extend(own); }
                serde::Serialize::serialize(&section, serializer)
            }
        }

        impl<'de> serde::Deserialize<'de> for $table {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let (name, section) = $crate::registry::choice(deserializer, Self::NAMES)?;
                match name.as_str() {
                    $($name => $crate::registry::settings::<$entry>(section)
                        .map(Self::$entry)
                        .map_err(|bad| $crate::registry::bad_setting(&bad)),)+
                    other => {
                        let error = <D::Error as serde::de::Error>::unknown_variant(other, Self::NAMES);
                        Err($crate::registry::at("name", error.to_string()))
                    }
                }
            }
        }

        impl schemars::JsonSchema for $table {
            fn schema_name() -> std::borrow::Cow<'static, str> { stringify!($table).into() }
            fn schema_id() -> std::borrow::Cow<'static, str> { concat!(module_path!(), "::", stringify!($table)).into() }
            fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
                let entries: Vec<schemars::Schema> = vec![$($crate::registry::named_schema::<$entry>($name, generator)),+];
                schemars::json_schema!({ "oneOf": entries })
            }
        }
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Serialize;

    pub trait Shape {
        fn sides(&self) -> u64;
    }

    /// Round.
    #[derive(Debug, Clone, Serialize, serde::Deserialize, JsonSchema)]
    pub struct Circle;

    /// Three sides.
    #[derive(Debug, Clone, Default, Serialize, serde::Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields, default)]
    pub struct Triangle {}

    /// Any number of sides. Forgets to refuse unknown keys.
    #[derive(Debug, Clone, Serialize, serde::Deserialize, JsonSchema)]
    pub struct Polygon {
        sides: u64,
    }

    impl Shape for Circle {
        fn sides(&self) -> u64 {
            1
        }
    }
    impl Shape for Triangle {
        fn sides(&self) -> u64 {
            3
        }
    }
    impl Shape for Polygon {
        fn sides(&self) -> u64 {
            self.sides
        }
    }

    registry! {
        /// Shapes.
        pub AnyShape as dyn Shape {
            "circle" => Circle,
            "triangle" => Triangle,
            "polygon" => Polygon,
        }
    }

    fn wrong(text: &str) -> BadSetting {
        unpack(&serde_yaml::from_value::<AnyShape>(serde_yaml::from_str(text).unwrap()).unwrap_err().to_string())
    }

    #[test]
    fn every_entry_is_chosen_by_its_name_and_written_with_it() {
        for (text, sides) in [("name: circle\n", 1), ("name: triangle\n", 3), ("name: polygon\nsides: 7\n", 7)] {
            let shape: AnyShape = serde_yaml::from_str(text).unwrap();
            assert_eq!(shape.sides(), sides);
            assert!(AnyShape::NAMES.contains(&shape.name()));
            assert_eq!(serde_yaml::to_string(&shape).unwrap(), text);
        }
    }

    #[test]
    fn every_entry_refuses_unknown_keys() {
        for text in ["{name: circle, x: 1}", "{name: triangle, x: 1}", "{name: polygon, sides: 4, x: 1}"] {
            let bad = wrong(text);
            assert_eq!(bad.path, "x", "{text}");
            assert!(bad.what.starts_with("unknown field `x`, "), "{}", bad.what);
        }
        for entry in AnyShape::entries() {
            assert_eq!(entry.schema.get("additionalProperties"), Some(&false.into()), "{}", entry.name);
        }
    }

    #[test]
    fn the_schema_of_an_entry_names_it_and_what_it_requires() {
        let schemas: Vec<_> = AnyShape::entries().into_iter().map(|entry| entry.schema.to_value()).collect();
        assert_eq!(schemas[0]["properties"], serde_json::json!({ "name": { "const": "circle" } }));
        assert_eq!(schemas[0]["type"], "object");
        assert_eq!(schemas[2]["required"], serde_json::json!(["name", "sides"]));
        let whole = schemars::schema_for!(AnyShape).to_value();
        assert_eq!(whole["oneOf"].as_array().unwrap().len(), 3);
    }

    #[test]
    fn a_mistake_travels_through_serde_with_path_and_hint() {
        let bad = BadSetting::new("a[0].b", "is odd: \u{1f} even").remedy("add 1");
        assert_eq!(unpack(&bad_setting::<serde_yaml::Error>(&bad).to_string()), bad);
        assert_eq!(unpack("plain"), BadSetting::new("", "plain"));
        assert_eq!(wrong("{name: polygon, sides: x}").path, "sides");
        assert_eq!(wrong("{name: [1]}").path, "name");
        assert_eq!(wrong("triangel").remedy.unwrap(), "write {name: triangle}");
    }
}
