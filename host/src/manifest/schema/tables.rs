//! The shapes of all tables but tasks and grants: backends, params, resources, components, notifications and tests.
//! Their keys are those of `keys`.

use crate::manifest::expectation::FAILURES;
use crate::manifest::keys::{BACKEND, COMPONENT, DEFAULTS, IMPORT, NOTIFY, PARAM, RESOURCE, TEST};
use crate::manifest::notify::ENDINGS;
use crate::manifest::resource::SCOPES;
use crate::manifest::schema::grants::grants;
use crate::manifest::schema::shapes::{
    Explain, boolean, duration, filled, integer, object, title, variable, word,
};
use crate::manifest::schema::tasks::key_of_policy;
use crate::manifest::schema::values::{literal, literals};
use crate::model::MAX_RATE;
use serde_json::{Value, json};

pub(crate) fn backend(explain: Explain<'_>) -> Value {
    let key = |key: &str| match key {
        "uri" => json!({ "anyOf": [filled(), variable(explain)] }),
        "ttl" => duration(),
        _ => Value::Null, // a test finds keys without a shape
    };
    object(BACKEND, "[state] and [cache]", explain, &key).into_value()
}

pub(crate) fn param(explain: Explain<'_>) -> Value {
    let key = |key: &str| match key {
        "type" => filled(),
        "description" => json!({ "type": "string" }),
        "default" => literal(),
        "secret" => boolean(),
        _ => Value::Null, // a test finds keys without a shape
    };
    object(PARAM, "[params.NAME]", explain, &key).requiring(&["type"]).into_value()
}

pub(crate) fn resource(explain: Explain<'_>) -> Value {
    let key = |key: &str| match key {
        "amount" => integer(0, Some(i64::from(u32::MAX))),
        "rate" => filled(),
        "burst" => integer(1, Some(i64::from(MAX_RATE))),
        "scope" => word(&SCOPES),
        _ => Value::Null, // a test finds keys without a shape
    };
    let one = json!([{ "required": ["amount"] }, { "required": ["rate"] }]);
    let table = object(RESOURCE, "[resources]", explain, &key).with("oneOf", one);
    json!({ "anyOf": [integer(0, Some(i64::from(u32::MAX))), table.into_value()] })
}

pub(crate) fn defaults(explain: Explain<'_>) -> Value {
    object(DEFAULTS, "[tasks.NAME]", explain, &|key| key_of_policy(key, explain)).into_value()
}

pub(crate) fn component(explain: Explain<'_>) -> Value {
    let key = |key: &str| match key {
        "path" | "oci" | "url" | "wit" | "world" | "build" | "build-dir" => filled(),
        "sha256" => json!({ "type": "string", "pattern": "^[0-9a-fA-F]{64}$" }),
        "imports" => {
            let source = object(IMPORT, "[components.NAME.imports]", explain, &|_| filled());
            let source = source.requiring(&["component"]).into_value();
            json!({ "type": "object", "additionalProperties": { "anyOf": [{ "const": "trap" }, source] } })
        }
        "grants" => grants(explain),
        _ => Value::Null, // a test finds keys without a shape
    };
    let places = ["path", "oci", "url"].map(|key| json!({ "required": [key] }));
    let table = object(COMPONENT, "[components.NAME]", explain, &key);
    let needs = json!({ "world": ["wit"], "url": ["sha256"], "build": ["path"] });
    table.with("oneOf", json!(places)).with("dependencies", needs).into_value()
}

pub(crate) fn notify(explain: Explain<'_>) -> Value {
    let key = |key: &str| match key {
        "url" => json!({ "anyOf": [filled(), variable(explain)] }),
        "on" => json!({ "type": "array", "items": word(&ENDINGS), "minItems": 1 }),
        "secret" => variable(explain),
        _ => Value::Null, // a test finds keys without a shape
    };
    object(NOTIFY, "[notify]", explain, &key).requiring(&["url"]).into_value()
}

pub(crate) fn test(explain: Explain<'_>) -> Value {
    let key = |key: &str| match key {
        "name" => title(),
        "params" | "expect" => literals(),
        "fails" => word(&FAILURES),
        _ => Value::Null, // a test finds keys without a shape
    };
    let one = json!([{ "required": ["expect"] }, { "required": ["fails"] }]);
    object(TEST, "[[tests]]", explain, &key).requiring(&["name"]).with("oneOf", one).into_value()
}
