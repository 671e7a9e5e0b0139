//! The shapes of values: literals, references, and arrays and tables of both.
//! Their types are those of parameters, which only components know.

use crate::manifest::output::FILE;
use crate::manifest::reference::companions;
use crate::manifest::schema::shapes::{Explain, boolean, filled};
use crate::manifest::task::CONDITION;
use crate::manifest::value::KINDS;
use serde_json::{Map, Value, json};

/// Returns what other shapes refer to.
pub(crate) fn definitions(explain: Explain<'_>) -> Value {
    let described = |kind: &str| {
        let mut shape = reference(kind, &[]);
        if let (Value::Object(shape), Some(text)) = (&mut shape, explain("References", kind)) {
            shape.insert("description".to_owned(), text.into());
        }
        shape
    };
    let mut all: Map<String, Value> =
        KINDS.iter().map(|kind| (format!("{kind}-reference"), described(kind))).collect();
    let references = KINDS.iter().map(|kind| json!({ "$ref": format!("#/definitions/{kind}-reference") }));
    let parts = [scalar(), json!({ "type": "array", "items": value() }), plain_table(&value())];
    let any: Vec<Value> = references.chain(parts).collect();
    all.insert("value".to_owned(), json!({ "anyOf": any }));
    let table = json!({ "type": "object", "additionalProperties": { "$ref": "#/definitions/raw" } });
    let raw = json!([scalar(), { "type": "array", "items": { "$ref": "#/definitions/raw" } }, table]);
    all.insert("raw".to_owned(), json!({ "anyOf": raw }));
    let list = json!({ "type": "array", "items": literal() });
    let whole = json!({ "$ref": "#/definitions/value-reference" });
    let literals = json!([scalar(), list, whole, plain_table(&literal())]);
    all.insert("literal".to_owned(), json!({ "anyOf": literals }));
    Value::Object(all)
}

/// Returns the shape of a value that may be or contain references.
pub(crate) fn value() -> Value {
    json!({ "$ref": "#/definitions/value" })
}

/// Returns the shape of a literal.
pub(crate) fn literal() -> Value {
    json!({ "$ref": "#/definitions/literal" })
}

/// Returns the shape of a table of literals by name.
pub(crate) fn literals() -> Value {
    json!({ "type": "object", "additionalProperties": literal() })
}

/// Returns the shape of `when`.
pub(crate) fn condition() -> Value {
    let references = KINDS.iter().map(|kind| reference(kind, &CONDITION));
    json!({ "anyOf": references.chain([boolean()]).collect::<Vec<_>>() })
}

/// Returns the shape of an output: a value, or a reference with the name of a file beside it.
pub(crate) fn output_value() -> Value {
    let references = KINDS.iter().filter(|kind| **kind != FILE).map(|kind| reference(kind, &[FILE]));
    json!({ "anyOf": references.chain([value()]).collect::<Vec<_>>() })
}

/// Returns the shape of the lists of a `for-each`.
pub(crate) fn lists() -> Value {
    let bound = value();
    let range = json!({
        "type": "object",
        "properties": { "range": { "anyOf": [
            { "type": "array", "items": bound, "minItems": 2, "maxItems": 2 },
            { "type": ["integer", "object"] },
        ] } },
        "required": ["range"],
        "additionalProperties": false,
    });
    let list = json!({
        "not": { "type": ["string", "boolean", "number"] },
        "if": { "required": ["range"], "not": { "anyOf": KINDS.map(|kind| json!({ "required": [kind] })) } },
        "then": range,
        "else": value(),
    });
    json!({ "type": "object", "minProperties": 1, "additionalProperties": list })
}

/// Returns the shape of a kind of reference, with more keys beside it.
fn reference(kind: &str, beside: &[&str]) -> Value {
    let keys = companions(kind).iter().chain(beside).map(|key| ((*key).to_owned(), companion(key)));
    let main = match kind {
        "select" => json!({ "type": "object" }),
        "value" => json!({ "$ref": "#/definitions/raw" }),
        _ => filled(), // all others name something
    };
    let properties: Map<String, Value> = keys.chain([(kind.to_owned(), main)]).collect();
    let required = if kind == "select" { vec![kind, "cases"] } else { vec![kind] };
    json!({
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    })
}

/// Returns the shape of a key beside a kind of reference.
fn companion(key: &str) -> Value {
    match key {
        "path" | FILE => filled(),
        "default" | "equals" => literal(),
        "secret" | "not" => boolean(),
        "cases" => json!({ "type": "object", "minProperties": 1, "additionalProperties": value() }),
        _ => Value::Null, // a test finds keys without a shape
    }
}

/// Returns the shape of literals without parts. WIT has no dates.
fn scalar() -> Value {
    json!({ "type": ["string", "boolean", "number"] })
}

/// Returns the shape of a table that is no reference.
fn plain_table(entry: &Value) -> Value {
    let kinds = KINDS.map(|kind| json!({ "required": [kind] }));
    json!({ "type": "object", "not": { "anyOf": kinds }, "additionalProperties": entry })
}
