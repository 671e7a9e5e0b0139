//! The shape of grants, which components and tasks have.
//! The parser checks what the texts mean.

use crate::manifest::keys::GRANTS;
use crate::manifest::schema::shapes::{Explain, boolean, filled, list, object};
use serde_json::{Value, json};

/// Returns the shape of grants.
pub(crate) fn grants(explain: Explain<'_>) -> Value {
    let key = |key: &str| match key {
        "dns" | "clock" | "random" | "context" => boolean(),
        "args" => list(&json!({ "type": "string" })),
        _ => list(&filled()), // all others are lists of names
    };
    object(GRANTS, "All grants", explain, &key).into_value()
}
