//! The words of failures: of an error that a function returned, and of a part of a task.
//! `exit_status` has those of programs; `job` decides what fails.

use crate::engine::on_error::MAX_SHOWN_ERROR;
use crate::model::{MessageParts, message_parts, quoted_lines};
use crate::value::{Type, several_lines, to_json_excerpt};
use bytes::Bytes;

/// Returns the JSON of an error that a function returned; none if there is none, or if the function exited with a status.
/// `hide` masks secrets.
pub(crate) fn error_json(
    ty: Option<&Type>,
    (payload, exit): (&Bytes, Option<u8>),
    hide: impl FnOnce(&str) -> String,
) -> Option<String> {
    let ty = ty.filter(|_| exit.is_none())?;
    to_json_excerpt(ty, payload, MAX_SHOWN_ERROR).map(|json| hide(&json))
}

/// Returns the message for an error that a function returned, given as JSON, or for its exit with a status.
pub(crate) fn shown_error(json: Option<&str>, exit: Option<u8>) -> String {
    match (exit, json) {
        (Some(status), _) => format!("the function called exit({status})"),
        (None, Some(json)) => returned_error(json),
        (None, None) => "the function returned an error".to_owned(),
    }
}

/// Returns the message of a part's failure as that of its task, such as `element 3 failed: …`.
pub(crate) fn failure_of(part: &str, message: &str) -> String {
    let MessageParts { before, own_words, after } = message_parts(message);
    format!("{before}{part} failed: {own_words}{after}")
}

/// Returns the message for a returned error, given as JSON. An error of several lines is quoted as such.
fn returned_error(json: &str) -> String {
    match several_lines(json) {
        Some(text) => format!("the function returned the error:{}", quoted_lines(&text)),
        None => format!("the function returned the error {json}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::manual::{Page, size};

    #[test]
    fn manual_names_the_limits_of_this_file() {
        Page::of("events").section("Error classes").says(&size(MAX_SHOWN_ERROR));
        Page::of("limits")
            .section("Logs and errors")
            .line("an error that")
            .cell(1)
            .says(&size(MAX_SHOWN_ERROR));
    }
}
