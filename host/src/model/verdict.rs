//! The words for how tasks and runs end, shared by the ledger, the engine, events and output.
//! When a task ends so is decided elsewhere.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Why a task was skipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum SkipReason {
    /// Its `when` was false.
    ConditionFalse,
    /// A task that it needs was skipped.
    UpstreamSkipped,
    /// A task that it needs failed.
    UpstreamFailed,
    /// Only cases of a `select` need it, and none of them was chosen.
    Pruned,
}

impl SkipReason {
    /// The word that is stored and shown.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ConditionFalse => "ConditionFalse",
            Self::UpstreamSkipped => "UpstreamSkipped",
            Self::UpstreamFailed => "UpstreamFailed",
            Self::Pruned => "Pruned",
        }
    }
}

impl fmt::Display for SkipReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Why an attempt failed; it decides whether the attempt is repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FailureClass {
    /// The function returned an `err`.
    Error,
    /// The guest trapped.
    Trap,
    /// The attempt took longer than its `timeout`.
    Timeout,
    /// The guest passed one of its limits.
    Limit,
    /// The arguments could not be made: a path missed, a selector named no case.
    Input,
    /// The host lost the task: lease, process or machine.
    Lost,
    /// Somebody asked for it to stop.
    Cancelled,
}

impl FailureClass {
    /// The word that is stored and shown.
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

/// What the run does once a task has failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FailurePolicy {
    /// Nothing new starts; what runs is finished and committed.
    #[default]
    Finish,
    /// Every branch that does not need the failed task is finished.
    KeepGoing,
    /// Nothing new starts, and what runs is stopped.
    FailFast,
}

/// Where a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RunStatus {
    /// Tasks are open.
    Running,
    /// Every task is done or skipped.
    Succeeded,
    /// A task failed.
    Failed,
    /// Somebody stopped it; it can be resumed.
    Cancelled,
}

impl RunStatus {
    /// The word that is stored and shown.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

impl fmt::Display for RunStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
