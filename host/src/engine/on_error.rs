//! The ending of a call that has failed for good, by the task's `on-error`.
//! `retry` decides whether another attempt follows; `job` settles the node.

use crate::invoke::Usage;
use crate::model::{FailureClass, excerpt, message_parts};
use crate::plan::{OnError, Task};
use crate::value::{compose_case, failure_value, is_failure_value};
use bytes::Bytes;

/// Bytes of an error's JSON, and characters of any other message, in events and in failures as values. The whole error is
/// stored.
pub(crate) const MAX_SHOWN_ERROR: usize = 16 << 10;

/// A call that has failed for good, or cannot be made. Its texts are without secrets.
pub(crate) struct CallFailure {
    pub(crate) class: FailureClass,
    /// What the call used; nothing if it was not made.
    pub(crate) usage: Usage,
    /// The message, with the guest's last lines and the backtrace.
    pub(crate) message: String,
    /// The `err` that the function returned, and its JSON.
    pub(crate) error: Option<(Bytes, Option<String>)>,
}

/// What becomes of a failure.
pub(crate) enum Ending {
    /// The task, or the element, fails.
    Fails,
    /// The output, in which the failure is a value.
    Output(Bytes),
    /// The element with this number of indexes is left out of its list.
    LeftOut(u8),
}

/// Returns what becomes of a failure of a node of a task that has this number of indexes. Only calls have outputs: a node
/// around elements makes none.
pub(crate) fn ending(task: &Task, level: usize, failure: &CallFailure) -> Ending {
    let is_call = level == task.depth();
    match (task.on_error, &failure.error) {
        (OnError::Value, Some((payload, _))) if is_call => Ending::Output(compose_case("err", payload)),
        _ if !is_failure_value(failure.class) => Ending::Fails,
        (OnError::Failure, _) if is_call => {
            Ending::Output(compose_case("err", &failure_value(failure.class, &failure.short_message())))
        }
        // None for a node that lies in no element of a list that leaves out.
        _ => task.leaves_out.level_of(level).map_or(Ending::Fails, Ending::LeftOut),
    }
}

/// Returns whether failures of calls below a node with this number of indexes leave the node intact: they become values, or
/// elements below the node are left out.
pub(crate) fn spares_task(task: &Task, level: usize) -> bool {
    let left_out = task.leaves_out.level_of(task.depth());
    task.on_error == OnError::Failure || left_out.is_some_and(|left_out| usize::from(left_out) > level)
}

impl CallFailure {
    /// Returns the payload of the error.
    pub(crate) fn payload(&self) -> Option<Bytes> {
        self.error.as_ref().map(|(payload, _)| payload.clone())
    }

    /// Returns the JSON of the error, or the message without its backtrace.
    fn short_message(&self) -> String {
        if let Some((_, Some(json))) = &self.error {
            return json.clone();
        }
        let parts = message_parts(&self.message);
        let text = format!("{}{}{}", parts.before, parts.own_words, parts.after);
        excerpt(&text, MAX_SHOWN_ERROR).into_owned()
    }
}
