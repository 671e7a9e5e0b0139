//! The note that a host stores about a node: who ran it, when, with which arguments, and what it waited for.
//! Whether the node has ended is decided by the ledger; a note only adds details.

use crate::model::{FailureClass, Timestamp};
use crate::state::HostId;
use serde::{Deserialize, Serialize};

/// A host's note about a node.
#[derive(Debug, Clone, PartialEq)]
pub struct Note {
    /// The host that wrote the note.
    pub host: HostId,
    /// The epoch of the run in which it was written.
    pub epoch: u64,
    /// The node's phase.
    pub phase: Phase,
    /// Attempts so far; zero for a task with elements and for a cached result.
    pub attempts: u32,
    /// When the node was handed out to the host.
    pub ready: Option<Timestamp>,
    /// Start of the last attempt, or of a task with elements.
    pub started: Option<Timestamp>,
    /// End of the last attempt.
    pub ended: Option<Timestamp>,
    /// Resource usage of the last attempt, if it had a result.
    pub usage: Option<Usage>,
    /// Class and first message line of the last attempt's failure, if it failed.
    pub failure: Option<(FailureClass, String)>,
    /// The delay before the next attempt, in milliseconds, if one follows.
    pub delay_ms: Option<u64>,
    /// The first resource that was short before the attempt, and since when.
    pub blocked: Option<(String, Timestamp)>,
    /// The call that was made or whose result was cached; none if nothing was called.
    pub call: Option<NotedCall>,
    /// The memory limit of the next attempt or of the one under way, in bytes, if it is larger than that of the first.
    pub memory_limit: Option<u64>,
    /// The time limit of the next attempt or of the one under way, in milliseconds, if it is longer than that of the first.
    pub timeout_ms: Option<u64>,
    /// The node with which the skip began, if the node was skipped for another one.
    pub cause: Option<String>,
    /// The run that stored the cached result, if that is known.
    pub cached_from: Option<String>,
}

/// What a call depends on, as numbers that can only be compared.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NotedCall {
    /// Eight bytes of the digest of the function with its grants, keyed by the run.
    pub callee: u64,
    /// Eight bytes of the digest of each argument, in the order of the parameters; zero for one that is secret.
    pub args: Vec<u64>,
}

/// The phase of a node when its note was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Everything that the node waits for had ended.
    Ready,
    /// An attempt had begun.
    Running,
    /// An attempt had failed, and another was to follow.
    Retrying,
    /// The result was committed.
    Done,
    /// The result was taken from the cache and committed.
    Cached,
    /// The node had failed, or its guest was stopped.
    Failed,
    /// The node was skipped.
    Skipped,
}

/// Resource usage of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Usage {
    /// Wall time in milliseconds, to the microsecond.
    pub duration_ms: f64,
    /// Peak memory of the guest, in bytes.
    pub memory_bytes: u64,
    /// Fuel used, if it was metered.
    pub fuel: Option<u64>,
}

/// Some of the nodes of a run with their notes, and where the next ones begin.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct NotesPage {
    /// Names of nodes, each with its kept notes, oldest first.
    pub nodes: Vec<(String, Vec<Note>)>,
    /// What to pass for the next page; none if this is the last one.
    pub next: Option<String>,
}

/// How an epoch of a run began, as its first host has stored it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EpochNote {
    /// The epoch.
    pub epoch: u64,
    /// When the host opened the run.
    pub at: Timestamp,
    /// Why it began.
    pub start: EpochStart,
    /// The changes of the plan since the epoch before, as task and key: `("count", "args.text")`. A task that is new has an
    /// empty key.
    pub changes: Vec<(String, String)>,
    /// The nodes that were asked to run again.
    pub rerun: Vec<String>,
}

/// Why an epoch began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EpochStart {
    /// The run was created.
    Created,
    /// Its plan was updated, or nodes were asked to run again.
    Updated,
    /// The state had lost data, or the run was resumed.
    Resumed,
}

impl Note {
    /// Creates a note of `phase` without details.
    #[must_use]
    pub const fn new(host: HostId, phase: Phase) -> Self {
        Self {
            host,
            epoch: 0,
            phase,
            attempts: 0,
            ready: None,
            started: None,
            ended: None,
            usage: None,
            failure: None,
            delay_ms: None,
            blocked: None,
            call: None,
            memory_limit: None,
            timeout_ms: None,
            cause: None,
            cached_from: None,
        }
    }
}
