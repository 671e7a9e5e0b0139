//! The facts of a run, in the wire form that `--events` writes.
//! A fact is complete without any other; adding one adds a variant.

use crate::model::{FailureClass, Name, RunStatus, SkipReason, Timestamp};
use serde::Serialize;

/// One fact with its time and subject.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// When.
    pub at: Timestamp,
    /// Which task, element and attempt; none for a fact of the run.
    pub subject: Option<Subject>,
    /// What.
    pub fact: Fact,
}

/// What a fact is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// The task.
    pub task: Name,
    /// The element.
    pub item: Option<u32>,
    /// The attempt, where one was made.
    pub attempt: Option<u32>,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "event")]
pub enum Fact {
    /// A new run began.
    #[serde(rename = "run.started")]
    RunStarted {
        /// The manifest's name.
        name: String,
        /// Tasks of the run.
        tasks: u32,
    },
    /// A run that was begun before goes on.
    #[serde(rename = "run.resumed")]
    RunResumed {
        /// The manifest's name.
        name: String,
        /// Tasks of the run.
        tasks: u32,
        /// Results that were kept.
        kept: u32,
    },
    /// The run ended on this host.
    #[serde(rename = "run.finished")]
    RunFinished {
        /// How.
        status: RunStatus,
        /// How long this host worked on it, in milliseconds.
        duration_ms: f64,
    },
    /// All that the task waits for has ended.
    #[serde(rename = "task.ready")]
    TaskReady,
    /// An attempt began.
    #[serde(rename = "task.started")]
    TaskStarted,
    /// The task's result is committed.
    #[serde(rename = "task.finished")]
    TaskFinished {
        /// Wall time of the attempt, in milliseconds.
        duration_ms: f64,
        /// Size of the stored result.
        output_bytes: u64,
        /// The most memory that the guest held.
        memory_bytes: u64,
        /// Fuel used, where it was counted.
        #[serde(skip_serializing_if = "Option::is_none")]
        fuel: Option<u64>,
    },
    /// The task's result was taken from the cache and committed.
    #[serde(rename = "task.cached")]
    TaskCached {
        /// The cache key.
        key: String,
    },
    /// The task's result was stored by an earlier session of this run.
    #[serde(rename = "task.stored")]
    TaskStored,
    /// The task is skipped.
    #[serde(rename = "task.skipped")]
    TaskSkipped {
        /// Why.
        reason: SkipReason,
        /// The task that it began with, where it began with another.
        #[serde(skip_serializing_if = "Option::is_none")]
        cause: Option<String>,
    },
    /// The task has failed for good.
    #[serde(rename = "task.failed")]
    TaskFailed(FailureFact),
    /// All tasks have succeeded, and an output cannot be made of what they have yielded: the run fails.
    #[serde(rename = "output.failed")]
    OutputFailed {
        /// Which output.
        output: String,
        /// Why.
        #[serde(flatten)]
        failure: FailureFact,
    },
    /// The attempt failed, and another will follow.
    #[serde(rename = "task.retrying")]
    TaskRetrying {
        /// How long until then.
        delay_ms: u64,
        /// Why.
        #[serde(flatten)]
        failure: FailureFact,
    },
    /// The task could start, were there more of a resource.
    #[serde(rename = "task.blocked")]
    TaskBlocked {
        /// Which.
        resource: String,
    },
    /// The task was taken over from a host that lost it.
    #[serde(rename = "task.taken_over")]
    TaskTakenOver {
        /// The host that had it.
        from: String,
        /// How many times in a row now.
        takeovers: u32,
    },
    /// This host lost the task while it ran; the result was discarded.
    #[serde(rename = "task.lease_lost")]
    TaskLeaseLost,
    /// The guest said how far it is.
    #[serde(rename = "task.progress")]
    TaskProgress {
        /// From 0 to 1.
        fraction: f64,
        /// What it is doing.
        message: String,
    },
    /// The guest wrote something.
    #[serde(rename = "task.log")]
    TaskLog {
        /// `stdout`, `stderr` or `log`.
        stream: &'static str,
        /// What it wrote, without the line's end.
        text: String,
    },
    /// The connection to the state backend is there again.
    #[serde(rename = "state.reconnected")]
    StateReconnected,
    /// Something that is no failure and should be known.
    #[serde(rename = "warning")]
    Warning {
        /// A word for programs.
        code: &'static str,
        /// A sentence for people.
        message: String,
    },
}

/// Why an attempt, a task or an output failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FailureFact {
    /// Its class.
    pub class: FailureClass,
    /// What happened, with the guest's backtrace where there is one.
    pub error: String,
}
