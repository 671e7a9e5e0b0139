//! The shapes of tasks, and of the keys that `[defaults]` shares with them.
//! `tables` has the other tables.

use crate::manifest::collected::WORDS;
use crate::manifest::command::OWN;
use crate::manifest::keys::{LIMITS, OUTPUT, REPEAT, RETRY, TASK};
use crate::manifest::pipeline::{NONE, OF_CALLS};
use crate::manifest::policy::{BACKOFFS, CLASSES, MAX_LOST_HOSTS};
use crate::manifest::repeat::MAX_ITERATIONS;
use crate::manifest::schema::grants::grants;
use crate::manifest::schema::shapes::{
    Explain, NAME, boolean, by_attempt, duration, duration_or_zero, filled, integer, list, named, object,
    size, word,
};
use crate::manifest::schema::values::{condition, lists, value};
use crate::manifest::task::ON_ERROR;
use serde_json::{Map, Value, json};

/// Returns the shape of a task.
pub(crate) fn task(explain: Explain<'_>) -> Value {
    let has = |key: &str| json!({ "required": [key] });
    let without = |keys: &[&str]| -> Value {
        let none = keys.iter().map(|key| ((*key).to_owned(), Value::Bool(false)));
        json!({ "properties": none.collect::<Map<String, Value>>() })
    };
    let of_functions: Vec<&str> = OWN.into_iter().filter(|key| *key != "type").collect();
    let of_pipelines: Vec<&str> = OF_CALLS.into_iter().chain(OWN).collect();
    let pipeline = json!({ "properties": { "grants": { "const": NONE }, "on-error": { "const": "skip" } } });
    let rules = json!([
        { "oneOf": [has("call"), has("command"), has("manifest")] },
        { "if": has("call"), "then": without(&of_functions) },
        { "if": has("command"), "then": { "properties": { "args": list(&value()) } },
          "else": { "properties": { "args": { "type": "object" } } } },
        { "if": has("manifest"), "then": { "allOf": [without(&of_pipelines), pipeline] },
          "else": { "properties": { "grants": { "type": "object" } } } },
        { "not": { "required": ["repeat", "for-each"] } },
        { "not": { "required": ["output", "outputs"] } },
        { "if": { "properties": { "on-error": { "const": "skip" } }, "required": ["on-error"] }, "then": has("for-each") },
        { "if": has("product"), "then": { "properties": { "for-each": { "minProperties": 2 } } } },
    ]);
    let shape = object(TASK, "[tasks.NAME]", explain, &|key| key_of_task(key, explain));
    let needs_list = json!({ "max-parallel": ["for-each"], "product": ["for-each"] });
    shape.with("allOf", rules).with("dependencies", needs_list).into_value()
}

fn key_of_task(key: &str, explain: Explain<'_>) -> Value {
    let by_name = json!({ "type": "object", "additionalProperties": value() });
    match key {
        "call" => json!({ "type": "string", "pattern": "^[A-Za-z][A-Za-z0-9_-]{0,63}(#\\S+)?\\.\\S+$" }),
        "command" => json!({ "type": "string", "pattern": NAME }),
        "manifest" | "type" => filled(),
        "args" => json!({ "anyOf": [by_name, list(&value())] }),
        "stdin" => value(),
        "env" | "files" => by_name,
        "output" => collected(explain),
        "outputs" => {
            json!({ "type": "object", "minProperties": 1, "additionalProperties": collected(explain) })
        }
        "ok-status" => json!({ "type": "array", "items": integer(0, Some(255)), "minItems": 1 }),
        "for-each" => lists(),
        "product" => boolean(),
        "repeat" => repeat(explain),
        "on-error" => word(&ON_ERROR),
        "after" => list(&filled()),
        "when" => condition(),
        "max-parallel" => integer(1, Some(i64::from(u32::MAX))),
        "priority" => integer(-100, Some(100)),
        "deadline" => duration(),
        "grants" => json!({ "anyOf": [grants(explain), { "const": NONE }] }),
        policy => key_of_policy(policy, explain),
    }
}

/// Returns the shape of a key that `[defaults]` may set.
pub(crate) fn key_of_policy(key: &str, explain: Explain<'_>) -> Value {
    match key {
        "retry" => json!({ "anyOf": [integer(1, Some(i64::from(u32::MAX))), retry(explain)] }),
        "max-lost-hosts" => integer(0, Some(i64::from(MAX_LOST_HOSTS))),
        "timeout" => by_attempt(&duration()),
        "limits" => object(LIMITS, "limits", explain, &limit).into_value(),
        "resources" => named(&integer(0, Some(i64::from(u32::MAX)))),
        "cache" => json!({ "anyOf": [boolean(), duration()] }),
        _ => Value::Null, // a test finds keys without a shape
    }
}

fn limit(key: &str) -> Value {
    match key {
        "memory" => by_attempt(&size()),
        "fuel" => integer(1, None),
        _ => size(), // what is counted in bytes
    }
}

fn retry(explain: Explain<'_>) -> Value {
    let key = |key: &str| match key {
        "attempts" => integer(1, Some(i64::from(u32::MAX))),
        "delay" | "max-delay" => duration_or_zero(),
        "backoff" => word(&BACKOFFS),
        "jitter" => boolean(),
        "on" => json!({ "type": "array", "items": word(&CLASSES), "minItems": 1 }),
        "permanent" => list(&filled()),
        _ => Value::Null, // a test finds keys without a shape
    };
    object(RETRY, "retry", explain, &key).into_value()
}

fn repeat(explain: Explain<'_>) -> Value {
    let key = |key: &str| match key {
        "feed" | "until" => filled(),
        "max" => integer(1, Some(i64::from(MAX_ITERATIONS))),
        _ => Value::Null, // a test finds keys without a shape
    };
    object(REPEAT, "repeat", explain, &key).requiring(&["feed", "until"]).into_value()
}

/// Returns the shape of what a command gives back.
fn collected(explain: Explain<'_>) -> Value {
    let key = |key: &str| if key == "text" { boolean() } else { filled() };
    let table = object(OUTPUT, "output and outputs", explain, &key);
    let one = ["file", "files", "json"].map(|key| json!({ "required": [key] }));
    json!({ "anyOf": [word(&WORDS), table.with("oneOf", json!(one)).into_value()] })
}
