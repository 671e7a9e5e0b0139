//! How much of a run is told: the level of every fact, for `--log-level`.
//! How a fact looks is for the logs.

use crate::config::LogLevel;
use crate::events::{Event, Fact};

/// From which level on a fact is told. Elements of a `for-each` are told only as the steps of their task,
/// unless something is wrong with them.
pub(crate) fn level_of(event: &Event) -> LogLevel {
    let is_element = event.subject.as_ref().is_some_and(|subject| subject.item.is_some());
    let done = if is_element { LogLevel::Debug } else { LogLevel::Info };
    match &event.fact {
        Fact::TaskFailed(_) | Fact::OutputFailed { .. } => LogLevel::Error,
        Fact::TaskRetrying { .. }
        | Fact::TaskTakenOver { .. }
        | Fact::TaskLeaseLost
        | Fact::StateReconnected
        | Fact::Warning { .. } => LogLevel::Warn,
        Fact::TaskFinished { .. } | Fact::TaskCached { .. } | Fact::TaskStored | Fact::TaskSkipped { .. } => {
            done
        }
        Fact::RunStarted { .. }
        | Fact::RunResumed { .. }
        | Fact::RunFinished { .. }
        | Fact::TaskLog { .. } => LogLevel::Info,
        Fact::TaskReady | Fact::TaskStarted | Fact::TaskBlocked { .. } => LogLevel::Debug,
        Fact::TaskProgress { .. } => LogLevel::Trace,
    }
}
