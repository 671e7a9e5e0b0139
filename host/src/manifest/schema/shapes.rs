//! The building blocks of the schema: tables with the keys of a section, words, numbers, durations and sizes.
//! The other files say which key has which.

use crate::manifest::keys::{Section, URI};
use crate::manifest::scalar::MAX_TITLE;
use serde_json::{Map, Value, json};

/// Explains a key: from the heading of its table in the manual and its name to a sentence.
pub(crate) type Explain<'a> = &'a dyn Fn(&str, &str) -> Option<String>;

/// Pattern of names.
pub(crate) const NAME: &str = "^[A-Za-z][A-Za-z0-9_-]{0,63}$";

/// The shape of a table that is still being made.
pub(crate) struct Shape(Map<String, Value>);

impl Shape {
    /// Sets the required keys.
    pub(crate) fn requiring(self, keys: &[&str]) -> Self {
        self.with("required", json!(keys))
    }

    /// Sets a word of JSON Schema.
    pub(crate) fn with(mut self, word: &str, value: Value) -> Self {
        self.0.insert(word.to_owned(), value);
        self
    }

    /// Returns the shape.
    pub(crate) fn into_value(self) -> Value {
        Value::Object(self.0)
    }
}

/// Returns the shape of a table with the keys of a section, explained by the manual's table below `heading`.
pub(crate) fn object(
    section: Section,
    heading: &str,
    explain: Explain<'_>,
    shape: &dyn Fn(&str) -> Value,
) -> Shape {
    let property = |key: &&str| {
        let mut shape = shape(key);
        if let (Value::Object(shape), Some(text)) = (&mut shape, explain(heading, key)) {
            shape.insert("description".to_owned(), text.into());
        }
        ((*key).to_owned(), shape)
    };
    let properties: Map<String, Value> = section.keys().iter().map(property).collect();
    let words = [
        ("type", json!("object")),
        ("properties", Value::Object(properties)),
        ("additionalProperties", json!(false)),
    ];
    Shape(words.map(|(word, value)| (word.to_owned(), value)).into_iter().collect())
}

/// Returns the shape of one of the words of a table.
pub(crate) fn word<T>(words: &[(&str, T)]) -> Value {
    let words: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
    json!({ "enum": words })
}

/// Returns the shape of a list.
pub(crate) fn list(item: &Value) -> Value {
    json!({ "type": "array", "items": item })
}

/// Returns the shape of a text that is not empty.
pub(crate) fn filled() -> Value {
    json!({ "type": "string", "minLength": 1 })
}

/// Returns the shape of a title.
pub(crate) fn title() -> Value {
    json!({ "type": "string", "minLength": 1, "maxLength": MAX_TITLE, "pattern": "^[^\\n\\r\\t]*$" })
}

/// Returns the shape of `true` or `false`.
pub(crate) fn boolean() -> Value {
    json!({ "type": "boolean" })
}

/// Returns the shape of a whole number.
pub(crate) fn integer(min: i64, max: Option<i64>) -> Value {
    match max {
        Some(max) => json!({ "type": "integer", "minimum": min, "maximum": max }),
        None => json!({ "type": "integer", "minimum": min }),
    }
}

/// Returns the shape of a duration above zero.
pub(crate) fn duration() -> Value {
    json!({ "type": "string", "pattern": "^\\s*0*[1-9][0-9]*\\s*(ms|s|m|h|d)\\s*$" })
}

/// Returns the shape of a duration that may be zero.
pub(crate) fn duration_or_zero() -> Value {
    json!({ "type": "string", "pattern": "^\\s*[0-9]+\\s*(ms|s|m|h|d)\\s*$" })
}

/// Returns the shape of a size.
pub(crate) fn size() -> Value {
    json!({ "type": "string", "pattern": "^\\s*0*[1-9][0-9]*\\s*(B|KiB|MiB|GiB|KB|MB|GB)\\s*$" })
}

/// Returns the shape of one value for all attempts, or a list with an entry an attempt.
pub(crate) fn by_attempt(one: &Value) -> Value {
    json!({ "anyOf": [one, { "type": "array", "items": one, "minItems": 1 }] })
}

/// Returns the shape of a table of names.
pub(crate) fn named(value: &Value) -> Value {
    json!({ "type": "object", "propertyNames": { "pattern": NAME }, "additionalProperties": value })
}

/// Returns the shape of `{ env = "NAME" }`.
pub(crate) fn variable(explain: Explain<'_>) -> Value {
    object(URI, "", explain, &|_| filled()).requiring(&["env"]).into_value()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Size, parse_duration};

    fn units(shape: &Value) -> Vec<String> {
        let pattern = shape["pattern"].as_str().unwrap();
        let units = pattern.split_once('(').unwrap().1.split_once(')').unwrap().0;
        units.split('|').map(str::to_owned).collect()
    }

    #[test]
    fn units_of_the_patterns_are_those_of_the_parser() {
        assert!(units(&duration()).iter().all(|unit| parse_duration(&format!("1{unit}")).is_ok()));
        assert!(units(&size()).iter().all(|unit| Size::parse(&format!("1{unit}")).is_ok()));
        assert_eq!(units(&duration()), units(&duration_or_zero()));
    }
}
