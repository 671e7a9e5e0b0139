//! The log level of every fact, for `--log-level`.
//! The layout of the lines is in `human` and `json`.

use crate::config::LogLevel;
use crate::events::{Event, Fact, Subject};

/// Returns the level of a fact. Elements of a `for-each`, of a task or a pipeline, and iterations are logged as steps of
/// their task, at debug, unless something went wrong.
pub(crate) fn level_of(event: &Event) -> LogLevel {
    let is_part = event.subject.as_ref().is_some_and(Subject::is_part);
    let done = if is_part { LogLevel::Debug } else { LogLevel::Info };
    match &event.fact {
        Fact::TaskFailed(_) | Fact::OutputFailed { .. } => LogLevel::Error,
        Fact::TaskRetrying { .. }
        | Fact::TaskTakenOver { .. }
        | Fact::TaskLeaseLost
        | Fact::StateReconnected
        | Fact::TaskSkipped { failure: Some(_), .. }
        | Fact::Warning { .. } => LogLevel::Warn,
        Fact::TaskFinished { .. } | Fact::TaskCached { .. } | Fact::TaskStored | Fact::TaskSkipped { .. } => {
            done
        }
        Fact::RunStarted { .. }
        | Fact::RunResumed { .. }
        | Fact::RunFinished { .. }
        | Fact::RunEnding { .. }
        | Fact::TaskLog { .. } => LogLevel::Info,
        Fact::TaskReady | Fact::TaskStarted | Fact::TaskBlocked { .. } => LogLevel::Debug,
        Fact::TaskProgress { .. } => LogLevel::Trace,
    }
}
