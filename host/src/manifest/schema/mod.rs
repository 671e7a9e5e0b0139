//! The JSON Schema of a manifest, for editors: made of the same tables of keys and words that the parser reads, so that
//! both always agree. The parser checks more: names, types, and keys that exclude each other across tables.

mod shapes;
mod values;
mod grants;
mod tasks;
mod tables;

use crate::manifest::keys::TOP;
use crate::manifest::schema::shapes::{Explain, duration, named, object, title};
use crate::manifest::schema::tables::{backend, component, defaults, notify, param, resource, test};
use crate::manifest::schema::tasks::task;
use crate::manifest::schema::values::{definitions, output_value};
use serde_json::{Value, json};

/// Returns the schema, with the explanations of the manual.
///
/// It is of draft 7, which every editor's plugin knows.
pub(crate) fn schema(explain: Explain<'_>) -> Value {
    let root = object(TOP, "Top level", explain, &|key| top(key, explain));
    let Value::Object(mut schema) = root.requiring(&["cascade", "name"]).into_value() else {
        return Value::Null; // an object is one
    };
    schema.insert("$schema".to_owned(), json!("http://json-schema.org/draft-07/schema#"));
    schema.insert("title".to_owned(), json!("Manifest of cascade-host"));
    schema.insert("definitions".to_owned(), definitions(explain));
    // A manifest has a task, if only one that runs at the end.
    schema.insert("anyOf".to_owned(), json!([{ "required": ["tasks"] }, { "required": ["finally"] }]));
    Value::Object(schema)
}

fn top(key: &str, explain: Explain<'_>) -> Value {
    match key {
        "cascade" => json!({ "const": 1 }),
        "name" => title(),
        "description" => json!({ "type": "string" }),
        "deadline" => duration(),
        "state" | "cache" => backend(explain),
        "params" => named(&param(explain)),
        "resources" => named(&resource(explain)),
        "defaults" => defaults(explain),
        "components" => named(&component(explain)),
        "tasks" | "finally" => named(&task(explain)),
        "outputs" => named(&output_value()),
        "notify" => notify(explain),
        "tests" => json!({ "type": "array", "items": test(explain) }),
        _ => Value::Null, // a test finds keys without a shape
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::keys::SECTIONS;
    use std::collections::BTreeSet;

    fn whole() -> Value {
        schema(&|heading, key| Some(format!("{heading}: {key}")))
    }

    /// Calls `visit` with each object of a schema.
    fn each(value: &Value, visit: &mut dyn FnMut(&serde_json::Map<String, Value>)) {
        match value {
            Value::Object(object) => {
                visit(object);
                object.values().for_each(|inner| each(inner, visit));
            }
            Value::Array(items) => items.iter().for_each(|inner| each(inner, visit)),
            _ => {}
        }
    }

    #[test]
    fn every_table_of_the_parser_has_its_keys_in_the_schema() {
        let mut found: BTreeSet<BTreeSet<String>> = BTreeSet::new();
        each(&whole(), &mut |object| {
            if let (Some(Value::Object(properties)), Some(Value::Bool(false))) =
                (object.get("properties"), object.get("additionalProperties"))
            {
                found.insert(properties.keys().cloned().collect());
            }
        });
        for (name, section) in SECTIONS {
            let keys: BTreeSet<String> = section.keys().iter().map(ToString::to_string).collect();
            assert!(found.contains(&keys), "{name} is not in the schema");
        }
    }

    #[test]
    fn every_key_has_a_shape() {
        fn has_null(value: &Value) -> bool {
            match value {
                Value::Null => true,
                Value::Object(object) => object.values().any(has_null),
                Value::Array(items) => items.iter().any(has_null),
                Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
            }
        }
        assert!(!has_null(&whole()), "a key without a shape");
    }

    #[test]
    fn references_of_the_schema_lead_somewhere() {
        let schema = whole();
        let mut count = 0;
        each(&schema, &mut |object| {
            if let Some(Value::String(target)) = object.get("$ref") {
                let name = target.strip_prefix("#/definitions/").unwrap();
                assert!(schema["definitions"].get(name).is_some(), "{target}");
                count += 1;
            }
        });
        assert!(count > 10, "{count}");
    }
}
