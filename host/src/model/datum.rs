//! Untyped values: the content of a TOML literal or a JSON text.
//! `value` types and encodes them.

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use std::fmt;

/// A literal before it has a type. A table may repeat keys; typing rejects repeated keys.
#[derive(Debug, Clone, PartialEq)]
pub enum Datum {
    /// JSON `null`; TOML has none.
    Null,
    /// A boolean.
    Bool(bool),
    /// An integer, wide enough for `u64` and `s64`.
    Int(i128),
    /// A number with a fraction or an exponent.
    Float(f64),
    /// A string.
    Text(String),
    /// An ordered list.
    Array(Vec<Datum>),
    /// Keys and values in the order they were written.
    Table(Vec<(String, Datum)>),
}

impl Datum {
    /// Returns the kind for error messages: `a string`, `an integer`.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Int(_) => "an integer",
            Self::Float(_) => "a float",
            Self::Text(_) => "a string",
            Self::Array(_) => "an array",
            Self::Table(_) => "a table",
        }
    }
}

impl<'de> Deserialize<'de> for Datum {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(DatumVisitor)
    }
}

struct DatumVisitor;

impl<'de> Visitor<'de> for DatumVisitor {
    type Value = Datum;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Datum, E> {
        Ok(Datum::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Datum, E> {
        Ok(Datum::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Datum, E> {
        Ok(Datum::Int(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Datum, E> {
        Ok(Datum::Int(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Datum, E> {
        Ok(Datum::Float(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Datum, E> {
        Ok(Datum::Text(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Datum, E> {
        Ok(Datum::Text(value))
    }

    /// Takes bytes as the integers that `list<u8>` also is.
    fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Datum, E> {
        Ok(Datum::Array(bytes.iter().map(|byte| Datum::Int((*byte).into())).collect()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Datum, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Datum::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Datum, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Datum::Table(entries))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_json_with_order_and_full_integers() {
        let datum: Datum = serde_json::from_str(r#"{"b": 18446744073709551615, "a": [1.5, null]}"#).unwrap();
        assert_eq!(
            datum,
            Datum::Table(vec![
                ("b".into(), Datum::Int(u64::MAX.into())),
                ("a".into(), Datum::Array(vec![Datum::Float(1.5), Datum::Null])),
            ])
        );
    }
}
