//! The outcomes of tasks and runs, shared by ledger, engine, events and output.
//! The ledger and `engine` decide which outcome applies.

use serde::{Deserialize, Serialize};
use std::fmt;

/// The reason why a task was skipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum SkipReason {
    /// The task's `when` was false.
    ConditionFalse,
    /// A task that it depends on was skipped.
    UpstreamSkipped,
    /// A task that it depends on failed.
    UpstreamFailed,
    /// Pruned: only cases of a `select` need the task, and none of them was chosen.
    Pruned,
    /// The element failed, and `on-error = "skip"` leaves it out of its list.
    ElementFailed,
    /// An element that it flows from, or another task in the same element of a pipeline, was left out.
    UpstreamElementFailed,
}

impl SkipReason {
    /// All reasons.
    pub const ALL: [Self; 6] = [
        Self::ConditionFalse,
        Self::UpstreamSkipped,
        Self::UpstreamFailed,
        Self::Pruned,
        Self::ElementFailed,
        Self::UpstreamElementFailed,
    ];

    /// Parses the stored word.
    #[must_use]
    pub fn parse(word: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str().as_bytes() == word)
    }

    /// Returns the stored and displayed word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ConditionFalse => "ConditionFalse",
            Self::UpstreamSkipped => "UpstreamSkipped",
            Self::UpstreamFailed => "UpstreamFailed",
            Self::Pruned => "Pruned",
            Self::ElementFailed => "ElementFailed",
            Self::UpstreamElementFailed => "UpstreamElementFailed",
        }
    }
}

impl fmt::Display for SkipReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The class of a failure, which decides whether the attempt is retried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FailureClass {
    /// The function returned an `err`.
    Error,
    /// The guest trapped.
    Trap,
    /// The attempt exceeded its `timeout`.
    Timeout,
    /// The guest exceeded one of its limits.
    Limit,
    /// The arguments could not be computed, or do not suit a built-in task: a path missed, a selector named no case, a text
    /// is no JSON.
    Input,
    /// The host lost the task: by lease, process or machine.
    Lost,
    /// The run was cancelled.
    Cancelled,
}

impl FailureClass {
    /// Returns the stored and displayed word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Trap => "trap",
            Self::Timeout => "timeout",
            Self::Limit => "limit",
            Self::Input => "input",
            Self::Lost => "lost",
            Self::Cancelled => "cancelled",
        }
    }
}

impl fmt::Display for FailureClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The reaction of a run to a failed task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FailurePolicy {
    /// Nothing new starts; running tasks are finished and committed.
    #[default]
    Finish,
    /// Every branch that does not depend on the failed task is finished.
    KeepGoing,
    /// Nothing new starts, and running tasks are aborted.
    FailFast,
}

/// The status of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RunStatus {
    /// Tasks are open.
    Running,
    /// Every task is done or skipped.
    Succeeded,
    /// A task failed.
    Failed,
    /// The run was stopped; it can be resumed.
    Cancelled,
    /// The run's deadline has passed; it can be resumed.
    #[serde(rename = "timeout")]
    TimedOut,
}

impl RunStatus {
    /// All statuses.
    pub const ALL: [Self; 5] =
        [Self::Running, Self::Succeeded, Self::Failed, Self::Cancelled, Self::TimedOut];

    /// Returns the stored and displayed word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::TimedOut => "timeout",
        }
    }
}

impl fmt::Display for RunStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
