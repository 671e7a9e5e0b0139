//! A failure as a value: what a task with `on-error = "failure"` outputs when it fails.
//! `engine` decides which failures become values.

use crate::model::FailureClass;
use crate::value::ty::{Field, Type};
use crate::value::{compose_record, wire};
use bytes::Bytes;

/// The classes of failures that become values. A lost host and a cancelled run say nothing about the call.
const CLASSES: [FailureClass; 5] = [
    FailureClass::Error,
    FailureClass::Trap,
    FailureClass::Timeout,
    FailureClass::Limit,
    FailureClass::Input,
];

/// Returns whether failures of this class can become values.
#[must_use]
pub fn is_failure_value(class: FailureClass) -> bool {
    CLASSES.contains(&class)
}

/// Returns the type of a failure: `record { class: enum { error, trap, … }, message: string }`.
#[must_use]
pub fn failure_type() -> Type {
    let class = Type::Enum(CLASSES.iter().map(|class| class.as_str().into()).collect());
    let field = |name: &str, ty| Field { name: name.into(), ty };
    Type::Record([field("class", class), field("message", Type::String)].into())
}

/// Composes a value of [`failure_type`].
#[must_use]
pub fn failure_value(class: FailureClass, message: &str) -> Bytes {
    let text = |text: &str| {
        let mut out = Vec::with_capacity(text.len() + 5);
        wire::put_str(&mut out, text);
        Bytes::from(out)
    };
    compose_record(&[("class".into(), text(class.as_str())), ("message".into(), text(message))])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::{check, to_json_text};

    #[test]
    fn composed_failures_are_values_of_their_type() {
        for class in CLASSES {
            let value = failure_value(class, "no");
            check(&failure_type(), &value).unwrap();
            let json = to_json_text(&failure_type(), &value).unwrap();
            assert_eq!(json, format!("{{\"class\":\"{class}\",\"message\":\"no\"}}"));
        }
        assert!(!is_failure_value(FailureClass::Lost) && !is_failure_value(FailureClass::Cancelled));
    }
}
