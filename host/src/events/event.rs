//! Facts of a run, in the wire form that `--events` writes.
//! Reading and writing lines is in `reading` and `line`. A fact is complete without any other; a new one is a new
//! variant.

use crate::model::{FailureClass, RunStatus, SkipReason, TaskName, Timestamp};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// A fact with its time and subject.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Time of the fact.
    pub at: Timestamp,
    /// Task, element and attempt; none for a fact about the run.
    pub subject: Option<Subject>,
    /// The fact.
    pub fact: Fact,
}

/// Subject of a fact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// Name of the task. In a pipeline that runs once per element, it has the indexes of the elements: `clean[3]/count`.
    pub task: TaskName,
    /// Position of the element, if the task is a `for-each`.
    pub item: Option<u32>,
    /// Number of the iteration, if the task repeats and the fact is about one, from zero.
    pub iteration: Option<u32>,
    /// Number of the attempt, if the fact is about one.
    pub attempt: Option<u32>,
}

impl Subject {
    /// Returns whether the subject is a part of its task: one of its elements, or an iteration.
    #[must_use]
    pub fn is_part(&self) -> bool {
        self.is_element() || self.iteration.is_some()
    }

    /// Returns whether the subject is one of several nodes of its task: an element of the task, or in an element of a
    /// pipeline around it.
    #[must_use]
    pub fn is_element(&self) -> bool {
        self.item.is_some() || self.task.has_indexes()
    }

    /// Returns the name of the node: `count`, `count[7]`, or `clean[3]/count[7]`.
    #[must_use]
    pub fn node_name(&self) -> String {
        match self.item {
            Some(item) => format!("{}[{item}]", self.task),
            None => self.task.to_string(),
        }
    }
}

/// A fact about a run or one of its tasks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event")]
#[non_exhaustive]
pub enum Fact {
    /// A new run began.
    #[serde(rename = "run.started")]
    RunStarted {
        /// Name of the manifest.
        name: String,
        /// Number of tasks in the run.
        tasks: u32,
    },
    /// An earlier run was resumed.
    #[serde(rename = "run.resumed")]
    RunResumed {
        /// Name of the manifest.
        name: String,
        /// Number of tasks in the run.
        tasks: u32,
        /// Number of results kept from earlier sessions.
        kept: u32,
    },
    /// The run has nothing else to run than its finally tasks.
    #[serde(rename = "run.ending")]
    RunEnding {
        /// Status with which it will end.
        status: RunStatus,
    },
    /// The run ended on this host.
    #[serde(rename = "run.finished")]
    RunFinished {
        /// Status of the run.
        status: RunStatus,
        /// Time that this host worked on the run, in milliseconds.
        duration_ms: f64,
    },
    /// All dependencies of the task have ended.
    #[serde(rename = "task.ready")]
    TaskReady,
    /// An attempt began.
    #[serde(rename = "task.started")]
    TaskStarted,
    /// The result of the task, or of one of its iterations, is committed.
    #[serde(rename = "task.finished")]
    TaskFinished {
        /// Wall time of the attempt, in milliseconds.
        duration_ms: f64,
        /// Size of the stored result, in bytes.
        output_bytes: u64,
        /// Peak memory of the guest, in bytes.
        memory_bytes: u64,
        /// Fuel used, if it was counted.
        #[serde(skip_serializing_if = "Option::is_none")]
        fuel: Option<u64>,
        /// Number of iterations, if the task as a whole has finished and repeats.
        #[serde(skip_serializing_if = "Option::is_none")]
        iterations: Option<u32>,
    },
    /// The task's result was taken from the cache and committed.
    #[serde(rename = "task.cached")]
    TaskCached {
        /// The cache key.
        key: String,
    },
    /// An earlier session of this run stored the task's result.
    #[serde(rename = "task.stored")]
    TaskStored,
    /// The task is skipped.
    #[serde(rename = "task.skipped")]
    TaskSkipped {
        /// Reason of the skip.
        reason: SkipReason,
        /// Root cause: the task with which the skip began, if that is another one.
        #[serde(skip_serializing_if = "Option::is_none")]
        cause: Option<String>,
        /// Failure of an element that is left out of its list.
        #[serde(flatten)]
        failure: Option<FailureFact>,
    },
    /// The task has failed for good.
    #[serde(rename = "task.failed")]
    TaskFailed(FailureFact),
    /// All tasks succeeded, but an output cannot be computed of their results, so the run fails.
    #[serde(rename = "output.failed")]
    OutputFailed {
        /// Name of the output.
        output: String,
        /// Reason of the failure.
        #[serde(flatten)]
        failure: FailureFact,
    },
    /// The attempt failed, and another will follow.
    #[serde(rename = "task.retrying")]
    TaskRetrying {
        /// Delay before the next attempt, in milliseconds.
        delay_ms: u64,
        /// Memory limit of the next attempt in bytes, if it is larger than that of this one.
        #[serde(skip_serializing_if = "Option::is_none")]
        memory_bytes: Option<u64>,
        /// Timeout of the next attempt in milliseconds, if it is longer than that of this one.
        #[serde(skip_serializing_if = "Option::is_none")]
        timeout_ms: Option<u64>,
        /// Reason of the failure.
        #[serde(flatten)]
        failure: FailureFact,
    },
    /// The task could start if more of a resource were free.
    #[serde(rename = "task.blocked")]
    TaskBlocked {
        /// Name of the resource.
        resource: String,
        /// Its facts, if attempts reserve it.
        #[serde(flatten, skip_serializing_if = "Option::is_none")]
        shortage: Option<ShortageFact>,
    },
    /// The task was taken over from a host that lost it.
    #[serde(rename = "task.taken_over")]
    TaskTakenOver {
        /// Host that held the task before.
        from: String,
        /// Consecutive takeovers of this task, this one included.
        takeovers: u32,
    },
    /// This host lost the task's lease while it ran; the result was discarded.
    #[serde(rename = "task.lease_lost")]
    TaskLeaseLost,
    /// The guest reported its progress.
    #[serde(rename = "task.progress")]
    TaskProgress {
        /// Progress from 0 to 1.
        fraction: f64,
        /// Text from the guest about what it is doing.
        message: String,
    },
    /// The guest wrote a line.
    #[serde(rename = "task.log")]
    TaskLog {
        /// `stdout`, `stderr` or `log`.
        stream: Cow<'static, str>,
        /// Text of the line, without its end.
        text: String,
    },
    /// The connection to the state backend was restored.
    #[serde(rename = "state.reconnected")]
    StateReconnected,
    /// A problem that is no failure.
    #[serde(rename = "warning")]
    Warning {
        /// Code for programs.
        code: Cow<'static, str>,
        /// Sentence for people.
        message: String,
    },
}

/// What a call depends on, as numbers that can only be compared. Goes before the fact that the call has started or that its
/// result was cached, to sinks that store it; no line of events has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallFact {
    /// Eight bytes of the digest of the function with its grants, keyed by the run.
    pub callee: u64,
    /// Eight bytes of the digest of each argument, in order; zero for one that is secret.
    pub args: Vec<u64>,
    /// The run that stored the cached result, if that is known.
    pub cached_from: Option<String>,
}

/// A reserved resource that is short.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShortageFact {
    /// Its amount, or its rate.
    pub capacity: String,
    /// The amount that is held; none of a rate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub held: Option<u32>,
    /// The number of attempts, of all runs, before this one.
    pub ahead: u32,
    /// The attempt that has held some of it for the longest time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub holder: Option<HolderFact>,
}

/// A holder of a resource.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HolderFact {
    /// The run.
    pub run: String,
    /// The task, or the element of one.
    pub task: String,
    /// The host.
    pub host: String,
}

/// Failure of an attempt, a task or an output.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailureFact {
    /// Class of the failure.
    pub class: FailureClass,
    /// Message, with the guest's backtrace if there is one.
    pub error: String,
}
